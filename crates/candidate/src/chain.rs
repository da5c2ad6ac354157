//! A chain that grows by the blocks of a script.

use crate::block::{Author, Block, Wanted, signature_at};
use crate::error::{Error, undecodable};
use crate::extrinsic::Extrinsics;
use crate::genesis::{self, Needs, existential_deposit};
use crate::header::Header;
use crate::keys::{AUTHOR, Accounts, Scheme, Signer};
use crate::metadata::{Call, Metadata, Pallet};
use crate::relay::{Relay, SLOT_MILLISECONDS, UpgradeSignal};
use crate::runtime::Runtime;
use crate::script::{Line, NewCode, Script, Step};
use crate::source::Source;
use crate::state::State;
use crate::xcm::{XcmVersion, teleport};
use parity_scale_codec::{Compact, Decode, Encode};
use scale_info::TypeDef;
use sp_core::H256;
use sp_trie::{LayoutV1, TrieConfiguration};
use std::collections::HashMap;
use std::sync::Arc;

use crate::state::Hasher;

/// The kinds of signatures that a mixed block has in turn.
const MIXED: [Scheme; 3] = [Scheme::Sr25519, Scheme::Ed25519, Scheme::Ecdsa];

/// The names of a transfer, the preferred first.
const TRANSFERS: &[&str] = &["transfer_allow_death", "transfer", "transfer_keep_alive"];

/// Slots of a chain whose runtime does not say how long they are.
const SLOT_WITHOUT_AURA: u64 = 12_000;

/// The most blocks that a parachain may be behind the relay chain.
const MOST_OFFSET: u32 = 1_000;

/// How candidates are made.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The parachain's identifier; without one, that of the genesis.
    pub para_id: Option<u32>,
    /// From what accounts, keys and signatures are derived.
    pub seed: u64,
    /// The preset of the runtime's genesis.
    pub preset: Option<String>,
}

/// The blocks of a script, and the chain that they make.
pub(crate) struct Chain {
    pub(crate) author: Author,
    pub(crate) blocks: Vec<Block>,
    pub(crate) para_id: u32,
    pub(crate) genesis: Header,
    pub(crate) genesis_origin: String,
    /// The state after the last block.
    pub(crate) state: State,
}

/// Builds all blocks of a script.
pub(crate) fn grow(
    source: &Source,
    runtime: &Arc<Runtime>,
    script: &Script,
    options: &Options,
) -> Result<Chain, Error> {
    let accounts = Accounts { seed: options.seed };
    let needs = needs(script, accounts)?;
    let preset = options.preset.as_deref();
    let built = genesis::build(source, runtime, options.para_id, preset, &needs)?;
    let mut state = State::new(built.state, runtime.state_version());
    let genesis = Header {
        parent: H256::zero(),
        number: 0,
        state_root: state.root(),
        extrinsics_root: LayoutV1::<Hasher>::ordered_trie_root(Vec::<Vec<u8>>::new()),
        digest: Vec::new(),
    };
    let slot_milliseconds = match runtime.api_version("AuraApi") {
        Some(_) => {
            let function = "AuraApi_slot_duration";
            let duration = state.query(runtime, function, &[])?;
            u64::decode(&mut &duration[..]).map_err(undecodable(function))?
        }
        None => SLOT_WITHOUT_AURA,
    };
    if !(1..=100 * SLOT_MILLISECONDS).contains(&slot_milliseconds) {
        return Err(Error::Unsupported(format!(
            "has slots of {slot_milliseconds} milliseconds"
        )));
    }
    let offset = match runtime.api_version("RelayParentOffsetApi") {
        Some(_) => {
            let function = "RelayParentOffsetApi_relay_parent_offset";
            let offset = state.query(runtime, function, &[])?;
            u32::decode(&mut &offset[..]).map_err(undecodable(function))?
        }
        None => 0,
    };
    if offset > MOST_OFFSET {
        return Err(Error::Unsupported(format!(
            "is built {offset} blocks behind the relay chain"
        )));
    }
    let version = runtime.state_version();
    let mut relay = Relay::new(built.para_id, version, slot_milliseconds, offset)?;
    let author = Author {
        runtime: runtime.clone(),
        key: built.author,
        slot_milliseconds,
    };
    let mut blocks = Vec::new();
    let mut writer = Writer {
        runtime,
        extrinsics: Extrinsics::new(runtime, genesis.hash()),
        accounts,
        nonces: HashMap::new(),
        senders: 0,
        recipients: 0,
    };
    let mut parent = genesis.clone();
    for lines in &script.blocks {
        let contents = writer.contents(lines)?;
        // The parent is included on the relay chain, so nothing is pending.
        let relay_parent = relay.advance(&parent.encode(), &contents.messages, contents.signal)?;
        let wanted = &contents.extrinsics;
        let (mut block, changes) = author.build(&state, &parent, &relay, relay_parent, wanted)?;
        state.apply(changes);
        let header = block.sealed();
        if let Some(version) = runtime.api_version("CollectCollationInfo") {
            // The first version takes nothing.
            let input = match version {
                0 | 1 => Vec::new(),
                _ => header.encode(),
            };
            let function = "CollectCollationInfo_collect_collation_info";
            block.collation = Some(state.query(runtime, function, &input)?);
        }
        parent = header;
        blocks.push(block);
    }
    Ok(Chain {
        author,
        blocks,
        para_id: built.para_id,
        genesis,
        genesis_origin: built.origin,
        state,
    })
}

