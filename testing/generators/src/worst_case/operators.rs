//! The operators of the profile polkadot with one and two operands, by the type of the operands.

use wasm_encoder::InstructionSink;
use wasm_encoder::ValType::{self, *};

/// An operator and the type of its result.
type Operator = (for<'c> fn(&mut InstructionSink<'c>), ValType);

pub(super) fn unary(ty: ValType) -> &'static [Operator] {
    match ty {
        I64 => &UNARY_I64,
        F32 => &UNARY_F32,
        F64 => &UNARY_F64,
        _ => &UNARY_I32,
    }
}

pub(super) fn binary(ty: ValType) -> &'static [Operator] {
    match ty {
        I64 => &BINARY_I64,
        F32 => &BINARY_F32,
        F64 => &BINARY_F64,
        _ => &BINARY_I32,
    }
}

static UNARY_I32: [Operator; 11] = [
    (|code| _ = code.i32_eqz(), I32),
    (|code| _ = code.i32_clz(), I32),
    (|code| _ = code.i32_ctz(), I32),
    (|code| _ = code.i32_popcnt(), I32),
    (|code| _ = code.i64_extend_i32_s(), I64),
    (|code| _ = code.i64_extend_i32_u(), I64),
    (|code| _ = code.f32_convert_i32_s(), F32),
    (|code| _ = code.f32_convert_i32_u(), F32),
    (|code| _ = code.f64_convert_i32_s(), F64),
    (|code| _ = code.f64_convert_i32_u(), F64),
    (|code| _ = code.f32_reinterpret_i32(), F32),
];

static UNARY_I64: [Operator; 10] = [
    (|code| _ = code.i64_eqz(), I32),
    (|code| _ = code.i64_clz(), I64),
    (|code| _ = code.i64_ctz(), I64),
    (|code| _ = code.i64_popcnt(), I64),
    (|code| _ = code.i32_wrap_i64(), I32),
    (|code| _ = code.f32_convert_i64_s(), F32),
    (|code| _ = code.f32_convert_i64_u(), F32),
    (|code| _ = code.f64_convert_i64_s(), F64),
    (|code| _ = code.f64_convert_i64_u(), F64),
    (|code| _ = code.f64_reinterpret_i64(), F64),
];

static UNARY_F32: [Operator; 13] = [
    (|code| _ = code.f32_abs(), F32),
    (|code| _ = code.f32_neg(), F32),
    (|code| _ = code.f32_ceil(), F32),
    (|code| _ = code.f32_floor(), F32),
    (|code| _ = code.f32_trunc(), F32),
    (|code| _ = code.f32_nearest(), F32),
    (|code| _ = code.f32_sqrt(), F32),
    (|code| _ = code.i32_trunc_f32_s(), I32),
    (|code| _ = code.i32_trunc_f32_u(), I32),
    (|code| _ = code.i64_trunc_f32_s(), I64),
    (|code| _ = code.i64_trunc_f32_u(), I64),
    (|code| _ = code.f64_promote_f32(), F64),
    (|code| _ = code.i32_reinterpret_f32(), I32),
];

static UNARY_F64: [Operator; 13] = [
    (|code| _ = code.f64_abs(), F64),
    (|code| _ = code.f64_neg(), F64),
    (|code| _ = code.f64_ceil(), F64),
    (|code| _ = code.f64_floor(), F64),
    (|code| _ = code.f64_trunc(), F64),
    (|code| _ = code.f64_nearest(), F64),
    (|code| _ = code.f64_sqrt(), F64),
    (|code| _ = code.i32_trunc_f64_s(), I32),
    (|code| _ = code.i32_trunc_f64_u(), I32),
    (|code| _ = code.i64_trunc_f64_s(), I64),
    (|code| _ = code.i64_trunc_f64_u(), I64),
    (|code| _ = code.f32_demote_f64(), F32),
    (|code| _ = code.i64_reinterpret_f64(), I64),
];

