//! Calls, returns and the calling convention.
//!
//! The first arguments of each class are in registers, every argument has a slot at the bottom of the
//! caller's frame. No register survives a call: before it, every value needed later goes
//! home, if it is not there already.

use super::moves::Origin;
use super::state::{Location, Operand};
use super::{Generator, operators::WAITING_READS};
use crate::abi::{BUILTIN_FLAG, Builtin};
use crate::isa::masm::{Class, Convention, MacroAssembler, Place, Reg, Registers};
use crate::types::{FuncType, ValType};
use pvf_rules::SLOT_BYTES;
use std::sync::OnceLock;

/// The calling conventions of signatures, each made when it is first used.
pub(crate) struct Conventions {
    registers: &'static Registers,
    made: Vec<OnceLock<Box<Convention>>>,
}

impl Conventions {
    /// No conventions yet, for `signatures` signatures.
    pub fn new(signatures: usize, registers: &'static Registers) -> Self {
        let made = std::iter::repeat_with(OnceLock::new).take(signatures);
        Self {
            registers,
            made: made.collect(),
        }
    }

    /// The convention of the signature with this index.
    pub fn of(&self, signature: u32, ty: &FuncType) -> &Convention {
        self.made[signature as usize].get_or_init(|| Box::new(convention(ty, self.registers)))
    }
}

/// Where parameters and results of a type are.
fn convention(ty: &FuncType, registers: &Registers) -> Convention {
    let (mut general, mut float) = (
        registers.general_arguments.iter(),
        registers.float_arguments.iter(),
    );
    let params = places(&ty.params, |ty| match ty.class() {
        Class::General => general.next().copied(),
        Class::Float => float.next().copied(),
    });
    let mut first = true;
    let results = places(&ty.results, |ty| {
        std::mem::take(&mut first).then(|| registers.result(ty))
    });
    Convention { params, results }
}

/// The convention of builtins: all parameters in slots.
pub(crate) fn builtin_convention(builtin: Builtin, registers: &Registers) -> Convention {
    let params = match builtin {
        Builtin::MemoryGrow => 1,
        Builtin::DataDrop | Builtin::ElemDrop => 0,
        _ => 3,
    };
    let results: &[ValType] = match builtin {
        Builtin::MemoryGrow => &[ValType::I32],
        _ => &[],
    };
    Convention {
        params: places(&[ValType::I32; 3][..params], |_| None),
        results: places(results, |ty| Some(registers.result(ty))),
    }
}

fn places(types: &[ValType], mut register: impl FnMut(ValType) -> Option<Reg>) -> Vec<Place> {
    let count = types.len() as u32;
    (0..count)
        .zip(types)
        .map(|(i, &ty)| Place {
            ty,
            register: register(ty),
            slot: (count - 1 - i) * SLOT_BYTES as u32,
        })
        .collect()
}

/// At least this many values in slots are copied by a loop.
const COPIED_BY_LOOP: usize = 4;

impl<'g, M: MacroAssembler> Generator<'g, M> {
    pub(super) fn call(&mut self, function: u32) {
        let info = &self.context.module.info;
        let signature = info.functions[function as usize].signature;
        let convention: &'g Convention = self.context.convention(signature);
        self.pass_arguments(convention, None);
        self.masm.call(function);
        if function < info.imported_functions {
            self.masm.mark_host_call();
        }
        self.take_results(convention);
    }

    pub(super) fn call_indirect(&mut self, signature: u32) {
        let convention: &'g Convention = self.context.convention(signature);
        let table = self
            .context
            .table
            .expect("pass 1 validated that there is a table");
        let top = self.state.operands.len() - 1;
        let arguments = &self.state.operands[top - convention.params.len()..top];
        if arguments.iter().any(|operand| operand.raw_nan) {
            self.canonicalise_top(convention.params.len() as u32 + 1);
        }
        let index = self.state.pop();
        let index = self.read(index);
        self.pass_arguments(convention, Some(index));
        self.masm
            .call_indirect(self.registers.table_index, signature, table);
        self.take_results(convention);
    }

