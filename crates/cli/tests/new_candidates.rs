//! `pvf candidate new` on production runtimes, which are not part of the repository: `PVF_CASES`
//! names their folder, by default `../shared/pvf` next to the repository.
#![cfg(feature = "candidate")]

mod common;

use common::schema::Validator;
use common::{pvf, scratch, write};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::{env, fs};

fn runtime(name: &str) -> Option<String> {
    let sibling = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/pvf");
    let folder = env::var_os("PVF_CASES").map_or(sibling, PathBuf::from);
    let file = folder.join(name).join("code.compressed.wasm");
    match file.is_file() {
        true => Some(file.to_str().expect("a path in UTF-8").to_owned()),
        false => {
            println!("skipped: no {}", file.display());
            None
        }
    }
}

fn validator() -> Validator {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/candidate.json");
    let schema = fs::read_to_string(schema).expect("the schema is there");
    Validator::new(serde_json::from_str(&schema).expect("the schema is JSON"))
}

/// Runs with `--json` and checks the output against the schema.
fn made(args: &[&str], code: i32) -> Value {
    let ran = pvf([&["candidate", "new", "--json"], args].concat());
    assert_eq!(ran.code, code, "{args:?}: {}", ran.stderr);
    let json = ran.json();
    let errors = validator().errors(&json);
    assert!(errors.is_empty(), "{args:?}: {errors:#?}\n{json}");
    json
}

fn place(name: &str) -> String {
    scratch("new_candidates", name).display().to_string()
}

#[test]
fn a_candidate_is_valid_in_both_forms() {
    let Some(code) = runtime("bridge-hub-polkadot") else {
        return;
    };
    let (params, pov) = (place("a.params"), place("a.pov"));
    let json = made(
        &[&code, "--transfers", "20", "-o", &params, "--pov", &pov],
        0,
    );
    assert_eq!(json["valid"], json!(true));
    assert_eq!(json["extrinsics"], json!(22));
    assert_eq!(json["number"], json!(3));
    let digests = [&params, &pov].map(|file| {
        let ran = pvf(["validate", "--json", &code, file]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.json()["outcome_digest"].clone()
    });
    assert!(digests[0].is_string());
    assert_eq!(digests[0], digests[1]);
    // The same arguments give the same file.
    let again = place("again.params");
    let repeated = made(&[&code, "--transfers", "20", "-o", &again], 0);
    assert_eq!(repeated["params_blake2_256"], json["params_blake2_256"]);
    assert_eq!(fs::read(&params).unwrap(), fs::read(&again).unwrap());
    let text = pvf(["candidate", "new", &code, "-o", &again]).text();
    assert!(
        text.contains("bridge-hub-polkadot 9382, parachain 2000"),
        "{text}"
    );
    assert!(text.contains("validated     valid"), "{text}");
}

#[test]
fn a_script_is_built_and_files_are_beside_it() {
    let Some(code) = runtime("tick") else {
        return;
    };
    write("new_candidates", "new.wasm", [7; 3000]);
    let blocks = "# comment\nblock\nupgrade new.wasm\nblock\nxcm-down 1 2\n";
    let params = place("script.params");
    // Metadata of 2021 have no types.
    let wrong = format!("{blocks}call //Bob System.remark_with_event (1)");
    let script = write("new_candidates", "wrong.txt", wrong);
    let json = made(&[&code, "--script", &script, "-o", &params], 2);
    let error = json["error"].as_str().expect("a message");
    assert!(
        error.contains("line 6 of the script: metadata without types"),
        "{error}"
    );
    let script = write("new_candidates", "right.txt", blocks);
    let json = made(&[&code, "--script", &script, "-o", &params], 0);
    assert_eq!(json["number"], json!(2));
    let ran = pvf(["validate", "--json", &code, &params]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn corrupt_candidates_are_invalid() {
    let Some(code) = runtime("bridge-hub-polkadot") else {
        return;
    };
    let params = place("corrupt.params");
    for (kind, message) in [
        ("seal", "Invalid AuRa seal"),
        ("state-root", "Storage root must match that calculated"),
        ("signature", "Transaction has a bad signature"),
        ("proof", "panicked"),
    ] {
        let args = [&code, "--transfers", "1", "--corrupt", kind, "-o", &params];
        let json = made(&args, 0);
        assert_eq!(
            (&json["valid"], &json["corrupt"]),
            (&json!(false), &json!(kind))
        );
        let reason = json["reason"].as_str().expect("a reason");
        assert!(reason.contains(message), "{kind}: {reason}");
        let ran = pvf(["validate", "--json", &code, &params]);
        assert_eq!(
            (ran.code, &ran.json()["outcome"]),
            (1, &json!("invalid")),
            "{kind}"
        );
    }
}

#[test]
fn wrong_usage_is_refused() {
    let text = write("new_candidates", "not.code", b"not code");
    made(&[&text, "-o", "-"], 2);
    let wat = write("new_candidates", "module.wat", b"(module)");
    let out = place("none.params");
    let json = made(&[&wat, "-o", &out], 2);
    let error = json["error"].as_str().expect("a message");
    assert!(error.contains("`__heap_base`"), "{error}");
    for args in [
        &["candidate", "new", "x.wasm"][..],
        &["candidate", "new", "x.wasm", "-o", "y", "--corrupt", "all"],
        &[
            "candidate",
            "new",
            "x.wasm",
            "-o",
            "y",
            "--script",
            "s",
            "--transfers",
            "1",
        ],
        &[
            "candidate",
            "new",
            "x.wasm",
            "-o",
            "y",
            "--empty-before",
            "1000",
        ],
    ] {
        assert_eq!(pvf(args).code, 2, "{args:?}");
    }
    // A runtime without end is interrupted.
    let endless = "(module (memory (export \"memory\") 1) (global (export \"__heap_base\") i32 (i32.const 8)) \
                   (func (export \"Core_version\") (param i32 i32) (result i64) (loop (br 0)) (i64.const 0)) \
                   (func (export \"validate_block\") (param i32 i32) (result i64) (i64.const 0)))";
    let endless = write("new_candidates", "endless.wat", endless.as_bytes());
    let json = made(&[&endless, "-o", &out, "--timeout", "200ms"], 3);
    assert_eq!(json["timed_out"], json!(true));
}
