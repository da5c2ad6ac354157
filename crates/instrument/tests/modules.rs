//! What an instrumented module looks like, and random modules.

#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use pvf_compiler::{CompileOptions, compile};
use pvf_instrument::{
    GAS_LEFT, GasLimit, InstrumentError, InstrumentOptions, STACK_LOGICAL_LEFT, STACK_NATIVE_LEFT,
    TRAP, frames, instrument,
};
use pvf_metering::Costs;
use pvf_rules::Features;
use pvf_runtime::Value;
use std::fs;
use std::path::Path;
use support::{Ending, Limits, agree};
use wasm_smith::Config;
use wasmparser::{Validator, WasmFeatures};

const RANDOM_MODULES: u64 = 2_000;

fn all(features: Features) -> InstrumentOptions {
    InstrumentOptions {
        features,
        stack_native_max: Some(1 << 20),
        stack_logical_max: Some(65_536),
        gas: Some(GasLimit {
            costs: Costs::default(),
            limit: u64::MAX,
        }),
    }
}

fn fixtures() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let entries = fs::read_dir(folder).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let code = files.filter_map(|path| {
        let binary = fs::read(path.join("code.wasm"));
        binary.or_else(|_| fs::read(path.join("code.wat"))).ok()
    });
    code.map(|bytes| wat::parse_bytes(&bytes).unwrap().into_owned())
        .collect()
}

/// The rule of the frame, here and in the compiler.
fn assert_frames(wasm: &[u8]) {
    let options = CompileOptions::new(Features::ALL);
    let artifact = compile(wasm, &options).unwrap_or_else(|error| panic!("{error}"));
    let frames = frames(wasm, Features::ALL).unwrap();
    let imported = artifact.module.imported_functions as usize;
    let of_compiler = artifact.module.functions.iter();
    let of_compiler: Vec<_> = of_compiler.map(|it| u64::from(it.frame_bytes)).collect();
    assert_eq!(frames[imported..], of_compiler[imported..]);
}

#[test]
fn fixtures_pass_the_front_end_they_passed() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 5, "{}", fixtures.len());
    for wasm in fixtures {
        assert_frames(&wasm);
        let instrumented = instrument(&wasm, &all(Features::MVP)).unwrap();
        let options = CompileOptions::new(Features::MVP);
        let before = &compile(&wasm, &options).unwrap().module;
        let after = &compile(&instrumented, &options).unwrap().module;
        assert_eq!(before.imports, after.imports);
        assert_eq!(before.exports[..], after.exports[..before.exports.len()]);
        assert_eq!(before.start, after.start);
        let names: Vec<_> = after.exports[before.exports.len()..]
            .iter()
            .map(|export| export.name.as_str())
            .collect();
        assert_eq!(
            names,
            [GAS_LEFT, STACK_NATIVE_LEFT, STACK_LOGICAL_LEFT, TRAP]
        );
    }
}

fn config(number: u64) -> Config {
    let more = number.is_multiple_of(2);
    Config {
        acquire_release_atomics_enabled: false,
        allow_start_export: number.is_multiple_of(5),
        bulk_memory_enabled: more,
        canonicalize_nans: true,
        compact_imports_enabled: false,
        exceptions_enabled: false,
        export_everything: true,
        extended_const_enabled: false,
        gc_enabled: false,
        max_funcs: 10,
        max_imports: 4,
        max_instructions: 200,
        max_memories: 1,
        max_memory32_bytes: 4 << 16,
        max_tables: 1,
        memory64_enabled: false,
        min_funcs: 2,
        multi_value_enabled: more,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        saturating_float_to_int_enabled: more,
        sign_extension_ops_enabled: more,
        simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}

fn random_module(number: u64) -> Vec<u8> {
    let mut state = number;
    let words = (0..400).map(|_| splitmix(&mut state));
    let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    let mut choices = arbitrary::Unstructured::new(&bytes);
    let module = wasm_smith::Module::new(config(number), &mut choices);
    module.expect("any bytes will do").to_bytes()
}

/// The next number of a fixed sequence.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn random_modules_stay_valid() {
    let (mut valid, mut refused) = (0, 0);
    for number in 0..RANDOM_MODULES {
        let wasm = random_module(number);
        if let Err(error) = compile(&wasm, &CompileOptions::new(Features::ALL)) {
            panic!("{number}: {error}");
        }
        assert_frames(&wasm);
        match instrument(&wasm, &all(Features::ALL)) {
            Ok(instrumented) => {
                valid += 1;
                let features = WasmFeatures::WASM2 & !WasmFeatures::SIMD;
                let result = Validator::new_with_features(features).validate_all(&instrumented);
                result.unwrap_or_else(|error| panic!("{number}: {error}"));
                let result = compile(&instrumented, &CompileOptions::new(Features::ALL));
                result.unwrap_or_else(|error| panic!("{number}: {error}"));
            }
            // What the limiter refuses, see LOGICAL-8.
            Err(InstrumentError::Meter { .. }) => refused += 1,
            Err(error) => panic!("{number}: {error}"),
        }
    }
    println!("{valid} valid, {refused} refused by a meter");
    assert!(valid > RANDOM_MODULES * 9 / 10);
}

