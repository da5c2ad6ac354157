//! The first pass over a function: decodes all bytes once and in order, and recognises sequences.
//!
//! This pass checks everything that the settings and the body determine: prologue, epilogue, charges, slow paths, jump
//! tables, indirect calls, loops over slots, trap sites. It marks such instructions with a [`Role`]. All others are
//! left to [`flow`](super::flow), which knows the contents of registers and does not let other instructions write a
//! fixed register.

mod phases;
mod sequences;
mod shape;

use super::decode::{EMPTY, Instruction, Place, WINDOW, decode_into};
use super::table::Op;
use super::{Buffers, Program, R11, R13, R14, RAX, RSP};
use crate::wasm::BodyFacts;
use crate::{GasMeter, Invariant, Refusal, TrapSite};
use pvf_rules::TrapKind;
use shape::{
    BELOW, EQUAL, NOT_EQUAL, is_branch, is_imm, is_load, is_place, is_registers, is_store, kind_bit,
};

/// The sequence that an instruction belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub(super) enum Role {
    /// The instruction is not part of a sequence.
    #[default]
    Normal,
    /// Part of a sequence that was checked as a whole and changes no register.
    Checked,
    /// Part of a slow path, which goes back to the main path or traps.
    Late,
    /// The `lea` of a jump through a table; [`Step::value`] is the number of the table.
    Table,
    /// The `call` of a call through the table; [`Step::value`] is the signature.
    IndirectCall,
    /// The first instruction of a loop over slots, which changes only scratch registers.
    SlotLoop,
    /// In shared code: saves the borrowed register below the stack pointer.
    Save,
    /// In shared code: restores the borrowed register.
    Restore,
}

/// An instruction with its position.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    pub it: Instruction,
    /// Its offset in the code.
    pub offset: u32,
    /// The step to which a branch goes. See [`Role`] for other instructions.
    pub value: u32,
    /// The index of its label plus 1, or 0.
    pub label: u32,
    pub role: Role,
    /// Whether branches to it are refused.
    pub inner: bool,
}

/// A jump table. Its entries are steps in [`Buffers::targets`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub index: u8,
    pub first: u32,
    pub count: u32,
    /// The step after the jump.
    pub next: u32,
}

/// A slow path to which a branch goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Late {
    /// The offset of the slow path.
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
    /// The amount of the charge if it is constant, and the position that the trap site must name.
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
    /// The operator at this offset in the module.
    At(u32),
    /// A `memory.grow`.
    Grow,
    Any,
}

/// The subject of a scan.
#[derive(Clone, Copy)]
pub(super) enum Subject<'s> {
    /// One of the module's own functions, by its index.
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
    /// The remaining trap sites.
    sites: &'v [TrapSite],
    next_late: usize,
    next_charge: usize,
    grows: u32,
    /// Whether there is a call of a defined or imported function, or a call through the table.
    calls: bool,
    /// Whether the prologue is that of a function without such calls.
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

    /// Scans a function to its end.
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

    /// Scans a piece of shared code. Returns its end.
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
                Op::Idiv => self.checked_division(step)?,
                Op::Call | Op::CallMem | Op::JmpReg | Op::Ud2 | Op::Div => {
                    return self.refuse(Invariant::Stubs, "no instruction of shared code");
                }
                _ => {}
            }
        }
        self.refuse(Invariant::Ends, "shared code runs out at its end")
    }

    /// A division in shared code has no trap site, because both divisors that fault are excluded before it. The piece
    /// begins with `cmp r11, -1; jne plain`, and the code at `plain` is `test r11, r11; je zero; cdq; idiv r11`.
    fn checked_division(&mut self, division: usize) -> Checked {
        let steps = &self.buffers.steps;
        let Some(plain) = division.checked_sub(3) else {
            return self.refuse(Invariant::TrapSites, "a division that can fault");
        };
        let [test, zero, sign, divide] = [0, 1, 2, 3].map(|at| steps[plain + at].it);
        let size = divide.size;
        let tested = is_registers(&test, Op::Test, size, R11, R11)
            && is_branch(&zero, EQUAL)
            && sign.op == Op::SignToRdx
            && (divide.to, divide.a) == (Place::Register, R11);
        let (first, second) = (steps[0].it, steps[1]);
        let passed = is_imm(&first, Op::Cmp, size, R11, -1)
            && is_branch(&second.it, NOT_EQUAL)
            && second.value == steps[plain].offset
            && plain >= 3
            && steps[plain - 1].it.op == Op::Ret;
        let right = tested && passed;
        self.ensure(right, Invariant::TrapSites, "a division that can fault")?;
        for step in plain + 1..=division {
            self.set_inner(step);
        }
        Ok(())
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
        let faults = matches!(it.op, Op::Div | Op::Idiv | Op::Ud2);
        let wants = linear || (faults && matches!(self.subject, Subject::Function(..)));
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

    /// The last decoded instruction.
    #[inline]
    fn last(&self) -> Instruction {
        self.buffers.steps.last().map_or(EMPTY, |step| step.it)
    }

    /// Checks that an instruction has a trap site if and only if it can fault, and that the kind of the site is
    /// possible.
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
            TrapKind::StackOverflow => facts.begins_at(site.wasm_offset),
            // Compared with the charge later.
            TrapKind::OutOfGas => true,
            _ => facts.has_operator(site.wasm_offset, |it| it.traps() & kind != 0),
        };
        self.buffers.last_site = site.wasm_offset;
        self.buffers.last_kind = Some(site.kind);
        self.ensure(
            named,
            Invariant::Meters,
            "a trap that the operator does not have",
        )
    }

    /// The step at this distance before the last one.
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

    /// Decodes an instruction of a sequence and checks it.
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

    fn frame_bytes(&self) -> u64 {
        match self.subject {
            Subject::Function(_, facts) => facts.frame_bytes,
            Subject::Shared => 0,
        }
    }

    /// The target of a branch that was just decoded.
    fn distance_target(&mut self, it: Instruction) -> Checked<u32> {
        let target = i64::from(self.at) + it.imm;
        let within = (i64::from(self.start)..i64::from(self.end)).contains(&target);
        self.ensure(within, Invariant::Targets, "a branch out of the function")?;
        if let Some(step) = self.buffers.steps.last_mut() {
            step.value = target as u32;
        }
        Ok(target as u32)
    }

    /// Checks whether the last decoded instruction ends a sequence.
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

    /// Replaces target offsets by steps, and adds a label to each target.
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
