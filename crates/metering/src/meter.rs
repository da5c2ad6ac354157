//! The meters at run time: the semantics that generated code and instrumented modules follow.

use serde::{Deserialize, Serialize};

/// The logical stack is exhausted. The trap is `unreachable` under `wasm-instrument`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the logical stack is exhausted")]
pub struct LogicalStackExhausted;

/// A charge does not fit into the gas left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("out of gas")]
pub struct OutOfGas;

/// The logical stack of an instance.
///
/// ```
/// let mut stack = pvf_metering::LogicalStack::new(5);
/// stack.call(3)?;
/// stack.call(2)?; // height 5: not above the limit
/// assert!(stack.clone().call(2).is_err());
/// stack.leave(2);
/// assert_eq!((stack.height(), stack.peak()), (3, 5));
/// # Ok::<(), pvf_metering::LogicalStackExhausted>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalStack {
    limit: u32,
    height: u32,
    peak: u32,
}

impl LogicalStack {
    /// An empty stack with a limit of `limit` units.
    pub fn new(limit: u32) -> Self {
        Self {
            limit,
            height: 0,
            peak: 0,
        }
    }

    /// A defined function of this cost is called. An error ends the execution; the height is then
    /// the one before.
    ///
    /// # Errors
    /// [`LogicalStackExhausted`] if the height would be above the limit.
    pub fn call(&mut self, cost: u32) -> Result<(), LogicalStackExhausted> {
        match self.height.checked_add(cost) {
            Some(height) if height <= self.limit => {
                self.height = height;
                self.peak = self.peak.max(height);
                Ok(())
            }
            _ => Err(LogicalStackExhausted),
        }
    }

    /// The function returns.
    pub fn leave(&mut self, cost: u32) {
        debug_assert!(cost <= self.height, "returns match calls");
        self.height -= cost;
    }

    /// Units in use.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Most units that were in use at once.
    pub fn peak(&self) -> u32 {
        self.peak
    }
}

/// The gas of an execution.
///
/// ```
/// let mut gas = pvf_metering::Gas::new(10);
/// gas.charge(4)?;
/// gas.charge(6)?; // all of it may be used
/// assert!(gas.charge(1).is_err());
/// assert_eq!(gas.used(), 10);
/// # Ok::<(), pvf_metering::OutOfGas>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gas {
    limit: u64,
    used: u64,
}

impl Gas {
    /// Gas that only counts.
    pub const UNLIMITED: u64 = u64::MAX;

    /// Gas with a limit.
    pub fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    /// Makes a charge. One that does not fit ends the execution and is not counted.
    ///
    /// # Errors
    /// [`OutOfGas`] if the sum of all charges would be above the limit.
    pub fn charge(&mut self, cost: u64) -> Result<(), OutOfGas> {
        if cost > self.limit - self.used {
            return Err(OutOfGas);
        }
        self.used += cost;
        Ok(())
    }

    /// Sum of the charges made.
    pub fn used(&self) -> u64 {
        self.used
    }
}
