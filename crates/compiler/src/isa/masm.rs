//! The operations that the generator asks of a target.
//!
//! The generator decides where values live; a [`MacroAssembler`] turns one decision
//! into the fewest instructions of its machine. Operations are three-operand: `dst`
//! may be equal to a source. Registers named by the generator are written only as `dst`;
//! a target keeps scratch registers of its own, outside [`Registers`].
//! `i32` values are held zero-extended to 64 bits in general registers, or sign-extended where the machine's operations of 32
//! bits do that ([`MacroAssembler::I32_SIGN_EXTENDED`]); `f32` values in the low lane.
//!
//! # What stays true, and how long
//! - **Conditions.** An operation does one of four things to the flags: *moves* (the section "Moves" below) keep them;
//!   *comparisons* make a condition; `set_condition`, `select` and `jump_if` use the condition, which ends with its
//!   use; all other operations leave the flags unknown. So only moves may stand between a comparison and the use of its
//!   condition. Loads and stores of linear memory are not moves, because computing an address may write the flags.
//!   `checked.rs` checks targets and generator for this in debug builds.
//! - **Labels.** Where a label is bound, control may come from elsewhere. What a target knows of flags, of its own
//!   registers and of instructions not yet emitted ends there. A target has one way to bind a label, which forgets it
//!   all.
//! - **Calls.** The same holds where a call returns.
//! - **Functions.** All such knowledge belongs to the [`MacroAssembler`], which is made for one function and ends with
//!   it ([`MacroAssembler::finish_function`]). The [`Machine`] outlives functions: it has the code, its trap sites and
//!   calls, options and empty buffers.
//! - **Pieces of code.** [`Machine::take`] hands over code, trap sites and calls. Only options and empty buffers stay,
//!   so that a piece depends on its own functions alone, and not on the pieces made before with the same machine.

pub(crate) use super::shared::Shared;
use crate::abi::{BUILTIN_FLAG, Builtin};
use crate::artifact::{CodeMap, TrapSite};
pub(crate) use crate::operation::*;
use crate::types::ValType;
use crate::{CompileOptions, NativeStack};
use pvf_assembler::Label;
use pvf_rules::TrapKind;

/// A register: 0..16 general, 16..32 floating-point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reg(u8);

/// The two files of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    General,
    Float,
}

impl Reg {
    pub const COUNT: usize = 32;

    pub const fn general(number: u8) -> Self {
        Self(number & 15)
    }

    pub const fn float(number: u8) -> Self {
        Self(16 + (number & 15))
    }

    /// The first registers of a file.
    pub const fn first<const N: usize>(class: Class) -> [Self; N] {
        let mut all = [Self::general(0); N];
        let mut i = 0;
        while i < N {
            all[i] = match class {
                Class::General => Self::general(i as u8),
                Class::Float => Self::float(i as u8),
            };
            i += 1;
        }
        all
    }

    /// Index over both classes, 0..32.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Number within its class.
    pub const fn number(self) -> u8 {
        self.0 & 15
    }

    pub const fn class(self) -> Class {
        if self.0 < 16 {
            Class::General
        } else {
            Class::Float
        }
    }
}

impl ValType {
    /// The registers that hold values of this type.
    pub(crate) fn class(self) -> Class {
        match self {
            Self::I32 | Self::I64 => Class::General,
            Self::F32 | Self::F64 => Class::Float,
        }
    }
}

/// Width of the registers' content of this type.
pub(crate) fn type_width(ty: ValType) -> Width {
    match ty {
        ValType::I32 | ValType::F32 => Width::W32,
        ValType::I64 | ValType::F64 => Width::W64,
    }
}

/// The positive canonical NaN's bits.
pub(crate) fn canonical_nan(width: Width) -> u64 {
    match width {
        Width::W32 => 0x7fc0_0000,
        Width::W64 => 0x7ff8_0000_0000_0000,
    }
}

/// A set of registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RegSet(pub u32);

impl RegSet {
    pub const fn of(registers: &[Reg]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < registers.len() {
            bits |= 1 << registers[i].0;
            i += 1;
        }
        Self(bits)
    }

    pub const fn contains(self, register: Reg) -> bool {
        self.0 >> register.0 & 1 != 0
    }

    pub fn insert(&mut self, register: Reg) {
        self.0 |= 1 << register.0;
    }

    pub fn remove(&mut self, register: Reg) {
        self.0 &= !(1 << register.0);
    }

    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The register with the lowest number.
    pub fn first(self) -> Option<Reg> {
        (!self.is_empty()).then(|| Reg(self.0.trailing_zeros() as u8))
    }

