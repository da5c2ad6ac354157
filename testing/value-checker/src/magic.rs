//! Divisions by constants, recognised in the products, sums and shifts that machines do instead.
//!
//! With `e = m * d - 2^k`: for all `n` below `2^N`, `floor(n * m / 2^k) = floor(n / d)` if `0 <= e` and
//! `e <= 2^(k - N)`. For signed `n` of `N` bits, `floor(n * m / 2^k) + (n < 0) = trunc(n / d)` if `0 < e` and
//! `e <= 2^(k - N + 1)`. (T. Granlund, P. Montgomery, 1994.) So `d` follows from `m` and `k`, and nothing is
//! believed: the inequality is checked here.

use crate::term::{Binary, Node, Term, Terms, Unary};

/// The divisor of an unsigned division by multiplication, if it is one.
fn unsigned(n_bits: u32, multiplier: u128, k: u32) -> Option<u64> {
    if multiplier == 0 || k < n_bits || k >= 128 {
        return None;
    }
    let divisor = (1u128 << k).div_ceil(multiplier);
    let excess = multiplier.checked_mul(divisor)? - (1u128 << k);
    (divisor > 1 && excess <= 1u128 << (k - n_bits)).then_some(())?;
    u64::try_from(divisor).ok()
}

/// The magnitude of a signed division by multiplication.
fn signed(n_bits: u32, multiplier: u128, k: u32) -> Option<u64> {
    if multiplier == 0 || k < n_bits || k >= 127 {
        return None;
    }
    let divisor = (1u128 << k) / multiplier + 1;
    let excess = multiplier.checked_mul(divisor)? - (1u128 << k);
    (divisor > 1 && excess > 0 && excess <= 1u128 << (k - n_bits + 1)).then_some(())?;
    u64::try_from(divisor).ok()
}

/// A product with a constant in 64 bits: what is multiplied, and by what.
fn product(terms: &Terms, x: Term) -> Option<(Term, u64)> {
    match terms.node(x) {
        Node::Sum(64, 0, parts) => match parts[..] {
            [(n, times)] => Some((n, times)),
            _ => None,
        },
        _ => None,
    }
}

fn quotient(terms: &mut Terms, n: Term, divisor: u64) -> Term {
    let divisor = terms.constant(divisor);
    terms.binary(Binary::DivUnsigned, n, divisor)
}

/// The right shift of a term by a constant above 0.
pub fn of_shift(terms: &mut Terms, a: Term, count: u8) -> Option<Term> {
    let count = u32::from(count);
    if let Some((n, times)) = product(terms, a) {
        let bits = u32::from(terms.bits(n));
        // The product must not overflow.
        if bits <= 32 && times <= u64::from(u32::MAX) && !times.is_power_of_two() {
            let divisor = unsigned(32, times.into(), count)?;
            return Some(quotient(terms, n, divisor));
        }
        return None;
    }
    match terms.node(a).clone() {
        Node::Binary(Binary::HighUnsigned, n, times) => {
            let times = terms.constant_of(times)?;
            let divisor = unsigned(64, times.into(), 64 + count)?;
            Some(quotient(terms, n, divisor))
        }
        Node::Sum(64, 0, parts) => {
            let [(p, 1), (q, 1)] = parts[..] else {
                return None;
            };
            of_long_multiplier(terms, p, q, count).or_else(|| of_long_multiplier(terms, q, p, count))
        }
        _ => None,
    }
}

/// A multiplier that has one bit more than the number.
fn of_long_multiplier(terms: &mut Terms, high: Term, other: Term, count: u32) -> Option<Term> {
    match terms.node(high).clone() {
        // (n * m >> 32) + n, in 33 bits.
        Node::Binary(Binary::ShrUnsigned, inner, by) => {
            let (n, times) = product(terms, inner)?;
            let fits = terms.bits(n) <= 32 && times <= u64::from(u32::MAX);
            if n != other || terms.constant_of(by) != Some(32) || !fits {
                return None;
            }
            let divisor = unsigned(32, u128::from(times) + (1 << 32), 32 + count)?;
            Some(quotient(terms, n, divisor))
        }
        // The high half h, and half of n - h.
        Node::Binary(Binary::HighUnsigned, n, times) => {
            let times = terms.constant_of(times)?;
            let rest = terms.sub(64, n, high);
            if terms.shift_right(rest, 1) != other {
                return None;
            }
            let divisor = unsigned(64, u128::from(times) + (1 << 64), 64 + 1 + count)?;
            Some(quotient(terms, n, divisor))
        }
        _ => None,
    }
}

