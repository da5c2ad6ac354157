//! Reads and changes the relay chain's state, with the development key that may do everything.

use anyhow::Result;
use subxt::dynamic::{self, Value};
use subxt::{OnlineClient, SubstrateConfig};
use subxt_signer::sr25519::dev;

/// A client of one node.
pub struct Relay {
    runtime: tokio::runtime::Runtime,
    client: OnlineClient<SubstrateConfig>,
}

impl Relay {
    /// Connects to a node.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn connect(url: &str) -> Result<Self> {
        let runtime = tokio::runtime::Runtime::new()?;
        let client = runtime.block_on(OnlineClient::from_insecure_url(url))?;
        Ok(Self { runtime, client })
    }

    /// The hash of a parachain's code in the newest finalised state.
    ///
    /// # Errors
    /// The node does not answer, or there is none.
    pub fn code_hash(&self, parachain: u32) -> Result<[u8; 32]> {
        self.runtime.block_on(async {
            let state = self.client.at_current_block().await?;
            let entry = dynamic::storage::<(u32,), [u8; 32]>("Paras", "CurrentCodeHash");
            Ok(state.storage().fetch(entry, (parachain,)).await?.decode()?)
        })
    }

    /// How many codes the validators are voting on.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn votes_open(&self) -> Result<usize> {
        self.runtime.block_on(async {
            let state = self.client.at_current_block().await?;
            let entry = dynamic::storage::<(), Vec<[u8; 32]>>("Paras", "PvfActiveVoteList");
            let list = state.storage().try_fetch(entry, ()).await?;
            Ok(list.map_or(Ok(0), |list| list.decode().map(|list| list.len()))?)
        })
    }

    /// Schedules other code for a parachain. Validators vote on code that they do not know.
    ///
    /// # Errors
    /// The node does not take the extrinsic, or the call fails.
    pub fn schedule_code(&self, parachain: u32, code: &[u8], at: u32) -> Result<()> {
        self.runtime.block_on(async {
            let state = self.client.at_current_block().await?;
            let schedule = Value::unnamed_variant(
                "force_schedule_code_upgrade",
                [
                    Value::from(parachain),
                    Value::from_bytes(code),
                    Value::from(at),
                ],
            );
            let call = dynamic::transaction(
                "Sudo",
                "sudo",
                (Value::unnamed_variant("Paras", [schedule]),),
            );
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
            anyhow::ensure!(sudid, "the relay chain refused the parachain's new code");
            Ok(())
        })
    }
}
