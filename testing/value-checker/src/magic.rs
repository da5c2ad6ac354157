//! Divisions by constants, recognised in the products, sums and shifts that machines do instead.
//!
//! With `e = m * d - 2^k`: for all `n` below `2^N`, `floor(n * m / 2^k) = floor(n / d)` if `0 <= e` and
//! `e <= 2^(k - N)`. For signed `n` of `N` bits, `floor(n * m / 2^k) + (n < 0) = trunc(n / d)` if `0 < e` and
//! `e <= 2^(k - N + 1)`. (T. Granlund, P. Montgomery, 1994.) So `d` follows from `m` and `k`, and nothing is
//! believed: the inequality is checked here.

use crate::term::{Binary, Node, Term, Terms, Unary};

/// The divisor of an unsigned division by multiplication, if it is one.
fn unsigned(n_bits: u32, multiplier: u128, k: u32) -> Option<u64> {
    if multiplier < 2 || k < n_bits || k > 128 {
        return None;
    }
    // 2^128 is 0 here, and differences from it are right all the same.
    let power = 1u128.checked_shl(k).unwrap_or(0);
    let divisor = power.wrapping_sub(1) / multiplier + 1;
    let excess = multiplier.wrapping_mul(divisor).wrapping_sub(power);
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
            let bits = terms.bits(n).into();
            let divisor = unsigned(bits, times.into(), 64 + count)?;
            Some(quotient(terms, n, divisor))
        }
        Node::Sum(_, _, parts) => parts
            .iter()
            .filter(|it| it.1 == 1)
            .find_map(|&(part, _)| of_long_multiplier(terms, a, part, count)),
        _ => None,
    }
}

/// A multiplier that has one bit more than the number: the sum has the high half of the product as a part.
fn of_long_multiplier(terms: &mut Terms, sum: Term, high: Term, count: u32) -> Option<Term> {
    match *terms.node(high) {
        // (n * m >> 32) + n, in 33 bits.
        Node::Binary(Binary::ShrUnsigned, inner, by) => {
            let (n, times) = product(terms, inner)?;
            let fits = terms.bits(n) <= 32 && times <= u64::from(u32::MAX);
            let whole = terms.constant_of(by) == Some(32) && terms.add(64, high, n) == sum;
            if !whole || !fits {
                return None;
            }
            let divisor = unsigned(32, u128::from(times) + (1 << 32), 32 + count)?;
            Some(quotient(terms, n, divisor))
        }
        // The high half h, and half of n - h.
        Node::Binary(Binary::HighUnsigned, n, times) => {
            let times = terms.constant_of(times)?;
            let rest = terms.sub(64, n, high);
            let half = terms.shift_right(rest, 1);
            if terms.add(64, high, half) != sum {
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
    let times = terms
        .constant_of(times)
        .filter(|it| !it.is_power_of_two())?;
    let divisor = unsigned(64, times.into(), 64)?;
    Some(quotient(terms, n, divisor))
}

/// A right shift with signs by a constant: a division by a power of two if the bias was added.
pub fn of_signed_shift(terms: &mut Terms, width: u8, a: Term, count: u64) -> Option<Term> {
    let Node::Sum(sum_width, _, parts) = terms.node(a).clone() else {
        return None;
    };
    if sum_width != width {
        return None;
    }
    for (bias, _) in parts.iter().filter(|it| it.1 == 1) {
        let n = terms.sub(width, a, *bias);
        let shift = terms.constant(u64::from(width) - 1);
        let sign = terms.binary(Binary::ShrSigned(width), n, shift);
        if terms.shift_right(sign, width - count as u8) == *bias {
            return Some(terms.found_signed_quotient(width, n, 1 << count));
        }
    }
    None
}

/// A sum: the quotient of a signed division if it adds 1 to the shifted product of a negative number.
pub fn of_sum(terms: &mut Terms, width: u8, constant: u64, parts: &[(Term, u64)]) -> Option<Term> {
    match width {
        32 => match *parts {
            [(p, 1), (q, 1)] if constant == 0 => {
                signed_32(terms, p, q).or_else(|| signed_32(terms, q, p))
            }
            _ => None,
        },
        _ => parts
            .iter()
            .filter(|it| it.1 == 1)
            .find_map(|&(part, _)| signed_64(terms, constant, parts, part)),
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

/// The high half of a product with a multiplier whose top bit was taken for a sign: what was multiplied, and by what.
fn high_signed(terms: &Terms, x: Term) -> Option<(Term, u64)> {
    match *terms.node(x) {
        Node::Binary(Binary::HighSigned, n, times) => {
            let times = terms.constant_of(times)?;
            (times >> 63 == 1).then_some((n, times))
        }
        _ => None,
    }
}

/// `part` is the product, shifted or not.
fn signed_64(terms: &mut Terms, constant: u64, parts: &[(Term, u64)], part: Term) -> Option<Term> {
    let is_whole = |terms: &mut Terms, expected: &[(Term, u64)]| {
        let (whole, flat) = terms.flatten(64, 0, expected);
        whole == constant && flat == parts
    };
    if let Some((n, times)) = high_signed(terms, part) {
        let sign = terms.shift_right(n, 63);
        // The high half lacks 2^64 times the number, which was added.
        if !is_whole(terms, &[(part, 1), (n, 1), (sign, 1)]) {
            return None;
        }
        let magnitude = signed(64, times.into(), 64)?;
        return Some(terms.found_signed_quotient(64, n, magnitude));
    }
    let Node::Binary(Binary::ShrSigned(64), of, by) = *terms.node(part) else {
        return None;
    };
    let Node::Sum(64, inner_constant, inner) = terms.node(of).clone() else {
        return None;
    };
    for &(high, _) in inner.iter().filter(|it| it.1 == 1) {
        let Some((n, times)) = high_signed(terms, high) else {
            continue;
        };
        let sign = terms.shift_right(n, 63);
        let added = terms.flatten(64, 0, &[(high, 1), (n, 1)]);
        if added == (inner_constant, inner.to_vec()) && is_whole(terms, &[(part, 1), (sign, 1)]) {
            let k = 64 + terms.constant_of(by)? as u32;
            let magnitude = signed(64, times.into(), k)?;
            return Some(terms.found_signed_quotient(64, n, magnitude));
        }
    }
    None
}
