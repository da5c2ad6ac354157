//! wasmi, an interpreter. Its compilation is the translation of all functions to its own code.

use crate::engine::{Compiled, Engine, Instance, next};
use pvf_rules::DEFAULT_MAX_MEMORY_PAGES;
use std::borrow::Cow;
use wasmi::{CompilationMode, Config, Extern, ExternType, Func, Linker, Module, Store, Val};

/// The engine.
pub struct Wasmi;

impl Wasmi {
    /// The engine.
    pub fn new() -> Self {
        Self
    }
}

impl Engine for Wasmi {
    fn adapt<'a>(&self, wasm: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        pvf_wasmtime::with_own_memory(wasm, DEFAULT_MAX_MEMORY_PAGES).map(Cow::Owned)
    }

    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Compiled>, String> {
        let mut config = Config::default();
        config.compilation_mode(CompilationMode::Eager);
        // The stack is as deep as those of the other engines, whose limits are in bytes.
        config.set_max_recursion_depth(1 << 20);
        config.set_max_stack_height(1 << 26);
        let module = Module::new(&wasmi::Engine::new(&config), wasm);
        Ok(Box::new(WasmiCompiled(
            module.map_err(|error| error.to_string())?,
        )))
    }
}

struct WasmiCompiled(Module);

impl Compiled for WasmiCompiled {
    fn code_bytes(&self) -> Option<usize> {
        None
    }

    fn instantiate(&self) -> Result<Box<dyn Instance>, String> {
        let instantiate = || {
            let mut store = Store::new(self.0.engine(), ());
            let mut linker = Linker::new(self.0.engine());
            for import in self.0.imports() {
                let ExternType::Func(ty) = import.ty() else {
                    continue;
                };
                let function = match (import.module(), import.name()) {
                    ("env", "next") => Func::wrap(&mut store, next),
                    _ => Func::new(&mut store, ty.clone(), |_, _, _| {
                        Err(wasmi::Error::new("missing function"))
                    }),
                };
                linker.define(import.module(), import.name(), function)?;
            }
            let instance = linker.instantiate_and_start(&mut store, &self.0)?;
            Ok(Box::new(WasmiInstance { store, instance }) as Box<dyn Instance>)
        };
        instantiate().map_err(|error: wasmi::Error| error.to_string())
    }
}

struct WasmiInstance {
    store: Store<()>,
    instance: wasmi::Instance,
}

impl Instance for WasmiInstance {
    fn call(&mut self, export: &str) -> Result<Option<u64>, String> {
        let function = self.instance.get_func(&self.store, export);
        let function = function.ok_or_else(|| format!("no function {export}"))?;
        let mut results = [Val::I64(0)];
        let results = &mut results[..function.ty(&self.store).results().len().min(1)];
        let called = function.call(&mut self.store, &[], results);
        called.map_err(|error| error.to_string())?;
        match results {
            [] => Ok(None),
            [Val::I64(result)] => Ok(Some(*result as u64)),
            other => Err(format!("{export} returned {other:?}")),
        }
    }

    fn has(&mut self, export: &str) -> bool {
        let found = self.instance.get_export(&self.store, export);
        matches!(found, Some(Extern::Func(_)))
    }
}
