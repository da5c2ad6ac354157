//! Sequences: charges, jump tables, indirect calls, loops over slots; and direct calls.

use super::super::decode::{Instruction, Place, RIP};
use super::super::table::Op;
use super::super::{R11, R13, RSP, XMM15};
use super::shape::*;
use super::{Checked, Piece, Role, Scan, Site, Subject, Table};
use crate::layout::{TABLE_ENTRY_BYTES, TABLE_ENTRY_CODE, TABLE_ENTRY_SIGNATURE};
use crate::{GasMeter, Invariant};

impl Scan<'_, '_> {
    pub(super) fn call(&mut self, it: Instruction) -> Checked {
        let target = i64::from(self.at) + it.imm;
        let Some(called) = self.program.called(target) else {
            return self.refuse(Invariant::Targets, "a call of no function and no stub");
        };
        let has_site = self.buffers.host_site == self.at - u32::from(it.len);
        self.buffers.host_site = u32::MAX;
        let wants = called.is_of_host();
        self.ensure(
            has_site == wants,
            Invariant::TrapSites,
            "a call and its site",
        )?;
        self.calls |= called.counts();
        if let Some(step) = self.buffers.steps.last_mut() {
            step.value = called.0;
        }
        Ok(())
    }

    /// `sub r13, cost; jb late`
    pub(super) fn charge(&mut self, target: u32) -> Checked {
        let Some(sub) = self.step_back(1).copied() else {
            return Ok(());
        };
        let first = self.buffers.steps.len() - 2;
        if sub.role != Role::Normal || !is_on(&sub.it, Op::Sub, 8, R13) {
            return Ok(());
        }
        let (mut constant, mut cost, mut grows) = (None, None, false);
        match sub.it.from {
            Place::Immediate => {
                constant = Some(sub.it.imm);
                cost = u64::try_from(sub.it.imm).ok();
            }
            Place::Register if sub.it.b == R11 => {
                let before = self.step_back(2).map(|step| step.it);
                let constant = self.step_back(3).map(|step| step.it);
                match (before, constant) {
                    (Some(before), _) if is_constant(&before, R11) => {
                        cost = Some(before.imm as u64);
                    }
                    (Some(times), Some(price))
                        if is_on(&times, Op::Imul, 8, R11)
                            && times.from == Place::Register
                            && is_constant(&price, R11) =>
                    {
                        grows = true;
                        cost = Some(price.imm as u64);
                        self.set_inner(first - 1);
                    }
                    _ => {}
                }
                self.set_inner(first);
            }
            _ => {}
        }
        let Some(cost) = cost else {
            return self.refuse(Invariant::Meters, "a charge of something else");
        };
        let mut site = Site::Any;
        if let (GasMeter::Priced(costs), Subject::Function(_, facts)) =
            (self.program.code.settings.gas, self.subject)
        {
            let wanted = if grows {
                self.grows += 1;
                site = Site::Grow;
                u64::from(costs.memory_grow_per_page())
            } else {
                let charge = facts.charges.get(self.next_charge).copied();
                self.next_charge += 1;
                let Some(charge) = charge else {
                    return self.refuse(Invariant::Meters, "a charge that no block makes");
                };
                site = Site::At(charge.offset);
                charge.cost
            };
            self.ensure(
                cost == wanted,
                Invariant::Meters,
                "a charge of another amount",
            )?;
        }
        self.set_role(first, Role::Checked);
        self.set_role(first + 1, Role::Checked);
        self.set_inner(first + 1);
        self.announce(target, Piece::OutOfGas { constant, site });
        Ok(())
    }

    /// `cmp r13, r11; jb loop; sub r13, r11`
    pub(super) fn charge_turns(&mut self, it: Instruction) {
        let last = self.buffers.steps.len() - 1;
        let (Some(branch), Some(compare)) = (self.step_back(1), self.step_back(2)) else {
            return;
        };
        let sequence = is_branch(&branch.it, BELOW)
            && branch.role == Role::Normal
            && is_registers(&compare.it, Op::Cmp, 8, R13, R11)
            && is_registers(&it, Op::Sub, 8, R13, R11);
        if sequence {
            self.set_role(last - 2, Role::Checked);
            self.set_role(last, Role::Checked);
            self.set_inner(last - 1);
            self.set_inner(last);
        }
    }

