//! Compares the verifier's decoder for x86-64 with iced-x86 and yaxpeax-x86: they must decode every accepted
//! instruction with the same length and operands.

use iced_x86::{
    Code, ConditionCode, Decoder, DecoderOptions, Instruction as Theirs, OpKind, Register,
};
use pvf_compiler::Target;
use pvf_generators::Random;
use pvf_rules::Features;
use pvf_verifier::x64::{Instruction, Op, Place, decode};
use pvf_verifier_tests::{Made, corpus, settings};
use std::env;
use yaxpeax_arch::{AddressBase, Decoder as _, LengthedInstruction, U8Reader};

const RIP: u8 = 0x80;
const NONE: u8 = 0xff;

/// The difference between this repository's decoding and that of iced-x86.
fn difference(bytes: &[u8], ours: &Instruction) -> Option<String> {
    let mut decoder = Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE);
    let theirs = decoder.decode();
    let text = |what: &str| Some(format!("{what}: {bytes:02x?}: {ours:?}, iced {theirs:?}"));
    if theirs.is_invalid() || theirs.len() != usize::from(ours.len) {
        return text("length");
    }
    let second = yaxpeax_x86::long_mode::InstDecoder::default();
    let length = second
        .decode(&mut U8Reader::new(bytes))
        .map(|it| 0u64.wrapping_offset(it.len()));
    if length != Ok(u64::from(ours.len)) {
        return text("length by yaxpeax");
    }
    if name(ours.op) != mnemonic(&theirs) {
        return text("operation");
    }
    if matches!(ours.op, Op::Jcc | Op::Set | Op::Cmov) && ours.condition != condition(&theirs) {
        return text("condition");
    }
    if matches!(ours.op, Op::Jcc | Op::Jmp | Op::Call) {
        let target = (ours.imm + i64::from(ours.len)) as u64;
        return match theirs.near_branch_target() == target {
            true => None,
            false => text("target"),
        };
    }
    if ours.has_memory() {
        let base = match theirs.memory_base() {
            Register::RIP => RIP,
            base => number(base),
        };
        let disp = match base {
            RIP => theirs
                .memory_displacement64()
                .wrapping_sub(theirs.len() as u64) as i32,
            _ => theirs.memory_displacement64() as i32,
        };
        let index = number(theirs.memory_index());
        let scale = if index == NONE {
            1
        } else {
            theirs.memory_index_scale() as u8
        };
        let ours_scale = if ours.index == NONE { 1 } else { ours.scale };
        if (base, index, scale, disp) != (ours.base, ours.index, ours_scale, ours.disp) {
            return text("address");
        }
        let size = theirs.memory_size().size();
        let ours_size = match ours.op {
            Op::MovZx8 | Op::MovSx8 => 1,
            Op::MovZx16 | Op::MovSx16 => 2,
            Op::MovSx32 => 4,
            // The operand always has 64 bits.
            Op::CallMem => 8,
            Op::Lea => 0,
            _ => usize::from(ours.size),
        };
        if size != ours_size {
            return text("size of memory");
        }
    }
    // Collects the registers of the operands in order, and the immediate.
    let mut registers = Vec::new();
    let mut immediate = None;
    for operand in 0..theirs.op_count() {
        match theirs.op_kind(operand) {
            OpKind::Register => registers.push(theirs.op_register(operand)),
            OpKind::Memory => {}
            _ => immediate = Some(theirs.immediate(operand)),
        }
    }
    // iced-x86 lists the register `cl` of a shift as an operand.
    if matches!(ours.op, Op::RolCl | Op::RorCl) {
        registers.pop();
    }
    let mut mine = Vec::new();
    mine.extend((ours.to == Place::Register).then_some(ours.a));
    let between = match ours.op {
        Op::Shlx | Op::Shrx | Op::Sarx => {
            mine.push(ours.c);
            None
        }
        _ => (ours.c != NONE).then_some(ours.c),
    };
    mine.extend(between);
    mine.extend((ours.from == Place::Register).then_some(ours.b));
    if registers.iter().map(|it| number(*it)).collect::<Vec<_>>() != mine {
        return text("registers");
    }
    // Without a REX prefix, the numbers 4 to 7 would name the high bytes `ah`, `ch`, `dh` and `bh`.
    let high = [Register::AH, Register::BH, Register::CH, Register::DH];
    if registers.iter().any(|register| high.contains(register)) {
        return text("high byte");
    }
    // The width of the register that is written.
    if ours.to == Place::Register
        && let Some(first) = registers.first().filter(|it| it.is_gpr())
    {
        let bytes = match ours.op {
            Op::JmpReg => 8,
            _ => usize::from(ours.size),
        };
        if first.size() != bytes {
            return text("size");
        }
    }
    let wide = match ours.op {
        Op::FromGeneral | Op::FromInteger => registers.last().map(|it| it.size()),
        _ => None,
    };
    if wide.is_some_and(|wide| wide != usize::from(ours.size)) {
        return text("size of the integer");
    }
    let mine = (ours.from == Place::Immediate).then_some(ours.imm);
    let mine = mine.or(matches!(ours.op, Op::Rorx | Op::FRound).then_some(ours.imm));
    let bits = 8 * u32::from(ours.size.max(1)).min(8);
    let cut = |value: u64| value << (64 - bits) >> (64 - bits);
    match (mine, immediate) {
        (None, None) => None,
        (Some(mine), Some(theirs)) if cut(mine as u64) == cut(theirs) => None,
        _ => text("immediate"),
    }
}

fn number(register: Register) -> u8 {
    match register {
        Register::None => NONE,
        register => register.full_register().number() as u8,
    }
}

