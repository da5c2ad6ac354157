//! Statuses and error objects: why a function could not do what it was asked to.

use crate::border;
use pvf_executor::{LoadError, OpenModuleError, ReadArtifactError, Rejection};
use pvf_validation::HostFailure;
use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt::Display;

/// What became of a call.
///
/// Only OK and REJECTED say something about the code or the candidate. All others are about this call on
/// this machine and never an outcome: a node must not vote on them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum pvf_status_t {
    /// It did what it should. An outcome of "invalid" or "rejected" is OK too.
    PVF_STATUS_OK = 0,
    /// An argument is NULL that may not be, or a size is impossible.
    PVF_STATUS_ARGUMENT = 1,
    /// The parameters are not possible, or not those that the artifact was prepared with.
    PVF_STATUS_PARAMETERS = 2,
    /// pvf_prepare rejected the code, as every machine does. pvf_validate makes an outcome of this.
    PVF_STATUS_REJECTED = 3,
    /// The bytes or the file are not an intact artifact of this version and this machine's instruction set.
    PVF_STATUS_ARTIFACT = 4,
    /// A file could not be read or written.
    PVF_STATUS_IO = 5,
    /// The machine could not do its part (memory, address space, processor). It may be worth trying again.
    PVF_STATUS_HOST = 6,
    /// The library is broken; please report the message.
    PVF_STATUS_INTERNAL = 7,
    /// Somebody raised the interrupt, or the time was up (timeout_ms): the candidate has not been judged.
    PVF_STATUS_INTERRUPTED = 8,
}

/// Why a call failed: a status and a message.
#[derive(Debug)]
pub struct pvf_error_t {
    status: pvf_status_t,
    message: CString,
    rule: Option<CString>,
}

impl pvf_error_t {
    pub fn new(status: pvf_status_t, message: impl Display) -> Self {
        Self {
            status,
            message: border::c_string(&message.to_string()),
            rule: None,
        }
    }

    /// Code was rejected.
    pub fn rejected(rejection: &Rejection) -> Self {
        Self {
            rule: Some(border::c_string(rejection.rule.as_str())),
            ..Self::new(pvf_status_t::PVF_STATUS_REJECTED, rejection.reason())
        }
    }

    pub fn argument(message: impl Display) -> Self {
        Self::new(pvf_status_t::PVF_STATUS_ARGUMENT, message)
    }

    pub fn parameters(message: impl Display) -> Self {
        Self::new(pvf_status_t::PVF_STATUS_PARAMETERS, message)
    }

    pub fn status(&self) -> pvf_status_t {
        self.status
    }

    #[cfg(test)]
    pub fn message(&self) -> &CStr {
        &self.message
    }
}

impl From<HostFailure> for pvf_error_t {
    fn from(failure: HostFailure) -> Self {
        let status = match failure {
            HostFailure::Uncounted { .. } => pvf_status_t::PVF_STATUS_PARAMETERS,
            HostFailure::Interrupted => pvf_status_t::PVF_STATUS_INTERRUPTED,
            HostFailure::Internal(_) => pvf_status_t::PVF_STATUS_INTERNAL,
            _ => pvf_status_t::PVF_STATUS_HOST,
        };
        Self::new(status, failure)
    }
}

impl From<LoadError> for pvf_error_t {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Failure(failure) => failure.into(),
            error => Self::new(load_status(&error), error),
        }
    }
}

impl From<OpenModuleError> for pvf_error_t {
    fn from(error: OpenModuleError) -> Self {
        let status = match &error {
            OpenModuleError::Read(ReadArtifactError::Io { .. }) => pvf_status_t::PVF_STATUS_IO,
            OpenModuleError::Read(ReadArtifactError::Artifact { .. }) => {
                pvf_status_t::PVF_STATUS_ARTIFACT
            }
            OpenModuleError::Load { source, .. } => load_status(source),
        };
        Self::new(status, error)
    }
}

fn load_status(error: &LoadError) -> pvf_status_t {
    match error {
        LoadError::Target { .. } | LoadError::Artifact(_) | LoadError::Inconsistent { .. } => {
            pvf_status_t::PVF_STATUS_ARTIFACT
        }
        _ => pvf_status_t::PVF_STATUS_HOST,
    }
}

/// The status that the call returned. NULL: OK.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_error_status(error: *const pvf_error_t) -> pvf_status_t {
    // SAFETY: by the header's rules.
    unsafe { border::get(error, pvf_status_t::PVF_STATUS_OK, |error| error.status) }
}

/// What went wrong, in English, UTF-8. Lives as long as the error. NULL: "".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_error_message(error: *const pvf_error_t) -> *const c_char {
    // SAFETY: by the header's rules.
    unsafe { border::get(error, c"".as_ptr(), |error| error.message.as_ptr()) }
}

/// The number of the rule of the specification by which pvf_prepare turned code down, such as "LIMIT-2". Lives as long as the error.
/// NULL if the status is not REJECTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_error_rule(error: *const pvf_error_t) -> *const c_char {
    let none = std::ptr::null();
    let read = |it: &pvf_error_t| it.rule.as_ref().map_or(none, |rule| rule.as_ptr());
    // SAFETY: by the header's rules.
    unsafe { border::get(error, none, read) }
}

/// Deletes an error. NULL: nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_error_delete(error: *mut pvf_error_t) {
    // SAFETY: by the header's rules.
    unsafe { border::delete(error) }
}

/// A status in a few words, such as "not an intact artifact". Static; "unknown status" for any other number.
#[unsafe(no_mangle)]
pub extern "C" fn pvf_status_name(status: c_int) -> *const c_char {
    let name: &CStr = match status {
        0 => c"ok",
        1 => c"wrong argument",
        2 => c"wrong parameters",
        3 => c"code rejected",
        4 => c"not an intact artifact",
        5 => c"file not readable or writable",
        6 => c"failure of the machine",
        7 => c"internal error",
        8 => c"interrupted",
        _ => c"unknown status",
    };
    name.as_ptr()
}
