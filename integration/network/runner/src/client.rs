//! A client that reads a chain's state and makes extrinsics by the metadata of whatever runtime the chain has.

use anyhow::Result;
use subxt::{OnlineClient, SubstrateConfig};

/// A client of one node, for callers that are not asynchronous.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    client: OnlineClient<SubstrateConfig>,
}

impl Client {
    /// Connects to a node.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn connect(url: &str) -> Result<Self> {
        let runtime = tokio::runtime::Runtime::new()?;
        let client = runtime.block_on(OnlineClient::from_insecure_url(url))?;
        Ok(Self { runtime, client })
    }

    /// Does something with the client and waits for it.
    pub fn wait<R>(
        &self,
        work: impl AsyncFnOnce(&OnlineClient<SubstrateConfig>) -> Result<R>,
    ) -> Result<R> {
        self.runtime.block_on(work(&self.client))
    }
}
