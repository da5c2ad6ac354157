//! Wasmer's baseline compiler, with its canonicalisation of NaNs, on one thread.
//!
//! It has no [`Pvf`](crate::engine::Pvf): the hosts' allocator needs the memory as one slice, which Wasmer provides
//! only to unsafe code.

use crate::engine::{Compiled, Engine, Instance, next};
use pvf_rules::DEFAULT_MAX_MEMORY_PAGES;
use std::borrow::Cow;
use std::num::NonZeroUsize;
use wasmer::sys::{EngineBuilder, Features};
use wasmer::{
    Exports, Extern, ExternType, Function, FunctionType, Imports, Module, RuntimeError, Store,
    Value,
};

/// The engine.
pub struct Singlepass;

impl Singlepass {
    /// Opens the engine. Each compilation uses a store of its own.
    pub fn new() -> Self {
        Self
    }
}

fn engine() -> wasmer::Engine {
    let mut compiler = wasmer::sys::Singlepass::new();
    compiler.canonicalize_nans(true);
    compiler.num_threads(NonZeroUsize::MIN);
    EngineBuilder::new(compiler)
        .set_features(Some(Features::default()))
        .engine()
        .into()
}

impl Engine for Singlepass {
    fn adapt<'a>(&self, wasm: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        pvf_wasmtime::with_own_memory(wasm, DEFAULT_MAX_MEMORY_PAGES).map(Cow::Owned)
    }

    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Compiled>, String> {
        let engine = engine();
        let module = Module::new(&engine, wasm).map_err(|error| error.to_string())?;
        Ok(Box::new(SinglepassCompiled {
            engine,
            module,
            wasm: wasm.to_vec(),
        }))
    }
}

struct SinglepassCompiled {
    engine: wasmer::Engine,
    module: Module,
    /// For [`Compiled::code_bytes`].
    wasm: Vec<u8>,
}

impl Compiled for SinglepassCompiled {
    /// Compiles again, because the module that is instantiated does not report its size.
    fn code_bytes(&self) -> Option<usize> {
        let artifact = self.engine.as_sys().compile(&self.wasm).ok()?;
        let extents = artifact.finished_function_extents()?;
        Some(extents.iter().map(|(_, extent)| extent.length).sum())
    }

    fn instantiate(&self) -> Result<Box<dyn Instance>, String> {
        let mut store = Store::new(self.engine.clone());
        let imports = imports(&mut store, &self.module);
        let instance = wasmer::Instance::new(&mut store, &self.module, &imports);
        Ok(Box::new(SinglepassInstance {
            exports: instance.map_err(|error| error.to_string())?.exports,
            store,
        }))
    }
}

fn imports(store: &mut Store, module: &Module) -> Imports {
    let mut imports = Imports::new();
    for import in module.imports() {
        let ExternType::Function(ty) = import.ty() else {
            continue;
        };
        let function = match (import.module(), import.name()) {
            ("env", "next") => Function::new_typed(store, next),
            _ => missing(store, ty.clone()),
        };
        imports.define(import.module(), import.name(), function);
    }
    imports
}

fn missing(store: &mut Store, ty: FunctionType) -> Function {
    Function::new(store, ty, |_| Err(RuntimeError::new("missing function")))
}

struct SinglepassInstance {
    store: Store,
    exports: Exports,
}

impl Instance for SinglepassInstance {
    fn call(&mut self, export: &str) -> Result<Option<u64>, String> {
        let function = self.exports.get_function(export);
        let function = function.map_err(|error| error.to_string())?;
        let results = function.call(&mut self.store, &[]);
        match &*results.map_err(|error| error.to_string())? {
            [] => Ok(None),
            [Value::I64(result)] => Ok(Some(*result as u64)),
            other => Err(format!("{export} returned {other:?}")),
        }
    }

    fn has(&mut self, export: &str) -> bool {
        matches!(self.exports.get_extern(export), Some(Extern::Function(_)))
    }
}
