//! Byte swaps: the expression that stands for `bswap` in WebAssembly, as one operation.
//!
//! WebAssembly has no operator that reverses the bytes of a value. LLVM writes shifts, rotations and masks of one local
//! instead, which it combines by `or`: 40 operators for 64 bits, 11 for 32. Here such an expression is followed from its
//! first shift or mask on, as a choice of bytes of the local. If it becomes all its bytes in reverse order, it is a
//! byte swap, whatever its operators were. No operator of it can trap or has an effect.

use super::Generator;
use super::state::{Location, Operand, Owner};
use crate::instruction::Instruction;
use crate::isa::masm::{Class, IntBinary, IntUnary, MacroAssembler, Width};

/// The most instructions that are looked at.
const MOST_INSTRUCTIONS: usize = 48;
/// The most values that wait for each other.
const MOST_VALUES: usize = 6;

/// A mask by which the swap of 32 bits begins, in LLVM's newer form.
const EVERY_OTHER_BYTE: u64 = 0x00ff_00ff;

/// The bytes of a value, lowest first: each is 0, or a byte of the local by its number from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bytes([u8; 8]);

/// What an instruction of the expression pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Const(u64),
    Bytes(Bytes),
}

/// How many bytes a value has.
fn count(width: Width) -> usize {
    match width {
        Width::W32 => 4,
        Width::W64 => 8,
    }
}

impl Bytes {
    const NONE: Self = Self([0; 8]);

    /// The local's own.
    fn all(width: Width) -> Self {
        let mut all = Self::NONE;
        for at in 0..count(width) {
            all.0[at] = at as u8 + 1;
        }
        all
    }

    fn reversed(width: Width) -> Self {
        let mut all = Self::all(width);
        all.0[..count(width)].reverse();
        all
    }

    /// The result of an operation with a constant, if it moves or keeps whole bytes.
    fn with_constant(self, op: IntBinary, width: Width, constant: u64) -> Option<Self> {
        let count = count(width);
        if op == IntBinary::And {
            let mut kept = self;
            for (at, byte) in kept.0[..count].iter_mut().enumerate() {
                match (constant >> (8 * at)) as u8 {
                    0 => *byte = 0,
                    0xff => {}
                    _ => return None,
                }
            }
            return Some(kept);
        }
        let bits = constant as usize & (8 * count - 1);
        if !bits.is_multiple_of(8) {
            return None;
        }
        let by = bits / 8;
        let mut moved = Self::NONE;
        for at in 0..count {
            // The byte that comes to this place.
            let from = match op {
                IntBinary::Shl => at.checked_sub(by),
                IntBinary::ShrU => Some(at + by).filter(|&from| from < count),
                IntBinary::Rotl => Some((at + count - by) % count),
                IntBinary::Rotr => Some((at + by) % count),
                _ => return None,
            };
            moved.0[at] = from.map_or(0, |from| self.0[from]);
        }
        Some(moved)
    }

    /// Both, if no byte is in both.
    fn or(self, other: Self) -> Option<Self> {
        let mut either = self;
        for (byte, other) in either.0.iter_mut().zip(other.0) {
            match (*byte, other) {
                (_, 0) => {}
                (0, other) => *byte = other,
                _ => return None,
            }
        }
        Some(either)
    }
}

/// The values of the expression that wait, the last one on top.
struct Expression {
    width: Width,
    local: u32,
    waiting: [Value; MOST_VALUES],
    height: usize,
}

impl Expression {
    fn push(&mut self, value: Value) -> Option<()> {
        *self.waiting.get_mut(self.height)? = value;
        self.height += 1;
        Some(())
    }

    fn pop(&mut self) -> Option<Value> {
        self.height = self.height.checked_sub(1)?;
        Some(self.waiting[self.height])
    }

    fn binary(&mut self, op: IntBinary) -> Option<()> {
        let (b, a) = (self.pop()?, self.pop()?);
        let result = match (a, b) {
            (Value::Bytes(a), Value::Bytes(b)) if op == IntBinary::Or => a.or(b)?,
            (Value::Bytes(a), Value::Const(b)) => a.with_constant(op, self.width, b)?,
            _ => return None,
        };
        self.push(Value::Bytes(result))
    }

    /// Follows an instruction. `None` if it is none of such an expression.
    fn follow(&mut self, instruction: Instruction, wide: impl Fn(u32) -> u64) -> Option<()> {
        match instruction {
            Instruction::LocalGet(local) if local == self.local => {
                self.push(Value::Bytes(Bytes::all(self.width)))
            }
            Instruction::Const(_, bits) => self.push(Value::Const(bits.into())),
            Instruction::WideConst(_, number) => self.push(Value::Const(wide(number))),
            Instruction::IntBinary(op, width) if width == self.width => self.binary(op),
            _ => None,
        }
    }

    fn is_swap(&self) -> bool {
        self.height == 1 && self.waiting[0] == Value::Bytes(Bytes::reversed(self.width))
    }
}

