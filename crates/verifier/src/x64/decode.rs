//! Decodes instructions by the rows of [`table`](super::table): the frequent forms each by a branch of its own, which
//! hands over what it has read to a [`Visitor`], all others by their row.

mod build;
mod packed;
mod rows;
mod vex;

use super::instruction::Instruction;
use super::table::{DIRECT, Direct, GROUPS, Imm, MEMORY, ONE, Op, REGISTER, S8, S32, Shape, TWO};
pub(super) use build::Build;
pub(super) use packed::Packed;
use rows::decode_other;
use vex::decode_vex;

/// Decodes the instruction at the beginning of the bytes. Returns `None` if it is not in the table.
pub fn decode(bytes: &[u8]) -> Option<Instruction> {
    let mut window = [0; WINDOW];
    let known = bytes.len().min(WINDOW);
    window[..known].copy_from_slice(&bytes[..known]);
    let instruction = decode_window(&window, &mut Build)?;
    (usize::from(instruction.len) <= bytes.len()).then_some(instruction)
}

/// The number of bytes that decoding may read. An instruction has at most 15.
pub(super) const WINDOW: usize = 24;

/// Reads the next bytes. The instruction may end after the available bytes; the caller compares its length.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    window: &'a [u8; WINDOW],
    at: usize,
}

impl Cursor<'_> {
    #[inline(always)]
    fn byte(&mut self) -> u8 {
        let byte = self.window[self.at & 15];
        self.at += 1;
        byte
    }

    #[inline(always)]
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let at = self.at & 15;
        bytes.copy_from_slice(&self.window[at..at + N]);
        self.at += N;
        bytes
    }

    #[inline(always)]
    fn i8(&mut self) -> i64 {
        i64::from(self.byte() as i8)
    }

    #[inline(always)]
    fn i16(&mut self) -> i64 {
        i16::from_le_bytes(self.take()).into()
    }

    #[inline(always)]
    fn i32(&mut self) -> i32 {
        i32::from_le_bytes(self.take())
    }

    #[inline(always)]
    fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.take())
    }
}

/// An operand in memory.
#[derive(Clone, Copy)]
pub(super) struct Address {
    pub base: u8,
    /// The index, or [`NO_INDEX`].
    pub index: u8,
    /// The logarithm of the factor of the index, if there is one.
    pub scale: u8,
    pub disp: i32,
}

/// The number that encodes "no index".
pub(super) const NO_INDEX: u8 = 4;

/// Takes a decoded instruction in pieces, by its form, so that what a form does not have need not be looked at.
/// `at`: the length of the instruction.
pub(super) trait Visitor {
    type Output;
    /// The encoding is not in the table.
    fn unknown(&mut self) -> Self::Output;
    fn registers(&mut self, at: usize, form: Form, to: u8, from: u8) -> Self::Output;
    /// `add`, `or`, `and`, `sub` or `xor` between registers.
    fn arithmetic(&mut self, at: usize, form: Form, to: u8, from: u8) -> Self::Output;
    /// `cmp` or `test` of registers.
    fn compare(&mut self, at: usize, form: Form, a: u8, b: u8) -> Self::Output;
    fn load(&mut self, at: usize, form: Form, to: u8, from: Address) -> Self::Output;
    fn store(&mut self, at: usize, form: Form, to: Address, from: u8) -> Self::Output;
    /// `mov` from `[rsp+disp]`.
    fn load_slot(&mut self, at: usize, form: Form, to: u8, disp: i32) -> Self::Output;
    /// `mov` to `[rsp+disp]`.
    fn store_slot(&mut self, at: usize, form: Form, disp: i32, from: u8) -> Self::Output;
    /// `mov` from `[r14+index+disp]`.
    fn load_linear(&mut self, at: usize, form: Form, to: u8, from: (u8, i32)) -> Self::Output;
    /// `mov` to `[r14+index+disp]`.
    fn store_linear(&mut self, at: usize, form: Form, to: (u8, i32), from: u8) -> Self::Output;
    fn lea(&mut self, at: usize, form: Form, to: u8, from: Address) -> Self::Output;
    fn immediate(&mut self, at: usize, form: Form, to: u8, imm: i64) -> Self::Output;
    fn store_immediate(&mut self, at: usize, form: Form, to: Address, imm: i64) -> Self::Output;
    fn branch(&mut self, at: usize, form: Form, distance: i64) -> Self::Output;
    /// What has none of these forms, or a prefix.
    fn other(&mut self, it: Packed) -> Self::Output;
}

/// What an instruction does, without its operands.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub op: Op,
    pub size: u8,
    pub condition: u8,
}

