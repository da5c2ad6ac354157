//! Prologue, epilogue, and the slow paths that branches lead to.

use super::super::decode::{Instruction, NONE, Place};
use super::super::table::Op;
use super::super::{R11, R12, R13, R15, RSP};
use super::shape::*;
use super::{Checked, Late, Piece, Role, Scan, Site, Subject};
use crate::layout::{SLOT_BYTES, STACK_MARGIN_BYTES, context};
use crate::wasm::Operator;
use crate::{Invariant, NativeStack};
use pvf_rules::TrapKind;

// A return address that a slow path pushes stays within the margin below the limit.
const _: () = assert!(STACK_MARGIN_BYTES >= 64);

impl Scan<'_, '_> {
    pub(super) fn phase(&mut self, is: impl FnOnce(&Instruction) -> bool) -> Checked<Instruction> {
        let role = Role::Checked;
        self.expect(role, Invariant::Phases, "another prologue", is)
    }

    /// Checks the meters and the frame, which come before the body.
    pub(super) fn prologue(&mut self) -> Checked {
        let settings = self.program.code.settings;
        let Subject::Function(_, facts) = self.subject else {
            return Ok(());
        };
        if settings.logical_stack {
            let cost = i64::from(facts.logical_cost);
            match settings.logical_counter {
                Some(counter) => self.charge_counter(counter, cost)?,
                None => {
                    let it = self
                        .phase(|it| is_alu(it) && it.size == 8 && it.a == R12 && it.imm == cost)?;
                    self.leaf = it.op == Op::Cmp;
                    let condition = if self.leaf { LESS } else { SIGN };
                    let right = self.leaf || it.op == Op::Sub;
                    self.ensure(right, Invariant::Phases, "another prologue")?;
                    let leaf_cost = if self.leaf { facts.logical_cost } else { 0 };
                    let branch = self.phase(|it| is_branch(it, condition))?;
                    let at = self.distance_target(branch)?;
                    let resume = self.at;
                    self.announce(at, Piece::LogicalGrowth { resume, leaf_cost });
                }
            }
        }
        let frame = self.frame_bytes() as i64;
        self.phase(|it| is_imm(it, Op::Sub, 8, RSP, frame - 8))?;
        if settings.native_stack != NativeStack::Unchecked {
            let low = context::STACK_LOW as i32;
            self.phase(|it| is_load(it, Op::Cmp, 8, RSP, R15, low))?;
            let branch = self.phase(|it| is_branch(it, BELOW))?;
            let at = self.distance_target(branch)?;
            let resume = self.at;
            self.announce(at, Piece::StackGrowth { resume });
        }
        if settings.native_stack == NativeStack::Audited {
            let [depth, top, difference, calls] = [
                context::AUDIT_DEPTH,
                context::STACK_TOP,
                context::AUDIT_DIFFERENCE,
                context::AUDIT_CALLS,
            ]
            .map(|offset| offset as i32);
            self.phase(|it| is_change(it, Op::Add, 8, depth, frame))?;
            self.phase(|it| is_load(it, Op::Mov, 8, R11, R15, top))?;
            self.phase(|it| is_registers(it, Op::Sub, 8, R11, RSP))?;
            self.phase(|it| is_load(it, Op::Xor, 8, R11, R15, depth))?;
            self.phase(|it| it.op == Op::Or && is_place(it, 8, R15, difference) && it.b == R11)?;
            self.phase(|it| is_change(it, Op::Add, 8, calls, 1))?;
        }
        Ok(())
    }

    pub(super) fn charge_counter(&mut self, counter: u32, cost: i64) -> Checked {
        let counter = (context::GLOBALS + counter * SLOT_BYTES) as i32;
        self.phase(|it| is_load(it, Op::Mov, 4, R11, R15, counter))?;
        self.phase(|it| is_imm(it, Op::Add, 4, R11, cost))?;
        self.phase(|it| is_store(it, 4, R15, counter, R11))?;
        let peak = context::COUNTER_PEAK as i32;
        self.phase(|it| is_load(it, Op::Cmp, 4, R11, R15, peak))?;
        let branch = self.phase(|it| is_branch(it, ABOVE))?;
        let at = self.distance_target(branch)?;
        let resume = self.at;
        self.announce(at, Piece::CounterGrowth { resume });
        Ok(())
    }

    pub(super) fn announce(&mut self, at: u32, piece: Piece) {
        self.buffers.lates.push(Late { at, piece });
    }

