//! The protocol between the conformance suite and an engine's adapter (`conformance/README.md`), for adapters in Rust.
//!
//! An adapter calls [`serve`] with its [`Hello`] and a function from a [`Question`] to an [`Answer`].
//! `pvf arbitrate --against` is the other side of the protocol: it writes a question with [`Question::to_json`].
#![forbid(unsafe_code)]

mod answer;
mod number;
mod question;

pub use answer::Answer;
pub use number::{Number, NumberError};
pub use question::{Candidate, Question, QuestionError, Step, plain_schedule};

use serde_json::{Value, json};
use std::io::{self, BufRead, Write};

/// How an adapter introduces its engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Name of the engine.
    pub engine: &'a str,
    /// Version of the engine.
    pub version: &'a str,
    /// The features of the engine: names from the table in `conformance/README.md`.
    pub features: Vec<&'a str>,
}

/// Answers each line of JSON until the input ends. An error of `ask` is a failure of the machine or of the adapter,
/// never an outcome.
///
/// # Errors
/// A line cannot be read, or an answer cannot be written.
pub fn serve(
    hello: &Hello<'_>,
    questions: impl BufRead,
    mut answers: impl Write,
    mut ask: impl FnMut(&Question) -> Result<Answer, String>,
) -> io::Result<()> {
    for line in questions.lines() {
        let answer = match serde_json::from_str::<Value>(&line?) {
            Ok(line) if line.get("hello").is_some() => json!({
                "engine": hello.engine, "version": hello.version, "features": hello.features,
            }),
            Ok(line) => Question::from_json(&line)
                .map_err(|error| error.to_string())
                .and_then(|question| ask(&question))
                .map_or_else(|failure| json!({"failure": failure}), |it| it.to_json()),
            Err(error) => json!({"failure": error.to_string()}),
        };
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

/// Bytes in the protocol's format: `0x` and two digits for each byte.
pub fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
