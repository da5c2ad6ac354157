//! The Wasm side: a body executed over terms, operator by operator, as far as the machine side asks.
//!
//! Operators without effects are executed when something behind them is asked for. Whatever the machine must do as
//! well is an [`Event`]: the machine side meets it, compares, and says how it goes on.

use crate::body::Body;
use crate::term::{Binary, Float, Term, Terms, Unary};
use pvf_rules::TrapKind;
use pvf_verifier::wasm::Module;

/// Where the Wasm side stands: an operator, and how many of its decisions are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The operator.
    pub op: u32,
    /// Its decisions that are behind.
    pub step: u32,
}

/// An open block: its operator, and the height of the operands below its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// The operator.
    pub op: u32,
    /// The height.
    pub height: u32,
}

/// What the Wasm side knows.
#[derive(Clone, Debug)]
pub struct Wasm {
    /// Where it stands.
    pub at: Position,
    /// The operands.
    pub operands: Vec<Term>,
    /// The locals.
    pub locals: Vec<Term>,
    /// The open blocks.
    pub open: Vec<Open>,
    /// The trap that it ended with, and the trap's operator.
    pub trapped: Option<(TrapKind, u32)>,
    /// The operator that has just branched, if nothing has happened since.
    pub branched: Option<u32>,
}

/// What the machine has to do as well.
#[derive(Clone, Debug)]
pub enum Event {
    /// Reads memory at an address.
    Load(Term, u8),
    /// Writes the low bits of a term.
    Store(Term, u8, Term),
    /// Writes a global.
    SetGlobal(u32, Term),
    /// Calls a function with arguments.
    Call(u32, Vec<Term>),
    /// Calls the table's entry with this index, which has the signature.
    CallTable(u32, Term, Vec<Term>),
    /// Calls the runtime, with arguments and a segment.
    Builtin(u32, Vec<Term>, Option<u32>),
    /// Goes on in one of two ways.
    Branch(Term),
    /// Goes on in one of several ways, by the index.
    Table(Term),
    /// Traps if the term is 1.
    TrapIf(Term, TrapKind),
    /// Traps.
    Trap(TrapKind),
    /// Returns these.
    Return(Vec<Term>),
}

/// Why the Wasm side does not go on.
#[derive(Clone, Debug)]
pub enum Halt {
    /// An event comes first.
    Event(Event),
    /// The body is not valid, or not of the language.
    Invalid(&'static str),
}

/// What does not change while a function is checked, and what both sides share.
pub struct Scene<'a> {
    /// The module.
    pub module: &'a Module<'a>,
    /// The function's body.
    pub body: &'a Body,
    /// The number of results.
    pub results: u32,
    /// All terms.
    pub terms: &'a mut Terms,
}

/// What both sides hold in common.
#[derive(Clone, Debug)]
pub struct Common {
    /// The globals.
    pub globals: Vec<Term>,
    /// Bytes of memory.
    pub memory_bytes: Term,
    /// What is known on this path: truth values and whether they hold.
    pub facts: Vec<(Term, bool)>,
}

type Gone<T> = Result<T, Halt>;

fn invalid<T>() -> Gone<T> {
    Err(Halt::Invalid("a body that is not valid"))
}

impl Wasm {
    /// The byte offset of the next operator.
    pub fn offset(&self, body: &Body) -> u32 {
        body.ops.get(self.at.op as usize).map_or(0, |op| op.offset)
    }

    fn pop(&mut self) -> Gone<Term> {
        self.operands
            .pop()
            .ok_or(Halt::Invalid("a body that is not valid"))
    }

    fn take(&mut self, count: usize) -> Gone<Vec<Term>> {
        match self.operands.len().checked_sub(count) {
            Some(at) => Ok(self.operands.split_off(at)),
            None => invalid(),
        }
    }

    fn top(&self, depth: usize) -> Gone<Term> {
        let at = self.operands.len().checked_sub(depth + 1);
        at.map(|at| self.operands[at])
            .ok_or(Halt::Invalid("a body that is not valid"))
    }

    fn next(&mut self) {
        self.at = Position {
            op: self.at.op + 1,
            step: 0,
        };
    }

