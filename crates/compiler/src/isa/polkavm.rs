//! The PolkaVM target: instructions of a virtual machine with 13 registers, no flags and no floats.
//!
//! Behind the feature `polkavm`, an experiment; [`crate::abi::polkavm`] is the contract with its engine.
//!
//! Fixed registers: `sp` the Wasm stack; `ra` the return address, from the entry of a function to its first call; `t0` and
//! `t1` scratch. The context is at a known address, so its fields need no register.
//!
//! # What the machine has not
//! - **Zero-extended `i32`.** Its 32-bit operations sign-extend, and a comparison of 64 bits then serves both widths and
//!   both signs.
//! - **Flags.** A comparison is kept until its use, see `condition`.
//! - **Floats.** The float registers are words of the context, so that loops without floats have all registers of the
//!   machine. Operations that are more than moves of bits are services of the engine.
//! - **Traps of the hardware.** A division compares first. An access to linear memory compares its index with a bound that
//!   no memory exceeds; below it, memory ends where its accessible pages end.
//!
//! # Frames
//! As on aarch64: a call pushes nothing, and a function that calls anything puts its return address into the topmost word
//! of its frame.

mod condition;
mod float;
mod integer;
mod macro_assembler;
mod memory;
mod meters;

use super::masm::*;
use super::record::Record;
use crate::abi::{self, context, polkavm as fixed};
use crate::types::ValType;
use crate::{CompileOptions, NativeStack};
use condition::Pending;
use pvf_assembler::Label;
use pvf_assembler::polkavm::{
    Assembler, Base, Compare, Immediate, Load, Reg as Gpr, Store, Three, Two,
};
use pvf_rules::TrapKind;

const SCRATCH: Gpr = Gpr::T0;
const SCRATCH_2: Gpr = Gpr::T1;

/// Makes code for PolkaVM.
pub(crate) struct PolkaVm {
    asm: Assembler,
    meters: Meters,
    record: Record,
    late: Vec<(u32, Late)>,
}

/// The code of one function.
pub(crate) struct Function<'m> {
    asm: &'m mut Assembler,
    meters: Meters,
    record: &'m mut Record,
    /// Code to be emitted after the function, each piece with the offset of its Wasm instruction.
    late: &'m mut Vec<(u32, Late)>,
    /// The comparison made last.
    pending: Option<Pending>,
    /// Start of the call emitted last.
    last_call: u32,
}

/// A piece of code that is emitted after the function. A counter's value or a signature is in [`SCRATCH`].
type Late = super::late::Late<(), SignatureMismatch>;

/// A table entry has another signature than expected, or is null.
struct SignatureMismatch(Label);

/// The machine's registers behind those of the generator.
const GENERAL: [Gpr; 9] = [
    Gpr::A0,
    Gpr::A1,
    Gpr::A2,
    Gpr::A3,
    Gpr::A4,
    Gpr::A5,
    Gpr::S0,
    Gpr::S1,
    Gpr::T2,
];

static GENERAL_ARGUMENTS: [Reg; fixed::ARGUMENTS] = Reg::first(Class::General);

static REGISTERS: Registers = Registers {
    general: RegSet::of(&Reg::first::<{ GENERAL.len() }>(Class::General)),
    float: RegSet::of(&Reg::first::<{ fixed::FLOATS }>(Class::Float)),
    general_arguments: &GENERAL_ARGUMENTS,
    float_arguments: &[],
    general_result: Reg::general(0),
    float_result: Reg::float(0),
    table_index: Reg::general(8),
    division: (Reg::general(0), Reg::general(1)),
    block: [Reg::general(6), Reg::general(7), Reg::general(8)],
};

fn gpr(register: Reg) -> Gpr {
    debug_assert!(
        register.class() == Class::General,
        "a general register is meant"
    );
    GENERAL[usize::from(register.number())]
}

/// The offset in the context of a float register.
fn float_field(register: Reg) -> u32 {
    debug_assert!(
        register.class() == Class::Float,
        "a float register is meant"
    );
    fixed::field::FLOATS + u32::from(register.number()) * 8
}

/// A field of the context: an absolute address.
fn place_in_context(offset: u32) -> (Base, i32) {
    (Base::Absolute, (fixed::CONTEXT + offset) as i32)
}

fn slot(offset: u32) -> (Base, i32) {
    (Base::Reg(Gpr::Sp), offset as i32)
}

/// A constant as the machine holds it.
fn extended(width: Width, bits: u64) -> u64 {
    match width {
        Width::W32 => bits as u32 as i32 as u64,
        Width::W64 => bits,
    }
}

/// The constant as an immediate, if it is one.
fn immediate(width: Width, bits: u64) -> Option<i32> {
    i32::try_from(extended(width, bits) as i64).ok()
}

/// The loads and stores of values of this width.
fn whole(width: Width) -> (Load, Store) {
    match width {
        Width::W32 => (Load::I32, Store::U32),
        Width::W64 => (Load::U64, Store::U64),
    }
}

impl Function<'_> {
    fn site(&mut self, kind: TrapKind) {
        self.record.site(kind, self.asm.offset());
    }

    /// A label at which this trap is emitted, after the function.
    fn trap_label(&mut self, kind: TrapKind) -> Label {
        let label = self.asm.new_label();
        self.later(Late::Trap { label, kind });
        label
    }

    fn later(&mut self, late: Late) {
        self.late.push((self.record.wasm_offset, late));
    }

    /// A trap of the Wasm instruction that is translated.
    fn trap_here(&mut self, kind: TrapKind) {
        self.site(kind);
        self.asm.trap();
    }

    fn load_field(&mut self, dst: Gpr, offset: u32) {
        let (base, offset) = place_in_context(offset);
        self.asm.load(Load::U64, dst, base, offset);
    }

    fn store_field(&mut self, offset: u32, src: Gpr) {
        let (base, offset) = place_in_context(offset);
        self.asm.store(Store::U64, base, offset, src);
    }

    fn emit_late(&mut self, late: &Late) {
        match *late {
            Late::Trap { label, kind } => {
                self.asm.bind(label);
                self.trap_here(kind);
            }
            Late::StackGrowth { label, resume } => {
                self.asm.bind(label);
                self.load_field(SCRATCH, context::STACK_LIMIT);
                let admitted = self.asm.new_label();
                self.asm
                    .branch(Compare::GreaterEqualSigned, Gpr::Sp, SCRATCH, admitted);
                self.trap_here(TrapKind::StackOverflow);
                self.asm.bind(admitted);
                self.store_field(context::STACK_LOW, Gpr::Sp);
                self.asm.jump(resume);
            }
            Late::LogicalGrowth {
                label,
                resume,
                leaf_cost,
            } => self.emit_logical_growth(label, resume, leaf_cost),
            Late::CounterGrowth { label, resume } => self.emit_counter_growth(label, resume),
            Late::OutOfGas { label, .. } => {
                self.asm.bind(label);
                self.trap_here(TrapKind::OutOfGas);
            }
            Late::Own(SignatureMismatch(label)) => {
                self.asm.bind(label);
                let defined = self.asm.new_label();
                self.asm
                    .branch_immediate(Compare::NotEqual, SCRATCH, 0, defined);
                self.trap_here(TrapKind::UndefinedElement);
                self.asm.bind(defined);
                self.trap_here(TrapKind::IndirectCallTypeMismatch);
            }
        }
    }
}
