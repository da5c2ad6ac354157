//! Vectors.

use super::super::{Lane, VBit, VSize};
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
            check(&format!("cnt {dn}, {an}"), |asm| asm.cnt(size, v(d), v(a)));
        }
    }
}

#[test]
fn zeros() {
    for [d, ..] in turns().take(32) {
        check(&format!("movi v{d}.2d, #0"), |asm| asm.movi_zero(v(d)));
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
            let (d, s) = (v(d), v(s));
            check(&format!("addv {one}, {sn}"), |asm| {
                asm.addv(size, lane, d, s)
            });
            check(&format!("uminv {one}, {sn}"), |asm| {
                asm.uminv(size, lane, d, s)
            });
        }
    }
}

#[test]
fn repeated_registers() {
    for [d, s, ..] in turns() {
        for lane in Lane::ALL {
            let wide = if lane == Lane::D {
                Size::S64
            } else {
                Size::S32
            };
            for size in VSize::ALL {
                if (size, lane) == (VSize::S64, Lane::D) {
                    continue;
                }
                let dn = lanes(size, lane, d);
                check(&format!("dup {dn}, {}", r(wide, s)), |asm| {
                    asm.dup(size, lane, v(d), g(s))
                });
            }
        }
    }
}
