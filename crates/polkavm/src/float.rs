//! Float operations by integers alone, so that they are the same on every machine that executes this code.
//!
//! IEEE 754's binary32 and binary64, round to nearest, ties to even; WebAssembly's `min` and `max`; the positive canonical
//! NaN for every NaN. A finite number is an integer with an exponent and a sign; each operation computes one that is exact
//! but for a lowest bit which says that something was left out ("sticky"), and rounds it once.

use pvf_compiler::abi::polkavm::FloatOperation;
use std::cmp::Ordering;

/// A format of floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Format {
    /// Bits of the fraction that are stored.
    fraction: u32,
    /// Bits of the exponent.
    exponent: u32,
}

const F32: Format = Format {
    fraction: 23,
    exponent: 8,
};
const F64: Format = Format {
    fraction: 52,
    exponent: 11,
};

fn format(wide: bool) -> Format {
    match wide {
        true => F64,
        false => F32,
    }
}

/// A number, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Nan,
    Infinite {
        negative: bool,
    },
    Zero {
        negative: bool,
    },
    /// `significand * 2^exponent`; the significand has as many bits as the format's precision.
    Finite {
        negative: bool,
        significand: u64,
        exponent: i32,
    },
}

impl Format {
    /// Bits of precision.
    fn precision(self) -> u32 {
        self.fraction + 1
    }

    fn bits(self) -> u32 {
        1 + self.exponent + self.fraction
    }

    /// What is subtracted from a stored exponent to get that of the lowest bit of the significand.
    fn bias(self) -> i32 {
        (1 << (self.exponent - 1)) - 1 + self.fraction as i32
    }

    /// The exponent of the lowest bit of a subnormal number.
    fn least_exponent(self) -> i32 {
        1 - self.bias()
    }

    fn highest_stored(self) -> u64 {
        (1 << self.exponent) - 1
    }

    fn sign(self, negative: bool) -> u64 {
        u64::from(negative) << (self.bits() - 1)
    }

    fn nan(self) -> u64 {
        self.infinity() | 1 << (self.fraction - 1)
    }

    fn infinity(self) -> u64 {
        self.highest_stored() << self.fraction
    }

    fn take_apart(self, bits: u64) -> Number {
        let negative = bits >> (self.bits() - 1) & 1 != 0;
        let stored = bits >> self.fraction & self.highest_stored();
        let fraction = bits & ((1 << self.fraction) - 1);
        if stored == self.highest_stored() {
            return match fraction {
                0 => Number::Infinite { negative },
                _ => Number::Nan,
            };
        }
        let (significand, exponent) = match stored {
            0 => (fraction, self.least_exponent()),
            _ => (fraction | 1 << self.fraction, stored as i32 - self.bias()),
        };
        if significand == 0 {
            return Number::Zero { negative };
        }
        let up = self.precision() - (u64::BITS - significand.leading_zeros());
        Number::Finite {
            negative,
            significand: significand << up,
            exponent: exponent - up as i32,
        }
    }

    /// The bits of `significand * 2^exponent`, rounded. The significand's lowest bit may be sticky if it has at least two
    /// bits more than the precision.
    fn round(self, negative: bool, significand: u128, exponent: i32) -> u64 {
        if significand == 0 {
            return self.sign(negative);
        }
        let length = (u128::BITS - significand.leading_zeros()) as i32;
        let dropped = (length - self.precision() as i32).max(self.least_exponent() - exponent);
        let (kept, exponent) = match dropped {
            ..=0 => (significand << -dropped, exponent + dropped),
            1..128 => {
                let rest = significand & ((1 << dropped) - 1);
                let half = 1u128 << (dropped - 1);
                let kept = significand >> dropped;
                let up = match rest.cmp(&half) {
                    Ordering::Less => false,
                    Ordering::Equal => kept & 1 != 0,
                    Ordering::Greater => true,
                };
                (kept + u128::from(up), exponent + dropped)
            }
            _ => (0, exponent + dropped),
        };
        let kept = kept as u64;
        // The implicit bit, if there is one, adds 1 to the stored exponent; so does a carry out of the rounding.
        let stored = u64::try_from(exponent - self.least_exponent()).unwrap_or(0);
        if stored >= self.highest_stored() {
            return self.sign(negative) | self.infinity();
        }
        let bits = (stored << self.fraction) + kept;
        self.sign(negative) | bits.min(self.infinity())
    }

