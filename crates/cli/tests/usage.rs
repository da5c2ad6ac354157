//! What every command has in common: help, wrong usage, unreadable input, completions.

mod common;

use common::{fixture, pvf, scratch, write};

#[test]
fn help_has_examples() {
    let ran = pvf(["--help"]);
    assert_eq!(ran.code, 0);
    assert!(ran.text().contains("Exit codes:"));
    for command in [
        "validate",
        "prepare",
        "execute",
        "run",
        "measure",
        "wast",
        "inspect",
        "verify",
        "bench",
        "completions",
        "man",
    ] {
        let ran = pvf([command, "--help"]);
        assert_eq!(ran.code, 0, "{command}");
        assert!(ran.text().contains("Example"), "{command}");
    }
}

#[test]
fn wrong_usage() {
    let adder = fixture("adder/code.wasm");
    let params = fixture("adder/add-1.params");
    for args in [
        &[][..],
        &["frobnicate"],
        &["validate"],
        &["validate", &adder],
        &["validate", &adder, &params, "--frobnicate"],
        &["validate", "-", "-"],
        &["validate", &adder, &params, "--gas", "much"],
        &[
            "validate",
            &adder,
            &params,
            "--stack-logical-max",
            "4294967296",
        ],
        &["validate", &adder, &params, "--max-memory-pages", "many"],
        &["validate", &adder, &params, "--sign-extension=perhaps"],
        &["validate", &adder, &params, "--threads", "513"],
        &["prepare", &adder],
        &["prepare", &adder, "-o", "unused", "--target", "pdp11"],
        &["execute", &adder],
        &["run", &adder],
        &["measure"],
        &["measure", &adder, "--runs", "-1"],
        &["wast"],
        &["inspect"],
        &["inspect", &adder, "--top", "x"],
        &["verify"],
        &["verify", &adder, &adder, &adder],
        &["completions", "cmd.exe"],
        &["man"],
    ] {
        let ran = pvf(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{args:?}");
        assert!(!ran.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn unreadable_input() {
    let missing = scratch("unreadable", "missing").display().to_string();
    let directory = scratch("unreadable", "").display().to_string();
    let adder = fixture("adder/code.wasm");
    let params = fixture("adder/add-1.params");
    let bad_text = write("unreadable", "bad.wat", "(module (func");
    let bad_spec = write("unreadable", "bad.json", "{\"genesis\": {}}");
    let bad_zstd = write("unreadable", "bad.zst", b"\x28\xb5\x2f\xfdrest");
    let out = scratch("unreadable", "out").display().to_string();
    for args in [
        &["validate", &missing, &params][..],
        &["validate", &adder, &missing],
        &["validate", &directory, &params],
        &["validate", &bad_text, &params],
        &["validate", &bad_spec, &params],
        &["validate", &adder, &bad_zstd],
        &["prepare", &missing, "-o", &out],
        &["execute", &missing, &params],
        &["execute", &adder, &params],
        &["execute", &adder, &missing],
        &["run", &missing, "--invoke", "f"],
        &["measure", &missing],
        &["measure", &adder, &missing],
        &["wast", &missing],
        &["wast", &adder],
        &["wast", &bad_text],
        &["inspect", &missing],
        &["verify", &missing],
        &["verify", &adder, &adder],
    ] {
        let ran = pvf(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{args:?}");
        assert!(
            ran.stderr.starts_with("error: "),
            "{args:?}: {}",
            ran.stderr
        );

        let mut with_json = args.to_vec();
        with_json.push("--json");
        let ran = pvf(&with_json);
        assert_eq!(ran.code, 2, "{args:?}");
        let json = ran.json();
        assert_eq!(json["exit_code"], 2, "{args:?}");
        assert!(json["error"].is_string(), "{args:?}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_a_host_failure() {
    let out = scratch("unwritable", "").join("no-directory/artifact");
    let ran = pvf([
        "prepare",
        &fixture("adder/code.wasm"),
        "-o",
        &out.display().to_string(),
    ]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
}

#[test]
fn memory_that_the_machine_does_not_have_is_a_host_failure() {
    let adder = fixture("adder/code.wasm");
    let params = fixture("adder/add-1.params");
    let limit = u64::MAX.to_string();
    let ran = pvf([
        "validate",
        "--json",
        &adder,
        &params,
        "--stack-native-max",
        &limit,
    ]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert_eq!(ran.json()["exit_code"], 3);
}

#[test]
fn completions_for_shells() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = pvf(["completions", shell]);
        assert_eq!(ran.code, 0, "{shell}");
        assert!(ran.text().contains("validate"), "{shell}");
    }
}

#[test]
fn manual_pages() {
    let into = scratch("manual", "man1");
    let ran = pvf(["man", &into.display().to_string(), "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let pages = ran.json()["pages"].as_array().unwrap().len();
    assert!(pages > 25, "{pages}");
    let page = std::fs::read_to_string(into.join("pvf-workers-install.1")).unwrap();
    for text in [".TH", "untried", "SH EXAMPLES"] {
        assert!(page.contains(text), "{text}: {page}");
    }

    // In place of the directory there is a file.
    let file = write("manual", "file", "");
    let ran = pvf(["man", &file]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
}
