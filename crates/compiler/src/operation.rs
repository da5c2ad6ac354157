//! The operations of instructions, as both passes and all targets name them.
//!
//! A few generic operations with their widths stand for Wasm's many operators; `analysis` lowers
//! to them, `generate` asks a target for them.

/// Width of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    W32,
    W64,
}

impl Width {
    /// How many bits a value has.
    pub fn bits(self) -> u32 {
        match self {
            Self::W32 => 32,
            Self::W64 => 64,
        }
    }
}

/// Integer operations of two operands that cannot trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntBinary {
    Add,
    Sub,
    Mul,
    And,
    Or,
    Xor,
    Shl,
    ShrS,
    ShrU,
    Rotl,
    Rotr,
}

impl IntBinary {
    /// Whether the operation commutes.
    pub fn commutes(self) -> bool {
        matches!(
            self,
            Self::Add | Self::Mul | Self::And | Self::Or | Self::Xor
        )
    }

    /// The result for constants, whose bits above the width are zero.
    pub fn apply(self, width: Width, a: u64, b: u64) -> u64 {
        let (narrow, count) = (a as u32, b as u32);
        match (self, width) {
            (Self::Add, Width::W64) => a.wrapping_add(b),
            (Self::Sub, Width::W64) => a.wrapping_sub(b),
            (Self::Mul, Width::W64) => a.wrapping_mul(b),
            (Self::Shl, Width::W64) => a.wrapping_shl(count),
            (Self::ShrS, Width::W64) => (a as i64).wrapping_shr(count) as u64,
            (Self::ShrU, Width::W64) => a.wrapping_shr(count),
            (Self::Rotl, Width::W64) => a.rotate_left(count & 63),
            (Self::Rotr, Width::W64) => a.rotate_right(count & 63),
            (Self::And, _) => a & b,
            (Self::Or, _) => a | b,
            (Self::Xor, _) => a ^ b,
            (Self::Add, Width::W32) => narrow.wrapping_add(count).into(),
            (Self::Sub, Width::W32) => narrow.wrapping_sub(count).into(),
            (Self::Mul, Width::W32) => narrow.wrapping_mul(count).into(),
            (Self::Shl, Width::W32) => narrow.wrapping_shl(count).into(),
            (Self::ShrS, Width::W32) => (narrow as i32).wrapping_shr(count) as u32 as u64,
            (Self::ShrU, Width::W32) => narrow.wrapping_shr(count).into(),
            (Self::Rotl, Width::W32) => narrow.rotate_left(count & 31).into(),
            (Self::Rotr, Width::W32) => narrow.rotate_right(count & 31).into(),
        }
    }
}

/// Divisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Division {
    DivS,
    DivU,
    RemS,
    RemU,
}

/// Integer operations of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntUnary {
    Clz,
    Ctz,
    Popcnt,
    Extend8S,
    Extend16S,
    /// From 32 bits to 64, signed.
    Extend32S,
    /// Low 32 bits, zero-extended.
    Wrap,
    /// The bytes in reverse order.
    SwapBytes,
}

/// Float operations of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FloatBinary {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    Copysign,
}

/// Float operations of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FloatUnary {
    Abs,
    Neg,
    Sqrt,
    Ceil,
    Floor,
    Trunc,
    Nearest,
}

/// Conversions between the classes and between the floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// Float to integer, trapping.
    Truncate {
        from: Width,
        to: Width,
        signed: bool,
    },
    /// Float to integer, saturating.
    TruncateSaturating {
        from: Width,
        to: Width,
        signed: bool,
    },
    /// Integer to float.
    Convert {
        from: Width,
        to: Width,
        signed: bool,
    },
    Promote,
    Demote,
    /// Bits of a float as an integer.
    ReinterpretToInt(Width),
    /// Bits of an integer as a float.
    ReinterpretToFloat(Width),
}

/// A condition over the flags of the last comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Equal,
    NotEqual,
    LessSigned,
    LessEqualSigned,
    GreaterSigned,
    GreaterEqualSigned,
    LessUnsigned,
    LessEqualUnsigned,
    GreaterUnsigned,
    GreaterEqualUnsigned,
    /// Floats: false if unordered.
    FloatEqual,
    /// Floats: true if unordered.
    FloatNotEqual,
    FloatGreater,
    FloatGreaterEqual,
    /// Less, equal or unordered.
    NotFloatGreater,
    /// Less or unordered.
    NotFloatGreaterEqual,
}

impl Condition {
    /// The condition that holds exactly where this one does not.
    pub fn inverted(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::LessSigned => Self::GreaterEqualSigned,
            Self::LessEqualSigned => Self::GreaterSigned,
            Self::GreaterSigned => Self::LessEqualSigned,
            Self::GreaterEqualSigned => Self::LessSigned,
            Self::LessUnsigned => Self::GreaterEqualUnsigned,
            Self::LessEqualUnsigned => Self::GreaterUnsigned,
            Self::GreaterUnsigned => Self::LessEqualUnsigned,
            Self::GreaterEqualUnsigned => Self::LessUnsigned,
            Self::FloatEqual => Self::FloatNotEqual,
            Self::FloatNotEqual => Self::FloatEqual,
            Self::FloatGreater => Self::NotFloatGreater,
            Self::FloatGreaterEqual => Self::NotFloatGreaterEqual,
            Self::NotFloatGreater => Self::FloatGreater,
            Self::NotFloatGreaterEqual => Self::FloatGreaterEqual,
        }
    }

    /// The unsigned condition that orders numbers below 2^31 as this one does.
    pub fn unsigned(self) -> Self {
        match self {
            Self::LessSigned => Self::LessUnsigned,
            Self::LessEqualSigned => Self::LessEqualUnsigned,
            Self::GreaterSigned => Self::GreaterUnsigned,
            Self::GreaterEqualSigned => Self::GreaterEqualUnsigned,
            other => other,
        }
    }

    /// The integer condition that is equivalent after the operands are swapped.
    pub fn swapped(self) -> Self {
        match self {
            Self::LessSigned => Self::GreaterSigned,
            Self::LessEqualSigned => Self::GreaterEqualSigned,
            Self::GreaterSigned => Self::LessSigned,
            Self::GreaterEqualSigned => Self::LessEqualSigned,
            Self::LessUnsigned => Self::GreaterUnsigned,
            Self::LessEqualUnsigned => Self::GreaterEqualUnsigned,
            Self::GreaterUnsigned => Self::LessUnsigned,
            Self::GreaterEqualUnsigned => Self::LessEqualUnsigned,
            other => other,
        }
    }
}

/// Memory accesses by type and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// 8 bits; sign-extended to the width given if signed.
    Bits8 {
        signed: Option<Width>,
    },
    Bits16 {
        signed: Option<Width>,
    },
    Bits32 {
        signed: Option<Width>,
    },
    Bits64,
    F32,
    F64,
}
