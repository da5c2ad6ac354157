//! What instructions take besides registers: widths, conditions, shifts,
//! extensions, and the choice of operation within a family.

use crate::families::families;

families! {
    /// The operand width of an integer operation. A 32-bit result zeroes the upper
    /// half of its register.
    pub enum Size {
        /// Four bytes: a W register.
        S32 = 0,
        /// Eight bytes: an X register.
        S64 = 1,
    }
}

impl Size {
    /// The width in bytes.
    #[inline(always)]
    pub const fn bytes(self) -> u32 {
        4 << self as u32
    }

    /// The width in bits.
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        32 << self as u32
    }

    /// The instruction's top bit.
    #[inline(always)]
    pub(super) const fn sf(self) -> u32 {
        (self as u32) << 31
    }
}

families! {
    /// The width of a scalar float.
    pub enum FSize {
        /// IEEE binary32: an S register.
        S32 = 0,
        /// IEEE binary64: a D register.
        S64 = 1,
    }
}

impl FSize {
    /// The width in bytes.
    #[inline(always)]
    pub const fn bytes(self) -> u32 {
        4 << self as u32
    }

    /// The instruction's `ftype` field.
    #[inline(always)]
    pub(super) const fn ftype(self) -> u32 {
        (self as u32) << 22
    }
}

families! {
    /// A condition on the flags; the number is the hardware's condition code.
    pub enum Cond {
        /// Equal.
        EQ = 0,
        /// Not equal, or unordered.
        NE = 1,
        /// Unsigned higher or same (carry set).
        HS = 2,
        /// Unsigned lower (carry clear); of floats: less.
        LO = 3,
        /// Minus: negative; of floats: less.
        MI = 4,
        /// Plus: positive or zero; of floats: greater, equal or unordered.
        PL = 5,
        /// Overflow; of floats: unordered.
        VS = 6,
        /// No overflow; of floats: ordered.
        VC = 7,
        /// Unsigned higher; of floats: greater or unordered.
        HI = 8,
        /// Unsigned lower or same; of floats: less or equal.
        LS = 9,
        /// Signed greater or equal; of floats: greater or equal.
        GE = 10,
        /// Signed less; of floats: less or unordered.
        LT = 11,
        /// Signed greater; of floats: greater.
        GT = 12,
        /// Signed less or equal; of floats: less, equal or unordered.
        LE = 13,
        /// Always.
        AL = 14,
    }
}

impl Cond {
    /// The hardware's condition code, 0 to 14.
    #[inline(always)]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The condition that holds exactly when this one does not. `AL` has none
    /// and must not be asked for.
    #[inline(always)]
    pub const fn inverted(self) -> Self {
        debug_assert!(!matches!(self, Self::AL), "no condition never holds");
        if matches!(self, Self::AL) {
            return Self::AL;
        }
        Self::ALL[(self as u8 ^ 1) as usize]
    }

    #[inline(always)]
    pub(super) const fn bits(self) -> u32 {
        self as u32
    }
}

families! {
    /// Addition and subtraction; the number is the instruction's `op` and `S` bits.
    /// `Adds` and `Subs` set the flags.
    #[allow(missing_docs, reason = "the names are the manual's")]
    pub enum Arith {
        Add = 0,
        Adds = 1,
        Sub = 2,
        Subs = 3,
    }
}

impl Arith {
    #[inline(always)]
    pub(super) const fn bits(self) -> u32 {
        (self as u32) << 29
    }

    #[inline(always)]
    pub(super) const fn sets_flags(self) -> bool {
        self as u8 & 1 != 0
    }
}

families! {
    /// Bitwise logic; the number is the instruction's `opc` and `N` fields. `Bic`,
    /// `Orn`, `Eon` and `Bics` invert their second source, and exist for registers
    /// only; `Ands` and `Bics` set the flags.
    #[allow(missing_docs, reason = "the names are the manual's")]
    pub enum Logic {
        And = 0,
        Bic = 1,
        Orr = 2,
        Orn = 3,
        Eor = 4,
        Eon = 5,
        Ands = 6,
        Bics = 7,
    }
}

