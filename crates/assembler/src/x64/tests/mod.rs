//! Every instruction, with every register in every place and memory operands of
//! every shape, against iced-x86.
//!
//! An expectation names iced's `Code` and operands and owes nothing to our
//! encoder. Two things are checked: what iced decodes from our bytes is exactly
//! that, and the bytes are the ones iced's encoder chooses (so the length is the
//! shortest too).

mod control;
mod float;
mod integer;
mod labels;
mod moves;
mod operands;
mod vector;

use super::{Assembler, FSize, Gpr, Mem, Scale, Size, Xmm};
use iced_x86::{
    Code, Decoder, DecoderOptions, Encoder, Instruction, MemoryOperand, OpKind, Register,
};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Where the code is taken to start.
const ORIGIN: u64 = 0x1_0000_0000;

/// The immediates at the edges of each encoding.
const IMMEDIATES: [i32; 19] = [
    0,
    1,
    -1,
    2,
    127,
    128,
    -128,
    -129,
    255,
    256,
    0x7FFF,
    0x8000,
    -0x8000,
    -0x8001,
    0xFFFF,
    0x1_0000,
    0x1234_5678,
    i32::MAX,
    i32::MIN,
];

/// The displacements at the edges of each encoding.
const DISPLACEMENTS: [i32; 10] = [
    0,
    1,
    -1,
    127,
    128,
    -128,
    -129,
    0x1234_5678,
    i32::MAX,
    i32::MIN,
];

/// A general register and iced's names for its four widths.
struct Names {
    register: Gpr,
    by_size: [Register; 4],
}

const fn names(register: Gpr, r8: Register, r16: Register, r32: Register, r64: Register) -> Names {
    Names {
        register,
        by_size: [r8, r16, r32, r64],
    }
}

#[rustfmt::skip]
const GPRS: [Names; 16] = {
    use Register::*;
    [
        names(Gpr::Rax, AL, AX, EAX, RAX), names(Gpr::Rcx, CL, CX, ECX, RCX),
        names(Gpr::Rdx, DL, DX, EDX, RDX), names(Gpr::Rbx, BL, BX, EBX, RBX),
        names(Gpr::Rsp, SPL, SP, ESP, RSP), names(Gpr::Rbp, BPL, BP, EBP, RBP),
        names(Gpr::Rsi, SIL, SI, ESI, RSI), names(Gpr::Rdi, DIL, DI, EDI, RDI),
        names(Gpr::R8, R8L, R8W, R8D, R8), names(Gpr::R9, R9L, R9W, R9D, R9),
        names(Gpr::R10, R10L, R10W, R10D, R10), names(Gpr::R11, R11L, R11W, R11D, R11),
        names(Gpr::R12, R12L, R12W, R12D, R12), names(Gpr::R13, R13L, R13W, R13D, R13),
        names(Gpr::R14, R14L, R14W, R14D, R14), names(Gpr::R15, R15L, R15W, R15D, R15),
    ]
};

#[rustfmt::skip]
const XMMS: [(Xmm, Register); 16] = {
    use Register::*;
    [
        (Xmm::Xmm0, XMM0), (Xmm::Xmm1, XMM1), (Xmm::Xmm2, XMM2), (Xmm::Xmm3, XMM3),
        (Xmm::Xmm4, XMM4), (Xmm::Xmm5, XMM5), (Xmm::Xmm6, XMM6), (Xmm::Xmm7, XMM7),
        (Xmm::Xmm8, XMM8), (Xmm::Xmm9, XMM9), (Xmm::Xmm10, XMM10), (Xmm::Xmm11, XMM11),
        (Xmm::Xmm12, XMM12), (Xmm::Xmm13, XMM13), (Xmm::Xmm14, XMM14), (Xmm::Xmm15, XMM15),
    ]
};

/// An operand as the expectation names it.
#[derive(Copy, Clone, Debug)]
enum Operand {
    Register(Register),
    Memory {
        base: Register,
        index: Register,
        scale: u32,
        disp: i32,
    },
    /// The value, significant in its low bits.
    Immediate {
        value: i64,
        bits: u32,
    },
}

/// A general register at one width.
fn g(size: Size, register: Gpr) -> Operand {
    let names = GPRS.iter().find(|names| names.register == register);
    let by_size = names.expect("every register is in the table").by_size;
    Operand::Register(match size {
        Size::S8 => by_size[0],
        Size::S16 => by_size[1],
        Size::S32 => by_size[2],
        Size::S64 => by_size[3],
    })
}

