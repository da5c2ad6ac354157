//! The artifacts of one or two engines in one file, which is written and read in small pieces.
//!
//! The process between the two engines has no limit of memory or time, so it never holds an artifact:
//! both directions copy from file to file, in small pieces. Neither an artifact nor the file is larger
//! than 2 GiB, and no length in the file is believed beyond the file's own.
//!
//! | bytes | content |
//! | --- | --- |
//! | 8 | the magic number |
//! | 32 | the hash of the code, as the node names it |
//! | 1 | number of artifacts: 2, or 1 (the primary engine's) if our engine rejected the code or is not asked |
//! | 32 | for each artifact: its checksum, |
//! | 8 | its length in bytes, little-endian, |
//! | | and the artifact |

use crate::artifacts::MOST_FILE_BYTES;
use pvf_node_protocol::ArtifactChecksum;
use pvf_primitives::Hash;
use std::io::{self, Read, Take, Write};

/// The first bytes of the file.
const MAGIC: [u8; 8] = *b"\x7fPVF-TW2";

/// Bytes of a file with two artifacts beside the artifacts.
const HEAD_BYTES: u64 = 8 + 32 + 1 + 2 * (32 + 8);

/// The artifact of one engine.
pub struct Part<F> {
    /// The artifact's checksum, for the engine's execute worker.
    pub checksum: ArtifactChecksum,
    /// Length of the artifact in bytes.
    pub bytes: u64,
    /// A stream from which the artifact is read.
    pub artifact: F,
}

/// One of the two engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The engine that is asked first.
    Primary,
    /// Our engine.
    Second,
}

