//! The block in a proof of validity, as cumulus encodes it (`ParachainBlockData`), and headers of Substrate.
//!
//! | version | begins with | holds |
//! | --- | --- | --- |
//! | 0 | the header itself | one block, its storage proof |
//! | 1 | `VERSIONEDPBD`, 1 | any number of blocks, one storage proof |
//! | 2 | `VERSIONEDPBD`, 2 | the same, and the scheduling proof of candidates of version 3 |
//!
//! A PVF may take any bytes as its block; only those made with cumulus take these.

use crate::reader::{Reader, ScaleError, Strings};
use crate::{Hash, ScaleErrorReason};

/// The first bytes of all versions but 0.
const VERSIONED_PREFIX: &[u8] = b"VERSIONEDPBD";

/// The block data of a candidate. What it holds borrows from the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockData<'a> {
    /// The version of the encoding.
    pub version: u8,
    /// The blocks, oldest first; exactly one in version 0.
    pub blocks: Vec<Block<'a>>,
    /// The nodes of the storage proof.
    pub proof: Strings,
    /// The scheduling proof of version 2.
    pub scheduling: Option<SchedulingProof<'a>>,
}

/// A block of a parachain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// The header.
    pub header: Header<'a>,
    /// The extrinsics.
    pub extrinsics: Strings,
}

/// A header, with block numbers of up to 64 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The header as it is encoded.
    pub bytes: &'a [u8],
    /// Hash of the parent's header.
    pub parent_hash: Hash,
    /// Number of the block.
    pub number: u64,
    /// Root of the state after the block.
    pub state_root: Hash,
    /// Root of the extrinsics.
    pub extrinsics_root: Hash,
    /// The items of the digest, as they are encoded; [`Header::digest`] reads them.
    items: &'a [u8],
}

/// An item of a header's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestItem<'a> {
    /// Bytes without a meaning to the consensus engine.
    Other(&'a [u8]),
    /// A message from the runtime to a consensus engine.
    Consensus([u8; 4], &'a [u8]),
    /// The author's seal.
    Seal([u8; 4], &'a [u8]),
    /// A message from a consensus engine to the runtime.
    PreRuntime([u8; 4], &'a [u8]),
    /// The runtime's code or heap pages changed.
    RuntimeEnvironmentUpdated,
}

/// The proof by which a candidate of version 3 is scheduled: headers of the relay chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchedulingProof<'a> {
    /// The headers from the scheduling parent backward, newest first.
    pub header_chain: Vec<Header<'a>>,
    /// The header before the last of them.
    pub internal_scheduling_parent: Header<'a>,
    /// Whether the core's selection is signed.
    pub signed: bool,
}

impl<'a> BlockData<'a> {
    /// Decodes all of the bytes, which are not compressed.
    ///
    /// # Errors
    /// The part that does not decode. A version above 2 is not known.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, ScaleError> {
        let mut reader = Reader::new(bytes);
        let data = match bytes.strip_prefix(VERSIONED_PREFIX) {
            None => Self {
                version: 0,
                blocks: vec![Block::read(&mut reader)?],
                proof: reader.strings("the storage proof")?,
                scheduling: None,
            },
            Some(_) => {
                reader.take("the prefix", VERSIONED_PREFIX.len())?;
                let version = reader.byte("the version")?;
                if !(1..=2).contains(&version) {
                    return Err(reader.variant("the version", version));
                }
                let count = reader.length("the blocks")?;
                let blocks = (0..count).map(|_| Block::read(&mut reader));
                let blocks = blocks.collect::<Result<_, _>>()?;
                let proof = reader.strings("the storage proof")?;
                let scheduling = match version {
                    1 => None,
                    _ => Some(SchedulingProof::read(&mut reader)?),
                };
                Self {
                    version,
                    blocks,
                    proof,
                    scheduling,
                }
            }
        };
        reader.end("the block data")?;
        Ok(data)
    }

    /// Whether the bytes begin like block data of a version above 0.
    pub fn is_versioned(bytes: &[u8]) -> bool {
        bytes.starts_with(VERSIONED_PREFIX)
    }
}

impl<'a> Block<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ScaleError> {
        Ok(Self {
            header: Header::read(reader)?,
            extrinsics: reader.strings("the extrinsics")?,
        })
    }
}