    /// Executes operators until the position is reached.
    pub fn advance_to(&mut self, scene: &mut Scene<'_>, common: &Common, to: Position) -> Gone<()> {
        let mut budget = 2 * scene.body.ops.len() + 16;
        while self.at != to {
            budget -= 1;
            if budget == 0 {
                return Err(Halt::Invalid("a position that is not reached"));
            }
            self.step(scene, common)?;
        }
        Ok(())
    }

    /// Executes one operator.
    pub fn step_once(&mut self, scene: &mut Scene<'_>, common: &Common) -> Gone<()> {
        self.step(scene, common)
    }

    /// Executes operators up to the next event.
    pub fn advance(
        &mut self,
        scene: &mut Scene<'_>,
        common: &Common,
    ) -> Result<Event, &'static str> {
        for _ in 0..2 * scene.body.ops.len() + 16 {
            match self.step(scene, common) {
                Ok(()) => {}
                Err(Halt::Event(event)) => return Ok(event),
                Err(Halt::Invalid(what)) => return Err(what),
            }
        }
        Err("a loop without an effect")
    }

    /// Types of a block: parameters and results.
    fn arities(scene: &Scene<'_>, ty: u64) -> Gone<(u32, u32)> {
        match ty as i64 {
            -64 => Ok((0, 0)),
            it if it < 0 => Ok((0, 1)),
            index => match scene.module.type_entry(index as u32) {
                Some(ty) => Ok((ty.params.len() as u32, ty.results.len() as u32)),
                None => invalid(),
            },
        }
    }

    /// Goes on at a label.
    pub fn branch(&mut self, scene: &Scene<'_>, depth: u32) -> Gone<()> {
        self.branched = Some(self.at.op);
        let Some(at) = self.open.len().checked_sub(depth as usize + 1) else {
            // The body itself.
            if depth as usize != self.open.len() {
                return invalid();
            }
            let results = self.take(scene.results as usize)?;
            self.operands = results;
            self.open.clear();
            self.at = Position {
                op: scene.body.ops.len() as u32 - 1,
                step: 0,
            };
            return Ok(());
        };
        let block = self.open[at];
        let op = scene.body.ops[block.op as usize];
        let (params, results) = Self::arities(scene, op.a)?;
        let is_loop = op.code == 0x03;
        let carried = self.take(if is_loop { params } else { results } as usize)?;
        self.operands.truncate(block.height as usize);
        self.operands.extend(carried);
        self.open.truncate(if is_loop { at + 1 } else { at });
        self.at = Position {
            op: if is_loop { block.op } else { op.end } + 1,
            step: 0,
        };
        Ok(())
    }

    /// Takes or does not take the branch of the operator it stands at.
    pub fn decide(&mut self, scene: &mut Scene<'_>, taken: bool) -> Gone<()> {
        let Some(&op) = scene.body.ops.get(self.at.op as usize) else {
            return invalid();
        };
        match op.code {
            0x04 => {
                let index = self.at.op;
                self.pop()?;
                let (params, _) = Self::arities(scene, op.a)?;
                let Some(height) = (self.operands.len() as u32).checked_sub(params) else {
                    return invalid();
                };
                self.open.push(Open { op: index, height });
                self.at.op = match (taken, scene.body.other(index)) {
                    (true, _) => index + 1,
                    (false, Some(other)) => other + 1,
                    (false, None) => {
                        self.open.pop();
                        op.end + 1
                    }
                };
                Ok(())
            }
            0x0d => {
                self.pop()?;
                match taken {
                    true => self.branch(scene, op.a as u32),
                    false => {
                        self.next();
                        Ok(())
                    }
                }
            }
            0x0e => {
                // Taken: within the table, whose entry is chosen next.
                if taken {
                    self.at.step = 1;
                    return Ok(());
                }
                self.choose(scene, op.b - 1)
            }
            _ => {
                // A trap that does not happen.
                self.at.step += 1;
                Ok(())
            }
        }
    }

    /// Chooses a target of `br_table`.
    pub fn choose(&mut self, scene: &mut Scene<'_>, target: u32) -> Gone<()> {
        let Some(&op) = scene.body.ops.get(self.at.op as usize) else {
            return invalid();
        };
        self.pop()?;
        let depth = scene
            .body
            .targets
            .get(op.a as usize + target as usize)
            .copied();
        match depth {
            Some(depth) => self.branch(scene, depth),
            None => invalid(),
        }
    }

    /// Ends with a trap.
    pub fn trap(&mut self, scene: &Scene<'_>, kind: TrapKind) {
        self.trapped = Some((kind, self.offset(scene.body)));
    }

    /// The machine has done what was asked: its result is pushed.
    pub fn done(&mut self, popped: usize, pushed: &[Term]) -> Gone<()> {
        self.take(popped)?;
        self.operands.extend_from_slice(pushed);
        self.next();
        Ok(())
    }

    /// Executes one operator without effect, or a decision that is certain.
    fn step(&mut self, scene: &mut Scene<'_>, common: &Common) -> Gone<()> {
        if self.trapped.is_some() {
            return Err(Halt::Invalid("nothing behind a trap"));
        }
        let Some(&op) = scene.body.ops.get(self.at.op as usize) else {
            return invalid();
        };
        self.branched = None;
        let event = |event| Err(Halt::Event(event));
        match op.code {
            0x00 => return event(Event::Trap(TrapKind::Unreachable)),
            0x01 => {}
            0x02 | 0x03 => {
                let (params, _) = Self::arities(scene, op.a)?;
                let Some(height) = (self.operands.len() as u32).checked_sub(params) else {
                    return invalid();
                };
                self.open.push(Open {
                    op: self.at.op,
                    height,
                });
            }
            0x04 | 0x0d => {
                let condition = self.top(0)?;
                let condition = scene.terms.truth(condition);
                let condition = common.simplify(scene.terms, condition);
                return match scene.terms.constant_of(condition) {
                    Some(value) => self.decide(scene, value != 0),
                    None => event(Event::Branch(condition)),
                };
            }
            0x05 => {
                let Some(block) = self.open.pop() else {
                    return invalid();
                };
                self.at = Position {
                    op: scene.body.ops[block.op as usize].end,
                    step: 0,
                };
            }
            0x0b => {
                if self.at.op as usize + 1 == scene.body.ops.len() {
                    let first = self.operands.len().checked_sub(scene.results as usize);
                    return match first {
                        Some(first) => event(Event::Return(self.operands[first..].to_vec())),
                        None => invalid(),
                    };
                }
                if self.open.pop().is_none() {
                    return invalid();
                }
            }
            0x0c => return self.branch(scene, op.a as u32),
            0x0e => {
                let index = self.top(0)?;
                let index = common.simplify(scene.terms, index);
                let count = op.b - 1;
                if self.at.step == 1 {
                    return match scene.terms.constant_of(index) {
                        Some(target) => self.choose(scene, target as u32),
                        None => event(Event::Table(index)),
                    };
                }
                let count = scene.terms.constant(count.into());
                let inside = scene.terms.binary(Binary::LessUnsigned, index, count);
                let inside = common.simplify(scene.terms, inside);
                return match scene.terms.constant_of(inside) {
                    Some(value) => self.decide(scene, value != 0),
                    None => event(Event::Branch(inside)),
                };
            }
            0x0f => {
                let depth = self.open.len() as u32;
                return self.branch(scene, depth);
            }
            0x10 => {
                let Some(ty) = scene.module.function_type(op.a as u32) else {
                    return invalid();
                };
                let mut all = self.operands.clone();
                let Some(first) = all.len().checked_sub(ty.params.len()) else {
                    return invalid();
                };
                return event(Event::Call(op.a as u32, all.split_off(first)));
            }
            0x11 => return self.call_table(scene, common, op.a as u32),
            0x1a => {
                self.pop()?;
            }
            0x1b => {
                let (c, b, a) = (self.pop()?, self.pop()?, self.pop()?);
                let c = scene.terms.truth(c);
                let selected = scene.terms.select(c, a, b);
                self.operands.push(selected);
            }
            0x20 => match self.locals.get(op.a as usize) {
                Some(&local) => self.operands.push(local),
                None => return invalid(),
            },
            0x21 | 0x22 => {
                let value = self.pop()?;
                match self.locals.get_mut(op.a as usize) {
                    Some(local) => *local = value,
                    None => return invalid(),
                }
                if op.code == 0x22 {
                    self.operands.push(value);
                }
            }
            0x23 => match common.globals.get(op.a as usize) {
                Some(&global) => self.operands.push(global),
                None => return invalid(),
            },
            0x24 => return event(Event::SetGlobal(op.a as u32, self.top(0)?)),
            0x28..=0x35 => {
                let base = self.top(0)?;
                let address = scene.terms.sum(64, op.a, &[(base, 1)]);
                let size = match op.code {
                    0x2c | 0x2d | 0x30 | 0x31 => 8,
                    0x2e | 0x2f | 0x32 | 0x33 => 16,
                    0x28 | 0x2a | 0x34 | 0x35 => 32,
                    _ => 64,
                };
                return event(Event::Load(address, size));
            }
            0x36..=0x3e => {
                let (value, base) = (self.top(0)?, self.top(1)?);
                let address = scene.terms.sum(64, op.a, &[(base, 1)]);
                let size = match op.code {
                    0x3a | 0x3c => 8,
                    0x3b | 0x3d => 16,
                    0x36 | 0x38 | 0x3e => 32,
                    _ => 64,
                };
                let value = scene.terms.low(size, value);
                return event(Event::Store(address, size, value));
            }
            0x3f => {
                let pages = scene.terms.shift_right(common.memory_bytes, 16);
                self.operands.push(pages);
            }
            0x40 => return event(Event::Builtin(0, vec![self.top(0)?], None)),
            0x41..=0x44 => {
                let value = scene.terms.constant(op.a);
                self.operands.push(value);
            }
            0x108 | 0x10a..=0x10c | 0x10e => {
                let arguments = vec![self.top(2)?, self.top(1)?, self.top(0)?];
                let (builtin, segment) = match op.code {
                    0x108 => (1, Some(op.a as u32)),
                    0x10a => (2, None),
                    0x10b => (3, None),
                    0x10c => (5, Some(op.a as u32)),
                    _ => (6, None),
                };
                return event(Event::Builtin(builtin, arguments, segment));
            }
            0x109 => return event(Event::Builtin(4, Vec::new(), Some(op.a as u32))),
            0x10d => return event(Event::Builtin(7, Vec::new(), Some(op.a as u32))),
            _ => return self.numeric(scene, common, op.code),
        }
        self.next();
        Ok(())
    }

    fn call_table(&mut self, scene: &mut Scene<'_>, common: &Common, ty: u32) -> Gone<()> {
        let index = self.top(0)?;
        let Some(&signature) = scene.module.type_signatures.get(ty as usize) else {
            return invalid();
        };
        let terms = &mut *scene.terms;
        // As the machine does it: the bound, then the signature, and if it differs whether there is a function.
        let condition = match self.at.step {
            0 => {
                let entries = terms.constant(scene.module.table.unwrap_or(0).into());
                let inside = terms.binary(Binary::LessUnsigned, index, entries);
                (terms.not(inside), TrapKind::TableOutOfBounds)
            }
            1 => {
                let found = terms.unary(Unary::TableSignature, index);
                let expected = terms.constant(u64::from(signature) + 1);
                let equal = terms.equal(found, expected);
                let equal = common.simplify(terms, equal);
                let null = terms.is_zero(found);
                match terms.constant_of(equal) {
                    Some(1) => {
                        self.at.step += 1;
                        return Ok(());
                    }
                    // It is another signature: null or not.
                    Some(_) => {
                        let null = common.simplify(terms, null);
                        match terms.constant_of(null) {
                            Some(0) => {
                                return Err(Halt::Event(Event::Trap(
                                    TrapKind::IndirectCallTypeMismatch,
                                )));
                            }
                            Some(_) => {
                                return Err(Halt::Event(Event::Trap(TrapKind::UndefinedElement)));
                            }
                            None => {
                                return Err(Halt::Event(Event::TrapIf(
                                    null,
                                    TrapKind::UndefinedElement,
                                )));
                            }
                        }
                    }
                    None => {
                        // The machine branches and learns which; see `Common::simplify`.
                        return Err(Halt::Event(Event::TrapIf(
                            terms.not(equal),
                            TrapKind::IndirectCallTypeMismatch,
                        )));
                    }
                }
            }
            _ => {
                let found = terms.unary(Unary::TableSignature, index);
                let expected = terms.constant(u64::from(signature) + 1);
                let equal = terms.equal(found, expected);
                let equal = common.simplify(terms, equal);
                if terms.constant_of(equal) == Some(0) {
                    // It is not null.
                    return Err(Halt::Event(Event::Trap(TrapKind::IndirectCallTypeMismatch)));
                }
                let Some(ty) = scene.module.type_entry(ty) else {
                    return invalid();
                };
                let mut all = self.operands.clone();
                all.pop();
                let Some(first) = all.len().checked_sub(ty.params.len()) else {
                    return invalid();
                };
                let arguments = all.split_off(first);
                return Err(Halt::Event(Event::CallTable(signature, index, arguments)));
            }
        };
        self.trap_unless(terms, common, condition)
    }

    fn trap_unless(
        &mut self,
        terms: &mut Terms,
        common: &Common,
        (condition, kind): (Term, TrapKind),
    ) -> Gone<()> {
        let condition = common.simplify(terms, condition);
        Err(Halt::Event(match terms.constant_of(condition) {
            Some(0) => {
                self.at.step += 1;
                return Ok(());
            }
            Some(_) => Event::Trap(kind),
            None => Event::TrapIf(condition, kind),
        }))
    }

    /// Operators that compute.
    fn numeric(&mut self, scene: &mut Scene<'_>, common: &Common, code: u16) -> Gone<()> {
        let terms = &mut *scene.terms;
        if let Some(trap) = self.division_trap(terms, code)? {
            return self.trap_unless(terms, common, trap);
        }
        if let Some(trap) = self.truncation_trap(terms, code)? {
            return self.trap_unless(terms, common, trap);
        }
        let result = match code {
            0x45 | 0x50 => {
                let x = self.pop()?;
                terms.is_zero(x)
            }
            0x46..=0x4f | 0x51..=0x5a => {
                let (b, a) = (self.pop()?, self.pop()?);
                let width = if code < 0x50 { 32 } else { 64 };
                compare(terms, width, (code - 0x46) % 11, a, b)
            }
            0x5b..=0x66 => {
                let (b, a) = (self.pop()?, self.pop()?);
                let width = if code < 0x61 { 32 } else { 64 };
                compare_floats(terms, width, (code - 0x5b) % 6, a, b)
            }
            0x67..=0x69 | 0x79..=0x7b => {
                let x = self.pop()?;
                let op = match code {
                    0x67 => Unary::Clz32,
                    0x68 => Unary::Ctz32,
                    0x79 => Unary::Clz64,
                    0x7a => Unary::Ctz64,
                    _ => Unary::Popcnt,
                };
                terms.unary(op, x)
            }
            0x6a..=0x78 | 0x7c..=0x8a => {
                let (b, a) = (self.pop()?, self.pop()?);
                let (width, op) = match code {
                    0x6a..=0x78 => (32, code - 0x6a),
                    _ => (64, code - 0x7c),
                };
                integer(terms, width, op, a, b)
            }
            0x8b..=0x91 | 0x99..=0x9f => {
                let x = self.pop()?;
                let (width, op) = if code < 0x99 {
                    (32, code - 0x8b)
                } else {
                    (64, code - 0x99)
                };
                float_unary(terms, width, op, x)
            }
            0x92..=0x98 | 0xa0..=0xa6 => {
                let (b, a) = (self.pop()?, self.pop()?);
                let (width, op) = if code < 0xa0 {
                    (32, code - 0x92)
                } else {
                    (64, code - 0xa0)
                };
                float_binary(terms, width, op, a, b)
            }
            _ => {
                let x = self.pop()?;
                match convert(terms, code, x) {
                    Some(result) => result,
                    None => return Err(Halt::Invalid("an operator that is not known")),
                }
            }
        };
        self.operands.push(result);
        self.next();
        Ok(())
    }

    fn division_trap(&self, terms: &mut Terms, code: u16) -> Gone<Option<(Term, TrapKind)>> {
        let width = match code {
            0x6d..=0x70 => 32,
            0x7f..=0x82 => 64,
            _ => return Ok(None),
        };
        let (b, a) = (self.top(0)?, self.top(1)?);
        Ok(match (self.at.step, code) {
            (0, _) => Some((terms.is_zero(b), TrapKind::IntegerDivideByZero)),
            (1, 0x6d | 0x7f) => {
                let minus_one = terms.constant(crate::term::mask(width));
                let least = terms.constant(1 << (width - 1));
                let by_minus_one = terms.equal(b, minus_one);
                let of_least = terms.equal(a, least);
                let overflows = terms.binary(Binary::And, by_minus_one, of_least);
                Some((overflows, TrapKind::IntegerOverflow))
            }
            _ => None,
        })
    }

    fn truncation_trap(&self, terms: &mut Terms, code: u16) -> Gone<Option<(Term, TrapKind)>> {
        let Some((from, to, signed)) = truncation(code) else {
            return Ok(None);
        };
        let x = self.top(0)?;
        let range = Range::of(from, to, signed);
        Ok(match self.at.step {
            0 => {
                let nan = terms.float(Float::Unordered, from, x, x);
                Some((nan, TrapKind::InvalidConversionToInteger))
            }
            1 => Some((range.too_low(terms, from, x), TrapKind::IntegerOverflow)),
            2 => Some((range.too_high(terms, from, x), TrapKind::IntegerOverflow)),
            _ => None,
        })
    }
}

