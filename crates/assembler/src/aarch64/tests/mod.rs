//! Every instruction, with every register in every place and immediates at the
//! edges of their fields, against yaxpeax-arm.
//!
//! An expectation is a line of assembly as the manual prefers to write it, and
//! owes nothing to our encoder; the disassembler must read exactly that from
//! our bytes. Numbers are compared as numbers.
//!
//! Of four disassemblers, yaxpeax-arm is pure Rust, builds in seconds and reads
//! every field of these instructions but one (where a test says so); capstone
//! and bad64 build C (and bad64 needs libclang), and disarm64 misreads the
//! operands of `fcvt` and `ins`.

mod control;
mod float;
mod immediates;
mod integer;
mod islands;
mod labels;
mod memory;
mod moves;
mod programs;
mod vector;

use super::{Assembler, Cond, FSize, Fpr, Gpr, Size};
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

/// Sets of registers: each has every register in every place.
fn turns() -> impl Iterator<Item = [u8; 4]> {
    (0..64u16).map(|n| [n, n * 5 + 3, n * 11 + 7, n * 13 + 19].map(|place| (place % 32) as u8))
}

/// The same without number 31, which some instructions give a name of its own.
fn low_turns() -> impl Iterator<Item = [u8; 4]> {
    turns().filter(|turn| !turn.contains(&31))
}

/// The manual's name of a general register; 31 is the zero register.
fn r(size: Size, number: u8) -> String {
    match (size, number) {
        (Size::S32, 31) => "wzr".into(),
        (Size::S64, 31) => "xzr".into(),
        (Size::S32, _) => format!("w{number}"),
        (Size::S64, _) => format!("x{number}"),
    }
}

/// The same where 31 is the stack pointer.
fn rsp(size: Size, number: u8) -> String {
    match (size, number) {
        (Size::S32, 31) => "wsp".into(),
        (Size::S64, 31) => "sp".into(),
        _ => r(size, number),
    }
}

/// The manual's name of a 64-bit general register.
fn x(number: u8) -> String {
    r(Size::S64, number)
}

/// The manual's name of a scalar float.
fn f(size: FSize, number: u8) -> String {
    match size {
        FSize::S32 => format!("s{number}"),
        FSize::S64 => format!("d{number}"),
    }
}

fn g(number: u8) -> Gpr {
    Gpr::from_number(number)
}

/// The register that number 31 means where it is the stack pointer.
fn gsp(number: u8) -> Gpr {
    match number {
        31 => Gpr::SP,
        _ => Gpr::from_number(number),
    }
}

fn v(number: u8) -> Fpr {
    Fpr::from_number(number)
}

/// The manual's names of the conditions, by code.
const CONDS: [&str; 15] = [
    "eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al",
];

fn cond(number: usize) -> (Cond, &'static str) {
    (Cond::ALL[number % 15], CONDS[number % 15])
}

/// What the disassembler reads from one instruction.
fn disassemble(word: u32) -> String {
    let bytes = word.to_le_bytes();
    match InstDecoder::default().decode(&mut U8Reader::new(&bytes)) {
        Ok(instruction) => instruction.to_string(),
        Err(error) => format!("{word:#010x}: {error}"),
    }
}

/// The words of the code.
fn words(code: &[u8]) -> Vec<u32> {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    code.chunks(4).map(word).collect()
}

/// A line with every number after `#` in decimal and with a sign, and other
/// names for the same thing made one.
fn normal(line: &str) -> String {
    let mut parts = line.split('#');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.')
            .unwrap_or(part.len());
        let (number, rest) = part.split_at(end);
        out.push('#');
        match number_value(number) {
            Some(value) => out.push_str(&value.to_string()),
            None => out.push_str(number),
        }
        out.push_str(rest);
    }
    // An index that is extended and not shifted may say so.
    out = out.replace("xtw #0]", "xtw]").replace("xtx #0]", "xtx]");
    for (name, other) in [
        (".cs", ".hs"),
        (".cc", ".lo"),
        (", cs", ", hs"),
        (", cc", ", lo"),
    ] {
        if let Some(start) = out.strip_suffix(name) {
            out = format!("{start}{other}");
        }
    }
    out
}

fn number_value(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()? as i64,
        None => digits.parse::<u64>().ok()? as i64,
    };
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// Asserts that `emit` emits one instruction, and that it is this.
#[track_caller]
fn check(expected: &str, emit: impl FnOnce(&mut Assembler)) {
    let mut asm = Assembler::new();
    emit(&mut asm);
    assert_eq!(asm.finish(), Ok(()));
    let words = words(asm.code());
    assert_eq!(words.len(), 1, "{expected}: one instruction");
    let read = disassemble(words[0]);
    assert_eq!(normal(&read), normal(expected), "{:#010x}", words[0]);
    #[cfg(debug_assertions)]
    check_flags(&asm, &read);
}

/// The assembler knows whether the instruction writes flags; a call counts as one that does.
#[cfg(debug_assertions)]
fn check_flags(asm: &Assembler, read: &str) {
    let mnemonic = read.split([' ', '\t']).next().unwrap_or_default();
    let writes = match mnemonic {
        "adds" | "subs" | "cmp" | "cmn" | "negs" | "ands" | "tst" | "bics" => true,
        "ccmp" | "ccmn" | "fcmp" | "fccmp" | "bl" | "blr" => true,
        "msr" => read.contains("nzcv"),
        _ => false,
    };
    assert_eq!(asm.flag_trace().count(), u64::from(writes), "{read}");
}
