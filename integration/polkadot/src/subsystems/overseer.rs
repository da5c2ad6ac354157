//! The node's overseer with two of its subsystems, those that ask the PVF host.

use super::relay_chain::{Always, NoAncestors, RelayChain, Vote};
use futures::channel::oneshot;
use futures::future::BoxFuture;
use polkadot_node_core_candidate_validation::{CandidateValidationSubsystem, Config};
use polkadot_node_core_pvf_checker::PvfCheckerSubsystem;
use polkadot_node_metrics::metrics::Metrics;
use polkadot_node_primitives::{NODE_VERSION, PoV, ValidationResult};
use polkadot_node_subsystem::messages::{
    CandidateValidationMessage, PvfExecKind, ValidationFailed,
};
use polkadot_overseer::{
    BlockInfo, Handle, UnpinHandle, dummy::dummy_overseer_builder, prometheus,
};
use polkadot_primitives::{
    CandidateReceiptV2, ExecutorParams, Hash, PARACHAIN_KEY_TYPE_ID, PersistedValidationData,
    ValidationCode, ValidatorId,
};
use sp_core::traits::SpawnNamed;
use sp_keystore::{Keystore, testing::MemoryKeystore};
use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long the votes on all codes may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// A running overseer. The workers end with it.
pub struct Overseer {
    handle: Handle,
    task: JoinHandle<()>,
    votes: mpsc::UnboundedReceiver<Vote>,
    codes: usize,
    /// The validator of the votes.
    pub validator: ValidatorId,
    /// What the subsystems count.
    pub registry: prometheus::Registry,
    _cache: TempDir,
}

/// A candidate with all that a subsystem wants to know of it.
#[derive(Clone)]
pub struct Question {
    /// The parachain's code.
    pub code: ValidationCode,
    /// The relay chain's part.
    pub pvd: PersistedValidationData,
    /// The collator's part.
    pub pov: Arc<PoV>,
    /// What the candidate is said to be.
    pub receipt: CandidateReceiptV2,
}

/// The block that all candidates are built on.
pub fn leaf() -> Hash {
    Hash::repeat_byte(1)
}

impl Overseer {
    /// Starts an overseer whose PVF host has these workers. The validator is asked to vote on the
    /// codes.
    pub async fn start(workers: &Path, codes: &[Vec<u8>]) -> Result<Self, Box<dyn Error>> {
        let workers = workers.canonicalize()?;
        let cache = tempfile::tempdir()?;
        let keystore = MemoryKeystore::new();
        let key = keystore.sr25519_generate_new(PARACHAIN_KEY_TYPE_ID, Some("//Alice"))?;
        let validator = ValidatorId::from(key);
        let keystore = Arc::new(keystore);
        let codes = codes.iter().map(|code| {
            let code = ValidationCode(code.clone());
            (code.hash(), code)
        });
        let codes: Arc<HashMap<_, _>> = Arc::new(codes.collect());
        let number = codes.len();
        let (sender, votes) = mpsc::unbounded_channel();
        let relay_chain = RelayChain {
            validator: validator.clone(),
            codes,
            params: ExecutorParams::default(),
            votes: sender,
        };
        let registry = prometheus::Registry::new();
        let config = Config {
            artifacts_cache_path: cache.path().to_owned(),
            node_version: Some(NODE_VERSION.to_owned()),
            secure_validator_mode: true,
            prep_worker_path: workers.join("polkadot-prepare-worker"),
            exec_worker_path: workers.join("polkadot-execute-worker"),
            pvf_execute_workers_max_num: 2,
            pvf_prepare_workers_soft_max_num: 1,
            pvf_prepare_workers_hard_max_num: 2,
        };
        let validation = CandidateValidationSubsystem::with_config(
            Some(config),
            keystore.clone(),
            Metrics::try_register(&registry)?,
            Metrics::try_register(&registry)?,
        );
        let checker = PvfCheckerSubsystem::new(keystore, Default::default());
        let (overseer, raw) = dummy_overseer_builder(Tasks, Always, None)?
            .replace_candidate_validation(|_| validation)
            .replace_pvf_checker(|_| checker)
            .replace_runtime_api(|_| relay_chain)
            .replace_chain_api(|_| NoAncestors)
            .build()?;
        let task = tokio::spawn(overseer.run());
        let mut handle = Handle::new(raw);
        let (sink, _) = sc_utils::mpsc::tracing_unbounded("unpinned blocks", 1);
        let block = BlockInfo {
            hash: leaf(),
            parent_hash: Hash::zero(),
            number: 1,
            unpin_handle: UnpinHandle::new(leaf(), sink),
        };
        handle.block_imported(block).await;
        let (sender, active) = oneshot::channel();
        handle.wait_for_activation(leaf(), sender).await;
        active.await??;
        Ok(Self {
            handle,
            task,
            votes,
            codes: number,
            validator,
            registry,
            _cache: cache,
        })
    }

    /// The votes on all codes, in the order in which they were handed in.
    pub async fn votes(&mut self) -> Result<Vec<Vote>, Box<dyn Error>> {
        let mut votes = Vec::new();
        while votes.len() < self.codes {
            let vote = tokio::time::timeout(PATIENCE, self.votes.recv()).await;
            let vote = vote.map_err(|_| format!("{} votes of {}", votes.len(), self.codes))?;
            votes.push(vote.ok_or("the overseer ended")?);
        }
        Ok(votes)
    }

    /// Asks what the validator is to say of a candidate.
    pub async fn validate(
        &mut self,
        question: &Question,
        exec_kind: PvfExecKind,
    ) -> Result<Result<ValidationResult, ValidationFailed>, Box<dyn Error>> {
        let (response_sender, answer) = oneshot::channel();
        let message = CandidateValidationMessage::ValidateFromExhaustive {
            validation_data: question.pvd.clone(),
            validation_code: question.code.clone(),
            candidate_receipt: question.receipt.clone(),
            pov: question.pov.clone(),
            scheduling_session_index: super::relay_chain::SESSION,
            exec_kind,
            response_sender,
        };
        self.handle.send_msg(message, "a test").await;
        Ok(answer.await?)
    }

    /// Ends the overseer and its subsystems.
    pub async fn stop(mut self) -> Result<(), Box<dyn Error>> {
        self.handle.stop().await;
        Ok(self.task.await?)
    }
}

/// Starts the node's tasks on this program's runtime.
#[derive(Clone)]
struct Tasks;

impl SpawnNamed for Tasks {
    fn spawn_blocking(
        &self,
        name: &'static str,
        group: Option<&'static str>,
        future: BoxFuture<'static, ()>,
    ) {
        // The PVF host's task waits like any other.
        self.spawn(name, group, future);
    }

    fn spawn(&self, _: &'static str, _: Option<&'static str>, future: BoxFuture<'static, ()>) {
        tokio::spawn(future);
    }
}