impl Logic {
    #[inline(always)]
    pub(super) const fn opc(self) -> u32 {
        (self as u32 >> 1) << 29
    }

    #[inline(always)]
    pub(super) const fn inverts(self) -> u32 {
        self as u32 & 1
    }
}

families! {
    /// How a register is shifted before or by an operation. `Ror` is not for
    /// [`Arith`].
    #[allow(missing_docs, reason = "the names are the manual's")]
    pub enum Shift {
        Lsl = 0,
        Lsr = 1,
        Asr = 2,
        Ror = 3,
    }

    /// How a register is extended to 64 bits before an addition or an address; the
    /// number is the instruction's `option` field.
    #[allow(missing_docs, reason = "the names are the manual's")]
    pub enum Extend {
        Uxtb = 0,
        Uxth = 1,
        Uxtw = 2,
        /// All 64 bits as they are; an address calls it `lsl`.
        Uxtx = 3,
        Sxtb = 4,
        Sxth = 5,
        Sxtw = 6,
        Sxtx = 7,
    }
}

impl Extend {
    #[inline(always)]
    pub(super) const fn bits(self) -> u32 {
        (self as u32) << 13
    }
}

/// A system register of floating-point, by its place in `mrs` and `msr`.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum SystemRegister {
    /// Control: rounding, flushing, default NaN, traps.
    Fpcr = 0xB_4400,
    /// Status: the cumulative exception flags.
    Fpsr = 0xB_4420,
}

families! {
    /// Scalar float arithmetic of two sources; the number is the instruction's
    /// `opcode` field.
    #[allow(missing_docs, reason = "the names are the manual's")]
    pub enum FOp {
        Mul = 0,
        Div = 1,
        Add = 2,
        Sub = 3,
        Max = 4,
        Min = 5,
    }

    /// Scalar float operations of one source; the number is the instruction's
    /// `opcode` field.
    pub enum FUnary {
        /// The bits as they are.
        Mov = 0,
        /// Clears the sign, of a NaN too.
        Abs = 1,
        /// Inverts the sign, of a NaN too.
        Neg = 2,
        /// The square root.
        Sqrt = 3,
        /// Rounds to the nearest integral value, ties to even.
        RintN = 8,
        /// Rounds towards positive infinity.
        RintP = 9,
        /// Rounds towards negative infinity.
        RintM = 10,
        /// Rounds towards zero.
        RintZ = 11,
    }

    /// Whether an integer converted from or to a float has a sign.
    #[allow(missing_docs, reason = "the names say it")]
    pub enum Sign {
        Signed = 0,
        Unsigned = 1,
    }

    /// Bitwise operations on whole vector registers; the number is the
    /// instruction's `U` and `size` fields.
    pub enum VBit {
        /// `a & b`
        And = 0,
        /// `a & !b`
        Bic = 1,
        /// `a | b`
        Orr = 2,
        /// `a | !b`
        Orn = 3,
        /// `a ^ b`
        Eor = 4,
        /// `dst ? a : b`, bit by bit.
        Bsl = 5,
        /// `b ? a : dst`, bit by bit.
        Bit = 6,
        /// `b ? dst : a`, bit by bit.
        Bif = 7,
    }

    /// The width of a vector: how much of a register an operation takes.
    pub enum VSize {
        /// The lower eight bytes; the rest is zeroed.
        S64 = 0,
        /// All sixteen bytes.
        S128 = 1,
    }
}

impl VSize {
    /// The instruction's `Q` bit.
    #[inline(always)]
    pub(super) const fn q(self) -> u32 {
        (self as u32) << 30
    }
}

families! {
    /// The width of a vector's lanes; the number is the instruction's `size` field.
    pub enum Lane {
        /// One byte.
        B = 0,
        /// Two bytes.
        H = 1,
        /// Four bytes.
        S = 2,
        /// Eight bytes.
        D = 3,
    }
}

impl Lane {
    /// The instruction's `size` field.
    #[inline(always)]
    pub(super) const fn size(self) -> u32 {
        (self as u32) << 22
    }

    /// The lanes of a whole register.
    pub const fn count(self) -> u32 {
        16 >> self as u32
    }
}
