//! Sequences within the body: charges, jump tables, indirect calls, loops over slots.

use super::labels::{Piece, Site};
use super::{Check, Walk, ensure, refuse};
use crate::GasMeter;
use crate::layout::{TABLE_ENTRY_BYTES, TABLE_ENTRY_CODE, TABLE_ENTRY_SIGNATURE};
use crate::x64::facts::*;
use crate::x64::instruction::{Instruction, Place};
use crate::x64::shape::*;
use crate::x64::table::Op;
use crate::x64::{R11, R13, RSP, XMM15};

impl Walk<'_, '_> {
    /// `sub r13, cost; jb late`, where `cost` is a constant, `r11` after `mov r11, constant`, or `r11` after
    /// `mov r11, price; imul r11, pages`.
    pub(super) fn charge(&mut self, sub: &Instruction) -> Check {
        let (mut constant, mut cost, mut grows) = (None, None, false);
        if sub.from == Place::Immediate {
            constant = Some(sub.imm);
            cost = u64::try_from(sub.imm).ok();
        } else if sub.from == Place::Register && sub.b == R11 {
            if let Some([price, times]) = self.between::<2>(self.constant_at)
                && is_on(&times, Op::Imul, 8, R11)
                && times.from == Place::Register
                && is_constant(&price, R11)
            {
                grows = true;
                cost = Some(price.imm as u64);
            } else if let Some([before]) = self.between::<1>(self.constant_at)
                && is_constant(&before, R11)
            {
                cost = Some(before.imm as u64);
            }
        }
        let late = self.expect()?;
        let Some(cost) = cost.filter(|_| sub.size == 8 && is_branch(&late, BELOW)) else {
            refuse!(
                Meters,
                "the code subtracts something else than a charge from the gas"
            );
        };
        let mut site = Site::Any;
        if let (GasMeter::Priced(costs), Some((_, body))) =
            (self.program.code.settings.gas, self.function)
        {
            let wanted = if grows {
                self.grows += 1;
                site = Site::Grow;
                u64::from(costs.memory_grow_per_page())
            } else {
                let Some(charge) = body.charges.get(self.charge) else {
                    refuse!(Meters, "no block of the body makes this charge");
                };
                self.charge += 1;
                site = Site::At(charge.offset);
                charge.cost
            };
            ensure!(cost == wanted, Meters, "the charge has another amount");
        }
        self.announce(self.target(late.imm), Piece::OutOfGas { constant, site })
    }

    /// `cmp r13, r11; jb loop; sub r13, r11`: a loop that is done at once takes the gas of its iterations.
    #[cold]
    pub(super) fn charge_turns(&mut self) -> Check {
        let compare = self.current()?;
        let branch = self.expect()?;
        if is_branch(&branch, BELOW) {
            self.branch_to(self.target(branch.imm))?;
        }
        let sub = self.expect()?;
        ensure!(
            self.program.tables.gas
                && self.function.is_some()
                && is_registers(&compare, Op::Cmp, 8, R13, R11)
                && is_branch(&branch, BELOW)
                && is_registers(&sub, Op::Sub, 8, R13, R11),
            FixedRegisters,
            "the code reads a fixed register"
        );
        self.go_back();
        Ok(())
    }

    /// `cmp i, n; jae default; lea r11, [rip+table]; movsxd i, [r11+4*i]; add i, r11; jmp i`, and the table.
    pub(super) fn jump_table(&mut self) -> Check {
        let lea = self.current()?;
        let before = self
            .between::<2>(self.compared)
            .filter(|_| self.function.is_some());
        let Some([compare, branch]) = before else {
            refuse!(CodeData, "the code takes an address of code");
        };
        let table = self.at.wrapping_add(lea.disp as usize);
        let index = compare.a;
        let bounded = compare.op == Op::Cmp
            && compare.size == 4
            && (compare.to, compare.from) == (Place::Register, Place::Immediate)
            && is_branch(&branch, NOT_BELOW)
            && lea.a == R11
            && index != R11;
        ensure!(bounded, CodeData, "the code takes an address of code");
        let bound = compare.imm as u32;
        let load = self.expect()?;
        let add = self.expect()?;
        let jump = self.expect()?;
        let sequence = load.op == Op::MovSx32
            && (load.a, load.base, load.index, load.scale) == (index, R11, index, 4)
            && (load.from, load.disp) == (Place::Memory, 0)
            && is_registers(&add, Op::Add, 8, index, R11)
            && (jump.op, jump.a) == (Op::JmpReg, index)
            && table == self.at;
        ensure!(
            sequence,
            Indirect,
            "an indirect jump is not that of a jump table"
        );
        let held = self.read(index)?;
        ensure!(held <= 32, Widths, "the index of a jump table is wide");
        self.write(index, NOTHING)?;
        self.write(R11, NOTHING)?;
        let behind = table.saturating_add(bound as usize * 4);
        ensure!(
            behind <= self.slots.len(),
            CodeData,
            "a jump table leaves the function"
        );
        let code = self.code;
        let (entries, _) = code.get(table..behind).unwrap_or_default().as_chunks::<4>();
        for entry in entries {
            let distance = i64::from(i32::from_le_bytes(*entry));
            self.branch_to(table.wrapping_add(distance as usize))?;
        }
        self.at = behind;
        self.stop()?;
        self.go_back();
        Ok(())
    }

