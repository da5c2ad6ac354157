//! A pass over a body that computes the frame's bytes, the logical cost, the charges of gas, and the positions of
//! operators.
//!
//! The rules are STACK-1 to STACK-4, LOGICAL-2 and LOGICAL-3, GAS-3, GAS-4 and GAS-7 of the specification.

use super::instruction::{ACCESS, CLASS, CLASS_TRAPS, COUNT, GROW, Operator, PREFIXED};
use super::module::{FuncType, Module};
use super::reader::Reader;
use super::run::{Run, begins_run, pass_over};
use crate::{FunctionCode, GasMeter, Unreadable};
use pvf_metering::Costs;

/// A charge of gas before a reachable operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Offset of the operator in the module.
    pub offset: u32,
    /// The amount of gas.
    pub cost: u64,
}

/// The facts about a body.
#[derive(Clone, Debug, Default)]
pub struct BodyFacts {
    /// Offset of the body in the module.
    pub offset: u32,
    /// Number of locals besides the parameters.
    pub declared_locals: u32,
    /// Greatest operand height over reachable code.
    pub max_height: u32,
    /// Bytes of the frame.
    pub frame_bytes: u64,
    /// Units of the logical stack for a call.
    pub logical_cost: u32,
    /// Charges of reachable operators, in order.
    pub charges: Vec<Charge>,
    /// Number of reachable `memory.grow` operators.
    pub grows: u32,
    /// Whether the body was read. Otherwise the facts are the claims about the function.
    read: bool,
    /// Whether the body has a loop, or may have one.
    pub loops: bool,
    /// For each byte of the body 0, or the class of the operator that begins there.
    classes: Vec<u8>,
}

impl BodyFacts {
    /// Whether the body begins at an offset of the module; `true` if the body is unknown.
    pub fn begins_at(&self, offset: u32) -> bool {
        !self.read || offset == self.offset
    }

    /// For each byte of the body 0, or the class of the operator that begins there. Empty if the body is unknown.
    pub(crate) fn classes(&self) -> &[u8] {
        &self.classes
    }

    /// The traps of the operator that begins at an offset of the module, as a set of bits by the kinds' codes. Empty if
    /// none begins there; all traps if the body is unknown.
    #[inline]
    pub fn traps_at(&self, offset: u32) -> u16 {
        let at = offset.wrapping_sub(self.offset) as usize;
        match self.classes.get(at) {
            Some(class) => CLASS_TRAPS[usize::from(*class & 15)],
            None if self.read => 0,
            None => u16::MAX,
        }
    }

    /// Whether a load or store, which has no other trap than that of memory, begins at an offset of a known body.
    #[inline(always)]
    pub(crate) fn accesses_at(&self, offset: u32) -> bool {
        let at = offset.wrapping_sub(self.offset) as usize;
        self.classes.get(at) == Some(&ACCESS)
    }

    fn class_at(&mut self, offset: u32) -> Option<&mut u8> {
        self.classes
            .get_mut(offset.wrapping_sub(self.offset) as usize)
    }

    /// Whether a `memory.grow` begins at an offset of the module; `true` if the body is unknown.
    pub fn grows_at(&self, offset: u32) -> bool {
        let at = offset.wrapping_sub(self.offset) as usize;
        !self.read || self.classes.get(at) == Some(&GROW)
    }
}

/// Computes the facts of bodies, one at a time, with reused buffers.
#[derive(Debug)]
pub struct Bodies {
    facts: BodyFacts,
    frames: Vec<Frame>,
    charges: Vec<OpenCharge>,
    logical: bool,
    prices: Option<Box<Prices>>,
}

/// The cost of each operator.
#[derive(Debug)]
struct Prices {
    operators: [u32; COUNT],
    local: u32,
}

#[derive(Clone, Copy, Debug)]
struct OpenCharge {
    offset: u32,
    reached: bool,
    cost: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Block,
    Loop,
    If,
    Else,
}

