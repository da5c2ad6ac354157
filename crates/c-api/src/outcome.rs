//! Outcomes and their parts.

use crate::artifact::PVF_DIGEST_BYTES;
use crate::border;
use crate::error::{pvf_error_t, pvf_status_t};
use pvf_executor::{Execution, HashedOutcome, Outcome, RejectionStage, Trap, TrapKind};
use std::ffi::{CStr, CString, c_char, c_int};

/// What an execution says about a candidate, and what was measured that is the same on every machine.
pub struct pvf_outcome_t {
    execution: Execution,
    digest: HashedOutcome,
    reason: Option<CString>,
    rule: Option<CString>,
}

/// The class of an outcome.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum pvf_class_t {
    /// There is no outcome (the argument was NULL).
    PVF_CLASS_NONE = 0,
    /// The candidate is valid; there is a result.
    PVF_CLASS_VALID = 1,
    /// The candidate is invalid; there is a reason, and a trap if one ended the run.
    PVF_CLASS_INVALID = 2,
    /// The code was rejected; there are a reason, a rule and a stage.
    PVF_CLASS_REJECTED = 3,
}

/// The stage at which code was rejected.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum pvf_stage_t {
    /// It was not.
    PVF_STAGE_NONE = 0,
    /// It cannot be prepared: damaged, not the accepted language, beyond a limit.
    PVF_STAGE_PREPARE = 1,
    /// It cannot be instantiated: imports, segments, too large a memory, a start function that traps.
    PVF_STAGE_CONSTRUCT = 2,
}

/// The kind of a trap.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum pvf_trap_t {
    /// No trap.
    PVF_TRAP_NONE = -1,
    /// The `unreachable` instruction was executed.
    PVF_TRAP_UNREACHABLE = 0,
    /// A call would have taken a stack beyond its limit.
    PVF_TRAP_STACK_OVERFLOW = 1,
    /// A block costs more than the gas that is left.
    PVF_TRAP_OUT_OF_GAS = 2,
    /// A load, store or bulk operation reached outside the memory.
    PVF_TRAP_MEMORY_OUT_OF_BOUNDS = 3,
    /// A table operation or indirect call reached outside the table.
    PVF_TRAP_TABLE_OUT_OF_BOUNDS = 4,
    /// An indirect call named another type than the function has.
    PVF_TRAP_INDIRECT_CALL_TYPE_MISMATCH = 5,
    /// An indirect call reached an entry that holds no function.
    PVF_TRAP_UNDEFINED_ELEMENT = 6,
    /// An integer was divided by zero.
    PVF_TRAP_INTEGER_DIVIDE_BY_ZERO = 7,
    /// A quotient or a converted float does not fit its integer type.
    PVF_TRAP_INTEGER_OVERFLOW = 8,
    /// A NaN was to be converted to an integer.
    PVF_TRAP_INVALID_CONVERSION_TO_INTEGER = 9,
    /// A host function failed, or one that does not exist was called.
    PVF_TRAP_HOST_ERROR = 10,
}

impl pvf_outcome_t {
    pub fn new(execution: Execution) -> Self {
        let (reason, rule) = match &execution.outcome {
            Outcome::Valid(_) => (None, None),
            Outcome::Invalid { reason, .. } => (Some(border::c_string(reason)), None),
            Outcome::Rejected(rejection) => {
                let rule = border::c_string(rejection.rule.as_str());
                (Some(border::c_string(&rejection.reason())), Some(rule))
            }
        };
        Self {
            digest: execution.digest(),
            reason,
            rule,
            execution,
        }
    }

    fn trap(&self) -> Option<&Trap> {
        match &self.execution.outcome {
            Outcome::Invalid { trap, .. } => trap.as_ref(),
            _ => None,
        }
    }
}

/// Says whether the candidate is valid. The class of NULL is NONE, so that an unchecked error is not taken for a valid candidate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_outcome_class(outcome: *const pvf_outcome_t) -> pvf_class_t {
    let read = |it: &pvf_outcome_t| match it.execution.outcome {
        Outcome::Valid(_) => pvf_class_t::PVF_CLASS_VALID,
        Outcome::Invalid { .. } => pvf_class_t::PVF_CLASS_INVALID,
        Outcome::Rejected(_) => pvf_class_t::PVF_CLASS_REJECTED,
    };
    // SAFETY: by the header's rules.
    unsafe { border::get(outcome, pvf_class_t::PVF_CLASS_NONE, read) }
}

