//! Blocks and branches.

use super::Generator;
use super::blocks::{BODY, BlockIndex, Carried, LabelState, OpenBlock, flag};
use super::state::{Bits, Location};
use crate::instruction::{BlockSignature, Depth};
use crate::isa::masm::{Condition, MacroAssembler, Width};
use crate::types::ValType;
use pvf_assembler::Label;
use pvf_rules::TrapKind;

impl<'g, M: MacroAssembler> Generator<'g, M> {
    /// The block of the function body, whose label is what a branch out of it goes to.
    pub(super) fn begin_body(&mut self, signature: u32) {
        self.blocks.reset(self.analysis.deepest);
        let body = BlockSignature::interned(signature);
        self.blocks.open(0, body, flag::FIXED);
        if let [result] = self.ty.results[..] {
            self.blocks[BODY].value = Some(self.registers.result(result));
        }
        self.next_access = 0;
        self.tables = 0;
    }

    fn params(&self, ty: BlockSignature) -> &'g [ValType] {
        ty.params(&self.context.module.info.signatures)
    }

    fn results(&self, ty: BlockSignature) -> &'g [ValType] {
        ty.results(&self.context.module.info.signatures)
    }

    /// How many values a branch to the label of a block carries.
    fn arity(&self, block: &OpenBlock) -> u32 {
        let ty = block.signature();
        let types = match block.is(flag::LOOP) {
            true => self.params(ty),
            false => self.results(ty),
        };
        types.len() as u32
    }

    /// The values carried to the label of a block.
    #[inline]
    pub(super) fn carried(&self, block: BlockIndex) -> Carried {
        let block = self.blocks.get(block);
        Carried {
            base: block.base,
            arity: self.arity(block),
        }
    }

    fn open_block(&mut self, ty: BlockSignature, kind: u32) -> BlockIndex {
        let base = self.state.height() - self.params(ty).len() as u32;
        self.blocks.open(base, ty, kind)
    }

    pub(super) fn block(&mut self, ty: BlockSignature) {
        self.canonicalise_top(self.params(ty).len() as u32);
        self.settle_operands();
        self.open_block(ty, 0);
    }

    pub(super) fn loop_block(&mut self, ty: BlockSignature) {
        let params = self.params(ty).len() as u32;
        self.canonicalise_top(params);
        self.settle_operands();
        // What is carried to a loop's label is in its home.
        for position in self.state.height() - params..self.state.height() {
            self.settle_constant_operand(position);
        }
        let block = self.open_block(ty, flag::LOOP);
        self.begin_loop(block);
    }

    pub(super) fn settle_constant_operand(&mut self, position: u32) {
        let operand = &mut self.state.operands[position as usize];
        if let Location::Const(Bits(bits)) = operand.location {
            operand.location = Location::Home(position);
            let ty = operand.ty;
            self.masm
                .store_slot_const(ty, self.operand_slot(position), bits);
        }
    }

    pub(super) fn if_block(&mut self, ty: BlockSignature) {
        let params = self.params(ty).len() as u32;
        let raw = self.raw_below_condition(params);
        let condition = self.pop_condition(raw);
        self.canonicalise_top(params);
        self.settle_operands();
        for position in self.state.height() - params..self.state.height() {
            self.settle_constant_operand(position);
        }
        let condition = self.test_condition(condition);
        let block = self.open_block(ty, flag::IF);
        let label = self.blocks.get(block).label;
        match self.analysis.labels[label as usize].else_label() {
            Some(other) => {
                let state = self.state_at(other, LabelState::AT_HOME);
                let place = self.masm.new_label();
                self.blocks.open_else(place, state);
                self.masm.jump_if(condition.inverted(), place);
            }
            None => self.branch(block, Some(condition.inverted())),
        }
    }

    pub(super) fn else_branch(&mut self) {
        let block = self.blocks.innermost();
        let reachable = self.blocks.reachable();
        if reachable {
            self.canonicalise_top(self.carried(block).arity);
            self.branch(block, None);
            self.state.end_operator();
        }
        let &OpenBlock { base, .. } = self.blocks.get(block);
        let params = self.params(self.blocks.get(block).signature());
        self.blocks.pass_label();
        if let Some((place, state)) = self.blocks.close_else() {
            self.adopt(&state, base, params);
            self.masm.bind(place);
        }
        let block = self.blocks.get_mut(block);
        block.clear(flag::IF | flag::UNREACHABLE);
    }

    pub(super) fn end(&mut self) {
        let index = self.blocks.innermost();
        let block = *self.blocks.get(index);
        let reachable = !block.is(flag::UNREACHABLE);
        if index == BODY {
            self.end_body(reachable);
            self.close_block();
            return;
        }
        let mut reached = reachable;
        if block.is(flag::LOOP) {
            if !reachable {
                self.state.truncate(block.base);
            }
        } else {
            if reachable {
                self.canonicalise_top(self.arity(&block));
            }
            let results = self.results(block.signature());
            self.bind_label(index, results, reachable);
            reached |= self.blocks.get(index).is(flag::FIXED);
        }
        self.close_block();
        let outer = self.blocks.innermost();
        match reached {
            true => self.blocks.get_mut(outer).clear(flag::UNREACHABLE),
            false => self.blocks.get_mut(outer).set(flag::UNREACHABLE),
        }
    }

    fn end_body(&mut self, reachable: bool) {
        if reachable {
            self.return_values();
        }
        if self.blocks.get(BODY).place.is_some() {
            // A branch goes to the end of the body: the epilogue once more, from the state at that label.
            let results = &self.ty.results;
            self.bind_label(BODY, results, false);
            self.return_values();
        }
    }

    fn stop(&mut self) {
        let innermost = self.blocks.innermost();
        let block = self.blocks.get_mut(innermost);
        block.set(flag::UNREACHABLE);
        let base = block.base;
        self.state.truncate(base);
    }

    pub(super) fn br(&mut self, depth: Depth) {
        let block = self.blocks.at(depth);
        if block == BODY {
            return self.return_early();
        }
        self.canonicalise_top(self.carried(block).arity);
        self.branch(block, None);
        self.stop();
    }

    pub(super) fn return_early(&mut self) {
        self.return_values();
        self.stop();
    }

    /// Whether a value below the condition has to be made canonical first.
    fn raw_below_condition(&self, count: u32) -> bool {
        if count == 0 {
            return false;
        }
        let top = self.state.operands.len() - 1;
        self.state
            .not_homed(top - count as usize..top)
            .any(|position| self.state.operands[position].raw_nan)
    }

    /// Pops a condition. `settle` makes a value of it, so that the flags may change.
    pub(super) fn pop_condition(&mut self, settle: bool) -> super::state::Operand {
        let mut operand = self.state.pop();
        if settle && matches!(operand.location, Location::Flags(_)) {
            operand.location = Location::Reg(self.read(operand));
        }
        operand
    }

    /// The condition that a popped operand is not zero.
    pub(super) fn test_condition(&mut self, operand: super::state::Operand) -> Condition {
        match operand.location {
            Location::Flags(condition) => condition,
            _ => {
                let register = self.read(operand);
                self.masm.compare_zero(Width::W32, register);
                Condition::NotEqual
            }
        }
    }

    pub(super) fn br_if(&mut self, depth: Depth) {
        let block = self.blocks.at(depth);
        let arity = self.carried(block).arity;
        let raw = self.raw_below_condition(arity);
        let operand = self.pop_condition(raw);
        self.canonicalise_top(arity);
        // Fix the label before the comparison: what that may need must not come between.
        self.prepare_branch(block);
        let condition = self.test_condition(operand);
        self.branch(block, Some(condition));
    }

    pub(super) fn br_table(&mut self, depths: &[Depth]) {
        let index = self.state.pop();
        let blocks: Vec<BlockIndex> = depths.iter().map(|&depth| self.blocks.at(depth)).collect();
        let default = *blocks.last().expect("there is a default");
        let arity = self.carried(default).arity;
        self.canonicalise_top(arity);
        let index = self.own(index);
        self.tables += 1;
        let short = self.plan_short_ways(&blocks);
        if !short {
            self.send_all_home();
            self.carry_in_register(arity);
        }
        let mut places = Vec::with_capacity(blocks.len());
        let mut stubs: Vec<(BlockIndex, Label)> = Vec::new();
        for &block in &blocks {
            let place = match self.blocks[block].table.1 {
                Some(place) => place,
                None => {
                    let way = match short {
                        true => None,
                        false => Some(self.plan_long_way(block)),
                    };
                    let place = match way {
                        Some(way) if self.edge_is_empty() => way,
                        _ => {
                            let stub = self.masm.new_label();
                            stubs.push((block, stub));
                            stub
                        }
                    };
                    self.blocks[block].table.1 = Some(place);
                    place
                }
            };
            places.push(place);
        }
        self.masm.jump_table(index, &places);
        for (block, stub) in stubs {
            self.masm.bind(stub);
            let way = match short {
                true => {
                    self.plan_edge(block);
                    self.place(block)
                }
                false => self.plan_long_way(block),
            };
            self.emit_edge();
            self.masm.jump(way);
        }
        self.stop();
    }

    /// Fixes the labels of a `br_table`, and notes the targets whose edges are empty, to which the table can jump
    /// directly. Returns whether the budget allows the short ways to all others.
    fn plan_short_ways(&mut self, blocks: &[BlockIndex]) -> bool {
        let mut moves = 0;
        for &block in blocks {
            if self.blocks[block].table.0 != self.tables {
                self.prepare_branch(block);
                self.blocks[block].table = (self.tables, None);
            }
        }
        for &block in blocks {
            if !self.affords_moves(moves) {
                return false;
            }
            if self.blocks[block].table.1.is_some() {
                continue;
            }
            self.plan_edge(block);
            match self.edge_is_empty() {
                true => self.blocks[block].table.1 = Some(self.place(block)),
                false => moves += self.edge_len() + 1,
            }
        }
        self.affords_moves(moves)
    }

    pub(super) fn unreachable(&mut self) {
        self.masm.trap(TrapKind::Unreachable);
        self.stop();
    }
}
