//! The report of a check.

use crate::about::About;
use crate::{Node, StockRatio};
use pvf_executor::{RejectionClass, RuleId};
use pvf_primitives::HostLimits;
use serde::Serialize;

/// What is known of a runtime before its first block.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether no line fails.
    pub passes: bool,
    /// A line for each check, in the order in which the network makes them.
    pub lines: Vec<Line>,
    /// What the blob says about itself.
    pub about: About,
    /// The imports; `None` if the module was not read.
    pub imports: Option<Imports>,
    /// The node whose host functions were assumed.
    pub node: Node,
    /// When the limits of sizes were seen in force; `None` if they are assumed.
    pub limits_seen: Option<&'static str>,
    /// Where the limits of sizes come from.
    pub limits_source: &'static str,
    /// By what the node's time was estimated.
    pub stock: Option<StockRatio>,
}

/// The verdict on one thing that is checked.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// What is checked: a name that does not change.
    pub check: &'static str,
    /// The verdict.
    pub status: Status,
    /// The verdict in words.
    pub words: String,
    /// How much is used.
    pub used: Option<u64>,
    /// How much may be used; `None` if the network sets no limit.
    pub limit: Option<u64>,
    /// `used` by `limit`.
    pub share: Option<f64>,
    /// Of what both are numbers.
    pub unit: Option<Unit>,
    /// The specification's rule that refuses the code.
    pub rule: Option<RuleId>,
    /// The class of the refusal, which is a node's name for the error.
    pub class: Option<RejectionClass>,
    /// The function that is meant, imports counted.
    pub function: Option<u32>,
    /// Its name.
    pub function_name: Option<String>,
    /// The byte in the module, decompressed.
    pub offset: Option<u32>,
}

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It passes.
    Pass,
    /// It passes, but it is worth a look.
    Warn,
    /// The network refuses the code, or every candidate of it.
    Fail,
    /// It was not found out, because of an earlier failure or because nothing measured it.
    Unknown,
}

/// Of what a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Nanoseconds.
    Ns,
    /// Pages of 64 KiB.
    Pages,
    /// Units of the logical stack.
    Units,
}

/// The functions that a module imports.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Imports {
    /// How many.
    pub functions: usize,
    /// Those that a node has for validation code.
    pub known: usize,
    /// Those of RFC 163 among them or among the missing.
    pub ecc_rfc163: Vec<String>,
    /// Those that trap when they are called. A runtime imports many that validation never calls.
    pub missing: Vec<String>,
}

impl Line {
    pub(crate) fn new(check: &'static str, status: Status, words: impl Into<String>) -> Self {
        Self {
            check,
            status,
            words: words.into(),
            used: None,
            limit: None,
            share: None,
            unit: None,
            rule: None,
            class: None,
            function: None,
            function_name: None,
            offset: None,
        }
    }

    /// A line about a limit: it passes up to the limit, if there is one.
    pub(crate) fn of_limit(
        check: &'static str,
        unit: Unit,
        used: u64,
        limit: Option<u64>,
        words: impl Into<String>,
    ) -> Self {
        let status = match limit {
            Some(limit) if used > limit => Status::Fail,
            _ => Status::Pass,
        };
        Self {
            used: Some(used),
            limit,
            share: limit.map(|limit| used as f64 / limit.max(1) as f64),
            unit: Some(unit),
            ..Self::new(check, status, words)
        }
    }
}

impl Report {
    pub(crate) fn new(
        lines: Vec<Line>,
        about: About,
        imports: Option<Imports>,
        settings: &crate::Settings<'_>,
    ) -> Self {
        let HostLimits { seen, source, .. } = settings.limits;
        Self {
            passes: lines.iter().all(|line| line.status != Status::Fail),
            lines,
            about,
            imports,
            node: settings.node,
            limits_seen: seen,
            limits_source: source,
            stock: settings.stock,
        }
    }
}
