//! Control flow on the walk of pass 1: where branches go and which locals are accessed in which loops.
//! [`Reachability`] says which operators can be reached; only those become instructions.

use super::liveness::{Event, EventKind};
use super::{Analysis, BLOCK_BYTES, LabelId, LabelInfo, Locals};
use crate::analysis::idiom::{self, Candidate};
use crate::instruction::{BlockSignature, Instruction};
use crate::module::ParsedModule;
use crate::types::ValType;
use pvf_metering::{BlockKind, Reachability};

/// The buffers of a walk, which outlive it.
#[derive(Default)]
pub(super) struct Buffers {
    /// The open blocks, with their labels.
    blocks: Reachability<LabelId>,
    /// For each open block, as far as a `br_table` refers to it, the last one that does.
    referred: Vec<u32>,
    pub events: Vec<Event>,
}

impl Buffers {
    /// Makes room for a body of so many bytes, every third of which may begin a block.
    pub fn reserve(&mut self, bytes: usize) {
        self.events.reserve(bytes);
        self.blocks.reserve(bytes / BLOCK_BYTES);
    }

    /// Frees what only the walk needs: all but the events.
    pub fn free(&mut self) {
        *self = Self {
            events: std::mem::take(&mut self.events),
            ..Self::default()
        };
    }
}

/// Uses in a loop count eight times those around it.
const LOOP_WEIGHT_SHIFT: u32 = 3;
/// Deeper loops count like the seventh.
const MAX_WEIGHTED_DEPTH: u32 = 7;

/// What an access weighs in so many loops.
fn weight(loops: u32) -> u32 {
    1 << (LOOP_WEIGHT_SHIFT * loops.min(MAX_WEIGHTED_DEPTH))
}

/// What the walk has counted, in code that can be reached.
pub(super) struct Found {
    /// Accesses of locals.
    pub accesses: usize,
    /// Truncations of floats that can trap.
    pub truncations: u32,
}