    fn add(self, a: u64, b: u64) -> u64 {
        let (a, b) = (self.take_apart(a), self.take_apart(b));
        match (a, b) {
            (Number::Nan, _) | (_, Number::Nan) => self.nan(),
            (Number::Infinite { negative: a }, Number::Infinite { negative: b }) if a != b => {
                self.nan()
            }
            (Number::Infinite { negative }, _) | (_, Number::Infinite { negative }) => {
                self.sign(negative) | self.infinity()
            }
            (Number::Zero { negative: a }, Number::Zero { negative: b }) => self.sign(a && b),
            (Number::Zero { .. }, other) | (other, Number::Zero { .. }) => self.put(other),
            (
                Number::Finite {
                    negative: a_negative,
                    significand: a,
                    exponent: a_exponent,
                },
                Number::Finite {
                    negative: b_negative,
                    significand: b,
                    exponent: b_exponent,
                },
            ) => {
                let first = (a_negative, a, a_exponent);
                let second = (b_negative, b, b_exponent);
                // The larger one first: significands have the same length.
                let ((sign, large, exponent), (other, small, lower)) =
                    match (a_exponent, a) >= (b_exponent, b) {
                        true => (first, second),
                        false => (second, first),
                    };
                const ROOM: i32 = 64;
                let large = u128::from(large) << ROOM;
                let small = shift_right(u128::from(small) << ROOM, (exponent - lower) as u32);
                match sign == other {
                    true => self.round(sign, large + small, exponent - ROOM),
                    // An exact zero is positive.
                    false if large == small => 0,
                    false => self.round(sign, large - small, exponent - ROOM),
                }
            }
        }
    }

    /// The bits of a number of this format.
    fn put(self, number: Number) -> u64 {
        match number {
            Number::Nan => self.nan(),
            Number::Infinite { negative } => self.sign(negative) | self.infinity(),
            Number::Zero { negative } => self.sign(negative),
            Number::Finite {
                negative,
                significand,
                exponent,
            } => self.round(negative, significand.into(), exponent),
        }
    }

    fn multiply(self, a: u64, b: u64) -> u64 {
        let (a, b) = (self.take_apart(a), self.take_apart(b));
        let negative = a.negative() != b.negative();
        match (a, b) {
            (Number::Nan, _)
            | (_, Number::Nan)
            | (Number::Infinite { .. }, Number::Zero { .. })
            | (Number::Zero { .. }, Number::Infinite { .. }) => self.nan(),
            (Number::Infinite { .. }, _) | (_, Number::Infinite { .. }) => {
                self.sign(negative) | self.infinity()
            }
            (Number::Zero { .. }, _) | (_, Number::Zero { .. }) => self.sign(negative),
            (
                Number::Finite {
                    significand: a,
                    exponent: a_exponent,
                    ..
                },
                Number::Finite {
                    significand: b,
                    exponent: b_exponent,
                    ..
                },
            ) => self.round(
                negative,
                u128::from(a) * u128::from(b),
                a_exponent + b_exponent,
            ),
        }
    }

    fn divide(self, a: u64, b: u64) -> u64 {
        let (a, b) = (self.take_apart(a), self.take_apart(b));
        let negative = a.negative() != b.negative();
        match (a, b) {
            (Number::Nan, _)
            | (_, Number::Nan)
            | (Number::Infinite { .. }, Number::Infinite { .. })
            | (Number::Zero { .. }, Number::Zero { .. }) => self.nan(),
            (Number::Infinite { .. }, _) | (_, Number::Zero { .. }) => {
                self.sign(negative) | self.infinity()
            }
            (Number::Zero { .. }, _) | (_, Number::Infinite { .. }) => self.sign(negative),
            (
                Number::Finite {
                    significand: a,
                    exponent: a_exponent,
                    ..
                },
                Number::Finite {
                    significand: b,
                    exponent: b_exponent,
                    ..
                },
            ) => {
                const ROOM: i32 = 64;
                let (a, b) = (u128::from(a) << ROOM, u128::from(b));
                let sticky = u128::from(a % b != 0);
                self.round(negative, (a / b) | sticky, a_exponent - b_exponent - ROOM)
            }
        }
    }

