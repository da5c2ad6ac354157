//! Branches, jump tables, calls and traps.

use super::decode::{Form, Word};
use super::encode::{self, ADD, Bits, SUBS};
use super::module::{Callee, Shared};
use super::values::{
    BLOCK, CONTEXT, DIVISION, DOUBLE, FIRST, HOLDERS, NOTHING, SCRATCH_FLOAT, SECOND, SHARED_FLOAT,
    TABLE_INDEX, WORD, ZERO,
};
use super::walk::{Late, Walk};
use crate::layout;
use crate::wasm::ValType;
use crate::why::{Check, ensure, refuse};
use pvf_rules::TrapKind;

/// `add x8, x19, x8, lsl #4`
const TABLE_ENTRY: u32 = 0x8B08_1268;

/// `adr x16, .`, and the other words of a far call, with zeros for the halves of the constant.
const HERE: u32 = 0x1000_0010;
const FAR_LOW: u32 = 0xD280_0011;
const FAR_HIGH: u32 = 0xF2A0_0011;
const FAR_SUM: u32 = 0x8B31_C210;

/// Vector registers that block operations overwrite.
const BLOCK_FLOATS: u32 = 0xf000_0000;

impl Walk<'_, '_> {
    pub fn jump(&mut self, word: Word) -> Check {
        self.branch(self.target(self.at, word.distance(Form::Branch))?)?;
        self.alive = false;
        Ok(())
    }

    #[inline]
    pub fn branch_if(&mut self, word: Word) -> Check {
        if word.branch_condition() == encode::HS
            && let Some((at, bound)) = self.facts.compared
            && at + 1 == self.at
        {
            self.facts.below = Some((self.at, bound));
        }
        self.branch(self.target(self.at, word.distance(Form::BranchIf))?)
    }

    /// The trap of an operator.
    pub fn trap(&mut self) -> Check {
        let site = self.next_site(self.offset(self.at))?;
        ensure!(
            matches!(
                site.kind,
                TrapKind::Unreachable
                    | TrapKind::IntegerDivideByZero
                    | TrapKind::IntegerOverflow
                    | TrapKind::InvalidConversionToInteger
                    | TrapKind::TableOutOfBounds
            ),
            TrapSites,
            "a trap of a kind that stands in sequences only"
        );
        self.comes_from_operator(site)?;
        self.alive = false;
        Ok(())
    }

    /// `adr`: a jump table or a far call.
    pub fn address(&mut self, word: Word) -> Check {
        match word.0 {
            HERE => self.far_call(),
            _ => self.jump_table(word),
        }
    }

    /// Checks a jump table. The index was limited to that of the last entry. Afterwards `at` is the last word of the
    /// table.
    fn jump_table(&mut self, word: Word) -> Check {
        let (Some(last), Some(clamp)) = (self.constant(SECOND), self.at.checked_sub(2)) else {
            refuse!(Indirect, "a jump table has no bound");
        };
        let index = Word(self.word(clamp).unwrap_or(0)).rn();
        let before = [self.word(clamp), self.word(clamp + 1)];
        ensure!(
            before == encode::clamp(index).map(Some) && !self.is_label(clamp + 1),
            Indirect,
            "the code does not compare the index of a jump table with its bound"
        );
        let table = self.target(self.at, word.distance(Form::Address))?;
        self.at += 1;
        for word in encode::jump(index) {
            self.expect(word)?;
        }
        let Some(end) = table
            .checked_add(last as usize)
            .filter(|end| *end < self.words.len())
        else {
            refuse!(Indirect, "a jump table leaves the function");
        };
        ensure!(
            table == self.at,
            Indirect,
            "a jump table is not behind its jump"
        );
        self.clobber_scratch();
        while self.at <= end {
            ensure!(
                !self.is_label(self.at),
                CodeData,
                "a branch goes into a table"
            );
            let entry = self.word(self.at).unwrap_or(0) as i32;
            let to = self.target(table, entry)?;
            self.branch(to)?;
            self.at += 1;
        }
        self.at -= 1;
        self.alive = false;
        Ok(())
    }

    pub fn call(&mut self, word: Word) -> Check {
        let from = i64::from(self.offset(self.at));
        self.call_to(from + i64::from(word.distance(Form::Call)))
    }

    /// `adr x16, .; movz x17, #low; movk x17, #high, lsl #16; add x16, x16, w17, sxtw; blr x16`
    fn far_call(&mut self) -> Check {
        let from = i64::from(self.offset(self.at));
        self.at += 1;
        let mut halves = [0u32; 2];
        for (half, move_half) in halves.iter_mut().zip([FAR_LOW, FAR_HIGH]) {
            let word = Word(self.word(self.at).unwrap_or(0));
            *half = word.halfword().0 as u32;
            self.expect(move_half | *half << 5)?;
        }
        self.expect(FAR_SUM)?;
        self.expect(encode::BLR_FIRST)?;
        self.at -= 1;
        self.clobber_scratch();
        let distance = (halves[0] | halves[1] << 16) as i32;
        self.call_to(from + i64::from(distance))
    }

