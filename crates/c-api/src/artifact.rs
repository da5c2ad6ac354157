//! Preparation, and artifacts as bytes and files.

use crate::border;
use crate::bytes::pvf_byte_vec_t;
use crate::error::{pvf_error_t, pvf_status_t};
use crate::parameters::{Parameters, pvf_parameters_t};
use pvf_executor::{
    Artifact, NotPrepared, Purpose, Rules, artifact_digest, prepare, write_artifact,
};
use std::ffi::c_char;

/// Prepared code: machine code with what belongs to it. Becomes a pvf_t to be executed, or bytes to be kept.
pub struct pvf_artifact_t {
    pub artifact: Artifact,
}

/// Bytes of a digest.
pub const PVF_DIGEST_BYTES: usize = 32;

/// Prepares code: a module as it is on chain, in the binary format, compressed as Substrate does or not.
///
/// REJECTED if the code is not acceptable to a validator that compiles it, which is the same on every machine: it cannot be
/// decompressed, is not the accepted language, or is beyond a limit. The message says what and where, pvf_error_rule by which rule.
/// Imports are resolved when candidates are judged: if they cannot be, every outcome is "rejected", at the stage "construct".
/// HOST or INTERNAL if this machine or the library could not do its part, which says nothing about the code. INTERNAL is also
/// what code is that the verifier refuses: the machine code is checked against the module before the artifact is returned.
/// Takes from the parameters the meters, the gas schedule and the number of threads. The artifact's bytes depend on the code, the
/// meters, the schedule, the version of the library and the instruction set alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_prepare(
    code: *const u8,
    code_size: usize,
    parameters: *const pvf_parameters_t,
    artifact: *mut *mut pvf_artifact_t,
    error: *mut *mut pvf_error_t,
) -> pvf_status_t {
    let body = || {
        // SAFETY: by the header's rules.
        let (code, parameters) = unsafe {
            let code = border::bytes(code, code_size, "the code")?;
            (code, Parameters::from_caller(parameters)?)
        };
        match prepared(code, &parameters) {
            Ok(artifact) => Ok(pvf_artifact_t { artifact }),
            Err(NotPrepared::Rejected(rejection)) => Err(pvf_error_t::rejected(&rejection)),
            Err(NotPrepared::Failed(failure)) => Err(failure.into()),
        }
    };
    // SAFETY: by the header's rules.
    unsafe { border::make(artifact, error, body) }
}

/// Prepares code as nodes do to execute it. Text and chain specifications are not taken: on a chain they are not code, and
/// what a validator does may not depend on what a tool finds handy.
pub fn prepared(code: &[u8], parameters: &Parameters) -> Result<Artifact, NotPrepared> {
    let rules = Rules::new(parameters.compile.clone(), Purpose::Execution);
    prepare(code, &rules).map(|prepared| prepared.artifact)
}

/// Makes an artifact of bytes that pvf_artifact_to_bytes or pvf_artifact_write gave.
///
/// WARNING: an artifact holds machine code, which pvf_new makes executable. What is checked (version, lengths, checksum) finds
/// accidents and not forgeries: bytes chosen by an attacker run any code in this process. Take artifacts from
/// nowhere but a place that only you can write to, never from a network.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_artifact_from_bytes(
    bytes: *const u8,
    size: usize,
    artifact: *mut *mut pvf_artifact_t,
    error: *mut *mut pvf_error_t,
) -> pvf_status_t {
    let body = || {
        // SAFETY: by the header's rules.
        let bytes = unsafe { border::bytes(bytes, size, "the artifact's bytes") }?;
        // SAFETY: by the header's warning.
        let artifact = unsafe { Artifact::from_bytes(bytes) }
            .map_err(|error| pvf_error_t::new(pvf_status_t::PVF_STATUS_ARTIFACT, error))?;
        Ok(pvf_artifact_t { artifact })
    };
    // SAFETY: by the header's rules.
    unsafe { border::make(artifact, error, body) }
}

/// Gives the bytes of an artifact, to be kept and read by pvf_artifact_from_bytes of the same version of the library.
///
/// Overwrites `bytes` without deleting what it was; it is empty if the call fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_artifact_to_bytes(
    artifact: *const pvf_artifact_t,
    bytes: *mut pvf_byte_vec_t,
    error: *mut *mut pvf_error_t,
) -> pvf_status_t {
    let body = || {
        if bytes.is_null() {
            return Err(pvf_error_t::argument("no place for the bytes: NULL"));
        }
        // SAFETY: by the header's rules.
        unsafe {
            bytes.write(pvf_byte_vec_t::EMPTY);
            let artifact = border::handle(artifact, "the artifact")?;
            bytes.write(pvf_byte_vec_t::new(artifact.artifact.to_bytes()));
        }
        Ok(())
    };
    // SAFETY: by the header's rules.
    unsafe { border::run(error, body) }
}

/// Writes an artifact to a file, whole or not at all: readers see the old file or the new one. See pvf_open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_artifact_write(
    artifact: *const pvf_artifact_t,
    path: *const c_char,
    error: *mut *mut pvf_error_t,
) -> pvf_status_t {
    let body = || {
        // SAFETY: by the header's rules.
        let (artifact, path) = unsafe {
            (
                border::handle(artifact, "the artifact")?,
                border::path(path)?,
            )
        };
        let failed = |source| {
            let message = format!("cannot write {}: {source}", path.display());
            pvf_error_t::new(pvf_status_t::PVF_STATUS_IO, message)
        };
        write_artifact(&artifact.artifact, path).map_err(failed)?;
        Ok(())
    };
    // SAFETY: by the header's rules.
    unsafe { border::run(error, body) }
}

/// Writes the BLAKE2b-256 of an artifact's bytes to `digest`, 32 bytes; it tells whether two machines prepared the same.
/// ARGUMENT if something is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_artifact_digest(
    artifact: *const pvf_artifact_t,
    digest: *mut u8,
) -> pvf_status_t {
    let body = || {
        // SAFETY: by the header's rules.
        let artifact = unsafe { border::handle(artifact, "the artifact") }?;
        if digest.is_null() {
            return Err(pvf_error_t::argument("no place for the digest: NULL"));
        }
        let found: [u8; PVF_DIGEST_BYTES] = artifact_digest(&artifact.artifact.to_bytes());
        // SAFETY: by the header's rules.
        unsafe { digest.cast::<[u8; PVF_DIGEST_BYTES]>().write(found) };
        Ok(())
    };
    // SAFETY: NULL is allowed.
    unsafe { border::run(std::ptr::null_mut(), body) }
}

/// Deletes an artifact. What was made of it lives on. NULL: nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_artifact_delete(artifact: *mut pvf_artifact_t) {
    // SAFETY: by the header's rules.
    unsafe { border::delete(artifact) }
}

#[cfg(test)]
mod tests;
