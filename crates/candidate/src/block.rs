//! Building of a block, as a collator does it.

use crate::error::{Error, undecodable};
use crate::extrinsic::Extrinsics;
use crate::header::{AURA, Header, pre_runtime_item, seal_item};
use crate::keys::Signer;
use crate::metadata::Metadata;
use crate::relay::{Relay, RelayParent};
use crate::runtime::Runtime;
use crate::state::{Changes, Session, State};
use parity_scale_codec::{Compact, Decode, Encode};
use sp_core::H256;
use sp_trie::StorageProof;
use std::sync::Arc;

/// Largest proof of validity in bytes.
pub(crate) const MAX_POV_BYTES: u32 = 10 << 20;

/// A block that was built, with what a candidate of it needs.
#[derive(Clone)]
pub(crate) struct Block {
    /// The header without its seal.
    pub(crate) header: Header,
    /// The author's signature of the header.
    pub(crate) seal: Option<Vec<u8>>,
    /// The extrinsics, each with its length before it; inherents first.
    pub(crate) extrinsics: Vec<Vec<u8>>,
    /// How many of them are inherents.
    pub(crate) inherents: usize,
    /// Where the signature begins in the last signed extrinsic.
    pub(crate) last_signature: Option<(usize, usize)>,
    /// The nodes of the parent's state that were read.
    pub(crate) proof: StorageProof,
    /// The parent's header.
    pub(crate) parent: Header,
    pub(crate) relay_number: u32,
    pub(crate) relay_root: H256,
    /// Extrinsics whose dispatch failed, of those for which this is no error.
    pub(crate) failed_dispatches: usize,
    /// What the runtime says that the relay chain will be told.
    pub(crate) collation: Option<Vec<u8>>,
}

/// An extrinsic that goes into a block.
pub(crate) struct Wanted {
    /// What it is to do, for messages.
    pub(crate) what: String,
    /// The extrinsic, with its length before it.
    pub(crate) bytes: Vec<u8>,
    /// Where its signature begins, if it is signed.
    pub(crate) signature: Option<usize>,
    /// Whether its dispatch may fail.
    pub(crate) may_fail: bool,
    /// Whether it is left out if the block has no room for it.
    pub(crate) if_room: bool,
}

/// What blocks are built with.
pub(crate) struct Author {
    pub(crate) runtime: Arc<Runtime>,
    /// The key that seals, if blocks have authors.
    pub(crate) key: Option<Signer>,
    /// Length of the parachain's slots in milliseconds.
    pub(crate) slot_milliseconds: u64,
}

impl Author {
    /// Builds a block on a state.
    pub(crate) fn build(
        &self,
        state: &State,
        parent: &Header,
        relay: &Relay,
        relay_parent: RelayParent,
        wanted: &[Wanted],
    ) -> Result<(Block, Changes), Error> {
        let runtime = &*self.runtime;
        let number = parent.number.saturating_add(1);
        let slot = relay.timestamp() / self.slot_milliseconds;
        let header = Header {
            parent: parent.hash(),
            number,
            state_root: H256::zero(),
            extrinsics_root: H256::zero(),
            digest: match self.key {
                Some(_) => vec![pre_runtime_item(AURA, &slot.encode())],
                None => Vec::new(),
            },
        };
        let mut session = Session::new(state);
        let mode = session.call(runtime, "Core_initialize_block", &header.encode())?;
        if mode == [1] && !wanted.is_empty() {
            return Err(Error::Unsupported(format!(
                "takes only inherents in block {number}, since it migrates its state; begin with \
                 more empty blocks"
            )));
        }
        let inherent_data = inherent_data(parent, relay, &relay_parent, slot);
        let function = "BlockBuilder_inherent_extrinsics";
        let inherents = session.call(runtime, function, &inherent_data)?;
        let inherents =
            Vec::<Vec<u8>>::decode(&mut &inherents[..]).map_err(undecodable(function))?;
        let mut extrinsics = Vec::new();
        for inherent in inherents {
            let inherent = inherent.encode();
            let applied = apply(&mut session, runtime, &inherent)?;
            let reason = match applied {
                Applied::Done => None,
                Applied::Refused(reason) | Applied::Failed(reason) => Some(reason),
                Applied::NoRoom => Some("the block has no room for it".to_owned()),
            };
            if let Some(reason) = reason {
                let what = format!("inherent {} of block {number}", extrinsics.len());
                return Err(Error::Runtime { what, reason });
            }
            extrinsics.push(inherent);
        }
        let inherents = extrinsics.len();
        let (mut failed_dispatches, mut last_signature) = (0, None);
        for (index, it) in wanted.iter().enumerate() {
            let error = |reason| Error::Extrinsic {
                block: number,
                index,
                what: it.what.clone(),
                reason,
            };
            match apply(&mut session, runtime, &it.bytes)? {
                Applied::Done => {}
                Applied::Failed(_) if it.may_fail => failed_dispatches += 1,
                Applied::NoRoom if it.if_room => continue,
                Applied::NoRoom => {
                    return Err(error("the block has no room for it".to_owned()));
                }
                Applied::Failed(reason) | Applied::Refused(reason) => return Err(error(reason)),
            }
            if let Some(at) = it.signature {
                last_signature = Some((extrinsics.len(), at));
            }
            extrinsics.push(it.bytes.clone());
        }
        let function = "BlockBuilder_finalize_block";
        let header = session.call(runtime, function, &[])?;
        let header = Header::from_bytes(&header).map_err(|error| Error::Runtime {
            what: function.to_owned(),
            reason: format!("the result does not decode: {error}"),
        })?;
        let (changes, proof) = session.finish()?;
        if changes.0 != header.state_root {
            return Err(Error::Disagreement(format!(
                "the state's root is {:?}, the header's {:?}",
                changes.0, header.state_root
            )));
        }
        let block = Block {
            seal: self.seal(&header),
            header,
            extrinsics,
            inherents,
            last_signature,
            proof,
            parent: parent.clone(),
            relay_number: relay_parent.number,
            relay_root: relay_parent.root,
            failed_dispatches,
            collation: None,
        };
        Ok((block, changes))
    }

