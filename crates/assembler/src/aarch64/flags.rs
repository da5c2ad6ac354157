//! Which instructions write the flags, by their words.

/// The fields that tell instructions apart (a mask), and what is in them, of all that write the flags and of calls,
/// after which nothing is known of them.
const WRITERS: [(u32, u32); 12] = [
    // adds, subs: immediate, shifted register, extended register.
    (0x3F80_0000, 0x3100_0000),
    (0x3F20_0000, 0x2B00_0000),
    (0x3FE0_0000, 0x2B20_0000),
    // adcs, sbcs.
    (0x3FE0_FC00, 0x3A00_0000),
    // ands: immediate. ands, bics: shifted register.
    (0x7F80_0000, 0x7200_0000),
    (0x7F00_0000, 0x6A00_0000),
    // ccmp, ccmn.
    (0x3FE0_0410, 0x3A40_0000),
    // fcmp, fcmpe.
    (0xFF20_FC07, 0x1E20_2000),
    // fccmp, fccmpe.
    (0xFF20_0C00, 0x1E20_0400),
    // msr nzcv.
    (0xFFFF_FFE0, 0xD51B_4200),
    // bl, blr.
    (0xFC00_0000, 0x9400_0000),
    (0xFFFF_FC1F, 0xD63F_0000),
];

/// Whether the instruction writes flags.
pub(super) fn writes_flags(instruction: u32) -> bool {
    WRITERS
        .iter()
        .any(|&(mask, bits)| instruction & mask == bits)
}
