//! Labels: reach in both directions to the byte, islands, pools, differences.

use super::super::{Access, FinishError, Label, Mem};
use super::*;
use proptest::prelude::*;

/// Where the instruction at `at` refers to.
fn target(code: &[u8], at: u32) -> u32 {
    let line = disassemble(word(code, at));
    let (_, distance) = line.split_once('$').expect("a distance");
    let (sign, digits) = distance.split_once("0x").expect("a number");
    let distance = u32::from_str_radix(digits, 16).expect("a number");
    match sign {
        "+" => at + distance,
        "-" => at - distance,
        _ => panic!("{line}"),
    }
}

fn word(code: &[u8], at: u32) -> u32 {
    words(&code[at as usize..at as usize + 4])[0]
}

/// Everything before the distance.
fn name(code: &[u8], at: u32) -> String {
    let line = disassemble(word(code, at));
    line.split(" $").next().expect("a line").to_owned()
}

/// Fills with zeros, much faster than with instructions.
fn fill(asm: &mut Assembler, bytes: u32) {
    asm.emit_data(&vec![0; bytes as usize]);
}

/// A kind of branch or address: how to emit it, its reach forwards, what the
/// disassembler calls it, and its inverse if it has one.
struct Kind {
    emit: fn(&mut Assembler, Label),
    forwards: u32,
    name: &'static str,
    inverse: Option<&'static str>,
}

#[rustfmt::skip]
const KINDS: &[Kind] = {
    const fn kind(
        emit: fn(&mut Assembler, Label), forwards: u32,
        name: &'static str, inverse: Option<&'static str>,
    ) -> Kind {
        Kind { emit, forwards, name, inverse }
    }
    const MB: u32 = (1 << 20) - 4;
    const KB: u32 = (1 << 15) - 4;
    &[
        kind(|asm, l| asm.b_cond(Cond::EQ, l), MB, "b.eq", Some("b.ne")),
        kind(|asm, l| asm.b_cond(Cond::LE, l), MB, "b.le", Some("b.gt")),
        kind(|asm, l| asm.cbz(Size::S32, Gpr::X1, l), MB, "cbz w1,", Some("cbnz w1,")),
        kind(|asm, l| asm.cbz(Size::S64, Gpr::X30, l), MB, "cbz x30,", Some("cbnz x30,")),
        kind(|asm, l| asm.cbnz(Size::S64, Gpr::X2, l), MB, "cbnz x2,", Some("cbz x2,")),
        kind(|asm, l| asm.cbnz(Size::S32, Gpr::ZR, l), MB, "cbnz wzr,", Some("cbz wzr,")),
        kind(|asm, l| asm.tbz(Gpr::X3, 0, l), KB, "tbz w3, #0x0,", Some("tbnz w3, #0x0,")),
        kind(|asm, l| asm.tbz(Gpr::X29, 63, l), KB, "tbz x29, #0x3f,", Some("tbnz x29, #0x3f,")),
        kind(|asm, l| asm.tbnz(Gpr::X4, 31, l), KB, "tbnz w4, #0x1f,", Some("tbz w4, #0x1f,")),
        kind(|asm, l| asm.tbnz(Gpr::X4, 32, l), KB, "tbnz x4, #0x20,", Some("tbz x4, #0x20,")),
        kind(|asm, l| asm.ldr_label(Size::S32, Gpr::X5, l), MB, "ldr w5,", None),
        kind(|asm, l| asm.ldr_label(Size::S64, Gpr::X6, l), MB, "ldr x6,", None),
        kind(|asm, l| asm.ldr_f_label(FSize::S32, Fpr::V7, l), MB, "ldr s7,", None),
        kind(|asm, l| asm.ldr_f_label(FSize::S64, Fpr::V31, l), MB, "ldr d31,", None),
        kind(|asm, l| asm.adr(Gpr::X8, l), MB, "adr x8,", None),
    ]
};

