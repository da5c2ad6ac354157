//! The walk over code that functions share. It has no loops, calls nothing, and gives back what it borrows.

use super::{Buffers, Check, Walk, ensure, refuse};
use crate::Refusal;
use crate::x64::facts::*;
use crate::x64::instruction::{Instruction, Place};
use crate::x64::module::Program;
use crate::x64::shape::*;
use crate::x64::table::Op;
use crate::x64::{R11, R12, R13, R14, R15, RAX, RSP};

/// Bytes of `ud2`.
const TRAP_BYTES: u32 = 2;

impl<'w, 'v> Walk<'w, 'v> {
    /// Checks the piece of shared code from `start` on. Returns its end, and what it does to its caller.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn of_shared(
        program: Program<'v>,
        buffers: &'w mut Buffers,
        (start, end): (u32, u32),
    ) -> Result<(u32, Contract), Refusal> {
        let site = program.code.sites.len();
        let mut walk = Self::new(program, buffers, (start, end), site);
        // At first, registers contain what belongs to the caller.
        walk.bounds = [64; 32];
        for register in [R12, R13, R14, R15] {
            walk.bounds[usize::from(register)] = FIXED;
        }
        walk.bounds[usize::from(RSP)] = UNTOUCHED;
        walk.facts = Facts::none(u16::MAX, u16::MAX);
        walk.shared().map_err(|why| walk.refusal(why))?;
        if walk.kept {
            walk.contract.written &= !(1 << RAX);
        }
        Ok((start + walk.at as u32, walk.contract))
    }

    fn shared(&mut self) -> Check {
        let mut furthest = 0;
        while let Some(&slot) = self.slots.get(self.at) {
            if slot != super::NO_LABEL {
                self.arrive(slot)?;
            }
            self.offset = self.at;
            let it = self.current()?;
            let len = usize::from(it.len);
            match it.op {
                Op::Jcc | Op::Jmp => {
                    self.advance(len);
                    let target = self.target(it.imm);
                    ensure!(target >= self.at, Targets, "shared code has a loop");
                    furthest = furthest.max(target);
                    self.branch_to(target)?;
                    match it.op {
                        Op::Jmp => self.stop()?,
                        _ => self.learn(it.condition),
                    }
                }
                Op::Mov if is_store(&it, 8, RSP, -8, RAX) => {
                    self.advance(len);
                    let known = self.bounds[usize::from(RSP)];
                    ensure!(
                        known == UNTOUCHED || known == KEPT,
                        Stubs,
                        "shared code saves the borrowed register late"
                    );
                    self.bounds[usize::from(RSP)] = KEPT;
                }
                Op::Mov if is_load(&it, Op::Mov, 8, RAX, RSP, -8) => {
                    self.advance(len);
                    let known = self.bounds[usize::from(RSP)];
                    ensure!(
                        known == BORROWED || known == KEPT,
                        Stubs,
                        "shared code has nothing to give back"
                    );
                    self.write(RAX, 64)?;
                    self.bounds[usize::from(RSP)] = KEPT;
                }
                Op::Add if it.to == Place::Memory => {
                    self.advance(len);
                    let place = is_place(&it, 8, RSP, 0) && it.from == Place::Immediate;
                    let returns = self.expect()?.op == Op::Ret;
                    ensure!(
                        place && returns && matches!(it.imm, 2 | 4),
                        Stubs,
                        "shared code returns in another way"
                    );
                    self.returned = self.at;
                    self.leave_shared(it.imm as u32);
                    if self.at > furthest {
                        return Ok(());
                    }
                    self.stop()?;
                }
                Op::Ret => {
                    self.advance(len);
                    self.returned = self.at;
                    self.leave_shared(0);
                    if self.at > furthest {
                        return Ok(());
                    }
                    self.stop()?;
                }
                Op::Idiv => {
                    self.advance(len);
                    self.checked_division(&it)?;
                    self.divide(it.a, it.size)?;
                }
                Op::Call | Op::CallMem | Op::JmpReg | Op::Ud2 | Op::Div => {
                    refuse!(Stubs, "shared code has an instruction that it may not have");
                }
                _ => {
                    self.step();
                    if let Some(why) = self.refused.take() {
                        return Err(why);
                    }
                }
            }
        }
        refuse!(Ends, "shared code runs out at its end")
    }

    fn leave_shared(&mut self, returns_beyond: u32) {
        self.kept &= matches!(self.bounds[usize::from(RSP)], KEPT | UNTOUCHED);
        // A return to a trap leaves no register contents for the caller.
        let traps = returns_beyond / TRAP_BYTES;
        if traps > self.contract.traps {
            (self.contract.traps, self.contract.bounds) = (traps, self.bounds);
        } else if traps == self.contract.traps {
            join_shared(&mut self.contract.bounds, &self.bounds);
        }
    }

    /// A division in shared code has no trap site, because both divisors that fault are excluded before it. The piece
    /// begins with `cmp r11, -1; jne plain`, and the code at `plain` is `test r11, r11; je zero; cdq; idiv r11`.
    fn checked_division(&mut self, divide: &Instruction) -> Check {
        let right = self.is_checked_division(divide).is_some_and(|right| right);
        ensure!(right, TrapSites, "a division in shared code can fault");
        Ok(())
    }

    fn is_checked_division(&mut self, divide: &Instruction) -> Option<bool> {
        let size = divide.size;
        let [test, zero, sign] = self.between::<3>(self.compared)?;
        let lengths = [test, zero, sign].map(|it| usize::from(it.len));
        let plain = self.offset.checked_sub(lengths.iter().sum())?;
        let tested = is_registers(&test, Op::Test, size, R11, R11)
            && is_branch(&zero, EQUAL)
            && sign.op == Op::SignToRdx
            && (divide.to, divide.a) == (Place::Register, R11);
        let first = self.peek_at(0)?;
        let second = self.peek_at(first.len.into())?;
        let target = usize::from(first.len + second.len).wrapping_add(second.imm as usize);
        // A return stands before it, so nothing but that branch and others of its kind leads to it.
        let alone = self.returned == plain;
        let passed = is_imm(&first, Op::Cmp, size, R11, -1)
            && is_branch(&second, NOT_EQUAL)
            && target == plain
            && alone;
        Some(tested && passed)
    }

    #[cold]
    pub(super) fn note_write(&mut self, register: u8) {
        self.contract.written |= 1 << register;
        if register == RAX {
            let known = &mut self.bounds[usize::from(RSP)];
            *known = match *known {
                KEPT | BORROWED => BORROWED,
                _ => LOST,
            };
        }
    }
}
