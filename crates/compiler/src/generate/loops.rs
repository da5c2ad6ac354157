//! Loop entry: where a loop's locals are on every iteration.
//!
//! A loop's label is fixed when the loop begins: the heaviest of the locals used in it get registers and have them
//! again at every branch back.

use super::Generator;
use super::blocks::{BlockIndex, flag};
use crate::analysis::contains;
use crate::artifact::LoopStart;
use crate::instruction::LabelId;
use crate::isa::masm::{Class, MacroAssembler};
use crate::types::ValType;

/// Registers of each class that a loop leaves free for temporaries.
const LOOP_TEMPORARIES: usize = 4;

/// The most loops that are noted in a piece of code, so that a body of nothing but loops takes no more memory for them. Real
/// code has one in hundreds of bytes.
const MOST_NOTED: usize = 4096;

impl<M: MacroAssembler> Generator<'_, M> {
    /// The start of a loop: decides where its locals are on every iteration.
    pub(super) fn begin_loop(&mut self, block: BlockIndex) {
        let label = self.blocks.get(block).label;
        let info = self.analysis.labels[label as usize];
        let idiom = self.analysis.idiom(label);
        self.forget_dead(block);
        if idiom.is_some() {
            self.reserve_block_registers();
        }
        self.choose_loop_locals(label, info.has_calls());
        let live = self.analysis.live(label);
        let constants = self.state.constant;
        // Most are at home already, where loops begin one after the other.
        for local in constants.without(self.state.home).members_in(live) {
            self.send_constant_home(local);
        }
        let written = self.analysis.written(label);
        self.state.constant = constants.without(constants.and(written));
        for register in self.state.held.iter() {
            let local = self.state.holder(register);
            if contains(written, local) {
                self.state.home.remove(local);
            }
            let clean = self.state.home.contains(local);
            self.blocks[block].hold(register, local, clean);
        }
        self.blocks.get_mut(block).set(flag::FIXED | flag::BOUND);
        self.reserve_entry(block);
        if let Some(idiom) = idiom {
            let start = self.masm.offset();
            self.do_iterations_at_once(idiom);
            self.not_counted(start);
        }
        let place = self.place(block);
        self.masm.bind(place);
        self.note_start(block);
    }

    /// Notes a loop's start, which is here, for those who read the code.
    fn note_start(&mut self, block: BlockIndex) {
        if self.loops.len() == MOST_NOTED {
            return;
        }
        let mut start = LoopStart {
            code_offset: self.masm.offset(),
            ..LoopStart::default()
        };
        let state = &self.blocks[block];
        for register in state.held.iter() {
            let ty = self.analysis.locals.ty(state.local(register));
            let registers = match ty {
                ValType::I32 => &mut start.words,
                ValType::I64 | ValType::F32 | ValType::F64 => &mut start.doubles,
            };
            *registers |= 1 << register.index();
        }
        self.loops.push(start);
    }

    /// Gives registers to the heaviest locals of a loop and takes them from others, so that
    /// enough are left for what the loop computes.
    fn choose_loop_locals(&mut self, label: LabelId, has_calls: bool) {
        for class in [Class::General, Class::Float] {
            let registers = self.registers.of(class);
            let mut room = match has_calls {
                true => 0,
                false => registers.len() - LOOP_TEMPORARIES,
            };
            let mut chosen = std::mem::take(self.loop_locals);
            chosen.clear();
            if room != 0 {
                self.heaviest(label, class, room, &mut chosen);
            }
            // The other class may have as many.
            let loaded = chosen.iter();
            let loaded = loaded.filter(|&&local| self.state.register[local as usize].is_none());
            if !self.affords_loop(loaded.count()) {
                chosen.clear();
                room = 0;
            }
            // Other locals keep their registers while registers are left.
            let mut spare = room - chosen.len();
            for register in self.state.held.and(registers).iter() {
                let local = self.state.holder(register);
                if chosen.contains(&local) {
                    continue;
                }
                if spare == 0 {
                    self.spill_register(register);
                } else {
                    spare -= 1;
                }
            }
            for &local in &chosen {
                if self.state.register[local as usize].is_none() {
                    self.load_loop_local(local);
                }
            }
            *self.loop_locals = chosen;
        }
    }

    /// The heaviest locals of a class that are accessed in a loop and alive at its start, of equal ones the
    /// first.
    fn heaviest(&self, label: LabelId, class: Class, room: usize, chosen: &mut Vec<u32>) {
        let alive = self.all_tracked.and(self.analysis.live(label));
        let weights = &self.analysis.weights[..];
        let mut least = 0;
        for local in alive.members_in(self.analysis.accessed(label)) {
            let weight = weights[local as usize];
            let full = chosen.len() == room;
            if full && weight <= least || self.analysis.locals.ty(local).class() != class {
                continue;
            }
            if full {
                chosen.pop();
            }
            let lighter = |&other: &u32| weights[other as usize] < weight;
            let at = chosen.iter().position(lighter).unwrap_or(chosen.len());
            chosen.insert(at, local);
            least = chosen.last().map_or(0, |&last| weights[last as usize]);
        }
    }

    fn load_loop_local(&mut self, local: u32) {
        let ty = self.analysis.locals.ty(local);
        let preferred = self.state.preferred[local as usize];
        let Some(register) = self.free_register(ty.class(), preferred) else {
            return;
        };
        if self.state.constant.contains(local) {
            self.masm
                .load_const(ty, register, self.state.constants[local as usize]);
            self.state.constant.remove(local);
        } else {
            self.masm.load_slot(ty, register, self.local_slot(local));
        }
        self.state.bind_local(local, register);
    }
}
