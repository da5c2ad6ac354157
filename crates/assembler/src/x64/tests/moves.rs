//! Moves, extensions, exchanges, byte swaps, conditional moves and the stack.

use super::super::{Cond, Gpr, Mem, Size};
use super::*;

#[test]
fn mov() {
    let mut c = Checker::new();
    for size in Size::ALL {
        c.rr(code("Mov_rm{}_r{}", size), (size, size), |asm, a, b| {
            asm.mov_rr(size, a, b)
        });
        c.rm(code("Mov_r{}_rm{}", size), size, |asm, r, m| {
            asm.mov_rm(size, r, m)
        });
        c.mr(code("Mov_rm{}_r{}", size), size, |asm, m, r| {
            asm.mov_mr(size, m, r)
        });
    }
}

/// The full product of registers and memory shapes, once for each path through
/// the encoder: plain, with a byte register, with an escape byte.
#[test]
fn every_register_with_every_memory_shape() {
    let mut c = Checker::new();
    let plain = code("Mov_r32_rm32", Size::S32);
    let byte = code("Mov_rm8_r8", Size::S8);
    let escape = code("Movsx_r64_rm16", Size::S64);
    for case in MEMS.iter() {
        let (m, e) = (case.mem, case.expected);
        for r in Gpr::ALL {
            c.check(plain, &[g(Size::S32, r), e], |asm| {
                asm.mov_rm(Size::S32, r, m)
            });
            c.check(byte, &[e, g(Size::S8, r)], |asm| asm.mov_mr(Size::S8, m, r));
            c.check(escape, &[g(Size::S64, r), e], |asm| {
                asm.movsx_rm(Size::S16, Size::S64, r, m)
            });
        }
    }
}

#[test]
fn mov_immediate_to_register() {
    let mut c = Checker::new();
    let (d, q) = (Size::S32, Size::S64);
    let zero_extended = code("Mov_r32_imm32", d);
    for imm in [0, 1, 0x7F, 0x80, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, u32::MAX] {
        for r in Gpr::ALL {
            let operands = [g(d, r), i(d, imm as i32)];
            c.check(zero_extended, &operands, |asm| asm.mov_ri32(r, imm));
            c.check(zero_extended, &operands, |asm| {
                asm.mov_ri64(r, u64::from(imm))
            });
        }
    }
    let sign_extended = code("Mov_rm64_imm32", q);
    for imm in [-1, -2, -128, -129, -0x8000_0000] {
        for r in Gpr::ALL {
            c.check(sign_extended, &[g(q, r), i(q, imm)], |asm| {
                asm.mov_ri64(r, imm as u64)
            });
        }
    }
    let full = code("Mov_r64_imm64", q);
    for imm in [
        0x1_0000_0000,
        u64::MAX << 32,
        0xFFFF_FFFF_7FFF_FFFF,
        i64::MAX as u64,
        1 << 63,
    ] {
        for r in Gpr::ALL {
            let operands = [
                g(q, r),
                Operand::Immediate {
                    value: imm as i64,
                    bits: 64,
                },
            ];
            c.check(full, &operands, |asm| asm.mov_ri64(r, imm));
        }
    }
}

#[test]
fn mov_immediate_to_memory() {
    let mut c = Checker::new();
    for (size, name) in [
        (Size::S8, "Mov_rm8_imm8"),
        (Size::S16, "Mov_rm16_imm16"),
        (Size::S32, "Mov_rm32_imm32"),
        (Size::S64, "Mov_rm64_imm32"),
    ] {
        let code = code(name, size);
        for (n, case) in MEMS.iter().enumerate() {
            let imm = IMMEDIATES[n % IMMEDIATES.len()];
            c.check(code, &[case.expected, i(size, imm)], |asm| {
                asm.mov_mi(size, case.mem, imm)
            });
        }
    }
}

