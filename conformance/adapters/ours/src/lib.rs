//! This repository's executor as an adapter for the protocol of the conformance suite (`conformance/README.md`).
//!
//! A module is prepared with the question's language and limits. All calls of exports use one instance; each candidate
//! is validated in a fresh instance.
#![forbid(unsafe_code)]

use pvf_adapter_protocol::{Answer, Candidate, Hello, Number, Question, Step};
use pvf_executor::{
    Artifact, CallError, CompileOptions, Execution, Instance, Linker, Metering, Module,
    NotPrepared, Outcome, Prepared, Purpose, Rejection, RejectionStage, Rules, Value, prepare,
};
use pvf_validation::{HostParameters, Pvf};
use std::io::{self, BufRead, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// The features of this engine: all of the protocol's.
const FEATURES: [&str; 21] = [
    "network",
    "sign-extension",
    "saturating-float-to-int",
    "multi-value",
    "bulk-memory",
    "language",
    "limits",
    "large",
    "blobs",
    "memory-limit",
    "ignore-declared-maximum",
    "stack-native",
    "nan-bits-at-boundary",
    "pvf",
    "host-functions",
    "outcome-digest",
    "artifacts",
    "stack-logical",
    "stack-logical-multi-value",
    "stack-logical-counter",
    "gas",
];

/// Answers questions until the input ends.
///
/// # Errors
/// A question cannot be read, or an answer cannot be written.
pub fn serve(questions: impl BufRead, answers: impl Write) -> io::Result<()> {
    let hello = Hello {
        engine: "pvf-executor",
        version: env!("CARGO_PKG_VERSION"),
        features: FEATURES.to_vec(),
    };
    pvf_adapter_protocol::serve(&hello, questions, answers, ask)
}

/// Answers one question. An error is a failure of this machine or of the suite, never an outcome.
fn ask(question: &Question) -> Result<Answer, String> {
    let bytes = std::fs::read(&question.wasm)
        .map_err(|error| format!("{}: {error}", question.wasm.display()))?;
    let options = CompileOptions {
        metering: Metering {
            logical_stack: question.parameters.stack_logical_max.is_some(),
            gas: question.gas.clone().map(Arc::new),
        },
        ..CompileOptions::new(question.features)
    };
    let functions = pvf_validation::function_types(false);
    let purpose = match question.validates() {
        true => Purpose::Precheck(&functions),
        false => Purpose::Plain,
    };
    let rules = Rules::new(options, purpose);
    let artifact = match prepare(&bytes, &rules) {
        Ok(prepared) => prepared.artifact,
        Err(NotPrepared::Rejected(rejection)) => return Ok(rejected(rejection)),
        Err(NotPrepared::Failed(failure)) => return Err(failure.to_string()),
    };
    let module = Module::new(artifact).map_err(|error| error.to_string())?;
    let mut run = Run {
        question,
        blob: &bytes,
        rules,
        module,
        instance: None,
        answer: Answer::new(),
    };
    for step in &question.steps {
        if !run.step(step)? {
            break;
        }
    }
    Ok(run.answer)
}

fn rejected(rejection: Rejection) -> Answer {
    let mut answer = Answer::rejected(rejection.stage(), rejection.reason());
    answer.rule = Some(rejection.rule);
    answer.outcome_digest = Some(Execution::rejected(rejection).digest());
    answer
}

struct Run<'a> {
    question: &'a Question,
    blob: &'a [u8],
    rules: Rules<'a>,
    module: Module,
    instance: Option<Instance<()>>,
    answer: Answer,
}

