//! A question in this repository's terms.

use pvf_executor::{
    Dialect, ExecutionParameters, Features, Metering, Schedule, ValType, Value as Number,
};
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;

/// What is asked about a module.
pub(crate) struct Question {
    /// Path of the module.
    pub(crate) wasm: String,
    pub(crate) features: Features,
    pub(crate) parameters: ExecutionParameters,
    pub(crate) metering: Metering,
    /// What of the memory is asked for.
    pub(crate) peek: Option<Range<usize>>,
    pub(crate) steps: Vec<Value>,
}

impl Question {
    pub(crate) fn read(question: &Value) -> Result<Self, String> {
        let on = |name: &str| {
            question["features"]
                .as_array()
                .is_some_and(|list| list.iter().any(|it| it == name))
        };
        let number = |name: &str| {
            question[name]
                .as_u64()
                .ok_or_else(|| format!("{name} is missing"))
        };
        Ok(Self {
            wasm: question["wasm"]
                .as_str()
                .ok_or("wasm is missing")?
                .to_owned(),
            features: Features {
                dialect: match question["dialect"].as_str() {
                    Some("network") => Dialect::Network,
                    _ => Dialect::WebAssembly,
                },
                sign_extension: on("sign-extension"),
                saturating_float_to_int: on("saturating-float-to-int"),
                multi_value: on("multi-value"),
                bulk_memory: on("bulk-memory"),
            },
            parameters: ExecutionParameters {
                max_memory_pages: u32::try_from(number("max_memory_pages")?)
                    .map_err(|error| error.to_string())?,
                ignore_declared_maximum: question["ignore_declared_maximum"]
                    .as_bool()
                    .unwrap_or(false),
                stack_native_max: number("stack_native_max")?,
                stack_logical_max: question["stack_logical_max"]
                    .as_u64()
                    .and_then(|it| u32::try_from(it).ok()),
                gas_limit: question["gas_limit"].as_u64(),
            },
            metering: metering(question)?,
            peek: match (question["peek"][0].as_u64(), question["peek"][1].as_u64()) {
                (Some(start), Some(end)) => Some(start as usize..end as usize),
                _ => None,
            },
            steps: question["steps"]
                .as_array()
                .cloned()
                .ok_or("steps are missing")?,
        })
    }
}

impl Question {
    /// Whether candidates are judged: then the module is a validation function.
    pub(crate) fn judges(&self) -> bool {
        let kinds = ["validate", "validate_file", "validate_zeros"];
        let judges = |step: &Value| kinds.iter().any(|kind| !step[kind].is_null());
        self.steps.iter().any(judges)
    }
}

/// Which meters run, and at what prices.
fn metering(question: &Value) -> Result<Metering, String> {
    let price = |name: &str| {
        question["gas_schedule"][name]
            .as_u64()
            .and_then(|it| u32::try_from(it).ok())
            .ok_or_else(|| format!("no price of {name}"))
    };
    let gas = match &question["gas_limit"] {
        Value::Null => None,
        _ => {
            let schedule = Schedule {
                default: price("instruction")?,
                per_local: price("call_per_local")?,
                memory_grow_per_page: price("memory_grow")?,
                ..Schedule::default()
            };
            Some(Arc::new(
                schedule.costs().map_err(|error| error.to_string())?,
            ))
        }
    };
    Ok(Metering {
        logical_stack: !question["stack_logical_max"].is_null(),
        gas,
    })
}

/// The candidate of a step, if it is one that judges.
pub(crate) fn candidate(step: &Value) -> Result<Option<Vec<u8>>, String> {
    if let Some(hex) = step["validate"].as_str() {
        return bytes(hex).map(Some);
    }
    if let Some(path) = step["validate_file"].as_str() {
        return std::fs::read(path)
            .map(Some)
            .map_err(|error| format!("{path}: {error}"));
    }
    Ok(step["validate_zeros"]
        .as_u64()
        .map(|count| vec![0; count as usize]))
}

fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    let digits = hex
        .strip_prefix("0x")
        .filter(|it| it.len() % 2 == 0 && it.is_ascii())
        .ok_or("bytes are 0x and pairs of digits")?;
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|error| error.to_string()))
        .collect()
}

/// An argument: `i32:-1`, `i64:5`, and floats as bits, `f32:0x7fc00000`.
pub(crate) fn number(ty: ValType, text: &str) -> Result<Number, String> {
    let (_, value) = text.split_once(':').ok_or("an argument is TYPE:VALUE")?;
    let hexadecimal = || {
        u64::from_str_radix(value.trim_start_matches("0x"), 16).map_err(|error| error.to_string())
    };
    Ok(match ty {
        ValType::I32 => Number::I32(value.parse().map_err(|_| format!("no i32: {text}"))?),
        ValType::I64 => Number::I64(value.parse().map_err(|_| format!("no i64: {text}"))?),
        ValType::F32 | ValType::F64 => Number::from_bits(ty, hexadecimal()?),
    })
}
