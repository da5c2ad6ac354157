//! Terms: what a place holds, as an expression over symbols, in a normal form.
//!
//! Terms are hash-consed: equal terms have equal numbers. A term stands for 64 bits; a number of 32 bits is
//! zero-extended. Each rule of the normal form is an identity for all values, so the sides of the check may be
//! rewritten differently but never wrongly:
//!
//! - sums, differences, products by constants and left shifts by constants are one node ([`Node::Sum`]);
//! - the low bits of a term are a bitwise "and" with a mask, which moves inwards;
//! - an "or" of the bytes of a term in reverse order is its swap ([`super::swap`]);
//! - an "or" of two shifts of a term in opposite directions is its rotation;
//! - comparisons are equality with zero and "less than", each possibly negated;
//! - a product that is shifted right is the quotient it stands for ([`super::magic`]).

use crate::{magic, swap};
use std::collections::{HashMap, HashSet};

/// The number of a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term(u32);

/// Operations on one term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// 1 - x, of a truth value.
    Not,
    /// x = 0.
    IsZero,
    /// Sign extension of the low bits to 64.
    Extend8,
    /// See `Extend8`.
    Extend16,
    /// See `Extend8`.
    Extend32,
    /// Leading zeros of 32 bits.
    Clz32,
    /// Leading zeros of 64 bits.
    Clz64,
    /// Trailing zeros of 32 bits.
    Ctz32,
    /// Trailing zeros of 64 bits.
    Ctz64,
    /// Bits that are set.
    Popcnt,
    /// The bytes of 32 bits in reverse order.
    Swap32,
    /// The bytes of 64 bits in reverse order.
    Swap64,
    /// The signature of a table's entry, as it stands in the table.
    TableSignature,
}

/// Operations on two terms. The number is the width in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// Bitwise.
    And,
    /// Bitwise.
    Or,
    /// Bitwise.
    Xor,
    /// Product.
    Mul(u8),
    /// Upper half of the product of 64 bits without signs.
    HighUnsigned,
    /// Upper half of the product of 64 bits with signs.
    HighSigned,
    /// Left shift by a number that is not constant.
    Shl(u8),
    /// Right shift.
    ShrUnsigned,
    /// Right shift with signs.
    ShrSigned(u8),
    /// Rotation to the left.
    Rotl(u8),
    /// Rotation to the right by a number that is not constant.
    Rotr(u8),
    /// Quotient without signs.
    DivUnsigned,
    /// Quotient with signs. A constant divisor is a magnitude.
    DivSigned(u8),
    /// Remainder without signs.
    RemUnsigned,
    /// Remainder with signs.
    RemSigned(u8),
    /// Less, without signs.
    LessUnsigned,
    /// Less, with signs.
    LessSigned(u8),
    /// The distance in a jump table at an address, by index.
    JumpTable,
}

/// Float operations. The width is part of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Float {
    /// Arithmetic. The payload and sign of a NaN are open.
    Add,
    /// See `Add`.
    Sub,
    /// See `Add`.
    Mul,
    /// See `Add`.
    Div,
    /// The minimum as Wasm has it.
    Min,
    /// The maximum as Wasm has it.
    Max,
    /// The machine's minimum: the second operand unless the first is less.
    MachineMin,
    /// The machine's maximum.
    MachineMax,
    /// See `Add`.
    Sqrt,
    /// Rounding: up, down, to zero, to nearest.
    Ceil,
    /// See `Ceil`.
    Floor,
    /// See `Ceil`.
    Trunc,
    /// See `Ceil`.
    Nearest,
    /// From 32 to 64 bits.
    Promote,
    /// From 64 to 32 bits.
    Demote,
    /// The canonical NaN if it is a NaN.
    Canonical,
    /// Whether one of two is a NaN.
    Unordered,
    /// Equality: false for NaNs.
    Equal,
    /// Less: false for NaNs.
    Less,
    /// Less or equal: false for NaNs.
    LessEqual,
    /// To a signed number of 32 bits, which fits.
    ToSigned32,
    /// To a signed number of 64 bits, which fits.
    ToSigned64,
    /// To an unsigned number of 64 bits, which fits.
    ToUnsigned64,
    /// From a signed number of 32 bits.
    OfSigned32,
    /// From a signed number of 64 bits.
    OfSigned64,
    /// From an unsigned number of 64 bits.
    OfUnsigned64,
}

/// A term.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A number.
    Const(u64),
    /// A symbol: a value of which nothing is known but its greatest number of bits.
    Symbol(u32),
    /// A sum of multiples and a constant, in this many bits.
    Sum(u8, u64, Box<[(Term, u64)]>),
    /// An operation.
    Unary(Unary, Term),
    /// An operation.
    Binary(Binary, Term, Term),
    /// The second if the first, a truth value, is 1, else the third.
    Select(Term, Term, Term),
    /// A float operation at a width.
    Float(Float, u8, Term, Term),
}

/// The canonical NaN.
pub const fn canonical_nan(width: u8) -> u64 {
    match width {
        32 => 0x7fc0_0000,
        _ => 0x7ff8_0000_0000_0000,
    }
}

/// The numbers of a width.
pub const fn mask(bits: u8) -> u64 {
    match bits {
        0 => 0,
        1..64 => (1 << bits) - 1,
        _ => u64::MAX,
    }
}

/// The terms of one function.
#[derive(Debug, Default)]
pub struct Terms {
    nodes: Vec<Node>,
    bits: Vec<u8>,
    known: HashMap<Node, Term>,
    symbols: u32,
    /// Symbols of floats whose NaNs may not be canonical.
    raw: HashSet<Term>,
}