#[test]
fn forwards_to_the_last_word_in_reach() {
    for kind in KINDS {
        for distance in [4, 8, 0x1000, kind.forwards - 4, kind.forwards] {
            let mut asm = Assembler::new();
            let label = asm.new_label();
            asm.nop();
            (kind.emit)(&mut asm, label);
            fill(&mut asm, distance - 4);
            asm.bind(label);
            assert_eq!(asm.finish(), Ok(()), "{} {distance}", kind.name);
            assert_eq!(target(asm.code(), 4), 4 + distance);
            assert_eq!(name(asm.code(), 4), kind.name);
        }
        let mut asm = Assembler::new();
        let label = asm.new_label();
        asm.nop();
        (kind.emit)(&mut asm, label);
        fill(&mut asm, kind.forwards);
        asm.bind(label);
        let error = FinishError::OutOfReach { label, at: 4 };
        assert_eq!(asm.finish(), Err(error), "{}", kind.name);
    }
}

#[test]
fn backwards_to_the_last_word_in_reach_and_beyond() {
    for kind in KINDS {
        let reach = kind.forwards + 4;
        for distance in [0, 4, 0x1000, reach - 4, reach] {
            let mut asm = Assembler::new();
            let label = asm.new_label();
            asm.bind(label);
            fill(&mut asm, distance);
            (kind.emit)(&mut asm, label);
            assert_eq!(asm.finish(), Ok(()), "{} {distance}", kind.name);
            assert_eq!(asm.offset(), distance + 4);
            assert_eq!(target(asm.code(), distance), 0);
            assert_eq!(name(asm.code(), distance), kind.name);
        }
        for distance in [reach + 4, reach + 8, 2 * reach] {
            let mut asm = Assembler::new();
            let label = asm.new_label();
            asm.bind(label);
            fill(&mut asm, distance);
            (kind.emit)(&mut asm, label);
            let Some(inverse) = kind.inverse else {
                let error = FinishError::OutOfReach {
                    label,
                    at: distance,
                };
                assert_eq!(asm.finish(), Err(error), "{}", kind.name);
                continue;
            };
            assert_eq!(asm.finish(), Ok(()));
            assert_eq!(asm.offset(), distance + 8);
            assert_eq!(name(asm.code(), distance), inverse);
            assert_eq!(target(asm.code(), distance), distance + 8);
            assert_eq!(name(asm.code(), distance + 4), "b");
            assert_eq!(target(asm.code(), distance + 4), 0);
        }
    }
}

/// `b` and `bl` at 128 MB.
#[test]
fn far_branches_to_the_last_word_in_reach() {
    const REACH: u32 = 1 << 27;
    let mut asm = Assembler::new();
    let [near, far, start, out] = [(); 4].map(|()| asm.new_label());
    asm.bind(start);
    asm.bl(out);
    asm.b(far);
    asm.b(near);
    fill(&mut asm, REACH - 12);
    assert_eq!(asm.offset(), REACH);
    asm.bind(far);
    asm.bl(start);
    asm.bind(near);
    assert_eq!(asm.error, None);
    asm.bind(out);
    assert_eq!(
        asm.finish(),
        Err(FinishError::OutOfReach { label: out, at: 0 })
    );
    assert_eq!(target(asm.code(), 4), REACH);
    assert_eq!(target(asm.code(), 8), REACH + 4);
    assert_eq!(target(asm.code(), REACH), 0);
    assert_eq!(name(asm.code(), REACH), "bl");
    // One word more, back.
    asm.error = None;
    asm.bl(start);
    let error = FinishError::OutOfReach {
        label: start,
        at: REACH + 4,
    };
    assert_eq!(asm.finish(), Err(error));
}

