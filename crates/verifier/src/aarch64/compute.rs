//! Operations on registers: the registers that they read and write, and the number of bits that the result can have.

use super::decode::{Form, Word};
use super::encode::{self, ADD, Bits, SUBS};
use super::values::{
    CONTEXT, DOUBLE, FIRST, FOLLOWED, GAS, HIGH_SUM, HOLDERS, LONG_INDEX, MEMORY, NOTHING, SECOND,
    SUM, SUMS, TABLE_INDEX, WORD, ZERO,
};
use super::walk::{Walk, initial_constant, kept_constant};
use crate::why::{Check, ensure, refuse};

/// The bound of constants that are added to a sum of base and index.
const HIGH: u64 = 1 << 24;

/// The number of significant bits of a constant.
fn bits_of(constant: u64) -> u8 {
    64 - constant.leading_zeros() as u8
}

impl Walk<'_, '_> {
    /// Checks one instruction.
    #[inline(always)]
    pub fn step(&mut self, form: Form, word: Word) -> Check {
        match form {
            Form::AddImmediate => self.add_immediate(word),
            Form::AddShifted => self.add_shifted(word),
            Form::LogicShifted => self.logic_shifted(word),
            Form::LogicImmediate => self.logic_immediate(word),
            Form::MoveZero | Form::MoveNot => self.begin_constant(form, word),
            Form::MoveKeep => self.keep_constant(word),
            Form::FieldUnsigned | Form::FieldSigned => {
                let source = self.read(word.rn())?.min(word.bits());
                let signed = form == Form::FieldSigned;
                // A charge for several bytes is divided by the bytes of an iteration; the product stays known.
                let product = self.facts.product;
                self.write(word.rd(), field(word, source, signed))?;
                if word.rd() == FIRST && word.rn() == FIRST {
                    self.facts.product = product;
                }
                Ok(())
            }
            Form::Extract => {
                self.read(word.rn())?;
                self.read(word.rm())?;
                self.write(word.rd(), word.bits())
            }
            Form::Divide => {
                let (a, _) = self.both(word)?;
                let signed = word.amount() & 1 != 0;
                self.write(word.rd(), if signed { word.bits() } else { a })
            }
            Form::ShiftRegister => {
                let (a, _) = self.both(word)?;
                let holds = match word.amount() & 3 {
                    1 => a,
                    2 if a < word.bits() => a,
                    _ => word.bits(),
                };
                self.write(word.rd(), holds)
            }
            Form::Unary => {
                self.read(word.rn())?;
                // The number of leading zeros is at most the width.
                let counts = word.amount() & 4 != 0;
                let holds = if counts { 7 } else { word.bits() };
                self.write(word.rd(), holds)
            }
            Form::MultiplyAdd => self.multiply_add(word),
            Form::MultiplyLong => {
                let (a, b) = (self.read(word.rn())?, self.read(word.rm())?);
                self.write(word.rd(), a.min(WORD) + b.min(WORD))
            }
            Form::MultiplyHigh => {
                let (a, b) = self.both(word)?;
                let signed = word.0 >> 23 & 1 == 0;
                let holds = if signed {
                    DOUBLE
                } else {
                    (a + b).saturating_sub(64)
                };
                self.write(word.rd(), holds)
            }
            Form::Select => {
                let (a, b) = self.both(word)?;
                self.write(word.rd(), a.max(b))
            }
            Form::Set => self.write(word.rd(), 1),
            Form::CompareIf => self.read(word.rn()).map(|_| ()),
            Form::Scaled => self.access_scaled(word),
            Form::Unscaled => self.access_unscaled(word),
            Form::Indexed => self.access_indexed(word),
            Form::FloatScaled => self.float_scaled(word),
            Form::FloatUnscaled => self.float_unscaled(word),
            Form::FloatIndexed => self.float_indexed(word),
            Form::StorePair => self.store_pair(word),
            Form::Literal => self.load_literal(word),
            Form::Branch => self.jump(word),
            Form::BranchIf => self.branch_if(word),
            Form::BranchZero => {
                self.read(word.rd())?;
                self.branch(self.target(self.at, word.distance(form))?)
            }
            Form::BranchBit => {
                self.read(word.rd())?;
                self.branch(self.target(self.at, word.distance(form))?)
            }
            Form::Call => self.call(word),
            Form::Address => self.address(word),
            Form::Undefined => self.trap(),
            Form::AddExtended => self.add_extended(word),
            Form::Nop => refuse!(Encodings, "a nop is outside of padding"),
            Form::AddSigned | Form::JumpRegister | Form::CallRegister | Form::TableEntry => {
                refuse!(
                    Indirect,
                    "an indirect branch is not at the end of its sequence"
                )
            }
            Form::SlotStep => refuse!(Frame, "the instruction is not in a loop over slots"),
            Form::Return => refuse!(Phases, "the code returns without an epilogue"),
            Form::FloatBinary => {
                self.read_float(word.rn())?;
                self.read_float(word.rm())?;
                self.write_float(word.rd());
                Ok(())
            }
            Form::FloatUnary | Form::CountOnes => {
                self.read_float(word.rn())?;
                self.write_float(word.rd());
                Ok(())
            }
            Form::FloatCompare => {
                self.read_float(word.rn())?;
                self.read_float(word.rm())
            }
            Form::FloatSelect => {
                self.read_float(word.rn())?;
                self.read_float(word.rm())?;
                self.write_float(word.rd());
                Ok(())
            }
            Form::BitSelect => {
                self.read_float(word.rd())?;
                self.read_float(word.rn())?;
                self.read_float(word.rm())
            }
            Form::FloatToBits | Form::FloatToInteger => {
                self.read_float(word.rn())?;
                self.write(word.rd(), word.bits())
            }
            Form::BitsToFloat | Form::IntegerToFloat => {
                self.read(word.rn())?;
                self.write_float(word.rd());
                Ok(())
            }
            Form::FloatImmediate | Form::FloatZero => {
                self.write_float(word.rd());
                Ok(())
            }
        }
    }

