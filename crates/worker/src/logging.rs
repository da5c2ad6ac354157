//! The log of workers and jobs, on the standard error stream that a worker shares with the node.
//!
//! The host sets `RUST_LOG` to the directives of the node. A worker writes the lines that the
//! directives select: its own lines, and the lines of its jobs, which arrive through their pipes
//! ([`crate::job::pipe`]). A job's lines are those of the PVF (target `pvf`), of host functions and
//! of panics. The kind of stream and its reader cannot affect a job. In a worker they only affect
//! which lines arrive ([`stderr`]).
//!
//! Control characters in a line are escaped ([`visible`]). The lines of one job are limited to
//! [`JOB_BYTES`] as written.

pub mod stderr;

use crate::job::pipe::{self, LINE_BYTES, Line};
use env_logger::{Env, Logger, Target};
use log::{Level, Log, Metadata, Record};
use pvf_rules::visible;
use pvf_validation::{LogRecord, LogSink};
use std::fmt::{self, Write};
use std::sync::Arc;

/// Bytes of the log that all lines of a job may take.
pub const JOB_BYTES: usize = 64 * 1024;

/// Target of lines that a PVF logs.
const PVF_TARGET: &str = "pvf";

/// Target of panics.
const PANIC_TARGET: &str = "panic";

/// Largest target in bytes.
const TARGET_BYTES: usize = 100;

/// Largest text of one of a worker's own lines, in bytes.
const OWN_LINE_BYTES: usize = 4096;

/// Starts logging, by the directives in `RUST_LOG`. Without directives, only errors are logged.
pub fn start() {
    let stream = stderr::Stream::open();
    let mut builder = env_logger::Builder::from_env(Env::default());
    let lines = builder.target(Target::Pipe(Box::new(stream))).build();
    let most = lines.filter();
    // A second start, as in tests, has no effect.
    if log::set_boxed_logger(Box::new(Lines(lines))).is_ok() {
        log::set_max_level(most);
        std::panic::set_hook(Box::new(
            |panic| log::error!(target: PANIC_TARGET, "{panic}"),
        ));
    }
}

/// The logger: sends lines to the worker in a job, and writes them to the stream in a worker.
struct Lines(Logger);

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.0.matches(record) {
            return;
        }
        if pipe::is_job() {
            send(record.level(), record.target(), *record.args());
        } else {
            let most = match stderr::is_of_a_job() {
                true => JOB_BYTES,
                false => OWN_LINE_BYTES,
            };
            let text = visible(&bounded(*record.args(), most + 1), most);
            let mut shown = Record::builder();
            let shown = shown.level(record.level()).target(record.target());
            self.0.log(&shown.args(format_args!("{text}")).build());
        }
    }

    fn flush(&self) {}
}

/// The sink for lines that a PVF logs.
pub fn pvf_sink() -> LogSink {
    Arc::new(|record: &LogRecord<'_>| {
        let (target, message) = (record.target, record.message);
        log::log!(target: PVF_TARGET, record.level.into(), "{target}: {message}");
    })
}

/// In a job: sends a line, cut to [`LINE_BYTES`], unless the job's share of the log is full.
fn send(level: Level, target: &str, text: fmt::Arguments<'_>) {
    let text = bounded(text, LINE_BYTES);
    let target = visible(target, TARGET_BYTES);
    // The written line is at least this long: it has the level and the target as well.
    if stderr::job_may_send("[INFO ] \n".len() + target.len() + text.len()) {
        let level = level as u8;
        pipe::send(&Line {
            level,
            target,
            text,
        });
    }
}

/// In a worker: writes the lines of one job.
pub struct JobLines(());

impl JobLines {
    /// Begins a job, with its full share of the log.
    pub fn new() -> Self {
        stderr::job_begins();
        Self(())
    }

    /// Writes a line of the job if the log's directives select it. The job's own check is not
    /// trusted.
    pub fn take(&mut self, line: &Line) {
        let level = Level::iter().find(|&level| level as u8 == line.level);
        let level = level.unwrap_or(Level::Error);
        let target = visible(&line.target, TARGET_BYTES);
        stderr::of_a_job(|| log::log!(target: &target, level, "{}", line.text));
    }
}

/// The beginning of a text, of at most `most` bytes.
fn bounded(text: fmt::Arguments<'_>, most: usize) -> String {
    struct Bounded {
        text: String,
        most: usize,
    }
    impl Write for Bounded {
        fn write_str(&mut self, piece: &str) -> fmt::Result {
            let room = self.most - self.text.len();
            if piece.len() <= room {
                self.text.push_str(piece);
                return Ok(());
            }
            self.text
                .push_str(&piece[..piece.floor_char_boundary(room)]);
            Err(fmt::Error)
        }
    }
    let mut bounded = Bounded {
        text: String::new(),
        most,
    };
    // The error means that the text was cut.
    let _ = bounded.write_fmt(text);
    bounded.text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_cuts_a_text_at_its_limit_of_bytes() {
        let long = "ä".repeat(1000);
        for most in 0..50 {
            let text = bounded(format_args!("{}: {long}{long}", "x".repeat(10)), most);
            assert!(
                text.len() <= most && text.len() + 2 > most,
                "{most}: {text}"
            );
        }
        assert_eq!(bounded(format_args!("{}-{}", 1, 2), 3), "1-2");
    }
}
