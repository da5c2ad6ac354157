//! How close a run came to its limits.

use pvf_executor::{Execution, ExecutionParameters};
use serde::Serialize;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Bytes of frames.
    NativeStack,
    /// Units of the logical stack.
    LogicalStack,
    /// Gas: what stands for time.
    Gas,
    /// Pages of memory.
    Memory,
}

impl Quantity {
    /// With its unit.
    pub fn name(self) -> &'static str {
        match self {
            Self::NativeStack => "native stack, bytes",
            Self::LogicalStack => "logical stack, units",
            Self::Gas => "gas",
            Self::Memory => "memory, pages",
        }
    }
}

/// A peak beside its limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Headroom {
    /// Of what.
    pub quantity: Quantity,
    /// The most that was used.
    pub peak: u64,
    /// What may be used; none if there is no limit.
    pub limit: Option<u64>,
    /// The peak by the limit.
    pub share: Option<f64>,
}

impl Headroom {
    fn new(quantity: Quantity, peak: u64, limit: Option<u64>) -> Self {
        let share = |limit: u64| peak as f64 / limit.max(1) as f64;
        Self {
            quantity,
            peak,
            limit,
            share: limit.map(share),
        }
    }

    /// Those of a run.
    pub(crate) fn of(execution: &Execution, parameters: &ExecutionParameters) -> Vec<Self> {
        let stack = execution.stack;
        let logical = parameters.stack_logical_max.map(u64::from);
        let mut all = vec![Self::new(
            Quantity::NativeStack,
            stack.native,
            Some(parameters.stack_native_max),
        )];
        all.extend(
            stack
                .logical
                .map(|peak| Self::new(Quantity::LogicalStack, peak, logical)),
        );
        all.extend(
            execution
                .gas_used
                .map(|used| Self::new(Quantity::Gas, used, parameters.gas_limit)),
        );
        let pages = u64::from(execution.memory_pages_peak);
        all.push(Self::new(
            Quantity::Memory,
            pages,
            Some(parameters.max_memory_pages.into()),
        ));
        all
    }
}
