//! Liveness: which locals are alive at which labels.
//!
//! Backward passes over the events of pass 1. At a branch, the locals alive are those at its label. The set at a loop's
//! start is not known when the pass meets the loop's end, so it is assumed to be empty, and the pass is repeated until
//! the assumption holds. Real code needs one pass more than its loops are nested. After [`MAX_PASSES`], all locals are
//! assumed to be alive at every loop's start, which is sound and needs no further pass: the time stays linear for any
//! code.
//!
//! Only the first [`TRACKED_LOCALS`] locals take part, so that a set is at most four words. Pass 2 keeps the others in
//! their homes and needs no liveness of them.

use super::{LabelId, LabelInfo};

/// Locals from this index on are only in their homes.
pub(crate) const TRACKED_LOCALS: u32 = 256;

const MAX_PASSES: u32 = 6;

/// Functions whose sets have at least this many words share equal sets between labels.
const MANY_WORDS: usize = 1 << 14;

/// Whether a set of tracked locals holds one.
pub(crate) fn contains(set: &[u64], local: u32) -> bool {
    set.get(local as usize / 64)
        .is_some_and(|word| word >> (local % 64) & 1 != 0)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum EventKind {
    Get,
    Set,
    Tee,
    LoopStart,
    IfStart,
    Else,
    End,
    Branch,
    Stop,
}

/// An event with a local or a label, in five bytes.
#[derive(Clone, Copy)]
#[repr(Rust, packed)]
pub(super) struct Event {
    kind: EventKind,
    argument: u32,
}

impl Event {
    #[inline(always)]
    pub fn new(kind: EventKind, argument: u32) -> Self {
        Self { kind, argument }
    }
}

/// The sets of one function.
#[derive(Default)]
pub(super) struct Liveness {
    /// Words of a set.
    words: usize,
    /// One set per label, or those of many labels as they differ.
    live: Vec<u64>,
    /// Index of the set of each label, if labels share equal sets.
    live_places: Vec<u32>,
    /// Two sets, accessed and written, for each of the open loops that has any, the innermost last.
    open: Vec<u64>,
    /// Whether the innermost open loop has any: something is accessed in it.
    has_sets: bool,
    /// The sets of loops that have ended; consecutive loops with equal sets share them. Their labels say where.
    loops: Vec<u64>,
}

impl Liveness {
    pub fn begin(&mut self, tracked: u32) {
        self.words = tracked.div_ceil(64) as usize;
        self.live.clear();
        self.live_places.clear();
        self.open.clear();
        self.has_sets = false;
        // The sets of loops in which nothing is accessed.
        self.loops.clear();
        self.loops.resize(2 * self.words, 0);
    }

    pub fn live(&self, label: LabelId) -> &[u64] {
        let place = match self.live_places.get(label as usize) {
            Some(&place) => place as usize,
            None => label as usize * self.words,
        };
        &self.live[place..][..self.words]
    }

    pub fn accessed(&self, info: LabelInfo) -> &[u64] {
        &self.loops[info.number() as usize..][..self.words]
    }

    pub fn written(&self, info: LabelInfo) -> &[u64] {
        &self.loops[info.number() as usize + self.words..][..self.words]
    }

    /// A new innermost loop.
    pub fn enter_loop(&mut self) {
        self.has_sets = false;
    }

    /// Notes an access in the innermost loop, which has this label.
    #[inline(always)]
    pub fn access(&mut self, info: &mut LabelInfo, local: u32, write: bool) {
        if local >= TRACKED_LOCALS {
            return;
        }
        if !self.has_sets {
            self.begin_sets(info);
        }
        let at = self.open.len() - 2 * self.words + local as usize / 64;
        let bit = 1 << (local % 64);
        self.open[at] |= bit;
        if write {
            self.open[at + self.words] |= bit;
        }
    }

    /// Something is accessed in the innermost loop.
    #[cold]
    fn begin_sets(&mut self, info: &mut LabelInfo) {
        self.has_sets = true;
        info.set(LabelInfo::HAS_SETS, true);
        self.open.resize(self.open.len() + 2 * self.words, 0);
    }

    /// The innermost loop, which has this label, has ended; now the one around it is. What is accessed in a loop is
    /// accessed in the one around it.
    pub fn leave_loop(&mut self, labels: &mut [LabelInfo], label: LabelId) {
        let around = labels[label as usize].around();
        let around_has = around.is_some_and(|around| labels[around as usize].has_sets());
        let has_sets = std::mem::replace(&mut self.has_sets, around_has);
        if !has_sets {
            return labels[label as usize].set_number(0);
        }
        let size = 2 * self.words;
        let start = self.open.len() - size;
        let (outer, inner) = self.open.split_at_mut(start);
        if !self.loops.ends_with(inner) {
            self.loops.extend_from_slice(inner);
        }
        labels[label as usize].set_number((self.loops.len() - size) as u32);
        match around {
            // It has them from now on.
            Some(around) if !around_has => {
                self.has_sets = true;
                return labels[around as usize].set(LabelInfo::HAS_SETS, true);
            }
            Some(_) => {
                let around = &mut outer[start - size..];
                around
                    .iter_mut()
                    .zip(&*inner)
                    .for_each(|(outer, inner)| *outer |= inner);
            }
            None => {}
        }
        self.open.truncate(start);
    }

    /// All loops have ended: frees what is known of open ones.
    pub fn free_open(&mut self) {
        self.open = Vec::new();
    }

    /// Labels one after the other that have the same set share it from now on, if there are many.
    fn share_live(&mut self) {
        if self.live.len() < MANY_WORDS {
            return;
        }
        let words = self.words;
        let mut end = 0;
        for start in (0..self.live.len()).step_by(words) {
            let (kept, rest) = self.live.split_at(start);
            if end == 0 || kept[end - words..end] != rest[..words] {
                self.live.copy_within(start..start + words, end);
                end += words;
            }
            self.live_places.push((end - words) as u32);
        }
        self.live.truncate(end);
        self.live.shrink_to_fit();
    }

    /// Finds the live sets of all labels; fills `dead`, which has a flag per local access in
    /// forward order.
    pub fn solve(&mut self, events: &[Event], labels: &[LabelInfo], dead: &mut [bool]) {
        self.find(events, labels, dead);
        self.share_live();
    }

    fn find(&mut self, events: &[Event], labels: &[LabelInfo], dead: &mut [bool]) {
        self.live.resize(labels.len() * self.words, 0);
        let has_loops = labels.iter().any(|label| label.is_loop());
        for pass in 1.. {
            let changed = self.pass(events, labels, dead);
            if !has_loops || !changed {
                return;
            }
            if pass == MAX_PASSES {
                for (label, _) in labels.iter().enumerate().filter(|(_, info)| info.is_loop()) {
                    self.live[label * self.words..][..self.words].fill(u64::MAX);
                }
                self.pass(events, labels, dead);
                // The pass has left smaller sets at the loops' starts; they hold too,
                // since they follow from larger ones, and branches used the larger.
                return;
            }
        }
    }

    /// One backward pass; whether what is alive at a loop's start changed.
    fn pass(&mut self, events: &[Event], labels: &[LabelInfo], dead: &mut [bool]) -> bool {
        match self.words {
            0 => {
                dead.fill(false);
                false
            }
            1 => self.pass_of::<1>(events, labels, dead),
            2 => self.pass_of::<2>(events, labels, dead),
            3 => self.pass_of::<3>(events, labels, dead),
            _ => self.pass_of::<4>(events, labels, dead),
        }
    }

    fn pass_of<const W: usize>(
        &mut self,
        events: &[Event],
        labels: &[LabelInfo],
        dead: &mut [bool],
    ) -> bool {
        let mut now = [0u64; W];
        let mut changed = false;
        let mut access = dead.len();
        let (sets, _) = self.live.as_chunks_mut::<W>();
        for event in events.iter().rev() {
            let Event { kind, argument } = *event;
            let argument = argument as usize;
            match kind {
                EventKind::Get | EventKind::Set | EventKind::Tee => {
                    access -= 1;
                    if argument >= TRACKED_LOCALS as usize {
                        dead[access] = false;
                        continue;
                    }
                    let word = &mut now[argument / 64];
                    let bit = 1 << (argument % 64);
                    dead[access] = *word & bit == 0;
                    if kind == EventKind::Get {
                        *word |= bit;
                    } else {
                        *word &= !bit;
                    }
                }
                EventKind::End => sets[argument] = now,
                EventKind::Branch => union(&mut now, &sets[argument]),
                EventKind::Stop => now = [0; W],
                EventKind::Else => {
                    if let Some(other) = labels[argument].else_label() {
                        sets[other as usize] = now;
                    }
                    now = sets[argument];
                }
                EventKind::IfStart => {
                    let other = labels[argument].else_label();
                    let other = other.map_or(argument, |other| other as usize);
                    union(&mut now, &sets[other]);
                }
                EventKind::LoopStart => {
                    changed |= sets[argument] != now;
                    sets[argument] = now;
                }
            }
        }
        changed
    }
}

fn union<const W: usize>(set: &mut [u64; W], other: &[u64; W]) {
    set.iter_mut()
        .zip(other)
        .for_each(|(word, other)| *word |= other);
}
