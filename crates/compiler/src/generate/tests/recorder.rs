//! A machine that records its operations, and runs them on distinct values.
//!
//! It is the third implementation of [`MacroAssembler`]. Registers, slots and memory outside the frame hold 64-bit
//! values. Whatever an operation leaves undefined becomes a value that occurs nowhere else. So a move from the wrong
//! register, a value that was not sent home or an access of the wrong width leads to a wrong result.

use crate::CompileOptions;
use crate::isa::masm::*;
use crate::types::ValType;
use pvf_assembler::Label;
use pvf_assembler::x64::Assembler;
use pvf_rules::TrapKind;
use std::collections::HashMap;

/// An operation.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Bind(Label),
    Enter(u32),
    Leave(u32),
    Return,
    Zero(u32, u32),
    CopySlots(u32, u32, u32),
    Move(ValType, Reg, Reg),
    Exchange(Reg, Reg),
    Const(ValType, Reg, u64),
    LoadSlot(ValType, Reg, u32),
    StoreSlot(ValType, u32, Reg),
    StoreConst(ValType, u32, u64),
    CopySlot(u32, u32),
    Int(IntBinary, Width, Reg, Reg, Source),
    Sum(Width, Reg, Reg, u64),
    Wrap(Reg, Reg),
    Divide(Width, Reg),
    DivideConst(Division, Width, Reg, Reg, u64),
    Compare(Width, Reg, Source),
    CompareZero(Width, Reg),
    Test(Width, Reg, Source),
    Float(Width, Reg, Reg, Reg),
    Canonicalise(Width, Reg),
    Set(Condition, Reg),
    Select(Condition, ValType, Reg, Reg, Reg),
    Jump(Label),
    JumpIf(Condition, Label),
    JumpTable(Reg, Vec<Label>),
    Trap,
    Call(u32),
}

/// Few registers, so that they run out.
static REGISTERS: Registers = Registers {
    general: RegSet(0b111_1111),
    float: RegSet(0b1_1111 << 16),
    general_arguments: &[Reg::general(2), Reg::general(0), Reg::general(5)],
    float_arguments: &[Reg::float(1), Reg::float(0)],
    general_result: Reg::general(0),
    float_result: Reg::float(0),
    table_index: Reg::general(6),
    division: (Reg::general(0), Reg::general(2)),
    block: [Reg::general(4), Reg::general(5), Reg::general(6)],
};

/// The machine.
pub(super) struct Recorder {
    pub ops: Vec<Op>,
    /// The size of each operation, on which the budget depends.
    pub bytes: u32,
    /// The assembler that makes the labels.
    labels: Assembler,
}

impl Recorder {
    pub fn of(bytes: u32) -> Self {
        let labels = Assembler::new();
        let ops = Vec::new();
        Self { ops, bytes, labels }
    }
}

impl Machine for Recorder {
    const NEAR_BYTES: usize = usize::MAX;
    const PADDING: u8 = 0;
    type Masm<'m> = Recording<'m>;

    fn new(_: &CompileOptions, _: Reach) -> Self {
        Self::of(4)
    }
    fn registers(&self) -> &'static Registers {
        &REGISTERS
    }
    fn record_code_map(&mut self) {}
    fn reserve(&mut self, _: usize, _: usize) {}
    fn begin_function(&mut self, _: u32) -> Recording<'_> {
        Recording(self)
    }
    fn take(&mut self) -> Result<MachineCode, pvf_assembler::FinishError> {
        Ok(MachineCode::default())
    }
    fn link_call(_: &mut [u8], _: u32, _: i32) {}
}

/// The operations of a function.
pub(super) struct Recording<'m>(&'m mut Recorder);

impl Recording<'_> {
    fn op(&mut self, op: Op) {
        self.0.ops.push(op);
    }
}

const NOT_USED: &str = "the programs of these tests have no such operator";

