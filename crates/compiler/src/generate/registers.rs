//! Allocation of registers, and moves of values between registers and homes.

use super::Generator;
use super::state::{Bits, Location, Operand, Owner};
use crate::analysis::TRACKED_LOCALS;
use crate::instruction::Instruction;
use crate::isa::masm::{Class, MacroAssembler, Reg, RegSet, Source, Width};
use crate::types::ValType;

pub(super) fn width(ty: ValType) -> Width {
    match ty {
        ValType::I32 | ValType::F32 => Width::W32,
        ValType::I64 | ValType::F64 => Width::W64,
    }
}

impl<M: MacroAssembler> Generator<'_, M> {
    /// A free register, the hinted one if possible.
    pub(super) fn free_register(&self, class: Class, hint: Option<Reg>) -> Option<Reg> {
        if let Some(hint) = hint
            && self.state.free.contains(hint)
        {
            return Some(hint);
        }
        self.state.free.and(self.registers.of(class)).first()
    }

    /// A register for the operator being translated.
    pub(super) fn allocate(&mut self, class: Class, hint: Option<Reg>) -> Reg {
        self.allocate_except(class, hint, RegSet::default())
    }

    /// Like [`Self::allocate`], but never a register of `except`.
    pub(super) fn allocate_except(
        &mut self,
        class: Class,
        hint: Option<Reg>,
        except: RegSet,
    ) -> Reg {
        let free = self.state.free.without(except);
        let hinted = hint.filter(|&hint| free.contains(hint));
        let free = hinted.or_else(|| free.and(self.registers.of(class)).first());
        let register = free.unwrap_or_else(|| {
            let victim = self.victim(class, except);
            self.spill_register(victim);
            victim
        });
        self.state.take(register);
        self.state.locked.insert(register);
        register
    }

    /// The register to spill: the one of the local with the least weight, or of the lowest operand.
    fn victim(&self, class: Class, except: RegSet) -> Reg {
        let keep = self.state.locked.or(self.state.temporaries).or(except);
        let candidates = self.registers.of(class).without(keep);
        let victim =
            candidates
                .iter()
                .min_by_key(|register| match self.state.owners[register.index()] {
                    Owner::Local(local) => {
                        let dirty = !self.state.home.contains(local);
                        (
                            u64::from(self.analysis.weights[local as usize]) * 2 + u64::from(dirty),
                            0,
                        )
                    }
                    Owner::Operand(position) => (16, position),
                    Owner::Nobody | Owner::Temporary => (0, 0),
                });
        victim.expect("no operator holds all registers of a class")
    }

    /// Sends a register's value home.
    pub(super) fn spill_register(&mut self, register: Reg) {
        match self.state.owners[register.index()] {
            Owner::Local(local) => {
                if !self.state.home.contains(local) {
                    let ty = self.analysis.locals.ty(local);
                    self.masm.store_slot(ty, self.local_slot(local), register);
                    self.state.home.insert(local);
                }
                self.state.unbind_local(local);
            }
            Owner::Operand(position) => {
                let operand = &mut self.state.operands[position as usize];
                operand.location = Location::Home(position);
                let ty = operand.ty;
                self.masm
                    .store_slot(ty, self.operand_slot(position), register);
                self.state.release(register);
            }
            Owner::Nobody | Owner::Temporary => {}
        }
    }

    /// Makes a register free for an operator that is bound to it: its value moves to another register
    /// if one is free, else home. A value that the operator itself holds there stays readable there.
    pub(super) fn vacate(&mut self, register: Reg, except: RegSet) {
        let class = register.class();
        let free = self.state.free.without(except);
        let other = free.and(self.registers.of(class)).first();
        match (self.state.owners[register.index()], other) {
            (Owner::Local(local), Some(other)) => {
                let ty = self.analysis.locals.ty(local);
                self.masm.move_register(ty, other, register);
                self.state.unbind_local(local);
                self.state.bind_local(local, other);
            }
            (Owner::Operand(position), Some(other)) => {
                let operand = &mut self.state.operands[position as usize];
                operand.location = Location::Reg(other);
                let ty = operand.ty;
                self.masm.move_register(ty, other, register);
                self.state.release(register);
                self.state.give(other, Owner::Operand(position));
            }
            (Owner::Temporary, _) => return,
            _ => self.spill_register(register),
        }
        self.state.take(register);
        self.state.locked.insert(register);
    }

    /// Brings an operand into a register for reading; the register may be a local's.
    pub(super) fn read(&mut self, operand: Operand) -> Reg {
        let class = operand.ty.class();
        let register = match operand.location {
            Location::Reg(register) => register,
            Location::Const(Bits(bits)) => {
                let register = self.allocate(class, None);
                self.masm.load_const(operand.ty, register, bits);
                register
            }
            Location::Home(position) => {
                let slot = self.operand_slot(position);
                let register = self.allocate(class, None);
                self.masm.load_slot(operand.ty, register, slot);
                register
            }
            Location::Local(local) => self.read_local(local, operand),
            Location::Flags(condition) => {
                let register = self.allocate(class, None);
                self.masm.set_condition(condition, register);
                register
            }
        };
        self.state.locked.insert(register);
        register
    }

    fn read_local(&mut self, local: u32, operand: Operand) -> Reg {
        if let Some(register) = self.state.register[local as usize] {
            return register;
        }
        let hint = self.state.preferred[local as usize];
        let register = self.allocate(operand.ty.class(), hint);
        if self.state.constant.contains(local) {
            self.masm
                .load_const(operand.ty, register, self.state.constants[local as usize]);
            return register;
        }
        self.masm
            .load_slot(operand.ty, register, self.local_slot(local));
        if !operand.last_use {
            self.state.bind_local(local, register);
        }
        register
    }

    /// An operand as the second one of an operation: in its home if it is only there.
    pub(super) fn source(&mut self, operand: Operand) -> Source {
        match operand.location {
            Location::Const(Bits(bits)) => Source::Const(bits),
            Location::Home(position) => Source::Slot(self.operand_slot(position)),
            Location::Local(local) if self.state.register[local as usize].is_none() => {
                if self.state.constant.contains(local) {
                    Source::Const(self.state.constants[local as usize])
                } else if operand.last_use {
                    Source::Slot(self.local_slot(local))
                } else {
                    Source::Reg(self.read(operand))
                }
            }
            _ => Source::Reg(self.read(operand)),
        }
    }

    /// An operand as a constant, if it is one.
    pub(super) fn constant(&self, operand: &Operand) -> Option<u64> {
        match operand.location {
            Location::Const(Bits(bits)) => Some(bits),
            Location::Local(local) if self.state.constant.contains(local) => {
                Some(self.state.constants[local as usize])
            }
            _ => None,
        }
    }

    /// A register for a result. If the next operator sets a local, its register, since
    /// the value there is dead; else the first of these that is the operator's own.
    pub(super) fn result(&mut self, class: Class, reuse: &[Reg]) -> Reg {
        let mut hint = None;
        if let Some(local) = set_by(self.next())
            && local < TRACKED_LOCALS
            && self.analysis.locals.ty(local).class() == class
            && self.state.references[local as usize] == 0
        {
            match self.state.register[local as usize] {
                Some(register) => {
                    // Its value goes now: the operands of this operator are read by now.
                    self.state.register[local as usize] = None;
                    self.state.held.remove(register);
                    self.state.owners[register.index()] = Owner::Temporary;
                    self.state.temporaries.insert(register);
                    self.state.locked.insert(register);
                    return register;
                }
                None => hint = self.state.preferred[local as usize],
            }
        }
        let own = |register: &&Reg| {
            register.class() == class && self.state.temporaries.contains(**register)
        };
        match reuse.iter().find(own) {
            Some(&own) => own,
            None => self.allocate(class, hint),
        }
    }

    /// Pushes a result that is in a register.
    pub(super) fn push_register(&mut self, ty: ValType, register: Reg) {
        self.state.push(ty, Location::Reg(register));
    }

    /// Pops an operand that is about to become visible: a NaN is the canonical one.
    pub(super) fn pop_visible(&mut self) -> Operand {
        let mut operand = self.state.pop();
        if operand.raw_nan {
            let register = self.read(operand);
            // A raw NaN is an operation's result and as such never a local's value.
            self.canonicalise(width(operand.ty), register);
            operand.location = Location::Reg(register);
            operand.raw_nan = false;
        }
        operand
    }

    /// Canonicalises the topmost `count` operands.
    pub(super) fn canonicalise_top(&mut self, count: u32) {
        if count == 0 {
            return;
        }
        let height = self.state.operands.len();
        let top = self.state.not_homed(height - count as usize..height);
        for position in top.rev() {
            let operand = self.state.operands[position];
            if !operand.raw_nan {
                continue;
            }
            let register = match operand.location {
                Location::Reg(register) => register,
                _ => {
                    let register = self.allocate(Class::Float, None);
                    self.masm
                        .load_slot(operand.ty, register, self.operand_slot(position as u32));
                    self.state.give(register, Owner::Operand(position as u32));
                    let settled = self.state.settled().min(position);
                    self.state.set_settled(settled);
                    register
                }
            };
            self.canonicalise(width(operand.ty), register);
            let operand = &mut self.state.operands[position];
            operand.location = Location::Reg(register);
            operand.raw_nan = false;
            // There may be more such operands than registers: this one may go home again.
            self.state.locked.remove(register);
        }
    }

    /// Whether a condition is on top of the stack.
    #[inline]
    pub(super) fn has_flags(&self) -> bool {
        let top = self.state.operands.last();
        top.is_some_and(|operand| matches!(operand.location, Location::Flags(_)))
    }

    /// Turns the condition on top of the stack into a value in a register.
    pub(super) fn settle_flags(&mut self) {
        let operand = self.state.pop();
        let register = self.read(operand);
        self.push_register(ValType::I32, register);
    }

    /// All operands go home, but constants stay constants. The flags stay.
    pub(super) fn settle_operands(&mut self) {
        let height = self.state.operands.len();
        for position in self.state.settled()..height {
            self.settle_operand(position as u32);
        }
        self.state.set_settled(height);
    }

    /// One operand goes home unless it is a constant.
    pub(super) fn settle_operand(&mut self, position: u32) {
        let operand = self.state.operands[position as usize];
        match operand.location {
            Location::Const(_) | Location::Home(_) => {}
            Location::Reg(register) => self.spill_register(register),
            Location::Local(local) => {
                let origin = self.origin(operand.location);
                let slot = self.operand_slot(position);
                let constant = self.constant(&operand);
                self.state.references[local as usize] -= 1;
                let location = match constant {
                    Some(bits) => Location::Const(Bits(bits)),
                    None => {
                        self.write_slot(operand.ty, slot, origin);
                        Location::Home(position)
                    }
                };
                self.state.operands[position as usize].location = location;
            }
            Location::Flags(_) => unreachable!("flags are settled before the operands"),
        }
    }
}

/// The local the next operator sets.
pub(super) fn set_by(next: Instruction) -> Option<u32> {
    match next {
        Instruction::LocalSet(local) | Instruction::LocalTee(local) => Some(local),
        _ => None,
    }
}
