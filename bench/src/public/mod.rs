//! Programs that we did not write: from packages of crates.io, npm and PyPI that carry `.wasm` files.
//!
//! [`list`] reads which ones, [`fetch`] gets their packages, [`script`] reads what is done with a program, and
//! [`module`] makes it a module without imports that does it.

mod emit;
pub mod fetch;
pub mod list;
pub mod module;
pub mod script;
mod stubs;
