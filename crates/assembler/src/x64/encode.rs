//! From opcode, operands and immediate to bytes: the shapes all instructions
//! share.
//!
//! In: an [`Opcode`] or [`Vex`] (constants, parsed at compile time from the
//! manual's notation), register numbers or a [`Mem`], an [`Imm`]. Out: one
//! instruction in the buffer, in its shortest form: no needless prefix, and the
//! shortest displacement.

use super::{FSize, Instructions, Label, Mem, Size, VSize};

/// Stands for "no digit" in [`Opcode::digit`].
const NO_DIGIT: u8 = 0xFF;

/// The fixed part of an instruction in the legacy encoding.
#[derive(Copy, Clone)]
pub(super) struct Opcode {
    /// Mandatory prefix (66, F2, F3), or 0 for none.
    prefix: u8,
    /// Escape bytes and opcode, first byte lowest.
    bytes: u32,
    /// How many there are.
    len: u32,
    /// The `/digit`: a constant in the place of the register operand.
    digit: u8,
}

/// Parses the manual's notation, such as `"F3 0F BD /r"` or `"F7 /3"`.
///
/// A 66, F2 or F3 before other bytes is a mandatory prefix. `/r`, `ib`, `id` and
/// `+r` are for the reader.
pub(super) const fn op(manual: &str) -> Opcode {
    let text = manual.as_bytes();
    let mut opcode = Opcode {
        prefix: 0,
        bytes: 0,
        len: 0,
        digit: NO_DIGIT,
    };
    let mut at = 0;
    while at < text.len() {
        let next = if at + 1 < text.len() {
            text[at + 1]
        } else {
            b' '
        };
        match (text[at], next) {
            (b' ', _) => at += 1,
            (b'/', b'r') | (b'+', b'r') | (b'i', b'b' | b'd') => at += 2,
            (b'/', b'0'..=b'7') => {
                opcode.digit = next - b'0';
                at += 2;
            }
            (high, low) => {
                let byte = hex(high) << 4 | hex(low);
                let more = at + 2 < text.len() && is_hex(text[at + 3]);
                if matches!(byte, 0x66 | 0xF2 | 0xF3) && opcode.len == 0 && more {
                    assert!(opcode.prefix == 0, "at most one mandatory prefix");
                    opcode.prefix = byte;
                } else {
                    opcode.bytes |= (byte as u32) << (8 * opcode.len);
                    opcode.len += 1;
                }
                at += 2;
            }
        }
    }
    assert!(
        opcode.len >= 1 && opcode.len <= 3,
        "one to three opcode bytes"
    );
    opcode
}

const fn is_hex(digit: u8) -> bool {
    matches!(digit, b'0'..=b'9' | b'A'..=b'F')
}

const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'A'..=b'F' => digit - b'A' + 10,
        _ => panic!("not a hexadecimal digit"),
    }
}

impl Opcode {
    /// The opcode for this width: the 8-bit form's last byte is one lower.
    #[inline(always)]
    pub(super) const fn sized(self, size: Size) -> Self {
        let lower = (matches!(size, Size::S8) as u32) << (8 * (self.len - 1));
        Self {
            bytes: self.bytes - lower,
            ..self
        }
    }

    /// The opcode with `number` added to its last byte.
    #[inline(always)]
    pub(super) const fn plus(self, number: u8) -> Self {
        Self {
            bytes: self.bytes + ((number as u32) << (8 * (self.len - 1))),
            ..self
        }
    }

    /// The opcode with this `/digit`.
    #[inline(always)]
    pub(super) const fn with_digit(self, digit: u8) -> Self {
        Self { digit, ..self }
    }

    /// Whether the instruction writes flags. A call does, since what is called may.
    #[inline(always)]
    const fn writes_flags(self) -> bool {
        let (first, second) = (self.bytes as u8, (self.bytes >> 8) as u8);
        match (self.len, first) {
            // The eight operations of `Alu`.
            (1, 0x00..=0x3F) => first & 7 < 6,
            (1, 0x69 | 0x6B | 0x80..=0x85 | 0xA8 | 0xA9 | 0xC0 | 0xC1 | 0xD0..=0xD3 | 0xE8) => true,
            // All but `not`.
            (1, 0xF6 | 0xF7) => self.digit != 2,
            // `inc`, `dec`, `call`.
            (1, 0xFE | 0xFF) => self.digit < 3,
            (2, 0x0F) => matches!(second, 0xAF | 0xB8 | 0xBA | 0xBC | 0xBD),
            _ => false,
        }
    }

    /// The `/digit`.
    #[inline(always)]
    pub(super) const fn digit(self) -> u8 {
        debug_assert!(self.digit != NO_DIGIT, "this opcode takes a register");
        self.digit
    }
}

