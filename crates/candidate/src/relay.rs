//! The relay chain, as far as a parachain's block sees it: a few entries of its state, with a proof.

use crate::error::Error;
use crate::header::{BABE, Header, pre_runtime_item, seal_item};
use crate::keys::{AUTHOR, Scheme, Signer};
use crate::source::{Pairs, RawState};
use crate::state::State;
use parity_scale_codec::Encode;
use sp_core::H256;
use sp_core::storage::StateVersion;
use sp_crypto_hashing::{blake2_256, twox_64, twox_128};
use sp_trie::StorageProof;

/// Length of a slot of the relay chain in milliseconds.
pub(crate) const SLOT_MILLISECONDS: u64 = 6_000;

/// The first slot, a multiple of all lengths of a parachain's slot in use. It is in 2025.
const FIRST_SLOT: u64 = 290_000_400;

/// Number of the relay chain's block before the first relay parent.
const FIRST_NUMBER: u32 = 26_000_000;

/// A message from the relay chain, with the number of the relay chain's block that sent it.
pub(crate) type DownwardMessage = (u32, Vec<u8>);

/// A signal about an announced upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeSignal {
    /// The relay chain rejects the new code.
    Abort,
    /// The parachain may apply the new code in this block.
    GoAhead,
    /// The parachain may not announce new code yet.
    Restricted,
}

/// The relay chain.
pub(crate) struct Relay {
    para_id: u32,
    version: StateVersion,
    /// Slots of the relay chain between two blocks of the parachain.
    step: u64,
    pub(crate) slot: u64,
    pub(crate) number: u32,
    /// Head of the hash chain of all messages sent to the parachain.
    messages_head: [u8; 32],
    /// How many blocks of the relay chain have to follow the relay parent.
    offset: u32,
    /// The one author of its blocks.
    author: Signer,
}

/// What a block takes from the relay chain.
pub(crate) struct RelayParent {
    pub(crate) number: u32,
    pub(crate) root: H256,
    pub(crate) proof: StorageProof,
    pub(crate) messages: Vec<DownwardMessage>,
    /// The relay parent's header and those after it, if the parachain asks for them.
    pub(crate) descendants: Vec<Vec<u8>>,
}

impl Relay {
    /// A relay chain with slots of the parachain of `slot_milliseconds`, whose blocks are built
    /// `offset` blocks behind the relay chain's newest.
    pub(crate) fn new(
        para_id: u32,
        version: StateVersion,
        slot_milliseconds: u64,
        offset: u32,
    ) -> Result<Self, Error> {
        let author = Signer::of_uri(Scheme::Sr25519, AUTHOR).map_err(Error::Source)?;
        let step = slot_milliseconds.div_ceil(SLOT_MILLISECONDS).max(1);
        Ok(Self {
            para_id,
            version,
            step,
            slot: FIRST_SLOT / step * step,
            number: FIRST_NUMBER,
            messages_head: [0; 32],
            offset,
            author,
        })
    }

    /// Time in milliseconds since 1970.
    pub(crate) fn timestamp(&self) -> u64 {
        self.slot * SLOT_MILLISECONDS
    }

    /// Goes on to the relay parent of the parachain's next block.
    pub(crate) fn advance(
        &mut self,
        included_head: &[u8],
        messages: &[Vec<u8>],
        signal: Option<UpgradeSignal>,
    ) -> Result<RelayParent, Error> {
        self.slot += self.step;
        self.number += self.step as u32;
        let messages: Vec<_> = messages
            .iter()
            .map(|message| (self.number, message.clone()))
            .collect();
        for (sent_at, message) in &messages {
            let hash = blake2_256(&message.encode());
            self.messages_head = blake2_256(&(self.messages_head, sent_at, hash).encode());
        }
        let state = self.state(included_head, signal);
        let keys: Vec<_> = state.keys().cloned().collect();
        let state = State::new(
            RawState {
                top: state,
                ..RawState::default()
            },
            self.version,
        );
        Ok(RelayParent {
            number: self.number,
            root: state.root(),
            proof: state.prove(&keys)?,
            messages,
            descendants: match self.offset {
                0 => Vec::new(),
                _ => self.headers(state.root()),
            },
        })
    }

