//! The first pass over a function: all bytes are decoded, once and in order, and the sequences that belong together are recognised.
//!
//! What is fixed by the settings and the body alone is decided here: prologue, epilogue, charges, slow paths, jump tables, indirect
//! calls, loops over slots, trap sites. Such instructions get a [`Role`]; all others are left to [`flow`](super::flow), which knows
//! what registers hold, and which lets no other instruction touch a fixed register.

use super::decode::{EMPTY, Instruction, NONE, Place, RIP, WINDOW, decode_into};
use super::table::Op;
use super::{Buffers, Program, R11, R12, R13, R14, R15, RAX, RSP};
use crate::layout::{
    SLOT_BYTES, STACK_MARGIN_BYTES, TABLE_ENTRY_BYTES, TABLE_ENTRY_CODE, TABLE_ENTRY_SIGNATURE,
    context,
};
use crate::wasm::{BodyFacts, Operator};
use crate::{GasMeter, Invariant, NativeStack, Refusal, TrapSite};
use pvf_rules::TrapKind;

/// What an instruction is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub(super) enum Role {
    /// It stands for itself.
    #[default]
    Normal,
    /// Part of a sequence that is checked as a whole and changes no register.
    Checked,
    /// Part of a piece off the main path, which goes back to where it came from or traps.
    Late,
    /// The jump through a table, at its `lea`: [`Step::value`] is the table's number.
    Table,
    /// A call through the table, at its `call`: [`Step::value`] is the signature.
    IndirectCall,
    /// A loop over slots, at the first instruction of the loop: registers stay, but the scratch ones.
    SlotLoop,
    /// In shared code: the borrowed register goes below the stack pointer.
    Save,
    /// In shared code: it comes back.
    Restore,
}

/// An instruction with its place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    pub it: Instruction,
    /// Where it begins in the code.
    pub offset: u32,
    /// Of a branch, the step it goes to. See [`Role`] for others.
    pub value: u32,
    /// The label here, plus 1.
    pub label: u32,
    pub role: Role,
    /// No branch may come here.
    pub inner: bool,
}

/// A jump table: its entries are steps in [`Buffers::targets`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub index: u8,
    pub first: u32,
    pub count: u32,
    /// The step behind the jump.
    pub next: u32,
}

/// A piece off the main path that a branch has announced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Late {
    /// Where it begins.
    at: u32,
    piece: Piece,
}

#[derive(Clone, Copy, Debug)]
enum Piece {
    StackGrowth {
        resume: u32,
    },
    LogicalGrowth {
        resume: u32,
        leaf_cost: u32,
    },
    CounterGrowth {
        resume: u32,
    },
    /// The charge, if it is constant, and what the site has to name.
    OutOfGas {
        constant: Option<i64>,
        site: Site,
    },
    SignatureMismatch {
        index: u8,
        disp: i32,
    },
}

#[derive(Clone, Copy, Debug)]
enum Site {
    /// This offset in the module.
    At(u32),
    /// A `memory.grow`.
    Grow,
    Any,
}

/// What a scan is of.
#[derive(Clone, Copy)]
pub(super) enum Subject<'s> {
    /// A function of the module's own, by its index.
    Function(u32, &'s BodyFacts),
    /// Code that functions share.
    Shared,
}

pub(super) struct Scan<'s, 'v> {
    program: &'s Program<'v>,
    buffers: &'s mut Buffers,
    subject: Subject<'s>,
    start: u32,
    at: u32,
    end: u32,
    /// The sites not met yet.
    sites: &'v [TrapSite],
    next_late: usize,
    next_charge: usize,
    grows: u32,
    /// A call of a function, an imported one or through the table is there.
    calls: bool,
    /// The prologue is that of a function without such calls.
    leaf: bool,
}

type Checked<T = ()> = Result<T, Refusal>;

impl<'s, 'v> Scan<'s, 'v> {
    pub fn new(
        program: &'s Program<'v>,
        buffers: &'s mut Buffers,
        subject: Subject<'s>,
        start: u32,
        end: u32,
    ) -> Self {
        let sites = program.code.sites;
        let first = sites.partition_point(|site| site.code_offset < start);
        let behind = sites.partition_point(|site| site.code_offset < end);
        buffers.clear((end - start) as usize);
        Self {
            program,
            buffers,
            subject,
            start,
            at: start,
            end,
            sites: sites.get(first..behind).unwrap_or_default(),
            next_late: 0,
            next_charge: 0,
            grows: 0,
            calls: false,
            leaf: false,
        }
    }

