//! The state of one run: the data of an instance.

use crate::heap::{Heap, HeapError};
use crate::parameters::{LogLevel, LogRecord, LogSink};
use crate::trace::Trace;
use pvf_runtime::HostFailure;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// A trace that its owner takes back after the run.
pub(crate) type SharedTrace = Arc<Mutex<dyn Trace>>;

/// The data of an instance.
pub(crate) struct HostState {
    /// The allocator. `None` while the start function runs; host functions then have no access to
    /// memory either, as in Polkadot's nodes.
    pub(crate) heap: Option<Heap>,
    /// A failure of the host in a host function whose own error type is text.
    pub(crate) failure: Option<HostFailure>,
    /// The panic message that the module registered before it trapped.
    pub(crate) panic_message: Option<String>,
    /// Whether batch verification was started and not ended.
    pub(crate) batch_started: bool,
    trace: Option<SharedTrace>,
    log: Option<LogSink>,
}

impl HostState {
    /// The state for a new instance.
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

    /// The text of an allocator's error, which is all that a host function can return. What is a failure of the host
    /// ends the run.
    pub(crate) fn keep_failure(&mut self, error: HeapError) -> String {
        let text = error.to_string();
        if let HeapError::Host(failure) = error {
            self.failure = Some(failure);
        }
        text
    }

    /// Whether the host calls are traced.
    pub(crate) fn is_watched(&self) -> bool {
        self.trace.is_some()
    }

    /// Passes an event to the trace, if there is one. A panic of the trace is caught and ignored.
    pub(crate) fn watch(&self, show: impl FnOnce(&mut dyn Trace)) {
        if let Some(trace) = &self.trace {
            let mut trace = trace.lock().unwrap_or_else(PoisonError::into_inner);
            _ = catch_unwind(AssertUnwindSafe(|| show(&mut *trace)));
        }
    }

    /// Passes a line to the log sink, or to the `log` crate. A panic of the sink is caught and
    /// ignored.
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
