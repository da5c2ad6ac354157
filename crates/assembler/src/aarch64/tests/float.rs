//! Scalar floats.

use super::super::{FOp, FUnary, Sign};
use super::*;

#[test]
fn operations() {
    let ops = ["fmul", "fdiv", "fadd", "fsub", "fmax", "fmin"];
    let unary = [
        "fmov", "fabs", "fneg", "fsqrt", "frintn", "frintp", "frintm", "frintz",
    ];
    for [d, a, b, _] in turns() {
        for size in FSize::ALL {
            let [dn, an, bn] = [d, a, b].map(|n| f(size, n));
            for (op, name) in FOp::ALL.into_iter().zip(ops) {
                check(&format!("{name} {dn}, {an}, {bn}"), |asm| {
                    asm.fop(op, size, v(d), v(a), v(b))
                });
            }
            for (op, name) in FUnary::ALL.into_iter().zip(unary) {
                check(&format!("{name} {dn}, {an}"), |asm| {
                    asm.funary(op, size, v(d), v(a))
                });
            }
            check(&format!("fmov {dn}, {an}"), |asm| {
                asm.fmov_ff(size, v(d), v(a))
            });
        }
    }
}

#[test]
fn comparisons() {
    for (n, [d, a, b, _]) in turns().enumerate() {
        for size in FSize::ALL {
            let [dn, an, bn] = [d, a, b].map(|n| f(size, n));
            let [d, a, b] = [d, a, b].map(v);
            check(&format!("fcmp {an}, {bn}"), |asm| asm.fcmp(size, a, b));
            for code in 0..15 {
                let (cond, name) = cond(code);
                let nzcv = n as u32 % 16;
                check(&format!("fccmp {an}, {bn}, #{nzcv}, {name}"), |asm| {
                    asm.fccmp(cond, size, a, b, nzcv)
                });
                check(&format!("fcsel {dn}, {an}, {bn}, {name}"), |asm| {
                    asm.fcsel(cond, size, d, a, b)
                });
            }
        }
    }
}

#[test]
fn moves_and_conversions() {
    for [d, s, ..] in turns() {
        for (size, general) in [(FSize::S32, Size::S32), (FSize::S64, Size::S64)] {
            let text = format!("fmov {}, {}", r(general, d), f(size, s));
            check(&text, |asm| asm.fmov_rf(size, g(d), v(s)));
            let text = format!("fmov {}, {}", f(size, d), r(general, s));
            check(&text, |asm| asm.fmov_fr(size, v(d), g(s)));
        }
        check(&format!("fcvt d{d}, s{s}"), |asm| {
            asm.fcvt(FSize::S32, v(d), v(s))
        });
        check(&format!("fcvt s{d}, d{s}"), |asm| {
            asm.fcvt(FSize::S64, v(d), v(s))
        });
        for (sign, letter) in Sign::ALL.into_iter().zip(["s", "u"]) {
            for size in Size::ALL {
                for fsize in FSize::ALL {
                    let text = format!("fcvtz{letter} {}, {}", r(size, d), f(fsize, s));
                    check(&text, |asm| asm.fcvtz(sign, size, fsize, g(d), v(s)));
                    let text = format!("{letter}cvtf {}, {}", f(fsize, d), r(size, s));
                    check(&text, |asm| asm.cvtf(sign, fsize, size, v(d), g(s)));
                }
            }
        }
    }
}