/// Over a jump table of two megabytes.
#[test]
fn conditional_branches_over_data() {
    for code in 0..15 {
        let mut asm = Assembler::new();
        let (start, default) = (asm.new_label(), asm.new_label());
        asm.bind(start);
        let (branch, _) = cond(code);
        asm.b_cond_far(branch, default);
        asm.b_cond_far(branch, start);
        let both = asm.offset();
        fill(&mut asm, 2 << 20);
        asm.bind(default);
        asm.finish().unwrap();
        let skipped = if branch == Cond::AL { 0 } else { 4 };
        for (at, label) in [(0, default), (both / 2, start)] {
            let b = at + skipped;
            assert_eq!(name(asm.code(), b), "b");
            assert_eq!(Some(target(asm.code(), b)), asm.label_offset(label));
            if skipped != 0 {
                // The codes of a condition and its inverse differ in one bit.
                let inverse = name(asm.code(), at).replace("cs", "hs").replace("cc", "lo");
                assert_eq!(inverse, format!("b.{}", CONDS[code ^ 1]));
                assert_eq!(target(asm.code(), at), at + 8);
            }
        }
    }
}

/// An address of any byte.
#[test]
fn addresses_of_bytes() {
    for distance in 4..20 {
        let mut asm = Assembler::new();
        let (before, after) = (asm.new_label(), asm.new_label());
        asm.emit_data(&[0; 4]);
        asm.bind(before);
        fill(&mut asm, distance);
        asm.align(4);
        let at = asm.offset();
        asm.adr(Gpr::X9, before);
        asm.adr(Gpr::X10, after);
        fill(&mut asm, distance);
        asm.bind(after);
        asm.finish().unwrap();
        assert_eq!(target(asm.code(), at), 4);
        assert_eq!(target(asm.code(), at + 4), at + 8 + distance);
    }
}

#[test]
fn unbound_labels_are_errors() {
    for kind in KINDS {
        let mut asm = Assembler::new();
        let (bound, unbound) = (asm.new_label(), asm.new_label());
        asm.b(bound);
        asm.bind(bound);
        (kind.emit)(&mut asm, unbound);
        let error = FinishError::UnboundLabel {
            label: unbound,
            at: 4,
        };
        assert_eq!(asm.finish(), Err(error));
    }
    let mut asm = Assembler::new();
    let (bound, unbound) = (asm.new_label(), asm.new_label());
    asm.bind(bound);
    asm.emit_label_difference_i32(bound, unbound);
    let error = FinishError::UnboundLabel {
        label: unbound,
        at: 0,
    };
    assert_eq!(asm.finish(), Err(error));
    // A label that nothing refers to may stay unbound.
    let mut asm = Assembler::new();
    asm.new_label();
    assert_eq!(asm.finish(), Ok(()));
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "a label is bound once")]
fn second_binding_panics() {
    let mut asm = Assembler::new();
    let label = asm.new_label();
    asm.bind(label);
    asm.bind(label);
}

#[cfg(not(debug_assertions))]
#[test]
fn second_binding_is_an_error() {
    let mut asm = Assembler::new();
    let label = asm.new_label();
    asm.bind(label);
    asm.ret();
    asm.bind(label);
    assert_eq!(asm.finish(), Err(FinishError::BoundTwice { label, at: 4 }));
}

#[test]
fn differences_have_a_sign() {
    let mut asm = Assembler::new();
    let (base, low, high) = (asm.new_label(), asm.new_label(), asm.new_label());
    asm.bind(low);
    fill(&mut asm, 300);
    asm.bind(base);
    asm.emit_label_difference_i32(low, base);
    asm.emit_label_difference_i32(high, base);
    asm.emit_label_difference_i32(base, base);
    asm.bind(high);
    asm.finish().unwrap();
    let fields = words(&asm.code()[300..]);
    assert_eq!(fields, [-300i32 as u32, 12, 0]);
}

/// Where the branch at `at` gets to in the end, over veneers.
fn destination(code: &[u8], at: u32) -> u32 {
    let mut place = target(code, at);
    // What a branch leads to in these tests is never a `b` but in an island.
    while name(code, place) == "b" {
        place = target(code, place);
    }
    place
}

