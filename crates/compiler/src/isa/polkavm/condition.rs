//! Conditions on a machine without flags: a comparison is kept, and made where its condition is used.
//!
//! Between the two stand only moves. A move that overwrites an operand first saves it in the context, which is rare.

use super::*;

/// A comparison that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Integers(Gpr, Right),
    /// As [`Self::Integers`]; the first operand is in the context.
    SavedFirst(Right),
    /// The result of [`fixed::FloatOperation::Compare`] is in the context.
    Floats,
}

/// The second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    Reg(Gpr),
    Immediate(i32),
    /// In the context.
    Saved,
}

/// The comparison behind an integer condition.
fn compare(condition: Condition) -> Compare {
    match condition {
        Condition::Equal => Compare::Equal,
        Condition::NotEqual => Compare::NotEqual,
        Condition::LessSigned => Compare::LessSigned,
        Condition::LessEqualSigned => Compare::LessEqualSigned,
        Condition::GreaterSigned => Compare::GreaterSigned,
        Condition::GreaterEqualSigned => Compare::GreaterEqualSigned,
        Condition::LessUnsigned => Compare::LessUnsigned,
        Condition::LessEqualUnsigned => Compare::LessEqualUnsigned,
        Condition::GreaterUnsigned => Compare::GreaterUnsigned,
        Condition::GreaterEqualUnsigned => Compare::GreaterEqualUnsigned,
        Condition::FloatEqual
        | Condition::FloatNotEqual
        | Condition::FloatGreater
        | Condition::FloatGreaterEqual
        | Condition::NotFloatGreater
        | Condition::NotFloatGreaterEqual => {
            unreachable!("float conditions follow float comparisons: {condition:?}")
        }
    }
}

/// A float condition, as a comparison of the service's result with a number.
fn compare_order(condition: Condition) -> (Compare, i32) {
    match condition {
        Condition::FloatEqual => (Compare::Equal, 2),
        Condition::FloatNotEqual => (Compare::NotEqual, 2),
        Condition::FloatGreater => (Compare::Equal, 3),
        Condition::FloatGreaterEqual => (Compare::GreaterEqualUnsigned, 2),
        Condition::NotFloatGreater => (Compare::NotEqual, 3),
        Condition::NotFloatGreaterEqual => (Compare::LessUnsigned, 2),
        other => (compare(other), 0),
    }
}

