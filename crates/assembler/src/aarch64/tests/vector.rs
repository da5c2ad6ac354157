//! Vectors.

use super::super::{Lane, Shift, VBit, VSize};
use super::*;

const LETTERS: [&str; 4] = ["b", "h", "s", "d"];

/// A vector's name with its lanes.
fn lanes(size: VSize, lane: Lane, number: u8) -> String {
    let bytes = if size == VSize::S64 { 8 } else { 16 };
    let (count, letter) = (bytes >> lane as u32, LETTERS[lane as usize]);
    format!("v{number}.{count}{letter}")
}

/// Every arrangement of lanes there is.
fn arrangements() -> impl Iterator<Item = (VSize, Lane)> {
    let all = VSize::ALL
        .into_iter()
        .flat_map(|size| Lane::ALL.map(|lane| (size, lane)));
    all.filter(|&one| one != (VSize::S64, Lane::D))
}

#[test]
fn bits() {
    let names = ["and", "bic", "orr", "orn", "eor", "bsl", "bit", "bif"];
    for [d, a, b, _] in turns().filter(|turn| turn[1] != turn[2]) {
        for size in VSize::ALL {
            let [dn, an, bn] = [d, a, b].map(|n| lanes(size, Lane::B, n));
            for (op, name) in VBit::ALL.into_iter().zip(names) {
                check(&format!("{name} {dn}, {an}, {bn}"), |asm| {
                    asm.vbit(op, size, v(d), v(a), v(b))
                });
            }
            check(&format!("mov {dn}, {an}"), |asm| asm.vmov(size, v(d), v(a)));
            check(&format!("mvn {dn}, {an}"), |asm| asm.vmvn(size, v(d), v(a)));
            check(&format!("cnt {dn}, {an}"), |asm| asm.cnt(size, v(d), v(a)));
        }
    }
}

#[test]
fn immediates() {
    for [d, ..] in turns().take(32) {
        check(&format!("movi v{d}.2d, #0"), |asm| asm.movi_zero(v(d)));
        for size in VSize::ALL {
            for imm in [0, 1, 0x1F, 0x20, 0x7F, 0x80, 0xAA, 0xFF] {
                let bytes = lanes(size, Lane::B, d);
                check(&format!("movi {bytes}, #{imm}"), |asm| {
                    asm.movi_b(size, v(d), imm)
                });
                for byte in 0..4 {
                    let shift = match byte {
                        0 => String::new(),
                        _ => format!(", lsl #{}", 8 * byte),
                    };
                    let words = lanes(size, Lane::S, d);
                    check(&format!("movi {words}, #{imm}{shift}"), |asm| {
                        asm.movi_s(size, v(d), imm, byte)
                    });
                }
            }
        }
    }
}

#[test]
fn scalar_shifts() {
    for [d, s, ..] in turns() {
        for amount in 0..64 {
            check(&format!("shl d{d}, d{s}, #{amount}"), |asm| {
                asm.shift_d(Shift::Lsl, v(d), v(s), amount)
            });
            if amount > 0 {
                check(&format!("ushr d{d}, d{s}, #{amount}"), |asm| {
                    asm.shift_d(Shift::Lsr, v(d), v(s), amount)
                });
                check(&format!("sshr d{d}, d{s}, #{amount}"), |asm| {
                    asm.shift_d(Shift::Asr, v(d), v(s), amount)
                });
            }
        }
    }
}

#[test]
fn arithmetic_on_lanes() {
    for [d, a, b, _] in turns() {
        for (size, lane) in arrangements() {
            let [dn, an, bn] = [d, a, b].map(|n| lanes(size, lane, n));
            let [d, a, b] = [d, a, b].map(v);
            check(&format!("cmeq {dn}, {an}, {bn}"), |asm| {
                asm.cmeq(size, lane, d, a, b)
            });
            check(&format!("cmeq {dn}, {an}, #0"), |asm| {
                asm.cmeq_zero(size, lane, d, a)
            });
            if lane >= Lane::S {
                check(&format!("fneg {dn}, {an}"), |asm| {
                    asm.vfneg(size, lane, d, a)
                });
                check(&format!("fabs {dn}, {an}"), |asm| {
                    asm.vfabs(size, lane, d, a)
                });
            }
        }
    }
}

#[test]
fn across_lanes() {
    for [d, s, ..] in turns() {
        for (size, lane) in arrangements() {
            let bytes = if size == VSize::S64 { 8 } else { 16 };
            if bytes >> (lane as u32) < 4 {
                continue;
            }
            let sn = lanes(size, lane, s);
            let one = format!("{}{d}", LETTERS[lane as usize]);
            let twice = format!("{}{d}", LETTERS[lane as usize + 1]);
            let (d, s) = (v(d), v(s));
            check(&format!("addv {one}, {sn}"), |asm| {
                asm.addv(size, lane, d, s)
            });
            check(&format!("umaxv {one}, {sn}"), |asm| {
                asm.umaxv(size, lane, d, s)
            });
            check(&format!("uminv {one}, {sn}"), |asm| {
                asm.uminv(size, lane, d, s)
            });
            check(&format!("uaddlv {twice}, {sn}"), |asm| {
                asm.uaddlv(size, lane, d, s)
            });
        }
    }
}

#[test]
fn single_lanes() {
    for [d, s, ..] in turns() {
        for lane in Lane::ALL {
            let letter = LETTERS[lane as usize];
            let wide = if lane == Lane::D {
                Size::S64
            } else {
                Size::S32
            };
            for index in 0..lane.count() {
                let from = lane.count() - 1 - index;
                let name = if lane < Lane::S { "umov" } else { "mov" };
                let text = format!("{name} {}, v{s}.{letter}[{index}]", r(wide, d));
                check(&text, |asm| asm.umov(lane, g(d), v(s), index));
                let text = format!("mov v{d}.{letter}[{index}], {}", r(wide, s));
                check(&text, |asm| asm.ins(lane, v(d), index, g(s)));
                let text = format!("mov v{d}.{letter}[{index}], v{s}.{letter}[{from}]");
                check(&text, |asm| asm.ins_lane(lane, v(d), index, v(s), from));
                for size in VSize::ALL {
                    if (size, lane) == (VSize::S64, Lane::D) {
                        continue;
                    }
                    let dn = lanes(size, lane, d);
                    // (The manual keeps this name for a scalar.)
                    let text = format!("mov {dn}, v{s}.{letter}[{index}]");
                    check(&text, |asm| asm.dup_lane(size, lane, v(d), v(s), index));
                    check(&format!("dup {dn}, {}", r(wide, s)), |asm| {
                        asm.dup(size, lane, v(d), g(s))
                    });
                }
            }
        }
    }
}