/// The first bytes of an instruction, of which REX was taken off.
#[derive(Clone, Copy)]
struct Head<'a, const REX: bool> {
    window: &'a [u8; WINDOW],
    /// The bytes from the opcode on.
    word: u64,
    /// The number of bytes before the second byte of the opcode, or before the opcode.
    before: usize,
    rex: u8,
}

/// The first eight bytes.
#[inline(always)]
pub(super) fn first_word(window: &[u8; WINDOW]) -> u64 {
    eight(window, 0)
}

#[inline(always)]
fn eight(window: &[u8; WINDOW], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&window[at..at + 8]);
    u64::from_le_bytes(bytes)
}

/// Whether a byte is REX.
#[inline(always)]
pub(super) fn is_rex(byte: u8) -> bool {
    byte & 0xf0 == 0x40
}

impl<'a, const REX: bool> Head<'a, REX> {
    #[inline(always)]
    fn new(window: &'a [u8; WINDOW], word: u64) -> Self {
        match REX {
            true => Self {
                window,
                // Read anew, so that the two cases have no shifts in common that would be done before it is known which one it is.
                word: eight(window, 1),
                before: 1,
                rex: word as u8,
            },
            false => Self {
                window,
                word,
                before: 0,
                rex: 0,
            },
        }
    }

    /// An opcode byte, ModRM, or what comes right after it.
    #[inline(always)]
    fn byte(self, number: u32) -> u8 {
        (self.word >> (8 * number)) as u8
    }

    /// The instruction from the second byte of its opcode on.
    #[inline(always)]
    fn second(self) -> Self {
        Self {
            word: self.word >> 8,
            before: self.before + 1,
            ..self
        }
    }

    #[inline(always)]
    fn wide(self) -> u8 {
        self.rex >> 3 & 1
    }

    #[inline(always)]
    fn form(self, op: Op) -> Form {
        Form {
            op,
            size: 4 << self.wide(),
            condition: 0,
        }
    }

    #[inline(always)]
    fn is_register(self) -> bool {
        self.byte(1) >= 0xc0
    }

    #[inline(always)]
    fn reg(self) -> u8 {
        (self.byte(1) >> 3 & 7) | (self.rex & 4) << 1
    }

    #[inline(always)]
    fn rm(self) -> u8 {
        (self.byte(1) & 7) | (self.rex & 1) << 3
    }

    /// Four bytes at a distance from the instruction's start.
    #[inline(always)]
    fn four(self, at: usize) -> u32 {
        let at = at & 15;
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.window[at..at + 4]);
        u32::from_le_bytes(bytes)
    }

    /// A distance or immediate of four bytes after the opcode.
    #[inline(always)]
    fn near(self) -> i64 {
        i64::from((self.word >> 8) as i32)
    }

    /// The displacement and the length up to its end, of an operand in memory with so many bytes before the displacement.
    #[inline(always)]
    fn displacement(self, before: usize) -> (i32, usize) {
        let at = self.before + before;
        // By branches: where they are foretold, the processor reads on before it knows the length.
        match self.byte(1) >> 6 {
            1 => (i32::from(self.byte(before as u32) as i8), at + 1),
            2 => (self.four(at) as i32, at + 4),
            _ => (0, at),
        }
    }

    #[inline(always)]
    fn modrm_and_sib(self) -> u16 {
        (self.word >> 8) as u16
    }

    /// Whether the operand is `[rsp+displacement]`.
    #[inline(always)]
    fn is_slot(self) -> bool {
        // ModRM says that there is a SIB byte, and that one says `rsp` alone.
        self.modrm_and_sib() & 0xff07 == 0x2404 && self.rex & 3 == 0
    }

    /// Whether the operand is `[r14+index+displacement]`, and the index: not the one that means "no index".
    #[inline(always)]
    fn linear_index(self) -> Option<u8> {
        let index = self.index(self.byte(2));
        // ModRM says that there is a SIB byte, and that one says `r14` and the index alone.
        let is = self.modrm_and_sib() & 0xc707 == 0x0604 && self.rex & 1 != 0;
        (is && index != NO_INDEX).then_some(index)
    }

    #[inline(always)]
    fn index(self, sib: u8) -> u8 {
        (sib >> 3 & 7) | (self.rex & 2) << 2
    }

    /// The operand in memory, and the length up to its end. The base is [`NO_BASE`] in encodings without one.
    #[inline(always)]
    fn memory(self) -> (Address, usize) {
        let low = self.byte(1) & 7;
        let high = (self.rex & 1) << 3;
        let no_base = self.byte(1) < 0x40;
        if low == 4 {
            let sib = self.byte(2);
            let (disp, at) = self.displacement(3);
            let base = match sib & 7 {
                5 if no_base => NO_BASE,
                base => base | high,
            };
            let address = Address {
                base,
                index: self.index(sib),
                scale: sib >> 6,
                disp,
            };
            return (address, at);
        }
        let (disp, at) = self.displacement(2);
        let address = Address {
            base: if low == 5 && no_base {
                NO_BASE
            } else {
                low | high
            },
            index: NO_INDEX,
            scale: 0,
            disp,
        };
        (address, at)
    }
}

