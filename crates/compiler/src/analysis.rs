//! Pass 1: one walk over a function body that validates it and finds what pass 2
//! cannot know in advance: the greatest operand height, where control flow goes, how
//! heavily each local is used, and which locals are alive where.
//!
//! In: a body and the module's declarations. Out: [`Analysis`], reused from function
//! to function. Time is linear in the body: the walk is one pass, and liveness is a
//! bounded number of backward passes over the events it recorded ([`liveness`]).

mod liveness;
mod meters;

pub(crate) use liveness::{TRACKED_LOCALS, contains};

use crate::CompileError;
use crate::CompileOptions;
use crate::artifact::{FuncType, ValType};
use crate::error::narrow;
use crate::module::{Body, ParsedModule};
use liveness::{Event, EventKind};
use meters::Meters;
use pvf_metering::{Charge, GasBlocks, LogicalHeight};
use wasmparser::{FuncToValidate, FuncValidatorAllocations, Operator};

/// Index of a label in a function: the order in which reachable `block`, `loop` and `if`
/// instructions (and `else` branches) are met. Label 0 is the function body itself.
pub(crate) type LabelId = u32;

/// What pass 1 knows of a label.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LabelInfo {
    /// For a loop, its number; the label is at its start.
    pub loop_number: Option<u32>,
    /// An `if` with an `else`, whose label is the next one.
    pub has_else: bool,
    /// A loop that calls other functions on a path that goes on.
    pub has_calls: bool,
}

/// What pass 1 found out about one function.
#[derive(Default)]
pub(crate) struct Analysis {
    /// Types of all locals, parameters first.
    pub locals: Vec<ValType>,
    /// How many of them are parameters.
    pub params: u32,
    /// Greatest operand height over reachable code.
    pub max_height: u32,
    /// Uses of each tracked local, each weighted by 8 per loop around it.
    pub weights: Vec<u32>,
    /// The labels in order.
    pub labels: Vec<LabelInfo>,
    /// Units of the logical stack that a call takes, if they are counted.
    pub logical_cost: Option<u32>,
    /// Gas to be charged, in the order of the code; empty if gas is not counted.
    pub charges: Vec<Charge>,
    /// For each reachable local access in order: whether it is the last use of the
    /// value (`local.get`) or the value is never used (`local.set`, `local.tee`).
    pub dead: Vec<bool>,
    liveness: liveness::Liveness,
}

impl Analysis {
    /// Tracked locals alive at a label.
    pub fn live(&self, label: LabelId) -> &[u64] {
        self.liveness.live(label)
    }

    /// Locals accessed inside a loop, by its number.
    pub fn accessed(&self, loop_number: u32) -> &[u64] {
        self.liveness.accessed(loop_number)
    }

    /// Locals written inside a loop, by its number.
    pub fn written(&self, loop_number: u32) -> &[u64] {
        self.liveness.written(loop_number)
    }
}

