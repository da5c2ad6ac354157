//! Compares the decoder with two others: they must read every accepted word with the same operation and the same
//! operands.
//!
//! Each word is formatted as the manual writes the instruction without aliases, as disarm64 does. yaxpeax-arm prefers
//! aliases, which the test derives from the operands as well. The operands of `fcvt` are not compared with disarm64,
//! which gives them wrong widths.

use super::corpus::{Subject, modules, runtimes};
use crate::aarch64::decode::{Form, Word, decode};
use crate::aarch64::module::words_of;
use std::collections::HashSet;
use yaxpeax_arch::{Decoder, U8Reader};

const CONDITIONS: [&str; 14] = [
    "eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le",
];

fn r(wide: bool, number: u8) -> String {
    match (wide, number) {
        (false, 31) => "wzr".into(),
        (true, 31) => "xzr".into(),
        (false, _) => format!("w{number}"),
        (true, _) => format!("x{number}"),
    }
}

fn sp(wide: bool, number: u8) -> String {
    match (wide, number) {
        (false, 31) => "wsp".into(),
        (true, 31) => "sp".into(),
        _ => r(wide, number),
    }
}

fn f(wide: bool, number: u8) -> String {
    format!("{}{number}", if wide { "d" } else { "s" })
}

/// The text of a word: first without aliases, then with the preferred alias.
fn readings(form: Form, word: Word) -> Vec<String> {
    let (wide, rd, rn, rm, ra) = (word.wide(), word.rd(), word.rn(), word.rm(), word.ra());
    let (d, n, m, a) = (r(wide, rd), r(wide, rn), r(wide, rm), r(wide, ra));
    // The widths of the float operands.
    let fw = word.0 >> 22 & 1 != 0;
    let add = ["add", "adds", "sub", "subs"][usize::from(word.operation())];
    let logic = ["and", "orr", "eor", "ands"][usize::from(word.operation())];
    let shift = |amount: u8| match amount {
        0 if word.shift() == 0 => String::new(),
        // yaxpeax-arm omits an offset of zero.
        0 => format!(
            ", {}",
            ["lsl", "lsr", "asr", "ror"][usize::from(word.shift())]
        ),
        _ => format!(
            ", {} #{amount}",
            ["lsl", "lsr", "asr", "ror"][usize::from(word.shift())]
        ),
    };
    let condition = |code: u8| CONDITIONS[usize::from(code)];
    let distance = word.distance(form);
    match form {
        Form::AddImmediate => {
            let (to, from) = match word.operation() & 1 {
                0 => (sp(wide, rd), sp(wide, rn)),
                _ => (d.clone(), sp(wide, rn)),
            };
            let low = word.0 >> 10 & 0xfff;
            let operand = match word.0 >> 22 & 1 {
                0 => format!("#{low}"),
                _ => format!("#{low}, lsl #12"),
            };
            let mut all = vec![format!("{add} {to}, {from}, {operand}")];
            if word.immediate() == u64::from(low) {
                all.push(format!("mov {to}, {from}"));
            }
            let compare = if word.operation() == 3 { "cmp" } else { "cmn" };
            all.push(format!("{compare} {from}, {operand}"));
            all
        }
        Form::AddShifted => vec![
            format!("{add} {d}, {n}, {m}{}", shift(word.amount())),
            format!("cmp {n}, {m}{}", shift(word.amount())),
            format!("cmn {n}, {m}{}", shift(word.amount())),
            format!("neg {d}, {m}{}", shift(word.amount())),
            format!("negs {d}, {m}{}", shift(word.amount())),
        ],
        Form::AddExtended => {
            let to = if word.operation() & 1 == 0 {
                sp(wide, rd)
            } else {
                d
            };
            let from = sp(wide, rn);
            let mut all = Vec::new();
            for suffix in ["", ", uxtx", ", lsl #0", ", uxtx #0"] {
                all.push(format!("{add} {to}, {from}, {m}{suffix}"));
                all.push(format!("cmp {from}, {m}{suffix}"));
                all.push(format!("cmn {from}, {m}{suffix}"));
            }
            all
        }
        Form::AddSigned => vec![format!(
            "add {}, {}, {}, sxtw",
            sp(true, rd),
            sp(true, rn),
            r(false, rm)
        )],
        Form::LogicImmediate => {
            let pattern = word.pattern().unwrap();
            let to = if word.operation() == 3 {
                d
            } else {
                sp(wide, rd)
            };
            vec![
                format!("{logic} {to}, {n}, #{pattern}"),
                format!("mov {to}, #{pattern}"),
                format!("tst {n}, #{pattern}"),
            ]
        }
        Form::LogicShifted => vec![
            format!("{logic} {d}, {n}, {m}{}", shift(word.amount())),
            format!("mov {d}, {m}"),
            format!("tst {n}, {m}{}", shift(word.amount())),
        ],
        Form::MoveNot | Form::MoveZero | Form::MoveKeep => {
            let (half, by) = word.halfword();
            let mask = if wide { u64::MAX } else { u32::MAX.into() };
            let (name, value) = match form {
                Form::MoveNot => ("movn", !(half << by) & mask),
                Form::MoveZero => ("movz", half << by),
                _ => ("movk", half << by),
            };
            let mut all = vec![
                format!("{name} {d}, #{half}, lsl #{by}"),
                format!("{name} {d}, #{half}"),
            ];
            if by != 0 {
                all.pop();
            }
            if form != Form::MoveKeep {
                all.push(format!("mov {d}, #{value}"));
                all.push(format!("mov {d}, #{}", value as i64));
                all.push(format!("mov {d}, #{}", value as i32));
            }
            all
        }
        Form::FieldSigned | Form::FieldUnsigned => {
            let (immr, imms) = (word.rotation(), word.amount());
            let (bits, s) = (word.bits(), form == Form::FieldSigned);
            let letter = if s { "s" } else { "u" };
            let mut all = vec![format!("{letter}bfm {d}, {n}, #{immr}, #{imms}")];
            if imms >= immr {
                let count = imms - immr + 1;
                all.push(format!("{letter}bfx {d}, {n}, #{immr}, #{count}"));
                if imms == bits - 1 {
                    let name = if s { "asr" } else { "lsr" };
                    all.push(format!("{name} {d}, {n}, #{immr}"));
                }
                if immr == 0 {
                    for (last, name) in [(7, "xtb"), (15, "xth"), (31, "xtw")] {
                        if imms == last {
                            all.push(format!("{letter}{name} {d}, {}", r(false, rn)));
                        }
                    }
                }
            } else {
                let by = bits - immr;
                all.push(format!("{letter}bfiz {d}, {n}, #{by}, #{}", imms + 1));
                if imms + 1 == immr {
                    all.push(format!("lsl {d}, {n}, #{by}"));
                }
            }
            all
        }
        Form::Extract => vec![
            format!("extr {d}, {n}, {m}, #{}", word.amount()),
            format!("ror {d}, {n}, #{}", word.amount()),
        ],
        Form::Divide => {
            let name = ["udiv", "sdiv"][usize::from(word.amount() & 1)];
            vec![format!("{name} {d}, {n}, {m}")]
        }
        Form::ShiftRegister => {
            let name = ["lsl", "lsr", "asr", "ror"][usize::from(word.amount() & 3)];
            vec![
                format!("{name}v {d}, {n}, {m}"),
                format!("{name} {d}, {n}, {m}"),
            ]
        }
        Form::Unary => {
            let name = match word.amount() & 6 {
                0 => "rbit",
                2 => "rev",
                _ => "clz",
            };
            vec![format!("{name} {d}, {n}")]
        }
        Form::MultiplyAdd => {
            let (long, short) = match word.0 >> 15 & 1 {
                0 => ("madd", "mul"),
                _ => ("msub", "mneg"),
            };
            let mut all = vec![format!("{long} {d}, {n}, {m}, {a}")];
            if ra == 31 {
                all.push(format!("{short} {d}, {n}, {m}"));
            }
            all
        }
        Form::MultiplyLong => vec![
            format!("umaddl {d}, {}, {}, xzr", r(false, rn), r(false, rm)),
            format!("umull {d}, {}, {}", r(false, rn), r(false, rm)),
        ],
        Form::MultiplyHigh => {
            let name = if word.0 >> 23 & 1 == 0 {
                "smulh"
            } else {
                "umulh"
            };
            vec![format!("{name} {d}, {n}, {m}")]
        }
        Form::Select => vec![format!(
            "csel {d}, {n}, {m}, {}",
            condition(word.condition())
        )],
        Form::Set => vec![
            format!(
                "csinc {d}, {0}, {0}, {1}",
                r(wide, 31),
                condition(word.condition())
            ),
            format!("cset {d}, {}", condition(word.condition() ^ 1)),
        ],
        Form::CompareIf => vec![format!(
            "ccmp {n}, #{rm}, #{}, {}",
            word.0 & 15,
            condition(word.condition())
        )],
        Form::Branch => vec![format!("b {distance}")],
        Form::Call => vec![format!("bl {distance}")],
        Form::BranchIf => vec![format!(
            "b.{} {distance}",
            condition(word.branch_condition())
        )],
        Form::BranchZero => {
            let name = if word.0 >> 24 & 1 == 0 { "cbz" } else { "cbnz" };
            vec![format!("{name} {d}, {distance}")]
        }
        Form::BranchBit => {
            let name = if word.0 >> 24 & 1 == 0 { "tbz" } else { "tbnz" };
            let bit = word.tested_bit();
            vec![
                format!("{name} {}, #{bit}, {distance}", r(bit >= 32, rd)),
                format!("{name} {}, #{bit}, {distance}", r(true, rd)),
            ]
        }
        Form::JumpRegister => vec![format!("br {}", r(true, rn))],
        Form::CallRegister => vec![format!("blr {}", r(true, rn))],
        Form::Return => vec!["ret".into(), "ret x30".into()],
        Form::Address => vec![format!("adr x16, {distance}")],
        Form::Undefined => vec!["udf #0".into()],
        Form::Nop => vec!["nop".into()],
        Form::Scaled | Form::Unscaled | Form::Indexed => {
            let size = word.size();
            let scaled = form == Form::Scaled;
            let (name, to_wide) = match (word.access(), size) {
                (0, 3) => ("str", true),
                (0, 2) => ("str", false),
                (0, 1) => ("strh", false),
                (0, _) => ("strb", false),
                (1, 3) => ("ldr", true),
                (1, 2) => ("ldr", false),
                (1, 1) => ("ldrh", false),
                (1, _) => ("ldrb", false),
                (kind, 0) => ("ldrsb", kind == 2),
                (kind, 1) => ("ldrsh", kind == 2),
                (kind, _) => ("ldrsw", kind == 2),
            };
            let name = match form {
                Form::Unscaled => name.replace("ldr", "ldur").replace("str", "stur"),
                _ => name.into(),
            };
            memory(&name, &r(to_wide, rd), form == Form::Indexed, scaled, word)
        }
        Form::FloatScaled | Form::FloatUnscaled | Form::FloatIndexed => {
            let name = match (form == Form::FloatUnscaled, word.access()) {
                (false, 0) => "str",
                (false, _) => "ldr",
                (true, 0) => "stur",
                (true, _) => "ldur",
            };
            let (indexed, scaled) = (form == Form::FloatIndexed, form == Form::FloatScaled);
            memory(name, &f(word.size() == 3, rd), indexed, scaled, word)
        }
        Form::TableEntry => vec![format!("ldrsw {d}, [{}, {m}, lsl #2]", sp(true, rn))],
        Form::SlotStep => {
            let loads = word.0 >> 22 & 1 != 0;
            let name = if loads { "ldr" } else { "str" };
            let register = if word.0 >> 26 & 1 != 0 {
                f(true, rd)
            } else {
                d
            };
            let step = word.unscaled_offset();
            vec![format!("{name} {register}, [{}], #{step}", sp(true, rn))]
        }
        Form::StorePair => {
            let base = sp(true, rn);
            let mut all = vec![format!("stp {d}, {a}, [{base}, #{}]", word.pair_offset())];
            if word.pair_offset() == 0 {
                all.push(format!("stp {d}, {a}, [{base}]"));
            }
            all
        }
        Form::Literal => vec![format!("ldr d{rd}, {distance}")],
        Form::FloatBinary => {
            let name =
                ["fmul", "fdiv", "fadd", "fsub", "fmax", "fmin"][usize::from(word.condition())];
            vec![format!(
                "{name} {}, {}, {}",
                f(fw, rd),
                f(fw, rn),
                f(fw, rm)
            )]
        }
        Form::FloatUnary => {
            let op = word.0 >> 15 & 63;
            let (name, to) = match op {
                0 => ("fmov", fw),
                1 => ("fabs", fw),
                2 => ("fneg", fw),
                3 => ("fsqrt", fw),
                4 => ("fcvt", false),
                5 => ("fcvt", true),
                8 => ("frintn", fw),
                9 => ("frintp", fw),
                10 => ("frintm", fw),
                _ => ("frintz", fw),
            };
            vec![format!("{name} {}, {}", f(to, rd), f(fw, rn))]
        }
        Form::FloatCompare => vec![format!("fcmp {}, {}", f(fw, rn), f(fw, rm))],
        Form::FloatSelect => vec![format!(
            "fcsel {}, {}, {}, {}",
            f(fw, rd),
            f(fw, rn),
            f(fw, rm),
            condition(word.condition())
        )],
        Form::FloatToBits => vec![format!("fmov {d}, {}", f(fw, rn))],
        Form::BitsToFloat => vec![format!("fmov {}, {n}", f(fw, rd))],
        Form::FloatImmediate => vec![format!("fmov {}, ", f(fw, rd))],
        Form::FloatToInteger => {
            let name = if word.0 >> 16 & 1 == 0 {
                "fcvtzs"
            } else {
                "fcvtzu"
            };
            vec![format!("{name} {d}, {}", f(fw, rn))]
        }
        Form::IntegerToFloat => {
            let name = if word.0 >> 16 & 1 == 0 {
                "scvtf"
            } else {
                "ucvtf"
            };
            vec![format!("{name} {}, {n}", f(fw, rd))]
        }
        Form::FloatZero => vec![format!("movi v{rd}.2d, #0")],
        Form::BitSelect => vec![format!("bsl v{rd}.8b, v{rn}.8b, v{rm}.8b")],
        Form::CountOnes => match word.0 >> 16 & 0xff {
            0x20 => vec![format!("cnt v{rd}.8b, v{rn}.8b")],
            _ => vec![format!("addv b{rd}, v{rn}.8b")],
        },
    }
}

