//! The fixed sequences around a body: allocation and release of the frame, and loops over its slots.

use super::decode::Word;
use super::encode::{self, ADD, Bits, SUB, SUBS};
use super::values::{CONTEXT, DOUBLE, FIRST, LOGICAL, NOTHING, SCRATCH_FLOAT, SECOND, WORD, ZERO};
use super::walk::{Late, Walk};
use crate::NativeStack;
use crate::layout::{self, context};
use crate::wasm::ValType;
use crate::why::{Check, ensure, refuse};
use pvf_rules::TrapKind;

/// The register that contains the last address of a loop that copies slots.
const LAST: u8 = 25;

/// `str xzr, [x16], #8`
const ZERO_SLOT: u32 = 0xF800_861F;
/// `ldr d31, [x16], #step; str d31, [x17], #step`
const COPY_UP: [u32; 2] = [0xFC40_861F, 0xFC00_863F];
const COPY_DOWN: [u32; 2] = [0xFC5F_861F, 0xFC1F_863F];

impl Walk<'_, '_> {
    /// Expects this word, and moves to the next one.
    pub fn expect(&mut self, word: u32) -> Check {
        ensure!(
            self.word(self.at) == Some(word) && !self.is_label(self.at),
            Phases,
            "a fixed sequence has another instruction"
        );
        self.at += 1;
        Ok(())
    }

    /// If the current word is this one, moves to the next one and returns true.
    fn accept(&mut self, word: u32) -> bool {
        let accepted = self.word(self.at) == Some(word) && !self.is_label(self.at);
        self.at += usize::from(accepted);
        accepted
    }

    /// Expects words that load this constant into a register. The constant cannot be an immediate.
    fn expect_constant(&mut self, register: u8, constant: u64) -> Check {
        let Some((value, after)) = self.parse_constant(self.at, register) else {
            refuse!(Phases, "a fixed sequence lacks its constant");
        };
        ensure!(
            value == constant && (self.at..after).all(|at| !self.is_label(at)),
            Phases,
            "a fixed sequence has another constant"
        );
        self.at = after;
        Ok(())
    }

    /// Expects `rd = rn op constant`, where a constant that cannot be an immediate is in the first scratch register.
    fn expect_add(&mut self, op: u8, bits: Bits, rd: u8, rn: u8, constant: u64) -> Check {
        match encode::immediate(constant) {
            Some(field) => self.expect(encode::add_immediate(op, bits, rd, rn, field)),
            None => {
                self.expect_constant(FIRST, constant)?;
                self.expect(encode::add(op, bits, rd, rn, FIRST))
            }
        }
    }

    /// Expects a branch with this condition to a sequence that belongs to this branch alone.
    pub fn expect_late(&mut self, condition: u8, late: Late) -> Check {
        let to = self.expect_branch(condition)?;
        self.branch_late(to, late)?;
        self.at += 1;
        Ok(())
    }

    /// Expects a branch with this condition and returns its target. Does not move to the next word.
    pub fn expect_branch(&mut self, condition: u8) -> Check<usize> {
        let word = Word(self.word(self.at).unwrap_or(0));
        ensure!(
            word.0 & 0xFF00_001F == encode::branch_if(condition, 0) && !self.is_label(self.at),
            Phases,
            "a fixed sequence lacks its branch"
        );
        self.target(self.at, word.distance(super::decode::Form::BranchIf))
    }

    /// Expects the trap of a stack overflow, whose site names the body and not an operator.
    fn expect_overflow(&mut self) -> Check {
        let site = self.trap_site(self.at, TrapKind::StackOverflow)?;
        ensure!(
            self.body.begins_at(site.wasm_offset),
            Meters,
            "the stack overflow names another operator than the body's first"
        );
        self.expect(encode::TRAP)
    }

    /// Expects a branch back to the code after the branch to this sequence.
    fn expect_resume(&mut self, resume: usize) -> Check {
        let distance = resume as i64 - self.at as i64;
        self.expect(encode::branch(distance as i32))?;
        self.alive = false;
        Ok(())
    }

