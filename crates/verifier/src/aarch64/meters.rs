//! Checks the charges of gas in a body.

use super::decode::Word;
use super::encode::{self, ADD, Bits, SUB, SUBS};
use super::values::{FIRST, GAS, NOTHING, WORD, ZERO};
use super::walk::{GasAt, Late, Walk};
use crate::why::{Check, ensure, refuse};
use pvf_rules::TrapKind;

impl Walk<'_, '_> {
    /// Checks the charge of a block against its cost in the body.
    fn block_charge(&mut self, cost: u64) -> Check<GasAt> {
        ensure!(
            self.tables.gas,
            Meters,
            "the code charges gas that is not counted"
        );
        if !self.tables.priced {
            return Ok(GasAt::Anywhere);
        }
        let Some(charge) = self.body.charges.get(self.charge) else {
            refuse!(Meters, "no block of the body makes this charge");
        };
        ensure!(charge.cost == cost, Meters, "the charge has another amount");
        self.charge += 1;
        Ok(GasAt::Block(charge.offset))
    }

    /// The current word subtracts a constant from the gas. Afterwards `at` is the branch after it.
    pub fn charge(&mut self, word: Word) -> Check {
        let field = word.0 & 0x7f_fc00;
        ensure!(
            word.0 == encode::add_immediate(SUBS, Bits::W64, GAS, GAS, field),
            FixedRegisters,
            "the code uses the gas register outside of a charge"
        );
        let undo = encode::add_immediate(ADD, Bits::W64, GAS, GAS, field);
        let at = self.block_charge(word.immediate())?;
        self.charged(undo, at)
    }

    fn charged(&mut self, undo: u32, at: GasAt) -> Check {
        self.at += 1;
        self.expect_late(encode::LO, Late::Gas { undo, at })?;
        self.at -= 1;
        Ok(())
    }

    /// The current word subtracts a register from the gas, or compares them.
    pub fn charge_register(&mut self, word: Word) -> Check {
        if word.0 == encode::compare(Bits::W64, GAS, FIRST) {
            return self.charge_turns();
        }
        ensure!(
            word.0 == encode::add(SUBS, Bits::W64, GAS, GAS, FIRST),
            FixedRegisters,
            "the code uses the gas register outside of a charge"
        );
        let at = match (self.constant(FIRST), self.facts.product) {
            (Some(cost), _) => self.block_charge(cost)?,
            (None, Some((price, units))) => {
                ensure!(
                    self.tables.gas
                        && units <= WORD
                        && (!self.tables.priced || price == self.tables.grow_price),
                    Meters,
                    "a page costs another amount"
                );
                self.grows += 1;
                GasAt::Grow
            }
            (None, None) => refuse!(
                Meters,
                "the code charges an amount of gas that is not constant"
            ),
        };
        self.charged(encode::add(ADD, Bits::W64, GAS, GAS, FIRST), at)
    }

    /// Checks a charge for several iterations of a loop, which is subtracted only if there is enough gas.
    fn charge_turns(&mut self) -> Check {
        ensure!(
            self.tables.gas && self.facts.product.is_some(),
            Meters,
            "the code charges an amount of gas that is not constant"
        );
        self.at += 1;
        let to = self.expect_branch(encode::LO)?;
        self.branch(to)?;
        self.at += 1;
        self.expect(encode::add(SUB, Bits::W64, GAS, GAS, FIRST))?;
        self.at -= 1;
        Ok(())
    }

    /// Checks the sequence that restores the gas after a charge above the limit, and traps.
    pub fn out_of_gas(&mut self, undo: u32, at: GasAt) -> Check {
        self.expect(undo)?;
        let site = self.trap_site(self.at, TrapKind::OutOfGas)?;
        let is_there = match at {
            GasAt::Block(offset) => site.wasm_offset == offset,
            GasAt::Grow => self.body.grows_at(site.wasm_offset),
            GasAt::Anywhere => true,
        };
        ensure!(is_there, Meters, "the charge names another block");
        self.expect(encode::TRAP)?;
        self.alive = false;
        Ok(())
    }
}

const _: () = assert!(ZERO == 31 && NOTHING == 255);