impl Terms {
    /// Forgets all terms.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.bits.clear();
        self.known.clear();
        self.symbols = 0;
        self.raw.clear();
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// A new symbol of at most this many bits.
    pub fn symbol(&mut self, bits: u8) -> Term {
        self.symbols += 1;
        self.intern(Node::Symbol(self.symbols), bits)
    }

    /// A new symbol of a float whose NaN may be any.
    pub fn raw_symbol(&mut self, width: u8) -> Term {
        let symbol = self.symbol(width);
        self.raw.insert(symbol);
        symbol
    }

    /// The width of a float whose NaN may be any: a result that is not made canonical yet. No Wasm value is one.
    pub fn raw_width(&self, x: Term) -> Option<u8> {
        use Float::*;
        match *self.node(x) {
            Node::Symbol(_) if self.raw.contains(&x) => Some(self.bits(x)),
            Node::Float(Promote, ..) => Some(64),
            Node::Float(Demote, ..) => Some(32),
            Node::Float(Add | Sub | Mul | Div | Min | Max | MachineMin | MachineMax, width, ..)
            | Node::Float(Sqrt | Ceil | Floor | Trunc | Nearest, width, ..) => Some(width),
            _ => None,
        }
    }

    /// The term's node.
    pub fn node(&self, term: Term) -> &Node {
        &self.nodes[term.0 as usize]
    }

    /// The greatest number of significant bits.
    pub fn bits(&self, term: Term) -> u8 {
        self.bits[term.0 as usize]
    }

    /// The number, if the term is one.
    pub fn constant_of(&self, term: Term) -> Option<u64> {
        match *self.node(term) {
            Node::Const(value) => Some(value),
            _ => None,
        }
    }

    fn intern(&mut self, node: Node, bits: u8) -> Term {
        if let Some(&term) = self.known.get(&node) {
            return term;
        }
        let term = Term(self.nodes.len() as u32);
        self.known.insert(node.clone(), term);
        self.nodes.push(node);
        self.bits.push(bits.min(64));
        term
    }

    /// A number.
    pub fn constant(&mut self, value: u64) -> Term {
        self.intern(Node::Const(value), 64 - value.leading_zeros() as u8)
    }

    /// The low bits.
    pub fn low(&mut self, bits: u8, x: Term) -> Term {
        match bits {
            64.. => x,
            _ => self.and_constant(x, mask(bits)),
        }
    }

    fn and_constant(&mut self, x: Term, m: u64) -> Term {
        if mask(self.bits(x)) & !m == 0 {
            return x;
        }
        let low = m != 0 && m & m.wrapping_add(1) == 0;
        let bits = 64 - m.leading_zeros() as u8;
        match self.node(x).clone() {
            Node::Const(value) => return self.constant(value & m),
            _ if m & mask(self.bits(x)) == 0 => return self.constant(0),
            Node::Binary(Binary::And, a, b) if self.constant_of(b).is_some() => {
                let more = self.constant_of(b).unwrap_or_default();
                return self.and_constant(a, more & m);
            }
            Node::Binary(op @ (Binary::And | Binary::Or | Binary::Xor), a, b) if low => {
                let (a, b) = (self.and_constant(a, m), self.and_constant(b, m));
                return self.binary(op, a, b);
            }
            Node::Sum(64, add, parts) if bits <= 32 => {
                let parts = parts.to_vec();
                let narrow = self.sum(32, add, &parts);
                return self.and_constant(narrow, m);
            }
            Node::Binary(Binary::Mul(64), a, b) if m == mask(32) => {
                return self.multiply(32, a, b);
            }
            Node::Unary(Unary::Extend8, a) if m <= mask(8) => return self.and_constant(a, m),
            Node::Unary(Unary::Extend16, a) if m <= mask(16) => return self.and_constant(a, m),
            Node::Unary(Unary::Extend32, a) if m <= mask(32) => return self.and_constant(a, m),
            Node::Select(c, a, b) if low => {
                let (a, b) = (self.and_constant(a, m), self.and_constant(b, m));
                return self.select(c, a, b);
            }
            _ => {}
        }
        // Of what a mask of 32 bits meets, the lower half counts, whether a machine takes it first or not.
        if m < mask(32) && self.bits(x) > 32 {
            let narrow = self.low(32, x);
            if !matches!(*self.node(narrow), Node::Binary(Binary::And, of, _) if of == x) {
                return self.and_constant(narrow, m);
            }
        }
        let m = self.constant(m);
        let bits = bits.min(self.bits(x));
        self.intern(Node::Binary(Binary::And, x, m), bits)
    }

    /// The parts of a sum, each once, and its constant.
    pub(crate) fn flatten(
        &mut self,
        width: u8,
        constant: u64,
        parts: &[(Term, u64)],
    ) -> (u64, Vec<(Term, u64)>) {
        let mut constant = constant;
        let mut flat: Vec<(Term, u64)> = Vec::with_capacity(parts.len());
        for &(part, times) in parts {
            let part = self.low(width, part);
            match self.node(part) {
                Node::Const(value) => {
                    constant = constant.wrapping_add(value.wrapping_mul(times));
                }
                // A short sum that cannot overflow is the same sum in 64 bits.
                Node::Sum(inner, more, parts)
                    if *inner == width
                        || matches!(times, 1 | u64::MAX)
                            && self
                                .greatest_sum(*more, parts)
                                .is_some_and(|it| it <= u128::from(mask(*inner))) =>
                {
                    constant = constant.wrapping_add(more.wrapping_mul(times));
                    flat.extend(parts.iter().map(|&(it, by)| (it, by.wrapping_mul(times))));
                }
                _ => flat.push((part, times)),
            }
        }
        flat.sort_unstable_by_key(|&(part, _)| part);
        let mut merged: Vec<(Term, u64)> = Vec::with_capacity(flat.len());
        for (part, times) in flat {
            match merged.last_mut() {
                Some(last) if last.0 == part => last.1 = last.1.wrapping_add(times),
                _ => merged.push((part, times)),
            }
        }
        for (_, times) in &mut merged {
            *times &= mask(width);
        }
        merged.retain(|&(_, times)| times != 0);
        (constant & mask(width), merged)
    }

