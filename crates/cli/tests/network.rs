//! Which set of parameters candidates are judged with: it decides, and every output says it.

mod common;

use common::{fixture, pvf, write};
use serde_json::{Value, json};

/// Valid if the memory can have 2,081 pages, which the protocol's own limit does not allow and Polkadot's does.
fn needs_memory() -> String {
    let text = r#"(module
        (memory (export "memory") 1)
        (global (export "__heap_base") i32 (i32.const 4096))
        (func (export "validate_block") (param i32 i32) (result i64)
            (if (i32.eq (memory.grow (i32.const 2080)) (i32.const -1)) (then (unreachable)))
            (i64.const 0xc00000000)))"#;
    // 12 zeros at address 0 are a result: an empty head and nothing else.
    write("network", "needs-memory.wat", text)
}

/// An execution parameter set of a session, in every form.
const FORMS: [&str; 2] = [
    "0x0c01002000000600c4090000000000000601983a000000000000",
    r#"[{"MaxMemoryPages":8192},{"PvfExecTimeout":["Backing",2500]},{"PvfExecTimeout":["Approval",15000]}]"#,
];

fn validate(code: &str, flags: &[&str]) -> (i32, Value) {
    let candidate = write("network", "candidate", [0; 38]);
    let ran = pvf([&["validate", "--json", code, &candidate], flags].concat());
    (ran.code, ran.json())
}

#[test]
fn the_set_decides() {
    let code = needs_memory();
    let file = write("network", "params.json", FORMS[1]);
    let scale = hex::decode(&FORMS[0][2..]).expect("hexadecimal");
    let raw = write("network", "params.scale", scale);
    let text = write("network", "params.hex", format!("{}\n", FORMS[0]));
    let flags = |it: &str| ["--executor-params".to_owned(), it.to_owned()];
    let mut accepting: Vec<Vec<String>> = vec![vec![]];
    accepting.extend([FORMS[0], FORMS[1], &file, &raw, &text].map(|it| flags(it).to_vec()));
    accepting.extend(
        ["polkadot", "kusama", "paseo", "westend"]
            .map(|name| vec!["--network".to_owned(), name.to_owned()]),
    );
    for flags in &accepting {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let (exit, json) = validate(&code, &flags);
        assert_eq!(
            (exit, &json["outcome"]),
            (0, &json!("valid")),
            "{flags:?}: {json}"
        );
        assert_eq!(json["parameters"]["max_memory_pages"], 8_224, "{flags:?}");
        assert_eq!(json["parameters"]["backing_timeout_ms"], 2_500, "{flags:?}");
        assert_eq!(json["parameters"]["executor_params"], FORMS[0], "{flags:?}");
    }
    for flags in [
        &["--network", "protocol"][..],
        &["--executor-params", "0x00"],
        &["--max-memory-pages", "2080"],
    ] {
        let (exit, json) = validate(&code, flags);
        assert_eq!(
            (exit, &json["trap"]),
            (1, &json!("unreachable")),
            "{flags:?}: {json}"
        );
        assert_eq!(json["parameters"]["max_memory_pages"], 2_080, "{flags:?}");
        let changed = flags[0] == "--max-memory-pages";
        assert_eq!(json["parameters"]["changed"], changed, "{flags:?}");
    }
}

#[test]
fn a_session_can_have_host_functions() {
    // Links with another type than the host's only where the host does not have it.
    let text = r#"(module (import "env" "ext_host_calls_pallas_mul_version_1" (func)) (memory 1))"#;
    let code = write("network", "ecc.wat", text);
    let enabled = r#"[{"EnabledHostFunction":"EccRfc163"}]"#;
    let out = write("network", "artifact", b"");
    for (flags, accepted) in [
        (&["--ecc-rfc163"][..], false),
        (&["--executor-params", enabled], false),
        (&[], true),
    ] {
        let args = [&["prepare", "--precheck", &code, "-o", &out], flags].concat();
        assert_eq!(pvf(args).code == 0, accepted, "{flags:?}");
        let json = pvf([&["inspect", "--json", &code], flags].concat()).json();
        assert_eq!(json["accepted"], accepted, "{flags:?}");
        assert_eq!(json["parameters"]["ecc_rfc163"], !accepted, "{flags:?}");
    }
}

#[test]
fn every_output_says_which_set_was_used() {
    let code = fixture("adder/code.wasm");
    let candidate = fixture("adder/add-1.params");
    let artifact = write("network", "said", b"");
    let folded = write("network", "folded", b"");
    let prepare = ["prepare", &code, "-o", &artifact];
    let commands: [&[&str]; 7] = [
        &prepare,
        &["execute", &artifact, &candidate],
        &["validate", &code, &candidate],
        &["measure", &code, &candidate],
        &["arbitrate", &code, &candidate],
        &["profile", &code, &candidate, "-o", &folded],
        &["inspect", &code],
    ];
    for command in commands {
        for (flags, set, words) in [
            (&[][..], "polkadot", "polkadot, as of 2026-07"),
            (&["--network", "paseo"], "paseo", "paseo, as of 2026-06-30"),
            (
                &["--network", "kusama"],
                "kusama",
                "kusama, assumed to be Polkadot's",
            ),
            (
                &["--network", "protocol"],
                "protocol",
                "the protocol's defaults",
            ),
            (
                &["--executor-params", FORMS[0]],
                "executor-params",
                "as given by --executor-params",
            ),
        ] {
            let ran = pvf([command, flags].concat());
            assert_eq!(ran.code, 0, "{command:?}: {}", ran.stderr);
            assert!(ran.text().contains(words), "{command:?}: {}", ran.text());
            let ran = pvf([command, flags, &["--json"]].concat());
            let json = ran.json();
            assert_eq!(json["parameters"]["set"], set, "{command:?}: {json}");
        }
    }
    // The arbiter's times are the network's.
    let shown = |flags: &[&str]| pvf([&["arbitrate", &code, &candidate], flags].concat()).text();
    assert!(shown(&[]).contains("of the 2500 ms for backing"));
    assert!(shown(&["--network", "protocol"]).contains("of the 12000 ms for approval"));
}

#[test]
fn wrong_sets_are_wrong_usage() {
    let code = fixture("adder/code.wasm");
    let candidate = fixture("adder/add-1.params");
    for flags in [
        &["--network", "rococo"][..],
        &["--network", "Polkadot"],
        &["--executor-params", "0x0409"],
        &["--executor-params", "[{\"Unknown\":1}]"],
        &["--executor-params", "/nowhere/params"],
        &["--executor-params", &code],
        &["--network", "kusama", "--executor-params", "0x00"],
    ] {
        let ran = pvf([&["validate", &code, &candidate], flags].concat());
        assert_eq!(ran.code, 2, "{flags:?}: {}", ran.stderr);
    }
}