impl MacroAssembler for Recording<'_> {
    const MEMORY_OPERANDS: bool = false;
    const LATE_CANONICALISATION_BYTES: u64 = 0;
    const CALLS_IN_LEAVES: bool = true;

    fn offset(&self) -> u32 {
        self.0.ops.len() as u32 * self.0.bytes
    }
    fn new_label(&mut self) -> Label {
        self.0.labels.new_label()
    }
    fn bind(&mut self, label: Label) {
        self.op(Op::Bind(label));
    }
    fn set_wasm_offset(&mut self, _: u32) {}
    fn finish_function(self) -> u32 {
        self.offset()
    }

    fn enter_frame(&mut self, frame_bytes: u32, _: bool) {
        self.op(Op::Enter(frame_bytes));
    }
    fn leave_frame(&mut self, frame_bytes: u32, _: bool) {
        self.op(Op::Leave(frame_bytes));
    }
    fn return_from_function(&mut self) {
        self.op(Op::Return);
    }
    fn zero_slots(&mut self, from: u32, to: u32) {
        self.op(Op::Zero(from, to));
    }
    fn copy_slots(&mut self, dst: u32, src: u32, slots: u32) {
        self.op(Op::CopySlots(dst, src, slots));
    }

    fn enter_logical_stack(&mut self, _: u32, _: bool) {}
    fn leave_logical_stack(&mut self, _: u32) {}
    fn charge_counter(&mut self, _: u32, _: u32) {}
    fn release_counter(&mut self, _: u32, _: u32) {}
    fn charge_gas(&mut self, _: u64) {}
    fn charge_gas_for(&mut self, _: Reg, _: u32) {}

    fn move_register(&mut self, ty: ValType, dst: Reg, src: Reg) {
        self.op(Op::Move(ty, dst, src));
    }
    fn exchange(&mut self, a: Reg, b: Reg) {
        self.op(Op::Exchange(a, b));
    }
    fn load_const(&mut self, ty: ValType, dst: Reg, bits: u64) {
        self.op(Op::Const(ty, dst, bits));
    }
    fn load_slot(&mut self, ty: ValType, dst: Reg, slot: u32) {
        self.op(Op::LoadSlot(ty, dst, slot));
    }
    fn store_slot(&mut self, ty: ValType, slot: u32, src: Reg) {
        self.op(Op::StoreSlot(ty, slot, src));
    }
    fn store_slot_const(&mut self, ty: ValType, slot: u32, bits: u64) {
        self.op(Op::StoreConst(ty, slot, bits));
    }
    fn copy_slot(&mut self, dst: u32, src: u32) {
        self.op(Op::CopySlot(dst, src));
    }
    fn move_sum(&mut self, width: Width, dst: Reg, a: Reg, constant: u64) {
        self.op(Op::Sum(width, dst, a, constant));
    }
    fn load_context(&mut self, _: ValType, _: Reg, _: u32) {
        unimplemented!("{NOT_USED}")
    }
    fn store_context(&mut self, _: ValType, _: u32, _: Source) {
        unimplemented!("{NOT_USED}")
    }

    fn load(&mut self, _: Access, _: Reg, _: Address) {
        unimplemented!("{NOT_USED}")
    }
    fn store(&mut self, _: Access, _: Address, _: Source) {
        unimplemented!("{NOT_USED}")
    }
    fn int_binary_memory(&mut self, _: IntBinary, _: Width, _: Reg, _: Reg, _: Address) {
        unimplemented!("{NOT_USED}")
    }
    fn compare_with_memory(&mut self, _: Width, _: Reg, _: Address) {
        unimplemented!("{NOT_USED}")
    }
    fn compare_memory(&mut self, _: Access, _: Address, _: u32) {
        unimplemented!("{NOT_USED}")
    }
    fn copy_memory(&mut self, _: Reg, _: Reg, _: u32) {
        unimplemented!("{NOT_USED}")
    }
    fn fill_memory(&mut self, _: Reg, _: u8, _: u32) {
        unimplemented!("{NOT_USED}")
    }
    fn memory_size(&mut self, _: Reg) {
        unimplemented!("{NOT_USED}")
    }

    fn int_binary(&mut self, op: IntBinary, width: Width, dst: Reg, a: Reg, b: Source) {
        self.op(Op::Int(op, width, dst, a, b));
    }
    fn int_unary(&mut self, op: IntUnary, _: Width, dst: Reg, src: Reg) {
        assert_eq!(op, IntUnary::Wrap, "{NOT_USED}");
        self.op(Op::Wrap(dst, src));
    }
    fn divide(&mut self, op: Division, width: Width, divisor: Reg) {
        assert!(matches!(op, Division::DivU | Division::RemU), "{NOT_USED}");
        self.op(Op::Divide(width, divisor));
    }
    fn divide_constant(&mut self, op: Division, width: Width, dst: Reg, a: Reg, divisor: u64) {
        self.op(Op::DivideConst(op, width, dst, a, divisor));
    }
    fn compare(&mut self, width: Width, a: Reg, b: Source) {
        self.op(Op::Compare(width, a, b));
    }
    fn compare_zero(&mut self, width: Width, a: Reg) {
        self.op(Op::CompareZero(width, a));
    }
    fn test(&mut self, width: Width, a: Reg, b: Source) {
        self.op(Op::Test(width, a, b));
    }

    fn float_binary(&mut self, op: FloatBinary, width: Width, dst: Reg, a: Reg, b: Reg) {
        assert_eq!(op, FloatBinary::Add, "{NOT_USED}");
        self.op(Op::Float(width, dst, a, b));
    }
    fn float_unary(&mut self, _: FloatUnary, _: Width, _: Reg, _: Reg) {
        unimplemented!("{NOT_USED}")
    }
    fn canonicalise(&mut self, width: Width, register: Reg) {
        self.op(Op::Canonicalise(width, register));
    }
    fn float_compare(&mut self, _: Width, _: Reg, _: Reg) {
        unimplemented!("{NOT_USED}")
    }
    fn convert(&mut self, _: Conversion, _: Reg, _: Reg) {
        unimplemented!("{NOT_USED}")
    }

    fn set_condition(&mut self, condition: Condition, dst: Reg) {
        self.op(Op::Set(condition, dst));
    }
    fn select(&mut self, condition: Condition, ty: ValType, dst: Reg, a: Reg, b: Reg) {
        self.op(Op::Select(condition, ty, dst, a, b));
    }

    fn jump(&mut self, label: Label) {
        self.op(Op::Jump(label));
    }
    fn jump_if(&mut self, condition: Condition, label: Label) {
        self.op(Op::JumpIf(condition, label));
    }
    fn jump_table(&mut self, index: Reg, labels: &[Label]) {
        self.op(Op::JumpTable(index, labels.to_vec()));
    }
    fn trap(&mut self, _: TrapKind) {
        self.op(Op::Trap);
    }
    fn call(&mut self, function: u32) {
        self.op(Op::Call(function));
    }
    fn mark_host_call(&mut self) {}
    fn call_indirect(&mut self, _: Reg, _: u32, _: Table) {
        unimplemented!("{NOT_USED}")
    }

    fn jump_unless_in_memory(&mut self, _: Reg, _: u64, _: Reg, _: Label) {
        unimplemented!("{NOT_USED}")
    }
    fn jump_if_within(&mut self, _: Reg, _: i64, _: Reg, _: Reg, _: Label) {
        unimplemented!("{NOT_USED}")
    }
    fn charge_iterations(&mut self, _: Reg, _: u8, _: u32, _: Label) {
        unimplemented!("{NOT_USED}")
    }
    fn linear_address(&mut self, _: Reg, _: u64) {
        unimplemented!("{NOT_USED}")
    }
    fn repeat(&mut self, _: Reg, _: u8) {
        unimplemented!("{NOT_USED}")
    }
    fn block(&mut self, _: BlockOperation) {
        unimplemented!("{NOT_USED}")
    }
    fn block_stub(&mut self, _: BlockOperation) -> u32 {
        unimplemented!("{NOT_USED}")
    }
    fn host_stub(&mut self, _: u32, _: Label) -> u32 {
        unimplemented!("{NOT_USED}")
    }
    fn host_gate(&mut self, _: Label, _: &Convention) {
        unimplemented!("{NOT_USED}")
    }
    fn plain_host_gate(&mut self, _: Label, _: &Convention) {
        unimplemented!("{NOT_USED}")
    }
    fn entry_stub(&mut self, _: &Convention) -> u32 {
        unimplemented!("{NOT_USED}")
    }
    fn builtin_immediate(&mut self, _: u32) {
        unimplemented!("{NOT_USED}")
    }
}