/// How many facts are kept: those of one operation.
const FACTS: usize = 12;

impl Common {
    /// Adds a fact. Old ones are forgotten, so that the charges of gas of a long path do not add up.
    pub fn learn(&mut self, fact: (Term, bool)) {
        if self.facts.len() >= FACTS {
            self.facts.remove(0);
        }
        self.facts.push(fact);
    }

    /// A truth value or number, by what is known on this path.
    pub fn simplify(&self, terms: &mut Terms, x: Term) -> Term {
        for &(fact, holds) in self.facts.iter().rev() {
            if fact == x {
                return terms.constant(holds.into());
            }
        }
        if self.facts.is_empty() {
            return x;
        }
        match *terms.node(x) {
            crate::term::Node::Unary(Unary::Not, inner) => {
                let inner = self.simplify(terms, inner);
                terms.not(inner)
            }
            crate::term::Node::Unary(Unary::IsZero, inner) => {
                // What equals a number by a fact.
                for &(fact, holds) in &self.facts {
                    if !holds {
                        continue;
                    }
                    let crate::term::Node::Unary(Unary::IsZero, sum) = *terms.node(fact) else {
                        continue;
                    };
                    if let Some((extended, value)) = terms.extended_equal(sum)
                        && extended == inner
                    {
                        return terms.constant(u64::from(value == 0));
                    }
                    // Both sums are of the same term: their difference is a number.
                    let width = if terms.bits(inner).max(terms.bits(sum)) <= 32 {
                        32
                    } else {
                        64
                    };
                    let difference = terms.sub(width, inner, sum);
                    if let Some(value) = terms.constant_of(difference) {
                        return terms.constant(u64::from(value == 0));
                    }
                }
                x
            }
            crate::term::Node::Binary(op @ (Binary::And | Binary::Or), a, b)
                if terms.bits(x) == 1 && terms.bits(a) == 1 && terms.bits(b) == 1 =>
            {
                let (a, b) = (self.simplify(terms, a), self.simplify(terms, b));
                terms.binary(op, a, b)
            }
            crate::term::Node::Float(
                Float::Equal | Float::Less | Float::LessEqual,
                width,
                a,
                b,
            ) => {
                let unordered = terms.float(Float::Unordered, width, a, b);
                match self.facts.contains(&(unordered, true)) {
                    true => terms.constant(0),
                    false => x,
                }
            }
            _ => x,
        }
    }
}

