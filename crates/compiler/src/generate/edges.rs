//! Edges: the ways from the code to a label.
//!
//! An edge moves what is elsewhere to where the label has it. Nothing is flushed: a local in a register stays there,
//! and a local that is not alive at the label is forgotten.

use super::Generator;
use super::blocks::{BlockIndex, Carried, LabelState, flag};
use super::moves::Origin;
use super::state::{Bits, Location, Owner};
use crate::analysis::contains;
use crate::instruction::{Instruction, LabelId};
use crate::isa::masm::{Condition, MacroAssembler, Reg, RegSet};
use crate::types::ValType;
use pvf_assembler::Label;

/// A local is not in its home on every path to a label.
fn soil(target: &mut LabelState, bound: bool, register: Reg) {
    // Rare, and what follows from a mistake here would be wrong code.
    assert!(
        !bound,
        "a local that is clean at a loop's label is not written in the loop"
    );
    target.clean.remove(register);
}

/// The set of indices at which two arrays have the same byte.
#[inline]
fn same_bytes(a: &[u8; Reg::COUNT], b: &[u8; Reg::COUNT]) -> u32 {
    let mut same = 0;
    let (a, b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    for (word, (a, b)) in a.iter().zip(b).enumerate() {
        let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        // The lowest bit of each byte: whether any bit of it is set.
        let differ = differ | differ >> 4;
        let differ = differ | differ >> 2;
        let differ = (differ | differ >> 1) & LOWEST_BITS;
        // All of them side by side in the topmost byte.
        let bits = (differ ^ LOWEST_BITS).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        same |= (bits as u32) << (8 * word);
    }
    same
}

const LOWEST_BITS: u64 = 0x0101_0101_0101_0101;

/// A store on the way to a label.
#[derive(Clone, Copy)]
pub(super) enum Store {
    Local(u32, Reg),
    /// From operand position to operand position.
    Operand(u32, u32),
    /// From position, to position, count: operands that are all at home.
    Operands(u32, u32, u32),
}

/// More carried values than this go home before the first branch with them, and are copied by a loop.
const MANY_VALUES: u32 = 8;

/// From this number on, a loop takes less code than a copy of each value.
const LOOP_VALUES: u32 = 3;

impl<'g, M: MacroAssembler> Generator<'g, M> {
    /// The label's place in the code.
    pub(super) fn place(&mut self, block: BlockIndex) -> Label {
        let masm = &mut self.masm;
        let block = self.blocks.get_mut(block);
        *block.place.get_or_insert_with(|| masm.new_label())
    }

    /// The locals alive at the label of a block.
    pub(super) fn live(&self, block: BlockIndex) -> &'g [u64] {
        self.analysis.live(self.blocks.get(block).label)
    }

    /// Branches, always or if the condition holds. What is carried stays on the stack.
    pub(super) fn branch(&mut self, block: BlockIndex, condition: Option<Condition>) {
        self.prepare_branch(block);
        let place = self.plan_way(block);
        match condition {
            None => {
                self.emit_edge();
                self.masm.jump(place);
            }
            Some(condition) if self.edge_is_empty() || self.turn_round(block, place) => {
                self.masm.jump_if(condition, place);
            }
            Some(condition) => {
                let skip = self.masm.new_label();
                self.masm.jump_if(condition.inverted(), skip);
                self.emit_edge();
                self.masm.jump(place);
                self.masm.bind(skip);
            }
        }
    }

    /// At the branch that ends a loop's body: makes the moves of the planned edge before the branch, whether it is taken
    /// or not, so that the branch is one jump. The flags stay. The state is then that at the loop's label. This is done
    /// only if no value is lost that the code after the loop may need.
    fn turn_round(&mut self, block: BlockIndex, place: Label) -> bool {
        let open = *self.blocks.get(block);
        let ends = matches!(
            self.next(),
            Instruction::End | Instruction::Br(_) | Instruction::Return
        );
        if !open.is(flag::BOUND)
            || open.place != Some(place)
            || !ends
            || !self.edge_stores.is_empty()
        {
            return false;
        }
        let target = self.blocks[block];
        let moved = self.edge_moves.destinations();
        for register in moved.iter() {
            let spared = match self.state.owners[register.index()] {
                Owner::Nobody | Owner::Temporary => true,
                Owner::Local(local) => target.holds(local) || self.state.home.contains(local),
                Owner::Operand(_) => false,
            };
            if !spared {
                return false;
            }
        }
        self.emit_edge();
        for register in moved.iter() {
            if let Owner::Local(local) = self.state.owners[register.index()] {
                self.state.unbind_local(local);
            }
            self.state.unbind_local(target.local(register));
        }
        for register in moved.iter() {
            let local = target.local(register);
            self.state.constant.remove(local);
            self.state.bind_local(local, register);
        }
        true
    }

    /// Plans the short way to a fixed label, or the long one; where to jump.
    fn plan_way(&mut self, block: BlockIndex) -> Label {
        if self.affords(0) {
            self.plan_edge(block);
            if self.edge_is_empty() || self.affords_moves(self.edge_len()) {
                return self.place(block);
            }
        }
        self.send_live_home(block);
        self.plan_edge(block);
        match self.edge_is_empty() {
            true => self.place(block),
            false => self.plan_long_way(block),
        }
    }

    /// How many moves and stores an edge takes.
    pub(super) fn edge_len(&self) -> usize {
        self.edge_moves.len() + self.edge_stores.len()
    }

    /// Makes what is carried fit, and fixes the label if this is the first branch to it.
    pub(super) fn prepare_branch(&mut self, block: BlockIndex) {
        let Carried { arity, .. } = self.carried(block);
        if !self.blocks.get(block).is(flag::FIXED) {
            if arity == 1 && self.blocks[block].value.is_none() {
                let register = self.own_top();
                self.blocks[block].value = Some(register);
            }
            self.fix_or_send_home(block);
        }
        if arity > MANY_VALUES || (arity >= LOOP_VALUES && !self.affords_moves(arity as usize)) {
            // Here rather than on the edge, so that it is done once.
            self.send_values_home(self.state.height() - arity);
        }
    }

    /// Sends all operands from a position on, which may be seen, to their homes.
    pub(super) fn send_values_home(&mut self, from: u32) {
        let height = self.state.operands.len();
        for position in self.state.not_homed(from as usize..height) {
            self.settle_operand(position as u32);
            self.settle_constant_operand(position as u32);
        }
        self.state.set_homed(from as usize);
    }

    /// Brings the topmost operand into a register of its own.
    pub(super) fn own_top(&mut self) -> Reg {
        let at = self.state.operands.len() - 1;
        let operand = self.state.operands[at];
        if let Location::Reg(register) = operand.location {
            return register;
        }
        let popped = self.state.pop();
        let used = self.read(popped);
        let register = if self.state.temporaries.contains(used) {
            used
        } else {
            let own = self.allocate(popped.ty.class(), None);
            self.masm.move_register(popped.ty, own, used);
            own
        };
        self.state.push(popped.ty, Location::Reg(register));
        register
    }

    /// Fixes the state at a label as it is now, or has everything alive there at home if that costs too much.
    fn fix_or_send_home(&mut self, block: BlockIndex) {
        if !self.affords_label(self.state.held) {
            self.send_live_home(block);
            self.blocks.get_mut(block).set(flag::FIXED);
            return;
        }
        self.fix(block);
        self.reserve_entry(block);
    }

    /// Reserves what the label may cost.
    pub(super) fn reserve_entry(&mut self, block: BlockIndex) {
        let held = self.blocks[block].held;
        if !held.is_empty() {
            self.blocks[block].reserved = self.reserve(held);
        }
    }

    /// Fixes the state at a label as it is now.
    fn fix(&mut self, block: BlockIndex) {
        let label = self.blocks.get(block).label;
        let state = self.state_at(label, self.blocks[block]);
        if !state.held.is_empty() {
            self.blocks[block] = state;
        }
        self.blocks.get_mut(block).set(flag::FIXED);
    }

    /// The present locations of the locals that are alive at a label, added to what is known of its state.
    pub(super) fn state_at(&mut self, label: LabelId, mut state: LabelState) -> LabelState {
        let live = self.analysis.live(label);
        // Constants cannot be carried over a label.
        let constants = self.state.constant.without(self.state.home);
        for local in constants.members_in(live) {
            self.settle_constant(local);
        }
        for register in self.state.held.iter() {
            let local = self.state.holder(register);
            if contains(live, local) {
                state.hold(register, local, self.state.home.contains(local));
            }
        }
        state
    }

    /// Puts a local that is a constant into a register if one is free, else into its home.
    fn settle_constant(&mut self, local: u32) {
        if self.state.home.contains(local) {
            return;
        }
        let ty = self.analysis.locals.ty(local);
        let bits = self.state.constants[local as usize];
        let free = self.free_register(ty.class(), self.state.preferred[local as usize]);
        match free {
            Some(register) => {
                self.masm.load_const(ty, register, bits);
                self.state.bind_local(local, register);
                self.state.constant.remove(local);
            }
            None => self.send_constant_home(local),
        }
    }

    /// Writes a local that is a constant to its home, if it is not there already. The flags stay.
    pub(super) fn send_constant_home(&mut self, local: u32) {
        if self.state.home.contains(local) {
            return;
        }
        let ty = self.analysis.locals.ty(local);
        let bits = self.state.constants[local as usize];
        self.masm.store_slot_const(ty, self.local_slot(local), bits);
        self.state.home.insert(local);
    }

    /// Finds what has to move before a jump to a fixed label.
    pub(super) fn plan_edge(&mut self, block: BlockIndex) {
        self.edge_stores.clear();
        self.edge_moves.clear();
        let mut target = self.blocks[block];
        let bound = self.blocks.get(block).is(flag::BOUND);
        let stay = self.staying(&target);
        for register in target.held.without(stay).iter() {
            self.plan_local(&mut target, bound, register);
        }
        // A local in its place at a label that thinks it is at home too, where it is not.
        for register in stay.and(target.clean).iter() {
            if !self.state.home.contains(target.local(register)) {
                soil(&mut target, bound, register);
            }
        }
        let live = self.live(block);
        for register in self.state.held.without(stay).iter() {
            let local = self.state.holder(register);
            if contains(live, local) && !self.state.home.contains(local) && !target.holds(local) {
                self.edge_stores.push(Store::Local(local, register));
            }
        }
        let mut stale = self.state.constant.without(self.state.home);
        if !stale.is_empty() {
            for register in target.held.iter() {
                stale.remove(target.local(register));
            }
            for local in stale.members_in(live) {
                // Here rather than on the edge, so that it is done once.
                self.send_constant_home(local);
            }
        }
        self.plan_values(block, target.value);
        self.blocks.weaken(block, target);
    }

    /// A local that is to be in a register at the label.
    fn plan_local(&mut self, target: &mut LabelState, bound: bool, register: Reg) {
        let local = target.local(register);
        let ty = self.analysis.locals.ty(local);
        let at_home = self.state.home.contains(local);
        let now = self.state.register[local as usize];
        if target.clean.contains(register) && !at_home {
            soil(target, bound, register);
        }
        let origin = match now {
            Some(now) => Origin::Reg(now),
            None if self.state.constant.contains(local) => {
                Origin::Const(self.state.constants[local as usize])
            }
            None if !bound && target.clean.contains(register) => {
                // It is in its home on every path: leave it there.
                target.let_go(register);
                return;
            }
            None => Origin::Slot(self.local_slot(local)),
        };
        self.edge_moves.add(register, origin, ty);
    }

    /// Registers that hold the same local now and at a label.
    fn staying(&self, target: &LabelState) -> RegSet {
        let same = same_bytes(&self.state.holders, &target.locals);
        self.state.held.and(target.held).and(RegSet(same))
    }

    /// The values carried to the label.
    pub(super) fn plan_values(&mut self, block: BlockIndex, value: Option<Reg>) {
        let Carried { base, arity } = self.carried(block);
        let from = self.state.height() - arity;
        if let (Some(register), 1) = (value, arity) {
            let operand = self.state.operands[from as usize];
            let origin = self.origin(operand.location);
            self.edge_moves.add(register, origin, operand.ty);
            return;
        }
        let (first, height) = (from as usize, self.state.operands.len());
        let homed = self.state.homed();
        if from == base && homed.start <= first && homed.end == height {
            return;
        }
        if arity >= LOOP_VALUES && self.all_at_home(from, arity) {
            if from != base {
                self.edge_stores.push(Store::Operands(from, base, arity));
            }
            return;
        }
        for value in 0..arity {
            let location = self.state.operands[(from + value) as usize].location;
            let in_place = from == base && matches!(location, Location::Home(_));
            if !in_place {
                self.edge_stores
                    .push(Store::Operand(from + value, base + value));
            }
        }
    }

    /// Where the operand at a location can be read.
    pub(super) fn origin(&self, location: Location) -> Origin {
        match location {
            Location::Const(Bits(bits)) => Origin::Const(bits),
            Location::Reg(register) => Origin::Reg(register),
            Location::Home(home) => Origin::Slot(self.operand_slot(home)),
            Location::Local(local) => match self.state.register[local as usize] {
                Some(register) => Origin::Reg(register),
                None if self.state.constant.contains(local) => {
                    Origin::Const(self.state.constants[local as usize])
                }
                None => Origin::Slot(self.local_slot(local)),
            },
            Location::Flags(_) => unreachable!("flags are settled before anything is carried"),
        }
    }

    pub(super) fn edge_is_empty(&self) -> bool {
        self.edge_moves.is_empty() && self.edge_stores.is_empty()
    }

    /// Emits what [`Self::plan_edge`] found. The state stays, since the code may also go on.
    pub(super) fn emit_edge(&mut self) {
        for at in 0..self.edge_stores.len() {
            match self.edge_stores[at] {
                Store::Local(local, register) => {
                    let ty = self.analysis.locals.ty(local);
                    self.masm.store_slot(ty, self.local_slot(local), register);
                }
                Store::Operand(from, to) => {
                    let operand = self.state.operands[from as usize];
                    let origin = self.origin(operand.location);
                    self.write_slot(operand.ty, self.operand_slot(to), origin);
                }
                Store::Operands(from, to, count) => self.copy_operands(from, to, count),
            }
        }
        self.edge_moves.emit(self.masm);
    }

    /// Writes a value to a slot.
    pub(super) fn write_slot(&mut self, ty: ValType, slot: u32, origin: Origin) {
        match origin {
            Origin::Reg(register) => self.masm.store_slot(ty, slot, register),
            Origin::Const(bits) => self.masm.store_slot_const(ty, slot, bits),
            Origin::Slot(from) if from == slot => {}
            Origin::Slot(from) => self.masm.copy_slot(slot, from),
        }
    }

    /// The end of a block: its label, if anything branches there, and what is carried.
    pub(super) fn bind_label(&mut self, block: BlockIndex, results: &[ValType], reachable: bool) {
        let Carried { base, .. } = self.carried(block);
        if !self.blocks.get(block).is(flag::FIXED) {
            match reachable {
                true => self.forget_dead(block),
                false => self.state.truncate(base),
            }
            return;
        }
        if reachable {
            let way = self.plan_way(block);
            self.emit_edge();
            if way != self.place(block) {
                self.masm.jump(way);
            }
        }
        let target = self.blocks[block];
        self.adopt(&target, base, results);
        let place = self.place(block);
        self.masm.bind(place);
        self.blocks.get_mut(block).set(flag::BOUND);
    }

    /// Takes the state of a label for the present one. The height below what is carried is `base`.
    pub(super) fn adopt(&mut self, target: &LabelState, base: u32, carried: &[ValType]) {
        self.account_for_dirty(target.held.without(target.clean));
        self.state.truncate(base);
        let stay = self.staying(target);
        for register in self.state.held.without(stay).iter() {
            self.state.unbind_local(self.state.holder(register));
        }
        self.state.end_operator();
        self.state.constant = Default::default();
        self.state.home = self.all_tracked;
        for register in target.held.iter() {
            let local = target.local(register);
            if !stay.contains(register) {
                self.state.bind_local(local, register);
            }
            if !target.clean.contains(register) {
                self.state.home.remove(local);
            }
        }
        match (target.value, carried) {
            (Some(register), [ty]) => self.state.push(*ty, Location::Reg(register)),
            _ => (base..)
                .zip(carried)
                .for_each(|(home, ty)| self.state.push(*ty, Location::Home(home))),
        }
    }

    /// Locals that are not alive at a label the code falls into lose their registers.
    pub(super) fn forget_dead(&mut self, block: BlockIndex) {
        let live = self.live(block);
        for register in self.state.held.iter() {
            let local = self.state.holder(register);
            if !contains(live, local) && self.state.references[local as usize] == 0 {
                self.state.unbind_local(local);
                self.state.home.insert(local);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_the_same_are_found() {
        let a: [u8; Reg::COUNT] = std::array::from_fn(|at| (at * 37) as u8);
        assert_eq!(same_bytes(&a, &a), u32::MAX);
        for at in 0..Reg::COUNT {
            for bit in 0..8 {
                let mut b = a;
                b[at] ^= 1 << bit;
                assert_eq!(same_bytes(&a, &b), !(1 << at), "bit {bit} of byte {at}");
                let mut c = a.map(|byte| !byte);
                c[at] = a[at];
                assert_eq!(same_bytes(&a, &c), 1 << at);
            }
        }
    }
}
