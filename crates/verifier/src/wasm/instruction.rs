//! The operators by their encoding: the operands that they pop and push, and the traps that they can cause.

use pvf_metering::Instruction;
use pvf_rules::TrapKind;

/// An operator: its opcode, or 256 plus the number after the prefix `0xfc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator(pub u16);

/// The number of the first operator after the prefix.
pub(super) const PREFIXED: u16 = 256;
/// The bound of operator numbers.
pub(super) const COUNT: usize = PREFIXED as usize + 15;

/// The number of classes of operators with the same traps.
const CLASSES: usize = 16;

/// For each operator its class: 0 for those without traps, [`GROW`] for `memory.grow` alone.
pub(super) static CLASS: [u8; COUNT] = TABLES.0;
/// For each class the traps, as a set of bits by the kinds' codes.
pub(super) static CLASS_TRAPS: [u16; CLASSES] = TABLES.1;
/// The class of `memory.grow`.
pub(super) const GROW: u8 = 1;
/// The class of operators that access linear memory and have no other trap.
pub(crate) const ACCESS: u8 = TABLES.0[0x28];

const TABLES: ([u8; COUNT], [u16; CLASSES]) = {
    let (mut class, mut traps) = ([0; COUNT], [0; CLASSES]);
    let grow = Operator::MEMORY_GROW.0 as usize;
    class[grow] = GROW;
    traps[GROW as usize] = trap_bits(Operator::MEMORY_GROW);
    let mut used = 2;
    let mut number = 0;
    while number < COUNT {
        let bits = trap_bits(Operator(number as u16));
        if bits != 0 && number != grow {
            let mut found = 2;
            while found < used && traps[found] != bits {
                found += 1;
            }
            if found == used {
                used += 1;
            }
            traps[found] = bits;
            class[number] = found as u8;
        }
        number += 1;
    }
    (class, traps)
};

const fn trap_bits(operator: Operator) -> u16 {
    let kinds = operator.trap_kinds();
    let (mut bits, mut at) = (0, 0);
    while at < kinds.len() {
        bits |= 1 << kinds[at].code();
        at += 1;
    }
    bits
}

impl Operator {
    /// `unreachable`
    pub const UNREACHABLE: Self = Self(0x00);
    /// `loop`
    pub const LOOP: Self = Self(0x03);
    /// `call`
    pub const CALL: Self = Self(0x10);
    /// `call_indirect`
    pub const CALL_INDIRECT: Self = Self(0x11);
    /// `memory.grow`
    pub const MEMORY_GROW: Self = Self(0x40);

    /// The traps that the operator can cause. Gas charges and the stack check belong to no operator.
    const fn trap_kinds(self) -> &'static [TrapKind] {
        match self.0 {
            0x00 => &[TrapKind::Unreachable],
            // The first word of a shifted copy is read before the loop.
            0x03 | 0x28..=0x3e => &[TrapKind::MemoryOutOfBounds],
            0x10 | 0x40 => &[TrapKind::HostError],
            0x11 => &[
                TrapKind::TableOutOfBounds,
                TrapKind::IndirectCallTypeMismatch,
                TrapKind::UndefinedElement,
            ],
            0x6d | 0x7f => &[TrapKind::IntegerDivideByZero, TrapKind::IntegerOverflow],
            0x6e..=0x70 | 0x80..=0x82 => &[TrapKind::IntegerDivideByZero],
            0xa8..=0xab | 0xae..=0xb1 => &[
                TrapKind::InvalidConversionToInteger,
                TrapKind::IntegerOverflow,
            ],
            0x108..=0x10e => &[TrapKind::MemoryOutOfBounds, TrapKind::HostError],
            _ => &[],
        }
    }

    /// The instruction in the price list.
    pub fn priced(self) -> Option<Instruction> {
        // The price list is in the order of the opcodes.
        let (first, distance) = match self.0 {
            0x00..=0x05 => (Instruction::Unreachable, self.0),
            0x0b..=0x11 => (Instruction::End, self.0 - 0x0b),
            0x1a..=0x1b => (Instruction::Drop, self.0 - 0x1a),
            0x20..=0x24 => (Instruction::LocalGet, self.0 - 0x20),
            0x28..=0x44 => (Instruction::I32Load, self.0 - 0x28),
            0x45..=0xc4 => (Instruction::I32Eqz, self.0 - 0x45),
            0x100..=0x10e => (Instruction::I32TruncSatF32S, self.0 - 0x100),
            _ => return None,
        };
        Instruction::ALL
            .get(first as usize + usize::from(distance))
            .copied()
    }

    /// The number of popped and pushed operands, if no label or type determines it. `None` if there is no such
    /// operator.
    pub(super) const fn effect(self) -> Option<(u8, u8)> {
        Some(match self.0 {
            0x00..=0x05 | 0x0b..=0x11 => (0, 0),
            0x1a => (1, 0),
            0x1b => (3, 1),
            0x20 | 0x23 => (0, 1),
            0x21 | 0x24 => (1, 0),
            0x22 => (1, 1),
            0x28..=0x35 => (1, 1),
            0x36..=0x3e => (2, 0),
            0x3f => (0, 1),
            0x40 => (1, 1),
            0x41..=0x44 => (0, 1),
            0x45 | 0x50 => (1, 1),
            0x46..=0x4f | 0x51..=0x66 => (2, 1),
            0x67..=0x69 | 0x79..=0x7b => (1, 1),
            0x6a..=0x78 | 0x7c..=0x8a => (2, 1),
            0x8b..=0x91 | 0x99..=0x9f => (1, 1),
            0x92..=0x98 | 0xa0..=0xa6 => (2, 1),
            0xa7..=0xc4 => (1, 1),
            0x100..=0x107 => (1, 1),
            0x108 | 0x10a..=0x10c | 0x10e => (3, 0),
            0x109 | 0x10d => (0, 0),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_has_the_price_of_its_name() {
        let named = [
            (0x00, "unreachable"),
            (0x11, "call_indirect"),
            (0x1b, "select"),
            (0x24, "global.set"),
            (0x28, "i32.load"),
            (0x3e, "i64.store32"),
            (0x40, "memory.grow"),
            (0x44, "f64.const"),
            (0x45, "i32.eqz"),
            (0x6d, "i32.div_s"),
            (0x98, "f32.copysign"),
            (0xbf, "f64.reinterpret_i64"),
            (0xc4, "i64.extend32_s"),
            (0x107, "i64.trunc_sat_f64_u"),
            (0x10e, "table.copy"),
        ];
        for (byte, name) in named {
            assert_eq!(Operator(byte).priced().map(Instruction::name), Some(name));
        }
        let priced = (0..COUNT as u16).filter_map(|byte| Operator(byte).priced());
        assert_eq!(priced.count(), Instruction::COUNT);
        for byte in 0..COUNT as u16 {
            let operator = Operator(byte);
            assert_eq!(operator.priced().is_some(), operator.effect().is_some());
        }
    }
}
