//! Wasmtime's two compilers, configured in one crate (`pvf-wasmtime`).

use crate::engine::{Compiled, Ended, Engine, Files, Instance, Linked, Loaded, Pvf, next};
use pvf_rules::{DEFAULT_MAX_MEMORY_PAGES, DEFAULT_STACK_LOGICAL_MAX};
use std::borrow::Cow;
use std::path::Path;
use wasmtime::{Config, Extern, InstancePre, Linker, Module, OptLevel, Store, Val};

/// A configuration of Wasmtime.
pub struct Peer {
    engine: wasmtime::Engine,
    /// Whether `wasm-instrument`'s stack limiter runs before the compiler.
    limiter: bool,
    fuel: bool,
}

type Opened = Result<Box<dyn Engine>, String>;

impl Peer {
    /// The yardstick.
    pub fn cranelift() -> Opened {
        Self::open(pvf_wasmtime::config(), false, false)
    }

    /// A validator's configuration.
    pub fn polkadot() -> Opened {
        let mut config = pvf_wasmtime::config();
        config.cranelift_opt_level(OptLevel::SpeedAndSize);
        Self::open(config, true, false)
    }

    /// The yardstick, with fuel.
    pub fn fuel() -> Opened {
        let mut config = pvf_wasmtime::config();
        config.consume_fuel(true);
        Self::open(config, false, true)
    }

    /// The baseline compiler.
    #[cfg(feature = "winch")]
    pub fn winch() -> Opened {
        let mut config = Config::new();
        config
            .strategy(wasmtime::Strategy::Winch)
            .max_wasm_stack(pvf_wasmtime::WASM_STACK_BYTES)
            .async_stack_size(pvf_wasmtime::WASM_STACK_BYTES);
        Self::open(config, false, false)
    }

    fn open(config: Config, limiter: bool, fuel: bool) -> Opened {
        let engine = wasmtime::Engine::new(&config).map_err(|error| format!("{error:#}"))?;
        Ok(Box::new(Self {
            engine,
            limiter,
            fuel,
        }))
    }

    fn limited<'a>(&self, wasm: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        if !self.limiter {
            return Ok(Cow::Borrowed(wasm));
        }
        let module = parity_wasm::deserialize_buffer(wasm);
        let module = module.map_err(|error: parity_wasm::elements::Error| error.to_string())?;
        let module = wasm_instrument::inject_stack_limiter(module, DEFAULT_STACK_LOGICAL_MAX)?;
        let wasm = parity_wasm::serialize(module);
        Ok(Cow::Owned(wasm.map_err(|error| error.to_string())?))
    }
}

impl Engine for Peer {
    fn adapt<'a>(&self, wasm: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        pvf_wasmtime::with_own_memory(wasm, DEFAULT_MAX_MEMORY_PAGES).map(Cow::Owned)
    }

    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Compiled>, String> {
        let module = Module::new(&self.engine, self.limited(wasm)?);
        let module = module.map_err(|error| format!("{error:#}"))?;
        Ok(Box::new(PeerCompiled {
            module,
            fuel: self.fuel,
        }))
    }

    fn prepare(&self, wasm: &[u8]) -> Option<Result<Box<dyn Pvf>, String>> {
        let prepare = || {
            let wasm = self.limited(wasm)?;
            let prepared = pvf_wasmtime::Prepared::new(&self.engine, &wasm);
            Ok(Box::new(prepared.map_err(|error| format!("{error:#}"))?) as Box<dyn Pvf>)
        };
        Some(prepare())
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }
}

impl Files for Peer {
    fn store(&self, wasm: &[u8], file: &Path) -> Result<(), String> {
        let module = Module::new(&self.engine, self.limited(wasm)?);
        let bytes = module.and_then(|module| module.serialize());
        let bytes = bytes.map_err(|error| format!("{error:#}"))?;
        std::fs::write(file, bytes).map_err(|error| format!("{}: {error}", file.display()))
    }