impl Function<'_> {
    /// A move is about to overwrite this register.
    pub(super) fn overwrite(&mut self, register: Gpr) {
        let Some(mut pending) = self.pending else {
            return;
        };
        if let Pending::Integers(first, right) = pending
            && first == register
        {
            self.store_field(fixed::field::FIRST, first);
            pending = Pending::SavedFirst(right);
        }
        if let Pending::Integers(_, right) | Pending::SavedFirst(right) = &mut pending
            && *right == Right::Reg(register)
        {
            self.store_field(fixed::field::SECOND, register);
            *right = Right::Saved;
        }
        self.pending = Some(pending);
    }

    pub(super) fn emit_compare(&mut self, width: Width, a: Gpr, b: Source) {
        let right = match b {
            Source::Reg(b) => Right::Reg(gpr(b)),
            Source::Const(bits) => match immediate(width, bits) {
                Some(immediate) => Right::Immediate(immediate),
                None => {
                    self.asm.load_const(SCRATCH_2, extended(width, bits));
                    Right::Reg(SCRATCH_2)
                }
            },
            Source::Slot(at) => {
                let (base, offset) = slot(at);
                self.asm.load(whole(width).0, SCRATCH_2, base, offset);
                Right::Reg(SCRATCH_2)
            }
        };
        self.pending = Some(Pending::Integers(a, right));
    }

    pub(super) fn emit_test(&mut self, width: Width, a: Gpr, b: Source) {
        self.emit_int_binary(IntBinary::And, width, SCRATCH_2, a, b);
        self.pending = Some(Pending::Integers(SCRATCH_2, Right::Immediate(0)));
    }

    /// Takes the comparison made last: operands in registers, and which comparison the condition is. Uses both scratch
    /// registers.
    fn take_condition(&mut self, condition: Condition) -> (Compare, Gpr, Right) {
        let pending = self.pending.take();
        let (first, right) = match pending.expect("a comparison comes before its condition") {
            Pending::Floats => {
                self.load_field(SCRATCH, fixed::field::FIRST);
                let (compare, with) = compare_order(condition);
                return (compare, SCRATCH, Right::Immediate(with));
            }
            Pending::Integers(first, right) => (first, right),
            Pending::SavedFirst(right) => {
                self.load_field(SCRATCH, fixed::field::FIRST);
                (SCRATCH, right)
            }
        };
        let right = match right {
            Right::Saved => {
                self.load_field(SCRATCH_2, fixed::field::SECOND);
                Right::Reg(SCRATCH_2)
            }
            other => other,
        };
        (compare(condition), first, right)
    }

    pub(super) fn emit_jump_if(&mut self, condition: Condition, label: Label) {
        let (compare, first, right) = self.take_condition(condition);
        match right {
            Right::Reg(second) => self.asm.branch(compare, first, second, label),
            Right::Immediate(with) => self.asm.branch_immediate(compare, first, with, label),
            Right::Saved => unreachable!("taken conditions are in registers"),
        }
    }

    /// `dst` = 1 if the condition holds, else 0.
    pub(super) fn emit_set_condition(&mut self, condition: Condition, dst: Gpr) {
        let (compare, first, right) = self.take_condition(condition);
        match compare {
            Compare::Equal | Compare::NotEqual => {
                let difference = match right {
                    Right::Immediate(0) => first,
                    Right::Immediate(with) => {
                        self.asm.immediate(Immediate::Xor, SCRATCH, first, with);
                        SCRATCH
                    }
                    Right::Reg(second) => {
                        self.asm.three(Three::Xor, SCRATCH, first, second);
                        SCRATCH
                    }
                    Right::Saved => unreachable!("taken conditions are in registers"),
                };
                match compare {
                    Compare::Equal => {
                        self.asm
                            .immediate(Immediate::SetLessUnsigned, dst, difference, 1);
                    }
                    _ => self
                        .asm
                        .immediate(Immediate::SetGreaterUnsigned, dst, difference, 0),
                }
            }
            Compare::LessUnsigned => self.set(false, false, dst, first, right),
            Compare::LessSigned => self.set(true, false, dst, first, right),
            Compare::GreaterUnsigned => self.set(false, true, dst, first, right),
            Compare::GreaterSigned => self.set(true, true, dst, first, right),
            Compare::GreaterEqualUnsigned => self.set_not(false, false, dst, first, right),
            Compare::GreaterEqualSigned => self.set_not(true, false, dst, first, right),
            Compare::LessEqualUnsigned => self.set_not(false, true, dst, first, right),
            Compare::LessEqualSigned => self.set_not(true, true, dst, first, right),
        }
    }

    /// `dst = first < right`, or `>` if `greater`.
    fn set(&mut self, signed: bool, greater: bool, dst: Gpr, first: Gpr, right: Right) {
        match right {
            Right::Immediate(with) => {
                let op = match (signed, greater) {
                    (false, false) => Immediate::SetLessUnsigned,
                    (true, false) => Immediate::SetLessSigned,
                    (false, true) => Immediate::SetGreaterUnsigned,
                    (true, true) => Immediate::SetGreaterSigned,
                };
                self.asm.immediate(op, dst, first, with);
            }
            Right::Reg(second) => {
                let op = match signed {
                    false => Three::SetLessUnsigned,
                    true => Three::SetLessSigned,
                };
                let (a, b) = match greater {
                    false => (first, second),
                    true => (second, first),
                };
                self.asm.three(op, dst, a, b);
            }
            Right::Saved => unreachable!("taken conditions are in registers"),
        }
    }

    /// The opposite of [`Self::set`].
    fn set_not(&mut self, signed: bool, greater: bool, dst: Gpr, first: Gpr, right: Right) {
        self.set(signed, greater, dst, first, right);
        self.asm.immediate(Immediate::Xor, dst, dst, 1);
    }

    pub(super) fn emit_select(&mut self, condition: Condition, dst: Gpr, a: Gpr, b: Gpr) {
        // A value that is compared with zero is the condition itself.
        let (test, holds_if_zero) = match (self.pending, condition) {
            (Some(Pending::Integers(first, Right::Immediate(0))), Condition::Equal) => {
                (first, true)
            }
            (Some(Pending::Integers(first, Right::Immediate(0))), Condition::NotEqual) => {
                (first, false)
            }
            _ => {
                self.emit_set_condition(condition, SCRATCH);
                (SCRATCH, false)
            }
        };
        self.pending = None;
        let (if_holds, if_not) = match holds_if_zero {
            true => (Three::MoveIfZero, Three::MoveIfNotZero),
            false => (Three::MoveIfNotZero, Three::MoveIfZero),
        };
        if dst == b {
            return self.asm.three(if_holds, dst, a, test);
        }
        if dst == a {
            return self.asm.three(if_not, dst, b, test);
        }
        let test = match test == dst {
            true => {
                self.asm.two(Two::Move, SCRATCH, test);
                SCRATCH
            }
            false => test,
        };
        self.asm.two(Two::Move, dst, b);
        self.asm.three(if_holds, dst, a, test);
    }
}
