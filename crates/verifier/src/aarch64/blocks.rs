//! The stubs of block operations, word by word. Each stub begins with a comparison of the range with the size of
//! memory, so it stays within linear memory and its guards for any arguments.

/// All stubs, in the order of their addresses.
pub(super) static BLOCKS: [&[u32]; 4] = [&COPY_FORWARD, &COPY_BACKWARD, &FILL, &COMPARE];

/// Copies upwards.
#[rustfmt::skip]
static COPY_FORWARD: [u32; 34] = [
    0xF940_0670, // ldr x16, [x19, #0x8]
    0xEB0B_0210, // subs x16, x16, x11
    0x5400_00A3, // b.lo $+0x14
    0xEB10_015F, // cmp x10, x16
    0x5400_0068, // b.hi $+0xc
    0xEB10_013F, // cmp x9, x16
    0x5400_0049, // b.ls $+0x8
    0x0000_0000, // udf #0x0
    0x8B14_0129, // add x9, x9, x20
    0x8B14_014A, // add x10, x10, x20
    0x8B0B_0130, // add x16, x9, x11
    0x8B0B_0151, // add x17, x10, x11
    0xF100_817F, // cmp x11, #0x20
    0x5400_01A8, // b.hi $+0x34
    0xF100_417F, // cmp x11, #0x10
    0x5400_00C3, // b.lo $+0x18
    0x3DC0_015F, // ldr q31, [x10]
    0x3CDF_023E, // ldur q30, [x17, #-0x10]
    0x3D80_013F, // str q31, [x9]
    0x3C9F_021E, // stur q30, [x16, #-0x10]
    0xD65F_03C0, // ret
    0xFD40_015F, // ldr d31, [x10]
    0xFC5F_823E, // ldur d30, [x17, #-0x8]
    0xFD00_013F, // str d31, [x9]
    0xFC1F_821E, // stur d30, [x16, #-0x8]
    0xD65F_03C0, // ret
    0xAD7F_763C, // ldp q28, q29, [x17, #-0x20]
    0xD100_8210, // sub x16, x16, #0x20
    0xACC1_795F, // ldp q31, q30, [x10], #0x20
    0xAC81_793F, // stp q31, q30, [x9], #0x20
    0xEB10_013F, // cmp x9, x16
    0x54FF_FFA3, // b.lo $-0xc
    0xAD00_761C, // stp q28, q29, [x16]
    0xD65F_03C0, // ret
];

/// Copies downwards.
#[rustfmt::skip]
static COPY_BACKWARD: [u32; 34] = [
    0xF940_0670, // ldr x16, [x19, #0x8]
    0xEB0B_0210, // subs x16, x16, x11
    0x5400_00A3, // b.lo $+0x14
    0xEB10_015F, // cmp x10, x16
    0x5400_0068, // b.hi $+0xc
    0xEB10_013F, // cmp x9, x16
    0x5400_0049, // b.ls $+0x8
    0x0000_0000, // udf #0x0
    0x8B14_0129, // add x9, x9, x20
    0x8B14_014A, // add x10, x10, x20
    0x8B0B_0130, // add x16, x9, x11
    0x8B0B_0151, // add x17, x10, x11
    0xF100_817F, // cmp x11, #0x20
    0x5400_01A8, // b.hi $+0x34
    0xF100_417F, // cmp x11, #0x10
    0x5400_00C3, // b.lo $+0x18
    0x3DC0_015F, // ldr q31, [x10]
    0x3CDF_023E, // ldur q30, [x17, #-0x10]
    0x3D80_013F, // str q31, [x9]
    0x3C9F_021E, // stur q30, [x16, #-0x10]
    0xD65F_03C0, // ret
    0xFD40_015F, // ldr d31, [x10]
    0xFC5F_823E, // ldur d30, [x17, #-0x8]
    0xFD00_013F, // str d31, [x9]
    0xFC1F_821E, // stur d30, [x16, #-0x8]
    0xD65F_03C0, // ret
    0xAD40_755C, // ldp q28, q29, [x10]
    0x9100_812A, // add x10, x9, #0x20
    0xADFF_7A3F, // ldp q31, q30, [x17, #-0x20]!
    0xADBF_7A1F, // stp q31, q30, [x16, #-0x20]!
    0xEB0A_021F, // cmp x16, x10
    0x54FF_FFA8, // b.hi $-0xc
    0xAD00_753C, // stp q28, q29, [x9]
    0xD65F_03C0, // ret
];

