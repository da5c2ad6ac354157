//! Prologue, epilogue, and the slow paths that branches lead to.

use super::labels::{Piece, Site};
use super::{Check, Walk, ensure, refuse};
use crate::layout::{SLOT_BYTES, STACK_MARGIN_BYTES, context};
use crate::wasm::BodyFacts;
use crate::x64::facts::*;
use crate::x64::instruction::{Instruction, NONE, Place};
use crate::x64::shape::*;
use crate::x64::table::Op;
use crate::x64::{R11, R12, R13, R15, RSP};
use crate::{NativeStack, TrapSite};
use pvf_rules::TrapKind;

// A return address that a slow path pushes stays within the margin below the limit.
const _: () = assert!(STACK_MARGIN_BYTES >= 64);

impl Walk<'_, '_> {
    /// Expects an instruction of the prologue.
    fn phase(&mut self, is: impl FnOnce(&Instruction) -> bool) -> Check<Instruction> {
        let it = self.expect()?;
        ensure!(is(&it), Phases, "the prologue is not that of the settings");
        Ok(it)
    }

    /// Checks the meters and the frame, which come before the body.
    pub(super) fn prologue(&mut self) -> Check {
        let settings = self.program.code.settings;
        let Some((_, body)) = self.function else {
            return Ok(());
        };
        if settings.logical_stack {
            let cost = i64::from(body.logical_cost);
            match settings.logical_counter {
                Some(counter) => self.charge_counter(counter, cost)?,
                None => {
                    let it = self
                        .phase(|it| is_alu(it) && it.size == 8 && it.a == R12 && it.imm == cost)?;
                    self.leaf = it.op == Op::Cmp;
                    ensure!(
                        self.leaf || it.op == Op::Sub,
                        Phases,
                        "the prologue is not that of the settings"
                    );
                    let condition = if self.leaf { LESS } else { SIGN };
                    let leaf_cost = if self.leaf { body.logical_cost } else { 0 };
                    let branch = self.phase(|it| is_branch(it, condition))?;
                    let resume = self.at;
                    self.announce(
                        self.target(branch.imm),
                        Piece::LogicalGrowth { resume, leaf_cost },
                    )?;
                }
            }
        }
        let frame = self.frame;
        self.phase(|it| is_imm(it, Op::Sub, 8, RSP, frame - 8))?;
        if settings.native_stack != NativeStack::Unchecked {
            let low = context::STACK_LOW as i32;
            self.phase(|it| is_load(it, Op::Cmp, 8, RSP, R15, low))?;
            let branch = self.phase(|it| is_branch(it, BELOW))?;
            let resume = self.at;
            self.announce(self.target(branch.imm), Piece::StackGrowth { resume })?;
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
            self.write(R11, NOTHING)?;
        }
        Ok(())
    }

    fn charge_counter(&mut self, counter: u32, cost: i64) -> Check {
        let counter = (context::GLOBALS + counter * SLOT_BYTES) as i32;
        self.phase(|it| is_load(it, Op::Mov, 4, R11, R15, counter))?;
        self.phase(|it| is_imm(it, Op::Add, 4, R11, cost))?;
        self.phase(|it| is_store(it, 4, R15, counter, R11))?;
        let peak = context::COUNTER_PEAK as i32;
        self.phase(|it| is_load(it, Op::Cmp, 4, R11, R15, peak))?;
        let branch = self.phase(|it| is_branch(it, ABOVE))?;
        let resume = self.at;
        self.announce(self.target(branch.imm), Piece::CounterGrowth { resume })?;
        self.write(R11, NOTHING)
    }

