//! The accepted instructions: a table of fixed bits, and of the meaning of the other bits.
//!
//! A word that matches no row is refused. All rows of a form have their operands at the same bits; [`Word`] reads them.

/// A group of instructions that have their operands at the same bits and are checked by one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(super) enum Form {
    /// `add`, `adds`, `sub`, `subs` of an immediate.
    AddImmediate,
    /// `add`, `adds`, `sub`, `subs` of a shifted register.
    AddShifted,
    /// `add`, `adds`, `sub`, `subs` of a 64-bit extended register, where register 31 is the stack pointer.
    AddExtended,
    /// `add` of a sign-extended 32-bit register.
    AddSigned,
    /// `and`, `orr`, `eor`, `ands` of a pattern.
    LogicImmediate,
    /// `and`, `orr`, `eor`, `ands` of a shifted register.
    LogicShifted,
    /// `movn`.
    MoveNot,
    /// `movz`.
    MoveZero,
    /// `movk`.
    MoveKeep,
    /// `sbfm`.
    FieldSigned,
    /// `ubfm`.
    FieldUnsigned,
    /// `extr`.
    Extract,
    /// `udiv`, `sdiv`.
    Divide,
    /// `lslv`, `lsrv`, `asrv`, `rorv`.
    ShiftRegister,
    /// `rbit`, `rev`, `clz`.
    Unary,
    /// `madd`, `msub`.
    MultiplyAdd,
    /// `umull`.
    MultiplyLong,
    /// `umulh`, `smulh`.
    MultiplyHigh,
    /// `csel`.
    Select,
    /// `cset`.
    Set,
    /// `ccmp` of an immediate.
    CompareIf,
    /// `b`.
    Branch,
    /// `bl`.
    Call,
    /// `b.cond`.
    BranchIf,
    /// `cbz`, `cbnz`.
    BranchZero,
    /// `tbz`, `tbnz`.
    BranchBit,
    /// `br x16`.
    JumpRegister,
    /// `blr x16`, `blr x17`.
    CallRegister,
    /// `ret`.
    Return,
    /// `adr x16`.
    Address,
    /// `udf #0`.
    Undefined,
    /// `nop`.
    Nop,
    /// A load or store of a general register, with a scaled offset.
    Scaled,
    /// A load or store of a general register, with an offset in bytes.
    Unscaled,
    /// A load or store of a general register, with a register offset.
    Indexed,
    /// A load or store of a float, with a scaled offset.
    FloatScaled,
    /// A load or store of a float, with an offset in bytes.
    FloatUnscaled,
    /// A load or store of a float, with a register offset.
    FloatIndexed,
    /// `ldrsw` of an entry of a jump table.
    TableEntry,
    /// A load or store of a slot in a loop over slots, which also advances the address.
    SlotStep,
    /// `stp` of two 64-bit registers.
    StorePair,
    /// `ldr d` of a literal.
    Literal,
    /// Float arithmetic of two operands.
    FloatBinary,
    /// Float arithmetic of one operand, `fmov` between floats, `fcvt`.
    FloatUnary,
    /// `fcmp`.
    FloatCompare,
    /// `fcsel`.
    FloatSelect,
    /// `fmov` to a general register.
    FloatToBits,
    /// `fmov` from a general register.
    BitsToFloat,
    /// `fmov` of an immediate.
    FloatImmediate,
    /// `fcvtzs`, `fcvtzu`.
    FloatToInteger,
    /// `scvtf`, `ucvtf`.
    IntegerToFloat,
    /// `movi` of zero.
    FloatZero,
    /// `bsl` of eight bytes.
    BitSelect,
    /// `cnt`, `addv` of eight bytes.
    CountOnes,
}

/// A row: the mask of the fixed bits, their values, and the form.
#[derive(Debug)]
pub(super) struct Row(pub u32, pub u32, Form);

use Form::*;

