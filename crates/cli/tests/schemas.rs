//! What `--json` prints is what the schemas in `schema/` say, for every kind of outcome.

mod common;

use common::schema::Validator;
use common::{fixture, pvf, scratch, write};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{name}.json"));
    let text = fs::read_to_string(path).expect("the schema is there");
    serde_json::from_str(&text).expect("the schema is JSON")
}

/// Every key that the schema names anywhere. The schemas leave other keys alone, so that they hold for later versions; an output of
/// this version has none.
fn keys(schema: &Value, into: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                into.extend(properties.keys().cloned());
            }
            object.values().for_each(|value| keys(value, into));
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, into)),
        _ => {}
    }
}

fn undescribed(value: &Value, known: &BTreeSet<String>) -> Vec<String> {
    match value {
        Value::Object(object) => object
            .iter()
            .flat_map(|(key, value)| {
                let own = (!known.contains(key)).then(|| key.clone());
                own.into_iter().chain(undescribed(value, known))
            })
            .collect(),
        Value::Array(list) => list.iter().flat_map(|it| undescribed(it, known)).collect(),
        _ => Vec::new(),
    }
}

struct Schema {
    validator: Validator,
    keys: BTreeSet<String>,
}

impl Schema {
    fn new(name: &str) -> Self {
        let schema = schema(name);
        let mut known = BTreeSet::new();
        keys(&schema, &mut known);
        Self {
            validator: Validator::new(schema),
            keys: known,
        }
    }

    /// Runs and compares.
    fn holds(&self, args: &[&str], code: i32) -> Value {
        let ran = pvf([args, &["--json"]].concat());
        assert_eq!(ran.code, code, "{args:?}: {}", ran.stderr);
        let output = ran.json();
        let errors = self.validator.errors(&output);
        assert!(errors.is_empty(), "{args:?}: {errors:#?}\n{output}");
        let undescribed = undescribed(&output, &self.keys);
        assert!(undescribed.is_empty(), "{args:?}: {undescribed:?}");
        output
    }

    fn refuses(&self, output: &Value) {
        assert!(!self.validator.errors(output).is_empty(), "{output}");
    }
}

/// A PVF with this body.
fn module(test: &str, body: &str) -> String {
    let text = format!(
        r#"(module (memory (export "memory") 1) (global (export "__heap_base") i32 (i32.const 4096))
            (func $inner (param i32 i32) (result i64) {body})
            (func (export "validate_block") (param i32 i32) (result i64) (call $inner (local.get 0) (local.get 1))))"#
    );
    write("schemas", &format!("{test}.wat"), text)
}

#[test]
fn outcomes_are_as_the_schema_says() {
    let schema = Schema::new("validate");
    let (code, params) = (fixture("adder/code.wasm"), fixture("adder/add-1.params"));
    let valid = schema.holds(&["validate", &code, &params], 0);
    assert_eq!(valid["schema_version"], 1);
    assert!(valid["decoded"]["head"]["bytes"].as_u64() > Some(0));
    assert!(valid["limits"].as_array().is_some_and(|it| it.len() >= 8));
    schema.holds(&["validate", &code, &params, "--gas", "unlimited"], 0);
    schema.holds(
        &["validate", &code, &params, "--stack-logical-max", "off"],
        0,
    );

    // Every way to be invalid.
    for (name, body, more) in [
        ("unreachable", "unreachable", &[][..]),
        (
            "stack_overflow",
            "(call $inner (i32.const 0) (i32.const 0))",
            &[],
        ),
        (
            "out_of_gas",
            "(loop (br 0)) (i64.const 0)",
            &["--gas", "1000"],
        ),
        ("memory_out_of_bounds", "(i64.load (i32.const -8))", &[]),
        (
            "integer_divide_by_zero",
            "(i64.div_u (i64.const 1) (i64.const 0))",
            &[],
        ),
        (
            "integer_overflow",
            "(i64.trunc_f64_s (f64.const 1e300))",
            &[],
        ),
    ] {
        let code = module(name, body);
        let json = schema.holds(&[&["validate", &code, &params], more].concat(), 1);
        assert_eq!(json["trap"], name);
        let frames = json["backtrace"]["frames"].as_array().expect("a backtrace");
        assert_eq!(frames[0]["name"], "inner", "{json}");
        assert_eq!(json["function_name"], "inner");
        let json = schema.holds(
            &[&["validate", &code, &params, "--no-backtrace"], more].concat(),
            1,
        );
        assert_eq!(json["backtrace"], json!(null));
    }
    let json = schema.holds(
        &["validate", &module("result", "(i64.const -1)"), &params],
        1,
    );
    assert_eq!(
        (&json["trap"], &json["backtrace"]),
        (&json!(null), &json!(null))
    );

    // Rejected, and what is no outcome.
    let rejected = write("schemas", "rejected.wasm", b"\0asm\x02\0\0\0");
    let json = schema.holds(&["validate", &rejected, &params], 1);
    assert_eq!(json["outcome"], "rejected");
    let constructed = write(
        "schemas",
        "constructed.wat",
        "(module (memory 1) (data (i32.const -1) \"abc\"))",
    );
    let json = schema.holds(&["validate", &constructed, &params], 1);
    assert_eq!(
        (&json["outcome"], &json["stage"]),
        (&json!("rejected"), &json!("construct"))
    );
    schema.holds(&["validate", &code, &code], 2);
    let endless = module("endless", "(loop (br 0)) (i64.const 0)");
    schema.holds(&["validate", &endless, &params, "--timeout", "0.2"], 3);

    // The other commands with the same object.
    let artifact = scratch("schemas", "adder.artifact");
    let artifact = artifact.to_str().expect("UTF-8");
    assert_eq!(pvf(["prepare", &code, "-o", artifact]).code, 0);
    schema.holds(&["execute", artifact, &params], 0);
    let add = write(
        "schemas",
        "add.wat",
        "(module (func (export \"f\") (result i32) (i32.const 5)))",
    );
    let json = schema.holds(&["run", &add, "--invoke", "f"], 0);
    assert_eq!(json["result"], json!(["i32:5"]));

    // The schema can refuse.
    for (key, wrong) in [
        ("schema_version", json!(2)),
        ("outcome", json!("maybe")),
        ("limits", json!([{}])),
    ] {
        let mut output = valid.clone();
        output[key] = wrong;
        schema.refuses(&output);
    }
    let mut output = valid;
    output.as_object_mut().expect("an object").remove("stock");
    schema.refuses(&output);
}

