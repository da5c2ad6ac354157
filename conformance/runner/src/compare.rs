//! An answer beside what a case expects.

use serde_json::{Map, Value};

/// What is only compared if an engine measures it.
const MEASURED: [&str; 4] = [
    "stack_native_peak",
    "stack_logical_peak",
    "memory_pages_peak",
    "memory",
];

/// The first difference, in words.
pub(crate) fn difference(expect: &Map<String, Value>, answer: &Value) -> Option<String> {
    if let Some(failure) = answer["failure"].as_str() {
        return Some(format!("host failure: {failure}"));
    }
    expect.iter().find_map(|(field, expected)| {
        let got = &answer[field];
        let same = match field.as_str() {
            "trap" => same_trap(expected, got),
            "steps" => same_steps(expected, got),
            field if MEASURED.contains(&field) => got.is_null() || got == expected,
            _ => got == expected,
        };
        (!same).then(|| {
            let reason = answer["reason"]
                .as_str()
                .map(|it| format!(" ({it})"))
                .unwrap_or_default();
            format!("{field}: expected {expected}, got {got}{reason}")
        })
    })
}

/// An engine that cannot tell some kinds of traps apart answers with all that it can be.
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
