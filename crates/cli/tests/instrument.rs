//! `pvf instrument`: fixtures with real host functions end at the limits where the engine's own meters end them.

mod common;

use common::{fixture, pvf, scratch, write};
use serde_json::Value;
use std::path::PathBuf;

const CASES: [(&str, &str); 2] = [
    ("adder/code.wasm", "adder/add-1.params"),
    ("constant/code.wat", "constant/something.params"),
];

fn instrumented(code: &str, name: &str, limits: [u64; 3]) -> PathBuf {
    let output = scratch("instrument", name);
    let [native, logical, gas] = limits.map(|limit| limit.to_string());
    let ran = pvf([
        "instrument",
        code,
        "--json",
        "-o",
        output.to_str().expect("a path in UTF-8"),
        "--stack-native-max",
        &native,
        "--stack-logical-max",
        &logical,
        "--gas",
        &gas,
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["gas_limit"], limits[2]);
    output
}

fn validated(code: &str, params: &str, more: &[&str]) -> Value {
    let arguments = ["validate", "--json", code, params].into_iter();
    pvf(arguments.chain(more.iter().copied())).json()
}

#[test]
fn fixtures_end_at_the_same_limits() {
    for (index, (code, params)) in CASES.into_iter().enumerate() {
        let (code, params) = (fixture(code), fixture(params));
        let metered = validated(&code, &params, &["--gas", "unlimited"]);
        assert_eq!(metered["outcome"], "valid");
        let peaks = ["stack_native_peak", "stack_logical_peak", "gas_used"]
            .map(|key| metered[key].as_u64().expect("it is counted"));
        for lowered in [None, Some(0), Some(1), Some(2)] {
            let mut limits = peaks;
            if let Some(meter) = lowered {
                limits[meter] -= 1;
            }
            let file = instrumented(&code, &format!("{index}.wasm"), limits);
            let path = file.to_str().expect("a path in UTF-8");
            let run = validated(path, &params, &[]);
            if lowered.is_none() {
                assert_eq!(run["result"], metered["result"]);
                assert_eq!(run["outcome"], "valid");
            } else {
                assert_eq!(run["trap"], "unreachable", "{lowered:?}");
            }
        }
    }
}

#[test]
fn what_cannot_be_instrumented_is_rejected() {
    let file = instrumented(&fixture("adder/code.wasm"), "once.wasm", [1 << 20, 1024, 1]);
    let output = scratch("instrument", "twice.wasm");
    let twice = pvf([
        "instrument".as_ref(),
        file.as_os_str(),
        "-o".as_ref(),
        output.as_os_str(),
        "--json".as_ref(),
    ]);
    assert_eq!(twice.code, 1);
    assert_eq!(twice.json()["outcome"], "rejected");
    assert!(!output.exists());
}

/// A block type that the network's nodes read and no other engine does (rule NET-3).
#[test]
fn a_module_that_only_the_network_reads_is_rejected_with_the_reason() {
    // (func (block ... end)), with the block type 0x40 written in two bytes.
    let module =
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x08\x01\x06\0\x02\xc0\x7f\x0b\x0b";
    let module = write("instrument", "network.wasm", module);
    let output = scratch("instrument", "network-out.wasm");
    let output = output.to_str().expect("a path in UTF-8");
    let artifact = scratch("instrument", "network.artifact");
    let artifact = artifact.to_str().expect("a path in UTF-8");
    assert_eq!(pvf(["prepare", &module, "-o", artifact]).code, 0);
    let ran = pvf(["instrument", &module, "-o", output, "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let json = ran.json();
    let reason = json["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("the network's nodes read this module"),
        "{reason}"
    );
    assert!(json["rule"].is_string(), "{json}");
}