/// All rows. No word matches two rows. The index over a word's top bits gives the first row to compare with.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row(0x1F80_0000, 0x1100_0000, AddImmediate),
    // Shifts of three kinds, by less than the width.
    Row(0x9FA0_0000, 0x8B00_0000, AddShifted),
    Row(0x9FE0_0000, 0x8B80_0000, AddShifted),
    Row(0x9FA0_8000, 0x0B00_0000, AddShifted),
    Row(0x9FE0_8000, 0x0B80_0000, AddShifted),
    Row(0x9FE0_FC00, 0x8B20_6000, AddExtended),
    Row(0xFFE0_FC00, 0x8B20_C000, AddSigned),
    Row(0x9F80_0000, 0x9200_0000, LogicImmediate),
    Row(0x9FC0_0000, 0x1200_0000, LogicImmediate),
    Row(0x9F20_0000, 0x8A00_0000, LogicShifted),
    Row(0x9F20_8000, 0x0A00_0000, LogicShifted),
    Row(0xFF80_0000, 0x9280_0000, MoveNot),
    Row(0xFFC0_0000, 0x1280_0000, MoveNot),
    Row(0xFF80_0000, 0xD280_0000, MoveZero),
    Row(0xFFC0_0000, 0x5280_0000, MoveZero),
    Row(0xFF80_0000, 0xF280_0000, MoveKeep),
    Row(0xFFC0_0000, 0x7280_0000, MoveKeep),
    Row(0xFFC0_0000, 0x9340_0000, FieldSigned),
    Row(0xFFE0_8000, 0x1300_0000, FieldSigned),
    Row(0xFFC0_0000, 0xD340_0000, FieldUnsigned),
    Row(0xFFE0_8000, 0x5300_0000, FieldUnsigned),
    Row(0xFFE0_0000, 0x93C0_0000, Extract),
    Row(0xFFE0_8000, 0x1380_0000, Extract),
    Row(0x7FE0_F800, 0x1AC0_0800, Divide),
    Row(0x7FE0_F000, 0x1AC0_2000, ShiftRegister),
    Row(0x7FFF_FC00, 0x5AC0_0000, Unary),
    Row(0xFFFF_FC00, 0x5AC0_0800, Unary),
    Row(0xFFFF_FC00, 0xDAC0_0C00, Unary),
    Row(0x7FFF_FC00, 0x5AC0_1000, Unary),
    Row(0x7FE0_0000, 0x1B00_0000, MultiplyAdd),
    Row(0xFFE0_FC00, 0x9BA0_7C00, MultiplyLong),
    Row(0xFF60_FC00, 0x9B40_7C00, MultiplyHigh),
    Row(0x7FE0_0C00, 0x1A80_0000, Select),
    Row(0x7FFF_0FE0, 0x1A9F_07E0, Set),
    Row(0x7FE0_0C10, 0x7A40_0800, CompareIf),
    Row(0xFC00_0000, 0x1400_0000, Branch),
    Row(0xFC00_0000, 0x9400_0000, Call),
    Row(0xFF00_0010, 0x5400_0000, BranchIf),
    Row(0x7E00_0000, 0x3400_0000, BranchZero),
    Row(0x7E00_0000, 0x3600_0000, BranchBit),
    Row(0xFFFF_FFFF, 0xD61F_0200, JumpRegister),
    Row(0xFFFF_FFDF, 0xD63F_0200, CallRegister),
    Row(0xFFFF_FFFF, 0xD65F_03C0, Return),
    Row(0x9F00_001F, 0x1000_0010, Address),
    Row(0xFFFF_FFFF, 0x0000_0000, Undefined),
    Row(0xFFFF_FFFF, 0xD503_201F, Nop),
    // Stores and zero-extending loads of all sizes; sign-extending loads to 64 bits of 1, 2 and 4 bytes, and to 32 bits
    // of 1 and 2 bytes.
    Row(0x3F80_0000, 0x3900_0000, Scaled),
    Row(0xBFC0_0000, 0x3980_0000, Scaled),
    Row(0xFFC0_0000, 0xB980_0000, Scaled),
    Row(0xBFC0_0000, 0x39C0_0000, Scaled),
    Row(0x3FA0_0C00, 0x3800_0000, Unscaled),
    Row(0xBFE0_0C00, 0x3880_0000, Unscaled),
    Row(0xFFE0_0C00, 0xB880_0000, Unscaled),
    Row(0xBFE0_0C00, 0x38C0_0000, Unscaled),
    Row(0x3FA0_FC00, 0x3820_6800, Indexed),
    Row(0xBFE0_FC00, 0x38A0_6800, Indexed),
    Row(0xFFE0_FC00, 0xB8A0_6800, Indexed),
    Row(0xBFE0_FC00, 0x38E0_6800, Indexed),
    Row(0xBF80_0000, 0xBD00_0000, FloatScaled),
    Row(0xBFA0_0C00, 0xBC00_0000, FloatUnscaled),
    Row(0xBFA0_FC00, 0xBC20_6800, FloatIndexed),
    Row(0xFFE0_FC00, 0xB8A0_7800, TableEntry),
    // `str xzr, [x16], #8`; `ldr d31, [x16]` and `str d31, [x17]`, each with a step of 8 and of -8.
    Row(0xFFFF_FFFF, 0xF800_861F, SlotStep),
    Row(0xFFFF_FFFF, 0xFC40_861F, SlotStep),
    Row(0xFFFF_FFFF, 0xFC5F_861F, SlotStep),
    Row(0xFFFF_FFFF, 0xFC00_863F, SlotStep),
    Row(0xFFFF_FFFF, 0xFC1F_863F, SlotStep),
    Row(0xFFC0_0000, 0xA900_0000, StorePair),
    Row(0xFF00_0000, 0x5C00_0000, Literal),
    // `fmul`, `fdiv`, `fadd`, `fsub`; `fmax`, `fmin`.
    Row(0xFFA0_CC00, 0x1E20_0800, FloatBinary),
    Row(0xFFA0_EC00, 0x1E20_4800, FloatBinary),
    // `fmov`, `fabs`, `fneg`, `fsqrt`; `frintn`, `frintp`, `frintm`, `frintz`; `fcvt` in both directions.
    Row(0xFFBE_7C00, 0x1E20_4000, FloatUnary),
    Row(0xFFBE_7C00, 0x1E24_4000, FloatUnary),
    Row(0xFFFF_FC00, 0x1E22_C000, FloatUnary),
    Row(0xFFFF_FC00, 0x1E62_4000, FloatUnary),
    Row(0xFFA0_FC1F, 0x1E20_2000, FloatCompare),
    Row(0xFFA0_0C00, 0x1E20_0C00, FloatSelect),
    Row(0xFFFF_FC00, 0x1E26_0000, FloatToBits),
    Row(0xFFFF_FC00, 0x9E66_0000, FloatToBits),
    Row(0xFFFF_FC00, 0x1E27_0000, BitsToFloat),
    Row(0xFFFF_FC00, 0x9E67_0000, BitsToFloat),
    Row(0xFFA0_1FE0, 0x1E20_1000, FloatImmediate),
    Row(0x7FBE_FC00, 0x1E38_0000, FloatToInteger),
    Row(0x7FBE_FC00, 0x1E22_0000, IntegerToFloat),
    Row(0xFFFF_FFE0, 0x6F00_E400, FloatZero),
    Row(0xFFE0_FC00, 0x2E60_1C00, BitSelect),
    Row(0xFFFF_FC00, 0x0E20_5800, CountOnes),
    Row(0xFFFF_FC00, 0x0E31_B800, CountOnes),
];

