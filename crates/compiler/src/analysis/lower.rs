//! From Wasm's operators to instructions, one line each.

use crate::abi::Builtin as Bulk;
use crate::instruction::Instruction::{self, *};
use crate::instruction::{BlockSignature, Code};
use crate::module::ParsedModule;
use crate::operation::{
    Access, Condition, Conversion, Division, FloatBinary as FBinary, FloatUnary as FUnary,
    IntBinary as Binary, IntUnary as Unary, Width,
};
use crate::types::ValType;
use ValType::{F32, F64, I32, I64};
use Width::{W32, W64};
use wasmparser::{BlockType, MemArg, Operator};

/// The type of a block of a valid body.
pub(super) fn block_signature(module: &ParsedModule<'_>, ty: BlockType) -> BlockSignature {
    match ty {
        BlockType::Empty => BlockSignature::EMPTY,
        BlockType::Type(ty) => {
            BlockSignature::result(ValType::from_wasmparser(ty).expect("the type was validated"))
        }
        BlockType::FuncType(index) => {
            BlockSignature::interned(module.type_signatures[index as usize])
        }
    }
}

/// The instruction for an operator that is not about control flow or locals.
#[inline(always)]
#[rustfmt::skip]
pub(super) fn lower(operator: &Operator<'_>, code: &mut Code) -> Instruction {
    use Operator as O;
    let signed = |width| Some(width);
    // Offsets of 32-bit memories are validated to have 32 bits.
    let offset = |memarg: MemArg| memarg.offset as u32;
    match *operator {
        O::Drop => Drop,
        O::Select => Select,
        O::GlobalGet { global_index } => GlobalGet(global_index),
        O::GlobalSet { global_index } => GlobalSet(global_index),

        O::I32Const { value } => Const(I32, value as u32),
        O::I64Const { value } => code.constant_of(I64, value as u64),
        O::F32Const { value } => Const(F32, value.bits()),
        O::F64Const { value } => code.constant_of(F64, value.bits()),

        O::I32Load { memarg } => Load(I32, Access::Bits32 { signed: None }, offset(memarg)),
        O::I64Load { memarg } => Load(I64, Access::Bits64, offset(memarg)),
        O::F32Load { memarg } => Load(F32, Access::F32, offset(memarg)),
        O::F64Load { memarg } => Load(F64, Access::F64, offset(memarg)),
        O::I32Load8S { memarg } => Load(I32, Access::Bits8 { signed: signed(W32) }, offset(memarg)),
        O::I32Load8U { memarg } => Load(I32, Access::Bits8 { signed: None }, offset(memarg)),
        O::I32Load16S { memarg } => Load(I32, Access::Bits16 { signed: signed(W32) }, offset(memarg)),
        O::I32Load16U { memarg } => Load(I32, Access::Bits16 { signed: None }, offset(memarg)),
        O::I64Load8S { memarg } => Load(I64, Access::Bits8 { signed: signed(W64) }, offset(memarg)),
        O::I64Load8U { memarg } => Load(I64, Access::Bits8 { signed: None }, offset(memarg)),
        O::I64Load16S { memarg } => Load(I64, Access::Bits16 { signed: signed(W64) }, offset(memarg)),
        O::I64Load16U { memarg } => Load(I64, Access::Bits16 { signed: None }, offset(memarg)),
        O::I64Load32S { memarg } => Load(I64, Access::Bits32 { signed: signed(W64) }, offset(memarg)),
        O::I64Load32U { memarg } => Load(I64, Access::Bits32 { signed: None }, offset(memarg)),
        O::I32Store { memarg } | O::I64Store32 { memarg } => Store(Access::Bits32 { signed: None }, offset(memarg)),
        O::I32Store8 { memarg } | O::I64Store8 { memarg } => Store(Access::Bits8 { signed: None }, offset(memarg)),
        O::I32Store16 { memarg } | O::I64Store16 { memarg } => Store(Access::Bits16 { signed: None }, offset(memarg)),
        O::I64Store { memarg } => Store(Access::Bits64, offset(memarg)),
        O::F32Store { memarg } => Store(Access::F32, offset(memarg)),
        O::F64Store { memarg } => Store(Access::F64, offset(memarg)),
        O::MemorySize { .. } => MemorySize,
        O::MemoryGrow { .. } => MemoryGrow,
        O::MemoryInit { data_index, .. } => Builtin(Bulk::MemoryInit, data_index),
        O::MemoryCopy { .. } => Builtin(Bulk::MemoryCopy, 0),
        O::MemoryFill { .. } => Builtin(Bulk::MemoryFill, 0),
        O::DataDrop { data_index } => Builtin(Bulk::DataDrop, data_index),
        O::TableInit { elem_index, .. } => Builtin(Bulk::TableInit, elem_index),
        O::TableCopy { .. } => Builtin(Bulk::TableCopy, 0),
        O::ElemDrop { elem_index } => Builtin(Bulk::ElemDrop, elem_index),

        O::I32Eqz => EqualZero(W32),
        O::I64Eqz => EqualZero(W64),
        O::I32Eq => Compare(W32, Condition::Equal),
        O::I32Ne => Compare(W32, Condition::NotEqual),
        O::I32LtS => Compare(W32, Condition::LessSigned),
        O::I32LtU => Compare(W32, Condition::LessUnsigned),
        O::I32GtS => Compare(W32, Condition::GreaterSigned),
        O::I32GtU => Compare(W32, Condition::GreaterUnsigned),
        O::I32LeS => Compare(W32, Condition::LessEqualSigned),
        O::I32LeU => Compare(W32, Condition::LessEqualUnsigned),
        O::I32GeS => Compare(W32, Condition::GreaterEqualSigned),
        O::I32GeU => Compare(W32, Condition::GreaterEqualUnsigned),
        O::I64Eq => Compare(W64, Condition::Equal),
        O::I64Ne => Compare(W64, Condition::NotEqual),
        O::I64LtS => Compare(W64, Condition::LessSigned),
        O::I64LtU => Compare(W64, Condition::LessUnsigned),
        O::I64GtS => Compare(W64, Condition::GreaterSigned),
        O::I64GtU => Compare(W64, Condition::GreaterUnsigned),
        O::I64LeS => Compare(W64, Condition::LessEqualSigned),
        O::I64LeU => Compare(W64, Condition::LessEqualUnsigned),
        O::I64GeS => Compare(W64, Condition::GreaterEqualSigned),
        O::I64GeU => Compare(W64, Condition::GreaterEqualUnsigned),
        O::F32Eq => FloatCompare(W32, Condition::FloatEqual, false),
        O::F32Ne => FloatCompare(W32, Condition::FloatNotEqual, false),
        O::F32Lt => FloatCompare(W32, Condition::FloatGreater, true),
        O::F32Gt => FloatCompare(W32, Condition::FloatGreater, false),
        O::F32Le => FloatCompare(W32, Condition::FloatGreaterEqual, true),
        O::F32Ge => FloatCompare(W32, Condition::FloatGreaterEqual, false),
        O::F64Eq => FloatCompare(W64, Condition::FloatEqual, false),
        O::F64Ne => FloatCompare(W64, Condition::FloatNotEqual, false),
        O::F64Lt => FloatCompare(W64, Condition::FloatGreater, true),
        O::F64Gt => FloatCompare(W64, Condition::FloatGreater, false),
        O::F64Le => FloatCompare(W64, Condition::FloatGreaterEqual, true),
        O::F64Ge => FloatCompare(W64, Condition::FloatGreaterEqual, false),

        O::I32Clz => IntUnary(Unary::Clz, W32, I32),
        O::I32Ctz => IntUnary(Unary::Ctz, W32, I32),
        O::I32Popcnt => IntUnary(Unary::Popcnt, W32, I32),
        O::I64Clz => IntUnary(Unary::Clz, W64, I64),
        O::I64Ctz => IntUnary(Unary::Ctz, W64, I64),
        O::I64Popcnt => IntUnary(Unary::Popcnt, W64, I64),
        O::I32Extend8S => IntUnary(Unary::Extend8S, W32, I32),
        O::I32Extend16S => IntUnary(Unary::Extend16S, W32, I32),
        O::I64Extend8S => IntUnary(Unary::Extend8S, W64, I64),
        O::I64Extend16S => IntUnary(Unary::Extend16S, W64, I64),
        O::I64Extend32S | O::I64ExtendI32S => IntUnary(Unary::Extend32S, W64, I64),
        O::I64ExtendI32U => ExtendUnsigned,
        O::I32WrapI64 => IntUnary(Unary::Wrap, W32, I32),

        O::I32Add => IntBinary(Binary::Add, W32),
        O::I32Sub => IntBinary(Binary::Sub, W32),
        O::I32Mul => IntBinary(Binary::Mul, W32),
        O::I32And => IntBinary(Binary::And, W32),
        O::I32Or => IntBinary(Binary::Or, W32),
        O::I32Xor => IntBinary(Binary::Xor, W32),
        O::I32Shl => IntBinary(Binary::Shl, W32),
        O::I32ShrS => IntBinary(Binary::ShrS, W32),
        O::I32ShrU => IntBinary(Binary::ShrU, W32),
        O::I32Rotl => IntBinary(Binary::Rotl, W32),
        O::I32Rotr => IntBinary(Binary::Rotr, W32),
        O::I64Add => IntBinary(Binary::Add, W64),
        O::I64Sub => IntBinary(Binary::Sub, W64),
        O::I64Mul => IntBinary(Binary::Mul, W64),
        O::I64And => IntBinary(Binary::And, W64),
        O::I64Or => IntBinary(Binary::Or, W64),
        O::I64Xor => IntBinary(Binary::Xor, W64),
        O::I64Shl => IntBinary(Binary::Shl, W64),
        O::I64ShrS => IntBinary(Binary::ShrS, W64),
        O::I64ShrU => IntBinary(Binary::ShrU, W64),
        O::I64Rotl => IntBinary(Binary::Rotl, W64),
        O::I64Rotr => IntBinary(Binary::Rotr, W64),
        O::I32DivS => Divide(Division::DivS, W32),
        O::I32DivU => Divide(Division::DivU, W32),
        O::I32RemS => Divide(Division::RemS, W32),
        O::I32RemU => Divide(Division::RemU, W32),
        O::I64DivS => Divide(Division::DivS, W64),
        O::I64DivU => Divide(Division::DivU, W64),
        O::I64RemS => Divide(Division::RemS, W64),
        O::I64RemU => Divide(Division::RemU, W64),

        O::F32Abs => FloatUnary(FUnary::Abs, F32),
        O::F32Neg => FloatUnary(FUnary::Neg, F32),
        O::F32Ceil => FloatUnary(FUnary::Ceil, F32),
        O::F32Floor => FloatUnary(FUnary::Floor, F32),
        O::F32Trunc => FloatUnary(FUnary::Trunc, F32),
        O::F32Nearest => FloatUnary(FUnary::Nearest, F32),
        O::F32Sqrt => FloatUnary(FUnary::Sqrt, F32),
        O::F64Abs => FloatUnary(FUnary::Abs, F64),
        O::F64Neg => FloatUnary(FUnary::Neg, F64),
        O::F64Ceil => FloatUnary(FUnary::Ceil, F64),
        O::F64Floor => FloatUnary(FUnary::Floor, F64),
        O::F64Trunc => FloatUnary(FUnary::Trunc, F64),
        O::F64Nearest => FloatUnary(FUnary::Nearest, F64),
        O::F64Sqrt => FloatUnary(FUnary::Sqrt, F64),
        O::F32Add => FloatBinary(FBinary::Add, F32),
        O::F32Sub => FloatBinary(FBinary::Sub, F32),
        O::F32Mul => FloatBinary(FBinary::Mul, F32),
        O::F32Div => FloatBinary(FBinary::Div, F32),
        O::F32Min => FloatBinary(FBinary::Min, F32),
        O::F32Max => FloatBinary(FBinary::Max, F32),
        O::F32Copysign => FloatBinary(FBinary::Copysign, F32),
        O::F64Add => FloatBinary(FBinary::Add, F64),
        O::F64Sub => FloatBinary(FBinary::Sub, F64),
        O::F64Mul => FloatBinary(FBinary::Mul, F64),
        O::F64Div => FloatBinary(FBinary::Div, F64),
        O::F64Min => FloatBinary(FBinary::Min, F64),
        O::F64Max => FloatBinary(FBinary::Max, F64),
        O::F64Copysign => FloatBinary(FBinary::Copysign, F64),

        O::I32TruncF32S => Convert(Conversion::Truncate { from: W32, to: W32, signed: true }, I32),
        O::I32TruncF32U => Convert(Conversion::Truncate { from: W32, to: W32, signed: false }, I32),
        O::I32TruncF64S => Convert(Conversion::Truncate { from: W64, to: W32, signed: true }, I32),
        O::I32TruncF64U => Convert(Conversion::Truncate { from: W64, to: W32, signed: false }, I32),
        O::I64TruncF32S => Convert(Conversion::Truncate { from: W32, to: W64, signed: true }, I64),
        O::I64TruncF32U => Convert(Conversion::Truncate { from: W32, to: W64, signed: false }, I64),
        O::I64TruncF64S => Convert(Conversion::Truncate { from: W64, to: W64, signed: true }, I64),
        O::I64TruncF64U => Convert(Conversion::Truncate { from: W64, to: W64, signed: false }, I64),
        O::I32TruncSatF32S => Convert(Conversion::TruncateSaturating { from: W32, to: W32, signed: true }, I32),
        O::I32TruncSatF32U => Convert(Conversion::TruncateSaturating { from: W32, to: W32, signed: false }, I32),
        O::I32TruncSatF64S => Convert(Conversion::TruncateSaturating { from: W64, to: W32, signed: true }, I32),
        O::I32TruncSatF64U => Convert(Conversion::TruncateSaturating { from: W64, to: W32, signed: false }, I32),
        O::I64TruncSatF32S => Convert(Conversion::TruncateSaturating { from: W32, to: W64, signed: true }, I64),
        O::I64TruncSatF32U => Convert(Conversion::TruncateSaturating { from: W32, to: W64, signed: false }, I64),
        O::I64TruncSatF64S => Convert(Conversion::TruncateSaturating { from: W64, to: W64, signed: true }, I64),
        O::I64TruncSatF64U => Convert(Conversion::TruncateSaturating { from: W64, to: W64, signed: false }, I64),
        O::F32ConvertI32S => Convert(Conversion::Convert { from: W32, to: W32, signed: true }, F32),
        O::F32ConvertI32U => Convert(Conversion::Convert { from: W32, to: W32, signed: false }, F32),
        O::F32ConvertI64S => Convert(Conversion::Convert { from: W64, to: W32, signed: true }, F32),
        O::F32ConvertI64U => Convert(Conversion::Convert { from: W64, to: W32, signed: false }, F32),
        O::F64ConvertI32S => Convert(Conversion::Convert { from: W32, to: W64, signed: true }, F64),
        O::F64ConvertI32U => Convert(Conversion::Convert { from: W32, to: W64, signed: false }, F64),
        O::F64ConvertI64S => Convert(Conversion::Convert { from: W64, to: W64, signed: true }, F64),
        O::F64ConvertI64U => Convert(Conversion::Convert { from: W64, to: W64, signed: false }, F64),
        O::F32DemoteF64 => Convert(Conversion::Demote, F32),
        O::F64PromoteF32 => Convert(Conversion::Promote, F64),
        O::I32ReinterpretF32 => Convert(Conversion::ReinterpretToInt(W32), I32),
        O::I64ReinterpretF64 => Convert(Conversion::ReinterpretToInt(W64), I64),
        O::F32ReinterpretI32 => Convert(Conversion::ReinterpretToFloat(W32), F32),
        O::F64ReinterpretI64 => Convert(Conversion::ReinterpretToFloat(W64), F64),
    ref other => unreachable!("what is not accepted does not pass the validator: {other:?}"),
    }
}