fn memory(name: &str, register: &str, indexed: bool, scaled: bool, word: Word) -> Vec<String> {
    let base = sp(true, word.rn());
    if indexed {
        return vec![format!(
            "{name} {register}, [{base}, {}]",
            r(true, word.rm())
        )];
    }
    let offset = match scaled {
        true => i64::from(word.scaled_offset()),
        false => i64::from(word.unscaled_offset()),
    };
    let mut all = vec![format!("{name} {register}, [{base}, #{offset}]")];
    if offset == 0 {
        all.push(format!("{name} {register}, [{base}]"));
    }
    all
}

/// A disassembler's text with decimal numbers, single spaces and numeric distances.
fn plain(text: &str) -> String {
    let text = text.replace(['\t', '$'], " ").to_lowercase();
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        if let Some(digits) = rest.strip_prefix("0x") {
            let end = digits
                .find(|c: char| !c.is_ascii_hexdigit())
                .unwrap_or(digits.len());
            let value = u64::from_str_radix(&digits[..end], 16).unwrap_or(0);
            // One disassembler writes a negative distance as an unsigned 64-bit number.
            match out.ends_with(' ') && value >> 63 == 1 {
                true => out.push_str(&(value as i64).to_string()),
                false => out.push_str(&value.to_string()),
            }
            rest = &digits[end..];
            continue;
        }
        if !(first == ' ' && out.ends_with(' ')) && first != '+' {
            out.push(first);
        }
        rest = &rest[first.len_utf8()..];
    }
    let out = out
        .trim()
        .replace("b. ", "b.")
        .replace("b.cs", "b.hs")
        .replace("b.cc", "b.lo");
    match out
        .strip_suffix(", cs")
        .map(|it| (it, ", hs"))
        .or(out.strip_suffix(", cc").map(|it| (it, ", lo")))
    {
        Some((rest, condition)) => format!("{rest}{condition}"),
        None => out
            .strip_suffix(" #0")
            .filter(|it| it.ends_with("lsr") || it.ends_with("asr") || it.ends_with("ror"))
            .map_or(out.clone(), Into::into),
    }
}

