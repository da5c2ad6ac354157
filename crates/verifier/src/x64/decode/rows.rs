//! Decodes any instruction by its row of the table.

use super::packed::*;
use super::vex::decode_vex;
use super::{Address, Cursor, NO_INDEX, WINDOW};
use crate::x64::instruction::{NONE, RIP};
use crate::x64::table::{
    GROUPS, Imm, MEMORY, ONE, Op, REGISTER, Row, S8, S16, S32, Shape, TWO, TWO_F3,
};

/// Decodes an instruction of a form that [`decode_window`] does not look at itself.
#[inline(never)]
pub(super) fn decode_other(window: &[u8; WINDOW]) -> Option<Packed> {
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
        return decode_vex(window);
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
pub(super) fn memory_word(
    cursor: &mut Cursor<'_>,
    modrm: u8,
    rex: u8,
    op: Op,
    disp: &mut i32,
) -> Option<u64> {
    let address = memory(cursor, modrm, rex, op)?;
    *disp = address.disp;
    let (base, index) = (u64::from(address.base), u64::from(address.index));
    let of_index = match address.index {
        NO_INDEX => u64::from(NONE) << 24,
        _ => index << 24 | u64::from(address.scale) << SCALE,
    };
    Some(base << 16 | of_index | 0xff << 48)
}
