//! Host functions that replace those of `sp-io`.
//!
//! - `malloc` and `free`: an exhausted heap is an error, not a panic;
//! - functions that need a keystore fail at once, since validation has no keystore;
//! - lines that a module logs or prints go to the log sink of the run;
//! - `max_level` is a constant, see [`MAX_LOG_LEVEL`];
//! - starting batch verification twice, or ending it without a start, is an error, not a panic;
//! - elliptic-curve functions check the bounds of their output before they allocate a buffer for
//!   it.

use crate::context::HostContext;
use crate::parameters::{LogLevel, MAX_LOG_LEVEL};
use sp_core::hexdisplay::HexDisplay;
use sp_wasm_interface::{Function, Pointer, ValueType};

/// The body of a host function; arguments and results are in the slots.
pub(crate) type Own = fn(&mut dyn HostContext, &mut [u64]) -> Result<(), String>;

/// The replaced functions.
const OWN: &[(&str, Own)] = &[
    ("ext_allocator_malloc_version_1", malloc),
    ("ext_allocator_free_version_1", free),
    ("ext_crypto_ecdsa_generate_version_1", no_keystore),
    ("ext_crypto_ecdsa_public_keys_version_1", no_keystore),
    ("ext_crypto_ecdsa_sign_version_1", no_keystore),
    ("ext_crypto_ecdsa_sign_prehashed_version_1", no_keystore),
    ("ext_crypto_ed25519_generate_version_1", no_keystore),
    ("ext_crypto_ed25519_public_keys_version_1", no_keystore),
    ("ext_crypto_ed25519_sign_version_1", no_keystore),
    ("ext_crypto_sr25519_generate_version_1", no_keystore),
    ("ext_crypto_sr25519_public_keys_version_1", no_keystore),
    ("ext_crypto_sr25519_sign_version_1", no_keystore),
    ("ext_logging_log_version_1", log),
    ("ext_logging_max_level_version_1", max_level),
    ("ext_misc_print_hex_version_1", print_hex),
    ("ext_misc_print_num_version_1", print_num),
    ("ext_misc_print_utf8_version_1", print_utf8),
];

/// Log target of the functions that print.
const PRINT_TARGET: &str = "runtime";

/// The replacement for the function `name`, if there is one.
pub(crate) fn find(name: &str) -> Option<Own> {
    let found = OWN.iter().find(|(own, _)| *own == name);
    found.map(|&(_, body)| body)
}

fn malloc(context: &mut dyn HostContext, slots: &mut [u64]) -> Result<(), String> {
    let address = context.allocate_memory(slots[0] as u32)?;
    slots[0] = address.into();
    Ok(())
}

fn free(context: &mut dyn HostContext, slots: &mut [u64]) -> Result<(), String> {
    context.deallocate_memory(Pointer::new(slots[0] as u32))
}

fn no_keystore(_: &mut dyn HostContext, _: &mut [u64]) -> Result<(), String> {
    Err("there is no keystore in validation".to_owned())
}

fn log(context: &mut dyn HostContext, slots: &mut [u64]) -> Result<(), String> {
    let code = slots[0] as u8;
    let level = LogLevel::from_code(code).ok_or_else(|| format!("{code} is no log level"))?;
    let target = read(context, slots[1])?;
    let target = String::from_utf8(target).map_err(|_| "the target is not UTF-8".to_owned())?;
    let message = read(context, slots[2])?;
    if let Ok(message) = str::from_utf8(&message) {
        context.state().log(level, &target, message);
    }
    Ok(())
}

fn max_level(_: &mut dyn HostContext, slots: &mut [u64]) -> Result<(), String> {
    slots[0] = MAX_LOG_LEVEL.into();
    Ok(())
}

fn print_utf8(context: &mut dyn HostContext, slots: &mut [u64]) -> Result<(), String> {
    let text = read(context, slots[0])?;
    if let Ok(text) = str::from_utf8(&text) {
        context.state().log(LogLevel::Debug, PRINT_TARGET, text);
    }
    Ok(())
}

fn print_hex(context: &mut dyn HostContext, slots: &mut [u64]) -> Result<(), String> {
    let bytes = read(context, slots[0])?;
    let text = HexDisplay::from(&bytes).to_string();
    context.state().log(LogLevel::Debug, PRINT_TARGET, &text);
    Ok(())
}

fn print_num(context: &mut dyn HostContext, slots: &mut [u64]) -> Result<(), String> {
    let text = slots[0].to_string();
    context.state().log(LogLevel::Debug, PRINT_TARGET, &text);
    Ok(())
}

/// The bytes that a fat pointer refers to.
fn read(context: &mut dyn HostContext, fat_pointer: u64) -> Result<Vec<u8>, String> {
    let (address, bytes) = unpack(fat_pointer);
    context.read_memory(Pointer::new(address), bytes)
}

/// Address (low half) and length (high half) of a fat pointer.
pub(crate) fn unpack(fat_pointer: u64) -> (u32, u32) {
    (fat_pointer as u32, (fat_pointer >> 32) as u32)
}

/// Wraps a function that starts (`starts`) or ends batch verification in a check that starts and
/// ends alternate.
pub(crate) fn with_checked_turn(
    starts: bool,
    body: impl Fn(&mut dyn HostContext, &mut [u64]) -> Result<(), String>,
) -> impl Fn(&mut dyn HostContext, &mut [u64]) -> Result<(), String> {
    move |context: &mut dyn HostContext, slots: &mut [u64]| {
        let started = &mut context.state_mut().batch_started;
        match std::mem::replace(started, starts) == starts {
            true if starts => Err("batch verification has started already".to_owned()),
            true => Err("batch verification has not started".to_owned()),
            false => body(context, slots),
        }
    }
}

/// Wraps a function whose 64-bit parameters are all fat pointers in a check of their bounds.
///
/// Without the check the function would allocate output buffers of up to 4 GiB and then fail
/// because they do not fit into memory. The outcome is the same.
pub(crate) fn with_checked_pointers(
    function: &'static dyn Function,
    body: impl Fn(&mut dyn HostContext, &mut [u64]) -> Result<(), String>,
) -> impl Fn(&mut dyn HostContext, &mut [u64]) -> Result<(), String> {
    let types = function.signature().args;
    move |context: &mut dyn HostContext, slots: &mut [u64]| {
        for (_, &slot) in types
            .iter()
            .zip(&*slots)
            .filter(|(ty, _)| **ty == ValueType::I64)
        {
            let (address, bytes) = unpack(slot);
            context.expect_bytes(address, bytes as usize)?;
        }
        body(context, slots)
    }
}
