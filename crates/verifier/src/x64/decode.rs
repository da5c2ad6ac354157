//! Decodes instructions by the rows of [`table`](super::table).

use super::table::{
    GROUPS, Imm, MEMORY, ONE, Op, REGISTER, Row, S8, S16, S32, S64, Shape, TWO, TWO_F3, Third,
    VexSize, vex_row,
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

/// The high bits of register numbers, and the operand width.
#[derive(Clone, Copy, Default)]
struct Extension {
    r: u8,
    x: u8,
    b: u8,
    w: bool,
    /// Whether there is a REX prefix.
    rex: bool,
}

/// Decodes the instruction at the beginning of the bytes. Returns `None` if it is not in the table.
pub fn decode(bytes: &[u8]) -> Option<Instruction> {
    let mut instruction = EMPTY;
    let mut window = [0; WINDOW];
    let known = bytes.len().min(WINDOW);
    window[..known].copy_from_slice(&bytes[..known]);
    decode_into(&mut instruction, &window)?;
    (usize::from(instruction.len) <= bytes.len()).then_some(instruction)
}

/// An instruction without any content.
pub(super) const EMPTY: Instruction = Instruction {
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

/// Decodes the instruction at the beginning of the bytes into an `EMPTY` one at its final location, because copying a
/// freshly written instruction is slow. The caller compares its length with the available bytes.
#[inline]
pub(super) fn decode_into(instruction: &mut Instruction, window: &[u8; WINDOW]) -> Option<()> {
    let mut cursor = Cursor { window, at: 0 };
    let mut byte = cursor.byte();
    if byte & 0xfe == 0xc4 {
        return decode_vex(instruction, cursor, byte);
    }
    let (mut short, mut repeated) = (false, false);
    match byte {
        0x66 => {
            short = true;
            byte = cursor.byte();
        }
        0xf3 => {
            repeated = true;
            byte = cursor.byte();
        }
        _ => {}
    }
    let rex = byte & 0xf0 == 0x40;
    let bits = if rex { byte } else { 0 };
    let extension = Extension {
        r: (bits & 4) << 1,
        x: (bits & 2) << 2,
        b: (bits & 1) << 3,
        w: bits & 8 != 0,
        rex,
    };
    // Without a branch, because every second instruction has this prefix.
    cursor.at += usize::from(rex);
    byte = cursor.window[(cursor.at - 1) & 15];
    let two = byte == 0x0f;
    let row = match (two, repeated) {
        (false, false) => &ONE[usize::from(byte)],
        (true, false) => {
            byte = cursor.byte();
            &TWO[usize::from(byte)]
        }
        (true, true) => {
            byte = cursor.byte();
            match byte {
                0xb8 => &TWO_F3[0],
                0xbc => &TWO_F3[1],
                0xbd => &TWO_F3[2],
                _ => return None,
            }
        }
        (false, true) => return None,
    };
    instruction.op = row.op;
    let (mut accepts, mut imm) = (row.accepts, row.imm);
    match row.shape {
        Shape::Missing => return None,
        Shape::RmReg | Shape::RegRm => {
            let modrm = cursor.byte();
            let register = (modrm >> 3 & 7) | extension.r;
            let place = rm(&mut cursor, modrm, extension, instruction)?;
            if row.shape == Shape::RmReg {
                (instruction.to, instruction.from) = (place, Place::Register);
                (instruction.a, instruction.b) = (instruction.b, register);
            } else {
                (instruction.to, instruction.from) = (Place::Register, place);
                instruction.a = register;
            }
        }
        Shape::Group => {
            let modrm = cursor.byte();
            let &Row {
                op,
                accepts: of_operation,
                imm: own,
                ..
            } = &GROUPS[usize::from(row.accepts & 7)][usize::from(modrm >> 3 & 7)];
            if op == Op::None {
                return None;
            }
            instruction.op = op;
            accepts = of_operation;
            if own != Imm::None {
                imm = own;
            }
            instruction.to = rm(&mut cursor, modrm, extension, instruction)?;
            instruction.a = instruction.b;
            instruction.b = NONE;
        }
        Shape::InOpcode => {
            instruction.to = Place::Register;
            instruction.a = (byte & 7) | extension.b;
        }
        Shape::RaxImm => {
            instruction.to = Place::Register;
            instruction.a = 0;
        }
        Shape::Short => instruction.imm = cursor.i8(),
        Shape::Near => instruction.imm = i64::from(cursor.i32()),
        Shape::Bare => {}
    }
    let memory = instruction.has_memory();
    instruction.size = if accepts & S8 != 0 {
        // Without REX the register numbers 4 to 7 name the high bytes.
        let register = match instruction.op {
            Op::Set => instruction.a,
            _ if instruction.from == Place::Register => instruction.b,
            _ => 0,
        };
        if short || extension.w || (!extension.rex && register & 0xfc == 4) {
            return None;
        }
        1
    } else if short {
        // Only with memory: between registers the instruction would write a part of a register.
        if accepts & S16 == 0 || !memory || extension.w {
            return None;
        }
        2
    } else if extension.w {
        if accepts & S64 == 0 {
            return None;
        }
        8
    } else {
        if accepts & S32 == 0 {
            return None;
        }
        4
    };
    if accepts & (REGISTER | MEMORY) != 0 {
        let place = if memory { MEMORY } else { REGISTER };
        if accepts & place == 0 {
            return None;
        }
    }
    match instruction.op {
        Op::Jcc | Op::Cmov => instruction.condition = byte & 15,
        Op::Set => {
            instruction.condition = byte & 15;
            // The operand that does not exist.
            if instruction.b & 7 != 0 || extension.r != 0 {
                return None;
            }
            (instruction.from, instruction.b) = (Place::None, NONE);
        }
        Op::MovZx8 | Op::MovSx8 if !memory && !extension.rex && instruction.b & 0xfc == 4 => {
            return None;
        }
        // An address relative to the instruction's end exists only in `lea` with 64 bits.
        Op::Lea if instruction.base == RIP && instruction.size != 8 => return None,
        Op::Shl | Op::Shr | Op::Sar if imm == Imm::None => {
            (instruction.imm, instruction.from) = (1, Place::Immediate);
        }
        // A shorter encoding has the same meaning, and this one is not accepted.
        Op::Mov if row.shape == Shape::Group && !memory && instruction.size != 8 => return None,
        _ => {}
    }
    if instruction.base == RIP && instruction.op != Op::Lea {
        return None;
    }
    match imm {
        Imm::None => {}
        _ => {
            instruction.take_immediate(match imm {
                Imm::Byte => cursor.i8(),
                _ => match (instruction.size, imm) {
                    (2, _) => cursor.i16(),
                    (8, Imm::Full) => cursor.i64(),
                    (_, Imm::Full) => i64::from(cursor.i32() as u32),
                    _ => i64::from(cursor.i32()),
                },
            });
        }
    }
    if matches!(instruction.op, Op::Shl | Op::Shr | Op::Sar) {
        let bits = i64::from(instruction.size) * 8;
        if !(0..bits).contains(&instruction.imm) {
            return None;
        }
    }
    instruction.len = cursor.at as u8;
    Some(())
}

impl Instruction {
    #[inline(always)]
    fn take_immediate(&mut self, imm: i64) {
        self.imm = imm;
        // The second operand of `imul` with three operands is in `b`.
        if self.op == Op::Imul {
            self.c = self.b;
            self.b = NONE;
        }
        self.from = Place::Immediate;
    }
}

/// The operand in `rm`: a register, which is stored in `b`, or memory.
#[inline(always)]
fn rm(
    cursor: &mut Cursor<'_>,
    modrm: u8,
    extension: Extension,
    instruction: &mut Instruction,
) -> Option<Place> {
    let low = modrm & 7;
    let mode = modrm >> 6;
    if mode == 3 {
        instruction.b = low | extension.b;
        return Some(Place::Register);
    }
    instruction.base = low | extension.b;
    instruction.scale = 1;
    if low == 4 {
        let sib = cursor.byte();
        let index = (sib >> 3 & 7) | extension.x;
        if index != 4 {
            instruction.index = index;
            instruction.scale = 1 << (sib >> 6);
        }
        instruction.base = (sib & 7) | extension.b;
        if sib & 7 == 5 && mode == 0 {
            return None;
        }
    } else if low == 5 && mode == 0 {
        instruction.base = RIP;
        instruction.disp = cursor.i32();
        return Some(Place::Memory);
    }
    match mode {
        1 => instruction.disp = i32::from(cursor.byte() as i8),
        2 => instruction.disp = cursor.i32(),
        _ => {}
    }
    Some(Place::Memory)
}

#[inline]
fn decode_vex(instruction: &mut Instruction, mut cursor: Cursor<'_>, first: u8) -> Option<()> {
    let second = cursor.byte();
    let mut extension = Extension {
        r: !second >> 4 & 8,
        ..Extension::default()
    };
    let (map, last) = if first == 0xc5 {
        (1, second)
    } else {
        extension.x = !second >> 3 & 8;
        extension.b = !second >> 2 & 8;
        let last = cursor.byte();
        extension.w = last & 0x80 != 0;
        (second & 31, last & 0x7f)
    };
    if last & 4 != 0 {
        return None;
    }
    let prefix = last & 3;
    let third = !(last >> 3) & 15;
    let opcode = cursor.byte();
    let row = vex_row(map, prefix, opcode);
    if row.op == Op::None {
        return None;
    }
    instruction.op = row.op;
    let modrm = cursor.byte();
    let place = rm(&mut cursor, modrm, extension, instruction)?;
    let wanted = if place == Place::Memory {
        MEMORY
    } else {
        REGISTER
    };
    if row.place != wanted || instruction.base == RIP {
        return None;
    }
    let register = (modrm >> 3 & 7) | extension.r;
    (instruction.to, instruction.from) = (Place::Register, place);
    instruction.a = register;
    match row.third {
        // The bits of the field are inverted, so zero here means "none".
        Third::Unused if third != 0 => return None,
        Third::Unused => {}
        Third::Source => instruction.c = third,
        // The count is the last operand.
        Third::Count => {
            instruction.c = instruction.b;
            instruction.b = third;
        }
    }
    let by_prefix = if prefix == 3 || prefix == 1 { 8 } else { 4 };
    instruction.size = match row.size {
        VexSize::ByW if extension.w => 8,
        VexSize::ByW => 4,
        _ if extension.w => return None,
        VexSize::ByPrefix => by_prefix,
        VexSize::ByOpcode => 4 << (opcode & 1),
        VexSize::Any => 8,
    };
    match row.op {
        Op::FStore => {
            (instruction.to, instruction.from) = (Place::Memory, Place::Register);
            (instruction.a, instruction.b) = (NONE, register);
        }
        // These instructions write the general register in `rm`.
        Op::ToGeneral => (instruction.a, instruction.b) = (instruction.b, register),
        Op::FromInteger | Op::ToInteger => instruction.float = by_prefix,
        _ => {}
    }
    if row.imm {
        instruction.imm = i64::from(cursor.byte());
        let known = match row.op {
            // To nearest, down, up, to zero, without the precision exception.
            Op::FRound => (8..12).contains(&instruction.imm),
            _ => instruction.imm < i64::from(instruction.size) * 8,
        };
        if !known {
            return None;
        }
    }
    instruction.len = cursor.at as u8;
    Some(())
}
