//! Division by a constant as multiplication, addition and shift.
//!
//! Source: T. Granlund, P. Montgomery, "Division by Invariant Integers using Multiplication" (1994); H. Warren,
//! "Hacker's Delight", chapter 10. For a divisor `d` and numbers of `N` bits a multiplier `m = floor(2^p / d) + 1`
//! gives `n / d = n * m >> p` for all `n` as long as its excess `m * d - 2^p` is small enough.

use crate::operation::Width;

/// How to divide unsigned numbers by a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsigned {
    /// Shift right.
    Shift(u8),
    /// The high half of the product with a multiplier, shifted right.
    Multiply(u64, u8),
    /// Shift right by the first number, then as `Multiply`. An even divisor's factor of two is taken out first, so that
    /// the number has fewer bits, and a multiplier of the width is exact enough.
    ShiftMultiply(u8, u64, u8),
    /// Like `Multiply`, with a multiplier that has one more bit, which is set: the number is added once more to the
    /// high half, in a sum of one more bit, before the shift.
    MultiplyAdd(u64, u8),
}

/// How to divide signed numbers, rounding towards zero, by a constant's magnitude; a negative divisor's
/// quotient is then negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    /// Add `2^k - 1` to negative numbers, shift right by `k`.
    Shift(u8),
    /// The high half of the product with a multiplier, whose top bit is set, shifted right; plus 1 for
    /// negative numbers.
    Multiply(u64, u8),
}

/// `floor(2^power / divisor) + 1` and how much its product with the divisor is above `2^power`.
fn multiplier(power: u32, divisor: u64) -> (u128, u128) {
    let divisor = u128::from(divisor);
    let quotient = (1u128 << power) / divisor;
    (quotient + 1, (quotient + 1) * divisor - (1u128 << power))
}

/// The multiplier, which fits in the width, and the shift for a divisor, if there is one that serves all numbers whose
/// highest `fewer` bits are 0. With a shift of 0 the high half would be the quotient, but in [`Unsigned::MultiplyAdd`] the
/// same product is only a part; the value checker tells them apart by the shift.
fn short_multiplier(width: Width, divisor: u64, fewer: u32) -> Option<(u64, u8)> {
    let bits = width.bits();
    let ceil_log = u64::BITS - divisor.leading_zeros();
    (fewer.min(1)..ceil_log).find_map(|shift| {
        let (multiplier, excess) = multiplier(bits + shift, divisor);
        let exact = excess <= 1 << (shift + fewer) && multiplier >> bits == 0;
        exact.then_some((multiplier as u64, shift as u8))
    })
}

/// For a divisor above 0 that has no more bits than the width.
pub(crate) fn unsigned(width: Width, divisor: u64) -> Unsigned {
    if divisor.is_power_of_two() {
        return Unsigned::Shift(divisor.trailing_zeros() as u8);
    }
    if let Some((multiplier, shift)) = short_multiplier(width, divisor, 0) {
        return Unsigned::Multiply(multiplier, shift);
    }
    let first = divisor.trailing_zeros();
    // With 32 bits, the other way takes as many instructions.
    if width == Width::W64
        && first != 0
        && let Some((multiplier, shift)) = short_multiplier(width, divisor >> first, first)
    {
        return Unsigned::ShiftMultiply(first as u8, multiplier, shift);
    }
    let bits = width.bits();
    let ceil_log = u64::BITS - divisor.leading_zeros();
    // 2^(bits + ceil_log) / divisor has one bit more than fit: its lower bits alone.
    let rest = (1u128 << ceil_log) - u128::from(divisor);
    let lower = (rest << bits) / u128::from(divisor) + 1;
    Unsigned::MultiplyAdd(lower as u64, ceil_log as u8)
}

/// For a magnitude above 1 that has no more bits than the width.
pub(crate) fn signed(width: Width, magnitude: u64) -> Signed {
    if magnitude.is_power_of_two() {
        return Signed::Shift(magnitude.trailing_zeros() as u8);
    }
    let ceil_log = u64::BITS - magnitude.leading_zeros();
    let (multiplier, _) = multiplier(width.bits() - 1 + ceil_log, magnitude);
    Signed::Multiply(multiplier as u64, ceil_log as u8 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn divide_unsigned(width: Width, n: u64, d: u64) -> u64 {
        let high = |multiplier: u64| (u128::from(n) * u128::from(multiplier)) >> width.bits();
        let quotient = match unsigned(width, d) {
            Unsigned::Shift(shift) => u128::from(n) >> shift,
            Unsigned::Multiply(multiplier, shift) => high(multiplier) >> shift,
            Unsigned::ShiftMultiply(first, multiplier, shift) => {
                (u128::from(n >> first) * u128::from(multiplier)) >> width.bits() >> shift
            }
            Unsigned::MultiplyAdd(multiplier, shift) => (high(multiplier) + u128::from(n)) >> shift,
        };
        quotient as u64
    }

    fn divide_signed(width: Width, n: i64, magnitude: u64) -> i64 {
        match signed(width, magnitude) {
            Signed::Shift(shift) => {
                let bias = if n < 0 { (1i128 << shift) - 1 } else { 0 };
                ((i128::from(n) + bias) >> shift) as i64
            }
            Signed::Multiply(multiplier, shift) => {
                assert!(multiplier >> (width.bits() - 1) == 1, "the top bit is set");
                let high = (i128::from(n) * i128::from(multiplier)) >> width.bits();
                (high >> shift) as i64 + i64::from(n < 0)
            }
        }
    }

    /// Numbers around powers of two, and around multiples of the divisor.
    fn hard(width: Width, d: u64) -> Vec<u64> {
        let max = u64::MAX >> (64 - width.bits());
        let mut numbers = vec![0, 1, 2, max, max - 1, max / 2, max / 2 + 1, max / 2 + 2];
        for shift in 0..width.bits() {
            numbers.extend([(1 << shift) - 1, 1 << shift, (1 << shift) + 1]);
        }
        for base in [d, max / d * d, (max / d / 2) * d] {
            numbers.extend([base, base.wrapping_sub(1), base.wrapping_add(1)]);
        }
        numbers.retain(|&number| number <= max);
        numbers
    }

    fn check(width: Width, d: u64, n: u64) {
        assert_eq!(divide_unsigned(width, n, d), n / d, "{n} / {d}, {width:?}");
        let n = match width {
            Width::W32 => i64::from(n as u32 as i32),
            Width::W64 => n as i64,
        };
        if d > 1 && d <= 1 << (width.bits() - 1) {
            let expected = (i128::from(n) / i128::from(d)) as i64;
            assert_eq!(divide_signed(width, n, d), expected, "{n} / {d}, {width:?}");
        }
    }

    #[test]
    fn divides_hard_numbers_by_hard_divisors() {
        for width in [Width::W32, Width::W64] {
            let divisors = hard(width, 641).into_iter().chain(1..=1000);
            for d in divisors.filter(|&d| d > 0) {
                for n in hard(width, d) {
                    check(width, d, n);
                }
            }
        }
    }

    #[test]
    fn even_divisors_of_64_bits_need_no_longer_multiplier() {
        for divisor in [14, 28, 100_000, 1_000_000_000_000] {
            let found = unsigned(Width::W64, divisor);
            assert!(
                !matches!(found, Unsigned::MultiplyAdd(..)),
                "{divisor}: {found:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn divides_any_number_by_any_divisor(n: u64, d: u64, small in 0..64u32) {
            let d = (d >> small).max(1);
            check(Width::W64, d, n);
            check(Width::W32, u64::from(d as u32).max(1), u64::from(n as u32));
        }
    }
}
