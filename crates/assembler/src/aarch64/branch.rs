//! Instructions that transfer control, addresses in the code, barriers and
//! hints.

use super::reach::Field;
use super::{Cond, Gpr, Instructions, Label, Size, SystemRegister};

/// `b` with a distance of 0.
pub(super) const B: u32 = 0x1400_0000;
/// `bl` with a distance of 0.
const BL: u32 = 0x9400_0000;

/// What turns `cbz` into `cbnz` and `tbz` into `tbnz`.
const NOT_ZERO: u32 = 1 << 24;

/// A `b` or `bl` with the distance replaced by `distance` bytes, counted from
/// the instruction's start; `None` if it is no multiple of four within 128 MB.
///
/// For what links pieces of code: see [`Instructions::bl_placeholder`].
pub const fn with_branch_distance(instruction: u32, distance: i64) -> Option<u32> {
    if distance as i32 as i64 != distance {
        return None;
    }
    match Field::Branch26.encode(distance as i32) {
        Some(bits) => Some(instruction & 0xFC00_0000 | bits),
        None => None,
    }
}

/// Branches. Those to a label reach 128 MB (`b`, `bl`), 1 MB (`b_cond`, `cbz`,
/// `cbnz`) or 32 KB (`tbz`, `tbnz`). One back to a label out of reach becomes
/// two instructions, the inverted branch over a `b`; one forwards is helped by
/// an island, where [`keep_in_range`](Instructions::keep_in_range) allows it.
impl Instructions {
    /// `b label`
    #[inline]
    pub fn b(&mut self, label: Label) {
        self.put_with_label(B, Field::Branch26, label);
    }

    /// `bl label`
    #[inline]
    pub fn bl(&mut self, label: Label) {
        self.put_with_label(BL, Field::Branch26, label);
    }

    /// `b.cond label`; plain `b` for `AL`.
    #[inline]
    pub fn b_cond(&mut self, cond: Cond, label: Label) {
        if cond == Cond::AL {
            return self.b(label);
        }
        self.put_branch(0x5400_0000 | cond.bits(), 1, Field::Branch19, label);
    }

    /// `b.cond label` in two instructions, the inverted branch over a `b`, with
    /// the reach of `b`: for what lies behind a long stretch of data. Plain `b`
    /// for `AL`.
    #[inline]
    pub fn b_cond_far(&mut self, cond: Cond, label: Label) {
        if cond != Cond::AL {
            let over = Field::Branch19.encode(8).unwrap_or(0);
            self.put(0x5400_0000 | cond.inverted().bits() | over);
        }
        self.b(label);
    }

    /// `cbz reg, label`: branches if `reg` is zero. The flags stay.
    #[inline]
    pub fn cbz(&mut self, size: Size, reg: Gpr, label: Label) {
        let instruction = 0x3400_0000 | size.sf() | reg.or_zr();
        self.put_branch(instruction, NOT_ZERO, Field::Branch19, label);
    }

    /// `cbnz reg, label`: branches if `reg` is not zero. The flags stay.
    #[inline]
    pub fn cbnz(&mut self, size: Size, reg: Gpr, label: Label) {
        let instruction = 0x3500_0000 | size.sf() | reg.or_zr();
        self.put_branch(instruction, NOT_ZERO, Field::Branch19, label);
    }

    /// `tbz reg, #bit, label`: branches if this bit, 0 to 63, is clear. The
    /// flags stay.
    #[inline]
    pub fn tbz(&mut self, reg: Gpr, bit: u32, label: Label) {
        let instruction = 0x3600_0000 | tested_bit(bit) | reg.or_zr();
        self.put_branch(instruction, NOT_ZERO, Field::Branch14, label);
    }

    /// `tbnz reg, #bit, label`: branches if this bit, 0 to 63, is set. The
    /// flags stay.
    #[inline]
    pub fn tbnz(&mut self, reg: Gpr, bit: u32, label: Label) {
        let instruction = 0x3700_0000 | tested_bit(bit) | reg.or_zr();
        self.put_branch(instruction, NOT_ZERO, Field::Branch14, label);
    }

    /// A branch that `inverting` turns into its opposite.
    #[inline(always)]
    fn put_branch(&mut self, instruction: u32, inverting: u32, field: Field, label: Label) {
        let at = self.offset();
        let bits = match self.labels.offset(label) {
            Some(target) => match field.encode(target.wrapping_sub(at) as i32) {
                Some(bits) => bits,
                None => return self.put_far_branch(instruction ^ inverting, field, label),
            },
            None => {
                self.wait(at, label, field);
                0
            }
        };
        self.put(instruction | bits);
    }

    /// `inverted` over a `b` to `label`.
    #[cold]
    fn put_far_branch(&mut self, inverted: u32, field: Field, label: Label) {
        self.put(inverted | field.encode(8).unwrap_or(0));
        self.b(label);
    }

    /// `bl` with a distance of 0; returns the offset of the instruction, for
    /// [`with_branch_distance`].
    #[inline]
    pub fn bl_placeholder(&mut self) -> u32 {
        self.put(BL);
        self.offset() - 4
    }

    /// `b` with a distance of 0; returns the offset of the instruction, for
    /// [`with_branch_distance`].
    #[inline]
    pub fn b_placeholder(&mut self) -> u32 {
        self.put(B);
        self.offset() - 4
    }

    /// `br target`
    #[inline]
    pub fn br(&mut self, target: Gpr) {
        self.put(0xD61F_0000 | target.or_zr() << 5);
    }

    /// `blr target`
    #[inline]
    pub fn blr(&mut self, target: Gpr) {
        self.put(0xD63F_0000 | target.or_zr() << 5);
    }

    /// `ret`, to the link register.
    #[inline]
    pub fn ret(&mut self) {
        self.ret_r(Gpr::LR);
    }

    /// `ret target`
    #[inline]
    pub fn ret_r(&mut self, target: Gpr) {
        self.put(0xD65F_0000 | target.or_zr() << 5);
    }

    /// `adr dst, label`: the address of a label within 1 MB. No island helps
    /// one out of reach: it is an error of [`finish`](super::Assembler::finish).
    #[inline]
    pub fn adr(&mut self, dst: Gpr, label: Label) {
        self.put_with_label(0x1000_0000 | dst.or_zr(), Field::Adr21, label);
    }
}

#[inline(always)]
const fn tested_bit(bit: u32) -> u32 {
    debug_assert!(bit < 64, "a register has 64 bits");
    (bit >> 5 & 1) << 31 | (bit & 31) << 19
}

/// Traps, hints, barriers and system registers.
impl Instructions {
    /// `brk #imm`: a breakpoint.
    #[inline]
    pub fn brk(&mut self, imm: u16) {
        self.put(0xD420_0000 | (imm as u32) << 5);
    }

    /// `udf #imm`: an invalid instruction, on purpose.
    #[inline]
    pub fn udf(&mut self, imm: u16) {
        self.put(imm as u32);
    }

    /// `isb`
    #[inline]
    pub fn isb(&mut self) {
        self.put(0xD503_3FDF);
    }

    /// `mrs dst, register`
    #[inline]
    pub fn mrs(&mut self, dst: Gpr, register: SystemRegister) {
        self.put(0xD530_0000 | register as u32 | dst.or_zr());
    }

    /// `msr register, src`
    #[inline]
    pub fn msr(&mut self, register: SystemRegister, src: Gpr) {
        self.put(0xD510_0000 | register as u32 | src.or_zr());
    }
}
