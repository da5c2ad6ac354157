//! The node's PVF host with one pair of workers.

use crate::outcome::Said;
use futures::channel::oneshot;
use parity_scale_codec::Decode;
use polkadot_node_core_pvf::{
    Config, Metrics, PrepareJobKind, Priority, PvfPrepData, SecurityStatus, ValidationHost, start,
};
use polkadot_node_core_pvf_common::execute::ValidationContext;
use polkadot_node_primitives::{BlockData, NODE_VERSION, PoV};
use polkadot_node_subsystem::messages::PvfExecKind;
use polkadot_primitives::{CandidateReceiptV2, ExecutorParams, PersistedValidationData};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Maximum size of decompressed code, as in a node.
const CODE_LIMIT: u32 = 50 << 20;

/// CPU time limit that no test case should reach.
pub const AMPLE: Duration = Duration::from_secs(120);

/// A host, its task and its cache. The workers end with it.
pub struct Host {
    host: ValidationHost,
    task: JoinHandle<()>,
    cache: PathBuf,
}

/// A candidate in a node's types.
#[derive(Clone)]
pub struct Candidate {
    /// The relay chain's data.
    pub pvd: Arc<PersistedValidationData>,
    /// The collator's data.
    pub pov: Arc<PoV>,
}

impl Candidate {
    /// A candidate with this block data, without a parent.
    pub fn of(block_data: Vec<u8>) -> Self {
        Self {
            pvd: Arc::new(PersistedValidationData::default()),
            pov: Arc::new(PoV {
                block_data: BlockData(block_data),
            }),
        }
    }
}

impl Host {
    /// Starts a host in secure validator mode with the workers in a directory.
    pub async fn start(workers: &Path, execute_workers: usize) -> Result<Self, Box<dyn Error>> {
        Self::start_in(new_cache()?, workers, execute_workers).await
    }

    /// Like [`Self::start`], with an existing cache directory.
    pub async fn start_in(
        cache: PathBuf,
        workers: &Path,
        execute_workers: usize,
    ) -> Result<Self, Box<dyn Error>> {
        Self::start_with(cache, workers, execute_workers, true).await
    }

    /// Starts a host in secure validator mode or not.
    pub async fn start_insisting(
        workers: &Path,
        execute_workers: usize,
        insists: bool,
    ) -> Result<Self, Box<dyn Error>> {
        Self::start_with(new_cache()?, workers, execute_workers, insists).await
    }

    async fn start_with(
        cache: PathBuf,
        workers: &Path,
        execute_workers: usize,
        secure_validator_mode: bool,
    ) -> Result<Self, Box<dyn Error>> {
        // Workers change their directory, so the path has to be absolute.
        let workers = workers.canonicalize()?;
        let config = Config::new(
            cache.clone(),
            Some(NODE_VERSION.to_owned()),
            secure_validator_mode,
            workers.join("polkadot-prepare-worker"),
            workers.join("polkadot-execute-worker"),
            execute_workers,
            1,
            2,
        );
        let (host, task) = start(config, Metrics::default()).await?;
        let task = tokio::spawn(task);
        Ok(Self { host, task, cache })
    }

    /// Result of the host's checks of the machine.
    pub fn security(&self) -> SecurityStatus {
        self.host.security_status.clone()
    }

    /// The directory of the artifacts.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Prechecks code.
    pub async fn precheck(&self, code: &[u8], params: &ExecutorParams, timeout: Duration) -> Said {
        let (sender, answer) = oneshot::channel();
        let prepare = preparation(code, params, timeout, PrepareJobKind::Prechecking);
        let mut host = self.host.clone();
        host.precheck_pvf(prepare, sender)
            .await
            .expect("the host runs");
        answer.await.expect("the host answers").into()
    }

    /// Executes a candidate, after preparing the code unless the artifact is cached.
    pub async fn validate(
        &self,
        code: &[u8],
        candidate: &Candidate,
        params: &ExecutorParams,
        timeout: Duration,
    ) -> Said {
        let (sender, answer) = oneshot::channel();
        let prepare = preparation(code, params, AMPLE, PrepareJobKind::Compilation);
        let zeros = [0; 4096];
        let candidate_receipt =
            CandidateReceiptV2::decode(&mut &zeros[..]).expect("zeros are a receipt");
        let context = ValidationContext {
            candidate_receipt,
            pvd: candidate.pvd.clone(),
            pov: candidate.pov.clone(),
            executor_params: params.clone(),
            exec_timeout: timeout,
            v3_seen: false,
        };
        let mut host = self.host.clone();
        let kind = PvfExecKind::Approval;
        host.execute_pvf(prepare, context, Priority::Normal, kind, sender)
            .await
            .expect("the host runs");
        answer.await.expect("the host answers").into()
    }
}

fn new_cache() -> std::io::Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("pvf-polkadot-{}-{number}", std::process::id());
    let cache = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&cache)?;
    Ok(cache)
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
        // Errors are ignored: leftovers are in a directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.cache);
    }
}

fn preparation(
    code: &[u8],
    params: &ExecutorParams,
    timeout: Duration,
    kind: PrepareJobKind,
) -> PvfPrepData {
    PvfPrepData::from_code(code.to_vec(), params.clone(), timeout, kind, CODE_LIMIT)
}
