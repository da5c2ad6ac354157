//! From a blob to an artifact or to the rejection of the blob: the one preparation that all users share.
//!
//! In: a blob as it is on chain, and [`Rules`]. Out: [`Prepared`], or [`NotPrepared`]: a [`Rejection`], which is an outcome, or a
//! [`HostFailure`], which is none. The steps are those of a node, and the first that fails decides:
//!
//! | step | class of its rejections | by |
//! | --- | --- | --- |
//! | decompress | `Decompression` | [`decompress`] |
//! | read, validate, compile | `Prevalidation`, `Preparation` | `pvf-compiler` |
//! | what a node's rewriting makes invalid | `Preparation` | `rewriting` |
//! | resolve imports | `RuntimeConstruction` | `imports` |
//!
//! How far it goes is the [`Purpose`]: a plain module ends after the second step, code that is compiled to be executed after the third, code
//! that is prechecked after the last.
//!
//! It is in this crate, which knows no host function, so that Substrate's binding and plain modules can use it without `sp-io`: what the
//! host offers is told by its types ([`HostFunctionTypes`]).

mod imports;
mod rewriting;

use crate::code::decompress;
use pvf_compiler::FuncType;
use pvf_compiler::{Artifact, CompileError, CompileOptions, ModuleInfo, compile};
use pvf_rules::Rejection;
use pvf_runtime::HostFailure;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io;

/// The module that all host functions of a validation function are imported from.
pub const HOST_MODULE: &str = "env";

/// The types of the functions that a host offers in [`HOST_MODULE`], by name.
pub type HostFunctionTypes = HashMap<&'static str, FuncType>;

/// What a module is prepared for, and so how much of it is judged.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// To be linked with anything: a plain module.
    Plain,
    /// To be executed as a validation function: what a node refuses when it compiles.
    Execution,
    /// To be voted on as a validation function: also what a node refuses when it resolves the imports with these host functions.
    Precheck(&'a HostFunctionTypes),
}

/// How a blob is prepared.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// Language, limits, meters, and what code is made.
    pub compile: CompileOptions,
    /// Bytes that a compressed blob may become: a node's `validation_code_bomb_limit`.
    pub bomb_limit: usize,
    /// What it is prepared for.
    pub purpose: Purpose<'a>,
}

impl<'a> Rules<'a> {
    /// Rules with which a compressed blob may become as large as a module may be.
    pub fn new(compile: CompileOptions, purpose: Purpose<'a>) -> Self {
        Self {
            bomb_limit: compile.limits.module_bytes as usize,
            compile,
            purpose,
        }
    }
}

/// Code that is ready, with the module it was made from.
#[derive(Clone, Debug)]
pub struct Prepared<'b> {
    /// The artifact.
    pub artifact: Artifact,
    /// The module: the blob, or what it decompressed to.
    pub wasm: Cow<'b, [u8]>,
}

/// Why there is no artifact.
///
/// There is no text for both, since whoever prints or answers a failure as if it were a rejection has voted on nothing.
#[derive(Debug)]
pub enum NotPrepared {
    /// The blob is turned down: an outcome, the same on every machine.
    Rejected(Rejection),
    /// This machine or the compiler could not do its part: no outcome.
    Failed(HostFailure),
}

impl NotPrepared {
    /// The rejection, if this is one.
    ///
    /// # Errors
    /// The failure, if there is no outcome.
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
    let artifact = compile(&wasm, &rules.compile)?;
    match rules.purpose {
        Purpose::Plain => {}
        Purpose::Execution => rewriting::check(&wasm, &artifact.module)?,
        Purpose::Precheck(functions) => {
            rewriting::check(&wasm, &artifact.module)?;
            imports::check(&artifact.module, functions)?;
        }
    }
    Ok(Prepared { artifact, wasm })
}

/// Says of the module of an artifact whether it can be linked as a validation function: what preparation with [`Purpose::Precheck`]
/// would say, as far as the declarations tell it. An artifact can have been prepared for another purpose.
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
