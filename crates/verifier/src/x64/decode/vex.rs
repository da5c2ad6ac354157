//! Decodes instructions with VEX.

use super::packed::*;
use super::rows::memory_word;
use super::{Cursor, WINDOW};
use crate::x64::table::{MEMORY, Op, REGISTER, Third, VexSize, vex_row};

/// Decodes an instruction that begins with VEX.
#[inline(never)]
pub(super) fn decode_vex(window: &[u8; WINDOW]) -> Option<Packed> {
    let mut cursor = Cursor { window, at: 0 };
    let first = cursor.byte();
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
