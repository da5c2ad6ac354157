//! Runs a guest that was compiled elsewhere, under an emulator that counts instructions.
//!
//! Input: an engine's name and a file for that engine (`ours FILE`, `wasmtime FILE`). Output: a line after the first
//! run with its result, a line directly after that, and a line after the second run. At each line, the emulator's
//! plugin (`count.c`) records the number of executed instructions. The counts give the instructions of the second run,
//! and those of writing a line.
#![deny(unsafe_code)]

use pvf_compiler::artifact::ExportKind;
use pvf_rules::ExecutionParameters;
use pvf_runtime::{Caller, Value};
use std::path::Path;
use std::process::ExitCode;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ours", file] => Ours::load(file.as_ref()).and_then(run),
        ["wasmtime", file] => Wasmtime::load(file.as_ref()).and_then(run),
        _ => Err("usage: ours FILE | wasmtime FILE".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// An instance of a module.
trait Engine {
    /// Calls an export without parameters. Returns its result, if it has one.
    fn call(&mut self, export: &str) -> Result<Option<u64>, Failure>;

    /// Whether the module exports this function.
    fn has(&mut self, export: &str) -> bool;
}

fn run(mut engine: impl Engine) -> Result<(), Failure> {
    if engine.has("initialize") {
        engine.call("initialize")?;
    }
    let result = engine.call("run")?;
    println!("{:#x}", result.ok_or("run returned nothing")?);
    println!("begin");
    engine.call("run")?;
    println!("end");
    Ok(())
}

/// The host function `env.next` of programs.
fn next(x: u64) -> u64 {
    x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1)
}

struct Ours(pvf_runtime::Instance<()>);

impl Ours {
    fn load(file: &Path) -> Result<Self, Failure> {
        // SAFETY: the benchmark wrote the file, and no other program changes it.
        let module = unsafe { pvf_executor::open_module(file) }?;
        let mut linker = pvf_runtime::Linker::new();
        linker.typed("env", "next", |_: &mut Caller<'_, ()>, x: u64| Ok(next(x)));
        let parameters = ExecutionParameters::WASM;
        let instance = pvf_runtime::Instance::new(&module, &linker, &parameters, ());
        Ok(Self(instance?))
    }
}

impl Engine for Ours {
    fn call(&mut self, export: &str) -> Result<Option<u64>, Failure> {
        match self.0.call_export(export, &[])?[..] {
            [] => Ok(None),
            [Value::I64(result)] => Ok(Some(result as u64)),
            ref other => Err(format!("{export} returned {other:?}").into()),
        }
    }

    fn has(&mut self, export: &str) -> bool {
        let kind = self.0.module().info().export(export);
        matches!(kind, Some(ExportKind::Function(_)))
    }
}

struct Wasmtime {
    store: wasmtime::Store<()>,
    instance: wasmtime::Instance,
}

impl Wasmtime {
    #[allow(unsafe_code, reason = "Wasmtime cannot check what it loads")]
    fn load(file: &Path) -> Result<Self, Failure> {
        let engine = wasmtime::Engine::default();
        // SAFETY: the benchmark wrote the file with the same version of Wasmtime, into a folder of its own.
        let module = unsafe { wasmtime::Module::deserialize_file(&engine, file) }?;
        let mut linker = wasmtime::Linker::new(&engine);
        linker.func_wrap("env", "next", next)?;
        let mut store = wasmtime::Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module)?;
        Ok(Self { store, instance })
    }
}

impl Engine for Wasmtime {
    fn call(&mut self, export: &str) -> Result<Option<u64>, Failure> {
        let function = self.instance.get_func(&mut self.store, export);
        let function = function.ok_or_else(|| format!("no function {export}"))?;
        let mut results = [wasmtime::Val::I32(0)];
        let results = &mut results[..function.ty(&self.store).results().len().min(1)];
        function.call(&mut self.store, &[], results)?;
        match results {
            [] => Ok(None),
            [wasmtime::Val::I64(result)] => Ok(Some(*result as u64)),
            other => Err(format!("{export} returned {other:?}").into()),
        }
    }

    fn has(&mut self, export: &str) -> bool {
        self.instance.get_func(&mut self.store, export).is_some()
    }
}
