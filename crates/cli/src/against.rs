//! Another engine's outcome of the same candidate.
//!
//! The other engine is an adapter of the conformance suite (`conformance/README.md`): a process that answers lines of JSON. So
//! `pvf` is built without any other engine. `wasmtime` is the adapter `pvf-adapter-wasmtime`, which is built in the
//! repository's folder `bench/`. A name with a `/` or a space is the command that starts an adapter.

use crate::companion;
use crate::failure::Failure;
use crate::outcome;
use crate::output::hex;
use crate::timeout::TimeUp;
use pvf_adapter_protocol::{Candidate, Question, Step, plain_schedule};
use pvf_conformance::{Engine, EngineError, Hello, same};
use pvf_executor::{Costs, Execution, ExecutionParameters, Features, Outcome};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Features of an adapter that validates candidates.
const NEEDED: [&str; 2] = ["pvf", "host-functions"];

/// What the other engine is asked.
pub struct Asked<'a> {
    /// The module, decompressed.
    pub wasm: &'a [u8],
    /// The candidate.
    pub candidate: &'a [u8],
    /// The accepted language.
    pub features: Features,
    /// The limits.
    pub parameters: ExecutionParameters,
    /// Prices of gas.
    pub costs: &'a Costs,
    /// How long the engine may take.
    pub time: Option<Duration>,
}

/// The outcome of one engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    engine: String,
    outcome: String,
    result: Option<String>,
    trap: Value,
    reason: Option<String>,
    gas_used: Option<u64>,
}

/// The outcomes of both engines.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The other engine's.
    pub other: Answer,
    /// Ours.
    pub ours: Answer,
    /// Limits and rules in force here that the other engine does not declare, by the names of the adapter protocol.
    pub not_asked: Vec<&'static str>,
    /// The first field that differs, if any does.
    pub first_difference: Option<&'static str>,
}

/// Asks the engine about the candidate and compares. Gas is compared if the engine counts it.
pub fn compare(engine: &str, asked: &Asked<'_>, ours: &Execution) -> Result<Comparison, Failure> {
    let command = command(engine)?;
    let failed = |error: &dyn std::fmt::Display| Failure::Host(format!("{engine}: {error}"));
    let no_answer = |error: EngineError| match error {
        EngineError::Timeout(_) => Failure::NoVerdict(TimeUp(asked.time)),
        error => failed(&error),
    };
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let began = Instant::now();
    let limit = asked.time.unwrap_or(Duration::MAX);
    let mut adapter = Engine::start_within(&command, limit).map_err(no_answer)?;
    for feature in NEEDED {
        if !declares(&adapter.hello, feature) {
            return Err(Failure::Usage(format!(
                "{engine}: the adapter does not validate candidates (it does not declare `{feature}`)"
            )));
        }
    }
    let gas = declares(&adapter.hello, "gas");
    let line = question(folder.path(), asked, gas)?;
    let answer = adapter
        .ask(&line, limit.saturating_sub(began.elapsed()))
        .map_err(no_answer)?;
    if let Some(failure) = answer["failure"].as_str() {
        return Err(failed(&failure));
    }
    let other = Answer::read(&adapter.hello, &answer)
        .ok_or_else(|| failed(&EngineError::Garbled(answer.to_string())))?;
    let lacking = |feature: &&str| !declares(&adapter.hello, feature);
    let not_asked = in_force(asked).into_iter().filter(lacking).collect();
    Ok(Comparison::new(other, not_asked, ours))
}

fn declares(hello: &Hello, feature: &str) -> bool {
    hello.features.iter().any(|it| it == feature)
}

/// The question as a line of the protocol; module and candidate are written to files.
fn question(folder: &Path, asked: &Asked<'_>, gas: bool) -> Result<Value, Failure> {
    let (wasm, candidate) = (folder.join("code.wasm"), folder.join("candidate"));
    for (path, content) in [(&wasm, asked.wasm), (&candidate, asked.candidate)] {
        std::fs::write(path, content).map_err(|source| Failure::Output {
            name: "a temporary file".to_owned(),
            source,
        })?;
    }
    let priced = plain_schedule(asked.costs).is_some();
    if gas && !priced && asked.parameters.gas_limit.is_some() {
        let message = "another engine takes one price for all instructions, one for each local and one for each page of memory.grow: \
             --gas with other prices cannot be compared";
        return Err(Failure::Usage(message.to_owned()));
    }
    let question = Question {
        wasm,
        features: asked.features,
        parameters: asked.parameters,
        gas: (gas && priced).then(|| asked.costs.clone()),
        peek: None,
        steps: vec![Step::Validate(Candidate::File(candidate))],
    };
    question
        .to_json()
        .ok_or_else(|| Failure::Host("the prices cannot be written".to_owned()))
}

