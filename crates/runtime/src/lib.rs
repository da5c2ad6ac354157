//! Memory, stack, traps and host calls for code made by `pvf-compiler`.
//!
//! In comes an [`Artifact`](pvf_compiler::Artifact); out come results, or a typed
//! [`Trap`](pvf_rules::Trap) with its place in the Wasm. Three layers:
//!
//! - a [`Module`] is the artifact placed in memory: code that can be executed and
//!   never written, and the initial image of linear memory, both shared by all instances;
//! - a [`Linker`] says what satisfies the imports, over a host state `T` of the embedder;
//! - an [`Instance`] owns linear memory, globals, table and a stack for Wasm of its own, and
//!   runs functions. It can be called again after a trap and can be [reset](Instance::reset).
//!
//! ```
//! use pvf_compiler::{CompileOptions, FuncType, compile};
//! use pvf_runtime::{CallError, Instance, Linker, Module, Value};
//! use pvf_rules::{ExecutionParameters, Features, TrapKind};
//!
//! let wasm = wat::parse_str(
//!     r#"(module
//!         (import "host" "tick" (func $tick))
//!         (func (export "divide") (param i32 i32) (result i32)
//!             (call $tick)
//!             (i32.div_s (local.get 0) (local.get 1))))"#,
//! )?;
//! let module = Module::new(compile(&wasm, &CompileOptions::new(Features::POLKADOT))?)?;
//!
//! let mut linker = Linker::<u32>::new();
//! linker.func("host", "tick", FuncType::default(), |caller, _slots| {
//!     *caller.data_mut() += 1;
//!     Ok(())
//! });
//! let mut instance = Instance::new(&module, &linker, &ExecutionParameters::WASM, 0)?;
//! let quotient = instance.call_export("divide", &[Value::I32(42), Value::I32(-2)])?;
//! assert_eq!(quotient, [Value::I32(-21)]);
//!
//! match instance.call_export("divide", &[Value::I32(42), Value::I32(0)]) {
//!     Err(CallError::Trap(trap)) => assert_eq!(trap.kind, TrapKind::IntegerDivideByZero),
//!     other => panic!("{other:?}"),
//! }
//! assert_eq!(*instance.data(), 2);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! What generated code may rely on stands in [`pvf_compiler::abi`]. What the runtime
//! relies on: the artifact's code was made by the compiler. An artifact is checked
//! for accidents, and machine code cannot be checked for more: so an [`Artifact`](pvf_compiler::Artifact) is made by
//! the compiler or by an `unsafe` call, and nobody can change one. Everything
//! the operating system refuses is a [`HostFailure`] and never an outcome.
//!
//! # Host functions
//! [`Linker::typed`] binds a function by its Rust type: generated code calls it with its parameters in registers, a few
//! nanoseconds from Wasm to Rust and back. [`Linker::func`] takes any type known at run time and passes values in slots.
//!
//! # Files
//! [`Module::open`] maps an artifact instead of copying it: code is executed and traps are looked up where they lie in the
//! file. The file may be deleted or replaced while the module exists. Nobody may change it in place: bytes changed after they
//! were checked would be executed. If it is cut short, the pages are gone, and what needs them ends with
//! [`HostFailure::ArtifactCut`] (the handler for SIGBUS sees to it). Initial memory contents are copied, so that
//! no host function that reads memory depends on the file.
//!
//! # Interrupts
//! [`Interrupt`] ends runs by their time or from another thread. Such a run has no outcome.
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
mod file;
mod host;
mod image;
mod instance;
mod interrupt;
mod linker;
mod mapping;
mod memory;
mod module;
pub mod perf;
pub mod placed;
mod regions;
mod stack;
mod store;
mod traps;
mod typed;
mod validate;
mod value;

pub use error::{
    CallError, FuncTypeDisplay, HostError, HostFailure, InstantiateError, LinkError, LoadError,
    Segment,
};
pub use host::{Caller, GuestMemory};
pub use instance::{Instance, StackAudit};
pub use interrupt::Interrupt;
pub use linker::{Linked, Linker};
pub use module::Module;
pub use typed::{PlainResult, PlainValue, TypedFunction};
pub use value::Value;
