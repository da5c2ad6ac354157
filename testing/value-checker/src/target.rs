//! What a target has to say: how its code is decoded, where control goes, and what each instruction does.

use crate::report::Stop;
use crate::term::Term;
use crate::walk::Walk;

/// Where control goes behind an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// To this offset.
    Next(u32),
    /// To this offset, by a jump.
    Jump(u32),
    /// To the first or to the second.
    Branch(u32, u32),
    /// To one of these.
    Table(Vec<u32>),
    /// Nowhere.
    End,
}

/// What an instruction does besides changing registers, slots and memory.
#[derive(Clone, Debug)]
pub enum Flow {
    /// Nothing.
    Next,
    /// Always faults, as the Wasm does.
    Fault,
    /// Jumps.
    Jump,
    /// Branches if the term is 1.
    Branch(Term),
    /// Jumps to an address.
    Table(Term),
    /// Calls code at an offset.
    Call(u32),
    /// Calls what an address of the context holds.
    CallEntry(Term),
    /// Returns.
    Return,
    /// Traps.
    Trap,
}

/// The convention of calls, and the fixed registers.
#[derive(Clone, Copy, Debug)]
pub struct Convention {
    /// Registers of integer arguments.
    pub general: &'static [u8],
    /// Registers of float arguments.
    pub floats: &'static [u8],
    /// The register of an integer result.
    pub general_result: u8,
    /// The register of a float result.
    pub float_result: u8,
    /// The stack pointer.
    pub stack: u8,
    /// The base of linear memory.
    pub memory: u8,
    /// The context.
    pub context: u8,
    /// The registers that a call keeps.
    pub kept: &'static [u8],
    /// Bytes that a call pushes.
    pub return_address: i32,
}

/// A target.
pub trait Target {
    /// Decodes the code of a function.
    fn load(&mut self, code: &[u8], start: u32, end: u32);

    /// Where control goes behind the instruction at an offset; `None` if there is none.
    fn shape(&self, code: &[u8], at: u32) -> Option<Shape>;

    /// The convention of calls.
    fn convention(&self) -> &'static Convention;

    /// The builtin whose stub begins at an offset.
    fn builtin(&self, code: &[u8], at: u32) -> Option<u32>;

    /// Does what the instruction at an offset does.
    ///
    /// # Errors
    /// The instruction is not known, or does what the Wasm does not.
    fn step(&self, walk: &mut Walk<'_>, at: u32) -> Result<Flow, Stop>;
}