impl<M: MacroAssembler> Generator<'_, M> {
    /// Translates a byte swap that begins with this operation on a local and a constant, which have been popped.
    pub(super) fn swap_bytes(
        &mut self,
        op: IntBinary,
        width: Width,
        operand: Operand,
        constant: u64,
    ) -> bool {
        let begins = match op {
            IntBinary::Shl => constant == 8 * (count(width) as u64 - 1),
            IntBinary::And => constant == EVERY_OTHER_BYTE && width == Width::W32,
            _ => false,
        };
        match operand.location {
            Location::Local(local) if begins => self.swap_of(op, width, local, operand, constant),
            _ => false,
        }
    }

    #[cold]
    fn swap_of(
        &mut self,
        op: IntBinary,
        width: Width,
        local: u32,
        operand: Operand,
        constant: u64,
    ) -> bool {
        if self.constant(&operand).is_some() {
            return false;
        }
        let Some((instructions, reads)) = self.find_swap(op, width, local, constant) else {
            return false;
        };
        for _ in 0..instructions {
            self.pass_over();
        }
        let src = self.read(operand);
        let mut dead = operand.last_use;
        for _ in 0..reads {
            dead |= self.access_is_dead();
        }
        if dead
            && self.state.references[local as usize] == 0
            && self.state.register[local as usize] == Some(src)
        {
            // The value ends here, and its register is the operator's.
            self.state.register[local as usize] = None;
            self.state.held.remove(src);
            self.state.owners[src.index()] = Owner::Temporary;
            self.state.temporaries.insert(src);
        }
        let dst = self.result(Class::General, &[src]);
        self.masm.int_unary(IntUnary::SwapBytes, width, dst, src);
        self.push_register(super::operators::int_type(width), dst);
        true
    }

    /// How many instructions follow that belong to a byte swap which begins with this operation, and how many of them
    /// read the local.
    fn find_swap(
        &self,
        op: IntBinary,
        width: Width,
        local: u32,
        constant: u64,
    ) -> Option<(usize, usize)> {
        let first = Bytes::all(width).with_constant(op, width, constant)?;
        let mut expression = Expression {
            width,
            local,
            waiting: [Value::Const(0); MOST_VALUES],
            height: 0,
        };
        expression.push(Value::Bytes(first))?;
        let mut reads = 0;
        for distance in 0..MOST_INSTRUCTIONS {
            let instruction = self.following(distance);
            expression.follow(instruction, |number| self.analysis.code.constant(number))?;
            reads += usize::from(matches!(instruction, Instruction::LocalGet(_)));
            if expression.is_swap() {
                return Some((distance + 1, reads));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a choice of bytes stands for.
    fn value(bytes: Bytes, of: u64) -> u64 {
        let byte = |number: u8| match number.checked_sub(1) {
            Some(from) => of.to_le_bytes()[usize::from(from)],
            None => 0,
        };
        u64::from_le_bytes(bytes.0.map(byte))
    }

    fn compute(op: IntBinary, width: Width, a: u64, b: u64) -> u64 {
        let (narrow, count) = (a as u32, b as u32);
        match (op, width) {
            (IntBinary::And, _) => a & b,
            (IntBinary::Shl, Width::W32) => narrow.wrapping_shl(count).into(),
            (IntBinary::ShrU, Width::W32) => narrow.wrapping_shr(count).into(),
            (IntBinary::Rotl, Width::W32) => narrow.rotate_left(count & 31).into(),
            (IntBinary::Rotr, Width::W32) => narrow.rotate_right(count & 31).into(),
            (IntBinary::Shl, Width::W64) => a.wrapping_shl(count),
            (IntBinary::ShrU, Width::W64) => a.wrapping_shr(count),
            (IntBinary::Rotl, Width::W64) => a.rotate_left(count & 63),
            _ => a.rotate_right(count & 63),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Bytes are moved as the operators move them.
        #[test]
        fn a_choice_of_bytes_is_what_the_operators_compute(
            of: u64, wide: bool, steps in prop::collection::vec((0..5usize, 0..9u64, any::<u8>()), 1..6)
        ) {
            use IntBinary::{And, Rotl, Rotr, Shl, ShrU};
            let width = if wide { Width::W64 } else { Width::W32 };
            let of = if wide { of } else { of & 0xffff_ffff };
            let (mut bytes, mut expected) = (Bytes::all(width), of);
            for (op, by, mask) in steps {
                let op = [And, Shl, ShrU, Rotl, Rotr][op];
                let mut constant = 8 * by;
                if op == And {
                    constant = (0..count(width))
                        .map(|at| (u64::from(mask >> at & 1) * 0xff) << (8 * at))
                        .sum();
                }
                bytes = bytes.with_constant(op, width, constant).expect("whole bytes");
                expected = compute(op, width, expected, constant);
                prop_assert_eq!(value(bytes, of), expected);
            }
        }
    }

    #[test]
    fn parts_of_bytes_are_no_choice() {
        let all = Bytes::all(Width::W64);
        for (op, constant) in [
            (IntBinary::And, 0xff0f),
            (IntBinary::Shl, 4),
            (IntBinary::Rotl, 1),
            (IntBinary::ShrS, 8),
            (IntBinary::Add, 8),
        ] {
            assert_eq!(all.with_constant(op, Width::W64, constant), None, "{op:?}");
        }
        assert_eq!(all.or(all), None);
    }

    #[test]
    fn a_reversal_is_one_of_its_width() {
        assert_eq!(value(Bytes::reversed(Width::W32), 0x1122_3344), 0x4433_2211);
        let wide = 0x1122_3344_5566_7788;
        assert_eq!(
            value(Bytes::reversed(Width::W64), wide),
            0x8877_6655_4433_2211
        );
    }
}
