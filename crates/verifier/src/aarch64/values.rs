//! The contents of registers, as far as they are known.

use crate::written::Written;

/// The content of a general register: 0 to 64 is a value of at most that number of bits; a larger number is one of the
/// constants below.
pub(super) type Holds = u8;

/// A value of 32 bits.
pub(super) const WORD: Holds = 32;
/// A value of 64 bits.
pub(super) const DOUBLE: Holds = 64;
/// The base of linear memory plus an index of 32 bits.
pub(super) const SUM: Holds = 65;
/// The base of linear memory, plus an index of 32 bits, plus a constant of less than 2^24.
pub(super) const HIGH_SUM: Holds = 66;
/// A constant plus an index, together below 2^33.
pub(super) const LONG_INDEX: Holds = 67;
/// A content that code may not read.
pub(super) const NOTHING: Holds = 255;

/// The zero register, or the stack pointer in instructions where 31 names it.
pub(super) const ZERO: u8 = 31;
/// The return address.
pub(super) const LINK: u8 = 30;
pub(super) const CONTEXT: u8 = 19;
pub(super) const MEMORY: u8 = 20;
pub(super) const GAS: u8 = 21;
pub(super) const LOGICAL: u8 = 22;
/// The scratch registers.
pub(super) const FIRST: u8 = 16;
pub(super) const SECOND: u8 = 17;
/// The registers of block operations.
pub(super) const BLOCK: [u8; 3] = [9, 10, 11];
/// The register of a table index.
pub(super) const TABLE_INDEX: u8 = 8;
/// The register of the dividend and quotient, and that of the remainder, in shared code.
pub(super) const DIVISION: (u8, u8) = (12, 13);
/// The float operand of shared code, and the float register that it overwrites.
pub(super) const SHARED_FLOAT: u8 = 30;
pub(super) const SCRATCH_FLOAT: u8 = 31;

const fn set(registers: &[u8]) -> u32 {
    let mut bits = 0;
    let mut i = 0;
    while i < registers.len() {
        bits |= 1 << registers[i];
        i += 1;
    }
    bits
}

/// Registers that any instruction may write.
pub(super) const GENERAL: u32 = 0x3_ffff;
/// Registers that contain sums of base and index.
pub(super) const SUMS: u32 = set(&[24, 28]);
/// Registers that contain constants.
pub(super) const HOLDERS: u32 = set(&[25, 26, 27]);
/// Registers whose constants are tracked.
pub(super) const FOLLOWED: u32 = HOLDERS | set(&[FIRST, SECOND]);
/// The number of registers that belong to the generator.
pub(super) const GENERATORS: usize = 16;

/// The contents of all registers at a point of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// By register number. Fixed registers contain [`NOTHING`]; the zero register has no bits.
    pub values: [Holds; 32],
    /// The set of float registers that contain a value.
    pub floats: u32,
    /// The slots that were written.
    pub written: Written,
}

impl State {
    /// The state in which nothing is known.
    pub const EMPTY: Self = {
        let mut values = [NOTHING; 32];
        values[ZERO as usize] = 0;
        Self {
            values,
            floats: 0,
            written: Written::NONE,
        }
    };

    /// The strongest state, which implies all others: the generator's registers have no bits, and all floats contain a
    /// value.
    pub const ALL: Self = {
        let mut values = [NOTHING; 32];
        let mut number = 0;
        while number < GENERATORS {
            values[number] = 0;
            number += 1;
        }
        values[ZERO as usize] = 0;
        Self {
            values,
            floats: u32::MAX,
            written: Written::ALL,
        }
    };

    /// Joins the states of two paths.
    #[inline]
    pub fn join(&mut self, other: &Self) {
        for (own, &other) in self.values.iter_mut().zip(&other.values) {
            let greater = (*own).max(other);
            let differ = *own != other;
            *own = greater | (u8::from(differ && greater > DOUBLE)).wrapping_neg();
        }
        self.floats &= other.floats;
        self.written.meet(&other.written);
    }

    /// Whether this state implies another one.
    #[inline]
    pub fn implies(&self, other: &Self) -> bool {
        let mut weaker = *self;
        weaker.join(other);
        weaker == *other
    }

    /// The state that a loop is expected to keep: the generator's registers as integers of 32 or 64 bits.
    pub fn of_loop(&self) -> Self {
        let mut state = Self {
            floats: self.floats,
            written: self.written,
            ..Self::EMPTY
        };
        let own = self.values.iter().take(GENERATORS);
        for (value, &own) in state.values.iter_mut().zip(own) {
            *value = match own {
                0..=WORD => WORD,
                33..=DOUBLE => DOUBLE,
                _ => NOTHING,
            };
        }
        state
    }

    /// Removes the values of a set of registers. Returns whether one of them had a value.
    pub fn lose(&mut self, registers: u32) -> bool {
        let mut lost = false;
        for (number, value) in self.values.iter_mut().take(GENERATORS).enumerate() {
            if registers >> number & 1 != 0 && *value <= DOUBLE {
                *value = NOTHING;
                lost = true;
            }
        }
        lost
    }
}