/// An open block.
#[derive(Clone, Copy, Debug)]
struct Frame {
    kind: Kind,
    unreachable: bool,
    /// The block began in unreachable code.
    skipped: bool,
    /// A branch goes to the end of the block.
    targeted: bool,
    /// The code is after an operator that ends the path, as the logical meter sees it.
    polymorphic: bool,
    params: u32,
    results: u32,
    /// Operand height below the block's own operands.
    base: u32,
    /// Operand height below the block's own operands, as the logical meter counts it.
    logical_base: u32,
    /// Index of the charge that pays for the next operator.
    charge: Option<u32>,
    /// The outermost frame whose end is the target of a branch inside this one.
    lowest: u32,
}

/// The height at which the logical meter starts a body.
const ACTIVATION: u32 = 2;

impl Bodies {
    /// A pass for these meters.
    pub fn new(logical: bool, gas: GasMeter<'_>) -> Self {
        Self {
            facts: BodyFacts::default(),
            frames: Vec::new(),
            charges: Vec::new(),
            logical,
            prices: match gas {
                GasMeter::Priced(costs) => Some(Box::new(Prices::new(costs))),
                GasMeter::Off | GasMeter::Unpriced => None,
            },
        }
    }

    /// The facts of a function's body, or if the module's bodies are unknown, the claims about the function.
    ///
    /// # Errors
    /// The offset at which the body cannot be read.
    pub fn facts(
        &mut self,
        module: &Module<'_>,
        function: u32,
        claimed: &FunctionCode,
    ) -> Result<&BodyFacts, Unreadable> {
        if module.has_bodies() {
            return self.read(module, function);
        }
        self.facts = BodyFacts {
            frame_bytes: claimed.frame_bytes.into(),
            logical_cost: claimed.logical_cost,
            loops: true,
            ..BodyFacts::default()
        };
        Ok(&self.facts)
    }

    /// Computes the facts of a function's body.
    ///
    /// # Errors
    /// The offset at which the body cannot be read.
    pub fn read(&mut self, module: &Module<'_>, function: u32) -> Result<&BodyFacts, Unreadable> {
        let missing = Unreadable {
            offset: 0,
            what: "a body",
        };
        let range = module.body(function).ok_or(missing)?;
        let ty = module.function_type(function).ok_or(missing)?;
        self.facts.offset = range.start;
        self.facts.read = true;
        let mut walk = Walk {
            module,
            reader: Reader::new(module.wasm(), range.start as usize, range.end as usize),
            facts: &mut self.facts,
            frames: &mut self.frames,
            charges: &mut self.charges,
            prices: self.prices.as_deref(),
            shorten: false,
            height: 0,
            logical: self.logical,
            logical_height: ACTIVATION,
            logical_max: 0,
        };
        if !walk.body(ty)? {
            // Where a node shortens block types, offsets refer to the shortened body.
            walk.shorten = true;
            walk.reader = Reader::new(module.wasm(), range.start as usize, range.end as usize);
            walk.body(ty)?;
        }
        Ok(&self.facts)
    }
}

impl Prices {
    fn new(costs: &Costs) -> Self {
        let mut operators = [0; COUNT];
        for (number, price) in (0..).zip(&mut operators) {
            let priced = Operator(number).priced().filter(|it| it.is_charged());
            *price = priced.map_or(0, |instruction| costs.instruction(instruction));
        }
        Self {
            operators,
            local: costs.per_local(),
        }
    }
}

struct Walk<'w, 'a> {
    module: &'w Module<'a>,
    reader: Reader<'a>,
    facts: &'w mut BodyFacts,
    frames: &'w mut Vec<Frame>,
    charges: &'w mut Vec<OpenCharge>,
    prices: Option<&'w Prices>,
    /// Computes offsets as if all numbers had their shortest encoding.
    shorten: bool,
    height: u32,
    logical: bool,
    logical_height: u32,
    logical_max: u32,
}

type Read<T> = Result<T, Unreadable>;

pub(super) const EFFECTS: [Option<(u8, u8)>; COUNT] = {
    let mut effects = [None; COUNT];
    let mut number = 0;
    while number < COUNT {
        effects[number] = Operator(number as u16).effect();
        number += 1;
    }
    effects
};

/// Whether an opcode is that of a block, a branch, a call, or a part of one.
#[inline(always)]
fn is_control(opcode: u8) -> bool {
    // The opcodes up to 31 as bits.
    const CONTROL: u32 = 1 | 0b1111 << 0x02 | 0b111_1111 << 0x0b;
    opcode < 32 && CONTROL >> opcode & 1 != 0
}