/// The number of top bits by which the table is indexed.
const KEY_BITS: u32 = 11;
const KEYS: usize = 1 << KEY_BITS;

/// Means that there is no row.
const NONE: u8 = u8::MAX;

/// For each value of a word's top bits, the first row that can match.
static FIRST: [u8; KEYS] = FIRST_ROWS;
const FIRST_ROWS: [u8; KEYS] = first_rows();

const fn first_rows() -> [u8; KEYS] {
    let mut first = [NONE; KEYS];
    let mut key = 0;
    while key < KEYS {
        let mut row = 0;
        while row < ROWS.len() && first[key] == NONE {
            if matches_key(&ROWS[row], key) {
                first[key] = row as u8;
            }
            row += 1;
        }
        key += 1;
    }
    first
}

const fn matches_key(row: &Row, key: usize) -> bool {
    let shift = 32 - KEY_BITS;
    (key as u32 ^ row.1 >> shift) & row.0 >> shift == 0
}

/// For each value of a word's top bits, the form, where no other bits are fixed and there are no further conditions.
static FORMS: [Option<Form>; KEYS] = {
    let mut forms = [None; KEYS];
    let mut key = 0;
    while key < KEYS {
        let row = FIRST_ROWS[key];
        if row != NONE {
            let Row(mask, _, form) = ROWS[row as usize];
            if mask << KEY_BITS == 0 && CHECKED >> form as u64 & 1 == 0 {
                forms[key] = Some(form);
            }
        }
        key += 1;
    }
    forms
};