#[test]
fn extensions() {
    let mut c = Checker::new();
    for (from, to, zero, sign) in [
        (Size::S8, Size::S16, None, "Movsx_r16_rm8"),
        (Size::S8, Size::S32, Some("Movzx_r32_rm8"), "Movsx_r32_rm8"),
        (Size::S8, Size::S64, None, "Movsx_r64_rm8"),
        (
            Size::S16,
            Size::S32,
            Some("Movzx_r32_rm16"),
            "Movsx_r32_rm16",
        ),
        (Size::S16, Size::S64, None, "Movsx_r64_rm16"),
        (Size::S32, Size::S64, None, "Movsxd_r64_rm32"),
    ] {
        let sign = code(sign, to);
        c.rr(sign, (to, from), |asm, a, b| asm.movsx_rr(from, to, a, b));
        c.rm(sign, to, |asm, r, m| asm.movsx_rm(from, to, r, m));
        if let Some(zero) = zero {
            let zero = code(zero, to);
            c.rr(zero, (to, from), |asm, a, b| asm.movzx_rr(from, a, b));
            c.rm(zero, to, |asm, r, m| asm.movzx_rm(from, r, m));
        }
    }
    for size in WIDE {
        let mov = code("Mov_rm{}_r{}", size);
        c.rr(mov, (size, size), |asm, a, b| asm.movzx_rr(size, a, b));
        let mov = code("Mov_r{}_rm{}", size);
        c.rm(mov, size, |asm, r, m| asm.movzx_rm(size, r, m));
    }
}

#[test]
fn xchg_and_lea() {
    let mut c = Checker::new();
    for size in Size::ALL {
        c.rr(code("Xchg_rm{}_r{}", size), (size, size), |asm, a, b| {
            asm.xchg_rr(size, a, b)
        });
    }
    for size in NOT_BYTE {
        c.rm(code("Lea_r{}_m", size), size, |asm, r, m| {
            asm.lea(size, r, m)
        });
    }
}

/// iced's suffixes of the conditions, written out.
const CONDITIONS: [(Cond, &str); 16] = [
    (Cond::O, "o"),
    (Cond::NO, "no"),
    (Cond::B, "b"),
    (Cond::AE, "ae"),
    (Cond::E, "e"),
    (Cond::NE, "ne"),
    (Cond::BE, "be"),
    (Cond::A, "a"),
    (Cond::S, "s"),
    (Cond::NS, "ns"),
    (Cond::P, "p"),
    (Cond::NP, "np"),
    (Cond::L, "l"),
    (Cond::GE, "ge"),
    (Cond::LE, "le"),
    (Cond::G, "g"),
];

#[test]
fn conditional() {
    let mut c = Checker::new();
    for (cond, suffix) in CONDITIONS {
        let set = code(&format!("Set{suffix}_rm8"), Size::S8);
        c.r(set, Size::S8, |asm, r| asm.setcc_r(cond, r));
        for size in NOT_BYTE {
            let mov = code(&format!("Cmov{suffix}_r{{}}_rm{{}}"), size);
            c.rr(mov, (size, size), |asm, a, b| asm.cmov_rr(cond, size, a, b));
        }
    }
}

#[test]
fn byte_swaps() {
    let mut c = Checker::new();
    for size in [Size::S32, Size::S64] {
        c.r(code("Bswap_r{}", size), size, |asm, r| asm.bswap_r(size, r));
    }
}

#[test]
fn stack() {
    let mut c = Checker::new();
    c.r(code("Push_r64", Size::S64), Size::S64, |asm, r| {
        asm.push_r(r)
    });
    c.r(code("Pop_r64", Size::S64), Size::S64, |asm, r| asm.pop_r(r));
}

/// An operand that says what it was made from.
#[test]
fn memory_accessors() {
    let plain = Mem::base(Gpr::R12, -8);
    assert_eq!(
        (plain.base_register(), plain.index(), plain.disp()),
        (Gpr::R12, None, -8)
    );
    let indexed = Mem::base_index(Gpr::Rbp, Gpr::R13, Scale::Four, 0).with_disp(300);
    assert_eq!(indexed.index(), Some((Gpr::R13, Scale::Four)));
    assert_eq!((indexed.base_register(), indexed.disp()), (Gpr::Rbp, 300));
}