/// A comparison of integers, by its place among the operators.
fn compare(terms: &mut Terms, width: u8, op: u16, a: Term, b: Term) -> Term {
    let signed = Binary::LessSigned(width);
    let unsigned = Binary::LessUnsigned;
    match op {
        0 => terms.equal(a, b),
        1 => {
            let equal = terms.equal(a, b);
            terms.not(equal)
        }
        2 => terms.binary(signed, a, b),
        3 => terms.binary(unsigned, a, b),
        4 => terms.binary(signed, b, a),
        5 => terms.binary(unsigned, b, a),
        6 | 7 => {
            let greater = terms.binary(if op == 6 { signed } else { unsigned }, b, a);
            terms.not(greater)
        }
        _ => {
            let less = terms.binary(if op == 8 { signed } else { unsigned }, a, b);
            terms.not(less)
        }
    }
}

fn compare_floats(terms: &mut Terms, width: u8, op: u16, a: Term, b: Term) -> Term {
    match op {
        0 => terms.float(Float::Equal, width, a, b),
        1 => {
            let equal = terms.float(Float::Equal, width, a, b);
            terms.not(equal)
        }
        2 => terms.float(Float::Less, width, a, b),
        3 => terms.float(Float::Less, width, b, a),
        4 => terms.float(Float::LessEqual, width, a, b),
        _ => terms.float(Float::LessEqual, width, b, a),
    }
}