    /// Calls into the runtime, with the segment that the builtin works on, if any.
    pub(super) fn call_builtin(&mut self, builtin: Builtin, segment: u32) {
        let convention = builtin_convention(builtin, self.registers);
        self.pass_arguments(&convention, None);
        if builtin.takes_segment() {
            self.masm.builtin_immediate(segment);
        }
        self.masm.call(BUILTIN_FLAG | builtin as u32);
        self.masm.mark_host_call();
        self.take_results(&convention);
    }

    /// Takes the arguments off the stack to where the callee expects them, and sends home what is
    /// needed after the call. A table index goes to its register.
    fn pass_arguments(&mut self, convention: &Convention, index: Option<Reg>) {
        let count = convention.params.len();
        self.canonicalise_top(count as u32);
        let first = self.state.operands.len() - count;
        self.send_home(first as u32);
        let mut origins = std::mem::take(self.arguments);
        origins.clear();
        for position in first..first + count {
            let operand = self.state.operands[position];
            origins.push(self.origin(operand.location));
        }
        if convention
            .params
            .iter()
            .any(|place| place.register.is_none())
        {
            self.pass_in_slots(convention, first, &mut origins);
        }
        self.edge_moves.clear();
        for (place, origin) in convention.params.iter().zip(&origins) {
            if let Some(register) = place.register {
                self.edge_moves.add(register, *origin, place.ty);
            }
        }
        if let Some(index) = index {
            self.edge_moves
                .add(self.registers.table_index, Origin::Reg(index), ValType::I32);
        }
        self.edge_moves.emit(self.masm);
        *self.arguments = origins;
        self.state.truncate(first as u32);
        self.release_all();
    }

    /// Arguments in slots. Homes of operands lie as far above their slots as the stack is
    /// below its greatest height, so that from the last argument to the first no store
    /// overwrites what is still to be read, if arguments for registers leave their homes too.
    fn pass_in_slots(&mut self, convention: &Convention, first: usize, origins: &mut [Origin]) {
        let mut end = origins.len();
        while end > 0 {
            let run = self.homes_below(first, end);
            if run >= COPIED_BY_LOOP {
                let lowest = convention.params[end - 1].slot;
                let home = self.operand_slot((first + end - 1) as u32);
                if home != lowest {
                    self.masm.copy_slots(lowest, home, run as u32);
                }
                for (place, origin) in convention
                    .params
                    .iter()
                    .zip(&mut *origins)
                    .take(end)
                    .skip(end - run)
                {
                    *origin = Origin::Slot(place.slot);
                }
                end -= run;
                continue;
            }
            end -= 1;
            let (place, origin) = (&convention.params[end], &mut origins[end]);
            if place.register.is_none() || run > 0 {
                self.write_slot(place.ty, place.slot, *origin);
                *origin = Origin::Slot(place.slot);
            }
        }
    }

    /// How many operands in a row are at home, from the one before a position down to at most the first.
    fn homes_below(&self, first: usize, end: usize) -> usize {
        let operands = &self.state.operands[first..first + end];
        let at_home = |operand: &&Operand| matches!(operand.location, Location::Home(_));
        operands.iter().rev().take_while(at_home).count()
    }

    /// Sends home every local and every operand below a position that is only in a register.
    fn send_home(&mut self, below: u32) {
        for position in self.state.settled() as u32..below {
            match self.state.operands[position as usize].location {
                Location::Reg(register) => self.spill_register(register),
                // Old ones would be looked at again at every call.
                Location::Local(_) if below - position > WAITING_READS => {
                    self.settle_operand(position);
                }
                _ => {}
            }
        }
        let waiting = below.saturating_sub(WAITING_READS) as usize;
        self.state.set_settled(self.state.settled().max(waiting));
        for register in self.state.held.iter() {
            let local = self.state.holder(register);
            if !self.state.home.contains(local) {
                let ty = self.analysis.locals.ty(local);
                self.masm.store_slot(ty, self.local_slot(local), register);
                self.state.home.insert(local);
            }
        }
    }

