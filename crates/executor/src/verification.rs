//! Artifacts, checked by the verifier.
//!
//! In: a module and the artifact that was made of it. Out: that the machine code keeps to every invariant of
//! [`pvf_verifier`], or the first that it breaks. The verifier knows nothing of artifacts: what it asks is taken from one here.

mod declared;

pub use declared::{Undeclared, declared_module};

use pvf_compiler::artifact::{LoopStart, ModuleInfo, Parts, TrapMap};
use pvf_compiler::{
    Artifact, ArtifactContents, ArtifactError, Costs, NativeStack, Target, artifact,
};
use pvf_verifier::{
    FunctionCode, GasMeter, InstructionSet, MachineCode, Module, Refusal, Settings, TrapSite,
    Unreadable, Verified,
};
use std::num::NonZeroUsize;

/// What an artifact does not say about itself.
#[derive(Clone, Copy, Debug)]
pub struct Verification<'a> {
    /// What its code does about the native stack limit.
    pub native_stack: NativeStack,
    /// The prices of its gas. Without them the amounts of charges are not compared.
    pub costs: Option<&'a Costs>,
    /// The starts of loops, as [`compile_with_loops`](pvf_compiler::compile_with_loops) gives them. The result does not depend
    /// on them: without them, or where they are wrong, the verifier finds them itself, which takes longer.
    pub loops: Option<&'a [LoopStart]>,
    /// Threads to use; the result does not depend on it.
    pub threads: NonZeroUsize,
}

impl Default for Verification<'_> {
    fn default() -> Self {
        Self {
            native_stack: NativeStack::default(),
            costs: None,
            loops: None,
            threads: NonZeroUsize::MIN,
        }
    }
}

/// Why an artifact is not verified. It is no outcome: the machine code is wrong, or it is not that of the module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// The machine code does not keep to an invariant.
    #[error("the machine code is refused: {0}")]
    Refused(Refusal),
    /// The artifact declares something else than its module, so that its code would run with other data than it was
    /// made for.
    #[error("the artifact declares {0} otherwise than the module")]
    Declared(Undeclared),
    /// The module cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// What the verifier is told of an artifact: its tables in the verifier's terms.
#[derive(Clone, Debug)]
pub struct Described<'a> {
    settings: Settings<'a>,
    entry_stubs: &'a [Option<u32>],
    /// The functions, as the artifact describes them.
    pub functions: Vec<FunctionCode>,
    /// The trap sites.
    pub sites: Vec<TrapSite>,
    /// The starts of loops, if they are named.
    pub loops: Option<Vec<pvf_verifier::LoopStart>>,
}

impl<'a> Described<'a> {
    /// The tables of an artifact.
    pub fn new(artifact: &'a ArtifactContents, verification: &Verification<'a>) -> Self {
        Self::of(&artifact.module, &artifact.traps, verification)
    }

    fn of(info: &'a ModuleInfo, traps: &TrapMap, verification: &Verification<'a>) -> Self {
        let mut sites =
            Vec::with_capacity(traps.groups().saturating_mul(64).min(traps.bytes() / 3));
        traps.for_each(|site| sites.push(trap_site(site)));
        Self {
            settings: Settings {
                instruction_set: match info.target {
                    Target::X86_64 => InstructionSet::X86_64,
                    Target::Aarch64 => InstructionSet::Aarch64,
                },
                native_stack: match verification.native_stack {
                    NativeStack::Enforced => pvf_verifier::NativeStack::Enforced,
                    NativeStack::Audited => pvf_verifier::NativeStack::Audited,
                    NativeStack::Unchecked => pvf_verifier::NativeStack::Unchecked,
                },
                logical_stack: info.meters.logical_stack,
                logical_counter: info.logical_counter,
                gas: match (info.meters.gas, verification.costs) {
                    (false, _) => GasMeter::Off,
                    (true, None) => GasMeter::Unpriced,
                    (true, Some(costs)) => GasMeter::Priced(costs),
                },
            },
            entry_stubs: &info.entry_stubs,
            functions: info.functions.iter().map(function_code).collect(),
            sites,
            loops: verification
                .loops
                .map(|loops| loops.iter().map(loop_start).collect()),
        }
    }

    /// All of it, with the machine code.
    pub fn with<'c>(&'c self, code: &'c [u8]) -> MachineCode<'c> {
        MachineCode {
            settings: self.settings,
            code,
            functions: &self.functions,
            entry_stubs: self.entry_stubs,
            sites: &self.sites,
            loops: self.loops.as_deref(),
        }
    }
}

