//! Integer arithmetic, logic, shifts, bit fields and conditionals.

use super::super::{Arith, Extend, Imm12, Logic, LogicalImm, Shift};
use super::*;
use proptest::prelude::*;

const ARITHS: [&str; 4] = ["add", "adds", "sub", "subs"];
const LOGICS: [&str; 8] = ["and", "bic", "orr", "orn", "eor", "eon", "ands", "bics"];
const SHIFTS: [&str; 4] = ["lsl", "lsr", "asr", "ror"];
const EXTENDS: [&str; 8] = [
    "uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx",
];

#[test]
fn arithmetic_with_an_immediate() {
    let immediates = [
        (0, "#0"),
        (1, "#1"),
        (0xFFF, "#4095"),
        (0x1000, "#1, lsl #12"),
        (0xAB_C000, "#2748, lsl #12"),
        (0xFF_F000, "#4095, lsl #12"),
    ];
    for [d, a, ..] in turns() {
        for size in Size::ALL {
            for (op, name) in Arith::ALL.into_iter().zip(ARITHS) {
                for (value, text) in immediates {
                    let imm = Imm12::new(value).unwrap();
                    assert_eq!(imm.value(), value);
                    let flags = op.sets_flags();
                    let (dst, dst_name) = match flags {
                        true => (g(d), r(size, d)),
                        false => (gsp(d), rsp(size, d)),
                    };
                    let a_name = rsp(size, a);
                    let mut expected = format!("{name} {dst_name}, {a_name}, {text}");
                    if flags && d == 31 {
                        let name = if op == Arith::Adds { "cmn" } else { "cmp" };
                        expected = format!("{name} {a_name}, {text}");
                    }
                    if op == Arith::Add && value == 0 && (d == 31 || a == 31) {
                        expected = format!("mov {dst_name}, {a_name}");
                    }
                    check(&expected, |asm| asm.arith_ri(op, size, dst, gsp(a), imm));
                }
            }
            let imm = Imm12::low(5);
            let (dn, an) = (rsp(size, d), rsp(size, a));
            check(&format!("add {dn}, {an}, #5"), |asm| {
                asm.add_ri(size, gsp(d), gsp(a), imm)
            });
            check(&format!("sub {dn}, {an}, #5"), |asm| {
                asm.sub_ri(size, gsp(d), gsp(a), imm)
            });
            check(&format!("cmp {an}, #5"), |asm| {
                asm.cmp_ri(size, gsp(a), imm)
            });
            check(&format!("cmn {an}, #5"), |asm| {
                asm.cmn_ri(size, gsp(a), imm)
            });
        }
    }
    for refused in [0x1001, 0xFF_FFFF, 0x100_0000, 1 << 32, u64::MAX] {
        assert_eq!(Imm12::new(refused), None);
    }
}

#[test]
fn arithmetic_with_registers() {
    for [d, a, b, _] in turns() {
        for size in Size::ALL {
            let [dn, an, bn] = [d, a, b].map(|n| r(size, n));
            for (op, name) in Arith::ALL.into_iter().zip(ARITHS) {
                let expected = |shift: &str| match (op, d, a) {
                    (Arith::Adds, 31, _) => format!("cmn {an}, {bn}{shift}"),
                    (Arith::Subs, 31, _) => format!("cmp {an}, {bn}{shift}"),
                    (Arith::Subs, _, 31) => format!("negs {dn}, {bn}{shift}"),
                    (Arith::Sub, _, 31) => format!("neg {dn}, {bn}{shift}"),
                    _ => format!("{name} {dn}, {an}, {bn}{shift}"),
                };
                check(&expected(""), |asm| {
                    asm.arith_rr(op, size, g(d), g(a), g(b))
                });
                for (shift, shift_name) in Shift::ALL.into_iter().zip(SHIFTS).take(3) {
                    for amount in [1, 17, size.bits() - 1] {
                        let text = format!(", {shift_name} #{amount}");
                        check(&expected(&text), |asm| {
                            asm.arith_rs(op, size, g(d), g(a), g(b), shift, amount)
                        });
                    }
                }
            }
        }
    }
    for [d, a, b, _] in low_turns() {
        for size in Size::ALL {
            let [dn, an, bn] = [d, a, b].map(|n| r(size, n));
            let (d, a, b) = (g(d), g(a), g(b));
            check(&format!("add {dn}, {an}, {bn}"), |asm| {
                asm.add_rr(size, d, a, b)
            });
            check(&format!("sub {dn}, {an}, {bn}"), |asm| {
                asm.sub_rr(size, d, a, b)
            });
            check(&format!("neg {dn}, {an}"), |asm| asm.neg(size, d, a));
            check(&format!("cmp {an}, {bn}"), |asm| asm.cmp_rr(size, a, b));
        }
    }
}

