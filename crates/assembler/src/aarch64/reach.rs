//! Branches that wait for their labels, and islands for those that would not
//! reach them.
//!
//! In: each instruction with a label that was not bound when it was emitted.
//! Out: its field, filled in when the label is bound; and before one that can be
//! helped would go out of reach, an *island*: veneers (`b label`, which reach
//! 128 MB) that stand in for the label, a constant pool, and a branch over both.
//!
//! All of it is linear. The waiting instructions are one list in the order of
//! their offsets. Those of one label are chained, so that binding visits each
//! once. Each class of reach has a cursor into the list, which only moves
//! forward: what it stands on is the class's oldest waiting instruction, and so
//! the first to go out of reach. An island serves the whole class and moves the
//! cursor to the end. The list forgets what does not wait any more: at its
//! beginning at once, further back when an island has left much of it.

use super::{Instructions, Label};
use crate::label::FinishError;
use std::collections::VecDeque;

/// Which field of an instruction holds the distance to its label.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Field {
    /// 14 bits at bit 5, in words: `tbz`, `tbnz`.
    Branch14 = 0,
    /// 19 bits at bit 5, in words: `b.cond`, `cbz`, `cbnz`.
    Branch19 = 1,
    /// 26 bits, in words: `b`, `bl`.
    Branch26 = 2,
    /// 19 bits at bit 5, in words: a load from the constant pool.
    Pool19 = 3,
    /// The same, from a place of the caller's.
    Load19 = 4,
    /// 21 bits in two parts, in bytes: `adr`.
    Adr21 = 5,
    /// None any more.
    Done = 6,
}

/// Above this many labels or waiting instructions, `take_code` frees the buffers instead of reusing them.
const LARGE: usize = 1 << 16;

/// The classes of reach, nearest first.
#[derive(Copy, Clone, PartialEq, Eq, Debug, PartialOrd, Ord)]
enum Class {
    /// 32 KB.
    Near = 0,
    /// 1 MB: branches and the pool's loads.
    Middle = 1,
    /// 128 MB.
    Far = 2,
}

impl Class {
    const ALL: [Self; 3] = [Self::Near, Self::Middle, Self::Far];

    /// The greatest distance forwards.
    const fn reach(self) -> u32 {
        match self {
            Self::Near => (1 << 15) - 4,
            Self::Middle => (1 << 20) - 4,
            Self::Far => (1 << 27) - 4,
        }
    }
}

impl Field {
    /// The class of reach; none for what an island cannot help.
    #[inline(always)]
    const fn class(self) -> Option<Class> {
        match self {
            Self::Branch14 => Some(Class::Near),
            Self::Branch19 | Self::Pool19 => Some(Class::Middle),
            Self::Branch26 => Some(Class::Far),
            Self::Load19 | Self::Adr21 | Self::Done => None,
        }
    }

    /// The field for this distance in bytes, if it fits.
    #[inline(always)]
    pub(super) const fn encode(self, distance: i32) -> Option<u32> {
        let words = distance >> 2;
        let (value, bits, shift) = match self {
            Self::Branch14 => (words, 14, 5),
            Self::Branch19 | Self::Pool19 | Self::Load19 => (words, 19, 5),
            Self::Branch26 => (words, 26, 0),
            Self::Adr21 => (distance, 21, 0),
            Self::Done => return None,
        };
        let fits = (value << (32 - bits)) >> (32 - bits) == value;
        if !fits || !matches!(self, Self::Adr21) && distance & 3 != 0 {
            return None;
        }
        if matches!(self, Self::Adr21) {
            let high = (value as u32 >> 2 & 0x7_FFFF) << 5;
            return Some((value as u32 & 3) << 29 | high);
        }
        Some((value as u32 & ((1 << bits) - 1)) << shift)
    }
}

/// An instruction at `at` that waits for `target`.
#[derive(Copy, Clone, Debug)]
struct Waiting {
    at: u32,
    target: Label,
    /// The one before in the chain of the same label.
    previous: u32,
    field: Field,
}

