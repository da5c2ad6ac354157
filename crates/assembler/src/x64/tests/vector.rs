//! Vectors of bytes.

use super::super::{VSize, Xmm};
use super::*;

/// iced's name of a 256-bit register.
fn y(register: Xmm) -> Operand {
    let Operand::Register(low) = x(register) else {
        panic!("a vector register is a register");
    };
    Operand::Register(Register::YMM0 + (low as u32 - Register::XMM0 as u32))
}

#[test]
fn moves() {
    let mut c = Checker::new();
    for size in VSize::ALL {
        let (load, store) = match size {
            VSize::S128 => ("VEX_Vmovdqu_xmm_xmmm128", "VEX_Vmovdqu_xmmm128_xmm"),
            VSize::S256 => ("VEX_Vmovdqu_ymm_ymmm256", "VEX_Vmovdqu_ymmm256_ymm"),
        };
        let (load, store) = (code(load, Size::S64), code(store, Size::S64));
        for (n, case) in MEMS.iter().enumerate() {
            let r = xturn(n, 0);
            let register = match size {
                VSize::S128 => x(r),
                VSize::S256 => y(r),
            };
            c.check(load, &[register, case.expected], |asm| {
                asm.movv_rm(size, r, case.mem)
            });
            c.check(store, &[case.expected, register], |asm| {
                asm.movv_mr(size, case.mem, r)
            });
        }
    }
}

#[test]
fn tests_and_halves() {
    let mut c = Checker::new();
    let test = code("VEX_Vptest_xmm_xmmm128", Size::S64);
    c.xx(test, |asm, a, b| asm.testv_rr(a, b));
    let double = code("VEX_Vmovddup_xmm_xmmm64", Size::S64);
    c.xx(double, |asm, a, b| asm.double64_rr(a, b));
    let join = code("VEX_Vinsertf128_ymm_ymm_xmmm128_imm8", Size::S64);
    for a in Xmm::ALL {
        for b in Xmm::ALL {
            for d in Xmm::ALL {
                let operands = [y(d), y(a), x(b), i8(1)];
                c.check(join, &operands, |asm| asm.join128_rrr(d, a, b));
            }
        }
    }
    let zero = code("VEX_Vzeroupper", Size::S64);
    c.check(zero, &[], |asm| asm.zero_upper());
}