    /// A sum of multiples and a constant, modulo 2^32 or 2^64.
    pub fn sum(&mut self, width: u8, constant: u64, parts: &[(Term, u64)]) -> Term {
        let (constant, merged) = self.flatten(width, constant, parts);
        match merged[..] {
            [] => return self.constant(constant),
            [(part, 1)] if constant == 0 => return part,
            _ => {}
        }
        if let Some(quotient) = magic::of_sum(self, width, constant, &merged) {
            return quotient;
        }
        // The remainder of a short number is short.
        if let (64, 0, [(p, of_p), (q, of_q)]) = (width, constant, &merged[..]) {
            for ((n, times), (quotient, by)) in
                [((*p, *of_p), (*q, *of_q)), ((*q, *of_q), (*p, *of_p))]
            {
                if let Node::Binary(Binary::DivUnsigned, of, divisor) = *self.node(quotient)
                    && times == 1
                    && of == n
                    && self.bits(n) <= 32
                    && self.constant_of(divisor).map(u64::wrapping_neg) == Some(by)
                {
                    return self.sum(32, 0, &merged);
                }
            }
        }
        let greatest = self.greatest_sum(constant, &merged);
        let bits = greatest.map_or(128, |it| 128 - it.leading_zeros() as u8);
        if width == 64 && bits <= 32 {
            return self.sum(32, constant, &merged);
        }
        let bits = if bits <= width { bits } else { width };
        self.intern(Node::Sum(width, constant, merged.into()), bits)
    }

    /// The greatest value of a sum, if that does not need more than 127 bits.
    fn greatest_sum(&self, constant: u64, parts: &[(Term, u64)]) -> Option<u128> {
        let mut greatest = u128::from(constant);
        for &(part, times) in parts {
            let part = u128::from(mask(self.bits(part)));
            greatest = greatest.checked_add(part.checked_mul(times.into())?)?;
        }
        (greatest >> 127 == 0).then_some(greatest)
    }

    /// `a + b`.
    pub fn add(&mut self, width: u8, a: Term, b: Term) -> Term {
        self.sum(width, 0, &[(a, 1), (b, 1)])
    }

    /// `a - b`.
    pub fn sub(&mut self, width: u8, a: Term, b: Term) -> Term {
        self.sum(width, 0, &[(a, 1), (b, u64::MAX)])
    }

    /// `a * b`.
    pub fn multiply(&mut self, width: u8, a: Term, b: Term) -> Term {
        let (a, b) = (self.low(width, a), self.low(width, b));
        match (self.constant_of(a), self.constant_of(b)) {
            (_, Some(times)) => self.sum(width, 0, &[(a, times)]),
            (Some(times), None) => self.sum(width, 0, &[(b, times)]),
            _ => {
                let node = Node::Binary(Binary::Mul(width), a.min(b), a.max(b));
                self.intern(node, width)
            }
        }
    }

