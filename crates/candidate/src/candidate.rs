//! Candidates: a block with its proof, as validators and collators write it, right or corrupted.

use crate::block::{Author, Block, MAX_POV_BYTES};
use crate::error::Error;
use crate::state::Hasher;
use parity_scale_codec::{Compact, Encode};
use pvf_primitives::{PersistedValidationData, PoV, ValidationParams};
use sp_core::H256;
use sp_core::storage::StateVersion;
use sp_trie::{LayoutV0, LayoutV1, TrieConfiguration};

/// The first bytes of block data of version 1 and later.
const VERSIONED: &[u8] = b"VERSIONEDPBD";

/// The version of `CollectCollationInfo` from which on collators write block data of version 1.
const COLLATION_OF_VERSIONED: u32 = 3;

/// How a proof is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofForm {
    /// Without the hashes that follow from other nodes: all runtimes since mid-2021.
    Compact,
    /// All nodes: the first parachains.
    Plain,
}

/// What is wrong with a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corruption {
    /// One bit of the largest node of the proof is flipped.
    Proof,
    /// The last node of the proof is missing.
    ShortProof,
    /// One bit of the last signature of an extrinsic is flipped; extrinsics root and seal are made to fit.
    Signature,
    /// One bit of the block's state root is flipped; the seal is made to fit.
    StateRoot,
    /// One bit of the extrinsics root is flipped; the seal is made to fit.
    ExtrinsicsRoot,
    /// One bit of the author's seal is flipped.
    Seal,
    /// One bit of the parent's state root is flipped.
    Parent,
    /// One bit of the relay parent's storage root is flipped.
    RelayRoot,
    /// Only the first two thirds of the input are there.
    Truncated,
}

impl Corruption {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Self); 9] = [
        ("proof", Self::Proof),
        ("short-proof", Self::ShortProof),
        ("signature", Self::Signature),
        ("state-root", Self::StateRoot),
        ("extrinsics-root", Self::ExtrinsicsRoot),
        ("seal", Self::Seal),
        ("parent", Self::Parent),
        ("relay-root", Self::RelayRoot),
        ("truncated", Self::Truncated),
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, it)| *it == self);
        found.map_or("", |(name, _)| name)
    }
}

/// The bytes of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// What a PVF takes: SCALE-encoded `ValidationParams`.
    pub params: Vec<u8>,
    /// What a collator exports.
    pub pov: Vec<u8>,
    /// Nodes of the proof, and their bytes.
    pub proof_nodes: usize,
    /// Bytes of the proof's nodes.
    pub proof_bytes: usize,
    /// The version of the block data.
    pub block_data_version: u8,
}

