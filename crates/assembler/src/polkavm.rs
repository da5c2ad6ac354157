//! Relocatable code for PolkaVM: its instructions, before their program is laid out.
//!
//! A PolkaVM program is more than a run of bytes: a jump names a basic block, a return address is an entry of the
//! program's jump table, and addresses of data depend on the sizes of what lies below. None of it is known while code is
//! written. So this assembler writes each instruction in a form of its own, in which such fields are open, and
//! [`decode`] reads it again for whoever makes a program of it.
//!
//! # The form
//! One byte says which instruction it is. Then follow, as far as the instruction has them: registers (4 bits each), an
//! immediate (4 bytes, of [`Instruction::LoadImm64`] 8), a distance (4 bytes, from the start of the instruction). All
//! numbers are little-endian. A byte of zero is a trap, so that zeros between functions are traps.
//!
//! What the instructions compute is PolkaVM's matter; the names are its own, in this repository's spelling.

use crate::assembler::{Assembler as Any, Code, Machine, appends_to_code};
use crate::families::families;
use crate::label::{FinishError, Label};

/// The assembler.
pub type Assembler = Any<Instructions>;

families! {
    /// The registers, by PolkaVM's numbers.
    pub enum Reg {
        /// Return address.
        Ra = 0,
        /// Stack pointer.
        Sp = 1,
        /// Temporary.
        T0 = 2,
        /// Temporary.
        T1 = 3,
        /// Temporary.
        T2 = 4,
        /// Saved.
        S0 = 5,
        /// Saved.
        S1 = 6,
        /// Argument.
        A0 = 7,
        /// Argument.
        A1 = 8,
        /// Argument.
        A2 = 9,
        /// Argument.
        A3 = 10,
        /// Argument.
        A4 = 11,
        /// Argument.
        A5 = 12,
    }

    /// Operations of three registers. Those of 32 bits sign-extend their result.
    pub enum Three {
        /// Sum.
        Add32 = 0,
        /// Sum.
        Add64 = 1,
        /// Difference.
        Sub32 = 2,
        /// Difference.
        Sub64 = 3,
        /// Bitwise and.
        And = 4,
        /// Bitwise exclusive or.
        Xor = 5,
        /// Bitwise or.
        Or = 6,
        /// Low half of the product.
        Mul32 = 7,
        /// Low half of the product.
        Mul64 = 8,
        /// 1 if the first is less, without signs.
        SetLessUnsigned = 9,
        /// 1 if the first is less, with signs.
        SetLessSigned = 10,
        /// Shift to the left.
        Shl32 = 11,
        /// Shift to the left.
        Shl64 = 12,
        /// Shift to the right, zeros come in.
        ShrUnsigned32 = 13,
        /// Shift to the right, zeros come in.
        ShrUnsigned64 = 14,
        /// Shift to the right, copies of the sign come in.
        ShrSigned32 = 15,
        /// Shift to the right, copies of the sign come in.
        ShrSigned64 = 16,
        /// Quotient; all ones if the divisor is 0.
        DivUnsigned32 = 17,
        /// Quotient; all ones if the divisor is 0.
        DivUnsigned64 = 18,
        /// Quotient; all ones if the divisor is 0, the dividend if it does not fit.
        DivSigned32 = 19,
        /// Quotient; all ones if the divisor is 0, the dividend if it does not fit.
        DivSigned64 = 20,
        /// Remainder; the dividend if the divisor is 0.
        RemUnsigned32 = 21,
        /// Remainder; the dividend if the divisor is 0.
        RemUnsigned64 = 22,
        /// Remainder; the dividend if the divisor is 0.
        RemSigned32 = 23,
        /// Remainder; the dividend if the divisor is 0.
        RemSigned64 = 24,
        /// The first source if the second is 0, else nothing.
        MoveIfZero = 25,
        /// The first source if the second is not 0, else nothing.
        MoveIfNotZero = 26,
        /// Rotation to the left.
        RotateLeft32 = 27,
        /// Rotation to the left.
        RotateLeft64 = 28,
        /// Rotation to the right.
        RotateRight32 = 29,
        /// Rotation to the right.
        RotateRight64 = 30,
        /// High half of the product, with signs.
        MulUpperSigned = 31,
        /// High half of the product, without signs.
        MulUpperUnsigned = 32,
    }

    /// Operations of a register and an immediate, which is sign-extended.
    pub enum Immediate {
        /// Sum, sign-extended from 32 bits.
        Add32 = 0,
        /// Sum.
        Add64 = 1,
        /// Bitwise and.
        And = 2,
        /// Bitwise exclusive or.
        Xor = 3,
        /// Bitwise or.
        Or = 4,
        /// Low half of the product, sign-extended from 32 bits.
        Mul32 = 5,
        /// Low half of the product.
        Mul64 = 6,
        /// 1 if the register is less, without signs.
        SetLessUnsigned = 7,
        /// 1 if the register is less, with signs.
        SetLessSigned = 8,
        /// 1 if the register is greater, without signs.
        SetGreaterUnsigned = 9,
        /// 1 if the register is greater, with signs.
        SetGreaterSigned = 10,
        /// Shift to the left.
        Shl32 = 11,
        /// Shift to the left.
        Shl64 = 12,
        /// Shift to the right, zeros come in.
        ShrUnsigned32 = 13,
        /// Shift to the right, zeros come in.
        ShrUnsigned64 = 14,
        /// Shift to the right, copies of the sign come in.
        ShrSigned32 = 15,
        /// Shift to the right, copies of the sign come in.
        ShrSigned64 = 16,
        /// Rotation to the right.
        RotateRight32 = 17,
        /// Rotation to the right.
        RotateRight64 = 18,
        /// The immediate less the register.
        Negate32 = 19,
        /// The immediate less the register.
        Negate64 = 20,
        /// The immediate shifted left by the register.
        ShlOf32 = 21,
        /// The immediate shifted left by the register.
        ShlOf64 = 22,
    }

    /// Operations of one register.
    pub enum Two {
        /// The same value.
        Move = 0,
        /// Zero bits above the highest one.
        LeadingZeros32 = 1,
        /// Zero bits above the highest one.
        LeadingZeros64 = 2,
        /// Zero bits below the lowest one.
        TrailingZeros32 = 3,
        /// Zero bits below the lowest one.
        TrailingZeros64 = 4,
        /// Ones.
        Ones32 = 5,
        /// Ones.
        Ones64 = 6,
        /// The low 8 bits, sign-extended.
        SignExtend8 = 7,
        /// The low 16 bits, sign-extended.
        SignExtend16 = 8,
        /// The low 16 bits, zero-extended.
        ZeroExtend16 = 9,
        /// The bytes of 64 bits in reverse order.
        ReverseBytes = 10,
    }

    /// Loads: signed ones sign-extend, others zero-extend.
    pub enum Load {
        /// One byte.
        U8 = 0,
        /// One byte.
        I8 = 1,
        /// Two bytes.
        U16 = 2,
        /// Two bytes.
        I16 = 3,
        /// Four bytes.
        U32 = 4,
        /// Four bytes.
        I32 = 5,
        /// Eight bytes.
        U64 = 6,
    }

    /// Stores of the low bytes.
    pub enum Store {
        /// One byte.
        U8 = 0,
        /// Two bytes.
        U16 = 1,
        /// Four bytes.
        U32 = 2,
        /// Eight bytes.
        U64 = 3,
    }

    /// Comparisons, of the first operand with the second.
    pub enum Compare {
        /// Equal.
        Equal = 0,
        /// Not equal.
        NotEqual = 1,
        /// Less, without signs.
        LessUnsigned = 2,
        /// Less, with signs.
        LessSigned = 3,
        /// Greater or equal, without signs.
        GreaterEqualUnsigned = 4,
        /// Greater or equal, with signs.
        GreaterEqualSigned = 5,
        /// Less or equal, without signs.
        LessEqualUnsigned = 6,
        /// Less or equal, with signs.
        LessEqualSigned = 7,
        /// Greater, without signs.
        GreaterUnsigned = 8,
        /// Greater, with signs.
        GreaterSigned = 9,
    }
}

