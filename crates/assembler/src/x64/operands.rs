//! What instructions take besides registers: widths, memory operands,
//! conditions, and the choice of operation within a family.

use super::Gpr;
use crate::families::families;

families! {
    /// The operand width of an integer operation. A 32-bit result zeroes the upper
    /// half of its register; 8 and 16-bit results leave the rest as it was.
    pub enum Size {
        /// One byte.
        S8 = 0,
        /// Two bytes.
        S16 = 1,
        /// Four bytes.
        S32 = 2,
        /// Eight bytes.
        S64 = 3,
    }
}

impl Size {
    /// The width in bytes.
    #[inline(always)]
    pub const fn bytes(self) -> u32 {
        1 << self as u32
    }

    /// The width in bits.
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        8 << self as u32
    }
}

families! {
    /// The width of a scalar float.
    pub enum FSize {
        /// IEEE binary32.
        S32 = 0,
        /// IEEE binary64.
        S64 = 1,
    }
}

impl FSize {
    /// The width in bytes.
    #[inline(always)]
    pub const fn bytes(self) -> u32 {
        4 << self as u32
    }
}

families! {
    /// The width of a vector.
    pub enum VSize {
        /// Sixteen bytes: a whole [`Xmm`](super::Xmm).
        S128 = 0,
        /// Thirty-two bytes: the register's upper half too.
        S256 = 1,
    }

    /// The factor of an index register.
    pub enum Scale {
        /// index * 1
        One = 0,
        /// index * 2
        Two = 1,
        /// index * 4
        Four = 2,
        /// index * 8
        Eight = 3,
    }
}

/// A memory operand: `base + disp` or `base + index * scale + disp`.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Hash)]
pub struct Mem {
    pub(super) base: Gpr,
    /// `Rsp` stands for "no index", as in the hardware's own encoding.
    pub(super) index: Gpr,
    pub(super) scale: Scale,
    pub(super) disp: i32,
}

impl Mem {
    /// `[base + disp]`
    #[inline(always)]
    pub const fn base(base: Gpr, disp: i32) -> Self {
        Self {
            base,
            index: Gpr::Rsp,
            scale: Scale::One,
            disp,
        }
    }

    /// `[base + index * scale + disp]`. `Rsp` cannot be an index.
    #[inline(always)]
    pub const fn base_index(base: Gpr, index: Gpr, scale: Scale, disp: i32) -> Self {
        debug_assert!(!matches!(index, Gpr::Rsp), "rsp cannot be an index");
        Self {
            base,
            index,
            scale,
            disp,
        }
    }

    /// The base register.
    #[inline]
    pub const fn base_register(self) -> Gpr {
        self.base
    }

    /// The index register and its factor, if there is one.
    #[inline]
    pub const fn index(self) -> Option<(Gpr, Scale)> {
        match self.index {
            Gpr::Rsp => None,
            index => Some((index, self.scale)),
        }
    }

    /// The displacement in bytes.
    #[inline]
    pub const fn disp(self) -> i32 {
        self.disp
    }

    /// The same operand with another displacement.
    #[inline]
    pub const fn with_disp(self, disp: i32) -> Self {
        Self { disp, ..self }
    }
}

families! {
    /// A condition on the flags; the number is the hardware's condition code.
    pub enum Cond {
        /// Overflow.
        O = 0,
        /// No overflow.
        NO = 1,
        /// Below: unsigned less (carry).
        B = 2,
        /// Above or equal: unsigned (no carry).
        AE = 3,
        /// Equal (zero).
        E = 4,
        /// Not equal (not zero).
        NE = 5,
        /// Below or equal: unsigned.
        BE = 6,
        /// Above: unsigned greater.
        A = 7,
        /// Sign: negative.
        S = 8,
        /// No sign: not negative.
        NS = 9,
        /// Parity: unordered, after a float comparison.
        P = 10,
        /// No parity: ordered, after a float comparison.
        NP = 11,
        /// Less: signed.
        L = 12,
        /// Greater or equal: signed.
        GE = 13,
        /// Less or equal: signed.
        LE = 14,
        /// Greater: signed.
        G = 15,
    }
}

impl Cond {
    /// The hardware's condition code, 0 to 15.
    #[inline(always)]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The condition that holds exactly when this one does not.
    #[inline(always)]
    pub const fn invert(self) -> Self {
        Self::ALL[(self as u8 ^ 1) as usize]
    }

    /// The condition that holds after `cmp b, a` exactly when this one holds
    /// after `cmp a, b`. There is none for `O`, `NO`, `S` and `NS`, which must
    /// not be asked for.
    #[inline]
    pub const fn swap_operands(self) -> Self {
        match self {
            Self::B => Self::A,
            Self::A => Self::B,
            Self::AE => Self::BE,
            Self::BE => Self::AE,
            Self::L => Self::G,
            Self::G => Self::L,
            Self::LE => Self::GE,
            Self::GE => Self::LE,
            Self::E | Self::NE | Self::P | Self::NP => self,
            Self::O | Self::NO | Self::S | Self::NS => {
                debug_assert!(false, "this flag says nothing about the swapped comparison");
                self
            }
        }
    }
}

families! {
    /// The eight two-operand operations that share one encoding; the number is
    /// their place in it.
    #[allow(missing_docs, reason = "the names are the manual's")]
    pub enum Alu {
        Add = 0,
        Or = 1,
        Adc = 2,
        Sbb = 3,
        And = 4,
        Sub = 5,
        Xor = 6,
        Cmp = 7,
    }

    /// Shifts and rotations; the number is the opcode extension.
    #[allow(missing_docs, reason = "the names are the manual's")]
    pub enum Shift {
        Rol = 0,
        Ror = 1,
        Shl = 4,
        Shr = 5,
        Sar = 7,
    }

    /// Scalar float arithmetic; the number is the opcode in map `0F`.
    #[allow(missing_docs, reason = "the names are the manual's")]
    pub enum FOp {
        Add = 0x58,
        Mul = 0x59,
        Sub = 0x5C,
        Min = 0x5D,
        Div = 0x5E,
        Max = 0x5F,
    }

    /// Bitwise operations on float registers; the number is the opcode in map `0F`.
    /// `Andn` is `!a & b`.
    #[allow(missing_docs, reason = "the names are the manual's")]
    pub enum FBit {
        And = 0x54,
        Andn = 0x55,
        Or = 0x56,
        Xor = 0x57,
    }

    /// How to round to an integral value; the number is the instruction's immediate.
    pub enum RoundMode {
        /// To the nearest, ties to even.
        Nearest = 0,
        /// Towards negative infinity.
        Floor = 1,
        /// Towards positive infinity.
        Ceil = 2,
        /// Towards zero.
        Trunc = 3,
    }
}
