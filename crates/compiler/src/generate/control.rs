//! Blocks and branches.

use super::state::{Bits, Location};
use super::{ControlFrame, FrameKind, Generator};
use crate::instruction::BlockSignature;
use crate::instruction::LabelId;
use crate::isa::masm::{Condition, MacroAssembler, Width};
use crate::types::ValType;
use pvf_assembler::Label;
use pvf_rules::TrapKind;

impl<'g, M: MacroAssembler> Generator<'g, M> {
    /// The frame of the function body, whose label is what a branch out of it goes to.
    pub(super) fn begin_body(&mut self) {
        self.labels.clear();
        self.labels.open(0, self.ty.results.len() as u32);
        self.labels.get_mut(0).fixed = true;
        if let [result] = self.ty.results[..] {
            self.labels[0].value = Some(self.registers.result(result));
        }
        self.next_access = 0;
        self.tables = 0;
        self.frames.push(ControlFrame {
            kind: FrameKind::Body,
            label: 0,
            ty: BlockSignature::EMPTY,
            unreachable: false,
        });
    }

    fn params(&self, ty: BlockSignature) -> &'g [ValType] {
        ty.params(&self.context.module.info.signatures)
    }

    fn results(&self, ty: BlockSignature) -> &'g [ValType] {
        ty.results(&self.context.module.info.signatures)
    }

    fn push_frame(&mut self, kind: FrameKind, ty: BlockSignature, arity: u32) -> LabelId {
        let label = self.labels.next();
        let base = self.state.height() - self.params(ty).len() as u32;
        self.labels.open(base, arity);
        self.frames.push(ControlFrame {
            kind,
            label,
            ty,
            unreachable: false,
        });
        label
    }

    pub(super) fn block(&mut self, ty: BlockSignature) {
        self.canonicalise_top(self.params(ty).len() as u32);
        self.settle_operands();
        let arity = self.results(ty).len() as u32;
        self.push_frame(FrameKind::Block, ty, arity);
    }

    pub(super) fn loop_block(&mut self, ty: BlockSignature) {
        let params = self.params(ty).len() as u32;
        self.canonicalise_top(params);
        self.settle_operands();
        // What is carried to a loop's label is in its home.
        for position in self.state.height() - params..self.state.height() {
            self.settle_constant_operand(position);
        }
        let label = self.push_frame(FrameKind::Loop, ty, params);
        self.begin_loop(label);
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
        let arity = self.results(ty).len() as u32;
        let label = self.push_frame(FrameKind::If, ty, arity);
        let other = self.labels.next();
        if self.analysis.labels[label as usize].has_else() {
            self.labels.open(self.state.height() - params, params);
            self.fix(other);
            let place = self.place(other);
            self.masm.jump_if(condition.inverted(), place);
        } else {
            self.labels.skip();
            self.branch(label, Some(condition.inverted()));
        }
    }

    pub(super) fn else_branch(&mut self) {
        let Some(&frame) = self.frames.last() else {
            return;
        };
        if !frame.unreachable {
            self.canonicalise_top(self.labels.carried(frame.label).arity);
            self.branch(frame.label, None);
            self.state.end_operator();
        }
        let params = self.params(frame.ty);
        self.bind_else(frame.label + 1, params);
        if let Some(frame) = self.frames.last_mut() {
            frame.kind = FrameKind::Else;
            frame.unreachable = false;
        }
    }

    pub(super) fn end(&mut self) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        let reachable = !frame.unreachable;
        match frame.kind {
            FrameKind::Body => return self.end_body(reachable),
            FrameKind::Loop => {
                if !reachable {
                    self.state.truncate(self.labels.carried(frame.label).base);
                }
            }
            FrameKind::Block | FrameKind::If | FrameKind::Else => {
                if reachable {
                    self.canonicalise_top(self.labels.carried(frame.label).arity);
                }
                let results = self.results(frame.ty);
                self.bind_label(frame.label, results, reachable);
            }
        }
        let reached = match frame.kind {
            FrameKind::Loop | FrameKind::Body => reachable,
            _ => reachable || self.labels.get(frame.label).fixed,
        };
        self.close_labels(frame.label);
        if let Some(outer) = self.frames.last_mut() {
            outer.unreachable = !reached;
        }
    }

    fn end_body(&mut self, reachable: bool) {
        if reachable {
            self.return_values();
        }
        if self.labels.get(0).place.is_some() {
            // A branch goes to the end of the body: the epilogue once more, from the state at that label.
            let results = &self.ty.results;
            self.bind_label(0, results, false);
            self.return_values();
        }
    }

    fn stop(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.unreachable = true;
            let base = self.labels.carried(frame.label).base;
            self.state.truncate(base);
        }
    }

    pub(super) fn br(&mut self, label: LabelId) {
        if label == 0 {
            return self.return_early();
        }
        self.canonicalise_top(self.labels.carried(label).arity);
        self.branch(label, None);
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

    pub(super) fn br_if(&mut self, label: LabelId) {
        let arity = self.labels.carried(label).arity;
        let raw = self.raw_below_condition(arity);
        let operand = self.pop_condition(raw);
        self.canonicalise_top(arity);
        // Fix the label before the comparison: what that may need must not come between.
        self.prepare_branch(label);
        let condition = self.test_condition(operand);
        self.branch(label, Some(condition));
    }

    pub(super) fn br_table(&mut self, labels: &[LabelId]) {
        let index = self.state.pop();
        let default = *labels.last().expect("there is a default");
        let arity = self.labels.carried(default).arity;
        self.canonicalise_top(arity);
        let index = self.own(index);
        self.tables += 1;
        let short = self.plan_short_ways(labels);
        if !short {
            self.send_all_home();
            self.carry_in_register(arity);
        }
        let mut places = Vec::with_capacity(labels.len());
        let mut stubs: Vec<(LabelId, Label)> = Vec::new();
        for &label in labels {
            let place = match self.labels[label].table.1 {
                Some(place) => place,
                None => {
                    let way = match short {
                        true => None,
                        false => Some(self.plan_long_way(label)),
                    };
                    let place = match way {
                        Some(way) if self.edge_is_empty() => way,
                        _ => {
                            let stub = self.masm.new_label();
                            stubs.push((label, stub));
                            stub
                        }
                    };
                    self.labels[label].table.1 = Some(place);
                    place
                }
            };
            places.push(place);
        }
        self.masm.jump_table(index, &places);
        for (label, stub) in stubs {
            self.masm.bind(stub);
            let way = match short {
                true => {
                    self.plan_edge(label);
                    self.place(label)
                }
                false => self.plan_long_way(label),
            };
            self.emit_edge();
            self.masm.jump(way);
        }
        self.stop();
    }

    /// Fixes the labels of a `br_table`, and notes the targets whose edges are empty, to which the table can jump directly.
    /// Returns whether the budget allows the short ways to all others.
    fn plan_short_ways(&mut self, labels: &[LabelId]) -> bool {
        let mut moves = 0;
        for &label in labels {
            if self.labels[label].table.0 != self.tables {
                self.prepare_branch(label);
                self.labels[label].table = (self.tables, None);
            }
        }
        for &label in labels {
            if !self.affords_moves(moves) {
                return false;
            }
            if self.labels[label].table.1.is_some() {
                continue;
            }
            self.plan_edge(label);
            match self.edge_is_empty() {
                true => self.labels[label].table.1 = Some(self.place(label)),
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