    pub fn iter(self) -> impl Iterator<Item = Reg> {
        let mut bits = self.0;
        std::iter::from_fn(move || {
            let register = Reg(bits.trailing_zeros() as u8);
            (bits != 0).then(|| bits &= bits - 1).map(|()| register)
        })
    }
}

/// The registers that a target offers the generator, and its calling convention.
pub(crate) struct Registers {
    /// Registers the generator may use; it prefers low numbers.
    pub general: RegSet,
    /// Float registers the generator may use; it prefers low numbers.
    pub float: RegSet,
    /// Registers of the first general arguments.
    pub general_arguments: &'static [Reg],
    /// Registers of the first float arguments.
    pub float_arguments: &'static [Reg],
    /// Register of the first result, if it is an integer.
    pub general_result: Reg,
    /// Register of the first result, if it is a float.
    pub float_result: Reg,
    /// Register of a table index at an indirect call; not one of arguments.
    pub table_index: Reg,
    /// Registers of divisions: dividend and quotient, remainder.
    pub division: (Reg, Reg),
    /// Registers of block operations, see [`BlockOperation`].
    pub block: [Reg; 3],
}

impl Registers {
    /// All registers of a class.
    pub fn of(&self, class: Class) -> RegSet {
        match class {
            Class::General => self.general,
            Class::Float => self.float,
        }
    }

    /// All registers of both classes.
    pub fn all(&self) -> RegSet {
        self.general.or(self.float)
    }

    /// The register of a first result.
    pub fn result(&self, ty: ValType) -> Reg {
        match ty.class() {
            Class::General => self.general_result,
            Class::Float => self.float_result,
        }
    }
}

/// A second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Reg(Reg),
    /// The bits of a constant, zero-extended.
    Const(u64),
    /// A slot of the frame, by its distance in bytes from the stack pointer.
    Slot(u32),
}

/// A place in linear memory: index plus constant offset (below 2^33).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// The index, an `i32`; `None` if it is constant and part of the offset.
    pub index: Option<Reg>,
    pub offset: u64,
}

/// A call whose target the linker fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallFixup {
    /// Offset of the field that holds the distance.
    pub at: u32,
    /// Index of the function called.
    pub function: u32,
}

/// The reach of direct calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The machine's shortest call, which is enough for most modules.
    Near,
    /// A call that reaches any code of the largest possible artifact.
    Far,
}

/// The meters and limits that code counts and enforces.
#[derive(Clone, Copy)]
pub(crate) struct Meters {
    pub gas: bool,
    pub logical_stack: bool,
    pub native_stack: NativeStack,
}

impl Meters {
    pub fn of(options: &CompileOptions) -> Self {
        Self {
            gas: options.metering.gas.is_some(),
            logical_stack: options.metering.logical_stack,
            native_stack: options.native_stack,
        }
    }
}

/// An instruction set: makes pieces of code, one function at a time. It keeps no knowledge of registers or flags.
pub(crate) trait Machine: Sized {
    /// The longest code in which every near call reaches its target.
    const NEAR_BYTES: usize;
    /// The byte that fills the space between functions: a trap, if the machine has one of one byte.
    const PADDING: u8;

    /// The macro-assembler of one function, which knows the state of registers and flags.
    type Masm<'m>: MacroAssembler
    where
        Self: 'm;

    /// A machine for code that drives the meters of these options, with calls of this reach.
    fn new(options: &CompileOptions, reach: Reach) -> Self;
    /// The registers that the generator may use.
    fn registers(&self) -> &'static Registers;
    /// Records the code map from now on, as [`set_wasm_offset`](MacroAssembler::set_wasm_offset) gives it. The code
    /// does not change.
    fn record_code_map(&mut self);
    /// Makes room for a long function of about so many bytes and labels, so that buffers need not be copied as they grow.
    fn reserve(&mut self, bytes: usize, labels: usize);
    /// Begins a function at an aligned offset, with nothing known of registers and flags. `wasm_offset` is the offset
    /// of its body in the module. Stubs are made in a function of their own.
    fn begin_function(&mut self, wasm_offset: u32) -> Self::Masm<'_>;
    /// Takes the code made since the last call, with its trap sites and calls in
    /// order, offsets counted from its start.
    fn take(&mut self) -> Result<MachineCode, pvf_assembler::FinishError>;

    /// Fills in the call at `at`, whose target is `distance` bytes from there.
    fn link_call(code: &mut [u8], at: u32, distance: i32);
}