#[test]
fn arithmetic_with_an_extended_register() {
    for [d, a, b, _] in turns() {
        for size in Size::ALL {
            for (op, name) in Arith::ALL.into_iter().zip(ARITHS) {
                for (extend, extend_name) in Extend::ALL.into_iter().zip(EXTENDS) {
                    for amount in 0..=4 {
                        let flags = op.sets_flags();
                        let (dst, dn) = match flags {
                            true => (g(d), r(size, d)),
                            false => (gsp(d), rsp(size, d)),
                        };
                        let wide = size == Size::S64 && matches!(extend as u8 & 3, 3);
                        let bn = r(if wide { Size::S64 } else { Size::S32 }, b);
                        let an = rsp(size, a);
                        // (The disassembler writes these so even without sp.)
                        let plain = match extend {
                            Extend::Uxtw => true,
                            Extend::Uxtx => size == Size::S64,
                            _ => false,
                        };
                        let tail = match (plain, amount) {
                            (true, 0) => String::new(),
                            (true, _) => format!(", lsl #{amount}"),
                            (false, 0) => format!(", {extend_name}"),
                            (false, _) => format!(", {extend_name} #{amount}"),
                        };
                        let expected = match (op, d) {
                            (Arith::Adds, 31) => format!("cmn {an}, {bn}{tail}"),
                            (Arith::Subs, 31) => format!("cmp {an}, {bn}{tail}"),
                            _ => format!("{name} {dn}, {an}, {bn}{tail}"),
                        };
                        check(&expected, |asm| {
                            asm.arith_rx(op, size, dst, gsp(a), g(b), extend, amount)
                        });
                    }
                }
            }
        }
    }
}

#[test]
fn logic_with_registers() {
    for [d, a, b, _] in turns() {
        for size in Size::ALL {
            let [dn, an, bn] = [d, a, b].map(|n| r(size, n));
            for (op, name) in Logic::ALL.into_iter().zip(LOGICS) {
                let expected = |shift: &str| match (op, d, a) {
                    (Logic::Ands, 31, _) => format!("tst {an}, {bn}{shift}"),
                    (Logic::Orr, _, 31) if shift.is_empty() => format!("mov {dn}, {bn}"),
                    (Logic::Orn, _, 31) => format!("mvn {dn}, {bn}{shift}"),
                    _ => format!("{name} {dn}, {an}, {bn}{shift}"),
                };
                check(&expected(""), |asm| {
                    asm.logic_rr(op, size, g(d), g(a), g(b))
                });
                for (shift, shift_name) in Shift::ALL.into_iter().zip(SHIFTS) {
                    for amount in [1, 17, size.bits() - 1] {
                        let text = format!(", {shift_name} #{amount}");
                        check(&expected(&text), |asm| {
                            asm.logic_rs(op, size, g(d), g(a), g(b), shift, amount)
                        });
                    }
                }
            }
        }
    }
}