/// The stage at which the code was rejected, if it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_outcome_stage(outcome: *const pvf_outcome_t) -> pvf_stage_t {
    let read = |it: &pvf_outcome_t| match &it.execution.outcome {
        Outcome::Rejected(rejection) => match rejection.stage() {
            RejectionStage::Prepare => pvf_stage_t::PVF_STAGE_PREPARE,
            RejectionStage::Construct => pvf_stage_t::PVF_STAGE_CONSTRUCT,
        },
        _ => pvf_stage_t::PVF_STAGE_NONE,
    };
    // SAFETY: by the header's rules.
    unsafe { border::get(outcome, pvf_stage_t::PVF_STAGE_NONE, read) }
}

/// The kind of the trap that ended the run, if one did.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_outcome_trap(outcome: *const pvf_outcome_t) -> pvf_trap_t {
    let read = |it: &pvf_outcome_t| {
        it.trap()
            .map_or(pvf_trap_t::PVF_TRAP_NONE, |trap| kind(trap.kind))
    };
    // SAFETY: by the header's rules.
    unsafe { border::get(outcome, pvf_trap_t::PVF_TRAP_NONE, read) }
}

/// Writes the index of the function that trapped (imports counted) to `function`; false if it is not known or there was no
/// trap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_outcome_trap_function(
    outcome: *const pvf_outcome_t,
    function: *mut u32,
) -> bool {
    // SAFETY: by the header's rules.
    unsafe { border::get_some(outcome, function, |it: &pvf_outcome_t| it.trap()?.function) }
}

/// Writes the offset of the instruction that trapped in the decompressed module to `offset`; false if it is not known or
/// there was no trap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_outcome_trap_offset(
    outcome: *const pvf_outcome_t,
    offset: *mut u32,
) -> bool {
    // SAFETY: by the header's rules.
    unsafe { border::get_some(outcome, offset, |it: &pvf_outcome_t| it.trap()?.offset) }
}

/// The result of a valid candidate, a SCALE-encoded ValidationResult, and its size to `size`. Lives as long as the
/// outcome. NULL and 0 without a result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_outcome_result(
    outcome: *const pvf_outcome_t,
    size: *mut usize,
) -> *const u8 {
    let none = (std::ptr::null(), 0);
    let read = |it: &pvf_outcome_t| match &it.execution.outcome {
        Outcome::Valid(result) => (result.as_ptr(), result.len()),
        _ => none,
    };
    // SAFETY: by the header's rules.
    let (result, bytes) = unsafe { border::get(outcome, none, read) };
    if !size.is_null() {
        // SAFETY: by the header's rules.
        unsafe { size.write(bytes) };
    }
    result
}

/// What is wrong, UTF-8. Lives as long as the outcome. NULL if it is valid.
///
/// It may quote what the PVF said: untrusted text. It is not part of the digest, and later versions may say it better.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_outcome_reason(outcome: *const pvf_outcome_t) -> *const c_char {
    let none = std::ptr::null();
    let read = |it: &pvf_outcome_t| it.reason.as_ref().map_or(none, |reason| reason.as_ptr());
    // SAFETY: by the header's rules.
    unsafe { border::get(outcome, none, read) }
}

/// The rule of the specification that rejected the code, such as "LIMIT-2". The text lives as long as the outcome.
/// NULL if it was not. It is not part of the digest; the stage is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_outcome_rule(outcome: *const pvf_outcome_t) -> *const c_char {
    let none = std::ptr::null();
    let read = |it: &pvf_outcome_t| it.rule.as_ref().map_or(none, |rule| rule.as_ptr());
    // SAFETY: by the header's rules.
    unsafe { border::get(outcome, none, read) }
}

/// Writes the gas that the run used to `gas`; false if it was not counted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_outcome_gas_used(
    outcome: *const pvf_outcome_t,
    gas: *mut u64,
) -> bool {
    // SAFETY: by the header's rules.
    unsafe { border::get_some(outcome, gas, |it: &pvf_outcome_t| it.execution.gas_used) }
}

/// Largest sum of the frames of active functions, in bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_outcome_stack_native_peak(outcome: *const pvf_outcome_t) -> u64 {
    // SAFETY: by the header's rules.
    unsafe { border::get(outcome, 0, |it: &pvf_outcome_t| it.execution.stack.native) }
}

/// Writes the largest height of the logical stack, in units, to `units`; false if it was not counted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_outcome_stack_logical_peak(
    outcome: *const pvf_outcome_t,
    units: *mut u64,
) -> bool {
    let read = |it: &pvf_outcome_t| it.execution.stack.logical;
    // SAFETY: by the header's rules.
    unsafe { border::get_some(outcome, units, read) }
}

