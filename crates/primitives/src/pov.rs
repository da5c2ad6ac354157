//! The parts of a candidate from which a node makes [`ValidationParams`](crate::ValidationParams).

use crate::Hash;
use parity_scale_codec::{Decode, Encode};

/// Largest block data of a candidate after decompression, in bytes: four times Polkadot's largest
/// proof of validity.
pub const POV_BOMB_LIMIT: usize = 40 * 1024 * 1024;

/// The relay chain's state from which a candidate starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PersistedValidationData {
    /// Head data of the parent block.
    pub parent_head: Vec<u8>,
    /// Number of the relay parent.
    pub relay_parent_number: u32,
    /// Storage root of the relay parent.
    pub relay_parent_storage_root: Hash,
    /// Largest proof of validity in bytes.
    pub max_pov_size: u32,
}

/// A proof of validity (PoV).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PoV {
    /// The block with the data needed to check it, compressed or not.
    pub block_data: Vec<u8>,
}
