//! Compares an answer with what a case expects.

use serde_json::{Map, Value};
use std::fmt;

/// Fields that are compared only if the engine measures them.
const MEASURED: [&str; 4] = [
    "stack_native_peak",
    "stack_logical_peak",
    "memory_pages_peak",
    "memory",
];

/// How an answer differs from the case's expectation: the first field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field, or `answer` if there is no answer.
    pub field: String,
    /// The expected value, as JSON.
    pub expected: String,
    /// The engine's value as JSON, or why there is no answer.
    pub got: String,
    /// The engine's reason for its outcome.
    pub reason: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (field, expected, got) = (&self.field, &self.expected, &self.got);
        write!(out, "{field}: expected {expected}, got {got}")?;
        match &self.reason {
            Some(reason) => write!(out, " ({reason})"),
            None => Ok(()),
        }
    }
}

impl Difference {
    /// There is no answer.
    pub(crate) fn no_answer(expect: &Map<String, Value>, why: impl fmt::Display) -> Self {
        let expected = expect.get("outcome").unwrap_or(&Value::Null);
        Self {
            field: "answer".to_owned(),
            expected: expected.to_string(),
            got: why.to_string(),
            reason: None,
        }
    }
}

/// The first difference, if there is one.
pub(crate) fn difference(expect: &Map<String, Value>, answer: &Value) -> Option<Difference> {
    if let Some(failure) = answer["failure"].as_str() {
        let failure = format!("host failure: {failure}");
        return Some(Difference::no_answer(expect, failure));
    }
    expect.iter().find_map(|(field, expected)| {
        let got = &answer[field];
        (!same(field, expected, got)).then(|| Difference {
            field: field.clone(),
            expected: expected.to_string(),
            got: got.to_string(),
            reason: answer["reason"].as_str().map(str::to_owned),
        })
    })
}

/// Whether an engine's value of a field equals the expected one.
pub fn same(field: &str, expected: &Value, got: &Value) -> bool {
    match field {
        "trap" => same_trap(expected, got),
        "steps" => same_steps(expected, got),
        field if MEASURED.contains(&field) => got.is_null() || got == expected,
        _ => got == expected,
    }
}

/// An engine that cannot distinguish some kinds of traps answers with a list of the possible kinds.
fn same_trap(expected: &Value, got: &Value) -> bool {
    got == expected || got.as_array().is_some_and(|kinds| kinds.contains(expected))
}

fn same_steps(expected: &Value, got: &Value) -> bool {
    match (expected.as_array(), got.as_array()) {
        (Some(expected), Some(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(a, b)| same_trap(a, b))
        }
        _ => false,
    }
}
