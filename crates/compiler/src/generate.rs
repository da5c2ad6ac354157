//! Pass 2: a forward walk over a body that writes machine code.
//!
//! In: the instructions of a body, the other results of pass 1, and a target. Out: code appended to the target's
//! buffer. The walk knows at every point where each value is ([`state`]): an operator reads its operands there, and the
//! state then records where its result is.
//!
//! Files: [`state`] is what is known at a point of the code, [`blocks`] what is known of open blocks and their labels,
//! [`edges`] the ways to labels, [`loops`] loop entry, [`moves`] parallel moves, [`registers`] the allocation of registers, [`budget`] how much
//! code branches may take; [`operators`], [`control`], [`calls`], [`idioms`] translate instructions, [`fusion`] and
//! [`swap`] several of them into one.

mod blocks;
mod budget;
mod calls;
#[cfg(debug_assertions)]
mod checker;
mod control;
mod edges;
mod fusion;
mod idioms;
mod loops;
mod moves;
mod operators;
mod registers;
mod state;
mod swap;
#[cfg(test)]
mod tests;

pub(crate) use calls::{Conventions, builtin_convention};

use crate::analysis::{Analysis, LARGE_BODY, TRACKED_LOCALS};
use crate::artifact::LoopStart;
use crate::instruction::{Instruction, Instructions};
use crate::isa::masm::{Convention, Machine, MacroAssembler, Registers, Table};
use crate::module::ParsedModule;
use crate::types::FuncType;
use blocks::OpenBlocks;
use budget::{Budget, CODE_PER_BYTE, HomeEntry};
use edges::Store;
use moves::{Origin, ParallelMove};
use operators::is_condition;
use pvf_rules::SLOT_BYTES;
use state::{LocalSet, State};

/// The parts of a module that the generator reads, the same for all functions.
pub(crate) struct ModuleContext<'m> {
    pub module: &'m ParsedModule<'m>,
    pub conventions: Conventions,
    /// The place of the table, if there is one.
    pub table: Option<Table>,
    /// Gas per page that a `memory.grow` asks for.
    pub memory_grow: u32,
    /// Offset in the context of the counter of the logical stack, if the module names it.
    pub counter: Option<u32>,
}

impl ModuleContext<'_> {
    /// The calling convention of a signature.
    pub fn convention(&self, signature: u32) -> &Convention {
        let signatures = &self.module.info.signatures;
        self.conventions
            .of(signature, &signatures[signature as usize])
    }
}

/// One function's place in the code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GeneratedFunction {
    pub start: u32,
    pub end: u32,
    pub frame_bytes: u32,
    pub logical_cost: u32,
}

/// Buffers that outlive a function.
pub(crate) struct GeneratorState {
    state: Box<State>,
    blocks: OpenBlocks,
    edge_moves: ParallelMove,
    edge_stores: Vec<Store>,
    loop_locals: Vec<u32>,
    arguments: Vec<Origin>,
    home_entries: Vec<HomeEntry>,
    /// The loops of all functions since they were taken, in order, with offsets in the piece of code.
    pub loops: Vec<LoopStart>,
}

impl Default for GeneratorState {
    fn default() -> Self {
        Self {
            state: Box::new(State::new()),
            blocks: OpenBlocks::default(),
            edge_moves: ParallelMove::default(),
            edge_stores: Vec::new(),
            loop_locals: Vec::new(),
            arguments: Vec::new(),
            home_entries: Vec::new(),
            loops: Vec::new(),
        }
    }
}

/// The walk over one function.
struct Generator<'g, M> {
    masm: &'g mut M,
    context: &'g ModuleContext<'g>,
    analysis: &'g Analysis,
    registers: &'static Registers,
    state: &'g mut State,
    blocks: &'g mut OpenBlocks,
    edge_moves: &'g mut ParallelMove,
    edge_stores: &'g mut Vec<Store>,
    loop_locals: &'g mut Vec<u32>,
    arguments: &'g mut Vec<Origin>,
    /// Entries from homes, emitted after the function.
    home_entries: &'g mut Vec<HomeEntry>,
    loops: &'g mut Vec<LoopStart>,
    budget: Budget,
    /// Type of the function.
    ty: &'g FuncType,
    frame_bytes: u32,
    /// The instructions after the one being translated.
    rest: &'g mut Instructions,
    /// Next local access of pass 1.
    next_access: usize,
    /// `br_table`s so far.
    tables: u32,
    all_tracked: LocalSet,
}

/// Generates one function.
pub(crate) fn generate<M: Machine>(
    buffers: &mut GeneratorState,
    machine: &mut M,
    context: &ModuleContext<'_>,
    function: u32,
    analysis: &mut Analysis,
) -> GeneratedFunction {
    let mut instructions = analysis.code.take_instructions();
    let function = generate_from(
        buffers,
        machine,
        context,
        function,
        analysis,
        &mut instructions,
    );
    analysis.code.put_back(instructions);
    function
}