/// A vector register.
fn x(register: Xmm) -> Operand {
    let row = XMMS.iter().find(|row| row.0 == register);
    Operand::Register(row.expect("every register is in the table").1)
}

/// An immediate of an operation of this width.
fn i(size: Size, value: i32) -> Operand {
    let (value, bits) = match size {
        Size::S8 => (i64::from(value as i8), 8),
        Size::S16 => (i64::from(value as i16), 16),
        Size::S32 => (i64::from(value), 32),
        Size::S64 => (i64::from(value), 64),
    };
    Operand::Immediate { value, bits }
}

/// An immediate byte.
fn i8(value: u8) -> Operand {
    Operand::Immediate {
        value: i64::from(value),
        bits: 8,
    }
}

/// A memory operand and what it should come out as.
#[derive(Copy, Clone)]
struct MemCase {
    mem: Mem,
    expected: Operand,
}

/// Every base with every index at every scale, or none, with every displacement
/// of the list.
static MEMS: LazyLock<Vec<MemCase>> = LazyLock::new(|| {
    let mut cases = Vec::new();
    for base in &GPRS {
        let b = base.by_size[3];
        for disp in DISPLACEMENTS {
            let expected = Operand::Memory {
                base: b,
                index: Register::None,
                scale: 1,
                disp,
            };
            cases.push(MemCase {
                mem: Mem::base(base.register, disp),
                expected,
            });
            for index in GPRS.iter().filter(|index| index.register != Gpr::Rsp) {
                let scales = [
                    (Scale::One, 1),
                    (Scale::Two, 2),
                    (Scale::Four, 4),
                    (Scale::Eight, 8),
                ];
                for (ours, scale) in scales {
                    let mem = Mem::base_index(base.register, index.register, ours, disp);
                    let expected = Operand::Memory {
                        base: b,
                        index: index.by_size[3],
                        scale,
                        disp,
                    };
                    cases.push(MemCase { mem, expected });
                }
            }
        }
    }
    cases
});

static CODES: LazyLock<HashMap<String, Code>> = LazyLock::new(|| {
    Code::values()
        .map(|code| (format!("{code:?}"), code))
        .collect()
});

/// iced's code of this name, each `{}` replaced by the width in bits.
fn code(template: &str, size: Size) -> Code {
    let bits = match size {
        Size::S8 => "8",
        Size::S16 => "16",
        Size::S32 => "32",
        Size::S64 => "64",
    };
    let name = template.replace("{}", bits);
    *CODES
        .get(&name)
        .unwrap_or_else(|| panic!("iced has no code {name}"))
}

/// iced's code of this name, `{s}` replaced by `s` or `d` and `{}` by the width
/// of the float in bits.
fn fcode(template: &str, size: FSize) -> Code {
    match size {
        FSize::S32 => code(&template.replace("{s}", "s"), Size::S32),
        FSize::S64 => code(&template.replace("{s}", "d"), Size::S64),
    }
}

const WIDE: [Size; 2] = [Size::S32, Size::S64];
const NOT_BYTE: [Size; 3] = [Size::S16, Size::S32, Size::S64];

/// Emits instructions and compares them with expectations.
struct Checker {
    asm: Assembler,
    encoder: Encoder,
}

impl Checker {
    fn new() -> Self {
        Self {
            asm: Assembler::new(),
            encoder: Encoder::new(64),
        }
    }

    /// Checks one instruction.
    fn check(&mut self, code: Code, operands: &[Operand], emit: impl FnOnce(&mut Assembler)) {
        self.check_instruction(instruction(code, operands), operands, emit);
    }

    fn check_instruction(
        &mut self,
        expected: Instruction,
        operands: &[Operand],
        emit: impl FnOnce(&mut Assembler),
    ) {
        let code = expected.code();
        self.asm.clear();
        emit(&mut self.asm);
        assert_eq!(self.asm.finish(), Ok(()));
        let bytes = self.asm.code();
        let context = || format!("{code:?} {operands:?}: {bytes:02x?}");

        let decoded = Decoder::with_ip(64, bytes, ORIGIN, DecoderOptions::NONE).decode();
        assert_eq!(decoded.code(), code, "{}", context());
        assert_eq!(decoded.len(), bytes.len(), "{}", context());
        for (n, &operand) in operands.iter().enumerate() {
            check_operand(&decoded, n as u32, operand, &context);
        }

        #[cfg(debug_assertions)]
        check_flags(&self.asm, &decoded, &context);

        let len = self.encoder.encode(&expected, ORIGIN);
        let theirs = self.encoder.take_buffer();
        assert_eq!(bytes, theirs, "{}", context());
        assert_eq!(len.ok(), Some(bytes.len()), "{}", context());
        let mut reused = theirs;
        reused.clear();
        self.encoder.set_buffer(reused);
    }

