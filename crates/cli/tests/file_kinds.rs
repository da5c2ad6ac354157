//! Files in and out: what is written does no harm, what is read is of the right kind, and nothing is left behind.

mod common;

use common::{fixture, program, pvf, scratch, write};
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of one test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = scratch("files", name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it can be read");
    let mut names: Vec<String> = entries
        .map(|it| {
            it.expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    names.sort();
    names
}

/// The commands that write a file, with the place for its name last.
fn writers() -> Vec<Vec<String>> {
    let (code, candidate) = (fixture("adder/code.wasm"), fixture("adder/add-1.params"));
    let list = |it: &[&str]| it.iter().map(|&it| it.to_owned()).collect();
    vec![
        list(&["prepare", &code, "-o"]),
        list(&["instrument", &code, "-o"]),
        list(&["profile", &code, &candidate, "-o"]),
        list(&["inspect", &code, "--html"]),
        list(&["conformance", "run", "--filter", "HOST-7/", "--html"]),
        list(&["conformance", "run", "--filter", "HOST-7/", "--junit"]),
    ]
}

fn run(writer: &[String], file: &str) -> common::Ran {
    let args = writer.iter().map(String::as_str).chain([file]);
    pvf(args)
}

#[test]
fn a_file_that_is_written_replaces_regular_ones_only() {
    for writer in writers() {
        let what = writer.join(" ");
        let folder = folder("replace");
        let target = folder.join("target");
        fs::write(&target, "old").expect("it can be written");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).expect("it is ours");
        let link = folder.join("link");
        symlink("target", &link).expect("a link");
        assert_eq!(run(&writer, text(&link)).code, 0, "{what}");
        assert!(link.is_symlink(), "{what}");
        let written = fs::metadata(&target).expect("it is there");
        assert_eq!(written.permissions().mode() & 0o777, 0o640, "{what}");
        let content = fs::read(&target).expect("it can be read");
        assert!(content.len() > 10 && content != b"old", "{what}");
        assert_eq!(names(&folder), ["link", "target"], "{what}");

        // Devices stay, also if root writes to them.
        assert_eq!(run(&writer, "/dev/null").code, 0, "{what}");
        let null = fs::metadata("/dev/null").expect("it is there");
        assert!(null.file_type().is_char_device(), "{what}");
        assert_eq!(run(&writer, "/dev/full").code, 3, "{what}");
        let full = fs::metadata("/dev/full").expect("it is there");
        assert!(full.file_type().is_char_device(), "{what}");

        // A pipe gets the bytes.
        let pipe = folder.join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("coreutils").success());
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || fs::read(pipe).expect("somebody writes"))
        };
        assert_eq!(run(&writer, text(&pipe)).code, 0, "{what}");
        assert!(reader.join().expect("it read").len() > 10, "{what}");
        let there = fs::metadata(&pipe).expect("it is there");
        assert!(there.file_type().is_fifo(), "{what}");

        // The standard output holds the file and nothing else.
        let ran = run(&writer, "-");
        assert_eq!(ran.code, 0, "{what}: {}", ran.stderr);
        assert!(!Path::new("-").exists(), "{what}");
        if writer[0] == "prepare" || writer[0] == "instrument" {
            assert_eq!(ran.stdout, content, "{what}");
        }
        assert!(!ran.stdout.is_empty(), "{what}");
        let both = run(&[writer.clone(), vec!["-".into()]].concat(), "--json");
        assert_eq!(both.code, 2, "{what}: {}", both.stderr);
        // And a folder is no file.
        assert_eq!(run(&writer, text(&folder)).code, 3, "{what}");
    }
}

#[test]
fn nothing_is_left_behind() {
    let place = folder("temporary");
    let code = fixture("adder/code.wasm");
    let candidate = fixture("adder/add-1.params");
    let dying = write("files", "dying.sh", "exit 1\n");
    let (dying, answering) = (format!("/bin/sh {dying}"), "/bin/echo {}".to_owned());
    let commands: [&[&str]; 6] = [
        &["doctor"],
        &["conformance", "run", "--filter", "HOST-7/"],
        &[
            "conformance",
            "run",
            "--filter",
            "HOST-7/",
            "--engine",
            &dying,
        ],
        &[
            "conformance",
            "run",
            "--filter",
            "HOST-7/",
            "--engine",
            &answering,
        ],
        &["arbitrate", &code, &candidate, "--against", &dying],
        &["arbitrate", &code, &candidate, "--against", &answering],
    ];
    for command in commands {
        let ran = program()
            .args(command)
            .env("TMPDIR", &place)
            .output()
            .expect("pvf runs");
        assert!(ran.status.code().is_some(), "{command:?}");
        assert!(names(&place).is_empty(), "{command:?}: {:?}", names(&place));
    }
}

