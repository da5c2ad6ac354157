//! Decodes instructions by the rows of [`table`](super::table).

use super::table::{
    GROUPS, Imm, MEMORY, ONE, Op, REGISTER, Row, S8, S16, S32, Shape, TWO, TWO_F3, Third, VexSize,
    vex_row,
};

/// No register.
pub const NONE: u8 = 0xff;
/// The base of an address relative to the instruction's end.
pub const RIP: u8 = 0x80;

/// The kind of an operand's location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Place {
    /// There is no operand.
    #[default]
    None,
    /// The operand is in the register [`Instruction::a`] or [`Instruction::b`].
    Register,
    /// The operand is in memory.
    Memory,
    /// The operand is the immediate.
    Immediate,
}

/// A decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Instruction {
    /// The immediate, sign-extended, or the distance of a branch.
    pub imm: i64,
    /// Displacement of the address.
    pub disp: i32,
    /// The operation.
    pub op: Op,
    /// The length in bytes.
    pub len: u8,
    /// The size of the operands in bytes; see [`Op`] for operations with two sizes.
    pub size: u8,
    /// The location of the first operand, which is written.
    pub to: Place,
    /// The location of the last operand.
    pub from: Place,
    /// The register of the first operand.
    pub a: u8,
    /// The register of the last operand.
    pub b: u8,
    /// The register of the operand between them, or [`NONE`].
    pub c: u8,
    /// Base of the address.
    pub base: u8,
    /// Index of the address, or [`NONE`].
    pub index: u8,
    /// The factor of the index.
    pub scale: u8,
    /// The number of the condition.
    pub condition: u8,
    /// The second size of a conversion: that of the float in bytes.
    pub float: u8,
}

impl Instruction {
    /// Whether an operand is in memory.
    #[inline]
    pub fn has_memory(&self) -> bool {
        self.to == Place::Memory || self.from == Place::Memory
    }
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

/// Decodes the instruction at the beginning of the bytes. Returns `None` if it is not in the table.
pub fn decode(bytes: &[u8]) -> Option<Instruction> {
    let mut window = [0; WINDOW];
    let known = bytes.len().min(WINDOW);
    window[..known].copy_from_slice(&bytes[..known]);
    let instruction = decode_window(&window, &mut Build)?;
    (usize::from(instruction.len) <= bytes.len()).then_some(instruction)
}

/// A decoded instruction in few words: most of it is looked at piece by piece, and only where an operation needs it.
#[derive(Clone, Copy)]
pub(super) struct Packed {
    pub op: Op,
    pub len: u8,
    pub disp: i32,
    pub imm: i64,
    /// From the lowest byte: `a`, `b`, base, index, size, kinds of operands, `c`, and the rest.
    word: u64,
}

/// No registers.
const NO_REGISTERS: u64 = 0x00ff_0000_ffff_ffff;

/// Kinds of operands, in their byte of the word.
const TO_REGISTER: u64 = 1 << 40;
const TO_MEMORY: u64 = 1 << 41;
const FROM_REGISTER: u64 = 1 << 42;
const FROM_MEMORY: u64 = 1 << 43;
const FROM_IMMEDIATE: u64 = 1 << 44;
/// In the rest: the logarithm of the factor, and the condition. Above: the second size.
const SCALE: u32 = 56;
const CONDITION: u32 = 58;
const FLOAT: u32 = 36;

impl Packed {
    #[inline(always)]
    fn byte(&self, number: u32) -> u8 {
        (self.word >> (8 * number)) as u8
    }

    /// The fields have the meaning that [`Instruction`] gives them.
    #[inline(always)]
    pub fn a(&self) -> u8 {
        self.byte(0)
    }

    #[inline(always)]
    pub fn b(&self) -> u8 {
        self.byte(1)
    }

    #[inline(always)]
    pub fn c(&self) -> u8 {
        self.byte(6)
    }