/// Mixes values to one that depends on all of them.
pub(super) fn mix(values: &[u64]) -> u64 {
    values.iter().fold(0x9e37_79b9_7f4a_7c15, |all, &value| {
        (all ^ value)
            .wrapping_mul(0xff51_afd7_ed55_8ccd)
            .rotate_left(29)
    })
}

/// The bits of a value that its width keeps.
pub(super) fn cut(width: Width, value: u64) -> u64 {
    match width {
        Width::W32 => value & 0xffff_ffff,
        Width::W64 => value,
    }
}

/// The lowest bit of a float that was computed and not made canonical.
pub(super) const RAW: u64 = 1;

/// A value of a type, out of any bits.
pub(super) fn value_of(ty: ValType, bits: u64) -> u64 {
    let bits = cut(type_width(ty), bits);
    match ty.class() {
        Class::General => bits,
        Class::Float => bits & !RAW,
    }
}

/// An integer operation, as WebAssembly defines it.
pub(super) fn int_binary(op: IntBinary, width: Width, a: u64, b: u64) -> u64 {
    let result = match op {
        IntBinary::Add => a.wrapping_add(b),
        IntBinary::Sub => a.wrapping_sub(b),
        IntBinary::Mul => a.wrapping_mul(b),
        IntBinary::And => a & b,
        IntBinary::Or => a | b,
        IntBinary::Xor => a ^ b,
        // Of constants, where unsigned divisions have a power of two.
        IntBinary::ShrU => cut(width, a) >> b,
        _ => unimplemented!("{NOT_USED}"),
    };
    cut(width, result)
}

