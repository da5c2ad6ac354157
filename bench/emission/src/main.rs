//! Emits a mix of ten instructions with four assemblers and prints the cost of an instruction.
//!
//! Output: one line for each assembler with the nanoseconds and bytes per instruction. The time is the best of several
//! passes over a thousand functions of three kilobytes each; the branches of a function are resolved before the next
//! function. Before the measurement, the four programs are decoded and must contain the same instructions.
//!
//! The mix consists of the most frequent instructions of a single-pass compiler: loads and stores of locals, an access
//! to linear memory, arithmetic with registers and immediates, a comparison with a forward branch. Operands come from a
//! table, so that no encoder can be evaluated at compile time.

mod contenders;

use contenders::{Contender, Cranelift, Dynasm, Own, PolkaVm};
use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter, Mnemonic};
use std::hint::black_box;
use std::time::Instant;

/// Instructions in a block.
const MIX: usize = 10;
/// Blocks in the table of operands.
const ROWS: usize = 64;
/// Functions in a pass; each goes through the table once.
const FUNCTIONS: usize = 1_000;
/// Number of passes; the best one counts.
const PASSES: usize = 20;

/// The operands of one block. Registers are hardware numbers; `a` to `c` are
/// never `rsp`.
#[derive(Copy, Clone)]
pub struct Row {
    a: u8,
    b: u8,
    c: u8,
    near: i32,
    far: i32,
    small: i8,
    large: i32,
    shift: u8,
}

/// A fixed table of operands in no particular order.
fn rows() -> Vec<Row> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % below
    };
    let mut register = move || {
        let number = next(15) as u8;
        let operands = (
            next(16) as i32 * -8 - 8,
            next(1 << 20) as i32 + 128,
            next(100) as i8 + 2,
        );
        (
            number + u8::from(number >= 4),
            operands,
            next(1 << 24) as i32 + 1000,
            next(29) as u8 + 2,
        )
    };
    (0..ROWS)
        .map(|_| {
            let ((a, ..), (b, ..)) = (register(), register());
            let (c, (near, far, small), large, shift) = register();
            Row {
                a,
                b,
                c,
                near,
                far,
                small,
                large,
                shift,
            }
        })
        .collect()
}

fn measure<C: Contender>(rows: &[Row]) {
    let typed: Vec<C::Operands> = rows.iter().map(C::operands).collect();
    let mut contender = C::default();
    let mut best = f64::INFINITY;
    let mut bytes = 0;
    for _ in 0..PASSES {
        let start = Instant::now();
        for _ in 0..FUNCTIONS {
            contender.clear();
            for operands in black_box(&typed) {
                contender.block(operands);
            }
            bytes = contender.finish(|code| black_box(code).len());
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    let count = (MIX * ROWS * FUNCTIONS) as f64;
    let bytes = bytes * FUNCTIONS;
    println!(
        "{:<26} {:>5.2} ns/instruction  {:>5.2} bytes/instruction  {:>6.0} MB/s",
        C::NAME,
        best * 1e9 / count,
        bytes as f64 / count,
        bytes as f64 / best / 1e6,
    );
}

/// The program as text, one instruction per line. A jump is shown with the number of instructions that it skips.
fn listing<C: Contender>(rows: &[Row]) -> Vec<String> {
    let mut contender = C::default();
    for row in rows {
        contender.block(&C::operands(row));
    }
    let decoded: Vec<_> = contender.finish(|code| {
        Decoder::with_ip(64, code, 0, DecoderOptions::NONE)
            .iter()
            .collect()
    });
    let mut formatter = IntelFormatter::new();
    decoded
        .iter()
        .enumerate()
        .map(|(n, instruction)| {
            let mut text = String::new();
            if instruction.mnemonic() == Mnemonic::Jl {
                let target = instruction.near_branch_target();
                let end = decoded.iter().position(|other| other.ip() == target);
                text = format!(
                    "{:?} over {:?}",
                    instruction.mnemonic(),
                    end.map(|end| end - n)
                );
            } else {
                formatter.format(instruction, &mut text);
            }
            text
        })
        .collect()
}

fn main() {
    let rows = rows();
    let own = listing::<Own>(&rows);
    assert_eq!(own.len(), MIX * ROWS);
    assert_eq!(own, listing::<PolkaVm>(&rows));
    assert_eq!(own, listing::<Cranelift>(&rows));
    assert_eq!(own, listing::<Dynasm>(&rows));

    measure::<Own>(&rows);
    measure::<PolkaVm>(&rows);
    measure::<Cranelift>(&rows);
    measure::<Dynasm>(&rows);
}