    /// The header of the relay parent, whose state has this root, and of the blocks after it.
    fn headers(&self, state_root: H256) -> Vec<Vec<u8>> {
        let mut parent = H256::zero();
        let mut headers = Vec::new();
        for ahead in 0..=self.offset {
            // A slot that is not won by lot but given to the first author.
            let slot = (2_u8, 0_u32, self.slot + u64::from(ahead)).encode();
            let header = Header {
                parent,
                number: self.number + ahead,
                state_root: match ahead {
                    0 => state_root,
                    _ => H256::zero(),
                },
                extrinsics_root: H256::zero(),
                digest: vec![pre_runtime_item(BABE, &slot)],
            };
            let seal = self.author.sign(header.hash().as_bytes());
            let header = header.with(seal_item(BABE, &seal));
            parent = header.hash();
            headers.push(header.encode());
        }
        headers
    }

    /// The entries that parachains read.
    fn state(&self, included_head: &[u8], signal: Option<UpgradeSignal>) -> Pairs {
        let mut state = Pairs::new();
        let mut set = |key: Vec<u8>, value: Vec<u8>| state.insert(key, value);
        let for_para = |pallet: &str, item: &str| {
            let id = self.para_id.encode();
            [&item_key(pallet, item)[..], &twox_64(&id), &id].concat()
        };
        set(item_key("Configuration", "ActiveConfig"), configuration());
        set(item_key("Babe", "CurrentSlot"), self.slot.encode());
        let weight = 1_u64;
        let authorities = [&[4][..], &self.author.public(), &weight.encode()].concat();
        set(item_key("Babe", "Authorities"), authorities);
        set(for_para("Paras", "Heads"), included_head.to_vec().encode());
        set(
            for_para("Dmp", "DownwardMessageQueueHeads"),
            self.messages_head.encode(),
        );
        // Count and size of the queue for runtimes of 2023 and before, the room in it for later ones.
        set(
            for_para("Ump", "RelayDispatchQueueSize"),
            (0_u32, 0_u32).encode(),
        );
        let room = b":relay_dispatch_queue_remaining_capacity";
        set(
            (room, self.para_id).encode(),
            (174_762_u32, 1_048_576_u32).encode(),
        );
        for index in ["HrmpIngressChannelsIndex", "HrmpEgressChannelsIndex"] {
            set(for_para("Hrmp", index), Vec::<u32>::new().encode());
        }
        match signal {
            None => {}
            Some(UpgradeSignal::Restricted) => {
                set(for_para("Paras", "UpgradeRestrictionSignal"), vec![0]);
            }
            Some(UpgradeSignal::Abort) => {
                set(for_para("Paras", "UpgradeGoAheadSignal"), vec![0]);
            }
            Some(UpgradeSignal::GoAhead) => {
                set(for_para("Paras", "UpgradeGoAheadSignal"), vec![1]);
            }
        }
        state
    }
}

/// The first fields of Polkadot's host configuration, all that a parachain decodes, with the values
/// of its network.
fn configuration() -> Vec<u8> {
    let fields: [(&str, u32); 11] = [
        ("max_code_size", 3 << 20),
        ("max_head_data_size", 20 << 10),
        ("max_upward_queue_count", 174_762),
        ("max_upward_queue_size", 1 << 20),
        ("max_upward_message_size", 65_531),
        ("max_upward_message_num_per_candidate", 16),
        ("hrmp_max_message_num_per_candidate", 10),
        ("validation_upgrade_cooldown", 14_400),
        ("validation_upgrade_delay", 600),
        ("max_candidate_depth", 3),
        ("allowed_ancestry_len", 2),
    ];
    fields
        .iter()
        .flat_map(|(_, value)| value.encode())
        .collect()
}

