//! The genesis state: from a chain specification, built by the runtime, or the least that the runtime needs.
//!
//! Whatever it comes from, the state is changed so that candidates can be made: the one author of
//! blocks is Alice, the accounts of the script exist, and the new code that it announces is
//! authorised.

use crate::error::{Error, undecodable};
use crate::keys::{AUTHOR, Scheme, Signer};
use crate::relay::item_key;
use crate::runtime::Runtime;
use crate::source::{Genesis, RawState, Source};
use crate::state::{Session, State};
use parity_scale_codec::{Compact, Decode, Encode};
use scale_info::TypeDef;
use serde_json::{Value, json};
use sp_core::crypto::{AccountId32, Ss58Codec};
use sp_core::storage::StateVersion;
use sp_core::storage::well_known_keys::{CODE, EXTRINSIC_INDEX};
use sp_crypto_hashing::{blake2_128, blake2_256};

/// Presets of a runtime's genesis that are looked for, in this order.
const PRESETS: &[&str] = &["development", "local_testnet"];

/// The parachain's identifier if nothing says another.
const PARA_ID: u32 = 2000;

/// What the script needs of the genesis.
#[derive(Default)]
pub(crate) struct Needs {
    /// Accounts that can pay.
    pub(crate) accounts: Vec<[u8; 32]>,
    /// The new code that will be announced.
    pub(crate) new_code: Option<Vec<u8>>,
}

/// The state of block 0, and what is known of it.
pub(crate) struct Built {
    pub(crate) state: RawState,
    pub(crate) para_id: u32,
    /// Where it is from, in words.
    pub(crate) origin: String,
    /// The author of blocks, if blocks have authors.
    pub(crate) author: Option<Signer>,
}

/// Makes the genesis state.
pub(crate) fn build(
    source: &Source,
    runtime: &Runtime,
    para_id: Option<u32>,
    preset: Option<&str>,
    needs: &Needs,
) -> Result<Built, Error> {
    let (mut state, origin, least) = match &source.genesis {
        Genesis::Raw(state) => (state.clone(), source.genesis_name().to_owned(), false),
        Genesis::Patch(patch) => {
            let config = merged(default_config(runtime)?, patch);
            let state = by_runtime(runtime, &config)?;
            (state, source.genesis_name().to_owned(), false)
        }
        Genesis::Config(config) => {
            let state = by_runtime(runtime, config)?;
            (state, source.genesis_name().to_owned(), false)
        }
        Genesis::Unknown if runtime.api_version("GenesisBuilder").is_some() => {
            let (config, name) = config_of_runtime(runtime, preset)?;
            match (by_runtime(runtime, &config), name) {
                (Ok(state), Some(name)) => (state, format!("the runtime's preset {name}"), false),
                (Ok(state), None) => (state, "the runtime's default".to_owned(), false),
                // Many a default is not meant to be built.
                (Err(Error::Runtime { .. }), None) => {
                    let origin = "the least state, since the runtime's default cannot be built";
                    (RawState::default(), origin.to_owned(), true)
                }
                (Err(error), _) => return Err(error),
            }
        }
        Genesis::Unknown => (RawState::default(), "the least state".to_owned(), true),
    };
    if preset.is_some() && !origin.contains("preset") {
        let what = "has no presets that could be taken: it has no GenesisBuilder, or a chain \
                    specification says what its genesis is";
        return Err(Error::Unsupported(what.to_owned()));
    }
    let mut editor = Editor {
        runtime,
        state: &mut state,
    };
    editor.set(CODE.to_vec(), source.code.clone());
    if least {
        editor.least_state();
    }
    let para_id = editor.set_para_id(para_id, source.para_id);
    let author = editor.set_author()?;
    editor.endow(&needs.accounts)?;
    if let Some(code) = &needs.new_code {
        editor.authorise(code)?;
    }
    Ok(Built {
        state,
        para_id,
        origin,
        author,
    })
}

/// The configuration of a preset: that of this name, or the first that is there, or the default.
fn config_of_runtime(
    runtime: &Runtime,
    preset: Option<&str>,
) -> Result<(Value, Option<String>), Error> {
    let names = preset_names(runtime)?;
    let preset = match preset {
        Some(name) if names.iter().any(|it| it == name) => Some(name),
        Some(name) => {
            let known = names.join(", ");
            let what = format!("has no preset `{name}`; it has: {known}");
            return Err(Error::Unsupported(what));
        }
        None => PRESETS
            .iter()
            .copied()
            .find(|name| names.iter().any(|it| it == name)),
    };
    let default = default_config(runtime)?;
    let Some(name) = preset else {
        return Ok((with_collator(default)?, None));
    };
    let patch = get_preset(runtime, Some(name))?.unwrap_or(Value::Null);
    Ok((merged(default, &patch), Some(name.to_owned())))
}