/// The code of one function on one machine, operation by operation.
pub(crate) trait MacroAssembler: Sized {
    /// Integer operations and comparisons take an operand from memory at no cost.
    const MEMORY_OPERANDS: bool;
    /// There is an instruction that adds a value shifted by 1, 2 or 3. Targets whose instructions wait for the next one
    /// find such sums themselves.
    const SCALED_SUMS: bool = false;
    /// `i32` values are held sign-extended. Constants are given zero-extended all the same.
    const I32_SIGN_EXTENDED: bool = false;
    /// Bytes that a canonicalisation adds after the function.
    const LATE_CANONICALISATION_BYTES: u64;
    /// A leaf function can call shared code, because a call does not overwrite the function's own return address.
    const CALLS_IN_LEAVES: bool;

    // Code, labels, traps. Only `bind` emits anything: an instruction that waits.
    fn offset(&self) -> u32;
    fn new_label(&mut self) -> Label;
    /// Binds a label here. Control may come from elsewhere, so all knowledge of registers and flags ends.
    fn bind(&mut self, label: Label);
    /// Sets the Wasm instruction that the following code belongs to.
    fn set_wasm_offset(&mut self, offset: u32);
    /// Ends the function with its traps and slow paths. Returns the end offset.
    fn finish_function(self) -> u32;

    // Frames.
    /// Makes the frame and checks the stack. `calls`: whether the function calls anything, stubs included. If not, the
    /// return address may stay where the call put it.
    fn enter_frame(&mut self, frame_bytes: u32, calls: bool);
    /// Drops the frame.
    fn leave_frame(&mut self, frame_bytes: u32, calls: bool);
    fn return_from_function(&mut self);
    /// Writes zeros to all slots from one offset up to another.
    fn zero_slots(&mut self, from: u32, to: u32);
    /// Copies `slots` slots, as if all were read before any is written.
    fn copy_slots(&mut self, dst: u32, src: u32, slots: u32);

    // Meters.
    /// Takes units of the logical stack, or traps. In a leaf, which calls nothing, the check is enough: the units would
    /// be given back before anything reads the meter.
    fn enter_logical_stack(&mut self, cost: u32, leaf: bool);
    /// Gives units of the logical stack back.
    fn leave_logical_stack(&mut self, cost: u32);
    /// Takes units of the logical stack, or traps, in a module that names its counter. `counter` is the offset of that
    /// global in the context.
    fn charge_counter(&mut self, counter: u32, cost: u32);
    /// Gives units back to the counter.
    fn release_counter(&mut self, counter: u32, cost: u32);
    /// Charges gas, or traps.
    fn charge_gas(&mut self, cost: u64);
    /// Charges `cost` gas for each of `units` units, an `i32`, or traps.
    fn charge_gas_for(&mut self, units: Reg, cost: u32);

    // Moves: the flags stay as they are.
    fn move_register(&mut self, ty: ValType, dst: Reg, src: Reg);
    fn exchange(&mut self, a: Reg, b: Reg);
    fn load_const(&mut self, ty: ValType, dst: Reg, bits: u64);
    fn load_slot(&mut self, ty: ValType, dst: Reg, slot: u32);
    fn store_slot(&mut self, ty: ValType, slot: u32, src: Reg);
    fn store_slot_const(&mut self, ty: ValType, slot: u32, bits: u64);
    fn copy_slot(&mut self, dst: u32, src: u32);
    /// `dst = a + constant`, of an integer type.
    fn move_sum(&mut self, width: Width, dst: Reg, a: Reg, constant: u64);
    fn load_context(&mut self, ty: ValType, dst: Reg, offset: u32);
    fn store_context(&mut self, ty: ValType, offset: u32, src: Source);

    // Linear memory. The flags do not stay; the two comparisons make a condition.
    fn load(&mut self, access: Access, dst: Reg, address: Address);
    fn store(&mut self, access: Access, address: Address, src: Source);
    /// `dst = a op b` with `b` loaded in full width; `dst` is not the address's index unless it is `a`.
    fn int_binary_memory(&mut self, op: IntBinary, width: Width, dst: Reg, a: Reg, b: Address);
    /// Compares with what is loaded in full width.
    fn compare_with_memory(&mut self, width: Width, a: Reg, b: Address);
    /// Compares what is loaded, in the width of the access, with a constant, sign-extended from 32 bits.
    fn compare_memory(&mut self, access: Access, a: Address, b: u32);
    /// `memory.copy` of 1 to 16 bytes, but not 3.
    fn copy_memory(&mut self, dst: Reg, src: Reg, bytes: u32);
    /// `memory.fill` of 1 to 16 bytes.
    fn fill_memory(&mut self, dst: Reg, value: u8, bytes: u32);
    /// `dst` = size in pages.
    fn memory_size(&mut self, dst: Reg);

