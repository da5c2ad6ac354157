//! One full iteration of a loop, followed symbolically: from its start straight on to the first branch
//! back.
//!
//! Everything else an iteration may do (branch out, reach the loop's end) is not followed: an iteration that
//! does it is not a full one. What is not understood ends the attempt.

use super::Sum;
use crate::analysis::{Locals, TRACKED_LOCALS};
use crate::instruction::{BlockSignature, Code, Instruction, Placed};
use crate::operation::{Access, Condition, IntBinary, Width};
use crate::types::ValType;

/// A value, as an expression of what locals hold at the iteration's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Sum(Sum),
    /// The value of an `i64` local.
    Wide(u32),
    WideConst(u64),
    /// The result of the load with this number.
    Load(u8),
    /// Whether a condition holds between two sums.
    Test(Condition, Sum, Sum),
    /// Whether two loads gave the same, or not.
    Same(bool, u8, u8),
    ShiftedRight(Word, Sum),
    ShiftedLeft(Word, Sum),
    Merged {
        /// Shifted right.
        low: Word,
        right: Sum,
        /// Shifted left.
        high: Word,
        left: Sum,
    },
}

/// A word that is shifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Local(u32),
    Load(u8),
}

/// A load or store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemoryAccess {
    pub index: Sum,
    pub offset: u32,
    pub bytes: u32,
    /// The type of a load's result and its access, which say what the result tells of the bytes.
    pub ty: ValType,
    pub access: Access,
    /// When in the iteration.
    pub time: u32,
}

/// A condition of going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continue {
    If(Condition, Sum, Sum),
    IfSame(u8, u8),
}

/// The effects of a full iteration.
#[derive(Debug, Default)]
pub(super) struct Iteration {
    pub loads: Vec<MemoryAccess>,
    pub stores: Vec<(MemoryAccess, Value)>,
    pub conditions: Vec<Continue>,
    /// Locals written, with their values at the end.
    pub written: Vec<(u32, Value)>,
    /// Gas it is charged.
    pub gas: u64,
}

/// More accesses or conditions are too many.
const MAX_ACCESSES: usize = 16;
const MAX_CONDITIONS: usize = 18;
const MAX_HEIGHT: usize = 16;

struct Walk<'w> {
    code: &'w Code,
    locals: &'w Locals,
    iteration: Iteration,
    stack: Vec<Value>,
    time: u32,
    /// Blocks open within the loop.
    blocks: u32,
}

/// Follows a full iteration of the loop that these instructions are, from the `loop` on.
pub(super) fn follow(instructions: &[Placed], code: &Code, locals: &Locals) -> Option<Iteration> {
    let (first, body) = instructions.split_first()?;
    let Instruction::Loop(ty) = first.instruction else {
        return None;
    };
    if ty.is_interned() {
        return None;
    }
    let mut walk = Walk {
        code,
        locals,
        iteration: Iteration::default(),
        stack: Vec::new(),
        time: 0,
        blocks: 0,
    };
    for placed in body {
        let instruction = placed.instruction;
        match instruction {
            Instruction::Br(depth) if depth == walk.blocks => {
                return Some(walk.iteration);
            }
            Instruction::BrIf(depth) => {
                let condition = walk.pop()?;
                let back = depth == walk.blocks;
                walk.go_on(condition, back)?;
                if back {
                    return Some(walk.iteration);
                }
            }
            _ => walk.instruction(instruction)?,
        }
    }
    None
}

