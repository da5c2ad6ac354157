//! How close a run came to its limits.

use crate::Limit;
use pvf_executor::{Execution, ExecutionParameters};
use serde::Serialize;

/// A peak beside its limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Headroom {
    /// Of what.
    pub quantity: Limit,
    /// The most that was used.
    pub peak: u64,
    /// What may be used; none if there is no limit.
    pub limit: Option<u64>,
    /// The peak by the limit.
    pub share: Option<f64>,
}

impl Headroom {
    fn new(quantity: Limit, peak: u64, limit: Option<u64>) -> Self {
        let share = |limit: u64| peak as f64 / limit.max(1) as f64;
        Self {
            quantity,
            peak,
            limit,
            share: limit.map(share),
        }
    }

    /// Those of a run: every limit that it counted.
    pub fn of(execution: &Execution, parameters: &ExecutionParameters) -> Vec<Self> {
        let stack = execution.stack;
        let logical = parameters.stack_logical_max.map(u64::from);
        let mut all = vec![Self::new(
            Limit::NativeStack,
            stack.native,
            Some(parameters.stack_native_max),
        )];
        all.extend(
            stack
                .logical
                .map(|peak| Self::new(Limit::LogicalStack, peak, logical)),
        );
        all.extend(
            execution
                .gas_used
                .map(|used| Self::new(Limit::Gas, used, parameters.gas_limit)),
        );
        let pages = u64::from(execution.memory_pages_peak);
        all.push(Self::new(
            Limit::Memory,
            pages,
            Some(parameters.max_memory_pages.into()),
        ));
        all
    }
}
