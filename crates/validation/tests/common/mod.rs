//! Modules in the text format, their runs, and assertions on outcomes.
#![allow(dead_code, reason = "each test file uses a part")]

use pvf_compiler::CompileOptions;
use pvf_rules::{Features, RejectionStage, TrapKind};
use pvf_validation::trace::Trace;
use pvf_validation::{Execution, HostParameters, Module, Outcome, Pvf};
use std::num::NonZeroUsize;

/// `__heap_base` of [`module`]s. The candidate is allocated there first.
pub const HEAP_BASE: u32 = 2048;
/// Address of the candidate.
pub const CANDIDATE: u32 = HEAP_BASE + 8;

/// A `ValidationResult` with head data `01 02 03`, watermark 7, and all else empty.
pub const RESULT: [u8; 15] = [12, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0];

/// An expression that returns [`RESULT`].
pub const RETURN_RESULT: &str = "(i64.const 0xf00000010)";

/// A data segment with [`RESULT`] at the address that [`RETURN_RESULT`] refers to.
pub const RESULT_DATA: &str =
    r#"(data (i32.const 16) "\0c\01\02\03\00\00\00\00\00\00\00\07\00\00\00")"#;

/// A validation function from imports, the body of `validate_block` (locals `$at` and `$bytes`) and
/// other fields.
pub fn module(imports: &str, body: &str, fields: &str) -> String {
    format!(
        r#"(module {imports}
            (memory (export "memory") 1)
            (global (export "__heap_base") i32 (i32.const {HEAP_BASE}))
            {RESULT_DATA}
            {fields}
            (func (export "validate_block") (param $at i32) (param $bytes i32) (result i64)
                {body}))"#
    )
}

/// A validation function that executes `body` and returns [`RESULT`].
pub fn doing(imports: &str, body: &str) -> String {
    module(imports, &format!("{body} {RETURN_RESULT}"), "")
}

/// Compilation as on Polkadot.
fn polkadot_options() -> CompileOptions {
    CompileOptions {
        metering: pvf_compiler::Metering {
            logical_stack: true,
            gas: None,
        },
        ..CompileOptions::new(Features::POLKADOT)
    }
}

/// Compiles a module as Polkadot does, or with the strict language if Polkadot refuses to compile
/// it.
pub fn prepare(wasm: &[u8]) -> Module {
    let strict = CompileOptions {
        metering: polkadot_options().metering,
        ..CompileOptions::new(Features::MVP)
    };
    let artifact = pvf_compiler::compile(wasm, &polkadot_options())
        .or_else(|_| pvf_compiler::compile(wasm, &strict))
        .expect("compiles");
    Module::new(artifact).expect("loads")
}

/// Like [`prepare`], with a chunk for every function. Checks that the number of threads does not
/// change the artifact.
pub fn prepare_function_by_function(wasm: &[u8]) -> Module {
    let prepare = |threads| {
        let options = CompileOptions {
            chunk_bytes: 1,
            threads: NonZeroUsize::new(threads).expect("some threads"),
            ..polkadot_options()
        };
        pvf_compiler::compile(wasm, &options).expect("compiles")
    };
    let artifact = prepare(1);
    for threads in [2, 8] {
        assert!(artifact == prepare(threads), "{threads} threads");
    }
    Module::new(artifact).expect("loads")
}

/// A validation function from text, with the parameters of Polkadot.
pub fn pvf(wat: &str) -> Pvf {
    pvf_with(wat, HostParameters::default())
}

/// A validation function from text.
pub fn pvf_with(wat: &str, parameters: HostParameters) -> Pvf {
    let wasm = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
    Pvf::new(prepare(&wasm), parameters)
}

/// The outcome of a run with an empty candidate.
pub fn run(wat: &str) -> Outcome {
    run_with(wat, &[])
}

/// The outcome of a run.
pub fn run_with(wat: &str, candidate: &[u8]) -> Outcome {
    execute(&pvf(wat), candidate).outcome
}

/// The execution of a candidate by a validation function.
pub fn execute(pvf: &Pvf, candidate: &[u8]) -> Execution {
    pvf.validate(candidate).expect("no failure of the host")
}

/// Asserts that the outcome is [`RESULT`].
#[track_caller]
pub fn assert_valid(outcome: Outcome) {
    assert_eq!(outcome, Outcome::Valid(RESULT.to_vec()));
}

/// Asserts that the outcome is a trap of this kind.
#[track_caller]
pub fn assert_trap(outcome: Outcome, kind: TrapKind) {
    match outcome {
        Outcome::Invalid {
            trap: Some(trap), ..
        } if trap.kind == kind => {}
        other => panic!("{other:?} is no trap {kind:?}"),
    }
}

/// Asserts that the outcome is a trap of a host function whose text contains `text`.
#[track_caller]
pub fn assert_host_error(outcome: Outcome, text: &str) {
    match outcome {
        Outcome::Invalid {
            trap: Some(trap),
            reason,
        } if trap.kind == TrapKind::HostError && reason.contains(text) => {}
        other => panic!("{other:?} is no error of a host function with the text {text:?}"),
    }
}

/// Asserts that the candidate is invalid without a trap.
#[track_caller]
pub fn assert_invalid(outcome: Outcome) {
    match outcome {
        Outcome::Invalid { trap: None, .. } => {}
        other => panic!("{other:?} is not invalid without a trap"),
    }
}

/// Asserts that the module is rejected at this stage.
#[track_caller]
pub fn assert_rejected(outcome: Outcome, at: RejectionStage) {
    match outcome {
        Outcome::Rejected(rejection) if rejection.stage() == at => {}
        other => panic!("{other:?} is no rejection at {at:?}"),
    }
}

/// Records all host calls.
#[derive(Debug, Default)]
pub struct Recorder {
    pub calls: Vec<Call>,
}

/// One host call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    pub arguments: Vec<u64>,
    pub read: Vec<Vec<u8>>,
    pub wrote: Vec<Vec<u8>>,
    /// `None` if the call did not return.
    pub result: Option<Result<Option<u64>, String>>,
}

impl Recorder {
    fn last(&mut self) -> &mut Call {
        self.calls.last_mut().expect("a call has begun")
    }
}

impl Trace for Recorder {
    fn called(&mut self, name: &str, arguments: &[u64]) {
        self.calls.push(Call {
            name: name.to_owned(),
            arguments: arguments.to_vec(),
            ..Call::default()
        });
    }

    fn read(&mut self, bytes: &[u8]) {
        self.last().read.push(bytes.to_vec());
    }

    fn wrote(&mut self, bytes: &[u8]) {
        self.last().wrote.push(bytes.to_vec());
    }

    fn returned(&mut self, result: Result<Option<u64>, &str>) {
        self.last().result = Some(result.map_err(str::to_owned));
    }
}
