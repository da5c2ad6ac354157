//! The callback for what a PVF logs.

use pvf_validation::{LogLevel, LogSink};
use std::ffi::{c_char, c_void};
use std::sync::Arc;

/// How important a PVF thinks a log line is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum pvf_log_level_t {
    /// Errors.
    PVF_LOG_ERROR = 0,
    /// Warnings.
    PVF_LOG_WARN = 1,
    /// Useful information.
    PVF_LOG_INFO = 2,
    /// Details for the author.
    PVF_LOG_DEBUG = 3,
    /// All the rest.
    PVF_LOG_TRACE = 4,
}

/// Takes a line that a PVF logged. Cannot change an outcome.
///
/// It is called on the thread that executes the PVF, so by several at once if several execute. `target` (what part of
/// the PVF the line is from) and `message` are UTF-8 without a NUL at the end, and gone when it returns. They are
/// untrusted text. It must return: no exception, no longjmp.
pub type pvf_log_callback_t = Option<
    unsafe extern "C" fn(
        data: *mut c_void,
        level: pvf_log_level_t,
        target: *const c_char,
        target_size: usize,
        message: *const c_char,
        message_size: usize,
    ),
>;

/// The caller's data, passed on without being looked at.
struct Data(*mut c_void);

// SAFETY: the library never follows the pointer; the header demands that the callback can be called with it on any
// thread, by several at once.
unsafe impl Send for Data {}
// SAFETY: as for `Send`.
unsafe impl Sync for Data {}

/// A sink that calls back, if there is a callback.
pub fn sink(callback: pvf_log_callback_t, data: *mut c_void) -> Option<LogSink> {
    let callback = callback?;
    let data = Data(data);
    Some(Arc::new(move |record| {
        let Data(data) = &data;
        let (target, message) = (record.target, record.message);
        // SAFETY: by the header's rules the callback can be called on any thread as long as the PVF is alive; the
        // strings are, until it returns.
        unsafe {
            callback(
                *data,
                level(record.level),
                target.as_ptr().cast(),
                target.len(),
                message.as_ptr().cast(),
                message.len(),
            );
        }
    }))
}

fn level(level: LogLevel) -> pvf_log_level_t {
    match level {
        LogLevel::Error => pvf_log_level_t::PVF_LOG_ERROR,
        LogLevel::Warn => pvf_log_level_t::PVF_LOG_WARN,
        LogLevel::Info => pvf_log_level_t::PVF_LOG_INFO,
        LogLevel::Debug => pvf_log_level_t::PVF_LOG_DEBUG,
        LogLevel::Trace => pvf_log_level_t::PVF_LOG_TRACE,
    }
}