    /// Checks a slow path.
    pub(super) fn late(&mut self, piece: Piece) -> Check {
        // The label of the first instruction is that of the slow path.
        let first = self.expect_late()?;
        let right = match piece {
            Piece::StackGrowth { resume } => {
                let [limit, low] = [context::STACK_LIMIT, context::STACK_LOW].map(|it| it as i32);
                let right = is_load(&first, Op::Cmp, 8, RSP, R15, limit);
                self.trap_unless(NOT_BELOW, TrapKind::StackOverflow)?;
                self.piece(|it| is_store(it, 8, R15, low, RSP))?;
                self.resume(resume)?;
                right
            }
            Piece::LogicalGrowth { resume, leaf_cost } => {
                let beyond = context::LOGICAL_BEYOND as i32;
                let cost = -i64::from(leaf_cost);
                let right = first.op == Op::Lea
                    && first.size == 8
                    && (first.a, first.base, first.index) == (R11, R12, NONE)
                    && i64::from(first.disp) == cost;
                self.piece(|it| is_load(it, Op::Add, 8, R11, R15, beyond))?;
                self.trap_unless(NOT_SIGN, TrapKind::StackOverflow)?;
                self.piece(|it| is_store(it, 8, R15, beyond, R11))?;
                self.piece(|it| is_imm(it, Op::Mov, 4, R12, leaf_cost.into()))?;
                self.resume(resume)?;
                right
            }
            Piece::CounterGrowth { resume } => {
                let [limit, peak] =
                    [context::COUNTER_LIMIT, context::COUNTER_PEAK].map(|it| it as i32);
                let right = is_load(&first, Op::Cmp, 4, R11, R15, limit);
                self.trap_unless(NOT_ABOVE, TrapKind::StackOverflow)?;
                self.piece(|it| is_store(it, 4, R15, peak, R11))?;
                self.resume(resume)?;
                right
            }
            Piece::OutOfGas { constant, site } => {
                let right = match constant {
                    Some(cost) => is_imm(&first, Op::Add, 8, R13, cost),
                    None => is_registers(&first, Op::Add, 8, R13, R11),
                };
                let named = self.trap(TrapKind::OutOfGas)?;
                let charged = match (site, self.function) {
                    (Site::At(offset), _) => named.wasm_offset == offset,
                    (Site::Grow, Some((_, body))) => body.grows_at(named.wasm_offset),
                    _ => true,
                };
                ensure!(charged, Meters, "the charge names another block");
                right
            }
            Piece::SignatureMismatch { index, disp } => {
                let right = first.op == Op::Cmp
                    && first.size == 4
                    && is_entry(&first, index, disp)
                    && first.from == Place::Immediate
                    && first.imm == 0;
                self.trap_unless(NOT_EQUAL, TrapKind::UndefinedElement)?;
                self.trap(TrapKind::IndirectCallTypeMismatch)?;
                right
            }
        };
        ensure!(right, Phases, "the slow path is not that of its branch");
        Ok(())
    }

    /// The first instruction of a slow path, to which exactly one branch goes.
    fn expect_late(&mut self) -> Check<Instruction> {
        self.offset = self.at;
        let Some(it) = self.peek_at(self.at) else {
            refuse!(Encodings, "the encoding is not in the table");
        };
        self.at += usize::from(it.len);
        self.visited += 1;
        Ok(it)
    }

    fn piece(&mut self, is: impl FnOnce(&Instruction) -> bool) -> Check<Instruction> {
        let it = self.expect()?;
        ensure!(is(&it), Phases, "the slow path is not that of its branch");
        Ok(it)
    }

    /// Expects a trap of this kind, and returns its site.
    fn trap(&mut self, kind: TrapKind) -> Check<TrapSite> {
        self.piece(|it| it.op == Op::Ud2)?;
        let site = self.next_site()?;
        ensure!(site.kind == kind, Meters, "the trap is of another kind");
        let named = match (kind, self.function) {
            (TrapKind::StackOverflow, Some((_, body))) => body.begins_at(site.wasm_offset),
            // Compared with the charge.
            (TrapKind::OutOfGas, _) => true,
            (_, Some((_, body))) => has_trap(body, &site),
            _ => false,
        };
        ensure!(
            named,
            Meters,
            "the trap names an operator that does not have it"
        );
        Ok(site)
    }