/// The key of an item of a pallet's storage.
pub(crate) fn item_key(pallet: &str, item: &str) -> Vec<u8> {
    [twox_128(pallet.as_bytes()), twox_128(item.as_bytes())].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_relay_chain() {
        // As `polkadot-primitives` 26.0.0 has them in `well_known_keys`.
        for (pallet, item, key) in [
            (
                "Configuration",
                "ActiveConfig",
                "06de3d8a54d27e44a9d5ce189618f22db4b49d95320d9021994c850f25b8e385",
            ),
            (
                "Babe",
                "Authorities",
                "1cb6f36e027abb2091cfb5110ab5087f5e0621c4869aa60c02be9adcc98a0d1d",
            ),
            (
                "Babe",
                "CurrentSlot",
                "1cb6f36e027abb2091cfb5110ab5087f06155b3cd9a8c9e5e9a23fd5dc13a5ed",
            ),
            (
                "Paras",
                "Heads",
                "cd710b30bd2eab0352ddcc26417aa1941b3c252fcb29d88eff4f3de5de4476c3",
            ),
            (
                "Dmp",
                "DownwardMessageQueueHeads",
                "63f78c98723ddc9073523ef3beefda0c4d7fefc408aac59dbfe80a72ac8e3ce5",
            ),
            (
                "Ump",
                "RelayDispatchQueueSize",
                "f5207f03cfdce586301014700e2c2593fad157e461d71fd4c1f936839a5f1f3e",
            ),
            (
                "Hrmp",
                "HrmpIngressChannelsIndex",
                "6a0da05ca59913bc38a8630590f2627c1d3719f5b0b12c7105c073c507445948",
            ),
            (
                "Hrmp",
                "HrmpEgressChannelsIndex",
                "6a0da05ca59913bc38a8630590f2627cf12b746dcf32e843354583c9702cc020",
            ),
            (
                "Paras",
                "UpgradeGoAheadSignal",
                "cd710b30bd2eab0352ddcc26417aa1949e94c040f5e73d9b7addd6cb603d15d3",
            ),
            (
                "Paras",
                "UpgradeRestrictionSignal",
                "cd710b30bd2eab0352ddcc26417aa194f27bbb460270642b5bcaf032ea04d56a",
            ),
        ] {
            assert_eq!(hex::encode(item_key(pallet, item)), key, "{pallet}.{item}");
        }
    }

    #[test]
    fn slots_begin_with_the_parachains() {
        for slot_milliseconds in [500, 6_000, 12_000, 24_000] {
            let relay =
                Relay::new(1, StateVersion::V1, slot_milliseconds, 0).expect("a relay chain");
            assert_eq!(
                relay.timestamp() % slot_milliseconds,
                0,
                "{slot_milliseconds}"
            );
        }
    }

    #[test]
    fn headers_after_the_relay_parent_are_a_sealed_chain() {
        use pvf_primitives::{DigestItem, Header as Read};
        use sp_core::crypto::Pair as _;
        use sp_core::sr25519;

        let mut relay = Relay::new(7, StateVersion::V1, 6_000, 2).expect("a relay chain");
        let parent = relay.advance(&[1, 2], &[], None).expect("a relay parent");
        assert_eq!(parent.descendants.len(), 3);
        let alice = sr25519::Pair::from_string(AUTHOR, None).expect("a known key");
        let mut before: Option<[u8; 32]> = None;
        for (bytes, ahead) in parent.descendants.iter().zip(0..) {
            let read = Read::from_bytes(bytes).expect("a header");
            assert_eq!(read.number, u64::from(parent.number + ahead));
            match before {
                None => assert_eq!(read.state_root, parent.root.0),
                Some(hash) => assert_eq!(read.parent_hash, hash),
            }
            before = Some(blake2_256(bytes));
            let items: Vec<_> = read.digest().collect();
            let [
                DigestItem::PreRuntime(BABE, _),
                DigestItem::Seal(BABE, seal),
            ] = items[..]
            else {
                panic!("{items:?}");
            };
            let mut unsealed = Header::from_bytes(bytes).expect("a header");
            unsealed.digest.pop();
            let seal = sr25519::Signature::try_from(seal).expect("64 bytes");
            let hash = unsealed.hash();
            assert!(sr25519::Pair::verify(
                &seal,
                hash.as_bytes(),
                &alice.public()
            ));
        }
    }
}
