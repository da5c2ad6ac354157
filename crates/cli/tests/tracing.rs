//! `pvf trace`: host calls with their bytes, and the first difference between two traces.

mod common;

use blake2::{Blake2b, Digest, digest::consts::U32};
use common::{fixture, pvf, scratch, write};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn bytes(piece: &Value) -> Vec<u8> {
    let digits = piece["data"]
        .as_str()
        .expect("data")
        .trim_start_matches("0x");
    hex::decode(digits).expect("hexadecimal")
}

/// Traces a fixture into a file.
fn traced(name: &str, code: &str, params: &str, more: &[&str]) -> (PathBuf, Value, Vec<Value>) {
    let file = scratch("trace", name);
    let (code, params) = (fixture(code), fixture(params));
    let file_text = file.to_str().expect("a path in UTF-8");
    let arguments = ["trace", "--json", &code, &params, "-o", file_text].into_iter();
    let ran = pvf(arguments.chain(more.iter().copied()));
    let lines = std::fs::read_to_string(&file).expect("it was written");
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let lines = lines.collect();
    (file, ran.json(), lines)
}

/// What a hash function read and wrote are data and digest, by another implementation than the host's.
#[test]
fn bytes_are_those_of_the_call() {
    let all = ["--bytes", "all"];
    let (_, json, lines) = traced("whole", "ledger/code.wasm", "ledger/transfer.params", &all);
    assert_eq!(json["outcome"], "valid");
    assert_eq!(json["calls"], lines.len());
    let mut hashed = 0;
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (number, call) in lines.iter().enumerate() {
        assert_eq!(call["call"], number);
        let name = call["function"].as_str().expect("a name");
        *counts.entry(name).or_default() += 1;
        if name == "ext_hashing_blake2_256_version_1" {
            hashed += 1;
            let digest = Blake2b::<U32>::digest(bytes(&call["read"][0])).to_vec();
            assert_eq!(bytes(&call["written"][0]), digest);
            // The argument is a pointer with the length in its high half.
            let pointer = call["arguments"][0].as_str().expect("an argument");
            let pointer = u64::from_str_radix(pointer.trim_start_matches("i64:0x"), 16);
            assert_eq!(
                pointer.expect("hexadecimal") >> 32,
                call["read"][0]["bytes"].as_u64().unwrap()
            );
        }
    }
    assert!(hashed > 0, "the ledger hashes");
    assert_eq!(json["functions"], serde_json::json!(counts));
}

