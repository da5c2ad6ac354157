//! Embeds the runtime alone: a host function with state, the meters, a trap with its place, and an instance that is used again.
//!
//! ```console
//! $ cargo run --release -p pvf-runtime --example embed
//! ```

use pvf_compiler::{CompileOptions, Costs, FuncType, Metering, ValType, compile};
use pvf_rules::{ExecutionParameters, Features};
use pvf_runtime::{CallError, Instance, Linker, Module, Value};
use std::error::Error;
use std::sync::Arc;

const TEXT: &str = r#"(module
    (import "host" "record" (func $record (param i64)))
    (func $factorial (export "factorial") (param i64) (result i64)
        (local $result i64)
        (local.set $result
            (if (result i64) (i64.eqz (local.get 0))
                (then (i64.const 1))
                (else (i64.mul
                    (local.get 0)
                    (call $factorial (i64.sub (local.get 0) (i64.const 1)))))))
        (call $record (local.get $result))
        (local.get $result)))"#;

fn main() -> Result<(), Box<dyn Error>> {
    let mut options = CompileOptions::new(Features::POLKADOT);
    options.metering = Metering {
        logical_stack: true,
        gas: Some(Arc::new(Costs::default())),
    };
    let module = Module::new(compile(&wat::parse_str(TEXT)?, &options)?)?;

    // The host's state is the instance's `data`.
    let mut linker = Linker::<Vec<u64>>::new();
    let record = FuncType {
        params: vec![ValType::I64],
        results: vec![],
    };
    linker.func("host", "record", record, |caller, slots| {
        caller.data_mut().push(slots[0]);
        Ok(())
    });
    let parameters = ExecutionParameters {
        stack_native_max: 4096,
        gas_limit: Some(10_000),
        ..ExecutionParameters::POLKADOT
    };
    let mut instance = Instance::new(&module, &linker, &parameters, Vec::new())?;

    for number in [5, 1_000] {
        let result = instance.call_export("factorial", &[Value::I64(number)]);
        match result {
            Ok(values) => println!("factorial({number}) = {values:?}"),
            Err(CallError::Trap(trap)) => println!("factorial({number}): {trap}"),
            Err(error) => return Err(error.into()),
        }
        println!(
            "  recorded {:?}, gas {:?}, native stack {} bytes, logical stack {:?} units",
            instance.data(),
            instance.gas_used(),
            instance.stack_native_peak(),
            instance.stack_logical_peak(),
        );
        instance.reset(Vec::new())?;
    }
    Ok(())
}
