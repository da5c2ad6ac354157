//! The parameters and the result of a PVF.

use crate::Hash;
use parity_scale_codec::{Compact, Decode, Encode, Error, Input};

/// Largest number of messages in each of the two lists of a result.
pub const MAX_MESSAGES: usize = 16 * 1024;

/// The parameters of `validate_block`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ValidationParams {
    /// Head data of the parent block.
    pub parent_head: Vec<u8>,
    /// The block with the data needed to check it, decompressed.
    pub block_data: Vec<u8>,
    /// Number of the relay parent.
    pub relay_parent_number: u32,
    /// Storage root of the relay parent.
    pub relay_parent_storage_root: Hash,
}

/// Further parameters, which follow [`ValidationParams`] in a PVF's input. The version of the
/// candidate's descriptor decides whether they are present.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ValidationParamsExtension {
    /// For descriptors of version 3.
    #[codec(index = 3)]
    V3 {
        /// Hash of the relay chain's block that the candidate was built on.
        relay_parent: Hash,
        /// Hash of the relay chain's block by which the candidate is scheduled.
        scheduling_parent: Hash,
    },
}

/// The result of `validate_block`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ValidationResult {
    /// Head data of the new block.
    pub head_data: Vec<u8>,
    /// New code, if the parachain requests an upgrade.
    pub new_validation_code: Option<Vec<u8>>,
    /// Messages to the relay chain, at most [`MAX_MESSAGES`].
    pub upward_messages: BoundedMessages<Vec<u8>>,
    /// Messages to other parachains, at most [`MAX_MESSAGES`].
    pub horizontal_messages: BoundedMessages<HorizontalMessage>,
    /// Number of messages from the relay chain that were processed.
    pub processed_downward_messages: u32,
    /// Number of the relay chain's block up to which messages from other parachains were processed.
    pub hrmp_watermark: u32,
}

impl ValidationResult {
    /// Decodes the bytes that a PVF returned. Bytes after the result are ignored, as by the node.
    ///
    /// # Errors
    /// The bytes do not decode as a result, or a list has more than [`MAX_MESSAGES`] messages.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, Error> {
        Self::decode(&mut bytes)
    }
}

/// A message to another parachain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct HorizontalMessage {
    /// Identifier of the receiving parachain.
    pub recipient: u32,
    /// Bytes of the message.
    pub data: Vec<u8>,
}

/// A list of messages. Decoding fails for more than [`MAX_MESSAGES`] of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode)]
pub struct BoundedMessages<T>(pub Vec<T>);

impl<T: Decode> Decode for BoundedMessages<T> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        // The count is checked before anything is allocated: an empty message takes one byte
        // encoded and 24 bytes in memory.
        let count = Compact::<u32>::decode(input)?.0 as usize;
        if count > MAX_MESSAGES {
            return Err("too many messages".into());
        }
        let messages = (0..count).map(|_| T::decode(input));
        Ok(Self(messages.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parity_scale_codec::DecodeAll;

    fn result() -> ValidationResult {
        ValidationResult {
            head_data: vec![1, 2],
            new_validation_code: Some(vec![3]),
            upward_messages: BoundedMessages(vec![vec![4], vec![]]),
            horizontal_messages: BoundedMessages(vec![HorizontalMessage {
                recipient: 0x0102_0304,
                data: vec![5, 6],
            }]),
            processed_downward_messages: 7,
            hrmp_watermark: 8,
        }
    }

    #[test]
    fn the_encoding_is_polkadots_and_bytes_after_it_are_ignored() {
        let expected = [
            &[8, 1, 2][..],
            &[1, 4, 3],
            &[8, 4, 4, 0],
            &[4, 4, 3, 2, 1, 8, 5, 6],
            &[7, 0, 0, 0],
            &[8, 0, 0, 0],
        ]
        .concat();
        assert_eq!(result().encode(), expected);
        assert_eq!(
            ValidationResult::decode_all(&mut &expected[..]).unwrap(),
            result()
        );
        for end in 0..expected.len() {
            let cut = ValidationResult::from_bytes(&expected[..end]);
            assert!(cut.is_err(), "{end}");
        }
        let longer = [&expected[..], &[9]].concat();
        assert_eq!(ValidationResult::from_bytes(&longer), Ok(result()));
    }

    #[test]
    fn a_list_of_more_than_max_messages_does_not_decode() {
        let mut most = result();
        most.upward_messages.0 = vec![vec![]; MAX_MESSAGES];
        most.horizontal_messages.0 = vec![HorizontalMessage::default(); MAX_MESSAGES];
        assert_eq!(
            ValidationResult::decode_all(&mut &most.encode()[..]).unwrap(),
            most
        );

        let mut upward = most.clone();
        upward.upward_messages.0.push(vec![]);
        assert!(ValidationResult::decode_all(&mut &upward.encode()[..]).is_err());
        let mut horizontal = most;
        let one_more = HorizontalMessage::default();
        horizontal.horizontal_messages.0.push(one_more);
        assert!(ValidationResult::decode_all(&mut &horizontal.encode()[..]).is_err());
    }

    /// An input that counts the bytes read from it.
    struct Counting<'a>(&'a [u8], usize);

    impl Input for Counting<'_> {
        fn remaining_len(&mut self) -> Result<Option<usize>, Error> {
            self.0.remaining_len()
        }

        fn read(&mut self, into: &mut [u8]) -> Result<(), Error> {
            self.1 += into.len();
            self.0.read(into)
        }
    }

    #[test]
    fn nothing_is_read_after_a_count_above_max_messages() {
        for count in [MAX_MESSAGES as u32 + 1, 120_000_000, u32::MAX] {
            let mut bytes = Compact(count).encode();
            let count_bytes = bytes.len();
            bytes.resize(1 << 20, 0);
            let mut input = Counting(&bytes, 0);
            assert!(BoundedMessages::<Vec<u8>>::decode(&mut input).is_err());
            assert_eq!(input.1, count_bytes, "{count}");
            let mut input = Counting(&bytes, 0);
            assert!(BoundedMessages::<HorizontalMessage>::decode(&mut input).is_err());
            assert_eq!(input.1, count_bytes, "{count}");
        }
    }
}