/// Checks the machine code of an artifact against the module, decompressed, that it was made of.
///
/// # Errors
/// [`NotVerified`].
pub fn verify(
    wasm: &[u8],
    artifact: &ArtifactContents,
    verification: &Verification<'_>,
) -> Result<Verified, NotVerified> {
    let module = Module::read(wasm)?;
    declared::compare(&module, &artifact.module).map_err(NotVerified::Declared)?;
    let described = Described::new(artifact, verification);
    let code = described.with(&artifact.code);
    let threads = verification.threads;
    pvf_verifier::verify_with_threads(&module, &code, threads).map_err(NotVerified::Refused)
}

/// Why bytes are not used as an artifact.
#[derive(Debug, thiserror::Error)]
pub enum UnverifiedArtifact {
    /// The bytes are not an intact artifact of this version.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The machine code is not verified.
    #[error(transparent)]
    NotVerified(#[from] NotVerified),
}

/// Checks the machine code in an artifact's bytes against the declarations in the same bytes. What is accepted stays
/// within its memory, its stack and its control flow, whoever made it. Frames, costs, charges and traps are not compared
/// with a module, so an accepted artifact may be that of another module than the one it is used for.
///
/// ```
/// use pvf_executor::{CompileOptions, Features, compile, verify_artifact};
///
/// let options = CompileOptions::new(Features::POLKADOT);
/// let mut artifact = compile(b"\0asm\x01\0\0\0", &options).unwrap().to_bytes();
/// assert_eq!(verify_artifact(&artifact).unwrap().functions, 0);
/// artifact.pop();
/// assert!(verify_artifact(&artifact).is_err());
/// ```
///
/// # Errors
/// [`UnverifiedArtifact`].
pub fn verify_artifact(bytes: &[u8]) -> Result<Verified, UnverifiedArtifact> {
    let parts = Artifact::parse(bytes)?;
    let traps = parts.copied_trap_map(bytes)?;
    Ok(verify_parts(bytes, &parts, &traps)?)
}

fn verify_parts(bytes: &[u8], parts: &Parts, traps: &TrapMap) -> Result<Verified, NotVerified> {
    let described = Described::of(&parts.module, traps, &Verification::default());
    let code = described.with(&bytes[parts.code.clone()]);
    verify_declared(&parts.module, &code)
}

/// As [`verify_artifact`], for an artifact that was taken apart.
///
/// # Errors
/// [`NotVerified`].
pub fn verify_contents(
    artifact: &ArtifactContents,
    verification: &Verification<'_>,
) -> Result<Verified, NotVerified> {
    let described = Described::new(artifact, verification);
    verify_declared(&artifact.module, &described.with(&artifact.code))
}

fn verify_declared(info: &ModuleInfo, code: &MachineCode<'_>) -> Result<Verified, NotVerified> {
    let module = declared_module(info)?;
    pvf_verifier::verify(&module, code).map_err(NotVerified::Refused)
}

/// Makes an artifact of bytes that are not trusted, after [`verify_artifact`]. It can do no harm; but whether it decides
/// as the module would is only known of an artifact from a trusted place.
///
/// # Errors
/// [`UnverifiedArtifact`].
#[allow(unsafe_code, reason = "what the caller would promise is verified")]
pub fn verified_artifact(bytes: &[u8]) -> Result<Artifact, UnverifiedArtifact> {
    let parts = Artifact::parse(bytes)?;
    let traps = parts.copied_trap_map(bytes)?;
    verify_parts(bytes, &parts, &traps)?;
    // SAFETY: the code keeps to the contract with the runtime for the declarations in the same bytes, which is what the
    // verifier checks. A module checks the declarations themselves before it is used.
    Ok(unsafe { Artifact::from_contents(parts.contents(bytes, traps)) })
}

fn function_code(function: &artifact::Function) -> FunctionCode {
    FunctionCode {
        offset: function.code_offset,
        bytes: function.code_bytes,
        signature: function.signature,
        frame_bytes: function.frame_bytes,
        logical_cost: function.logical_cost,
    }
}

fn loop_start(start: &LoopStart) -> pvf_verifier::LoopStart {
    pvf_verifier::LoopStart {
        code_offset: start.code_offset,
        words: start.words,
        doubles: start.doubles,
    }
}

fn trap_site(site: artifact::TrapSite) -> TrapSite {
    TrapSite {
        code_offset: site.code_offset,
        wasm_offset: site.wasm_offset,
        kind: site.kind,
    }
}