impl Walk<'_, '_> {
    /// Computes the facts of the body. Returns whether all block types have their shortest encoding, or offsets are
    /// counted as if they had.
    fn body(&mut self, ty: &FuncType) -> Read<bool> {
        let bytes = self.reader.remaining();
        self.facts.classes.clear();
        self.facts.classes.resize(bytes, 0);
        self.facts.charges.clear();
        self.facts.grows = 0;
        self.facts.loops = false;
        self.facts.max_height = 0;
        self.charges.clear();
        self.frames.clear();
        (self.height, self.logical_height, self.logical_max) = (0, ACTIVATION, 0);
        let mut locals = 0u32;
        for _ in 0..self.reader.u32()? {
            let count = self.reader.u32()?;
            super::module::value(&mut self.reader)?;
            let more = locals.checked_add(count);
            locals = more.ok_or_else(|| self.reader.error("fewer locals"))?;
        }
        self.frames.push(Frame {
            results: ty.results.len() as u32,
            logical_base: 0,
            ..Frame::new(Kind::Block)
        });
        let mut first = true;
        while !self.reader.at_end() {
            if !first && self.reader.peek().is_some_and(begins_run) {
                self.plain_operators()?;
                if self.reader.at_end() {
                    break;
                }
            }
            let Some(()) = self.operator(first, locals)? else {
                return Ok(false);
            };
            first = false;
        }
        if !self.frames.is_empty() {
            return Err(self.reader.error("an end for each block"));
        }
        let facts = &mut *self.facts;
        facts.declared_locals = locals;
        facts.frame_bytes = pvf_rules::frame_bytes(locals, facts.max_height);
        facts.logical_cost = locals.saturating_add(self.logical_max);
        let paid = self
            .charges
            .iter()
            .filter(|charge| charge.reached && charge.cost > 0);
        facts.charges.extend(paid.map(|charge| Charge {
            offset: charge.offset,
            cost: charge.cost,
        }));
        Ok(true)
    }

    /// Passes over consecutive reachable operators after which the next one is reached in the same block.
    fn plain_operators(&mut self) -> Read<()> {
        let shorten = self.shorten;
        let frame = self.top()?;
        if frame.unreachable || frame.polymorphic || shorten {
            return Ok(());
        }
        let body = self.facts.offset;
        let first = self.height;
        let bytes = self.reader.from(body as usize);
        let start = self.reader.offset().wrapping_sub(body) as usize;
        let prices = self.prices.map(|prices| &prices.operators);
        let mut run = Run {
            at: start,
            height: first,
            highest: 0,
            cost: 0,
        };
        loop {
            run = pass_over(bytes, &mut self.facts.classes, prices, run);
            if prices.is_some() || !self.branch_or_call(bytes, &mut run) {
                break;
            }
        }
        if run.at == start {
            return Ok(());
        }
        self.reader.go_to(body as usize + run.at);
        self.height = run.height;
        self.facts.max_height = self.facts.max_height.max(run.highest);
        if self.logical {
            // In fully reachable code both meters see the same changes. The height after the last operator counts with
            // the next one, which follows in any case.
            let above = self.logical_height.wrapping_sub(first);
            self.logical_height = run.height.wrapping_add(above);
            let most = run.highest.max(first).wrapping_add(above);
            self.logical_max = self.logical_max.max(most);
        }
        if self.prices.is_some() {
            self.pay(body.wrapping_add(start as u32), run.cost, true)?;
        }
        Ok(())
    }