    fn square_root(self, a: u64) -> u64 {
        match self.take_apart(a) {
            Number::Zero { negative } => self.sign(negative),
            Number::Infinite { negative: false } => self.infinity(),
            Number::Finite {
                negative: false,
                significand,
                exponent,
            } => {
                // The exponent of the square is even, and the root has more bits than the precision.
                let room = 64 + (exponent & 1);
                let square = u128::from(significand) << room;
                let root = square.isqrt();
                let sticky = u128::from(root * root != square);
                // Sticky below the root's own bits.
                self.round(false, root << 1 | sticky, (exponent - room) / 2 - 1)
            }
            _ => self.nan(),
        }
    }

    fn minimum(self, a: u64, b: u64, maximum: bool) -> u64 {
        let (left, right) = (self.take_apart(a), self.take_apart(b));
        match self.order(left, right) {
            None => self.nan(),
            // Zeros of both signs are equal: the minimum has either's sign.
            Some(Ordering::Equal) if maximum => a & b,
            Some(Ordering::Equal) => a | b,
            Some(Ordering::Less) if maximum => b,
            Some(Ordering::Greater) if !maximum => b,
            Some(_) => a,
        }
    }

    fn order(self, a: Number, b: Number) -> Option<Ordering> {
        if a == Number::Nan || b == Number::Nan {
            return None;
        }
        Some(a.key().cmp(&b.key()))
    }

    /// Rounds to an integral number.
    fn round_to_integral(self, bits: u64, rounding: Rounding) -> u64 {
        let Number::Finite {
            negative,
            significand,
            exponent,
        } = self.take_apart(bits)
        else {
            return self.put(self.take_apart(bits));
        };
        if exponent >= 0 {
            return bits;
        }
        let below = (-exponent) as u32;
        let (whole, rest, half) = match below {
            0..64 => (
                significand >> below,
                significand & ((1 << below) - 1),
                1u64 << (below - 1),
            ),
            // More than a half is impossible: the significand has fewer bits.
            _ => (0, significand, u64::MAX),
        };
        let up = match rounding {
            Rounding::Trunc => false,
            Rounding::Ceil => !negative && rest != 0,
            Rounding::Floor => negative && rest != 0,
            Rounding::Nearest => rest > half || rest == half && whole & 1 != 0,
        };
        self.round(negative, u128::from(whole + u64::from(up)), 0)
    }
}

enum Rounding {
    Ceil,
    Floor,
    Trunc,
    Nearest,
}

/// Shifts to the right; the lowest bit of the result is 1 if a 1 was shifted out.
fn shift_right(value: u128, by: u32) -> u128 {
    match by {
        0 => value,
        1..128 => value >> by | u128::from(value & ((1 << by) - 1) != 0),
        _ => u128::from(value != 0),
    }
}

impl Number {
    fn negative(self) -> bool {
        match self {
            Self::Nan => false,
            Self::Infinite { negative }
            | Self::Zero { negative }
            | Self::Finite { negative, .. } => negative,
        }
    }

    /// Orders numbers of one format that are not NaN.
    fn key(self) -> (i32, i32, i64) {
        let sign = |negative: bool| if negative { -1 } else { 1 };
        match self {
            Self::Nan | Self::Zero { .. } => (0, 0, 0),
            Self::Infinite { negative } => (2 * sign(negative), 0, 0),
            Self::Finite {
                negative,
                significand,
                exponent,
            } => {
                let sign = sign(negative);
                let significand = significand as i64;
                (sign, sign * exponent, i64::from(sign) * significand)
            }
        }
    }

