//! What a candidate consists of before a node makes [`ValidationParams`](crate::ValidationParams) of it.

use crate::Hash;
use parity_scale_codec::{Decode, Encode};

/// Largest block data of a candidate, decompressed: four times Polkadot's largest proof of validity.
pub const POV_BOMB_LIMIT: usize = 40 * 1024 * 1024;

/// What the relay chain knows of a parachain before a candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PersistedValidationData {
    /// Head data of the block before.
    pub parent_head: Vec<u8>,
    /// Number of the relay parent.
    pub relay_parent_number: u32,
    /// Storage root of the relay parent.
    pub relay_parent_storage_root: Hash,
    /// Largest proof of validity in bytes.
    pub max_pov_size: u32,
}

/// A proof of validity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PoV {
    /// The block and what is needed to check it, compressed or not.
    pub block_data: Vec<u8>,
}
