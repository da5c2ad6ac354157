//! Machine code in pieces: instructions, branches with where they lead, entries of jump tables.
//!
//! The disassemblers are those of the compiler's and the assembler's tests. For x86-64, `iced-x86`: `yaxpeax-x86` decodes the same code as
//! fast; its text is a third longer, in one style, and what an instruction branches to has to be taken from its operands.
//! For aarch64, `yaxpeax-arm`. `capstone`, which has both, needs a C compiler.

use iced_x86::{Code, FormatMnemonicOptions, Formatter, Instruction, IntelFormatter, OpKind};
use pvf_assembler::polkavm;
use pvf_executor::Target;
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

/// Something in machine code.
pub enum Piece {
    /// An instruction that leads to no fixed place.
    Instruction(String),
    /// One that does: its text before that, and the place.
    Branch(String, u32),
    /// An entry of a jump table, by where it leads.
    Entry(u32),
}

impl Piece {
    /// Where it leads, if that is a fixed place.
    pub fn target(&self) -> Option<u32> {
        match self {
            Self::Instruction(_) => None,
            Self::Branch(_, target) | Self::Entry(target) => Some(*target),
        }
    }
}

/// Takes code that begins at an offset to pieces, each with its offset. `entries` says how many entries, the default not
/// counted, the table behind a jump at an offset has, if there is one.
pub fn disassemble(
    target: Target,
    code: &[u8],
    start: u32,
    entries: &dyn Fn(u32) -> Option<u32>,
) -> Vec<(u32, Piece)> {
    let mut disassembler = Disassembler {
        code,
        start,
        entries,
        pieces: Vec::new(),
    };
    match target {
        Target::X86_64 => disassembler.x86_64(),
        Target::Aarch64 => disassembler.aarch64(),
        Target::PolkaVm => disassembler.polkavm(),
    }
    disassembler.pieces
}

struct Disassembler<'a> {
    code: &'a [u8],
    start: u32,
    entries: &'a dyn Fn(u32) -> Option<u32>,
    pieces: Vec<(u32, Piece)>,
}