/// The base of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// None: the offset is the address.
    Absolute,
    /// A register.
    Reg(Reg),
    /// The start of linear memory, which the program's maker adds.
    Memory,
    /// The start of linear memory plus a register.
    MemoryReg(Reg),
}

/// An instruction, decoded. Distances are in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Traps.
    Trap,
    /// Destination, sources.
    Three(Three, Reg, Reg, Reg),
    /// Destination, source, immediate.
    Immediate(Immediate, Reg, Reg, i32),
    /// Destination, source.
    Two(Two, Reg, Reg),
    /// Destination, base, offset.
    Load(Load, Reg, Base, i32),
    /// Base, offset, source.
    Store(Store, Base, i32, Reg),
    /// Base, offset, the value stored, sign-extended.
    StoreImmediate(Store, Base, i32, i32),
    /// Jumps if the comparison holds.
    Branch(Compare, Reg, Reg, i32),
    /// Jumps if the comparison with an immediate, sign-extended, holds.
    BranchImmediate(Compare, Reg, i32, i32),
    /// Jumps.
    Jump(i32),
    /// Writes the return address to `Ra` and jumps.
    Call(i32),
    /// Writes the return address to `Ra` and jumps to a code address.
    CallIndirect(Reg),
    /// Jumps to a code address.
    JumpIndirect(Reg),
    /// Jumps to an entry of the table of this length, which follows: instructions [`Instruction::TableEntry`]. The
    /// register has twice the entry's number.
    JumpTable(Reg, u32),
    /// An entry of a jump table: a place in the code, by the distance from here.
    TableEntry(i32),
    /// A constant, sign-extended.
    LoadImm(Reg, i32),
    /// A constant.
    LoadImm64(Reg, u64),
    /// Calls the host: a service by its number.
    HostCall(u32),
}

