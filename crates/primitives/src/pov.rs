//! The parts of a candidate from which a node makes [`ValidationParams`](crate::ValidationParams).

use crate::Hash;
use crate::reader::{Reader, ScaleError};
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

/// The file of a collator that exports its candidates (`--export-pov-to-path`). What it holds borrows from the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedPov<'a> {
    /// The block data as they are in the [`PoV`], compressed or not.
    pub block_data: &'a [u8],
    /// Head data of the parent block.
    pub parent_head: &'a [u8],
    /// Number of the relay parent.
    pub relay_parent_number: u32,
    /// Storage root of the relay parent.
    pub relay_parent_storage_root: Hash,
    /// Largest proof of validity in bytes; `None` in files of collators of 2023 and before.
    pub max_pov_size: Option<u32>,
    /// Bytes of the encoded [`PoV`]: what a node compares with `max_pov_size`.
    pub pov_bytes: usize,
}

impl<'a> ExportedPov<'a> {
    /// Decodes a file that is a [`PoV`] and a [`PersistedValidationData`], and nothing else.
    ///
    /// # Errors
    /// The part that does not decode.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, ScaleError> {
        let mut reader = Reader::new(bytes);
        let (block_data, pov_bytes, parent_head) = Self::read(&mut reader, bytes)?;
        let this = Self {
            block_data,
            parent_head,
            relay_parent_number: reader.u32("the relay parent's number")?,
            relay_parent_storage_root: reader.hash("the relay parent's storage root")?,
            max_pov_size: Some(reader.u32("the largest size of a PoV")?),
            pov_bytes,
        };
        reader.end("the persisted validation data")?;
        Ok(this)
    }

    /// Decodes a file of a collator of 2023 or before: a [`PoV`], the parent's head data, storage root and number of the
    /// relay parent. [`ValidationParams`](crate::ValidationParams) have the same shape.
    ///
    /// # Errors
    /// The part that does not decode.
    pub fn from_old_bytes(bytes: &'a [u8]) -> Result<Self, ScaleError> {
        let mut reader = Reader::new(bytes);
        let (block_data, pov_bytes, parent_head) = Self::read(&mut reader, bytes)?;
        let this = Self {
            block_data,
            parent_head,
            relay_parent_storage_root: reader.hash("the relay parent's storage root")?,
            relay_parent_number: reader.u32("the relay parent's number")?,
            max_pov_size: None,
            pov_bytes,
        };
        reader.end("the relay parent's number")?;
        Ok(this)
    }

    fn read(
        reader: &mut Reader<'a>,
        bytes: &[u8],
    ) -> Result<(&'a [u8], usize, &'a [u8]), ScaleError> {
        let block_data = reader.string("the block data")?;
        let pov_bytes = bytes.len() - reader.rest().len();
        Ok((
            block_data,
            pov_bytes,
            reader.string("the parent's head data")?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parity_scale_codec::Encode;

    #[test]
    fn both_layouts_are_read_and_nothing_else() {
        let pov = PoV {
            block_data: vec![5; 300],
        };
        let data = PersistedValidationData {
            parent_head: vec![4; 80],
            relay_parent_number: 9,
            relay_parent_storage_root: [8; 32],
            max_pov_size: 5 << 20,
        };
        let new = (&pov, &data).encode();
        let read = ExportedPov::from_bytes(&new).expect("it decodes");
        assert_eq!(read.block_data, pov.block_data);
        assert_eq!(read.pov_bytes, pov.encode().len());
        assert_eq!(read.parent_head, data.parent_head);
        assert_eq!(read.relay_parent_number, 9);
        assert_eq!(read.relay_parent_storage_root, [8; 32]);
        assert_eq!(read.max_pov_size, Some(5 << 20));

        let old = (&pov, &data.parent_head, [8_u8; 32], 9_u32).encode();
        let read_old = ExportedPov::from_old_bytes(&old).expect("it decodes");
        let expected = ExportedPov {
            max_pov_size: None,
            ..read
        };
        assert_eq!(read_old, expected);

        assert!(ExportedPov::from_bytes(&old).is_err());
        assert!(ExportedPov::from_old_bytes(&new).is_err());
        for end in 0..new.len() {
            assert!(ExportedPov::from_bytes(&new[..end]).is_err(), "{end}");
        }
        for end in 0..old.len() {
            assert!(ExportedPov::from_old_bytes(&old[..end]).is_err(), "{end}");
        }
    }
}
