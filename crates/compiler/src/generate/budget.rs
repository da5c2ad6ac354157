//! The budget: how much code branches may take.
//!
//! A branch of two bytes may have to store the register of every local and to load another one: hundreds of bytes of
//! code. Such branches are rare in programs, but an adversarial module can consist of them. So each byte of Wasm allows
//! a number of bytes of code, and branches, labels and loops may take what the code so far has left of that allowance.
//! Programs never use it up. Beyond the allowance, a branch takes the *long way*, which needs no code of its own:
//!
//! - Values that are not at home go home before the branch, once until they are written again. The write that made a
//!   store necessary pays for it.
//! - The branch goes to the label's *entry from homes*, which loads all locals that the label has in registers and
//!   jumps to the label. A label has one such entry, whose bytes are reserved when the label gets its registers.
//! - After a label, locals that were at home before it may have to go home again. Their bytes are reserved too.
//! - A label whose bytes cannot be reserved has no registers: all locals alive there are at home. So has a loop.
//!
//! Beyond the allowance, an operation of many instructions (a conversion, a canonicalisation) is a call of shared code.
//!
//! The budget depends on the body and the target alone, and not on other functions.

use super::Generator;
use super::blocks::{BlockIndex, LabelState};
use super::state::{LocalSet, Location};
use crate::analysis::contains;
use crate::isa::masm::{MacroAssembler, Reg, RegSet, Width};
use pvf_assembler::Label;
use std::ops::RangeInclusive;

/// Bytes of code for each byte of Wasm up to which branches take the short way.
pub(super) const CODE_PER_BYTE: u64 = 7;

/// Bytes of code that a body may have in advance, for each byte of all of it and in all.
const ADVANCE_PER_BYTE: u64 = 6;
const MOST_ADVANCE: u64 = 4096;

/// About the most bytes that a load, store or move takes.
const MOVE_BYTES: u64 = 9;

/// About the most bytes of a jump.
const JUMP_BYTES: u64 = 6;

/// About the most bytes of an operation that functions can share, and what they may have in advance in one function.
const SHARED_BYTES: u64 = 64;
const SHARED_ADVANCE: RangeInclusive<u64> = 128..=512;

/// The budget of one function.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    /// Start offsets of the function in the code and in the module.
    code_start: u32,
    body_start: u32,
    /// Bytes of code that the function may have in advance.
    advance: u64,
    /// Bytes reserved: entries from homes of open labels, and code after the function.
    reserved: u64,
}

impl Budget {
    /// The budget of a function.
    pub fn new(code_start: u32, body_start: u32, body_bytes: u32) -> Self {
        Self {
            code_start,
            body_start,
            advance: (u64::from(body_bytes) * ADVANCE_PER_BYTE).min(MOST_ADVANCE),
            reserved: 0,
        }
    }
}

/// A label's entry from homes, to be emitted after the function.
#[derive(Clone, Copy, Debug)]
pub(super) struct HomeEntry {
    entry: Label,
    /// The label's place.
    place: Label,
    /// The state at the label.
    state: LabelState,
}

/// Bytes that a label with these registers may take: its entry from homes, and one more store of each register.
fn reserve(registers: RegSet) -> u32 {
    match registers.len() as u32 {
        0 => 0,
        count => 2 * count * MOVE_BYTES as u32 + JUMP_BYTES as u32,
    }
}