#[test]
fn what_files_hold_is_as_the_schema_says() {
    let schema = Schema::new("decode");
    let (code, params) = (fixture("adder/code.wasm"), fixture("adder/add-1.params"));
    let json = schema.holds(&["decode", &params], 0);
    assert_eq!(json["kind"], "params");
    let result = pvf(["validate", "--json", &code, &params]).json();
    let result = result["result"].as_str().expect("a result").to_owned();
    let result: Vec<u8> = (2..result.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&result[at..at + 2], 16).expect("hexadecimal"))
        .collect();
    let result = write("schemas", "adder.result", result);
    let json = schema.holds(&["decode", &result], 0);
    assert_eq!(json["kind"], "result");
    for more in [&[][..], &["--gas", "unlimited"]] {
        let artifact = scratch("schemas", "decoded.artifact");
        let artifact = artifact.to_str().expect("UTF-8");
        assert_eq!(
            pvf([&["prepare", &code, "-o", artifact], more].concat()).code,
            0
        );
        let json = schema.holds(&["decode", artifact], 0);
        assert_eq!(json["artifact"]["gas"], !more.is_empty());
    }
    let json = schema.holds(&["decode", &code], 2);
    assert!(
        json["error"]
            .as_str()
            .is_some_and(|it| it.contains("pvf check")),
        "{json}"
    );
    let empty = write("schemas", "empty", b"");
    schema.holds(&["decode", &empty], 2);
}

#[test]
fn checks_are_as_the_schema_says() {
    let schema = Schema::new("check");
    let code = fixture("adder/code.wasm");
    let passes = schema.holds(&["check", &code], 0);
    assert_eq!(
        (&passes["passes"], &passes["schema_version"]),
        (&json!(true), &json!(1))
    );
    // Memory and time are measured.
    let lines = passes["lines"].as_array().expect("lines");
    for check in ["preparation_memory", "precheck_time", "precheck_time_stock"] {
        let line = lines.iter().find(|line| line["check"] == check);
        assert!(
            line.is_some_and(|line| line["used"].as_u64() > Some(1000)),
            "{check}: {line:?}"
        );
    }
    schema.holds(&["check", &code, "--network", "paseo", "--node", "1.21"], 0);
    let refused = write(
        "schemas",
        "refused.wat",
        "(module (func (result i32) (i32.extend8_s (i32.const 5))))",
    );
    let json = schema.holds(&["check", &refused], 1);
    let failed: Vec<&Value> = json["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .filter(|line| line["status"] == "fail")
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(
        (&failed[0]["check"], &failed[0]["function"]),
        (&json!("language"), &json!(0))
    );
    assert!(failed[0]["rule"].is_string() && failed[0]["offset"].is_u64());
    let json = schema.holds(&["check", &code, &refused], 1);
    assert_eq!(
        (&json["passes"], json["reports"].as_array().map(Vec::len)),
        (&json!(false), Some(2))
    );
    schema.holds(&["check", &code, "--max-code-size", "100"], 1);
    schema.holds(&["check", &fixture("adder/add-1.params")], 2);
}