/// The fixed part of an instruction in the VEX encoding.
#[derive(Copy, Clone)]
pub(super) struct Vex {
    /// Implied prefix: 0 none, 1 66, 2 F3, 3 F2.
    pp: u8,
    /// Opcode map: 1 0F, 2 0F38, 3 0F3A.
    map: u8,
    /// The W bit.
    w: bool,
    /// The L bit: 256 bits.
    l: bool,
    opcode: u8,
}

impl Vex {
    /// An instruction of opcode map `map` (`0x0F`, `0x0F38` or `0x0F3A`) with
    /// implied prefix `prefix` (0, `0x66`, `0xF3` or `0xF2`).
    pub(super) const fn new(prefix: u8, map: u16, opcode: u8) -> Self {
        let pp = match prefix {
            0 => 0,
            0x66 => 1,
            0xF3 => 2,
            0xF2 => 3,
            _ => panic!("no such prefix in VEX"),
        };
        let map = match map {
            0x0F => 1,
            0x0F38 => 2,
            0x0F3A => 3,
            _ => panic!("no such opcode map in VEX"),
        };
        Self {
            pp,
            map,
            w: false,
            l: false,
            opcode,
        }
    }

    /// The scalar form: prefix F3 for binary32, F2 for binary64.
    #[inline(always)]
    pub(super) const fn scalar(self, size: FSize) -> Self {
        Self {
            pp: 2 | size as u8,
            ..self
        }
    }

    /// The packed form: no prefix for binary32, 66 for binary64.
    #[inline(always)]
    pub(super) const fn packed(self, size: FSize) -> Self {
        Self {
            pp: size as u8,
            ..self
        }
    }

    /// W set for 64-bit integer operands.
    #[inline(always)]
    pub(super) const fn wide(self, size: Size) -> Self {
        Self {
            w: matches!(size, Size::S64),
            ..self
        }
    }

    /// L set for 256-bit vectors.
    #[inline(always)]
    pub(super) const fn long(self, size: VSize) -> Self {
        Self {
            l: matches!(size, VSize::S256),
            ..self
        }
    }

    /// The opcode with `number` added.
    #[inline(always)]
    pub(super) const fn plus(self, number: u8) -> Self {
        Self {
            opcode: self.opcode + number,
            ..self
        }
    }

    /// Whether the instruction writes flags: `vucomis`, `vptest`, `andn`.
    #[inline(always)]
    const fn writes_flags(self) -> bool {
        matches!((self.map, self.opcode), (1, 0x2E) | (2, 0x17 | 0xF2))
    }
}

/// An immediate operand of up to eight bytes.
#[derive(Copy, Clone)]
pub(super) struct Imm {
    bits: u64,
    len: u32,
}

impl Imm {
    pub(super) const NONE: Self = Self { bits: 0, len: 0 };

    #[inline(always)]
    pub(super) const fn byte(value: u8) -> Self {
        Self {
            bits: value as u64,
            len: 1,
        }
    }

    #[inline(always)]
    pub(super) const fn dword(value: u32) -> Self {
        Self {
            bits: value as u64,
            len: 4,
        }
    }

    #[inline(always)]
    pub(super) const fn qword(value: u64) -> Self {
        Self {
            bits: value,
            len: 8,
        }
    }

    /// As wide as the operands, but at most four bytes.
    #[inline(always)]
    pub(super) const fn sized(size: Size, value: i32) -> Self {
        match size {
            Size::S8 => Self::byte(value as u8),
            Size::S16 => Self {
                bits: value as u16 as u64,
                len: 2,
            },
            Size::S32 | Size::S64 => Self::dword(value as u32),
        }
    }
}

/// The bytes of an instruction up to its displacement: at most eight.
#[derive(Copy, Clone)]
struct Head {
    bits: u64,
    len: u32,
}

impl Head {
    const EMPTY: Self = Self { bits: 0, len: 0 };

    #[inline(always)]
    const fn push(self, bytes: u64, len: u32) -> Self {
        Self {
            bits: self.bits | bytes << (8 * self.len),
            len: self.len + len,
        }
    }

    /// Pushes `byte` or nothing, without a branch.
    #[inline(always)]
    const fn push_if(self, condition: bool, byte: u8) -> Self {
        let len = condition as u32;
        self.push(byte as u64 * len as u64, len)
    }

