//! The x86-64 target.
//!
//! Fixed registers: `rsp` the Wasm stack, `r15` the context, `r14` the base of linear
//! memory; if they are counted, `r13` the gas left and `r12` the units of the logical stack below
//! its greatest height; scratch: `r11`, `xmm14`, `xmm15`. Everything else belongs to the generator.

mod block;
mod bulk;
mod code;
mod convert;
mod divide;
mod float;
mod integer;
mod macro_assembler;
mod memory;
mod meters;
mod shared;
mod stubs;

use super::masm::*;
use super::record::Record;
use super::watched::{Watched, watched};
use crate::abi::{self, context};
use crate::types::ValType;
use crate::{CompileOptions, NativeStack};
use code::Code;
use memory::access_size;
use meters::Charge;
use pvf_assembler::Label;
use pvf_assembler::x64::{Alu, Assembler, Cond, FSize, Gpr, Mem, Scale, Size, Xmm};
use pvf_rules::TrapKind;

const CONTEXT: Gpr = Gpr::R15;
const MEMORY: Gpr = Gpr::R14;
const GAS: Gpr = Gpr::R13;
const LOGICAL: Gpr = Gpr::R12;
const SCRATCH: Gpr = Gpr::R11;
const FLOAT_SCRATCH: Xmm = Xmm::Xmm15;
const FLOAT_SCRATCH_2: Xmm = Xmm::Xmm14;

/// Bytes `call` has pushed when a function begins.
const RETURN_ADDRESS_BYTES: u32 = 8;

/// Makes x86-64 code.
pub(crate) struct X64 {
    asm: Assembler,
    meters: Meters,
    record: Record,
    /// The buffer of [`Function::late`], kept between functions because most functions use it.
    late: Vec<(u32, Late)>,
}

/// Makes the code of one function.
pub(crate) struct Function<'m> {
    asm: Code<'m>,
    meters: Meters,
    record: &'m mut Record,
    /// Code to be emitted after the function, each piece with the offset of its Wasm instruction.
    late: &'m mut Vec<(u32, Late)>,
}

/// A piece of code that is emitted after the function.
type Late = super::late::Late<Charge, Own>;

/// A piece that other targets have in another form or not at all.
enum Own {
    Canonicalise {
        label: Label,
        resume: Label,
        width: Width,
        register: Xmm,
    },
    /// A table entry has another signature than expected, or is null.
    SignatureMismatch { label: Label, entry: Mem },
}

pub(crate) const fn gpr(register: Reg) -> Gpr {
    debug_assert!(
        matches!(register.class(), Class::General),
        "a general register is meant"
    );
    Gpr::from_number(register.number())
}

pub(crate) const fn xmm(register: Reg) -> Xmm {
    debug_assert!(
        matches!(register.class(), Class::Float),
        "a float register is meant"
    );
    Xmm::from_number(register.number())
}

const fn reg(register: Gpr) -> Reg {
    Reg::general(register.number())
}

const GENERAL: RegSet = RegSet::of(&[
    reg(Gpr::Rax),
    reg(Gpr::Rcx),
    reg(Gpr::Rdx),
    reg(Gpr::Rsi),
    reg(Gpr::Rdi),
    reg(Gpr::Rbx),
    reg(Gpr::Rbp),
    reg(Gpr::R8),
    reg(Gpr::R9),
    reg(Gpr::R10),
    reg(Gpr::R12),
    reg(Gpr::R13),
]);

const GENERAL_ARGUMENTS: [Reg; 8] = [
    reg(Gpr::Rdi),
    reg(Gpr::Rsi),
    reg(Gpr::Rdx),
    reg(Gpr::Rcx),
    reg(Gpr::Rbx),
    reg(Gpr::Rbp),
    reg(Gpr::R8),
    reg(Gpr::R9),
];

/// All but the two scratch registers.
const FLOAT: RegSet = RegSet::of(&Reg::first::<14>(Class::Float));

const fn registers(without: &[Reg]) -> Registers {
    Registers {
        general: GENERAL.without(RegSet::of(without)),
        float: FLOAT,
        general_arguments: &GENERAL_ARGUMENTS,
        float_arguments: &FLOAT_ARGUMENTS,
        general_result: reg(Gpr::Rax),
        float_result: Reg::float(0),
        table_index: reg(Gpr::R10),
        division: (reg(Gpr::Rax), reg(Gpr::Rdx)),
        block: [reg(Gpr::R8), reg(Gpr::R9), reg(Gpr::R10)],
    }
}