/// The high half of a product by a constant: a division if no shift follows.
pub fn of_high(terms: &mut Terms, n: Term, times: Term) -> Option<Term> {
    let times = terms.constant_of(times).filter(|it| !it.is_power_of_two())?;
    let divisor = unsigned(64, times.into(), 64)?;
    Some(quotient(terms, n, divisor))
}

/// A right shift with signs by a constant: a division by a power of two if the bias was added.
pub fn of_signed_shift(terms: &mut Terms, width: u8, a: Term, count: u64) -> Option<Term> {
    let Node::Sum(sum_width, 0, parts) = terms.node(a).clone() else {
        return None;
    };
    let [(p, 1), (q, 1)] = parts[..] else {
        return None;
    };
    if sum_width != width {
        return None;
    }
    for (n, bias) in [(p, q), (q, p)] {
        let shift = terms.constant(u64::from(width) - 1);
        let sign = terms.binary(Binary::ShrSigned(width), n, shift);
        let expected = terms.shift_right(sign, width - count as u8);
        if expected == bias {
            return Some(terms.found_signed_quotient(width, n, 1 << count));
        }
    }
    None
}

/// A sum: the quotient of a signed division if it adds 1 to the shifted product of a negative number.
pub fn of_sum(
    terms: &mut Terms,
    width: u8,
    constant: u64,
    parts: &[(Term, u64)],
) -> Option<Term> {
    if constant != 0 || !(2..=3).contains(&parts.len()) || parts.iter().any(|it| it.1 != 1) {
        return None;
    }
    match width {
        32 => {
            let [(p, _), (q, _)] = *parts else {
                return None;
            };
            signed_32(terms, p, q).or_else(|| signed_32(terms, q, p))
        }
        _ => signed_64(terms, parts),
    }
}

fn signed_32(terms: &mut Terms, shifted: Term, sign: Term) -> Option<Term> {
    // The low half of a shifted product.
    let Node::Binary(Binary::And, inner, low) = *terms.node(shifted) else {
        return None;
    };
    let Node::Binary(Binary::ShrSigned(64), of, by) = *terms.node(inner) else {
        return None;
    };
    if terms.constant_of(low) != Some(u64::from(u32::MAX)) {
        return None;
    }
    let (extended, times) = product(terms, of)?;
    let Node::Unary(Unary::Extend32, n) = *terms.node(extended) else {
        return None;
    };
    if terms.shift_right(of, 63) != sign || times > u64::from(u32::MAX) {
        return None;
    }
    let k = terms.constant_of(by)? as u32;
    let magnitude = signed(32, times.into(), k)?;
    Some(terms.found_signed_quotient(32, n, magnitude))
}

fn signed_64(terms: &mut Terms, parts: &[(Term, u64)]) -> Option<Term> {
    // The high half lacks 2^64 times the number, which was added.
    let of_high = |terms: &Terms, x: Term| match *terms.node(x) {
        Node::Binary(Binary::HighSigned, n, times) => {
            let times = terms.constant_of(times)?;
            (times >> 63 == 1).then_some((n, times))
        }
        _ => None,
    };
    match *parts {
        [(p, _), (q, _)] => {
            for (shifted, sign) in [(p, q), (q, p)] {
                let Node::Binary(Binary::ShrSigned(64), of, by) = *terms.node(shifted) else {
                    continue;
                };
                let Node::Sum(64, 0, inner) = terms.node(of).clone() else {
                    continue;
                };
                let [(a, 1), (b, 1)] = inner[..] else {
                    continue;
                };
                for (high, number) in [(a, b), (b, a)] {
                    let Some((n, times)) = of_high(terms, high) else {
                        continue;
                    };
                    if n != number || terms.shift_right(n, 63) != sign {
                        continue;
                    }
                    let k = 64 + terms.constant_of(by)? as u32;
                    let magnitude = signed(64, times.into(), k)?;
                    return Some(terms.found_signed_quotient(64, n, magnitude));
                }
            }
            None
        }
        [(a, _), (b, _), (c, _)] => {
            for high in [a, b, c] {
                let Some((n, times)) = of_high(terms, high) else {
                    continue;
                };
                let sign = terms.shift_right(n, 63);
                let mut expected = [high, n, sign];
                expected.sort_unstable();
                if expected == [a, b, c] {
                    let magnitude = signed(64, times.into(), 64)?;
                    return Some(terms.found_signed_quotient(64, n, magnitude));
                }
            }
            None
        }
        _ => None,
    }
}