/// Largest size of the memory, in pages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_outcome_memory_pages_peak(outcome: *const pvf_outcome_t) -> u32 {
    let read = |it: &pvf_outcome_t| it.execution.memory_pages_peak;
    // SAFETY: by the header's rules.
    unsafe { border::get(outcome, 0, read) }
}

/// Writes the digest to `digest`, 32 bytes: what two machines compare instead of outcomes. It covers class, result, kind of trap,
/// stage, gas, peaks. ARGUMENT if something is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_outcome_digest(
    outcome: *const pvf_outcome_t,
    digest: *mut u8,
) -> pvf_status_t {
    let body = || {
        // SAFETY: by the header's rules.
        let outcome = unsafe { border::handle(outcome, "the outcome") }?;
        if digest.is_null() {
            return Err(pvf_error_t::argument("no place for the digest: NULL"));
        }
        // SAFETY: by the header's rules.
        unsafe {
            digest
                .cast::<[u8; PVF_DIGEST_BYTES]>()
                .write(outcome.digest)
        };
        Ok(())
    };
    // SAFETY: NULL is allowed.
    unsafe { border::run(std::ptr::null_mut(), body) }
}

/// Deletes an outcome. NULL: nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_outcome_delete(outcome: *mut pvf_outcome_t) {
    // SAFETY: by the header's rules.
    unsafe { border::delete(outcome) }
}

/// The name of a kind of trap as in the conformance vectors, such as "stack_overflow". Static; "none" for NONE and "unknown" for any
/// other number.
#[unsafe(no_mangle)]
pub extern "C" fn pvf_trap_name(trap: c_int) -> *const c_char {
    let name: &CStr = match trap {
        -1 => c"none",
        0 => c"unreachable",
        1 => c"stack_overflow",
        2 => c"out_of_gas",
        3 => c"memory_out_of_bounds",
        4 => c"table_out_of_bounds",
        5 => c"indirect_call_type_mismatch",
        6 => c"undefined_element",
        7 => c"integer_divide_by_zero",
        8 => c"integer_overflow",
        9 => c"invalid_conversion_to_integer",
        10 => c"host_error",
        _ => c"unknown",
    };
    name.as_ptr()
}

fn kind(kind: TrapKind) -> pvf_trap_t {
    match kind {
        TrapKind::Unreachable => pvf_trap_t::PVF_TRAP_UNREACHABLE,
        TrapKind::StackOverflow => pvf_trap_t::PVF_TRAP_STACK_OVERFLOW,
        TrapKind::OutOfGas => pvf_trap_t::PVF_TRAP_OUT_OF_GAS,
        TrapKind::MemoryOutOfBounds => pvf_trap_t::PVF_TRAP_MEMORY_OUT_OF_BOUNDS,
        TrapKind::TableOutOfBounds => pvf_trap_t::PVF_TRAP_TABLE_OUT_OF_BOUNDS,
        TrapKind::IndirectCallTypeMismatch => pvf_trap_t::PVF_TRAP_INDIRECT_CALL_TYPE_MISMATCH,
        TrapKind::UndefinedElement => pvf_trap_t::PVF_TRAP_UNDEFINED_ELEMENT,
        TrapKind::IntegerDivideByZero => pvf_trap_t::PVF_TRAP_INTEGER_DIVIDE_BY_ZERO,
        TrapKind::IntegerOverflow => pvf_trap_t::PVF_TRAP_INTEGER_OVERFLOW,
        TrapKind::InvalidConversionToInteger => pvf_trap_t::PVF_TRAP_INVALID_CONVERSION_TO_INTEGER,
        TrapKind::HostError => pvf_trap_t::PVF_TRAP_HOST_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_have_the_codes_and_names_of_the_executor() {
        for &trap in TrapKind::ALL {
            assert_eq!(kind(trap) as c_int, c_int::from(trap.code()));
            // SAFETY: the name is static and ends with NUL.
            let name = unsafe { CStr::from_ptr(pvf_trap_name(kind(trap) as c_int)) };
            assert_eq!(name.to_str(), Ok(trap.name()));
        }
        // SAFETY: as above.
        let beyond = unsafe { CStr::from_ptr(pvf_trap_name(TrapKind::ALL.len() as c_int)) };
        assert_eq!(beyond, c"unknown");
    }
}
