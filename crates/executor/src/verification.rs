//! Artifacts, checked by the verifier.
//!
//! In: a module and the artifact that was made of it. Out: that the machine code keeps to every invariant of
//! [`pvf_verifier`], or the first that it breaks. The verifier knows nothing of artifacts: what it asks is taken from one here.

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
    /// The module cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The verifier has no rules for the instruction set.
    #[error("there are no rules for {0}")]
    Target(&'static str),
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
    let info = &artifact.module;
    let functions: Vec<_> = info.functions.iter().map(function_code).collect();
    let sites: Vec<_> = artifact.traps.sites().map(trap_site).collect();
    let code = MachineCode {
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
        code: &artifact.code,
        functions: &functions,
        entry_stubs: &info.entry_stubs,
        sites: &sites,
    };
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