fn condition(theirs: &Theirs) -> u8 {
    use ConditionCode as C;
    match theirs.condition_code() {
        C::o => 0,
        C::no => 1,
        C::b => 2,
        C::ae => 3,
        C::e => 4,
        C::ne => 5,
        C::be => 6,
        C::a => 7,
        C::s => 8,
        C::ns => 9,
        C::p => 10,
        C::np => 11,
        C::l => 12,
        C::ge => 13,
        C::le => 14,
        C::g => 15,
        C::None => 16,
    }
}

fn mnemonic(theirs: &Theirs) -> String {
    let name = format!("{:?}", theirs.mnemonic()).to_lowercase();
    let scalar = |name: &str| {
        let name = name.strip_prefix('v').unwrap_or(name);
        let ends = ["ss", "sd", "ps", "pd"];
        ends.iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name)
            .to_owned()
    };
    match theirs.code() {
        Code::Cdq | Code::Cqo => return "signtordx".to_owned(),
        _ => {}
    }
    match theirs.condition_code() {
        ConditionCode::None => {}
        _ if name.starts_with("cmov") => return "cmov".to_owned(),
        _ if name.starts_with("set") => return "set".to_owned(),
        _ => return "jcc".to_owned(),
    }
    match &*name {
        "vmovss" | "vmovsd" => match theirs.op0_kind() {
            OpKind::Memory => "fstore".to_owned(),
            _ => "fload".to_owned(),
        },
        "vmovaps" => "fmov".to_owned(),
        "vmovd" | "vmovq" => match theirs.op0_register().is_gpr() {
            true => "togeneral".to_owned(),
            false => "fromgeneral".to_owned(),
        },
        "movzx" | "movsx" => {
            let from = match theirs.op1_kind() {
                OpKind::Memory => theirs.memory_size().size(),
                _ => theirs.op1_register().size(),
            };
            format!("{name}{}", from * 8)
        }
        "movsxd" => "movsx32".to_owned(),
        "vucomiss" | "vucomisd" => "fcmp".to_owned(),
        "vcvtsi2ss" | "vcvtsi2sd" => "frominteger".to_owned(),
        "vcvttss2si" | "vcvttsd2si" => "tointeger".to_owned(),
        "vcvtss2sd" | "vcvtsd2ss" => "fconvert".to_owned(),
        "vroundss" | "vroundsd" => "fround".to_owned(),
        "mul" => "mulwide".to_owned(),
        "imul" if theirs.op_count() == 1 => "imulwide".to_owned(),
        "rol" => "rolcl".to_owned(),
        "ror" => "rorcl".to_owned(),
        "call" if theirs.op0_kind() == OpKind::Memory => "callmem".to_owned(),
        "jmp" if theirs.op0_kind() == OpKind::Register => "jmpreg".to_owned(),
        name if name.starts_with('v') => format!("f{}", scalar(name)),
        name => name.to_owned(),
    }
}

fn name(op: Op) -> String {
    format!("{op:?}").to_lowercase()
}

/// Compares all code of the modules, instruction by instruction.
fn compare(modules: &[corpus::Named], features: Features) -> u64 {
    let mut compared = 0;
    let settings = settings();
    for (number, (_, wasm)) in modules.iter().enumerate() {
        let setting = &settings[number % settings.len()];
        let Some(made) = Made::new(wasm, features, Target::X86_64, setting) else {
            continue;
        };
        for function in &made.artifact.module.functions {
            let start = function.code_offset as usize;
            let mut rest = &made.artifact.code[start..start + function.code_bytes as usize];
            // Stops at the first jump table of a function; there are enough functions.
            while let Some(ours) = decode(rest) {
                if let Some(difference) = difference(rest, &ours) {
                    panic!("{difference}");
                }
                compared += 1;
                rest = &rest[usize::from(ours.len)..];
                if ours.op == Op::JmpReg {
                    break;
                }
            }
        }
    }
    compared
}

#[test]
fn other_decoders_read_real_code_the_same() {
    let mut modules = corpus::of_repository();
    modules.retain(|(_, wasm)| wasm.len() < 300_000);
    modules.extend(corpus::of_suites());
    let compared = compare(&modules, Features::ALL);
    assert!(compared > 300_000, "only {compared} instructions");
    compare(&corpus::of_chains(), Features::POLKADOT);
}

/// `PVF_DECODED` sets the number of byte strings; the default is small.
#[test]
fn other_decoders_read_random_bytes_the_same() {
    let count: u64 = env::var("PVF_DECODED").map_or(1_000_000, |count| count.parse().unwrap());
    let mut random = Random::new(15);
    let mut accepted = 0u64;
    // Random first bytes rarely begin an instruction of the table, so most strings begin with one of these bytes.
    let heads: [&[u8]; 16] = [
        &[],
        &[],
        &[],
        &[0x48],
        &[0x49],
        &[0x4c],
        &[0x4d],
        &[0x41],
        &[0x44],
        &[0x66],
        &[0xc5],
        &[0xc4],
        &[0x0f],
        &[0x48, 0x0f],
        &[0xf3, 0x0f],
        &[0xf3, 0x48, 0x0f],
    ];
    for _ in 0..count {
        let mut bytes = random.pick(&heads).to_vec();
        bytes.extend(random.bits().to_le_bytes());
        bytes.extend(random.bits().to_le_bytes());
        if let Some(ours) = decode(&bytes) {
            accepted += 1;
            if let Some(difference) = difference(&bytes, &ours) {
                panic!("{difference}");
            }
        }
        // Decoding a prefix of an instruction must fail.
        if let Some(ours) = decode(&bytes) {
            assert_eq!(decode(&bytes[..usize::from(ours.len) - 1]), None);
        }
    }
    println!("{accepted} of {count} are instructions of the list");
    assert!(accepted * 50 > count, "only {accepted} accepted");
}
