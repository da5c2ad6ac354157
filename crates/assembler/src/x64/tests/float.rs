//! Scalar floats.

use super::super::{FBit, FOp, FSize, Gpr, RoundMode, Size, Xmm};
use super::*;

#[test]
fn moves() {
    let mut c = Checker::new();
    for size in FSize::ALL {
        let mov = code("VEX_Vmovaps_xmm_xmmm128", Size::S64);
        c.xx(mov, |asm, a, b| asm.movs_rr(size, a, b));
        c.xm(fcode("VEX_Vmovs{s}_xmm_m{}", size), |asm, r, m| {
            asm.movs_rm(size, r, m)
        });
        let store = fcode("VEX_Vmovs{s}_m{}_xmm", size);
        for (n, case) in MEMS.iter().enumerate() {
            let r = xturn(n, 0);
            c.check(store, &[case.expected, x(r)], |asm| {
                asm.movs_mr(size, case.mem, r)
            });
        }
    }
}

/// The full product of registers and memory shapes, for VEX.
#[test]
fn every_register_with_every_memory_shape() {
    let mut c = Checker::new();
    let load = code("VEX_Vmovsd_xmm_m64", Size::S64);
    for case in MEMS.iter() {
        for r in Xmm::ALL {
            c.check(load, &[x(r), case.expected], |asm| {
                asm.movs_rm(FSize::S64, r, case.mem)
            });
        }
    }
}

#[test]
fn moves_between_classes() {
    let mut c = Checker::new();
    for (size, to, from) in [
        (Size::S32, "VEX_Vmovd_xmm_rm32", "VEX_Vmovd_rm32_xmm"),
        (Size::S64, "VEX_Vmovq_xmm_rm64", "VEX_Vmovq_rm64_xmm"),
    ] {
        let (to, from) = (code(to, size), code(from, size));
        for r in Gpr::ALL {
            for v in Xmm::ALL {
                c.check(to, &[x(v), g(size, r)], |asm| asm.movd_xr(size, v, r));
                c.check(from, &[g(size, r), x(v)], |asm| asm.movd_rx(size, r, v));
            }
        }
    }
}

#[test]
fn conversions() {
    let mut c = Checker::new();
    for (from, name) in [
        (FSize::S32, "VEX_Vcvtss2sd_xmm_xmm_xmmm32"),
        (FSize::S64, "VEX_Vcvtsd2ss_xmm_xmm_xmmm64"),
    ] {
        let code = code(name, Size::S64);
        for a in Xmm::ALL {
            for b in Xmm::ALL {
                c.check(code, &[x(a), x(b), x(b)], |asm| {
                    asm.cvt_float_float(from, a, b)
                });
            }
        }
    }
    for float in FSize::ALL {
        for (size, bits) in [(Size::S32, "32"), (Size::S64, "64")] {
            let to_float = fcode(&format!("VEX_Vcvtsi2s{{s}}_xmm_xmm_rm{bits}"), float);
            let to_integer = fcode(&format!("VEX_Vcvtts{{s}}2si_r{bits}_xmmm{{}}"), float);
            for r in Gpr::ALL {
                for v in Xmm::ALL {
                    let operands = [x(v), x(v), g(size, r)];
                    c.check(to_float, &operands, |asm| asm.cvtsi2f(size, float, v, r));
                    let operands = [g(size, r), x(v)];
                    c.check(to_integer, &operands, |asm| asm.cvttf2si(float, size, r, v));
                }
            }
        }
    }
}

#[test]
fn arithmetic() {
    let mut c = Checker::new();
    for op in FOp::ALL {
        let name = format!("{op:?}").to_lowercase();
        for size in FSize::ALL {
            let code = fcode(&format!("VEX_V{name}s{{s}}_xmm_xmm_xmmm{{}}"), size);
            c.xxx(code, |asm, dst, a, b| asm.fop_rrr(op, size, dst, a, b));
        }
    }
}

#[test]
fn sqrt_and_rounding() {
    let mut c = Checker::new();
    for size in FSize::ALL {
        let sqrt = fcode("VEX_Vsqrts{s}_xmm_xmm_xmmm{}", size);
        let round = fcode("VEX_Vrounds{s}_xmm_xmm_xmmm{}_imm8", size);
        for a in Xmm::ALL {
            for b in Xmm::ALL {
                c.check(sqrt, &[x(a), x(b), x(b)], |asm| asm.fsqrt_rr(size, a, b));
                for (mode, imm) in [
                    (RoundMode::Nearest, 8),
                    (RoundMode::Floor, 9),
                    (RoundMode::Ceil, 10),
                    (RoundMode::Trunc, 11),
                ] {
                    let operands = [x(a), x(b), x(b), i8(imm)];
                    c.check(round, &operands, |asm| asm.fround_rr(size, a, b, mode));
                }
            }
        }
    }
}

#[test]
fn comparisons() {
    let mut c = Checker::new();
    for size in FSize::ALL {
        let flags = fcode("VEX_Vucomis{s}_xmm_xmmm{}", size);
        c.xx(flags, |asm, a, b| asm.ucomis_rr(size, a, b));
    }
}

#[test]
fn bits() {
    let mut c = Checker::new();
    for op in FBit::ALL {
        let name = format!("{op:?}").to_lowercase();
        for size in FSize::ALL {
            let code = fcode(&format!("VEX_V{name}p{{s}}_xmm_xmm_xmmm128"), size);
            c.xxx(code, |asm, dst, a, b| asm.fbit_rrr(op, size, dst, a, b));
            c.xxm(code, |asm, dst, a, m| asm.fbit_rrm(op, size, dst, a, m));
        }
    }
}

#[test]
fn control() {
    let mut c = Checker::new();
    for case in MEMS.iter() {
        c.check(Code::Ldmxcsr_m32, &[case.expected], |asm| {
            asm.ldmxcsr(case.mem)
        });
    }
}