/// Compares the decoding of a word with those of the other decoders. Returns whether the word is accepted.
pub fn compare(value: u32) -> bool {
    let Some(form) = decode(value) else {
        return false;
    };
    let readings = readings(form, Word(value));
    let decoder = yaxpeax_arm::armv8::a64::InstDecoder::default();
    let yaxpeax = decoder.decode(&mut U8Reader::new(&value.to_le_bytes()));
    let yaxpeax = plain(
        &yaxpeax
            .expect("an instruction that yaxpeax-arm knows")
            .to_string(),
    );
    let disarm = disarm64::decoder::decode(value).expect("an instruction that disarm64 knows");
    let disarm = plain(&disarm.to_string());
    let agrees = |text: &str| match form {
        // The decoders format this immediate differently, so only the register and the form are compared.
        Form::FloatImmediate => text.starts_with(&readings[0]),
        _ => readings.iter().any(|reading| reading == text),
    };
    assert!(
        agrees(&yaxpeax),
        "{value:08x}: {readings:?}, yaxpeax-arm: {yaxpeax}"
    );
    let widths = matches!(form, Form::FloatUnary) && readings[0].starts_with("fcvt");
    assert!(
        agrees(&disarm) || widths && disarm.starts_with("fcvt"),
        "{value:08x}: {readings:?}, disarm64: {disarm}"
    );
    true
}