#[test]
fn logic_with_an_immediate() {
    let values = [
        (Size::S32, 1),
        (Size::S32, 0x5555_5555),
        (Size::S32, 0xFFFF_FFFE),
        (Size::S32, 0x000F_F000),
        (Size::S64, 1),
        (Size::S64, 0x8000_0000_0000_0001),
        (Size::S64, 0x00FF_00FF_00FF_00FF),
        (Size::S64, 0xFFFF_FFFF_0000_0000),
    ];
    for [d, a, ..] in turns().filter(|turn| turn[1] != 31) {
        for (size, value) in values {
            let imm = LogicalImm::new(value, size).unwrap();
            for (op, name) in Logic::ALL.into_iter().zip(LOGICS).step_by(2) {
                let an = r(size, a);
                let (dst, dn) = match op {
                    Logic::Ands => (g(d), r(size, d)),
                    _ => (gsp(d), rsp(size, d)),
                };
                let mut expected = format!("{name} {dn}, {an}, #{value}");
                if op == Logic::Ands && d == 31 {
                    expected = format!("tst {an}, #{value}");
                }
                check(&expected, |asm| asm.logic_ri(op, dst, g(a), imm));
                check(&format!("tst {an}, #{value}"), |asm| asm.tst_ri(g(a), imm));
            }
        }
    }
}

#[test]
fn shifts() {
    for [d, a, b, _] in turns() {
        for size in Size::ALL {
            let [dn, an, bn] = [d, a, b].map(|n| r(size, n));
            for (shift, name) in Shift::ALL.into_iter().zip(SHIFTS) {
                check(&format!("{name} {dn}, {an}, {bn}"), |asm| {
                    asm.shift_rr(shift, size, g(d), g(a), g(b))
                });
                for amount in 0..size.bits() {
                    // To shift by nothing has only one name for all.
                    let name = match (shift, amount) {
                        (Shift::Lsl, 0) => "lsr",
                        _ => name,
                    };
                    check(&format!("{name} {dn}, {an}, #{amount}"), |asm| {
                        asm.shift_ri(shift, size, g(d), g(a), amount)
                    });
                }
            }
            if a != b {
                for amount in [0, 1, 13, size.bits() - 1] {
                    check(&format!("extr {dn}, {an}, {bn}, #{amount}"), |asm| {
                        asm.extr(size, g(d), g(a), g(b), amount)
                    });
                }
            }
        }
    }
}

/// The manual's preferred name of a bit field operation, from its rules of when
/// each alias is preferred.
fn bit_field(op: &str, size: Size, d: u8, s: u8, immr: u32, imms: u32) -> String {
    let top = size.bits() - 1;
    let (dn, sn, sw) = (r(size, d), r(size, s), r(Size::S32, s));
    let into = |name: &str| {
        let (lsb, width) = (size.bits() - immr, imms + 1);
        format!("{name} {dn}, {sn}, #{lsb}, #{width}")
    };
    let from = |name: &str| format!("{name} {dn}, {sn}, #{immr}, #{}", imms - immr + 1);
    match (op, immr, imms) {
        ("ubfm", _, _) if imms != top && imms + 1 == immr => {
            format!("lsl {dn}, {sn}, #{}", top - imms)
        }
        ("ubfm", _, _) if imms == top => format!("lsr {dn}, {sn}, #{immr}"),
        ("sbfm", _, _) if imms == top => format!("asr {dn}, {sn}, #{immr}"),
        ("ubfm", _, _) if imms < immr => into("ubfiz"),
        ("sbfm", _, _) if imms < immr => into("sbfiz"),
        ("bfm", _, _) if imms < immr => into(if s == 31 { "bfc" } else { "bfi" }),
        ("ubfm", 0, 7) if size == Size::S32 => format!("uxtb {dn}, {sw}"),
        ("ubfm", 0, 15) if size == Size::S32 => format!("uxth {dn}, {sw}"),
        ("sbfm", 0, 7) => format!("sxtb {dn}, {sw}"),
        ("sbfm", 0, 15) => format!("sxth {dn}, {sw}"),
        ("sbfm", 0, 31) => format!("sxtw {dn}, {sw}"),
        ("ubfm", ..) => from("ubfx"),
        ("sbfm", ..) => from("sbfx"),
        _ => from("bfxil"),
    }
}