fn preset_names(runtime: &Runtime) -> Result<Vec<String>, Error> {
    let function = "GenesisBuilder_preset_names";
    match on_nothing(runtime, function, &[]) {
        // The first version of the interface has no presets.
        Err(Error::Runtime { reason, .. }) if reason.contains("no function") => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(names) => Vec::<String>::decode(&mut &names[..]).map_err(undecodable(function)),
    }
}

fn default_config(runtime: &Runtime) -> Result<Value, Error> {
    match get_preset(runtime, None) {
        Ok(config) => Ok(config.unwrap_or(Value::Null)),
        Err(Error::Runtime { reason, .. }) if reason.contains("no function") => {
            let function = "GenesisBuilder_create_default_config";
            let config = on_nothing(runtime, function, &[])?;
            let config = Vec::<u8>::decode(&mut &config[..]).map_err(undecodable(function))?;
            json_of(function, &config)
        }
        Err(error) => Err(error),
    }
}

fn get_preset(runtime: &Runtime, name: Option<&str>) -> Result<Option<Value>, Error> {
    let function = "GenesisBuilder_get_preset";
    let preset = on_nothing(runtime, function, &name.encode())?;
    let preset = Option::<Vec<u8>>::decode(&mut &preset[..]).map_err(undecodable(function))?;
    preset.map(|preset| json_of(function, &preset)).transpose()
}

fn json_of(function: &str, bytes: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::Runtime {
        what: function.to_owned(),
        reason: format!("the result is not JSON: {error}"),
    })
}

fn on_nothing(runtime: &Runtime, function: &str, input: &[u8]) -> Result<Vec<u8>, Error> {
    State::new(RawState::default(), StateVersion::V0).query(runtime, function, input)
}

/// Makes Alice a collator with a session key where there is none: the sessions' pallet panics
/// without a validator, and without its keys.
fn with_collator(mut config: Value) -> Result<Value, Error> {
    let alice = Signer::of_uri(Scheme::Sr25519, AUTHOR).map_err(Error::Source)?;
    let alice = AccountId32::new(alice.account()).to_ss58check();
    if let Some(Value::Array(collators)) = config.pointer_mut("/collatorSelection/invulnerables")
        && collators.is_empty()
    {
        collators.push(Value::String(alice.clone()));
    }
    if let Some(Value::Array(keys)) = config.pointer_mut("/session/keys")
        && keys.is_empty()
    {
        keys.push(json!([alice, alice, { "aura": alice }]));
    }
    Ok(config)
}

/// The state that the runtime builds from a configuration.
fn by_runtime(runtime: &Runtime, config: &Value) -> Result<RawState, Error> {
    let nothing = State::new(RawState::default(), StateVersion::V0);
    let mut session = Session::new(&nothing);
    let config = config.to_string().into_bytes().encode();
    let mut function = "GenesisBuilder_build_state";
    let mut result = session.call(runtime, function, &config);
    if matches!(&result, Err(Error::Runtime { reason, .. }) if reason.contains("no function")) {
        function = "GenesisBuilder_build_config";
        result = session.call(runtime, function, &config);
    }
    let result = result?;
    let built = Result::<(), String>::decode(&mut &result[..]).map_err(undecodable(function))?;
    built.map_err(|reason| Error::Runtime {
        what: function.to_owned(),
        reason,
    })?;
    Ok(RawState {
        top: session.into_pairs(),
        ..RawState::default()
    })
}

/// A configuration with the fields of another in place of its own.
fn merged(mut config: Value, patch: &Value) -> Value {
    match (&mut config, patch) {
        (Value::Object(config), Value::Object(patch)) => {
            for (key, value) in patch {
                let old = config.remove(key).unwrap_or(Value::Null);
                config.insert(key.clone(), merged(old, value));
            }
        }
        (config, patch) => *config = patch.clone(),
    }
    config
}

/// Changes a genesis state.
struct Editor<'a> {
    runtime: &'a Runtime,
    state: &'a mut RawState,
}

