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
mod x64;

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
