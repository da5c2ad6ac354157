//! The standard output: one JSON object, or text for people.

use crate::failure::Failure;
use crate::input;
use pvf_executor::write_file;
use serde::Serialize;
use std::cell::Cell;
use std::io::{self, Write};
use std::path::Path;

/// Where the result of a command goes.
pub struct Output {
    json: bool,
    /// Whether a file was written to the standard output, which has no place for anything else then.
    taken: Cell<bool>,
}

/// What is printed if a command could not do its work.
#[derive(Serialize)]
struct FailureJson {
    error: String,
    exit_code: u8,
    /// There is none.
    outcome: Option<&'static str>,
    /// Whether time was up.
    timed_out: bool,
}

impl Output {
    /// Whether it is for programs.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// For JSON, or for people.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            taken: Cell::new(false),
        }
    }

    /// Writes a file, or the standard output for `-`. Then the result for people goes to the standard error.
    pub fn file(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        if path.as_os_str() != input::STDIN {
            return write_file(path, bytes).map_err(|source| Failure::Output {
                name: path.display().to_string(),
                source,
            });
        }
        if self.json || self.taken.replace(true) {
            let message = "only one thing can be written to the standard output";
            return Err(Failure::Usage(message.to_owned()));
        }
        self.bytes(bytes)
    }

    /// Prints the result of a command: `json` or what `text` writes.
    pub fn result(
        &self,
        json: &impl Serialize,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        if self.taken.get() {
            let mut stderr = anstream::stderr().lock();
            return written(text(&mut stderr));
        }
        if !self.json {
            let mut stdout = anstream::AutoStream::auto(io::stdout()).lock();
            return written(text(&mut stdout).and_then(|()| stdout.flush()));
        }
        let mut line = serde_json::to_vec(json)
            .map_err(|error| Failure::Host(format!("the result is not JSON: {error}")))?;
        line.push(b'\n');
        self.bytes(&line)
    }

    /// Prints bytes as they are.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        written(stdout.write_all(bytes).and_then(|()| stdout.flush()))
    }

    /// Says something that does not change what the command does.
    pub fn warn(&self, warning: &str) {
        let style = anstyle::AnsiColor::Yellow.on_default().bold();
        let mut stderr = anstream::stderr();
        // Nothing can be done if it cannot be written.
        let _ = writeln!(stderr, "{style}warning:{style:#} {warning}");
    }

    /// Says why the command could not do its work.
    pub fn failure(&self, failure: &Failure) {
        let style = anstyle::AnsiColor::Red.on_default().bold();
        let mut stderr = anstream::stderr();
        // Nothing can be done if even this cannot be written.
        let _ = writeln!(stderr, "{style}error:{style:#} {failure}");
        if self.json {
            let json = FailureJson {
                error: failure.to_string(),
                exit_code: failure.exit_code(),
                outcome: None,
                timed_out: matches!(failure, Failure::NoVerdict(_)),
            };
            if let Ok(line) = serde_json::to_string(&json) {
                let _ = self.bytes(format!("{line}\n").as_bytes());
            }
        }
    }
}

/// A reader that went away early has what it wanted.
fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output {
            name: "the standard output".into(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Bytes as `0x…`.
pub fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// A duration in nanoseconds, for people.
pub fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

/// A number of bytes, for people.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_485_760 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