    /// The author's signature of a header.
    pub(crate) fn seal(&self, header: &Header) -> Option<Vec<u8>> {
        let key = self.key.as_ref()?;
        Some(key.sign(header.hash().as_bytes()))
    }
}

impl Block {
    /// The header with its seal.
    pub(crate) fn sealed(&self) -> Header {
        match &self.seal {
            Some(seal) => self.header.clone().with(seal_item(AURA, seal)),
            None => self.header.clone(),
        }
    }
}

/// What the author tells the runtime: time, slot and the relay chain.
fn inherent_data(parent: &Header, relay: &Relay, relay_parent: &RelayParent, slot: u64) -> Vec<u8> {
    let persisted = (
        parent.encode(),
        relay_parent.number,
        relay_parent.root,
        MAX_POV_BYTES,
    );
    // No messages of other parachains.
    let no_channels = 0_u8;
    let old = (
        &persisted,
        &relay_parent.proof,
        &relay_parent.messages,
        no_channels,
    )
        .encode();
    // Runtimes of 2025 and later also take descendants of the relay parent and the collator's peer.
    let no_peer = 0_u8;
    let descendants = &relay_parent.descendants;
    let count = Compact(descendants.len() as u32).encode();
    let new = [&old[..], &count, &descendants.concat(), &[no_peer]].concat();
    let entries: [([u8; 8], Vec<u8>); 4] = [
        (*b"auraslot", slot.encode()),
        (*b"sysi1337", old),
        (*b"sysi1338", new),
        (*b"timstap0", relay.timestamp().encode()),
    ];
    entries.to_vec().encode()
}

/// The runtime's answer to an extrinsic.
enum Applied {
    /// It is in the block, and its dispatch succeeded.
    Done,
    /// It is in the block, and its dispatch failed.
    Failed(String),
    /// It may be in a block, but this one is full.
    NoRoom,
    /// It must not be in the block.
    Refused(String),
}

/// Applies an extrinsic. One that is not in the block leaves no trace.
fn apply(session: &mut Session<'_>, runtime: &Runtime, extrinsic: &[u8]) -> Result<Applied, Error> {
    let answer = session.transaction(|session| {
        let answer = session.call(runtime, "BlockBuilder_apply_extrinsic", extrinsic)?;
        let included = answer.first() == Some(&0);
        Ok((answer, included))
    })?;
    Ok(match answer[..] {
        [0, 0, ..] => Applied::Done,
        [0, 1, ref error @ ..] => Applied::Failed(dispatch_error(&runtime.metadata, error)),
        [1, 0, 6] => Applied::NoRoom,
        [1, ref error @ ..] => Applied::Refused(validity_error(error)),
        _ => Applied::Refused(format!(
            "the answer 0x{} is not known",
            hex::encode(&answer)
        )),
    })
}

fn dispatch_error(metadata: &Metadata, error: &[u8]) -> String {
    let names = [
        "other",
        "cannot look up",
        "bad origin",
        "module",
        "consumers remain",
        "no providers",
        "too many consumers",
        "token",
        "arithmetic",
        "transactional",
        "exhausted",
        "corruption",
        "unavailable",
        "root not allowed",
        "trie",
    ];
    let name = error.first().and_then(|&kind| names.get(kind as usize));
    match (error, name) {
        ([3, pallet, error, ..], _) => {
            let name = metadata.pallets.iter().find(|it| it.index == *pallet);
            let name = name.map_or("an unknown pallet", |pallet| &pallet.name);
            format!("its dispatch failed: error {error} of {name}")
        }
        (_, Some(name)) => format!("its dispatch failed: {name}, 0x{}", hex::encode(error)),
        (_, None) => format!("its dispatch failed: 0x{}", hex::encode(error)),
    }
}

fn validity_error(error: &[u8]) -> String {
    let invalid = [
        "the call is not expected",
        "the sender cannot pay",
        "its nonce is in the future",
        "its nonce is used",
        "its signature is wrong",
        "it is too old",
        "the block is full",
        "a check of the runtime's own failed",
        "a mandatory extrinsic is wrong",
        "a mandatory extrinsic is not for the pool",
        "the signer is not right",
        "what it signs implicitly is not known",
        "its origin is not known",
    ];
    let text = match error {
        [0, kind, ..] => invalid.get(*kind as usize).copied(),
        [1, 0, ..] => Some("the sender cannot be looked up"),
        [1, 1, ..] => Some("nothing validates it without a signature"),
        _ => None,
    };
    match text {
        Some(text) => format!("it is refused: {text} (0x{})", hex::encode(error)),
        None => format!("it is refused: 0x{}", hex::encode(error)),
    }
}

/// Where the signature begins in a signed extrinsic.
pub(crate) fn signature_at(extrinsics: &Extrinsics<'_>, account: [u8; 32], bytes: &[u8]) -> usize {
    let mut rest = bytes;
    let prefix = match Compact::<u32>::decode(&mut rest) {
        Ok(_) => bytes.len() - rest.len(),
        Err(_) => 0,
    };
    // Version, address, kind of the signature.
    prefix + 1 + extrinsics.address(account).len() + 1
}
