//! Control flow on the walk of pass 1: where branches go and which locals are accessed in which loops.
//! [`Reachability`] says which operators can be reached; only those become instructions.

use super::liveness::{Event, EventKind};
use super::lower::{block_signature, lower};
use super::{Analysis, LabelId, LabelInfo};
use crate::analysis::idiom::{self, Candidate};
use crate::instruction::Instruction;
use crate::module::ParsedModule;
use crate::operation::Conversion;
use pvf_metering::{BlockKind, Reachability};
use wasmparser::Operator;

/// What the walk keeps of an open block.
#[derive(Clone, Copy, Default)]
pub(super) struct Block {
    label: LabelId,
    /// The `br_table` that referred to it last.
    table: u32,
}

/// Uses in a loop count eight times those around it.
const LOOP_WEIGHT_SHIFT: u32 = 3;
/// Deeper loops count like the seventh.
const MAX_WEIGHTED_DEPTH: u32 = 7;

/// The walk itself.
pub(super) struct Walk<'w> {
    module: &'w ParsedModule<'w>,
    analysis: &'w mut Analysis,
    blocks: &'w mut Reachability<Block>,
    events: &'w mut Vec<Event>,
    /// Labels of the loops open here.
    open_loops: Vec<LabelId>,
    /// The loop met last, and how many instructions and charges come before it.
    last_loop: (LabelId, usize, u32),
    /// The operator before was the first call met in the loop of this label.
    last_call: Option<LabelId>,
    /// Charges so far.
    charges: u32,
    /// `br_table`s so far.
    tables: u32,
    /// Accesses of locals so far.
    accesses: usize,
    /// Truncations of floats that can trap, so far.
    truncations: u32,
}

impl<'w> Walk<'w> {
    pub fn new(
        module: &'w ParsedModule<'w>,
        analysis: &'w mut Analysis,
        blocks: &'w mut Reachability<Block>,
        events: &'w mut Vec<Event>,
    ) -> Self {
        Self {
            module,
            analysis,
            blocks,
            events,
            open_loops: Vec::new(),
            last_loop: (0, 0, 0),
            last_call: None,
            charges: 0,
            tables: 0,
            accesses: 0,
            truncations: 0,
        }
    }

    /// How many truncations of floats that can trap can be reached.
    pub fn truncations(&self) -> u32 {
        self.truncations
    }

    /// How many accesses of locals can be reached.
    pub fn accesses(&self) -> usize {
        self.accesses
    }

    /// Notes the operand height after the operator taken last.
    #[inline(always)]
    pub fn observe(&mut self, height: u32) {
        self.blocks.observe(height);
    }

    fn event(&mut self, kind: EventKind, argument: u32) {
        self.events.push(Event::new(kind, argument));
    }

    #[inline(always)]
    fn push(&mut self, instruction: Instruction, offset: u32) {
        self.analysis.code.push(instruction, offset);
    }

    /// The operator at this offset, which comes next, begins the metered block of this number.
    pub fn charge(&mut self, block: u32, offset: u32) {
        // A charge in unreachable code pays for unreachable code alone.
        if self.blocks.reachable() {
            self.charges += 1;
            self.push(Instruction::Charge(block), offset);
        }
    }

    /// Takes the next operator of a valid body, which begins at an offset.
    ///
    /// Inlined where the operator is known, so that only its own arm is left.
    #[inline(always)]
    pub fn operator(&mut self, operator: &Operator<'_>, offset: u32) {
        match *operator {
            Operator::Block { blockty } => {
                self.enter(BlockKind::Block, offset, |module| {
                    Instruction::Block(block_signature(module, blockty))
                });
            }
            Operator::Loop { blockty } => {
                self.enter(BlockKind::Loop, offset, |module| {
                    Instruction::Loop(block_signature(module, blockty))
                });
            }
            Operator::If { blockty } => {
                self.enter(BlockKind::If, offset, |module| {
                    Instruction::If(block_signature(module, blockty))
                });
            }
            Operator::Else => self.enter_else(offset),
            Operator::End => self.leave(offset),
            _ if !self.blocks.reachable() => {}
            _ => self.reached(operator, offset),
        }
        if !matches!(
            operator,
            Operator::Call { .. } | Operator::CallIndirect { .. }
        ) {
            self.last_call = None;
        }
    }