/// Writes a candidate, corrupted or not.
pub(crate) fn write(
    author: &Author,
    block: &Block,
    form: ProofForm,
    corruption: Option<Corruption>,
) -> Result<Bytes, Error> {
    let mut block = block.clone();
    change_block(author, &mut block, corruption)?;
    let mut proof = nodes(&block, form)?;
    let mut parent = block.parent.clone();
    let mut relay_root = block.relay_root;
    match corruption {
        Some(Corruption::Proof) => {
            let largest = proof.iter_mut().max_by_key(|node| node.len());
            let middle = largest.and_then(|node| {
                let middle = node.len() / 2;
                node.get_mut(middle)
            });
            flip(middle, "proof")?;
        }
        Some(Corruption::ShortProof) => {
            proof.pop();
        }
        Some(Corruption::Parent) => flip(parent.state_root.0.first_mut(), "parent")?,
        Some(Corruption::RelayRoot) => flip(relay_root.0.first_mut(), "relay parent")?,
        _ => {}
    }
    let collation = author.runtime.api_version("CollectCollationInfo");
    let versioned = collation.is_some_and(|version| version >= COLLATION_OF_VERSIONED);
    let content = (block.sealed().encode(), block.extrinsics.concat());
    let count = Compact(block.extrinsics.len() as u32).encode();
    let mut block_data = match versioned {
        true => [VERSIONED, &[1], &Compact(1_u32).encode()].concat(),
        false => Vec::new(),
    };
    block_data.extend([content.0, count, content.1, proof.encode()].concat());

    let parent_head = parent.encode();
    let persisted = PersistedValidationData {
        parent_head: parent_head.clone(),
        relay_parent_number: block.relay_number,
        relay_parent_storage_root: relay_root.0,
        max_pov_size: MAX_POV_BYTES,
    };
    let params = ValidationParams {
        parent_head,
        block_data,
        relay_parent_number: block.relay_number,
        relay_parent_storage_root: relay_root.0,
    };
    let limit = pvf_primitives::POV_BOMB_LIMIT;
    let compressed = sp_maybe_compressed_blob::compress_weakly(&params.block_data, limit);
    let pov = PoV {
        block_data: compressed.unwrap_or_else(|| params.block_data.clone()),
    };
    let mut bytes = Bytes {
        params: params.encode(),
        pov: (pov, persisted).encode(),
        proof_nodes: proof.len(),
        proof_bytes: proof.iter().map(Vec::len).sum(),
        block_data_version: versioned.into(),
    };
    if corruption == Some(Corruption::Truncated) {
        for file in [&mut bytes.params, &mut bytes.pov] {
            file.truncate(file.len() * 2 / 3);
        }
    }
    Ok(bytes)
}

/// The nodes of a proof, as they are written.
fn nodes(block: &Block, form: ProofForm) -> Result<Vec<Vec<u8>>, Error> {
    match form {
        ProofForm::Plain => Ok(block.proof.iter_nodes().cloned().collect()),
        ProofForm::Compact => {
            let compact = block
                .proof
                .to_compact_proof::<Hasher>(block.parent.state_root)
                .map_err(|error| Error::Proof(error.to_string()))?;
            Ok(compact.encoded_nodes)
        }
    }
}

/// Corrupts what the author signs, and signs again.
fn change_block(
    author: &Author,
    block: &mut Block,
    corruption: Option<Corruption>,
) -> Result<(), Error> {
    match corruption {
        Some(Corruption::Signature) => {
            let (extrinsic, at) = block
                .last_signature
                .ok_or_else(|| nothing("signed extrinsic"))?;
            let extrinsic = block.extrinsics.get_mut(extrinsic);
            flip(extrinsic.and_then(|it| it.get_mut(at)), "signed extrinsic")?;
            block.header.extrinsics_root = extrinsics_root(author, &block.extrinsics);
        }
        Some(Corruption::StateRoot) => {
            flip(block.header.state_root.0.last_mut(), "state root")?;
        }
        Some(Corruption::ExtrinsicsRoot) => {
            flip(block.header.extrinsics_root.0.last_mut(), "extrinsics root")?;
        }
        Some(Corruption::Seal) => {
            let seal = block.seal.as_mut().ok_or_else(|| nothing("seal"))?;
            let middle = seal.len() / 2;
            return flip(seal.get_mut(middle), "seal");
        }
        _ => return Ok(()),
    }
    block.seal = author.seal(&block.header);
    Ok(())
}

/// The root of a block's extrinsics.
pub(crate) fn extrinsics_root(author: &Author, extrinsics: &[Vec<u8>]) -> H256 {
    match author.runtime.extrinsics_version() {
        StateVersion::V0 => LayoutV0::<Hasher>::ordered_trie_root(extrinsics),
        StateVersion::V1 => LayoutV1::<Hasher>::ordered_trie_root(extrinsics),
    }
}

fn flip(byte: Option<&mut u8>, what: &str) -> Result<(), Error> {
    *byte.ok_or_else(|| nothing(what))? ^= 1;
    Ok(())
}

fn nothing(what: &str) -> Error {
    Error::Unsupported(format!("gives no {what} to corrupt in this block"))
}
