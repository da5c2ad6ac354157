//! Modules as text, and what a run of them says.
#![allow(dead_code, reason = "each test file uses a part")]

use pvf_compiler::CompileOptions;
use pvf_rules::{Features, RejectionStage, TrapKind};
use pvf_validation::trace::Trace;
use pvf_validation::{Execution, HostParameters, Module, Outcome, Pvf};
use std::num::NonZeroUsize;

/// `__heap_base` of [`module`]s, and the address of the candidate, which is allocated first.
pub const HEAP_BASE: u32 = 2048;
/// Where the candidate is.
pub const CANDIDATE: u32 = HEAP_BASE + 8;

/// A `ValidationResult`: head data `01 02 03`, nothing else, watermark 7.
pub const RESULT: [u8; 15] = [12, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0];

/// An expression that returns [`RESULT`].
pub const RETURN_RESULT: &str = "(i64.const 0xf00000010)";

/// Data segment with [`RESULT`] at the place that [`RETURN_RESULT`] names.
pub const RESULT_DATA: &str =
    r#"(data (i32.const 16) "\0c\01\02\03\00\00\00\00\00\00\00\07\00\00\00")"#;

/// A validation function: imports, body of `validate_block` (locals `$at` and `$bytes`), other fields.
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

/// A module that executes these instructions and returns [`RESULT`].
pub fn doing(imports: &str, body: &str) -> String {
    module(imports, &format!("{body} {RETURN_RESULT}"), "")
}

/// How Polkadot prepares modules.
fn polkadot_options() -> CompileOptions {
    CompileOptions {
        metering: pvf_compiler::Metering {
            logical_stack: true,
            gas: None,
        },
        ..CompileOptions::new(Features::POLKADOT)
    }
}

/// Prepares a module as Polkadot would, or in the strict language if its nodes would refuse it before anything is
/// linked.
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

/// The same with every function a chunk of its own, which one thread and several make alike.
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

/// One run without a candidate.
pub fn run(wat: &str) -> Outcome {
    run_with(wat, &[])
}

/// One run.
pub fn run_with(wat: &str, candidate: &[u8]) -> Outcome {
    execute(&pvf(wat), candidate).outcome
}

/// One run of a validation function.
pub fn execute(pvf: &Pvf, candidate: &[u8]) -> Execution {
    pvf.validate(candidate).expect("the host does its part")
}

/// The outcome is [`RESULT`].
#[track_caller]
pub fn assert_valid(outcome: Outcome) {
    assert_eq!(outcome, Outcome::Valid(RESULT.to_vec()));
}

/// The outcome is a trap of this kind.
#[track_caller]
pub fn assert_trap(outcome: Outcome, kind: TrapKind) {
    match outcome {
        Outcome::Invalid {
            trap: Some(trap), ..
        } if trap.kind == kind => {}
        other => panic!("{other:?} is no trap {kind:?}"),
    }
}

/// The outcome is a trap of a host function, with a text that holds this one.
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

/// The candidate is invalid without a trap.
#[track_caller]
pub fn assert_invalid(outcome: Outcome) {
    match outcome {
        Outcome::Invalid { trap: None, .. } => {}
        other => panic!("{other:?} is not invalid without a trap"),
    }
}

/// The module is turned down.
#[track_caller]
pub fn assert_rejected(outcome: Outcome, at: RejectionStage) {
    match outcome {
        Outcome::Rejected(rejection) if rejection.stage() == at => {}
        other => panic!("{other:?} is no rejection at {at:?}"),
    }
}

/// Keeps everything.
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
    /// `None` if it never returned.
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
