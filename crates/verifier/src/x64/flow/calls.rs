//! Calls and returns.

use super::super::scan::{Role, Step};
use super::super::table::Op;
use super::super::{
    Called, FLOAT_ARGUMENTS, GENERAL_ARGUMENTS, R8, R9, R10, R11, RAX, RDX, RSP, XMM14, XMM15,
};
use super::facts::*;
use super::{Checked, Flow};
use crate::Invariant;
use crate::layout::{BUILTINS, LEAST_BLOCK, SLOT_BYTES};
use crate::wasm::{FuncType, ValType};

/// Bytes of `ud2`.
const TRAP_BYTES: u32 = 2;

impl Flow<'_, '_> {
    pub(super) fn arguments(&mut self, ty: &FuncType) {
        let (mut general, mut float) = (GENERAL_ARGUMENTS.iter(), 0);
        for &ty in &ty.params {
            match ty {
                ValType::I32 | ValType::I64 => {
                    if let Some(&register) = general.next() {
                        self.bounds[usize::from(register)] = width(ty);
                    }
                }
                ValType::F32 | ValType::F64 => {
                    if float < FLOAT_ARGUMENTS {
                        self.bounds[xmm(float)] = 64;
                        float += 1;
                    }
                }
            }
        }
    }

    /// Checks that arguments have the widths of their types and that the slots are within the frame.
    pub(super) fn pass_arguments(&self, ty: &FuncType) -> Checked {
        let (mut general, mut float) = (GENERAL_ARGUMENTS.iter(), 0);
        for &ty in &ty.params {
            match ty.is_integer() {
                true => {
                    let Some(&register) = general.next() else {
                        continue;
                    };
                    let bound = self.bound(register);
                    let fits = bound <= width(ty);
                    self.ensure(fits, Invariant::Calls, "an argument of another width")?;
                }
                false if float < FLOAT_ARGUMENTS => {
                    let fits = self.bounds[xmm(float)] <= 64;
                    self.ensure(fits, Invariant::Calls, "an argument that is not there")?;
                    float += 1;
                }
                false => {}
            }
        }
        self.slots(ty.slot_bytes())
    }

    pub(super) fn slots(&self, bytes: u64) -> Checked {
        let frame = self.function.map_or(0, |it| it.2);
        let fit = bytes <= frame.saturating_sub(16);
        self.ensure(
            fit,
            Invariant::CalleeSlots,
            "a callee's slots out of the frame",
        )
    }

    /// Sets the state after a call: only the first result is in a register.
    pub(super) fn come_back(&mut self, result: Option<ValType>) {
        self.bounds = [NOTHING; 32];
        self.fix();
        match result {
            Some(ty) if ty.is_integer() => self.bounds[usize::from(RAX)] = width(ty),
            Some(_) => self.bounds[xmm(0)] = 64,
            None => {}
        }
        self.facts = Facts::NONE;
    }

    /// Checks a direct call. Returns the number of traps after it.
    pub(super) fn call(&mut self, called: Called) -> Checked<usize> {
        let number = called.number();
        if self.function.is_none() {
            return self.refuse(Invariant::Stubs, "shared code calls nothing");
        }
        match called.kind() {
            Called::FUNCTION | Called::IMPORT => {
                let Some(ty) = self.program.module.function_type(number) else {
                    return self.refuse(Invariant::Targets, "a call of no function");
                };
                self.pass_arguments(ty)?;
                self.come_back(ty.results.first().copied());
            }
            Called::BUILTIN => {
                let builtin = BUILTINS.get(number as usize).copied();
                let (params, results, takes_segment) = builtin.unwrap_or((0, 0, false));
                self.slots(u64::from(params.max(results)) * u64::from(SLOT_BYTES))?;
                if takes_segment {
                    let segment = self.read(RDX)?;
                    self.ensure(segment <= 32, Invariant::Calls, "a wide index of a segment")?;
                }
                self.come_back((results > 0).then_some(ValType::I32));
            }
            Called::BLOCK => self.block(number)?,
            _ => {
                let Some(contract) = self.program.shared.get(number as usize).copied() else {
                    return self.refuse(Invariant::Targets, "a call of no shared code");
                };
                for register in 0..16u8 {
                    if contract.written >> register & 1 != 0 {
                        self.write(register, contract.bounds[usize::from(register)])?;
                    }
                    if contract.written >> xmm(register) & 1 != 0 {
                        self.write_float(register, contract.bounds[xmm(register)]);
                    }
                }
                return Ok(contract.traps as usize);
            }
        }
        Ok(0)
    }

    /// Shared code returns either to one of these traps or to the code after them.
    pub(super) fn pass_traps(&self, steps: &[Step], call: usize, traps: usize) -> Checked {
        let behind = steps.get(call + 1..=call + traps);
        let all = behind.is_some_and(|steps| {
            let mut steps = steps.iter();
            steps.all(|step| step.it.op == Op::Ud2 && step.role == Role::Normal && step.label == 0)
        });
        self.ensure(
            all,
            Invariant::Targets,
            "no traps behind a call of shared code",
        )
    }

    pub(super) fn block(&mut self, block: u32) -> Checked {
        const FILL: u32 = 2;
        const COMPARE: u32 = 3;
        let is_address = |register| {
            let range = self.facts.range(register, R10);
            range.is_some_and(|range| range.is_address)
        };
        let right = is_address(R8) && (block == FILL || is_address(R9));
        self.ensure(
            right,
            Invariant::LinearMemory,
            "a block operation on no range",
        )?;
        let enough = self.facts.least(R10) >= LEAST_BLOCK;
        self.ensure(
            enough,
            Invariant::LinearMemory,
            "a block operation on too few bytes",
        )?;
        if block == FILL {
            self.read(R9)?;
        }
        let (bytes, least) = (self.read(R10)?, self.facts.least(R10));
        for register in [R8, R9, R11] {
            self.write(register, NOTHING)?;
        }
        for register in [XMM14, XMM15] {
            self.write_float(register, NOTHING);
        }
        self.write(R10, bytes)?;
        if block != COMPARE {
            self.facts.set_least(R10, least);
        }
        Ok(())
    }

    pub(super) fn call_indirect(&mut self, step: &Step) -> Checked {
        // The index was multiplied by 16.
        let index = self.read(step.it.index)?;
        self.ensure(index <= 36, Invariant::Table, "a wide index of the table")?;
        let Some(ty) = self.program.module.signatures.get(step.value as usize) else {
            return self.refuse(Invariant::Table, "a call of no signature");
        };
        self.pass_arguments(ty)?;
        self.come_back(ty.results.first().copied());
        Ok(())
    }

    pub(super) fn leave(&mut self, step: &Step) -> Checked {
        self.live = false;
        let Some((_, ty, _)) = self.function else {
            self.kept &= matches!(self.bounds[usize::from(RSP)], KEPT | UNTOUCHED);
            // A return to a trap leaves no register contents for the caller.
            let traps = step.value / TRAP_BYTES;
            if traps > self.contract.traps {
                (self.contract.traps, self.contract.bounds) = (traps, self.bounds);
            } else if traps == self.contract.traps {
                join(&mut self.contract.bounds, &self.bounds, true);
            }
            return Ok(());
        };
        let fits = match ty.results.first() {
            Some(&ty) if ty.is_integer() => self.bound(RAX) <= width(ty),
            Some(_) => self.bounds[xmm(0)] <= 64,
            None => true,
        };
        self.ensure(fits, Invariant::Calls, "a result of another width")
    }
}
