//! Asking and ruling.

use crate::runs::Runner;
use crate::{Cause, Headroom, Limit, Rerun, Variant};
use pvf_executor::{Costs, Execution, Features, HostFailure, LoadError, Outcome, TrapKind};
use pvf_validation::{HostParameters, Network};
use std::num::NonZeroUsize;
use std::time::Duration;

/// What is disputed.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The blob: the module as it is on chain, compressed or not.
    pub blob: &'a [u8],
    /// The candidate: SCALE-encoded `ValidationParams`.
    pub candidate: &'a [u8],
    /// The accepted language.
    pub features: Features,
    /// What instructions cost.
    pub costs: Costs,
    /// The network's parameters.
    pub parameters: HostParameters,
    /// Threads that compile.
    pub threads: NonZeroUsize,
    /// How long a run may take, on the clock. [`MOST_RUNS`] says how many there are at most.
    pub time: Option<Duration>,
}

/// The most runs that a ruling takes.
pub const MOST_RUNS: u32 = 8;

impl<'a> Question<'a> {
    /// With what Polkadot's network has set ([`Network::Polkadot`]), compiled on one thread.
    pub fn new(blob: &'a [u8], candidate: &'a [u8]) -> Self {
        Self {
            blob,
            candidate,
            features: Features::POLKADOT,
            costs: Costs::default(),
            parameters: HostParameters::of_network(Network::Polkadot),
            threads: NonZeroUsize::MIN,
            time: None,
        }
    }
}

/// Why there is no ruling: this machine could not do its part.
#[derive(Debug, thiserror::Error)]
pub enum ArbiterError {
    /// Code cannot be placed in memory.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A module could not be prepared or a run not be made.
    #[error(transparent)]
    Host(#[from] HostFailure),
}

/// Two runs that should be the same and are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The other run; the first is as asked.
    pub variant: Variant,
    /// What differs first.
    pub field: &'static str,
    /// As asked.
    pub first: String,
    /// In the other.
    pub second: String,
}

/// What the arbiter says.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// The outcome, with both stacks and gas counted.
    pub execution: Execution,
    /// All runs, in the order in which they were made.
    pub runs: Vec<Rerun>,
    /// What is different where nothing should be; then there is no ruling to rely on.
    pub differences: Vec<Difference>,
    /// Why it fails; nothing if it is valid.
    pub cause: Option<Cause>,
    /// What happens without the limit that decided.
    pub without_limit: Option<Execution>,
    /// Runs without a limit that did not end in their time.
    pub unfinished: Vec<Variant>,
    /// How close the run came to each limit.
    pub headroom: Vec<Headroom>,
}

impl Ruling {
    /// Whether every run that has to agree does.
    pub fn is_deterministic(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Runs a disputed candidate and rules.
///
/// # Errors
/// [`ArbiterError`]: about module and candidate nothing is said. [`HostFailure::Interrupted`] if a run that has to end does not in its time.
pub fn arbitrate(question: &Question<'_>) -> Result<Ruling, ArbiterError> {
    let mut runner = Runner::new(question);
    let mut runs = Vec::new();
    for variant in Variant::SAME {
        runs.push(runner.run(variant)?);
    }
    let (first, others) = (&runs[0], &runs[1..]);
    let execution = first.execution.clone();
    let differences = others
        .iter()
        .filter_map(|other| difference(&execution, other))
        .collect();
    let mut cause = Cause::of(&execution);
    let (mut without_limit, mut unfinished) = (None, Vec::new());
    for limit in suspects(&execution, question) {
        let mut lifted = None;
        for variant in [
            Variant::Without(limit),
            Variant::Bounded(limit, bound(&execution)),
        ] {
            match runner.run(variant) {
                Ok(run) => lifted = Some(run),
                // It goes on and on. With a bound of gas it may be seen how.
                Err(ArbiterError::Host(HostFailure::Interrupted)) => {
                    unfinished.push(variant);
                    continue;
                }
                Err(error) => return Err(error),
            }
            break;
        }
        let Some(lifted) = lifted else {
            continue;
        };
        let decided = decides(limit, &execution, &lifted.execution);
        runs.push(lifted.clone());
        if decided {
            cause = cause.map(|cause| cause.with_limit(limit));
            without_limit = Some(lifted.execution);
            break;
        }
    }
    Ok(Ruling {
        headroom: Headroom::of(&execution, &question.parameters.execution),
        execution,
        runs,
        differences,
        cause,
        without_limit,
        unfinished,
    })
}

/// Gas after which a run without a limit has gone on long enough.
fn bound(execution: &Execution) -> u64 {
    execution
        .gas_used
        .unwrap_or(0)
        .saturating_mul(10)
        .saturating_add(1_000_000)
}

/// The limits that may be behind a failure.
fn suspects(execution: &Execution, question: &Question<'_>) -> Vec<Limit> {
    let asked = &question.parameters.execution;
    let Outcome::Invalid { trap, .. } = &execution.outcome else {
        return vec![];
    };
    match trap.as_ref().map(|trap| trap.kind) {
        Some(TrapKind::StackOverflow) if asked.stack_logical_max.is_some() => {
            vec![Limit::LogicalStack, Limit::NativeStack]
        }
        Some(TrapKind::StackOverflow) => vec![Limit::NativeStack],
        Some(TrapKind::OutOfGas) => vec![Limit::Gas],
        // An allocator that ran out of space, or a program that gives up when it gets no memory. What the peak shows
        // is not asked: a request too large leaves no trace in it.
        Some(TrapKind::HostError | TrapKind::Unreachable) | None => vec![Limit::Memory],
        Some(_) => vec![],
    }
}

/// Whether a limit decided, given what happens without it. Without a stack limit or a gas limit the run goes on where it had
/// ended, which shows in the gas; more memory may change the way to the same failure, which is then another's.
fn decides(limit: Limit, with: &Execution, without: &Execution) -> bool {
    let another_way = limit != Limit::Memory && with.gas_used != without.gas_used;
    another_way || describe(with) != describe(without)
}

/// The first thing that differs of what the rules cover.
fn difference(first: &Execution, other: &Rerun) -> Option<Difference> {
    let second = &other.execution;
    let pairs = [
        ("outcome", describe(first), describe(second)),
        (
            "gas used",
            format!("{:?}", first.gas_used),
            format!("{:?}", second.gas_used),
        ),
        (
            "native stack peak",
            first.stack.native.to_string(),
            second.stack.native.to_string(),
        ),
        (
            "logical stack peak",
            format!("{:?}", first.stack.logical),
            format!("{:?}", second.stack.logical),
        ),
        (
            "memory peak",
            first.memory_pages_peak.to_string(),
            second.memory_pages_peak.to_string(),
        ),
    ];
    let (field, first, second) = pairs.into_iter().find(|(_, a, b)| a != b)?;
    Some(Difference {
        variant: other.variant,
        field,
        first,
        second,
    })
}

/// The outcome as far as it is one: texts and places are not part of it (rule OUT-6).
fn describe(execution: &Execution) -> String {
    match &execution.outcome {
        Outcome::Valid(bytes) => format!("valid, {} bytes: {bytes:02x?}", bytes.len()),
        Outcome::Invalid { trap, .. } => match trap {
            Some(trap) => format!("invalid: {}", trap.kind),
            None => "invalid".to_owned(),
        },
        Outcome::Rejected(rejection) => format!("rejected: {:?}", rejection.stage()),
    }
}