#[test]
fn random_modules_end_alike() {
    let (mut runs, mut traps) = (0, std::collections::BTreeMap::new());
    for number in 0..RANDOM_MODULES / 2 {
        let wasm = random_module(number);
        if instrument(&wasm, &all(Features::ALL)).is_err() {
            continue;
        }
        let artifact = compile(&wasm, &CompileOptions::new(Features::ALL)).unwrap();
        let module = &artifact.module;
        for export in &module.exports {
            let pvf_compiler::artifact::ExportKind::Function(index) = export.kind else {
                continue;
            };
            let params = &module.function_type(index).unwrap().params;
            let arguments: Vec<_> = params.iter().map(|ty| Value::from_bits(*ty, 1)).collect();
            let limits = Limits {
                native: 200 + number % 400,
                logical: 20 + (number % 60) as u32,
                gas: 200 + number,
                costs: Costs::default(),
            };
            let Some((run, _)) = agree(&wasm, &export.name, &arguments, &limits) else {
                break;
            };
            runs += 1;
            if let Ending::Trap(kind) = run.ending {
                *traps.entry(kind.name()).or_insert(0) += 1;
            }
        }
    }
    println!("{runs} runs, traps: {traps:?}");
    assert!(runs > 500, "{runs}");
    assert!(
        traps["stack_overflow"] > 20 && traps["out_of_gas"] > 20,
        "{traps:?}"
    );
}

#[test]
fn what_is_instrumented_is_not_instrumented_again() {
    let wasm = wat::parse_str("(module (func))").unwrap();
    let once = instrument(&wasm, &all(Features::MVP)).unwrap();
    match instrument(&once, &all(Features::MVP)) {
        Err(InstrumentError::Reserved { name }) => assert_eq!(name, GAS_LEFT),
        other => panic!("{other:?}"),
    }
    // Other meters may be added, but share the global that says why.
    let only_gas = InstrumentOptions {
        gas: all(Features::MVP).gas,
        ..InstrumentOptions::new(Features::MVP)
    };
    let once = instrument(&wasm, &only_gas).unwrap();
    let only_stack = InstrumentOptions {
        gas: None,
        ..all(Features::MVP)
    };
    let twice = instrument(&once, &only_stack);
    assert!(matches!(twice, Err(InstrumentError::Reserved { name }) if name == TRAP));
}

#[test]
fn without_a_meter_nothing_changes() {
    for wasm in fixtures() {
        let options = InstrumentOptions::new(Features::MVP);
        let same = instrument(&wasm, &options).unwrap();
        let before = compile(&wasm, &CompileOptions::new(Features::MVP)).unwrap();
        let after = compile(&same, &CompileOptions::new(Features::MVP)).unwrap();
        assert_eq!(before.code, after.code);
    }
}

#[test]
fn names_stay_but_not_those_of_labels() {
    let text = "(module (func $named (param $p i32) (block $label (br $label))))";
    let wasm = wat::parse_str(text).unwrap();
    assert!(wasm.windows(5).any(|bytes| bytes == b"label"));
    let instrumented = instrument(&wasm, &all(Features::MVP)).unwrap();
    assert!(instrumented.windows(5).any(|bytes| bytes == b"named"));
    assert!(!instrumented.windows(5).any(|bytes| bytes == b"label"));
}

#[test]
fn nesting_beyond_the_limit_is_an_error() {
    let nested = |levels: usize| {
        let text = format!(
            "(module (func {} {}))",
            "block ".repeat(levels),
            "end ".repeat(levels)
        );
        let wasm = wat::parse_str(&text).unwrap();
        compile(&wasm, &CompileOptions::new(Features::MVP)).unwrap();
        instrument(&wasm, &all(Features::MVP))
    };
    let fits = nested(9_998).unwrap();
    compile(&fits, &CompileOptions::new(Features::MVP)).unwrap();
    assert!(matches!(nested(9_999), Err(InstrumentError::Limit { .. })));
}

#[test]
fn invalid_modules_are_errors() {
    let wasm = wat::parse_str("(module (func (result i32)))").unwrap();
    let error = instrument(&wasm, &all(Features::ALL)).unwrap_err();
    assert!(matches!(
        error,
        InstrumentError::Invalid {
            function: Some(0),
            ..
        }
    ));
    let wasm = wat::parse_str("(module (func (result i32 i32) unreachable))").unwrap();
    assert!(instrument(&wasm, &all(Features::ALL)).is_ok());
    assert!(instrument(&wasm, &all(Features::MVP)).is_err());
    for length in 0..wasm.len() {
        // Never a panic.
        let _ = instrument(&wasm[..length], &all(Features::ALL));
    }
}