    /// Prefixes, REX and opcode. `x` and `b` are the numbers of the index and of
    /// the base (or of the register in its place).
    #[inline(always)]
    const fn legacy(op: Opcode, size: Size, r: u8, x: u8, b: u8, force_rex: bool) -> Self {
        let w = matches!(size, Size::S64) as u8;
        let rex = 0x40 | w << 3 | (r >> 3) << 2 | (x >> 3) << 1 | b >> 3;
        Self::EMPTY
            .push_if(matches!(size, Size::S16), 0x66)
            .push_if(op.prefix != 0, op.prefix)
            .push_if(rex != 0x40 || force_rex, rex)
            .push(op.bytes as u64, op.len)
    }

    /// VEX prefix and opcode, in two bytes where they suffice.
    #[inline(always)]
    const fn vex(vex: Vex, r: u8, v: u8, x: u8, b: u8) -> Self {
        let not_r = (!r & 8) << 4;
        let rest = (!v & 15) << 3 | (vex.l as u8) << 2 | vex.pp;
        if vex.map == 1 && !vex.w && (x | b) & 8 == 0 {
            let bits = 0xC5 | ((not_r | rest) as u64) << 8 | (vex.opcode as u64) << 16;
            Self { bits, len: 3 }
        } else {
            let second = not_r | (!x & 8) << 3 | (!b & 8) << 2 | vex.map;
            let third = (vex.w as u8) << 7 | rest;
            let bits =
                0xC4 | (second as u64) << 8 | (third as u64) << 16 | (vex.opcode as u64) << 24;
            Self { bits, len: 4 }
        }
    }

    /// ModRM for two registers.
    #[inline(always)]
    const fn registers(self, reg: u8, rm: u8) -> Self {
        self.push((0xC0 | (reg & 7) << 3 | rm & 7) as u64, 1)
    }

    /// ModRM, SIB if need be, and the length of the displacement.
    #[inline(always)]
    fn memory(self, reg: u8, mem: Mem) -> (Self, u32) {
        let base = mem.base.number() & 7;
        let index = mem.index.number();
        // Base number 4 (rsp, r12) is the escape to SIB; index 4 is "none".
        let sib = base == 4 || index != 4;
        // Base number 5 (rbp, r13) without displacement is the escape to rip.
        let (mode, disp_len) = if mem.disp == 0 && base != 5 {
            (0x00, 0)
        } else if mem.disp as i8 as i32 == mem.disp {
            (0x40, 1)
        } else {
            (0x80, 4)
        };
        let rm = if sib { 4 } else { base };
        let modrm = mode | (reg & 7) << 3 | rm;
        let sib_byte = (mem.scale as u8) << 6 | (index & 7) << 3 | base;
        let head = self.push(modrm as u64, 1).push_if(sib, sib_byte);
        (head, disp_len)
    }
}

/// Whether `value` survives as a sign-extended byte.
#[inline(always)]
pub(super) const fn fits_i8(value: i32) -> bool {
    value as i8 as i32 == value
}

/// Whether a byte register with this number needs REX, without which numbers
/// 4 to 7 are the second bytes of other registers.
#[inline(always)]
pub(super) const fn byte_needs_rex(size: Size, number: u8) -> bool {
    matches!(size, Size::S8) && number >= 4
}

impl Instructions {
    /// No operands beyond the opcode's own.
    #[inline(always)]
    pub(super) fn encode(&mut self, op: Opcode, size: Size, imm: Imm) {
        let head = Head::legacy(op, size, 0, 0, 0, false);
        self.put_with_imm(head, imm);
        self.note_flags(op.writes_flags());
    }

    /// A register in the opcode's low three bits.
    #[inline(always)]
    pub(super) fn encode_plus(&mut self, op: Opcode, size: Size, number: u8, imm: Imm) {
        let head = Head::legacy(op.plus(number & 7), size, 0, 0, number, false);
        self.put_with_imm(head, imm);
        self.note_flags(op.writes_flags());
    }

    /// `reg` in ModRM.reg, register `rm` in ModRM.rm.
    #[inline(always)]
    pub(super) fn encode_rr(
        &mut self,
        op: Opcode,
        size: Size,
        reg: u8,
        rm: u8,
        force_rex: bool,
        imm: Imm,
    ) {
        let head = Head::legacy(op, size, reg, 0, rm, force_rex).registers(reg, rm);
        self.put_with_imm(head, imm);
        self.note_flags(op.writes_flags());
    }

    /// The opcode's digit in ModRM.reg, register `rm` in ModRM.rm.
    #[inline(always)]
    pub(super) fn encode_dr(&mut self, op: Opcode, size: Size, rm: u8, imm: Imm) {
        let digit = op.digit();
        self.encode_rr(op, size, digit, rm, byte_needs_rex(size, rm), imm);
    }