/// A list of fewer keeps what does not wait any more.
const FEW: usize = 1 << 12;

/// The end of a chain.
const END: u32 = u32::MAX;

/// What an island holds at most besides veneers and constants: the branch over
/// it and what aligns the constants. The branches over two islands that serve
/// nearer classes can come before it.
const ISLAND_OVERHEAD: u32 = 4 + 12 + 2 * 4;

/// For one byte of code, what an island may grow: a load of four bytes brings a
/// constant of sixteen, and is counted as a branch.
const GROWTH: u32 = 5;

/// The instructions that wait for their labels.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// By offset. Each veneer is at the offset where its island put it.
    list: VecDeque<Waiting>,
    /// The number of the first of the list. They are numbered in order, and go by their numbers.
    first: u32,
    /// For each label, the last of its chain, or `END`.
    chains: Vec<u32>,
    /// For each class, where its oldest waiting instruction is, or before that.
    cursors: [u32; 3],
    /// For each class, how many wait.
    counts: [u32; 3],
    /// How many wait that no island can help.
    others: u32,
    /// No island is due as long as the code ends here at the latest.
    limit: u32,
}

impl Default for Pending {
    fn default() -> Self {
        Self {
            list: VecDeque::new(),
            first: 0,
            chains: Vec::new(),
            cursors: [0; 3],
            counts: [0; 3],
            others: 0,
            limit: u32::MAX,
        }
    }
}

