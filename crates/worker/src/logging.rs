//! What workers write to the standard error stream, which is the node's.
//!
//! The host sets `RUST_LOG` to the directives of the node. Whatever is logged goes there if they ask for it: a worker's own lines, and
//! those of a job, which come through its pipe ([`crate::job::pipe`]): what a PVF logs (target `pvf`), what host functions log, and panics. So what
//! the stream is, and whether anybody reads it, decides nothing in a job; in a worker it decides only which lines arrive ([`stderr`]).
//!
//! Every line is text without anything that a terminal would obey ([`visible`]), and all lines of a job together are
//! no more than a journal can take, counted as they are written.

pub mod stderr;

use crate::job::pipe::{self, LINE_BYTES, Line};
use env_logger::{Env, Logger, Target};
use log::{Level, Log, Metadata, Record};
use pvf_rules::visible;
use pvf_validation::{LogRecord, LogSink};
use std::fmt::{self, Write};
use std::sync::Arc;

/// Bytes of the log that a job may fill, all told.
pub const JOB_BYTES: usize = 64 * 1024;

/// Target of what a PVF logs.
const PVF_TARGET: &str = "pvf";

/// Target of panics.
const PANIC_TARGET: &str = "panic";

/// Most bytes of a target.
const TARGET_BYTES: usize = 100;

/// Most bytes of a line of a worker's own.
const OWN_LINE_BYTES: usize = 4096;

/// Starts logging. Errors only, unless `RUST_LOG` says otherwise.
pub fn start() {
    let stream = stderr::Stream::open();
    let mut builder = env_logger::Builder::from_env(Env::default());
    let lines = builder.target(Target::Pipe(Box::new(stream))).build();
    let most = lines.filter();
    // A second start, as in a test, changes nothing.
    if log::set_boxed_logger(Box::new(Lines(lines))).is_ok() {
        log::set_max_level(most);
        std::panic::set_hook(Box::new(
            |panic| log::error!(target: PANIC_TARGET, "{panic}"),
        ));
    }
}

/// Passes lines on: in a job to its worker, in a worker to the stream.
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

/// Takes the lines of a PVF.
pub fn pvf_sink() -> LogSink {
    Arc::new(|record: &LogRecord<'_>| {
        let (target, message) = (record.target, record.message);
        log::log!(target: PVF_TARGET, record.level.into(), "{target}: {message}");
    })
}

/// In a job: sends a line, as much of it as can be written in the end, until all is said that can be.
fn send(level: Level, target: &str, text: fmt::Arguments<'_>) {
    let text = bounded(text, LINE_BYTES);
    let target = visible(target, TARGET_BYTES);
    // What is written is no shorter: it says level and target as well.
    if stderr::job_may_send("[INFO ] \n".len() + target.len() + text.len()) {
        let level = level as u8;
        pipe::send(&Line {
            level,
            target,
            text,
        });
    }
}

/// Takes lines of a job, in its worker.
pub struct JobLines(());

impl JobLines {
    /// A job begins.
    pub fn new() -> Self {
        stderr::job_begins();
        Self(())
    }

    /// A line of it. It is written if the log's directives want it, whatever the job thought.
    pub fn take(&mut self, line: &Line) {
        let level = Level::iter().find(|&level| level as u8 == line.level);
        let level = level.unwrap_or(Level::Error);
        let target = visible(&line.target, TARGET_BYTES);
        stderr::of_a_job(|| log::log!(target: &target, level, "{}", line.text));
    }
}

/// The beginning of a text, not much longer than `most`.
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
    // What does not fit is an error.
    let _ = bounded.write_fmt(text);
    bounded.text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_not_even_made() {
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
