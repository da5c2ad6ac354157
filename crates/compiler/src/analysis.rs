//! Pass 1: one walk over a function body that validates it and finds what pass 2
//! cannot know in advance: the greatest operand height, where control flow goes, how
//! heavily each local is used, and which locals are alive where.
//!
//! In: a body and the module's declarations. Out: [`Analysis`], reused from function
//! to function, with the instructions that pass 2 is to translate. Time is linear in the body: the walk is
//! one pass, and liveness is a bounded number of backward passes over the events it recorded.
//!
//! Files: [`pass`] reads the operators and gives each to all that want it; [`reader`] reads the binary format,
//! [`operators`] is the table of those that only compute; [`validator`] validates; [`walk`] follows control flow;
//! [`meters`] runs the meters on the same walk; [`liveness`] has the backward passes; [`locals`] the types of locals.
//! [`refusal`] says why a body is refused, and [`judge`] compares the two for tests.

pub(crate) mod idiom;
mod judge;
mod liveness;
mod locals;
mod meters;
mod operators;
mod pass;
mod reader;
mod refusal;
mod validator;
mod walk;

pub use judge::{BodyJudge, Judgement, judge_bodies};
pub(crate) use liveness::{TRACKED_LOCALS, contains};
pub(crate) use locals::Locals;

use crate::error::narrow;
use crate::instruction::{BlockSignature, Code, LabelId};
use crate::module::{Body, ParsedModule};
use crate::types::FuncType;
use crate::{CompileError, CompileOptions, InternalError, Refusal};
use idiom::{Candidate, Idiom};
use meters::Meters;
use pass::Pass;
use pvf_metering::{GasBlocks, LogicalHeight};
use pvf_rules::{LimitExceeded, Limits};
use reader::Reader;
use validator::Validator;
use walk::{Found, Walk};

/// The properties of a label that pass 1 finds, in four bytes: flags, and a number. Of an `if`, that is the label of its
/// `else`, plus 1; of an open loop, the label of the loop around it, plus 1; of a loop that has ended, where its sets of
/// locals are. 0 is none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LabelInfo(u32);

impl LabelInfo {
    const IS_LOOP: u32 = 1 << 31;
    const HAS_CALLS: u32 = 1 << 30;
    const HAS_SETS: u32 = 1 << 29;
    const NUMBER: u32 = Self::HAS_SETS - 1;

    /// The label at the start of a loop in the loop with this label.
    fn of_loop(around: Option<LabelId>) -> Self {
        let mut info = Self(Self::IS_LOOP);
        info.set_number(around.map_or(0, |label| label + 1));
        info
    }

    fn set_number(&mut self, number: u32) {
        debug_assert!(number <= Self::NUMBER, "a body has fewer labels");
        self.0 = self.0 & !Self::NUMBER | number;
    }

    fn number(self) -> u32 {
        self.0 & Self::NUMBER
    }

    /// Whether it is the label at the start of a loop.
    pub fn is_loop(self) -> bool {
        self.0 & Self::IS_LOOP != 0
    }

    /// For an open loop, the label of the loop around it.
    fn around(self) -> Option<LabelId> {
        self.number().checked_sub(1)
    }

    /// For an open loop: something is accessed in it.
    fn has_sets(self) -> bool {
        self.0 & Self::HAS_SETS != 0
    }

    /// Notes the label of the `else`.
    fn set_else(&mut self, label: LabelId) {
        self.set_number(label + 1);
    }

    /// For an `if`, the label of its `else`, if there is one.
    pub fn else_label(self) -> Option<LabelId> {
        match self.is_loop() {
            true => None,
            false => self.number().checked_sub(1),
        }
    }

    /// The loop calls functions on a path that continues the loop.
    pub fn has_calls(self) -> bool {
        self.0 & Self::HAS_CALLS != 0
    }

    fn set(&mut self, flag: u32, on: bool) {
        self.0 = self.0 & !flag | if on { flag } else { 0 };
    }
}