fn integer(terms: &mut Terms, width: u8, op: u16, a: Term, b: Term) -> Term {
    match op {
        0 => terms.add(width, a, b),
        1 => terms.sub(width, a, b),
        2 => terms.multiply(width, a, b),
        3 => terms.binary(Binary::DivSigned(width), a, b),
        4 => terms.binary(Binary::DivUnsigned, a, b),
        5 => terms.binary(Binary::RemSigned(width), a, b),
        6 => terms.binary(Binary::RemUnsigned, a, b),
        7 => terms.binary(Binary::And, a, b),
        8 => terms.binary(Binary::Or, a, b),
        9 => terms.binary(Binary::Xor, a, b),
        10 => terms.binary(Binary::Shl(width), a, b),
        11 => terms.binary(Binary::ShrSigned(width), a, b),
        12 => {
            let count = terms.constant(u64::from(width) - 1);
            let count = terms.binary(Binary::And, b, count);
            terms.binary(Binary::ShrUnsigned, a, count)
        }
        13 => terms.binary(Binary::Rotl(width), a, b),
        _ => terms.binary(Binary::Rotr(width), a, b),
    }
}

fn float_unary(terms: &mut Terms, width: u8, op: u16, x: Term) -> Term {
    let sign = 1u64 << (width - 1);
    let op = match op {
        0 => {
            let rest = terms.constant(sign - 1);
            return terms.binary(Binary::And, x, rest);
        }
        1 => {
            let sign = terms.constant(sign);
            return terms.binary(Binary::Xor, x, sign);
        }
        2 => Float::Ceil,
        3 => Float::Floor,
        4 => Float::Trunc,
        5 => Float::Nearest,
        _ => Float::Sqrt,
    };
    let result = terms.float(op, width, x, x);
    terms.float(Float::Canonical, width, result, result)
}

