//! The conformance suite: this executor's answer to each case.

use crate::line::{Digest, Line};
use clap::Args;
use pvf_conformance::{LEVELS, read_cases};
use std::io::Write;
use std::path::PathBuf;

/// Selects the cases.
#[derive(Args)]
pub struct Options {
    /// The suite's folder.
    #[arg(long, default_value = "conformance")]
    suite: PathBuf,
    /// Only cases of these levels.
    #[arg(long)]
    level: Vec<String>,
    /// A folder for unpacked modules.
    #[arg(long)]
    scratch: PathBuf,
}

/// Answers all questions with this executor. The digest covers the whole answer, including texts.
pub fn run(options: &Options, out: &mut impl Write) -> Result<(), String> {
    let suite = options
        .suite
        .canonicalize()
        .map_err(|error| format!("{}: {error}", options.suite.display()))?;
    let levels: Vec<&str> = match &options.level[..] {
        [] => LEVELS.to_vec(),
        levels => levels.iter().map(String::as_str).collect(),
    };
    let cases = read_cases(&suite, &levels).map_err(|error| error.to_string())?;
    for case in cases {
        let request = case
            .request(&suite, &options.scratch)
            .map_err(|error| error.to_string())?;
        let question = format!("{request}\n");
        let mut answer = Vec::new();
        pvf_adapter::serve(question.as_bytes(), &mut answer).map_err(|error| error.to_string())?;
        let mut digest = Digest::default();
        digest.add_bytes(&answer);
        Line {
            key: format!("conformance/{}", case.id),
            summary: summary(&answer),
            digest: digest.finish(),
        }
        .print(out)?;
    }
    Ok(())
}

fn summary(answer: &[u8]) -> String {
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let text = |field: &str| {
        answer[field]
            .as_str()
            .unwrap_or_default()
            .escape_default()
            .to_string()
    };
    match (answer.get("failure"), answer["trap"].is_string()) {
        (Some(_), _) => format!("failure: {}", text("failure")),
        (None, true) => format!("{}: {}", text("outcome"), text("trap")),
        (None, false) => text("outcome"),
    }
}
