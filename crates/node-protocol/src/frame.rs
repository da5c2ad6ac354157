//! Frames: a length of 8 bytes, little-endian, then that many bytes.
//!
//! The node does not limit the length of a frame. Readers here always do, and allocate memory as
//! bytes arrive, so that a false length cannot exhaust the memory.

use parity_scale_codec::{DecodeAll, Encode};
use std::io::{self, Read, Write};

/// Why no message was received.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream failed or ended within a frame.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The frame is longer than the reader's limit.
    #[error("a frame of {bytes} bytes exceeds the limit of {limit} bytes")]
    TooLong {
        /// Length of the frame.
        bytes: u64,
        /// The reader's limit.
        limit: usize,
    },
    /// The frame is not exactly one encoded message of the expected type.
    #[error("a frame of {bytes} bytes does not decode as {what}: {source}")]
    Decode {
        /// Name of the expected type.
        what: &'static str,
        /// Length of the frame.
        bytes: usize,
        /// The codec's error.
        source: parity_scale_codec::Error,
    },
}

/// Most bytes that are allocated before any of them has arrived.
const FIRST_ALLOCATION: usize = 1 << 20;

/// Writes bytes as a frame.
///
/// # Errors
/// The stream's error.
pub fn write(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(&(bytes.len() as u64).to_le_bytes())?;
    stream.write_all(bytes)?;
    stream.flush()
}

/// Reads a frame of at most `limit` bytes.
///
/// # Errors
/// [`FrameError::Io`], [`FrameError::TooLong`].
pub fn read(stream: &mut impl Read, limit: usize) -> Result<Vec<u8>, FrameError> {
    let mut length = [0; 8];
    stream.read_exact(&mut length)?;
    let announced = u64::from_le_bytes(length);
    let bytes = match usize::try_from(announced) {
        Ok(bytes) if bytes <= limit => bytes,
        _ => {
            let bytes = announced;
            return Err(FrameError::TooLong { bytes, limit });
        }
    };
    let mut frame = Vec::with_capacity(bytes.min(FIRST_ALLOCATION));
    stream.take(announced).read_to_end(&mut frame)?;
    match frame.len() == bytes {
        true => Ok(frame),
        false => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
}

/// Writes a message as a frame.
///
/// # Errors
/// The stream's error.
pub fn send<T: Encode>(stream: &mut impl Write, message: &T) -> io::Result<()> {
    write(stream, &message.encode())
}

/// Reads a frame that holds one message and nothing more.
///
/// # Errors
/// Those of [`read`], and [`FrameError::Decode`].
pub fn receive<T: DecodeAll>(stream: &mut impl Read, limit: usize) -> Result<T, FrameError> {
    decode(&read(stream, limit)?)
}

/// Decodes the message in the bytes of a frame.
///
/// # Errors
/// [`FrameError::Decode`].
pub fn decode<T: DecodeAll>(frame: &[u8]) -> Result<T, FrameError> {
    T::decode_all(&mut &frame[..]).map_err(|source| FrameError::Decode {
        what: short_name(std::any::type_name::<T>()),
        bytes: frame.len(),
        source,
    })
}

/// A type's name without its module path.
fn short_name(name: &'static str) -> &'static str {
    let start = name.split('<').next().unwrap_or(name).rfind("::");
    start.map_or(name, |start| &name[start + 2..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_sent_message_is_received_and_the_bytes_after_it_stay(message: Vec<Vec<u8>>, tail: Vec<u8>) {
            let mut stream = Vec::new();
            send(&mut stream, &message).unwrap();
            let frame_bytes = stream.len() - 8;
            stream.extend_from_slice(&tail);
            let mut reader = &stream[..];
            prop_assert_eq!(receive::<Vec<Vec<u8>>>(&mut reader, frame_bytes).unwrap(), message);
            prop_assert_eq!(reader, &tail[..]);
        }

        #[test]
        fn receive_does_not_panic_on_any_bytes(bytes: Vec<u8>) {
            let _ = receive::<Vec<Vec<u8>>>(&mut &bytes[..], 1 << 20);
        }
    }

    #[test]
    fn no_byte_of_a_frame_above_the_limit_is_read() {
        for bytes in [11, u64::MAX] {
            let mut stream = &[&bytes.to_le_bytes()[..], &[0; 20]].concat()[..];
            match read(&mut stream, 10) {
                Err(FrameError::TooLong {
                    bytes: found,
                    limit: 10,
                }) => assert_eq!(found, bytes),
                other => panic!("{other:?}"),
            }
            assert_eq!(stream.len(), 20);
        }
    }

    #[test]
    fn a_frame_cut_short_is_an_error() {
        let mut whole = Vec::new();
        write(&mut whole, b"frame").unwrap();
        for end in 0..whole.len() {
            let read = read(&mut &whole[..end], 100);
            assert!(matches!(read, Err(FrameError::Io(_))), "{end}: {read:?}");
        }
    }

    #[test]
    fn extra_bytes_after_a_message_are_an_error() {
        let error = decode::<u16>(&[1, 2, 3]).unwrap_err();
        assert!(
            matches!(
                error,
                FrameError::Decode {
                    what: "u16",
                    bytes: 3,
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(decode::<u16>(&[1, 2]).unwrap(), 513);
    }
}
