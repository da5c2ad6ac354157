//! What the measures ask of an engine. `engines/` has one file for each.

use pvf_rules::TrapKind;
use std::borrow::Cow;
use std::path::Path;

/// A configuration of a WebAssembly engine, compiling in the calling thread.
pub trait Engine {
    /// The module as this engine is given it, made before any clock runs: peers' memories become the
    /// module's own, as in Polkadot's workers.
    fn adapt<'a>(&self, wasm: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        Ok(Cow::Borrowed(wasm))
    }

    /// From bytes to something that can be instantiated: everything that a cold start needs.
    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Compiled>, String>;

    /// As [`Self::compile`], bound to Polkadot's host functions; `None` where nothing binds them to this engine.
    fn prepare(&self, wasm: &[u8]) -> Option<Result<Box<dyn Pvf>, String>> {
        let _ = wasm;
        None
    }

    /// How compiled code is kept in files, where the engine has a way.
    fn files(&self) -> Option<&dyn Files> {
        None
    }
}

/// Compiled code in files.
pub trait Files {
    /// Compiles a module that is [adapted](Engine::adapt) and writes its code to a file.
    fn store(&self, wasm: &[u8], file: &Path) -> Result<(), String>;

    /// From a file that this engine wrote in this process to something that can be linked.
    fn load(&self, file: &Path) -> Result<Box<dyn Loaded>, String>;
}

/// A module from a file.
pub trait Loaded {
    /// Bound to Polkadot's host functions.
    fn bind(&self) -> Result<Box<dyn Pvf>, String>;

    /// Linked with functions that trap.
    fn link(&self) -> Result<Box<dyn Linked>, String>;
}

/// A module with its imports resolved.
pub trait Linked {
    /// Makes an instance and drops it.
    fn instantiate(&self) -> Result<(), String>;
}

/// A compiled module.
pub trait Compiled {
    /// Bytes of machine code, where the engine makes some and tells.
    fn code_bytes(&self) -> Option<usize>;

    /// A fresh instance: `env.next` is [`next`], other imported functions trap.
    fn instantiate(&self) -> Result<Box<dyn Instance>, String>;
}

/// An instance.
pub trait Instance {
    /// Calls an export without parameters; its result, if it has one.
    fn call(&mut self, export: &str) -> Result<Option<u64>, String>;

    /// Whether there is such a function.
    fn has(&mut self, export: &str) -> bool;
}

/// A validation function in its environment.
pub trait Pvf {
    /// Executes a candidate in a fresh instance.
    fn execute(&self, candidate: &[u8]) -> Result<Ended, String>;
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With the bytes that `validate_block` returned.
    Returned(Vec<u8>),
    /// With a trap.
    Trapped(TrapKind),
}

/// What the host function `env.next` of programs makes of its argument.
pub fn next(x: u64) -> u64 {
    x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1)
}