    /// The integer towards zero, saturating far beyond 64 bits. `None` for a NaN.
    fn truncated(self) -> Option<i128> {
        const BEYOND: i128 = 1 << 100;
        let signed = |negative, value: i128| if negative { -value } else { value };
        Some(match self {
            Self::Nan => return None,
            Self::Zero { .. } => 0,
            Self::Infinite { negative } => signed(negative, BEYOND),
            Self::Finite {
                negative,
                significand,
                exponent,
            } => {
                let value = match exponent {
                    ..=-64 => 0,
                    -63..0 => i128::from(significand >> -exponent),
                    0..70 => i128::from(significand) << exponent,
                    70.. => BEYOND,
                };
                signed(negative, value)
            }
        })
    }
}

/// Does an operation of code on `f64` (`wide`) or `f32`. Returns what `t0` and, where it has a meaning, `t1` become.
pub(crate) fn operate(operation: FloatOperation, wide: bool, a: u64, b: u64) -> (u64, Option<u64>) {
    let of = format(wide);
    let result = match operation {
        FloatOperation::Add => of.add(a, b),
        FloatOperation::Sub => of.add(a, b ^ of.sign(true)),
        FloatOperation::Mul => of.multiply(a, b),
        FloatOperation::Div => of.divide(a, b),
        FloatOperation::Min => of.minimum(a, b, false),
        FloatOperation::Max => of.minimum(a, b, true),
        FloatOperation::Sqrt => of.square_root(a),
        FloatOperation::Ceil => of.round_to_integral(a, Rounding::Ceil),
        FloatOperation::Floor => of.round_to_integral(a, Rounding::Floor),
        FloatOperation::Trunc => of.round_to_integral(a, Rounding::Trunc),
        FloatOperation::Nearest => of.round_to_integral(a, Rounding::Nearest),
        FloatOperation::Compare => match of.order(of.take_apart(a), of.take_apart(b)) {
            None => 0,
            Some(Ordering::Less) => 1,
            Some(Ordering::Equal) => 2,
            Some(Ordering::Greater) => 3,
        },
        FloatOperation::ToI32 => return truncate(of, a, I32_RANGE),
        FloatOperation::ToU32 => return truncate(of, a, U32_RANGE),
        FloatOperation::ToI64 => return truncate(of, a, I64_RANGE),
        FloatOperation::ToU64 => return truncate(of, a, U64_RANGE),
        FloatOperation::ToI32Saturating => saturate(of, a, I32_RANGE),
        FloatOperation::ToU32Saturating => saturate(of, a, U32_RANGE),
        FloatOperation::ToI64Saturating => saturate(of, a, I64_RANGE),
        FloatOperation::ToU64Saturating => saturate(of, a, U64_RANGE),
        FloatOperation::FromI32 => {
            let value = a as i32;
            of.round(value < 0, value.unsigned_abs().into(), 0)
        }
        FloatOperation::FromU32 => of.round(false, (a as u32).into(), 0),
        FloatOperation::FromI64 => {
            let value = a as i64;
            of.round(value < 0, value.unsigned_abs().into(), 0)
        }
        FloatOperation::FromU64 => of.round(false, a.into(), 0),
        FloatOperation::Convert => format(!wide).put(of.take_apart(a)),
    };
    (result, None)
}

/// The least and greatest number of an integer type, and whether it is one of 32 bits.
type Range = (i128, i128, bool);
const I32_RANGE: Range = (i32::MIN as i128, i32::MAX as i128, true);
const U32_RANGE: Range = (0, u32::MAX as i128, true);
const I64_RANGE: Range = (i64::MIN as i128, i64::MAX as i128, false);
const U64_RANGE: Range = (0, u64::MAX as i128, false);

/// An integer in a register: one of 32 bits is sign-extended.
fn in_register(value: i128, (.., narrow): Range) -> u64 {
    match narrow {
        true => value as i32 as u64,
        false => value as u64,
    }
}

fn truncate(of: Format, bits: u64, range: Range) -> (u64, Option<u64>) {
    match of.take_apart(bits).truncated() {
        None => (0, Some(1)),
        Some(value) if value < range.0 || value > range.1 => (0, Some(2)),
        Some(value) => (in_register(value, range), Some(0)),
    }
}

fn saturate(of: Format, bits: u64, range: Range) -> u64 {
    let value = of.take_apart(bits).truncated().unwrap_or(0);
    in_register(value.clamp(range.0, range.1), range)
}

#[cfg(test)]
mod tests;
