//! Memory, stack, traps and host calls for code made by `pvf-compiler`.
//!
//! In comes an [`Artifact`](pvf_compiler::Artifact); out come results, or a typed
//! [`Trap`](pvf_spec::Trap) with its place in the Wasm. Three layers:
//!
//! - a [`Module`] is the artifact placed in memory: code that can be executed and
//!   never written, and the initial image of linear memory, both shared by all instances;
//! - a [`Linker`] says what satisfies the imports, over a host state `T` of the embedder;
//! - an [`Instance`] owns linear memory, globals, table and a stack for Wasm of its own, and
//!   runs functions. It can be called again after a trap and can be [reset](Instance::reset).
//!
//! What generated code may rely on stands in [`pvf_compiler::abi`]. What the runtime
//! relies on: the artifact's code was made by the compiler (an artifact is checked
//! for accidents, and machine code cannot be checked for more). Everything
//! the operating system refuses is a [`HostFailure`] and never an outcome.
//!
//! Calls to the operating system go through `libc`. `rustix` was the alternative:
//! it has no `sigaction` or `sigaltstack` outside its experimental runtime module,
//! and these are the heart of this crate.

mod activation;
mod altstack;
mod arch;
mod builtins;
mod call;
mod code;
mod context;
mod error;
mod host;
mod image;
mod instance;
mod linker;
mod mapping;
mod memory;
mod module;
mod regions;
mod stack;
mod store;
mod traps;
mod validate;
mod value;

pub use error::{
    CallError, FuncTypeDisplay, HostError, HostFailure, InstantiateError, LinkError, LoadError,
    Segment,
};
pub use host::Caller;
pub use instance::Instance;
pub use linker::{Linked, Linker};
pub use module::Module;
pub use value::Value;
