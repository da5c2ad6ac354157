//! The parameters on which an outcome depends besides module and candidate, and the sink for log
//! lines.

use pvf_primitives::{ExecutorHostFunction, ExecutorParams, Network};
use pvf_rules::{ExecutionParameters, MOST_MEMORY_PAGES};
use std::fmt;
use std::sync::Arc;

/// The result of `ext_logging_max_level_version_1` on every node: `1`, errors only.
///
/// Polkadot's own workers return the log level of their node, so a module could distinguish nodes
/// and behave differently on each. A deterministic rule has to exclude that. The value is that of a
/// worker whose node was started without log directives.
pub const MAX_LOG_LEVEL: u32 = LogLevel::Error as u32 + 1;

/// Parameters of the execution environment.
#[derive(Clone)]
pub struct HostParameters {
    /// Whether the 12 elliptic-curve functions of RFC 163 exist (Polkadot's executor parameter
    /// `EnabledHostFunction(EccRfc163)`). If not, a call of one is a call to a missing function.
    pub ecc_rfc163: bool,
    /// Limits of memory, stack and gas.
    pub execution: ExecutionParameters,
    /// Receives the lines that the module logs or prints. If it is `None`, lines go to the `log`
    /// crate. Neither can change an outcome.
    pub log: Option<LogSink>,
}

impl Default for HostParameters {
    /// The protocol's defaults, which apply on networks that set no parameters. See
    /// [`HostParameters::of_network`] for the other networks.
    fn default() -> Self {
        Self {
            ecc_rfc163: false,
            execution: ExecutionParameters::POLKADOT,
            log: None,
        }
    }
}

/// The limits of execution by the executor parameters of a session. Parameters that `params` does
/// not contain have the protocol's defaults.
pub fn execution_parameters(params: &ExecutorParams) -> ExecutionParameters {
    let mut limits = ExecutionParameters::POLKADOT;
    if let Some(pages) = params.max_memory_pages() {
        limits.max_memory_pages = pages.min(MOST_MEMORY_PAGES);
    }
    if let Some(units) = params.stack_logical_max() {
        limits.stack_logical_max = Some(units);
    }
    if let Some(bytes) = params.stack_native_max() {
        limits.stack_native_max = bytes.into();
    }
    limits
}

impl HostParameters {
    /// The environment by the executor parameters of a session, without a log sink.
    pub fn of_session(params: &ExecutorParams) -> Self {
        Self {
            ecc_rfc163: params.enables(ExecutorHostFunction::EccRfc163),
            execution: execution_parameters(params),
            log: None,
        }
    }

    /// The environment of a network, as far as it is known here.
    pub fn of_network(network: Network) -> Self {
        Self::of_session(&network.executor_params())
    }
}

impl fmt::Debug for HostParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostParameters")
            .field("ecc_rfc163", &self.ecc_rfc163)
            .field("execution", &self.execution)
            .field("log", &self.log.as_ref().map(|_| "a sink"))
            .finish()
    }
}

/// Receives log lines. A panic in it is caught and ignored.
pub type LogSink = Arc<dyn Fn(&LogRecord<'_>) + Send + Sync>;

/// One line that a module logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRecord<'a> {
    /// The level that the module gave.
    pub level: LogLevel,
    /// The target that the module gave: the part of the module that logs.
    pub target: &'a str,
    /// The text.
    pub message: &'a str,
}

/// A log level, with the code that the host functions use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Errors.
    Error = 0,
    /// Warnings.
    Warn = 1,
    /// Useful information.
    Info = 2,
    /// Details for developers.
    Debug = 3,
    /// The most detailed level.
    Trace = 4,
}

impl LogLevel {
    /// The level with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Error,
            1 => Self::Warn,
            2 => Self::Info,
            3 => Self::Debug,
            4 => Self::Trace,
            _ => return None,
        })
    }
}

impl From<LogLevel> for log::Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}