/// No base, in an address.
const NO_BASE: u8 = 0xff;

/// Decodes an instruction that has none of the frequent forms.
#[inline(always)]
fn other<V: Visitor, const REX: bool>(head: Head<'_, REX>, visitor: &mut V) -> V::Output {
    match decode_other(head.window) {
        Some(it) => visitor.other(it),
        None => visitor.unknown(),
    }
}

#[inline(always)]
fn vex<V: Visitor, const REX: bool>(head: Head<'_, REX>, visitor: &mut V) -> V::Output {
    match decode_vex(head.window) {
        Some(it) => visitor.other(it),
        None => visitor.unknown(),
    }
}

/// Decodes the instruction at the beginning of a window. The visitor compares its length with the available bytes.
#[inline(always)]
pub(super) fn decode_window<V: Visitor>(window: &[u8; WINDOW], visitor: &mut V) -> V::Output {
    let word = first_word(window);
    match is_rex(word as u8) {
        true => decode_head(Head::<true>::new(window, word), visitor),
        false => decode_head(Head::<false>::new(window, word), visitor),
    }
}

/// As [`decode_window`], with or without REX.
#[inline(always)]
fn decode_head<V: Visitor, const REX: bool>(head: Head<'_, REX>, visitor: &mut V) -> V::Output {
    let opcode = head.byte(0);
    let before = head.before;
    match DIRECT[usize::from(opcode)] {
        Direct::Load => {
            let form = head.form(Op::Mov);
            if head.is_register() {
                return other(head, visitor);
            }
            if head.is_slot() {
                let (disp, at) = head.displacement(3);
                return visitor.load_slot(at, form, head.reg(), disp);
            }
            if let Some(index) = head.linear_index() {
                let (disp, at) = head.displacement(3);
                return visitor.load_linear(at, form, head.reg(), (index, disp));
            }
            let (address, at) = head.memory();
            if address.base != NO_BASE {
                return visitor.load(at, form, head.reg(), address);
            }
        }
        Direct::Store => {
            let form = head.form(Op::Mov);
            if head.is_register() {
                return visitor.registers(before + 2, form, head.rm(), head.reg());
            }
            if head.is_slot() {
                let (disp, at) = head.displacement(3);
                return visitor.store_slot(at, form, disp, head.reg());
            }
            if let Some(index) = head.linear_index() {
                let (disp, at) = head.displacement(3);
                return visitor.store_linear(at, form, (index, disp), head.reg());
            }
            let (address, at) = head.memory();
            if address.base != NO_BASE {
                return visitor.store(at, form, address, head.reg());
            }
        }
        Direct::Lea => {
            let (address, at) = head.memory();
            if !head.is_register() && address.base != NO_BASE {
                return visitor.lea(at, head.form(Op::Lea), head.reg(), address);
            }
        }
        Direct::Group => return group(head, opcode, visitor),
        Direct::Two => return two(head.second(), visitor),
        Direct::Constant => {
            let register = (opcode & 7) | (head.rex & 1) << 3;
            let (imm, bytes) = match head.wide() {
                0 => (u64::from((head.word >> 8) as u32), 5),
                _ => {
                    let low = u64::from(head.four(before + 1));
                    (low | u64::from(head.four(before + 5)) << 32, 9)
                }
            };
            return visitor.immediate(before + bytes, head.form(Op::Mov), register, imm as i64);
        }
        Direct::Arithmetic if head.is_register() => {
            let form = head.form(ONE[usize::from(opcode)].op);
            return visitor.arithmetic(before + 2, form, head.rm(), head.reg());
        }
        Direct::Compare if head.is_register() => {
            let form = head.form(ONE[usize::from(opcode)].op);
            return visitor.compare(before + 2, form, head.rm(), head.reg());
        }
        Direct::Call if head.wide() == 0 => {
            return visitor.branch(before + 5, head.form(Op::Call), head.near());
        }
        Direct::Jmp if head.wide() == 0 => {
            return visitor.branch(before + 5, head.form(Op::Jmp), head.near());
        }
        Direct::Jcc8 if head.wide() == 0 => {
            let form = Form {
                condition: opcode & 15,
                ..head.form(Op::Jcc)
            };
            return visitor.branch(before + 2, form, i64::from(head.byte(1) as i8));
        }
        Direct::Jmp8 if head.wide() == 0 => {
            let distance = i64::from(head.byte(1) as i8);
            return visitor.branch(before + 2, head.form(Op::Jmp), distance);
        }
        Direct::CompareLoad => {
            let (address, at) = head.memory();
            if !head.is_register() && address.base != NO_BASE {
                return visitor.load(at, head.form(Op::Cmp), head.reg(), address);
            }
        }
        Direct::ArithmeticLoad => {
            let (address, at) = head.memory();
            if !head.is_register() && address.base != NO_BASE {
                let form = head.form(ONE[usize::from(opcode)].op);
                return visitor.load(at, form, head.reg(), address);
            }
        }
        Direct::ByteStore if head.wide() == 0 && !head.is_register() => {
            // Without REX the register numbers 4 to 7 name the high bytes.
            if !REX && head.reg() & 4 != 0 {
                return visitor.unknown();
            }
            let (address, at) = head.memory();
            if address.base != NO_BASE {
                return visitor.store(at, byte_form(Op::Mov), address, head.reg());
            }
        }
        Direct::ByteGroup if head.wide() == 0 && !head.is_register() => {
            let row = &ONE[usize::from(opcode)];
            let group = &GROUPS[usize::from(row.accepts & 7)][usize::from(head.byte(1) >> 3 & 7)];
            let (address, at) = head.memory();
            if address.base != NO_BASE && group.accepts & (MEMORY | S8) == MEMORY | S8 {
                let imm = i64::from(head.four(at) as i8);
                return visitor.store_immediate(at + 1, byte_form(group.op), address, imm);
            }
        }
        Direct::Vex if !REX => return vex(head, visitor),
        Direct::Rax => {
            let form = head.form(ONE[usize::from(opcode)].op);
            return visitor.immediate(before + 5, form, 0, head.near());
        }
        _ => {}
    }
    other(head, visitor)
}