mod opcode {
    pub const TRAP: u8 = 0x00;
    pub const THREE: u8 = 0x10;
    pub const IMMEDIATE: u8 = 0x40;
    pub const TWO: u8 = 0x60;
    pub const LOAD: u8 = 0x70;
    pub const STORE: u8 = 0x78;
    pub const STORE_IMMEDIATE: u8 = 0x7c;
    pub const BRANCH: u8 = 0xa0;
    pub const BRANCH_IMMEDIATE: u8 = 0xb0;
    pub const JUMP: u8 = 0xc0;
    pub const CALL: u8 = 0xc1;
    pub const CALL_INDIRECT: u8 = 0xc2;
    pub const JUMP_INDIRECT: u8 = 0xc3;
    pub const JUMP_TABLE: u8 = 0xc4;
    pub const TABLE_ENTRY: u8 = 0xc5;
    pub const LOAD_IMM: u8 = 0xc6;
    pub const LOAD_IMM64: u8 = 0xc7;
    pub const HOST_CALL: u8 = 0xc8;
    /// Added to the opcodes of loads and stores whose base is linear memory.
    pub const IN_MEMORY: u8 = 0x10;
}

/// In place of a register: there is none.
const NO_REGISTER: u8 = 15;

/// What a call's field of the distance lies behind its start.
const CALL_FIELD: u32 = 1;

/// The place of a label's distance: the instruction, and the field in it.
#[derive(Clone, Copy, Debug)]
struct Reference {
    instruction: u32,
    field: u32,
    target: Label,
}

/// References above which the allocation is not kept.
const LARGE: usize = 1 << 16;

/// The instructions, appended one by one.
#[derive(Clone, Debug, Default)]
pub struct Instructions {
    code: Code,
    references: Vec<Reference>,
}

appends_to_code!(Instructions);

impl Machine for Instructions {
    fn reserve_references(&mut self, references: usize) {
        self.references.reserve(references);
    }

    fn clear_references(&mut self) {
        self.references.clear();
    }

    fn is_large(&self) -> bool {
        self.labels.len() > LARGE || self.references.capacity() > LARGE
    }

    fn bind(&mut self, label: Label) {
        let here = self.offset();
        self.bind_once(label, here);
    }

