//! Labels: reach in both directions to the byte, addresses, differences; and what
//! the tests of islands read from code.

use super::super::{FinishError, Label};
use super::*;

/// Where the instruction at `at` refers to.
pub(super) fn target(code: &[u8], at: u32) -> u32 {
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

pub(super) fn word(code: &[u8], at: u32) -> u32 {
    words(&code[at as usize..at as usize + 4])[0]
}

/// Everything before the distance.
pub(super) fn name(code: &[u8], at: u32) -> String {
    let line = disassemble(word(code, at));
    line.split(" $").next().expect("a line").to_owned()
}

/// Fills with zeros, much faster than with instructions.
pub(super) fn fill(asm: &mut Assembler, bytes: u32) {
    asm.emit_data(&vec![0; bytes as usize]);
}

/// Where the branch at `at` gets to in the end, over veneers.
pub(super) fn destination(code: &[u8], at: u32) -> u32 {
    let mut place = target(code, at);
    // What a branch leads to in these tests is never a `b` but in an island.
    while name(code, place) == "b" {
        place = target(code, place);
    }
    place
}

/// The bytes that the load at `at` takes.
pub(super) fn constant(code: &[u8], at: u32, width: usize) -> u128 {
    let place = target(code, at) as usize;
    assert_eq!(place % width, 0, "constants are aligned");
    let mut bytes = [0; 16];
    bytes[..width].copy_from_slice(&code[place..place + width]);
    u128::from_le_bytes(bytes)
}

/// A kind of branch or address: how to emit it, its reach forwards, what the
/// disassembler calls it, and its inverse if it has one.
pub(super) struct Kind {
    pub emit: fn(&mut Assembler, Label),
    pub forwards: u32,
    pub name: &'static str,
    pub inverse: Option<&'static str>,
}

#[rustfmt::skip]
pub(super) const KINDS: &[Kind] = {
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