/// An operation on bytes.
#[inline(always)]
fn byte_form(op: Op) -> Form {
    Form {
        op,
        size: 1,
        condition: 0,
    }
}

/// An operation that ModRM chooses, with an immediate.
#[inline(always)]
fn group<V: Visitor, const REX: bool>(
    head: Head<'_, REX>,
    opcode: u8,
    visitor: &mut V,
) -> V::Output {
    let row = &ONE[usize::from(opcode)];
    let group = &GROUPS[usize::from(row.accepts & 7)][usize::from(head.byte(1) >> 3 & 7)];
    let place = if head.is_register() { REGISTER } else { MEMORY };
    let needed = S32 << head.wide() | place;
    if group.accepts & needed != needed {
        return other(head, visitor);
    }
    let form = head.form(group.op);
    if head.is_register() {
        let byte = head.byte(2) as i8;
        let (imm, bytes) = match row.imm {
            Imm::Byte => (i64::from(byte), 3),
            Imm::Count if (0..8 * form.size as i8).contains(&byte) => (i64::from(byte), 3),
            Imm::Sized if form.op != Op::Mov => (i64::from((head.word >> 16) as i32), 6),
            _ => return other(head, visitor),
        };
        return visitor.immediate(head.before + bytes, form, head.rm(), imm);
    }
    let (address, at) = head.memory();
    if address.base == NO_BASE {
        return other(head, visitor);
    }
    let imm = head.four(at) as i32;
    match row.imm {
        Imm::Byte => visitor.store_immediate(at + 1, form, address, i64::from(imm as i8)),
        Imm::Sized => visitor.store_immediate(at + 4, form, address, i64::from(imm)),
        _ => other(head, visitor),
    }
}

/// An opcode of two bytes; `head` begins with the second one.
#[inline(always)]
fn two<V: Visitor, const REX: bool>(head: Head<'_, REX>, visitor: &mut V) -> V::Output {
    let opcode = head.byte(0);
    let row = &TWO[usize::from(opcode)];
    match row.shape {
        Shape::Near if head.wide() == 0 => {
            let form = Form {
                condition: opcode & 15,
                ..head.form(row.op)
            };
            return visitor.branch(head.before + 5, form, head.near());
        }
        Shape::RegRm | Shape::RegByte => {
            let place = if head.is_register() { REGISTER } else { MEMORY };
            let needed = S32 << head.wide() | place;
            if row.accepts & needed != needed {
                return other(head, visitor);
            }
            let form = Form {
                condition: opcode & 15,
                ..head.form(row.op)
            };
            if head.is_register() {
                let rm = head.rm();
                // Without REX the register numbers 4 to 7 name the high bytes.
                if row.shape == Shape::RegByte && head.rex == 0 && rm & 0xfc == 4 {
                    return visitor.unknown();
                }
                return visitor.registers(head.before + 2, form, head.reg(), rm);
            }
            let (address, at) = head.memory();
            if address.base != NO_BASE {
                return visitor.load(at, form, head.reg(), address);
            }
        }
        _ => {}
    }
    other(head, visitor)
}