/// Fills with repetitions of eight bytes.
#[rustfmt::skip]
static FILL: [u32; 25] = [
    0xF940_0670, // ldr x16, [x19, #0x8]
    0xEB0B_0210, // subs x16, x16, x11
    0x5400_0063, // b.lo $+0xc
    0xEB10_013F, // cmp x9, x16
    0x5400_0049, // b.ls $+0x8
    0x0000_0000, // udf #0x0
    0x8B14_0129, // add x9, x9, x20
    0x8B0B_0130, // add x16, x9, x11
    0x4E08_0D5F, // dup v31.2d, x10
    0xF100_817F, // cmp x11, #0x20
    0x5400_0128, // b.hi $+0x24
    0xF100_417F, // cmp x11, #0x10
    0x5400_0083, // b.lo $+0x10
    0x3D80_013F, // str q31, [x9]
    0x3C9F_021F, // stur q31, [x16, #-0x10]
    0xD65F_03C0, // ret
    0xF900_012A, // str x10, [x9]
    0xF81F_820A, // stur x10, [x16, #-0x8]
    0xD65F_03C0, // ret
    0xD100_8210, // sub x16, x16, #0x20
    0xAC81_7D3F, // stp q31, q31, [x9], #0x20
    0xEB10_013F, // cmp x9, x16
    0x54FF_FFC3, // b.lo $-0x8
    0xAD00_7E1F, // stp q31, q31, [x16]
    0xD65F_03C0, // ret
];

/// Compares.
#[rustfmt::skip]
static COMPARE: [u32; 50] = [
    0xF940_0670, // ldr x16, [x19, #0x8]
    0xEB0B_0210, // subs x16, x16, x11
    0x5400_00A3, // b.lo $+0x14
    0xEB10_015F, // cmp x10, x16
    0x5400_0068, // b.hi $+0xc
    0xEB10_013F, // cmp x9, x16
    0x5400_0049, // b.ls $+0x8
    0x0000_0000, // udf #0x0
    0x8B14_0129, // add x9, x9, x20
    0x8B14_014A, // add x10, x10, x20
    0x5280_0010, // mov w16, #0x0
    0xCB10_0171, // sub x17, x11, x16
    0xF100_423F, // cmp x17, #0x10
    0x5400_0123, // b.lo $+0x24
    0x3CF0_693F, // ldr q31, [x9, x16]
    0x3CF0_695E, // ldr q30, [x10, x16]
    0x6E3E_8FFF, // cmeq v31.16b, v31.16b, v30.16b
    0x6E31_ABFF, // uminv b31, v31.16b
    0x1E26_03F1, // fmov w17, s31
    0x3400_0231, // cbz w17, $+0x44
    0x9100_4210, // add x16, x16, #0x10
    0x17FF_FFF6, // b $-0x28
    0xF100_223F, // cmp x17, #0x8
    0x5400_00C3, // b.lo $+0x18
    0xFC70_693F, // ldr d31, [x9, x16]
    0xFC70_695E, // ldr d30, [x10, x16]
    0x2E3E_1FFF, // eor v31.8b, v31.8b, v30.8b
    0x9E66_03F1, // fmov x17, d31
    0xB500_0251, // cbnz x17, $+0x48
    0xD100_2170, // sub x16, x11, #0x8
    0xFC70_693F, // ldr d31, [x9, x16]
    0xFC70_695E, // ldr d30, [x10, x16]
    0x2E3E_1FFF, // eor v31.8b, v31.8b, v30.8b
    0x9E66_03F1, // fmov x17, d31
    0xB500_0191, // cbnz x17, $+0x30
    0xD65F_03C0, // ret
    0xFC70_693F, // ldr d31, [x9, x16]
    0xFC70_695E, // ldr d30, [x10, x16]
    0x2E3E_1FFF, // eor v31.8b, v31.8b, v30.8b
    0x9E66_03F1, // fmov x17, d31
    0xB500_00D1, // cbnz x17, $+0x18
    0x9100_2210, // add x16, x16, #0x8
    0xFC70_693F, // ldr d31, [x9, x16]
    0xFC70_695E, // ldr d30, [x10, x16]
    0x2E3E_1FFF, // eor v31.8b, v31.8b, v30.8b
    0x9E66_03F1, // fmov x17, d31
    0xDAC0_0231, // rbit x17, x17
    0xDAC0_1231, // clz x17, x17
    0x8B51_0E0B, // add x11, x16, x17, lsr #3
    0xD65F_03C0, // ret
];