    /// Passes over a `br_if` or a `call` in a run, if its number has at most two bytes. Returns whether there was one.
    fn branch_or_call(&mut self, bytes: &[u8], run: &mut Run) -> bool {
        let Some(&[number, first, second]) = bytes.get(run.at..).and_then(|it| it.first_chunk())
        else {
            return false;
        };
        let (value, length) = match (first, second) {
            (..0x80, _) => (u32::from(first), 2),
            (_, ..0x80) => (u32::from(first & 0x7f) | u32::from(second) << 7, 3),
            _ => return false,
        };
        match number {
            0x0d => {
                let Some((top, outer)) = self.frames.split_last_mut() else {
                    return false;
                };
                let mut lowest = top.lowest;
                let target = match (outer.len() as u32).checked_sub(value) {
                    Some(index) if value > 0 => outer.get_mut(index as usize),
                    Some(_) => Some(&mut *top),
                    None => None,
                };
                let Some(target) = target else {
                    return false;
                };
                target.targeted = true;
                if target.kind != Kind::Loop {
                    lowest = lowest.min((outer.len() as u32).saturating_sub(value));
                }
                (top.charge, top.lowest) = (None, lowest);
                run.height = run.height.saturating_sub(1);
            }
            0x10 => {
                let Some(ty) = self.module.function_type(value) else {
                    return false;
                };
                let height = run.height.saturating_sub(ty.params.len() as u32);
                run.height = height.saturating_add(ty.results.len() as u32);
                run.highest = run.highest.max(run.height);
            }
            _ => return false,
        }
        if let Some(class) = self.facts.classes.get_mut(run.at) {
            *class = CLASS[usize::from(number)];
        }
        run.at += length;
        true
    }

    fn offset(&self) -> u32 {
        let shortened = if self.shorten { self.reader.excess } else { 0 };
        self.reader.offset().saturating_sub(shortened)
    }

    #[inline(always)]
    fn top(&mut self) -> Read<&mut Frame> {
        let missing = Unreadable {
            offset: self.reader.offset(),
            what: "no operator behind the last end",
        };
        self.frames.last_mut().ok_or(missing)
    }

    /// Handles the next operator. Returns `None` if a block type is longer than necessary and this matters.
    #[inline]
    fn operator(&mut self, first: bool, locals: u32) -> Read<Option<()>> {
        let offset = self.offset();
        let byte = self.reader.byte()?;
        if is_control(byte) {
            if let Some(class) = self.facts.class_at(offset) {
                *class = CLASS[usize::from(byte)];
            }
            let top = self.top()?;
            let (unreachable, polymorphic) = (top.unreachable, top.polymorphic);
            if self.logical && !polymorphic {
                self.logical_max = self.logical_max.max(self.logical_height);
            }
            if self.prices.is_some() {
                self.pay_for(byte.into(), (offset, !unreachable), first, locals)?;
            }
            return self.control(byte.into());
        }
        let number = match byte {
            0xfc => PREFIXED.saturating_add(self.reader.u32()?.min(0x1000) as u16),
            _ => u16::from(byte),
        };
        let effect = EFFECTS.get(usize::from(number)).copied().flatten();
        let Some((pops, pushes)) = effect else {
            return Err(self.reader.error("an operator of the accepted language"));
        };
        if let Some(class) = self.facts.class_at(offset) {
            *class = CLASS.get(usize::from(number)).copied().unwrap_or(0);
        }
        let unreachable = self.top()?.unreachable;
        let polymorphic = self.top()?.polymorphic;
        if self.logical && !polymorphic {
            self.logical_max = self.logical_max.max(self.logical_height);
        }
        if self.prices.is_some() {
            self.pay_for(number, (offset, !unreachable), first, locals)?;
        }
        match number {
            0x20..=0x24 => {
                self.reader.u32()?;
            }
            0x28..=0x3e => {
                self.reader.u32()?;
                self.reader.u32()?;
            }
            0x3f | 0x40 => {
                self.reader.u32()?;
                if number == 0x40 && !unreachable {
                    self.facts.grows += 1;
                }
            }
            0x41 | 0x42 => {
                self.reader.signed()?;
            }
            0x43 => self.reader.skip(4)?,
            0x44 => self.reader.skip(8)?,
            0x108 | 0x10a | 0x10c | 0x10e => {
                self.reader.u32()?;
                self.reader.u32()?;
            }
            0x109 | 0x10b | 0x10d => {
                self.reader.u32()?;
            }
            _ => {}
        }
        if !unreachable {
            self.height = self
                .height
                .saturating_add(pushes.into())
                .saturating_sub(pops.into());
            self.facts.max_height = self.facts.max_height.max(self.height);
        }
        if self.logical {
            match number {
                0x1b => {
                    self.logical_pop(2)?;
                    self.logical_pop(1)?;
                }
                _ => self.logical_pop(pops.into())?,
            }
            self.logical_height = self.logical_height.saturating_add(pushes.into());
        }
        Ok(Some(()))
    }

