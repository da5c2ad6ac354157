//! Control flow on the walk of pass 1: what can be reached, where branches go, which locals are accessed
//! in which loops.

use super::liveness::{Event, EventKind};
use super::lower::{block_signature, lower};
use super::{Analysis, LabelId, LabelInfo};
use crate::analysis::idiom::{self, Candidate};
use crate::instruction::Instruction;
use crate::module::ParsedModule;
use crate::operation::Conversion;
use wasmparser::Operator;

#[derive(Clone, Copy, PartialEq, Eq)]
enum FrameKind {
    Block,
    Loop,
    If,
    Else,
}

/// An open block.
pub(super) struct Frame {
    kind: FrameKind,
    label: LabelId,
    /// Code here cannot be reached.
    unreachable: bool,
    /// The frame itself began in unreachable code and has no label.
    skipped: bool,
    /// A branch goes to the frame's end.
    targeted: bool,
    /// The `br_table` that referred to it last.
    table: u32,
}

impl Frame {
    /// The frame of the function body.
    pub fn body() -> Self {
        Self::new(FrameKind::Block, 0)
    }

    fn new(kind: FrameKind, label: LabelId) -> Self {
        Self {
            kind,
            label,
            unreachable: false,
            skipped: false,
            targeted: false,
            table: 0,
        }
    }
}

/// Uses in a loop count eight times those around it.
const LOOP_WEIGHT_SHIFT: u32 = 3;
/// Deeper loops count like the seventh.
const MAX_WEIGHTED_DEPTH: u32 = 7;

/// The walk itself.
pub(super) struct Walk<'w> {
    module: &'w ParsedModule<'w>,
    analysis: &'w mut Analysis,
    frames: &'w mut Vec<Frame>,
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
        frames: &'w mut Vec<Frame>,
        events: &'w mut Vec<Event>,
    ) -> Self {
        Self {
            module,
            analysis,
            frames,
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

    /// Notes the operand height behind an operator that can be reached.
    pub fn height(&mut self, height: u32) {
        self.analysis.max_height = self.analysis.max_height.max(height);
    }

    /// After the last `end` there is no frame and nothing to be reached.
    #[inline(always)]
    pub fn reachable(&self) -> bool {
        self.frames.last().is_some_and(|frame| !frame.unreachable)
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
        if self.reachable() {
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
                self.enter(FrameKind::Block, offset, |module| {
                    Instruction::Block(block_signature(module, blockty))
                });
            }
            Operator::Loop { blockty } => {
                self.enter(FrameKind::Loop, offset, |module| {
                    Instruction::Loop(block_signature(module, blockty))
                });
            }
            Operator::If { blockty } => {
                self.enter(FrameKind::If, offset, |module| {
                    Instruction::If(block_signature(module, blockty))
                });
            }
            Operator::Else => self.enter_else(offset),
            Operator::End => self.leave(offset),
            _ if !self.reachable() => {}
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
        kind: FrameKind,
        offset: u32,
        instruction: impl FnOnce(&ParsedModule<'_>) -> Instruction,
    ) {
        let mut frame = Frame::new(kind, self.analysis.labels.len() as LabelId);
        if !self.reachable() {
            frame.unreachable = true;
            frame.skipped = true;
            return self.frames.push(frame);
        }
        let label = frame.label;
        let mut info = LabelInfo::default();
        if kind == FrameKind::Loop {
            let number = self.analysis.liveness.enter_loop();
            info = LabelInfo::of_loop(number);
            self.open_loops.push(label);
            let instructions = self.analysis.code.instructions().len();
            self.last_loop = (label, instructions, self.charges);
            self.event(EventKind::LoopStart, label);
        }
        self.analysis.labels.push(info);
        if kind == FrameKind::If {
            // The label of an `else`, whether or not one comes.
            self.analysis.labels.push(LabelInfo::default());
            self.event(EventKind::IfStart, label);
        }
        self.frames.push(frame);
        let instruction = instruction(self.module);
        self.push(instruction, offset);
    }

    fn enter_else(&mut self, offset: u32) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        if frame.skipped {
            return;
        }
        // The end of the first branch is a branch to the end of both.
        frame.targeted |= !frame.unreachable;
        frame.unreachable = false;
        frame.kind = FrameKind::Else;
        let label = frame.label;
        self.analysis.labels[label as usize].set(LabelInfo::HAS_ELSE, true);
        self.event(EventKind::Else, label);
        self.push(Instruction::Else, offset);
    }

    fn leave(&mut self, offset: u32) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        if frame.skipped {
            return;
        }
        self.push(Instruction::End, offset);
        if frame.kind == FrameKind::Loop {
            self.leave_loop(frame.label);
        } else {
            self.event(EventKind::End, frame.label);
        }
        let ends_reachable = match frame.kind {
            FrameKind::Loop => !frame.unreachable,
            FrameKind::If => true,
            FrameKind::Block | FrameKind::Else => !frame.unreachable || frame.targeted,
        };
        if let Some(outer) = self.frames.last_mut() {
            outer.unreachable = !ends_reachable;
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

    /// Notes a branch; the label it goes to.
    fn branch(&mut self, depth: u32) -> LabelId {
        let at = self.frames.len() - 1 - depth as usize;
        self.frames[at].targeted = true;
        let label = self.frames[at].label;
        self.event(EventKind::Branch, label);
        label
    }

    /// Notes a target of the present `br_table`; its label once.
    fn table_target(&mut self, depth: u32) {
        let at = self.frames.len() - 1 - depth as usize;
        if self.frames[at].table != self.tables {
            self.frames[at].table = self.tables;
            self.branch(depth);
        }
        let label = self.frames[at].label;
        self.analysis.code.add_target(label);
    }

    fn stop(&mut self) {
        self.event(EventKind::Stop, 0);
        if let Some(frame) = self.frames.last_mut() {
            frame.unreachable = true;
        }
    }
}