    #[inline(always)]
    pub fn base(&self) -> u8 {
        self.byte(2)
    }

    #[inline(always)]
    pub fn index(&self) -> u8 {
        self.byte(3)
    }

    /// The logarithm of the factor of the index.
    #[inline(always)]
    pub fn scale(&self) -> u8 {
        (self.word >> SCALE) as u8 & 3
    }

    #[inline(always)]
    pub fn size(&self) -> u8 {
        self.byte(4) & 15
    }

    #[inline(always)]
    pub fn condition(&self) -> u8 {
        (self.word >> CONDITION) as u8 & 15
    }

    #[inline(always)]
    pub fn float(&self) -> u8 {
        (self.word >> FLOAT) as u8 & 15
    }

    #[inline(always)]
    pub fn writes_memory(&self) -> bool {
        self.word & TO_MEMORY != 0
    }

    #[inline(always)]
    pub fn is_from_register(&self) -> bool {
        self.word & FROM_REGISTER != 0
    }

    #[inline(always)]
    pub fn is_from_memory(&self) -> bool {
        self.word & FROM_MEMORY != 0
    }

    /// The operand in memory.
    #[inline(always)]
    pub fn address(&self) -> Address {
        Address {
            base: self.base(),
            index: match self.index() {
                NONE => NO_INDEX,
                index => index,
            },
            scale: self.scale(),
            disp: self.disp,
        }
    }

    #[inline(always)]
    pub fn form(&self) -> Form {
        Form {
            op: self.op,
            size: self.size(),
            condition: self.condition(),
        }
    }

    #[inline(always)]
    pub fn is_from_immediate(&self) -> bool {
        self.word & FROM_IMMEDIATE != 0
    }