    /// The bounds of both operands, limited to the width of the instruction.
    #[inline(always)]
    fn both(&self, word: Word) -> Check<(u8, u8)> {
        let (a, b) = (self.read(word.rn())?, self.read(word.rm())?);
        Ok((a.min(word.bits()), b.min(word.bits())))
    }

    #[inline(always)]
    fn add_immediate(&mut self, word: Word) -> Check {
        let (op, rd, rn) = (word.operation(), word.rd(), word.rn());
        let immediate = word.immediate();
        let sets_flags = op & 1 != 0;
        if rn == ZERO || rd == ZERO && !sets_flags {
            return self.stack_immediate(word);
        }
        if rn == GAS {
            return self.charge(word);
        }
        if rn == MEMORY || SUMS >> rn & 1 != 0 {
            return self.add_high(word);
        }
        let a = self.read(rn)?.min(word.bits());
        if sets_flags {
            ensure!(rd == ZERO, Encodings, "a comparison writes a register");
            if rn == TABLE_INDEX && op == SUBS && !word.wide() {
                self.facts.compared = Some((self.at, immediate));
            }
            return Ok(());
        }
        let holds = match op {
            ADD => sum(a, bits_of(immediate)),
            _ if immediate == 0 => a,
            _ => DOUBLE,
        };
        self.write(rd, holds.min(word.bits()))
    }

    /// `add x16, base, #high`, where the base is an address of linear memory.
    fn add_high(&mut self, word: Word) -> Check {
        let (rd, rn) = (word.rd(), word.rn());
        ensure!(
            rn == MEMORY || self.holds(rn) == SUM,
            LinearMemory,
            "the code adds an offset to a register that is not an address of memory"
        );
        ensure!(
            word.operation() == ADD
                && word.wide()
                && matches!(rd, FIRST | SECOND)
                && word.immediate() < HIGH,
            FixedRegisters,
            "an address of linear memory goes elsewhere"
        );
        self.put(rd, HIGH_SUM);
        Ok(())
    }

    fn add_shifted(&mut self, word: Word) -> Check {
        let (op, rd, rn, rm) = (word.operation(), word.rd(), word.rn(), word.rm());
        if rn == MEMORY {
            return self.add_base(word);
        }
        if rn == CONTEXT {
            return self.call_indirect(word);
        }
        if rn == GAS {
            return self.charge_register(word);
        }
        let bits = word.bits();
        let a = self.read(rn)?.min(bits);
        let b = shifted(word, self.read(rm)?.min(bits));
        if op & 1 != 0 {
            ensure!(rd == ZERO, Encodings, "a comparison writes a register");
            if rn == TABLE_INDEX
                && op == SUBS
                && word.0 & !0x1f_0000 == encode::compare(Bits::W32, TABLE_INDEX, 0)
                && let Some(bound) = self.constant(rm)
            {
                self.facts.compared = Some((self.at, bound & u64::from(u32::MAX)));
            }
            return Ok(());
        }
        if rd == rn
            && matches!(rd, FIRST | SECOND)
            && word.0 == encode::add(ADD, Bits::W64, rd, rn, rm)
            && b <= WORD
            && let Some(constant) = self.constant(rd)
            && constant <= 1 << 32
        {
            self.put(rd, LONG_INDEX);
            return Ok(());
        }
        let holds = match op {
            ADD => sum(a, b),
            _ if b == 0 => a,
            _ => DOUBLE,
        };
        self.write(rd, holds.min(bits))
    }

    /// `add x24, x20, index`: the base of linear memory and an index.
    fn add_base(&mut self, word: Word) -> Check {
        let (rd, rm) = (word.rd(), word.rm());
        ensure!(
            word.0 == encode::add(ADD, Bits::W64, rd, MEMORY, rm)
                && (rd == FIRST || SUMS >> rd & 1 != 0),
            FixedRegisters,
            "the code moves the base of linear memory"
        );
        ensure!(
            self.read(rm)? <= WORD,
            LinearMemory,
            "the index of an access may have more than 32 bits"
        );
        self.put(rd, SUM);
        Ok(())
    }

