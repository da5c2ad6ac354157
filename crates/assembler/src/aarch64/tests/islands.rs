//! Islands: veneers and pools, in time, where they are due and only there.

use super::super::{Access, Label, Mem};
use super::labels::{KINDS, constant, destination, fill, name, target, word};
use super::*;
use std::collections::VecDeque;

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
        let mut later = VecDeque::new();
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