#[test]
fn an_engine_that_dies_is_named() {
    let dying = write("files", "dying-engine.sh", "exit 1\n");
    let engine = format!("/bin/sh {dying}");
    let ran = pvf([
        "conformance",
        "run",
        "--filter",
        "HOST-7/",
        "--engine",
        &engine,
    ]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("dying-engine.sh"), "{}", ran.stderr);
}

#[test]
fn conformance_finds_its_suite_and_wants_cases() {
    let ran = program()
        .args(["conformance", "run", "--filter", "HOST-7/", "--json"])
        .current_dir("/")
        .output()
        .expect("pvf runs");
    assert_eq!(ran.status.code(), Some(0));
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    assert!(!json.to_string().contains("not asked for"));
    let ran = pvf(["conformance", "run", "--filter", "no case is called that"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("no case is selected"), "{}", ran.stderr);
}

/// Files of every kind but the right one, where code and where a candidate is wanted.
#[test]
fn a_wrong_kind_of_file_is_wrong_usage() {
    let (code, params) = (fixture("adder/code.wasm"), fixture("adder/add-1.params"));
    let artifact = scratch("files", "kinds.artifact");
    let artifact = text(&artifact);
    assert_eq!(pvf(["prepare", &code, "-o", artifact]).code, 0);
    let bytes = fs::read(&params).expect("it is there");
    let compressed = zstd::encode_all(&bytes[..], 3).expect("it can be compressed");
    let compressed = write("files", "params.zst", compressed);
    let nothing = zstd::encode_all(&b"nothing"[..], 3).expect("it can be compressed");
    let nothing = write("files", "nothing.zst", nothing);
    // As a collator exports: a proof, then what the relay chain knows.
    let exported = [&[8, 1, 2, 4, 9][..], &[0; 4 + 32 + 4]].concat();
    let exported = write("files", "block.pov", exported);
    let cut = [&[0xd1, 0x07][..], b"VERSIONEDPBD\x01\x04", &[3; 200]].concat();
    let cut = write("files", "cut.pov", cut);
    let name = write("files", "hostname", "some-machine\n");
    let garbage = write("files", "garbage", b"\x01\x02\x03\x04\xff\xfe");
    let empty = write("files", "empty", b"");
    let spec = fixture("adder/chain-spec.json");
    let elf = env!("CARGO_BIN_EXE_pvf");
    let out = write("files", "unused", b"");

    let no_code = [
        &params,
        &compressed,
        &nothing,
        &exported,
        &name,
        &garbage,
        &empty,
        artifact,
        elf,
    ];
    let wrong = |args: &[&str], hint: &str| {
        let ran = pvf(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(hint), "{args:?}: {}", ran.stderr);
        let json = pvf([args, &["--json"]].concat()).json();
        assert_eq!(
            (&json["exit_code"], &json["outcome"]),
            (&2.into(), &().into())
        );
    };
    for file in no_code {
        for command in [
            &["validate", file, &params][..],
            &["prepare", file, "-o", &out],
            &["arbitrate", file, &params],
            &["measure", file],
            &["profile", file, &params],
            &["inspect", file],
            &["instrument", file, "-o", &out],
            &["run", file, "--invoke", "f"],
        ] {
            wrong(command, "this is not a PVF");
        }
    }
    let no_candidate = [&code, &nothing, &cut, &name, &garbage, artifact, &spec, elf];
    for file in no_candidate {
        for command in [
            &["validate", &code, file][..],
            &["execute", artifact, file],
            &["arbitrate", &code, file],
            &["measure", &code, file],
            &["profile", &code, file],
        ] {
            wrong(command, "this does not decode as ValidationParams");
        }
    }
    // The usual mistakes are named.
    wrong(&["validate", &params, &code], "The code comes first");
    wrong(&["validate", &code, &code], "The code comes first");
    wrong(
        &["validate", artifact, &params],
        "`pvf execute` takes artifacts",
    );
    wrong(
        &["validate", &code, &cut],
        "a collator's export that is cut short",
    );
    wrong(
        &["execute", &code, &params],
        "`pvf prepare` makes an artifact of it",
    );
    wrong(&["execute", &params, artifact], "The artifact comes first");
    // What is right stays right, and who insists gets a verdict.
    assert_eq!(pvf(["validate", &code, &compressed]).code, 0);
    assert_eq!(
        pvf(["validate", &code, &garbage, "--any-candidate"]).code,
        1
    );
}

/// What is refused is said in one line, and so is why.
#[test]
fn reasons_are_of_one_line() {
    let text = r#"(module
        (import "env" "ext_host_calls_pallas_mul_version_1" (func $mul (param i64 i64) (result i64)))
        (memory (export "memory") 1)
        (global (export "__heap_base") i32 (i32.const 4096))
        (func (export "validate_block") (param i32 i32) (result i64) BODY))"#;
    let params = fixture("adder/add-1.params");
    let reason = |body: &str| {
        let code = write("files", "reason.wat", text.replace("BODY", body));
        let json = pvf(["validate", "--json", &code, &params]).json();
        let shown = pvf(["validate", &code, &params]).text();
        let reason = json["reason"].as_str().expect("a reason").to_owned();
        assert!(!reason.contains(['\n', '\t']), "{reason}");
        assert!(
            shown.contains(&format!("  reason        {reason}\n")),
            "{shown}"
        );
        reason
    };
    let undecodable = reason("(i64.const 0x100000000)");
    assert!(undecodable.contains("cannot be decoded"), "{undecodable}");
    let missing = reason("(call $mul (i64.const 0) (i64.const 0))");
    assert!(missing.contains("--ecc-rfc163"), "{missing}");
}