impl Run<'_> {
    /// Executes a step. Returns false if no step can follow.
    fn step(&mut self, step: &Step) -> Result<bool, String> {
        match step {
            Step::Invoke { export, args } => self.invoke(export, args),
            Step::Validate(candidate) => self.validate(candidate),
            Step::Prepare { threads } => self.prepare(threads),
            Step::Damage { byte } => self.damage(*byte),
        }
    }

    fn invoke(&mut self, export: &str, args: &[Number]) -> Result<bool, String> {
        if self.instance.is_none() {
            let mut linker = Linker::new();
            linker.memory_any(None);
            linker.unknown_functions(None);
            match Instance::new(&self.module, &linker, &self.question.parameters, ()) {
                Ok(instance) => self.instance = Some(instance),
                Err(error) => {
                    let rejection = error.rejection().map_err(|failure| failure.to_string())?;
                    self.answer = rejected(rejection);
                    return Ok(false);
                }
            }
        }
        let Some(instance) = &mut self.instance else {
            return Err("no instance".to_owned());
        };
        let arguments: Vec<Value> = args.iter().map(|it| value(*it)).collect();
        match instance.call_export(export, &arguments) {
            Ok(values) => self.answer.returned(values.into_iter().map(number)),
            Err(CallError::Trap(trap)) => self.answer.invalid(Some(trap.kind), trap.to_string()),
            Err(error) => return Err(error.to_string()),
        }
        self.answer.stack_native_peak = Some(instance.stack_native_peak());
        self.answer.memory_pages_peak = Some(instance.memory_pages_peak());
        self.answer.stack_logical_peak = instance.stack_logical_peak();
        self.answer.gas_used = instance.gas_used();
        let peek = self.question.peek.clone();
        self.answer.memory = peek.and_then(|range| Some(instance.memory().get(range)?.to_vec()));
        Ok(true)
    }

    fn validate(&mut self, candidate: &Candidate) -> Result<bool, String> {
        let candidate = candidate.bytes().map_err(|error| error.to_string())?;
        let parameters = HostParameters {
            execution: self.question.parameters,
            log: Some(Arc::new(|_| {})),
            ..HostParameters::default()
        };
        let execution = Pvf::new(self.module.clone(), parameters)
            .validate(&candidate)
            .map_err(|failure| failure.to_string())?;
        match &execution.outcome {
            Outcome::Valid(bytes) => self.answer.validated(bytes),
            Outcome::Invalid { trap, reason } => {
                let kind = trap.as_ref().map(|trap| trap.kind);
                self.answer.invalid(kind, reason.clone());
            }
            Outcome::Rejected(rejection) => self.answer = rejected(rejection.clone()),
        }
        self.answer.stack_native_peak = Some(execution.stack.native);
        self.answer.stack_logical_peak = execution.stack.logical;
        self.answer.memory_pages_peak = Some(execution.memory_pages_peak);
        self.answer.gas_used = execution.gas_used;
        self.answer.outcome_digest = Some(execution.digest());
        Ok(true)
    }

    /// Prepares with each number of threads. The answer says whether all artifacts have the same bytes.
    fn prepare(&mut self, threads: &[NonZeroUsize]) -> Result<bool, String> {
        let mut artifacts = Vec::new();
        for threads in threads {
            let mut rules = self.rules.clone();
            rules.compile.threads = *threads;
            artifacts.push(again(self.blob, &rules)?.artifact.to_bytes());
        }
        let same = artifacts.windows(2).all(|pair| pair[0] == pair[1]);
        self.answer.said(if same { "same" } else { "different" });
        Ok(true)
    }

    /// Flips a bit of the artifact; reading the artifact must then fail. Such a failure is not an outcome, but the
    /// protocol reports it as `rejected`, for lack of another word.
    fn damage(&mut self, byte: usize) -> Result<bool, String> {
        let mut bytes = again(self.blob, &self.rules)?.artifact.to_bytes();
        let at = byte.min(bytes.len().saturating_sub(1));
        bytes[at] ^= 1;
        match Artifact::parse(&bytes) {
            Ok(_) => self.answer.returned([]),
            Err(error) => {
                self.answer = Answer::rejected(RejectionStage::Prepare, error.to_string());
            }
        }
        Ok(false)
    }
}

/// Prepares a blob that was prepared successfully before.
fn again<'b>(blob: &'b [u8], rules: &Rules<'_>) -> Result<Prepared<'b>, String> {
    prepare(blob, rules).map_err(|error| match error {
        NotPrepared::Rejected(rejection) => format!("rejected the second time: {rejection}"),
        NotPrepared::Failed(failure) => failure.to_string(),
    })
}

fn value(number: Number) -> Value {
    match number {
        Number::I32(value) => Value::I32(value),
        Number::I64(value) => Value::I64(value),
        Number::F32(bits) => Value::F32(bits),
        Number::F64(bits) => Value::F64(bits),
    }
}

fn number(value: Value) -> Number {
    match value {
        Value::I32(value) => Number::I32(value),
        Value::I64(value) => Number::I64(value),
        Value::F32(bits) => Number::F32(bits),
        Value::F64(bits) => Number::F64(bits),
    }
}