impl Disassembler<'_> {
    fn x86_64(&mut self) {
        let mut formatter = IntelFormatter::new();
        let options = formatter.options_mut();
        options.set_hex_prefix("0x");
        options.set_hex_suffix("");
        options.set_uppercase_hex(false);
        options.set_space_after_operand_separator(true);
        options.set_rip_relative_addresses(true);
        let (ip, options) = (u64::from(self.start), iced_x86::DecoderOptions::NONE);
        let mut decoder = iced_x86::Decoder::with_ip(64, self.code, ip, options);
        let mut instruction = Instruction::default();
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            let offset = instruction.ip() as u32;
            let mut text = String::new();
            let near = instruction.op0_kind() == OpKind::NearBranch64;
            let piece = if near && instruction.code() != Code::INVALID {
                let mnemonic = FormatMnemonicOptions::NONE;
                formatter.format_mnemonic_options(&instruction, &mut text, mnemonic);
                Piece::Branch(text, instruction.near_branch64() as u32)
            } else {
                formatter.format(&instruction, &mut text);
                Piece::Instruction(text)
            };
            self.pieces.push((offset, piece));
            if instruction.code() == Code::Jmp_rm64 {
                let end = self.table(offset, instruction.next_ip() as u32, 0);
                // It lies within the code.
                if decoder.set_position((end - self.start) as usize).is_ok() {
                    decoder.set_ip(end.into());
                }
            }
        }
    }

    /// The compiler's form of the instructions; `pvf inspect` has no program of PolkaVM.
    fn polkavm(&mut self) {
        let mut at = 0;
        while let Some((instruction, bytes)) = polkavm::decode(&self.code[at..]) {
            let offset = self.start + at as u32;
            let to = |distance: i32| offset.wrapping_add(distance as u32);
            let text = format!("{instruction:?}");
            self.pieces.push((
                offset,
                match instruction {
                    polkavm::Instruction::Jump(distance)
                    | polkavm::Instruction::Call(distance)
                    | polkavm::Instruction::Branch(.., distance)
                    | polkavm::Instruction::BranchImmediate(.., distance) => {
                        let end = text.rfind([',', '(']).unwrap_or(text.len());
                        Piece::Branch(text[..end].to_owned(), to(distance))
                    }
                    polkavm::Instruction::TableEntry(distance) => Piece::Entry(to(distance)),
                    _ => Piece::Instruction(text),
                },
            ));
            at += bytes;
        }
    }

    fn aarch64(&mut self) {
        let decoder = InstDecoder::default();
        let mut offset = self.start;
        while let Some(bytes) = self.bytes(offset) {
            let word = u32::from_le_bytes(bytes);
            let text = match decoder.decode(&mut U8Reader::new(&bytes)) {
                Ok(instruction) => instruction.to_string(),
                Err(_) => format!(".word {word:#010x}"),
            };
            let piece = match aarch64_distance(word) {
                // What follows the last space says the same by its distance.
                Some(distance) => {
                    let head = text.rsplit_once(' ').map_or(&*text, |(head, _)| head);
                    Piece::Branch(head.to_owned(), offset.wrapping_add_signed(distance))
                }
                None => Piece::Instruction(text),
            };
            self.pieces.push((offset, piece));
            offset += 4;
            // `br`, through any register.
            if word & !(31 << 5) == 0xd61f_0000 {
                // Here the table has an entry for the default as well.
                offset = self.table(offset - 4, offset, 1);
            }
        }
    }

    fn bytes(&self, offset: u32) -> Option<[u8; 4]> {
        let bytes = self.code.get((offset - self.start) as usize..)?;
        bytes.first_chunk().copied()
    }

    /// Adds the entries of the table behind a jump; where it ends.
    fn table(&mut self, jump: u32, start: u32, more: u32) -> u32 {
        let mut end = start;
        let entries = (self.entries)(jump).map_or(0, |entries| entries + more);
        for _ in 0..entries {
            let Some(word) = self.bytes(end) else {
                break;
            };
            let distance = i32::from_le_bytes(word);
            let target = start.wrapping_add_signed(distance);
            self.pieces.push((end, Piece::Entry(target)));
            end += 4;
        }
        end
    }
}

/// How far from itself an instruction branches, if it does to a fixed place.
fn aarch64_distance(word: u32) -> Option<i32> {
    // The field as the sign-extended number that it is, in bytes.
    let field = |low: u32, bits: u32| ((word << (32 - low - bits)) as i32 >> (32 - bits)) * 4;
    match word {
        // b, bl
        _ if word & 0x7c00_0000 == 0x1400_0000 => Some(field(0, 26)),
        // b.cond; cbz, cbnz
        _ if word & 0xff00_0010 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 => {
            Some(field(5, 19))
        }
        // tbz, tbnz
        _ if word & 0x7e00_0000 == 0x3600_0000 => Some(field(5, 14)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[u32]) -> Vec<String> {
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let table = |jump| (jump == 0x108).then_some(1);
        disassemble(Target::Aarch64, &code, 0x100, &table)
            .into_iter()
            .map(|(offset, piece)| match piece {
                Piece::Instruction(text) => format!("{offset:x} {text}"),
                Piece::Branch(text, to) => format!("{offset:x} {text} -> {to:x}"),
                Piece::Entry(to) => format!("{offset:x} entry -> {to:x}"),
            })
            .collect()
    }

    #[test]
    fn branches_of_aarch64_lead_where_they_do() {
        let words = [
            0x54ff_ffe3, // b.lo -4
            0x3600_0041, // tbz w1, #0, +8
            0xd61f_0200, // br x16
            8,
            (-8_i32) as u32,
            0xb4ff_ff40, // cbz x0, -24
            0x9400_0002, // bl +8
            0xd65f_03c0, // ret
        ];
        let expected = [
            "100 b.lo -> fc",
            "104 tbz w1, #0x0, -> 10c",
            "108 br x16",
            "10c entry -> 114",
            "110 entry -> 104",
            "114 cbz x0, -> fc",
            "118 bl -> 120",
            "11c ret",
        ];
        assert_eq!(texts(&words), expected);
    }
}
