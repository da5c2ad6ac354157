//! Artifacts of two engines in one file.

use parity_scale_codec::{DecodeAll, Encode};
use pvf_node_protocol::ArtifactChecksum;

/// What begins such a file.
const MAGIC: [u8; 8] = *b"\x7fPVFPAIR";

/// What two engines made of one code.
#[derive(Clone, Debug, PartialEq, Eq, Encode, parity_scale_codec::Decode)]
pub struct Pair {
    /// The primary engine.
    pub primary: Part,
    /// Ours, if it takes the code.
    pub second: Option<Part>,
}

/// What one engine made.
#[derive(Clone, Debug, PartialEq, Eq, Encode, parity_scale_codec::Decode)]
pub struct Part {
    /// What its execute worker knows it by.
    pub checksum: ArtifactChecksum,
    /// Its file.
    pub artifact: Vec<u8>,
}

/// A file is no pair: it was made before a primary engine was installed, or after it was removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not hold the artifacts of two engines: {0}")]
pub struct NoPair(String);

impl Pair {
    /// As a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        (MAGIC, self).encode()
    }

    /// From a file's bytes.
    ///
    /// # Errors
    /// [`NoPair`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoPair> {
        let rest = bytes.strip_prefix(&MAGIC);
        let mut rest = rest.ok_or_else(|| NoPair("it begins otherwise".to_owned()))?;
        Self::decode_all(&mut rest).map_err(|error| NoPair(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_nothing_else_does() {
        let part = |byte| Part {
            checksum: ArtifactChecksum([byte; 32]),
            artifact: vec![byte; 100],
        };
        for second in [None, Some(part(2))] {
            let primary = part(1);
            let pair = Pair { primary, second };
            let mut bytes = pair.to_bytes();
            assert_eq!(Pair::from_bytes(&bytes).as_ref(), Ok(&pair));
            for end in 0..bytes.len() {
                assert!(Pair::from_bytes(&bytes[..end]).is_err(), "{end}");
            }
            bytes.push(0);
            assert!(Pair::from_bytes(&bytes).is_err());
        }
    }
}
