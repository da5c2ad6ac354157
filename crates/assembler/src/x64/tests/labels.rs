//! Labels: jumps, calls and addresses in both directions, at every distance that
//! matters, and random programs of them.

use super::super::{Cond, FBit, FOp, FSize, FinishError, Gpr, Label, Size, Xmm};
use super::*;
use iced_x86::{FlowControl, Mnemonic};
use proptest::prelude::*;

fn decode_at(asm: &Assembler, at: u32) -> Instruction {
    let code = &asm.code()[at as usize..];
    let ip = ORIGIN + u64::from(at);
    Decoder::with_ip(64, code, ip, DecoderOptions::NONE).decode()
}

/// A jump back over `between` bytes: the short form exactly where it reaches.
#[test]
fn backward_jumps_take_the_shortest_form() {
    for between in (0..200).chain([1000, 70_000]) {
        for cond in [None, Some(Cond::B), Some(Cond::G)] {
            let mut asm = Assembler::new();
            asm.nop(3);
            let label = asm.new_label();
            asm.bind(label);
            asm.nop(between);
            let at = asm.offset();
            match cond {
                None => asm.jmp(label),
                Some(cond) => asm.jcc(cond, label),
            }
            asm.finish().unwrap();
            let jump = decode_at(&asm, at);
            let near_len = if cond.is_none() { 5 } else { 6 };
            let len = if between + 2 <= 128 { 2 } else { near_len };
            assert_eq!(jump.len(), len, "over {between} bytes");
            assert_eq!(asm.offset(), at + len as u32);
            assert_eq!(jump.near_branch_target(), ORIGIN + 3);
            let mnemonic = match cond {
                None => Mnemonic::Jmp,
                Some(Cond::B) => Mnemonic::Jb,
                _ => Mnemonic::Jg,
            };
            assert_eq!(jump.mnemonic(), mnemonic);
        }
    }
}

#[test]
fn forward_jumps_are_near() {
    for between in (0..200).chain([70_000]) {
        let mut asm = Assembler::new();
        let label = asm.new_label();
        asm.jcc(Cond::LE, label);
        asm.jmp(label);
        asm.nop(between);
        asm.bind(label);
        asm.finish().unwrap();
        let target = ORIGIN + 11 + u64::from(between);
        let (jcc, jmp) = (decode_at(&asm, 0), decode_at(&asm, 6));
        assert_eq!(
            (jcc.code(), jcc.near_branch_target()),
            (Code::Jle_rel32_64, target)
        );
        assert_eq!(
            (jmp.code(), jmp.near_branch_target()),
            (Code::Jmp_rel32_64, target)
        );
    }
}

/// Every condition, in the three forms of a conditional jump.
#[test]
fn conditional_jumps() {
    let names = [
        "Jo", "Jno", "Jb", "Jae", "Je", "Jne", "Jbe", "Ja", "Js", "Jns", "Jp", "Jnp", "Jl", "Jge",
        "Jle", "Jg",
    ];
    for (cond, name) in Cond::ALL.into_iter().zip(names) {
        let mut asm = Assembler::new();
        let (before, after) = (asm.new_label(), asm.new_label());
        asm.bind(before);
        asm.jcc(cond, before);
        asm.jcc(cond, after);
        asm.jcc_short(cond, after);
        asm.jcc_short(cond, before);
        asm.bind(after);
        asm.finish().unwrap();
        let (short, near) = (
            code(&format!("{name}_rel8_64"), Size::S64),
            code(&format!("{name}_rel32_64"), Size::S64),
        );
        for (at, code, target) in [(0, short, 0), (2, near, 12), (8, short, 12), (10, short, 0)] {
            let jump = decode_at(&asm, at);
            assert_eq!(
                (jump.code(), jump.near_branch_target()),
                (code, ORIGIN + target)
            );
        }
    }
}

/// The end of the reach of a short jump forward, and one byte less.
#[test]
fn short_jumps_within_reach() {
    for between in 0..=127 {
        let mut asm = Assembler::new();
        let label = asm.new_label();
        asm.jmp_short(label);
        asm.nop(between);
        asm.bind(label);
        asm.nop(5);
        asm.finish().unwrap();
        let jump = decode_at(&asm, 0);
        assert_eq!((jump.code(), jump.len()), (Code::Jmp_rel8_64, 2));
        assert_eq!(jump.near_branch_target(), ORIGIN + 2 + u64::from(between));
    }
    // Backwards the short form is one that `jmp` would choose too.
    let mut asm = Assembler::new();
    let label = asm.new_label();
    asm.bind(label);
    asm.nop(126);
    asm.jmp_short(label);
    asm.finish().unwrap();
    assert_eq!(decode_at(&asm, 126).near_branch_target(), ORIGIN);
}

