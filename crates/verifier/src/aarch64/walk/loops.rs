//! The loops of a function: named by its maker, or found before the walk, with a guess at the registers that each one needs.

use super::{Counted, LITERAL, Loop, NO_LABEL, Walk};
use crate::LoopStart;
use crate::aarch64::decode::{Form, Word};
use crate::aarch64::encode::BR;
use crate::aarch64::values::{DOUBLE, GENERATORS, State, WORD};
use crate::why::Check;
use crate::written::Written;

impl Walk<'_, '_> {
    /// Marks the loops that the code's maker names.
    pub(super) fn take_named(&mut self, named: &[LoopStart]) {
        for start in named {
            let at = start.code_offset.wrapping_sub(self.function.offset);
            if !at.is_multiple_of(4) || at as usize / 4 >= self.words.len() {
                continue;
            }
            let at = at as usize / 4;
            let mut expected = State {
                floats: start.doubles >> GENERATORS,
                written: Written::ALL,
                ..State::EMPTY
            };
            for (register, holds) in expected.values.iter_mut().take(GENERATORS).enumerate() {
                if start.doubles >> register & 1 != 0 {
                    *holds = DOUBLE;
                } else if start.words >> register & 1 != 0 {
                    *holds = WORD;
                }
            }
            if self.mark_loop(at, at).is_err() {
                continue;
            }
            let slot = self.slots.get(at).copied().unwrap_or(NO_LABEL);
            let label = self.labels.get((slot as usize).wrapping_sub(1));
            let number = label.map_or(0, |label| label.loop_number as usize);
            if let Some(it) = self.loops.get_mut(number.wrapping_sub(1)) {
                it.expected.get_or_insert(expected).join(&expected);
            }
        }
    }

    /// Marks all targets of backward branches and of table entries. Skips the words of literals and tables.
    pub(super) fn find_loops(&mut self) -> Check {
        let mut at = 0;
        while let Some(word) = self.word(at) {
            // Filters by bits that all branches and loads of literals have.
            let looks_so = word >> 26 & 7 == 5 || word >> 24 == 0x5c;
            if !looks_so {
                at += 1;
                continue;
            }
            if let Some(end) = self.literal_around(at) {
                at = end;
                continue;
            }
            let form = match word >> 24 {
                0x14..=0x17 => Form::Branch,
                0x54 => Form::BranchIf,
                0x34 | 0x35 | 0xb4 | 0xb5 => Form::BranchZero,
                0x36 | 0x37 | 0xb6 | 0xb7 => Form::BranchBit,
                0x5c => {
                    let to = self.target(at, Word(word).distance(Form::Literal))?;
                    if to > at {
                        self.mark_literal(to)?;
                    }
                    at += 1;
                    continue;
                }
                0xd6 if word == BR => {
                    at = self.find_in_table(at + 1)?;
                    continue;
                }
                _ => {
                    at += 1;
                    continue;
                }
            };
            let distance = Word(word).distance(form);
            if distance <= 0 {
                let to = self.target(at, distance)?;
                self.mark_loop(to, at)?;
            }
            at += 1;
        }
        // The walk marks literals again when it visits the loads.
        self.forget_literals();
        Ok(())
    }

    pub(super) fn forget_literals(&mut self) {
        if std::mem::take(&mut self.has_literals) {
            for slot in self.slots.iter_mut().filter(|slot| **slot == LITERAL) {
                *slot = NO_LABEL;
            }
        }
    }

    /// If a word belongs to a literal, the position after that literal.
    pub(super) fn literal_around(&self, at: usize) -> Option<usize> {
        if !self.has_literals {
            return None;
        }
        let begins = |at: usize| self.slots.get(at) == Some(&LITERAL);
        match (begins(at), begins(at.wrapping_sub(1))) {
            (true, _) => Some(at + 2),
            (_, true) => Some(at + 1),
            (false, false) => None,
        }
    }

    /// The position after the table of a jump. Marks the targets of entries that go backwards.
    pub(super) fn find_in_table(&mut self, table: usize) -> Check<usize> {
        // The bound was moved to the second scratch register before the comparison.
        let Some(bound) = table
            .checked_sub(6)
            .and_then(|compare| self.constant_before(compare))
        else {
            return Ok(table);
        };
        let end = table.saturating_add(bound as usize + 1);
        for at in table..end.min(self.words.len()) {
            let entry = self.word(at).unwrap_or(0) as i32;
            let to = self.target(table, entry)?;
            if to < table {
                self.mark_loop(to, at)?;
            }
        }
        Ok(end)
    }

    pub(super) fn mark_loop(&mut self, to: usize, from: usize) -> Check {
        let next = self.loops.len() as u32 + 1;
        let label = self.label(to)?;
        let number = label.loop_number;
        if number == 0 {
            label.loop_number = next;
            self.loops.push(Loop {
                last: from,
                assumed: None,
                expected: None,
                counted: Counted::default(),
            });
        } else if let Some(it) = self.loops.get_mut(number as usize - 1) {
            it.last = from;
        }
        Ok(())
    }
}

/// The number of words that are inspected to guess which registers a loop needs.
const LOOKED_AT: usize = 128;

/// Guesses the registers that a loop with a call reads before it writes them or calls. Inspects the words in order, as
/// if there were no branches. Returns all registers if there is no call.
pub(super) fn needed(words: &[[u8; 4]], first: usize, last: usize) -> u32 {
    let (mut read, mut written) = (0u32, 0u32);
    let end = last.saturating_add(1).min(first.saturating_add(LOOKED_AT));
    for word in words.get(first..end).unwrap_or_default() {
        let word = Word(u32::from_le_bytes(*word));
        let (rd, rn, rm) = (1u32 << word.rd(), 1u32 << word.rn(), 1u32 << word.rm());
        let (reads, writes) = match word.0 >> 24 {
            0x94..=0x97 => return read,
            // `blr`.
            0xd6 if word.0 >> 16 == 0xd63f => return read,
            // The next word is reached from elsewhere.
            0xd6 | 0x14..=0x17 => {
                written = 0;
                continue;
            }
            0x54 => (0, 0),
            0x34..=0x37 | 0xb4..=0xb7 => (rd, 0),
            // Loads of constants.
            0x12 | 0x52 | 0x72 | 0x92 | 0xd2 | 0xf2 if word.0 >> 23 & 1 != 0 => (0, rd),
            // Loads and stores.
            0x38 | 0x39 | 0x78 | 0x79 | 0xb8 | 0xb9 | 0xf8 | 0xf9 => {
                let index = if word.0 >> 24 & 1 == 0 { rm } else { 0 };
                match word.access() {
                    0 => (rd | rn | index, 0),
                    _ => (rn | index, rd),
                }
            }
            0xa9 => (rd | 1 << word.ra(), 0),
            // Additions of immediates, and bit fields.
            0x11..=0x13
            | 0x31
            | 0x51
            | 0x53
            | 0x71
            | 0x72
            | 0x91..=0x93
            | 0xb1
            | 0xd1
            | 0xd3
            | 0xf1
            | 0xf2 => (rn, rd),
            // Floats.
            0x0e | 0x2e | 0x3c..=0x3d | 0x5c | 0x6f | 0xbc..=0xbd | 0xfc..=0xfd => (rn, 0),
            0x1e | 0x9e => (rn, rd),
            0x1b | 0x9b => (rn | rm | 1 << word.ra(), rd),
            _ => (rn | rm, rd),
        };
        read |= reads & !written;
        written |= writes;
    }
    u32::MAX
}
