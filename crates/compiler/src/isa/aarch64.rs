//! The aarch64 target: Armv8.0 with floats and vectors.
//!
//! Fixed registers: `sp` the Wasm stack, `x19` the context, `x20` the base of linear memory, `x23` the least stack
//! pointer of the run; if they are counted, `x21` the gas left and `x22` the units of the logical stack below its
//! greatest height; `x25` to `x27` constants, see `constants`; scratch: `x16`, `x17`, `v16` to `v31`. `x0` to `x15` and
//! `v0` to `v15` belong to the generator. C functions keep the fixed ones. `x18` is the platform's, `x29` the host's.
//!
//! # Frames
//! A call pushes nothing: a function itself puts its return address, in `x30`, where x86-64's call puts it, into the
//! topmost word of its frame. So all slots are at the same distance from the stack pointer on both. A function that
//! calls nothing leaves the word as it is.
//!
//! # NaNs
//! The runtime sets FPCR's DN bit while Wasm runs: each operation that Wasm calls arithmetic then gives the default
//! NaN for any NaN, which is Wasm's positive canonical one (Arm ARM, "Default NaN"), and nothing is left to
//! canonicalise.
//!
//! # Sums of base and index
//! An address with an index and an offset takes an addition first. The sums of the last two indices are left in `x24`
//! and `x28` for the accesses that follow, until the index is overwritten or control comes from elsewhere.
//!
//! # Stores
//! A store over the end of memory would be done in part before it faults; see `probe`.

mod block;
mod bulk;
mod calls;
mod code;
mod constants;
mod convert;
mod divide;
mod float;
mod function;
mod integer;
mod macro_assembler;
mod memory;
mod meters;
mod pending;
mod probe;
mod shared;
mod stubs;

use super::masm::*;
use super::range::range;
use super::record::Record;
use super::watched::{Watched, watched};
use crate::abi::{self, context};
use crate::types::ValType;
use crate::{CompileOptions, NativeStack};
use code::Code;
use function::{Function, Undone};
use meters::Charge;
use pending::Pending;
use pvf_assembler::Label;
use pvf_assembler::aarch64::{
    Access as Bytes, Arith, Assembler, Cond, Extend, FSize, Fpr, Gpr, Imm12, Logic, LogicalImm,
    Mem, Shift, Size,
};
use pvf_rules::TrapKind;

const CONTEXT: Gpr = Gpr::X19;
const MEMORY: Gpr = Gpr::X20;
const GAS: Gpr = Gpr::X21;
const LOGICAL: Gpr = Gpr::X22;
/// As in the context: [`context::STACK_LOW`].
const STACK_LOW: Gpr = Gpr::X23;
const SCRATCH: Gpr = Gpr::X16;
const SCRATCH_2: Gpr = Gpr::X17;
const FLOAT_SCRATCH: Fpr = Fpr::V31;
const FLOAT_SCRATCH_2: Fpr = Fpr::V30;

/// Most bytes of one operation of [`MacroAssembler`], except for tables and what stands outside functions.
const OPERATION_BYTES: u32 = 256;

/// Makes aarch64 code.
pub(crate) struct Aarch64 {
    asm: Assembler,
    meters: Meters,
    /// Calls reach any place, rather than 128 MB.
    far_calls: bool,
    record: Record,
    /// The buffer of [`Emitter::late`], kept between functions because most functions use it.
    late: Vec<(u32, Late)>,
}

/// Emits the code of one function. Only [`Function::begin`] and [`Function::begin_with`] lend it, for one operation.
struct Emitter<'m> {
    asm: Code<'m>,
    meters: Meters,
    far_calls: bool,
    record: &'m mut Record,
    /// An instruction that is not emitted yet, because the next operation may combine with it.
    pending: Option<Pending>,
    /// Code to be emitted after the function, each piece with the offset of its Wasm instruction.
    late: &'m mut Vec<(u32, Late)>,
}

/// A piece of code that is emitted after the function. The value of a counter is in [`SCRATCH_2`].
type Late = super::late::Late<Charge, SignatureMismatch>;

/// A table entry, whose signature is in [`SCRATCH_2`], has another one than expected, or is null.
struct SignatureMismatch(Label);

