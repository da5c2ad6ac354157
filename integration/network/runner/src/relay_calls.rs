//! Reads and changes the relay chain's state, with the development key that may do everything.

use anyhow::Result;
use subxt::dynamic::{self, Value};
use subxt_signer::sr25519::dev;

use crate::client::Client;

/// A client of one validator.
pub struct Relay(Client);

impl Relay {
    /// Connects to a node.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn connect(url: &str) -> Result<Self> {
        Client::connect(url).map(Self)
    }

    /// The hash of a parachain's code in the newest finalised state.
    ///
    /// # Errors
    /// The node does not answer, or there is none.
    pub fn code_hash(&self, parachain: u32) -> Result<[u8; 32]> {
        self.0.wait(async |client| {
            let state = client.at_current_block().await?;
            let entry = dynamic::storage::<(u32,), [u8; 32]>("Paras", "CurrentCodeHash");
            Ok(state.storage().fetch(entry, (parachain,)).await?.decode()?)
        })
    }

    /// How many codes the validators are voting on.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn votes_open(&self) -> Result<usize> {
        self.0.wait(async |client| {
            let state = client.at_current_block().await?;
            let entry = dynamic::storage::<(), Vec<[u8; 32]>>("Paras", "PvfActiveVoteList");
            let list = state.storage().try_fetch(entry, ()).await?;
            Ok(list.map_or(Ok(0), |list| list.decode().map(|list| list.len()))?)
        })
    }

    /// Schedules other code for a parachain, which the parachain does not know of. Validators vote on code that they
    /// do not know.
    ///
    /// # Errors
    /// The node does not take the extrinsic, or the call fails.
    pub fn schedule_code(&self, parachain: u32, code: &[u8], at: u32) -> Result<()> {
        let schedule = Value::unnamed_variant(
            "force_schedule_code_upgrade",
            [
                Value::from(parachain),
                Value::from_bytes(code),
                Value::from(at),
            ],
        );
        self.sudo(Value::unnamed_variant("Paras", [schedule]))
    }

    /// Has a parachain execute a call with the relay chain's own rights, as its governance does: by a message of XCM.
    ///
    /// # Errors
    /// The node does not take the extrinsic, or the message cannot be sent.
    pub fn transact(&self, parachain: u32, call: &[u8]) -> Result<()> {
        let version = |value| Value::unnamed_variant("V4", [value]);
        let junction = Value::unnamed_variant("Parachain", [Value::from(parachain)]);
        let location = Value::named_composite([
            ("parents", Value::from(0_u8)),
            (
                "interior",
                Value::unnamed_variant("X1", [Value::unnamed_composite([junction])]),
            ),
        ]);
        let unpaid = Value::named_variant(
            "UnpaidExecution",
            [
                ("weight_limit", Value::unnamed_variant("Unlimited", [])),
                ("check_origin", Value::unnamed_variant("None", [])),
            ],
        );
        let weight = Value::named_composite([
            ("ref_time", Value::from(1_000_000_000_u64)),
            ("proof_size", Value::from(100_000_u64)),
        ]);
        let transact = Value::named_variant(
            "Transact",
            [
                ("origin_kind", Value::unnamed_variant("Superuser", [])),
                ("require_weight_at_most", weight),
                (
                    "call",
                    Value::named_composite([("encoded", Value::from_bytes(call))]),
                ),
            ],
        );
        let message = Value::unnamed_composite([unpaid, transact]);
        let send = Value::named_variant(
            "send",
            [("dest", version(location)), ("message", version(message))],
        );
        self.sudo(Value::unnamed_variant("XcmPallet", [send]))
    }

    /// Makes a call with all rights and waits until it is finalised.
    fn sudo(&self, call: Value) -> Result<()> {
        self.0.wait(async |client| {
            let state = client.at_current_block().await?;
            let call = dynamic::transaction("Sudo", "sudo", (call,));
            let events = state
                .transactions()
                .sign_and_submit_then_watch_default(&call, &dev::alice())
                .await?
                .wait_for_finalized_success()
                .await?;
            // `sudo` succeeds even if the call in it does not.
            let sudid = events.iter().filter_map(|event| event.ok()).any(|event| {
                event.pallet_name() == "Sudo"
                    && event.event_name() == "Sudid"
                    && event.field_bytes().first() == Some(&0)
            });
            anyhow::ensure!(sudid, "the relay chain refused a call with all rights");
            Ok(())
        })
    }
}