/// Reusable state of pass 1.
#[derive(Default)]
pub(crate) struct Analyser {
    allocations: Option<FuncValidatorAllocations>,
    frames: Vec<Frame>,
    events: Vec<Event>,
    logical: LogicalHeight,
    gas: GasBlocks,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FrameKind {
    Block,
    Loop,
    If,
    Else,
}

struct Frame {
    kind: FrameKind,
    label: LabelId,
    /// Code here cannot be reached.
    unreachable: bool,
    /// The frame itself began in unreachable code and has no label.
    skipped: bool,
    /// A branch goes to the frame's end.
    targeted: bool,
}

impl Frame {
    fn new(kind: FrameKind, label: LabelId) -> Self {
        Self {
            kind,
            label,
            unreachable: false,
            skipped: false,
            targeted: false,
        }
    }
}

/// Uses in a loop count eight times those around it.
const LOOP_WEIGHT_SHIFT: u32 = 3;
/// Deeper loops count like the seventh.
const MAX_WEIGHTED_DEPTH: u32 = 7;

impl Analyser {
    /// Validates and analyses one body.
    pub fn run(
        &mut self,
        module: &ParsedModule<'_>,
        body: &Body<'_>,
        options: &CompileOptions,
        analysis: &mut Analysis,
    ) -> Result<(), CompileError> {
        let limits = &options.limits;
        let function = body.function;
        let wrap = |error| CompileError::from_wasmparser(error, Some(function));
        let limit =
            |offset: u64| move |limit| CompileError::limit(limit, Some(function), narrow(offset));
        let allocations = self.allocations.take().unwrap_or_default();
        let to_validate = FuncToValidate {
            resources: body.to_validate.resources.clone(),
            index: body.to_validate.index,
            ty: body.to_validate.ty,
            features: body.to_validate.features,
        };
        let mut validator = to_validate.into_validator(allocations);

        let ty = module
            .info
            .function_type(function)
            .expect("every body has a declared type");
        self.begin(ty, analysis);

        let mut locals = body.body.get_locals_reader().map_err(wrap)?;
        for _ in 0..locals.get_count() {
            let offset = locals.original_position();
            let (count, ty) = locals.read().map_err(wrap)?;
            let total = analysis.locals.len() as u64 + u64::from(count);
            limits.locals(total).map_err(limit(offset))?;
            validator.define_locals(offset, count, ty).map_err(wrap)?;
            let ty = ValType::from_wasmparser(ty).ok_or_else(|| {
                CompileError::unsupported("reference-types", Some(function), narrow(offset))
            })?;
            analysis.locals.resize(total as usize, ty);
        }
        analysis
            .weights
            .resize(analysis.locals.len().min(TRACKED_LOCALS as usize), 0);
        analysis.liveness.begin(analysis.locals.len());

        let declared = analysis.locals.len() as u32 - analysis.params;
        let meter = |error| CompileError::Meter { function, error };
        let mut meters = Meters {
            module,
            logical: options.metering.logical_stack.then_some(&mut self.logical),
            gas: options
                .metering
                .gas
                .as_deref()
                .map(|costs| (&mut self.gas, costs)),
        };
        meters
            .begin(declared, ty.results.len() as u32)
            .map_err(meter)?;
        let mut walk = Walk {
            analysis,
            frames: &mut self.frames,
            events: &mut self.events,
            open_loops: Vec::new(),
            last_call: None,
        };
        let mut reader = body.body.get_operators_reader().map_err(wrap)?;
        while !reader.eof() {
            let (operator, offset) = reader.read_with_offset().map_err(wrap)?;
            validator.op(offset, &operator).map_err(wrap)?;
            limits
                .nesting(u64::from(validator.control_stack_height()))
                .map_err(limit(offset))?;
            if let Operator::BrTable { targets } = &operator {
                limits
                    .br_table_targets(u64::from(targets.len()))
                    .map_err(limit(offset))?;
            }
            meters.operator(offset, &operator).map_err(meter)?;
            walk.operator(&operator);
            if walk.reachable() {
                let height = validator.operand_stack_height();
                walk.analysis.max_height = walk.analysis.max_height.max(height);
            }
        }
        reader.finish().map_err(wrap)?;
        self.allocations = Some(validator.into_allocations());
        meters.finish(analysis).map_err(meter)?;
        analysis
            .liveness
            .solve(&self.events, &analysis.labels, &mut analysis.dead);
        Ok(())
    }

    fn begin(&mut self, ty: &FuncType, analysis: &mut Analysis) {
        self.events.clear();
        self.frames.clear();
        self.frames.push(Frame::new(FrameKind::Block, 0));
        analysis.locals.clear();
        analysis.locals.extend_from_slice(&ty.params);
        analysis.params = ty.params.len() as u32;
        analysis.max_height = 0;
        analysis.weights.clear();
        analysis.labels.clear();
        analysis.labels.push(LabelInfo::default());
        analysis.dead.clear();
    }
}

/// The walk itself.
struct Walk<'w> {
    analysis: &'w mut Analysis,
    frames: &'w mut Vec<Frame>,
    events: &'w mut Vec<Event>,
    /// Numbers and labels of the loops open here.
    open_loops: Vec<(u32, LabelId)>,
    /// The operator before was the first call met in the loop of this label.
    last_call: Option<LabelId>,
}

