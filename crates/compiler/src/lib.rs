//! Wasm to machine code in two linear passes.
//!
//! In: a module's bytes, the accepted language, limits, a target. Out: an [`Artifact`], which is position-independent
//! code with everything the runtime has to know about the module, or a typed [`CompileError`].
//!
//! `module` reads and checks the declarations; `analysis` (pass 1) validates a body and finds what pass 2 cannot know
//! in advance; `generate` (pass 2) writes code through an instruction set's macro-assembler (`isa`); `compile` does
//! this for many functions in parallel and links them. `analysis::idiom` recognises loops that copy, fill or compare
//! memory. [`abi`] is the contract with the runtime.
#![deny(unsafe_code)]

pub mod abi;
mod analysis;
pub mod artifact;
mod compile;
mod error;
mod generate;
mod instruction;
mod isa;
mod magic;
mod module;
mod operation;
mod types;

pub use analysis::idiom::{LoopIdiomKind, LoopIdioms, loop_idioms};
#[doc(hidden)]
pub use analysis::{BodyJudge, Judgement, judge_bodies};
pub use artifact::{Artifact, ArtifactContents, ArtifactError, ModuleInfo};
pub use compile::{
    CompileOptions, Metering, NativeStack, compile, compile_with_code_map, compile_with_loops,
    schedule_hash,
};
pub use error::{CompileError, InternalError, Refusal};
pub use isa::Target;
pub use module::{calls_own_functions, function_names};
pub use pvf_metering::{Costs, Schedule, ScheduleError};
pub use types::{FuncType, GlobalType, MemoryType, TableType, ValType};