    /// No register keeps its value.
    fn release_all(&mut self) {
        for register in self.state.held.iter() {
            self.state.unbind_local(self.state.holder(register));
        }
        self.state.end_operator();
    }

    fn take_results(&mut self, convention: &Convention) {
        let base = self.state.height();
        let in_slots = convention.results.iter().filter(|it| it.register.is_none());
        let by_loop = in_slots.count() >= COPIED_BY_LOOP;
        if by_loop && let Some(last) = convention.results.last() {
            let count = convention.results.len() as u32;
            let home = self.operand_slot(base + count - 1);
            if home != last.slot {
                // All but the first are in slots.
                self.masm.copy_slots(home, last.slot, count - 1);
            }
        }
        for (result, place) in (0..).zip(&convention.results) {
            match place.register {
                Some(register) => {
                    self.state.push(place.ty, Location::Reg(register));
                }
                None => {
                    // Homes lie at or above the slots, the first result's highest.
                    let home = self.operand_slot(base + result);
                    if !by_loop {
                        self.write_slot(place.ty, home, Origin::Slot(place.slot));
                    }
                    self.state.push(place.ty, Location::Home(base + result));
                }
            }
        }
    }

    /// Returns what is on top of the stack. The state stays.
    pub(super) fn return_values(&mut self) {
        let results = &self.ty.results;
        self.canonicalise_top(results.len() as u32);
        let first = self.state.height() - results.len() as u32;
        match results[..] {
            [] => {}
            [ty] => {
                let operand = self.state.operands[first as usize];
                let origin = self.origin(operand.location);
                self.edge_moves.clear();
                self.edge_moves.add(self.registers.result(ty), origin, ty);
                self.edge_moves.emit(self.masm);
            }
            _ => self.return_several(first),
        }
        let calls = self.analysis.calls_anything();
        self.masm.leave_frame(self.frame_bytes, calls);
        match (self.analysis.logical_cost, self.context.counter) {
            (Some(cost), Some(counter)) => self.masm.release_counter(counter, cost),
            (Some(cost), None) if !self.analysis.is_leaf => self.masm.leave_logical_stack(cost),
            _ => {}
        }
        self.masm.return_from_function();
    }

    /// Results go to slots of the caller, where parameters may have their homes: first all to the
    /// homes of their operands, then on.
    fn return_several(&mut self, first: u32) {
        let signature = self.ty;
        let convention = convention(signature, self.registers);
        if convention.results.len() > COPIED_BY_LOOP {
            return self.return_many(first, &convention);
        }
        let homes: Vec<u32> = (0..convention.results.len() as u32)
            .map(|result| self.operand_slot(first + result))
            .collect();
        for (position, (place, &home)) in (first..).zip(convention.results.iter().zip(&homes)) {
            let operand = self.state.operands[position as usize];
            let origin = self.origin(operand.location);
            self.write_slot(place.ty, home, origin);
        }
        for (place, home) in convention.results.iter().zip(homes) {
            match place.register {
                Some(register) => self.masm.load_slot(place.ty, register, home),
                None => self.masm.copy_slot(self.frame_bytes + place.slot, home),
            }
        }
    }

    /// Like [`Self::return_several`], with loops that copy.
    fn return_many(&mut self, first: u32, convention: &Convention) {
        self.send_values_home(first);
        let count = convention.results.len() as u32;
        let (last, lowest) = (self.operand_slot(first + count - 1), self.frame_bytes);
        let in_slots = convention.results.iter().filter(|it| it.register.is_none());
        self.masm.copy_slots(lowest, last, in_slots.count() as u32);
        for (position, place) in (first..).zip(&convention.results) {
            if let Some(register) = place.register {
                self.masm
                    .load_slot(place.ty, register, self.operand_slot(position));
            }
        }
    }

    /// Brings an operand into a register of the operator's own, which may be overwritten.
    pub(super) fn own(&mut self, operand: Operand) -> Reg {
        let register = self.read(operand);
        if self.state.temporaries.contains(register) {
            return register;
        }
        let own = self.allocate(operand.ty.class(), None);
        self.masm.move_register(operand.ty, own, register);
        own
    }
}
