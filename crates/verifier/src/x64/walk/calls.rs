//! Calls and returns.

use super::{Check, Walk, ensure, refuse};
use crate::layout::{BUILTINS, LEAST_BLOCK, SLOT_BYTES};
use crate::wasm::{FuncType, ValType};
use crate::x64::facts::*;
use crate::x64::table::Op;
use crate::x64::{
    Called, FLOAT_ARGUMENTS, GENERAL_ARGUMENTS, R8, R9, R10, R11, RAX, RDX, RSP, XMM14, XMM15,
};
use pvf_rules::TrapKind;

/// What a signature says about registers.
#[derive(Clone, Debug)]
pub(in crate::x64) struct Convention {
    /// The bounds at the entry of its functions.
    pub entry: Bounds,
    /// The weakest bounds with which one may be called.
    pub arguments: Bounds,
    /// The bounds after a call of one.
    pub after: Bounds,
    /// The weakest bounds with which one may return.
    pub results: Bounds,
    /// Bytes of the slots that caller and callee share.
    pub slot_bytes: u64,
}

/// A bound that every register is below.
const ANY: u8 = u8::MAX;

impl Convention {
    /// The convention of a type. `nothing`: the bounds without contents.
    pub fn new(ty: &FuncType, nothing: &Bounds) -> Self {
        let mut convention = Self {
            entry: *nothing,
            arguments: [ANY; 32],
            after: *nothing,
            results: [ANY; 32],
            slot_bytes: ty.slot_bytes(),
        };
        let (mut general, mut floats) = (GENERAL_ARGUMENTS.iter(), 0..FLOAT_ARGUMENTS);
        for &ty in &ty.params {
            let register = match ty.is_integer() {
                true => general.next().map(|&register| usize::from(register)),
                false => floats.next().map(xmm),
            };
            if let Some(register) = register {
                convention.entry[register] = width(ty);
                convention.arguments[register] = width(ty);
            }
        }
        if let Some(&ty) = ty.results.first() {
            let register = match ty.is_integer() {
                true => usize::from(RAX),
                false => xmm(0),
            };
            convention.after[register] = width(ty);
            convention.results[register] = width(ty);
        }
        convention
    }
}

fn width(ty: ValType) -> u8 {
    match ty {
        ValType::I32 => 32,
        // A float register contains 64 bits, whatever its value.
        ValType::I64 | ValType::F32 | ValType::F64 => 64,
    }
}

/// Whether all bounds are at most the others.
#[inline(always)]
fn fit(bounds: &Bounds, most: &Bounds) -> bool {
    let mut joined = *most;
    join(&mut joined, bounds);
    joined == *most
}

impl Walk<'_, '_> {
    /// Checks the arguments of a call of this signature, and sets the bounds after it.
    pub(super) fn call_signature(&mut self, signature: usize) -> Check {
        let Some(convention) = self.program.convention(signature) else {
            refuse!(Calls, "a call has no signature");
        };
        ensure!(
            fit(&self.bounds, &convention.arguments),
            Calls,
            "an argument is wider than its type, or missing"
        );
        self.slots_of_callee(convention.slot_bytes)?;
        self.written.insert_range(0, convention.slot_bytes);
        self.come_back(&convention.after);
        Ok(())
    }

    fn slots_of_callee(&self, bytes: u64) -> Check {
        ensure!(
            i64::try_from(bytes).is_ok_and(|bytes| bytes <= self.own_slots),
            CalleeSlots,
            "the callee's slots are beyond the frame"
        );
        Ok(())
    }

    /// Sets the bounds after a call. What was known is lost.
    #[inline]
    fn come_back(&mut self, after: &Bounds) {
        let reached = self.bounds[usize::from(RSP)];
        self.bounds = *after;
        self.bounds[usize::from(RSP)] = reached;
        self.facts.clear();
    }

    /// Checks a direct call.
    pub(super) fn call(&mut self, distance: i64) -> Check {
        let program = self.program;
        let target = i64::from(self.start) + self.at as i64 + distance;
        let Some(called) = program.called(target) else {
            refuse!(Targets, "a call goes to no function and no stub");
        };
        let number = called.number();
        if called.is_of_host() {
            // The site is that of the return address.
            let site = self.site_at(self.start.wrapping_add(self.at as u32 - 1))?;
            ensure!(
                site.kind == TrapKind::HostError,
                TrapSites,
                "the trap is of another kind"
            );
            self.has_operator(&site)?;
        }
        match called.kind() {
            Called::FUNCTION | Called::IMPORT => {
                let Some(&signature) = program.module.functions.get(number as usize) else {
                    refuse!(Targets, "a call goes to no function");
                };
                self.calls = true;
                self.call_signature(signature as usize)
            }
            Called::BUILTIN => {
                let builtin = BUILTINS.get(number as usize).copied();
                let (params, results, takes_segment) = builtin.unwrap_or((0, 0, false));
                self.slots_of_callee(u64::from(params.max(results)) * u64::from(SLOT_BYTES))?;
                if takes_segment {
                    let segment = self.read(RDX)?;
                    ensure!(segment <= 32, Calls, "the index of a segment is wide");
                }
                let mut after = program.tables.nothing;
                if results > 0 {
                    after[usize::from(RAX)] = 32;
                }
                self.come_back(&after);
                Ok(())
            }
            Called::BLOCK => self.block(number),
            _ => self.call_shared(number),
        }
    }

    fn call_shared(&mut self, number: u32) -> Check {
        let Some(contract) = self.program.tables.shared.get(number as usize).copied() else {
            refuse!(Targets, "a call goes to no function and no stub");
        };
        for register in 0..16u8 {
            if contract.written >> register & 1 != 0 {
                self.write(register, contract.bounds[usize::from(register)])?;
            }
            if contract.written >> xmm(register) & 1 != 0 {
                self.write_float(register, contract.bounds[xmm(register)]);
            }
        }
        // Shared code returns either to one of these traps or to the code after them.
        for _ in 0..contract.traps {
            let trap = self.expect()?;
            ensure!(
                trap.op == Op::Ud2,
                Targets,
                "no traps follow a call of shared code"
            );
            self.any_trap()?;
        }
        Ok(())
    }

    fn block(&mut self, block: u32) -> Check {
        const FILL: u32 = 2;
        const COMPARE: u32 = 3;
        let is_address = |register| {
            let range = self.facts.range(register, R10);
            range.is_some_and(|range| range.is_address)
        };
        ensure!(
            is_address(R8) && (block == FILL || is_address(R9)),
            LinearMemory,
            "a block operation has no range that was compared"
        );
        ensure!(
            self.facts.least(R10) >= LEAST_BLOCK,
            LinearMemory,
            "a block operation may have too few bytes"
        );
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

    /// Checks the result at a return.
    pub(super) fn leave(&mut self) -> Check {
        self.live = false;
        let Some(convention) = self.convention else {
            refuse!(Calls, "the function has no signature");
        };
        ensure!(
            fit(&self.bounds, &convention.results),
            Calls,
            "the result is wider than its type, or missing"
        );
        Ok(())
    }
}