impl<M: MacroAssembler> Generator<'_, M> {
    /// Whether the budget allows `bytes` more bytes.
    pub(super) fn affords(&self, bytes: u64) -> bool {
        self.affords_ahead(bytes, self.budget.advance)
    }

    /// Whether the budget allows `bytes` more bytes, with `advance` bytes in advance.
    fn affords_ahead(&self, bytes: u64, advance: u64) -> bool {
        let budget = &self.budget;
        let code = u64::from(self.masm.offset() - budget.code_start) + budget.reserved + bytes;
        let body = u64::from(self.rest.offset().saturating_sub(budget.body_start));
        code <= body * CODE_PER_BYTE + advance
    }

    /// Whether the budget allows `moves` moves and a jump.
    pub(super) fn affords_moves(&self, moves: usize) -> bool {
        self.affords(moves as u64 * MOVE_BYTES + JUMP_BYTES)
    }

    /// Whether the budget allows a label with these registers.
    pub(super) fn affords_label(&self, registers: RegSet) -> bool {
        self.affords(reserve(registers).into())
    }

    /// Whether the budget allows a loop with the registers that locals have now and `loaded` more, which have to be
    /// loaded.
    pub(super) fn affords_loop(&self, loaded: usize) -> bool {
        let moves = 2 * self.state.held.len() + 3 * loaded;
        self.affords_moves(moves)
    }

    /// Whether an operation of many instructions has to be a call of shared code.
    pub(super) fn shares_code(&self) -> bool {
        let (least, most) = SHARED_ADVANCE.into_inner();
        let advance = self.budget.advance.clamp(least, most);
        !self.affords_ahead(SHARED_BYTES, advance)
            && (M::CALLS_IN_LEAVES || self.analysis.calls_anything())
    }

    /// Makes any NaN in a register the canonical one.
    pub(super) fn canonicalise(&mut self, width: Width, register: Reg) {
        if self.shares_code() {
            return self.masm.canonicalise_shared(width, register);
        }
        self.masm.canonicalise(width, register);
        self.budget.reserved += M::LATE_CANONICALISATION_BYTES;
    }

    /// Leaves the code since `from` out of the budget: it belongs to a loop of many bytes of Wasm.
    pub(super) fn not_counted(&mut self, from: u32) {
        self.budget.code_start += self.masm.offset() - from;
    }

    /// Reserves what a label with these registers may cost.
    pub(super) fn reserve(&mut self, registers: RegSet) -> u32 {
        let bytes = reserve(registers);
        self.budget.reserved += u64::from(bytes);
        bytes
    }

    /// Reserves stores for a label whose state is about to become the present one. `dirty` are the registers whose
    /// locals are not at home in that state; those beyond the number dirty now may have to be stored again.
    pub(super) fn account_for_dirty(&mut self, dirty: RegSet) {
        if dirty.is_empty() {
            return;
        }
        let mut now = 0;
        for register in self.state.held.iter() {
            now += usize::from(!self.state.home.contains(self.state.holder(register)));
        }
        self.budget.reserved += dirty.len().saturating_sub(now) as u64 * MOVE_BYTES;
    }

    /// Closes the innermost block: what is reserved for its label is free, the entry from homes is to be emitted.
    pub(super) fn close_block(&mut self) {
        let Some((block, state)) = self.blocks.close() else {
            return;
        };
        self.budget.reserved -= u64::from(state.reserved);
        if let (Some(entry), Some(place)) = (state.home_entry, block.place) {
            self.home_entries.push(HomeEntry {
                entry,
                place,
                state,
            });
        }
    }

    /// The label's entry from homes.
    pub(super) fn home_entry(&mut self, block: BlockIndex) -> Label {
        // Its place must be known when it is emitted.
        self.place(block);
        let masm = &mut self.masm;
        *self.blocks[block]
            .home_entry
            .get_or_insert_with(|| masm.new_label())
    }

    /// Emits the entries of the function.
    pub(super) fn emit_home_entries(&mut self) {
        let mut entries = std::mem::take(self.home_entries);
        for HomeEntry {
            entry,
            place,
            state,
        } in entries.drain(..)
        {
            self.masm.bind(entry);
            for register in state.held.iter() {
                let local = state.local(register);
                let ty = self.analysis.locals.ty(local);
                self.masm.load_slot(ty, register, self.local_slot(local));
            }
            self.masm.jump(place);
        }
        *self.home_entries = entries;
    }

    /// Sends all locals home that have a value in a register or known alone.
    pub(super) fn send_all_home(&mut self) {
        for register in self.state.held.iter() {
            let local = self.state.holder(register);
            if !self.state.home.contains(local) {
                let ty = self.analysis.locals.ty(local);
                self.masm.store_slot(ty, self.local_slot(local), register);
                self.state.home.insert(local);
            }
        }
        let constants = self.state.constant.without(self.state.home);
        for local in constants.members_in(&[u64::MAX; LocalSet::WORDS]) {
            self.send_constant_home(local);
        }
    }

    /// Sends home all locals alive at a label. The flags stay.
    pub(super) fn send_live_home(&mut self, block: BlockIndex) {
        let live = self.live(block);
        for register in self.state.held.iter() {
            let local = self.state.holder(register);
            if contains(live, local) && !self.state.home.contains(local) {
                let ty = self.analysis.locals.ty(local);
                self.masm.store_slot(ty, self.local_slot(local), register);
                self.state.home.insert(local);
            }
        }
        let constants = self.state.constant.without(self.state.home);
        for local in constants.members_in(live) {
            self.send_constant_home(local);
        }
    }

    /// Takes the long way to a fixed label: everything alive there is at home. Several values that are carried go to
    /// their places; where to jump.
    pub(super) fn plan_long_way(&mut self, block: BlockIndex) -> Label {
        let target = self.blocks[block];
        self.edge_stores.clear();
        self.edge_moves.clear();
        self.plan_values(block, target.value);
        match target.held.is_empty() {
            true => self.place(block),
            false => self.home_entry(block),
        }
    }

    /// Makes the value that is carried to several labels one that takes a move of a register at most.
    pub(super) fn carry_in_register(&mut self, arity: u32) {
        if arity == 1 {
            self.own_top();
        }
    }

    /// The slots of operands at home, one after the other, of which none has a register or is known.
    pub(super) fn all_at_home(&self, from: u32, count: u32) -> bool {
        let positions = from as usize..(from + count) as usize;
        self.state.not_homed(positions).all(|position| {
            self.state.operands[position].location == Location::Home(position as u32)
        })
    }

    /// Copies the homes of operands from one position to another.
    pub(super) fn copy_operands(&mut self, from: u32, to: u32, count: u32) {
        if from == to || count == 0 {
            return;
        }
        // The last of them has the lowest slot.
        let (src, dst) = (
            self.operand_slot(from + count - 1),
            self.operand_slot(to + count - 1),
        );
        self.masm.copy_slots(dst, src, count);
    }
}