    /// `reg` in ModRM.reg, memory in ModRM.rm.
    #[inline(always)]
    pub(super) fn encode_rm(
        &mut self,
        op: Opcode,
        size: Size,
        reg: u8,
        mem: Mem,
        force_rex: bool,
        imm: Imm,
    ) {
        let head = Head::legacy(
            op,
            size,
            reg,
            mem.index.number(),
            mem.base.number(),
            force_rex,
        );
        let (head, disp_len) = head.memory(reg, mem);
        self.put_with_disp(head, mem.disp, disp_len, imm);
        self.note_flags(op.writes_flags());
    }

    /// The opcode's digit in ModRM.reg, memory in ModRM.rm.
    #[inline(always)]
    pub(super) fn encode_dm(&mut self, op: Opcode, size: Size, mem: Mem, imm: Imm) {
        self.encode_rm(op, size, op.digit(), mem, false, imm);
    }

    /// `reg` in ModRM.reg, `[rip + label]` in ModRM.rm.
    #[inline(always)]
    pub(super) fn encode_rl(&mut self, op: Opcode, size: Size, reg: u8, label: Label) {
        let head = Head::legacy(op, size, reg, 0, 0, false).push((reg as u64 & 7) << 3 | 5, 1);
        self.put_with_label(head, label);
        self.note_flags(op.writes_flags());
    }

    /// VEX without operands.
    #[inline(always)]
    pub(super) fn encode_vex_none(&mut self, vex: Vex) {
        self.put_with_imm(Head::vex(vex, 0, 0, 0, 0), Imm::NONE);
        self.note_flags(vex.writes_flags());
    }

    /// VEX with register operands.
    #[inline(always)]
    pub(super) fn encode_vex_rr(&mut self, vex: Vex, reg: u8, v: u8, rm: u8, imm: Imm) {
        let head = Head::vex(vex, reg, v, 0, rm).registers(reg, rm);
        self.put_with_imm(head, imm);
        self.note_flags(vex.writes_flags());
    }

    /// VEX with a memory operand.
    #[inline(always)]
    pub(super) fn encode_vex_rm(&mut self, vex: Vex, reg: u8, v: u8, mem: Mem, imm: Imm) {
        let head = Head::vex(vex, reg, v, mem.index.number(), mem.base.number());
        let (head, disp_len) = head.memory(reg, mem);
        self.put_with_disp(head, mem.disp, disp_len, imm);
        self.note_flags(vex.writes_flags());
    }

    /// VEX with `[rip + label]`.
    #[inline(always)]
    pub(super) fn encode_vex_rl(&mut self, vex: Vex, reg: u8, v: u8, label: Label) {
        let head = Head::vex(vex, reg, v, 0, 0).push((reg as u64 & 7) << 3 | 5, 1);
        self.put_with_label(head, label);
        self.note_flags(vex.writes_flags());
    }

    /// An instruction that ends in a 32-bit distance to `label`.
    #[inline(always)]
    pub(super) fn encode_jump(&mut self, op: Opcode, label: Label) {
        let head = Head::legacy(op, Size::S32, 0, 0, 0, false);
        self.put_with_label(head, label);
        self.note_flags(op.writes_flags());
    }

    /// Counts the instruction just emitted if it writes flags, in debug builds.
    #[inline(always)]
    fn note_flags(&mut self, writes: bool) {
        #[cfg(debug_assertions)]
        if writes {
            let end = self.offset();
            self.flags.write(end);
        }
        #[cfg(not(debug_assertions))]
        let _ = writes;
    }

    #[inline(always)]
    fn put_with_imm(&mut self, head: Head, imm: Imm) {
        if imm.len == 0 {
            self.buffer.put_word(head.bits, head.len);
        } else {
            self.buffer.put(head.bits, head.len, imm.bits, imm.len);
        }
    }

    #[inline(always)]
    fn put_with_disp(&mut self, head: Head, disp: i32, disp_len: u32, imm: Imm) {
        debug_assert!(
            imm.len <= 4,
            "no instruction has a memory operand and a longer immediate"
        );
        let disp = disp as u32 as u64;
        let tail = if imm.len == 0 {
            disp
        } else {
            let disp_bits = 8 * disp_len;
            disp & ((1 << disp_bits) - 1) | imm.bits << disp_bits
        };
        self.buffer
            .put(head.bits, head.len, tail, disp_len + imm.len);
    }

    #[inline(always)]
    fn put_with_label(&mut self, head: Head, label: Label) {
        let field = self.offset().wrapping_add(head.len);
        let distance = self.distance_or_fixup(label, field);
        self.buffer
            .put(head.bits, head.len, distance as u32 as u64, 4);
    }
}
