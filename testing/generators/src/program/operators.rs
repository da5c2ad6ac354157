//! The operators of the accepted language by their operands and results.

use pvf_rules::Features;
use wasm_encoder::Instruction::{self, *};
use wasm_encoder::{MemArg, ValType};

type Operators = &'static [Instruction<'static>];

/// Operators `[ty, ty] -> [ty]` that never trap.
pub fn binary(ty: ValType) -> Operators {
    match ty {
        ValType::I32 => &[
            I32Add, I32Sub, I32Mul, I32And, I32Or, I32Xor, I32Shl, I32ShrS, I32ShrU, I32Rotl,
            I32Rotr,
        ],
        ValType::I64 => &[
            I64Add, I64Sub, I64Mul, I64And, I64Or, I64Xor, I64Shl, I64ShrS, I64ShrU, I64Rotl,
            I64Rotr,
        ],
        ValType::F32 => &[F32Add, F32Sub, F32Mul, F32Div, F32Min, F32Max, F32Copysign],
        _ => &[F64Add, F64Sub, F64Mul, F64Div, F64Min, F64Max, F64Copysign],
    }
}

/// Integer operators that may trap.
pub fn division(ty: ValType) -> Operators {
    match ty {
        ValType::I32 => &[I32DivS, I32DivU, I32RemS, I32RemU],
        _ => &[I64DivS, I64DivU, I64RemS, I64RemU],
    }
}

/// Operators `[ty] -> [ty]`.
pub fn unary(ty: ValType) -> Operators {
    match ty {
        ValType::I32 => &[I32Clz, I32Ctz, I32Popcnt, I32Eqz],
        ValType::I64 => &[I64Clz, I64Ctz, I64Popcnt],
        ValType::F32 => &[
            F32Abs, F32Neg, F32Ceil, F32Floor, F32Trunc, F32Nearest, F32Sqrt,
        ],
        _ => &[
            F64Abs, F64Neg, F64Ceil, F64Floor, F64Trunc, F64Nearest, F64Sqrt,
        ],
    }
}

/// Operators `[ty, ty] -> [i32]`.
pub fn comparison(ty: ValType) -> Operators {
    match ty {
        ValType::I32 => &[
            I32Eq, I32Ne, I32LtS, I32LtU, I32GtS, I32GtU, I32LeS, I32LeU, I32GeS, I32GeU,
        ],
        ValType::I64 => &[
            I64Eq, I64Ne, I64LtS, I64LtU, I64GtS, I64GtU, I64LeS, I64LeU, I64GeS, I64GeU,
        ],
        ValType::F32 => &[F32Eq, F32Ne, F32Lt, F32Gt, F32Le, F32Ge],
        _ => &[F64Eq, F64Ne, F64Lt, F64Gt, F64Le, F64Ge],
    }
}

/// Operators `[source] -> [ty]` that never trap, with their source types.
pub fn conversions(ty: ValType) -> &'static [(ValType, Instruction<'static>)] {
    use ValType as T;
    match ty {
        T::I32 => &[
            (T::I64, I32WrapI64),
            (T::I64, I64Eqz),
            (T::F32, I32ReinterpretF32),
        ],
        T::I64 => &[
            (T::I32, I64ExtendI32S),
            (T::I32, I64ExtendI32U),
            (T::F64, I64ReinterpretF64),
        ],
        T::F32 => &[
            (T::I32, F32ConvertI32S),
            (T::I32, F32ConvertI32U),
            (T::I64, F32ConvertI64S),
            (T::I64, F32ConvertI64U),
            (T::F64, F32DemoteF64),
            (T::I32, F32ReinterpretI32),
        ],
        _ => &[
            (T::I32, F64ConvertI32S),
            (T::I32, F64ConvertI32U),
            (T::I64, F64ConvertI64S),
            (T::I64, F64ConvertI64U),
            (T::F32, F64PromoteF32),
            (T::I64, F64ReinterpretI64),
        ],
    }
}

/// Operators from floats to integers that may trap, with their source types.
pub fn truncations(ty: ValType) -> &'static [(ValType, Instruction<'static>)] {
    use ValType as T;
    match ty {
        T::I32 => &[
            (T::F32, I32TruncF32S),
            (T::F32, I32TruncF32U),
            (T::F64, I32TruncF64S),
            (T::F64, I32TruncF64U),
        ],
        _ => &[
            (T::F32, I64TruncF32S),
            (T::F32, I64TruncF32U),
            (T::F64, I64TruncF64S),
            (T::F64, I64TruncF64U),
        ],
    }
}

/// Operators that a language switch enables, with their source types.
pub fn switched(ty: ValType, features: Features) -> Vec<(ValType, Instruction<'static>)> {
    use ValType as T;
    let mut operators = Vec::new();
    if features.saturating_float_to_int && ty == T::I32 {
        operators.extend([
            (T::F32, I32TruncSatF32S),
            (T::F32, I32TruncSatF32U),
            (T::F64, I32TruncSatF64S),
            (T::F64, I32TruncSatF64U),
        ]);
    }
    if features.saturating_float_to_int && ty == T::I64 {
        operators.extend([
            (T::F32, I64TruncSatF32S),
            (T::F32, I64TruncSatF32U),
            (T::F64, I64TruncSatF64S),
            (T::F64, I64TruncSatF64U),
        ]);
    }
    if features.sign_extension && ty == T::I32 {
        operators.extend([(T::I32, I32Extend8S), (T::I32, I32Extend16S)]);
    }
    if features.sign_extension && ty == T::I64 {
        operators.extend([
            (T::I64, I64Extend8S),
            (T::I64, I64Extend16S),
            (T::I64, I64Extend32S),
        ]);
    }
    operators
}

/// Loads of a type; the immediate is filled in.
pub fn loads(ty: ValType, at: MemArg) -> Vec<Instruction<'static>> {
    match ty {
        ValType::I32 => vec![
            I32Load(at),
            I32Load8S(at),
            I32Load8U(at),
            I32Load16S(at),
            I32Load16U(at),
        ],
        ValType::I64 => vec![
            I64Load(at),
            I64Load8S(at),
            I64Load8U(at),
            I64Load16S(at),
            I64Load16U(at),
            I64Load32S(at),
            I64Load32U(at),
        ],
        ValType::F32 => vec![F32Load(at)],
        _ => vec![F64Load(at)],
    }
}

/// Stores of a type; the immediate is filled in.
pub fn stores(ty: ValType, at: MemArg) -> Vec<Instruction<'static>> {
    match ty {
        ValType::I32 => vec![I32Store(at), I32Store8(at), I32Store16(at)],
        ValType::I64 => vec![I64Store(at), I64Store8(at), I64Store16(at), I64Store32(at)],
        ValType::F32 => vec![F32Store(at)],
        _ => vec![F64Store(at)],
    }
}
