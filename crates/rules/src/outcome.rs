//! The outcome of a run and its digest.

use crate::{Rejection, Trap, TrapKind};
use blake2::digest::{Digest, consts::U32};

/// The stage at which a module was rejected. Polkadot treats the two differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectionStage {
    /// The blob cannot be prepared: not decompressible, not the accepted language,
    /// beyond a limit.
    Prepare,
    /// The prepared module cannot be instantiated: imports that do not link,
    /// segments out of bounds, a memory larger than allowed, a start function that
    /// traps (Polkadot's `RuntimeConstruction`).
    Construct,
}

impl RejectionStage {
    /// The name in JSON output and in conformance vectors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Construct => "construct",
        }
    }
}

/// The result of a run for a candidate. A host failure is never an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The call returned; the bytes `validate_block` returned, or for a plain call
    /// the results in the order of the type, 8 bytes little-endian each.
    Valid(Vec<u8>),
    /// The candidate is invalid.
    Invalid {
        /// The trap, if one ended the run.
        trap: Option<Trap>,
        /// The reason as text. Not part of the digest.
        reason: String,
    },
    /// The module was rejected. Of the rejection only the stage is part of the digest.
    Rejected(Rejection),
}

/// How deep the run went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackPeaks {
    /// Largest sum of frames over the active functions, in bytes.
    pub native: u64,
    /// Largest logical height, in units of the stack limiter, if it was counted.
    pub logical: Option<u64>,
}

/// An outcome with the measurements of its run. All of them are deterministic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The result of the run.
    pub outcome: Outcome,
    /// Gas charged, if it was counted.
    pub gas_used: Option<u64>,
    /// How deep the run went.
    pub stack: StackPeaks,
    /// Largest size of the memory, in pages.
    pub memory_pages_peak: u32,
}

/// The digest of an execution: 32 bytes that two machines can compare instead of outcomes.
pub type HashedOutcome = [u8; 32];

impl Execution {
    /// The execution of a module that was rejected before anything ran.
    pub fn rejected(rejection: Rejection) -> Self {
        Self {
            outcome: Outcome::Rejected(rejection),
            gas_used: None,
            stack: StackPeaks::default(),
            memory_pages_peak: 0,
        }
    }

    /// BLAKE2b-256 over the consensus-relevant fields, in this order:
    /// outcome class (0 valid, 1 invalid, 2 rejected); for valid the length of the
    /// result (u64 LE) and its bytes; for invalid the code of the trap or 255; for
    /// rejected the stage (0 prepare, 1 construct); then gas, native peak and
    /// logical peak (each a presence byte and a u64 LE), memory peak (u32 LE). Texts and places stay out, so that better messages change nothing.
    pub fn digest(&self) -> HashedOutcome {
        let mut hash = blake2::Blake2b::<U32>::new();
        match &self.outcome {
            Outcome::Valid(result) => {
                hash.update([0]);
                hash.update((result.len() as u64).to_le_bytes());
                hash.update(result);
            }
            Outcome::Invalid { trap, .. } => {
                hash.update([1, trap.as_ref().map_or(255, |trap| trap.kind.code())]);
            }
            Outcome::Rejected(rejection) => hash.update([2, rejection.stage() as u8]),
        }
        let mut optional = |value: Option<u64>| {
            hash.update([u8::from(value.is_some())]);
            hash.update(value.unwrap_or(0).to_le_bytes());
        };
        optional(self.gas_used);
        optional(Some(self.stack.native));
        optional(self.stack.logical);
        hash.update(self.memory_pages_peak.to_le_bytes());
        hash.finalize().into()
    }

    /// The kind of the trap that ended the run, if one did.
    pub fn trap_kind(&self) -> Option<TrapKind> {
        match &self.outcome {
            Outcome::Invalid {
                trap: Some(trap), ..
            } => Some(trap.kind),
            _ => None,
        }
    }
}