    pub(super) fn late(&mut self, late: Late) -> Checked {
        self.next_late += 1;
        let here = late.at == self.at;
        self.ensure(here, Invariant::Targets, "a slow path elsewhere")?;
        match late.piece {
            Piece::StackGrowth { resume } => {
                let [limit, low] = [context::STACK_LIMIT, context::STACK_LOW].map(|it| it as i32);
                self.piece(|it| is_load(it, Op::Cmp, 8, RSP, R15, limit))?;
                self.trap_unless(NOT_BELOW, TrapKind::StackOverflow)?;
                self.piece(|it| is_store(it, 8, R15, low, RSP))?;
                self.go_back(resume)
            }
            Piece::LogicalGrowth { resume, leaf_cost } => {
                let beyond = context::LOGICAL_BEYOND as i32;
                let cost = -i64::from(leaf_cost);
                self.piece(|it| {
                    it.op == Op::Lea
                        && it.size == 8
                        && (it.a, it.base, it.index) == (R11, R12, NONE)
                        && i64::from(it.disp) == cost
                })?;
                self.piece(|it| is_load(it, Op::Add, 8, R11, R15, beyond))?;
                self.trap_unless(NOT_SIGN, TrapKind::StackOverflow)?;
                self.piece(|it| is_store(it, 8, R15, beyond, R11))?;
                self.piece(|it| is_imm(it, Op::Mov, 4, R12, leaf_cost.into()))?;
                self.go_back(resume)
            }
            Piece::CounterGrowth { resume } => {
                let [limit, peak] =
                    [context::COUNTER_LIMIT, context::COUNTER_PEAK].map(|it| it as i32);
                self.piece(|it| is_load(it, Op::Cmp, 4, R11, R15, limit))?;
                self.trap_unless(NOT_ABOVE, TrapKind::StackOverflow)?;
                self.piece(|it| is_store(it, 4, R15, peak, R11))?;
                self.go_back(resume)
            }
            Piece::OutOfGas { constant, site } => {
                match constant {
                    Some(cost) => self.piece(|it| is_imm(it, Op::Add, 8, R13, cost))?,
                    None => self.piece(|it| is_registers(it, Op::Add, 8, R13, R11))?,
                };
                self.trap(TrapKind::OutOfGas)?;
                let named = self.buffers.last_site;
                let right = match (site, self.subject) {
                    (Site::At(offset), _) => named == offset,
                    (Site::Grow, Subject::Function(_, facts)) => {
                        facts.has_operator(named, |it| it == Operator::MEMORY_GROW)
                    }
                    _ => true,
                };
                self.ensure(right, Invariant::Meters, "a charge of another block")
            }
            Piece::SignatureMismatch { index, disp } => {
                self.piece(|it| {
                    it.op == Op::Cmp
                        && it.size == 4
                        && is_entry(it, index, disp)
                        && it.from == Place::Immediate
                        && it.imm == 0
                })?;
                self.trap_unless(NOT_EQUAL, TrapKind::UndefinedElement)?;
                self.trap(TrapKind::IndirectCallTypeMismatch)
            }
        }
    }

    pub(super) fn piece(&mut self, is: impl FnOnce(&Instruction) -> bool) -> Checked<Instruction> {
        self.expect(Role::Late, Invariant::Phases, "another slow path", is)
    }

    pub(super) fn trap(&mut self, kind: TrapKind) -> Checked {
        self.piece(|it| it.op == Op::Ud2)?;
        let kinds = self.buffers.last_kind == Some(kind);
        self.ensure(kinds, Invariant::Meters, "another kind of trap")
    }

    /// Expects a short branch over a trap.
    pub(super) fn trap_unless(&mut self, condition: u8, kind: TrapKind) -> Checked {
        let branch = self.piece(|it| is_branch(it, condition))?;
        let target = self.distance_target(branch)?;
        self.trap(kind)?;
        let over = target == self.at;
        self.ensure(over, Invariant::Phases, "a branch not over the trap")
    }

    pub(super) fn go_back(&mut self, resume: u32) -> Checked {
        let jump = self.piece(|it| it.op == Op::Jmp)?;
        let target = self.distance_target(jump)?;
        self.ensure(
            target == resume,
            Invariant::Phases,
            "a way back to elsewhere",
        )
    }

    /// Checks the instructions before a return, which release the frame, in reverse order.
    pub(super) fn epilogue(&mut self) -> Checked {
        let settings = self.program.code.settings;
        let Subject::Function(_, facts) = self.subject else {
            return Ok(());
        };
        let cost = i64::from(facts.logical_cost);
        let frame = self.frame_bytes() as i64;
        let mut at = self.buffers.steps.len() - 1;
        let wrong = "another epilogue";
        let mut before = |scan: &mut Self, is: &dyn Fn(&Instruction) -> bool| -> Checked {
            let Some(step) = at.checked_sub(1) else {
                return scan.refuse(Invariant::Phases, wrong);
            };
            let right = scan
                .buffers
                .steps
                .get(step)
                .is_some_and(|step| step.role == Role::Normal && is(&step.it));
            scan.ensure(right, Invariant::Phases, wrong)?;
            scan.set_role(step, Role::Checked);
            // The preceding instruction must be the only way to this one.
            scan.set_inner(at);
            at = step;
            Ok(())
        };
        match (settings.logical_stack, settings.logical_counter) {
            (true, Some(counter)) => {
                let counter = (context::GLOBALS + counter * SLOT_BYTES) as i32;
                before(self, &|it| is_change(it, Op::Sub, 4, counter, cost))?;
            }
            (true, None) if !self.leaf => {
                before(self, &|it| is_imm(it, Op::Add, 8, R12, cost))?;
            }
            _ => {}
        }
        before(self, &|it| is_imm(it, Op::Add, 8, RSP, frame - 8))?;
        if settings.native_stack == NativeStack::Audited {
            let depth = context::AUDIT_DEPTH as i32;
            before(self, &|it| is_change(it, Op::Sub, 8, depth, frame))?;
        }
        Ok(())
    }
}