/// Why the file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// The file is larger than any pair.
    #[error("a file of {0} bytes")]
    TooLarge(u64),
    /// The file is not a pair: a worker without a primary engine wrote it, or it is damaged.
    #[error("the file does not hold the artifacts of two engines: {0}")]
    NoPair(&'static str),
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes both artifacts.
///
/// # Errors
/// A stream failed, both artifacts together are larger than 2 GiB, or one is shorter or longer than its
/// [`Part::bytes`].
pub fn write(
    mut to: impl Write,
    code: &Hash,
    primary: Part<impl Read>,
    second: Option<Part<impl Read>>,
) -> io::Result<()> {
    let bytes = second.as_ref().map_or(0, |second| second.bytes);
    let bytes = bytes
        .saturating_add(primary.bytes)
        .saturating_add(HEAD_BYTES);
    if bytes > MOST_FILE_BYTES {
        return Err(io::Error::other(format!("artifacts of {bytes} bytes")));
    }
    to.write_all(&MAGIC)?;
    to.write_all(code)?;
    to.write_all(&[1 + u8::from(second.is_some())])?;
    write_part(&mut to, primary)?;
    second.map_or(Ok(()), |second| write_part(&mut to, second))
}

fn write_part(to: &mut impl Write, mut part: Part<impl Read>) -> io::Result<()> {
    to.write_all(&part.checksum.0)?;
    to.write_all(&part.bytes.to_le_bytes())?;
    // An artifact that grows while it is read has at least one byte more.
    let mut artifact = part.artifact.by_ref().take(part.bytes.saturating_add(1));
    match io::copy(&mut artifact, to)? == part.bytes {
        true => Ok(()),
        false => Err(io::Error::other("an artifact changed while it was read")),
    }
}

/// Reads a file of `bytes` bytes and calls `keep` with each artifact, as a stream that ends with the artifact. Bytes
/// that `keep` does not read are skipped. Returns the hash of the code.
///
/// # Errors
/// [`PairError`], including errors of `keep`. `keep` may have been called before the error.
pub fn read(
    from: impl Read,
    bytes: u64,
    mut keep: impl FnMut(Which, Part<&mut dyn Read>) -> io::Result<()>,
) -> Result<Hash, PairError> {
    if bytes > MOST_FILE_BYTES {
        return Err(PairError::TooLarge(bytes));
    }
    // With one byte more, so that a longer file is found out.
    let mut from = from.take(bytes.saturating_add(1));
    if array(&mut from)? != MAGIC {
        return Err(PairError::NoPair("the magic number is missing"));
    }
    let code: Hash = array(&mut from)?;
    let [artifacts] = array(&mut from)?;
    let engines = match artifacts {
        1 => &[Which::Primary][..],
        2 => &[Which::Primary, Which::Second],
        _ => return Err(PairError::NoPair("the number of artifacts is not 1 or 2")),
    };
    for engine in engines {
        read_part(&mut from, &mut |part| keep(*engine, part))?;
    }
    match from.read(&mut [0])? {
        0 => Ok(code),
        _ => Err(PairError::NoPair("extra bytes follow the artifacts")),
    }
}

fn read_part(
    from: &mut Take<impl Read>,
    keep: &mut dyn FnMut(Part<&mut dyn Read>) -> io::Result<()>,
) -> Result<(), PairError> {
    let checksum = ArtifactChecksum(array(from)?);
    let bytes = u64::from_le_bytes(array(from)?);
    if bytes >= from.limit() {
        return Err(PairError::NoPair("the file ends within an artifact"));
    }
    let mut artifact = from.by_ref().take(bytes);
    keep(Part {
        checksum,
        bytes,
        artifact: &mut artifact,
    })?;
    io::copy(&mut artifact, &mut io::sink())?;
    match artifact.limit() {
        0 => Ok(()),
        _ => Err(PairError::NoPair("the file ends within an artifact")),
    }
}

fn array<const N: usize>(from: &mut impl Read) -> Result<[u8; N], PairError> {
    let mut array = [0; N];
    from.read_exact(&mut array)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => PairError::NoPair("the file ends too early"),
            _ => PairError::Io(error),
        })?;
    Ok(array)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: Hash = [7; 32];

    type Kept = Vec<(Which, ArtifactChecksum, Vec<u8>)>;

    fn read_all(bytes: &[u8]) -> Result<Kept, PairError> {
        let mut kept = Vec::new();
        read(bytes, bytes.len() as u64, |which, part| {
            let mut artifact = Vec::new();
            part.artifact.read_to_end(&mut artifact)?;
            kept.push((which, part.checksum, artifact));
            Ok(())
        })
        .map(|code| assert_eq!(code, CODE))?;
        Ok(kept)
    }

    fn part(artifact: &[u8]) -> Part<&[u8]> {
        Part {
            checksum: ArtifactChecksum([artifact[0]; 32]),
            bytes: artifact.len() as u64,
            artifact,
        }
    }

    #[test]
    fn exactly_the_written_bytes_can_be_read() {
        let (first, second) = ([1; 100], [2; 70_000]);
        for second in [None, Some(&second[..])] {
            let mut bytes = Vec::new();
            write(&mut bytes, &CODE, part(&first), second.map(part)).unwrap();
            let mut expected = vec![(Which::Primary, ArtifactChecksum([1; 32]), first.to_vec())];
            expected
                .extend(second.map(|it| (Which::Second, ArtifactChecksum([2; 32]), it.to_vec())));
            assert_eq!(read_all(&bytes).unwrap(), expected);
            let ends =
                (0..300.min(bytes.len())).chain(bytes.len().saturating_sub(300)..bytes.len());
            for end in ends {
                assert!(read_all(&bytes[..end]).is_err(), "{end}");
            }
            bytes.push(0);
            assert!(read_all(&bytes).is_err());
        }
    }

    #[test]
    fn an_artifact_that_keep_does_not_read_is_skipped() {
        let mut bytes = Vec::new();
        write(&mut bytes, &CODE, part(&[1; 100]), Some(part(&[2; 100]))).unwrap();
        let mut seen = Vec::new();
        read(&bytes[..], bytes.len() as u64, |which, part| {
            seen.push((which, part.bytes));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [(Which::Primary, 100), (Which::Second, 100)]);
    }

    #[test]
    fn lengths_are_believed_up_to_the_files_own_only() {
        let mut bytes = Vec::new();
        write(&mut bytes, &CODE, part(&[1; 100]), Some(part(&[2; 100]))).unwrap();
        assert_eq!(bytes.len() as u64, HEAD_BYTES + 200);
        let never = |_, _: Part<&mut dyn Read>| panic!("nothing is kept");
        // The length of the first artifact.
        for lie in [241, 1 << 40, u64::MAX] {
            let mut bytes = bytes.clone();
            bytes[73..81].copy_from_slice(&u64::to_le_bytes(lie));
            let read = read(&bytes[..], bytes.len() as u64, never);
            assert!(matches!(read, Err(PairError::NoPair(_))), "{lie}");
        }
        // Endless files, one of which says that it is not.
        let endless = || (&bytes[..]).chain(io::repeat(0));
        let read_to = |length| read(endless(), length, |_, _| Ok(()));
        assert!(matches!(read_to(u64::MAX), Err(PairError::TooLarge(_))));
        assert!(matches!(
            read_to(bytes.len() as u64),
            Err(PairError::NoPair(_))
        ));
        let large = Part {
            bytes: MOST_FILE_BYTES,
            ..part(&[1; 100])
        };
        let written = write(io::sink(), &CODE, large, None::<Part<&[u8]>>);
        assert!(written.is_err_and(|error| error.to_string().contains("bytes")));
    }

    #[test]
    fn an_artifact_that_changed_is_an_error() {
        for bytes in [99, 101] {
            let changed = Part {
                bytes,
                ..part(&[1; 100])
            };
            assert!(write(Vec::new(), &CODE, changed, None::<Part<&[u8]>>).is_err());
        }
    }
}