#[test]
fn bit_fields() {
    for [d, s, ..] in low_turns().step_by(7) {
        for size in Size::ALL {
            for immr in 0..size.bits() {
                for imms in 0..size.bits() {
                    let expected = |op| bit_field(op, size, d, s, immr, imms);
                    check(&expected("ubfm"), |asm| {
                        asm.ubfm(size, g(d), g(s), immr, imms)
                    });
                    check(&expected("sbfm"), |asm| {
                        asm.sbfm(size, g(d), g(s), immr, imms)
                    });
                    check(&expected("bfm"), |asm| {
                        asm.bfm(size, g(d), g(s), immr, imms)
                    });
                }
            }
        }
    }
}

#[test]
fn bit_fields_by_their_names() {
    for [d, s, ..] in low_turns() {
        for size in Size::ALL {
            let (dn, sn) = (r(size, d), r(size, s));
            let (d, s) = (g(d), g(s));
            // Fields for which no other name is preferred.
            for (lsb, width) in [(1, 2), (3, 11), (9, 5), (16, 15), (size.bits() - 9, 8)] {
                let text = |name| format!("{name} {dn}, {sn}, #{lsb}, #{width}");
                check(&text("ubfx"), |asm| asm.ubfx(size, d, s, lsb, width));
                check(&text("sbfx"), |asm| asm.sbfx(size, d, s, lsb, width));
                check(&text("ubfiz"), |asm| asm.ubfiz(size, d, s, lsb, width));
            }
        }
    }
    for [d, s, ..] in turns() {
        let (dw, dx, sw) = (r(Size::S32, d), x(d), r(Size::S32, s));
        let (d, s) = (g(d), g(s));
        check(&format!("uxtb {dw}, {sw}"), |asm| asm.uxtb(d, s));
        check(&format!("uxth {dw}, {sw}"), |asm| asm.uxth(d, s));
        check(&format!("sxtb {dw}, {sw}"), |asm| asm.sxtb(Size::S32, d, s));
        check(&format!("sxtb {dx}, {sw}"), |asm| asm.sxtb(Size::S64, d, s));
        check(&format!("sxth {dw}, {sw}"), |asm| asm.sxth(Size::S32, d, s));
        check(&format!("sxth {dx}, {sw}"), |asm| asm.sxth(Size::S64, d, s));
        check(&format!("sxtw {dx}, {sw}"), |asm| asm.sxtw(d, s));
    }
}

#[test]
fn counts_and_reversals() {
    for [d, s, ..] in turns() {
        for size in Size::ALL {
            let tail = format!("{}, {}", r(size, d), r(size, s));
            let (d, s) = (g(d), g(s));
            check(&format!("rbit {tail}"), |asm| asm.rbit(size, d, s));
            check(&format!("rev {tail}"), |asm| asm.rev(size, d, s));
            check(&format!("clz {tail}"), |asm| asm.clz(size, d, s));
        }
    }
}

#[test]
fn multiplication_and_division() {
    for [d, a, b, c] in turns() {
        for size in Size::ALL {
            let [dn, an, bn, cn] = [d, a, b, c].map(|n| r(size, n));
            let three = format!("{dn}, {an}, {bn}");
            let four = format!("{three}, {cn}");
            let (d, a, b) = (g(d), g(a), g(b));
            if c != 31 {
                check(&format!("madd {four}"), |asm| asm.madd(size, d, a, b, g(c)));
                check(&format!("msub {four}"), |asm| asm.msub(size, d, a, b, g(c)));
            }
            check(&format!("mul {three}"), |asm| asm.mul(size, d, a, b));
            check(&format!("udiv {three}"), |asm| asm.udiv(size, d, a, b));
            check(&format!("sdiv {three}"), |asm| asm.sdiv(size, d, a, b));
        }
        let long = format!("{}, {}, {}", x(d), r(Size::S32, a), r(Size::S32, b));
        let wide = format!("{}, {}, {}", x(d), x(a), x(b));
        let c_name = x(c);
        let (d, a, b) = (g(d), g(a), g(b));
        if c != 31 {
            check(&format!("umaddl {long}, {c_name}"), |asm| {
                asm.umaddl(d, a, b, g(c))
            });
            check(&format!("smaddl {long}, {c_name}"), |asm| {
                asm.smaddl(d, a, b, g(c))
            });
        }
        check(&format!("umull {long}"), |asm| asm.umull(d, a, b));
        check(&format!("umulh {wide}"), |asm| asm.umulh(d, a, b));
        check(&format!("smulh {wide}"), |asm| asm.smulh(d, a, b));
    }
}