    /// An operation on operands that are of its width.
    pub fn binary(&mut self, op: Binary, a: Term, b: Term) -> Term {
        use Binary::*;
        let constants = (self.constant_of(a), self.constant_of(b));
        match op {
            And | Or | Xor => return self.bitwise(op, a, b),
            Mul(width) => return self.multiply(width, a, b),
            Shl(width) => {
                let count = self.and_constant(b, u64::from(width) - 1);
                if let Some(count) = self.constant_of(count) {
                    return self.sum(width, 0, &[(a, 1 << count)]);
                }
                let a = self.low(width, a);
                if self.constant_of(a) == Some(0) {
                    return a;
                }
                return self.intern(Node::Binary(op, a, count), width);
            }
            ShrSigned(width) | Rotl(width) | Rotr(width) => {
                let count = self.and_constant(b, u64::from(width) - 1);
                let a = self.low(width, a);
                return self.shift_or_rotate(op, width, a, count);
            }
            DivUnsigned => {
                if let Some(divisor) = constants.1.filter(|it| it.is_power_of_two()) {
                    return self.shift_right(a, divisor.trailing_zeros() as u8);
                }
                if let (Some(a), Some(b)) = constants
                    && b != 0
                {
                    return self.constant(a / b);
                }
                if constants
                    .1
                    .is_some_and(|divisor| mask(self.bits(a)) < divisor)
                {
                    return self.constant(0);
                }
                // A division by a power of two before is part of it.
                if let (Node::Binary(ShrUnsigned, of, count), Some(divisor)) =
                    (self.node(a).clone(), constants.1)
                    && let Some(count) = self.constant_of(count)
                    && u64::from(divisor.leading_zeros()) >= count
                    && divisor != 0
                {
                    let divisor = self.constant(divisor << count);
                    return self.binary(DivUnsigned, of, divisor);
                }
            }
            RemUnsigned => {
                if let Some(divisor) = constants.1.filter(|&it| it != 0) {
                    if divisor.is_power_of_two() {
                        return self.and_constant(a, divisor - 1);
                    }
                    let width = if self.bits(a) <= 32 { 32 } else { 64 };
                    let quotient = self.binary(DivUnsigned, a, b);
                    return self.sum(width, 0, &[(a, 1), (quotient, divisor.wrapping_neg())]);
                }
            }
            DivSigned(width) => {
                if let Some(divisor) = constants.1.filter(|&it| it != 0) {
                    return self.quotient_signed(width, a, divisor);
                }
            }
            RemSigned(width) => {
                if let Some(divisor) = constants.1.filter(|&it| it != 0) {
                    let quotient = self.quotient_signed(width, a, divisor);
                    return self.sum(width, 0, &[(a, 1), (quotient, divisor.wrapping_neg())]);
                }
            }
            HighUnsigned => {
                if let (Some(a), Some(b)) = constants {
                    return self.constant(((u128::from(a) * u128::from(b)) >> 64) as u64);
                }
                let (a, b) = match constants.0 {
                    Some(_) => (b, a),
                    None => (a, b),
                };
                if let Some(quotient) = magic::of_high(self, a, b) {
                    return quotient;
                }
                let bits = self.bits(a);
                return self.intern(Node::Binary(op, a, b), bits);
            }
            HighSigned => {
                let (n, times) = if constants.0.is_some() {
                    (b, a)
                } else {
                    (a, b)
                };
                if self.bits(n) < 64
                    && constants.0.is_none()
                    && self
                        .constant_of(times)
                        .is_some_and(|times| times >> 63 == 1)
                {
                    // The multiplier was meant without a sign.
                    let high = self.binary(HighUnsigned, n, times);
                    return self.sub(64, high, n);
                }
                if let (Some(a), Some(b)) = constants {
                    let product = i128::from(a as i64) * i128::from(b as i64);
                    return self.constant((product >> 64) as u64);
                }
                let (a, b) = match constants.0 {
                    Some(_) => (b, a),
                    None => (a, b),
                };
                return self.intern(Node::Binary(op, a, b), 64);
            }
            LessUnsigned | LessSigned(_) => return self.less(op, a, b),
            ShrUnsigned => {
                if let Some(count) = constants.1 {
                    return self.shift_right(a, (count & 63) as u8);
                }
                if constants.0 == Some(0) {
                    return a;
                }
            }
            JumpTable => {}
        }
        let bits = match op {
            DivUnsigned | RemUnsigned | ShrUnsigned => self.bits(a),
            DivSigned(width) | RemSigned(width) => width,
            JumpTable => 32,
            _ => 64,
        };
        self.intern(Node::Binary(op, a, b), bits)
    }

    fn bitwise(&mut self, op: Binary, a: Term, b: Term) -> Term {
        let apply = |a: u64, b: u64| match op {
            Binary::And => a & b,
            Binary::Or => a | b,
            _ => a ^ b,
        };
        let (a, b) = match self.constant_of(a) {
            Some(_) => (b, a),
            None if self.constant_of(b).is_none() && b < a => (b, a),
            None => (a, b),
        };
        if a == b {
            return match op {
                Binary::Xor => self.constant(0),
                _ => a,
            };
        }
        if let Some(right) = self.constant_of(b) {
            if let Some(left) = self.constant_of(a) {
                return self.constant(apply(left, right));
            }
            match (op, right) {
                (Binary::And, _) => return self.and_constant(a, right),
                (_, 0) => return a,
                (Binary::Xor, 1) if self.bits(a) <= 1 => return self.not(a),
                _ => {}
            }
            if let Node::Binary(inner, c, d) = *self.node(a)
                && inner == op
                && let Some(more) = self.constant_of(d)
            {
                let both = self.constant(apply(more, right));
                return self.bitwise(op, c, both);
            }
        }
        if let (Binary::And, Node::Unary(Unary::IsZero, x), Node::Unary(Unary::IsZero, y)) =
            (op, self.node(a), self.node(b))
        {
            let (x, y) = (*x, *y);
            let width = if self.bits(x).max(self.bits(y)) <= 32 {
                32
            } else {
                64
            };
            let difference = self.sub(width, x, y);
            if self.constant_of(difference).is_some_and(|it| it != 0) {
                return self.constant(0);
            }
        }
        if op == Binary::Or
            && let Some(rotated) = self.rotation(a, b).or_else(|| self.rotation(b, a))
        {
            return rotated;
        }
        if op == Binary::Or
            && let Some(swapped) = swap::of_or(self, a, b)
        {
            return swapped;
        }
        if op == Binary::And && (self.bits(a) == 1) != (self.bits(b) == 1) {
            // Of what meets a truth value, the lowest bit counts.
            let (low_a, low_b) = (self.low(1, a), self.low(1, b));
            if (low_a, low_b) != (a, b) && (low_a, low_b) != (b, a) {
                return self.bitwise(op, low_a, low_b);
            }
        }
        if let Some(truth) = self
            .float_truth(op, a, b)
            .or_else(|| self.float_truth(op, b, a))
        {
            return truth;
        }
        let bits = match op {
            Binary::And => self.bits(a).min(self.bits(b)),
            _ => self.bits(a).max(self.bits(b)),
        };
        self.intern(Node::Binary(op, a, b), bits)
    }

    /// The rotation of which these are the parts: what a term's left shift leaves, and what its right shift does.
    ///
    /// A sum does not appear in its left shift any more, so the shift that the right one asks for is made and compared.
    fn rotation(&mut self, left: Term, right: Term) -> Option<Term> {
        let Node::Binary(Binary::ShrUnsigned, x, count) = *self.node(right) else {
            return None;
        };
        let count = self.constant_of(count)?;
        let width: u8 = if self.bits(x) <= 32 { 32 } else { 64 };
        let by = u64::from(width).checked_sub(count).filter(|&by| by != 0)?;
        if self.sum(width, 0, &[(x, 1 << by)]) != left {
            return None;
        }
        let by = self.constant(by);
        Some(self.intern(Node::Binary(Binary::Rotl(width), x, by), width))
    }