/// The results of pass 1 for one function.
#[derive(Default)]
pub(crate) struct Analysis {
    /// Types of all locals, parameters first.
    pub locals: Locals,
    /// How many of them are parameters.
    pub params: u32,
    /// The function calls no function of the module or of the host.
    pub is_leaf: bool,
    /// The function has many truncations of floats for its size; they may become calls of shared code.
    pub truncates: bool,
    /// The function calls a builtin of the runtime.
    pub has_builtins: bool,
    /// The function reads or writes the counter of the logical stack.
    pub names_counter: bool,
    /// Greatest operand height over reachable code.
    pub max_height: u32,
    /// The most blocks open at a reachable point, the body counted.
    pub deepest: u32,
    /// Uses of each tracked local, each weighted by 8 per loop around it.
    pub weights: Vec<u32>,
    /// The labels in order.
    pub labels: Vec<LabelInfo>,
    /// Units of the logical stack that a call takes, if they are counted.
    pub logical_cost: Option<u32>,
    /// For each reachable local access in order: whether it is the last use of the
    /// value (`local.get`) or the value is never used (`local.set`, `local.tee`).
    pub dead: Vec<bool>,
    /// The instructions that can be reached.
    pub code: Code,
    /// Innermost loops that are not too long.
    pub candidates: Vec<Candidate>,
    /// The candidates that are idioms, by label.
    idioms: Vec<Idiom>,
    liveness: liveness::Liveness,
}

impl Analysis {
    /// Tracked locals alive at a label.
    pub fn live(&self, label: LabelId) -> &[u64] {
        self.liveness.live(label)
    }

    /// The idiom that the loop of this label is, if it is one.
    pub fn idiom(&self, label: LabelId) -> Option<&Idiom> {
        let at = self
            .idioms
            .binary_search_by_key(&label, |idiom| idiom.label);
        at.ok().map(|at| &self.idioms[at])
    }

    /// Whether the function calls anything: functions, the runtime, stubs of idioms, shared code.
    pub fn calls_anything(&self) -> bool {
        !self.is_leaf || self.has_builtins || self.truncates || !self.idioms.is_empty()
    }

    /// All loops that are idioms.
    pub fn idioms(&self) -> &[Idiom] {
        &self.idioms
    }

    /// Recognises idioms among the candidates.
    fn recognise_idioms(&mut self) {
        for candidate in &self.candidates {
            let live = self.liveness.live(candidate.label);
            let idiom = idiom::recognise(&self.code, &self.locals, candidate, live);
            self.idioms.extend(idiom);
        }
    }

    /// Locals accessed inside the loop of a label.
    pub fn accessed(&self, label: LabelId) -> &[u64] {
        self.liveness.accessed(self.labels[label as usize])
    }

    /// Locals written inside the loop of a label.
    pub fn written(&self, label: LabelId) -> &[u64] {
        self.liveness.written(self.labels[label as usize])
    }
}

/// A function has many truncations if it has at least [`MANY_TRUNCATIONS`] and one in [`BYTES_OF_A_TRUNCATION`] bytes.
const MANY_TRUNCATIONS: u32 = 4;
const BYTES_OF_A_TRUNCATION: u64 = 32;

/// A body of at least this many bytes gets buffers of the size that they may need, and those that only pass 1 uses are
/// freed after it instead of kept.
pub(crate) const LARGE_BODY: u32 = 64 * 1024;

/// The fewest bytes of a block: its operator, its type and its `end`.
const BLOCK_BYTES: usize = 3;

/// The body is not valid, or beyond a limit, or not to be metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// Reusable state of pass 1.
#[derive(Default)]
pub(crate) struct Analyser {
    validator: Validator,
    walk: walk::Buffers,
    logical: LogicalHeight,
    gas: GasBlocks,
}

/// The most bytes of a frame: what the machines' displacements reach.
const MOST_FRAME_BYTES: u32 = i32::MAX as u32;

// The limits of every profile keep all frames below it.
const _: () = {
    let slots = Limits::DEFAULT.locals as u64 + Limits::DEFAULT.module_bytes as u64;
    assert!(pvf_rules::SLOT_BYTES * (slots + 4) < MOST_FRAME_BYTES as u64);
};

/// Other limits may not.
fn frame_within(bytes: u64) -> Result<(), LimitExceeded> {
    match bytes <= MOST_FRAME_BYTES.into() {
        true => Ok(()),
        false => Err(LimitExceeded {
            what: "bytes of frame",
            count: bytes,
            limit: MOST_FRAME_BYTES,
        }),
    }
}

