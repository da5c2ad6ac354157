//! The measurements of an execution that a worker's answer to a node has no place for.

use parity_scale_codec::{Decode, Encode};
use pvf_rules::Execution;
use serde::Serialize;

/// Deterministic measurements of an execution. With the option [`FIGURES`](crate::command_line::FIGURES), an execute
/// worker sends them, as `Option<Figures>`, in a frame after each answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Figures {
    /// Gas charged, if it was counted.
    pub gas_used: Option<u64>,
    /// Largest sum of frames, in bytes.
    pub stack_native_peak: u64,
    /// Largest logical height, if it was counted.
    pub stack_logical_peak: Option<u64>,
    /// Largest size of the memory, in pages.
    pub memory_pages_peak: u32,
}

impl From<&Execution> for Figures {
    fn from(execution: &Execution) -> Self {
        Self {
            gas_used: execution.gas_used,
            stack_native_peak: execution.stack.native,
            stack_logical_peak: execution.stack.logical,
            memory_pages_peak: execution.memory_pages_peak,
        }
    }
}
