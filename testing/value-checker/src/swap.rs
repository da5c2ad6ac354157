//! Byte swaps, recognised in the shifts, rotations and masks that WebAssembly writes instead.
//!
//! A part of an "or" may be a choice of bytes of another term. If all parts are choices of bytes of one term, and
//! together they are its bytes in reverse order, they are its swap. Nothing is believed: every byte is followed.
//!
//! A term with a form of its own, as a sum, does not appear in its parts any more once they are in normal form. So the
//! machine's swap is made as the expression that LLVM writes: of such a term both sides come to the same "or".

use crate::term::{Binary, Node, Term, Terms, Unary};

/// The swap of a term of 32 or 64 bits, made by LLVM's expression for it.
pub fn of(terms: &mut Terms, width: u8, x: Term) -> Term {
    const EVERY_OTHER: u64 = 0xff_00ff;
    if width == 32 {
        let (left, mask) = (terms.constant(24), terms.constant(EVERY_OTHER));
        let even = terms.binary(Binary::And, x, mask);
        let even = terms.binary(Binary::Rotl(32), even, left);
        let left = terms.constant(8);
        let odd = terms.binary(Binary::Rotl(32), x, left);
        let odd = terms.binary(Binary::And, odd, mask);
        return terms.binary(Binary::Or, even, odd);
    }
    let mut up = |mask: u64, by: u64| {
        let (mask, by) = (terms.constant(mask), terms.constant(by));
        let masked = terms.binary(Binary::And, x, mask);
        terms.binary(Binary::Shl(64), masked, by)
    };
    let upper = [
        up(u64::MAX, 56),
        up(0xff00, 40),
        up(0xff_0000, 24),
        up(0xff00_0000, 8),
    ];
    let mut down = |mask: u64, by: u64| {
        let (mask, by) = (terms.constant(mask), terms.constant(by));
        let shifted = terms.binary(Binary::ShrUnsigned, x, by);
        terms.binary(Binary::And, shifted, mask)
    };
    let lower = [
        down(0xff00_0000, 8),
        down(0xff_0000, 24),
        down(0xff00, 40),
        down(u64::MAX, 56),
    ];
    let [upper, lower] = [upper, lower].map(|[a, b, c, d]| {
        let (a, c) = (
            terms.binary(Binary::Or, a, b),
            terms.binary(Binary::Or, c, d),
        );
        terms.binary(Binary::Or, a, c)
    });
    terms.binary(Binary::Or, upper, lower)
}

/// For each byte of a term, lowest first, the number of the byte of another term that it is, from 1 on, or 0.
type Bytes = [u8; 8];

const ALL: Bytes = [1, 2, 3, 4, 5, 6, 7, 8];

/// The most parts of an "or", and the most operations in one.
const MOST_PARTS: usize = 16;
const MOST_STEPS: usize = 4;

/// The term of which this one is a choice of bytes, and the choice.
fn chosen(terms: &Terms, term: Term) -> Option<(Term, Bytes)> {
    /// How the bytes are chosen, with a number of bytes.
    enum Choice {
        Masked([u8; 8]),
        Up(usize),
        Down(usize),
        Round(usize),
    }
    let (inner, bytes, choice) = match *terms.node(term) {
        Node::Binary(Binary::And, inner, mask) => {
            let mask = terms.constant_of(mask)?.to_le_bytes();
            if mask.iter().any(|byte| !matches!(byte, 0 | 0xff)) {
                return None;
            }
            (inner, 8, Choice::Masked(mask))
        }
        Node::Sum(width, 0, ref parts) => {
            let [(inner, times)] = parts[..] else {
                return None;
            };
            if !times.is_power_of_two() || !times.trailing_zeros().is_multiple_of(8) {
                return None;
            }
            let by = times.trailing_zeros() as usize / 8;
            (inner, usize::from(width / 8), Choice::Up(by))
        }
        Node::Binary(op @ (Binary::ShrUnsigned | Binary::Rotl(_)), inner, count) => {
            let count = terms.constant_of(count)?;
            if !count.is_multiple_of(8) {
                return None;
            }
            let by = count as usize / 8;
            match op {
                Binary::Rotl(width) => (inner, usize::from(width / 8), Choice::Round(by)),
                _ => (inner, 8, Choice::Down(by)),
            }
        }
        _ => return None,
    };
    let from = |at: usize| match choice {
        Choice::Masked(mask) => (mask[at] != 0).then_some(at),
        Choice::Up(by) => at.checked_sub(by),
        Choice::Down(by) => Some(at + by),
        Choice::Round(by) => Some((at + bytes - by % bytes) % bytes),
    };
    let mut chosen = Bytes::default();
    for (at, byte) in chosen.iter_mut().enumerate().take(bytes) {
        *byte = from(at)
            .and_then(|from| ALL.get(from))
            .copied()
            .unwrap_or(0);
    }
    Some((inner, chosen))
}

/// The parts of an "or".
fn parts(terms: &Terms, term: Term, found: &mut Vec<Term>) -> Option<()> {
    match *terms.node(term) {
        Node::Binary(Binary::Or, a, b) => {
            parts(terms, a, found)?;
            parts(terms, b, found)
        }
        _ => {
            found.push(term);
            (found.len() <= MOST_PARTS).then_some(())
        }
    }
}

/// The bytes of `source` that a term is.
fn of_source(terms: &Terms, mut term: Term, source: Term) -> Option<Bytes> {
    let mut choice = ALL;
    for _ in 0..=MOST_STEPS {
        if term == source {
            // Bytes that are known to be 0 are no bytes of it.
            let bits = terms.bits(source);
            return Some(choice.map(|byte| {
                if 8 * byte.saturating_sub(1) >= bits {
                    0
                } else {
                    byte
                }
            }));
        }
        let (inner, more) = chosen(terms, term)?;
        choice = choice.map(|byte| match byte.checked_sub(1) {
            Some(at) => more[usize::from(at)],
            None => 0,
        });
        term = inner;
    }
    None
}

/// The byte swap that the "or" of two terms is.
pub fn of_or(terms: &mut Terms, a: Term, b: Term) -> Option<Term> {
    if terms.bits(a).max(terms.bits(b)) <= 24 {
        return None;
    }
    let mut all = Vec::new();
    parts(terms, a, &mut all)?;
    parts(terms, b, &mut all)?;
    let mut source = *all.first()?;
    for _ in 0..MOST_STEPS {
        (source, _) = chosen(terms, source)?;
        if let Some(op) = swap_of(terms, &all, source) {
            return Some(terms.unary(op, source));
        }
    }
    None
}

fn swap_of(terms: &Terms, parts: &[Term], source: Term) -> Option<Unary> {
    let mut together = Bytes::default();
    for &part in parts {
        let choice = of_source(terms, part, source)?;
        for (byte, more) in together.iter_mut().zip(choice) {
            *byte = match (*byte, more) {
                (byte, 0) => byte,
                (0, more) => more,
                (byte, more) if byte == more => byte,
                _ => return None,
            };
        }
    }
    let bits = terms.bits(source);
    let known = |byte: u8| if 8 * (byte - 1) >= bits { 0 } else { byte };
    let short = [4, 3, 2, 1].map(known);
    if bits <= 32 && together[..4] == short && together[4..] == [0; 4] {
        return Some(Unary::Swap32);
    }
    (together == [8, 7, 6, 5, 4, 3, 2, 1].map(known)).then_some(Unary::Swap64)
}
