//! Immediates that fit into an instruction: each type's constructor says whether
//! a value has an encoding, and the value it made is proof that it has.

use super::Size;

/// An immediate of [`Arith`](super::Arith): twelve bits, or twelve bits above
/// twelve zeros.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Hash)]
pub struct Imm12(u32);

impl Imm12 {
    /// The immediate, if `value` has one.
    #[inline]
    pub const fn new(value: u64) -> Option<Self> {
        if value < 1 << 12 {
            Some(Self(value as u32))
        } else if value < 1 << 24 && value & 0xFFF == 0 {
            Some(Self(1 << 12 | (value >> 12) as u32))
        } else {
            None
        }
    }

    /// The immediate with this value of twelve bits; more are cut off.
    #[inline(always)]
    pub const fn low(value: u32) -> Self {
        debug_assert!(value < 1 << 12, "an immediate of twelve bits");
        Self(value & 0xFFF)
    }

    /// The value it stands for.
    pub const fn value(self) -> u64 {
        ((self.0 & 0xFFF) << (12 * (self.0 >> 12))) as u64
    }

    /// The instruction's `sh` and `imm12` fields.
    #[inline(always)]
    pub(super) const fn bits(self) -> u32 {
        self.0 << 10
    }
}

/// An immediate of [`Logic`](super::Logic): an element of 2, 4, 8, 16, 32 or 64
/// bits, repeated over the register; in the element, one run of ones, neither
/// none nor all, that may wrap around.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Hash)]
pub struct LogicalImm {
    /// The instruction's `N`, `immr` and `imms` fields.
    fields: u32,
    size: Size,
}

impl LogicalImm {
    /// The immediate for operations of this size, if `value` has one. A value
    /// of 32 bits is zero-extended; with other upper bits it has none.
    #[inline]
    pub const fn new(value: u64, size: Size) -> Option<Self> {
        let value = match size {
            Size::S64 => value,
            Size::S32 if value >> 32 == 0 => value << 32 | value,
            Size::S32 => return None,
        };
        if value == 0 || value == u64::MAX {
            return None;
        }
        let mut width = 64;
        while width > 2 {
            let half = width / 2;
            let mask = (1 << half) - 1;
            if value & mask != value >> half & mask {
                break;
            }
            width = half;
        }
        let mask = u64::MAX >> (64 - width);
        let element = value & mask;
        // Turned right by `start`, the ones begin at bit 0.
        let start = if element & 1 == 0 {
            element.trailing_zeros()
        } else {
            let zeros = !element & mask;
            (64 - zeros.leading_zeros()) % width
        };
        let turned = (element >> start | element << ((width - start) % width)) & mask;
        if turned & turned.wrapping_add(1) != 0 {
            return None;
        }
        let ones = turned.count_ones();
        let immr = (width - start) % width;
        // The ones above the element's count of ones tell its width.
        let imms = (!(2 * width - 1) & 0x3F) | (ones - 1);
        let n = (width == 64) as u32;
        Some(Self {
            fields: n << 12 | immr << 6 | imms,
            size,
        })
    }

    /// The value it stands for, zero-extended.
    pub const fn value(self) -> u64 {
        let (n, immr, imms) = (self.fields >> 12, self.fields >> 6 & 63, self.fields & 63);
        let width = 1 << (31 - (n << 6 | !imms & 63).leading_zeros());
        let ones = (imms & (width - 1)) + 1;
        let run = (1 << ones) - 1;
        let mask = u64::MAX >> (64 - width);
        let turned = (run >> immr | run << ((width - immr) % width)) & mask;
        let mut value = turned;
        let mut filled = width;
        while filled < self.size.bits() {
            value |= value << filled;
            filled *= 2;
        }
        value
    }

    /// The size of operation it is for.
    pub const fn size(self) -> Size {
        self.size
    }

    /// The fields in their place.
    #[inline(always)]
    pub(super) const fn bits(self) -> u32 {
        self.fields << 10
    }
}

/// A float that `fmov` takes as an immediate: plus or minus `1 + n/16` times a
/// power of two from 2^-3 to 2^4.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Hash)]
pub struct FloatImm(u8);

impl FloatImm {
    /// The immediate for the binary32 with these bits, if it has one.
    pub const fn from_f32_bits(bits: u32) -> Option<Self> {
        let imm = Self((bits >> 24 & 0x80 | bits >> 19 & 0x7F) as u8);
        if imm.to_f32_bits() == bits {
            Some(imm)
        } else {
            None
        }
    }

    /// The immediate for the binary64 with these bits, if it has one.
    pub const fn from_f64_bits(bits: u64) -> Option<Self> {
        let imm = Self((bits >> 56 & 0x80 | bits >> 48 & 0x7F) as u8);
        if imm.to_f64_bits() == bits {
            Some(imm)
        } else {
            None
        }
    }

    /// The binary32 it stands for.
    pub const fn to_f32_bits(self) -> u32 {
        let imm = self.0 as u32;
        // The exponent: not b, b five times, then two bits.
        let high = if imm & 0x40 == 0 { 0x20 } else { 0x1F };
        (imm & 0x80) << 24 | high << 25 | (imm & 0x3F) << 19
    }

    /// The binary64 it stands for.
    pub const fn to_f64_bits(self) -> u64 {
        let imm = self.0 as u64;
        let high = if imm & 0x40 == 0 { 0x100 } else { 0xFF };
        (imm & 0x80) << 56 | high << 54 | (imm & 0x3F) << 48
    }

    #[inline(always)]
    pub(super) const fn bits(self) -> u32 {
        (self.0 as u32) << 13
    }
}