    /// `cmp i, n; jae default; lea r11, [rip+table]; movsxd i, [r11+4*i]; add i, r11; jmp i`, and the table.
    pub(super) fn jump_table(&mut self, jump: Instruction) -> Checked {
        let wrong = "an indirect jump without its sequence";
        let last = self.buffers.steps.len() - 1;
        let Some(first) = last.checked_sub(5) else {
            return self.refuse(Invariant::Indirect, wrong);
        };
        let index = jump.a;
        let [compare, branch, lea, load, add] =
            [0, 1, 2, 3, 4].map(|at| self.buffers.steps[first + at].it);
        let all_normal = self.buffers.steps[first..].iter();
        let normal = all_normal.clone().all(|step| step.role == Role::Normal);
        let bounded = compare.op == Op::Cmp
            && compare.size == 4
            && (compare.to, compare.a) == (Place::Register, index)
            && compare.from == Place::Immediate;
        let bound = compare.imm as u32;
        let table = i64::from(self.buffers.steps[first + 3].offset) + i64::from(lea.disp);
        let sequence = bounded
            && is_branch(&branch, NOT_BELOW)
            && (lea.op, lea.base, lea.a) == (Op::Lea, RIP, R11)
            && table == i64::from(self.at)
            && load.op == Op::MovSx32
            && (load.a, load.base, load.index, load.scale) == (index, R11, index, 4)
            && load.disp == 0
            && is_registers(&add, Op::Add, 8, index, R11)
            && index != R11;
        self.ensure(normal && sequence, Invariant::Indirect, wrong)?;
        let within = u64::from(bound) * 4 <= u64::from(self.end - self.at);
        self.ensure(
            within,
            Invariant::CodeData,
            "a jump table out of the function",
        )?;
        let behind = self.at + bound * 4;
        let bytes = self.program.code.code;
        let entries = bytes.get(self.at as usize..behind as usize);
        let base = self.at;
        let from = self.buffers.targets.len() as u32;
        let (entries, _) = entries.unwrap_or_default().as_chunks::<4>();
        for entry in entries {
            let target = i64::from(base) + i64::from(i32::from_le_bytes(*entry));
            let within = (i64::from(self.start)..i64::from(self.end)).contains(&target);
            self.ensure(
                within,
                Invariant::Targets,
                "a table's entry out of the function",
            )?;
            self.buffers.targets.push(target as u32);
        }
        for at in first + 2..=last {
            self.set_role(at, Role::Checked);
        }
        for at in first + 1..=last {
            self.set_inner(at);
        }
        self.set_role(first + 2, Role::Table);
        self.buffers.steps[first + 2].value = self.buffers.tables.len() as u32;
        self.buffers.tables.push(Table {
            index,
            first: from,
            count: bound,
            next: last as u32 + 1,
        });
        self.at = behind;
        Ok(())
    }

    /// `cmp i, n; jae trap; shl i, 4; cmp [r15+i+signature], s; jne late; call [r15+i+code]`
    pub(super) fn indirect_call(&mut self, call: Instruction) -> Checked {
        let wrong = "an indirect call without its sequence";
        let last = self.buffers.steps.len() - 1;
        let (Some(first), Some(entries)) = (last.checked_sub(5), self.program.module.table) else {
            return self.refuse(Invariant::Indirect, wrong);
        };
        let index = call.index;
        let [bound, beyond, scale, compare, branch] =
            [0, 1, 2, 3, 4].map(|at| self.buffers.steps[first + at]);
        let normal = self.buffers.steps[first..]
            .iter()
            .all(|step| step.role == Role::Normal);
        let table = self.program.table_offset;
        let field = |field: u32| i32::try_from(table + u64::from(field)).unwrap_or(-1);
        let signature = field(TABLE_ENTRY_SIGNATURE);
        let sequence = is_imm(&bound.it, Op::Cmp, 4, index, i64::from(entries as i32))
            && is_branch(&beyond.it, NOT_BELOW)
            && is_imm(
                &scale.it,
                Op::Shl,
                8,
                index,
                TABLE_ENTRY_BYTES.ilog2().into(),
            )
            && compare.it.op == Op::Cmp
            && compare.it.size == 4
            && compare.it.from == Place::Immediate
            && is_entry(&compare.it, index, signature)
            && is_branch(&branch.it, NOT_EQUAL)
            && is_entry(&call, index, field(TABLE_ENTRY_CODE));
        self.ensure(normal && sequence, Invariant::Table, wrong)?;
        let wanted = (compare.it.imm as u32).wrapping_sub(1);
        let known = (wanted as usize) < self.program.module.signatures.len();
        self.ensure(known, Invariant::Table, "a call of no signature")?;
        for at in first + 1..=last {
            self.set_inner(at);
        }
        for at in first + 3..last {
            self.set_role(at, Role::Checked);
        }
        self.set_role(last, Role::IndirectCall);
        self.buffers.steps[last].value = wanted;
        self.calls = true;
        let disp = signature;
        self.announce(branch.value, Piece::SignatureMismatch { index, disp });
        Ok(())
    }

