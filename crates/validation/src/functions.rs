//! The host functions, bound to the runtime's linker.
//!
//! All functions come from `sp-io` and are called through [`sp_wasm_interface::Function`].
//! [`crate::own_functions`] replaces a few of them. In runs without a trace,
//! [`crate::hot_functions`] replaces the most frequent ones. An error in a host function, or a
//! panic, is a trap of the calling module.

use crate::context::{Context, HostContext};
use crate::own_functions;
use crate::state::HostState;
use pvf_compiler::{FuncType, ValType};
use pvf_executor::HostFunctionTypes;
use pvf_runtime::{HostError, Linker};
use sp_wasm_interface::{Function, HostFunctions, Signature, Value, ValueType};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The module from which all host functions are imported.
pub(crate) use pvf_executor::HOST_MODULE as MODULE;

/// The host functions that every validation function can import.
type Base = (
    sp_io::misc::HostFunctions,
    sp_io::crypto::HostFunctions,
    sp_io::hashing::HostFunctions,
    sp_io::allocator::HostFunctions,
    sp_io::logging::HostFunctions,
    sp_io::trie::HostFunctions,
);

/// Upper bound of the number of parameters of a host function; the current maximum is 5.
const MAX_PARAMETERS: usize = 8;

/// The elliptic-curve functions, if they are compiled in.
fn ecc_functions() -> Vec<&'static dyn Function> {
    #[cfg(feature = "ecc")]
    return sp_crypto_ec_utils::HostFunctionsRfc163::host_functions();
    #[cfg(not(feature = "ecc"))]
    return Vec::new();
}

/// All host functions.
fn all(ecc: bool) -> impl Iterator<Item = &'static dyn Function> {
    let ecc = if ecc { ecc_functions() } else { Vec::new() };
    Base::host_functions().into_iter().chain(ecc)
}

/// The type of the host function `name`, or `None` if there is none. `ecc_rfc163` is as in
/// [`HostParameters`](crate::HostParameters).
pub fn host_function_type(name: &str, ecc_rfc163: bool) -> Option<FuncType> {
    let function = all(ecc_rfc163).find(|it| it.name() == name)?;
    Some(func_type(&function.signature()))
}

/// The types of all host functions by name, as [`pvf_executor::prepare`] takes them. `ecc_rfc163`
/// is as in [`HostParameters`](crate::HostParameters).
pub fn function_types(ecc_rfc163: bool) -> HostFunctionTypes {
    all(ecc_rfc163)
        .map(|function| (function.name(), func_type(&function.signature())))
        .collect()
}

/// What host functions are defined in.
pub(crate) trait Definitions {
    /// Defines a function with this body.
    fn define(
        &mut self,
        function: &'static dyn Function,
        body: impl Fn(&mut dyn HostContext, &mut [u64]) -> Result<(), String> + Send + Sync + 'static,
    );
}

impl Definitions for Linker<HostState> {
    fn define(
        &mut self,
        function: &'static dyn Function,
        body: impl Fn(&mut dyn HostContext, &mut [u64]) -> Result<(), String> + Send + Sync + 'static,
    ) {
        define(self, function, body);
    }
}

/// Defines all host functions.
pub(crate) fn define_all(linker: &mut impl Definitions, ecc: bool) {
    for function in Base::host_functions() {
        let body = generic(function);
        match (function.name(), own_functions::find(function.name())) {
            (_, Some(own)) => linker.define(function, own),
            ("ext_crypto_start_batch_verify_version_1", _) => {
                linker.define(function, own_functions::with_checked_turn(true, body));
            }
            ("ext_crypto_finish_batch_verify_version_1", _) => {
                linker.define(function, own_functions::with_checked_turn(false, body));
            }
            _ => linker.define(function, body),
        }
    }
    if ecc {
        for function in ecc_functions() {
            let checked = own_functions::with_checked_pointers(function, generic(function));
            linker.define(function, checked);
        }
    }
}

/// The host functions that only runtimes outside validation use, and those of `additional`. A
/// function that validation has as well is not among them.
fn outside_validation(
    additional: &[&'static dyn Function],
) -> impl Iterator<Item = &'static dyn Function> {
    let base = Base::host_functions();
    let all = sp_io::SubstrateHostFunctions::host_functions();
    all.into_iter()
        .chain(additional.iter().copied())
        .filter(move |it| base.iter().all(|base| base.name() != it.name()))
}

