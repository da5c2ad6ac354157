//! `pvf bench`: the executable that it starts, and its message without one.

mod common;

use common::{scratch, write};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

fn bench(program: &str, args: &[&str]) -> Output {
    common::program()
        .args(args)
        .env("PVF_BENCH", program)
        .output()
        .unwrap()
}

#[test]
fn arguments_go_to_pvf_bench_and_its_exit_code_comes_back() {
    let program = write("bench", "pvf-bench", "#!/bin/sh\necho \"$@\"\nexit 1\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let ran = bench(&program, &["bench", "linear", "--filter", "deep nesting"]);
    assert_eq!(ran.status.code(), Some(1));
    assert_eq!(ran.stdout, b"linear --filter deep nesting\n");
    for args in [
        ["--json", "bench", "cold"],
        ["bench", "--json", "cold"],
        ["bench", "cold", "--json"],
    ] {
        assert_eq!(bench(&program, &args).stdout, b"cold --json\n", "{args:?}");
    }
}

#[test]
fn without_it_pvf_says_how_to_get_it() {
    let nowhere = scratch("bench", "nowhere");
    let nowhere = nowhere.to_str().unwrap();
    let ran = bench(nowhere, &["bench", "programs"]);
    assert_eq!(ran.status.code(), Some(3));
    let text = String::from_utf8(ran.stderr).unwrap();
    assert!(
        text.contains("PVF_BENCH") && text.contains(nowhere),
        "{text}"
    );
    let ran = bench(nowhere, &["--json", "bench", "programs"]);
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(json["exit_code"], 3);
}
