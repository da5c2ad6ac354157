//! Memory, stack, traps and host calls for code made by `pvf-compiler`.
//!
//! The input is an [`Artifact`](pvf_compiler::Artifact). The output is a function's results, or a
//! typed [`Trap`](pvf_rules::Trap) with its location in the Wasm module. Three layers:
//!
//! - a [`Module`] is the artifact placed in memory: executable code that is never writable, and the
//!   initial image of linear memory. All instances share both;
//! - a [`Linker`] defines the items that satisfy the imports, over a host state `T` of the
//!   embedder;
//! - an [`Instance`] owns its linear memory, globals, table and Wasm stack, and runs functions. It
//!   can be called again after a trap and can be [reset](Instance::reset).
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
//! [`pvf_compiler::abi`] says what generated code may rely on. The runtime relies on one thing: the
//! compiler made the artifact's code. The checks of an artifact find accidental damage; no check
//! can prove machine code safe. An [`Artifact`](pvf_compiler::Artifact) is therefore made only by
//! the compiler or by an `unsafe` call, and is immutable. A failure of the operating system is a
//! [`HostFailure`] and never an outcome.
//!
//! # Host functions
//! [`Linker::typed`] binds a function by its Rust type: generated code passes the parameters in
//! registers, and a call takes a few nanoseconds. [`Linker::quick`] adds a short way for the usual case,
//! without a switch of the floating-point state. [`Linker::func`] accepts any type, known only at
//! run time, and passes values in slots.
//!
//! # Files
//! [`Module::open`] maps an artifact instead of copying it: code and trap map are used directly
//! from the mapped file. The file may be deleted or replaced while the module exists. It must not
//! be modified in place: bytes changed after the checks would be executed. If the file is
//! truncated, a run that reaches a missing page ends with [`HostFailure::ArtifactCut`], by way of
//! the SIGBUS handler. Initial memory contents are copied, so that no host function that reads
//! memory depends on the file.
//!
//! # Interrupts
//! An [`Interrupt`] ends runs at a time limit or from another thread. An interrupted run has no
//! outcome.
//!
//! # Samples
//! A [`Sampler`] notes many times a second which functions of a run are active, host functions
//! included.
//!
//! Calls to the operating system go through `libc`. `rustix` was the alternative: it offers
//! `sigaction` and `sigaltstack`, on which this crate rests, only in its experimental runtime
//! module.

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
mod sampler;
mod stack;
mod store;
mod timer;
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
pub use sampler::{Activity, Sample, Sampler};
pub use store::{check_meters, memory_sizes};
pub use typed::{PlainResult, PlainValue, QuickFunction, TypedFunction};
pub use value::Value;
