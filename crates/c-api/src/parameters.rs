//! The struct of parameters: what an outcome depends on beside code and candidate.
//!
//! Callers say how large the struct is that they know, so fields can be added at its end: an older caller's end
//! early and the rest is default; a newer caller's go on, which is fine as long as they are zero.

use crate::border;
use crate::error::{pvf_error_t, pvf_status_t};
use crate::log::{self, pvf_log_callback_t};
use pvf_executor::artifact::Meters;
use pvf_executor::{
    CompileOptions, Costs, ExecutionParameters, Metering, Profile, Schedule, schedule_hash,
};
use pvf_validation::{ExecutorParams, HostParameters, Network, PvfExecKind};
use std::ffi::{CStr, c_char, c_void};
use std::mem::{offset_of, size_of};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// What a meter does.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum pvf_meter_t {
    /// Nothing: it is not in the code.
    PVF_METER_OFF = 0,
    /// It counts without a limit.
    PVF_METER_COUNT = 1,
    /// It counts, and its limit ends a run.
    PVF_METER_LIMIT = 2,
}

/// What an outcome depends on beside code and candidate. For all validators of a network it has to be the same.
///
/// Always begin with pvf_parameters_init, then change fields. Wherever a function takes parameters, NULL means the
/// defaults, which are what Polkadot's network had set when it was last seen (pvf_network_seen). For another network, or the parameters
/// of a session, call pvf_parameters_set_network or pvf_parameters_set_executor_params. Fields may be added at the end in later versions;
/// `struct_size` tells the library which ones its caller knows.
///
/// The meters are part of the prepared code: logical_stack_meter, gas_meter and gas_schedule have to be the same (but COUNT
/// instead of LIMIT, or the other way round) for pvf_prepare and for pvf_new or pvf_open. The limits themselves can differ.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pvf_parameters_t {
    /// Size of this struct in bytes, as the caller's header has it; set by pvf_parameters_init.
    pub struct_size: usize,
    /// Polkadot's StackNativeMax: largest sum of the frames of all active functions, in bytes. Default: 256 MiB.
    pub stack_native_max: u64,
    /// Largest gas of a run. Only with gas_meter LIMIT, otherwise 0. Default: 0.
    pub gas_limit: u64,
    /// Polkadot's StackLogicalMax, in units of its stack limiter. Not looked at without logical_stack_meter LIMIT.
    /// Default: 65,536.
    pub stack_logical_max: u32,
    /// A pvf_meter_t: is the logical stack counted? Default: LIMIT.
    pub logical_stack_meter: u32,
    /// A pvf_meter_t: is gas counted? Default: OFF.
    pub gas_meter: u32,
    /// Largest size of the memory in pages of 64 KiB, whatever the code declares. Default: 8,224.
    pub max_memory_pages: u32,
    /// Threads that compile, at most 512; the artifact does not depend on it. 0: as many as there are processors. Default: 1,
    /// which is the caller's, so that the library starts none.
    pub threads: u32,
    /// 1 if the 12 elliptic-curve host functions of RFC 163 exist, otherwise 0. Default: 0.
    pub ecc_rfc163: u32,
    /// What instructions cost, as TOML or JSON, UTF-8 with NUL at the end; read only during the call. Only with
    /// a gas_meter that is not OFF. NULL (the default): 1 each.
    pub gas_schedule: *const c_char,
    /// Receives the PVF's log lines, as long as the pvf_t made with it lives. With NULL, the default, log lines are dropped.
    pub log: pvf_log_callback_t,
    /// Passed to `log`. Not looked at.
    pub log_data: *mut c_void,
    /// Milliseconds of CPU time that the network gives an execution for backing. Not looked at: for the caller's clock.
    /// Default: 2,500.
    pub backing_timeout_ms: u64,
    /// The same for approvals and disputes. Default: 15,000.
    pub approval_timeout_ms: u64,
    /// Milliseconds on the clock after which an execution is ended, with status INTERRUPTED and no outcome. 0 (the default): never.
    pub timeout_ms: u64,
}

/// Where the defaults come from.
const NETWORK: Network = Network::Polkadot;

/// Largest number of threads, as on the command line.
const MAX_THREADS: u32 = 512;

/// The fields of the first version, which every caller knows.
const LEAST_BYTES: usize = offset_of!(pvf_parameters_t, log_data) + size_of::<*mut c_void>();

/// No version will be larger; what is has not been initialised.
const MOST_BYTES: usize = 4096;

/// Parameters as the executor's crates take them.
pub struct Parameters {
    pub compile: CompileOptions,
    pub host: HostParameters,
    pub timeout: Option<Duration>,
}

