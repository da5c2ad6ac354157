//! Parallel moves: many values change places at once.
//!
//! Values go from registers, homes and constants into registers. Moves between
//! registers are ordered so that none overwrites a source still needed; a cycle is
//! broken by exchanges. Loads come last, when all registers they write have been read.

use crate::isa::masm::{MacroAssembler, Reg, RegSet};
use crate::types::ValType;

/// The source of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Reg(Reg),
    Slot(u32),
    Const(u64),
}

/// Values on their way into registers; each destination appears once.
#[derive(Default)]
pub(super) struct ParallelMove {
    moves: Vec<(Reg, Origin, ValType)>,
}

impl ParallelMove {
    pub fn clear(&mut self) {
        self.moves.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.moves.is_empty()
    }

    /// Number of moves.
    pub fn len(&self) -> usize {
        self.moves.len()
    }

    /// The registers that are written.
    pub fn destinations(&self) -> RegSet {
        let mut all = RegSet::default();
        for &(dst, ..) in &self.moves {
            all.insert(dst);
        }
        all
    }

    /// Adds a move. Moving a register to itself is ignored.
    pub fn add(&mut self, dst: Reg, from: Origin, ty: ValType) {
        if from != Origin::Reg(dst) {
            self.moves.push((dst, from, ty));
        }
    }

    /// Emits the moves and forgets them.
    pub fn emit(&mut self, masm: &mut impl MacroAssembler) {
        let mut source = [None; Reg::COUNT];
        let mut readers = [0u8; Reg::COUNT];
        let mut pending = RegSet::default();
        for &(dst, from, ty) in &self.moves {
            if let Origin::Reg(src) = from {
                source[dst.index()] = Some((src, ty));
                readers[src.index()] += 1;
                pending.insert(dst);
            }
        }
        self.emit_chains(masm, &source, &mut readers, &mut pending);
        emit_cycles(masm, &source, pending);
        for (dst, from, ty) in self.moves.drain(..) {
            match from {
                Origin::Reg(_) => {}
                Origin::Slot(slot) => masm.load_slot(ty, dst, slot),
                Origin::Const(bits) => masm.load_const(ty, dst, bits),
            }
        }
    }

    /// Moves into registers that no pending move reads, until only cycles are left.
    fn emit_chains(
        &self,
        masm: &mut impl MacroAssembler,
        source: &[Option<(Reg, ValType)>; Reg::COUNT],
        readers: &mut [u8; Reg::COUNT],
        pending: &mut RegSet,
    ) {
        for start in pending.iter() {
            let mut dst = start;
            while pending.contains(dst) && readers[dst.index()] == 0 {
                let Some((src, ty)) = source[dst.index()] else {
                    break;
                };
                masm.move_register(ty, dst, src);
                pending.remove(dst);
                readers[src.index()] -= 1;
                dst = src;
            }
        }
    }
}

/// Emits the moves still pending, which are cycles, each within one class.
fn emit_cycles(
    masm: &mut impl MacroAssembler,
    source: &[Option<(Reg, ValType)>; Reg::COUNT],
    mut pending: RegSet,
) {
    while let Some(start) = pending.iter().next() {
        pending.remove(start);
        let mut dst = start;
        // After an exchange `dst` has its value and `src` the one that was in `dst`: what
        // the last of the cycle wants.
        while let Some((src, _)) = source[dst.index()] {
            if src == start {
                break;
            }
            masm.exchange(dst, src);
            pending.remove(src);
            dst = src;
        }
    }
}