    /// Checks the words from the entry to the body.
    pub fn prologue(&mut self) -> Check {
        let cost = self.function.logical_cost;
        if self.tables.logical {
            match self.tables.counter {
                Some(counter) => self.charge_counter(counter, cost)?,
                None => self.take_logical(cost)?,
            }
        }
        self.saves_link = self.accept(encode::SAVE_LINK);
        let frame = u64::from(self.function.frame_bytes);
        match encode::immediate(frame) {
            Some(field) => self.expect(encode::add_immediate(SUB, Bits::W64, ZERO, ZERO, field))?,
            None => {
                self.expect_constant(FIRST, frame)?;
                self.expect(encode::SUB_STACK)?;
            }
        }
        if self.tables.native_stack != NativeStack::Unchecked {
            self.expect(encode::COMPARE_LOW)?;
            let resume = self.at + 1;
            self.expect_late(encode::LO, Late::Stack { resume })?;
        }
        if self.is_audited() {
            self.inner_loop(self.at)?;
            self.audited_prologue()?;
        }
        Ok(())
    }

    fn take_logical(&mut self, cost: u32) -> Check {
        let at = self.at;
        let before = |rd| match encode::immediate(cost.into()) {
            Some(field) => encode::add_immediate(SUBS, Bits::W64, rd, LOGICAL, field),
            None => encode::add(SUBS, Bits::W64, rd, LOGICAL, FIRST),
        };
        if encode::immediate(cost.into()).is_none() {
            self.expect_constant(FIRST, cost.into())?;
        }
        self.logical_leaf = self.word(self.at) == Some(before(ZERO));
        let (rd, condition, leaf_cost) = match self.logical_leaf {
            true => (ZERO, encode::LT, cost),
            false => (LOGICAL, encode::MI, 0),
        };
        ensure!(
            self.word(self.at) == Some(before(rd)),
            Meters,
            "the logical cost is not that of the body"
        );
        self.expect(before(rd))?;
        debug_assert!(self.at > at, "a comparison has been passed");
        let resume = self.at + 1;
        self.expect_late(condition, Late::Logical { resume, leaf_cost })?;
        self.inner_loop(self.at)
    }

    /// Expects an addition to the counter of the logical stack. The sum is in the second scratch register.
    fn add_to_counter(&mut self, counter: u32, amount: i64) -> Check {
        let offset = context::GLOBALS.saturating_add(counter.saturating_mul(layout::GLOBAL_BYTES));
        let is_near = offset / 4 < 1 << 12;
        match is_near {
            true => self.expect(encode::load_half(SECOND, offset))?,
            false => {
                self.expect_constant(SECOND, offset.into())?;
                self.expect(encode::load_half_at(SECOND, SECOND))?;
            }
        }
        let op = if amount < 0 { SUB } else { ADD };
        self.expect_add(op, Bits::W32, SECOND, SECOND, amount.unsigned_abs())?;
        match is_near {
            true => self.expect(encode::store_half(SECOND, offset)),
            false => {
                self.expect_constant(FIRST, offset.into())?;
                self.expect(encode::store_half_at(SECOND, FIRST))
            }
        }
    }

    fn charge_counter(&mut self, counter: u32, cost: u32) -> Check {
        self.add_to_counter(counter, cost.into())?;
        self.expect(encode::load_half(FIRST, context::COUNTER_PEAK))?;
        self.expect(encode::compare(Bits::W32, SECOND, FIRST))?;
        let resume = self.at + 1;
        self.expect_late(encode::HI, Late::Counter { resume })?;
        self.inner_loop(self.at)
    }

    fn audited_prologue(&mut self) -> Check {
        let frame = self.function.frame_bytes;
        self.expect(encode::load_word(SECOND, context::AUDIT_DEPTH))?;
        self.expect_add(ADD, Bits::W64, SECOND, SECOND, frame.into())?;
        for word in [
            encode::store_word(SECOND, context::AUDIT_DEPTH),
            encode::load_word(FIRST, context::STACK_TOP),
            encode::add(SUB, Bits::W64, FIRST, FIRST, SECOND),
            encode::slot_address(SECOND, 0),
            encode::add(SUB, Bits::W64, FIRST, FIRST, SECOND),
            encode::load_word(SECOND, context::AUDIT_DIFFERENCE),
            encode::or(SECOND, SECOND, FIRST),
            encode::store_word(SECOND, context::AUDIT_DIFFERENCE),
            encode::load_word(SECOND, context::AUDIT_CALLS),
            encode::add_immediate(ADD, Bits::W64, SECOND, SECOND, 1 << 10),
            encode::store_word(SECOND, context::AUDIT_CALLS),
        ] {
            self.expect(word)?;
        }
        Ok(())
    }

    /// Whether a load begins the sequence that subtracts a frame from the audited depth.
    pub fn begins_audit(&self, word: Word) -> bool {
        word.0 == encode::load_word(SECOND, context::AUDIT_DEPTH)
    }

