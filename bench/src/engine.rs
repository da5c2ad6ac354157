//! The interface of an engine to the measures. `engines/` has a file for each engine.

use pvf_rules::TrapKind;
use std::borrow::Cow;
use std::path::Path;

/// A configuration of a WebAssembly engine, compiling in the calling thread.
pub trait Engine {
    /// The module in the form that this engine compiles. This step is not measured. Peers get a memory of their own, as
    /// in Polkadot's workers.
    fn adapt<'a>(&self, wasm: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        Ok(Cow::Borrowed(wasm))
    }

    /// Compiles a module so that it can be instantiated, including everything that a cold start needs.
    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Compiled>, String>;

    /// As [`Self::compile`], bound to Polkadot's host functions. `None` if there is no binding for this engine.
    fn prepare(&self, wasm: &[u8]) -> Option<Result<Box<dyn Pvf>, String>> {
        let _ = wasm;
        None
    }

    /// How compiled code is stored in files, if the engine supports it.
    fn files(&self) -> Option<&dyn Files> {
        None
    }
}

/// Compiled code in files.
pub trait Files {
    /// Compiles a module that is [adapted](Engine::adapt) and writes its code to a file.
    fn store(&self, wasm: &[u8], file: &Path) -> Result<(), String>;

    /// Loads a file that this engine wrote in this process. The result can be linked.
    fn load(&self, file: &Path) -> Result<Box<dyn Loaded>, String>;
}

/// A module loaded from a file.
pub trait Loaded {
    /// Binds the module to Polkadot's host functions.
    fn bind(&self) -> Result<Box<dyn Pvf>, String>;

    /// Links the module with functions that trap.
    fn link(&self) -> Result<Box<dyn Linked>, String>;
}

/// A module with its imports resolved.
pub trait Linked {
    /// Makes an instance and drops it.
    fn instantiate(&self) -> Result<(), String>;
}

/// A compiled module.
pub trait Compiled {
    /// Bytes of machine code, if the engine generates machine code and reports its size.
    fn code_bytes(&self) -> Option<usize>;

    /// Makes a fresh instance. `env.next` is [`next`]; other imported functions trap.
    fn instantiate(&self) -> Result<Box<dyn Instance>, String>;
}

/// An instance.
pub trait Instance {
    /// Calls an export without parameters. Returns its result, if it has one.
    fn call(&mut self, export: &str) -> Result<Option<u64>, String>;

    /// Whether the module exports this function.
    fn has(&mut self, export: &str) -> bool;
}

/// A validation function bound to host functions.
pub trait Pvf {
    /// Executes a candidate in a fresh instance.
    fn execute(&self, candidate: &[u8]) -> Result<Ended, String>;
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The function returned these bytes from `validate_block`.
    Returned(Vec<u8>),
    /// The function trapped.
    Trapped(TrapKind),
}

/// The host function `env.next` of programs.
pub fn next(x: u64) -> u64 {
    x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1)
}