    /// "Equal or unordered" and not "unordered" is "equal"; its negation likewise.
    fn float_truth(&mut self, op: Binary, a: Term, b: Term) -> Option<Term> {
        let (wanted, other, negated) = match op {
            Binary::And => (a, self.negated(b)?, false),
            Binary::Or => (self.negated(a)?, b, true),
            _ => return None,
        };
        let Node::Binary(Binary::Or, x, y) = *self.node(wanted) else {
            return None;
        };
        let equal = match (x == other, y == other) {
            (true, _) => y,
            (_, true) => x,
            _ => return None,
        };
        let (Node::Float(Float::Unordered, w, c, d), Node::Float(Float::Equal, v, e, f)) =
            (self.node(other), self.node(equal))
        else {
            return None;
        };
        let same = w == v && c == e && d == f;
        match (same, negated) {
            (false, _) => None,
            (true, false) => Some(equal),
            (true, true) => Some(self.not(equal)),
        }
    }

    fn negated(&self, x: Term) -> Option<Term> {
        match *self.node(x) {
            Node::Unary(Unary::Not, inner) => Some(inner),
            _ => None,
        }
    }

    fn shift_or_rotate(&mut self, op: Binary, width: u8, a: Term, count: Term) -> Term {
        if self.constant_of(a) == Some(0) {
            return a;
        }
        if let Some(count) = self.constant_of(count) {
            if count == 0 {
                return a;
            }
            match op {
                Binary::ShrSigned(_) if self.bits(a) < width => {
                    return self.shift_right(a, count as u8);
                }
                Binary::ShrSigned(_) => {
                    if let Some(value) = self.constant_of(a) {
                        let value = sign_extend(width, value) >> count;
                        return self.constant(value as u64 & mask(width));
                    }
                    if let Some(quotient) = magic::of_signed_shift(self, width, a, count) {
                        return quotient;
                    }
                }
                Binary::Rotr(_) => {
                    let left = self.constant(u64::from(width) - count);
                    return self.shift_or_rotate(Binary::Rotl(width), width, a, left);
                }
                _ => {
                    if let Some(value) = self.constant_of(a) {
                        let value = match width {
                            32 => u64::from((value as u32).rotate_left(count as u32)),
                            _ => value.rotate_left(count as u32),
                        };
                        return self.constant(value);
                    }
                    // What its parts come to is in the normal form, be it a rotation or not.
                    let left = self.sum(width, 0, &[(a, 1 << count)]);
                    let right = self.shift_right(a, width - count as u8);
                    return self.bitwise(Binary::Or, left, right);
                }
            }
        }
        self.intern(Node::Binary(op, a, count), width)
    }

    /// A right shift of a term by a constant, without signs.
    pub fn shift_right(&mut self, a: Term, count: u8) -> Term {
        if count == 0 {
            return a;
        }
        if let Some(value) = self.constant_of(a) {
            return self.constant(value >> count);
        }
        if self.bits(a) <= count {
            return self.constant(0);
        }
        if let Some(quotient) = magic::of_shift(self, a, count) {
            return quotient;
        }
        let bits = self.bits(a) - count;
        let by = self.constant(u64::from(count));
        self.intern(Node::Binary(Binary::ShrUnsigned, a, by), bits)
    }

    fn quotient_signed(&mut self, width: u8, a: Term, divisor: u64) -> Term {
        let divisor = sign_extend(width, divisor);
        let magnitude = divisor.unsigned_abs();
        let quotient = match self.constant_of(a) {
            _ if magnitude == 1 => self.low(width, a),
            None if self.bits(a) < width => {
                let magnitude = self.constant(magnitude);
                self.binary(Binary::DivUnsigned, a, magnitude)
            }
            Some(value) => {
                let value = i128::from(sign_extend(width, value)) / i128::from(magnitude);
                self.constant(value as u64 & mask(width))
            }
            None => {
                let magnitude = self.constant(magnitude);
                self.intern(Node::Binary(Binary::DivSigned(width), a, magnitude), width)
            }
        };
        match divisor < 0 {
            true => self.sum(width, 0, &[(quotient, u64::MAX)]),
            false => quotient,
        }
    }

    /// The quotient of a signed number by a magnitude above 1, as [`super::magic`] has found it.
    pub(crate) fn found_signed_quotient(&mut self, width: u8, a: Term, magnitude: u64) -> Term {
        let magnitude = self.constant(magnitude);
        self.intern(Node::Binary(Binary::DivSigned(width), a, magnitude), width)
    }

    fn less(&mut self, op: Binary, a: Term, b: Term) -> Term {
        if let Binary::LessSigned(width) = op
            && self.bits(a) < width
            && self.bits(b) < width
        {
            return self.less(Binary::LessUnsigned, a, b);
        }
        if a == b {
            return self.constant(0);
        }
        let ordered = |a: u64, b: u64| match op {
            Binary::LessSigned(width) => sign_extend(width, a) < sign_extend(width, b),
            _ => a < b,
        };
        let greatest = match op {
            Binary::LessSigned(width) => mask(width - 1),
            _ => u64::MAX,
        };
        match (self.constant_of(a), self.constant_of(b)) {
            (Some(a), Some(b)) => return self.constant(ordered(a, b).into()),
            (Some(least), None) => {
                if least == greatest {
                    return self.constant(0);
                }
                // c < b: not b < c + 1.
                let width = match op {
                    Binary::LessSigned(width) => width,
                    _ => 64,
                };
                let next = self.constant(least.wrapping_add(1) & mask(width));
                let less = self.less(op, b, next);
                return self.not(less);
            }
            (None, Some(0)) if op == Binary::LessUnsigned => return self.constant(0),
            (None, Some(1)) if op == Binary::LessUnsigned => return self.is_zero(a),
            (None, Some(bound)) if op == Binary::LessUnsigned && mask(self.bits(a)) < bound => {
                return self.constant(1);
            }
            _ => {}
        }
        self.intern(Node::Binary(op, a, b), 1)
    }

