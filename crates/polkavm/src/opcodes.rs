//! From the compiler's instructions to PolkaVM's: the same operations by its names.

use polkavm_common::program::{Instruction, Reg, asm};
use pvf_assembler::polkavm::{self as code, Compare, Immediate, Load, Store, Three, Two};

/// The register.
pub(crate) fn reg(register: code::Reg) -> Reg {
    match register {
        code::Reg::Ra => Reg::RA,
        code::Reg::Sp => Reg::SP,
        code::Reg::T0 => Reg::T0,
        code::Reg::T1 => Reg::T1,
        code::Reg::T2 => Reg::T2,
        code::Reg::S0 => Reg::S0,
        code::Reg::S1 => Reg::S1,
        code::Reg::A0 => Reg::A0,
        code::Reg::A1 => Reg::A1,
        code::Reg::A2 => Reg::A2,
        code::Reg::A3 => Reg::A3,
        code::Reg::A4 => Reg::A4,
        code::Reg::A5 => Reg::A5,
    }
}

/// An operation of three registers.
pub(crate) fn three(op: Three, dst: Reg, a: Reg, b: Reg) -> Instruction {
    let make = match op {
        Three::Add32 => asm::add_32,
        Three::Add64 => asm::add_64,
        Three::Sub32 => asm::sub_32,
        Three::Sub64 => asm::sub_64,
        Three::And => asm::and,
        Three::Xor => asm::xor,
        Three::Or => asm::or,
        Three::Mul32 => asm::mul_32,
        Three::Mul64 => asm::mul_64,
        Three::SetLessUnsigned => asm::set_less_than_unsigned,
        Three::SetLessSigned => asm::set_less_than_signed,
        Three::Shl32 => asm::shift_logical_left_32,
        Three::Shl64 => asm::shift_logical_left_64,
        Three::ShrUnsigned32 => asm::shift_logical_right_32,
        Three::ShrUnsigned64 => asm::shift_logical_right_64,
        Three::ShrSigned32 => asm::shift_arithmetic_right_32,
        Three::ShrSigned64 => asm::shift_arithmetic_right_64,
        Three::DivUnsigned32 => asm::div_unsigned_32,
        Three::DivUnsigned64 => asm::div_unsigned_64,
        Three::DivSigned32 => asm::div_signed_32,
        Three::DivSigned64 => asm::div_signed_64,
        Three::RemUnsigned32 => asm::rem_unsigned_32,
        Three::RemUnsigned64 => asm::rem_unsigned_64,
        Three::RemSigned32 => asm::rem_signed_32,
        Three::RemSigned64 => asm::rem_signed_64,
        Three::MoveIfZero => asm::cmov_if_zero,
        Three::MoveIfNotZero => asm::cmov_if_not_zero,
        Three::RotateLeft32 => asm::rotate_left_32,
        Three::RotateLeft64 => asm::rotate_left_64,
        Three::RotateRight32 => asm::rotate_right_32,
        Three::RotateRight64 => asm::rotate_right_64,
        Three::MulUpperSigned => asm::mul_upper_signed_signed,
        Three::MulUpperUnsigned => asm::mul_upper_unsigned_unsigned,
    };
    make(dst, a, b)
}

/// An operation of a register and an immediate.
pub(crate) fn immediate(op: Immediate, dst: Reg, a: Reg, with: i32) -> Instruction {
    let make = match op {
        Immediate::Add32 => asm::add_imm_32,
        Immediate::Add64 => asm::add_imm_64,
        Immediate::And => asm::and_imm,
        Immediate::Xor => asm::xor_imm,
        Immediate::Or => asm::or_imm,
        Immediate::Mul32 => asm::mul_imm_32,
        Immediate::Mul64 => asm::mul_imm_64,
        Immediate::SetLessUnsigned => asm::set_less_than_unsigned_imm,
        Immediate::SetLessSigned => asm::set_less_than_signed_imm,
        Immediate::SetGreaterUnsigned => asm::set_greater_than_unsigned_imm,
        Immediate::SetGreaterSigned => asm::set_greater_than_signed_imm,
        Immediate::Shl32 => asm::shift_logical_left_imm_32,
        Immediate::Shl64 => asm::shift_logical_left_imm_64,
        Immediate::ShrUnsigned32 => asm::shift_logical_right_imm_32,
        Immediate::ShrUnsigned64 => asm::shift_logical_right_imm_64,
        Immediate::ShrSigned32 => asm::shift_arithmetic_right_imm_32,
        Immediate::ShrSigned64 => asm::shift_arithmetic_right_imm_64,
        Immediate::RotateRight32 => asm::rotate_right_imm_32,
        Immediate::RotateRight64 => asm::rotate_right_imm_64,
        Immediate::Negate32 => asm::negate_and_add_imm_32,
        Immediate::Negate64 => asm::negate_and_add_imm_64,
        Immediate::ShlOf32 => asm::shift_logical_left_imm_alt_32,
        Immediate::ShlOf64 => asm::shift_logical_left_imm_alt_64,
    };
    make(dst, a, with)
}