    fn resolve(&mut self) -> Result<(), FinishError> {
        let Code { buffer, labels, .. } = &mut self.code;
        for &Reference {
            instruction,
            field,
            target,
        } in &self.references
        {
            let target = labels.known(target, instruction)?;
            buffer.patch_u32(field, target.wrapping_sub(instruction));
        }
        self.references.clear();
        Ok(())
    }

    fn emit_rest(&mut self) {}

    /// Traps fill the space.
    fn align(&mut self, to: u32) {
        debug_assert!(to.is_power_of_two(), "alignments are powers of two");
        for _ in 0..self.offset().wrapping_neg() & (to - 1) {
            self.trap();
        }
    }
}

fn pair(low: Reg, high: u8) -> u64 {
    u64::from(low as u8 | high << 4)
}

fn bits(immediate: i32) -> u64 {
    u64::from(immediate as u32)
}

impl Instructions {
    /// A label that is not bound yet.
    pub fn new_label(&mut self) -> Label {
        self.labels.create()
    }

    fn refer(&mut self, instruction: u32, target: Label) {
        let field = self.offset() - 4;
        self.references.push(Reference {
            instruction,
            field,
            target,
        });
    }

    /// [`Instruction::Trap`]
    pub fn trap(&mut self) {
        self.buffer.put_word(opcode::TRAP.into(), 1);
    }

    /// [`Instruction::Three`]
    pub fn three(&mut self, op: Three, dst: Reg, a: Reg, b: Reg) {
        let head = u64::from(opcode::THREE + op as u8);
        let registers = pair(dst, a as u8) << 8 | u64::from(b as u8) << 16;
        self.buffer.put_word(head | registers, 3);
    }

    /// [`Instruction::Immediate`]
    pub fn immediate(&mut self, op: Immediate, dst: Reg, a: Reg, immediate: i32) {
        let head = u64::from(opcode::IMMEDIATE + op as u8);
        let word = head | pair(dst, a as u8) << 8 | bits(immediate) << 16;
        self.buffer.put_word(word, 6);
    }

    /// [`Instruction::Two`]
    pub fn two(&mut self, op: Two, dst: Reg, src: Reg) {
        let head = u64::from(opcode::TWO + op as u8);
        self.buffer.put_word(head | pair(dst, src as u8) << 8, 2);
    }

    /// [`Instruction::Load`]
    pub fn load(&mut self, op: Load, dst: Reg, base: Base, offset: i32) {
        let (added, base) = base.encoded();
        let head = u64::from(opcode::LOAD + op as u8 + added);
        let word = head | pair(dst, base) << 8 | bits(offset) << 16;
        self.buffer.put_word(word, 6);
    }

    /// [`Instruction::Store`]
    pub fn store(&mut self, op: Store, base: Base, offset: i32, src: Reg) {
        let (added, base) = base.encoded();
        let head = u64::from(opcode::STORE + op as u8 + added);
        let word = head | pair(src, base) << 8 | bits(offset) << 16;
        self.buffer.put_word(word, 6);
    }

    /// [`Instruction::StoreImmediate`]
    pub fn store_immediate(&mut self, op: Store, base: Base, offset: i32, value: i32) {
        let (added, base) = base.encoded();
        let head = u64::from(opcode::STORE_IMMEDIATE + op as u8 + added);
        let word = head | u64::from(base) << 12 | bits(offset) << 16;
        self.buffer.put(word, 6, bits(value), 4);
    }

    /// [`Instruction::Branch`]. There are no branches of two registers for `<=` and `>`: these exchange the operands.
    pub fn branch(&mut self, compare: Compare, a: Reg, b: Reg, target: Label) {
        let (compare, a, b) = match compare {
            Compare::LessEqualUnsigned => (Compare::GreaterEqualUnsigned, b, a),
            Compare::LessEqualSigned => (Compare::GreaterEqualSigned, b, a),
            Compare::GreaterUnsigned => (Compare::LessUnsigned, b, a),
            Compare::GreaterSigned => (Compare::LessSigned, b, a),
            other => (other, a, b),
        };
        let start = self.offset();
        let head = u64::from(opcode::BRANCH + compare as u8);
        self.buffer.put_word(head | pair(a, b as u8) << 8, 6);
        self.refer(start, target);
    }

