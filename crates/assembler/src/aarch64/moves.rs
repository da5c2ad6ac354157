//! Moves between registers and of immediates.

use super::{Arith, Gpr, Imm12, Instructions, Logic, LogicalImm, Size};

/// Moves.
impl Instructions {
    /// `mov dst, src`. Neither is `SP`.
    #[inline]
    pub fn mov_rr(&mut self, size: Size, dst: Gpr, src: Gpr) {
        self.logic_rr(Logic::Orr, size, dst, Gpr::ZR, src);
    }

    /// `mov dst, src`, 64 bits, where one is `SP` or both are.
    #[inline]
    pub fn mov_sp(&mut self, dst: Gpr, src: Gpr) {
        self.arith_ri(Arith::Add, Size::S64, dst, src, Imm12::low(0));
    }

    /// `movz dst, #imm, lsl #16 * halfword`: zeros around it.
    #[inline]
    pub fn movz(&mut self, size: Size, dst: Gpr, imm: u16, halfword: u32) {
        self.move_wide(0x5280_0000, size, dst, imm, halfword);
    }

    /// `movn dst, #imm, lsl #16 * halfword`: all of it inverted.
    #[inline]
    pub fn movn(&mut self, size: Size, dst: Gpr, imm: u16, halfword: u32) {
        self.move_wide(0x1280_0000, size, dst, imm, halfword);
    }

    /// `movk dst, #imm, lsl #16 * halfword`: the rest of `dst` stays.
    #[inline]
    pub fn movk(&mut self, size: Size, dst: Gpr, imm: u16, halfword: u32) {
        self.move_wide(0x7280_0000, size, dst, imm, halfword);
    }

    #[inline(always)]
    fn move_wide(&mut self, op: u32, size: Size, dst: Gpr, imm: u16, halfword: u32) {
        debug_assert!(halfword < size.bytes() / 2, "no such halfword");
        let operands = (halfword & 3) << 21 | (imm as u32) << 5 | dst.or_zr();
        self.put(op | size.sf() | operands);
    }

    /// `dst = imm` in as few instructions as there are: one of `movz`, `movn`
    /// and `orr`, then `movk`s. For 32 bits the upper half of `imm` does not
    /// count, and that of `dst` is zeroed. The flags stay.
    #[inline]
    pub fn mov_imm(&mut self, size: Size, dst: Gpr, imm: u64) {
        if imm < 1 << 16 {
            self.movz(Size::S32, dst, imm as u16, 0);
        } else {
            self.mov_large_imm(size, dst, imm);
        }
    }

    #[inline(never)]
    fn mov_large_imm(&mut self, size: Size, dst: Gpr, imm: u64) {
        let imm = match size {
            Size::S32 => imm as u32 as u64,
            Size::S64 => imm,
        };
        let first = First::of(imm);
        let mut value = match first {
            First::Movz { halfword } => {
                // The 32-bit form zeroes the upper half just as well.
                let size = if halfword < 2 { Size::S32 } else { Size::S64 };
                let part = imm & 0xFFFF << (16 * halfword);
                self.movz(size, dst, (part >> (16 * halfword)) as u16, halfword);
                part
            }
            First::Movn { size, halfword } => {
                let rest = !imm & 0xFFFF << (16 * halfword);
                self.movn(size, dst, (rest >> (16 * halfword)) as u16, halfword);
                !rest & size_mask(size)
            }
            First::Orr(pattern) => {
                self.logic_ri(Logic::Orr, dst, Gpr::ZR, pattern);
                pattern.value()
            }
        };
        for halfword in 0..4 {
            let mask = 0xFFFF << (16 * halfword);
            if (value ^ imm) & mask != 0 {
                self.movk(size, dst, (imm >> (16 * halfword)) as u16, halfword);
                value = value & !mask | imm & mask;
            }
        }
        debug_assert!(value == imm, "the immediate is complete");
    }
}

const fn size_mask(size: Size) -> u64 {
    u64::MAX >> (64 - size.bits())
}

/// The first instruction of an immediate's.
#[derive(Copy, Clone)]
enum First {
    /// The halfword as it is, zeros elsewhere.
    Movz { halfword: u32 },
    /// The halfword as it is, ones elsewhere up to the size.
    Movn { size: Size, halfword: u32 },
    /// A pattern.
    Orr(LogicalImm),
}

impl First {
    /// The one that leaves the fewest halfwords to `movk`.
    fn of(imm: u64) -> Self {
        let halfwords = [0, 16, 32, 48].map(|bit| (imm >> bit) as u16);
        let odd = |common: u16| halfwords.iter().filter(|&&half| half != common).count();
        // The first halfword that has to be written anyway, or any.
        let place = |common: u16| {
            let place = halfwords.iter().position(|&half| half != common);
            place.unwrap_or(0) as u32
        };
        let (zeros, ones) = (odd(0), odd(0xFFFF));
        let (movz, movn) = (zeros.saturating_sub(1), ones.saturating_sub(1));
        let (rest, simple) = if movz <= movn {
            (movz, Self::Movz { halfword: place(0) })
        } else {
            let halfword = place(0xFFFF);
            let size = Size::S64;
            (movn, Self::Movn { size, halfword })
        };
        let (rest, simple) = match movn32(&halfwords) {
            Some((fewer, first)) if fewer < rest => (fewer, first),
            _ => (rest, simple),
        };
        if rest == 0 {
            return simple;
        }
        match pattern_near(imm, &halfwords, rest) {
            Some(pattern) => Self::Orr(pattern),
            None => simple,
        }
    }
}

/// The 32-bit `movn` that serves the lower half, where one does alone, and how
/// many halfwords it leaves. (Another leaves no fewer than `movz`.)
fn movn32(halfwords: &[u16; 4]) -> Option<(usize, First)> {
    let halfword = match *halfwords {
        [_, 0xFFFF, ..] => 0,
        [0xFFFF, _, ..] => 1,
        _ => return None,
    };
    let rest = halfwords[2..].iter().filter(|&&half| half != 0).count();
    let size = Size::S32;
    Some((rest, First::Movn { size, halfword }))
}

/// The pattern with the fewest halfwords, less than `limit`, that differ from
/// `imm`. Where a pattern's halfword differs, it can as well be zero, all ones
/// or like another of the value's: a run of ones can end between halfwords.
fn pattern_near(imm: u64, halfwords: &[u16; 4], limit: usize) -> Option<LogicalImm> {
    let pattern = |value: u64| {
        LogicalImm::new(value, Size::S64).or_else(|| LogicalImm::new(value, Size::S32))
    };
    let fills = [
        0,
        0xFFFF,
        halfwords[0],
        halfwords[1],
        halfwords[2],
        halfwords[3],
    ];
    let with = |value: u64, at: usize, fill: u16| {
        value & !(0xFFFF << (16 * at)) | u64::from(fill) << (16 * at)
    };
    if let Some(found) = pattern(imm) {
        return Some(found);
    }
    if limit > 1 {
        for at in 0..4 {
            for fill in fills {
                if let Some(found) = pattern(with(imm, at, fill)) {
                    return Some(found);
                }
            }
        }
    }
    if limit > 2 {
        for (at, other) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            for fill in fills {
                for second in fills {
                    let value = with(with(imm, at, fill), other, second);
                    if let Some(found) = pattern(value) {
                        return Some(found);
                    }
                }
            }
        }
    }
    None
}
