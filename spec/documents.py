"""Checks the Markdown of the repository against its files.

Checked, in every Markdown file: each relative link leads somewhere; each path in backticks that starts with a folder of the root exists
(`crates/rules/src/trap.rs`); each item behind such a path is defined in that file (`crates/compiler/src/compile.rs::compile`). The
levels of crates and the table of packages in ARCHITECTURE.md are those that the manifests give; `spec/check --write` writes them.
"""

import os
import re
import sys
import tomllib
from itertools import product
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
# Where the packages are, as patterns of folders.
PACKAGES = ["crates/*", "testing/*", "conformance/*", "conformance/adapters/*", "fuzz", "bench", "bench/*", "fixtures/candidates",
            "integration/*", "integration/*/*", "xtask"]
# What is built or fetched, not written.
NOT_OURS = {"target", "node_modules", "bare-root"}

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
# A path in backticks, perhaps with alternatives in braces and an item of the file.
NAMED = re.compile(r"^(\.?[\w-][\w./{},-]*?)/?(?:::(\w+))?$")
MARKED = re.compile(r"<!-- (levels|packages) -->\n(.*?)<!-- /\1 -->", re.DOTALL)
# A part of a path that stands for another name: NAME, CASE, LEVEL.
PLACEHOLDER = re.compile(r"(^|/)[A-Z]{3,}(/|\.|$)")


def check():
    roots = {path.name for path in ROOT.iterdir() if path.is_dir()} - NOT_OURS
    for path in markdown():
        text = path.read_text("utf-8")
        where = path.relative_to(ROOT)
        for link in sorted(set(LINK.findall(without_code(text)))):
            yield from broken_link(path, where, link)
        # The changelog also names what is no more.
        for code in sorted(set(CODE.findall(text))) if path.name != "CHANGELOG.md" else []:
            yield from broken_path(where, code, roots)
    text = ARCHITECTURE.read_text("utf-8")
    if len(MARKED.findall(text)) != 2:
        yield "ARCHITECTURE.md: the levels or the table of packages are missing"
    elif written(text) != text:
        yield "ARCHITECTURE.md: the table of packages is not up to date: run spec/check --write"


def write():
    """Writes the table of packages anew."""
    ARCHITECTURE.write_text(written(ARCHITECTURE.read_text("utf-8")), "utf-8")


def markdown():
    """The pages, without a look into folders that are not ours: what is built and run there comes and goes."""
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in NOT_OURS and not name.startswith("."))
        yield from (Path(folder) / name for name in sorted(files) if name.endswith(".md") and not name.startswith("."))


def without_code(text):
    """The text without code blocks and code in lines, where brackets are no links."""
    kept, fenced = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            kept.append(CODE.sub("code", line))
    return "\n".join(kept)


def broken_link(path, where, link):
    target = unquote(link.partition("#")[0])
    if target and "://" not in link and not link.startswith("mailto:") and not (path.parent / target).exists():
        yield f"{where}: the link to {link} leads nowhere"


def broken_path(where, code, roots):
    match = NAMED.match(code)
    if not match or "/" not in match[1] or match[1].split("/")[0] not in roots or PLACEHOLDER.search(match[1]):
        return
    for name in alternatives(match[1]):
        file = ROOT / name
        if not file.exists():
            yield f"{where}: `{code}`: there is no {name}"
        elif match[2] and not defines(file, match[2]):
            yield f"{where}: `{code}`: {name} defines no {match[2]}"


def alternatives(path):
    """`a/{b,c}` is a/b and a/c."""
    parts = re.split(r"\{([^}]*)\}", path)
    choices = [part.split(",") if index % 2 else [part] for index, part in enumerate(parts)]
    return ["".join(choice) for choice in product(*choices)]


def defines(file, item):
    keyword = r"(?:fn|struct|enum|trait|type|const|static|mod|union|macro_rules!)"
    return file.is_file() and re.search(rf"\b{keyword} {item}\b", file.read_text("utf-8"))


def written(text):
    """The page with the levels of crates and the table of packages that the manifests give."""
    packages = read_packages()
    parts = {"levels": levels(packages), "packages": rows(packages)}
    return MARKED.sub(lambda mark: "\n".join([f"<!-- {mark[1]} -->", *parts[mark[1]], f"<!-- /{mark[1]} -->"]), text)


def read_packages():
    """Each package by its folder: what it is, and the folders of the packages that it builds on, in its code and in its tests."""
    manifests = {}
    for pattern in PACKAGES:
        for file in sorted(ROOT.glob(f"{pattern}/Cargo.toml")):
            try:
                manifest = tomllib.loads(file.read_text("utf-8"))
            except tomllib.TOMLDecodeError as error:
                sys.exit(f"spec: {file.relative_to(ROOT)}: {error}")
            if "package" in manifest:
                manifests.setdefault(file.parent.relative_to(ROOT).as_posix(), manifest)
    folders = {manifest["package"]["name"]: folder for folder, manifest in manifests.items()}

    def ours(*tables):
        return sorted({folders[name] for table in tables for name in names(table) if name in folders}, key=list(manifests).index)

    packages = {}
    for folder, manifest in manifests.items():
        targets = manifest.get("target", {}).values()
        normal = ours(manifest.get("dependencies", {}), *(target.get("dependencies", {}) for target in targets))
        tests = [it for it in ours(manifest.get("dev-dependencies", {})) if it not in normal and it != folder]
        packages[folder] = (manifest["package"].get("description", ""), normal, tests)
    return packages


def levels(packages):
    """The crates by height: each builds on crates of lower levels alone."""
    heights = {}

    def height(folder, users=()):
        if folder in users:
            sys.exit(f"spec: packages build on each other in a ring: {' -> '.join([*users, folder])}")
        if folder not in heights:
            heights[folder] = 1 + max((height(it, (*users, folder)) for it in packages[folder][1]), default=-1)
        return heights[folder]

    crates = [folder for folder in packages if folder.startswith("crates/")]
    for level in sorted({height(folder) for folder in crates}, reverse=True):
        here = [folder.removeprefix("crates/") for folder in crates if heights[folder] == level]
        yield f"    {level}  {', '.join(here)}"


def rows(packages):
    yield "| folder | what it is | builds on | in tests also on |"
    yield "| --- | --- | --- | --- |"
    for folder, (what, normal, tests) in packages.items():
        yield f"| `{folder}` | {what} | {shown(normal)} | {shown(tests)} |"


def names(table):
    """The packages that a table of dependencies names, also where they are renamed."""
    for name, value in table.items():
        yield value.get("package", name) if isinstance(value, dict) else name


def shown(folders):
    return ", ".join(f"`{folder}`" for folder in folders)
