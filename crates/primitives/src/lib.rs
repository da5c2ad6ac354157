//! Polkadot's types for running a PVF:
//!
//! - the parameters and the result of a PVF ([`ValidationParams`], [`ValidationResult`]);
//! - the collator's and the relay chain's part of a candidate ([`PoV`],
//!   [`PersistedValidationData`]), the block in it ([`BlockData`]), and the files that collators
//!   export ([`ExportedPov`]);
//! - the executor parameters of a session ([`ExecutorParams`]) and of known networks ([`Network`]).
//!
//! The encodings are those of `polkadot-parachain-primitives` and `polkadot-primitives`. The types
//! are declared again here so that users need not link a node. Tests in `integration/polkadot`
//! compare the encodings with the node's.
#![forbid(unsafe_code)]

mod block_data;
mod executor_params;
mod host_limits;
mod network;
mod pov;
mod reader;
mod validation;

pub use block_data::{Block, BlockData, DigestItem, Header, SchedulingProof};
pub use executor_params::{
    ExecutorHostFunction, ExecutorParam, ExecutorParams, PvfExecKind, PvfPrepKind,
};
pub use host_limits::{CODE_BOMB_FACTOR, HostLimits};
pub use network::Network;
pub use pov::{ExportedPov, POV_BOMB_LIMIT, PersistedValidationData, PoV};
pub use reader::{ScaleError, ScaleErrorReason, Strings};
pub use validation::{
    BoundedMessages, HorizontalMessage, MAX_MESSAGES, ValidationParams, ValidationParamsExtension,
    ValidationResult,
};

/// A hash of 32 bytes.
pub type Hash = [u8; 32];