    fn refuse<T>(&self, invariant: Invariant, what: &'static str) -> Checked<T> {
        let offset = self.buffers.steps.last().map_or(self.at, |it| it.offset);
        self.refuse_at(offset, invariant, what)
    }

    fn refuse_at<T>(&self, offset: u32, invariant: Invariant, what: &'static str) -> Checked<T> {
        Err(Refusal {
            invariant,
            function: match self.subject {
                Subject::Function(function, _) => Some(function),
                Subject::Shared => None,
            },
            offset,
            what,
        })
    }

    fn ensure(&self, holds: bool, invariant: Invariant, what: &'static str) -> Checked {
        match holds {
            true => Ok(()),
            false => self.refuse(invariant, what),
        }
    }

    /// A function, to its end.
    pub fn function(mut self) -> Checked {
        self.prologue()?;
        while self.at < self.end {
            if let Some(late) = self.buffers.lates.get(self.next_late)
                && late.at <= self.at
            {
                let late = *late;
                self.late(late)?;
                continue;
            }
            self.next(Role::Normal)?;
            self.recognise()?;
        }
        let complete = self.next_late == self.buffers.lates.len();
        self.ensure(
            complete,
            Invariant::Targets,
            "a slow path that is not there",
        )?;
        self.ensure(
            self.sites.is_empty(),
            Invariant::TrapSites,
            "a trap site at no instruction",
        )?;
        if let (Subject::Function(_, facts), GasMeter::Priced(costs)) =
            (self.subject, self.program.code.settings.gas)
        {
            let all = self.next_charge == facts.charges.len();
            self.ensure(all, Invariant::Meters, "a charge of gas is left out")?;
            let grows = match costs.memory_grow_per_page() {
                0 => 0,
                _ => facts.grows,
            };
            self.ensure(
                self.grows == grows,
                Invariant::Meters,
                "a charge of growth is left out",
            )?;
        }
        self.ensure(
            !(self.leaf && self.calls),
            Invariant::Meters,
            "a function that calls takes its units",
        )?;
        self.resolve()
    }

    /// A piece of shared code; where it ends.
    pub fn shared(mut self) -> Checked<u32> {
        let mut furthest = self.at;
        while self.at < self.end {
            self.next(Role::Normal)?;
            let it = self.last();
            let step = self.buffers.steps.len() - 1;
            match it.op {
                Op::Jcc | Op::Jmp => {
                    let target = self.distance_target(it)?;
                    let forward = target >= self.at;
                    self.ensure(forward, Invariant::Targets, "a loop in shared code")?;
                    furthest = furthest.max(target);
                }
                Op::Mov if is_store(&it, 8, RSP, -8, RAX) => self.set_role(step, Role::Save),
                Op::Mov if is_load(&it, Op::Mov, 8, RAX, RSP, -8) => {
                    self.set_role(step, Role::Restore);
                }
                Op::Ret => {
                    let before = self.step_back(1).map(|step| step.it);
                    if let Some(before) = before
                        && before.op == Op::Add
                        && before.to == Place::Memory
                    {
                        let behind = matches!(before.imm, 2 | 4);
                        let place = is_place(&before, 8, RSP, 0) && before.from == Place::Immediate;
                        self.ensure(place && behind, Invariant::Stubs, "another way to return")?;
                        self.set_role(step - 1, Role::Checked);
                        self.set_inner(step);
                        self.buffers.steps[step].value = before.imm as u32;
                    }
                    if self.at > furthest {
                        let end = self.at;
                        self.end = end;
                        self.resolve()?;
                        return Ok(end);
                    }
                }
                Op::Call | Op::CallMem | Op::JmpReg | Op::Ud2 => {
                    return self.refuse(Invariant::Stubs, "no instruction of shared code");
                }
                _ => {}
            }
        }
        self.refuse(Invariant::Ends, "shared code runs out at its end")
    }