const fn gpr(register: Reg) -> Gpr {
    debug_assert!(
        matches!(register.class(), Class::General),
        "a general register is meant"
    );
    Gpr::from_number(register.number())
}

const fn fpr(register: Reg) -> Fpr {
    debug_assert!(
        matches!(register.class(), Class::Float),
        "a float register is meant"
    );
    Fpr::from_number(register.number())
}

static GENERAL_ARGUMENTS: [Reg; 8] = Reg::first(Class::General);
static FLOAT_ARGUMENTS: [Reg; 8] = Reg::first(Class::Float);

/// One set for all meters: counters are in registers of their own.
static REGISTERS: Registers = Registers {
    general: RegSet::of(&Reg::first::<16>(Class::General)),
    float: RegSet::of(&Reg::first::<16>(Class::Float)),
    general_arguments: &GENERAL_ARGUMENTS,
    float_arguments: &FLOAT_ARGUMENTS,
    general_result: Reg::general(0),
    float_result: Reg::float(0),
    table_index: Reg::general(8),
    division: (Reg::general(12), Reg::general(13)),
    block: [Reg::general(9), Reg::general(10), Reg::general(11)],
};

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

/// The bytes that a register of this size has in memory.
fn bytes(size: Size) -> Bytes {
    match size {
        Size::S32 => Bytes::B4,
        Size::S64 => Bytes::B8,
    }
}

/// The condition code.
fn code(condition: Condition) -> Cond {
    match condition {
        Condition::Equal | Condition::FloatEqual => Cond::EQ,
        Condition::NotEqual | Condition::FloatNotEqual => Cond::NE,
        Condition::LessSigned | Condition::NotFloatGreaterEqual => Cond::LT,
        Condition::LessEqualSigned | Condition::NotFloatGreater => Cond::LE,
        Condition::GreaterSigned | Condition::FloatGreater => Cond::GT,
        Condition::GreaterEqualSigned | Condition::FloatGreaterEqual => Cond::GE,
        Condition::LessUnsigned => Cond::LO,
        Condition::LessEqualUnsigned => Cond::LS,
        Condition::GreaterUnsigned => Cond::HI,
        Condition::GreaterEqualUnsigned => Cond::HS,
    }
}

impl Emitter<'_> {
    /// The general register, which is about to be overwritten.
    #[inline]
    fn target(&mut self, register: Reg) -> Gpr {
        let register = gpr(register);
        self.asm.known.sums.forget(register);
        register
    }

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
                self.load_context_word(SCRATCH, context::STACK_LIMIT);
                self.compare_stack_pointer(SCRATCH);
                let admitted = self.asm.new_label();
                self.asm.b_cond(Cond::HS, admitted);
                self.trap_here(TrapKind::StackOverflow);
                self.asm.bind(admitted);
                self.asm.mov_sp(STACK_LOW, Gpr::SP);
                self.store_context_word(context::STACK_LOW, STACK_LOW);
                self.asm.b(resume);
            }
            Late::LogicalGrowth {
                label,
                resume,
                leaf_cost,
            } => self.emit_logical_growth(label, resume, leaf_cost),
            Late::CounterGrowth { label, resume } => self.emit_counter_growth(label, resume),
            Late::OutOfGas { label, charge } => self.emit_out_of_gas(label, charge),
            Late::Own(SignatureMismatch(label)) => {
                self.asm.bind(label);
                let defined = self.asm.new_label();
                self.asm.cbnz(Size::S32, SCRATCH_2, defined);
                self.trap_here(TrapKind::UndefinedElement);
                self.asm.bind(defined);
                self.trap_here(TrapKind::IndirectCallTypeMismatch);
            }
        }
    }

    /// A trap of the Wasm instruction that is translated.
    fn trap_here(&mut self, kind: TrapKind) {
        self.site(kind);
        self.asm.udf(0);
    }

    fn compare_stack_pointer(&mut self, with: Gpr) {
        let (subtract, size) = (Arith::Subs, Size::S64);
        self.asm
            .arith_rx(subtract, size, Gpr::ZR, Gpr::SP, with, Extend::Uxtx, 0);
    }
}