/// A forward short jump over `between` bytes; what `finish` says.
fn short_forward(between: u32) -> Result<(), FinishError> {
    let mut asm = Assembler::new();
    let label = asm.new_label();
    asm.nop(1);
    asm.jmp_short(label);
    asm.nop(between);
    asm.bind(label);
    asm.finish()
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "the caller promised a short jump")]
fn short_jump_out_of_reach_panics_when_bound() {
    let _ = short_forward(128);
}

#[cfg(not(debug_assertions))]
#[test]
fn short_jump_out_of_reach_is_an_error() {
    for between in [128, 129, 255, 256, 300, 70_000] {
        let error = short_forward(between).unwrap_err();
        assert!(
            matches!(error, FinishError::ShortJumpOutOfRange { at: 2, .. }),
            "{error}"
        );
    }
    let mut asm = Assembler::new();
    let label = asm.new_label();
    asm.bind(label);
    asm.nop(127);
    asm.jcc_short(Cond::E, label);
    assert_eq!(
        asm.finish(),
        Err(FinishError::ShortJumpOutOfRange { label, at: 128 })
    );
}

/// Jumps that can no longer reach are given up before their label is bound, and
/// are still an error.
#[test]
fn short_jump_left_behind_is_an_error() {
    let mut asm = Assembler::new();
    let (far, near) = (asm.new_label(), asm.new_label());
    asm.jmp_short(far);
    for _ in 0..100 {
        asm.nop(200);
        asm.jmp_short(near);
    }
    let error = asm.finish().unwrap_err();
    assert_eq!(
        error,
        FinishError::ShortJumpOutOfRange { label: far, at: 1 }
    );
}

/// Two short jumps to one label; the first just reaches it.
#[test]
fn short_jumps_may_share_a_label() {
    let mut asm = Assembler::new();
    let label = asm.new_label();
    asm.jmp_short(label);
    asm.nop(125);
    asm.jcc_short(Cond::S, label);
    asm.bind(label);
    asm.finish().unwrap();
    assert_eq!(decode_at(&asm, 0).near_branch_target(), ORIGIN + 129);
    assert_eq!(decode_at(&asm, 127).near_branch_target(), ORIGIN + 129);
}

#[test]
fn unbound_labels_are_errors() {
    let emits: [fn(&mut Assembler, Label); 6] = [
        |asm, label| asm.jmp(label),
        |asm, label| asm.jcc(Cond::E, label),
        |asm, label| asm.jmp_short(label),
        |asm, label| asm.call(label),
        |asm, label| asm.lea_label(Gpr::Rax, label),
        |asm, label| asm.movs_r_label(FSize::S32, Xmm::Xmm0, label),
    ];
    for emit in emits {
        let mut asm = Assembler::new();
        let label = asm.new_label();
        emit(&mut asm, label);
        let error = asm.finish().unwrap_err();
        assert!(
            matches!(error, FinishError::UnboundLabel { label: l, .. } if l == label),
            "{error}"
        );
    }
    let mut asm = Assembler::new();
    let (bound, unbound) = (asm.new_label(), asm.new_label());
    asm.bind(bound);
    asm.emit_label_difference_i32(bound, unbound);
    assert_eq!(
        asm.finish(),
        Err(FinishError::UnboundLabel {
            label: unbound,
            at: 0
        })
    );
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
    assert_eq!(asm.finish(), Err(FinishError::BoundTwice { label, at: 1 }));
}

#[test]
fn differences_have_a_sign() {
    let mut asm = Assembler::new();
    let (base, low, high) = (asm.new_label(), asm.new_label(), asm.new_label());
    asm.bind(low);
    asm.nop(300);
    asm.bind(base);
    asm.emit_label_difference_i32(low, base);
    asm.emit_label_difference_i32(high, base);
    asm.emit_label_difference_u32(high, base);
    asm.emit_label_difference_u32(base, base);
    asm.bind(high);
    asm.finish().unwrap();
    let fields: Vec<i32> = asm.code()[300..]
        .chunks(4)
        .map(|field| i32::from_le_bytes(field.try_into().expect("four bytes a field")))
        .collect();
    assert_eq!(fields, [-300, 16, 16, 0]);

    let mut asm = Assembler::new();
    let (base, low) = (asm.new_label(), asm.new_label());
    asm.bind(low);
    asm.nop(1);
    asm.bind(base);
    asm.emit_label_difference_u32(low, base);
    assert_eq!(
        asm.finish(),
        Err(FinishError::NegativeDifference { label: base, at: 1 })
    );
}