impl Walk<'_> {
    fn pop(&mut self) -> Option<Value> {
        self.stack.pop()
    }

    fn push(&mut self, value: Value) -> Option<()> {
        self.stack.push(value);
        (self.stack.len() <= MAX_HEIGHT).then_some(())
    }

    fn instruction(&mut self, instruction: Instruction) -> Option<()> {
        match instruction {
            Instruction::Charge(block) => {
                self.iteration.gas = self.iteration.gas.saturating_add(self.code.cost(block));
                Some(())
            }
            Instruction::Drop => self.pop().map(|_| ()),
            Instruction::Block(ty) if ty == BlockSignature::EMPTY => {
                self.blocks += 1;
                Some(())
            }
            Instruction::End => {
                // The loop's own: a full iteration does not come to it.
                self.blocks = self.blocks.checked_sub(1)?;
                Some(())
            }
            Instruction::LocalGet(local) => {
                let value = self.read(local)?;
                self.push(value)
            }
            Instruction::LocalSet(local) => {
                let value = self.pop()?;
                self.write(local, value)
            }
            Instruction::LocalTee(local) => {
                let value = *self.stack.last()?;
                self.write(local, value)
            }
            Instruction::Const(ValType::I32, bits) => self.push(Value::Sum(Sum::constant(bits))),
            Instruction::Const(ValType::I64, bits) => self.push(Value::WideConst(bits.into())),
            Instruction::WideConst(ValType::I64, number) => {
                self.push(Value::WideConst(self.code.constant(number)))
            }
            Instruction::Load(ty, access, offset) => self.load(ty, access, offset),
            Instruction::Store(access, offset) => self.store(access, offset),
            Instruction::EqualZero(width) => {
                let value = self.pop()?;
                self.equal_zero(width, value)
            }
            Instruction::Compare(width, condition) => {
                let (b, a) = (self.pop()?, self.pop()?);
                self.compare(width, condition, a, b)
            }
            Instruction::IntBinary(op, Width::W32) => {
                let (b, a) = (self.pop()?, self.pop()?);
                let value = binary(op, a, b)?;
                self.push(value)
            }
            _ => None,
        }
    }

    fn read(&self, local: u32) -> Option<Value> {
        if local >= TRACKED_LOCALS {
            return None;
        }
        let written = self
            .iteration
            .written
            .iter()
            .find(|(other, _)| *other == local);
        match (written, self.locals.ty(local)) {
            (Some((_, value)), _) => Some(*value),
            (None, ValType::I32) => Some(Value::Sum(Sum::local(local))),
            (None, ValType::I64) => Some(Value::Wide(local)),
            (None, ValType::F32 | ValType::F64) => None,
        }
    }

    fn write(&mut self, local: u32, value: Value) -> Option<()> {
        if local >= TRACKED_LOCALS {
            return None;
        }
        let written = &mut self.iteration.written;
        match written.iter_mut().find(|(other, _)| *other == local) {
            Some((_, present)) => *present = value,
            None => written.push((local, value)),
        }
        Some(())
    }

    fn access(&mut self, ty: ValType, access: Access, offset: u32) -> Option<MemoryAccess> {
        let Value::Sum(index) = self.pop()? else {
            return None;
        };
        self.time += 1;
        Some(MemoryAccess {
            index,
            offset,
            bytes: bytes(access),
            ty,
            access,
            time: self.time,
        })
    }

    fn load(&mut self, ty: ValType, access: Access, offset: u32) -> Option<()> {
        let load = self.access(ty, access, offset)?;
        self.iteration.loads.push(load);
        let number = self.iteration.loads.len() - 1;
        (number < MAX_ACCESSES).then_some(())?;
        self.push(Value::Load(number as u8))
    }

    fn store(&mut self, access: Access, offset: u32) -> Option<()> {
        let value = self.pop()?;
        let store = self.access(ValType::I32, access, offset)?;
        self.iteration.stores.push((store, value));
        (self.iteration.stores.len() <= MAX_ACCESSES).then_some(())
    }

    fn equal_zero(&mut self, width: Width, value: Value) -> Option<()> {
        let value = match (width, value) {
            (Width::W32, Value::Sum(sum)) => Value::Test(Condition::Equal, sum, Sum::constant(0)),
            (_, Value::Test(condition, a, b)) => Value::Test(condition.inverted(), a, b),
            (_, Value::Same(same, a, b)) => Value::Same(!same, a, b),
            _ => return None,
        };
        self.push(value)
    }

    fn compare(&mut self, width: Width, condition: Condition, a: Value, b: Value) -> Option<()> {
        let equality = match condition {
            Condition::Equal => Some(true),
            Condition::NotEqual => Some(false),
            _ => None,
        };
        let value = match (a, b) {
            (Value::Sum(a), Value::Sum(b)) if width == Width::W32 => Value::Test(condition, a, b),
            (Value::Load(a), Value::Load(b)) => Value::Same(equality?, a, b),
            _ => return None,
        };
        self.push(value)
    }

    /// A branch on this value; the iteration goes on where it is taken, or where it is not.
    fn go_on(&mut self, value: Value, taken: bool) -> Option<()> {
        let condition = match value {
            Value::Test(condition, a, b) if taken => Continue::If(condition, a, b),
            Value::Test(condition, a, b) => Continue::If(condition.inverted(), a, b),
            Value::Sum(sum) if taken => Continue::If(Condition::NotEqual, sum, Sum::constant(0)),
            Value::Sum(sum) => Continue::If(Condition::Equal, sum, Sum::constant(0)),
            Value::Same(same, a, b) if same == taken => Continue::IfSame(a, b),
            _ => return None,
        };
        self.iteration.conditions.push(condition);
        (self.iteration.conditions.len() <= MAX_CONDITIONS).then_some(())
    }
}

fn binary(op: IntBinary, a: Value, b: Value) -> Option<Value> {
    match (op, a, b) {
        (IntBinary::Add, Value::Sum(a), Value::Sum(b)) => a.plus(b).map(Value::Sum),
        (IntBinary::Sub, Value::Sum(a), Value::Sum(b)) => {
            let negated = Sum::constant(b.as_constant()?.wrapping_neg());
            a.plus(negated).map(Value::Sum)
        }
        (IntBinary::ShrU, word, Value::Sum(by)) => Some(Value::ShiftedRight(as_word(word)?, by)),
        (IntBinary::Shl, word, Value::Sum(by)) => Some(Value::ShiftedLeft(as_word(word)?, by)),
        (IntBinary::Or, Value::ShiftedRight(low, right), Value::ShiftedLeft(high, left))
        | (IntBinary::Or, Value::ShiftedLeft(high, left), Value::ShiftedRight(low, right)) => {
            Some(Value::Merged {
                low,
                right,
                high,
                left,
            })
        }
        _ => None,
    }
}

fn as_word(value: Value) -> Option<Word> {
    match value {
        Value::Sum(sum) => sum.as_local().map(Word::Local),
        Value::Load(number) => Some(Word::Load(number)),
        _ => None,
    }
}

fn bytes(access: Access) -> u32 {
    match access {
        Access::Bits8 { .. } => 1,
        Access::Bits16 { .. } => 2,
        Access::Bits32 { .. } | Access::F32 => 4,
        Access::Bits64 | Access::F64 => 8,
    }
}