fn float_binary(terms: &mut Terms, width: u8, op: u16, a: Term, b: Term) -> Term {
    let result = match op {
        0 => terms.float(Float::Add, width, a, b),
        1 => terms.float(Float::Sub, width, a, b),
        2 => terms.float(Float::Mul, width, a, b),
        3 => terms.float(Float::Div, width, a, b),
        4 => terms.extremum(Float::Min, width, a, b),
        5 => terms.extremum(Float::Max, width, a, b),
        _ => {
            let sign = 1u64 << (width - 1);
            let (rest, sign) = (terms.constant(sign - 1), terms.constant(sign));
            let a = terms.binary(Binary::And, a, rest);
            let b = terms.binary(Binary::And, b, sign);
            return terms.binary(Binary::Or, a, b);
        }
    };
    terms.float(Float::Canonical, width, result, result)
}

/// Of a truncation that can trap: the widths, and whether the result has a sign.
fn truncation(code: u16) -> Option<(u8, u8, bool)> {
    Some(match code {
        0xa8 => (32, 32, true),
        0xa9 => (32, 32, false),
        0xaa => (64, 32, true),
        0xab => (64, 32, false),
        0xae => (32, 64, true),
        0xaf => (32, 64, false),
        0xb0 => (64, 64, true),
        0xb1 => (64, 64, false),
        _ => return None,
    })
}