    /// Checks a call to an offset of the code. The current word is the call.
    fn call_to(&mut self, to: i64) -> Check {
        self.may_call()?;
        let Some(callee) = u32::try_from(to).ok().and_then(|to| self.tables.callee(to)) else {
            refuse!(Targets, "a call goes to no function");
        };
        match callee {
            Callee::Function(function) => {
                let Some(&signature) = self.tables.module.functions.get(function as usize) else {
                    refuse!(Targets, "a call goes to no function");
                };
                self.calls = true;
                if function < self.tables.module.imported_functions {
                    self.host_site()?;
                }
                self.arguments(signature)?;
                self.results(signature)
            }
            Callee::Builtin(code) => {
                let Some(&(params, results, segment)) = layout::BUILTINS.get(usize::from(code))
                else {
                    refuse!(Targets, "a call goes to no builtin");
                };
                self.host_site()?;
                self.callee_slots(u64::from(params.max(results)) * u64::from(layout::SLOT_BYTES))?;
                let immediate = BLOCK[1];
                ensure!(
                    !segment || self.read(immediate)? <= WORD,
                    Calls,
                    "the index of a segment is wide"
                );
                self.clobber();
                if results > 0 {
                    self.put(0, WORD);
                }
                Ok(())
            }
            Callee::Block => {
                let bytes = self.read(BLOCK[2])?;
                self.read(BLOCK[0])?;
                self.read(BLOCK[1])?;
                self.put(BLOCK[0], NOTHING);
                self.put(BLOCK[1], NOTHING);
                // A comparison returns at most the number of bytes.
                self.put(BLOCK[2], bytes);
                self.state.floats &= !BLOCK_FLOATS;
                self.clobber_own();
                Ok(())
            }
            Callee::Shared(shared) => self.call_shared(shared),
        }
    }

    /// A call overwrites the return address, so the function must have saved it.
    fn may_call(&self) -> Check {
        ensure!(
            self.saves_link,
            Phases,
            "a function with calls does not keep its return address"
        );
        Ok(())
    }

    /// The trap site of a failing host function is the last byte of the current word.
    fn host_site(&mut self) -> Check {
        let site = self.next_site(self.offset(self.at).wrapping_add(3))?;
        ensure!(
            site.kind == TrapKind::HostError,
            TrapSites,
            "the trap site of a call to the host is of another kind"
        );
        self.comes_from_operator(site)
    }

    /// A callee's parameters and results must be within the frame, below the return address.
    fn callee_slots(&self, bytes: u64) -> Check {
        let above = u64::from(layout::SLOT_BYTES) * 2;
        ensure!(
            bytes + above <= u64::from(self.function.frame_bytes),
            CalleeSlots,
            "the callee's slots are beyond the frame"
        );
        Ok(())
    }

    fn arguments(&self, signature: u32) -> Check {
        let Some(convention) = self.tables.conventions.get(signature as usize) else {
            refuse!(Calls, "a call has no signature");
        };
        self.callee_slots(convention.slot_bytes)?;
        for (register, &holds) in (0..).zip(&convention.general) {
            ensure!(
                self.holds(register) <= holds,
                Calls,
                "an argument is wider than its type, or missing"
            );
        }
        ensure!(
            self.state.floats & convention.floats == convention.floats,
            Calls,
            "a float argument is missing"
        );
        Ok(())
    }

    /// Sets the state after a call of a function.
    fn results(&mut self, signature: u32) -> Check {
        let slot_bytes = self.tables.slot_bytes(signature);
        self.state.written.insert_range(0, slot_bytes);
        self.clobber();
        match self.tables.result(signature) {
            None => {}
            Some(ValType::I32) => self.put(0, WORD),
            Some(ValType::I64) => self.put(0, DOUBLE),
            Some(ValType::F32 | ValType::F64) => self.write_float(0),
        }
        Ok(())
    }

    /// Checks a call of shared code, which returns either to one of the traps after the call or to the word after them.
    /// Afterwards `at` is the last trap.
    fn call_shared(&mut self, shared: Shared) -> Check {
        let traps: &[TrapKind] = match shared {
            Shared::Truncate { .. } => {
                self.read_float(SHARED_FLOAT)?;
                &[
                    TrapKind::InvalidConversionToInteger,
                    TrapKind::IntegerOverflow,
                ]
            }
            Shared::Divide { remainder, .. } => {
                self.read(FIRST)?;
                self.read(DIVISION.0)?;
                match remainder {
                    true => &[TrapKind::IntegerDivideByZero],
                    false => &[TrapKind::IntegerDivideByZero, TrapKind::IntegerOverflow],
                }
            }
        };
        for &kind in traps {
            self.at += 1;
            ensure!(
                self.word(self.at) == Some(encode::TRAP) && !self.is_label(self.at),
                TrapSites,
                "no traps follow a call of shared code"
            );
            self.operator_site(self.at, kind)?;
        }
        self.clobber_own();
        self.state.floats &= !(1 << SCRATCH_FLOAT);
        match shared {
            Shared::Truncate { wide } => self.put(FIRST, if wide { DOUBLE } else { WORD }),
            Shared::Divide { wide, remainder } => {
                let holds = if wide { DOUBLE } else { WORD };
                let to = if remainder { DIVISION.1 } else { DIVISION.0 };
                self.put(to, holds);
            }
        }
        Ok(())
    }

