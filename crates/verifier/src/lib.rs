//! An independent check of machine code against the Wasm it was made of.
//!
//! In: a module's bytes and [`MachineCode`]. Out: [`Verified`], or a [`Refusal`] that names the [`Invariant`] that does not
//! hold, the function and the offset. Nothing of the compiler is used: the crate reads the module itself ([`Module`]), counts
//! operand heights itself ([`wasm::Bodies`]), states the layout of the context again ([`layout`]) and decodes machine code with
//! tables of its own.
//!
//! What is checked is that code stays within its sandbox whatever values it computes: control flow, accesses, the stack rule, and
//! the constants of the meters. Whether a value is right is not checked.
//!
//! The crate never panics, whatever bytes it is given, and allocates nothing per instruction.
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

/// Machine code that keeps to all invariants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Functions of the module's own.
    pub functions: u32,
    /// Machine instructions in them.
    pub instructions: u64,
    /// Instructions that were looked at, those of loops that were walked again counted again.
    pub steps: u64,
}

/// Checks functions one by one, for those that change one and ask again.
pub struct Functions(Target);

enum Target {
    X64(Box<x64::Functions>),
    Aarch64,
}

impl Functions {
    /// Checks all but the functions: stubs, and where everything begins.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn new(module: &Module<'_>, code: &MachineCode<'_>) -> Result<Self, Refusal> {
        Ok(Self(match code.settings.instruction_set {
            InstructionSet::X86_64 => Target::X64(Box::new(x64::Functions::new(module, code)?)),
            InstructionSet::Aarch64 => Target::Aarch64,
        }))
    }

    /// Checks one function of the module's own. All else has to be as it was.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn check(
        &mut self,
        module: &Module<'_>,
        code: &MachineCode<'_>,
        function: u32,
    ) -> Result<Verified, Refusal> {
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
    match code.settings.instruction_set {
        InstructionSet::X86_64 => x64::verify(module, code),
        InstructionSet::Aarch64 => aarch64::verify(module, code),
    }
}
