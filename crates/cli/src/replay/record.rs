//! Results: lines of JSON, written and read again.

use super::ReplayArgs;
use super::items::Item;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

/// What became of an item.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The item.
    pub id: String,
    /// Its code.
    pub code: String,
    /// BLAKE2b-256 of the blob.
    pub code_hash: Option<String>,
    /// Its candidate.
    pub candidate: Option<String>,
    /// `valid`, `invalid`, `rejected`; `accepted` for code that was only prepared. None without a verdict.
    pub outcome: Option<String>,
    /// Why it is not valid.
    pub reason: Option<String>,
    /// The rule that rejects code.
    pub rule: Option<String>,
    /// What was expected.
    pub expected: Option<String>,
    /// Whether the outcome, and the result where that is known, is as expected.
    pub agrees: Option<bool>,
    /// Why there is no verdict.
    pub error: Option<String>,
    /// See the rules of outcomes.
    pub outcome_digest: Option<String>,
    /// Gas, if it is counted.
    pub gas_used: Option<u64>,
    /// The deepest native stack.
    pub stack_native_peak: Option<u64>,
    /// The deepest logical stack.
    pub stack_logical_peak: Option<u64>,
    /// Pages of memory.
    pub memory_pages_peak: Option<u32>,
    /// How long preparing took, if it was done for this item.
    pub prepare_ns: Option<u64>,
    /// Processor time of the same.
    pub prepare_cpu_ns: Option<u64>,
    /// Size of the machine code.
    pub code_bytes: Option<u64>,
    /// How long executing took.
    pub execute_ns: Option<u64>,
    /// Of a runtime without a candidate: the lines of `pvf check`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<serde_json::Value>,
    /// How often it was tried: a second time where the process died.
    pub attempts: u32,
}

impl Outcome {
    /// Of an item, before anything became of it.
    pub fn of(item: &Item) -> Self {
        let candidate = item.candidate.as_ref();
        Self {
            id: item.id.clone(),
            code: item.code.display().to_string(),
            candidate: candidate.map(|path| path.display().to_string()),
            expected: item.expected.outcome.clone(),
            ..Self::default()
        }
    }
}

/// Where results go.
pub struct Log {
    out: Option<Box<dyn Write>>,
    name: String,
}

impl Log {
    /// Opens it, and says what has a verdict in it already.
    pub fn open(args: &ReplayArgs, output: &Output) -> Result<(Self, HashSet<String>), Failure> {
        let failed = |path: &Path| {
            let name = path.display().to_string();
            move |source: io::Error| Failure::Output { name, source }
        };
        if let Some(path) = &args.resume {
            let (done, whole_bytes) = read(path)?;
            let open = || -> io::Result<File> {
                let file = OpenOptions::new().create(true).append(true).open(path)?;
                // Without the line that a process before could not finish.
                file.set_len(whole_bytes)?;
                Ok(file)
            };
            let file = open().map_err(failed(path))?;
            let log = Self {
                out: Some(Box::new(file)),
                name: path.display().to_string(),
            };
            return Ok((log, done));
        }
        let (out, name): (Option<Box<dyn Write>>, _) = match &args.output {
            Some(path) if path.as_os_str() != input::STDIN => {
                let file = File::create(path).map_err(failed(path))?;
                (Some(Box::new(file)), path.display().to_string())
            }
            Some(_) if output.is_json() => {
                let message = "only one thing can be written to the standard output";
                return Err(Failure::Usage(message.to_owned()));
            }
            None if output.is_json() => (None, String::new()),
            _ => (
                Some(Box::new(io::stdout())),
                "the standard output".to_owned(),
            ),
        };
        Ok((Self { out, name }, HashSet::new()))
    }

    /// Writes a line, whole, so that a process that is killed leaves no more than one line unfinished. Breaks if nobody reads on.
    pub fn write(&mut self, outcome: &Outcome) -> Result<ControlFlow<()>, Failure> {
        let Some(out) = &mut self.out else {
            return Ok(ControlFlow::Continue(()));
        };
        let mut line = serde_json::to_vec(outcome)
            .map_err(|error| Failure::Host(format!("the result is not JSON: {error}")))?;
        line.push(b'\n');
        match out.write_all(&line) {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(source) if source.kind() == io::ErrorKind::BrokenPipe => {
                self.out = None;
                Ok(ControlFlow::Break(()))
            }
            Err(source) => Err(Failure::Output {
                name: self.name.clone(),
                source,
            }),
        }
    }

    /// The end.
    pub fn finish(&mut self) -> Result<(), Failure> {
        match &mut self.out {
            None => Ok(()),
            Some(out) => out.flush().map_err(|source| Failure::Output {
                name: self.name.clone(),
                source,
            }),
        }
    }
}

/// The items with a verdict in a file, and how many bytes of it are whole lines.
fn read(path: &Path) -> Result<(HashSet<String>, u64), Failure> {
    if !path.exists() {
        return Ok((HashSet::new(), 0));
    }
    let text = input::read(path)?;
    let whole = text.iter().rposition(|&byte| byte == b'\n');
    let whole = whole.map_or(0, |last| last + 1);
    let mut done = HashSet::new();
    let wrong = |number: usize, what: String| Failure::Input {
        name: input::name(path),
        reason: format!("line {number} is no result: {what}"),
    };
    for (number, line) in (1..).zip(text[..whole].split(|&byte| byte == b'\n')) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let outcome: Outcome =
            serde_json::from_slice(line).map_err(|error| wrong(number, error.to_string()))?;
        if outcome.error.is_none() {
            done.insert(outcome.id);
        }
    }
    // Anything may be without a line's end; only the beginning of a result is taken away.
    if whole < text.len() && !text[whole..].starts_with(b"{\"id\":") {
        let number = 1 + text[..whole].iter().filter(|&&byte| byte == b'\n').count();
        return Err(wrong(number, "it has no end".to_owned()));
    }
    Ok((done, whole as u64))
}