/// The form of a word, if it is an accepted instruction.
#[inline(always)]
pub(super) fn decode(word: u32) -> Option<Form> {
    let key = (word >> (32 - KEY_BITS)) as usize;
    match FORMS[key] {
        Some(form) => Some(form),
        None => decode_by_rows(word, key),
    }
}

#[inline]
fn decode_by_rows(word: u32, key: usize) -> Option<Form> {
    let mut row = usize::from(FIRST[key]);
    loop {
        let Row(mask, value, form) = *ROWS.get(row)?;
        if word & mask == value {
            if CHECKED >> form as u64 & 1 != 0 && !exists(word, form) {
                return None;
            }
            return Some(form);
        }
        row += 1;
    }
}

/// The forms with conditions of their own.
const CHECKED: u64 = 1 << BranchIf as u64
    | 1 << Select as u64
    | 1 << Set as u64
    | 1 << CompareIf as u64
    | 1 << FloatSelect as u64
    | 1 << LogicImmediate as u64;

/// Conditions on a word that the fixed bits of its row do not express.
#[inline(never)]
fn exists(word: u32, form: Form) -> bool {
    match form {
        // The condition is neither "always" nor "never".
        Form::BranchIf => word & 15 < 14,
        Form::Select | Form::Set | Form::CompareIf | Form::FloatSelect => word >> 12 & 15 < 14,
        Form::LogicImmediate => Word(word).pattern().is_some(),
        _ => true,
    }
}

/// A word, with methods that read its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(pub u32);

impl Word {
    /// The register in the lowest bits, usually the destination.
    #[inline(always)]
    pub fn rd(self) -> u8 {
        (self.0 & 31) as u8
    }

    /// The first operand, or the base of an address.
    #[inline(always)]
    pub fn rn(self) -> u8 {
        (self.0 >> 5 & 31) as u8
    }

    /// The second operand, or the index of an address.
    #[inline(always)]
    pub fn rm(self) -> u8 {
        (self.0 >> 16 & 31) as u8
    }

    /// The third operand, or the second register of a pair.
    #[inline(always)]
    pub fn ra(self) -> u8 {
        (self.0 >> 10 & 31) as u8
    }

    /// Whether the instruction works on 64 bits.
    #[inline(always)]
    pub fn wide(self) -> bool {
        self.0 >> 31 != 0
    }

    /// The width of the instruction in bits.
    #[inline(always)]
    pub fn bits(self) -> u8 {
        32 << (self.0 >> 31)
    }

    /// The operation. For additions 0 is `add`, 1 `adds`, 2 `sub`, 3 `subs`; for logical operations 0 is `and`, 1
    /// `orr`, 2 `eor`, 3 `ands`.
    #[inline(always)]
    pub fn operation(self) -> u8 {
        (self.0 >> 29 & 3) as u8
    }

    /// The immediate of an addition.
    #[inline(always)]
    pub fn immediate(self) -> u64 {
        u64::from(self.0 >> 10 & 0xfff) << (12 * (self.0 >> 22 & 1))
    }