/// Pseudo-random numbers.
pub fn random(seed: u64) -> impl Iterator<Item = u32> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 32) as u32
    })
}

/// The number of random words to compare: `PVF_DECODER_WORDS` sets it, and 4294967296 compares all words.
fn words() -> u64 {
    let named = std::env::var("PVF_DECODER_WORDS").ok();
    named.map_or(10_000_000, |words| words.parse().expect("a number"))
}

#[test]
fn other_decoders_read_random_words_the_same() {
    let words = words();
    let accepted = match words >> 32 {
        0 => random(1)
            .take(words as usize)
            .filter(|&word| compare(word))
            .count() as u64,
        _ => (0..=u32::MAX).filter(|&word| compare(word)).count() as u64,
    };
    println!("{accepted} of {words} words are instructions of the list");
    assert!(accepted > words / 10, "{accepted} of {words}");
}

/// Random words are mostly branches and additions, so this test takes the same number of words for each row.
#[test]
fn other_decoders_read_every_row_the_same() {
    let mut numbers = random(2);
    for row in crate::aarch64::decode::ROWS {
        let mut accepted = 0;
        for bits in numbers.by_ref().take(4000) {
            accepted += u32::from(compare(row.1 | bits & !row.0));
        }
        assert!(accepted > 1000, "{row:?}");
    }
}

#[test]
fn no_word_matches_two_rows() {
    let mut numbers = random(3);
    let rows = crate::aarch64::decode::ROWS;
    for row in rows {
        for bits in numbers.by_ref().take(1000) {
            let word = row.1 | bits & !row.0;
            let others = rows.iter().filter(|other| word & other.0 == other.1);
            assert_eq!(others.count(), 1, "{word:08x}");
        }
    }
}

/// The words of all functions that the compiler generates, including those of runtimes if their folder exists.
#[test]
fn other_decoders_read_real_code_the_same() {
    let mut words = HashSet::new();
    let runtimes = runtimes();
    let least = if runtimes.is_empty() { 2_000 } else { 10_000 };
    for wasm in modules().into_iter().chain(runtimes) {
        let Some(subject) = Subject::new(wasm, true) else {
            continue;
        };
        for function in &subject.functions {
            let code = words_of(&subject.code, function);
            words.extend(code.iter().map(|word| u32::from_le_bytes(*word)));
        }
    }
    let accepted = words.iter().filter(|word| compare(**word)).count();
    println!("{accepted} of {} words are instructions", words.len());
    // The remaining words are tables and literals.
    assert!(accepted > least && accepted * 100 > words.len() * 80);
}
