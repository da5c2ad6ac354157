//! The registers of aarch64, by class.

use std::fmt;

/// A general-purpose register. The width is given by each operation's
/// [`Size`](super::Size).
///
/// [`Gpr::ZR`] and [`Gpr::SP`] share the hardware's number 31; which of the two
/// an operand can be depends on the instruction, and each method says where it
/// takes `SP`. Elsewhere it takes `ZR`. (`debug_assert`ed.)
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gpr(u8);

macro_rules! gprs {
    ($($name:ident = $number:literal),* $(,)?) => {
        #[allow(missing_docs, reason = "the names are the manual's")]
        impl Gpr {
            $(pub const $name: Self = Self($number);)*

            /// `X0` to `X30`, by number.
            pub const ALL: [Self; 31] = [$(Self::$name),*];
        }
    };
}

gprs! {
    X0 = 0, X1 = 1, X2 = 2, X3 = 3, X4 = 4, X5 = 5, X6 = 6, X7 = 7, X8 = 8, X9 = 9, X10 = 10,
    X11 = 11, X12 = 12, X13 = 13, X14 = 14, X15 = 15, X16 = 16, X17 = 17, X18 = 18, X19 = 19,
    X20 = 20, X21 = 21, X22 = 22, X23 = 23, X24 = 24, X25 = 25, X26 = 26, X27 = 27, X28 = 28,
    X29 = 29, X30 = 30,
}

/// The bit by which `SP` and `ZR` differ.
const STACK_POINTER: u8 = 0x20;

impl Gpr {
    /// Reads as zero; what is written to it is dropped.
    pub const ZR: Self = Self(31);
    /// The stack pointer.
    pub const SP: Self = Self(STACK_POINTER | 31);
    /// The link register.
    pub const LR: Self = Self::X30;
    /// The frame pointer.
    pub const FP: Self = Self::X29;

    /// `X0` to `X30`; `ZR` for 31. Only the low five bits count.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        Self(number & 31)
    }

    /// The hardware's number, 0 to 31.
    #[inline(always)]
    pub const fn number(self) -> u8 {
        self.0 & 31
    }

    /// The number where 31 is the zero register.
    #[inline(always)]
    pub(super) const fn or_zr(self) -> u32 {
        debug_assert!(self.0 != Self::SP.0, "this operand cannot be sp");
        (self.0 & 31) as u32
    }

    /// The number where 31 is the stack pointer.
    #[inline(always)]
    pub(super) const fn or_sp(self) -> u32 {
        debug_assert!(self.0 != Self::ZR.0, "this operand cannot be zr");
        (self.0 & 31) as u32
    }
}

impl fmt::Debug for Gpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SP => f.write_str("SP"),
            Self::ZR => f.write_str("ZR"),
            Self(number) => write!(f, "X{number}"),
        }
    }
}

macro_rules! fprs {
    ($($name:ident = $number:literal),* $(,)?) => {
        /// A vector register, holding a scalar float in its low lane.
        #[derive(Copy, Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the names are the manual's")]
        pub enum Fpr { $($name = $number),* }

        impl Fpr {
            /// All thirty-two, by number.
            pub const ALL: [Self; 32] = [$(Self::$name),*];
        }
    };
}

fprs! {
    V0 = 0, V1 = 1, V2 = 2, V3 = 3, V4 = 4, V5 = 5, V6 = 6, V7 = 7, V8 = 8, V9 = 9, V10 = 10,
    V11 = 11, V12 = 12, V13 = 13, V14 = 14, V15 = 15, V16 = 16, V17 = 17, V18 = 18, V19 = 19,
    V20 = 20, V21 = 21, V22 = 22, V23 = 23, V24 = 24, V25 = 25, V26 = 26, V27 = 27, V28 = 28,
    V29 = 29, V30 = 30, V31 = 31,
}

impl Fpr {
    /// The hardware's number, 0 to 31.
    #[inline(always)]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The register with this number; only the low five bits count.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        Self::ALL[(number & 31) as usize]
    }

    #[inline(always)]
    pub(super) const fn bits(self) -> u32 {
        self as u32
    }
}