/// A stretch of code with a mark that tells where it is in the program.
fn mark(asm: &mut Assembler, number: u32) {
    asm.movz(Size::S32, Gpr::X0, number as u16, 0);
    asm.movk(Size::S32, Gpr::X0, (number >> 16) as u16, 1);
}

/// Walks through the code in the order in which it runs if no conditional
/// branch is taken, and says at which offsets it came by.
fn walk(code: &[u8]) -> Vec<u32> {
    let (mut at, mut path) = (0, Vec::new());
    while (at as usize) < code.len() {
        let next = if word(code, at) >> 26 == 0b000101 {
            target(code, at)
        } else {
            path.push(at);
            at + 4
        };
        assert!(next > at, "an island leads on");
        at = next;
    }
    path
}

/// Three megabytes of code in which branches of all kinds wait for the end, or
/// for labels some way on.
#[test]
fn islands_help_thousands_of_branches() {
    let assemble = || {
        let mut asm = Assembler::new();
        let end = asm.new_label();
        let mut branches = Vec::new();
        let mut later = std::collections::VecDeque::new();
        for n in 0..130_000u32 {
            asm.keep_in_range(24);
            mark(&mut asm, n);
            let label = if n % 3 == 0 {
                end
            } else {
                let label = asm.new_label();
                later.push_back((n + (n * 7919) % 60_000, label));
                label
            };
            branches.push((asm.offset(), label));
            match n % 7 {
                0 | 1 => asm.tbz(Gpr::X3, 5, label),
                2 | 3 => asm.b_cond(Cond::HI, label),
                4 => asm.cbnz(Size::S32, Gpr::X4, label),
                5 => asm.bl(label),
                _ => asm.tbnz(Gpr::X5, 63, label),
            }
            while let Some(&(due, label)) = later.front()
                && due <= n
            {
                later.pop_front();
                asm.bind(label);
            }
        }
        for (_, label) in later {
            asm.bind(label);
        }
        asm.bind(end);
        asm.ret();
        asm.finish().unwrap();
        let branches: Vec<(u32, u32)> = branches
            .into_iter()
            .map(|(at, label)| (at, asm.label_offset(label).expect("bound")))
            .collect();
        (asm.into_code(), branches)
    };
    let (code, branches) = assemble();
    for &(at, expected) in &branches {
        // A label may be bound where an island begins.
        let mut expected = expected;
        while name(&code, expected) == "b" {
            expected = target(&code, expected);
        }
        assert_eq!(destination(&code, at), expected, "{at}");
    }
    // The islands are in nobody's way: each branch and its mark, in order.
    let path = walk(&code);
    assert_eq!(path.len(), 3 * 130_000 + 1);
    for (n, (place, branch)) in path.chunks(3).zip(&branches).enumerate() {
        assert_eq!(place[2], branch.0);
        assert_eq!((place[1], place[2]), (place[0] + 4, place[0] + 8));
        let number = word(&code, place[0]) >> 5 & 0xFFFF;
        let upper = word(&code, place[1]) >> 5 & 0xFFFF;
        assert_eq!((upper << 16 | number) as usize, n);
    }
    // Less than one veneer for a branch.
    let islands = code.len() - 4 * path.len();
    assert!(islands < 4 * branches.len(), "{islands}");
    assert_eq!(assemble().0, code, "the same every time");
}