    /// All fields.
    pub fn unpack(&self) -> Instruction {
        let memory = self.word & (TO_MEMORY | FROM_MEMORY) != 0;
        Instruction {
            imm: self.imm,
            disp: self.disp,
            op: self.op,
            len: self.len,
            size: self.size(),
            to: match self.word & (TO_REGISTER | TO_MEMORY) {
                TO_REGISTER => Place::Register,
                TO_MEMORY => Place::Memory,
                _ => Place::None,
            },
            from: match self.word & (FROM_REGISTER | FROM_MEMORY | FROM_IMMEDIATE) {
                FROM_REGISTER => Place::Register,
                FROM_MEMORY => Place::Memory,
                FROM_IMMEDIATE => Place::Immediate,
                _ => Place::None,
            },
            a: self.a(),
            b: self.b(),
            c: self.c(),
            base: self.base(),
            index: self.index(),
            scale: if memory { 1 << self.scale() } else { 0 },
            condition: self.condition(),
            float: self.float(),
        }
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
    fn load(&mut self, at: usize, form: Form, to: u8, from: Address) -> Self::Output;
    fn store(&mut self, at: usize, form: Form, to: Address, from: u8) -> Self::Output;
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

/// Decodes the instruction at the beginning of a window. The visitor compares its length with the available bytes.
#[inline(always)]
pub(super) fn decode_window<V: Visitor>(window: &[u8; WINDOW], visitor: &mut V) -> V::Output {
    let first = window[0];
    let rex = if first & 0xf0 == 0x40 { first } else { 0 };
    let mut cursor = Cursor {
        window,
        at: usize::from(rex != 0),
    };
    let mut opcode = cursor.byte();
    let mut row = ONE[usize::from(opcode)];
    if opcode == 0x0f {
        opcode = cursor.byte();
        row = TWO[usize::from(opcode)];
    }
    let wide = rex >> 3 & 1;
    let needed = S32 << wide;
    let mut form = Form {
        op: row.op,
        size: 4 << wide,
        condition: opcode & 15,
    };
    let other = |visitor: &mut V| match decode_other(window) {
        Some(it) => visitor.other(it),
        None => visitor.unknown(),
    };
    match row.shape {
        Shape::RmReg | Shape::RegRm | Shape::RegByte => {
            let modrm = cursor.byte();
            let register = (modrm >> 3 & 7) | (rex & 4) << 1;
            let place = if modrm >= 0xc0 { REGISTER } else { MEMORY };
            if row.accepts & (needed | place) != needed | place {
                return other(visitor);
            }
            if modrm >= 0xc0 {
                let rm = (modrm & 7) | (rex & 1) << 3;
                // Without REX the register numbers 4 to 7 name the high bytes.
                if row.shape == Shape::RegByte && rex == 0 && rm & 0xfc == 4 {
                    return visitor.unknown();
                }
                let (to, from) = match row.shape {
                    Shape::RmReg => (rm, register),
                    _ => (register, rm),
                };
                return visitor.registers(cursor.at, form, to, from);
            }
            let Some(address) = plain_memory(&mut cursor, modrm, rex) else {
                return other(visitor);
            };
            match row.shape {
                Shape::RmReg => visitor.store(cursor.at, form, address, register),
                _ => visitor.load(cursor.at, form, register, address),
            }
        }
        Shape::Group => {
            let modrm = cursor.byte();
            let group = GROUPS[usize::from(row.accepts & 7)][usize::from(modrm >> 3 & 7)];
            let place = if modrm >= 0xc0 { REGISTER } else { MEMORY };
            let imm = match group.imm {
                Imm::None => row.imm,
                imm => imm,
            };
            let direct = group.accepts & (needed | place) == needed | place
                && imm != Imm::None
                && !(group.op == Op::Mov && place == REGISTER);
            if !direct {
                return other(visitor);
            }
            form.op = group.op;
            if modrm >= 0xc0 {
                let rm = (modrm & 7) | (rex & 1) << 3;
                let imm = match imm {
                    Imm::Sized => i64::from(cursor.i32()),
                    Imm::One => 1,
                    Imm::Count => {
                        let count = cursor.i8();
                        if !(0..i64::from(form.size) * 8).contains(&count) {
                            return visitor.unknown();
                        }
                        count
                    }
                    _ => cursor.i8(),
                };
                return visitor.immediate(cursor.at, form, rm, imm);
            }
            let Some(address) = plain_memory(&mut cursor, modrm, rex) else {
                return other(visitor);
            };
            let imm = match imm {
                Imm::Sized => i64::from(cursor.i32()),
                _ => cursor.i8(),
            };
            visitor.store_immediate(cursor.at, form, address, imm)
        }
        Shape::InOpcode => {
            let register = (opcode & 7) | (rex & 1) << 3;
            let imm = match wide {
                0 => i64::from(cursor.i32() as u32),
                _ => cursor.i64(),
            };
            visitor.immediate(cursor.at, form, register, imm)
        }
        Shape::RaxImm => {
            let imm = i64::from(cursor.i32());
            visitor.immediate(cursor.at, form, 0, imm)
        }
        Shape::Short if wide == 0 => {
            let distance = cursor.i8();
            visitor.branch(cursor.at, form, distance)
        }
        Shape::Near if wide == 0 => {
            let distance = i64::from(cursor.i32());
            visitor.branch(cursor.at, form, distance)
        }
        _ => other(visitor),
    }
}

/// Takes all fields of an instruction.
pub(super) struct Build;

impl Build {
    fn plain(at: usize, form: Form) -> Instruction {
        Instruction {
            op: form.op,
            len: at as u8,
            size: form.size,
            condition: form.condition,
            ..EMPTY
        }
    }

    fn with(it: Instruction, address: Address) -> Instruction {
        let (index, scale) = match address.index {
            NO_INDEX => (NONE, 0),
            index => (index, address.scale),
        };
        Instruction {
            base: address.base,
            index,
            scale: 1 << scale,
            disp: address.disp,
            ..it
        }
    }
}

impl Visitor for Build {
    type Output = Option<Instruction>;

    fn unknown(&mut self) -> Option<Instruction> {
        None
    }

    fn registers(&mut self, at: usize, form: Form, to: u8, from: u8) -> Option<Instruction> {
        Some(Instruction {
            to: Place::Register,
            from: Place::Register,
            a: to,
            b: from,
            ..Self::plain(at, form)
        })
    }

    fn load(&mut self, at: usize, form: Form, to: u8, from: Address) -> Option<Instruction> {
        let it = Instruction {
            to: Place::Register,
            from: Place::Memory,
            a: to,
            ..Self::plain(at, form)
        };
        Some(Self::with(it, from))
    }

    fn store(&mut self, at: usize, form: Form, to: Address, from: u8) -> Option<Instruction> {
        let it = Instruction {
            to: Place::Memory,
            from: Place::Register,
            b: from,
            ..Self::plain(at, form)
        };
        Some(Self::with(it, to))
    }

    fn immediate(&mut self, at: usize, form: Form, to: u8, imm: i64) -> Option<Instruction> {
        Some(Instruction {
            to: Place::Register,
            from: Place::Immediate,
            a: to,
            imm,
            ..Self::plain(at, form)
        })
    }

    fn store_immediate(
        &mut self,
        at: usize,
        form: Form,
        to: Address,
        imm: i64,
    ) -> Option<Instruction> {
        let it = Instruction {
            to: Place::Memory,
            from: Place::Immediate,
            imm,
            ..Self::plain(at, form)
        };
        Some(Self::with(it, to))
    }

    fn branch(&mut self, at: usize, form: Form, distance: i64) -> Option<Instruction> {
        Some(Instruction {
            imm: distance,
            ..Self::plain(at, form)
        })
    }

    fn other(&mut self, it: Packed) -> Option<Instruction> {
        Some(it.unpack())
    }
}

/// An instruction without any content.
const EMPTY: Instruction = Instruction {
    imm: 0,
    disp: 0,
    op: Op::None,
    len: 0,
    size: 0,
    to: Place::None,
    from: Place::None,
    a: NONE,
    b: NONE,
    c: NONE,
    base: NONE,
    index: NONE,
    scale: 0,
    condition: 0,
    float: 0,
};

/// Decodes an instruction of a form that [`decode_window`] does not look at itself.
#[inline(never)]
fn decode_other(window: &[u8; WINDOW]) -> Option<Packed> {
    let first = window[0];
    let rex = if first & 0xf0 == 0x40 { first } else { 0 };
    let mut cursor = Cursor {
        window,
        at: usize::from(rex != 0),
    };
    let mut opcode = cursor.byte();
    let mut row = ONE[usize::from(opcode)];
    if row.shape == Shape::Prefix {
        if opcode != 0x0f {
            // REX comes after such a prefix, not before it.
            return if rex == 0 { decode_rare(window) } else { None };
        }
        opcode = cursor.byte();
        row = TWO[usize::from(opcode)];
    }
    decode_row::<false>(cursor, rex, opcode, row)
}

/// Decodes an instruction that begins with a prefix.
fn decode_rare(window: &[u8; WINDOW]) -> Option<Packed> {
    let mut cursor = Cursor { window, at: 0 };
    let prefix = cursor.byte();
    if prefix & 0xfe == 0xc4 {
        return decode_vex(cursor, prefix);
    }
    let mut opcode = cursor.byte();
    let mut rex = 0;
    if opcode & 0xf0 == 0x40 {
        rex = opcode;
        opcode = cursor.byte();
    }
    let two = opcode == 0x0f;
    if two {
        opcode = cursor.byte();
    }
    match (prefix, two) {
        (0x66, false) => {
            let row = ONE[usize::from(opcode)];
            decode_row::<true>(cursor, rex, opcode, row)
        }
        (0x66, true) => {
            let row = TWO[usize::from(opcode)];
            decode_row::<true>(cursor, rex, opcode, row)
        }
        (0xf3, true) => {
            let row = match opcode {
                0xb8 => TWO_F3[0],
                0xbc => TWO_F3[1],
                0xbd => TWO_F3[2],
                _ => return None,
            };
            decode_row::<false>(cursor, rex, opcode, row)
        }
        _ => None,
    }
}

/// Decodes what comes after the opcode. `SHORT`: the operands have two bytes.
fn decode_row<const SHORT: bool>(
    mut cursor: Cursor<'_>,
    rex: u8,
    opcode: u8,
    row: Row,
) -> Option<Packed> {
    let wide = rex >> 3 & 1;
    let mut op = row.op;
    let (mut accepts, mut imm) = (row.accepts, row.imm);
    // With the operands of two bytes only memory is accepted: between registers the instruction would write a part of a
    // register.
    let mut needed = match SHORT {
        true => S16 | MEMORY,
        false => S32 << wide,
    };
    if SHORT && wide != 0 {
        return None;
    }
    let mut size = if SHORT { 2 } else { 4u64 << wide };
    let mut disp = 0;
    let mut value = 0i64;
    let mut word;
    match row.shape {
        Shape::Missing | Shape::Prefix => return None,
        Shape::RmReg
        | Shape::RegRm
        | Shape::RegRmImm
        | Shape::RegByte
        | Shape::ByteReg
        | Shape::ByteRm => {
            let modrm = cursor.byte();
            let reg = u64::from((modrm >> 3 & 7) | (rex & 4) << 1);
            if modrm >= 0xc0 {
                needed |= REGISTER;
                let rm = u64::from((modrm & 7) | (rex & 1) << 3);
                // Without REX the register numbers 4 to 7 name the high bytes.
                match row.shape {
                    Shape::RegByte | Shape::ByteRm if rex == 0 && rm & 0xfc == 4 => return None,
                    Shape::RmReg => word = rm | reg << 8,
                    _ => word = reg | rm << 8,
                }
                word |= NO_REGISTERS & !0xffff | TO_REGISTER | FROM_REGISTER;
            } else {
                needed |= MEMORY;
                word = memory_word(&mut cursor, modrm, rex, op, &mut disp)?;
                word |= match row.shape {
                    Shape::RmReg => 0xff | reg << 8 | TO_MEMORY | FROM_REGISTER,
                    Shape::ByteReg if rex == 0 && reg & 0xfc == 4 => return None,
                    Shape::ByteReg => 0xff | reg << 8 | TO_MEMORY | FROM_REGISTER,
                    _ => reg | 0xff00 | TO_REGISTER | FROM_MEMORY,
                };
            }
            match row.shape {
                Shape::ByteReg => {
                    size = 1;
                    needed = needed & (REGISTER | MEMORY) | S8;
                }
                Shape::ByteRm => {
                    // The operand is in `rm`, and `reg` is 0.
                    if reg != 0 {
                        return None;
                    }
                    word = word >> 8 & 0xff | NO_REGISTERS & !0xff | TO_REGISTER;
                    size = 1;
                    needed = needed & (REGISTER | MEMORY) | S8;
                }
                _ => {}
            }
            if (SHORT || wide != 0) && needed & S8 != 0 {
                return None;
            }
        }
        Shape::Group => {
            let modrm = cursor.byte();
            let group = GROUPS[usize::from(row.accepts & 7)][usize::from(modrm >> 3 & 7)];
            if group.op == Op::None {
                return None;
            }
            op = group.op;
            accepts = group.accepts;
            if group.imm != Imm::None {
                imm = group.imm;
            }
            if modrm >= 0xc0 {
                needed |= REGISTER;
                // There is a shorter encoding of `mov` with 32 bits; this one is not accepted.
                if op == Op::Mov && wide == 0 {
                    return None;
                }
                let rm = u64::from((modrm & 7) | (rex & 1) << 3);
                word = rm | NO_REGISTERS & !0xff | TO_REGISTER;
            } else {
                needed |= MEMORY;
                word = memory_word(&mut cursor, modrm, rex, op, &mut disp)? | 0xffff | TO_MEMORY;
            }
            if accepts & S8 != 0 {
                if SHORT || wide != 0 {
                    return None;
                }
                size = 1;
                needed = needed & (REGISTER | MEMORY) | S8;
            }
        }
        Shape::InOpcode | Shape::InOpcodeAlone => {
            let register = u64::from((opcode & 7) | (rex & 1) << 3);
            word = register | NO_REGISTERS & !0xff | TO_REGISTER;
        }
        Shape::RaxImm => word = NO_REGISTERS & !0xff | TO_REGISTER,
        Shape::Short => {
            value = cursor.i8();
            word = NO_REGISTERS;
        }
        Shape::Near => {
            value = i64::from(cursor.i32());
            word = NO_REGISTERS;
        }
        Shape::Bare => word = NO_REGISTERS,
    }
    if accepts & needed != needed {
        return None;
    }
    word |= size << 32 | u64::from(opcode & 15) << CONDITION;
    match imm {
        Imm::None => {}
        Imm::Count => {
            value = cursor.i8();
            word |= FROM_IMMEDIATE;
            if !(0..size as i64 * 8).contains(&value) {
                return None;
            }
        }
        Imm::One => {
            value = 1;
            word |= FROM_IMMEDIATE;
        }
        Imm::Byte | Imm::Sized | Imm::Full => {
            value = match (imm, size) {
                (Imm::Byte, _) => cursor.i8(),
                (_, 2) => cursor.i16(),
                (Imm::Full, 8) => cursor.i64(),
                (Imm::Full, _) => i64::from(cursor.i32() as u32),
                _ => i64::from(cursor.i32()),
            };
            if op == Op::Imul {
                // The second operand of `imul` with three operands is in `b`; it belongs into `c`.
                word = word & !(0xff << 48 | FROM_REGISTER) | (word & 0xff00) << 40 | 0xff00;
            }
            word |= FROM_IMMEDIATE;
        }
    }
    Some(Packed {
        op,
        len: cursor.at as u8,
        disp,
        imm: value,
        word,
    })
}

/// The operand in memory, unless its encoding is one of those without a base.
#[inline(always)]
fn plain_memory(cursor: &mut Cursor<'_>, modrm: u8, rex: u8) -> Option<Address> {
    let low = modrm & 7;
    let mut base = low;
    let mut index = NO_INDEX;
    let mut scale = 0;
    if low == 4 {
        let sib = cursor.byte();
        base = sib & 7;
        index = (sib >> 3 & 7) | (rex & 2) << 2;
        scale = sib >> 6;
    }
    let mut disp = 0;
    if modrm >= 0x80 {
        disp = cursor.i32();
    } else if modrm >= 0x40 {
        disp = i32::from(cursor.byte() as i8);
    } else if base == 5 {
        return None;
    }
    Some(Address {
        base: base | (rex & 1) << 3,
        index,
        scale,
        disp,
    })
}

/// The operand in memory.
fn memory(cursor: &mut Cursor<'_>, modrm: u8, rex: u8, op: Op) -> Option<Address> {
    let low = modrm & 7;
    let mut address = Address {
        base: low | (rex & 1) << 3,
        index: NO_INDEX,
        scale: 0,
        disp: 0,
    };
    if low == 4 {
        let sib = cursor.byte();
        address.base = (sib & 7) | (rex & 1) << 3;
        address.index = (sib >> 3 & 7) | (rex & 2) << 2;
        address.scale = sib >> 6;
        if sib & 7 == 5 && modrm < 0x40 {
            return None;
        }
    }
    if modrm >= 0x80 {
        address.disp = cursor.i32();
    } else if modrm >= 0x40 {
        address.disp = i32::from(cursor.byte() as i8);
    } else if low == 5 {
        // An address relative to the instruction's end exists only in `lea` with 64 bits.
        if op != Op::Lea || rex & 8 == 0 {
            return None;
        }
        address.base = RIP;
        address.disp = cursor.i32();
    }
    Some(address)
}

/// As [`memory`], in the bytes of the word, and no `c`.
fn memory_word(cursor: &mut Cursor<'_>, modrm: u8, rex: u8, op: Op, disp: &mut i32) -> Option<u64> {
    let address = memory(cursor, modrm, rex, op)?;
    *disp = address.disp;
    let (base, index) = (u64::from(address.base), u64::from(address.index));
    let of_index = match address.index {
        NO_INDEX => u64::from(NONE) << 24,
        _ => index << 24 | u64::from(address.scale) << SCALE,
    };
    Some(base << 16 | of_index | 0xff << 48)
}

fn decode_vex(mut cursor: Cursor<'_>, first: u8) -> Option<Packed> {
    let second = cursor.byte();
    // The bits of REX, in its order.
    let mut rex = !second >> 5 & 4;
    let (map, last) = if first == 0xc5 {
        (1, second)
    } else {
        rex |= !second >> 5 & 2 | !second >> 5 & 1;
        let last = cursor.byte();
        rex |= last >> 4 & 8;
        (second & 31, last & 0x7f)
    };
    if last & 4 != 0 {
        return None;
    }
    let wide = rex & 8 != 0;
    let prefix = last & 3;
    let third = !(last >> 3) & 15;
    let opcode = cursor.byte();
    let row = vex_row(map, prefix, opcode);
    if row.op == Op::None {
        return None;
    }
    let modrm = cursor.byte();
    let register = u64::from((modrm >> 3 & 7) | (rex & 4) << 1);
    let mut disp = 0;
    let mut word;
    let place;
    if modrm >= 0xc0 {
        place = REGISTER;
        let rm = u64::from((modrm & 7) | (rex & 1) << 3);
        word = match row.op {
            // These instructions write the general register in `rm`.
            Op::ToGeneral => rm | register << 8,
            _ => register | rm << 8,
        };
        word |= NO_REGISTERS & !0xffff | TO_REGISTER | FROM_REGISTER;
    } else {
        place = MEMORY;
        word = memory_word(&mut cursor, modrm, rex, row.op, &mut disp)?;
        word |= match row.op {
            Op::FStore => 0xff | register << 8 | TO_MEMORY | FROM_REGISTER,
            _ => register | 0xff00 | TO_REGISTER | FROM_MEMORY,
        };
    }
    if row.place != place {
        return None;
    }
    const THIRD: u64 = 0xff << 48;
    match row.third {
        // The bits of the field are inverted, so zero here means "none".
        Third::Unused if third != 0 => return None,
        Third::Unused => {}
        Third::Source => word = word & !THIRD | u64::from(third) << 48,
        // The count is the last operand.
        Third::Count => {
            let first = word >> 8 & 0xff;
            word = word & !(THIRD | 0xff00) | first << 48 | u64::from(third) << 8;
        }
    }
    let by_prefix = if prefix == 3 || prefix == 1 { 8 } else { 4u64 };
    let size = match row.size {
        VexSize::ByW if wide => 8,
        VexSize::ByW => 4,
        _ if wide => return None,
        VexSize::ByPrefix => by_prefix,
        VexSize::ByOpcode => 4 << (opcode & 1),
        VexSize::Any => 8,
    };
    word |= size << 32;
    if matches!(row.op, Op::FromInteger | Op::ToInteger) {
        word |= by_prefix << FLOAT;
    }
    let mut imm = 0;
    if row.imm {
        imm = i64::from(cursor.byte());
        let known = match row.op {
            // To nearest, down, up, to zero, without the precision exception.
            Op::FRound => (8..12).contains(&imm),
            _ => imm < size as i64 * 8,
        };
        if !known {
            return None;
        }
    }
    Some(Packed {
        op: row.op,
        len: cursor.at as u8,
        disp,
        imm,
        word,
    })
}