    // Integers. The flags do not stay; the three comparisons make a condition.
    /// Promises that no register of the set is read after the next operation, unless that operation writes it. The
    /// promise ends with that operation.
    fn last_use(&mut self, _: RegSet) {}
    fn int_binary(&mut self, op: IntBinary, width: Width, dst: Reg, a: Reg, b: Source);
    fn int_unary(&mut self, op: IntUnary, width: Width, dst: Reg, src: Reg);
    /// `dst = a + (b << shift)`, where `shift` is 1, 2 or 3. Only for targets with [`Self::SCALED_SUMS`].
    fn scaled_sum(&mut self, _: Width, dst: Reg, a: Reg, b: Reg, shift: u8) {
        unreachable!("no such instruction: {dst:?} = {a:?} + {b:?} << {shift}")
    }
    /// `dst` = an `i32`, zero-extended. The default is for targets that hold it so.
    fn zero_extend(&mut self, dst: Reg, src: Reg) {
        self.move_register(ValType::I32, dst, src);
    }
    /// Divides the first register of [`Registers::division`] by another one; the quotient
    /// ends up in the first, the remainder in the second.
    fn divide(&mut self, op: Division, width: Width, divisor: Reg);
    /// Divides by a constant that is neither 0 nor, with signs, -1. `dst` is not `a`. For 64 bits, `dst` is
    /// the second register of [`Registers::division`], and the first one is overwritten.
    fn divide_constant(&mut self, op: Division, width: Width, dst: Reg, a: Reg, divisor: u64);
    fn compare(&mut self, width: Width, a: Reg, b: Source);
    /// Compares with zero; only for [`Condition::Equal`] and [`Condition::NotEqual`].
    fn compare_zero(&mut self, width: Width, a: Reg);
    /// Compares `a & b` with zero.
    fn test(&mut self, width: Width, a: Reg, b: Source);

    // Floats. The flags do not stay; the comparison makes a condition.
    fn float_binary(&mut self, op: FloatBinary, width: Width, dst: Reg, a: Reg, b: Reg);
    fn float_unary(&mut self, op: FloatUnary, width: Width, dst: Reg, src: Reg);
    /// Makes any NaN the positive canonical one.
    fn canonicalise(&mut self, width: Width, register: Reg);
    fn float_compare(&mut self, width: Width, a: Reg, b: Reg);
    fn convert(&mut self, conversion: Conversion, dst: Reg, src: Reg);
    // The same operations in as little code as possible: by a call of [`Self::shared_stub`] where that is shorter.
    // Unless [`Self::CALLS_IN_LEAVES`] is set, only functions that are no leaves use them. The flags do not stay.
    fn divide_shared(&mut self, op: Division, width: Width, divisor: Reg) {
        self.divide(op, width, divisor);
    }
    fn float_binary_shared(&mut self, op: FloatBinary, width: Width, dst: Reg, a: Reg, b: Reg) {
        self.float_binary(op, width, dst, a, b);
    }
    fn float_unary_shared(&mut self, op: FloatUnary, width: Width, dst: Reg, src: Reg) {
        self.float_unary(op, width, dst, src);
    }
    fn canonicalise_shared(&mut self, width: Width, register: Reg) {
        self.canonicalise(width, register);
    }
    fn convert_shared(&mut self, conversion: Conversion, dst: Reg, src: Reg) {
        self.convert(conversion, dst, src);
    }

    // Conditions. A use ends the condition made last, here and in `jump_if`.
    fn set_condition(&mut self, condition: Condition, dst: Reg);
    /// `dst = condition ? a : b`; `dst` may be `a` or `b`.
    fn select(&mut self, condition: Condition, ty: ValType, dst: Reg, a: Reg, b: Reg);

    // Control. The flags do not stay.
    fn jump(&mut self, label: Label);
    /// Uses the condition made last.
    fn jump_if(&mut self, condition: Condition, label: Label);
    /// Jumps to `labels[index]`, or to the last one if the index is beyond. The register of the
    /// index is overwritten.
    fn jump_table(&mut self, index: Reg, labels: &[Label]);
    fn trap(&mut self, kind: TrapKind);
    fn call(&mut self, function: u32);
    /// Marks the last byte of the call just made as the place where a host function's
    /// failure is reported.
    fn mark_host_call(&mut self);
    /// Calls the function at a table index after the checks of index and signature.
    fn call_indirect(&mut self, index: Reg, signature: u32, table: Table);