/// An island is emitted as late as it can be, and not where none is needed.
#[test]
fn islands_come_late_or_not_at_all() {
    for (kind, reach) in [(6, 1u32 << 15), (0, 1 << 20)] {
        let mut asm = Assembler::new();
        let label = asm.new_label();
        (KINDS[kind].emit)(&mut asm, label);
        let mut nops = 0;
        while asm.offset() == 4 + 4 * nops {
            asm.keep_in_range(4);
            asm.nop();
            nops += 1;
        }
        let island = 4 * nops;
        assert!(island < reach && island + 64 > reach, "{island}");
        asm.bind(label);
        asm.ret();
        asm.finish().unwrap();
        assert_eq!(target(asm.code(), 0), island + 4);
        assert_eq!(name(asm.code(), island), "b");
        assert_eq!(target(asm.code(), island), island + 8);
        assert_eq!(target(asm.code(), island + 4), island + 12);
    }
    let mut asm = Assembler::new();
    let mut near: Vec<Label> = Vec::new();
    for n in 0..600_000 {
        asm.keep_in_range(4);
        if n % 3 == 0 {
            near.push(asm.new_label());
            asm.b_cond(Cond::NE, near[n / 3]);
        } else {
            asm.nop();
        }
        if n % 3 == 1 && n > 3000 {
            asm.bind(near[n / 3 - 1000]);
        }
    }
    assert_eq!(asm.offset(), 4 * 600_000);
}

/// A stretch may bring a veneer with every instruction, or a constant, wherever
/// it begins before the first branch's reach ends.
#[test]
fn stretches_may_be_full_of_branches() {
    const STRETCH: u32 = 4096;
    for before in (16_000..32_700).step_by(124) {
        let mut asm = Assembler::new();
        // The oldest branch's veneer comes last.
        let labels: Vec<Label> = (0..=STRETCH / 4).map(|_| asm.new_label()).collect();
        let mut latest = labels.iter().rev();
        let mut branch = |asm: &mut Assembler| {
            let &label = latest.next().expect("one for each branch");
            asm.tbz(Gpr::X1, 1, label);
        };
        branch(&mut asm);
        fill(&mut asm, before);
        asm.keep_in_range(STRETCH);
        for _ in 0..STRETCH / 4 {
            branch(&mut asm);
        }
        for _ in 0..10 {
            asm.keep_in_range(STRETCH);
            fill(&mut asm, STRETCH);
        }
        for label in labels {
            asm.bind(label);
        }
        assert_eq!(asm.finish(), Ok(()), "{before}");
    }
    for before in (900_000..1_048_500).step_by(1_004) {
        let mut asm = Assembler::new();
        // The oldest constant comes last.
        asm.ldr_literal_q(Fpr::V1, u128::MAX);
        fill(&mut asm, before);
        asm.keep_in_range(STRETCH);
        for n in 0..STRETCH / 4 {
            asm.ldr_literal_q(Fpr::V1, n.into());
        }
        asm.keep_in_range(STRETCH);
        assert_eq!(asm.finish(), Ok(()), "{before}");
    }
}

/// Branches to one label share a veneer.
#[test]
fn veneers_are_shared() {
    let mut asm = Assembler::new();
    let labels = [asm.new_label(), asm.new_label()];
    for n in 0..100 {
        asm.tbz(Gpr::X1, 1, labels[n % 2]);
    }
    fill(&mut asm, 30_000);
    let island = asm.offset();
    asm.keep_in_range(2_000);
    assert_eq!(asm.offset(), island + 4 + 2 * 4);
    fill(&mut asm, 2_000);
    for label in labels {
        asm.bind(label);
    }
    asm.ret();
    asm.finish().unwrap();
    for n in 0..100 {
        let veneer = island + 4 + 4 * (n % 2);
        assert_eq!(target(asm.code(), 4 * n), veneer);
        assert_eq!(target(asm.code(), veneer), asm.offset() - 4);
    }
}

