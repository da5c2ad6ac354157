//! Random programs of branches, constants, differences and stretches of code:
//! all of them get to where they should.

use super::super::Label;
use super::labels::{KINDS, constant, destination, name, target, word};
use super::*;
use proptest::prelude::*;

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
