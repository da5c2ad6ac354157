//! What `validate_block` returns, decoded.

use parity_scale_codec::{Decode, Encode, Error};

/// Largest number of messages of a kind in a result.
pub const MAX_MESSAGES: usize = 16 * 1024;

/// The result of a valid candidate: Polkadot's `ValidationResult`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ValidationResult {
    /// Head data of the new block.
    pub head_data: Vec<u8>,
    /// New code, if the parachain wants to be upgraded.
    pub new_validation_code: Option<Vec<u8>>,
    /// Messages to the relay chain, at most [`MAX_MESSAGES`].
    pub upward_messages: Vec<Vec<u8>>,
    /// Messages to other parachains, at most [`MAX_MESSAGES`].
    pub horizontal_messages: Vec<HorizontalMessage>,
    /// How many messages from the relay chain were processed.
    pub processed_downward_messages: u32,
    /// Number of the relay chain's block up to which messages of other parachains were processed.
    pub hrmp_watermark: u32,
}

/// A message to another parachain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HorizontalMessage {
    /// Identifier of the parachain.
    pub recipient: u32,
    /// The message.
    pub data: Vec<u8>,
}

impl ValidationResult {
    /// Decodes the beginning of these bytes; what follows is ignored.
    ///
    /// # Errors
    /// The bytes are no result, or there are more than [`MAX_MESSAGES`] messages of a kind.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, Error> {
        let result = Self::decode(&mut bytes)?;
        if result.upward_messages.len() > MAX_MESSAGES {
            return Err("too many upward messages".into());
        }
        if result.horizontal_messages.len() > MAX_MESSAGES {
            return Err("too many horizontal messages".into());
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> ValidationResult {
        ValidationResult {
            head_data: vec![1, 2],
            new_validation_code: Some(vec![3]),
            upward_messages: vec![vec![4], vec![]],
            horizontal_messages: vec![HorizontalMessage {
                recipient: 0x0102_0304,
                data: vec![5, 6],
            }],
            processed_downward_messages: 7,
            hrmp_watermark: 8,
        }
    }

    #[test]
    fn the_encoding_is_polkadots() {
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
        assert_eq!(ValidationResult::from_bytes(&expected), Ok(result()));
    }

    #[test]
    fn bytes_behind_the_result_are_ignored_and_missing_ones_are_not() {
        let mut bytes = result().encode();
        bytes.push(9);
        assert_eq!(ValidationResult::from_bytes(&bytes), Ok(result()));
        for end in 0..bytes.len() - 1 {
            assert!(
                ValidationResult::from_bytes(&bytes[..end]).is_err(),
                "{end}"
            );
        }
    }

    #[test]
    fn the_number_of_messages_is_bounded() {
        let mut most = result();
        most.upward_messages = vec![vec![]; MAX_MESSAGES];
        most.horizontal_messages = vec![most.horizontal_messages[0].clone(); MAX_MESSAGES];
        assert_eq!(
            ValidationResult::from_bytes(&most.encode()),
            Ok(most.clone())
        );

        let mut upward = most.clone();
        upward.upward_messages.push(vec![]);
        assert!(ValidationResult::from_bytes(&upward.encode()).is_err());
        let mut horizontal = most;
        horizontal.horizontal_messages.push(HorizontalMessage {
            recipient: 0,
            data: vec![],
        });
        assert!(ValidationResult::from_bytes(&horizontal.encode()).is_err());
    }
}