    /// `a = b`.
    pub fn equal(&mut self, a: Term, b: Term) -> Term {
        let width = if self.bits(a).max(self.bits(b)) <= 32 {
            32
        } else {
            64
        };
        let difference = self.sub(width, a, b);
        self.is_zero(difference)
    }

    /// `x = 0`.
    pub fn is_zero(&mut self, x: Term) -> Term {
        match self.node(x).clone() {
            Node::Const(value) => return self.constant(u64::from(value == 0)),
            Node::Sum(width, constant, parts) => {
                if constant != 0
                    && let Some(greatest) = self.greatest_sum(constant, &parts)
                    && greatest <= u128::from(mask(width))
                {
                    return self.constant(0);
                }
                if let [(part, 1)] = parts[..]
                    && self.bits(part) == 1
                {
                    // 1 bit minus 1.
                    return match constant == mask(width) {
                        true => part,
                        false => self.constant(0),
                    };
                }
                if is_negative(width, constant, &parts) {
                    let parts = parts.to_vec();
                    let turned: Vec<_> = parts
                        .iter()
                        .map(|&(it, by)| (it, by.wrapping_neg()))
                        .collect();
                    let turned = self.sum(width, constant.wrapping_neg(), &turned);
                    let again = match self.node(turned) {
                        Node::Sum(width, constant, parts) => is_negative(*width, *constant, parts),
                        _ => false,
                    };
                    return match again {
                        true => self.intern(Node::Unary(Unary::IsZero, turned), 1),
                        false => self.is_zero(turned),
                    };
                }
            }
            Node::Select(c, a, b)
                if self.constant_of(a).is_some() && self.constant_of(b).is_some() =>
            {
                let (a, b) = (self.is_zero(a), self.is_zero(b));
                return self.select(c, a, b);
            }
            _ if self.bits(x) == 1 => return self.not(x),
            Node::Unary(Unary::Extend8, inner) => return self.low_is_zero(8, inner),
            Node::Unary(Unary::Extend16, inner) => return self.low_is_zero(16, inner),
            Node::Unary(Unary::Extend32, inner) => return self.low_is_zero(32, inner),
            Node::Binary(Binary::And, inner, low) if self.constant_of(low) == Some(mask(32)) => {
                match *self.node(inner) {
                    Node::Unary(Unary::Extend8, inner) => return self.low_is_zero(8, inner),
                    Node::Unary(Unary::Extend16, inner) => return self.low_is_zero(16, inner),
                    _ => {}
                }
            }
            _ => {}
        }
        self.intern(Node::Unary(Unary::IsZero, x), 1)
    }

    /// Of a sum that is 0 with one sign-extended part: the part's low bits, and what they are.
    pub fn extended_equal(&mut self, sum: Term) -> Option<(Term, u64)> {
        let Node::Sum(width, constant, parts) = self.node(sum).clone() else {
            return None;
        };
        let [(part, 1)] = parts[..] else {
            return None;
        };
        let mut part = part;
        if let Node::Binary(Binary::And, inner, low) = *self.node(part)
            && self.constant_of(low) == Some(mask(width))
        {
            part = inner;
        }
        let (bits, inner) = match *self.node(part) {
            Node::Unary(Unary::Extend8, inner) => (8, inner),
            Node::Unary(Unary::Extend16, inner) => (16, inner),
            Node::Unary(Unary::Extend32, inner) => (32, inner),
            _ => return None,
        };
        let low = self.low(bits, inner);
        Some((low, constant.wrapping_neg() & mask(bits)))
    }

    fn low_is_zero(&mut self, bits: u8, x: Term) -> Term {
        let low = self.low(bits, x);
        self.is_zero(low)
    }

    /// Whether a term is not 0.
    pub fn truth(&mut self, x: Term) -> Term {
        let zero = self.is_zero(x);
        self.not(zero)
    }

    /// The negation of a truth value.
    pub fn not(&mut self, x: Term) -> Term {
        match *self.node(x) {
            Node::Const(value) => self.constant(u64::from(value == 0)),
            Node::Unary(Unary::Not, inner) => inner,
            _ => self.intern(Node::Unary(Unary::Not, x), 1),
        }
    }

    /// An operation on one term.
    pub fn unary(&mut self, op: Unary, x: Term) -> Term {
        let extended = |terms: &mut Self, from: u8| {
            let x = terms.low(from, x);
            match terms.constant_of(x) {
                Some(value) => terms.constant(sign_extend(from, value) as u64),
                None if terms.bits(x) < from => x,
                None => terms.intern(Node::Unary(op, x), 64),
            }
        };
        match op {
            Unary::Not => self.not(x),
            Unary::IsZero => self.is_zero(x),
            Unary::Extend8 => extended(self, 8),
            Unary::Extend16 => extended(self, 16),
            Unary::Extend32 => extended(self, 32),
            Unary::TableSignature => self.intern(Node::Unary(op, x), 32),
            Unary::Swap32 | Unary::Swap64 => {
                let width: u8 = if op == Unary::Swap32 { 32 } else { 64 };
                let x = self.low(width, x);
                if let Some(value) = self.constant_of(x) {
                    return self.constant(value.swap_bytes() >> (64 - width));
                }
                if self.bits(x) <= 8 {
                    return self.sum(width, 0, &[(x, 1 << (width - 8))]);
                }
                self.intern(Node::Unary(op, x), width)
            }
            _ => {
                if let Some(value) = self.constant_of(x) {
                    let count = match op {
                        Unary::Clz32 => (value as u32).leading_zeros(),
                        Unary::Clz64 => value.leading_zeros(),
                        Unary::Ctz32 => (value as u32).trailing_zeros(),
                        Unary::Ctz64 => value.trailing_zeros(),
                        _ => value.count_ones(),
                    };
                    return self.constant(count.into());
                }
                self.intern(Node::Unary(op, x), 7)
            }
        }
    }