/// A float addition: any function of both that does not see whether they are canonical.
pub(super) fn float_add(width: Width, a: u64, b: u64) -> u64 {
    cut(width, mix(&[1, a & !RAW, b & !RAW])) & !RAW
}

/// Whether a condition holds between two values.
pub(super) fn holds(condition: Condition, width: Width, a: u64, b: u64) -> bool {
    let (a, b) = (cut(width, a), cut(width, b));
    let signed = |value: u64| match width {
        Width::W32 => i64::from(value as i32),
        Width::W64 => value as i64,
    };
    match condition {
        Condition::Equal => a == b,
        Condition::NotEqual => a != b,
        Condition::LessSigned => signed(a) < signed(b),
        Condition::LessEqualSigned => signed(a) <= signed(b),
        Condition::GreaterSigned => signed(a) > signed(b),
        Condition::GreaterEqualSigned => signed(a) >= signed(b),
        Condition::LessUnsigned => a < b,
        Condition::LessEqualUnsigned => a <= b,
        Condition::GreaterUnsigned => a > b,
        Condition::GreaterEqualUnsigned => a >= b,
        _ => unimplemented!("{NOT_USED}"),
    }
}

/// Results of a function of the tests: any function of itself and the arguments.
pub(super) fn results_of(function: u32, types: &[ValType], arguments: &[u64]) -> Vec<u64> {
    let all = mix(arguments);
    (0..)
        .zip(types)
        .map(|(result, &ty)| value_of(ty, mix(&[function.into(), result, all])))
        .collect()
}

/// The state of the machine.
pub(super) struct Run<'r> {
    pub registers: [u64; Reg::COUNT],
    memory: HashMap<i64, u64>,
    stack_pointer: i64,
    /// What the last comparison compared.
    flags: Option<(Width, u64, u64)>,
    /// Undefined values so far.
    undefined: u64,
    /// Calls so far, with their arguments.
    pub calls: Vec<(u32, Vec<u64>)>,
    /// Conventions and result types of the functions that can be called.
    pub convention: &'r dyn Fn(u32) -> &'r Convention,
}

/// More operations are an endless loop.
const MOST_STEPS: usize = 1 << 20;

impl<'r> Run<'r> {
    pub fn new(convention: &'r dyn Fn(u32) -> &'r Convention) -> Self {
        let mut run = Self {
            registers: [0; Reg::COUNT],
            memory: HashMap::new(),
            stack_pointer: 0,
            flags: None,
            undefined: 0,
            calls: Vec::new(),
            convention,
        };
        run.lose_registers();
        run
    }