    /// Decodes the next instruction.
    #[inline]
    fn next(&mut self, role: Role) -> Checked {
        let offset = self.at;
        let rest = self
            .program
            .code
            .code
            .get(offset as usize..)
            .unwrap_or_default();
        let mut padded = [0; WINDOW];
        let window = match rest.first_chunk::<WINDOW>() {
            Some(window) => window,
            None => {
                padded[..rest.len()].copy_from_slice(rest);
                &padded
            }
        };
        let steps = &mut self.buffers.steps;
        let index = steps.len() as u32;
        steps.push(Step {
            it: EMPTY,
            offset,
            value: 0,
            label: 0,
            role,
            inner: role != Role::Normal,
        });
        let Some(step) = steps.last_mut() else {
            return Ok(());
        };
        let decoded = decode_into(&mut step.it, window);
        let it = &step.it;
        let end = offset + u32::from(it.len);
        if decoded.is_none() || end > self.end {
            return self.refuse_at(offset, Invariant::Encodings, "no instruction of the list");
        }
        let linear = it.base == R14 && it.has_memory() && it.op != Op::Lea;
        let wants = linear || matches!(it.op, Op::Div | Op::Idiv | Op::Ud2);
        if let Some(at) = self.buffers.starts.get_mut((offset - self.start) as usize) {
            *at = index + 1;
        }
        self.at = end;
        match self.sites.first() {
            Some(site) if site.code_offset < end => self.site(offset, wants),
            _ if wants => self.refuse(Invariant::TrapSites, "no trap site"),
            _ => Ok(()),
        }
    }

    /// The instruction decoded last.
    #[inline]
    fn last(&self) -> Instruction {
        self.buffers.steps.last().map_or(EMPTY, |step| step.it)
    }

    /// Exactly the instructions that can fault have a site, of a kind that they can have.
    fn site(&mut self, offset: u32, wants: bool) -> Checked {
        let Some((&site, rest)) = self.sites.split_first() else {
            return Ok(());
        };
        self.sites = rest;
        let op = self
            .buffers
            .steps
            .last()
            .map_or(Op::None, |step| step.it.op);
        let kinds = match op {
            Op::Call => {
                let last = site.code_offset == self.at - 1;
                self.ensure(last, Invariant::TrapSites, "a site within an instruction")?;
                self.buffers.host_site = offset;
                kind_bit(TrapKind::HostError)
            }
            _ => {
                let first = site.code_offset == offset;
                self.ensure(
                    first && wants,
                    Invariant::TrapSites,
                    "a site where nothing can fault",
                )?;
                match op {
                    Op::Div | Op::Idiv => kind_bit(TrapKind::IntegerDivideByZero),
                    Op::Ud2 => !kind_bit(TrapKind::HostError),
                    _ => kind_bit(TrapKind::MemoryOutOfBounds),
                }
            }
        };
        let kind = kind_bit(site.kind);
        self.ensure(
            kinds & kind != 0,
            Invariant::TrapSites,
            "another kind of trap",
        )?;
        let Subject::Function(_, facts) = self.subject else {
            return self.refuse(Invariant::TrapSites, "a site in shared code");
        };
        let named = match site.kind {
            TrapKind::StackOverflow => site.wasm_offset == facts.offset,
            // Compared with the charge.
            TrapKind::OutOfGas => true,
            _ => {
                let operator = facts.operator(site.wasm_offset);
                operator.is_some_and(|operator| operator.traps() & kind != 0)
            }
        };
        self.buffers.last_site = site.wasm_offset;
        self.buffers.last_kind = Some(site.kind);
        self.ensure(
            named,
            Invariant::Meters,
            "a trap that the operator does not have",
        )
    }

    /// The step so many before the last one.
    fn step_back(&self, steps: usize) -> Option<&Step> {
        let at = self.buffers.steps.len().checked_sub(1 + steps)?;
        self.buffers.steps.get(at)
    }

    fn set_role(&mut self, step: usize, role: Role) {
        if let Some(step) = self.buffers.steps.get_mut(step) {
            step.role = role;
        }
    }

    fn set_inner(&mut self, step: usize) {
        if let Some(step) = self.buffers.steps.get_mut(step) {
            step.inner = true;
        }
    }

    /// Decodes an instruction of a sequence.
    fn expect(
        &mut self,
        role: Role,
        invariant: Invariant,
        what: &'static str,
        is: impl FnOnce(&Instruction) -> bool,
    ) -> Checked<Instruction> {
        self.next(role)?;
        let it = self.last();
        self.ensure(is(&it), invariant, what)?;
        Ok(it)
    }

    fn phase(&mut self, is: impl FnOnce(&Instruction) -> bool) -> Checked<Instruction> {
        let role = Role::Checked;
        self.expect(role, Invariant::Phases, "another prologue", is)
    }

    fn frame_bytes(&self) -> u64 {
        match self.subject {
            Subject::Function(_, facts) => facts.frame_bytes,
            Subject::Shared => 0,
        }
    }

