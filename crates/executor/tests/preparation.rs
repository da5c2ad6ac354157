//! Preparation as a whole: classes, rules and locations of rejections, and the checks for a node's
//! rewriting.

use pvf_executor::{
    COMPRESSED_MAGIC, CompileOptions, Features, HostFunctionTypes, NotPrepared, Profile, Purpose,
    Rejection, RejectionClass, RejectionStage, Rules, prepare,
};
use pvf_executor::{FuncType, ValType};
use pvf_meter_oracle::parity_wasm::elements::{deserialize_buffer, serialize};
use pvf_meter_oracle::wasm_instrument::inject_stack_limiter;
use wasmparser::{Validator, WasmFeatures};

fn module(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The types of a host with one function.
fn host() -> HostFunctionTypes {
    let ty = FuncType {
        params: vec![ValType::I32],
        results: vec![],
    };
    HostFunctionTypes::from([("known", ty)])
}

#[track_caller]
fn rejection(blob: &[u8], rules: &Rules<'_>) -> Option<Rejection> {
    match prepare(blob, rules) {
        Ok(_) => None,
        Err(NotPrepared::Rejected(rejection)) => Some(rejection),
        Err(NotPrepared::Failed(failure)) => panic!("{failure}"),
    }
}

/// Class and rule of a blob's rejection for each purpose.
#[track_caller]
fn rejections(
    blob: &[u8],
    options: &CompileOptions,
) -> [Option<(RejectionClass, &'static str)>; 3] {
    let host = host();
    [Purpose::Plain, Purpose::Execution, Purpose::Precheck(&host)].map(|purpose| {
        let rejection = rejection(blob, &Rules::new(options.clone(), purpose))?;
        assert_eq!(rejection.stage(), rejection.class.stage());
        Some((rejection.class, rejection.rule.as_str()))
    })
}

/// Each purpose rejects what the previous one rejects, in the same way, and more.
#[test]
fn each_purpose_extends_the_previous_one() {
    use RejectionClass::{Decompression, Preparation, Prevalidation, RuntimeConstruction};
    let compressed = [&COMPRESSED_MAGIC[..], b"no frames"].concat();
    let text = |text: &str| module(text);
    let all = |class, rule| [Some((class, rule)); 3];
    let last = |rule| [None, None, Some((RuntimeConstruction, rule))];
    let node = |rule| [None, Some((Preparation, rule)), Some((Preparation, rule))];
    let cases = [
        (compressed, all(Decompression, "CODE-2")),
        (b"\0asm\x02\0\0\0".to_vec(), all(Prevalidation, "LANG-1")),
        (vec![], all(Prevalidation, "LANG-1")),
        (
            text("(module (func (drop (i32.extend8_s (i32.const 1)))))"),
            all(Prevalidation, "LANG-2"),
        ),
        (
            text("(module (func $f) (elem func $f))"),
            all(Prevalidation, "LANG-7"),
        ),
        (
            text("(module (func (drop (v128.const i64x2 0 0))))"),
            all(Prevalidation, "LANG-4"),
        ),
        (
            text("(module (memory 1) (memory 1))"),
            all(Prevalidation, "LANG-6"),
        ),
        (
            text("(module (global i32 (i32.add (i32.const 1) (i32.const 2))))"),
            all(Prevalidation, "LANG-9"),
        ),
        (
            text("(module (func (i64.const 1) (drop) (i32.const 1) (i64.eqz) (drop)))"),
            all(Preparation, "LANG-1"),
        ),
        (
            text(&format!(
                "(module (func (local {})))",
                "i32 ".repeat(50_001)
            )),
            all(Preparation, "LIMIT-2"),
        ),
        (
            text("(module (func unreachable (i32.add) (i32.add) (drop) (block (i32.add) drop)))"),
            all(Preparation, "LOGICAL-8"),
        ),
        (
            text(r#"(module (import "env" "run" (memory 1)) (func (export "run")))"#),
            node("HOST-5"),
        ),
        (
            text(r#"(module (import "env" "g" (global i64)) (func (export "f")))"#),
            node("NET-8"),
        ),
        (
            text(r#"(module (import "wasi" "f" (func)))"#),
            last("HOST-2"),
        ),
        (
            text(r#"(module (import "env" "t" (table 1 funcref)))"#),
            last("HOST-2"),
        ),
        (
            text(r#"(module (import "env" "known" (func)))"#),
            last("HOST-4"),
        ),
        (
            text(r#"(module (import "env" "f" (func)) (import "env" "f" (func (param i32))))"#),
            last("HOST-4"),
        ),
        (
            text(r#"(module (import "env" "known" (func (param i32))) (import "env" "f" (func)))"#),
            [None; 3],
        ),
    ];
    let options = Profile::Strict.compile_options();
    for (number, (blob, expected)) in cases.into_iter().enumerate() {
        let found = rejections(&blob, &options);
        assert_eq!(found, expected, "row {number}, {blob:02x?}");
    }
}

/// In every profile, a rejection for an instruction names the function and the offset.
#[test]
fn a_rejection_names_its_location() {
    let wasm = module("(module (func) (func (drop (v128.const i64x2 0 0))))");
    for profile in Profile::ALL {
        let rules = Rules::new(profile.compile_options(), Purpose::Plain);
        let rejection = rejection(&wasm, &rules).expect("no profile has vectors");
        assert_eq!(rejection.stage(), RejectionStage::Prepare);
        assert_eq!(rejection.place.function, Some(1), "{rejection}");
        assert!(rejection.place.offset.is_some(), "{rejection}");
    }
}

#[test]
fn the_bomb_limit_applies_to_compressed_blobs_only() {
    let wasm = module("(module)");
    let blob = [
        &COMPRESSED_MAGIC[..],
        &zstd::encode_all(&wasm[..], 3).unwrap(),
    ]
    .concat();
    let mut rules = Rules::new(Profile::Polkadot.compile_options(), Purpose::Execution);
    rules.bomb_limit = wasm.len();
    assert_eq!(prepare(&blob, &rules).expect("it fits").wasm, wasm);
    rules.bomb_limit -= 1;
    let bomb = rejection(&blob, &rules).expect("it does not fit");
    assert_eq!(bomb.class, RejectionClass::Decompression);
    assert_eq!(bomb.rule.as_str(), "CODE-3");
    assert_eq!(
        rejection(&wasm, &rules),
        None,
        "an uncompressed module is not checked against the bomb limit"
    );
}

/// NET-7: thunks are added when the limiter has gone through all bodies, so it finds no function of a thunk's index.
#[test]
fn a_body_cannot_call_a_thunk() {
    let with_call = |index: u32| {
        module(&format!(
            r#"(module (func (export "f")) (func call {index}))"#
        ))
    };
    for (index, accepted) in [(1, true), (2, false), (3, false)] {
        let wasm = with_call(index);
        let parsed = deserialize_buffer(&wasm).expect("parity-wasm reads it");
        let limited = inject_stack_limiter(parsed, 65_536).is_ok();
        assert_eq!(limited, accepted, "call {index}");
        for logical_stack in [false, true] {
            let mut options = Profile::Polkadot.compile_options();
            options.metering.logical_stack = logical_stack;
            let rejection = rejection(&wasm, &Rules::new(options, Purpose::Plain));
            let rejection = rejection.map(|it| (it.class, it.rule.as_str()));
            let expected = (RejectionClass::Preparation, "NET-7");
            assert_eq!(rejection, (!accepted).then_some(expected), "call {index}");
        }
    }
}

/// Whether the module is still valid after `wasm-instrument` added its limiter.
fn survives_the_limiter(wasm: &[u8]) -> bool {
    let parsed = deserialize_buffer(wasm).expect("parity-wasm reads it");
    let limited = inject_stack_limiter(parsed, 65_536).expect("it is limited");
    let limited = serialize(limited).expect("it can be written");
    let features = WasmFeatures::FLOATS | WasmFeatures::MUTABLE_GLOBAL;
    Validator::new_with_features(features)
        .validate_all(&limited)
        .is_ok()
}

/// NET-8: for all combinations of imported and defined globals, and for all reasons for which the
/// limiter adds code, preparation rejects exactly the modules that `wasm-instrument` makes invalid.
#[test]
fn the_counter_goes_astray_where_the_network_says() {
    const TYPES: [&str; 4] = ["i32", "(mut i32)", "i64", "(mut i64)"];
    const CHARGED: [(&str, bool); 6] = [
        ("(func $f)", false),
        (r#"(func $f (export "f"))"#, true),
        ("(func $f) (func (call $f))", true),
        ("(func $f) (func return (call $f))", true),
        ("(table 1 funcref) (elem (i32.const 0) $f) (func $f)", true),
        (r#"(func $f (call $host)) (export "f" (func $host))"#, false),
    ];
    let globals = |most: usize| -> Vec<Vec<&'static str>> {
        let mut all = vec![vec![]];
        let mut last = all.clone();
        for _ in 0..most {
            last = last
                .iter()
                .flat_map(|list| TYPES.iter().map(|&ty| [&list[..], &[ty]].concat()))
                .collect();
            all.extend(last.clone());
        }
        all
    };
    // In the network's dialect the compiler rejects such modules; in others `rewriting` does. Only
    // in the network's dialect can a module name the counter.
    let mut options = Profile::Strict.compile_options();
    options.features = Features::MVP;
    let strict = Rules::new(options, Purpose::Execution);
    let network = Rules::new(Profile::Polkadot.compile_options(), Purpose::Execution);
    let (mut astray, mut fine) = (0, 0);
    for imported in globals(2) {
        for own in globals(2) {
            for (fields, charged) in CHARGED {
                let imports = imported
                    .iter()
                    .enumerate()
                    .map(|(number, ty)| format!(r#"(import "env" "g{number}" (global {ty}))"#));
                let own = own.iter().map(|ty| {
                    let value = if ty.contains("i64") { "i64" } else { "i32" };
                    format!("(global {ty} ({value}.const 0))")
                });
                let own: String = own.collect();
                let declared: String = imports.chain([own]).collect();
                let counter = declared.matches("(global ").count();
                let read = format!("(func (drop (global.get {counter})))");
                let exported = format!(r#"(export "counter" (global {counter}))"#);
                for (rules, named) in [
                    (&strict, ""),
                    (&network, ""),
                    (&network, &read[..]),
                    (&network, &exported[..]),
                ] {
                    let text = format!(
                        r#"(module (import "env" "host" (func $host)) {declared} {fields} {named})"#
                    );
                    let wasm = module(&text);
                    let rejection = rejection(&wasm, rules);
                    let expected = survives_the_limiter(&wasm);
                    assert_eq!(rejection.is_none(), expected, "{text}: {rejection:?}");
                    if let Some(rejection) = rejection {
                        assert!(charged, "{text}");
                        assert_eq!(rejection.rule.as_str(), "NET-8");
                        astray += 1;
                    } else {
                        fine += 1;
                    }
                }
            }
        }
    }
    assert!(astray > 100 && fine > 100, "{astray} astray, {fine} fine");
}