/// The walk itself.
pub(super) struct Walk<'w> {
    module: &'w ParsedModule<'w>,
    analysis: &'w mut Analysis,
    buffers: &'w mut Buffers,
    /// The label of the innermost open loop.
    innermost: Option<LabelId>,
    /// How many loops are open.
    loops: u32,
    /// What an access of a local weighs here.
    weight: u32,
    /// The loop met last, and how many instructions and charges come before it.
    last_loop: (LabelId, usize, u32),
    /// The call that was the first one met in the loop of this label, and the number of the instruction after it.
    last_call: Option<(LabelId, usize)>,
    /// Whether the point after the last operator can be reached.
    reachable: bool,
    /// Blocks open here, if it can be reached.
    open: u32,
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
        buffers: &'w mut Buffers,
    ) -> Self {
        buffers.blocks.begin(0);
        buffers.referred.clear();
        buffers.events.clear();
        Self {
            module,
            analysis,
            buffers,
            innermost: None,
            loops: 0,
            weight: weight(0),
            last_loop: (0, 0, 0),
            last_call: None,
            reachable: true,
            open: 1,
            charges: 0,
            tables: 0,
            accesses: 0,
            truncations: 0,
        }
    }

    /// The body has ended: what it has been counted to hold.
    pub fn finish(self) -> Found {
        Found {
            accesses: self.accesses,
            truncations: self.truncations,
        }
    }

    fn event(&mut self, kind: EventKind, argument: u32) {
        self.buffers.events.push(Event::new(kind, argument));
    }

    #[inline(always)]
    fn push(&mut self, instruction: Instruction, offset: u32) {
        self.analysis.code.push(instruction, offset);
    }

    /// The operator at this offset, which comes next, begins the metered block of this number.
    pub fn charge(&mut self, block: u32, offset: u32) {
        // A charge in unreachable code pays for unreachable code alone.
        if self.reachable {
            self.charges += 1;
            self.push(Instruction::Charge(block), offset);
        }
    }

    /// Whether the point after the last operator can be reached.
    #[inline(always)]
    pub fn reachable(&self) -> bool {
        self.reachable
    }

    /// The locals of the body.
    #[inline(always)]
    pub fn locals(&self) -> &Locals {
        &self.analysis.locals
    }

    /// Takes an operator that is nothing but this instruction.
    #[inline(always)]
    pub fn plain(&mut self, instruction: Instruction, offset: u32) {
        if self.reachable {
            self.push(instruction, offset);
        }
    }

    /// Takes an operator that takes operands and gives a result. It may be a truncation of a float that can trap.
    #[inline(always)]
    pub fn numeric(&mut self, instruction: Instruction, truncates: bool, offset: u32) {
        if self.reachable {
            self.truncations += u32::from(truncates);
            self.push(instruction, offset);
        }
    }

    /// Takes a constant.
    #[inline(always)]
    pub fn constant(&mut self, ty: ValType, bits: u64, offset: u32) {
        if self.reachable {
            let instruction = self.analysis.code.constant_of(ty, bits);
            self.push(instruction, offset);
        }
    }

    /// Takes `local.get`.
    #[inline(always)]
    pub fn local_get(&mut self, local: u32, offset: u32) {
        if self.reachable {
            self.access(EventKind::Get, local);
            self.push(Instruction::LocalGet(local), offset);
        }
    }

    /// Takes `local.set`.
    #[inline(always)]
    pub fn local_set(&mut self, local: u32, offset: u32) {
        if self.reachable {
            self.access(EventKind::Set, local);
            self.push(Instruction::LocalSet(local), offset);
        }
    }

    /// Takes `local.tee`.
    #[inline(always)]
    pub fn local_tee(&mut self, local: u32, offset: u32) {
        if self.reachable {
            self.access(EventKind::Tee, local);
            self.push(Instruction::LocalTee(local), offset);
        }
    }

    /// Takes an access of a global.
    pub fn global(&mut self, global: u32, instruction: Instruction, offset: u32) {
        if self.reachable {
            self.analysis.names_counter |= self.module.counter == Some(global);
            self.push(instruction, offset);
        }
    }

    /// The operator that comes next calls a builtin of the runtime.
    pub fn calls_builtin(&mut self) {
        self.analysis.has_builtins |= self.reachable;
    }

    /// Takes `br`.
    pub fn branch(&mut self, depth: u32, offset: u32) {
        if self.reachable {
            self.branch_to(depth);
            self.stop();
            self.push(Instruction::Br(depth), offset);
        }
    }

    /// Takes `br_if`.
    pub fn branch_if(&mut self, depth: u32, offset: u32) {
        if self.reachable {
            self.branch_to(depth);
            self.push(Instruction::BrIf(depth), offset);
        }
    }

    /// Takes `br_table`, with its labels by their depths, the default last.
    pub fn branch_table(&mut self, depths: impl Iterator<Item = u32>, offset: u32) {
        if !self.reachable {
            return;
        }
        self.tables += 1;
        for depth in depths {
            self.table_target(depth);
        }
        self.stop();
        let instruction = self.analysis.code.end_table();
        self.push(instruction, offset);
    }

    /// Takes `return`.
    pub fn leave_function(&mut self, offset: u32) {
        if self.reachable {
            self.stop();
            self.push(Instruction::Return, offset);
        }
    }

    /// Takes `unreachable`.
    pub fn unreachable(&mut self, offset: u32) {
        if !self.reachable {
            return;
        }
        if let Some((label, next)) = self.last_call
            && next == self.analysis.code.instructions().len()
        {
            // A call that does not come back (a panic) is no part of the loop.
            self.analysis.labels[label as usize].set(LabelInfo::HAS_CALLS, false);
        }
        self.stop();
        self.push(Instruction::Unreachable, offset);
    }

    /// Takes `call` or `call_indirect`.
    pub fn call(&mut self, instruction: Instruction, offset: u32) {
        if !self.reachable {
            return;
        }
        self.analysis.is_leaf = false;
        self.push(instruction, offset);
        if let Some(label) = self.innermost {
            let info = &mut self.analysis.labels[label as usize];
            if !info.has_calls() {
                info.set(LabelInfo::HAS_CALLS, true);
                self.last_call = Some((label, self.analysis.code.instructions().len()));
            }
        }
    }

    #[inline(always)]
    fn access(&mut self, kind: EventKind, local: u32) {
        if let Some(weight) = self.analysis.weights.get_mut(local as usize) {
            *weight = weight.saturating_add(self.weight);
        }
        if let Some(label) = self.innermost {
            let Analysis {
                liveness, labels, ..
            } = &mut *self.analysis;
            let write = kind != EventKind::Get;
            liveness.access(&mut labels[label as usize], local, write);
        }
        self.accesses += 1;
        self.event(kind, local);
    }

    /// Takes `block`, `loop` or `if`.
    pub fn enter(&mut self, kind: BlockKind, signature: BlockSignature, offset: u32) {
        let label = self.analysis.labels.len() as LabelId;
        if !self.buffers.blocks.enter(kind, label) {
            return;
        }
        self.open += 1;
        self.analysis.deepest = self.analysis.deepest.max(self.open);
        let mut info = LabelInfo::default();
        if kind == BlockKind::Loop {
            self.analysis.liveness.enter_loop();
            info = LabelInfo::of_loop(self.innermost.replace(label));
            self.loops += 1;
            self.weight = weight(self.loops);
            let instructions = self.analysis.code.instructions().len();
            self.last_loop = (label, instructions, self.charges);
            self.event(EventKind::LoopStart, label);
        }
        self.analysis.labels.push(info);
        if kind == BlockKind::If {
            self.event(EventKind::IfStart, label);
        }
        let instruction = match kind {
            BlockKind::Loop => Instruction::Loop(signature),
            BlockKind::If => Instruction::If(signature),
            BlockKind::Block | BlockKind::Else => Instruction::Block(signature),
        };
        self.push(instruction, offset);
    }

    /// Takes `else`.
    pub fn enter_else(&mut self, offset: u32) {
        let Some(&mut label) = self.buffers.blocks.enter_else() else {
            return;
        };
        self.reachable = true;
        let other = self.analysis.labels.len() as LabelId;
        self.analysis.labels[label as usize].set_else(other);
        self.analysis.labels.push(LabelInfo::default());
        self.event(EventKind::Else, label);
        self.push(Instruction::Else, offset);
    }

    /// Takes `end`.
    pub fn leave(&mut self, offset: u32) {
        let Some((kind, label)) = self.buffers.blocks.leave() else {
            return;
        };
        self.reachable = self.buffers.blocks.reachable();
        self.open -= 1;
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
        let Analysis {
            liveness, labels, ..
        } = &mut *self.analysis;
        self.innermost = labels[label as usize].around();
        self.loops -= 1;
        self.weight = weight(self.loops);
        liveness.leave_loop(labels, label);
        if let Some(around) = self.innermost
            && labels[label as usize].has_calls()
        {
            labels[around as usize].set(LabelInfo::HAS_CALLS, true);
        }
    }

    /// The label of the block that a branch goes to.
    fn target(&mut self, depth: u32) -> LabelId {
        let label = self.buffers.blocks.branch(depth);
        *label.expect("the validator has found a block at this depth")
    }

    /// Notes a branch.
    fn branch_to(&mut self, depth: u32) {
        let label = self.target(depth);
        self.event(EventKind::Branch, label);
    }

    /// Notes a target of the present `br_table`; that its label is branched to, once.
    fn table_target(&mut self, depth: u32) {
        let label = self.target(depth);
        let at = (self.open - 1 - depth) as usize;
        let referred = &mut self.buffers.referred;
        if referred.len() <= at {
            referred.resize(at + 1, 0);
        }
        if std::mem::replace(&mut referred[at], self.tables) != self.tables {
            self.event(EventKind::Branch, label);
        }
        self.analysis.code.add_target(depth);
    }

    fn stop(&mut self) {
        self.event(EventKind::Stop, 0);
        self.buffers.blocks.stop();
        self.reachable = false;
    }
}
