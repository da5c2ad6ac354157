//! The input of the verifier: machine code with the claims of its maker. None of it is trusted.

use pvf_metering::Costs;
use pvf_rules::TrapKind;

/// The machine code of a module.
#[derive(Clone, Copy, Debug)]
pub struct MachineCode<'a> {
    /// The settings that the code was compiled for.
    pub settings: Settings<'a>,
    /// The functions' code, then the stubs.
    pub code: &'a [u8],
    /// All functions, imported ones first.
    pub functions: &'a [FunctionCode],
    /// For each signature, the offset of the stub by which the host enters functions of that signature.
    pub entry_stubs: &'a [Option<u32>],
    /// Instructions that can trap, in ascending order of their offsets in the code.
    pub sites: &'a [TrapSite],
    /// The starts of loops, in ascending order of their offsets in the code, if its maker names them. Where they are wrong, the
    /// verifier looks for them itself.
    pub loops: Option<&'a [LoopStart]>,
}

impl<'a> MachineCode<'a> {
    /// The named loops from one offset up to another.
    pub(crate) fn loops_within(&self, start: u32, end: u32) -> Option<&'a [LoopStart]> {
        let loops = self.loops?;
        let first = loops.partition_point(|it| it.code_offset < start);
        let loops = loops.get(first..).unwrap_or_default();
        let count = loops.partition_point(|it| it.code_offset < end);
        loops.get(..count)
    }
}

/// The start of a loop, with the registers that hold values on every iteration, as bits by their numbers; float registers
/// from bit 16 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopStart {
    /// Its offset in the code.
    pub code_offset: u32,
    /// Registers with values of 32 bits.
    pub words: u32,
    /// Registers with values of 64 bits.
    pub doubles: u32,
}

/// The settings that code was compiled for.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// The instruction set.
    pub instruction_set: InstructionSet,
    /// How the code handles the native stack limit.
    pub native_stack: NativeStack,
    /// Whether the logical stack is counted.
    pub logical_stack: bool,
    /// The global that the logical stack is counted in, if the module names its counter (rule LOGICAL-9).
    pub logical_counter: Option<u32>,
    /// How the code counts gas.
    pub gas: GasMeter<'a>,
}

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// x86-64-v3.
    X86_64,
    /// AArch64.
    Aarch64,
}

/// How code handles the native stack limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NativeStack {
    /// Compares the stack pointer with the limit at each entry.
    #[default]
    Enforced,
    /// As `Enforced`, and also counts frames in software.
    Audited,
    /// Does not check the limit.
    Unchecked,
}

/// Whether gas is counted, and with which prices.
#[derive(Clone, Copy, Debug, Default)]
pub enum GasMeter<'a> {
    /// Gas is not counted.
    #[default]
    Off,
    /// Gas is counted at unknown prices: charges must be well formed, but their amounts are not compared.
    Unpriced,
    /// Gas is counted at these prices.
    Priced(&'a Costs),
}

impl GasMeter<'_> {
    /// Whether gas is counted.
    pub fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }
}

/// A function, imported or defined, as its maker describes it. Each claim is compared with the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionCode {
    /// Offset of its code, or of its stub for an imported function.
    pub offset: u32,
    /// Bytes of its code; 0 for an imported function.
    pub bytes: u32,
    /// Its signature: the index of its type among the module's distinct types.
    pub signature: u32,
    /// Bytes of its frame; 0 for an imported function.
    pub frame_bytes: u32,
    /// Units of the logical stack for a call; 0 if the logical stack is not counted.
    pub logical_cost: u32,
}

/// An instruction that can trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapSite {
    /// Offset of the instruction that faults, or of the last byte of a call to the host.
    pub code_offset: u32,
    /// Offset of the Wasm instruction in the module.
    pub wasm_offset: u32,
    /// The kind of trap that a fault at this instruction means.
    pub kind: TrapKind,
}