#[test]
fn filters_and_limits_choose_calls() {
    let (_, whole, all) = traced("all", "ledger/code.wasm", "ledger/transfer.params", &[]);
    let only = ["--only", "hashing", "--only", "free", "--without", "free"];
    let (_, json, lines) = traced("only", "ledger/code.wasm", "ledger/transfer.params", &only);
    let name = |call: &Value| call["function"].as_str().expect("a name").to_owned();
    let expected: Vec<&Value> = all
        .iter()
        .filter(|it| name(it).contains("hashing"))
        .collect();
    assert_eq!(lines.iter().collect::<Vec<_>>(), expected);
    assert_eq!(json["calls"], whole["calls"], "totals are of all calls");
    assert_eq!(json["calls_digest"], whole["calls_digest"]);

    let few = ["--skip", "5", "--limit", "3", "--bytes", "4"];
    let (_, json, lines) = traced("few", "ledger/code.wasm", "ledger/transfer.params", &few);
    let numbers: Vec<u64> = lines
        .iter()
        .map(|it| it["call"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [5, 6, 7]);
    assert_eq!(json["shown"], 3);

    // Bytes that are cut have the hash of all.
    let cut = ["--bytes", "4", "--only", "blake2_256"];
    let (_, _, lines) = traced("cut", "ledger/code.wasm", "ledger/transfer.params", &cut);
    let whole = ["--bytes", "all", "--only", "blake2_256"];
    let (_, _, uncut) = traced(
        "uncut",
        "ledger/code.wasm",
        "ledger/transfer.params",
        &whole,
    );
    for (cut, uncut) in lines.iter().zip(&uncut) {
        let (cut, uncut) = (&cut["read"][0], &uncut["read"][0]);
        assert_eq!(bytes(cut), bytes(uncut)[..4]);
        assert_eq!(cut["bytes"], uncut["bytes"]);
        let digest = hex::encode(Blake2b::<U32>::digest(bytes(uncut)));
        assert_eq!(cut["blake2_256"], format!("0x{digest}"));
    }
}

#[test]
fn text_is_a_line_for_each_call() {
    let (code, params) = (fixture("adder/code.wasm"), fixture("adder/add-1.params"));
    let ran = pvf(["trace", &code, &params]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.text().contains("ext_allocator_malloc_version_1(i32:"),
        "{}",
        ran.text()
    );
    assert!(ran.stderr.contains("valid"), "{}", ran.stderr);
    // Both cannot have the standard output.
    assert_eq!(pvf(["trace", "--json", "-o", "-", &code, &params]).code, 2);
    assert_eq!(pvf(["trace", &code]).code, 2);
}

/// Changes the lines of a trace.
type Edit<'a> = &'a dyn Fn(&mut Vec<Value>);

#[test]
fn the_first_difference_is_found() {
    let (code, params) = (
        fixture("ledger/code.wasm"),
        fixture("ledger/transfer.params"),
    );
    let cut = ["--bytes", "8"];
    let (file, _, lines) = traced("base", "ledger/code.wasm", "ledger/transfer.params", &cut);
    let file = file.display().to_string();
    let same = pvf(["trace", &code, &params, "--against", &file]);
    assert_eq!(same.code, 0, "{}{}", same.text(), same.stderr);

    let hash = |it: &Value| it["function"] == "ext_hashing_blake2_256_version_1";
    let at = lines.iter().position(hash).expect("it hashes");
    let changed = |name: &str, change: &dyn Fn(&mut Vec<Value>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        write("trace", name, lines.join("\n"))
    };
    let cases: [(&str, Edit<'_>, u64, &str); 5] = [
        (
            "bytes",
            &|it| it[at]["read"][0]["blake2_256"] = "0x00".into(),
            at as u64,
            "read from memory",
        ),
        (
            "result",
            &|it| it[at]["result"] = "i32:1".into(),
            at as u64,
            "result",
        ),
        (
            "argument",
            &|it| it[at]["arguments"][0] = "i64:0x1".into(),
            at as u64,
            "argument 0",
        ),
        (
            "function",
            &|it| it[at]["function"] = "other".into(),
            at as u64,
            "another function",
        ),
        (
            "end",
            &|it| it.truncate(at),
            at as u64,
            "second trace has ended",
        ),
    ];
    for (name, change, same, what) in cases {
        let other = changed(name, change);
        for left in [vec![&code[..], &params], vec![&file[..]]] {
            let arguments = ["trace", "--json"].into_iter().chain(left);
            let ran = pvf(arguments.chain(["--against", &other]));
            assert_eq!(ran.code, 1, "{name}: {}", ran.stderr);
            let json = ran.json();
            let said = json["difference"]["what"].as_str().expect("a difference");
            assert!(said.contains(what), "{name}: {said}");
            if json["same"].is_number() {
                assert_eq!(json["same"], same, "{name}");
            }
        }
    }
    // Pointers can be left out of it.
    for (name, differs) in [("argument", 0), ("result", 0), ("bytes", 1)] {
        let other = scratch("trace", name).display().to_string();
        let ran = pvf(["trace", &file, "--against", &other, "--ignore-pointers"]);
        assert_eq!(ran.code, differs, "{name}");
    }
    let broken = write("trace", "broken", "{\"call\":0}\n");
    let ran = pvf(["trace", &code, &params, "--against", &broken]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("line 1"), "{}", ran.stderr);
}

/// Real blocks, where there are any: the hashes over all calls are those that another engine recorded.
#[test]
fn real_traces_are_those_of_another_engine() {
    let Some(chain) =
        pvf_corpus::recorded_chain("asset-hub-polkadot").expect("the folder can be read")
    else {
        return;
    };
    let code = chain.code.display().to_string();
    for name in ["transfer-1", "bad-signature"] {
        let case = chain.case(name).expect("the case");
        let params = case.params.display().to_string();
        let case = &case.about;
        let json = pvf(["trace", "--json", &code, &params, "--network", "protocol"]).json();
        assert_eq!(json["functions"], case["host_calls"], "{name}");
        for key in ["calls", "data"] {
            let found = json[format!("{key}_digest")].as_str().unwrap();
            let expected = case[format!("trace_{key}_blake2_256")].as_str().unwrap();
            assert_eq!(found.trim_start_matches("0x"), expected, "{name}");
        }
    }
}