    /// [`Instruction::BranchImmediate`]
    pub fn branch_immediate(&mut self, compare: Compare, a: Reg, immediate: i32, target: Label) {
        let start = self.offset();
        let head = u64::from(opcode::BRANCH_IMMEDIATE + compare as u8);
        let word = head | u64::from(a as u8) << 8 | bits(immediate) << 16;
        self.buffer.put(word, 6, 0, 4);
        self.refer(start, target);
    }

    /// [`Instruction::Jump`]
    pub fn jump(&mut self, target: Label) {
        let start = self.offset();
        self.buffer.put_word(opcode::JUMP.into(), 5);
        self.refer(start, target);
    }

    /// [`Instruction::Call`] of a place in other code. Returns where the distance is to be filled in, see
    /// [`link_call`].
    pub fn call(&mut self) -> u32 {
        let field = self.offset() + CALL_FIELD;
        self.buffer.put_word(opcode::CALL.into(), 5);
        field
    }

    /// [`Instruction::CallIndirect`]
    pub fn call_indirect(&mut self, to: Reg) {
        let word = u64::from(opcode::CALL_INDIRECT) | pair(to, NO_REGISTER) << 8;
        self.buffer.put_word(word, 2);
    }

    /// [`Instruction::JumpIndirect`]
    pub fn jump_indirect(&mut self, to: Reg) {
        let word = u64::from(opcode::JUMP_INDIRECT) | pair(to, NO_REGISTER) << 8;
        self.buffer.put_word(word, 2);
    }

    /// [`Instruction::JumpTable`] with its entries.
    pub fn jump_table(&mut self, index: Reg, targets: &[Label]) {
        let head = u64::from(opcode::JUMP_TABLE) | pair(index, NO_REGISTER) << 8;
        let word = head | (targets.len() as u64) << 16;
        self.buffer.put_word(word, 6);
        for &target in targets {
            let start = self.offset();
            self.buffer.put_word(opcode::TABLE_ENTRY.into(), 5);
            self.refer(start, target);
        }
    }

    /// A constant, by the shorter instruction.
    pub fn load_const(&mut self, dst: Reg, value: u64) {
        let head = pair(dst, NO_REGISTER) << 8;
        match i32::try_from(value as i64) {
            Ok(short) => {
                let word = u64::from(opcode::LOAD_IMM) | head | bits(short) << 16;
                self.buffer.put_word(word, 6);
            }
            Err(_) => {
                let word = u64::from(opcode::LOAD_IMM64) | head;
                self.buffer.put(word, 2, value, 8);
            }
        }
    }

    /// [`Instruction::HostCall`]
    pub fn host_call(&mut self, service: u32) {
        let word = u64::from(opcode::HOST_CALL) | u64::from(service) << 8;
        self.buffer.put_word(word, 5);
    }
}

impl Base {
    /// What is added to the opcode, and the register's number.
    fn encoded(self) -> (u8, u8) {
        match self {
            Self::Absolute => (0, NO_REGISTER),
            Self::Reg(register) => (0, register as u8),
            Self::Memory => (opcode::IN_MEMORY, NO_REGISTER),
            Self::MemoryReg(register) => (opcode::IN_MEMORY, register as u8),
        }
    }

    fn decoded(added: u8, number: u8) -> Option<Self> {
        Some(match (added, number) {
            (0, NO_REGISTER) => Self::Absolute,
            (_, NO_REGISTER) => Self::Memory,
            (0, number) => Self::Reg(register(number)?),
            (_, number) => Self::MemoryReg(register(number)?),
        })
    }
}

/// Fills in the call whose field [`Instructions::call`] returned; `distance` counts from that field.
pub fn link_call(code: &mut [u8], at: u32, distance: i32) {
    let distance = distance.wrapping_add(CALL_FIELD as i32);
    code[at as usize..][..4].copy_from_slice(&distance.to_le_bytes());
}

fn register(number: u8) -> Option<Reg> {
    Reg::ALL.get(usize::from(number)).copied()
}