    /// Meters and frame, before anything of the body.
    fn prologue(&mut self) -> Checked {
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

    fn charge_counter(&mut self, counter: u32, cost: i64) -> Checked {
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

    fn announce(&mut self, at: u32, piece: Piece) {
        self.buffers.lates.push(Late { at, piece });
    }

    /// Where a branch that was just decoded goes.
    fn distance_target(&mut self, it: Instruction) -> Checked<u32> {
        let target = i64::from(self.at) + it.imm;
        let within = (i64::from(self.start)..i64::from(self.end)).contains(&target);
        self.ensure(within, Invariant::Targets, "a branch out of the function")?;
        if let Some(step) = self.buffers.steps.last_mut() {
            step.value = target as u32;
        }
        Ok(target as u32)
    }

    fn late(&mut self, late: Late) -> Checked {
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
                        facts.operator(named) == Some(Operator::MEMORY_GROW)
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

    fn piece(&mut self, is: impl FnOnce(&Instruction) -> bool) -> Checked<Instruction> {
        self.expect(Role::Late, Invariant::Phases, "another slow path", is)
    }

    fn trap(&mut self, kind: TrapKind) -> Checked {
        self.piece(|it| it.op == Op::Ud2)?;
        let kinds = self.buffers.last_kind == Some(kind);
        self.ensure(kinds, Invariant::Meters, "another kind of trap")
    }

    /// A short branch over a trap.
    fn trap_unless(&mut self, condition: u8, kind: TrapKind) -> Checked {
        let branch = self.piece(|it| is_branch(it, condition))?;
        let target = self.distance_target(branch)?;
        self.trap(kind)?;
        let over = target == self.at;
        self.ensure(over, Invariant::Phases, "a branch not over the trap")
    }

    fn go_back(&mut self, resume: u32) -> Checked {
        let jump = self.piece(|it| it.op == Op::Jmp)?;
        let target = self.distance_target(jump)?;
        self.ensure(
            target == resume,
            Invariant::Phases,
            "a way back to elsewhere",
        )
    }

    /// Sees whether the instruction just decoded ends a sequence.
    #[inline]
    fn recognise(&mut self) -> Checked {
        let Some(step) = self.buffers.steps.last() else {
            return Ok(());
        };
        match step.it.op {
            Op::Jcc => {
                let it = step.it;
                let target = self.distance_target(it)?;
                if self.program.gas && it.condition == BELOW {
                    self.charge(target)?;
                }
                if target < self.at {
                    self.slot_loop(target, it.condition)?;
                }
                Ok(())
            }
            Op::Jmp => {
                let it = step.it;
                self.distance_target(it).map(drop)
            }
            Op::Sub => {
                let it = &step.it;
                if it.a == R13 && self.program.gas && it.from == Place::Register {
                    let it = *it;
                    self.charge_turns(it);
                }
                Ok(())
            }
            Op::JmpReg => self.jump_table(step.it),
            Op::CallMem => self.indirect_call(step.it),
            Op::Call => self.call(step.it),
            Op::Ret => self.epilogue(),
            _ => Ok(()),
        }
    }

    fn call(&mut self, it: Instruction) -> Checked {
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
    fn charge(&mut self, target: u32) -> Checked {
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
    fn charge_turns(&mut self, it: Instruction) {
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
    fn jump_table(&mut self, jump: Instruction) -> Checked {
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
    fn indirect_call(&mut self, call: Instruction) -> Checked {
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

    /// Drops the frame and returns.
    fn epilogue(&mut self) -> Checked {
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
            // What comes before it is the only way to here.
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

    /// A loop that writes zeros to slots or copies some, counted by the scratch register.
    fn slot_loop(&mut self, target: u32, condition: u8) -> Checked {
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
        let scratch = store.b == super::XMM15 && load.is_none_or(|load| load.a == super::XMM15);
        // Zeros are made between the counter's first value and the loop.
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
        // The first offset and the one behind the last, by which the counter goes.
        let range = match steps {
            [add, compare]
                if is_imm(&add.it, Op::Add, 8, R11, 8)
                    && is_on(&compare.it, Op::Cmp, 4, R11)
                    && compare.it.from == Place::Immediate
                    && condition == BELOW =>
            {
                Some((from.imm, i64::from(compare.it.imm as u32)))
            }
            // The counter is taken off before it is 0, so that offsets are counted from 8 on.
            [sub] if is_imm(&sub.it, Op::Sub, 8, R11, 8) && condition == NOT_EQUAL => {
                Some((8, from.imm + 8))
            }
            _ => None,
        };
        let Some((low, high)) = range else {
            return self.refuse(Invariant::Frame, wrong);
        };
        let whole = low < high && (high - low) % 8 == 0;
        self.ensure(
            scratch && zeroed && counted && whole,
            Invariant::Frame,
            wrong,
        )?;
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

    /// From offsets of targets to steps, with a label at each.
    fn resolve(&mut self) -> Checked {
        for index in 0..self.buffers.steps.len() {
            let step = &self.buffers.steps[index];
            let (offset, value, role) = (step.offset, step.value, step.role);
            if matches!(step.it.op, Op::Jcc | Op::Jmp) && role == Role::Normal {
                let target = self.label(offset, value, index as u32)?;
                self.buffers.steps[index].value = target;
            }
            if role == Role::Table {
                let Some(table) = self.buffers.tables.get(value as usize).copied() else {
                    continue;
                };
                for entry in table.first..table.first + table.count {
                    let Some(target) = self.buffers.targets.get(entry as usize).copied() else {
                        continue;
                    };
                    let target = self.label(offset, target, index as u32)?;
                    self.buffers.targets[entry as usize] = target;
                }
            }
        }
        Ok(())
    }

    fn label(&mut self, at: u32, target: u32, from: u32) -> Checked<u32> {
        let start = self.buffers.starts.get((target - self.start) as usize);
        let step = start.and_then(|start| start.checked_sub(1));
        let Some(step) = step.filter(|_| target < self.end) else {
            return self.refuse_at(at, Invariant::Targets, "a branch into an instruction");
        };
        let place = &mut self.buffers.steps[step as usize];
        if place.inner {
            return self.refuse_at(at, Invariant::Targets, "a branch into a sequence");
        }
        if place.label == 0 {
            self.buffers.labels.push(super::flow::Label::default());
            place.label = self.buffers.labels.len() as u32;
        }
        if step <= from
            && let Some(label) = self.buffers.labels.get_mut(place.label as usize - 1)
        {
            label.is_head = true;
        }
        Ok(step)
    }
}

const BELOW: u8 = 2;
const NOT_BELOW: u8 = 3;
const NOT_EQUAL: u8 = 5;
const NOT_ABOVE: u8 = 6;
const ABOVE: u8 = 7;
const SIGN: u8 = 8;
const NOT_SIGN: u8 = 9;
const LESS: u8 = 12;

// The slow paths' own calls of nothing stay within the margin below the limit.
const _: () = assert!(STACK_MARGIN_BYTES >= 64);

fn kind_bit(kind: TrapKind) -> u16 {
    1 << kind.code()
}

fn is_branch(it: &Instruction, condition: u8) -> bool {
    it.op == Op::Jcc && it.condition == condition
}

fn is_alu(it: &Instruction) -> bool {
    it.to == Place::Register && it.from == Place::Immediate
}

/// An operation on a register.
fn is_on(it: &Instruction, op: Op, size: u8, a: u8) -> bool {
    it.op == op && it.size == size && it.to == Place::Register && it.a == a
}

fn is_imm(it: &Instruction, op: Op, size: u8, a: u8, imm: i64) -> bool {
    is_on(it, op, size, a) && it.from == Place::Immediate && it.imm == imm
}

fn is_registers(it: &Instruction, op: Op, size: u8, a: u8, b: u8) -> bool {
    is_on(it, op, size, a) && it.from == Place::Register && it.b == b
}

/// `mov` of a constant.
fn is_constant(it: &Instruction, a: u8) -> bool {
    it.op == Op::Mov && it.to == Place::Register && it.from == Place::Immediate && it.a == a
}

/// An operand in memory without an index.
fn is_place(it: &Instruction, size: u8, base: u8, disp: i32) -> bool {
    it.has_memory() && it.size == size && (it.base, it.index, it.disp) == (base, NONE, disp)
}

/// A table entry's field.
fn is_entry(it: &Instruction, index: u8, disp: i32) -> bool {
    it.to == Place::Memory
        && index != NONE
        && (it.base, it.index, it.scale, it.disp) == (R15, index, 1, disp)
}

fn is_load(it: &Instruction, op: Op, size: u8, a: u8, base: u8, disp: i32) -> bool {
    is_on(it, op, size, a) && it.from == Place::Memory && is_place(it, size, base, disp)
}

fn is_store(it: &Instruction, size: u8, base: u8, disp: i32, b: u8) -> bool {
    it.op == Op::Mov
        && it.to == Place::Memory
        && it.from == Place::Register
        && it.b == b
        && is_place(it, size, base, disp)
}

/// A field of the context changed by a constant.
fn is_change(it: &Instruction, op: Op, size: u8, disp: i32, imm: i64) -> bool {
    it.op == op
        && it.to == Place::Memory
        && it.from == Place::Immediate
        && it.imm == imm
        && is_place(it, size, R15, disp)
}