    /// Checks the words from that sequence to the return.
    pub fn audited_epilogue(&mut self) -> Check {
        self.at += 1;
        let frame = self.function.frame_bytes.into();
        self.expect_add(SUB, Bits::W64, SECOND, SECOND, frame)?;
        self.expect(encode::store_word(SECOND, context::AUDIT_DEPTH))?;
        match encode::immediate(frame) {
            Some(field) => self.expect(encode::slot_address(ZERO, field))?,
            None => {
                self.expect_constant(FIRST, frame)?;
                self.expect(encode::ADD_STACK)?;
            }
        }
        self.at -= 1;
        self.leave()
    }

    /// The current word adds an immediate to the stack pointer.
    pub fn stack_immediate(&mut self, word: Word) -> Check {
        let (rd, immediate) = (word.rd(), word.immediate());
        let is_sum = word.operation() == ADD && word.wide() && word.rn() == ZERO;
        match rd {
            ZERO if is_sum => {
                ensure!(
                    immediate == u64::from(self.function.frame_bytes) && !self.is_audited(),
                    Phases,
                    "the code drops a part of the frame"
                );
                self.leave()
            }
            FIRST if is_sum => self.slots_loop(immediate),
            _ => refuse!(
                FixedRegisters,
                "the code uses the stack pointer outside of its sequences"
            ),
        }
    }

    /// The current word adds a register to the stack pointer, or compares them.
    pub fn add_extended(&mut self, word: Word) -> Check {
        let constant = self.constant(FIRST);
        match (word.0, constant) {
            (encode::ADD_STACK, Some(frame)) => {
                ensure!(
                    frame == u64::from(self.function.frame_bytes) && !self.is_audited(),
                    Phases,
                    "the code drops a part of the frame"
                );
                self.leave()
            }
            (word, Some(offset)) if word == encode::slot_address_at(FIRST) => {
                self.slots_loop(offset)
            }
            _ => refuse!(
                FixedRegisters,
                "the code uses the stack pointer outside of its sequences"
            ),
        }
    }

    /// Checks the words after the one that releases the frame, which is the current one. Afterwards `at` is the return.
    fn leave(&mut self) -> Check {
        self.at += 1;
        if self.saves_link {
            self.expect(encode::LOAD_LINK)?;
        }
        let cost = self.function.logical_cost;
        if self.tables.logical {
            match self.tables.counter {
                Some(counter) => self.add_to_counter(counter, -i64::from(cost))?,
                None if self.logical_leaf => {}
                None => self.expect_add(ADD, Bits::W64, LOGICAL, LOGICAL, cost.into())?,
            }
        }
        match self.tables.result(self.function.signature) {
            None => {}
            Some(ValType::I32) => ensure!(
                self.read(0)? <= WORD,
                Calls,
                "the result is wider than its type"
            ),
            Some(ValType::I64) => ensure!(self.read(0)? <= DOUBLE, Calls, "the result is missing"),
            Some(ValType::F32 | ValType::F64) => self.read_float(0)?,
        }
        self.expect(encode::RET)?;
        self.at -= 1;
        self.alive = false;
        Ok(())
    }

    /// Removes the loop label of an address that only a fixed sequence branches back to. The sequence was checked as a
    /// whole.
    fn inner_loop(&mut self, at: usize) -> Check {
        ensure!(
            self.take_loop(at),
            Phases,
            "a branch goes into a fixed sequence"
        );
        Ok(())
    }

    /// Expects words that compute the address of a slot, and returns the slot's offset.
    fn expect_slot_address(&mut self, register: u8) -> Check<u64> {
        let word = Word(self.word(self.at).unwrap_or(0));
        if word.0 == encode::slot_address(register, word.0 & 0x7f_fc00) {
            let offset = word.immediate();
            self.expect(word.0)?;
            return Ok(offset);
        }
        let Some((offset, after)) = self.parse_constant(self.at, register) else {
            refuse!(
                Frame,
                "the code uses the stack pointer outside of its sequences"
            );
        };
        ensure!(
            (self.at..after).all(|at| !self.is_label(at)),
            Frame,
            "a branch goes into a loop over slots"
        );
        self.at = after;
        self.expect(encode::slot_address_at(register))?;
        Ok(offset)
    }

