//! The ranges of floats that can be truncated to integers.

use super::masm::Width;

/// The range that a truncation accepts: `low < x` (or `low <= x`) and `x < high`.
pub(super) struct Range {
    low: f64,
    pub low_included: bool,
    high: f64,
}

/// The range of `from`-floats whose truncation fits the integer. The bounds are exact in
/// `from`.
pub(super) fn range(from: Width, to: Width, signed: bool) -> Range {
    let two = |exponent| f64::powi(2.0, exponent);
    match (to, signed) {
        (Width::W32, true) if from == Width::W64 => Range {
            low: -two(31) - 1.0,
            low_included: false,
            high: two(31),
        },
        (Width::W32, true) => Range {
            low: -two(31),
            low_included: true,
            high: two(31),
        },
        (Width::W64, true) => Range {
            low: -two(63),
            low_included: true,
            high: two(63),
        },
        (Width::W32, false) => Range {
            low: -1.0,
            low_included: false,
            high: two(32),
        },
        (Width::W64, false) => Range {
            low: -1.0,
            low_included: false,
            high: two(64),
        },
    }
}

impl Range {
    /// The lower bound's bits.
    pub fn low_bits(&self, from: Width) -> u64 {
        bits_of(from, self.low)
    }

    /// The upper bound's bits.
    pub fn high_bits(&self, from: Width) -> u64 {
        bits_of(from, self.high)
    }
}

/// The bits of a number that is exact at this width.
pub(super) fn bits_of(width: Width, value: f64) -> u64 {
    match width {
        Width::W32 => u64::from((value as f32).to_bits()),
        Width::W64 => value.to_bits(),
    }
}
