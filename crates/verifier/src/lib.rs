//! An independent check of machine code against the Wasm module that it was compiled from.
//!
//! Input: a module's bytes and [`MachineCode`]. Output: [`Verified`], or a [`Refusal`] that names the [`Invariant`]
//! that does not hold, the function and the offset. The crate uses nothing of the compiler: it reads the module itself
//! ([`Module`]), computes operand heights itself ([`wasm::Bodies`]), states the layout of the context independently
//! ([`layout`]) and decodes machine code with its own tables.
//!
//! The verifier checks that code stays within its sandbox whatever values it computes: control flow, memory accesses,
//! the stack rule, and the constants of the meters. It does not check that the computed values are correct.
//!
//! The crate never panics on any input, and it does not allocate memory for each instruction.
#![forbid(unsafe_code)]

mod aarch64;
mod input;
pub mod layout;
mod refusal;
pub mod wasm;
pub mod x64;

pub use input::{
    FunctionCode, GasMeter, InstructionSet, MachineCode, NativeStack, Settings, TrapSite,
};
pub use refusal::{Invariant, Refusal, Unreadable};
pub use wasm::Module;

/// The result for machine code that satisfies all invariants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Number of the module's own functions.
    pub functions: u32,
    /// Machine instructions in them.
    pub instructions: u64,
    /// Number of visited instructions. Instructions in loops that were walked again count again.
    pub steps: u64,
}

/// Checks functions one by one, for callers that change one function and check it again.
pub struct Functions(Target);

enum Target {
    X64(Box<x64::Functions>),
    Aarch64,
}

impl Functions {
    /// Checks everything except the functions: the stubs, and the layout of the code.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn new(module: &Module<'_>, code: &MachineCode<'_>) -> Result<Self, Refusal> {
        let code = &comparable(module, code);
        Ok(Self(match code.settings.instruction_set {
            InstructionSet::X86_64 => Target::X64(Box::new(x64::Functions::new(module, code)?)),
            InstructionSet::Aarch64 => Target::Aarch64,
        }))
    }

    /// Checks one of the module's own functions. Everything else must be unchanged since [`Self::new`].
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn check(
        &mut self,
        module: &Module<'_>,
        code: &MachineCode<'_>,
        function: u32,
    ) -> Result<Verified, Refusal> {
        let code = &comparable(module, code);
        match &mut self.0 {
            Target::X64(functions) => functions.check(module, code, function),
            Target::Aarch64 => aarch64::verify(module, code),
        }
    }
}

/// Checks machine code against its module.
///
/// # Errors
/// The first invariant that does not hold.
pub fn verify(module: &Module<'_>, code: &MachineCode<'_>) -> Result<Verified, Refusal> {
    let code = &comparable(module, code);
    match code.settings.instruction_set {
        InstructionSet::X86_64 => x64::verify(module, code),
        InstructionSet::Aarch64 => aarch64::verify(module, code),
    }
}

/// The code with its settings, but without prices if there are no bodies whose charges could be compared.
fn comparable<'a>(module: &Module<'_>, code: &MachineCode<'a>) -> MachineCode<'a> {
    let mut code = *code;
    if code.settings.gas.is_on() && !module.has_bodies() {
        code.settings.gas = GasMeter::Unpriced;
    }
    code
}
