//! The machine side, whatever the machine: registers, slots of the stack, flags, and the micro-operations that a
//! target's lifter makes of instructions.

use crate::term::{Binary, Float, Term, Terms, Unary};
use std::collections::BTreeMap;

/// What a place holds: a term, and how many of the place's low bits it says something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// The term.
    pub term: Term,
    /// 32 or 64.
    pub bits: u8,
}

impl Value {
    /// All 64 bits.
    pub fn whole(term: Term) -> Self {
        Self { term, bits: 64 }
    }
}

/// Registers of both classes: floats after the general ones.
pub const REGISTERS: usize = 64;
/// The first float register.
pub const FLOATS: u8 = 32;

/// What the flags were set by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flags {
    /// Unknown.
    None,
    /// A comparison or subtraction at a width.
    Compare(u8, Term, Term),
    /// A bitwise result.
    Logic(u8, Term),
    /// A sum: result and first operand.
    Sum(u8, Term, Term),
    /// The negation of a term.
    Negated(u8, Term),
    /// A shift: its result, and the last bit that was shifted out.
    Shift(u8, Term, Option<Term>),
    /// A comparison of floats.
    Floats(u8, Term, Term),
}

/// A condition of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Zero.
    Equal,
    /// Borrow.
    Below,
    /// Borrow or zero.
    BelowEqual,
    /// Less with signs.
    Less,
    /// Less or equal with signs.
    LessEqual,
    /// The sign.
    Sign,
    /// Overflow.
    Overflow,
    /// Unordered floats.
    Parity,
}

impl Flags {
    /// The condition as a truth value, if what set the flags says so much.
    pub fn condition(self, terms: &mut Terms, condition: Condition) -> Option<Term> {
        use Condition::*;
        let zero = terms.constant(0);
        let less = |terms: &mut Terms, width: u8, a: Term, b: Term| {
            terms.binary(Binary::LessSigned(width), a, b)
        };
        Some(match (self, condition) {
            (Self::Compare(_, a, b), Equal) => terms.equal(a, b),
            (Self::Compare(_, a, b), Below) => terms.binary(Binary::LessUnsigned, a, b),
            (Self::Compare(_, a, b), BelowEqual) => {
                let above = terms.binary(Binary::LessUnsigned, b, a);
                terms.not(above)
            }
            (Self::Compare(width, a, b), Less) => less(terms, width, a, b),
            (Self::Compare(width, a, b), LessEqual) => {
                let greater = less(terms, width, b, a);
                terms.not(greater)
            }
            (Self::Compare(width @ (32 | 64), a, b), Sign) => {
                let difference = terms.sub(width, a, b);
                less(terms, width, difference, zero)
            }
            (Self::Logic(_, x) | Self::Sum(_, x, _) | Self::Shift(_, x, _), Equal) => {
                terms.is_zero(x)
            }
            (Self::Logic(width, x) | Self::Sum(width, x, _) | Self::Shift(width, x, _), Sign)
            | (Self::Logic(width, x), Less) => less(terms, width, x, zero),
            (Self::Logic(width, x), LessEqual) => {
                let greater = less(terms, width, zero, x);
                terms.not(greater)
            }
            (Self::Logic(..), Below | Overflow) => zero,
            (Self::Logic(_, x), BelowEqual) => terms.is_zero(x),
            (Self::Sum(_, x, a), Below) => terms.binary(Binary::LessUnsigned, x, a),
            (Self::Negated(_, x), Equal) => terms.is_zero(x),
            (Self::Negated(width, x), Overflow) => {
                let least = terms.constant(1 << (width - 1));
                terms.equal(x, least)
            }
            (Self::Shift(_, _, Some(out)), Below) => out,
            (Self::Floats(width, a, b), Equal) => {
                let equal = terms.float(Float::Equal, width, a, b);
                let unordered = terms.float(Float::Unordered, width, a, b);
                terms.binary(Binary::Or, equal, unordered)
            }
            (Self::Floats(width, a, b), Parity) => terms.float(Float::Unordered, width, a, b),
            (Self::Floats(width, a, b), Below) => {
                let at_least = terms.float(Float::LessEqual, width, b, a);
                terms.not(at_least)
            }
            (Self::Floats(width, a, b), BelowEqual) => {
                let greater = terms.float(Float::Less, width, b, a);
                terms.not(greater)
            }
            _ => return None,
        })
    }
}

/// What the machine side knows.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The registers.
    pub registers: [Option<Value>; REGISTERS],
    /// Slots of the stack, by their distance from the stack pointer at the function's entry.
    pub slots: BTreeMap<i32, Value>,
    /// The flags.
    pub flags: Flags,
}

/// Symbols of the machine that no value of Wasm contains.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    /// The stack pointer at the function's entry.
    pub stack: Term,
    /// The base of linear memory.
    pub memory: Term,
    /// The context.
    pub context: Term,
    /// The address of the code.
    pub code: Term,
}