    /// `NAME` with every register.
    fn r(&mut self, code: Code, size: Size, emit: impl Fn(&mut Assembler, Gpr)) {
        for a in Gpr::ALL {
            self.check(code, &[g(size, a)], |asm| emit(asm, a));
        }
    }

    /// `NAME a, b` with every pair, at these widths.
    fn rr(&mut self, code: Code, sizes: (Size, Size), emit: impl Fn(&mut Assembler, Gpr, Gpr)) {
        for a in Gpr::ALL {
            for b in Gpr::ALL {
                self.check(code, &[g(sizes.0, a), g(sizes.1, b)], |asm| emit(asm, a, b));
            }
        }
    }

    /// `NAME a, b, c` with every triple.
    fn rrr(&mut self, code: Code, size: Size, emit: impl Fn(&mut Assembler, Gpr, Gpr, Gpr)) {
        for a in Gpr::ALL {
            for b in Gpr::ALL {
                for c in Gpr::ALL {
                    let operands = [g(size, a), g(size, b), g(size, c)];
                    self.check(code, &operands, |asm| emit(asm, a, b, c));
                }
            }
        }
    }

    /// `NAME reg, mem` with every memory shape; the registers take turns.
    fn rm(&mut self, code: Code, size: Size, emit: impl Fn(&mut Assembler, Gpr, Mem)) {
        for (n, case) in MEMS.iter().enumerate() {
            let reg = turn(n, 0);
            self.check(code, &[g(size, reg), case.expected], |asm| {
                emit(asm, reg, case.mem)
            });
        }
    }

    /// `NAME mem, reg` with every memory shape; the registers take turns.
    fn mr(&mut self, code: Code, size: Size, emit: impl Fn(&mut Assembler, Mem, Gpr)) {
        for (n, case) in MEMS.iter().enumerate() {
            let reg = turn(n, 0);
            self.check(code, &[case.expected, g(size, reg)], |asm| {
                emit(asm, case.mem, reg)
            });
        }
    }

    /// `NAME a, b` with every pair of vector registers.
    fn xx(&mut self, code: Code, emit: impl Fn(&mut Assembler, Xmm, Xmm)) {
        for a in Xmm::ALL {
            for b in Xmm::ALL {
                self.check(code, &[x(a), x(b)], |asm| emit(asm, a, b));
            }
        }
    }

    /// `NAME a, b, c` with every triple of vector registers.
    fn xxx(&mut self, code: Code, emit: impl Fn(&mut Assembler, Xmm, Xmm, Xmm)) {
        for a in Xmm::ALL {
            for b in Xmm::ALL {
                for c in Xmm::ALL {
                    self.check(code, &[x(a), x(b), x(c)], |asm| emit(asm, a, b, c));
                }
            }
        }
    }

    /// `NAME reg, mem` with every memory shape; the registers take turns.
    fn xm(&mut self, code: Code, emit: impl Fn(&mut Assembler, Xmm, Mem)) {
        for (n, case) in MEMS.iter().enumerate() {
            let reg = xturn(n, 0);
            self.check(code, &[x(reg), case.expected], |asm| {
                emit(asm, reg, case.mem)
            });
        }
    }

    /// `NAME a, b, mem` with every memory shape; the registers take turns.
    fn xxm(&mut self, code: Code, emit: impl Fn(&mut Assembler, Xmm, Xmm, Mem)) {
        for (n, case) in MEMS.iter().enumerate() {
            let (a, b) = (xturn(n, 0), xturn(n, 1));
            self.check(code, &[x(a), x(b), case.expected], |asm| {
                emit(asm, a, b, case.mem)
            });
        }
    }
}

/// The registers take turns over a list of cases: a different order for each
/// `which`, so that operands of one instruction meet in many pairs.
fn turn(case: usize, which: usize) -> Gpr {
    Gpr::ALL[turn_number(case, which)]
}

fn xturn(case: usize, which: usize) -> Xmm {
    Xmm::ALL[turn_number(case, which)]
}

