//! Wasmtime, as a validator runs it, as the other side of `pvf arbitrate`.
//!
//! In: one line of JSON that names a module, a candidate and limits. Out: one line with the outcome. The module goes through
//! `wasm-instrument` for both meters first. The protocol is told in `crates/cli/src/against.rs`.
#![forbid(unsafe_code)]

use pvf_meter_oracle::{Meters, WRITTEN_LIMIT};
use pvf_metering::Costs;
use pvf_validation::ValidationResult;
use pvf_wasmtime::{Ended, Limits, Prepared, THREAD_STACK_BYTES};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// What is asked.
#[derive(Deserialize)]
struct Question {
    code: PathBuf,
    candidate: PathBuf,
    stack_logical_max: Option<u32>,
    gas_limit: Option<u64>,
    max_memory_pages: u32,
}

fn main() {
    let work = std::thread::Builder::new()
        .stack_size(THREAD_STACK_BYTES)
        .spawn(answer);
    let answered = work
        .map_err(|error| error.to_string())
        .and_then(|thread| thread.join().map_err(|_| "the engine panicked".to_owned()))
        .flatten();
    println!(
        "{}",
        answered.unwrap_or_else(|failure| json!({"failure": failure}))
    );
}

fn answer() -> Result<Value, String> {
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| error.to_string())?;
    let question: Question = serde_json::from_str(&line).map_err(|error| error.to_string())?;
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let (wasm, candidate) = (read(&question.code)?, read(&question.candidate)?);
    let prepared = match prepare(&wasm, question.max_memory_pages) {
        Ok(prepared) => prepared,
        Err(reason) => return Ok(outcome("rejected", None, None, Some(&reason), None)),
    };
    let limits = Limits {
        stack: question.stack_logical_max.unwrap_or(WRITTEN_LIMIT),
        gas: question.gas_limit.unwrap_or(u64::MAX),
    };
    let (ended, gas) = prepared
        .execute_within(&candidate, limits)
        .map_err(|error| format!("{error:#}"))?;
    Ok(match ended {
        Ended::Returned(bytes) => match ValidationResult::from_bytes(&bytes) {
            Ok(_) => outcome("valid", Some(&bytes), None, None, Some(gas)),
            Err(error) => {
                let reason = format!("the result cannot be decoded: {error}");
                outcome("invalid", None, None, Some(&reason), Some(gas))
            }
        },
        Ended::Trapped(kind) => outcome(
            "invalid",
            None,
            Some(kind.name()),
            Some(kind.message()),
            Some(gas),
        ),
    })
}

/// Both meters in it, compiled and linked.
fn prepare(wasm: &[u8], max_memory_pages: u32) -> Result<Prepared, String> {
    let costs = Costs::default();
    let meters = Meters {
        stack_logical_max: Some(WRITTEN_LIMIT),
        gas: Some(&costs),
    };
    let wasm = pvf_meter_oracle::instrument(wasm, &meters).map_err(|error| error.to_string())?;
    let wasm = pvf_wasmtime::with_own_memory(&wasm, max_memory_pages).map_err(|e| e.to_string())?;
    let engine = pvf_wasmtime::engine().map_err(|error| format!("{error:#}"))?;
    let module = wasmtime::Module::new(&engine, wasm).map_err(|error| format!("{error:#}"))?;
    Prepared::link(&module).map_err(|error| format!("{error:#}"))
}

fn outcome(
    class: &str,
    result: Option<&[u8]>,
    trap: Option<&str>,
    reason: Option<&str>,
    gas_used: Option<u64>,
) -> Value {
    let result = result.map(|bytes| {
        let mut text = "0x".to_owned();
        for byte in bytes {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    });
    json!({"engine": "Wasmtime after wasm-instrument", "outcome": class, "result": result, "trap": trap, "reason": reason, "gas_used": gas_used})
}