    /// An operator that can be reached and opens or closes no block.
    #[inline(always)]
    fn reached(&mut self, operator: &Operator<'_>, offset: u32) {
        let instruction = match *operator {
            Operator::LocalGet { local_index } => {
                self.access(EventKind::Get, local_index);
                Instruction::LocalGet(local_index)
            }
            Operator::LocalSet { local_index } => {
                self.access(EventKind::Set, local_index);
                Instruction::LocalSet(local_index)
            }
            Operator::LocalTee { local_index } => {
                self.access(EventKind::Tee, local_index);
                Instruction::LocalTee(local_index)
            }
            Operator::Br { relative_depth } => {
                let label = self.branch(relative_depth);
                self.stop();
                Instruction::Br(label)
            }
            Operator::BrIf { relative_depth } => Instruction::BrIf(self.branch(relative_depth)),
            Operator::BrTable { ref targets } => {
                self.tables += 1;
                for target in targets.targets() {
                    // The validator has read the same targets without an error.
                    self.table_target(target.expect("targets were validated"));
                }
                self.table_target(targets.default());
                self.stop();
                self.analysis.code.end_table()
            }
            Operator::Return => {
                self.stop();
                Instruction::Return
            }
            Operator::Unreachable => {
                if let Some(label) = self.last_call {
                    // A call that does not come back (a panic) is no part of the loop.
                    self.analysis.labels[label as usize].set(LabelInfo::HAS_CALLS, false);
                }
                self.stop();
                Instruction::Unreachable
            }
            Operator::Call { function_index } => {
                self.call();
                Instruction::Call(function_index)
            }
            Operator::CallIndirect { type_index, .. } => {
                self.call();
                Instruction::CallIndirect(self.module.type_signatures[type_index as usize])
            }
            ref plain => lower(plain, &mut self.analysis.code),
        };
        match instruction {
            Instruction::Builtin(..) | Instruction::MemoryGrow => self.analysis.has_builtins = true,
            Instruction::Convert(Conversion::Truncate { .. }, _) => self.truncations += 1,
            Instruction::GlobalGet(global) | Instruction::GlobalSet(global) => {
                self.analysis.names_counter |= self.module.counter == Some(global);
            }
            _ => {}
        }
        self.push(instruction, offset);
    }

    fn call(&mut self) {
        self.last_call = None;
        self.analysis.is_leaf = false;
        if let Some(&label) = self.open_loops.last() {
            let info = &mut self.analysis.labels[label as usize];
            if !info.has_calls() {
                info.set(LabelInfo::HAS_CALLS, true);
                self.last_call = Some(label);
            }
        }
    }

    fn access(&mut self, kind: EventKind, local: u32) {
        let depth = (self.open_loops.len() as u32).min(MAX_WEIGHTED_DEPTH);
        if let Some(weight) = self.analysis.weights.get_mut(local as usize) {
            *weight = weight.saturating_add(1 << (LOOP_WEIGHT_SHIFT * depth));
        }
        if !self.open_loops.is_empty() {
            self.analysis.liveness.access(local, kind != EventKind::Get);
        }
        self.accesses += 1;
        self.event(kind, local);
    }

    fn enter(
        &mut self,
        kind: BlockKind,
        offset: u32,
        instruction: impl FnOnce(&ParsedModule<'_>) -> Instruction,
    ) {
        let label = self.analysis.labels.len() as LabelId;
        if !self.blocks.enter(kind, Block { label, table: 0 }) {
            return;
        }
        let mut info = LabelInfo::default();
        if kind == BlockKind::Loop {
            let number = self.analysis.liveness.enter_loop();
            info = LabelInfo::of_loop(number);
            self.open_loops.push(label);
            let instructions = self.analysis.code.instructions().len();
            self.last_loop = (label, instructions, self.charges);
            self.event(EventKind::LoopStart, label);
        }
        self.analysis.labels.push(info);
        if kind == BlockKind::If {
            // The label of an `else`, whether or not one comes.
            self.analysis.labels.push(LabelInfo::default());
            self.event(EventKind::IfStart, label);
        }
        let instruction = instruction(self.module);
        self.push(instruction, offset);
    }

    fn enter_else(&mut self, offset: u32) {
        let Some(&mut Block { label, .. }) = self.blocks.enter_else() else {
            return;
        };
        self.analysis.labels[label as usize].set(LabelInfo::HAS_ELSE, true);
        self.event(EventKind::Else, label);
        self.push(Instruction::Else, offset);
    }

    fn leave(&mut self, offset: u32) {
        let Some((kind, Block { label, .. })) = self.blocks.leave() else {
            return;
        };
        self.push(Instruction::End, offset);
        match kind {
            BlockKind::Loop => self.leave_loop(label),
            _ => self.event(EventKind::End, label),
        }
    }

    fn leave_loop(&mut self, label: LabelId) {
        let (last, start, charges_before) = self.last_loop;
        if last == label {
            // No loop began in it.
            let instructions = start..self.analysis.code.instructions().len();
            let charges = (self.charges - charges_before) as usize;
            // Metering does not change which loops are candidates.
            if instructions.len() - charges <= idiom::MAX_INSTRUCTIONS {
                self.analysis.candidates.push(Candidate {
                    label,
                    instructions,
                });
            }
        }
        self.open_loops.pop();
        if let Some(number) = self.analysis.labels[label as usize].loop_number() {
            self.analysis.liveness.leave_loop(number);
        }
        if let Some(&outer_label) = self.open_loops.last()
            && self.analysis.labels[label as usize].has_calls()
        {
            self.analysis.labels[outer_label as usize].set(LabelInfo::HAS_CALLS, true);
        }
    }

    /// The block that a branch goes to.
    fn target(&mut self, depth: u32) -> &mut Block {
        let block = self.blocks.branch(depth);
        block.expect("the validator has found a block at this depth")
    }

    /// Notes a branch; the label it goes to.
    fn branch(&mut self, depth: u32) -> LabelId {
        let label = self.target(depth).label;
        self.event(EventKind::Branch, label);
        label
    }

    /// Notes a target of the present `br_table`; its label once.
    fn table_target(&mut self, depth: u32) {
        let tables = self.tables;
        let block = self.target(depth);
        let (label, first) = (block.label, block.table != tables);
        block.table = tables;
        if first {
            self.event(EventKind::Branch, label);
        }
        self.analysis.code.add_target(label);
    }

    fn stop(&mut self) {
        self.event(EventKind::Stop, 0);
        self.blocks.stop();
    }
}
