//! The runner of the conformance suite.
//!
//! [`read_cases`] reads the cases of a folder. [`run`] asks an [`Engine`] about each of them; an engine is an adapter
//! process that answers lines of JSON. A [`Report`] says for every case and engine whether it passed, differed or was
//! skipped: as a table, JSON, JUnit XML, or one HTML page with a table of rules and engines.
//!
//! A case that needs a feature that the engine does not declare is skipped and never passes. If an adapter dies or
//! exceeds the time limit, the case differs and the adapter is started again.
#![forbid(unsafe_code)]

mod cases;
mod compare;
mod engine;
mod html;
mod report;
mod run;

pub use cases::{Case, ReadError, read_cases, read_rules, rejected_blobs};
pub use compare::{Difference, same};
pub use engine::{Engine, EngineError, Hello};
pub use html::html;
pub use report::{EngineReport, Report, Verdict, json, junit, table};
pub use run::{Options, run};

/// The levels, in order. `cases/LEVEL.jsonl` holds the cases of each.
pub const LEVELS: [&str; 6] = ["core", "determinism", "pvf", "metering", "limits", "whole"];
