//! Indirect jumps and calls, traps, no-operations and data.

use super::super::{Gpr, Size};
use super::*;
use iced_x86::Mnemonic;

#[test]
fn indirect() {
    let mut c = Checker::new();
    let (call, jmp) = (code("Call_rm64", Size::S64), code("Jmp_rm64", Size::S64));
    c.r(jmp, Size::S64, |asm, r| asm.jmp_r(r));
    for case in MEMS.iter() {
        c.check(call, &[case.expected], |asm| asm.call_m(case.mem));
        c.check(jmp, &[case.expected], |asm| asm.jmp_m(case.mem));
    }
}

#[test]
fn without_operands() {
    let mut c = Checker::new();
    c.check(Code::Retnq, &[], |asm| asm.ret());
    c.check(Code::Ud2, &[], |asm| asm.ud2());
    c.check(Code::Int3, &[], |asm| asm.int3());
}

#[test]
fn placeholders_return_their_field() {
    let mut asm = Assembler::new();
    asm.ret();
    let call = asm.call_rel32_placeholder();
    let jmp = asm.jmp_rel32_placeholder();
    assert_eq!(asm.code(), [0xC3, 0xE8, 0, 0, 0, 0, 0xE9, 0, 0, 0, 0]);
    assert_eq!((call, jmp), (2, 7));
    // Both to offset 0.
    asm.patch_u32(call, (-6i32) as u32);
    asm.patch_u32(jmp, (-11i32) as u32);
    let mut decoder = Decoder::with_ip(64, asm.code(), ORIGIN, DecoderOptions::NONE);
    assert_eq!(decoder.decode().code(), Code::Retnq);
    let (call, jmp) = (decoder.decode(), decoder.decode());
    assert_eq!(
        (call.code(), call.near_branch_target()),
        (Code::Call_rel32_64, ORIGIN)
    );
    assert_eq!(
        (jmp.code(), jmp.near_branch_target()),
        (Code::Jmp_rel32_64, ORIGIN)
    );
}

#[test]
fn nops_have_their_length_and_are_few() {
    for length in 0..100 {
        let mut asm = Assembler::new();
        asm.nop(length);
        assert_eq!(asm.offset(), length);
        let decoded: Vec<_> = Decoder::with_ip(64, asm.code(), ORIGIN, DecoderOptions::NONE)
            .iter()
            .collect();
        assert!(decoded.iter().all(|nop| nop.mnemonic() == Mnemonic::Nop));
        assert_eq!(decoded.len(), length.div_ceil(9) as usize);
    }
}

#[test]
fn align_reaches_the_next_multiple() {
    for to in [1, 2, 4, 8, 16, 32, 64] {
        for start in 0..70 {
            let mut asm = Assembler::new();
            asm.nop(start);
            asm.align(to);
            assert_eq!(asm.offset(), start.next_multiple_of(to));
        }
    }
}

#[test]
fn clear_forgets_everything() {
    let mut asm = Assembler::with_capacity(64);
    let label = asm.new_label();
    asm.jmp(label);
    asm.jmp_short(label);
    asm.clear();
    assert_eq!((asm.offset(), asm.finish()), (0, Ok(())));
    let label = asm.new_label();
    assert_eq!((label.number(), asm.is_bound(label)), (0, false));
    asm.emit_data(&[1, 2, 3]);
    asm.bind(label);
    assert_eq!(asm.label_offset(label), Some(3));
    assert_eq!(asm.into_code(), [1, 2, 3]);
}

/// Any mix grows the buffer as need be, whatever it held at first.
#[test]
fn grows() {
    let mut asm = Assembler::with_capacity(0);
    let mut expected = 0;
    for n in 0..10_000u32 {
        asm.mov_ri64(Gpr::R9, u64::from(n + 1) << 40);
        asm.push_r(Gpr::R9);
        expected += 12;
        assert_eq!(asm.offset(), expected);
    }
    let decoder = Decoder::with_ip(64, asm.code(), ORIGIN, DecoderOptions::NONE);
    for (n, decoded) in decoder.into_iter().enumerate() {
        if n % 2 == 0 {
            assert_eq!(decoded.immediate64(), (n as u64 / 2 + 1) << 40);
        } else {
            assert_eq!(decoded.code(), Code::Push_r64);
        }
    }
}
