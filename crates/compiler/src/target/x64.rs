//! The x86-64 target.
//!
//! Fixed registers: `rsp` the Wasm stack, `r15` the context, `r14` the base of linear
//! memory; if they are counted, `r13` the gas left and `r12` the units of the logical stack below
//! its greatest height; scratch: `r11`, `xmm14`, `xmm15`. Everything else belongs to the generator.

mod block;
mod bulk;
mod convert;
mod divide;
mod float;
mod integer;
mod memory;
mod meters;
mod stubs;

use super::masm::*;
use crate::abi::{self, context};
use crate::artifact::{CodeMap, CodePiece, TrapSite, ValType};
use crate::{CompileOptions, NativeStack};
use memory::access_size;
use meters::Charge;
use pvf_assembler::Label;
use pvf_assembler::x64::{Alu, Assembler, Cond, FSize, Gpr, Mem, Scale, Size, Xmm};
use pvf_spec::TrapKind;

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
    gas: bool,
    logical_stack: bool,
    native_stack: NativeStack,
    wasm_offset: u32,
    /// Behind the instruction that ends here the zero flag is about this register in this size.
    zero_flag: Option<(u32, Gpr, Size)>,
    map: Option<CodeMap>,
    /// Offset of the code not yet taken.
    sites: Vec<TrapSite>,
    calls: Vec<CallFixup>,
    /// What is to be emitted behind the function.
    late: Vec<Late>,
}