    /// `a` if `c`, else `b`.
    pub fn select(&mut self, c: Term, a: Term, b: Term) -> Term {
        if a == b {
            return a;
        }
        match *self.node(c) {
            Node::Const(value) => return if value != 0 { a } else { b },
            Node::Unary(Unary::Not, inner) => return self.select(inner, b, a),
            _ => {}
        }
        match (self.constant_of(a), self.constant_of(b)) {
            (Some(1), Some(0)) => return c,
            (Some(0), Some(1)) => return self.not(c),
            _ => {}
        }
        if let Some(known) = self.known_select(c, a, b) {
            return known;
        }
        let bits = self.bits(a).max(self.bits(b));
        self.intern(Node::Select(c, a, b), bits)
    }

    /// A float operation of the width.
    pub fn float(&mut self, op: Float, width: u8, a: Term, b: Term) -> Term {
        use Float::*;
        let (mut a, mut b) = (a, b);
        let of_width = !matches!(op, OfSigned32 | OfSigned64 | OfUnsigned64);
        if of_width {
            // A NaN's payload does not matter to what it goes into.
            (a, b) = (self.low(width, a), self.low(width, b));
            if op != Canonical {
                (a, b) = (self.any_nan(a), self.any_nan(b));
            }
        }
        match op {
            Canonical => match *self.node(a) {
                Node::Float(Canonical, ..) => return a,
                Node::Select(c, x, y) => {
                    let x = self.float(Canonical, width, x, x);
                    let y = self.float(Canonical, width, y, y);
                    return self.select(c, x, y);
                }
                Node::Const(value) => {
                    let nan = match width {
                        32 => f32::from_bits(value as u32).is_nan(),
                        _ => f64::from_bits(value).is_nan(),
                    };
                    return if nan {
                        self.constant(canonical_nan(width))
                    } else {
                        a
                    };
                }
                _ => {}
            },
            Add | Mul | Unordered | Equal if b < a => std::mem::swap(&mut a, &mut b),
            OfUnsigned64 => match self.constant_of(a) {
                Some(value) if value >> 63 == 0 => return self.float(OfSigned64, width, a, a),
                Some(value) => {
                    // Half of it, with a sticky bit, doubled: rounds the same.
                    let half = self.constant(value >> 1 | value & 1);
                    let half = self.float(OfSigned64, width, half, half);
                    return self.float(Add, width, half, half);
                }
                None if self.bits(a) < 64 => return self.float(OfSigned64, width, a, a),
                None => {}
            },
            _ => {}
        }
        let bits = match op {
            Unordered | Equal | Less | LessEqual => 1,
            Promote => 64,
            Demote | ToSigned32 => 32,
            ToSigned64 | ToUnsigned64 => 64,
            _ => width,
        };
        self.intern(Node::Float(op, width, a, b), bits)
    }

    /// The term without a canonicalisation.
    pub fn any_nan(&mut self, x: Term) -> Term {
        self.any_nan_within(x, 6)
    }

    fn any_nan_within(&mut self, x: Term, depth: u32) -> Term {
        match *self.node(x) {
            Node::Float(Float::Canonical, _, inner, _) => inner,
            Node::Select(c, a, b) if depth > 0 => {
                let (d, e) = (
                    self.any_nan_within(a, depth - 1),
                    self.any_nan_within(b, depth - 1),
                );
                match (d, e) == (a, b) {
                    true => x,
                    false => self.select(c, d, e),
                }
            }
            _ => x,
        }
    }

    /// Selections that are known under another name.
    fn known_select(&mut self, c: Term, a: Term, b: Term) -> Option<Term> {
        match *self.node(c) {
            Node::Float(Float::Unordered, width, x, y) => {
                // A NaN is made canonical.
                if x == y
                    && self.any_nan(b) == x
                    && self.constant_of(a) == Some(canonical_nan(width))
                {
                    return Some(self.float(Float::Canonical, width, x, x));
                }
                if let Node::Select(inner, _, e) = *self.node(b)
                    && let Node::Float(Float::Less | Float::LessEqual, _, p, q) = *self.node(inner)
                    && a == e
                    && x == y
                    && (p == x || q == x)
                {
                    // What is less is ordered.
                    return Some(b);
                }
                if let Node::Select(inner, d, e) = *self.node(b)
                    && a == e
                    && inner == self.float(Float::Equal, width, x, y)
                {
                    return Some(self.select(inner, d, e));
                }
                // Equal if ordered, else unequal.
                if let Node::Select(inner, d, e) = *self.node(b)
                    && let Node::Binary(Binary::Or, p, q) = *self.node(inner)
                    && (p == c || q == c)
                    && a == e
                {
                    let equal = if p == c { q } else { p };
                    return Some(self.select(equal, d, e));
                }
                self.known_extremum(width, (x, y), a, b)
            }
            Node::Unary(Unary::IsZero, _) => {
                // A division by -1, which the machine cannot do.
                let Node::Binary(op, n, divisor) = *self.node(b) else {
                    return None;
                };
                let width = match op {
                    Binary::DivSigned(width) | Binary::RemSigned(width) => width,
                    _ => return None,
                };
                let one_more = self.sum(width, 1, &[(divisor, 1)]);
                let instead = match op {
                    Binary::DivSigned(_) => self.sum(width, 0, &[(n, u64::MAX)]),
                    _ => self.constant(0),
                };
                (self.is_zero(one_more) == c && instead == a).then_some(b)
            }
            Node::Binary(Binary::LessSigned(64), x, zero) if self.constant_of(zero) == Some(0) => {
                self.known_conversion(x, a, b)
            }
            Node::Float(Float::LessEqual, width, bound, x) => {
                // A truncation to 64 bits without sign.
                let half = match width {
                    32 => u64::from(9_223_372_036_854_775_808_f32.to_bits()),
                    _ => 9_223_372_036_854_775_808_f64.to_bits(),
                };
                if self.constant_of(bound) != Some(half) {
                    return None;
                }
                let less = self.float(Float::Sub, width, x, bound);
                let less = self.float(Float::ToSigned64, width, less, less);
                let top = self.constant(1 << 63);
                let large = self.binary(Binary::Xor, less, top);
                let small = self.float(Float::ToSigned64, width, x, x);
                (a == large && b == small).then(|| self.float(Float::ToUnsigned64, width, x, x))
            }
            _ => None,
        }
    }