/// An operation of one register.
pub(crate) fn two(op: Two, dst: Reg, src: Reg) -> Instruction {
    let make = match op {
        Two::Move => asm::move_reg,
        Two::LeadingZeros32 => asm::count_leading_zero_bits_32,
        Two::LeadingZeros64 => asm::count_leading_zero_bits_64,
        Two::TrailingZeros32 => asm::count_trailing_zero_bits_32,
        Two::TrailingZeros64 => asm::count_trailing_zero_bits_64,
        Two::Ones32 => asm::count_set_bits_32,
        Two::Ones64 => asm::count_set_bits_64,
        Two::SignExtend8 => asm::sign_extend_8,
        Two::SignExtend16 => asm::sign_extend_16,
        Two::ZeroExtend16 => asm::zero_extend_16,
        Two::ReverseBytes => asm::reverse_byte,
    };
    make(dst, src)
}

/// A load; without a base, of an address.
pub(crate) fn load(op: Load, dst: Reg, base: Option<Reg>, offset: i32) -> Instruction {
    let Some(base) = base else {
        let make = match op {
            Load::U8 => asm::load_u8,
            Load::I8 => asm::load_i8,
            Load::U16 => asm::load_u16,
            Load::I16 => asm::load_i16,
            Load::U32 => asm::load_u32,
            Load::I32 => asm::load_i32,
            Load::U64 => asm::load_u64,
        };
        return make(dst, offset);
    };
    let make = match op {
        Load::U8 => asm::load_indirect_u8,
        Load::I8 => asm::load_indirect_i8,
        Load::U16 => asm::load_indirect_u16,
        Load::I16 => asm::load_indirect_i16,
        Load::U32 => asm::load_indirect_u32,
        Load::I32 => asm::load_indirect_i32,
        Load::U64 => asm::load_indirect_u64,
    };
    make(dst, base, offset)
}

/// A store; without a base, to an address.
pub(crate) fn store(op: Store, base: Option<Reg>, offset: i32, src: Reg) -> Instruction {
    let Some(base) = base else {
        let make = match op {
            Store::U8 => asm::store_u8,
            Store::U16 => asm::store_u16,
            Store::U32 => asm::store_u32,
            Store::U64 => asm::store_u64,
        };
        return make(src, offset);
    };
    let make = match op {
        Store::U8 => asm::store_indirect_u8,
        Store::U16 => asm::store_indirect_u16,
        Store::U32 => asm::store_indirect_u32,
        Store::U64 => asm::store_indirect_u64,
    };
    make(src, base, offset)
}

/// A store of a constant.
pub(crate) fn store_immediate(
    op: Store,
    base: Option<Reg>,
    offset: i32,
    value: i32,
) -> Instruction {
    let Some(base) = base else {
        let make = match op {
            Store::U8 => asm::store_imm_u8,
            Store::U16 => asm::store_imm_u16,
            Store::U32 => asm::store_imm_u32,
            Store::U64 => asm::store_imm_u64,
        };
        return make(offset, value);
    };
    let make = match op {
        Store::U8 => asm::store_imm_indirect_u8,
        Store::U16 => asm::store_imm_indirect_u16,
        Store::U32 => asm::store_imm_indirect_u32,
        Store::U64 => asm::store_imm_indirect_u64,
    };
    make(base, offset, value)
}

/// A branch on a comparison of registers. `None` for comparisons that the machine has only with immediates.
pub(crate) fn branch(compare: Compare, a: Reg, b: Reg, block: u32) -> Option<Instruction> {
    let make = match compare {
        Compare::Equal => asm::branch_eq,
        Compare::NotEqual => asm::branch_not_eq,
        Compare::LessUnsigned => asm::branch_less_unsigned,
        Compare::LessSigned => asm::branch_less_signed,
        Compare::GreaterEqualUnsigned => asm::branch_greater_or_equal_unsigned,
        Compare::GreaterEqualSigned => asm::branch_greater_or_equal_signed,
        Compare::LessEqualUnsigned
        | Compare::LessEqualSigned
        | Compare::GreaterUnsigned
        | Compare::GreaterSigned => return None,
    };
    Some(make(a, b, block))
}

/// A branch on a comparison with an immediate.
pub(crate) fn branch_immediate(compare: Compare, a: Reg, with: i32, block: u32) -> Instruction {
    let make = match compare {
        Compare::Equal => asm::branch_eq_imm,
        Compare::NotEqual => asm::branch_not_eq_imm,
        Compare::LessUnsigned => asm::branch_less_unsigned_imm,
        Compare::LessSigned => asm::branch_less_signed_imm,
        Compare::GreaterEqualUnsigned => asm::branch_greater_or_equal_unsigned_imm,
        Compare::GreaterEqualSigned => asm::branch_greater_or_equal_signed_imm,
        Compare::LessEqualUnsigned => asm::branch_less_or_equal_unsigned_imm,
        Compare::LessEqualSigned => asm::branch_less_or_equal_signed_imm,
        Compare::GreaterUnsigned => asm::branch_greater_unsigned_imm,
        Compare::GreaterSigned => asm::branch_greater_signed_imm,
    };
    make(a, with, block)
}
