//! What registers hold during a walk: rules about reading and writing them.

use super::Walk;
use crate::aarch64::values::{FIRST, FOLLOWED, GENERAL, GENERATORS, NOTHING, SECOND, State, ZERO};
use crate::why::{Check, ensure};

impl Walk<'_, '_> {
    /// The number of bits in a register, which must contain a value.
    #[inline(always)]
    pub fn read(&self, register: u8) -> Check<u8> {
        let holds = self.holds(register);
        ensure!(
            holds <= crate::aarch64::values::DOUBLE,
            Widths,
            "the code reads a register that holds nothing"
        );
        Ok(holds)
    }

    #[inline(always)]
    pub fn holds(&self, register: u8) -> u8 {
        self.state.values[usize::from(register & 31)]
    }

    /// Writes a register that any instruction may write. A write to the zero register has no effect.
    #[inline(always)]
    pub fn write(&mut self, register: u8, holds: u8) -> Check {
        if GENERAL >> register & 1 == 0 {
            ensure!(
                register == ZERO,
                FixedRegisters,
                "the code writes a fixed register"
            );
            return Ok(());
        }
        self.put(register, holds);
        Ok(())
    }

    /// Writes a register without checks.
    #[inline(always)]
    pub fn put(&mut self, register: u8, holds: u8) {
        self.state.values[usize::from(register & 31)] = holds;
        if FOLLOWED >> register & 1 != 0 {
            self.known &= !(1 << register);
            if register == FIRST {
                self.facts.product = None;
            }
        }
    }

    /// The constant in a register.
    #[inline]
    pub fn constant(&self, register: u8) -> Option<u64> {
        (self.known >> register & 1 != 0).then_some(self.constants[usize::from(register & 31)])
    }

    /// Checks that a float register contains a value.
    #[inline(always)]
    pub fn read_float(&self, register: u8) -> Check {
        ensure!(
            self.state.floats >> register & 1 != 0,
            Widths,
            "the code reads a float register that holds nothing"
        );
        Ok(())
    }

    #[inline(always)]
    pub fn write_float(&mut self, register: u8) {
        self.state.floats |= 1 << register;
    }

    /// Sets the state after a call: no register contains a value.
    pub fn clobber(&mut self) {
        self.state = State {
            written: self.state.written,
            ..State::EMPTY
        };
        self.forget();
    }

    /// Removes the values of the scratch registers.
    pub fn clobber_scratch(&mut self) {
        self.put(FIRST, NOTHING);
        self.put(SECOND, NOTHING);
    }

    /// Sets the state after a call of shared code, which keeps only the generator's registers.
    pub fn clobber_own(&mut self) {
        for value in self
            .state
            .values
            .iter_mut()
            .take(ZERO as usize)
            .skip(GENERATORS)
        {
            *value = NOTHING;
        }
        self.forget();
    }
}