/// Every instruction that takes an address in the code, with every register, to
/// a label on either side.
#[test]
fn addresses_of_labels() {
    for n in 0..256 {
        let (r, a, b) = (Gpr::ALL[n % 16], Xmm::ALL[n % 16], Xmm::ALL[n / 16]);
        for forward in [false, true] {
            let mut asm = Assembler::new();
            let label = asm.new_label();
            if !forward {
                asm.bind(label);
            }
            asm.nop(n as u32);
            let mut expected = Vec::new();
            let mut expect = |asm: &Assembler, code, operands: &[Operand]| {
                expected.push((asm.offset(), code, operands.to_vec()));
            };
            let q = Size::S64;
            expect(&asm, code("Lea_r64_m", q), &[g(q, r)]);
            asm.lea_label(r, label);
            for size in WIDE {
                expect(&asm, code("Mov_r{}_rm{}", size), &[g(size, r)]);
                asm.mov_r_label(size, r, label);
            }
            for size in FSize::ALL {
                expect(&asm, fcode("VEX_Vmovs{s}_xmm_m{}", size), &[x(a)]);
                asm.movs_r_label(size, a, label);
                expect(&asm, fcode("VEX_Vucomis{s}_xmm_xmmm{}", size), &[x(a)]);
                asm.ucomis_r_label(size, a, label);
                expect(
                    &asm,
                    fcode("VEX_Vdivs{s}_xmm_xmm_xmmm{}", size),
                    &[x(a), x(b)],
                );
                asm.fop_rr_label(FOp::Div, size, a, b, label);
                expect(
                    &asm,
                    fcode("VEX_Vandnp{s}_xmm_xmm_xmmm128", size),
                    &[x(a), x(b)],
                );
                asm.fbit_rr_label(FBit::Andn, size, a, b, label);
            }
            if forward {
                asm.bind(label);
            }
            asm.finish().unwrap();
            let target = ORIGIN + u64::from(asm.label_offset(label).unwrap());
            let mut end = n as u32;
            for (at, code, operands) in expected {
                assert_eq!(at, end, "no bytes between instructions");
                let decoded = decode_at(&asm, at);
                end = at + decoded.len() as u32;
                assert_eq!(decoded.code(), code);
                for (n, &operand) in operands.iter().enumerate() {
                    check_operand(&decoded, n as u32, operand, &|| format!("{code:?}"));
                }
                assert_eq!(decoded.memory_base(), Register::RIP);
                assert_eq!(decoded.ip_rel_memory_address(), target);
            }
            assert_eq!(end, asm.offset());
        }
    }
}

/// A step of a random program. Labels are taken modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    Bind(usize),
    Jmp(usize),
    Jcc(u8, usize),
    Call(usize),
    Lea(u8, usize),
    Load(u8, usize),
    Nop(u32),
    Difference(usize, usize),
    /// A short jump over this many bytes.
    Skip(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let label = || 0usize..64;
    prop_oneof![
        4 => label().prop_map(Step::Bind),
        3 => label().prop_map(Step::Jmp),
        3 => (0u8..16, label()).prop_map(|(cond, label)| Step::Jcc(cond, label)),
        1 => label().prop_map(Step::Call),
        1 => (0u8..16, label()).prop_map(|(reg, label)| Step::Lea(reg, label)),
        1 => (0u8..16, label()).prop_map(|(reg, label)| Step::Load(reg, label)),
        4 => (0u32..150).prop_map(Step::Nop),
        1 => (label(), label()).prop_map(|(a, b)| Step::Difference(a, b)),
        1 => (0u32..=127).prop_map(Step::Skip),
    ]
}

/// What stands at an offset of a random program.
enum Placed {
    Jump { to: Label, bound_before: bool },
    Call { to: Label },
    Address { of: Label },
    Difference { target: Label, base: Label },
    Skip { bytes: u32 },
}

proptest! {
    #[test]
    fn random_programs_reach_their_labels(
        steps in prop::collection::vec(step(), 0..200),
        count in 1usize..64,
    ) {
        let mut asm = Assembler::new();
        let labels: Vec<Label> = (0..count).map(|_| asm.new_label()).collect();
        let mut placed = Vec::new();
        for step in steps {
            let at = asm.offset();
            let label = |n: usize| labels[n % count];
            placed.extend(emit_step(&mut asm, step, label).map(|placed| (at, placed)));
        }
        for &label in &labels {
            if !asm.is_bound(label) {
                asm.nop(1);
                asm.bind(label);
            }
        }
        prop_assert_eq!(asm.finish(), Ok(()));
        let offset = |label| u64::from(asm.label_offset(label).expect("all labels are bound"));
        for (at, placed) in placed {
            check_placed(&asm, at, placed, offset)?;
        }
    }
}

