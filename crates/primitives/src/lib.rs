//! The network's own types that a PVF and those who run one share: what a PVF takes ([`ValidationParams`]) and returns
//! ([`ValidationResult`]), what a collator and the relay chain say of a candidate ([`PoV`], [`PersistedValidationData`]), the executor
//! parameters of a session ([`ExecutorParams`]) and those that networks have set ([`Network`]).
//!
//! The encodings are those of `polkadot-parachain-primitives` and `polkadot-primitives`, so that nobody who uses them has to link a
//! node; tests beside the node (`integration/polkadot`) compare them.
#![forbid(unsafe_code)]

mod executor_params;
mod network;
mod pov;
mod validation;

pub use executor_params::{
    ExecutorHostFunction, ExecutorParam, ExecutorParams, PvfExecKind, PvfPrepKind,
};
pub use network::Network;
pub use pov::{POV_BOMB_LIMIT, PersistedValidationData, PoV};
pub use validation::{
    BoundedMessages, HorizontalMessage, MAX_MESSAGES, ValidationParams, ValidationParamsExtension,
    ValidationResult,
};

/// A hash of 32 bytes.
pub type Hash = [u8; 32];