/// What the genesis has to have for a script.
fn needs(script: &Script, accounts: Accounts) -> Result<Needs, Error> {
    let mut needs = Needs::default();
    let mut senders = 0;
    let mut alice = false;
    for line in script.blocks.iter().flatten() {
        let wrong = |reason: String| Error::Script {
            line: line.number,
            reason,
        };
        match &line.step {
            Step::Transfer { count, scheme, .. } => {
                for index in 0..*count {
                    let scheme = scheme.unwrap_or(MIXED[index as usize % MIXED.len()]);
                    let sender = accounts.sender(scheme, senders).map_err(wrong)?;
                    needs.accounts.push(sender.account());
                    senders += 1;
                }
            }
            Step::Upgrade(code) => {
                alice = true;
                let code = code.bytes(accounts.seed);
                if needs.new_code.replace(code).is_some() {
                    return Err(wrong("a script announces at most one new code".to_owned()));
                }
            }
            Step::Batch { .. } | Step::Remark { .. } => alice = true,
            Step::Call {
                signer: Some(uri), ..
            } => {
                let signer = Signer::of_uri(Scheme::Sr25519, uri).map_err(wrong)?;
                needs.accounts.push(signer.account());
            }
            Step::Call { signer: None, .. }
            | Step::XcmDown { .. }
            | Step::Downward(_)
            | Step::Signal(_) => {}
        }
    }
    if alice {
        let alice = Signer::of_uri(Scheme::Sr25519, AUTHOR).map_err(Error::Source)?;
        needs.accounts.push(alice.account());
    }
    needs.accounts.sort_unstable();
    needs.accounts.dedup();
    Ok(needs)
}

impl NewCode {
    /// The code.
    fn bytes(&self, seed: u64) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Filler(bytes) => filler(seed, *bytes),
        }
    }
}

/// Bytes without a meaning, which do not compress to nothing.
fn filler(seed: u64, bytes: u32) -> Vec<u8> {
    use rand_chacha::rand_core::{RngCore, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut filler = vec![0; bytes as usize];
    rng.fill_bytes(&mut filler);
    filler
}

/// What goes into a block.
#[derive(Default)]
struct Contents {
    extrinsics: Vec<Wanted>,
    messages: Vec<Vec<u8>>,
    signal: Option<UpgradeSignal>,
}

/// Turns steps into extrinsics and messages.
struct Writer<'r> {
    runtime: &'r Runtime,
    extrinsics: Extrinsics<'r>,
    accounts: Accounts,
    nonces: HashMap<[u8; 32], u32>,
    /// Accounts used so far.
    senders: u64,
    recipients: u64,
}

