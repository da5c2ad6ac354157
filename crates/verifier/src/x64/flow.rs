//! The second pass over a function: what registers hold.
//!
//! For each register a bound on its significant bits is kept, or that it holds nothing that may be read. Bounds are joined at labels;
//! what is known beyond them ([`Facts`]) ends there. A branch back must find at its target what was assumed there: if it does not, the
//! assumption is weakened, and the code is walked again from the first such place. Bounds only grow, so that ends.

use super::decode::{Instruction, NONE, Place, RIP};
use super::scan::{Role, Step};
use super::table::Op;
use super::{
    Buffers, Called, FLOAT_ARGUMENTS, GENERAL_ARGUMENTS, Program, R8, R9, R10, R11, R12, R13, R14,
    R15, RAX, RCX, RDX, RSP, XMM14, XMM15, in_slots,
};
use crate::layout::{self, BUILTINS, GLOBAL_BYTES, LEAST_BLOCK, MOST_MEMORY, REACH, SLOT_BYTES};
use crate::wasm::{FuncType, ValType};
use crate::{Invariant, Refusal};

/// The low byte holds something, the others do not.
const LOW_BYTE: u8 = 65;
/// Nothing that may be read.
const NOTHING: u8 = 66;
/// A fixed register.
const FIXED: u8 = 67;

/// In shared code the stack pointer's place says what is known of the register that is borrowed. From the most that is known:
/// it is kept below the stack pointer and has its value;
const KEPT: u8 = FIXED;
/// it has its value;
const UNTOUCHED: u8 = FIXED + 1;
/// it is kept and has another value;
const BORROWED: u8 = FIXED + 2;
/// it may be lost.
const LOST: u8 = FIXED + 3;

/// Bounds of 16 general registers, then of 16 float registers.
type Bounds = [u8; 32];

/// Where branches go.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Label {
    bounds: Bounds,
    reached: bool,
    /// More may be there than when it was last walked from.
    has_changed: bool,
    /// A branch comes from behind.
    pub is_head: bool,
}

impl Label {
    /// Something comes here; whether that is new.
    #[inline]
    fn add(&mut self, bounds: &Bounds, shared: bool) -> bool {
        let mut bounds = *bounds;
        if self.is_head {
            // Scratch registers hold nothing from one turn to the next.
            bounds[usize::from(R11)] = NOTHING;
            bounds[xmm(XMM14)] = NOTHING;
            bounds[xmm(XMM15)] = NOTHING;
        }
        if !self.reached {
            self.bounds = bounds;
            self.reached = true;
            return true;
        }
        let before = self.bounds;
        join(&mut self.bounds, &bounds, shared);
        self.bounds != before
    }
}

/// What shared code does to its caller.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contract {
    /// Bit for bit the registers that it may change.
    written: u32,
    /// What they hold afterwards.
    bounds: Bounds,
    /// Traps that stand behind a call of it.
    pub traps: u32,
}

/// `index + length + offset` is at most the memory's bytes and `slack`.
#[derive(Clone, Copy)]
struct Range {
    index: u8,
    length: u8,
    offset: u64,
    slack: u64,
    /// The index has become the address of the range's first byte.
    is_address: bool,
}

/// What is known beyond bounds between two labels.
#[derive(Clone, Copy)]
struct Facts {
    /// The scratch register holds this constant.
    constant: Option<u64>,
    /// A float register holds a constant of so many bytes.
    float_constant: Option<(u8, u64, u8)>,
    /// A float of so many bytes is above -1, and if so, whether it is below 2^32.
    float: Option<(u8, u8, bool)>,
    /// The register holds at most this.
    most: Option<(u8, u64)>,
    /// The registers hold at least this.
    least: [(u8, u64); 4],
    /// The first holds at least what the second does.
    not_below: Option<(u8, u8)>,
    /// The register is the sum of index, length and offset.
    sum: Option<(u8, u8, u8, u64)>,
    ranges: [Option<Range>; 2],
    /// General registers that anything above is about.
    about: u16,
}

impl Facts {
    const NONE: Self = Self {
        constant: None,
        float_constant: None,
        float: None,
        most: None,
        least: [(NONE, 0); 4],
        not_below: None,
        sum: None,
        ranges: [None; 2],
        about: 0,
    };