impl pvf_parameters_t {
    fn polkadot() -> Self {
        let mut defaults = Self {
            struct_size: size_of::<Self>(),
            stack_native_max: 0,
            gas_limit: 0,
            stack_logical_max: 0,
            logical_stack_meter: pvf_meter_t::PVF_METER_LIMIT as u32,
            gas_meter: pvf_meter_t::PVF_METER_OFF as u32,
            max_memory_pages: 0,
            threads: 1,
            ecc_rfc163: 0,
            gas_schedule: std::ptr::null(),
            log: None,
            log_data: std::ptr::null_mut(),
            backing_timeout_ms: 0,
            approval_timeout_ms: 0,
            timeout_ms: 0,
        };
        defaults.set(&NETWORK.executor_params());
        defaults
    }

    /// Takes over what the parameters of a session decide.
    fn set(&mut self, params: &ExecutorParams) {
        let host = HostParameters::of_session(params);
        let milliseconds =
            |kind| u64::try_from(params.exec_timeout(kind).as_millis()).unwrap_or(u64::MAX);
        self.stack_native_max = host.execution.stack_native_max;
        self.stack_logical_max = host.execution.stack_logical_max.unwrap_or(0);
        self.max_memory_pages = host.execution.max_memory_pages;
        self.ecc_rfc163 = host.ecc_rfc163.into();
        self.backing_timeout_ms = milliseconds(PvfExecKind::Backing);
        self.approval_timeout_ms = milliseconds(PvfExecKind::Approval);
    }

    /// Changes the caller's parameters by those of a session; fields that the caller does not know stay unknown to it.
    ///
    /// # Safety
    /// `given` is NULL or points to as many bytes as it says itself, which can be written.
    pub unsafe fn change(given: *mut Self, params: &ExecutorParams) -> Result<(), pvf_error_t> {
        if given.is_null() {
            return Err(pvf_error_t::argument("no parameters: NULL"));
        }
        // SAFETY: by the caller's promise.
        let mut changed = unsafe { Self::read(given) }?;
        changed.set(params);
        let known = changed.struct_size.min(size_of::<Self>());
        // SAFETY: by the caller's promise, and not more bytes than either has.
        unsafe {
            std::ptr::copy_nonoverlapping((&raw const changed).cast::<u8>(), given.cast(), known);
        }
        Ok(())
    }

    /// The caller's fields; defaults for those it does not know.
    ///
    /// # Safety
    /// `given` is NULL or points to as many bytes as it says itself.
    unsafe fn read(given: *const Self) -> Result<Self, pvf_error_t> {
        let mut known = Self::polkadot();
        if given.is_null() {
            return Ok(known);
        }
        // SAFETY: by the caller's promise; every version begins with this field.
        let size = unsafe { (&raw const (*given).struct_size).read() };
        if !(LEAST_BYTES..=MOST_BYTES).contains(&size) {
            return Err(pvf_error_t::parameters(format!(
                "struct_size is {size}, this library's is {}; pvf_parameters_init sets it",
                size_of::<Self>()
            )));
        }
        // SAFETY: by the caller's promise.
        let given = unsafe { std::slice::from_raw_parts(given.cast::<u8>(), size) };
        let (here, beyond) = given.split_at(size.min(size_of::<Self>()));
        // SAFETY: not more bytes than either has. All fields can have any value (the callback: by the header's rules).
        unsafe {
            std::ptr::copy_nonoverlapping(here.as_ptr(), (&raw mut known).cast(), here.len());
        }
        if beyond.iter().any(|&byte| byte != 0) {
            return Err(pvf_error_t::parameters(
                "a field is set that this library is too old to know",
            ));
        }
        Ok(known)
    }

    /// # Safety
    /// The schedule is NULL or a string.
    unsafe fn resolve(&self) -> Result<Parameters, pvf_error_t> {
        let logical = meter(self.logical_stack_meter, "logical_stack_meter")?;
        let gas = meter(self.gas_meter, "gas_meter")?;
        if gas != pvf_meter_t::PVF_METER_LIMIT && self.gas_limit != 0 {
            let message = "gas_limit is set, but gas_meter is not PVF_METER_LIMIT";
            return Err(pvf_error_t::parameters(message));
        }
        if self.ecc_rfc163 > 1 {
            let message = format!("ecc_rfc163 is {}, it can be 0 or 1", self.ecc_rfc163);
            return Err(pvf_error_t::parameters(message));
        }
        // SAFETY: by the caller's promise.
        let costs = unsafe { self.costs(gas) }?;
        let compile = CompileOptions {
            metering: Metering {
                logical_stack: logical != pvf_meter_t::PVF_METER_OFF,
                gas: costs,
            },
            threads: self.threads()?,
            ..Profile::Polkadot.compile_options()
        };
        let limited = pvf_meter_t::PVF_METER_LIMIT;
        let execution = ExecutionParameters {
            max_memory_pages: self.max_memory_pages,
            stack_native_max: self.stack_native_max,
            stack_logical_max: (logical == limited).then_some(self.stack_logical_max),
            gas_limit: (gas == limited).then_some(self.gas_limit),
            ..Profile::Polkadot.parameters()
        };
        let host = HostParameters {
            ecc_rfc163: self.ecc_rfc163 == 1,
            execution,
            log: log::sink(self.log, self.log_data),
        };
        let timeout = (self.timeout_ms > 0).then(|| Duration::from_millis(self.timeout_ms));
        Ok(Parameters {
            compile,
            host,
            timeout,
        })
    }