fn truncate(terms: &mut Terms, from: u8, to: u8, signed: bool, x: Term) -> Term {
    match (to, signed) {
        (32, true) => terms.float(Float::ToSigned32, from, x, x),
        (32, false) => {
            let whole = terms.float(Float::ToSigned64, from, x, x);
            terms.low(32, whole)
        }
        (_, true) => terms.float(Float::ToSigned64, from, x, x),
        _ => terms.float(Float::ToUnsigned64, from, x, x),
    }
}

/// The floats that can be truncated.
struct Range {
    low: f64,
    low_included: bool,
    high: f64,
}

impl Range {
    fn of(from: u8, to: u8, signed: bool) -> Self {
        let (low, low_included, high) = match (to, signed) {
            (32, true) if from == 64 => (-2_147_483_649.0, false, 2_147_483_648.0),
            (32, true) => (-2_147_483_648.0, true, 2_147_483_648.0),
            (32, false) => (-1.0, false, 4_294_967_296.0),
            (_, true) => (
                -9_223_372_036_854_775_808.0,
                true,
                9_223_372_036_854_775_808.0,
            ),
            _ => (-1.0, false, 18_446_744_073_709_551_616.0),
        };
        Self {
            low,
            low_included,
            high,
        }
    }

    fn bits(width: u8, value: f64) -> u64 {
        match width {
            32 => (value as f32).to_bits().into(),
            _ => value.to_bits(),
        }
    }