    /// Expects a short branch over a trap.
    fn trap_unless(&mut self, condition: u8, kind: TrapKind) -> Check {
        let branch = self.piece(|it| is_branch(it, condition))?;
        let target = self.target(branch.imm);
        self.trap(kind)?;
        ensure!(
            target == self.at,
            Phases,
            "a branch does not go over the trap"
        );
        Ok(())
    }

    fn resume(&mut self, resume: usize) -> Check {
        let jump = self.piece(|it| it.op == Op::Jmp)?;
        ensure!(
            self.target(jump.imm) == resume,
            Phases,
            "the slow path goes back to elsewhere"
        );
        Ok(())
    }

    /// Checks the instructions from the first one on that releases the frame, up to the return.
    pub(super) fn epilogue(&mut self, first: &Instruction) -> Check {
        let settings = self.program.code.settings;
        let Some((_, body)) = self.function else {
            refuse!(FixedRegisters, "the code writes a fixed register");
        };
        let cost = i64::from(body.logical_cost);
        let frame = self.frame;
        let mut it = *first;
        if settings.native_stack == NativeStack::Audited {
            let depth = context::AUDIT_DEPTH as i32;
            ensure!(
                is_change(&it, Op::Sub, 8, depth, frame),
                Phases,
                "the epilogue is not that of the settings"
            );
            it = self.expect()?;
        }
        let mut right = is_imm(&it, Op::Add, 8, RSP, frame - 8);
        match (settings.logical_stack, settings.logical_counter) {
            (true, Some(counter)) => {
                let counter = (context::GLOBALS + counter * SLOT_BYTES) as i32;
                right &= is_change(&self.expect()?, Op::Sub, 4, counter, cost);
            }
            (true, None) if !self.leaf => {
                right &= is_imm(&self.expect()?, Op::Add, 8, R12, cost);
            }
            _ => {}
        }
        right &= self.expect()?.op == Op::Ret;
        ensure!(right, Phases, "the epilogue is not that of the settings");
        self.leave()?;
        self.stop()
    }

    /// The trap site of the current instruction.
    #[inline(always)]
    pub(super) fn next_site(&mut self) -> Check<TrapSite> {
        let offset = self.start.wrapping_add(self.offset as u32);
        self.site_at(offset)
    }

    /// The next trap site, which must be at this offset.
    #[inline(always)]
    pub(super) fn site_at(&mut self, offset: u32) -> Check<TrapSite> {
        match self.sites.get(self.site) {
            Some(site) if site.code_offset == offset => {
                self.site += 1;
                Ok(*site)
            }
            _ => refuse!(TrapSites, "an instruction that can trap has no trap site"),
        }
    }

    /// Takes the trap site of the current instruction, which must be of this kind and name an operator with this trap.
    #[inline(always)]
    pub(super) fn faults(&mut self, kind: TrapKind) -> Check {
        let site = self.next_site()?;
        ensure!(site.kind == kind, TrapSites, "the trap is of another kind");
        self.has_operator(&site)
    }

    #[inline(always)]
    pub(super) fn has_operator(&self, site: &TrapSite) -> Check {
        let Some((_, body)) = self.function else {
            refuse!(TrapSites, "shared code has a trap site");
        };
        ensure!(
            has_trap(body, site),
            Meters,
            "the trap names an operator that does not have it"
        );
        Ok(())
    }

    /// Takes the trap site of an `ud2` outside of a sequence.
    pub(super) fn any_trap(&mut self) -> Check {
        let site = self.next_site()?;
        ensure!(
            site.kind != TrapKind::HostError,
            TrapSites,
            "the trap is of another kind"
        );
        self.has_operator(&site)
    }
}

/// Whether the operator that a trap site names has that trap.
#[inline(always)]
fn has_trap(body: &BodyFacts, site: &TrapSite) -> bool {
    body.traps_at(site.wasm_offset) & kind_bit(site.kind) != 0
}
