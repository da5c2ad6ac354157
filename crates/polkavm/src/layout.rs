//! Where every instruction of a program lies.
//!
//! A jump takes as many bytes as its distance needs, and distances depend on the lengths of jumps between. Here lengths
//! only grow, from the shortest, until all distances fit, and what a jump does not need in the end is filled with
//! instructions without effect. `polkavm-common`'s own writer looks for a layout without such filling; it takes 2.5 s for a
//! production runtime, a hundred times as long as compiling it. The programs do the same.
//!
//! PolkaVM decodes code in blocks of 1,024 bytes: no instruction crosses their borders, and what is before a border ends a
//! basic block.

use polkavm_common::program::{CODE_BLOCK_SIZE, Instruction, InstructionSetKind, asm};

/// The instruction set of programs that are executed.
pub(crate) const ISA: InstructionSetKind = InstructionSetKind::Latest64;

const BLOCK: u32 = CODE_BLOCK_SIZE as u32;

/// More than the longest instruction.
const ROOM: usize = 32;

/// Laid-out code.
pub(crate) struct Layout {
    pub code: Vec<u8>,
    /// The offset of each instruction.
    pub positions: Vec<u32>,
    /// The offset of each instruction with what was filled before it: where a block begins with it.
    pub starts: Vec<u32>,
}

/// The instruction with another target, if it has one.
fn with_target(instruction: Instruction, to: u32) -> Option<Instruction> {
    use Instruction as I;
    Some(match instruction {
        I::jump(_) => I::jump(to),
        I::load_imm_and_jump(a, b, _) => I::load_imm_and_jump(a, b, to),
        I::branch_eq_imm(a, b, _) => I::branch_eq_imm(a, b, to),
        I::branch_not_eq_imm(a, b, _) => I::branch_not_eq_imm(a, b, to),
        I::branch_less_unsigned_imm(a, b, _) => I::branch_less_unsigned_imm(a, b, to),
        I::branch_less_signed_imm(a, b, _) => I::branch_less_signed_imm(a, b, to),
        I::branch_greater_or_equal_unsigned_imm(a, b, _) => {
            I::branch_greater_or_equal_unsigned_imm(a, b, to)
        }
        I::branch_greater_or_equal_signed_imm(a, b, _) => {
            I::branch_greater_or_equal_signed_imm(a, b, to)
        }
        I::branch_less_or_equal_signed_imm(a, b, _) => I::branch_less_or_equal_signed_imm(a, b, to),
        I::branch_less_or_equal_unsigned_imm(a, b, _) => {
            I::branch_less_or_equal_unsigned_imm(a, b, to)
        }
        I::branch_greater_signed_imm(a, b, _) => I::branch_greater_signed_imm(a, b, to),
        I::branch_greater_unsigned_imm(a, b, _) => I::branch_greater_unsigned_imm(a, b, to),
        I::branch_eq(a, b, _) => I::branch_eq(a, b, to),
        I::branch_not_eq(a, b, _) => I::branch_not_eq(a, b, to),
        I::branch_less_unsigned(a, b, _) => I::branch_less_unsigned(a, b, to),
        I::branch_less_signed(a, b, _) => I::branch_less_signed(a, b, to),
        I::branch_greater_or_equal_unsigned(a, b, _) => {
            I::branch_greater_or_equal_unsigned(a, b, to)
        }
        I::branch_greater_or_equal_signed(a, b, _) => I::branch_greater_or_equal_signed(a, b, to),
        _ => return None,
    })
}

/// The block that an instruction leads to.
pub(crate) fn target(instruction: Instruction) -> Option<u32> {
    use Instruction as I;
    match instruction {
        I::jump(to)
        | I::load_imm_and_jump(_, _, to)
        | I::branch_eq_imm(_, _, to)
        | I::branch_not_eq_imm(_, _, to)
        | I::branch_less_unsigned_imm(_, _, to)
        | I::branch_less_signed_imm(_, _, to)
        | I::branch_greater_or_equal_unsigned_imm(_, _, to)
        | I::branch_greater_or_equal_signed_imm(_, _, to)
        | I::branch_less_or_equal_signed_imm(_, _, to)
        | I::branch_less_or_equal_unsigned_imm(_, _, to)
        | I::branch_greater_signed_imm(_, _, to)
        | I::branch_greater_unsigned_imm(_, _, to)
        | I::branch_eq(_, _, to)
        | I::branch_not_eq(_, _, to)
        | I::branch_less_unsigned(_, _, to)
        | I::branch_less_signed(_, _, to)
        | I::branch_greater_or_equal_unsigned(_, _, to)
        | I::branch_greater_or_equal_signed(_, _, to) => Some(to),
        _ => None,
    }
}