impl<'r> Writer<'r> {
    fn metadata(&self) -> &'r Metadata {
        &self.runtime.metadata
    }

    fn contents(&mut self, lines: &[Line]) -> Result<Contents, Error> {
        let mut contents = Contents::default();
        for line in lines {
            self.step(line, &mut contents)?;
        }
        Ok(contents)
    }

    fn step(&mut self, line: &Line, contents: &mut Contents) -> Result<(), Error> {
        let wrong = |reason: String| Error::Script {
            line: line.number,
            reason,
        };
        match &line.step {
            Step::Transfer {
                count,
                scheme,
                fill,
            } => {
                for index in 0..*count {
                    let scheme = scheme.unwrap_or(MIXED[index as usize % MIXED.len()]);
                    let sender = self.accounts.sender(scheme, self.senders).map_err(wrong)?;
                    self.senders += 1;
                    let call = self.transfer()?;
                    let wanted = self.signed(&sender, &call, "a transfer", false)?;
                    contents.extrinsics.push(Wanted {
                        if_room: *fill,
                        ..wanted
                    });
                }
            }
            Step::Batch { count } => {
                let (pallet, call) =
                    self.find(&[("Utility", "batch_all"), ("Utility", "batch")])?;
                let mut calls = Compact(*count).encode();
                for _ in 0..*count {
                    calls.extend(self.transfer()?);
                }
                let call = Extrinsics::call(pallet, call, &calls);
                let wanted = self.signed(&self.alice()?, &call, "a batch of transfers", false)?;
                contents.extrinsics.push(wanted);
            }
            Step::Remark { bytes } => {
                let names = [("System", "remark_with_event"), ("System", "remark")];
                let (pallet, call) = self.find(&names)?;
                let remark = filler(self.accounts.seed, *bytes).encode();
                let call = Extrinsics::call(pallet, call, &remark);
                let wanted = self.signed(&self.alice()?, &call, "a remark", false)?;
                contents.extrinsics.push(wanted);
            }
            Step::XcmDown { count, version } => {
                let version = match version {
                    Some(version) => *version,
                    None => self.newest_xcm()?,
                };
                for _ in 0..*count {
                    // Enough for the fees of any chain, and of that the tenth part to spend.
                    let amount = existential_deposit(self.runtime)
                        .saturating_mul(1_000)
                        .max(1 << 45);
                    let account = self.recipient();
                    contents
                        .messages
                        .push(teleport(version, account, amount, amount / 10));
                }
            }
            Step::Downward(message) => contents.messages.push(message.clone()),
            Step::Upgrade(code) => {
                let names = [
                    ("System", "apply_authorized_upgrade"),
                    ("ParachainSystem", "enact_authorized_upgrade"),
                ];
                let (pallet, call) = self.find(&names)?;
                let code = code.bytes(self.accounts.seed).encode();
                let call = Extrinsics::call(pallet, call, &code);
                let wanted = self.signed(&self.alice()?, &call, "the new code", false)?;
                contents.extrinsics.push(wanted);
            }
            Step::Signal(signal) => contents.signal = Some(*signal),
            Step::Call {
                signer,
                pallet,
                call,
                arguments,
            } => {
                let what = format!("{pallet}.{call}");
                let found = self.metadata().call(pallet, call);
                let (pallet, call) = found.ok_or_else(|| wrong(self.unknown(pallet, call)))?;
                let arguments = self
                    .metadata()
                    .encode_arguments(&call.arguments, arguments)
                    .map_err(wrong)?;
                let call = Extrinsics::call(pallet, call, &arguments);
                contents.extrinsics.push(match signer {
                    Some(uri) => {
                        let signer = Signer::of_uri(Scheme::Sr25519, uri).map_err(wrong)?;
                        self.signed(&signer, &call, &what, true)?
                    }
                    None => Wanted {
                        what,
                        bytes: Extrinsics::bare(&call),
                        signature: None,
                        may_fail: true,
                        if_room: false,
                    },
                });
            }
        }
        Ok(())
    }

    /// The message about a function that the runtime does not have.
    fn unknown(&self, pallet: &str, call: &str) -> String {
        match self.metadata().pallet(pallet) {
            None => {
                let names = self
                    .metadata()
                    .pallets
                    .iter()
                    .map(|pallet| &pallet.name[..]);
                let names = names.collect::<Vec<_>>().join(", ");
                format!("the runtime has no pallet {pallet}; it has {names}")
            }
            Some(pallet) => {
                let names = pallet.calls.iter().map(|call| &call.name[..]);
                let names = names.collect::<Vec<_>>().join(", ");
                format!("{} has no call {call}; it has {names}", pallet.name)
            }
        }
    }

    /// The first of these functions that the runtime has.
    fn find(&self, names: &[(&str, &str)]) -> Result<(&'r Pallet, &'r Call), Error> {
        let mut found = names.iter();
        let found = found.find_map(|(pallet, call)| self.metadata().call(pallet, call));
        found.ok_or_else(|| {
            let names: Vec<_> = names.iter().map(|(a, b)| format!("{a}.{b}")).collect();
            Error::Unsupported(format!("has no {}", names.join(" or ")))
        })
    }

    /// A transfer to a new account.
    fn transfer(&mut self) -> Result<Vec<u8>, Error> {
        let names: Vec<_> = TRANSFERS.iter().map(|call| ("Balances", *call)).collect();
        let (pallet, call) = self.find(&names)?;
        let [(_, to), (_, value)] = &call.arguments[..] else {
            let what = format!("has a Balances.{} of another form", call.name);
            return Err(Error::Unsupported(what));
        };
        let recipient = self.recipient();
        let amount = existential_deposit(self.runtime).saturating_mul(10);
        let arguments = [
            self.extrinsics.address_of_type(*to, recipient),
            self.extrinsics.balance_of_type(*value, amount),
        ];
        Ok(Extrinsics::call(pallet, call, &arguments.concat()))
    }

    fn recipient(&mut self) -> [u8; 32] {
        self.recipients += 1;
        self.accounts.recipient(self.recipients)
    }

    fn alice(&self) -> Result<Signer, Error> {
        Signer::of_uri(Scheme::Sr25519, AUTHOR).map_err(Error::Source)
    }

    fn signed(
        &mut self,
        signer: &Signer,
        call: &[u8],
        what: &str,
        may_fail: bool,
    ) -> Result<Wanted, Error> {
        let account = signer.account();
        let nonce = self.nonces.entry(account).or_default();
        let bytes = self.extrinsics.signed(signer, *nonce, call)?;
        *nonce += 1;
        Ok(Wanted {
            what: what.to_owned(),
            signature: Some(signature_at(&self.extrinsics, account, &bytes)),
            bytes,
            may_fail,
            if_room: false,
        })
    }

    /// The newest version of XCM that the runtime knows, of those that are known here.
    fn newest_xcm(&self) -> Result<XcmVersion, Error> {
        let types = self.metadata().types.iter().flat_map(|types| &types.types);
        let mut known = Vec::new();
        for ty in types {
            let versioned = ty
                .ty
                .path
                .segments
                .last()
                .is_some_and(|it| it == "VersionedXcm");
            if let (true, TypeDef::Variant(it)) = (versioned, &ty.ty.type_def) {
                known.extend(it.variants.iter().map(|variant| variant.index));
            }
        }
        let newest = XcmVersion::ALL
            .into_iter()
            .find(|version| known.contains(&version.number()));
        newest.ok_or_else(|| {
            let what = "does not say which version of XCM it knows; name it in the script";
            Error::Unsupported(what.to_owned())
        })
    }
}
