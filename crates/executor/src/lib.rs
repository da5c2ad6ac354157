//! Prepares and executes WebAssembly deterministically: the outcome is the same on every machine,
//! for every version of this crate and any number of threads.
//!
//! This is the crate to depend on; it combines the others:
//!
//! | step | in | out | by |
//! | --- | --- | --- | --- |
//! | [`read_blob`] | a file's bytes | the blob that the file holds | here |
//! | [`prepare`] | a blob, [`Rules`] | an [`Artifact`], or a [`Rejection`] | here |
//! | [`compile`] (the main part of [`prepare`]) | a module, [`CompileOptions`] | an [`Artifact`] | `pvf-compiler` |
//! | [`write_artifact`], [`read_artifact`] | an artifact | a file, and back | here |
//! | [`Module::new`] | an artifact | a [`Module`] placed in memory | `pvf-runtime` |
//! | [`open_module`] | a file | a module; faster than reading and placing | here, `pvf-runtime` |
//! | [`Instance::new`] | a module, a [`Linker`], [`ExecutionParameters`] | an [`Instance`] | `pvf-runtime` |
//!
//! A [`Profile`] names a set of rules: the accepted language and the limits of an instance.
//! Polkadot's host functions and the calling convention of a parachain's validation function are in
//! `pvf-validation`.
//!
//! ```
//! use pvf_executor::{Instance, Linker, Module, Profile, Value, compile, read_code};
//!
//! let text = br#"
//!     (module
//!       (import "host" "offset" (func $offset (result i32)))
//!       (func (export "add") (param i32 i32) (result i32)
//!         (i32.add (call $offset) (i32.add (local.get 0) (local.get 1)))))
//! "#;
//! let profile = Profile::Wasm;
//! let code = read_code(text, profile.limits().module_bytes as usize)?;
//! let artifact = compile(&code.wasm, &profile.compile_options())?;
//! let module = Module::new(artifact)?;
//!
//! // A host function reads its parameters from slots of 8 bytes and writes its results to them.
//! let mut linker = Linker::new();
//! let offset = module.info().function_type(0).unwrap().clone();
//! linker.func("host", "offset", offset, |caller, slots| {
//!     slots[0] = *caller.data();
//!     Ok(())
//! });
//!
//! let mut instance = Instance::new(&module, &linker, &profile.parameters(), 100u64)?;
//! let sum = instance.call_export("add", &[Value::I32(2), Value::I32(3)])?;
//! assert_eq!(sum, [Value::I32(105)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(unsafe_code)]

mod artifact_file;
mod code;
mod preparation;
mod profile;
mod verification;
mod whole_file;

pub use artifact_file::{
    OpenModuleError, ReadArtifactError, artifact_digest, looks_like_artifact, open_module,
    read_artifact, write_artifact,
};
pub use code::{
    Blob, COMPRESSED_MAGIC, Code, CodeError, CodeKind, DecompressError, decompress,
    decompress_zstd, encode_module, read_blob, read_code,
};
pub use preparation::{
    HOST_MODULE, HostFunctionTypes, NotPrepared, Prepared, Purpose, Rules, check_linkable, prepare,
};
pub use profile::Profile;
pub use verification::{
    Described, NotVerified, Undeclared, UnverifiedArtifact, Verification, declared_module,
    verified_artifact, verify, verify_artifact, verify_contents,
};
pub use whole_file::write_file;

pub use pvf_compiler::{
    Artifact, ArtifactContents, ArtifactError, CompileError, CompileOptions, Costs, FuncType,
    GlobalType, InternalError, MemoryType, Metering, ModuleInfo, NativeStack, Refusal, Schedule,
    ScheduleError, TableType, Target, ValType, artifact, compile, compile_with_code_map,
    compile_with_loops, function_names, schedule_hash,
};
pub use pvf_rules::{
    Dialect, Execution, ExecutionParameters, FeatureSwitch, Features, HashedOutcome, LimitExceeded,
    Limits, MOST_MEMORY_PAGES, Outcome, Place, Rejection, RejectionClass, RejectionStage, RuleId,
    StackPeaks, Trap, TrapKind, visible,
};
pub use pvf_runtime::{
    Activity, CallError, Caller, HostError, HostFailure, Instance, InstantiateError, Interrupt,
    LinkError, Linked, Linker, LoadError, Module, Sample, Sampler, Segment, Value, perf,
};
pub use pvf_verifier::{Invariant, Refusal as VerifierRefusal, Verified};