    fn known_extremum(
        &mut self,
        width: u8,
        (x, y): (Term, Term),
        a: Term,
        b: Term,
    ) -> Option<Term> {
        let Node::Float(Float::Add, ..) = *self.node(a) else {
            return None;
        };
        if self.float(Float::Add, width, x, y) != a {
            return None;
        }
        let Node::Select(equal, of_equal, of_others) = *self.node(b) else {
            return None;
        };
        let is = self.float(Float::Equal, width, x, y);
        let unordered = self.float(Float::Unordered, width, x, y);
        let or_unordered = self.binary(Binary::Or, is, unordered);
        if equal != is && equal != or_unordered {
            return None;
        }
        let Node::Float(machine, _, first, second) = *self.node(of_others) else {
            return None;
        };
        if (first, second) != (x, y) && (second, first) != (x, y) {
            return None;
        }
        let (op, result) = match machine {
            Float::MachineMin => (Binary::Or, Float::Min),
            Float::MachineMax => (Binary::And, Float::Max),
            _ => return None,
        };
        // Of equal numbers both; they may have been made canonical, which numbers do not notice.
        let both = self.binary(op, x, y);
        let same = self.any_nan(of_equal) == both
            || match *self.node(of_equal) {
                Node::Binary(found, p, q) if found == op => {
                    let (p, q) = (self.any_nan(p), self.any_nan(q));
                    (p, q) == (x, y) || (q, p) == (x, y)
                }
                _ => false,
            };
        if !same {
            return None;
        }
        Some(self.extremum(result, width, x, y))
    }

    /// The minimum or maximum, whose operands commute.
    pub fn extremum(&mut self, op: Float, width: u8, a: Term, b: Term) -> Term {
        let (a, b) = (self.low(width, a), self.low(width, b));
        let (a, b) = (self.any_nan(a), self.any_nan(b));
        self.float(op, width, a.min(b), a.max(b))
    }

    /// The conversion of 64 bits without sign: half of it, with a sticky bit, doubled.
    fn known_conversion(&mut self, x: Term, a: Term, b: Term) -> Option<Term> {
        let Node::Float(Float::OfSigned64, width, y, _) = *self.node(b) else {
            return None;
        };
        if x != y {
            return None;
        }
        let half = self.shift_right(x, 1);
        let one = self.constant(1);
        let sticky = self.binary(Binary::Or, half, one);
        let odd = self.low(1, x);
        let half = self.select(odd, sticky, half);
        let half = self.float(Float::OfSigned64, width, half, half);
        let twice = self.float(Float::Add, width, half, half);
        (a == twice).then(|| self.float(Float::OfUnsigned64, width, x, x))
    }

    /// A term in words, for reports.
    pub fn show(&self, term: Term, depth: u32) -> String {
        if depth == 0 {
            return format!("t{}", term.0);
        }
        let show = |term: Term| self.show(term, depth - 1);
        match self.node(term) {
            Node::Const(value) => format!("{value:#x}"),
            Node::Symbol(number) => format!("s{number}"),
            Node::Sum(width, constant, parts) => {
                let parts: Vec<_> = parts
                    .iter()
                    .map(|&(part, times)| format!("{:#x}*{}", times, show(part)))
                    .collect();
                format!("sum{width}({constant:#x} + {})", parts.join(" + "))
            }
            Node::Unary(op, x) => format!("{op:?}({})", show(*x)),
            Node::Binary(op, a, b) => format!("{op:?}({}, {})", show(*a), show(*b)),
            Node::Select(c, a, b) => {
                format!("select({}, {}, {})", show(*c), show(*a), show(*b))
            }
            Node::Float(op, width, a, b) => {
                format!("{op:?}{width}({}, {})", show(*a), show(*b))
            }
        }
    }
}

/// Of a sum and its negation, the one that is not asked about.
fn is_negative(width: u8, constant: u64, parts: &[(Term, u64)]) -> bool {
    let half = mask(width) / 2 + 1;
    let first = parts.first().map_or(0, |it| it.1);
    first > half || (first == half && constant > half)
}

/// The signed number of this width.
pub fn sign_extend(width: u8, value: u64) -> i64 {
    match width {
        1..64 => (value << (64 - width)) as i64 >> (64 - width),
        _ => value as i64,
    }
}
