//! Vectors: what a baseline compiler borrows from them for bits of floats,
//! counts and blocks of memory.

use super::{Fpr, Gpr, Instructions, Lane, VBit, VSize};

/// Whether a register of this size has lanes of this width, and more than one.
const fn has_lanes(size: VSize, lane: Lane) -> bool {
    matches!(size, VSize::S128) || !matches!(lane, Lane::D)
}

/// `Rm`, `Rn`, `Rd`.
#[inline(always)]
const fn registers(dst: Fpr, a: Fpr, b: Fpr) -> u32 {
    b.bits() << 16 | a.bits() << 5 | dst.bits()
}

/// The `imm5` field for a lane of this width.
#[inline(always)]
const fn lane_field(lane: Lane, index: u32) -> u32 {
    debug_assert!(index < lane.count(), "no such lane");
    (1 << lane as u32 | index << (lane as u32 + 1)) & 31
}

/// Bits.
impl Instructions {
    /// `op dst.16b, a.16b, b.16b`, or `.8b`
    #[inline]
    pub fn vbit(&mut self, op: VBit, size: VSize, dst: Fpr, a: Fpr, b: Fpr) {
        let op = 0x0E20_1C00 | (op as u32 >> 2) << 29 | (op as u32 & 3) << 22;
        self.put(op | size.q() | registers(dst, a, b));
    }

    /// `movi dst.2d, #0`: all of `dst` is zeroed.
    #[inline]
    pub fn movi_zero(&mut self, dst: Fpr) {
        self.put(0x6F00_E400 | dst.bits());
    }

    /// `cnt dst.8b, src.8b`, or `.16b`: counts the ones of each byte.
    #[inline]
    pub fn cnt(&mut self, size: VSize, dst: Fpr, src: Fpr) {
        self.put(0x0E20_5800 | size.q() | src.bits() << 5 | dst.bits());
    }
}

/// Lanes.
impl Instructions {
    /// `dup dst.lanes, src`: the low bits of `src` in every lane. Lanes of
    /// eight bytes only in a register of sixteen.
    #[inline]
    pub fn dup(&mut self, size: VSize, lane: Lane, dst: Fpr, src: Gpr) {
        debug_assert!(has_lanes(size, lane), "no such lanes");
        let lane = lane_field(lane, 0) << 16;
        self.put(0x0E00_0C00 | size.q() | lane | src.or_zr() << 5 | dst.bits());
    }

    /// `cmeq dst.lanes, a.lanes, b.lanes`: ones where they are equal, else
    /// zeros. Lanes of eight bytes only in a register of sixteen.
    #[inline]
    pub fn cmeq(&mut self, size: VSize, lane: Lane, dst: Fpr, a: Fpr, b: Fpr) {
        debug_assert!(has_lanes(size, lane), "no such lanes");
        self.put(0x2E20_8C00 | size.q() | lane.size() | registers(dst, a, b));
    }

    /// `addv dst, src.lanes`: the sum, as wide as a lane. Not of fewer than
    /// four lanes.
    #[inline]
    pub fn addv(&mut self, size: VSize, lane: Lane, dst: Fpr, src: Fpr) {
        self.across(0x0E31_B800, size, lane, dst, src);
    }

    /// `uminv dst, src.lanes`: the least, unsigned. Not of fewer than four
    /// lanes.
    #[inline]
    pub fn uminv(&mut self, size: VSize, lane: Lane, dst: Fpr, src: Fpr) {
        self.across(0x2E31_A800, size, lane, dst, src);
    }

    #[inline(always)]
    fn across(&mut self, op: u32, size: VSize, lane: Lane, dst: Fpr, src: Fpr) {
        debug_assert!(
            lane.count() >= 8 || lane == Lane::S && size == VSize::S128,
            "four lanes at least"
        );
        self.put(op | size.q() | lane.size() | src.bits() << 5 | dst.bits());
    }
}
