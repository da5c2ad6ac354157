//! Indirect branches, traps, no-operations, system registers, data, and the life of an
//! assembler.

use super::super::{SystemRegister, with_branch_distance};
use super::*;

#[test]
fn indirect_branches() {
    for [n, ..] in turns().take(32) {
        check(&format!("br {}", x(n)), |asm| asm.br(g(n)));
        check(&format!("blr {}", x(n)), |asm| asm.blr(g(n)));
        let ret = match n {
            30 => "ret".into(),
            _ => format!("ret {}", x(n)),
        };
        check(&ret, |asm| asm.ret_r(g(n)));
    }
    check("ret", |asm| asm.ret());
}

#[test]
fn traps_and_hints() {
    for imm in [0, 1, 0x1234, 0xFFFF] {
        check(&format!("brk #{imm}"), |asm| asm.brk(imm));
        check(&format!("udf #{imm}"), |asm| asm.udf(imm));
    }
    check("nop", |asm| asm.nop());
    check("isb", |asm| asm.isb());
}

#[test]
fn system_registers() {
    // The manual's op0, op1, CRn, CRm, op2 of fpcr and fpsr.
    for (register, name) in [
        (SystemRegister::Fpcr, "s3_3_c4_c4_0"),
        (SystemRegister::Fpsr, "s3_3_c4_c4_1"),
    ] {
        for [n, ..] in turns().take(32) {
            check(&format!("mrs {}, {name}", x(n)), |asm| {
                asm.mrs(g(n), register)
            });
            // The disassembler drops the upper bit of this register, which is the
            // word's lowest five.
            let mut asm = Assembler::new();
            asm.msr(register, g(n));
            let word = words(asm.code())[0];
            let read = normal(&disassemble(word & !0x1F | 5));
            assert_eq!((read, word & 0x1F), (format!("msr {name}, x5"), n.into()));
        }
    }
}

#[test]
fn placeholders_take_any_distance_in_reach() {
    let mut asm = Assembler::new();
    asm.nop();
    let bl = asm.bl_placeholder();
    let b = asm.b_placeholder();
    asm.finish().unwrap();
    assert_eq!((bl, b), (4, 8));
    let words = words(asm.code());
    for (at, name) in [(bl, "bl"), (b, "b")] {
        let word = words[at as usize / 4];
        for distance in [0, 4, -4, 0x1234, (1 << 27) - 4, -(1 << 27)] {
            let patched = with_branch_distance(word, distance).expect("in reach");
            let sign = if distance < 0 { '-' } else { '+' };
            let expected = format!("{name} ${sign}{:#x}", distance.abs());
            assert_eq!(disassemble(patched), expected);
            // What was patched can be patched again.
            assert_eq!(with_branch_distance(patched, 0), Some(word));
        }
        for distance in [
            1,
            2,
            -3,
            1 << 27,
            -(1 << 27) - 4,
            1 << 32,
            i64::MIN,
            i64::MAX,
        ] {
            assert_eq!(with_branch_distance(word, distance), None, "{distance}");
        }
    }
}

#[test]
fn align_reaches_the_next_multiple() {
    for to in [1, 2, 4, 8, 16, 32, 64] {
        for start in 0..70 {
            let mut asm = Assembler::new();
            asm.emit_data(&vec![0xAA; start]);
            asm.align(to);
            let end = start.next_multiple_of(to as usize);
            assert_eq!(asm.offset() as usize, end);
            // Zeros up to a whole instruction, then no-operations.
            let whole = start.next_multiple_of(4).min(end);
            assert!(asm.code()[start..whole].iter().all(|&byte| byte == 0));
            let nops = words(&asm.code()[whole..]);
            assert!(nops.into_iter().all(|word| disassemble(word) == "nop"));
        }
    }
}

#[test]
fn clear_forgets_everything() {
    let mut asm = Assembler::with_capacity(64);
    let label = asm.new_label();
    asm.tbz(Gpr::X0, 1, label);
    asm.b(label);
    asm.adr(Gpr::X0, label);
    asm.ldr_literal_q(Fpr::V0, 5);
    asm.emit_label_difference_i32(label, label);
    asm.clear();
    assert_eq!((asm.offset(), asm.finish()), (0, Ok(())));
    // Nothing of before is due.
    asm.keep_in_range(u32::MAX);
    assert_eq!(asm.offset(), 0);
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
    for n in 0..20_000u32 {
        asm.movz(Size::S32, Gpr::X9, n as u16, 0);
        assert_eq!(asm.offset(), 4 * (n + 1));
    }
    for (n, word) in words(asm.code()).into_iter().enumerate() {
        assert_eq!(normal(&disassemble(word)), format!("mov w9, #{n}"));
    }
}

#[test]
fn registers_have_their_numbers() {
    for n in 0..31 {
        assert_eq!(Gpr::ALL[usize::from(n)].number(), n);
        assert_eq!(format!("{:?}", g(n)), format!("X{n}"));
    }
    for n in 0..32 {
        assert_eq!(Fpr::ALL[usize::from(n)].number(), n);
        assert_eq!(g(n).number(), n);
    }
    assert_eq!((Gpr::from_number(31), Gpr::SP.number()), (Gpr::ZR, 31));
    assert_ne!(Gpr::SP, Gpr::ZR);
    assert_eq!((Gpr::FP, Gpr::LR), (Gpr::X29, Gpr::X30));
    assert_eq!(format!("{:?} {:?}", Gpr::SP, Gpr::ZR), "SP ZR");
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "this operand cannot be sp")]
fn the_stack_pointer_is_no_zero_register() {
    Assembler::new().add_rr(Size::S64, Gpr::X0, Gpr::SP, Gpr::X1);
}
