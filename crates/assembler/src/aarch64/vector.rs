//! Vectors: what a baseline compiler borrows from them for bits of floats,
//! counts and blocks of memory.

use super::{Fpr, Gpr, Instructions, Lane, Shift, VBit, VSize};

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

    /// `mov dst.16b, src.16b`, or `.8b`
    #[inline]
    pub fn vmov(&mut self, size: VSize, dst: Fpr, src: Fpr) {
        self.vbit(VBit::Orr, size, dst, src, src);
    }

    /// `mvn dst.16b, src.16b`, or `.8b`
    #[inline]
    pub fn vmvn(&mut self, size: VSize, dst: Fpr, src: Fpr) {
        self.put(0x2E20_5800 | size.q() | src.bits() << 5 | dst.bits());
    }

    /// `movi dst.2d, #0`: all of `dst` is zeroed.
    #[inline]
    pub fn movi_zero(&mut self, dst: Fpr) {
        self.put(0x6F00_E400 | dst.bits());
    }

    /// `movi dst.16b, #imm`, or `.8b`: the byte in every lane.
    #[inline]
    pub fn movi_b(&mut self, size: VSize, dst: Fpr, imm: u8) {
        self.put(0x0F00_E400 | size.q() | imm8(imm) | dst.bits());
    }

    /// `movi dst.4s, #imm, lsl #8 * byte`, or `.2s`: the byte at this place in
    /// every lane of four bytes.
    #[inline]
    pub fn movi_s(&mut self, size: VSize, dst: Fpr, imm: u8, byte: u32) {
        debug_assert!(byte < 4, "a lane of four bytes");
        let op = 0x0F00_0400 | (byte & 3) << 13;
        self.put(op | size.q() | imm8(imm) | dst.bits());
    }

    /// `cnt dst.8b, src.8b`, or `.16b`: counts the ones of each byte.
    #[inline]
    pub fn cnt(&mut self, size: VSize, dst: Fpr, src: Fpr) {
        self.put(0x0E20_5800 | size.q() | src.bits() << 5 | dst.bits());
    }

    /// `shl`, `ushr` or `sshr d, d, #amount`: 64 bits, the rest zeroed. The
    /// amount is below 64, and not 0 to the right; vectors do not rotate.
    #[inline]
    pub fn shift_d(&mut self, shift: Shift, dst: Fpr, src: Fpr, amount: u32) {
        debug_assert!(
            amount < 64 && (amount != 0 || shift == Shift::Lsl),
            "no such shift"
        );
        let left = 64 | amount & 63;
        let right = 64 | amount.wrapping_neg() & 63;
        let (op, field) = match shift {
            Shift::Lsl => (0x5F00_5400, left),
            Shift::Lsr => (0x7F00_0400, right),
            Shift::Asr | Shift::Ror => (0x5F00_0400, right),
        };
        debug_assert!(shift != Shift::Ror, "vectors do not rotate");
        self.put(op | field << 16 | src.bits() << 5 | dst.bits());
    }

    /// `fneg dst.lanes, src.lanes`; lanes `S` or `D`.
    #[inline]
    pub fn vfneg(&mut self, size: VSize, lane: Lane, dst: Fpr, src: Fpr) {
        self.vfloat(0x2EA0_F800, size, lane, dst, src);
    }

    /// `fabs dst.lanes, src.lanes`; lanes `S` or `D`.
    #[inline]
    pub fn vfabs(&mut self, size: VSize, lane: Lane, dst: Fpr, src: Fpr) {
        self.vfloat(0x0EA0_F800, size, lane, dst, src);
    }

    #[inline(always)]
    fn vfloat(&mut self, op: u32, size: VSize, lane: Lane, dst: Fpr, src: Fpr) {
        debug_assert!(lane as u8 >= 2 && has_lanes(size, lane), "no such lanes");
        self.put(op | size.q() | lane.size() | src.bits() << 5 | dst.bits());
    }
}

/// The `abc` and `defgh` fields.
#[inline(always)]
const fn imm8(imm: u8) -> u32 {
    (imm as u32 >> 5) << 16 | (imm as u32 & 31) << 5
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

    /// `dup dst.lanes, src.lane[index]`: as [`dup`](Self::dup).
    #[inline]
    pub fn dup_lane(&mut self, size: VSize, lane: Lane, dst: Fpr, src: Fpr, index: u32) {
        debug_assert!(has_lanes(size, lane), "no such lanes");
        let lane = lane_field(lane, index) << 16;
        self.put(0x0E00_0400 | size.q() | lane | src.bits() << 5 | dst.bits());
    }

    /// `umov dst, src.lane[index]`: one lane, zero-extended to all 64 bits.
    #[inline]
    pub fn umov(&mut self, lane: Lane, dst: Gpr, src: Fpr, index: u32) {
        let q = (lane as u32 / 3) << 30;
        let lane = lane_field(lane, index) << 16;
        self.put(0x0E00_3C00 | q | lane | src.bits() << 5 | dst.or_zr());
    }

    /// `ins dst.lane[index], src`: the other lanes stay.
    #[inline]
    pub fn ins(&mut self, lane: Lane, dst: Fpr, index: u32, src: Gpr) {
        let lane = lane_field(lane, index) << 16;
        self.put(0x4E00_1C00 | lane | src.or_zr() << 5 | dst.bits());
    }

    /// `ins dst.lane[index], src.lane[from]`: the other lanes stay.
    #[inline]
    pub fn ins_lane(&mut self, lane: Lane, dst: Fpr, index: u32, src: Fpr, from: u32) {
        debug_assert!(from < lane.count(), "no such lane");
        let from = (from << lane as u32 & 15) << 11;
        let lane = lane_field(lane, index) << 16;
        self.put(0x6E00_0400 | lane | from | src.bits() << 5 | dst.bits());
    }

    /// `cmeq dst.lanes, a.lanes, b.lanes`: ones where they are equal, else
    /// zeros. Lanes of eight bytes only in a register of sixteen.
    #[inline]
    pub fn cmeq(&mut self, size: VSize, lane: Lane, dst: Fpr, a: Fpr, b: Fpr) {
        debug_assert!(has_lanes(size, lane), "no such lanes");
        self.put(0x2E20_8C00 | size.q() | lane.size() | registers(dst, a, b));
    }

    /// `cmeq dst.lanes, src.lanes, #0`: as [`cmeq`](Self::cmeq).
    #[inline]
    pub fn cmeq_zero(&mut self, size: VSize, lane: Lane, dst: Fpr, src: Fpr) {
        debug_assert!(has_lanes(size, lane), "no such lanes");
        self.put(0x0E20_9800 | size.q() | lane.size() | src.bits() << 5 | dst.bits());
    }

    /// `addv dst, src.lanes`: the sum, as wide as a lane. Not of fewer than
    /// four lanes.
    #[inline]
    pub fn addv(&mut self, size: VSize, lane: Lane, dst: Fpr, src: Fpr) {
        self.across(0x0E31_B800, size, lane, dst, src);
    }

    /// `uaddlv dst, src.lanes`: the sum, twice as wide as a lane, unsigned.
    /// Not of fewer than four lanes.
    #[inline]
    pub fn uaddlv(&mut self, size: VSize, lane: Lane, dst: Fpr, src: Fpr) {
        self.across(0x2E30_3800, size, lane, dst, src);
    }

    /// `umaxv dst, src.lanes`: the greatest, unsigned. Not of fewer than four
    /// lanes.
    #[inline]
    pub fn umaxv(&mut self, size: VSize, lane: Lane, dst: Fpr, src: Fpr) {
        self.across(0x2E30_A800, size, lane, dst, src);
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
