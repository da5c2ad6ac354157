//! Programs in C, C++, Go and Python against the library: the examples, and a program that calls every function with right
//! and wrong arguments and from several threads, natively and under the tools that find misused memory.

mod tools;

use std::path::{Path, PathBuf};
use tools::{Done, Link, compile, has, has_by, library_folder, root, run, run_with, text};

/// What the outcome of the README's candidate has to be.
const DIGEST: &str = "2a796c2fa90605656b954c039e993d0baaf52860596d0fc47269334f29a2c292";

/// AddressSanitizer installs a signal stack for each thread and frees at its end whichever is there then, which can be the
/// library's.
const ASAN_OPTIONS: (&str, &str) = ("ASAN_OPTIONS", "use_sigaltstack=0:detect_leaks=1");

/// Whatever valgrind finds is a failure. A PVF's traps need exact registers when an instruction faults.
const VALGRIND: [&str; 6] = [
    "--quiet",
    "--error-exitcode=9",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite",
    "--show-leak-kinds=definite",
    "--vex-iropt-register-updates=allregs-at-each-insn",
];

fn fixtures() -> PathBuf {
    root().join("fixtures")
}

fn ledger(candidate: &str) -> [String; 2] {
    ["code.wasm", candidate].map(|file| text(&fixtures().join("ledger").join(file)).to_owned())
}

/// Arguments of the program that calls everything; the file it writes is this test's own.
fn all_arguments(test: &str) -> [String; 2] {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.pvf"));
    [fixtures(), scratch].map(|path| text(&path).to_owned())
}

fn check_all(done: Done) {
    assert_eq!(done.success(), "all is well\n");
}

fn check_example(program: &Path) {
    let shown = check_verdicts(program);
    assert_eq!(shown.matches(DIGEST).count(), 1, "{shown}");
    assert!(shown.contains("with gas, execution 2: valid"), "{shown}");
}

/// What any example has to say of three candidates; what it says of the valid one.
fn check_verdicts(program: &Path) -> String {
    let shown = run(program, &ledger("transfer.params")).success();
    assert!(shown.starts_with("valid\n"), "{shown}");
    let invalid = run(program, &ledger("too-poor.params"));
    assert_eq!(invalid.code, Some(1), "{invalid:#?}");
    assert!(
        invalid
            .stdout
            .starts_with("invalid\n  trap          unreachable\n")
    );
    let missing = run(program, &ledger("no-such-file"));
    assert_eq!(missing.code, Some(2), "{missing:#?}");
    shown
}

#[test]
fn the_example_in_c() {
    check_example(&compile(
        "examples/validate.c",
        "validate",
        Link::Shared,
        &["-std=c99", "-Wpedantic"],
    ));
}

#[test]
fn the_example_in_c_with_the_static_library() {
    check_example(&compile(
        "examples/validate.c",
        "validate-static",
        Link::Static,
        &["-std=c11"],
    ));
}

#[test]
fn the_example_in_python() {
    if !has("python3") {
        return;
    }
    let python = |candidate: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/validate.py");
        let library = library_folder().join("libpvf.so");
        let [code, candidate] = ledger(candidate);
        run(
            "python3",
            &[text(&script), text(&library), &code, &candidate],
        )
    };
    let valid = python("transfer.params").success();
    assert!(valid.contains(DIGEST), "{valid}");
    let invalid = python("too-poor.params");
    assert_eq!(invalid.code, Some(1), "{invalid:#?}");
    assert!(invalid.stdout.contains("unreachable"), "{invalid:#?}");
    assert!(
        invalid.stderr.contains("log 0, parachain: balance too low"),
        "{invalid:#?}"
    );
}

/// Installs the library for one test; the folder with what pkg-config reads.
fn installed(test: &str) -> PathBuf {
    let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let script = root().join("scripts/install-libpvf");
    let from = library_folder();
    let arguments = ["--prefix", text(&prefix), "--from", text(&from)];
    run(script, &arguments).success();
    prefix.join("lib/pkgconfig")
}