impl Editor<'_> {
    fn set(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.state.top.insert(key, value);
    }

    /// The key of an item, if the runtime has it. Metadata without types leave out private items.
    fn key(&self, pallet: &str, item: &str) -> Option<Vec<u8>> {
        let metadata = &self.runtime.metadata;
        let found = metadata.pallet(pallet)?;
        let known = metadata.types.is_none() || metadata.item(pallet, item).is_some();
        known.then(|| item_key(&found.prefix, item))
    }

    /// Sets an item that the runtime has.
    fn set_item(&mut self, pallet: &str, item: &str, value: Vec<u8>) {
        if let Some(key) = self.key(pallet, item) {
            self.set(key, value);
        }
    }

    /// What every chain has that was begun by a node.
    fn least_state(&mut self) {
        self.set(EXTRINSIC_INDEX.to_vec(), 0_u32.encode());
        // `cumulus-pallet-parachain-system` puts it beside `:code`, which would otherwise be in
        // every proof.
        if self.key("ParachainSystem", "ValidationData").is_some()
            && self.runtime.api_version("CollectCollationInfo").is_some()
        {
            self.set(b":c".to_vec(), Vec::new());
        }
        // The runtime was not upgraded to this version, so that it migrates nothing.
        let version = &self.runtime.version;
        let upgrade = (Compact(version.spec_version), &version.spec_name).encode();
        self.set_item("System", "LastRuntimeUpgrade", upgrade);
    }

    /// Sets the parachain's identifier: the one that is wanted, or that of the state, or that of the
    /// chain specification.
    fn set_para_id(&mut self, wanted: Option<u32>, specified: Option<u32>) -> u32 {
        let Some(key) = self.key("ParachainInfo", "ParachainId") else {
            return wanted.or(specified).unwrap_or(PARA_ID);
        };
        let current = self.state.top.get(&key);
        let current = current.and_then(|value| u32::decode(&mut &value[..]).ok());
        let para_id = wanted.or(current).or(specified).unwrap_or(PARA_ID);
        self.set(key, para_id.encode());
        para_id
    }

    /// Makes Alice the only author, and a validator where there is none.
    fn set_author(&mut self) -> Result<Option<Signer>, Error> {
        let metadata = &self.runtime.metadata;
        if self.key("Aura", "Authorities").is_none() {
            return Ok(None);
        }
        let item = metadata.item("Aura", "Authorities");
        let value = item.and_then(|(_, item)| item.value);
        let ed25519 = value.is_some_and(|ty| metadata.mentions(ty, "ed25519"));
        let scheme = match ed25519 {
            true => Scheme::Ed25519,
            false => Scheme::Sr25519,
        };
        let author = Signer::of_uri(scheme, AUTHOR).map_err(Error::Source)?;
        let authorities = [Compact(1_u32).encode(), author.public()].concat();
        self.set_item("Aura", "Authorities", authorities.clone());
        self.set_item("AuraExt", "Authorities", authorities);
        if let Some(key) = self.key("Session", "Validators") {
            let empty = self.state.top.get(&key).is_none_or(|value| value == &[0]);
            if empty {
                let account = Signer::of_uri(Scheme::Sr25519, AUTHOR).map_err(Error::Source)?;
                self.set(key, vec![account.account()].encode());
            }
        }
        Ok(Some(author))
    }

    /// Gives accounts what lasts for any fee.
    fn endow(&mut self, accounts: &[[u8; 32]]) -> Result<(), Error> {
        if accounts.is_empty() {
            return Ok(());
        }
        let free = endowment(self.runtime);
        let info = self.runtime.metadata.account_info(free)?;
        let mut issued = 0_u128;
        let accounts_key = self
            .key("System", "Account")
            .ok_or_else(|| Error::Unsupported("has no accounts".to_owned()))?;
        for account in accounts {
            // Blake2_128Concat, as all runtimes hash accounts.
            let key = [&accounts_key[..], &blake2_128(account), account].concat();
            self.set(key, info.clone());
            issued = issued.saturating_add(free);
        }
        if let Some(key) = self.key("Balances", "TotalIssuance") {
            let before = self.state.top.get(&key);
            let before = before.and_then(|value| u128::decode(&mut &value[..]).ok());
            let total = before.unwrap_or(0).saturating_add(issued);
            self.set(key, total.encode());
        }
        Ok(())
    }

    /// Authorises a new code.
    fn authorise(&mut self, code: &[u8]) -> Result<(), Error> {
        let metadata = &self.runtime.metadata;
        let mut found = None;
        for pallet in ["System", "ParachainSystem"] {
            found = found.or_else(|| metadata.item(pallet, "AuthorizedUpgrade"));
        }
        let Some((pallet, item)) = found else {
            let what =
                "has no AuthorizedUpgrade, so that nobody can announce new code without root";
            return Err(Error::Unsupported(what.to_owned()));
        };
        let mut value = blake2_256(code).to_vec();
        if let Some(TypeDef::Composite(it)) = item.value.and_then(|ty| metadata.definition(ty)) {
            let names = it.fields.iter().filter_map(|field| field.name.as_deref());
            // Whether the new code has to be a runtime of a higher version.
            value.extend(names.filter(|name| *name == "check_version").map(|_| 0));
        }
        let key = item_key(&pallet.prefix, &item.name);
        self.set(key, value);
        Ok(())
    }
}

/// The smallest balance that an account may have.
pub(crate) fn existential_deposit(runtime: &Runtime) -> u128 {
    let balances = runtime.metadata.pallet("Balances");
    let deposit = balances.and_then(|pallet| pallet.constant("ExistentialDeposit"));
    deposit
        .and_then(|mut bytes| u128::decode(&mut bytes).ok())
        .unwrap_or(1)
}

/// What every sender has.
fn endowment(runtime: &Runtime) -> u128 {
    existential_deposit(runtime)
        .saturating_mul(1_000_000)
        .max(1 << 60)
}