/// A hundred and forty megabytes: veneers for `b`, and for veneers.
#[test]
fn islands_help_far_branches() {
    let mut asm = Assembler::new();
    let label = asm.new_label();
    asm.bl(label);
    asm.b_cond(Cond::EQ, label);
    asm.tbz(Gpr::X0, 0, label);
    let piece = vec![0; 1 << 14];
    for _ in 0..140 << 6 {
        asm.keep_in_range(1 << 14);
        asm.emit_data(&piece);
    }
    asm.bind(label);
    asm.ret();
    asm.finish().unwrap();
    let end = asm.offset() - 4;
    for at in [0, 4, 8] {
        assert_eq!(destination(asm.code(), at), end);
        assert!(target(asm.code(), at) < end);
    }
}

/// A hundred thousand labels wait at once, and each is handled once.
#[test]
fn many_labels_wait() {
    let mut asm = Assembler::new();
    let labels: Vec<Label> = (0..200_000).map(|_| asm.new_label()).collect();
    let mut places = Vec::new();
    for &label in &labels {
        asm.keep_in_range(4);
        places.push(asm.offset());
        asm.cbz(Size::S64, Gpr::X1, label);
    }
    for &label in &labels {
        asm.keep_in_range(4);
        asm.bind(label);
        asm.nop();
    }
    asm.finish().unwrap();
    for (at, &label) in places.into_iter().zip(&labels) {
        let mut expected = asm.label_offset(label).expect("bound");
        while name(asm.code(), expected) == "b" {
            expected = target(asm.code(), expected);
        }
        assert_eq!(destination(asm.code(), at), expected);
    }
}

/// The bytes that the load at `at` takes.
fn constant(code: &[u8], at: u32, width: usize) -> u128 {
    let place = target(code, at) as usize;
    assert_eq!(place % width, 0, "constants are aligned");
    let mut bytes = [0; 16];
    bytes[..width].copy_from_slice(&code[place..place + width]);
    u128::from_le_bytes(bytes)
}

#[test]
fn constants_are_loaded_from_a_pool() {
    const WIDE: u128 = 0x0123_4567_89AB_CDEF_0011_2233_4455_6677;
    for padding in 0..5 {
        let mut asm = Assembler::new();
        for _ in 0..padding {
            asm.nop();
        }
        let start = asm.offset();
        for _ in 0..2 {
            asm.ldr_literal_s(Fpr::V1, 0x3F80_0001);
            asm.ldr_literal_d(Fpr::V2, 0x3F80_0001);
            asm.ldr_literal_q(Fpr::V3, WIDE);
            asm.ldr_literal_x(Gpr::X4, 0x3F80_0001);
            asm.ldr_literal_s(Fpr::V5, 0x3F80_0002);
        }
        asm.ret();
        let end = asm.offset();
        asm.flush_pool();
        // One of sixteen bytes, one of eight, two of four.
        assert_eq!(asm.offset(), end.next_multiple_of(16) + 16 + 8 + 8);
        asm.flush_pool();
        let second = asm.offset();
        asm.ldr_literal_d(Fpr::V2, 0x3F80_0001);
        asm.finish().unwrap();
        assert_eq!(asm.offset(), (second + 4).next_multiple_of(8) + 8);
        let code = asm.code();
        assert_eq!(constant(code, second, 8), 0x3F80_0001);
        for first in [start, start + 20] {
            let names = ["ldr s1,", "ldr d2,", "ldr q3,", "ldr x4,", "ldr s5,"];
            let values = [0x3F80_0001, 0x3F80_0001, WIDE, 0x3F80_0001, 0x3F80_0002];
            let widths = [4, 8, 16, 8, 4];
            for (n, at) in (first..).step_by(4).take(5).enumerate() {
                assert_eq!(name(code, at), names[n]);
                assert_eq!(constant(code, at, widths[n]), values[n]);
            }
        }
    }
}

