//! PVFs ready to judge candidates.

use crate::artifact::{prepared, pvf_artifact_t};
use crate::border;
use crate::error::{pvf_error_t, pvf_status_t};
use crate::interrupt::pvf_interrupt_t;
use crate::outcome::pvf_outcome_t;
use crate::parameters::{Parameters, pvf_parameters_t};
use pvf_executor::{Execution, HostFailure, Interrupt, Module, NotPrepared, open_module};
use pvf_validation::Pvf;
use std::ffi::c_char;
use std::time::Duration;

/// A PVF ready to be executed, with its parameters. The one handle that any number of threads may use at the same time.
pub struct pvf_t {
    pvf: Pvf,
    timeout: Option<Duration>,
}

const _: () = {
    const fn any_thread<T: Send + Sync>() {}
    any_thread::<pvf_t>();
};

impl pvf_t {
    fn new(module: Module, parameters: Parameters) -> Result<Self, pvf_error_t> {
        parameters.check_meters(&module.info().meters)?;
        Ok(Self {
            pvf: Pvf::new(module, parameters.host),
            timeout: parameters.timeout,
        })
    }

    fn execute(
        &self,
        candidate: &[u8],
        interrupt: Option<&Interrupt>,
    ) -> Result<Execution, HostFailure> {
        match (interrupt, self.timeout) {
            (None, None) => self.pvf.validate(candidate),
            (Some(interrupt), time) => interrupt.during(time, || self.pvf.validate(candidate))?,
            (None, time) => Interrupt::new().during(time, || self.pvf.validate(candidate))?,
        }
    }
}

/// Makes a PVF of an artifact, which stays the caller's and can be deleted or used again, with other limits too.
///
/// PARAMETERS if the meters are not those that the artifact was prepared with; ARTIFACT if it is for another
/// instruction set. Takes from the parameters all but the number of threads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_new(
    artifact: *const pvf_artifact_t,
    parameters: *const pvf_parameters_t,
    pvf: *mut *mut pvf_t,
    error: *mut *mut pvf_error_t,
) -> pvf_status_t {
    let body = || {
        // SAFETY: by the header's rules.
        let (artifact, parameters) = unsafe {
            let artifact = border::handle(artifact, "the artifact")?;
            (artifact, Parameters::from_caller(parameters)?)
        };
        pvf_t::new(Module::new(artifact.artifact.clone())?, parameters)
    };
    // SAFETY: by the header's rules.
    unsafe { border::make(pvf, error, body) }
}

/// Makes a PVF of a file that pvf_artifact_write wrote: it is mapped and executed where it lies, which is by far the
/// fastest way.
///
/// The WARNING at pvf_artifact_from_bytes holds here. The file may be replaced or deleted while the PVF exists, but never
/// changed in place; if it is cut short, executions end with HOST.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_open(
    path: *const c_char,
    parameters: *const pvf_parameters_t,
    pvf: *mut *mut pvf_t,
    error: *mut *mut pvf_error_t,
) -> pvf_status_t {
    let body = || {
        // SAFETY: by the header's rules.
        let (path, parameters) =
            unsafe { (border::path(path)?, Parameters::from_caller(parameters)?) };
        // SAFETY: by the header's warning.
        pvf_t::new(unsafe { open_module(path) }?, parameters)
    };
    // SAFETY: by the header's rules.
    unsafe { border::make(pvf, error, body) }
}

/// Executes a PVF: judges a candidate, in an instance of its own.
///
/// `candidate` is the SCALE-encoded ValidationParams, passed to the PVF as it is. If the status is OK there is an
/// outcome, whatever it says; if not, the candidate has not been judged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_execute(
    pvf: *const pvf_t,
    candidate: *const u8,
    candidate_size: usize,
    outcome: *mut *mut pvf_outcome_t,
    error: *mut *mut pvf_error_t,
) -> pvf_status_t {
    let body = || {
        // SAFETY: by the header's rules.
        let (pvf, candidate) = unsafe {
            let pvf = border::handle(pvf, "the PVF")?;
            let candidate = border::bytes(candidate, candidate_size, "the candidate")?;
            (pvf, candidate)
        };
        Ok(pvf_outcome_t::new(pvf.execute(candidate, None)?))
    };
    // SAFETY: by the header's rules.
    unsafe { border::make(outcome, error, body) }
}

/// As pvf_execute, but ends with INTERRUPTED and without an outcome when the interrupt is raised, by whatever thread. Any number of
/// executions can be under one interrupt. What a host function is doing it does to its end. NULL for the interrupt: as pvf_execute.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_execute_interruptible(
    pvf: *const pvf_t,
    candidate: *const u8,
    candidate_size: usize,
    interrupt: *const pvf_interrupt_t,
    outcome: *mut *mut pvf_outcome_t,
    error: *mut *mut pvf_error_t,
) -> pvf_status_t {
    let body = || {
        // SAFETY: by the header's rules.
        let (pvf, candidate, interrupt) = unsafe {
            let pvf = border::handle(pvf, "the PVF")?;
            let candidate = border::bytes(candidate, candidate_size, "the candidate")?;
            (pvf, candidate, interrupt.as_ref())
        };
        let interrupt = interrupt.map(|it| &it.interrupt);
        Ok(pvf_outcome_t::new(pvf.execute(candidate, interrupt)?))
    };
    // SAFETY: by the header's rules.
    unsafe { border::make(outcome, error, body) }
}

/// Prepares and executes in one: pvf_prepare, pvf_new, pvf_execute, and everything but the outcome deleted. Code that
/// pvf_prepare rejects gives the outcome "rejected", too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_validate(
    code: *const u8,
    code_size: usize,
    candidate: *const u8,
    candidate_size: usize,
    parameters: *const pvf_parameters_t,
    outcome: *mut *mut pvf_outcome_t,
    error: *mut *mut pvf_error_t,
) -> pvf_status_t {
    let body = || {
        // SAFETY: by the header's rules.
        let (code, candidate, parameters) = unsafe {
            let code = border::bytes(code, code_size, "the code")?;
            let candidate = border::bytes(candidate, candidate_size, "the candidate")?;
            (code, candidate, Parameters::from_caller(parameters)?)
        };
        Ok(pvf_outcome_t::new(match prepared(code, &parameters) {
            Ok(artifact) => {
                pvf_t::new(Module::new(artifact)?, parameters)?.execute(candidate, None)?
            }
            Err(NotPrepared::Rejected(rejection)) => Execution::rejected(rejection),
            Err(NotPrepared::Failed(failure)) => return Err(failure.into()),
        }))
    };
    // SAFETY: by the header's rules.
    unsafe { border::make(outcome, error, body) }
}

/// Deletes a PVF. No thread may be executing it. Its outcomes live on. NULL: nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_delete(pvf: *mut pvf_t) {
    // SAFETY: by the header's rules.
    unsafe { border::delete(pvf) }
}