    #[allow(unsafe_code, reason = "Wasmtime cannot check what it loads")]
    fn load(&self, file: &Path) -> Result<Box<dyn Loaded>, String> {
        // SAFETY: `store` wrote the file in this process, with an engine of the same configuration; no other program
        // knows its name.
        let module = unsafe { Module::deserialize_file(&self.engine, file) };
        let module = module.map_err(|error| format!("{error:#}"))?;
        Ok(Box::new(PeerLoaded {
            module,
            fuel: self.fuel,
        }))
    }
}

struct PeerLoaded {
    module: Module,
    fuel: bool,
}

impl Loaded for PeerLoaded {
    fn bind(&self) -> Result<Box<dyn Pvf>, String> {
        let pvf = pvf_wasmtime::Prepared::link(&self.module);
        Ok(Box::new(pvf.map_err(|error| format!("{error:#}"))?))
    }

    fn link(&self) -> Result<Box<dyn Linked>, String> {
        let mut linker = Linker::new(self.module.engine());
        let linked = linker.define_unknown_imports_as_traps(&self.module);
        let linked = linked.and_then(|()| linker.instantiate_pre(&self.module));
        Ok(Box::new(PeerLinked {
            linked: linked.map_err(|error| format!("{error:#}"))?,
            fuel: self.fuel,
        }))
    }
}

struct PeerLinked {
    linked: InstancePre<()>,
    fuel: bool,
}

impl Linked for PeerLinked {
    fn instantiate(&self) -> Result<(), String> {
        let instantiate = || {
            let mut store = Store::new(self.linked.module().engine(), ());
            if self.fuel {
                store.set_fuel(u64::MAX)?;
            }
            self.linked.instantiate(&mut store)
        };
        instantiate()
            .map(drop)
            .map_err(|error: wasmtime::Error| format!("{error:#}"))
    }
}

struct PeerCompiled {
    module: Module,
    fuel: bool,
}

impl Compiled for PeerCompiled {
    fn code_bytes(&self) -> Option<usize> {
        Some(self.module.text().len())
    }

    fn instantiate(&self) -> Result<Box<dyn Instance>, String> {
        let instantiate = || {
            let engine = self.module.engine();
            let mut linker = Linker::new(engine);
            linker.func_wrap("env", "next", next)?;
            linker.define_unknown_imports_as_traps(&self.module)?;
            let mut store = Store::new(engine, ());
            if self.fuel {
                store.set_fuel(u64::MAX)?;
            }
            let instance = linker.instantiate(&mut store, &self.module)?;
            Ok(Box::new(PeerInstance { store, instance }) as Box<dyn Instance>)
        };
        instantiate().map_err(|error: wasmtime::Error| format!("{error:#}"))
    }
}

struct PeerInstance {
    store: Store<()>,
    instance: wasmtime::Instance,
}

impl Instance for PeerInstance {
    fn call(&mut self, export: &str) -> Result<Option<u64>, String> {
        let function = self.instance.get_func(&mut self.store, export);
        let function = function.ok_or_else(|| format!("no function {export}"))?;
        let mut results = [Val::I32(0)];
        let results = &mut results[..function.ty(&self.store).results().len().min(1)];
        let called = function.call(&mut self.store, &[], results);
        called.map_err(|error| format!("{error:#}"))?;
        match results {
            [] => Ok(None),
            [Val::I64(result)] => Ok(Some(*result as u64)),
            other => Err(format!("{export} returned {other:?}")),
        }
    }

    fn has(&mut self, export: &str) -> bool {
        let found = self.instance.get_export(&mut self.store, export);
        matches!(found, Some(Extern::Func(_)))
    }
}

impl Pvf for pvf_wasmtime::Prepared {
    fn execute(&self, candidate: &[u8]) -> Result<Ended, String> {
        match self.execute(candidate) {
            Ok((pvf_wasmtime::Ended::Returned(result), _)) => Ok(Ended::Returned(result)),
            Ok((pvf_wasmtime::Ended::Trapped(kind), _)) => Ok(Ended::Trapped(kind)),
            Err(error) => Err(format!("{error:#}")),
        }
    }
}