    // Block operations, see [`crate::analysis::idiom`]. Indices are not negative. The flags do not stay.
    /// Jumps unless `bytes` bytes from index plus offset on lie in memory.
    fn jump_unless_in_memory(&mut self, index: Reg, offset: u64, bytes: Reg, label: Label);
    /// Jumps if `a + distance - b`, which may be negative, is from 0 up to but not including `bytes`.
    fn jump_if_within(&mut self, a: Reg, distance: i64, b: Reg, bytes: Reg, label: Label);
    /// Charges `cost` gas for every 2^`shift` of `bytes` bytes. If the gas left is not enough, charges nothing and
    /// jumps. There are at most 2^33 bytes, and `cost` is below 2^20.
    fn charge_iterations(&mut self, bytes: Reg, shift: u8, cost: u32, label: Label);
    /// From an index in linear memory to what a block operation takes for the byte `offset` above it: the address of the
    /// byte on x86-64, the index of the byte on aarch64, where the stub compares it with the size of the memory again.
    fn linear_address(&mut self, index: Reg, offset: u64);
    /// Repeats the lowest 1, 2, 4 or 8 bytes of a register in all of it.
    fn repeat(&mut self, register: Reg, bytes: u8);
    /// Does a block operation.
    fn block(&mut self, operation: BlockOperation);

    // Stubs, see [`crate::abi`].
    /// The code of an operation that functions share, if this target calls it.
    fn shared_stub(&mut self, _: Shared) -> u32 {
        self.offset()
    }
    /// The stub of a block operation.
    fn block_stub(&mut self, operation: BlockOperation) -> u32;
    /// The stub of an imported function or builtin; jumps to the gate of its signature.
    fn host_stub(&mut self, index: u32, gate: Label) -> u32;
    /// The gate to the host for all imported functions of a signature.
    fn host_gate(&mut self, gate: Label, ty: &Convention);
    /// The gate for a plain signature; see [`crate::abi::is_plain`].
    fn plain_host_gate(&mut self, gate: Label, ty: &Convention);
    /// The stub by which the host enters functions of a signature.
    fn entry_stub(&mut self, ty: &Convention) -> u32;
    /// Gives a builtin its immediate.
    fn builtin_immediate(&mut self, value: u32);
}

/// Work on ranges of memory that are known to be accessible, at places that [`MacroAssembler::linear_address`] made, in the first two of
/// [`Registers::block`] and with the number of bytes, at least [`Self::MIN_BYTES`], in the third. The first two
/// registers hold nothing afterwards, all others but scratch registers stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockOperation {
    /// To the first address from the second, which is not lower unless the ranges are apart.
    CopyForward = 0,
    /// To the first address from the second, which is not higher unless the ranges are apart.
    CopyBackward = 1,
    /// To the first address the eight bytes in the second register, over and over.
    Fill = 2,
    /// Compares; the third register becomes the number of bytes before the first difference.
    Compare = 3,
}

impl BlockOperation {
    pub const ALL: [Self; 4] = [
        Self::CopyForward,
        Self::CopyBackward,
        Self::Fill,
        Self::Compare,
    ];
    pub const MIN_BYTES: u32 = 8;

    /// The value of [`CallFixup::function`] for its stub. The numbers of builtins come first.
    pub fn function(self) -> u32 {
        BUILTIN_FLAG | (Builtin::ALL.len() as u32 + self as u32)
    }
}

/// The place and length of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    /// Offset of entry 0 in the context.
    pub offset: u32,
    pub entries: u32,
}

/// Machine code of some functions.
#[derive(Clone, Debug, Default)]
pub(crate) struct MachineCode {
    pub code: Vec<u8>,
    pub traps: Vec<TrapSite>,
    pub calls: Vec<CallFixup>,
    /// Empty unless it is recorded.
    pub map: CodeMap,
}

/// The places of the parameters and results of a signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Convention {
    pub params: Vec<Place>,
    pub results: Vec<Place>,
}

/// The place of one parameter or result. Its slot is counted in bytes from the stack pointer
/// at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub ty: ValType,
    /// In a register rather than in its slot.
    pub register: Option<Reg>,
    pub slot: u32,
}
