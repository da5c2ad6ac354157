//! Turns a blob into an artifact or into the blob's rejection. All users share this preparation.
//!
//! The input is a blob as stored on chain, and [`Rules`]. The output is [`Prepared`] or
//! [`NotPrepared`]: a [`Rejection`], which is an outcome, or a [`HostFailure`], which is not. The
//! steps are those of a node, and the first step that fails decides:
//!
//! | step | class of its rejections | module |
//! | --- | --- | --- |
//! | decompress | `Decompression` | [`decompress`] |
//! | read, validate, compile | `Prevalidation`, `Preparation` | `pvf-compiler` |
//! | check what a node's rewriting makes invalid | `Preparation` | `rewriting` |
//! | resolve imports | `RuntimeConstruction` | `imports` |
//! | verify the machine code | none: a failure of the host | `verification` |
//!
//! The [`Purpose`] selects the steps: a plain module takes the first two, code compiled for
//! execution the first three, and code that is prechecked the first four. All take the last,
//! unless [`Rules::verification`] is off.
//!
//! Preparation is in this crate, which knows no host functions, so that Substrate's binding and
//! plain modules can use it without `sp-io`. The caller passes the types of the host's functions
//! ([`HostFunctionTypes`]).

mod imports;
mod rewriting;
#[cfg(test)]
mod tests;

use crate::code::decompress;
use crate::verification::{Verification, verify};
use pvf_compiler::FuncType;
use pvf_compiler::artifact::LoopStart;
use pvf_compiler::{
    Artifact, ArtifactContents, CompileError, CompileOptions, ModuleInfo, compile_with_loops,
    schedule_hash,
};
use pvf_rules::Rejection;
use pvf_runtime::HostFailure;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io;

/// The module from which validation functions import all host functions.
pub const HOST_MODULE: &str = "env";

/// The types of the functions that a host offers in [`HOST_MODULE`], by name.
pub type HostFunctionTypes = HashMap<&'static str, FuncType>;

/// The use for which a module is prepared; it selects the checks.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// Any use: the module is linked with arbitrary imports.
    Plain,
    /// Execution as a validation function: also refuses what a node refuses when it compiles.
    Execution,
    /// The precheck vote on a validation function: also refuses what a node refuses when it
    /// resolves imports with these host functions.
    Precheck(&'a HostFunctionTypes),
}

/// The rules of a preparation.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// Accepted language, limits, meters, and the kind of code to make.
    pub compile: CompileOptions,
    /// Maximum size of a decompressed blob in bytes: a node's `validation_code_bomb_limit`.
    pub bomb_limit: usize,
    /// The use for which the blob is prepared.
    pub purpose: Purpose<'a>,
    /// Whether the machine code is verified ([`verify`]) before it is returned. Code that the
    /// verifier refuses is a failure of the host, never an outcome.
    pub verification: bool,
}

impl<'a> Rules<'a> {
    /// Rules whose `bomb_limit` is the maximum size of a module, with verification.
    pub fn new(compile: CompileOptions, purpose: Purpose<'a>) -> Self {
        Self {
            bomb_limit: compile.limits.module_bytes as usize,
            compile,
            purpose,
            verification: true,
        }
    }
}

/// The result of a preparation: the artifact, and the module it was made from.
#[derive(Clone, Debug)]
pub struct Prepared<'b> {
    /// The artifact.
    pub artifact: Artifact,
    /// The module: the blob itself, or its decompressed content.
    pub wasm: Cow<'b, [u8]>,
    /// The starts of loops in the machine code.
    loops: Vec<LoopStart>,
}

/// Why there is no artifact.
///
/// This type has no `Display`, so that no caller reports a failure of the host as if it were a
/// rejection.
#[derive(Debug)]
pub enum NotPrepared {
    /// The blob is rejected: an outcome, the same on every machine.
    Rejected(Rejection),
    /// This machine or the compiler failed: no outcome.
    Failed(HostFailure),
}

impl NotPrepared {
    /// The rejection of the blob.
    ///
    /// # Errors
    /// The failure of the host, if there is no outcome.
    pub fn rejection(self) -> Result<Rejection, HostFailure> {
        match self {
            Self::Rejected(rejection) => Ok(rejection),
            Self::Failed(failure) => Err(failure),
        }
    }
}

