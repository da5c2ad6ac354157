//! Pending instructions: an instruction that is not emitted yet, because the next operation may combine with it.
//!
//! At most one is pending. [`Function::begin`], with which operations begin, emits it, so that the order of instructions
//! never changes. An operation that can combine with it begins with [`Function::begin_with`] instead.

use super::*;
use pvf_assembler::aarch64::MemPair;

/// A pending instruction.
#[derive(Clone, Copy)]
pub(super) enum Pending {
    /// A comparison of a register with zero: a branch may test it itself.
    Zero(Gpr, Size),
    /// A test of one bit: the same.
    Bit(Gpr, u32, Size),
    /// `to = from shifted`: a second operand may be shifted.
    Shifted(Shifted),
    /// `to = a * b`: a sum or difference may be of a product.
    Product {
        size: Size,
        to: Gpr,
        factors: [Gpr; 2],
    },
    /// `to = from & pattern`: a shift may take a field of bits.
    Masked {
        to: Gpr,
        from: Gpr,
        pattern: LogicalImm,
        size: Size,
    },
    /// A store to a slot: stores to neighbours are one instruction.
    Stored(u32, Gpr),
}

/// A shift by a constant.
#[derive(Clone, Copy)]
pub(super) struct Shifted {
    pub size: Size,
    pub shift: Shift,
    pub to: Gpr,
    pub from: Gpr,
    pub by: u32,
}