    /// A loop over slots. The current word computes the first address, of the slot at offset `first`. Afterwards `at`
    /// is the last word of the loop.
    fn slots_loop(&mut self, first: u64) -> Check {
        self.at += 1;
        let second = self.expect_slot_address(SECOND)?;
        let slot_bytes = u64::from(layout::SLOT_BYTES);
        if self.word(self.at) == Some(ZERO_SLOT) {
            self.inner_loop(self.at)?;
            self.expect(ZERO_SLOT)?;
            self.expect(encode::compare(Bits::W64, FIRST, SECOND))?;
            self.expect(encode::branch_if(encode::LO, -2))?;
            ensure!(first < second, Frame, "a loop over slots has no slots");
            let slots = (second - first).div_ceil(slot_bytes);
            self.slot_at(first, slots)?;
            self.use_slots(first, slots, true)?;
        } else {
            let last = self.expect_slot_address(LAST)?;
            self.inner_loop(self.at)?;
            let upwards = self.word(self.at) == Some(COPY_UP[0]);
            let (step, condition) = match upwards {
                true => (COPY_UP, encode::LS),
                false => (COPY_DOWN, encode::HS),
            };
            self.expect(step[0])?;
            self.expect(step[1])?;
            self.expect(encode::compare(Bits::W64, FIRST, LAST))?;
            self.expect(encode::branch_if(condition, -3))?;
            let distance = match upwards {
                true => last.checked_sub(first),
                false => first.checked_sub(last),
            };
            let Some(distance) = distance else {
                refuse!(Frame, "a loop over slots has no slots");
            };
            let slots = distance / slot_bytes + 1;
            let (from, to) = match upwards {
                true => (Some(first), Some(second)),
                false => (Some(last), second.checked_sub(distance)),
            };
            let (Some(from), Some(to)) = (from, to) else {
                refuse!(Frame, "a loop over slots begins below the frame");
            };
            ensure!(
                distance.is_multiple_of(slot_bytes),
                Frame,
                "a loop over slots accesses parts of slots"
            );
            self.slot_at(from, slots)?;
            self.slot_at(to, slots)?;
            self.use_slots(from, slots, false)?;
            self.use_slots(to, slots, true)?;
            self.put(LAST, NOTHING);
            self.write_float(SCRATCH_FLOAT);
        }
        self.clobber_scratch();
        self.at -= 1;
        Ok(())
    }

    /// Checks a sequence that belongs to a branch. Its first word may be a branch in an island, which leads to the
    /// sequence.
    pub fn late(&mut self, late: Late) -> Check {
        let first = Word(self.word(self.at).unwrap_or(0));
        if first.0 >> 26 == 5 {
            let to = self.target(self.at, first.distance(super::decode::Form::Branch))?;
            self.branch_late(to, late)?;
            self.at += 1;
            self.alive = false;
            return Ok(());
        }
        // The label of the branch is at this word; the checks of the sequence expect no label.
        self.take_slot(self.at);
        match late {
            Late::Stack { resume } => {
                self.expect(encode::load_word(FIRST, context::STACK_LIMIT))?;
                self.expect(encode::COMPARE_LIMIT)?;
                self.expect(encode::branch_if(encode::HS, 2))?;
                self.expect_overflow()?;
                self.expect(encode::NOTE_LOW)?;
                self.expect(encode::store_word(23, context::STACK_LOW))?;
                self.expect_resume(resume)
            }
            Late::Logical { resume, leaf_cost } => {
                self.expect(encode::load_word(SECOND, context::LOGICAL_BEYOND))?;
                self.expect(encode::add(ADD, Bits::W64, SECOND, SECOND, LOGICAL))?;
                self.expect_add(SUBS, Bits::W64, SECOND, SECOND, leaf_cost.into())?;
                self.expect(encode::branch_if(encode::PL, 2))?;
                self.expect_overflow()?;
                self.expect(encode::store_word(SECOND, context::LOGICAL_BEYOND))?;
                self.expect_constant(LOGICAL, leaf_cost.into())?;
                self.expect_resume(resume)
            }
            Late::Counter { resume } => {
                self.expect(encode::load_half(FIRST, context::COUNTER_LIMIT))?;
                self.expect(encode::compare(Bits::W32, SECOND, FIRST))?;
                self.expect(encode::branch_if(encode::LS, 2))?;
                self.expect_overflow()?;
                self.expect(encode::store_half(SECOND, context::COUNTER_PEAK))?;
                self.expect_resume(resume)
            }
            Late::Gas { undo, at } => self.out_of_gas(undo, at),
            Late::Mismatch => self.mismatch(),
        }
    }
}

const _: () = assert!(CONTEXT == 19);