    /// The kind of shift of the second operand: 0 left, 1 right, 2 arithmetic right, 3 rotation.
    #[inline(always)]
    pub fn shift(self) -> u8 {
        (self.0 >> 22 & 3) as u8
    }

    /// The amount of a shift; the lowest extracted bit of a register pair; `imms` of a bit field.
    #[inline(always)]
    pub fn amount(self) -> u8 {
        (self.0 >> 10 & 63) as u8
    }

    /// `immr` of a bit field.
    #[inline(always)]
    pub fn rotation(self) -> u8 {
        (self.0 >> 16 & 63) as u8
    }

    /// The 16-bit value of a move, and the amount by which it is shifted.
    #[inline(always)]
    pub fn halfword(self) -> (u64, u32) {
        (u64::from(self.0 >> 5 & 0xffff), (self.0 >> 21 & 3) * 16)
    }

    /// The condition of a branch.
    #[inline(always)]
    pub fn branch_condition(self) -> u8 {
        (self.0 & 15) as u8
    }

    /// The condition of a selection or a comparison.
    #[cfg(test)]
    pub fn condition(self) -> u8 {
        (self.0 >> 12 & 15) as u8
    }

    /// The bit that a branch tests.
    #[cfg(test)]
    pub fn tested_bit(self) -> u8 {
        (self.0 >> 31 << 5 | self.0 >> 19 & 31) as u8
    }

    /// The distance in bytes from the instruction to the target of a branch or to a literal.
    #[inline(always)]
    pub fn distance(self, form: Form) -> i32 {
        match form {
            Form::Branch | Form::Call => (self.0 << 6) as i32 >> 6 << 2,
            Form::BranchBit => (self.0 << 13) as i32 >> 18 << 2,
            Form::Address => (self.0 << 8) as i32 >> 13 << 2 | (self.0 >> 29 & 3) as i32,
            _ => (self.0 << 8) as i32 >> 13 << 2,
        }
    }

    /// The base-2 logarithm of an access's size in bytes.
    #[inline(always)]
    pub fn size(self) -> u8 {
        (self.0 >> 30) as u8
    }

    /// The kind of access: 0 a store, 1 a load, 2 a sign-extending load to 64 bits, 3 a sign-extending load to 32 bits.
    #[inline(always)]
    pub fn access(self) -> u8 {
        (self.0 >> 22 & 3) as u8
    }

    /// The scaled offset of an access, in bytes.
    #[inline(always)]
    pub fn scaled_offset(self) -> u32 {
        (self.0 >> 10 & 0xfff) << self.size()
    }

    /// The offset of an access, in bytes.
    #[inline(always)]
    pub fn unscaled_offset(self) -> i32 {
        (self.0 << 11) as i32 >> 23
    }

    /// The offset of a pair of 64-bit registers, in bytes.
    #[inline(always)]
    pub fn pair_offset(self) -> i32 {
        (self.0 << 10) as i32 >> 25 << 3
    }

    /// The pattern of a logical operation.
    pub fn pattern(self) -> Option<u64> {
        let (n, rotation, ones) = (self.0 >> 22 & 1, self.0 >> 16 & 63, self.0 >> 10 & 63);
        let width_bits = (n << 6 | !ones & 63).checked_ilog2()?;
        if width_bits == 0 {
            return None;
        }
        let width = 1u32 << width_bits;
        let (rotation, ones) = (rotation & (width - 1), ones & (width - 1));
        if ones == width - 1 {
            return None;
        }
        let run = (1u64 << (ones + 1)) - 1;
        let mask = u64::MAX >> (64 - width);
        let mut value = match rotation {
            0 => run,
            _ => (run >> rotation | run << (width - rotation)) & mask,
        };
        let mut filled = width;
        while filled < 64 {
            value |= value << filled;
            filled *= 2;
        }
        Some(match self.wide() {
            true => value,
            false => value & u64::from(u32::MAX),
        })
    }
}