/// In three megabytes the pool comes by itself, with constants of all widths.
#[test]
fn islands_hold_the_pool() {
    let mut asm = Assembler::new();
    let mut loads = Vec::new();
    let count = 260_000u32;
    for n in 0..count {
        asm.keep_in_range(4);
        let at = asm.offset();
        match n % 11 {
            0 => {
                asm.ldr_literal_q(Fpr::V0, u128::from(n) << 64);
                loads.push((at, 16, u128::from(n) << 64));
            }
            1 => {
                asm.ldr_literal_d(Fpr::V1, (n % 50).into());
                loads.push((at, 8, u128::from(n % 50)));
            }
            2 => {
                asm.ldr_literal_s(Fpr::V2, n);
                loads.push((at, 4, u128::from(n)));
            }
            _ => asm.nop(),
        }
    }
    asm.ret();
    asm.finish().unwrap();
    for (at, width, value) in loads {
        assert_eq!(constant(asm.code(), at, width), value, "{at}");
    }
}

/// The branch over an island, where it is the target of a branch itself, and
/// instructions with addresses of the stack beside it, are left as they were.
#[test]
fn islands_do_not_disturb_their_neighbours() {
    let mut asm = Assembler::new();
    let far = asm.new_label();
    let mem = Mem::offset(Gpr::SP, 8, Access::B8).expect("it fits");
    asm.ldr(Size::S64, Gpr::X1, mem);
    asm.tbz(Gpr::X1, 7, far);
    asm.ldr_literal_x(Gpr::X2, 77);
    fill(&mut asm, 32_000);
    asm.str(Size::S64, Gpr::X1, mem);
    let island = asm.offset();
    asm.keep_in_range(1000);
    let after = asm.offset();
    asm.str(Size::S64, Gpr::X2, mem);
    fill(&mut asm, 1000);
    asm.bind(far);
    asm.finish().unwrap();
    // The constant's own island is not due for long.
    assert_eq!(after, island + 8);
    let code = asm.code();
    assert_eq!(normal(&disassemble(word(code, 0))), "ldr x1, [sp, #8]");
    assert_eq!(
        normal(&disassemble(word(code, island - 4))),
        "str x1, [sp, #8]"
    );
    assert_eq!(normal(&disassemble(word(code, after))), "str x2, [sp, #8]");
    assert_eq!(target(code, island), after);
    assert_eq!(constant(code, 8, 8), 77);
}

/// A step of a random program. Labels are taken modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    Bind(usize),
    Branch(usize, usize),
    Far(usize),
    Constant(u8, u64),
    Nops(u32),
    Difference(usize, usize),
    Flush,
    /// So many branches and constants without a place for an island.
    Burst(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let label = || 0usize..48;
    prop_oneof![
        3 => label().prop_map(Step::Bind),
        // The kinds of branches, without addresses.
        6 => (0usize..10, label()).prop_map(|(kind, label)| Step::Branch(kind, label)),
        1 => label().prop_map(Step::Far),
        2 => (0u8..4, 0u64..6).prop_map(|(kind, bits)| Step::Constant(kind, bits)),
        3 => (0u32..40).prop_map(Step::Nops),
        3 => (0u32..60_000).prop_map(Step::Nops),
        1 => (label(), label()).prop_map(|(a, b)| Step::Difference(a, b)),
        1 => Just(Step::Flush),
        1 => (0u32..4096).prop_map(Step::Burst),
    ]
}

/// What stands at an offset of a random program.
enum Placed {
    /// What gets to `to` is the instruction at `from`.
    Branch {
        to: Label,
        name: &'static str,
        from: u32,
    },
    Constant {
        width: usize,
        bits: u128,
    },
    Difference {
        target: Label,
        base: Label,
    },
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn random_programs_reach_their_labels(
        steps in prop::collection::vec(step(), 0..150),
        count in 1usize..48,
    ) {
        let mut asm = Assembler::new();
        let labels: Vec<Label> = (0..count).map(|_| asm.new_label()).collect();
        let mut placed = Vec::new();
        for step in steps {
            emit_step(&mut asm, step, &labels, &mut placed);
        }
        for &label in &labels {
            if !asm.is_bound(label) {
                asm.keep_in_range(4);
                asm.bind(label);
                asm.udf(1);
            }
        }
        asm.keep_in_range(4);
        asm.ret();
        prop_assert_eq!(asm.finish(), Ok(()));
        for (at, placed) in placed {
            check_placed(&asm, at, placed);
        }
    }
}

