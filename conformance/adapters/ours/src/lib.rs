//! This repository's executor behind the protocol of the conformance suite (`conformance/README.md`).
//!
//! In come lines of JSON, one question each; out goes one line for each. Modules are prepared with the
//! question's language and limits, exports are called in one instance, candidates are judged in a
//! fresh one each.
#![forbid(unsafe_code)]

mod answer;
mod question;

use answer::Answer;
use pvf_executor::{
    Artifact, CallError, CompileOptions, Instance, Linker, Module, NotPrepared, Outcome, Prepared,
    Purpose, Rules, Trap, TrapKind, Value as Number, artifact, prepare,
};
use pvf_validation::{HostParameters, Pvf};
use question::Question;
use serde_json::{Value, json};
use std::io::{self, BufRead, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// What this engine can be asked.
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

/// Answers until the questions end.
///
/// # Errors
/// A question cannot be read or an answer not be written.
pub fn serve(questions: impl BufRead, mut answers: impl Write) -> io::Result<()> {
    for line in questions.lines() {
        let answer = match serde_json::from_str::<Value>(&line?) {
            Ok(question) if question.get("hello").is_some() => hello(),
            Ok(question) => ask(&question).unwrap_or_else(|failure| json!({"failure": failure})),
            Err(error) => json!({"failure": error.to_string()}),
        };
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

fn hello() -> Value {
    json!({"engine": "pvf-executor", "version": env!("CARGO_PKG_VERSION"), "features": FEATURES})
}

/// Answers one question; an error is a failure of this machine or of the suite, no outcome.
fn ask(question: &Value) -> Result<Value, String> {
    let question = Question::read(question)?;
    let bytes =
        std::fs::read(&question.wasm).map_err(|error| format!("{}: {error}", question.wasm))?;
    let options = CompileOptions {
        metering: question.metering.clone(),
        ..CompileOptions::new(question.features)
    };
    let functions = pvf_validation::function_types(false);
    let purpose = match question.judges() {
        true => Purpose::Precheck(&functions),
        false => Purpose::Plain,
    };
    let rules = Rules::new(options, purpose);
    let artifact = match prepare(&bytes, &rules) {
        Ok(prepared) => prepared.artifact,
        Err(NotPrepared::Rejected(rejection)) => return Ok(Answer::rejected(rejection).to_json()),
        Err(NotPrepared::Failed(failure)) => return Err(failure.to_string()),
    };
    let module = Module::new(artifact).map_err(|error| error.to_string())?;
    let mut run = Run {
        question: &question,
        blob: &bytes,
        rules,
        module,
        instance: None,
        answer: Answer::default(),
    };
    for step in &question.steps {
        if !run.step(step)? {
            break;
        }
    }
    Ok(run.answer.to_json())
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
    /// Does a step; false if there is nothing to go on with.
    fn step(&mut self, step: &Value) -> Result<bool, String> {
        if let Some(export) = step["invoke"].as_str() {
            return self.invoke(export, &step["args"]);
        }
        if let Some(candidate) = question::candidate(step)? {
            self.validate(&candidate)?;
            return Ok(true);
        }
        if let Some(threads) = step["prepare"]["threads"].as_array() {
            return self.prepare(threads);
        }
        if let Some(at) = step["damage"].as_u64() {
            return self.damage(at as usize);
        }
        Err(format!("a step that is not known: {step}"))
    }

    fn invoke(&mut self, export: &str, arguments: &Value) -> Result<bool, String> {
        if self.instance.is_none() {
            let mut linker = Linker::new();
            linker.memory_any(None);
            linker.unknown_functions(None);
            match Instance::new(&self.module, &linker, &self.question.parameters, ()) {
                Ok(instance) => self.instance = Some(instance),
                Err(error) => {
                    let rejection = error.rejection().map_err(|failure| failure.to_string())?;
                    self.answer = Answer::rejected(rejection);
                    return Ok(false);
                }
            }
        }
        let Some(instance) = &mut self.instance else {
            return Err("no instance".to_owned());
        };
        let types = match self.module.info().export(export) {
            Some(artifact::ExportKind::Function(function)) => {
                self.module.info().function_type(function)
            }
            _ => None,
        };
        let types = types.ok_or_else(|| format!("no function {export}"))?;
        let texts = arguments
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let arguments: Vec<Number> = types
            .params
            .iter()
            .zip(texts)
            .map(|(&ty, text)| question::number(ty, text))
            .collect::<Result<_, _>>()?;
        match instance.call_export(export, &arguments) {
            Ok(values) => self
                .answer
                .returned(values.into_iter().map(answer::show).collect()),
            Err(CallError::Trap(trap)) => self.answer.trapped(Some(&trap), trap.to_string()),
            Err(error) => return Err(error.to_string()),
        }
        self.answer.stack_native_peak = Some(instance.stack_native_peak());
        self.answer.memory_pages_peak = Some(instance.memory_pages_peak());
        self.answer.stack_logical_peak = instance.stack_logical_peak();
        self.answer.gas_used = instance.gas_used();
        self.answer.memory = self
            .question
            .peek
            .clone()
            .and_then(|range| instance.memory().get(range).map(answer::hex));
        Ok(true)
    }

    fn validate(&mut self, candidate: &[u8]) -> Result<(), String> {
        let parameters = HostParameters {
            execution: self.question.parameters,
            log: Some(Arc::new(|_| {})),
            ..HostParameters::default()
        };
        let execution = Pvf::new(self.module.clone(), parameters)
            .validate(candidate)
            .map_err(|failure| failure.to_string())?;
        match &execution.outcome {
            Outcome::Valid(bytes) => self.answer.validated(bytes),
            Outcome::Invalid { trap, reason } => self.answer.trapped(trap.as_ref(), reason.clone()),
            Outcome::Rejected(rejection) => self.answer = Answer::rejected(rejection.clone()),
        }
        self.answer.stack_native_peak = Some(execution.stack.native);
        self.answer.memory_pages_peak = Some(execution.memory_pages_peak);
        self.answer.digest = Some(execution.digest());
        Ok(())
    }

    /// Prepares with each number of threads; the result is whether all artifacts are the same bytes.
    fn prepare(&mut self, threads: &[Value]) -> Result<bool, String> {
        let mut artifacts = Vec::new();
        for threads in threads {
            let threads = threads
                .as_u64()
                .and_then(|it| NonZeroUsize::new(it as usize))
                .ok_or("threads are a number")?;
            let mut rules = self.rules.clone();
            rules.compile.threads = threads;
            artifacts.push(again(self.blob, &rules)?.artifact.to_bytes());
        }
        let same = artifacts.windows(2).all(|pair| pair[0] == pair[1]);
        self.answer
            .returned(vec![if same { "same" } else { "different" }.to_owned()]);
        Ok(true)
    }

    /// Flips a bit of the artifact; reading it must fail.
    fn damage(&mut self, at: usize) -> Result<bool, String> {
        let mut bytes = again(self.blob, &self.rules)?.artifact.to_bytes();
        let at = at.min(bytes.len().saturating_sub(1));
        bytes[at] ^= 1;
        match Artifact::parse(&bytes) {
            Ok(_) => self.answer.returned(Vec::new()),
            Err(error) => self.answer = Answer::damaged(error.to_string()),
        }
        Ok(false)
    }
}

/// Prepares a blob once more.
fn again<'b>(blob: &'b [u8], rules: &Rules<'_>) -> Result<Prepared<'b>, String> {
    prepare(blob, rules).map_err(|error| match error {
        NotPrepared::Rejected(rejection) => format!("rejected the second time: {rejection}"),
        NotPrepared::Failed(failure) => failure.to_string(),
    })
}

/// The name of a trap in answers.
fn trap_name(trap: &Trap) -> &'static str {
    let kind: TrapKind = trap.kind;
    kind.name()
}
