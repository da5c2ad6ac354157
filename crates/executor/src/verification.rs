//! Artifacts, checked by the verifier.
//!
//! In: a module and the artifact that was made of it. Out: that the machine code keeps to every invariant of
//! [`pvf_verifier`], or the first that it breaks. The verifier knows nothing of artifacts: what it asks is taken from one here.

mod declared;

pub use declared::Undeclared;

use pvf_compiler::{ArtifactContents, Costs, NativeStack, Target, artifact};
use pvf_verifier::{
    FunctionCode, GasMeter, InstructionSet, MachineCode, Module, Refusal, Settings, TrapSite,
    Unreadable, Verified,
};

/// What an artifact does not say about itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verification<'a> {
    /// What its code does about the native stack limit.
    pub native_stack: NativeStack,
    /// The prices of its gas. Without them the amounts of charges are not compared.
    pub costs: Option<&'a Costs>,
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
}

impl<'a> Described<'a> {
    /// The tables of an artifact.
    pub fn new(artifact: &'a ArtifactContents, verification: &Verification<'a>) -> Self {
        let info = &artifact.module;
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
            sites: artifact.traps.sites().map(trap_site).collect(),
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
    pvf_verifier::verify(&module, &code).map_err(NotVerified::Refused)
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

fn trap_site(site: artifact::TrapSite) -> TrapSite {
    TrapSite {
        code_offset: site.code_offset,
        wasm_offset: site.wasm_offset,
        kind: site.kind,
    }
}
