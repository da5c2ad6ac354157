//! What decided an outcome: a rule of the specification, and the limit behind it if there is one.

use pvf_executor::{Execution, ExecutionParameters, MOST_MEMORY_PAGES, Outcome, RuleId, TrapKind};
use serde::Serialize;
use std::fmt;

/// A limit that a network sets and an arbiter can lift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Bytes of frames.
    NativeStack,
    /// Units of the logical stack.
    LogicalStack,
    /// Gas: what stands for time.
    Gas,
    /// Pages of memory.
    Memory,
}

impl Limit {
    /// What it limits, with its unit.
    pub fn label(self) -> &'static str {
        match self {
            Self::NativeStack => "native stack, bytes",
            Self::LogicalStack => "logical stack, units",
            Self::Gas => "gas",
            Self::Memory => "memory, pages",
        }
    }

    /// The parameters without it, as far as that is possible: the native stack becomes four times as large, gas ten times and
    /// [`LEAST_GAS`] at least.
    pub(crate) fn lifted(self, asked: ExecutionParameters) -> ExecutionParameters {
        match self {
            Self::NativeStack => ExecutionParameters {
                stack_native_max: asked.stack_native_max.saturating_mul(4).min(MOST_STACK),
                ..asked
            },
            Self::LogicalStack => ExecutionParameters {
                stack_logical_max: None,
                ..asked
            },
            Self::Gas => ExecutionParameters {
                gas_limit: asked
                    .gas_limit
                    .map(|limit| limit.saturating_mul(10).max(LEAST_GAS)),
                ..asked
            },
            Self::Memory => ExecutionParameters {
                max_memory_pages: MOST_MEMORY_PAGES,
                ignore_declared_maximum: true,
                ..asked
            },
        }
    }
}

/// Gas of a run without the gas limit: a second or so of plain code.
const LEAST_GAS: u64 = 2_000_000_000;

/// Bytes of stack that an arbiter tries at most.
const MOST_STACK: u64 = 1 << 30;

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NativeStack => "native stack limit",
            Self::LogicalStack => "logical stack limit",
            Self::Gas => "gas limit",
            Self::Memory => "memory limit",
        })
    }
}

/// Why a candidate or its module fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The rule's number in the specification; none if several come into question, and the reason says which.
    pub rule: Option<RuleId>,
    /// The limit that was reached, if it was one.
    pub limit: Option<Limit>,
    /// In words.
    pub what: String,
}

impl Cause {
    /// The cause as far as the outcome alone tells it; nothing if the outcome is valid.
    pub(crate) fn of(execution: &Execution) -> Option<Self> {
        let (rule, what) = match &execution.outcome {
            Outcome::Valid(_) => return None,
            Outcome::Rejected(rejection) => (Some(rejection.rule), rejection.reason()),
            Outcome::Invalid { trap: None, reason } => (None, reason.clone()),
            Outcome::Invalid {
                trap: Some(trap),
                reason,
            } => (Some(rule_of_trap(trap.kind)), reason.clone()),
        };
        Some(Self {
            rule,
            limit: None,
            what,
        })
    }

    /// The same, a limit having been found to decide.
    pub(crate) fn with_limit(self, limit: Limit) -> Self {
        let rule = match limit {
            Limit::NativeStack => RuleId::STACK_5,
            Limit::LogicalStack => RuleId::LOGICAL_6,
            Limit::Gas => RuleId::GAS_8,
            Limit::Memory => RuleId::MEM_2,
        };
        Self {
            rule: Some(rule),
            limit: Some(limit),
            ..self
        }
    }
}

fn rule_of_trap(kind: TrapKind) -> RuleId {
    match kind {
        TrapKind::Unreachable => RuleId::TRAP_1,
        TrapKind::StackOverflow => RuleId::STACK_5,
        TrapKind::OutOfGas => RuleId::GAS_8,
        TrapKind::MemoryOutOfBounds => RuleId::MEM_6,
        TrapKind::TableOutOfBounds
        | TrapKind::IndirectCallTypeMismatch
        | TrapKind::UndefinedElement => RuleId::TRAP_6,
        TrapKind::IntegerDivideByZero => RuleId::TRAP_4,
        // Of divisions and of conversions.
        TrapKind::IntegerOverflow | TrapKind::InvalidConversionToInteger => RuleId::TRAP_5,
        TrapKind::HostError => RuleId::HOST_9,
    }
}