#[test]
fn conditionals() {
    for (n, [d, a, b, _]) in low_turns().enumerate() {
        for size in Size::ALL {
            let [dn, an, bn] = [d, a, b].map(|n| r(size, n));
            let (d, a, b) = (g(d), g(a), g(b));
            for code in 0..15 {
                let (cond, name) = cond(code);
                assert_eq!(usize::from(cond.code()), code);
                if g(0) != a && a != b {
                    let tail = format!("{dn}, {an}, {bn}, {name}");
                    check(&format!("csel {tail}"), |asm| asm.csel(cond, size, d, a, b));
                    check(&format!("csinc {tail}"), |asm| {
                        asm.csinc(cond, size, d, a, b)
                    });
                    check(&format!("csinv {tail}"), |asm| {
                        asm.csinv(cond, size, d, a, b)
                    });
                }
                if cond != Cond::AL {
                    check(&format!("cset {dn}, {name}"), |asm| asm.cset(cond, size, d));
                }
                let (nzcv, imm) = (n as u32 % 16, n as u32 % 32);
                let immediate = format!("{an}, #{imm}, #{nzcv}, {name}");
                check(&format!("ccmp {immediate}"), |asm| {
                    asm.ccmp_ri(cond, size, a, imm, nzcv)
                });
            }
        }
    }
}

#[test]
fn inverted_conditions_are_the_manuals_pairs() {
    for (a, b) in [
        (Cond::EQ, Cond::NE),
        (Cond::HS, Cond::LO),
        (Cond::MI, Cond::PL),
        (Cond::VS, Cond::VC),
        (Cond::HI, Cond::LS),
        (Cond::GE, Cond::LT),
        (Cond::GT, Cond::LE),
    ] {
        assert_eq!((a.inverted(), b.inverted()), (b, a));
    }
}

proptest! {
    #[test]
    fn random_operands(
        regs in [0u8..31, 0u8..31, 0u8..31, 0u8..31],
        op in 0usize..4,
        wide in any::<bool>(),
        imm in 0u32..4096,
        shift in 0usize..3,
        nzcv in 0u32..16,
        code in 0usize..14,
    ) {
        let size = Size::ALL[usize::from(wide)];
        let [dn, an, bn, cn] = regs.map(|n| r(size, n));
        let [d, a, b, c] = regs.map(g);
        let (name, kind) = (ARITHS[op], Arith::ALL[op]);
        let imm12 = Imm12::low(imm);
        if imm != 0 {
            check(&format!("{name} {dn}, {an}, #{imm}"), |asm| {
                asm.arith_ri(kind, size, d, a, imm12)
            });
        }
        let amount = 1 + imm % (size.bits() - 1);
        let by = Shift::ALL[shift];
        let tail = format!("{dn}, {an}, {bn}, {} #{amount}", SHIFTS[shift]);
        check(&format!("{name} {tail}"), |asm| {
            asm.arith_rs(kind, size, d, a, b, by, amount)
        });
        let logic = 2 * op + usize::from(nzcv > 7);
        check(&format!("{} {tail}", LOGICS[logic]), |asm| {
            asm.logic_rs(Logic::ALL[logic], size, d, a, b, by, amount)
        });
        check(&format!("madd {dn}, {an}, {bn}, {cn}"), |asm| asm.madd(size, d, a, b, c));
        let (cond, cond_name) = cond(code);
        let small = imm % 32;
        check(&format!("ccmp {an}, #{small}, #{nzcv}, {cond_name}"), |asm| {
            asm.ccmp_ri(cond, size, a, small, nzcv)
        });
        let (lsb, top) = (amount - 1, size.bits() - 1);
        let imms = lsb + (imm / 64) % (top - lsb).max(1);
        check(&bit_field("ubfm", size, regs[0], regs[1], lsb, imms), |asm| {
            asm.ubfx(size, d, a, lsb, imms - lsb + 1)
        });
    }
}
