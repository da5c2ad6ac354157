//! The second pass over a function, which tracks the contents of registers.
//!
//! For each register the pass keeps a bound of its significant bits, or that the register holds nothing that may be
//! read. Bounds are joined at labels. Other knowledge ([`Facts`]) ends at labels. The bounds at a backward branch must
//! satisfy the bounds at its target. If they do not, the bounds at the target are weakened, and the code is walked
//! again from the first such label. Bounds only grow, so this ends.

mod calls;
mod facts;
mod memory;
mod operations;

use super::decode::Place;
use super::scan::{Role, Step};
use super::table::Op;
use super::{Buffers, Called, Program, R11, R12, R13, R14, R15, RAX, RSP, XMM15};
use crate::layout;
use crate::wasm::FuncType;
use crate::{Invariant, Refusal};
use facts::*;
pub(super) use facts::{Contract, Label};

/// The state of the pass.
pub(super) struct Flow<'f, 'v> {
    program: &'f Program<'v>,
    buffers: &'f mut Buffers,
    /// Index, type and frame bytes of the function; `None` for shared code.
    function: Option<(u32, &'f FuncType, u64)>,
    bounds: Bounds,
    facts: Facts,
    live: bool,
    /// Whether the label of a backward branch has changed.
    changed: bool,
    offset: u32,
    contract: Contract,
    kept: bool,
}

type Checked<T = ()> = Result<T, Refusal>;

impl<'f, 'v> Flow<'f, 'v> {
    pub fn new(
        program: &'f Program<'v>,
        buffers: &'f mut Buffers,
        function: Option<(u32, &'f FuncType, u64)>,
    ) -> Self {
        let mut flow = Self {
            program,
            buffers,
            function,
            bounds: [NOTHING; 32],
            facts: Facts::NONE,
            live: true,
            changed: false,
            offset: 0,
            contract: Contract::default(),
            kept: true,
        };
        match function {
            Some((_, ty, _)) => flow.arguments(ty),
            // In shared code, the initial contents of registers belong to the caller.
            None => flow.bounds = [64; 32],
        }
        flow.fix();
        flow
    }

    fn fix(&mut self) {
        for register in [RSP, R14, R15] {
            self.bounds[usize::from(register)] = FIXED;
        }
        if self.program.gas {
            self.bounds[usize::from(R13)] = FIXED;
        }
        if self.program.code.settings.logical_stack {
            self.bounds[usize::from(R12)] = FIXED;
        }
        if self.function.is_none() {
            for register in [R12, R13] {
                self.bounds[usize::from(register)] = FIXED;
            }
            self.bounds[usize::from(RSP)] = UNTOUCHED;
        }
    }

    #[cold]
    fn refuse<T>(&self, invariant: Invariant, what: &'static str) -> Checked<T> {
        Err(Refusal {
            invariant,
            function: self.function.map(|it| it.0),
            offset: self.offset,
            what,
        })
    }

    #[inline]
    fn ensure(&self, holds: bool, invariant: Invariant, what: &'static str) -> Checked {
        match holds {
            true => Ok(()),
            false => self.refuse(invariant, what),
        }
    }

    /// Walks a function and returns the number of visited steps.
    pub fn function(mut self) -> Checked<u64> {
        self.walk()
    }

    /// Walks shared code and returns its effects.
    pub fn shared(mut self, start: u32) -> Checked<Contract> {
        self.offset = start;
        self.walk()?;
        if self.kept {
            self.contract.written &= !(1 << RAX);
        }
        Ok(self.contract)
    }

    /// Walks all steps, and again those after labels whose bounds were weakened.
    fn walk(&mut self) -> Checked<u64> {
        let steps = std::mem::take(&mut self.buffers.steps);
        let result = self.walk_steps(&steps);
        self.buffers.steps = steps;
        result
    }

    fn walk_steps(&mut self, steps: &[Step]) -> Checked<u64> {
        let mut taken = self.walk_from(steps, 0, true)?;
        // Walks from each changed label to the next one.
        while std::mem::take(&mut self.changed) {
            let mut at = 0;
            while let Some(distance) = steps.get(at..).and_then(|rest| {
                let mut rest = rest.iter();
                rest.position(|step| step.label != 0 && self.has_changed(step.label))
            }) {
                at += distance;
                self.live = false;
                let walked = self.walk_from(steps, at, false)?;
                taken += walked;
                at += walked as usize;
            }
        }
        let unreached = steps.iter().find(|step| {
            let label = self
                .buffers
                .labels
                .get((step.label as usize).wrapping_sub(1));
            label.is_some_and(|label| !label.reached)
        });
        match unreached {
            Some(step) => {
                self.offset = step.offset;
                self.refuse(Invariant::Reached, "code that is not reached")
            }
            None => Ok(taken),
        }
    }

    fn has_changed(&self, label: u32) -> bool {
        let label = self.buffers.labels.get(label as usize - 1);
        label.is_some_and(|label| label.has_changed)
    }

    /// Walks from a step to the end. A repeated walk stops where nothing changes. Returns the number of steps.
    fn walk_from(&mut self, steps: &[Step], start: usize, first: bool) -> Checked<u64> {
        let mut at = start;
        // Whether a later branch may still reach the current, unreached code.
        let mut maybe = false;
        while let Some(step) = steps.get(at) {
            self.offset = step.offset;
            if step.label != 0 {
                let new = self.arrive(step.label as usize - 1);
                if !new && !first {
                    return Ok((at - start).max(1) as u64);
                }
                maybe = true;
            }
            if !self.live {
                if !first {
                    return Ok((at - start).max(1) as u64);
                }
                at = self.pass(steps, at, &mut maybe)?;
                continue;
            }
            match step.role {
                Role::Normal => match step.it.op {
                    Op::Jcc => {
                        self.branch(steps, at, step.value as usize)?;
                        self.learn(steps, at, step);
                    }
                    Op::Jmp => {
                        self.branch(steps, at, step.value as usize)?;
                        self.stop(&mut maybe);
                    }
                    Op::Call => {
                        let traps = self.call(Called(step.value))?;
                        if traps > 0 {
                            self.pass_traps(steps, at, traps)?;
                            at += traps;
                        }
                    }
                    Op::Ret => {
                        self.leave(step)?;
                        self.stop(&mut maybe);
                    }
                    Op::Ud2 => self.stop(&mut maybe),
                    _ => self.step(&step.it)?,
                },
                Role::Checked => {
                    // Only the audit in the prologue uses the scratch register in such a sequence.
                    if step.it.to == Place::Register && step.it.a == R11 {
                        self.write(R11, NOTHING)?;
                    }
                }
                Role::Late => {
                    return self.refuse(Invariant::Reached, "a way into a slow path");
                }
                Role::Table => {
                    at = self.table(steps, at, step.value as usize)?;
                    self.stop(&mut maybe);
                    continue;
                }
                Role::IndirectCall => self.call_indirect(step)?,
                Role::SlotLoop => {
                    self.write(R11, NOTHING)?;
                    self.write_float(XMM15, NOTHING);
                }
                Role::Save => {
                    let known = self.bounds[usize::from(RSP)];
                    let kept = known == UNTOUCHED || known == KEPT;
                    self.ensure(kept, Invariant::Stubs, "a borrowed register kept late")?;
                    self.bounds[usize::from(RSP)] = KEPT;
                }
                Role::Restore => {
                    let known = self.bounds[usize::from(RSP)];
                    let kept = known == BORROWED || known == KEPT;
                    self.ensure(kept, Invariant::Stubs, "nothing to put back")?;
                    self.write(RAX, 64)?;
                    self.bounds[usize::from(RSP)] = KEPT;
                }
            }
            at += 1;
        }
        self.ensure(
            !self.live,
            Invariant::Ends,
            "a function runs out at its end",
        )?;
        Ok((at - start) as u64)
    }

    fn stop(&mut self, maybe: &mut bool) {
        self.live = false;
        *maybe = false;
    }

    /// Skips a step that no path has reached yet.
    fn pass(&self, steps: &[Step], at: usize, maybe: &mut bool) -> Checked<usize> {
        let Some(step) = steps.get(at) else {
            return Ok(at + 1);
        };
        if step.role == Role::Late {
            return Ok(at + 1);
        }
        self.ensure(*maybe, Invariant::Reached, "code that is not reached")?;
        match step.it.op {
            Op::Jmp | Op::Ret | Op::Ud2 | Op::JmpReg => *maybe = false,
            Op::Call if Called(step.value).kind() == Called::SHARED => {
                let contract = self
                    .program
                    .shared
                    .get(Called(step.value).number() as usize);
                return Ok(at + 1 + contract.map_or(0, |contract| contract.traps as usize));
            }
            _ => {}
        }
        Ok(at + 1)
    }

    /// Handles a label. Returns whether its bounds have changed.
    fn arrive(&mut self, label: usize) -> bool {
        let shared = self.function.is_none();
        let Some(label) = self.buffers.labels.get_mut(label) else {
            return false;
        };
        let mut new = std::mem::take(&mut label.has_changed);
        if self.live {
            new |= label.add(&self.bounds, shared);
        }
        self.live = label.reached;
        self.bounds = label.bounds;
        self.facts = Facts::NONE;
        new
    }

    /// Joins the current bounds into the label of a step to which control may go.
    fn branch(&mut self, steps: &[Step], from: usize, to: usize) -> Checked {
        let shared = self.function.is_none();
        let target = steps.get(to).map_or(0, |step| step.label as usize);
        let Some(label) = self.buffers.labels.get_mut(target.wrapping_sub(1)) else {
            return self.refuse(Invariant::Targets, "a branch to no label");
        };
        if label.add(&self.bounds, shared) {
            label.has_changed = true;
            // A label further ahead is visited later in the same walk.
            self.changed |= to <= from;
        }
        Ok(())
    }

    fn table(&mut self, steps: &[Step], at: usize, table: usize) -> Checked<usize> {
        let Some(table) = self.buffers.tables.get(table).copied() else {
            return self.refuse(Invariant::Indirect, "no table");
        };
        let index = self.read(table.index)?;
        self.ensure(index <= 32, Invariant::Widths, "a wide index of a table")?;
        self.write(table.index, NOTHING)?;
        self.write(R11, NOTHING)?;
        for entry in table.first..table.first + table.count {
            let target = self.buffers.targets.get(entry as usize).copied();
            self.branch(steps, at, target.unwrap_or(0) as usize)?;
        }
        Ok(table.next as usize)
    }

    /// Learns facts from a branch that was not taken.
    fn learn(&mut self, steps: &[Step], at: usize, branch: &Step) {
        let before = at.checked_sub(1).and_then(|at| steps.get(at));
        let Some(before) = before.filter(|it| it.role == Role::Normal && branch.label == 0) else {
            return;
        };
        let compare = before.it;
        match (compare.op, branch.it.condition) {
            (Op::Cmp, BELOW) if compare.to == Place::Register => match compare.from {
                Place::Immediate => {
                    let value = match compare.size {
                        4 if self.bound(compare.a) <= 32 => u64::from(compare.imm as u32),
                        8 => u64::try_from(compare.imm).unwrap_or(0),
                        _ => 0,
                    };
                    if value > 0 {
                        self.facts.set_least(compare.a, value);
                    }
                }
                Place::Register if compare.size == 8 => {
                    self.facts.not_below = Some((compare.a, compare.b));
                    self.facts.about |= 1 << compare.a | 1 << compare.b;
                }
                _ => {}
            },
            (Op::Cmp, ABOVE)
                if compare.size == 8
                    && (compare.base, compare.disp)
                        == (R15, layout::context::MEMORY_BYTES as i32)
                    && compare.to == Place::Register
                    && compare.from == Place::Memory =>
            {
                if let Some((_, index, length, offset)) =
                    self.facts.sum.filter(|sum| sum.0 == compare.a)
                {
                    self.facts.set_range(Range {
                        index,
                        length,
                        offset,
                        slack: 0,
                        is_address: false,
                    });
                    if self.facts.least(length) > 0 {
                        let bound = &mut self.bounds[usize::from(index)];
                        *bound = (*bound).min(32);
                    }
                }
            }
            (Op::FCmp, condition @ (NOT_ABOVE | NOT_BELOW)) => {
                let size = compare.size;
                let constant = self.facts.float_constant;
                let Some((_, bits, _)) = constant.filter(|it| (it.0, it.2) == (compare.b, size))
                else {
                    return;
                };
                let (least, most) = match size {
                    4 => (
                        u64::from((-1f32).to_bits()),
                        u64::from(4_294_967_296f32.to_bits()),
                    ),
                    _ => ((-1f64).to_bits(), 4_294_967_296f64.to_bits()),
                };
                match condition {
                    NOT_ABOVE if bits == least => {
                        self.facts.float = Some((compare.a, size, false));
                    }
                    NOT_BELOW if bits == most => {
                        if let Some((register, of, below)) = &mut self.facts.float
                            && (*register, *of) == (compare.a, size)
                        {
                            *below = true;
                        }
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    #[inline]
    fn bound(&self, register: u8) -> u8 {
        self.bounds[usize::from(register & 15)]
    }

    #[inline]
    fn read(&self, register: u8) -> Checked<u8> {
        let bound = self.bound(register);
        if bound <= 64 {
            return Ok(bound);
        }
        match bound >= FIXED {
            true => self.refuse(Invariant::FixedRegisters, "a fixed register is read"),
            false => self.refuse(Invariant::Widths, "a register that holds nothing is read"),
        }
    }

    #[inline]
    fn write(&mut self, register: u8, bound: u8) -> Checked {
        let place = &mut self.bounds[usize::from(register & 15)];
        if *place >= FIXED {
            return self.refuse(Invariant::FixedRegisters, "a fixed register is written");
        }
        *place = bound;
        if self.facts.is_about(register) {
            self.facts.forget(register);
        }
        if self.function.is_none() {
            self.note_write(register);
        }
        Ok(())
    }

    #[cold]
    fn note_write(&mut self, register: u8) {
        self.contract.written |= 1 << register;
        if register == RAX {
            let known = &mut self.bounds[usize::from(RSP)];
            *known = match *known {
                KEPT | BORROWED => BORROWED,
                _ => LOST,
            };
        }
    }

    #[inline]
    fn read_float(&self, register: u8) -> Checked {
        match self.bounds[xmm(register)] <= 64 {
            true => Ok(()),
            false => self.refuse(
                Invariant::Widths,
                "a float register that holds nothing is read",
            ),
        }
    }

    #[inline]
    fn write_float(&mut self, register: u8, bound: u8) {
        self.bounds[xmm(register)] = bound;
        self.facts.forget_float(register);
        if self.function.is_none() {
            self.contract.written |= 1 << xmm(register);
        }
    }
}

const BELOW: u8 = 2;
const NOT_BELOW: u8 = 3;
const NOT_ABOVE: u8 = 6;
const ABOVE: u8 = 7;