    /// Adds an operator's price to the charge that pays for it. `first`: the body's first operator pays for the locals.
    fn pay_for(
        &mut self,
        number: u16,
        (offset, reached): (u32, bool),
        first: bool,
        locals: u32,
    ) -> Read<()> {
        let Some(prices) = self.prices else {
            return Ok(());
        };
        let mut price = prices
            .operators
            .get(usize::from(number))
            .copied()
            .map_or(0, u64::from);
        let mut pays = !matches!(number, 0x05 | 0x0b);
        if first {
            price += u64::from(prices.local) * u64::from(locals);
            pays = true;
        }
        match pays {
            true => self.pay(offset, price, reached),
            false => Ok(()),
        }
    }

    fn control(&mut self, number: u16) -> Read<Option<()>> {
        match number {
            0x00 => self.stop()?,
            0x02..=0x04 => return self.enter(number),
            0x05 => self.other_branch()?,
            0x0b => self.leave()?,
            0x0c | 0x0d => {
                let depth = self.reader.u32()?;
                let arity = self.branch(depth)?;
                self.logical_pop(arity)?;
                self.end_charge()?;
                match number {
                    0x0c => self.stop()?,
                    _ => {
                        if !self.top()?.unreachable {
                            self.height = self.height.saturating_sub(1);
                        }
                        self.logical_pop(1)?;
                        self.logical_height = self.logical_height.saturating_add(arity);
                    }
                }
            }
            0x0e => {
                let mut arity = 0;
                let targets = self.reader.u32()?;
                for _ in 0..=targets {
                    let depth = self.reader.u32()?;
                    arity = self.branch(depth)?;
                }
                self.logical_pop(arity)?;
                self.end_charge()?;
                self.stop()?;
            }
            0x0f => {
                let arity = self.frames.first().map_or(0, |frame| frame.results);
                self.logical_pop(arity)?;
                self.top()?.lowest = 0;
                self.end_charge()?;
                self.stop()?;
            }
            _ => self.call(number)?,
        }
        Ok(Some(()))
    }

    fn call(&mut self, number: u16) -> Read<()> {
        let index = self.reader.u32()?;
        let ty = match number {
            0x10 => self.module.function_type(index),
            _ => {
                self.reader.u32()?;
                self.module.type_entry(index)
            }
        };
        let Some(ty) = ty else {
            return Err(self.reader.error("something to call"));
        };
        let (params, results) = (ty.params.len() as u32, ty.results.len() as u32);
        let index = u32::from(number == 0x11);
        if !self.top()?.unreachable {
            let taken = params.saturating_add(index);
            self.height = self.height.saturating_sub(taken).saturating_add(results);
            self.facts.max_height = self.facts.max_height.max(self.height);
        }
        self.logical_pop(index)?;
        self.logical_pop(params)?;
        self.logical_height = self.logical_height.saturating_add(results);
        Ok(())
    }

    /// Parameters and results of a block. Returns `None` if its type is longer than necessary and this matters.
    fn block_type(&mut self) -> Read<Option<(u32, u32)>> {
        let excess = self.reader.excess;
        let ty = self.reader.signed()?;
        if ty < 0 && self.reader.excess != excess && !self.shorten {
            return Ok(None);
        }
        let arity = match ty {
            -64 => (0, 0),
            -4..=-1 => (0, 1),
            _ => {
                let index = u32::try_from(ty).ok();
                let ty = index.and_then(|index| self.module.type_entry(index));
                let ty = ty.ok_or_else(|| self.reader.error("a block's type"))?;
                (ty.params.len() as u32, ty.results.len() as u32)
            }
        };
        Ok(Some(arity))
    }

    fn enter(&mut self, number: u16) -> Read<Option<()>> {
        let Some((params, results)) = self.block_type()? else {
            return Ok(None);
        };
        let kind = match number {
            0x02 => Kind::Block,
            0x03 => Kind::Loop,
            _ => Kind::If,
        };
        self.facts.loops |= kind == Kind::Loop;
        let outer = *self.top()?;
        if kind == Kind::If {
            self.logical_pop(1)?;
            if !outer.unreachable {
                self.height = self.height.saturating_sub(1);
            }
        }
        if !outer.unreachable {
            self.facts.max_height = self.facts.max_height.max(self.height);
        }
        self.logical_pop(params)?;
        let logical_base = self.logical_height;
        self.logical_height = self.logical_height.saturating_add(params);
        let index = self.frames.len() as u32;
        self.frames.push(Frame {
            unreachable: outer.unreachable,
            skipped: outer.unreachable,
            params,
            results,
            base: self.height.saturating_sub(params),
            logical_base,
            // A block's first operators are paid for by the charge before it.
            charge: outer.charge.filter(|_| kind == Kind::Block),
            lowest: index,
            ..Frame::new(kind)
        });
        Ok(Some(()))
    }