    fn logic_shifted(&mut self, word: Word) -> Check {
        let (a, b) = self.both(word)?;
        let b = shifted(word, b);
        let op = word.operation();
        if op == 3 {
            ensure!(
                word.rd() == ZERO,
                Encodings,
                "a test of bits writes a register"
            );
            return Ok(());
        }
        let holds = match op {
            0 => a.min(b),
            _ => a.max(b),
        };
        self.write(word.rd(), holds)
    }

    fn logic_immediate(&mut self, word: Word) -> Check {
        let op = word.operation();
        if op == 1 && word.rn() == ZERO {
            return self.begin_constant(Form::LogicImmediate, word);
        }
        let a = self.read(word.rn())?.min(word.bits());
        let pattern = bits_of(word.pattern().unwrap_or(u64::MAX));
        if op == 3 {
            ensure!(
                word.rd() == ZERO,
                Encodings,
                "a test of bits writes a register"
            );
            return Ok(());
        }
        ensure!(
            word.rd() != ZERO,
            FixedRegisters,
            "the code writes the stack pointer"
        );
        let holds = match op {
            0 => a.min(pattern),
            _ => a.max(pattern),
        };
        self.write(word.rd(), holds)
    }

    /// The first instruction that loads a constant.
    fn begin_constant(&mut self, form: Form, word: Word) -> Check {
        let constant = initial_constant(form, word).unwrap_or(u64::MAX);
        self.set_constant(word.rd(), constant)
    }

    /// A following instruction, which replaces 16 bits of the constant.
    fn keep_constant(&mut self, word: Word) -> Check {
        let rd = word.rd();
        if FOLLOWED >> rd & 1 != 0 {
            let Some(constant) = self.constant(rd) else {
                refuse!(
                    Widths,
                    "the code sets a part of a register that holds no constant"
                );
            };
            return self.set_constant(rd, kept_constant(constant, word));
        }
        let (_, shift) = word.halfword();
        let before = self.read(rd)?.min(word.bits());
        self.write(rd, before.max(shift as u8 + 16))
    }

    fn set_constant(&mut self, rd: u8, constant: u64) -> Check {
        ensure!(
            rd != ZERO,
            Encodings,
            "the code writes a constant to no register"
        );
        if FOLLOWED >> rd & 1 == 0 {
            return self.write(rd, bits_of(constant));
        }
        self.put(rd, bits_of(constant));
        self.constants[usize::from(rd & 31)] = constant;
        self.known |= 1 << rd;
        Ok(())
    }

    fn multiply_add(&mut self, word: Word) -> Check {
        let (a, b) = self.both(word)?;
        let c = self.read(word.ra())?.min(word.bits());
        let (rd, rn) = (word.rd(), word.rn());
        let subtracts = word.0 >> 15 & 1 != 0;
        // `mul x16, x16, units` after a constant may compute a charge.
        let product =
            (rd == FIRST && rn == FIRST && word.ra() == ZERO && word.wide() && !subtracts)
                .then(|| self.constant(FIRST))
                .flatten();
        let holds = match (subtracts, c) {
            (true, _) => DOUBLE,
            (false, 0) => (a + b).min(DOUBLE),
            (false, _) => sum((a + b).min(DOUBLE), c),
        };
        self.write(rd, holds.min(word.bits()))?;
        self.facts.product = product.map(|constant| (constant, b));
        Ok(())
    }
}

/// The bound of a sum, in bits.
#[inline(always)]
fn sum(a: u8, b: u8) -> u8 {
    match (a, b) {
        (0, other) | (other, 0) => other,
        _ => (a.max(b) + 1).min(DOUBLE),
    }
}

/// The bound of a shifted second operand, in bits.
#[inline(always)]
fn shifted(word: Word, holds: u8) -> u8 {
    let amount = word.amount();
    if amount == 0 || holds == 0 {
        return holds;
    }
    match word.shift() {
        0 => (holds + amount).min(word.bits()),
        1 => holds.saturating_sub(amount),
        2 if holds < word.bits() => holds.saturating_sub(amount),
        _ => word.bits(),
    }
}

/// The bound of a bit field, in bits.
fn field(word: Word, source: u8, signed: bool) -> u8 {
    let (last, rotation) = (word.amount(), word.rotation());
    if signed && source > last {
        return word.bits();
    }
    let taken = source.min(last + 1);
    if last >= rotation {
        return taken.saturating_sub(rotation);
    }
    match taken {
        0 => 0,
        _ => (taken + word.bits() - rotation).min(word.bits()),
    }
}

const _: () = assert!(HOLDERS & SUMS == 0 && NOTHING > LONG_INDEX);