/// The types of the functions that [`define_outside_validation`] defines, and of those that
/// [`define_all`] defines, by name.
pub(crate) fn all_types(additional: &[&'static dyn Function]) -> HostFunctionTypes {
    let mut types = function_types(false);
    types.extend(outside_validation(additional).map(|it| (it.name(), func_type(&it.signature()))));
    types
}

/// Defines the host functions that only runtimes outside validation use.
pub(crate) fn define_outside_validation(
    linker: &mut Linker<HostState>,
    additional: &[&'static dyn Function],
) {
    for function in outside_validation(additional) {
        define(linker, function, generic(function));
    }
}

/// A body that calls a function of `sp-io`. Arguments and result are in the slots.
fn generic(
    function: &'static dyn Function,
) -> impl Fn(&mut dyn HostContext, &mut [u64]) -> Result<(), String> {
    let types = function.signature().args;
    move |context: &mut dyn HostContext, slots: &mut [u64]| {
        let mut arguments = types
            .iter()
            .zip(&*slots)
            .map(|(&ty, &slot)| value(ty, slot));
        if let Some(result) = function.execute(context, &mut arguments)? {
            slots[0] = match result {
                Value::I32(value) => u64::from(value as u32),
                Value::I64(value) => value as u64,
                Value::F32(bits) => u64::from(bits),
                Value::F64(bits) => bits,
            };
        }
        Ok(())
    }
}

/// Defines a host function with this body, wrapped in the error handling and tracing that all have.
fn define(
    linker: &mut Linker<HostState>,
    function: &'static dyn Function,
    body: impl Fn(&mut dyn HostContext, &mut [u64]) -> Result<(), String> + Send + Sync + 'static,
) {
    let name = function.name();
    let signature = function.signature();
    debug_assert!(
        signature.args.len() <= MAX_PARAMETERS,
        "a host function has at most MAX_PARAMETERS parameters"
    );
    linker.func(MODULE, name, func_type(&signature), move |caller, slots| {
        if !caller.data().is_watched() {
            return guard(name, &body, &mut Context(caller), slots);
        }
        let mut arguments = [0; MAX_PARAMETERS];
        let given = signature.args.iter().zip(&*slots);
        for (argument, (&ty, &slot)) in arguments.iter_mut().zip(given) {
            *argument = bits(ty, slot);
        }
        let arguments = &arguments[..signature.args.len()];
        caller.data().watch(|trace| trace.called(name, arguments));
        let result = guard(name, &body, &mut Context(caller), slots);
        caller.data().watch(|trace| match &result {
            Ok(()) => trace.returned(Ok(signature.return_value.map(|ty| bits(ty, slots[0])))),
            Err(error) => trace.returned(Err(&error.to_string())),
        });
        result
    });
}

/// Runs a body. Errors and panics become traps, or the failure of the host that caused them.
pub(crate) fn guard(
    name: &str,
    body: &impl Fn(&mut dyn HostContext, &mut [u64]) -> Result<(), String>,
    context: &mut impl HostContext,
    slots: &mut [u64],
) -> Result<(), HostError> {
    let message = match catch_unwind(AssertUnwindSafe(|| body(context, slots))) {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(message)) => message,
        Err(panic) => panic_text(&*panic),
    };
    match context.state_mut().failure.take() {
        Some(failure) => Err(HostError::Failure(failure)),
        None => Err(HostError::Trap(format!("{name}: {message}"))),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "the host function panicked".to_owned(),
    }
}

/// The value in a slot; for 32-bit types the high half of the slot is ignored.
fn value(ty: ValueType, slot: u64) -> Value {
    match ty {
        ValueType::I32 => Value::I32(slot as i32),
        ValueType::I64 => Value::I64(slot as i64),
        ValueType::F32 => Value::F32(slot as u32),
        ValueType::F64 => Value::F64(slot),
    }
}

fn bits(ty: ValueType, slot: u64) -> u64 {
    match ty {
        ValueType::I32 | ValueType::F32 => u64::from(slot as u32),
        ValueType::I64 | ValueType::F64 => slot,
    }
}

fn val_type(ty: ValueType) -> ValType {
    match ty {
        ValueType::I32 => ValType::I32,
        ValueType::I64 => ValType::I64,
        ValueType::F32 => ValType::F32,
        ValueType::F64 => ValType::F64,
    }
}

pub(crate) fn func_type(signature: &Signature) -> FuncType {
    FuncType {
        params: signature.args.iter().copied().map(val_type).collect(),
        results: signature.return_value.into_iter().map(val_type).collect(),
    }
}