impl Emitter<'_> {
    /// Emits the pending instruction.
    #[inline]
    pub(super) fn settle(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.emit_pending(pending);
        }
    }

    pub(super) fn emit_pending(&mut self, pending: Pending) {
        match pending {
            Pending::Zero(register, size) => self.asm.cmp_ri(size, register, Imm12::low(0)),
            Pending::Bit(register, bit, size) => {
                // One bit is a pattern.
                if let Some(pattern) = LogicalImm::new(1 << bit, size) {
                    self.asm.tst_ri(register, pattern);
                }
            }
            Pending::Shifted(Shifted {
                size,
                shift,
                to,
                from,
                by,
            }) => self.asm.shift_ri(shift, size, to, from, by),
            Pending::Product { size, to, factors } => {
                self.asm.mul(size, to, factors[0], factors[1]);
            }
            Pending::Masked {
                to, from, pattern, ..
            } => self.asm.logic_ri(Logic::And, to, from, pattern),
            Pending::Stored(at, src) => {
                let to = self.operand(memory::slot(at), Bytes::B8, SCRATCH);
                self.asm.str(Size::S64, src, to);
            }
        }
    }

    /// Branches by what waits, if it is a test of this condition.
    pub(super) fn branch_by_test(
        &mut self,
        pending: Pending,
        condition: Condition,
        label: Label,
    ) -> bool {
        let equal = match condition {
            Condition::Equal | Condition::LessEqualUnsigned => true,
            Condition::NotEqual | Condition::GreaterUnsigned => false,
            Condition::LessSigned | Condition::GreaterEqualSigned => {
                let Pending::Zero(register, size) = pending else {
                    return false;
                };
                let sign = size.bits() - 1;
                match condition {
                    Condition::LessSigned => self.asm.tbnz(register, sign, label),
                    _ => self.asm.tbz(register, sign, label),
                }
                return true;
            }
            _ => return false,
        };
        match (pending, equal) {
            (Pending::Zero(register, size), true) => self.asm.cbz(size, register, label),
            (Pending::Zero(register, size), false) => self.asm.cbnz(size, register, label),
            (Pending::Bit(register, bit, _), true) => self.asm.tbz(register, bit, label),
            (Pending::Bit(register, bit, _), false) => self.asm.tbnz(register, bit, label),
            _ => return false,
        }
        true
    }

    /// Does an operation with the one that waits as its operand, if that's value ends with it.
    pub(super) fn fuse(
        &mut self,
        pending: Pending,
        (op, width): (IntBinary, Width),
        dst: Gpr,
        (a, b): (Gpr, Source),
        last_use: RegSet,
    ) -> bool {
        let to = match pending {
            Pending::Shifted(shifted) if shifted.size == size(width) => shifted.to,
            Pending::Product { size: it, to, .. } if it == size(width) => to,
            Pending::Masked { size: it, to, .. } if it == size(width) => to,
            _ => return false,
        };
        if to != dst && !last_use.contains(Reg::general(to.number())) {
            return false;
        }
        // The other operand and whether it is the first one.
        let (other, first) = match b {
            Source::Reg(b) if gpr(b) == to && a != to => (a, true),
            Source::Reg(b) if a == to && gpr(b) != to => (gpr(b), false),
            Source::Const(bits) if a == to => {
                return match pending {
                    Pending::Shifted(shifted) => self.field(shifted, op, dst, bits),
                    Pending::Masked {
                        from,
                        pattern,
                        size,
                        ..
                    } => self.shifted_field(size, (from, pattern.value()), op, dst, bits),
                    _ => false,
                };
            }
            _ => return false,
        };
        if !first && !op.commutes() {
            return false;
        }
        match pending {
            Pending::Shifted(shifted) => self.with_shifted(shifted, op, dst, other),
            Pending::Product { size, factors, .. } => match op {
                IntBinary::Add => {
                    self.asm.madd(size, dst, factors[0], factors[1], other);
                    true
                }
                IntBinary::Sub => {
                    self.asm.msub(size, dst, factors[0], factors[1], other);
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// `dst = other op shifted`.
    fn with_shifted(&mut self, shifted: Shifted, op: IntBinary, dst: Gpr, other: Gpr) -> bool {
        let Shifted {
            size,
            shift,
            from,
            by,
            ..
        } = shifted;
        let logic = match op {
            IntBinary::Add | IntBinary::Sub if !matches!(shift, Shift::Ror) => {
                let op = match op {
                    IntBinary::Add => Arith::Add,
                    _ => Arith::Sub,
                };
                self.asm.arith_rs(op, size, dst, other, from, shift, by);
                return true;
            }
            IntBinary::And => Logic::And,
            IntBinary::Or => Logic::Orr,
            IntBinary::Xor => Logic::Eor,
            _ => return false,
        };
        self.asm.logic_rs(logic, size, dst, other, from, shift, by);
        true
    }

    /// `dst = shifted op constant`, if that is a field of bits.
    fn field(&mut self, shifted: Shifted, op: IntBinary, dst: Gpr, constant: u64) -> bool {
        let Shifted {
            size,
            shift,
            from,
            by,
            ..
        } = shifted;
        let bits = size.bits();
        let again = constant as u32 & (bits - 1);
        match (shift, op) {
            (Shift::Lsr, IntBinary::And) => {
                let Some(width) = low_ones(constant, bits) else {
                    return false;
                };
                self.asm.ubfx(size, dst, from, by, width.min(bits - by));
            }
            (Shift::Lsl, IntBinary::And) => {
                let mask = constant & (u64::MAX >> (64 - bits));
                let Some(width) = low_ones(mask >> by, bits) else {
                    return false;
                };
                self.asm.ubfiz(size, dst, from, by, width.min(bits - by));
            }
            (Shift::Lsl, IntBinary::ShrU) if again >= by => {
                self.asm.ubfx(size, dst, from, again - by, bits - again);
            }
            (Shift::Lsl, IntBinary::ShrS) if again >= by => {
                self.asm.sbfx(size, dst, from, again - by, bits - again);
            }
            _ => return false,
        }
        true
    }

    /// `dst = (from & mask) op constant`, if that is a field of bits.
    fn shifted_field(
        &mut self,
        size: Size,
        (from, mask): (Gpr, u64),
        op: IntBinary,
        dst: Gpr,
        constant: u64,
    ) -> bool {
        let bits = size.bits();
        let by = constant as u32 & (bits - 1);
        match op {
            IntBinary::Shl => {
                let Some(width) = low_ones(mask, bits) else {
                    return false;
                };
                self.asm.ubfiz(size, dst, from, by, width.min(bits - by));
            }
            IntBinary::ShrU => {
                let mask = mask & (u64::MAX >> (64 - bits));
                let Some(width) = low_ones(mask >> by, bits) else {
                    return false;
                };
                self.asm.ubfx(size, dst, from, by, width);
            }
            _ => return false,
        }
        true
    }

    /// Stores a register to a slot, later and perhaps together with the next. All eight bytes: the upper half of
    /// an `i32`'s register is zero.
    pub(super) fn store_slot_later(&mut self, at: u32, src: Gpr, waiting: Option<Pending>) {
        if let Some(Pending::Stored(other, first)) = waiting {
            let (low, high, slot) = match at > other {
                true => (first, src, other),
                false => (src, first, at),
            };
            if at.abs_diff(other) == abi::SLOT_BYTES
                && let Some(to) = MemPair::offset(Gpr::SP, slot.into(), Bytes::B8)
            {
                return self.asm.stp(low, high, to);
            }
        }
        if let Some(waiting) = waiting {
            self.emit_pending(waiting);
        }
        self.pending = Some(Pending::Stored(at, src));
    }
}

/// How many of the lowest bits are ones, if there are such and all others are zeros.
fn low_ones(constant: u64, bits: u32) -> Option<u32> {
    let constant = constant & (u64::MAX >> (64 - bits));
    let ones = constant.trailing_ones();
    (ones > 0 && u64::MAX.checked_shr(64 - ones) == Some(constant)).then_some(ones)
}
