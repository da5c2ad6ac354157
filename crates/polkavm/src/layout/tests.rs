//! Layouts against what `polkavm-common` decodes.

use super::*;
use polkavm_common::program::{Instructions, Reg};

/// Random code whose last instruction ends a block, with its blocks' first instructions.
fn random(seed: u64, count: usize) -> (Vec<Instruction>, Vec<u32>) {
    let mut state = seed;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut code = Vec::new();
    for _ in 0..count {
        let to = next() as u32;
        code.push(match next() % 9 {
            0 => asm::jump(to),
            1 => asm::branch_eq(Reg::A0, Reg::A1, to),
            2 => asm::load_imm64(Reg::A0, next()),
            3 => asm::load_imm(Reg::A0, next() as i32),
            4 => asm::branch_less_signed_imm(Reg::A3, (next() >> 40) as i32, to),
            5 => asm::store_imm_u64(next() as i32, next() as i32),
            6 => asm::load_imm_and_jump(Reg::RA, (next() >> 44) as i32, to),
            _ => asm::add_64(Reg::A0, Reg::A1, Reg::A2),
        });
    }
    code.push(asm::trap());
    let mut starts = vec![0];
    let ends = code.iter().enumerate();
    starts.extend(
        ends.filter(|(_, it)| it.starts_new_basic_block())
            .map(|(at, _)| at as u32 + 1),
    );
    // Behind the last one there is nothing.
    starts.pop();
    let blocks = starts.len() as u32;
    for instruction in &mut code {
        if let Some(to) = target(*instruction) {
            *instruction = with_target(*instruction, to % blocks).unwrap();
        }
    }
    (code, starts)
}

#[test]
fn decoded_code_is_what_was_laid_out() {
    for seed in 1..40u64 {
        let count = [3, 50, 700, 9_000][seed as usize % 4];
        let (code, starts) = random(seed * 0x9e37_79b9, count);
        let layout = lay_out(&code, &starts);
        let mut decoded = Instructions::new_unbounded(ISA, &layout.code, &[], 0)
            .take_while(|it| (it.offset.0 as usize) < layout.code.len())
            .filter(|it| it.kind != asm::unlikely())
            .peekable();
        for (&instruction, &position) in code.iter().zip(&layout.positions) {
            // What fills the space before a border.
            while decoded
                .next_if(|it| it.kind == asm::fallthrough() && it.offset.0 < position)
                .is_some()
            {}
            let found = decoded.next().unwrap();
            assert_eq!(found.offset.0, position);
            match target(instruction) {
                Some(block) => {
                    let to = layout.starts[starts[block as usize] as usize];
                    assert_eq!(with_target(instruction, to), Some(found.kind));
                }
                None => assert_eq!(found.kind, instruction),
            }
        }
        assert_eq!(decoded.next(), None);
    }
}