fn emit_step(asm: &mut Assembler, step: Step, labels: &[Label], placed: &mut Vec<(u32, Placed)>) {
    let label = |n: usize| labels[n % labels.len()];
    match step {
        Step::Bind(n) => {
            if !asm.is_bound(label(n)) {
                asm.keep_in_range(4);
                asm.bind(label(n));
                asm.udf(2);
            }
        }
        Step::Branch(kind, n) => {
            asm.keep_in_range(8);
            let at = asm.offset();
            (KINDS[kind].emit)(asm, label(n));
            let (name, from) = match (asm.offset() - at, KINDS[kind].inverse) {
                (8, Some(inverse)) => (inverse, at + 4),
                _ => (KINDS[kind].name, at),
            };
            let to = label(n);
            placed.push((at, Placed::Branch { to, name, from }));
        }
        Step::Far(n) => {
            asm.keep_in_range(4);
            let (to, name, from) = (label(n), "bl", asm.offset());
            placed.push((from, Placed::Branch { to, name, from }));
            asm.bl(to);
        }
        Step::Constant(kind, bits) => {
            asm.keep_in_range(4);
            let at = asm.offset();
            let wide = u128::from(bits);
            let (width, bits) = match kind {
                0 => (4, wide),
                3 => (16, wide << 100),
                _ => (8, wide),
            };
            match kind {
                0 => asm.ldr_literal_s(Fpr::V1, bits as u32),
                1 => asm.ldr_literal_d(Fpr::V1, bits as u64),
                2 => asm.ldr_literal_x(Gpr::X1, bits as u64),
                _ => asm.ldr_literal_q(Fpr::V1, bits),
            }
            placed.push((at, Placed::Constant { width, bits }));
        }
        Step::Nops(count) => {
            for _ in 0..count {
                asm.keep_in_range(4);
                asm.udf(3);
            }
        }
        Step::Difference(target, base) => {
            asm.keep_in_range(4);
            let (target, base) = (label(target), label(base));
            placed.push((asm.offset(), Placed::Difference { target, base }));
            asm.emit_label_difference_i32(target, base);
        }
        Step::Flush => asm.flush_pool(),
        Step::Burst(count) => {
            // Each is one instruction, as its label is new or the constant is.
            asm.keep_in_range(4 * count);
            for n in 0..count as usize {
                let at = asm.offset();
                let to = label(n);
                if n % 3 == 0 {
                    let bits = u128::from(at) << 64;
                    asm.ldr_literal_q(Fpr::V2, bits);
                    placed.push((at, Placed::Constant { width: 16, bits }));
                } else if !asm.is_bound(to) {
                    let kind = &KINDS[n % 10];
                    (kind.emit)(asm, to);
                    let (name, from) = (kind.name, at);
                    placed.push((at, Placed::Branch { to, name, from }));
                } else {
                    asm.udf(4);
                }
            }
        }
    }
}

fn check_placed(asm: &Assembler, at: u32, placed: Placed) {
    let offset = |label| asm.label_offset(label).expect("all labels are bound");
    let code = asm.code();
    match placed {
        Placed::Branch {
            to,
            name: expected,
            from,
        } => {
            assert_eq!(name(code, at), expected);
            if from != at {
                assert_eq!((target(code, at), name(code, from)), (at + 8, "b".into()));
            }
            assert_eq!(destination(code, from), offset(to));
        }
        Placed::Constant { width, bits } => assert_eq!(constant(code, at, width), bits),
        Placed::Difference { target, base } => {
            assert_eq!(word(code, at), offset(target).wrapping_sub(offset(base)));
        }
    }
}
