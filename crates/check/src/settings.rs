//! What a runtime is checked against.

use crate::Node;
use pvf_executor::{ExecutionParameters, Features, Profile};
use pvf_primitives::{ExecutorHostFunction, ExecutorParams, HostLimits, Network};
use pvf_validation::execution_parameters;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// A network's parameters, a node's version, and how to measure.
#[derive(Clone)]
pub struct Settings<'a> {
    /// The executor parameters in force.
    pub params: ExecutorParams,
    /// The limits of execution by these parameters, or changed ones.
    pub execution: ExecutionParameters,
    /// The limits of the network's configuration.
    pub limits: HostLimits,
    /// Whether the elliptic-curve functions are enabled.
    pub ecc_rfc163: bool,
    /// The node.
    pub node: Node,
    /// The accepted language.
    pub features: Features,
    /// Threads that compile.
    pub threads: NonZeroUsize,
    /// How long making an instance may take.
    pub time: Option<Duration>,
    /// Runs what it is given and says what that took.
    pub meter: &'a dyn Fn(&mut dyn FnMut()) -> Usage,
    /// The node's time for a preparation by ours without verification, if an estimate is wanted.
    pub stock: Option<StockRatio>,
}

/// What an action took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nanoseconds of the clock.
    pub wall_ns: u64,
    /// Nanoseconds of all processors; `None` if not measured.
    pub cpu_ns: Option<u64>,
    /// Largest sum of live allocations; `None` if not measured.
    pub peak_bytes: Option<u64>,
}

/// The node's time by ours, as it was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StockRatio {
    /// The ratio.
    pub ratio: f64,
    /// When it was measured.
    pub measured: &'static str,
    /// How.
    pub source: &'static str,
}

/// A meter that measures nothing but the clock.
pub fn unmeasured(action: &mut dyn FnMut()) -> Usage {
    let start = Instant::now();
    action();
    Usage {
        wall_ns: u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
        ..Usage::default()
    }
}

impl Settings<'static> {
    /// A network as it is known here, the newest node, one thread, and no measurements.
    pub fn of_network(network: Network) -> Self {
        Self::new(network.executor_params(), network.host_limits())
    }

    /// These parameters, the newest node, one thread, and no measurements.
    pub fn new(params: ExecutorParams, limits: HostLimits) -> Self {
        Self {
            execution: execution_parameters(&params),
            ecc_rfc163: params.enables(ExecutorHostFunction::EccRfc163),
            params,
            limits,
            node: Node::NEWEST,
            features: Profile::Polkadot.features(),
            threads: NonZeroUsize::MIN,
            time: Some(Duration::from_secs(60)),
            meter: &unmeasured,
            stock: None,
        }
    }
}