    fn other_branch(&mut self) -> Read<()> {
        let frame = self.top()?;
        frame.charge = None;
        let (base, params) = (frame.base, frame.params);
        if !frame.skipped {
            frame.targeted |= !frame.unreachable;
            frame.unreachable = false;
            frame.kind = Kind::Else;
        }
        let extended = frame.params > 0 || frame.results > 1;
        let logical_base = frame.logical_base;
        if extended {
            frame.polymorphic = false;
        }
        let skipped = frame.skipped;
        if extended {
            self.logical_height = logical_base.saturating_add(params);
        }
        if !skipped {
            self.height = base.saturating_add(params);
            self.facts.max_height = self.facts.max_height.max(self.height);
        }
        Ok(())
    }

    fn leave(&mut self) -> Read<()> {
        let frame = *self.top()?;
        self.frames.pop();
        self.logical_height = frame.logical_base.saturating_add(frame.results);
        let index = self.frames.len() as u32;
        let Some(outer) = self.frames.last_mut() else {
            return Ok(());
        };
        outer.lowest = outer.lowest.min(frame.lowest);
        if frame.lowest < index {
            outer.charge = None;
        }
        if frame.skipped {
            return Ok(());
        }
        outer.unreachable = match frame.kind {
            Kind::Loop => frame.unreachable,
            Kind::If => false,
            Kind::Block | Kind::Else => frame.unreachable && !frame.targeted,
        };
        self.height = frame.base.saturating_add(frame.results);
        if !outer.unreachable {
            self.facts.max_height = self.facts.max_height.max(self.height);
        }
        Ok(())
    }

    /// Records a branch and returns the number of values that its label takes.
    fn branch(&mut self, depth: u32) -> Read<u32> {
        let innermost = (self.frames.len() as u32).wrapping_sub(1);
        let reachable = !self.top()?.unreachable;
        let target = innermost.checked_sub(depth);
        let Some(target) = target else {
            return Err(self.reader.error("a label"));
        };
        let frame = &mut self.frames[target as usize];
        frame.targeted |= reachable;
        let (is_loop, arity) = match frame.kind {
            Kind::Loop => (true, frame.params),
            _ => (false, frame.results),
        };
        if !is_loop {
            let top = self.top()?;
            top.lowest = top.lowest.min(target);
        }
        Ok(arity)
    }

    fn stop(&mut self) -> Read<()> {
        let frame = self.top()?;
        frame.unreachable = true;
        frame.polymorphic = true;
        Ok(())
    }

    fn end_charge(&mut self) -> Read<()> {
        self.top()?.charge = None;
        Ok(())
    }

    fn pay(&mut self, offset: u32, price: u64, reached: bool) -> Read<()> {
        let next = self.charges.len() as u32;
        let charge = *self.top()?.charge.get_or_insert(next);
        if charge == next {
            self.charges.push(OpenCharge {
                offset,
                reached,
                cost: 0,
            });
        }
        if let Some(charge) = self.charges.get_mut(charge as usize) {
            charge.cost = charge.cost.saturating_add(price);
        }
        Ok(())
    }

    /// Pops nothing at the base of a polymorphic block.
    fn logical_pop(&mut self, count: u32) -> Read<()> {
        if !self.logical || count == 0 {
            return Ok(());
        }
        let height = self.logical_height;
        let frame = self.top()?;
        if height == frame.logical_base && frame.polymorphic {
            return Ok(());
        }
        self.logical_height = height.saturating_sub(count);
        Ok(())
    }
}

impl Frame {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            unreachable: false,
            skipped: false,
            targeted: false,
            polymorphic: false,
            params: 0,
            results: 0,
            base: 0,
            logical_base: 0,
            charge: None,
            lowest: 0,
        }
    }
}