/// The member of a family whose opcodes begin at `first`.
fn member<T: Copy>(all: &[T], opcode: u8, first: u8) -> Option<T> {
    all.get(usize::from(opcode.checked_sub(first)?)).copied()
}

/// The instruction at the start of `code`, and its length in bytes. `None` if there is none.
pub fn decode(code: &[u8]) -> Option<(Instruction, usize)> {
    let opcode = *code.first()?;
    let nibbles = |at: usize| code.get(at).map(|byte| (byte & 15, byte >> 4));
    let word = |at: usize| {
        code.get(at..)?
            .first_chunk()
            .map(|it| i32::from_le_bytes(*it))
    };
    let low = || register(nibbles(1)?.0);
    let both = || Some((register(nibbles(1)?.0)?, register(nibbles(1)?.1)?));
    Some(match opcode {
        opcode::TRAP => (Instruction::Trap, 1),
        opcode::THREE..opcode::IMMEDIATE => {
            let op = member(&Three::ALL, opcode, opcode::THREE)?;
            let (dst, a) = both()?;
            let b = register(nibbles(2)?.0)?;
            (Instruction::Three(op, dst, a, b), 3)
        }
        opcode::IMMEDIATE..opcode::TWO => {
            let op = member(&Immediate::ALL, opcode, opcode::IMMEDIATE)?;
            let (dst, a) = both()?;
            (Instruction::Immediate(op, dst, a, word(2)?), 6)
        }
        opcode::TWO..opcode::LOAD => {
            let op = member(&Two::ALL, opcode, opcode::TWO)?;
            let (dst, src) = both()?;
            (Instruction::Two(op, dst, src), 2)
        }
        opcode::LOAD..0x90 => {
            let added = if opcode >= opcode::LOAD + opcode::IN_MEMORY {
                opcode::IN_MEMORY
            } else {
                0
            };
            let plain = opcode - added;
            let base = Base::decoded(added, nibbles(1)?.1)?;
            let offset = word(2)?;
            if plain >= opcode::STORE_IMMEDIATE {
                let op = member(&Store::ALL, plain, opcode::STORE_IMMEDIATE)?;
                let value = word(6)?;
                (Instruction::StoreImmediate(op, base, offset, value), 10)
            } else if plain >= opcode::STORE {
                let op = member(&Store::ALL, plain, opcode::STORE)?;
                (Instruction::Store(op, base, offset, low()?), 6)
            } else {
                let op = member(&Load::ALL, plain, opcode::LOAD)?;
                (Instruction::Load(op, low()?, base, offset), 6)
            }
        }
        opcode::BRANCH..opcode::BRANCH_IMMEDIATE => {
            let compare = member(&Compare::ALL[..6], opcode, opcode::BRANCH)?;
            let (a, b) = both()?;
            (Instruction::Branch(compare, a, b, word(2)?), 6)
        }
        opcode::BRANCH_IMMEDIATE..opcode::JUMP => {
            let compare = member(&Compare::ALL, opcode, opcode::BRANCH_IMMEDIATE)?;
            let (immediate, distance) = (word(2)?, word(6)?);
            let branch = Instruction::BranchImmediate(compare, low()?, immediate, distance);
            (branch, 10)
        }
        opcode::JUMP => (Instruction::Jump(word(1)?), 5),
        opcode::CALL => (Instruction::Call(word(1)?), 5),
        opcode::CALL_INDIRECT => (Instruction::CallIndirect(low()?), 2),
        opcode::JUMP_INDIRECT => (Instruction::JumpIndirect(low()?), 2),
        opcode::JUMP_TABLE => (Instruction::JumpTable(low()?, word(2)? as u32), 6),
        opcode::TABLE_ENTRY => (Instruction::TableEntry(word(1)?), 5),
        opcode::LOAD_IMM => (Instruction::LoadImm(low()?, word(2)?), 6),
        opcode::LOAD_IMM64 => {
            let value = u64::from_le_bytes(*code.get(2..)?.first_chunk()?);
            (Instruction::LoadImm64(low()?, value), 10)
        }
        opcode::HOST_CALL => (Instruction::HostCall(word(1)? as u32), 5),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(code: &[u8]) -> Vec<(usize, Instruction)> {
        let (mut at, mut found) = (0, Vec::new());
        while at < code.len() {
            let (instruction, bytes) = decode(&code[at..]).unwrap();
            found.push((at, instruction));
            at += bytes;
        }
        found
    }

    #[test]
    fn what_is_written_is_read() {
        let mut asm = Assembler::new();
        let mut expected = Vec::new();
        asm.trap();
        expected.push(Instruction::Trap);
        for (number, op) in Three::ALL.into_iter().enumerate() {
            let [d, a, b] = [number, number + 1, number + 2].map(|it| Reg::ALL[it % 13]);
            asm.three(op, d, a, b);
            expected.push(Instruction::Three(op, d, a, b));
        }
        for op in Immediate::ALL {
            asm.immediate(op, Reg::A5, Reg::Sp, -7);
            expected.push(Instruction::Immediate(op, Reg::A5, Reg::Sp, -7));
        }
        for op in Two::ALL {
            asm.two(op, Reg::S1, Reg::A0);
            expected.push(Instruction::Two(op, Reg::S1, Reg::A0));
        }
        for base in [
            Base::Absolute,
            Base::Reg(Reg::Ra),
            Base::Memory,
            Base::MemoryReg(Reg::A5),
        ] {
            for op in Load::ALL {
                asm.load(op, Reg::T2, base, 0x7fff_fff1);
                expected.push(Instruction::Load(op, Reg::T2, base, 0x7fff_fff1));
            }
            for op in Store::ALL {
                asm.store(op, base, -8, Reg::A3);
                expected.push(Instruction::Store(op, base, -8, Reg::A3));
                asm.store_immediate(op, base, 8, -9);
                expected.push(Instruction::StoreImmediate(op, base, 8, -9));
            }
        }
        asm.load_const(Reg::A1, u64::MAX);
        expected.push(Instruction::LoadImm(Reg::A1, -1));
        asm.load_const(Reg::A1, 1 << 31);
        expected.push(Instruction::LoadImm64(Reg::A1, 1 << 31));
        asm.host_call(1 << 31 | 5);
        expected.push(Instruction::HostCall(1 << 31 | 5));
        asm.call_indirect(Reg::T1);
        expected.push(Instruction::CallIndirect(Reg::T1));
        asm.jump_indirect(Reg::Ra);
        expected.push(Instruction::JumpIndirect(Reg::Ra));
        asm.finish().unwrap();
        let found: Vec<_> = all(asm.code()).into_iter().map(|(_, it)| it).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn distances_count_from_the_instruction() {
        let mut asm = Assembler::new();
        let (back, ahead) = (asm.new_label(), asm.new_label());
        asm.bind(back);
        asm.trap();
        asm.jump(ahead);
        for compare in Compare::ALL {
            asm.branch(compare, Reg::A0, Reg::A1, back);
            asm.branch_immediate(compare, Reg::A0, 1, ahead);
        }
        asm.jump_table(Reg::A2, &[back, ahead]);
        let field = asm.call();
        asm.bind(ahead);
        asm.finish().unwrap();
        let mut code = asm.code().to_vec();
        link_call(&mut code, field, -(field as i32));
        let end = code.len() as i32;
        for (at, instruction) in all(&code) {
            let at = at as i32;
            match instruction {
                Instruction::Jump(distance) | Instruction::BranchImmediate(.., distance) => {
                    assert_eq!(at + distance, end);
                }
                Instruction::Branch(.., distance) | Instruction::Call(distance) => {
                    assert_eq!(at + distance, 0);
                }
                Instruction::TableEntry(distance) => {
                    assert!([0, end].contains(&(at + distance)));
                }
                Instruction::Trap | Instruction::JumpTable(..) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        for first in 0..=u8::MAX {
            for bytes in 0..12 {
                let mut code = vec![0xff; bytes];
                code.insert(0, first);
                if let Some((_, length)) = decode(&code) {
                    assert!(length <= code.len());
                }
            }
        }
    }
}
