//! The compilers of both engines.

use crate::own_memory::with_own_memory;
use object::{Object, ObjectSection};
use pvf_compiler::{Artifact, CompileOptions, Target};
use pvf_rules::{DEFAULT_MAX_MEMORY_PAGES, Features};
use std::path::Path;

/// This executor's artifact, without meters, for the language that Polkadot accepts.
pub fn ours(wasm: &[u8], target: Target) -> Result<Artifact, String> {
    let options = CompileOptions {
        target,
        ..CompileOptions::new(Features::POLKADOT)
    };
    pvf_compiler::compile(wasm, &options).map_err(|error| error.to_string())
}

/// Wasmtime's compiler for aarch64: Cranelift, optimisation level speed, canonical NaNs, as in the other benchmarks.
pub struct Wasmtime(wasmtime::Engine);

impl Wasmtime {
    /// The compiler.
    pub fn new() -> Result<Self, String> {
        let mut config = wasmtime::Config::new();
        config
            .cranelift_opt_level(wasmtime::OptLevel::Speed)
            .cranelift_nan_canonicalization(true);
        let engine = config
            .target("aarch64-unknown-linux-gnu")
            .and_then(|config| wasmtime::Engine::new(config));
        Ok(Self(engine.map_err(|error| format!("{error:#}"))?))
    }

    /// Compiles a module. An imported memory becomes its own, as in Polkadot's workers, which makes the code smaller.
    pub fn compile(&self, wasm: &[u8]) -> Result<Precompiled, String> {
        let wasm = with_own_memory(wasm, DEFAULT_MAX_MEMORY_PAGES)?;
        let compiled = self.0.precompile_module(&wasm);
        compiled
            .map(Precompiled)
            .map_err(|error| format!("{error:#}"))
    }
}

/// Wasmtime's compiled code, an ELF file.
pub struct Precompiled(Vec<u8>);

impl Precompiled {
    /// Bytes of machine code, without the zeros that fill its last page of 64 KiB.
    pub fn code_bytes(&self) -> Result<usize, String> {
        let file = object::File::parse(&*self.0).map_err(|error| error.to_string())?;
        let text = file.section_by_name(".text").ok_or("no .text")?;
        let code = text.data().map_err(|error| error.to_string())?;
        let last = code.iter().rposition(|&byte| byte != 0);
        Ok(last.map_or(0, |last| (last + 1).next_multiple_of(4)))
    }

    /// Writes the file for the runner.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        std::fs::write(file, &self.0).map_err(|error| format!("{}: {error}", file.display()))
    }
}
