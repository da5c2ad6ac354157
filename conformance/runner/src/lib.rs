//! The runner of the conformance suite.
//!
//! [`read_cases`] reads the cases of a folder. [`run`] asks an [`Engine`], an adapter process that answers lines of JSON, about each of
//! them. A [`Report`] says of every case and engine whether it passed, differed or was skipped: as a table, JSON, JUnit XML, or one HTML
//! page with rules against engines.
//!
//! A case that needs a feature that an engine does not declare is skipped, never passed. If an adapter dies or does not answer in
//! time, its case differs and the adapter is started again.
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
