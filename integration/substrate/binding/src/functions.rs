//! Host functions, defined in the linker as Substrate declares them. An error in a host function,
//! or a panic, is a trap of the calling module.

use crate::context::{Context, State};
use pvf_executor::{FuncType, ValType};
use pvf_executor::{Caller, HostError, HostFunctionTypes, Linker};
use sp_wasm_interface::{Function, HostFunctions, Signature, Value, ValueType};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The module from which all host functions are imported.
pub(crate) use pvf_executor::HOST_MODULE as MODULE;

/// The types of all functions of `H` by name. Of several functions with one name, the first counts.
pub(crate) fn types<H: HostFunctions>() -> HostFunctionTypes {
    let functions = H::host_functions().into_iter().rev();
    functions
        .map(|function| (function.name(), func_type(&function.signature())))
        .collect()
}

/// Defines all functions of `H`. Of several functions with one name, the first counts.
pub(crate) fn define_all<H: HostFunctions>(linker: &mut Linker<State>) {
    // Reversed, since a later definition replaces an earlier one in the linker.
    for function in H::host_functions().into_iter().rev() {
        let signature = function.signature();
        let ty = func_type(&signature);
        linker.func(MODULE, function.name(), ty, move |caller, slots| {
            guard(function, &signature.args, caller, slots)
        });
    }
}

/// Calls a host function. Errors and panics become traps, or the failure of the host that caused
/// them.
fn guard(
    function: &'static dyn Function,
    types: &[ValueType],
    caller: &mut Caller<'_, State>,
    slots: &mut [u64],
) -> Result<(), HostError> {
    let mut context = Context(caller);
    let called = catch_unwind(AssertUnwindSafe(|| {
        let arguments = types.iter().zip(&*slots);
        let mut arguments = arguments.map(|(&ty, &slot)| value(ty, slot));
        function.execute(&mut context, &mut arguments)
    }));
    let message = match called {
        Ok(Ok(result)) => {
            if let Some(result) = result {
                slots[0] = bits(result);
            }
            return Ok(());
        }
        Ok(Err(message)) => message,
        Err(panic) => format!(
            "host code panicked while being called by the runtime: {}",
            panic_text(&*panic)
        ),
    };
    match caller.data_mut().failure.take() {
        Some(failure) => Err(HostError::Failure(failure)),
        None => Err(HostError::Trap(format!("{}: {message}", function.name()))),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "it does not say why",
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

fn bits(value: Value) -> u64 {
    match value {
        Value::I32(value) => u64::from(value as u32),
        Value::I64(value) => value as u64,
        Value::F32(bits) => u64::from(bits),
        Value::F64(bits) => bits,
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

fn func_type(signature: &Signature) -> FuncType {
    FuncType {
        params: signature.args.iter().copied().map(val_type).collect(),
        results: signature.return_value.into_iter().map(val_type).collect(),
    }
}