impl From<Rejection> for NotPrepared {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Prepares a blob.
///
/// ```
/// use pvf_executor::{NotPrepared, Profile, Purpose, Rules, prepare};
///
/// let rules = Rules::new(Profile::Polkadot.compile_options(), Purpose::Execution);
/// let prepared = prepare(b"\0asm\x01\0\0\0", &rules).unwrap();
/// assert_eq!(prepared.artifact.module.functions.len(), 0);
///
/// match prepare(b"\0asm\x02\0\0\0", &rules) {
///     Err(NotPrepared::Rejected(rejection)) => {
///         assert_eq!(rejection.rule.as_str(), "NET-2");
///         assert_eq!(rejection.class.name(), "prevalidation");
///     }
///     other => panic!("{other:?}"),
/// }
/// ```
///
/// # Errors
/// [`NotPrepared`]: an outcome, or a failure of this host.
pub fn prepare<'b>(blob: &'b [u8], rules: &Rules<'_>) -> Result<Prepared<'b>, NotPrepared> {
    let wasm = decompress(blob, rules.bomb_limit).map_err(|error| match error.rejection() {
        Some(rejection) => NotPrepared::Rejected(rejection),
        None => NotPrepared::Failed(HostFailure::Memory {
            purpose: "a decompressed module",
            bytes: rules.bomb_limit as u64,
            source: io::ErrorKind::OutOfMemory.into(),
        }),
    })?;
    let (artifact, loops) = compile_with_loops(&wasm, &rules.compile)?;
    match rules.purpose {
        Purpose::Plain => {}
        Purpose::Execution => rewriting::check(&wasm, &artifact.module)?,
        Purpose::Precheck(functions) => {
            rewriting::check(&wasm, &artifact.module)?;
            imports::check(&artifact.module, functions)?;
        }
    }
    let prepared = Prepared {
        artifact,
        wasm,
        loops,
    };
    if rules.verification {
        prepared.verify(blob, rules).map_err(NotPrepared::Failed)?;
    }
    Ok(prepared)
}

impl Prepared<'_> {
    /// Verifies the machine code ([`verify`]), for callers that turned [`Rules::verification`] off to do
    /// it apart from the preparation. Takes what [`prepare`] took.
    ///
    /// # Errors
    /// [`HostFailure::Internal`]: the verifier refuses the code, which must not be used.
    pub fn verify(&self, blob: &[u8], rules: &Rules<'_>) -> Result<(), HostFailure> {
        verified(
            blob,
            &self.wasm,
            (&self.artifact, &self.loops),
            &rules.compile,
        )
    }
}

/// Verifies the machine code. The failure has all that a report of the fault needs: the same blob
/// and options give the same machine code again.
fn verified(
    blob: &[u8],
    wasm: &[u8],
    (artifact, loops): (&ArtifactContents, &[LoopStart]),
    options: &CompileOptions,
) -> Result<(), HostFailure> {
    let verification = Verification {
        native_stack: options.native_stack,
        costs: options.metering.gas.as_deref(),
        loops: Some(loops),
        threads: options.threads,
    };
    let Err(error) = verify(wasm, artifact, &verification) else {
        return Ok(());
    };
    let hash = hex::encode(crate::artifact_file::blake2_256(blob));
    let gas = options.metering.gas.as_ref();
    Err(HostFailure::Internal(format!(
        "the compiler's machine code does not pass the verifier, so it is not used. This is a \
         fault of this program; please report it. {error}; code hash 0x{hash}; version {}, \
         target {}, logical stack {}, gas {}, native stack {:?}",
        env!("CARGO_PKG_VERSION"),
        options.target.name(),
        match artifact.module.meters.logical_stack {
            true => "counted",
            false => "not counted",
        },
        gas.map_or("not counted".to_owned(), |costs| format!(
            "counted by schedule {:032x}",
            schedule_hash(costs)
        )),
        options.native_stack,
    )))
}

/// Checks by an artifact's module whether it can be linked as a validation function. These are the
/// checks of [`Purpose::Precheck`] that need only the declarations. They are needed because an
/// artifact may have been prepared for another purpose.
///
/// # Errors
/// The rejection.
pub fn check_linkable(module: &ModuleInfo, functions: &HostFunctionTypes) -> Result<(), Rejection> {
    rewriting::check_memory(module)?;
    imports::check(module, functions)
}

impl From<CompileError> for NotPrepared {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Refused(refusal) => Self::Rejected(refusal.into()),
            CompileError::Failed(failure) => {
                Self::Failed(HostFailure::Internal(failure.to_string()))
            }
        }
    }
}
