//! A parachain's upgrade, as its own runtime does it.

use anyhow::Result;
use blake2::{Blake2b, Digest, digest::consts::U32};
use subxt::dynamic::{self, Value};

use crate::client::Client;

/// A client of a collator.
pub struct Upgrade<'c> {
    client: Client,
    code: &'c [u8],
}

impl<'c> Upgrade<'c> {
    /// Connects to a node of the parachain that is to have this code.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn connect(url: &str, code: &'c [u8]) -> Result<Self> {
        let client = Client::connect(url)?;
        Ok(Self { client, code })
    }

    /// The encoded call that allows the code, without a look at its version. It takes all rights.
    ///
    /// # Errors
    /// The runtime has no such call.
    pub fn authorisation(&self) -> Result<Vec<u8>> {
        let hash = Blake2b::<U32>::digest(self.code);
        self.client.wait(async |client| {
            let state = client.at_current_block().await?;
            let call = dynamic::transaction(
                "System",
                "authorize_upgrade_without_checks",
                (Value::from_bytes(hash),),
            );
            Ok(state.transactions().call_data(&call)?)
        })
    }

    /// Whether some code is allowed in the newest finalised state.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn is_authorised(&self) -> Result<bool> {
        self.client.wait(async |client| {
            let state = client.at_current_block().await?;
            let entry = dynamic::storage::<(), Value>("System", "AuthorizedUpgrade");
            Ok(state.storage().try_fetch(entry, ()).await?.is_some())
        })
    }

    /// Hands in the code, which everybody may do once it is allowed. The parachain then announces it to the relay chain.
    ///
    /// # Errors
    /// The node does not take the extrinsic.
    pub fn apply(&self) -> Result<()> {
        self.client.wait(async |client| {
            let state = client.at_current_block().await?;
            let call = dynamic::transaction(
                "System",
                "apply_authorized_upgrade",
                (Value::from_bytes(self.code),),
            );
            state
                .transactions()
                .create_v4_unsigned(&call)?
                .submit_and_watch()
                .await?
                .wait_for_finalized_success()
                .await?;
            Ok(())
        })
    }
}