    fn too_low(&self, terms: &mut Terms, from: u8, x: Term) -> Term {
        let low = terms.constant(Self::bits(from, self.low));
        let op = if self.low_included {
            Float::LessEqual
        } else {
            Float::Less
        };
        let enough = terms.float(op, from, low, x);
        terms.not(enough)
    }

    fn too_high(&self, terms: &mut Terms, from: u8, x: Term) -> Term {
        let high = terms.constant(Self::bits(from, self.high));
        terms.float(Float::LessEqual, from, high, x)
    }
}

fn convert(terms: &mut Terms, code: u16, x: Term) -> Option<Term> {
    if let Some((from, to, signed)) = truncation(code) {
        return Some(truncate(terms, from, to, signed, x));
    }
    Some(match code {
        0xa7 => terms.low(32, x),
        0xac => terms.unary(Unary::Extend32, x),
        0xad | 0xbc..=0xbf => x,
        0xb2 => terms.float(Float::OfSigned32, 32, x, x),
        0xb3 | 0xb4 => terms.float(Float::OfSigned64, 32, x, x),
        0xb5 => terms.float(Float::OfUnsigned64, 32, x, x),
        0xb7 => terms.float(Float::OfSigned32, 64, x, x),
        0xb8 | 0xb9 => terms.float(Float::OfSigned64, 64, x, x),
        0xba => terms.float(Float::OfUnsigned64, 64, x, x),
        0xb6 => {
            let result = terms.float(Float::Demote, 64, x, x);
            terms.float(Float::Canonical, 32, result, result)
        }
        0xbb => {
            let result = terms.float(Float::Promote, 32, x, x);
            terms.float(Float::Canonical, 64, result, result)
        }
        0xc0 | 0xc1 => {
            let op = if code == 0xc0 {
                Unary::Extend8
            } else {
                Unary::Extend16
            };
            let wide = terms.unary(op, x);
            terms.low(32, wide)
        }
        0xc2 => terms.unary(Unary::Extend8, x),
        0xc3 => terms.unary(Unary::Extend16, x),
        0xc4 => terms.unary(Unary::Extend32, x),
        0x100..=0x107 => {
            let code = code - 0x100;
            let from = if code & 2 == 0 { 32 } else { 64 };
            let (to, signed) = (if code < 4 { 32 } else { 64 }, code & 1 == 0);
            saturate(terms, from, to, signed, x)
        }
        _ => return None,
    })
}

fn saturate(terms: &mut Terms, from: u8, to: u8, signed: bool, x: Term) -> Term {
    let range = Range::of(from, to, signed);
    let (least, greatest) = match (to, signed) {
        (32, true) => (1 << 31, (1 << 31) - 1),
        (32, false) => (0, u64::from(u32::MAX)),
        (_, true) => (1 << 63, (1 << 63) - 1),
        _ => (0, u64::MAX),
    };
    let [least, greatest, zero] = [least, greatest, 0].map(|value| terms.constant(value));
    let inner = truncate(terms, from, to, signed, x);
    let (low, high) = (
        range.too_low(terms, from, x),
        range.too_high(terms, from, x),
    );
    let nan = terms.float(Float::Unordered, from, x, x);
    let inner = terms.select(high, greatest, inner);
    let inner = terms.select(low, least, inner);
    terms.select(nan, zero, inner)
}
