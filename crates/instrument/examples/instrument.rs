//! Rewrites a module so that it counts its own gas and stack, and runs it in an engine that knows of neither.
//!
//! ```console
//! $ cargo run --release -p pvf-instrument --example instrument
//! ```

use pvf_instrument::{GAS_LEFT, GasLimit, InstrumentOptions, STACK_NATIVE_LEFT, TRAP, instrument};
use pvf_metering::Costs;
use pvf_rules::{Features, TrapKind};
use std::error::Error;
use wasmi::{Engine, Instance, Linker, Module, Store, Val};

const GAS: u64 = 1_000;
const STACK: u64 = 2_048;

const TEXT: &str = r#"(module
    (func $sum (export "sum") (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0))
            (then (i32.const 0))
            (else (i32.add
                (local.get 0)
                (call $sum (i32.sub (local.get 0) (i32.const 1))))))))"#;

fn main() -> Result<(), Box<dyn Error>> {
    let wasm = wat::parse_str(TEXT)?;
    let options = InstrumentOptions {
        stack_native_max: Some(STACK),
        gas: Some(GasLimit {
            costs: Costs::default(),
            limit: GAS,
        }),
        ..InstrumentOptions::new(Features::POLKADOT)
    };
    let instrumented = instrument(&wasm, &options)?;
    println!("{} bytes became {}", wasm.len(), instrumented.len());

    let engine = Engine::default();
    let module = Module::new(&engine, &instrumented[..])?;
    for number in [10, 10_000] {
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate_and_start(&mut store, &module)?;
        let sum = instance.get_typed_func::<i32, i32>(&store, "sum")?;
        match sum.call(&mut store, number) {
            Ok(sum) => println!("sum({number}) = {sum}"),
            Err(error) => {
                // 0: the trap is the module's own.
                let code = global(&instance, &store, TRAP)?;
                let kind = match code {
                    0 => None,
                    code => TrapKind::from_code(u8::try_from(code)?),
                };
                match kind {
                    Some(kind) => println!("sum({number}): {}", kind.name()),
                    None => println!("sum({number}): {error}"),
                }
            }
        }
        println!(
            "  gas used   {}",
            GAS - global(&instance, &store, GAS_LEFT)?
        );
        println!(
            "  stack left {}",
            global(&instance, &store, STACK_NATIVE_LEFT)?
        );
    }
    Ok(())
}

/// The value of an exported global, unsigned.
fn global(instance: &Instance, store: &Store<()>, name: &str) -> Result<u64, Box<dyn Error>> {
    let global = instance.get_global(store, name).ok_or("no such global")?;
    match global.get(store) {
        Val::I32(value) => Ok(u64::from(value as u32)),
        Val::I64(value) => Ok(value as u64),
        other => Err(format!("{name} is {other:?}").into()),
    }
}