/// A piece of code off the main path.
enum Late {
    Trap {
        label: Label,
        kind: TrapKind,
        wasm_offset: u32,
    },
    /// The stack is deeper than ever before in this run: perhaps too deep.
    StackGrowth {
        label: Label,
        resume: Label,
        wasm_offset: u32,
    },
    /// The logical stack is higher than ever before in this run: perhaps too high.
    LogicalGrowth {
        label: Label,
        resume: Label,
        /// The cost, if it has not been taken yet.
        leaf_cost: u32,
        wasm_offset: u32,
    },
    /// A charge did not fit; it is taken back.
    OutOfGas {
        label: Label,
        charge: Charge,
        wasm_offset: u32,
    },
    Canonicalise {
        label: Label,
        resume: Label,
        width: Width,
        register: Xmm,
        wasm_offset: u32,
    },
    /// The signature of a table entry is another than expected, or there is none.
    SignatureMismatch {
        label: Label,
        entry: Mem,
        wasm_offset: u32,
    },
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
const FLOAT: RegSet = {
    let mut all = [Reg::float(0); 14];
    let mut i = 0;
    while i < all.len() {
        all[i] = Reg::float(i as u8);
        i += 1;
    }
    RegSet::of(&all)
};

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

/// By what is counted: the logical stack, gas.
static REGISTERS: [[Registers; 2]; 2] = [
    [registers(&[]), registers(&[reg(GAS)])],
    [
        registers(&[reg(LOGICAL)]),
        registers(&[reg(LOGICAL), reg(GAS)]),
    ],
];

const FLOAT_ARGUMENTS: [Reg; 8] = {
    let mut all = [Reg::float(0); 8];
    let mut i = 0;
    while i < 8 {
        all[i] = Reg::float(i as u8);
        i += 1;
    }
    all
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

fn type_width(ty: ValType) -> Width {
    match ty {
        ValType::I32 | ValType::F32 => Width::W32,
        ValType::I64 | ValType::F64 => Width::W64,
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

impl Late {
    fn wasm_offset(&self) -> u32 {
        match *self {
            Self::Trap { wasm_offset, .. }
            | Self::StackGrowth { wasm_offset, .. }
            | Self::LogicalGrowth { wasm_offset, .. }
            | Self::OutOfGas { wasm_offset, .. }
            | Self::Canonicalise { wasm_offset, .. }
            | Self::SignatureMismatch { wasm_offset, .. } => wasm_offset,
        }
    }
}

impl X64 {
    #[cold]
    fn note_piece(&mut self) {
        let piece = CodePiece {
            code_offset: self.asm.offset(),
            wasm_offset: self.wasm_offset,
        };
        if let Some(map) = &mut self.map {
            map.push(piece);
        }
    }

    fn site(&mut self, kind: TrapKind) {
        self.sites.push(TrapSite {
            code_offset: self.asm.offset(),
            wasm_offset: self.wasm_offset,
            kind,
        });
    }

    /// A label where this trap happens.
    fn trap_label(&mut self, kind: TrapKind) -> Label {
        let label = self.asm.new_label();
        self.late.push(Late::Trap {
            label,
            kind,
            wasm_offset: self.wasm_offset,
        });
        label
    }

    fn emit_late(&mut self, late: &Late) {
        match *late {
            Late::Trap {
                label,
                kind,
                wasm_offset,
            } => {
                self.asm.bind(label);
                self.trap_at(kind, wasm_offset);
            }
            Late::StackGrowth {
                label,
                resume,
                wasm_offset,
            } => {
                self.asm.bind(label);
                self.asm
                    .alu_rm(Alu::Cmp, Size::S64, Gpr::Rsp, context(context::STACK_LIMIT));
                let admitted = self.asm.new_label();
                self.asm.jcc_short(Cond::AE, admitted);
                self.trap_at(TrapKind::StackOverflow, wasm_offset);
                self.asm.bind(admitted);
                self.asm
                    .mov_mr(Size::S64, context(context::STACK_LOW), Gpr::Rsp);
                self.asm.jmp(resume);
            }
            Late::LogicalGrowth {
                label,
                resume,
                leaf_cost,
                wasm_offset,
            } => self.emit_logical_growth(label, resume, leaf_cost, wasm_offset),
            Late::OutOfGas {
                label,
                charge,
                wasm_offset,
            } => self.emit_out_of_gas(label, charge, wasm_offset),
            Late::Canonicalise {
                label,
                resume,
                width,
                register,
                ..
            } => {
                self.asm.bind(label);
                self.float_const(width, register, canonical_nan(width));
                self.asm.jmp(resume);
            }
            Late::SignatureMismatch {
                label,
                entry,
                wasm_offset,
            } => {
                self.asm.bind(label);
                self.asm.alu_mi(Alu::Cmp, Size::S32, entry, 0);
                let defined = self.asm.new_label();
                self.asm.jcc_short(Cond::NE, defined);
                self.trap_at(TrapKind::UndefinedElement, wasm_offset);
                self.asm.bind(defined);
                self.trap_at(TrapKind::IndirectCallTypeMismatch, wasm_offset);
            }
        }
    }

    fn trap_at(&mut self, kind: TrapKind, wasm_offset: u32) {
        self.sites.push(TrapSite {
            code_offset: self.asm.offset(),
            wasm_offset,
            kind,
        });
        self.asm.ud2();
    }
}

/// The positive canonical NaN's bits.
pub(crate) fn canonical_nan(width: Width) -> u64 {
    match width {
        Width::W32 => 0x7fc0_0000,
        Width::W64 => 0x7ff8_0000_0000_0000,
    }
}

impl MacroAssembler for X64 {
    fn new(options: &CompileOptions) -> Self {
        Self {
            asm: Assembler::with_capacity(1 << 16),
            gas: options.metering.gas.is_some(),
            logical_stack: options.metering.logical_stack,
            native_stack: options.native_stack,
            wasm_offset: 0,
            zero_flag: None,
            map: None,
            sites: Vec::new(),
            calls: Vec::new(),
            late: Vec::new(),
        }
    }

    const MEMORY_OPERANDS: bool = true;

    fn registers(&self) -> &'static Registers {
        &REGISTERS[usize::from(self.logical_stack)][usize::from(self.gas)]
    }

    fn offset(&self) -> u32 {
        self.asm.offset()
    }

    fn new_label(&mut self) -> Label {
        self.asm.new_label()
    }

    fn bind(&mut self, label: Label) {
        self.zero_flag = None;
        self.asm.bind(label);
    }

    fn record_code_map(&mut self) {
        self.map = Some(CodeMap::default());
    }

    fn set_wasm_offset(&mut self, offset: u32) {
        self.wasm_offset = offset;
        if self.map.is_some() {
            self.note_piece();
        }
    }

    fn finish_function(&mut self) {
        for late in std::mem::take(&mut self.late) {
            self.set_wasm_offset(late.wasm_offset());
            self.emit_late(&late);
        }
    }

    fn take(&mut self) -> Result<MachineCode, pvf_assembler::FinishError> {
        self.asm.finish()?;
        let code = MachineCode {
            code: self.asm.code().to_vec(),
            traps: std::mem::take(&mut self.sites),
            calls: std::mem::take(&mut self.calls),
            map: self.map.as_mut().map(std::mem::take).unwrap_or_default(),
        };
        self.asm.clear();
        Ok(code)
    }

    fn begin_function(&mut self) -> u32 {
        self.asm.align(16);
        self.asm.offset()
    }

    fn enter_frame(&mut self, frame_bytes: u32) {
        let (slow, resume) = (self.asm.new_label(), self.asm.new_label());
        self.asm.alu_ri(
            Alu::Sub,
            Size::S64,
            Gpr::Rsp,
            (frame_bytes - RETURN_ADDRESS_BYTES) as i32,
        );
        if self.native_stack != NativeStack::Unchecked {
            self.asm
                .alu_rm(Alu::Cmp, Size::S64, Gpr::Rsp, context(context::STACK_LOW));
            self.asm.jcc(Cond::B, slow);
            self.asm.bind(resume);
            self.late.push(Late::StackGrowth {
                label: slow,
                resume,
                wasm_offset: self.wasm_offset,
            });
        }
        if self.native_stack == NativeStack::Audited {
            self.emit_audit(frame_bytes);
        }
    }

    fn leave_frame(&mut self, frame_bytes: u32) {
        if self.native_stack == NativeStack::Audited {
            self.emit_leave_audited(frame_bytes);
        }
        self.asm.alu_ri(
            Alu::Add,
            Size::S64,
            Gpr::Rsp,
            (frame_bytes - RETURN_ADDRESS_BYTES) as i32,
        );
    }

    fn return_from_function(&mut self) {
        self.asm.ret();
    }

    fn enter_logical_stack(&mut self, cost: u32, leaf: bool) {
        self.emit_enter_logical_stack(cost, leaf);
    }

    fn leave_logical_stack(&mut self, cost: u32) {
        self.emit_leave_logical_stack(cost);
    }

    fn charge_gas(&mut self, cost: u64) {
        self.emit_charge_gas(cost);
    }

    fn charge_gas_for(&mut self, units: Reg, cost: u32) {
        self.emit_charge_gas_for(gpr(units), cost);
    }

    fn zero_slots(&mut self, from: u32, to: u32) {
        // Arguments may be in any register but the scratch ones.
        self.asm.mov_ri32(SCRATCH, from);
        self.asm.fbit_rrr(
            pvf_assembler::x64::FBit::Xor,
            FSize::S64,
            FLOAT_SCRATCH,
            FLOAT_SCRATCH,
            FLOAT_SCRATCH,
        );
        let next = self.asm.new_label();
        self.asm.bind(next);
        self.asm.movs_mr(
            FSize::S64,
            Mem::base_index(Gpr::Rsp, SCRATCH, Scale::One, 0),
            FLOAT_SCRATCH,
        );
        self.asm.alu_ri(Alu::Add, Size::S64, SCRATCH, 8);
        self.asm.alu_ri(Alu::Cmp, Size::S32, SCRATCH, to as i32);
        self.asm.jcc(Cond::B, next);
    }

    fn move_register(&mut self, ty: ValType, dst: Reg, src: Reg) {
        if dst == src {
            return;
        }
        match ty.class() {
            Class::General => self.asm.mov_rr(size(type_width(ty)), gpr(dst), gpr(src)),
            Class::Float => self.asm.movs_rr(fsize(type_width(ty)), xmm(dst), xmm(src)),
        }
    }

    fn exchange(&mut self, a: Reg, b: Reg) {
        match a.class() {
            Class::General => self.asm.xchg_rr(Size::S64, gpr(a), gpr(b)),
            Class::Float => {
                self.asm.movs_rr(FSize::S64, FLOAT_SCRATCH, xmm(a));
                self.asm.movs_rr(FSize::S64, xmm(a), xmm(b));
                self.asm.movs_rr(FSize::S64, xmm(b), FLOAT_SCRATCH);
            }
        }
    }

    fn load_const(&mut self, ty: ValType, dst: Reg, bits: u64) {
        match ty {
            ValType::I32 => self.asm.mov_ri32(gpr(dst), bits as u32),
            ValType::I64 => self.asm.mov_ri64(gpr(dst), bits),
            ValType::F32 | ValType::F64 => self.float_const(type_width(ty), xmm(dst), bits),
        }
    }

    fn load_slot(&mut self, ty: ValType, dst: Reg, at: u32) {
        self.load_typed(ty, dst, slot(at));
    }

    fn store_slot(&mut self, ty: ValType, at: u32, src: Reg) {
        self.store_typed(ty, slot(at), src);
    }

    fn store_slot_const(&mut self, ty: ValType, at: u32, bits: u64) {
        self.store_const(ty, slot(at), bits);
    }

    fn copy_slot(&mut self, dst: u32, src: u32) {
        self.asm.movs_rm(FSize::S64, FLOAT_SCRATCH, slot(src));
        self.asm.movs_mr(FSize::S64, slot(dst), FLOAT_SCRATCH);
    }

    fn load_context(&mut self, ty: ValType, dst: Reg, offset: u32) {
        self.load_typed(ty, dst, context(offset));
    }

    fn store_context(&mut self, ty: ValType, offset: u32, src: Source) {
        match src {
            Source::Reg(src) => self.store_typed(ty, context(offset), src),
            Source::Const(bits) => self.store_const(ty, context(offset), bits),
            Source::Slot(at) => {
                self.asm.movs_rm(FSize::S64, FLOAT_SCRATCH, slot(at));
                self.asm
                    .movs_mr(fsize(type_width(ty)), context(offset), FLOAT_SCRATCH);
            }
        }
    }

    fn load(&mut self, access: Access, dst: Reg, address: Address) {
        self.memory_load(access, dst, address);
    }

    fn store(&mut self, access: Access, address: Address, src: Source) {
        self.memory_store(access, address, src);
    }

    fn int_binary_memory(&mut self, op: IntBinary, width: Width, dst: Reg, a: Reg, b: Address) {
        self.binary_memory(op, width, dst, a, b);
    }

    fn compare_with_memory(&mut self, width: Width, a: Reg, b: Address) {
        self.alu_memory(Alu::Cmp, width, gpr(a), b);
    }

    fn compare_memory(&mut self, access: Access, a: Address, b: u32) {
        let a = self.linear(a);
        self.site(TrapKind::MemoryOutOfBounds);
        self.asm.alu_mi(Alu::Cmp, access_size(access), a, b as i32);
    }

    fn copy_memory(&mut self, dst: Reg, src: Reg, bytes: u32) {
        self.copy_bytes(gpr(dst), gpr(src), bytes);
    }

    fn fill_memory(&mut self, dst: Reg, value: u8, bytes: u32) {
        self.fill_bytes(gpr(dst), value, bytes);
    }

    fn memory_size(&mut self, dst: Reg) {
        self.asm
            .mov_rm(Size::S64, gpr(dst), context(context::MEMORY_BYTES));
        self.asm
            .shift_ri(pvf_assembler::x64::Shift::Shr, Size::S64, gpr(dst), 16);
    }

    fn int_binary(&mut self, op: IntBinary, width: Width, dst: Reg, a: Reg, b: Source) {
        self.integer_binary(op, width, gpr(dst), gpr(a), b);
    }

    fn int_unary(&mut self, op: IntUnary, width: Width, dst: Reg, src: Reg) {
        self.integer_unary(op, width, gpr(dst), gpr(src));
    }

    fn divide(&mut self, op: Division, width: Width, divisor: Reg) {
        self.integer_divide(op, width, gpr(divisor));
    }

    fn divide_constant(&mut self, op: Division, width: Width, dst: Reg, a: Reg, divisor: u64) {
        self.quotient_by_constant(op, width, gpr(dst), gpr(a), divisor);
        if matches!(op, Division::RemS | Division::RemU) {
            self.remainder_of_quotient(width, gpr(dst), gpr(a), divisor);
        }
    }

    fn compare(&mut self, width: Width, a: Reg, b: Source) {
        self.integer_compare(width, gpr(a), b);
    }

    fn compare_zero(&mut self, width: Width, a: Reg) {
        let known = (self.asm.offset(), gpr(a), size(width));
        if self.zero_flag != Some(known) {
            self.integer_compare(width, gpr(a), Source::Const(0));
        }
    }

    fn test(&mut self, width: Width, a: Reg, b: Source) {
        self.integer_test(width, gpr(a), b);
    }

    fn float_binary(&mut self, op: FloatBinary, width: Width, dst: Reg, a: Reg, b: Reg) {
        self.binary_float(op, width, xmm(dst), xmm(a), xmm(b));
    }

    fn float_unary(&mut self, op: FloatUnary, width: Width, dst: Reg, src: Reg) {
        self.unary_float(op, width, xmm(dst), xmm(src));
    }

    fn canonicalise(&mut self, width: Width, register: Reg) {
        let register = xmm(register);
        let (label, resume) = (self.asm.new_label(), self.asm.new_label());
        self.asm.ucomis_rr(fsize(width), register, register);
        self.asm.jcc(Cond::P, label);
        self.asm.bind(resume);
        self.late.push(Late::Canonicalise {
            label,
            resume,
            width,
            register,
            wasm_offset: self.wasm_offset,
        });
    }

    fn float_compare(&mut self, width: Width, a: Reg, b: Reg) {
        self.asm.ucomis_rr(fsize(width), xmm(a), xmm(b));
    }

    fn convert(&mut self, conversion: Conversion, dst: Reg, src: Reg) {
        self.conversion(conversion, dst, src);
    }

    fn set_condition(&mut self, condition: Condition, dst: Reg) {
        let dst = gpr(dst);
        self.asm.setcc_r(code(condition), dst);
        match condition {
            Condition::FloatEqual => {
                self.asm.setcc_r(Cond::NP, SCRATCH);
                self.asm.alu_rr(Alu::And, Size::S32, dst, SCRATCH);
            }
            Condition::FloatNotEqual => {
                self.asm.setcc_r(Cond::P, SCRATCH);
                self.asm.alu_rr(Alu::Or, Size::S32, dst, SCRATCH);
            }
            _ => {}
        }
        self.asm.movzx_rr(Size::S8, dst, dst);
    }

    fn select(&mut self, condition: Condition, ty: ValType, dst: Reg, a: Reg, b: Reg) {
        match (ty.class(), condition) {
            (Class::Float, _) => self.select_float(condition, ty, dst, a, b),
            (Class::General, Condition::FloatEqual) => {
                self.select(Condition::FloatNotEqual, ty, dst, b, a);
            }
            (Class::General, _)
                if dst == a && dst != b && condition != Condition::FloatNotEqual =>
            {
                let condition = code(condition.inverted());
                self.asm
                    .cmov_rr(condition, size(type_width(ty)), gpr(dst), gpr(b));
            }
            (Class::General, _) => {
                let mut taken = a;
                if dst == a && dst != b {
                    self.asm.mov_rr(Size::S64, SCRATCH, gpr(a));
                    taken = reg(SCRATCH);
                }
                self.move_register(ty, dst, b);
                let size = size(type_width(ty));
                self.asm
                    .cmov_rr(code(condition), size, gpr(dst), gpr(taken));
                if condition == Condition::FloatNotEqual {
                    self.asm.cmov_rr(Cond::P, size, gpr(dst), gpr(taken));
                }
            }
        }
    }

    fn jump(&mut self, label: Label) {
        self.asm.jmp(label);
    }

    fn jump_if(&mut self, condition: Condition, label: Label) {
        match condition {
            Condition::FloatEqual => {
                let unordered = self.asm.new_label();
                self.asm.jcc_short(Cond::P, unordered);
                self.asm.jcc(Cond::E, label);
                self.asm.bind(unordered);
            }
            Condition::FloatNotEqual => {
                self.asm.jcc(Cond::P, label);
                self.asm.jcc(Cond::NE, label);
            }
            _ => self.asm.jcc(code(condition), label),
        }
    }

    fn jump_table(&mut self, index: Reg, labels: &[Label]) {
        let Some((&default, rest)) = labels.split_last() else {
            return;
        };
        let index = gpr(index);
        self.asm
            .alu_ri(Alu::Cmp, Size::S32, index, rest.len() as i32);
        self.asm.jcc(Cond::AE, default);
        let table = self.asm.new_label();
        self.asm.lea_label(SCRATCH, table);
        self.asm.movsx_rm(
            Size::S32,
            Size::S64,
            index,
            Mem::base_index(SCRATCH, index, Scale::Four, 0),
        );
        self.asm.alu_rr(Alu::Add, Size::S64, index, SCRATCH);
        self.asm.jmp_r(index);
        self.asm.bind(table);
        for &label in rest {
            self.asm.emit_label_difference_i32(label, table);
        }
    }

    fn trap(&mut self, kind: TrapKind) {
        self.trap_at(kind, self.wasm_offset);
    }

    fn call(&mut self, function: u32) {
        let at = self.asm.call_rel32_placeholder();
        self.calls.push(CallFixup { at, function });
    }

    fn mark_host_call(&mut self) {
        self.sites.push(TrapSite {
            code_offset: self.asm.offset() - 1,
            wasm_offset: self.wasm_offset,
            kind: TrapKind::HostError,
        });
    }

    fn call_indirect(&mut self, index: Reg, signature: u32, table: Table) {
        let out_of_bounds = self.trap_label(TrapKind::TableOutOfBounds);
        self.asm
            .alu_ri(Alu::Cmp, Size::S32, gpr(index), table.entries as i32);
        self.asm.jcc(Cond::AE, out_of_bounds);
        self.asm
            .shift_ri(pvf_assembler::x64::Shift::Shl, Size::S64, gpr(index), 4);
        let field = |field| {
            Mem::base_index(
                CONTEXT,
                gpr(index),
                Scale::One,
                (table.offset + field) as i32,
            )
        };
        let entry = field(abi::TABLE_ENTRY_SIGNATURE);
        self.asm
            .alu_mi(Alu::Cmp, Size::S32, entry, signature as i32 + 1);
        let label = self.asm.new_label();
        self.asm.jcc(Cond::NE, label);
        self.late.push(Late::SignatureMismatch {
            label,
            entry,
            wasm_offset: self.wasm_offset,
        });
        self.asm.call_m(field(abi::TABLE_ENTRY_CODE));
    }

    fn jump_unless_in_memory(&mut self, index: Reg, offset: u64, bytes: Reg, label: Label) {
        self.emit_jump_unless_in_memory(gpr(index), offset, gpr(bytes), label);
    }

    fn jump_if_within(&mut self, a: Reg, distance: i64, b: Reg, bytes: Reg, label: Label) {
        self.emit_jump_if_within(gpr(a), distance, gpr(b), gpr(bytes), label);
    }

    fn charge_turns(&mut self, bytes: Reg, shift: u8, cost: u32, label: Label) {
        self.emit_charge_turns(gpr(bytes), shift, cost, label);
    }

    fn linear_address(&mut self, index: Reg, offset: u64) {
        self.emit_linear_address(gpr(index), offset);
    }

    fn repeat(&mut self, register: Reg, bytes: u8) {
        self.emit_repeat(gpr(register), bytes);
    }

    fn block(&mut self, operation: BlockOperation) {
        self.call(operation.function());
    }

    fn block_stub(&mut self, operation: BlockOperation) -> u32 {
        self.emit_block_stub(operation)
    }

    fn host_stub(&mut self, index: u32, gate: Label) -> u32 {
        self.emit_host_stub(index, gate)
    }

    fn host_gate(&mut self, gate: Label, ty: &Convention) {
        self.emit_host_gate(gate, ty);
    }

    fn plain_host_gate(&mut self, gate: Label, ty: &Convention) {
        self.emit_plain_host_gate(gate, ty);
    }

    fn entry_stub(&mut self, ty: &Convention) -> u32 {
        self.emit_entry_stub(ty)
    }

    fn builtin_immediate(&mut self, value: u32) {
        self.asm.mov_ri32(Gpr::Rdx, value);
    }
}
