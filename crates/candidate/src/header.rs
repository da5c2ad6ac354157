//! Headers of a parachain's blocks.

use parity_scale_codec::{Compact, Encode};
use pvf_primitives::{DigestItem, ScaleError};
use sp_core::H256;
use sp_crypto_hashing::blake2_256;

/// The engine of Aura, in a digest.
pub(crate) const AURA: [u8; 4] = *b"aura";

/// The engine of the relay chain's BABE, in a digest.
pub(crate) const BABE: [u8; 4] = *b"BABE";

/// A header that can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) parent: H256,
    pub(crate) number: u32,
    pub(crate) state_root: H256,
    pub(crate) extrinsics_root: H256,
    /// The items of the digest as they are encoded.
    pub(crate) digest: Vec<Vec<u8>>,
}

impl Header {
    /// Decodes a header.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, ScaleError> {
        let header = pvf_primitives::Header::from_bytes(bytes)?;
        Ok(Self {
            parent: header.parent_hash.into(),
            number: header.number as u32,
            state_root: header.state_root.into(),
            extrinsics_root: header.extrinsics_root.into(),
            digest: header.digest().map(item).collect(),
        })
    }

    /// The encoded header.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = (
            self.parent,
            Compact(self.number),
            self.state_root,
            self.extrinsics_root,
            Compact(self.digest.len() as u32),
        )
            .encode();
        bytes.extend(self.digest.concat());
        bytes
    }

    /// The hash of the header.
    pub(crate) fn hash(&self) -> H256 {
        blake2_256(&self.encode()).into()
    }

    /// The header with one more item of the digest.
    pub(crate) fn with(mut self, item: Vec<u8>) -> Self {
        self.digest.push(item);
        self
    }
}

/// What a consensus engine tells the runtime, such as the slot.
pub(crate) fn pre_runtime_item(engine: [u8; 4], data: &[u8]) -> Vec<u8> {
    item(DigestItem::PreRuntime(engine, data))
}

/// The author's seal.
pub(crate) fn seal_item(engine: [u8; 4], signature: &[u8]) -> Vec<u8> {
    item(DigestItem::Seal(engine, signature))
}

fn item(item: DigestItem<'_>) -> Vec<u8> {
    match item {
        DigestItem::Other(data) => (0_u8, data).encode(),
        DigestItem::Consensus(engine, data) => (4_u8, engine, data).encode(),
        DigestItem::Seal(engine, data) => (5_u8, engine, data).encode(),
        DigestItem::PreRuntime(engine, data) => (6_u8, engine, data).encode(),
        DigestItem::RuntimeEnvironmentUpdated => vec![8],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_encoded_as_it_was() {
        let header = Header {
            parent: H256([1; 32]),
            number: 70_000,
            state_root: H256([2; 32]),
            extrinsics_root: H256([3; 32]),
            digest: vec![
                pre_runtime_item(AURA, &[9; 8]),
                item(DigestItem::Consensus(*b"RPSR", &[4; 40])),
                item(DigestItem::Other(&[5])),
                item(DigestItem::RuntimeEnvironmentUpdated),
                seal_item(BABE, &[6; 64]),
            ],
        };
        let bytes = header.encode();
        assert_eq!(Header::from_bytes(&bytes).as_ref(), Ok(&header));
        assert!(Header::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    }
}
