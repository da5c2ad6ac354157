//! The authors, licences and notices of all crates that are linked into the programs of a release.

use crate::repository::{self, Package, ReadError, root};
use crate::tasks::Problems;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// The packages whose programs are released.
const RELEASED: [&str; 2] = ["pvf-cli", "pvf-worker"];

/// Beginnings of the names of files with licences or notices, in lower case.
const NAMES: [&str; 6] = [
    "licence",
    "license",
    "copying",
    "copyright",
    "notice",
    "unlicense",
];

/// `cargo xtask notices`: `[--target TRIPLE] FILE`.
pub fn task(arguments: &[String]) -> Result<(), Problems> {
    let (target, file) = match arguments {
        [file] => (None, file),
        [flag, target, file] if flag == "--target" => (Some(target.as_str()), file),
        _ => {
            return Err(Problems(vec![
                "expected [--target TRIPLE] FILE, which will hold the notices".to_owned(),
            ]));
        }
    };
    let packages = linked(target)?;
    let mut text = String::from(
        "The programs are linked with these crates. A crate without a text below has none in its package, and is under the\n\
         licence that its line names.\n",
    );
    for package in &packages {
        add(&mut text, package)?;
    }
    std::fs::write(file, text).map_err(|source| ReadError::File {
        path: file.into(),
        source,
    })?;
    println!("{} crates in {file}", packages.len());
    Ok(())
}

/// The packages of others that are linked, by name and version.
fn linked(target: Option<&str>) -> Result<Vec<Package>, Problems> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["tree", "--locked", "--edges", "normal", "--prefix", "none"]);
    cargo.args(["--format", "{p}"]);
    cargo.args(RELEASED.iter().flat_map(|it| ["--package", it]));
    if let Some(target) = target {
        cargo.args(["--target", target]);
    }
    let tree = repository::output("cargo", &mut cargo)?;
    // A line is `NAME vVERSION`, and `(proc-macro)` for what runs in the compiler alone.
    let names: BTreeSet<_> = tree
        .lines()
        .filter(|line| !line.contains("(proc-macro)"))
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?.strip_prefix('v')?))
        })
        .collect();
    let mut packages = repository::with_dependencies("Cargo.toml")?;
    packages.retain(|it| {
        let is_ours = it.manifest_path.starts_with(root());
        let key = (it.name.as_str(), it.version.as_str());
        names.contains(&key) && (!is_ours || is_vendored(&it.manifest_path))
    });
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(packages)
}

/// Whether a package of others lies in the repository's folder, as `cargo vendor` places it.
fn is_vendored(manifest: &Path) -> bool {
    manifest.starts_with(root().join("vendor"))
}

/// Adds a package's line and the texts in its folder.
fn add(text: &mut String, package: &Package) -> Result<(), Problems> {
    let licence = package.license.as_deref().unwrap_or("see below");
    // Writing to a string does not fail.
    let _ = writeln!(text, "\n{:=<80}", "");
    let _ = writeln!(text, "{} {}: {licence}", package.name, package.version);
    if !package.authors.is_empty() {
        let _ = writeln!(text, "by {}", package.authors.join(", "));
    }
    let folder = package.manifest_path.parent().unwrap_or(root());
    let unreadable = |source| ReadError::File {
        path: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() && is_notice(&path) {
            files.push(path);
        }
    }
    files.sort();
    for path in files {
        let bytes = std::fs::read(&path).map_err(|source| ReadError::File {
            path: path.clone(),
            source,
        })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let _ = writeln!(text, "\n--- {name}\n");
        let notice = String::from_utf8_lossy(&bytes).replace('\r', "");
        let _ = writeln!(text, "{}", notice.trim_end());
    }
    Ok(())
}

/// Whether a file's name is that of a licence or notice.
fn is_notice(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_lowercase();
    // Not, for example, a module `license.rs`.
    let is_text = !name.ends_with(".rs") && !name.ends_with(".toml");
    is_text && NAMES.iter().any(|it| name.starts_with(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_and_nothing_else() {
        let packages = linked(Some("x86_64-unknown-linux-gnu")).unwrap();
        let has = |name: &str| packages.iter().any(|it| it.name == name);
        assert!(packages.len() > 150, "only {}", packages.len());
        for name in ["sp-io", "sp-core", "secp256k1-sys", "clap", "landlock"] {
            assert!(has(name), "{name} is not there");
        }
        // A procedural macro, a test's dependency, a dependency of the C library's test, a package of this repository.
        for name in ["serde_derive", "proptest", "cbindgen", "pvf-compiler"] {
            assert!(!has(name), "{name} is there");
        }
    }

    #[test]
    fn texts_are_found_by_their_names() {
        for name in [
            "LICENSE",
            "LICENSE-MIT",
            "licence.txt",
            "COPYING",
            "NOTICE.md",
        ] {
            assert!(is_notice(Path::new(name)), "{name}");
        }
        for name in ["license.rs", "README.md", "src"] {
            assert!(!is_notice(Path::new(name)), "{name}");
        }
        let packages = linked(None).unwrap();
        let clap = packages.iter().find(|it| it.name == "clap").unwrap();
        let mut text = String::new();
        add(&mut text, clap).unwrap();
        assert!(text.contains("Permission is hereby granted"), "{text}");
        assert!(text.contains(&format!("clap {}: MIT OR Apache-2.0", clap.version)));
    }
}