fn turn_number(case: usize, which: usize) -> usize {
    // The list's inner periods are 61 and 10; 16 shares a factor with the
    // latter, so carry the quotient in.
    (case + case / 16 + which * (case / 16 + 5)) % 16
}

/// iced's instruction with these operands.
fn instruction(code: Code, operands: &[Operand]) -> Instruction {
    use Operand::{Immediate as I, Memory as M, Register as R};
    let mem = |operand: Operand| match operand {
        M {
            base,
            index,
            scale,
            disp,
        } => MemoryOperand::with_base_index_scale_displ_size(
            base,
            index,
            scale,
            i64::from(disp),
            u32::from(disp != 0),
        ),
        other => panic!("{other:?} is no memory operand"),
    };
    let built = match *operands {
        [] => Ok(Instruction::with(code)),
        [R(a)] => Instruction::with1(code, a),
        [m @ M { .. }] => Instruction::with1(code, mem(m)),
        [R(a), R(b)] => Instruction::with2(code, a, b),
        [R(a), m @ M { .. }] => Instruction::with2(code, a, mem(m)),
        [m @ M { .. }, R(b)] => Instruction::with2(code, mem(m), b),
        [R(a), I { value, .. }] => Instruction::with2(code, a, value),
        [m @ M { .. }, I { value, .. }] => Instruction::with2(code, mem(m), value as i32),
        [R(a), R(b), R(c)] => Instruction::with3(code, a, b, c),
        [R(a), R(b), m @ M { .. }] => Instruction::with3(code, a, b, mem(m)),
        [R(a), m @ M { .. }, R(c)] => Instruction::with3(code, a, mem(m), c),
        [R(a), R(b), I { value, .. }] => Instruction::with3(code, a, b, value as i32),
        [R(a), m @ M { .. }, I { value, .. }] => Instruction::with3(code, a, mem(m), value as i32),
        [R(a), R(b), R(c), R(d)] => Instruction::with4(code, a, b, c, d),
        [R(a), R(b), R(c), I { value, .. }] => Instruction::with4(code, a, b, c, value as i32),
        _ => panic!("no instruction has the operands {operands:?}"),
    };
    built.unwrap_or_else(|error| panic!("{code:?} {operands:?}: {error}"))
}

/// The assembler knows whether the instruction writes flags. A shift by 0 and a call do not, to iced; we had rather say
/// they do.
#[cfg(debug_assertions)]
fn check_flags(asm: &Assembler, decoded: &Instruction, context: &impl Fn() -> String) {
    use iced_x86::{FlowControl, Mnemonic};
    let by_iced = decoded.rflags_modified() != 0;
    let shift = matches!(
        decoded.mnemonic(),
        Mnemonic::Rol | Mnemonic::Ror | Mnemonic::Shl | Mnemonic::Shr | Mnemonic::Sar
    );
    let call = matches!(
        decoded.flow_control(),
        FlowControl::Call | FlowControl::IndirectCall
    );
    let expected = by_iced || shift || call;
    let end = expected.then(|| asm.offset());
    assert_eq!(asm.flag_trace().end(), end, "{}", context());
}

fn check_operand(decoded: &Instruction, n: u32, operand: Operand, context: &impl Fn() -> String) {
    match operand {
        Operand::Register(register) => {
            assert_eq!(decoded.op_kind(n), OpKind::Register, "{}", context());
            assert_eq!(decoded.op_register(n), register, "{}", context());
        }
        Operand::Memory {
            base,
            index,
            scale,
            disp,
        } => {
            assert_eq!(decoded.op_kind(n), OpKind::Memory, "{}", context());
            assert_eq!(decoded.memory_base(), base, "{}", context());
            assert_eq!(decoded.memory_index(), index, "{}", context());
            assert_eq!(decoded.memory_index_scale(), scale, "{}", context());
            assert_eq!(
                decoded.memory_displacement64() as i64,
                i64::from(disp),
                "{}",
                context()
            );
        }
        Operand::Immediate { value, bits } => {
            let difference = decoded.immediate(n) ^ value as u64;
            assert_eq!(difference << (64 - bits), 0, "{}", context());
        }
    }
}

#[test]
fn turns_cover_all_registers_in_all_pairs() {
    let mut seen = [[false; 16]; 16];
    for n in 0..MEMS.len() {
        seen[turn_number(n, 0)][turn_number(n, 1)] = true;
    }
    assert!(seen.iter().flatten().all(|&seen| seen));
}