/// Indexed by whether the logical stack is counted, then by whether gas is.
static REGISTERS: [[Registers; 2]; 2] = [
    [registers(&[]), registers(&[reg(GAS)])],
    [
        registers(&[reg(LOGICAL)]),
        registers(&[reg(LOGICAL), reg(GAS)]),
    ],
];

const FLOAT_ARGUMENTS: [Reg; 8] = Reg::first(Class::Float);

fn size(width: Width) -> Size {
    match width {
        Width::W32 => Size::S32,
        Width::W64 => Size::S64,
    }
}

fn fsize(width: Width) -> FSize {
    match width {
        Width::W32 => FSize::S32,
        Width::W64 => FSize::S64,
    }
}

fn slot(offset: u32) -> Mem {
    Mem::base(Gpr::Rsp, offset as i32)
}

fn context(offset: u32) -> Mem {
    Mem::base(CONTEXT, offset as i32)
}

/// The constant as an immediate that the machine sign-extends, if that works.
fn immediate(width: Width, bits: u64) -> Option<i32> {
    match width {
        Width::W32 => Some(bits as u32 as i32),
        Width::W64 => i32::try_from(bits as i64).ok(),
    }
}

/// The condition code; the two float conditions that need two are not asked for.
fn code(condition: Condition) -> Cond {
    match condition {
        Condition::Equal | Condition::FloatEqual => Cond::E,
        Condition::NotEqual | Condition::FloatNotEqual => Cond::NE,
        Condition::LessSigned => Cond::L,
        Condition::LessEqualSigned => Cond::LE,
        Condition::GreaterSigned => Cond::G,
        Condition::GreaterEqualSigned => Cond::GE,
        Condition::LessUnsigned | Condition::NotFloatGreaterEqual => Cond::B,
        Condition::LessEqualUnsigned | Condition::NotFloatGreater => Cond::BE,
        Condition::GreaterUnsigned | Condition::FloatGreater => Cond::A,
        Condition::GreaterEqualUnsigned | Condition::FloatGreaterEqual => Cond::AE,
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

    /// Adds a piece to be emitted after the function.
    fn later(&mut self, late: Late) {
        self.late.push((self.record.wasm_offset, late));
    }

    fn emit_late(&mut self, late: &Late) {
        match *late {
            Late::Trap { label, kind } => {
                self.asm.bind(label);
                self.trap_here(kind);
            }
            Late::StackGrowth { label, resume } => {
                self.asm.bind(label);
                self.asm
                    .alu_rm(Alu::Cmp, Size::S64, Gpr::Rsp, context(context::STACK_LIMIT));
                let admitted = self.asm.new_label();
                self.asm.jcc_short(Cond::AE, admitted);
                self.trap_here(TrapKind::StackOverflow);
                self.asm.bind(admitted);
                self.asm
                    .mov_mr(Size::S64, context(context::STACK_LOW), Gpr::Rsp);
                self.asm.jmp(resume);
            }
            Late::LogicalGrowth {
                label,
                resume,
                leaf_cost,
            } => self.emit_logical_growth(label, resume, leaf_cost),
            Late::CounterGrowth { label, resume } => self.emit_counter_growth(label, resume),
            Late::OutOfGas { label, charge } => self.emit_out_of_gas(label, charge),
            Late::Own(Own::Canonicalise {
                label,
                resume,
                width,
                register,
            }) => {
                self.asm.bind(label);
                self.float_const(width, register, canonical_nan(width));
                self.asm.jmp(resume);
            }
            Late::Own(Own::SignatureMismatch { label, entry }) => {
                self.asm.bind(label);
                self.asm.alu_mi(Alu::Cmp, Size::S32, entry, 0);
                let defined = self.asm.new_label();
                self.asm.jcc_short(Cond::NE, defined);
                self.trap_here(TrapKind::UndefinedElement);
                self.asm.bind(defined);
                self.trap_here(TrapKind::IndirectCallTypeMismatch);
            }
        }
    }

    /// A trap of the Wasm instruction that is translated.
    fn trap_here(&mut self, kind: TrapKind) {
        self.site(kind);
        self.asm.ud2();
    }
}