impl<'a> Header<'a> {
    /// Decodes a header that is all of the bytes.
    ///
    /// # Errors
    /// The part that does not decode.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, ScaleError> {
        let mut reader = Reader::new(bytes);
        let header = Self::read(&mut reader)?;
        reader.end("the header")?;
        Ok(header)
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, ScaleError> {
        let start = reader.clone();
        let parent_hash = reader.hash("the parent's hash")?;
        let number = reader.compact_u64("the block's number")?;
        let state_root = reader.hash("the state root")?;
        let extrinsics_root = reader.hash("the extrinsics root")?;
        let count = reader.length("the digest")?;
        let before = reader.clone();
        for _ in 0..count {
            DigestItem::read(reader)?;
        }
        Ok(Self {
            bytes: reader.since(&start),
            parent_hash,
            number,
            state_root,
            extrinsics_root,
            items: reader.since(&before),
        })
    }

    /// The items of the digest.
    pub fn digest(&self) -> impl Iterator<Item = DigestItem<'a>> + use<'a> {
        let mut reader = Reader::new(self.items);
        std::iter::from_fn(move || match reader.rest().is_empty() {
            true => None,
            // They were read before, when the header was.
            false => DigestItem::read(&mut reader).ok(),
        })
    }
}

impl<'a> DigestItem<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ScaleError> {
        let part = "an item of the digest";
        let kind = reader.byte(part)?;
        if !matches!(kind, 0 | 4..=6 | 8) {
            return Err(reader.variant(part, kind));
        }
        let engine = match kind {
            4..=6 => reader.array(part)?,
            _ => [0; 4],
        };
        Ok(match kind {
            8 => Self::RuntimeEnvironmentUpdated,
            0 => Self::Other(reader.string(part)?),
            4 => Self::Consensus(engine, reader.string(part)?),
            5 => Self::Seal(engine, reader.string(part)?),
            _ => Self::PreRuntime(engine, reader.string(part)?),
        })
    }
}

