//! What is verified: machine code with what its maker says about it. None of it is trusted.

use pvf_metering::Costs;
use pvf_rules::TrapKind;

/// The machine code of a module.
#[derive(Clone, Copy, Debug)]
pub struct MachineCode<'a> {
    /// What the code is made for.
    pub settings: Settings<'a>,
    /// Functions, then stubs.
    pub code: &'a [u8],
    /// All functions, imported ones first.
    pub functions: &'a [FunctionCode],
    /// For each signature, where the stub begins by which the host enters functions of it.
    pub entry_stubs: &'a [Option<u32>],
    /// Places that can trap, in ascending order of their offsets in the code.
    pub sites: &'a [TrapSite],
}

/// What code is made for.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// The machine.
    pub instruction_set: InstructionSet,
    /// The native stack limit.
    pub native_stack: NativeStack,
    /// Whether the logical stack is counted.
    pub logical_stack: bool,
    /// The global that the logical stack is counted in, if the module names its counter (rule LOGICAL-9).
    pub logical_counter: Option<u32>,
    /// Gas.
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

/// What code does about the native stack limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NativeStack {
    /// Compares at each entry.
    #[default]
    Enforced,
    /// Compares, and counts frames in software.
    Audited,
    /// Does not look at it.
    Unchecked,
}

/// Whether gas is counted, and at which prices.
#[derive(Clone, Copy, Debug, Default)]
pub enum GasMeter<'a> {
    /// Not counted.
    #[default]
    Off,
    /// Counted at prices that the verifier is not told: charges are well formed, their amounts are not compared.
    Unpriced,
    /// Counted at these prices.
    Priced(&'a Costs),
}

impl GasMeter<'_> {
    /// Whether gas is counted.
    pub fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }
}

/// One function, imported or of the module's own, as its maker describes it. Each claim is compared with the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionCode {
    /// Where its code begins; of an imported function, its stub.
    pub offset: u32,
    /// Bytes of its code; 0 for an imported function.
    pub bytes: u32,
    /// Its signature: the place of its type among the module's types without repetitions.
    pub signature: u32,
    /// Bytes of its frame; 0 for an imported function.
    pub frame_bytes: u32,
    /// Units of the logical stack that a call takes; 0 if they are not counted.
    pub logical_cost: u32,
}

/// A place in the code that can trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapSite {
    /// Of the instruction that faults, or of the last byte of a call to the host.
    pub code_offset: u32,
    /// Of the Wasm instruction in the module.
    pub wasm_offset: u32,
    /// What a fault here means.
    pub kind: TrapKind,
}