    /// Checks a loop that writes zeros to slots or copies slots, and counts in the scratch register.
    pub(super) fn slot_loop(&mut self, target: u32, condition: u8) -> Checked {
        let start = self.buffers.starts.get((target - self.start) as usize);
        let Some(first) = start.and_then(|at| at.checked_sub(1)) else {
            return Ok(());
        };
        let (first, last) = (first as usize, self.buffers.steps.len() - 1);
        let Some(body) = self.buffers.steps.get(first..last) else {
            return Ok(());
        };
        let by_scratch = |it: &Instruction| {
            (it.base, it.index, it.scale) == (RSP, R11, 1) && it.has_memory() && it.size == 8
        };
        let (load, store, steps) = match body {
            [load, store, steps @ ..] if load.it.op == Op::FLoad && by_scratch(&load.it) => {
                (Some(load.it), store.it, steps)
            }
            [store, steps @ ..] => (None, store.it, steps),
            [] => return Ok(()),
        };
        if store.op != Op::FStore || !by_scratch(&store) {
            return Ok(());
        }
        let wrong = "another loop over slots";
        let scratch = store.b == XMM15 && load.is_none_or(|load| load.a == XMM15);
        // The zero is made between the initialisation of the counter and the loop.
        let (zeroed, counter) = match load {
            Some(_) => (true, first.checked_sub(1)),
            None => (
                first
                    .checked_sub(1)
                    .and_then(|at| self.buffers.steps.get(at))
                    .is_some_and(|step| {
                        let it = step.it;
                        it.op == Op::FXor && (it.a, it.b, it.c) == (15, 15, 15)
                    }),
                first.checked_sub(2),
            ),
        };
        let Some(counter) = counter else {
            return self.refuse(Invariant::Frame, wrong);
        };
        let from = self.buffers.steps[counter].it;
        let counted = is_constant(&from, R11) && from.size == 4;
        self.ensure(counted, Invariant::Frame, wrong)?;
        // The first offset, and the offset after the last one.
        let range = match steps {
            [add, compare]
                if is_imm(&add.it, Op::Add, 8, R11, 8)
                    && is_on(&compare.it, Op::Cmp, 4, R11)
                    && compare.it.from == Place::Immediate
                    && condition == BELOW =>
            {
                Some((from.imm, i64::from(compare.it.imm as u32)))
            }
            // The counter is decremented before the comparison with 0, so offsets start at 8.
            [sub] if is_imm(&sub.it, Op::Sub, 8, R11, 8) && condition == NOT_EQUAL => {
                Some((8, from.imm + 8))
            }
            _ => None,
        };
        let Some((low, high)) = range else {
            return self.refuse(Invariant::Frame, wrong);
        };
        let whole = low < high && (high - low) % 8 == 0;
        self.ensure(scratch && zeroed && whole, Invariant::Frame, wrong)?;
        for access in load.iter().chain([&store]) {
            let (low, high) = (low + i64::from(access.disp), high + i64::from(access.disp));
            let bytes = high - low;
            let within = self.program.within_frame(self.subject, low, bytes);
            self.ensure(within, Invariant::Frame, "slots out of the frame")?;
        }
        for at in first..=last {
            self.set_role(at, Role::Checked);
        }
        for at in counter + 1..=last {
            self.set_inner(at);
        }
        self.set_role(first, Role::SlotLoop);
        Ok(())
    }
}