impl Analyser {
    /// Validates and analyses one body.
    pub fn run(
        &mut self,
        module: &ParsedModule<'_>,
        body: Body<'_>,
        options: &CompileOptions,
        analysis: &mut Analysis,
    ) -> Result<(), CompileError> {
        let function = body.function;
        let start = body.body.range().start;
        if self.accepts(module, &body, options, analysis).is_err() {
            let refusal = refusal::refusal(module, body, options);
            return Err(refusal.map_or_else(
                || InternalError::Undecided(function).into(),
                CompileError::Refused,
            ));
        }
        if cfg!(debug_assertions)
            && let Some(refusal) = refusal::refusal(module, body, options)
        {
            panic!("accepted, and not to be: {refusal}");
        }
        let declared = analysis.locals.count() - analysis.params;
        let frame = pvf_rules::frame_bytes(declared, analysis.max_height);
        frame_within(frame)
            .map_err(|limit| Refusal::limit(limit, Some(function), narrow(start)))?;
        if options.loop_idioms {
            analysis.recognise_idioms();
        }
        Ok(())
    }

    /// Validates and analyses one body, without a word about the reason if it is refused.
    pub fn accepts(
        &mut self,
        module: &ParsedModule<'_>,
        body: &Body<'_>,
        options: &CompileOptions,
        analysis: &mut Analysis,
    ) -> Result<(), Refused> {
        let limits = &options.limits;
        let declared = module.info.functions.get(body.function as usize);
        let (signature, body_bytes) = declared
            .map(|declared| (declared.signature, declared.body_bytes))
            .ok_or(Refused)?;
        let ty = &module.info.signatures[signature as usize];
        let bytes = body.body.as_bytes();
        let mut reader = Reader::new(bytes, narrow(body.body.range().start));

        self.begin(ty, analysis);
        if body_bytes >= LARGE_BODY {
            let body_bytes = body_bytes as usize;
            analysis.code.reserve(body_bytes);
            self.walk.reserve(body_bytes);
            self.validator.reserve(body_bytes / BLOCK_BYTES);
            self.logical.reserve(body_bytes / BLOCK_BYTES);
        }
        for _ in 0..reader.u32()? {
            let count = reader.u32()?;
            let total = u64::from(analysis.locals.count()) + u64::from(count);
            limits.locals(total).map_err(|_| Refused)?;
            analysis.locals.push(count, reader.value_type()?);
        }
        analysis
            .weights
            .resize(analysis.locals.tracked() as usize, 0);
        analysis.liveness.begin(analysis.locals.tracked());

        let declared = analysis.locals.count() - analysis.params;
        let mut meters = Meters::new(module, options, &mut self.logical, &mut self.gas);
        meters
            .begin(declared, ty.results.len() as u32)
            .map_err(|_| Refused)?;
        self.validator.begin(
            BlockSignature::interned(signature),
            limits.operands.max(body_bytes),
        );
        let walk = Walk::new(module, analysis, &mut self.walk);
        let validator = &mut self.validator;
        let (walk, meters, highest) = match meters.gas.is_some() {
            true => Pass::<true>::new(reader, validator, walk, meters, limits).run()?,
            false => Pass::<false>::new(reader, validator, walk, meters, limits).run()?,
        };
        let Found {
            accesses,
            truncations,
        } = walk.finish();
        let (logical_cost, metered_blocks) = meters.finish().map_err(|_| Refused)?;
        analysis.logical_cost = logical_cost;
        let costs = metered_blocks.iter().map(|block| block.cost);
        analysis.code.set_costs(costs);
        analysis.max_height = highest;
        let large = body_bytes >= LARGE_BODY;
        if large {
            self.validator.free();
            self.walk.free();
            self.logical = LogicalHeight::default();
            self.gas = GasBlocks::default();
            analysis.liveness.free_open();
        }
        analysis.truncates = truncations >= MANY_TRUNCATIONS
            && u64::from(truncations) * BYTES_OF_A_TRUNCATION > u64::from(body_bytes);
        analysis.dead.resize(accesses, false);
        analysis
            .liveness
            .solve(&self.walk.events, &analysis.labels, &mut analysis.dead);
        if large {
            self.walk.events = Vec::new();
        }
        Ok(())
    }

    fn begin(&mut self, ty: &FuncType, analysis: &mut Analysis) {
        analysis.locals.clear();
        for &ty in &ty.params {
            analysis.locals.push(1, ty);
        }
        analysis.params = ty.params.len() as u32;
        analysis.max_height = 0;
        analysis.deepest = 1;
        analysis.is_leaf = true;
        analysis.has_builtins = false;
        analysis.truncates = false;
        analysis.names_counter = false;
        analysis.weights.clear();
        analysis.labels.clear();
        analysis.labels.push(LabelInfo::default());
        analysis.dead.clear();
        analysis.code.clear();
        analysis.candidates.clear();
        analysis.idioms.clear();
    }
}