fn generate_from<M: Machine>(
    buffers: &mut GeneratorState,
    machine: &mut M,
    context: &ModuleContext<'_>,
    function: u32,
    analysis: &Analysis,
    instructions: &mut Instructions,
) -> GeneratedFunction {
    let info = &context.module.info;
    let signature = info.functions[function as usize].signature;
    let declared = analysis.locals.count() - analysis.params;
    let tracked = analysis.locals.tracked();
    let registers = machine.registers();
    let body_bytes = info.functions[function as usize].body_bytes;
    if body_bytes >= LARGE_BODY {
        let code_bytes = CODE_PER_BYTE as usize * body_bytes as usize;
        machine.reserve(code_bytes, analysis.labels.len());
    }
    let mut masm = machine.begin_function(info.functions[function as usize].body_offset);
    let start = masm.offset();
    let mut generator = Generator {
        registers,
        masm: &mut masm,
        context,
        analysis,
        state: &mut buffers.state,
        blocks: &mut buffers.blocks,
        edge_moves: &mut buffers.edge_moves,
        edge_stores: &mut buffers.edge_stores,
        loop_locals: &mut buffers.loop_locals,
        arguments: &mut buffers.arguments,
        home_entries: &mut buffers.home_entries,
        loops: &mut buffers.loops,
        budget: Budget::default(),
        ty: &info.signatures[signature as usize],
        // Pass 1 has compared it with what displacements reach.
        frame_bytes: pvf_rules::frame_bytes(declared, analysis.max_height) as u32,
        rest: instructions,
        next_access: 0,
        tables: 0,
        all_tracked: LocalSet::first(tracked),
    };
    let declared = &info.functions[function as usize];
    generator.budget = Budget::new(start, declared.body_offset, declared.body_bytes);
    generator.begin(signature, tracked);
    while let Some(placed) = generator.rest.advance(&analysis.code) {
        let instruction = placed.instruction;
        let offset = generator.rest.offset();
        generator.masm.set_wasm_offset(offset);
        generator.instruction(instruction);
    }
    generator.emit_home_entries();
    let frame_bytes = generator.frame_bytes;
    GeneratedFunction {
        start,
        end: masm.finish_function(),
        frame_bytes,
        logical_cost: analysis.logical_cost.unwrap_or_default(),
    }
}

impl<M: MacroAssembler> Generator<'_, M> {
    /// Emits the prologue and sets the state after it.
    fn begin(&mut self, signature: u32, tracked: u32) {
        let convention = self.context.convention(signature);
        self.state.reset(self.registers.all(), tracked as usize);
        self.state
            .operands
            .reserve(self.analysis.max_height as usize);
        match (self.analysis.logical_cost, self.context.counter) {
            (Some(cost), Some(counter)) => self.masm.charge_counter(counter, cost),
            (Some(cost), None) => self.masm.enter_logical_stack(cost, self.analysis.is_leaf),
            (None, _) => {}
        }
        let calls = self.analysis.calls_anything();
        self.masm.enter_frame(self.frame_bytes, calls);
        for (param, place) in convention.params.iter().enumerate() {
            let param = param as u32;
            match place.register {
                Some(register) if param < tracked => self.state.bind_local(param, register),
                Some(register) => {
                    let slot = self.local_slot(param);
                    self.masm.store_slot(place.ty, slot, register);
                }
                None if param < tracked => self.state.home.insert(param),
                None => {}
            }
        }
        if self.analysis.params < tracked {
            let params = LocalSet::first(self.analysis.params);
            self.state.constant = self.all_tracked.without(params);
            self.state.constants[self.analysis.params as usize..tracked as usize].fill(0);
        }
        let locals = self.analysis.locals.count();
        let untracked = self.analysis.params.max(TRACKED_LOCALS);
        if untracked < locals {
            let (from, to) = (self.local_slot(locals - 1), self.local_slot(untracked));
            self.masm.zero_slots(from, to + SLOT_BYTES as u32);
        }
        self.begin_body(signature);
    }

    /// The home of an operand position, as a distance from the stack pointer.
    fn operand_slot(&self, position: u32) -> u32 {
        (self.analysis.max_height - 1 - position) * SLOT_BYTES as u32
    }

    /// The home of a local: declared ones above the operands, parameters in the caller's
    /// frame.
    fn local_slot(&self, local: u32) -> u32 {
        let params = self.analysis.params;
        let slots = match local.checked_sub(params) {
            Some(declared) => {
                let count = self.analysis.locals.count() - params;
                self.analysis.max_height + count - 1 - declared
            }
            None => self.frame_bytes / SLOT_BYTES as u32 + params - 1 - local,
        };
        slots * SLOT_BYTES as u32
    }

    #[cfg(debug_assertions)]
    fn check(&self) {
        self.state
            .check(&self.analysis.locals, self.registers.all());
    }

    /// Skips the next instruction, which was translated together with the present one.
    fn pass_over(&mut self) {
        self.rest.advance(&self.analysis.code);
    }

    /// The next instruction, which shows how a result is used.
    fn next(&self) -> Instruction {
        self.following(0)
    }

    /// The instruction `distance` after the one that follows; after the last of them, an `end`.
    fn following(&self, distance: usize) -> Instruction {
        match self.rest.following(distance) {
            Some(placed) => placed.instruction,
            None => Instruction::End,
        }
    }

    /// Translates an instruction. One that cannot be reached is an `else` or an `end`: pass 1 leaves out all others.
    #[inline(always)]
    fn instruction(&mut self, instruction: Instruction) {
        if self.has_flags() && !is_condition(instruction) {
            if self.add_below_flags(instruction) {
                return;
            }
            self.settle_flags();
        }
        self.translate(instruction);
        self.state.end_operator();
        #[cfg(debug_assertions)]
        self.check();
    }
}
