//! Another engine's outcome of the same candidate.
//!
//! The other engine is a program of its own, so that nobody builds engines who does not compare with them. It reads one line of JSON
//! from its standard input and answers with one:
//!
//! ```text
//! {"code": PATH of the raw module, "candidate": PATH, "stack_logical_max": n|null, "stack_native_max": n,
//!  "gas_limit": n|null, "max_memory_pages": n}
//! {"engine": "…", "outcome": "valid|invalid|rejected", "result": "0x…"|null, "trap": "…"|null, "reason": "…"|null,
//!  "gas_used": n|null}   or   {"failure": "…"}
//! ```
//!
//! `wasmtime` is `pvf-engine-wasmtime`, built in the repository's folder `bench/`; any other name with a `/` or a space in it is the
//! command to start.

use crate::companion;
use crate::failure::Failure;
use crate::outcome;
use crate::output::hex;
use crate::timeout::TimeUp;
use pvf_executor::{Execution, ExecutionParameters, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What another engine says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    engine: String,
    outcome: String,
    result: Option<String>,
    trap: Option<String>,
    reason: Option<String>,
    gas_used: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Reply {
    Answer(Answer),
    Failure { failure: String },
}

/// Both sides.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The other engine.
    pub other: Answer,
    /// Ours in the same words.
    pub ours: Answer,
    /// What differs first, if anything does.
    pub first_difference: Option<&'static str>,
}

/// Asks the engine. It prices every instruction at 1; with other prices gas is not compared.
pub fn compare(
    engine: &str,
    wasm: &[u8],
    candidate: &[u8],
    parameters: &ExecutionParameters,
    same_prices: bool,
    time: Option<Duration>,
    ours: &Execution,
) -> Result<Comparison, Failure> {
    let command = command(engine)?;
    let failed = |what: String| Failure::Host(format!("{engine}: {what}"));
    let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
    let folder = folder.path();
    let files = [("code.wasm", wasm), ("candidate", candidate)];
    let written = write(folder, &files).and_then(|()| {
        let question = json!({
            "code": folder.join("code.wasm"),
            "candidate": folder.join("candidate"),
            "stack_logical_max": parameters.stack_logical_max,
            "stack_native_max": parameters.stack_native_max,
            "gas_limit": parameters.gas_limit,
            "max_memory_pages": parameters.max_memory_pages,
        });
        ask(&command, &question.to_string(), time)
    });
    let reply = written.map_err(|error| failed(error.to_string()))?;
    let reply = reply.ok_or(Failure::NoVerdict(TimeUp(time)))?;
    match serde_json::from_str(&reply) {
        Ok(Reply::Answer(mut other)) => {
            other.gas_used = other.gas_used.filter(|_| same_prices);
            Ok(Comparison::new(other, ours))
        }
        Ok(Reply::Failure { failure }) => Err(failed(failure)),
        Err(error) => Err(failed(format!("its answer cannot be read: {error}"))),
    }
}

fn write(folder: &Path, files: &[(&str, &[u8])]) -> io::Result<()> {
    for (name, content) in files {
        std::fs::write(folder.join(name), content)?;
    }
    Ok(())
}

/// The engine's answer; none if it is not there in time.
fn ask(command: &[String], question: &str, time: Option<Duration>) -> io::Result<Option<String>> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| io::Error::other("no command"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        writeln!(stdin, "{question}")?;
    }
    let mut stdout = child
        .stdout
        .take()
        .ok_or_else(|| io::Error::other("no answer"))?;
    let (told, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.read_to_end(&mut bytes).map(|_| bytes);
        // Nobody waits any more if it took too long.
        let _ = told.send(read);
    });
    let said = match time {
        Some(time) => answer.recv_timeout(time).ok(),
        None => answer.recv().ok(),
    };
    let Some(said) = said else {
        child.kill()?;
        child.wait()?;
        return Ok(None);
    };
    let status = child.wait()?;
    match status.success() {
        true => String::from_utf8(said?).map(Some).map_err(io::Error::other),
        false => Err(io::Error::other(format!("it ended with {status}"))),
    }
}

/// How to start an engine.
fn command(engine: &str) -> Result<Vec<String>, Failure> {
    if engine.contains(['/', ' ']) {
        return Ok(engine.split_whitespace().map(str::to_owned).collect());
    }
    let name = format!("pvf-engine-{engine}");
    let variable = format!("PVF_ENGINE_{}", engine.to_uppercase().replace('-', "_"));
    match companion::find(&name, &variable).map_err(Failure::Usage)? {
        Some(program) => Ok(vec![program.display().to_string()]),
        None => Err(Failure::Usage(format!(
            "there is no {name} beside pvf or in the checkout, and {variable} names none. For Wasmtime, build it in the repository's \
             folder bench/ with\n  cargo build --release -p pvf-engine-wasmtime"
        ))),
    }
}

impl Comparison {
    fn new(other: Answer, ours: &Execution) -> Self {
        let result = match &ours.outcome {
            Outcome::Valid(bytes) => Some(hex(bytes)),
            _ => None,
        };
        let ours = Answer {
            engine: "ours".to_owned(),
            outcome: outcome::name(&ours.outcome).to_owned(),
            result,
            trap: ours.trap_kind().map(|kind| kind.name().to_owned()),
            reason: outcome::reason(&ours.outcome).map(Cow::into_owned),
            // An engine that does not count it cannot differ in it.
            gas_used: ours.gas_used.filter(|_| other.gas_used.is_some()),
        };
        let fields = [
            ("outcome", ours.outcome != other.outcome),
            ("result", ours.result != other.result),
            ("trap", ours.trap != other.trap),
            ("gas_used", ours.gas_used != other.gas_used),
        ];
        let first_difference = fields
            .into_iter()
            .find(|(_, differs)| *differs)
            .map(|(name, _)| name);
        Self {
            other,
            ours,
            first_difference,
        }
    }

    /// Both sides in words.
    pub fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for side in [&self.ours, &self.other] {
            let Answer {
                engine,
                outcome,
                result,
                trap,
                reason,
                gas_used,
            } = side;
            write!(out, "  {engine}: {outcome}")?;
            if let Some(trap) = trap {
                write!(out, " ({trap})")?;
            }
            if let Some(gas) = gas_used {
                write!(out, ", gas {gas}")?;
            }
            if let Some(result) = result {
                write!(out, ", result {result}")?;
            }
            if let Some(reason) = reason {
                write!(out, ", {}", outcome::printable(reason))?;
            }
            writeln!(out)?;
        }
        match self.first_difference {
            Some(field) => writeln!(out, "  DIFFERENT     first in: {field}"),
            None => writeln!(out, "  the same"),
        }
    }
}