    /// A value that occurs nowhere else.
    fn undefined(&mut self) -> u64 {
        self.undefined += 1;
        mix(&[u64::MAX, self.undefined])
    }

    fn lose_registers(&mut self) {
        for register in 0..Reg::COUNT {
            self.registers[register] = self.undefined();
        }
    }

    fn slot(&mut self, slot: u32) -> u64 {
        let at = self.stack_pointer + i64::from(slot);
        assert_eq!(at % 8, 0, "slots are aligned");
        match self.memory.get(&at) {
            Some(&value) => value,
            None => self.undefined(),
        }
    }

    fn set_slot(&mut self, ty: ValType, slot: u32, value: u64) {
        let value = match type_width(ty) {
            // The upper half of a slot is undefined.
            Width::W32 => self.undefined() << 32 | cut(Width::W32, value),
            Width::W64 => value,
        };
        self.memory
            .insert(self.stack_pointer + i64::from(slot), value);
    }

    fn get(&self, register: Reg) -> u64 {
        self.registers[register.index()]
    }

    fn set(&mut self, register: Reg, value: u64) {
        self.registers[register.index()] = value;
    }

    fn source(&mut self, source: Source) -> u64 {
        match source {
            Source::Reg(register) => self.get(register),
            Source::Const(bits) => bits,
            Source::Slot(slot) => self.slot(slot),
        }
    }

    fn condition(&mut self, condition: Condition) -> bool {
        let (width, a, b) = self.flags.take().expect("the flags are a comparison's");
        holds(condition, width, a, b)
    }

    /// Puts values where a convention has them.
    pub fn place(&mut self, places: &[Place], values: &[u64]) {
        for (place, &value) in places.iter().zip(values) {
            match place.register {
                Some(register) => self.set(register, value),
                None => self.set_slot(place.ty, place.slot, value),
            }
        }
    }

    /// The values that are where a convention has them.
    pub fn placed(&mut self, places: &[Place]) -> Vec<u64> {
        let read = |place: &Place| {
            let value = match place.register {
                Some(register) => self.get(register),
                None => self.slot(place.slot),
            };
            cut(type_width(place.ty), value)
        };
        places.iter().map(read).collect()
    }

    fn call(&mut self, function: u32) {
        let convention = (self.convention)(function);
        let arguments = self.placed(&convention.params);
        self.lose_registers();
        // The callee's own frame, and the slots of its parameters, which are its to write.
        let end = self.stack_pointer + 8 * convention.params.len() as i64;
        self.memory.retain(|&at, _| at >= end);
        let types: Vec<_> = convention.results.iter().map(|place| place.ty).collect();
        let results = results_of(function, &types, &arguments);
        self.place(&convention.results, &results);
        self.calls.push((function, arguments));
    }

    /// Runs a function to its return or trap; whether it returned.
    pub fn run(&mut self, ops: &[Op]) -> bool {
        let places: HashMap<Label, usize> = (0..)
            .zip(ops)
            .filter_map(|(at, op)| match op {
                Op::Bind(label) => Some((*label, at)),
                _ => None,
            })
            .collect();
        let mut at = 0;
        for _ in 0..MOST_STEPS {
            let op = &ops[at];
            at += 1;
            match op {
                Op::Return => {
                    assert_eq!(self.stack_pointer, 0, "the frame was dropped");
                    return true;
                }
                Op::Trap => return false,
                Op::Jump(label) => at = places[label],
                Op::JumpIf(condition, label) => {
                    if self.condition(*condition) {
                        at = places[label];
                    }
                }
                Op::JumpTable(index, labels) => {
                    let index = self.get(*index) as usize;
                    self.flags = None;
                    at = places[&labels[index.min(labels.len() - 1)]];
                }
                plain => self.step(plain),
            }
        }
        panic!("the function does not end");
    }