    /// # Safety
    /// The schedule is NULL or a string.
    unsafe fn costs(&self, gas: pvf_meter_t) -> Result<Option<Arc<Costs>>, pvf_error_t> {
        let wrong = |what: &dyn std::fmt::Display| pvf_error_t::parameters(what);
        match (gas, self.gas_schedule.is_null()) {
            (pvf_meter_t::PVF_METER_OFF, true) => Ok(None),
            (pvf_meter_t::PVF_METER_OFF, false) => Err(wrong(
                &"gas_schedule is set, but gas_meter is PVF_METER_OFF",
            )),
            (_, true) => Ok(Some(Arc::new(Costs::default()))),
            (_, false) => {
                // SAFETY: by the caller's promise.
                let text = unsafe { CStr::from_ptr(self.gas_schedule) };
                let text = text
                    .to_str()
                    .map_err(|error| wrong(&format!("gas_schedule: {error}")))?;
                let costs = Schedule::parse(text).and_then(|schedule| schedule.costs());
                Ok(Some(Arc::new(costs.map_err(|error| wrong(&error))?)))
            }
        }
    }

    fn threads(&self) -> Result<NonZeroUsize, pvf_error_t> {
        match self.threads {
            0 => Ok(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
            threads @ 1..=MAX_THREADS => {
                Ok(NonZeroUsize::new(threads as usize).unwrap_or(NonZeroUsize::MIN))
            }
            threads => Err(pvf_error_t::parameters(format!(
                "{threads} threads, the most are {MAX_THREADS}"
            ))),
        }
    }
}

impl Parameters {
    /// Takes parameters from the caller.
    ///
    /// # Safety
    /// By the header's rules.
    pub unsafe fn from_caller(given: *const pvf_parameters_t) -> Result<Self, pvf_error_t> {
        // SAFETY: by the caller's promise.
        unsafe { pvf_parameters_t::read(given)?.resolve() }
    }

    /// Is this what an artifact was prepared to count? Exactly that: a digest tells whether something was counted, so one
    /// outcome under the same parameters has to have one digest.
    pub fn check_meters(&self, found: &Meters) -> Result<(), pvf_error_t> {
        let wanted = &self.compile.metering;
        let differs = |what: &str| {
            Err(pvf_error_t::parameters(format!(
                "the artifact was prepared {what}, the parameters say otherwise"
            )))
        };
        match (wanted.logical_stack, found.logical_stack) {
            (true, false) => return differs("without the logical stack meter"),
            (false, true) => return differs("with the logical stack meter"),
            _ => {}
        }
        match (&wanted.gas, found.gas) {
            (Some(_), false) => differs("without the gas meter"),
            (None, true) => differs("with the gas meter"),
            (Some(costs), true) if schedule_hash(costs) != found.schedule => {
                differs("with another gas schedule")
            }
            _ => Ok(()),
        }
    }
}

fn meter(value: u32, field: &str) -> Result<pvf_meter_t, pvf_error_t> {
    Ok(match value {
        0 => pvf_meter_t::PVF_METER_OFF,
        1 => pvf_meter_t::PVF_METER_COUNT,
        2 => pvf_meter_t::PVF_METER_LIMIT,
        _ => {
            let message = format!("{field} is {value}, which is no pvf_meter_t");
            return Err(pvf_error_t::parameters(message));
        }
    })
}

/// Sets the defaults. `struct_size` is `sizeof(pvf_parameters_t)`.
///
/// ARGUMENT if `parameters` is NULL or no version has this size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_parameters_init(
    parameters: *mut pvf_parameters_t,
    struct_size: usize,
) -> pvf_status_t {
    let body = || {
        if parameters.is_null() || !(LEAST_BYTES..=MOST_BYTES).contains(&struct_size) {
            return Err(pvf_error_t::argument("parameters or struct_size"));
        }
        let defaults = pvf_parameters_t {
            struct_size,
            ..pvf_parameters_t::polkadot()
        };
        let known = struct_size.min(size_of::<pvf_parameters_t>());
        let place = parameters.cast::<u8>();
        // SAFETY: by the header's rules there are `struct_size` bytes; not more are written, and not more read than
        // the defaults have.
        unsafe {
            place.write_bytes(0, struct_size);
            std::ptr::copy_nonoverlapping((&raw const defaults).cast(), place, known);
        }
        Ok(())
    };
    // SAFETY: NULL is allowed.
    unsafe { border::run(std::ptr::null_mut(), body) }
}

#[cfg(test)]
mod tests;
