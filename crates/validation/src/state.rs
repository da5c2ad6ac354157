//! What belongs to one run: the data behind an instance.

use crate::heap::Heap;
use crate::parameters::{LogLevel, LogRecord, LogSink};
use crate::trace::Trace;
use pvf_runtime::HostFailure;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// A trace that its owner gets back after the run.
pub(crate) type SharedTrace = Arc<Mutex<dyn Trace>>;

/// The data of an instance.
pub(crate) struct HostState {
    /// The allocator. There is none while the start function runs, and therefore no
    /// access to memory either: so it is in Polkadot's nodes.
    pub(crate) heap: Option<Heap>,
    /// A failure of the host within a host function whose own errors are texts.
    pub(crate) failure: Option<HostFailure>,
    /// What the module said just before it trapped.
    pub(crate) panic_message: Option<String>,
    /// Whether batch verification has started and not ended.
    pub(crate) batch_started: bool,
    trace: Option<SharedTrace>,
    log: Option<LogSink>,
}

impl HostState {
    /// The state of an instance that does not exist yet.
    pub(crate) fn new(log: Option<LogSink>, trace: Option<SharedTrace>) -> Self {
        Self {
            heap: None,
            failure: None,
            panic_message: None,
            batch_started: false,
            trace,
            log,
        }
    }

    /// Whether somebody watches the host calls.
    pub(crate) fn is_watched(&self) -> bool {
        self.trace.is_some()
    }

    /// Shows the watcher something, if there is one. What it makes of it changes nothing here.
    pub(crate) fn watch(&self, show: impl FnOnce(&mut dyn Trace)) {
        if let Some(trace) = &self.trace {
            let mut trace = trace.lock().unwrap_or_else(PoisonError::into_inner);
            _ = catch_unwind(AssertUnwindSafe(|| show(&mut *trace)));
        }
    }

    /// Passes a line on. What becomes of it changes nothing here.
    pub(crate) fn log(&self, level: LogLevel, target: &str, message: &str) {
        let record = LogRecord {
            level,
            target,
            message,
        };
        _ = catch_unwind(AssertUnwindSafe(|| match &self.log {
            Some(sink) => sink(&record),
            None => log::log!(target: target, level.into(), "{message}"),
        }));
    }
}