#[test]
fn inspect_says_what_no_candidate_survives() {
    for (text, fails) in [
        (
            "(module (memory (export \"memory\") 1))",
            "there is no export `__heap_base`",
        ),
        (
            "(module (memory (export \"memory\") 9000))",
            "memory starts with 9000 pages",
        ),
    ] {
        let code = write("files", "fails.wat", text);
        let ran = pvf(["inspect", &code]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(
            ran.text().starts_with("as a PVF   accepted\n"),
            "{}",
            ran.text()
        );
        assert!(ran.text().contains(fails), "{}", ran.text());
    }
    let refused = "(module (func (result i32) (i32.extend8_s (i32.const 5))))";
    let code = write("files", "refused.wat", refused);
    let ran = pvf(["inspect", &code]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.text().starts_with("as a PVF   rejected: "),
        "{}",
        ran.text()
    );
    let prepared = pvf(["prepare", "--precheck", "--json", &code, "-o", "/dev/null"]).json();
    let rule = prepared["rule"].as_str().expect("a rule");
    assert!(
        ran.text()
            .lines()
            .next()
            .is_some_and(|line| line.contains(rule))
    );
}

#[test]
fn plain_chain_specifications_have_code_too() {
    let raw = fs::read_to_string(fixture("adder/chain-spec.json")).expect("it is there");
    let raw: serde_json::Value = serde_json::from_str(&raw).expect("JSON");
    let code = &raw["genesis"]["raw"]["top"]["0x3a636f6465"];
    assert!(code.is_string());
    let plain = serde_json::json!({"name": "plain", "genesis": {"runtimeGenesis":
        {"code": code, "patch": {"balances": {"balances": []}}}}});
    let plain = write("files", "plain.json", plain.to_string());
    let params = fixture("adder/add-1.params");
    let digest = |code: &str| {
        let json = pvf(["validate", "--json", code, &params]).json();
        json["outcome_digest"].clone()
    };
    assert!(digest(&plain).is_string());
    assert_eq!(digest(&plain), digest(&fixture("adder/code.wasm")));
    let without = write(
        "files",
        "without.json",
        r#"{"genesis": {"runtimeGenesis": {"patch": {}}}}"#,
    );
    let ran = pvf(["inspect", &without]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("genesis.runtimeGenesis.code"),
        "{}",
        ran.stderr
    );
}