fn encode(instruction: Instruction, position: u32) -> ([u8; ROOM], u8) {
    let mut buffer = [0; ROOM];
    let length = instruction.serialize_into(ISA, position, &mut buffer);
    (buffer, length as u8)
}

/// Where an instruction that would lie at `position` really lies.
fn padded(position: u32, length: u8, ends_block: bool) -> u32 {
    let border = (position / BLOCK + 1) * BLOCK;
    match position + u32::from(length) <= border - u32::from(!ends_block) {
        true => position,
        false => border,
    }
}

/// A jump: its instruction, and the one it leads to.
struct Jump {
    at: u32,
    to: u32,
}

/// Lays out instructions whose targets are numbers of blocks; `starts` has the first instruction of each block.
pub(crate) fn lay_out(code: &[Instruction], starts: &[u32]) -> Layout {
    let mut lengths = Vec::with_capacity(code.len());
    let mut ends = Vec::with_capacity(code.len());
    let mut jumps = Vec::new();
    for (at, &instruction) in (0..).zip(code) {
        let jump = target(instruction);
        if let Some(block) = jump {
            let to = starts[block as usize];
            jumps.push(Jump { at, to });
        }
        // The shortest form of a jump is the one to itself.
        let shortest = jump.and_then(|_| with_target(instruction, 0));
        lengths.push(encode(shortest.unwrap_or(instruction), 0).1);
        ends.push(instruction.starts_new_basic_block());
    }
    let mut positions = vec![0; code.len()];
    loop {
        place(&lengths, &ends, &mut positions);
        let mut grew = false;
        for jump in &jumps {
            let at = jump.at as usize;
            let to = positions[jump.to as usize];
            if filling(code[at], positions[at], to, lengths[at]).is_none() {
                lengths[at] += 1;
                grew = true;
            }
        }
        if !grew {
            break;
        }
    }
    write(code, &jumps, &lengths, positions)
}

fn place(lengths: &[u8], ends: &[bool], positions: &mut [u32]) {
    let mut next = 0;
    for ((&length, &ends_block), position) in lengths.iter().zip(ends).zip(positions) {
        *position = padded(next, length, ends_block);
        next = *position + u32::from(length);
    }
}

/// How many bytes before a jump have to be filled so that it takes `length` bytes in all.
fn filling(instruction: Instruction, position: u32, to: u32, length: u8) -> Option<u8> {
    let instruction = with_target(instruction, to)?;
    (0..length).find(|&fill| {
        let (_, needed) = encode(instruction, position + u32::from(fill));
        needed + fill == length
    })
}

fn write(code: &[Instruction], jumps: &[Jump], lengths: &[u8], mut positions: Vec<u32>) -> Layout {
    let (nothing, _) = encode(asm::unlikely(), 0);
    let (falls_through, _) = encode(asm::fallthrough(), 0);
    let mut bytes = Vec::with_capacity(code.len() * 5);
    let mut jumps = jumps.iter().peekable();
    // Targets are block starts, which stay where they are; only a jump itself moves behind what is filled.
    let starts = positions.clone();
    for (at, &instruction) in code.iter().enumerate() {
        let position = starts[at] as usize;
        if position > bytes.len() {
            bytes.resize(position - 1, nothing[0]);
            bytes.push(falls_through[0]);
        }
        let mut instruction = instruction;
        if let Some(jump) = jumps.next_if(|jump| jump.at as usize == at) {
            let to = starts[jump.to as usize];
            let fill = filling(instruction, starts[at], to, lengths[at]).unwrap_or(0);
            bytes.resize(position + usize::from(fill), nothing[0]);
            positions[at] += u32::from(fill);
            instruction = with_target(instruction, to).unwrap_or(instruction);
        }
        let (encoded, length) = encode(instruction, positions[at]);
        bytes.extend_from_slice(&encoded[..usize::from(length)]);
    }
    Layout {
        code: bytes,
        positions,
        starts,
    }
}

#[cfg(test)]
mod tests;