impl<'a> SchedulingProof<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ScaleError> {
        let count = reader.length("the scheduling proof's headers")?;
        let headers = (0..count).map(|_| Header::read(reader));
        let header_chain = headers.collect::<Result<_, _>>()?;
        let internal_scheduling_parent = Header::read(reader)?;
        let part = "the signed scheduling information";
        let signed = match reader.byte(part)? {
            0 => false,
            1 => {
                // Core selector and offset in the claim queue, peer, parent, signature.
                reader.take(part, 2)?;
                let start = reader.clone();
                if reader.string(part)?.len() > 64 {
                    return Err(start.failed(part, ScaleErrorReason::Number));
                }
                reader.take(part, 32 + 64)?;
                true
            }
            other => return Err(reader.variant(part, other)),
        };
        Ok(Self {
            header_chain,
            internal_scheduling_parent,
            signed,
        })
    }

    /// All headers, those of the chain first.
    pub fn headers(&self) -> impl Iterator<Item = &Header<'a>> {
        let last = std::iter::once(&self.internal_scheduling_parent);
        self.header_chain.iter().chain(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parity_scale_codec::{Compact, Encode};

    type Digest = Vec<(u8, [u8; 4], Vec<u8>)>;

    fn header(number: u32, digest: Digest) -> Vec<u8> {
        let mut bytes = ([1_u8; 32], Compact(number), [2_u8; 32], [3_u8; 32]).encode();
        bytes.extend(digest.encode());
        bytes
    }

    fn block(number: u32, extrinsics: &[&[u8]]) -> Vec<u8> {
        let digest = vec![
            (6, *b"aura", vec![7; 8]),
            (4, *b"CMLS", vec![9]),
            (5, *b"aura", vec![8; 64]),
        ];
        [header(number, digest), extrinsics.to_vec().encode()].concat()
    }

    fn proof() -> Vec<u8> {
        vec![vec![1_u8; 200], vec![2; 30]].encode()
    }

    fn versioned(version: u8, blocks: &[Vec<u8>], behind: &[u8]) -> Vec<u8> {
        let count = Compact(blocks.len() as u32).encode();
        let parts = [
            VERSIONED_PREFIX,
            &[version],
            &count,
            &blocks.concat(),
            &proof(),
            behind,
        ];
        parts.concat()
    }

    /// All versions.
    fn all() -> Vec<Vec<u8>> {
        let blocks = [block(10, &[&[1; 5], &[2; 70]]), block(11, &[])];
        let signed = [&[1_u8, 3, 0][..], &vec![4_u8; 38].encode(), &[5; 32 + 64]].concat();
        let scheduling = [vec![4], header(90, vec![]), header(89, vec![])].concat();
        vec![
            [blocks[0].clone(), proof()].concat(),
            versioned(1, &blocks, &[]),
            versioned(1, &[], &[]),
            versioned(2, &blocks, &[scheduling.clone(), vec![0]].concat()),
            versioned(2, &blocks, &[scheduling, signed].concat()),
        ]
    }

    #[test]
    fn all_versions_are_read() {
        let read: Vec<Vec<u8>> = all();
        let read: Vec<_> = read
            .iter()
            .map(|bytes| BlockData::from_bytes(bytes).expect("it decodes"))
            .collect();
        let versions: Vec<_> = read
            .iter()
            .map(|it| (it.version, it.blocks.len()))
            .collect();
        assert_eq!(versions, [(0, 1), (1, 2), (1, 0), (2, 2), (2, 2)]);
        for data in &read {
            assert_eq!((data.proof.count, data.proof.bytes), (2, 230));
            assert_eq!(data.proof.largest, 200);
        }
        let block = &read[1].blocks[0];
        assert_eq!((block.extrinsics.count, block.extrinsics.bytes), (2, 75));
        let header = &block.header;
        assert_eq!((header.number, header.state_root), (10, [2; 32]));
        let items: Vec<_> = header.digest().collect();
        assert_eq!(
            items,
            [
                DigestItem::PreRuntime(*b"aura", &[7; 8]),
                DigestItem::Consensus(*b"CMLS", &[9]),
                DigestItem::Seal(*b"aura", &[8; 64])
            ]
        );
        assert_eq!(Header::from_bytes(header.bytes).as_ref(), Ok(header));
        let signed = |it: &BlockData<'_>| it.scheduling.as_ref().map(|it| it.signed);
        assert_eq!(signed(&read[2]), None);
        assert_eq!(signed(&read[3]), Some(false));
        assert_eq!(signed(&read[4]), Some(true));
        let numbers = read[4].scheduling.iter().flat_map(|it| it.headers());
        assert_eq!(numbers.map(|it| it.number).collect::<Vec<_>>(), [90, 89]);
    }

    #[test]
    fn what_is_cut_or_longer_does_not_decode() {
        for bytes in all() {
            for end in 0..bytes.len() {
                assert!(BlockData::from_bytes(&bytes[..end]).is_err(), "{end}");
            }
            let longer = [&bytes[..], &[0]].concat();
            let error = BlockData::from_bytes(&longer).expect_err("it is longer");
            assert_eq!(error.reason, ScaleErrorReason::Trailing(1));
        }
        let unknown = versioned(3, &[], &[]);
        let error = BlockData::from_bytes(&unknown).expect_err("nobody knows it");
        assert_eq!(
            error.to_string(),
            "the version at offset 0xc is 3, which is not known"
        );
        // A count that the bytes cannot hold, and a digest of another kind.
        assert!(BlockData::from_bytes(b"VERSIONEDPBD\x01\xfe\xff\xff\xff").is_err());
        let bytes = header(1, vec![(7, *b"aura", vec![])]);
        assert!(Header::from_bytes(&bytes).is_err());
    }
}