/// What an address is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// A slot of the stack.
    Stack(i32),
    /// A field of the context.
    Context(u64),
    /// Within the context, at a multiple of 16 of a term, and a distance.
    Entry(Term, u64),
    /// Linear memory at an address of Wasm.
    Memory(Term),
    /// A jump table: where it is, and the index; or an entry.
    Code(u64, Option<Term>),
    /// None of them.
    Unknown,
}

impl Fixed {
    /// Splits an address.
    pub fn space(&self, terms: &mut Terms, address: Term) -> Space {
        let (constant, parts) = match terms.node(address).clone() {
            crate::term::Node::Sum(64, constant, parts) => (constant, parts.into_vec()),
            _ => (0, vec![(address, 1)]),
        };
        let of = |base: Term| -> Option<Vec<(Term, u64)>> {
            parts
                .contains(&(base, 1))
                .then(|| parts.iter().copied().filter(|it| it.0 != base).collect())
        };
        let is_fixed =
            |it: &(Term, u64)| [self.stack, self.memory, self.context, self.code].contains(&it.0);
        if parts.iter().filter(|it| is_fixed(it)).count() != 1 {
            return Space::Unknown;
        }
        if let Some(rest) = of(self.stack) {
            return match (rest.is_empty(), i32::try_from(constant as i64)) {
                (true, Ok(at)) => Space::Stack(at),
                _ => Space::Unknown,
            };
        }
        if let Some(rest) = of(self.context) {
            return match rest[..] {
                [] => Space::Context(constant),
                [(index, 16)] => Space::Entry(index, constant),
                _ => Space::Unknown,
            };
        }
        if let Some(rest) = of(self.memory) {
            return Space::Memory(terms.sum(64, constant, &rest));
        }
        match of(self.code).as_deref() {
            Some(&[(index, 4)]) => Space::Code(constant, Some(index)),
            Some(&[]) => Space::Code(constant, None),
            _ => Space::Unknown,
        }
    }
}

impl Machine {
    /// A machine that knows nothing.
    pub fn new() -> Self {
        Self {
            registers: [None; REGISTERS],
            slots: BTreeMap::new(),
            flags: Flags::None,
        }
    }

    /// All 64 bits of a register. What is not known gets a symbol.
    pub fn get(&mut self, terms: &mut Terms, register: u8) -> Term {
        let known = &mut self.registers[usize::from(register)];
        match *known {
            Some(Value { term, bits: 64 }) => term,
            Some(_) => terms.symbol(64),
            None => {
                let term = terms.symbol(64);
                *known = Some(Value::whole(term));
                term
            }
        }
    }

    /// The low 32 bits of a register, or all.
    pub fn get_width(&mut self, terms: &mut Terms, register: u8, width: u8) -> Term {
        match self.registers[usize::from(register)] {
            Some(value) if value.bits >= width => terms.low(width, value.term),
            _ => {
                let term = self.get(terms, register);
                terms.low(width, term)
            }
        }
    }

    /// Writes a register.
    pub fn set(&mut self, register: u8, value: Value) {
        self.registers[usize::from(register)] = Some(value);
    }

    /// Reads a slot.
    pub fn slot(&self, terms: &mut Terms, at: i32, bits: u8) -> Value {
        let term = match self.slots.get(&at) {
            Some(value) if value.bits >= bits => terms.low(bits, value.term),
            // A copy of 8 bytes takes along what 4 bytes say.
            Some(value) if bits == 64 => return *value,
            _ => terms.symbol(bits),
        };
        Value::whole(term)
    }

    /// Writes a slot.
    pub fn set_slot(&mut self, at: i32, value: Value) {
        let bytes = i32::from(value.bits / 8);
        // What overlaps is lost.
        for other in at.saturating_sub(7)..at.saturating_add(bytes) {
            if other != at
                && let Some(known) = self.slots.get(&other)
                && other + i32::from(known.bits / 8) > at
            {
                self.slots.remove(&other);
            }
        }
        self.slots.insert(at, value);
    }

    /// Forgets slots of a range.
    pub fn forget_slots(&mut self, from: i32, to: i32) {
        let gone: Vec<i32> = self
            .slots
            .range(from.saturating_sub(7)..to)
            .map(|(&at, _)| at)
            .collect();
        for at in gone {
            self.slots.remove(&at);
        }
    }

    /// Forgets all registers but some.
    pub fn forget_registers(&mut self, except: &[u8]) {
        for (number, register) in (0..).zip(&mut self.registers) {
            if !except.contains(&number) {
                *register = None;
            }
        }
        self.flags = Flags::None;
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

/// The sign extension from a width to another.
pub fn extend(terms: &mut Terms, from: u8, to: u8, x: Term) -> Term {
    let op = match from {
        8 => Unary::Extend8,
        16 => Unary::Extend16,
        32 => Unary::Extend32,
        _ => return x,
    };
    let wide = terms.unary(op, x);
    terms.low(to, wide)
}