static BINARY_I32: [Operator; 25] = [
    (|code| _ = code.i32_add(), I32),
    (|code| _ = code.i32_sub(), I32),
    (|code| _ = code.i32_mul(), I32),
    (|code| _ = code.i32_div_s(), I32),
    (|code| _ = code.i32_div_u(), I32),
    (|code| _ = code.i32_rem_s(), I32),
    (|code| _ = code.i32_rem_u(), I32),
    (|code| _ = code.i32_and(), I32),
    (|code| _ = code.i32_or(), I32),
    (|code| _ = code.i32_xor(), I32),
    (|code| _ = code.i32_shl(), I32),
    (|code| _ = code.i32_shr_s(), I32),
    (|code| _ = code.i32_shr_u(), I32),
    (|code| _ = code.i32_rotl(), I32),
    (|code| _ = code.i32_rotr(), I32),
    (|code| _ = code.i32_eq(), I32),
    (|code| _ = code.i32_ne(), I32),
    (|code| _ = code.i32_lt_s(), I32),
    (|code| _ = code.i32_lt_u(), I32),
    (|code| _ = code.i32_gt_s(), I32),
    (|code| _ = code.i32_gt_u(), I32),
    (|code| _ = code.i32_le_s(), I32),
    (|code| _ = code.i32_le_u(), I32),
    (|code| _ = code.i32_ge_s(), I32),
    (|code| _ = code.i32_ge_u(), I32),
];

static BINARY_I64: [Operator; 25] = [
    (|code| _ = code.i64_add(), I64),
    (|code| _ = code.i64_sub(), I64),
    (|code| _ = code.i64_mul(), I64),
    (|code| _ = code.i64_div_s(), I64),
    (|code| _ = code.i64_div_u(), I64),
    (|code| _ = code.i64_rem_s(), I64),
    (|code| _ = code.i64_rem_u(), I64),
    (|code| _ = code.i64_and(), I64),
    (|code| _ = code.i64_or(), I64),
    (|code| _ = code.i64_xor(), I64),
    (|code| _ = code.i64_shl(), I64),
    (|code| _ = code.i64_shr_s(), I64),
    (|code| _ = code.i64_shr_u(), I64),
    (|code| _ = code.i64_rotl(), I64),
    (|code| _ = code.i64_rotr(), I64),
    (|code| _ = code.i64_eq(), I32),
    (|code| _ = code.i64_ne(), I32),
    (|code| _ = code.i64_lt_s(), I32),
    (|code| _ = code.i64_lt_u(), I32),
    (|code| _ = code.i64_gt_s(), I32),
    (|code| _ = code.i64_gt_u(), I32),
    (|code| _ = code.i64_le_s(), I32),
    (|code| _ = code.i64_le_u(), I32),
    (|code| _ = code.i64_ge_s(), I32),
    (|code| _ = code.i64_ge_u(), I32),
];

static BINARY_F32: [Operator; 13] = [
    (|code| _ = code.f32_add(), F32),
    (|code| _ = code.f32_sub(), F32),
    (|code| _ = code.f32_mul(), F32),
    (|code| _ = code.f32_div(), F32),
    (|code| _ = code.f32_min(), F32),
    (|code| _ = code.f32_max(), F32),
    (|code| _ = code.f32_copysign(), F32),
    (|code| _ = code.f32_eq(), I32),
    (|code| _ = code.f32_ne(), I32),
    (|code| _ = code.f32_lt(), I32),
    (|code| _ = code.f32_gt(), I32),
    (|code| _ = code.f32_le(), I32),
    (|code| _ = code.f32_ge(), I32),
];

static BINARY_F64: [Operator; 13] = [
    (|code| _ = code.f64_add(), F64),
    (|code| _ = code.f64_sub(), F64),
    (|code| _ = code.f64_mul(), F64),
    (|code| _ = code.f64_div(), F64),
    (|code| _ = code.f64_min(), F64),
    (|code| _ = code.f64_max(), F64),
    (|code| _ = code.f64_copysign(), F64),
    (|code| _ = code.f64_eq(), I32),
    (|code| _ = code.f64_ne(), I32),
    (|code| _ = code.f64_lt(), I32),
    (|code| _ = code.f64_gt(), I32),
    (|code| _ = code.f64_le(), I32),
    (|code| _ = code.f64_ge(), I32),
];