impl Pending {
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.first = 0;
        self.chains.clear();
        self.cursors = [0; 3];
        self.counts = [0; 3];
        self.others = 0;
        self.limit = u32::MAX;
    }

    /// Makes room for so many labels and as many waiting instructions.
    pub(super) fn reserve(&mut self, labels: usize) {
        // A quarter of the list may be what does not wait any more.
        self.list.reserve(labels / 2 * 3);
        self.chains.reserve(labels);
    }

    /// Whether the buffers are larger than is worth keeping.
    pub(super) fn is_large(&self) -> bool {
        self.list.capacity().max(self.chains.capacity()) > LARGE
    }

    #[inline(always)]
    pub(super) fn add_label(&mut self) {
        self.chains.push(END);
    }

    /// The first instruction that waits, and its label.
    pub(super) fn oldest(&self) -> Option<(Label, u32)> {
        if self.counts == [0; 3] && self.others == 0 {
            return None;
        }
        let first = self.list.iter().find(|one| one.field != Field::Done)?;
        Some((first.target, first.at))
    }

    #[inline]
    fn push(&mut self, at: u32, target: Label, field: Field, pool_bytes: u32) {
        let end = self.end();
        let chain = &mut self.chains[target.number() as usize];
        let previous = std::mem::replace(chain, end);
        self.list.push_back(Waiting {
            at,
            target,
            previous,
            field,
        });
        let Some(class) = field.class() else {
            self.others += 1;
            return;
        };
        let count = &mut self.counts[class as usize];
        *count += 1;
        let first = *count == 1;
        // An island holds one veneer more.
        self.grow_island(4);
        if first {
            let limit = self.class_limit(class, at, pool_bytes);
            self.limit = self.limit.min(limit);
        }
    }

    /// The number that the next one gets.
    #[inline(always)]
    fn end(&self) -> u32 {
        self.first + self.list.len() as u32
    }

    /// The instruction of this number, if the list still has it.
    #[inline(always)]
    fn get(&self, number: u32) -> Option<&Waiting> {
        self.list.get(number.wrapping_sub(self.first) as usize)
    }

    /// Records that the next island holds `bytes` more bytes.
    #[inline]
    pub(super) fn grow_island(&mut self, bytes: u32) {
        if self.limit != u32::MAX {
            self.limit = self.limit.saturating_sub(bytes);
        }
    }

    /// Where an island has to begin at the latest for an instruction of `class`
    /// at `at`. Veneers of nearer classes go before those of farther ones; the
    /// constants go between the second and the third class.
    fn class_limit(&self, class: Class, at: u32, pool_bytes: u32) -> u32 {
        let veneers: u32 = self.counts[..=class as usize].iter().sum();
        let pool = if class == Class::Near { 0 } else { pool_bytes };
        at.saturating_add(class.reach())
            .saturating_sub(veneers.saturating_mul(4))
            .saturating_sub(ISLAND_OVERHEAD)
            .saturating_sub(pool)
    }

    /// Moves the cursor of `class` to its oldest waiting instruction, and says
    /// where an island has to begin for it.
    fn advance(&mut self, class: Class, pool_bytes: u32) -> Option<u32> {
        let mut cursor = self.cursors[class as usize].max(self.first);
        if self.counts[class as usize] == 0 {
            self.cursors[class as usize] = self.end();
            return None;
        }
        let oldest = loop {
            let one = self.get(cursor)?;
            if one.field.class() == Some(class) {
                break *one;
            }
            cursor += 1;
        };
        self.cursors[class as usize] = cursor;
        Some(self.class_limit(class, oldest.at, pool_bytes))
    }

    /// Takes the instruction of this number off the list, if it is still there.
    #[inline(always)]
    fn remove(&mut self, number: u32) -> Option<Waiting> {
        let at = number.wrapping_sub(self.first) as usize;
        let one = self.list.get_mut(at)?;
        let removed = *one;
        one.field = Field::Done;
        match removed.field.class() {
            Some(class) => self.counts[class as usize] -= 1,
            None => self.others -= u32::from(removed.field != Field::Done),
        }
        if at == 0 {
            self.forget_first();
        }
        Some(removed)
    }

    /// Forgets those at the beginning of the list that do not wait any more.
    fn forget_first(&mut self) {
        while let Some(one) = self.list.front()
            && one.field == Field::Done
        {
            self.list.pop_front();
            self.first += 1;
        }
    }

    /// Forgets all that do not wait any more, if these are a quarter of the list: the others get new numbers.
    fn forget(&mut self) {
        let waiting = self.counts.iter().sum::<u32>() + self.others;
        if self.list.len() < FEW || waiting as usize > self.list.len() / 4 * 3 {
            return;
        }
        let end = self.end();
        let mut number = end;
        for one in &self.list {
            if one.field != Field::Done {
                self.chains[one.target.number() as usize] = END;
            }
        }
        self.list.retain_mut(|one| {
            if one.field == Field::Done {
                return false;
            }
            let chain = &mut self.chains[one.target.number() as usize];
            one.previous = std::mem::replace(chain, number);
            number += 1;
            true
        });
        self.first = end;
        // Each moves on to its oldest one.
        self.cursors = [end; 3];
    }
}

impl Instructions {
    /// Emits `instruction`, with its distance to `label` in `field` now or when
    /// `label` is bound.
    #[inline(always)]
    pub(super) fn put_with_label(&mut self, instruction: u32, field: Field, label: Label) {
        let at = self.offset();
        let bits = match self.labels.offset(label) {
            Some(target) => self.encode_distance(field, at, target, label),
            None => {
                self.wait(at, label, field);
                0
            }
        };
        self.put(instruction | bits);
    }

    /// Notes that the instruction at `at` waits for `label`.
    #[inline]
    pub(super) fn wait(&mut self, at: u32, label: Label, field: Field) {
        self.pending.push(at, label, field, self.pool.bytes());
    }

    #[inline]
    fn encode_distance(&mut self, field: Field, at: u32, target: u32, label: Label) -> u32 {
        field
            .encode(target.wrapping_sub(at) as i32)
            .unwrap_or_else(|| {
                self.error
                    .get_or_insert(FinishError::OutOfReach { label, at });
                0
            })
    }

    /// Fills in what waits for `label`, bound at `here`.
    #[inline]
    pub(super) fn fill_in(&mut self, label: Label, here: u32) {
        let chain = &mut self.pending.chains[label.number() as usize];
        let mut number = std::mem::replace(chain, END);
        // Older ones than the list has do not wait any more.
        while number != END
            && let Some(one) = self.pending.remove(number)
        {
            if one.field != Field::Done {
                self.fill_in_one(one, here);
            }
            number = one.previous;
        }
    }