/// Features of the protocol that stand for limits and rules in force.
fn in_force(asked: &Asked<'_>) -> Vec<&'static str> {
    let parameters = asked.parameters;
    let all = [
        ("network", asked.features.reads_as_network()),
        ("memory-limit", true),
        (
            "ignore-declared-maximum",
            parameters.ignore_declared_maximum,
        ),
        ("stack-native", true),
        ("stack-logical", parameters.stack_logical_max.is_some()),
        ("gas", parameters.gas_limit.is_some()),
    ];
    all.into_iter()
        .filter(|(_, used)| *used)
        .map(|(name, _)| name)
        .collect()
}

/// The command that starts an engine's adapter.
fn command(engine: &str) -> Result<Vec<String>, Failure> {
    if engine.contains(['/', ' ']) {
        return Ok(engine.split_whitespace().map(str::to_owned).collect());
    }
    let name = format!("pvf-adapter-{engine}");
    let variable = format!("PVF_ADAPTER_{}", engine.to_uppercase().replace('-', "_"));
    let Some(program) = companion::find(&name, &variable).map_err(Failure::Usage)? else {
        return Err(Failure::Usage(format!(
            "no {name} beside pvf, in the checkout or in {variable}. Build Wasmtime's in the repository's folder bench/ with\n  \
             cargo build --release -p pvf-adapter-wasmtime"
        )));
    };
    let mut command = vec![program.display().to_string()];
    if engine == "wasmtime" {
        // As Polkadot's workers run it.
        command.push("--instrument".to_owned());
    }
    Ok(command)
}

impl Answer {
    /// Reads an adapter's answer; `None` if it has no outcome.
    fn read(hello: &Hello, answer: &Value) -> Option<Self> {
        let text = |field: &str| answer[field].as_str().map(str::to_owned);
        Some(Self {
            engine: hello.engine.clone(),
            outcome: text("outcome")?,
            result: text("result"),
            trap: answer["trap"].clone(),
            reason: text("reason"),
            gas_used: answer["gas_used"].as_u64(),
        })
    }
}

impl Comparison {
    fn new(other: Answer, not_asked: Vec<&'static str>, ours: &Execution) -> Self {
        let result = match &ours.outcome {
            Outcome::Valid(bytes) => Some(hex(bytes)),
            _ => None,
        };
        let ours = Answer {
            engine: "ours".to_owned(),
            outcome: outcome::name(&ours.outcome).to_owned(),
            result,
            trap: ours.trap_kind().map(|kind| kind.name()).into(),
            reason: outcome::reason(&ours.outcome).map(Cow::into_owned),
            // An engine that does not count gas cannot differ in it.
            gas_used: ours.gas_used.filter(|_| other.gas_used.is_some()),
        };
        let fields = [
            ("outcome", ours.outcome == other.outcome),
            ("result", ours.result == other.result),
            ("trap", same("trap", &ours.trap, &other.trap)),
            ("gas_used", ours.gas_used == other.gas_used),
        ];
        let first_difference = fields
            .into_iter()
            .find(|(_, same)| !same)
            .map(|(name, _)| name);
        Self {
            other,
            ours,
            not_asked,
            first_difference,
        }
    }

    /// Both outcomes as text.
    pub fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for side in [&self.ours, &self.other] {
            let Answer {
                engine,
                outcome: class,
                result,
                trap,
                reason,
                gas_used,
            } = side;
            let (engine, class) = (outcome::printable(engine), outcome::printable(class));
            write!(out, "  {engine}: {class}")?;
            match trap {
                Value::Null => {}
                Value::String(kind) => write!(out, " ({})", outcome::printable(kind))?,
                kinds => write!(out, " ({})", outcome::printable(&kinds.to_string()))?,
            }
            if let Some(gas) = gas_used {
                write!(out, ", gas {gas}")?;
            }
            if let Some(result) = result {
                write!(out, ", result {}", outcome::printable(result))?;
            }
            if let Some(reason) = reason {
                write!(out, ", {}", outcome::printable(reason))?;
            }
            writeln!(out)?;
        }
        if !self.not_asked.is_empty() {
            writeln!(out, "  not asked: {}", self.not_asked.join(", "))?;
        }
        match self.first_difference {
            Some(field) => writeln!(out, "  DIFFERENT     first in: {field}"),
            None => writeln!(out, "  the same"),
        }
    }
}
