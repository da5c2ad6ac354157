//! What registers hold.

/// What a general register holds: up to 64 a value of so many bits at most, above that something that is no value.
pub(super) type Holds = u8;

/// A value of 32 bits.
pub(super) const WORD: Holds = 32;
/// A value of 64 bits.
pub(super) const DOUBLE: Holds = 64;
/// The base of linear memory plus an index of 32 bits.
pub(super) const SUM: Holds = 65;
/// The same plus less than 2^24.
pub(super) const HIGH_SUM: Holds = 66;
/// A constant plus an index, below 2^33 together.
pub(super) const LONG_INDEX: Holds = 67;
/// Nothing that code may look at.
pub(super) const NOTHING: Holds = 255;

/// The zero register, and where it is named so the stack pointer.
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
/// Where the index of a table's entry is.
pub(super) const TABLE_INDEX: u8 = 8;
/// Dividend and quotient, and remainder, of shared code.
pub(super) const DIVISION: (u8, u8) = (12, 13);
/// The float that shared code takes, and the one that it overwrites.
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
/// Registers that sums of base and index are kept in.
pub(super) const SUMS: u32 = set(&[24, 28]);
/// Registers that constants are kept in.
pub(super) const HOLDERS: u32 = set(&[25, 26, 27]);
/// Registers whose constants are followed.
pub(super) const FOLLOWED: u32 = HOLDERS | set(&[FIRST, SECOND]);
/// Registers that belong to the generator.
pub(super) const GENERATORS: usize = 16;

/// What all registers hold at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// By number. Registers that are fixed hold nothing, the zero register no bit.
    pub values: [Holds; 32],
    /// Floats that were written, by number.
    pub floats: u32,
}

impl State {
    /// Nothing is known.
    pub const EMPTY: Self = {
        let mut values = [NOTHING; 32];
        values[ZERO as usize] = 0;
        Self { values, floats: 0 }
    };

    /// What implies everything: the generator's registers have no bit, and all floats are written.
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
        }
    };

    /// What holds on this way and on another.
    #[inline]
    pub fn join(&mut self, other: &Self) {
        for (own, &other) in self.values.iter_mut().zip(&other.values) {
            let greater = (*own).max(other);
            let differ = *own != other;
            *own = greater | (u8::from(differ && greater > DOUBLE)).wrapping_neg();
        }
        self.floats &= other.floats;
    }

    /// Whether everything that the other says holds here.
    #[inline]
    pub fn implies(&self, other: &Self) -> bool {
        let mut weaker = *self;
        weaker.join(other);
        weaker == *other
    }

    /// What a branch back can be expected to keep: the generator's registers, as integers of their type.
    pub fn of_loop(&self) -> Self {
        let mut state = Self {
            floats: self.floats,
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

    /// Registers of a set lose their values. Whether one had any.
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
