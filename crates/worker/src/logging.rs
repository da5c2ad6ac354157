//! What workers write to the standard error stream, which is the node's.
//!
//! The host sets `RUST_LOG` to the directives of the node. What a PVF logs goes there as well if they ask
//! for it: as text without anything that a terminal would obey, and no more than a journal can take.

use pvf_host::{LogRecord, LogSink};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that a PVF may log in one job.
const PVF_BYTES: usize = 64 * 1024;

/// Starts logging. Errors only, unless `RUST_LOG` says otherwise.
pub fn start() {
    let environment = env_logger::Env::default();
    // A second start, as in a test, changes nothing.
    let _ = env_logger::Builder::from_env(environment).try_init();
}

/// Takes the lines of a PVF.
pub fn pvf_sink() -> LogSink {
    let left = AtomicUsize::new(PVF_BYTES);
    Arc::new(move |record: &LogRecord<'_>| {
        let level = record.level.into();
        if !log::log_enabled!(target: "pvf", level) {
            return;
        }
        let bytes = record.target.len() + record.message.len();
        let enough = |left: usize| left.checked_sub(bytes);
        if left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, enough)
            .is_ok()
        {
            let (target, message) = (record.target.escape_debug(), record.message.escape_debug());
            log::log!(target: "pvf", level, "{target}: {message}");
        }
    })
}