    /// Does an operation that goes on to the next one.
    pub fn step(&mut self, op: &Op) {
        let keeps_flags = matches!(
            op,
            Op::Move(..)
                | Op::Exchange(..)
                | Op::Const(..)
                | Op::LoadSlot(..)
                | Op::StoreSlot(..)
                | Op::StoreConst(..)
                | Op::CopySlot(..)
                | Op::Sum(..)
                | Op::Set(..)
                | Op::Select(..)
        );
        if !keeps_flags {
            self.flags = None;
        }
        match *op {
            Op::Bind(_) => {}
            Op::Enter(bytes) => {
                self.stack_pointer -= i64::from(bytes);
            }
            Op::Leave(bytes) => self.stack_pointer += i64::from(bytes),
            Op::Zero(from, to) => {
                for slot in (from..to).step_by(8) {
                    self.set_slot(ValType::I64, slot, 0);
                }
            }
            Op::CopySlots(dst, src, count) => {
                let values: Vec<_> = (0..count).map(|i| self.slot(src + 8 * i)).collect();
                for (i, value) in (0..).zip(values) {
                    self.set_slot(ValType::I64, dst + 8 * i, value);
                }
            }
            Op::Move(ty, dst, src) => self.set(dst, cut(type_width(ty), self.get(src))),
            Op::Exchange(a, b) => self.registers.swap(a.index(), b.index()),
            Op::Const(ty, dst, bits) => self.set(dst, cut(type_width(ty), bits)),
            Op::LoadSlot(ty, dst, slot) => {
                let value = self.slot(slot);
                self.set(dst, cut(type_width(ty), value));
            }
            Op::StoreSlot(ty, slot, src) => self.set_slot(ty, slot, self.get(src)),
            Op::StoreConst(ty, slot, bits) => self.set_slot(ty, slot, bits),
            Op::CopySlot(dst, src) => {
                let value = self.slot(src);
                self.set_slot(ValType::I64, dst, value);
            }
            Op::Int(op, width, dst, a, b) => {
                let b = self.source(b);
                self.set(dst, int_binary(op, width, self.get(a), b));
            }
            Op::Sum(width, dst, a, constant) => {
                let sum = int_binary(IntBinary::Add, width, self.get(a), constant);
                self.set(dst, sum);
            }
            Op::Wrap(dst, src) => self.set(dst, cut(Width::W32, self.get(src))),
            Op::Divide(width, divisor) => {
                let (first, second) = REGISTERS.division;
                let (a, b) = (cut(width, self.get(first)), cut(width, self.get(divisor)));
                self.set(first, a / b);
                self.set(second, a % b);
            }
            Op::DivideConst(op, width, dst, a, divisor) => {
                let a = cut(width, self.get(a));
                if width == Width::W64 {
                    let (first, second) = REGISTERS.division;
                    assert_eq!(dst, second);
                    let lost = self.undefined();
                    self.set(first, lost);
                }
                let result = match op {
                    Division::DivU => a / divisor,
                    Division::RemU => a % divisor,
                    _ => unimplemented!("{NOT_USED}"),
                };
                self.set(dst, result);
            }
            Op::Compare(width, a, b) => {
                let b = self.source(b);
                self.flags = Some((width, self.get(a), b));
            }
            Op::CompareZero(width, a) => self.flags = Some((width, self.get(a), 0)),
            Op::Test(width, a, b) => {
                let b = self.source(b);
                self.flags = Some((width, self.get(a) & b, 0));
            }
            Op::Float(width, dst, a, b) => {
                let sum = float_add(width, self.get(a), self.get(b));
                self.set(dst, sum | RAW);
            }
            Op::Canonicalise(width, register) => {
                self.set(register, cut(width, self.get(register)) & !RAW);
            }
            Op::Set(condition, dst) => {
                let value = self.condition(condition);
                self.set(dst, value.into());
            }
            Op::Select(condition, ty, dst, a, b) => {
                let chosen = if self.condition(condition) { a } else { b };
                self.set(dst, cut(type_width(ty), self.get(chosen)));
            }
            Op::Call(function) => self.call(function),
            Op::Return | Op::Trap | Op::Jump(_) | Op::JumpIf(..) | Op::JumpTable(..) => {
                unreachable!("`run` does these")
            }
        }
    }
}