#[test]
fn the_example_in_cpp_with_the_installed_library() {
    if !has("g++") || !has("pkg-config") {
        return;
    }
    let packages = installed("installed-cpp");
    let packages = [("PKG_CONFIG_PATH", text(&packages))];
    let found = run_with("pkg-config", &["--cflags", "--libs", "pvf"], &packages).success();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/validate.cpp");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("validate-cpp");
    let flags = [
        "-std=c++17",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        "-pthread",
    ];
    let mut arguments = flags.to_vec();
    arguments.extend([text(&source), "-o", text(&program)]);
    arguments.extend(found.split_whitespace());
    run("g++", &arguments).success();
    let shown = check_verdicts(&program);
    assert_eq!(shown.matches(DIGEST).count(), 2, "{shown}");
}

#[test]
fn the_example_in_go_with_the_installed_library() {
    if !has_by("go", "version") || !has("pkg-config") {
        return;
    }
    let packages = installed("installed-go");
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (cache, program) = (scratch.join("go-cache"), scratch.join("validate-go"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/go");
    let environment = [
        ("PKG_CONFIG_PATH", text(&packages)),
        ("GOCACHE", text(&cache)),
        // Nothing of the checkout's history, nothing from elsewhere.
        ("GOFLAGS", "-buildvcs=false"),
        ("GOPROXY", "off"),
    ];
    let go = |arguments: &[&str]| {
        let all = [&["-C", text(&folder), "go"], arguments].concat();
        run_with("env", &all, &environment).success()
    };
    go(&["vet", "./..."]);
    go(&["test", "-count=1", "./..."]);
    go(&["build", "-o", text(&program), "./validate"]);
    let shown = check_verdicts(&program);
    assert!(shown.contains("with gas, execution 2: valid"), "{shown}");
}

#[test]
fn the_header_in_cpp() {
    if has("g++") {
        let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/pvf.h");
        let flags = [
            "-std=c++11",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-fsyntax-only",
        ];
        // What is included is no main file, about which there would be a warning.
        let include = ["-include", text(&header), "-x", "c++", "/dev/null"];
        run("g++", &[&flags[..], &include].concat()).success();
    }
}

#[test]
fn every_function() {
    let program = compile("tests/c/all.c", "all", Link::Shared, &[]);
    check_all(run(program, &all_arguments("native")));
}

#[test]
fn every_function_under_address_sanitizer() {
    let flags = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"];
    let program = compile("tests/c/all.c", "all-asan", Link::Shared, &flags);
    check_all(run_with(program, &all_arguments("asan"), &[ASAN_OPTIONS]));
}

#[test]
fn address_sanitizer_sees_the_memory_of_the_library() {
    let program = compile(
        "tests/c/misuse.c",
        "misuse-asan",
        Link::Shared,
        &["-fsanitize=address"],
    );
    let reports = [
        ("leak", "LeakSanitizer"),
        ("twice", "AddressSanitizer: attempting double-free"),
        ("after", "AddressSanitizer: heap-use-after-free"),
        ("beyond", "AddressSanitizer: heap-buffer-overflow"),
    ];
    for (how, report) in reports {
        let done = run_with(&program, &[text(&fixtures()), how], &[ASAN_OPTIONS]);
        assert_ne!(done.code, Some(0), "{how}");
        assert!(done.stderr.contains(report), "{how}: {done:#?}");
    }
}

fn valgrind(program: &Path, arguments: &[&str]) -> Done {
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/valgrind.supp");
    let known = format!("--suppressions={}", text(&known));
    let all = [&VALGRIND[..], &[&known, text(program)], arguments].concat();
    run("valgrind", &all)
}

#[test]
fn every_function_under_valgrind() {
    if !has("valgrind") {
        return;
    }
    let program = compile("tests/c/all.c", "all-valgrind", Link::Shared, &[]);
    let arguments = all_arguments("valgrind");
    check_all(valgrind(
        &program,
        &arguments.each_ref().map(String::as_str),
    ));
}

#[test]
fn valgrind_sees_the_memory_of_the_library() {
    if !has("valgrind") {
        return;
    }
    let program = compile("tests/c/misuse.c", "misuse-valgrind", Link::Shared, &[]);
    let reports = [
        ("leak", "definitely lost"),
        ("twice", "Invalid read"),
        ("after", "Invalid read"),
        ("beyond", "Invalid read"),
    ];
    for (how, report) in reports {
        let done = valgrind(&program, &[text(&fixtures()), how]);
        assert_eq!(done.code, Some(9), "{how}: {done:#?}");
        assert!(done.stderr.contains(report), "{how}: {done:#?}");
    }
}