    /// The entries of the table, in functions.
    fn table(&self) -> Option<u32> {
        self.program
            .module
            .table
            .filter(|_| self.function.is_some())
    }

    /// `cmp i, n; jae trap; shl i, 4; cmp [r15+i+signature], s; jne late; call [r15+i+code]`
    pub(super) fn indirect_call(&mut self) -> Check {
        let compare = self.current()?;
        let (Some([bound, beyond, scale]), Some(entries)) =
            (self.between::<3>(self.compared), self.table())
        else {
            refuse!(Table, "the code reads an entry of the table");
        };
        let index = compare.index;
        let table = self.program.tables.table_offset;
        let field = |field: u32| i32::try_from(table + u64::from(field)).unwrap_or(-1);
        let signature = field(TABLE_ENTRY_SIGNATURE);
        let bounded = is_imm(&bound, Op::Cmp, 4, index, i64::from(entries as i32))
            && is_branch(&beyond, NOT_BELOW)
            && is_imm(&scale, Op::Shl, 8, index, TABLE_ENTRY_BYTES.ilog2().into());
        let compared = compare.size == 4
            && compare.from == Place::Immediate
            && is_entry(&compare, index, signature);
        ensure!(
            bounded && compared,
            Table,
            "the code reads an entry of the table"
        );
        let wanted = (compare.imm as u32).wrapping_sub(1) as usize;
        let branch = self.expect()?;
        let disp = signature;
        ensure!(
            is_branch(&branch, NOT_EQUAL) && wanted < self.program.module.signatures.len(),
            Table,
            "an entry of the table is compared with no signature"
        );
        self.announce(
            self.target(branch.imm),
            Piece::SignatureMismatch { index, disp },
        )?;
        let call = self.expect()?;
        ensure!(
            call.op == Op::CallMem && is_entry(&call, index, field(TABLE_ENTRY_CODE)),
            Table,
            "no call follows the comparison of a signature"
        );
        // The index was multiplied by 16.
        let held = self.read(index)?;
        ensure!(held <= 36, Table, "the index of the table is wide");
        self.calls = true;
        self.call_signature(wanted)
    }

    /// Checks a loop that writes zeros to slots or copies slots, and counts in the scratch register.
    pub(super) fn slot_loop(&mut self, first: &Instruction) -> Check {
        let start = self.offset;
        let (load, counter) = match first.op {
            Op::FLoad => (
                Some(*first),
                self.between::<1>(self.constant_at).map(|[counter]| counter),
            ),
            // The zero is made between the initialisation of the counter and the loop.
            _ => {
                let before = self.between::<2>(self.constant_at).filter(|[_, zero]| {
                    zero.op == Op::FXor && (zero.a, zero.b, zero.c) == (XMM15, XMM15, XMM15)
                });
                (None, before.map(|[counter, _]| counter))
            }
        };
        let store = match load {
            Some(_) => self.expect()?,
            None => *first,
        };
        let by_scratch = |it: &Instruction| {
            (it.base, it.index, it.scale, it.size) == (RSP, R11, 1, 8) && it.has_memory()
        };
        let step = self.expect()?;
        let subtracts = is_imm(&step, Op::Sub, 8, R11, 8);
        let compare = match subtracts {
            true => None,
            false => Some(self.expect()?),
        };
        let branch = self.expect()?;
        // The first offset, and the offset after the last one.
        let range = counter.and_then(|counter| match compare {
            _ if !is_constant(&counter, R11) || counter.size != 4 => None,
            // The counter is decremented before the comparison with 0, so offsets start at 8.
            None if is_branch(&branch, NOT_EQUAL) => Some((8, counter.imm + 8)),
            Some(compare)
                if is_imm(&step, Op::Add, 8, R11, 8)
                    && is_on(&compare, Op::Cmp, 4, R11)
                    && compare.from == Place::Immediate
                    && is_branch(&branch, BELOW) =>
            {
                Some((counter.imm, i64::from(compare.imm as u32)))
            }
            _ => None,
        });
        let whole = range.filter(|(low, high)| low < high && (high - low) % 8 == 0);
        let right = load.is_none_or(|load| by_scratch(&load) && load.a == XMM15)
            && (store.op, store.b) == (Op::FStore, XMM15)
            && by_scratch(&store)
            && self.target(branch.imm) == start;
        let Some((low, high)) = whole.filter(|_| right) else {
            refuse!(Frame, "a loop over slots is not of a known form");
        };
        for access in load.iter().chain([&store]) {
            let low = low + i64::from(access.disp);
            ensure!(
                self.is_slot(low, high + i64::from(access.disp)),
                Frame,
                "a loop over slots leaves the frame"
            );
        }
        let range = |it: &Instruction| {
            let at = i64::from(it.disp);
            [low + at, high + at].map(|offset| offset.max(0) as u64)
        };
        if let Some([start, end]) = load.as_ref().map(range) {
            ensure!(
                start as i64 >= self.frame || self.written.contains_range(start, end),
                Written,
                "a loop copies slots that were not written on all paths"
            );
        }
        let [start, end] = range(&store);
        self.written.insert_range(start, end);
        self.write(R11, NOTHING)?;
        self.write_float(XMM15, NOTHING);
        Ok(())
    }
}
