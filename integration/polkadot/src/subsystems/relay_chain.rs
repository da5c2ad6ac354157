//! Answers to what the subsystems ask of the relay chain: one block, one validator, one session.

use async_trait::async_trait;
use polkadot_node_subsystem::messages::{ChainApiMessage, RuntimeApiMessage, RuntimeApiRequest};
use polkadot_node_subsystem::{FromOrchestra, OverseerSignal, SpawnedSubsystem, SubsystemError};
use polkadot_overseer::{HeadSupportsParachains, Subsystem, SubsystemContext};
use polkadot_primitives::{
    ExecutorParams, Hash, NodeFeatures, PvfCheckStatement, ValidationCode, ValidationCodeHash,
    ValidatorId, ValidatorSignature,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The only session.
pub const SESSION: u32 = 1;

/// The version of the runtime's interface that the node knows last.
const VERSION: u32 = 16;

/// The depth of the claim queue.
const LOOKAHEAD: u32 = 3;

/// Largest decompressed code.
const CODE_LIMIT: u32 = 50 << 20;

/// A vote on a code, as the subsystem hands it in.
pub struct Vote {
    /// What is voted.
    pub statement: PvfCheckStatement,
    /// The validator's signature of it.
    pub signature: ValidatorSignature,
}

/// The state of the relay chain.
#[derive(Clone)]
pub struct RelayChain {
    /// The only validator.
    pub validator: ValidatorId,
    /// Codes to vote on.
    pub codes: Arc<HashMap<ValidationCodeHash, ValidationCode>>,
    /// Parameters of the session.
    pub params: ExecutorParams,
    /// Where votes go.
    pub votes: mpsc::UnboundedSender<Vote>,
}

impl RelayChain {
    /// Answers a request. A request without an answer here fails for who asked.
    fn answer(&self, request: RuntimeApiRequest) {
        use RuntimeApiRequest as Ask;
        // The receiver may not wait any more.
        match request {
            Ask::Version(to) => drop(to.send(Ok(VERSION))),
            Ask::Validators(to) => drop(to.send(Ok(vec![self.validator.clone()]))),
            Ask::SessionIndexForChild(to) => drop(to.send(Ok(SESSION))),
            Ask::SessionExecutorParams(_, to) => drop(to.send(Ok(Some(self.params.clone())))),
            Ask::NodeFeatures(_, to) => drop(to.send(Ok(NodeFeatures::default()))),
            Ask::ValidationCodeBombLimit(_, to) => drop(to.send(Ok(CODE_LIMIT))),
            Ask::SchedulingLookahead(_, to) => drop(to.send(Ok(LOOKAHEAD))),
            Ask::ClaimQueue(to) => drop(to.send(Ok(BTreeMap::new()))),
            Ask::PvfsRequirePrecheck(to) => {
                drop(to.send(Ok(self.codes.keys().copied().collect())));
            }
            Ask::ValidationCodeByHash(hash, to) => {
                drop(to.send(Ok(self.codes.get(&hash).cloned())));
            }
            Ask::SubmitPvfCheckStatement(statement, signature, to) => {
                let handed_in = self.votes.send(Vote {
                    statement,
                    signature,
                });
                if handed_in.is_ok() {
                    drop(to.send(Ok(())));
                }
            }
            _ => {}
        }
    }
}

impl<Context> Subsystem<Context, SubsystemError> for RelayChain
where
    Context: SubsystemContext<
            Message = RuntimeApiMessage,
            Signal = OverseerSignal,
            Error = SubsystemError,
        >,
{
    fn start(self, mut context: Context) -> SpawnedSubsystem {
        let future = async move {
            loop {
                match context.recv().await? {
                    FromOrchestra::Signal(OverseerSignal::Conclude) => return Ok(()),
                    FromOrchestra::Signal(_) => {}
                    FromOrchestra::Communication {
                        msg: RuntimeApiMessage::Request(_, request),
                    } => self.answer(request),
                }
            }
        };
        SpawnedSubsystem {
            name: "relay-chain",
            future: Box::pin(future),
        }
    }
}

/// A chain whose blocks have no ancestors.
pub struct NoAncestors;

impl<Context> Subsystem<Context, SubsystemError> for NoAncestors
where
    Context: SubsystemContext<Message = ChainApiMessage, Signal = OverseerSignal, Error = SubsystemError>,
{
    fn start(self, mut context: Context) -> SpawnedSubsystem {
        let future = async move {
            loop {
                match context.recv().await? {
                    FromOrchestra::Signal(OverseerSignal::Conclude) => return Ok(()),
                    FromOrchestra::Communication {
                        msg:
                            ChainApiMessage::Ancestors {
                                response_channel, ..
                            },
                    } => drop(response_channel.send(Ok(Vec::new()))),
                    FromOrchestra::Signal(_) | FromOrchestra::Communication { .. } => {}
                }
            }
        };
        SpawnedSubsystem {
            name: "no-ancestors",
            future: Box::pin(future),
        }
    }
}

/// Every block has the interface for parachains.
pub struct Always;

#[async_trait]
impl HeadSupportsParachains for Always {
    async fn head_supports_parachains(&self, _: &Hash) -> bool {
        true
    }
}
