//! A check of the abstract state after every operator, in debug builds.
//!
//! It compares what the state records twice: the owner of a register with the location of that owner, the counted
//! references to locals with the operands that refer to them. Every local that an operand refers to must have its value
//! somewhere.

use super::state::{Location, Owner, State};
use crate::analysis::Locals;
use crate::isa::masm::{Reg, RegSet};

impl State {
    /// Panics if the state contradicts itself. `types` are the types of all locals, `all` are all registers.
    pub(super) fn check(&self, types: &Locals, all: RegSet) {
        let tracked = types.tracked() as usize;
        assert!(
            self.temporaries == RegSet::default(),
            "an operator kept temporaries"
        );
        for register in all.iter() {
            let owner = self.owners[register.index()];
            assert_eq!(
                self.held.contains(register),
                matches!(owner, Owner::Local(_)),
                "{register:?} is held if and only if it is a local's"
            );
            assert_eq!(
                self.free.contains(register),
                owner == Owner::Nobody,
                "{register:?} is free if and only if nobody owns it"
            );
            match owner {
                Owner::Nobody => {}
                Owner::Temporary => panic!("{register:?} outlived its operator"),
                Owner::Local(local) => {
                    assert_eq!(
                        self.register[local as usize],
                        Some(register),
                        "local {local}"
                    );
                    assert_eq!(types.ty(local).class(), register.class(), "local {local}");
                }
                Owner::Operand(position) => {
                    let operand = self.operands[position as usize];
                    assert_eq!(
                        operand.location,
                        Location::Reg(register),
                        "operand {position}"
                    );
                    assert_eq!(operand.ty.class(), register.class(), "operand {position}");
                }
            }
        }
        self.check_locals(tracked);
        self.check_operands(tracked);
    }

    fn check_locals(&self, tracked: usize) {
        for local in 0..tracked as u32 {
            if let Some(register) = self.register[local as usize] {
                assert_eq!(
                    self.owners[register.index()],
                    Owner::Local(local),
                    "local {local}"
                );
                assert!(
                    !self.constant.contains(local),
                    "local {local} is a constant in a register"
                );
            }
        }
    }

    fn check_operands(&self, tracked: usize) {
        let mut references = vec![0; tracked];
        for (position, operand) in self.operands.iter().enumerate() {
            match operand.location {
                Location::Reg(register) => self.check_operand_register(position, register),
                Location::Local(local) => {
                    references[local as usize] += 1;
                    let known = self.register[local as usize].is_some()
                        || self.home.contains(local)
                        || self.constant.contains(local);
                    assert!(
                        known,
                        "operand {position} reads local {local}, which is nowhere"
                    );
                }
                Location::Flags(_) => {
                    assert_eq!(
                        position + 1,
                        self.operands.len(),
                        "only the topmost operand is flags"
                    );
                }
                Location::Home(home) => {
                    assert_eq!(home as usize, position, "an operand's home is its own");
                }
                Location::Const(_) => {}
            }
            if position < self.settled() {
                let settled = matches!(operand.location, Location::Const(_) | Location::Home(_));
                assert!(
                    settled,
                    "operand {position} is below {} and not settled",
                    self.settled()
                );
            }
        }
        for operand in self.homed().map(|position| &self.operands[position]) {
            let homed = matches!(operand.location, Location::Home(_)) && !operand.raw_nan;
            assert!(homed, "{operand:?} is not at home");
        }
        assert_eq!(
            references,
            self.references[..tracked],
            "references to locals"
        );
    }

    fn check_operand_register(&self, position: usize, register: Reg) {
        let owner = self.owners[register.index()];
        assert_eq!(owner, Owner::Operand(position as u32), "{register:?}");
    }
}