    /// Checks a call through the table. The current word computes the address of an entry. Afterwards `at` is the call.
    pub fn call_indirect(&mut self, word: Word) -> Check {
        ensure!(
            word.0 == TABLE_ENTRY,
            FixedRegisters,
            "the code uses the context's address outside of an access"
        );
        let below = self.facts.below.filter(|(at, _)| at + 1 == self.at);
        let (Some((_, bound)), Some(entries)) = (below, self.tables.module.table) else {
            refuse!(Table, "the code does not compare an index of the table");
        };
        ensure!(
            bound <= u64::from(entries),
            Table,
            "the code compares an index with another number than the table's entries"
        );
        self.may_call()?;
        let table = self.tables.table;
        self.at += 1;
        self.expect_entry(table + u64::from(layout::TABLE_ENTRY_SIGNATURE), false)?;
        let signature = self.expect_signature()?;
        self.facts.below = None;
        self.put(SECOND, WORD);
        self.expect_late(encode::NE, Late::Mismatch)?;
        self.expect_entry(table + u64::from(layout::TABLE_ENTRY_CODE), true)?;
        self.expect(encode::BLR_SECOND)?;
        self.at -= 1;
        self.calls = true;
        self.arguments(signature)?;
        self.results(signature)
    }

    /// Expects a load of a field of a table entry, whose address is known, into the second scratch register.
    fn expect_entry(&mut self, offset: u64, wide: bool) -> Check {
        let size = if wide { 3 } else { 2 };
        let base = u32::from(TABLE_INDEX) << 5 | u32::from(SECOND);
        if offset >> size < 1 << 12 {
            let field = (offset as u32 >> size) << 10;
            return self.expect(0x3940_0000 | size << 30 | field | base);
        }
        let Some((distance, after)) = self.parse_constant(self.at, SECOND) else {
            refuse!(
                Table,
                "no load of a table entry's field follows the comparison"
            );
        };
        ensure!(
            distance == offset && (self.at..after).all(|at| !self.is_label(at)),
            Table,
            "the code loads another field of a table entry"
        );
        self.at = after;
        self.expect(0x3860_6800 | size << 30 | u32::from(SECOND) << 16 | base)
    }

    /// Expects the comparison of an entry's signature, and returns the signature.
    fn expect_signature(&mut self) -> Check<u32> {
        let mut word = Word(self.word(self.at).unwrap_or(0));
        // The signature may be a constant that is loaded first.
        for holder in 25..28 {
            if let Some((_, after)) = self.parse_constant(self.at, holder) {
                while self.at < after {
                    let Some(form) = super::decode::decode(word.0) else {
                        refuse!(Encodings, "the encoding is not in the table");
                    };
                    ensure!(
                        !self.is_label(self.at),
                        Table,
                        "a branch goes into a call through the table"
                    );
                    self.step(form, word)?;
                    self.at += 1;
                    word = Word(self.word(self.at).unwrap_or(0));
                }
            }
        }
        let immediate = encode::add_immediate(SUBS, Bits::W32, ZERO, SECOND, word.0 & 0x7f_fc00);
        let asked = match word.0 {
            it if it == immediate => word.immediate(),
            it if it == encode::compare(Bits::W32, SECOND, word.rm())
                && HOLDERS >> word.rm() & 1 != 0 =>
            {
                self.constant(word.rm()).unwrap_or(0) & u64::from(u32::MAX)
            }
            _ => refuse!(
                Table,
                "the code does not compare the signature of a table entry"
            ),
        };
        self.expect(word.0)?;
        // 0 is the value of an entry without a function.
        match asked.checked_sub(1).and_then(|it| u32::try_from(it).ok()) {
            Some(signature) if (signature as usize) < self.tables.module.signatures.len() => {
                Ok(signature)
            }
            _ => refuse!(Table, "an entry of the table is compared with no signature"),
        }
    }

    /// The sequence for a table entry with another signature, which is in the second scratch register.
    pub fn mismatch(&mut self) -> Check {
        // `cbnz w17, defined`
        self.expect(0x3500_0000 | 2 << 5 | u32::from(SECOND))?;
        self.operator_site(self.at, TrapKind::UndefinedElement)?;
        self.expect(encode::TRAP)?;
        self.operator_site(self.at, TrapKind::IndirectCallTypeMismatch)?;
        self.expect(encode::TRAP)?;
        self.alive = false;
        Ok(())
    }
}

const _: () = assert!(
    TABLE_ENTRY == encode::add(ADD, Bits::W64, TABLE_INDEX, CONTEXT, TABLE_INDEX) | 4 << 10
);
