//! The runner of the conformance suite.
//!
//! In come the cases of a folder ([`read_cases`]) and engines behind adapters ([`Engine`]: processes that answer
//! lines of JSON); out comes a [`Report`]: for every case and engine whether it passed, differed
//! or was skipped, as a table, JSON, JUnit XML or one HTML page with rules against engines.
//!
//! A case that needs a feature which an engine does not declare is skipped, never passed. An
//! adapter that dies or does not answer in time makes its case differ and is started again.
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

/// The levels, in order.
pub const LEVELS: [&str; 6] = ["core", "determinism", "pvf", "metering", "limits", "whole"];