fn emit_step(asm: &mut Assembler, step: Step, label: impl Fn(usize) -> Label) -> Option<Placed> {
    match step {
        Step::Bind(n) => {
            if !asm.is_bound(label(n)) {
                asm.bind(label(n));
            }
            None
        }
        Step::Jmp(n) => {
            let bound_before = asm.is_bound(label(n));
            asm.jmp(label(n));
            Some(Placed::Jump {
                to: label(n),
                bound_before,
            })
        }
        Step::Jcc(cond, n) => {
            let bound_before = asm.is_bound(label(n));
            asm.jcc(Cond::ALL[cond as usize], label(n));
            Some(Placed::Jump {
                to: label(n),
                bound_before,
            })
        }
        Step::Call(n) => {
            asm.call(label(n));
            Some(Placed::Call { to: label(n) })
        }
        Step::Lea(reg, n) => {
            asm.lea_label(Gpr::from_number(reg), label(n));
            Some(Placed::Address { of: label(n) })
        }
        Step::Load(reg, n) => {
            asm.movs_r_label(FSize::S64, Xmm::from_number(reg), label(n));
            Some(Placed::Address { of: label(n) })
        }
        Step::Nop(bytes) => {
            asm.nop(bytes);
            None
        }
        Step::Difference(target, base) => {
            asm.emit_label_difference_i32(label(target), label(base));
            Some(Placed::Difference {
                target: label(target),
                base: label(base),
            })
        }
        Step::Skip(bytes) => {
            let end = asm.new_label();
            asm.jcc_short(Cond::NE, end);
            asm.nop(bytes);
            asm.bind(end);
            Some(Placed::Skip { bytes })
        }
    }
}

fn check_placed(
    asm: &Assembler,
    at: u32,
    placed: Placed,
    offset: impl Fn(Label) -> u64,
) -> Result<(), TestCaseError> {
    let decoded = decode_at(asm, at);
    match placed {
        Placed::Jump { to, bound_before } => {
            let flow = decoded.flow_control();
            prop_assert!(matches!(
                flow,
                FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch
            ));
            prop_assert_eq!(decoded.near_branch_target(), ORIGIN + offset(to));
            let within = bound_before && u64::from(at) + 2 - offset(to) <= 128;
            prop_assert_eq!(decoded.len() == 2, within);
        }
        Placed::Call { to } => {
            prop_assert_eq!(decoded.flow_control(), FlowControl::Call);
            prop_assert_eq!(decoded.near_branch_target(), ORIGIN + offset(to));
        }
        Placed::Address { of } => {
            prop_assert_eq!(decoded.ip_rel_memory_address(), ORIGIN + offset(of));
        }
        Placed::Difference { target, base } => {
            let at = at as usize;
            let field = asm.code()[at..at + 4].try_into().expect("four bytes");
            let difference = offset(target) as i64 - offset(base) as i64;
            prop_assert_eq!(i64::from(i32::from_le_bytes(field)), difference);
        }
        Placed::Skip { bytes } => {
            prop_assert_eq!((decoded.code(), decoded.len()), (Code::Jne_rel8_64, 2));
            prop_assert_eq!(
                decoded.near_branch_target(),
                ORIGIN + u64::from(at + 2 + bytes)
            );
        }
    }
    Ok(())
}

/// Instructions one after another decode as what was asked for: none writes over
/// its neighbours or leaves bytes between them.
#[test]
fn instructions_do_not_disturb_their_neighbours() {
    let mut asm = Assembler::new();
    let mut expected = Vec::new();
    for (n, case) in MEMS.iter().enumerate() {
        let r = turn(n, 0);
        asm.mov_rm(Size::S64, r, case.mem);
        expected.push((
            code("Mov_r64_rm64", Size::S64),
            [g(Size::S64, r), case.expected],
        ));
        asm.movs_rm(FSize::S32, xturn(n, 1), case.mem);
        expected.push((Code::VEX_Vmovss_xmm_m32, [x(xturn(n, 1)), case.expected]));
    }
    asm.finish().unwrap();
    let mut decoder = Decoder::with_ip(64, asm.code(), ORIGIN, DecoderOptions::NONE);
    for (code, operands) in expected {
        let decoded = decoder.decode();
        assert_eq!(decoded.code(), code);
        for (n, operand) in operands.into_iter().enumerate() {
            check_operand(&decoded, n as u32, operand, &|| format!("{code:?}"));
        }
    }
    assert!(!decoder.can_decode());
}