impl Walk<'_> {
    /// After the last `end` there is no frame and nothing to be reached.
    fn reachable(&self) -> bool {
        self.frames.last().is_some_and(|frame| !frame.unreachable)
    }

    fn event(&mut self, kind: EventKind, argument: u32) {
        self.events.push(Event::new(kind, argument));
    }

    fn operator(&mut self, operator: &Operator<'_>) {
        let last_call = self.last_call.take();
        match *operator {
            Operator::Block { .. } => self.enter(FrameKind::Block),
            Operator::Loop { .. } => self.enter(FrameKind::Loop),
            Operator::If { .. } => self.enter(FrameKind::If),
            Operator::Else => self.enter_else(),
            Operator::End => self.leave(),
            _ if !self.reachable() => {}
            Operator::LocalGet { local_index } => self.access(EventKind::Get, local_index),
            Operator::LocalSet { local_index } => self.access(EventKind::Set, local_index),
            Operator::LocalTee { local_index } => self.access(EventKind::Tee, local_index),
            Operator::Br { relative_depth } => {
                self.branch(relative_depth);
                self.stop();
            }
            Operator::BrIf { relative_depth } => self.branch(relative_depth),
            Operator::BrTable { ref targets } => {
                for target in targets.targets() {
                    // The validator has read the same targets without an error.
                    self.branch(target.expect("targets were validated"));
                }
                self.branch(targets.default());
                self.stop();
            }
            Operator::Return => self.stop(),
            Operator::Unreachable => {
                if let Some(label) = last_call {
                    // A call that does not come back (a panic) is no part of the loop.
                    self.analysis.labels[label as usize].has_calls = false;
                }
                self.stop();
            }
            Operator::Call { .. } | Operator::CallIndirect { .. } => self.call(),
            _ => {}
        }
    }

    fn call(&mut self) {
        if let Some(&(_, label)) = self.open_loops.last() {
            let info = &mut self.analysis.labels[label as usize];
            if !info.has_calls {
                info.has_calls = true;
                self.last_call = Some(label);
            }
        }
    }

    fn access(&mut self, kind: EventKind, local: u32) {
        let depth = (self.open_loops.len() as u32).min(MAX_WEIGHTED_DEPTH);
        if let Some(weight) = self.analysis.weights.get_mut(local as usize) {
            *weight = weight.saturating_add(1 << (LOOP_WEIGHT_SHIFT * depth));
        }
        if let Some(&(number, _)) = self.open_loops.last() {
            self.analysis
                .liveness
                .access(number, local, kind != EventKind::Get);
        }
        self.event(kind, local);
    }

    fn enter(&mut self, kind: FrameKind) {
        let mut frame = Frame::new(kind, self.analysis.labels.len() as LabelId);
        if !self.reachable() {
            frame.unreachable = true;
            frame.skipped = true;
            return self.frames.push(frame);
        }
        let label = frame.label;
        let mut info = LabelInfo::default();
        if kind == FrameKind::Loop {
            let number = self.analysis.liveness.add_loop();
            info.loop_number = Some(number);
            self.open_loops.push((number, label));
            self.event(EventKind::LoopStart, label);
        }
        self.analysis.labels.push(info);
        if kind == FrameKind::If {
            // The label of an `else`, whether or not one comes.
            self.analysis.labels.push(LabelInfo::default());
            self.event(EventKind::IfStart, label);
        }
        self.frames.push(frame);
    }

    fn enter_else(&mut self) {
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
        self.analysis.labels[label as usize].has_else = true;
        self.event(EventKind::Else, label);
    }

    fn leave(&mut self) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        if frame.skipped {
            return;
        }
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
        let inner = self.open_loops.pop();
        if let (Some((inner, _)), Some(&(outer, outer_label))) = (inner, self.open_loops.last()) {
            self.analysis.liveness.merge_loop(inner, outer);
            let has_calls = self.analysis.labels[label as usize].has_calls;
            self.analysis.labels[outer_label as usize].has_calls |= has_calls;
        }
    }

    fn branch(&mut self, depth: u32) {
        let at = self.frames.len() - 1 - depth as usize;
        self.frames[at].targeted = true;
        let label = self.frames[at].label;
        self.event(EventKind::Branch, label);
    }

    fn stop(&mut self) {
        self.event(EventKind::Stop, 0);
        if let Some(frame) = self.frames.last_mut() {
            frame.unreachable = true;
        }
    }
}