    fn is_about(&self, register: u8) -> bool {
        self.about >> (register & 15) & 1 != 0
    }

    fn least(&self, register: u8) -> u64 {
        let known = self.least.iter().find(|least| least.0 == register);
        known.map_or(0, |least| least.1)
    }

    fn set_least(&mut self, register: u8, value: u64) {
        let place = self.least.iter().position(|least| least.0 == register);
        let place = place.or_else(|| self.least.iter().position(|least| least.0 == NONE));
        self.least[place.unwrap_or(3)] = (register, value);
        self.about |= 1 << (register & 15);
    }

    #[cold]
    fn forget(&mut self, register: u8) {
        self.about &= !(1 << (register & 15));
        if register == R11 {
            self.constant = None;
        }
        self.most = self.most.filter(|most| most.0 != register);
        for least in &mut self.least {
            if least.0 == register {
                *least = (NONE, 0);
            }
        }
        self.not_below = self
            .not_below
            .filter(|&(a, b)| a != register && b != register);
        self.sum = self
            .sum
            .filter(|&(sum, index, length, _)| ![sum, index, length].contains(&register));
        for range in &mut self.ranges {
            *range = range.filter(|it| it.index != register && it.length != register);
        }
    }

    #[inline]
    fn forget_float(&mut self, register: u8) {
        self.float_constant = self.float_constant.filter(|it| it.0 != register);
        self.float = self.float.filter(|it| it.0 != register);
    }

    fn range(&self, index: u8, length: u8) -> Option<Range> {
        let mut ranges = self.ranges.iter().flatten();
        ranges
            .find(|it| it.index == index && it.length == length)
            .copied()
    }

    fn set_range(&mut self, range: Range) {
        let of_index = |it: &Option<Range>| it.is_some_and(|it| it.index == range.index);
        let place = self.ranges.iter().position(of_index);
        let place = place.or_else(|| self.ranges.iter().position(Option::is_none));
        self.ranges[place.unwrap_or(1)] = Some(range);
        self.about |= 1 << (range.index & 15) | 1 << (range.length & 15);
    }
}