    fn fill_in_one(&mut self, one: Waiting, target: u32) {
        let bits = self.encode_distance(one.field, one.at, target, one.target);
        let at = one.at as usize;
        let mut word = [0; 4];
        word.copy_from_slice(&self.buffer.bytes()[at..at + 4]);
        self.buffer
            .patch_u32(one.at, u32::from_le_bytes(word) | bits);
    }

    /// Says that at most `bytes` bytes follow until this is called again (or the
    /// code is finished), and that an island may be put here: if in these bytes
    /// one could become due, it is.
    ///
    /// To be called where control may pass over an island and no address was
    /// noted that it would part from what follows. Without it no island is ever
    /// emitted, and a branch that does not reach its label is an error of
    /// [`finish`](super::Assembler::finish).
    ///
    /// In stretches of up to 16 KB, any number of branches and constants is
    /// helped. Longer ones are for data, such as jump tables, and must not begin
    /// with a branch over more than its reach.
    #[inline]
    pub fn keep_in_range(&mut self, bytes: u32) {
        // What an island may have grown by then is taken into account.
        let room = bytes.saturating_mul(1 + GROWTH);
        if self.offset().saturating_add(room) > self.pending.limit {
            self.emit_due_islands(room);
        }
    }

    #[cold]
    #[inline(never)]
    fn emit_due_islands(&mut self, room: u32) {
        let mut served = None;
        // An island may make one for a farther class due.
        let limits = loop {
            let pool_bytes = self.pool.bytes();
            let limits = Class::ALL.map(|class| self.pending.advance(class, pool_bytes));
            let end = self.offset().saturating_add(room);
            let due = |class: &Class| {
                Some(*class) > served && limits[*class as usize].is_some_and(|limit| end > limit)
            };
            let Some(class) = Class::ALL.into_iter().rfind(due) else {
                break limits;
            };
            self.emit_island(class);
            served = Some(class);
        };
        self.pending.limit = limits.into_iter().flatten().min().unwrap_or(u32::MAX);
    }

    /// Emits a branch over an island for `farthest` and all nearer classes (which
    /// the island might part from their labels), and the island.
    fn emit_island(&mut self, farthest: Class) {
        let start = self.offset();
        self.put(0);
        let end = self.pending.end();
        for class in Class::ALL {
            if class <= farthest {
                self.emit_veneers(class, end);
            }
            if class == Class::Middle && farthest != Class::Near {
                self.emit_pool();
            }
        }
        let distance = self.offset().wrapping_sub(start);
        // An island is far smaller than the reach of the branch over it: it has
        // one veneer for each instruction of a stretch of 128 MB at most.
        let bits = Field::Branch26.encode(distance as i32);
        debug_assert!(bits.is_some(), "a branch reaches over an island");
        self.buffer
            .patch_u32(start, super::branch::B | bits.unwrap_or(0));
        self.pending.forget();
    }

    /// Emits a veneer for each label that instructions of `class` among the
    /// first `end` wait for, and makes it their target.
    fn emit_veneers(&mut self, class: Class, end: u32) {
        let start = self.pending.cursors[class as usize];
        let mut waiting: Vec<(Label, u32)> = (start.max(self.pending.first)..end)
            .filter_map(|number| Some((self.pending.get(number)?, number)))
            .filter(|(one, _)| one.field.class() == Some(class) && one.field != Field::Pool19)
            .map(|(one, number)| (one.target, number))
            .collect();
        waiting.sort_unstable();
        for group in waiting.chunk_by(|a, b| a.0 == b.0) {
            let veneer = self.offset();
            for &(_, number) in group {
                if let Some(one) = self.pending.remove(number) {
                    self.fill_in_one(one, veneer);
                }
            }
            self.put_with_label(super::branch::B, Field::Branch26, group[0].0);
        }
    }
}