/// The walk.
pub(super) struct Flow<'f, 'v> {
    program: &'f Program<'v>,
    buffers: &'f mut Buffers,
    /// Index, type and bytes of the frame; none of shared code.
    function: Option<(u32, &'f FuncType, u64)>,
    bounds: Bounds,
    facts: Facts,
    live: bool,
    /// A label further up has changed.
    changed: bool,
    offset: u32,
    contract: Contract,
    kept: bool,
}

type Checked<T = ()> = Result<T, Refusal>;

fn bits(value: u64) -> u8 {
    (64 - value.leading_zeros()) as u8
}

fn xmm(register: u8) -> usize {
    16 + usize::from(register & 15)
}

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
            // What shared code finds in registers is its caller's.
            None => flow.bounds = [64; 32],
        }
        flow.fix();
        flow
    }

    fn arguments(&mut self, ty: &FuncType) {
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

    /// Walks a function; how many steps that took.
    pub fn function(mut self) -> Checked<u64> {
        self.walk()
    }

    /// Walks shared code, and says what it does.
    pub fn shared(mut self, start: u32) -> Checked<Contract> {
        self.offset = start;
        self.walk()?;
        if self.kept {
            self.contract.written &= !(1 << RAX);
        }
        Ok(self.contract)
    }

    /// Walks all steps, then again those behind labels where more became possible.
    fn walk(&mut self) -> Checked<u64> {
        let steps = std::mem::take(&mut self.buffers.steps);
        let result = self.walk_steps(&steps);
        self.buffers.steps = steps;
        result
    }

    fn walk_steps(&mut self, steps: &[Step]) -> Checked<u64> {
        let mut taken = self.walk_from(steps, 0, true)?;
        // From now on from one label to the next that has changed.
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

    /// Walks from a step to the end; if it is not the first time, only as long as something is new. How far it went.
    fn walk_from(&mut self, steps: &[Step], start: usize, first: bool) -> Checked<u64> {
        let mut at = start;
        // Whether something may come from behind to what is not reached yet.
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
                    // The audit uses the scratch register, in the prologue alone.
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

    /// Passes over a step that nothing has come to yet.
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

    /// Control comes to a label, if it does; whether it comes with something new.
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

    /// Control may go from one step to another.
    fn branch(&mut self, steps: &[Step], from: usize, to: usize) -> Checked {
        let shared = self.function.is_none();
        let target = steps.get(to).map_or(0, |step| step.label as usize);
        let Some(label) = self.buffers.labels.get_mut(target.wrapping_sub(1)) else {
            return self.refuse(Invariant::Targets, "a branch to no label");
        };
        if label.add(&self.bounds, shared) {
            label.has_changed = true;
            // Others are met again on the way.
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

    /// Behind a branch that was not taken.
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

    /// An access of memory of so many bytes; how many bits are read at most.
    #[inline]
    fn access(&self, it: &Instruction, bytes: u8, writes: bool) -> Checked<u8> {
        let most = 8 * bytes;
        match it.base {
            R14 => {
                self.linear(it, bytes)?;
                Ok(most)
            }
            RSP => {
                let Some((_, ty, frame)) = self.function else {
                    return self.refuse(Invariant::Frame, "shared code has no frame");
                };
                let slots = in_slots(ty, frame, it.disp.into(), bytes.into());
                let plain = it.index == NONE;
                self.ensure(
                    plain && slots,
                    Invariant::Frame,
                    "an access out of the frame",
                )?;
                Ok(most)
            }
            R15 => self.context(it, bytes, writes),
            _ => self.refuse(Invariant::LinearMemory, "an access by another register"),
        }
    }

    #[inline]
    fn linear(&self, it: &Instruction, bytes: u8) -> Checked {
        let refuse = |what| self.refuse(Invariant::LinearMemory, what);
        if !self.program.module.memory || self.function.is_none() {
            return refuse("an access of memory where there is none");
        }
        let Ok(disp) = u64::try_from(it.disp) else {
            return refuse("an offset below 0");
        };
        if it.index == NONE {
            return Ok(());
        }
        if it.scale != 1 {
            return refuse("a multiple of an index");
        }
        let bound = self.read(it.index)?;
        if bound <= 32 {
            return Ok(());
        }
        let most = match self.facts.most.filter(|most| most.0 == it.index) {
            Some((_, most)) => most,
            None if it.index == R11 => self.facts.constant.unwrap_or(u64::MAX),
            None => u64::MAX,
        };
        match most.checked_add(disp + u64::from(bytes)) {
            Some(end) if end <= REACH => Ok(()),
            _ => refuse("an index of more than 32 bits"),
        }
    }

    fn context(&self, it: &Instruction, bytes: u8, writes: bool) -> Checked<u8> {
        let refuse = |what| self.refuse(Invariant::Context, what);
        let Ok(offset) = u32::try_from(it.disp) else {
            return refuse("an offset below 0");
        };
        if it.index != NONE {
            return self.refuse(Invariant::Table, "an access of a table's entry");
        }
        if offset == layout::context::MEMORY_BYTES && bytes == 8 && !writes {
            return Ok(bits(MOST_MEMORY));
        }
        let global = offset
            .checked_sub(layout::context::GLOBALS)
            .filter(|distance| distance.is_multiple_of(GLOBAL_BYTES));
        let Some(global) = global else {
            return refuse("a field that is not code's");
        };
        let global = global / GLOBAL_BYTES;
        let counter = self.program.code.settings.logical_counter;
        let declared = self.program.module.globals.get(global as usize);
        let (exists, mutable) = match declared {
            Some(global) => (true, global.mutable),
            // The counter may be one more than the module declares.
            None => (counter == Some(global), true),
        };
        if !exists || bytes > 8 {
            return refuse("no global");
        }
        if writes && !mutable {
            return refuse("a constant global is written");
        }
        Ok(8 * bytes)
    }

    /// The last operand of an operation of the instruction's size: its bound, and its value if it is the immediate.
    #[inline]
    fn source(&self, it: &Instruction) -> Checked<u8> {
        match it.from {
            Place::Register => self.read(it.b),
            Place::Memory => self.access(it, it.size, false),
            Place::Immediate => Ok(match it.size {
                8 => bits(it.imm as u64),
                _ => bits(u64::from(it.imm as u32)),
            }),
            Place::None => Ok(0),
        }
    }

    /// An instruction that stands for itself and goes on to the next one.
    #[inline]
    fn step(&mut self, it: &Instruction) -> Checked {
        match it.op {
            Op::Mov => self.mov(it),
            Op::Add | Op::Sub | Op::And | Op::Or | Op::Xor => self.arithmetic(it),
            Op::Cmp | Op::Test => {
                match it.to {
                    Place::Memory => {
                        self.access(it, it.size, false)?;
                    }
                    _ => {
                        self.read(it.a)?;
                    }
                }
                match it.from {
                    Place::Immediate => Ok(()),
                    _ => self.source(it).map(drop),
                }
            }
            Op::Lea => self.lea(it),
            Op::MovZx8 | Op::MovZx16 | Op::MovSx8 | Op::MovSx16 | Op::MovSx32 => self.extend(it),
            Op::Imul => {
                let first = match it.from {
                    Place::Immediate => self.read(it.c)?,
                    _ => self.read(it.a)?,
                };
                let second = self.source(it)?;
                let product = match it.size {
                    4 => 32,
                    _ => (first + second).min(64),
                };
                self.write(it.a, product)
            }
            Op::Neg => {
                self.read(it.a)?;
                self.write(it.a, 8 * it.size)
            }
            Op::MulWide | Op::ImulWide => {
                self.read(it.a)?;
                self.read(RAX)?;
                self.write(RAX, 64)?;
                self.write(RDX, 64)
            }
            Op::Div | Op::Idiv => {
                self.read(it.a)?;
                self.read(RAX)?;
                self.read(RDX)?;
                self.write(RAX, 8 * it.size)?;
                self.write(RDX, 8 * it.size)
            }
            Op::SignToRdx => {
                self.read(RAX)?;
                self.write(RDX, 8 * it.size)
            }
            Op::Shl | Op::Shr | Op::Sar => self.shift(it),
            Op::RolCl | Op::RorCl => {
                self.read(it.a)?;
                self.read(RCX)?;
                self.write(it.a, 8 * it.size)
            }
            Op::Rorx => {
                self.read(it.b)?;
                self.write(it.a, 8 * it.size)
            }
            Op::Shlx | Op::Shrx | Op::Sarx => {
                self.read(it.b)?;
                self.read(it.c)?;
                self.write(it.a, 8 * it.size)
            }
            Op::Popcnt | Op::Lzcnt | Op::Tzcnt => {
                self.read(it.b)?;
                self.write(it.a, 7)
            }
            Op::Cmov => {
                let other = self.read(it.a)?.max(self.read(it.b)?);
                self.write(it.a, other.min(8 * it.size))
            }
            Op::Set => self.write(it.a, LOW_BYTE),
            Op::Xchg => {
                let (a, b) = (self.bound(it.a), self.bound(it.b));
                self.write(it.a, b.min(NOTHING))?;
                self.write(it.b, a.min(NOTHING))
            }
            _ => self.float(it),
        }
    }

    fn mov(&mut self, it: &Instruction) -> Checked {
        if it.to == Place::Memory {
            if it.from == Place::Register {
                self.read(it.b)?;
            }
            return self.access(it, it.size, true).map(drop);
        }
        let bound = self.source(it)?.min(8 * it.size);
        self.write(it.a, bound)?;
        if it.a == R11 && it.from == Place::Immediate {
            self.facts.constant = Some(match it.size {
                8 => it.imm as u64,
                _ => u64::from(it.imm as u32),
            });
            self.facts.about |= 1 << R11;
        }
        Ok(())
    }

    fn arithmetic(&mut self, it: &Instruction) -> Checked {
        if it.to == Place::Memory {
            return self.refuse(Invariant::Context, "memory is changed in place");
        }
        if it.op == Op::Xor && it.from == Place::Register && it.a == it.b {
            return self.write(it.a, 0);
        }
        if it.size == 4 {
            return self.arithmetic_32(it);
        }
        let first = self.read(it.a)?;
        let second = self.source(it)?;
        match it.op {
            Op::And => match it.from {
                Place::Immediate if it.imm < 0 => self.write(it.a, first),
                _ => self.write(it.a, first.min(second)),
            },
            Op::Or | Op::Xor => self.write(it.a, first.max(second)),
            Op::Add => self.add(it, first, second),
            _ => {
                let known =
                    it.from == Place::Register && self.facts.not_below == Some((it.a, it.b));
                self.write(it.a, if known { first } else { 64 })
            }
        }
    }

    fn arithmetic_32(&mut self, it: &Instruction) -> Checked {
        let bitwise = matches!(it.op, Op::And | Op::Or) && it.from == Place::Register;
        if bitwise && (self.bound(it.a) == LOW_BYTE || self.bound(it.b) == LOW_BYTE) {
            // Two conditions become one.
            let known = self.bound(it.a).max(self.bound(it.b)) == LOW_BYTE;
            self.ensure(
                known,
                Invariant::Widths,
                "a register that holds nothing is read",
            )?;
            return self.write(it.a, LOW_BYTE);
        }
        let first = self.read(it.a)?;
        let second = self.source(it)?;
        let bound = match it.op {
            Op::And => first.min(second).min(32),
            Op::Or | Op::Xor => first.max(second).min(32),
            _ => 32,
        };
        self.write(it.a, bound)
    }

    /// 64 bits are added. Ranges whose index or length it is stay known.
    fn add(&mut self, it: &Instruction, first: u8, second: u8) -> Checked {
        let sum = (first.max(second) + 1).min(64);
        if !self.facts.is_about(it.a) && self.facts.constant.is_none() {
            return match it.imm < 0 && it.from == Place::Immediate {
                true => self.write(it.a, 64),
                false => self.write(it.a, sum),
            };
        }
        let (least, mut ranges) = (self.facts.least(it.a), self.facts.ranges);
        let constant = self.facts.constant.filter(|_| it.a == R11);
        let (bound, most_added, least) = match it.from {
            Place::Immediate if it.imm < 0 => match least.checked_sub(it.imm.unsigned_abs()) {
                Some(least) => (first, Some(0), least),
                None => (64, None, 0),
            },
            Place::Immediate => (
                sum,
                Some(it.imm as u64),
                least.saturating_add(it.imm as u64),
            ),
            _ if second <= 32 => (sum, Some((1 << second) - 1), least),
            _ => (sum, None, 0),
        };
        self.write(it.a, bound)?;
        let Some(most_added) = most_added.filter(|_| bound < 64) else {
            return Ok(());
        };
        if let Some(constant) = constant {
            self.facts.most = Some((R11, constant.saturating_add(most_added)));
            self.facts.about |= 1 << R11;
        }
        if least > 0 {
            self.facts.set_least(it.a, least);
        }
        for range in ranges.iter_mut().flatten() {
            if !range.is_address && (range.index == it.a) != (range.length == it.a) {
                range.slack = range.slack.saturating_add(most_added);
                self.facts.set_range(*range);
            }
        }
        Ok(())
    }

    fn lea(&mut self, it: &Instruction) -> Checked {
        if it.base == RIP {
            return self.refuse(Invariant::CodeData, "an address of code");
        }
        if it.base == R14 {
            return self.address(it);
        }
        let base = self.read(it.base)?;
        let index = match it.index {
            NONE => 0,
            index => self.read(index)?,
        };
        if it.size == 4 {
            return self.write(it.a, 32);
        }
        let scaled = index + it.scale.trailing_zeros() as u8;
        let disp = u64::try_from(it.disp);
        let sum = match disp {
            // Each sum of two has at most one bit more than the longer one.
            Ok(disp) if it.index == NONE => base.max(bits(disp)) + 1,
            Ok(0) => base.max(scaled) + 1,
            Ok(disp) => (base.max(scaled) + 1).max(bits(disp)) + 1,
            Err(_) => 64,
        };
        let known = self.facts.range(it.base, it.index);
        self.write(it.a, sum.min(64))?;
        let apart = it.a != it.base && it.a != it.index;
        let Ok(disp) = disp else {
            return Ok(());
        };
        if it.index != NONE && it.scale == 1 && apart && sum <= 40 && it.base != it.index {
            self.facts.sum = Some((it.a, it.base, it.index, disp));
            self.facts.about |= 1 << it.a | 1 << it.base | 1 << it.index;
            if let Some(range) = known.filter(|range| !range.is_address && disp == 0) {
                let most = (MOST_MEMORY + range.slack.min(REACH)).saturating_sub(range.offset);
                self.facts.most = Some((it.a, most));
            }
        }
        Ok(())
    }

    /// `lea index, [r14+index+offset]`: the address of a range, for the call of a block operation that follows.
    fn address(&mut self, it: &Instruction) -> Checked {
        let wrong = "an address of memory";
        let range = self.facts.ranges.iter().flatten();
        let mut range = range.filter(|range| range.index == it.a && !range.is_address);
        let Some(&range) = range.next() else {
            return self.refuse(Invariant::FixedRegisters, wrong);
        };
        let offset = u64::try_from(it.disp).unwrap_or(u64::MAX);
        let right = (it.index, it.scale, it.size) == (it.a, 1, 8)
            && offset <= range.offset
            && MOST_MEMORY.saturating_add(range.slack) <= REACH
            && self.program.module.memory
            && self.function.is_some();
        self.ensure(right, Invariant::FixedRegisters, wrong)?;
        self.write(it.a, NOTHING)?;
        self.facts.set_range(Range {
            is_address: true,
            ..range
        });
        Ok(())
    }

    fn extend(&mut self, it: &Instruction) -> Checked {
        let bytes = match it.op {
            Op::MovZx8 | Op::MovSx8 => 1,
            Op::MovZx16 | Op::MovSx16 => 2,
            _ => 4,
        };
        if it.from == Place::Memory {
            self.access(it, bytes, false)?;
        } else if !(bytes == 1 && self.bound(it.b) == LOW_BYTE) {
            self.read(it.b)?;
        }
        let bound = match it.op {
            Op::MovZx8 | Op::MovZx16 => 8 * bytes,
            _ => 8 * it.size,
        };
        self.write(it.a, bound)
    }

    fn shift(&mut self, it: &Instruction) -> Checked {
        let first = self.read(it.a)?;
        let count = it.imm as u8 & 63;
        if it.size == 4 {
            let bound = match it.op {
                Op::Shr => first.min(32).saturating_sub(count),
                _ => 32,
            };
            return self.write(it.a, bound);
        }
        let least = self.facts.least(it.a);
        let bound = match it.op {
            Op::Shl => (first + count).min(64),
            // What is not negative has no signs.
            Op::Sar if first == 64 => 64,
            _ => first.saturating_sub(count),
        };
        self.write(it.a, bound)?;
        if it.op == Op::Shl && first + count < 64 && least > 0 {
            self.facts.set_least(it.a, least << count);
        }
        Ok(())
    }

    fn float(&mut self, it: &Instruction) -> Checked {
        match it.op {
            Op::FMov => {
                self.read_float(it.b)?;
                self.write_float(it.a, 64);
            }
            Op::FLoad => {
                self.access(it, it.size, false)?;
                self.write_float(it.a, 64);
            }
            Op::FStore => {
                self.read_float(it.b)?;
                self.access(it, it.size, true)?;
            }
            Op::FromGeneral => {
                let bound = self.bound(it.b);
                if bound >= FIXED || it.size == 4 {
                    self.read(it.b)?;
                }
                // Whole registers are put aside in float registers, whatever they hold.
                let bound = match it.size {
                    4 => bound.min(32),
                    _ if bound <= 64 => bound,
                    _ => NOTHING,
                };
                self.write_float(it.a, bound);
                if let Some(constant) = self.facts.constant.filter(|_| it.b == R11) {
                    self.facts.float_constant = Some((it.a, constant, it.size));
                }
            }
            Op::ToGeneral => {
                let bound = self.bounds[xmm(it.b)];
                if it.size == 4 {
                    self.read_float(it.b)?;
                }
                let bound = match bound <= 64 {
                    true => bound.min(8 * it.size),
                    false => NOTHING,
                };
                self.write(it.a, bound)?;
            }
            Op::FXor if it.b == it.c => self.write_float(it.a, 64),
            Op::FAdd
            | Op::FSub
            | Op::FMul
            | Op::FDiv
            | Op::FMin
            | Op::FMax
            | Op::FAnd
            | Op::FAndn
            | Op::FOr
            | Op::FXor
            | Op::FSqrt
            | Op::FRound
            | Op::FConvert => {
                self.read_float(it.b)?;
                self.read_float(it.c)?;
                self.write_float(it.a, 64);
            }
            Op::FCmp => {
                self.read_float(it.a)?;
                self.read_float(it.b)?;
            }
            Op::FromInteger => {
                // The upper part of the result is that of the register before.
                if it.c != it.a {
                    self.read_float(it.c)?;
                }
                self.read(it.b)?;
                self.write_float(it.a, 64);
            }
            Op::ToInteger => {
                self.read_float(it.b)?;
                let small = self.facts.float == Some((it.b, it.float, true));
                let bound = if small { 32 } else { 8 * it.size };
                self.write(it.a, bound)?;
            }
            _ => return self.refuse(Invariant::Encodings, "an instruction out of its sequence"),
        }
        Ok(())
    }

    /// What is passed has the widths of its types, and the slots are there.
    fn pass_arguments(&self, ty: &FuncType) -> Checked {
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

    fn slots(&self, bytes: u64) -> Checked {
        let frame = self.function.map_or(0, |it| it.2);
        let fit = bytes <= frame.saturating_sub(16);
        self.ensure(
            fit,
            Invariant::CalleeSlots,
            "a callee's slots out of the frame",
        )
    }

    /// Behind a call nothing is in registers but the first result.
    fn come_back(&mut self, result: Option<ValType>) {
        self.bounds = [NOTHING; 32];
        self.fix();
        match result {
            Some(ty) if ty.is_integer() => self.bounds[usize::from(RAX)] = width(ty),
            Some(_) => self.bounds[xmm(0)] = 64,
            None => {}
        }
        self.facts = Facts::NONE;
    }

    /// A direct call; how many traps stand behind it.
    fn call(&mut self, called: Called) -> Checked<usize> {
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

    /// Shared code comes back to one of these traps or behind them.
    fn pass_traps(&self, steps: &[Step], call: usize, traps: usize) -> Checked {
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

    fn block(&mut self, block: u32) -> Checked {
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

    fn call_indirect(&mut self, step: &Step) -> Checked {
        // It has been multiplied by 16.
        let index = self.read(step.it.index)?;
        self.ensure(index <= 36, Invariant::Table, "a wide index of the table")?;
        let Some(ty) = self.program.module.signatures.get(step.value as usize) else {
            return self.refuse(Invariant::Table, "a call of no signature");
        };
        self.pass_arguments(ty)?;
        self.come_back(ty.results.first().copied());
        Ok(())
    }

    fn leave(&mut self, step: &Step) -> Checked {
        self.live = false;
        let Some((_, ty, _)) = self.function else {
            self.kept &= matches!(self.bounds[usize::from(RSP)], KEPT | UNTOUCHED);
            join(&mut self.contract.bounds, &self.bounds, true);
            self.contract.traps = self.contract.traps.max(step.value / TRAP_BYTES);
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

/// Bytes of `ud2`.
const TRAP_BYTES: u32 = 2;

const BELOW: u8 = 2;
const NOT_BELOW: u8 = 3;
const NOT_ABOVE: u8 = 6;
const ABOVE: u8 = 7;

fn width(ty: ValType) -> u8 {
    match ty.is_wide() {
        true => 64,
        false => 32,
    }
}

fn join(label: &mut Bounds, other: &Bounds, shared: bool) {
    let stack = usize::from(RSP);
    let pair = (label[stack], other[stack]);
    for (bound, other) in label.iter_mut().zip(other) {
        *bound = (*bound).max(*other);
    }
    if shared && matches!(pair, (UNTOUCHED, BORROWED) | (BORROWED, UNTOUCHED)) {
        label[stack] = LOST;
    }
}
