//! The operators that take operands and give a result and do nothing else to a body, one line each: their types, and
//! the instructions that they become.

use super::validator::{Operand, Pattern};
use crate::instruction::Instruction::{self, *};
use crate::operation::{
    Access, Condition, Conversion, Division, FloatBinary as FBinary, FloatUnary as FUnary,
    IntBinary as Binary, IntUnary as Unary, Width,
};
use crate::types::ValType;
use ValType::{F32, F64, I32, I64};
use Width::{W32, W64};
use pvf_metering::Instruction as Metered;

/// An operator without immediates: one or two operands, one result.
pub(super) struct Numeric {
    pub operands: Pattern,
    pub result: Operand,
    /// Truncates a float, and can trap.
    pub truncates: bool,
    /// Its name for the meters.
    pub metered: Metered,
    pub instruction: Instruction,
}

const _: () = assert!(size_of::<Numeric>() == 16);

/// A load or a store.
pub(super) struct MemoryOperator {
    pub ty: ValType,
    pub access: Access,
    pub stores: bool,
    /// The greatest alignment, as a power of two.
    pub alignment: u8,
    /// Its name for the meters.
    pub metered: Metered,
}

macro_rules! numeric {
    ($($code:literal $name:ident: $($param:ident)+ => $result:ident, $instruction:expr;)*) => {{
        const CODES: &[u8] = &[$($code),*];
        const { assert_consecutive(CODES) };
        [$(Numeric {
            operands: Pattern::of(&[$(Operand::of($param)),+]),
            result: Operand::of($result),
            truncates: matches!($instruction, Convert(Conversion::Truncate { .. }, _)),
            metered: Metered::$name,
            instruction: $instruction,
        }),*]
    }};
}

macro_rules! memory {
    ($($code:literal $name:ident: $kind:ident $ty:ident, $alignment:literal, $access:expr;)*) => {{
        const CODES: &[u8] = &[$($code),*];
        const { assert_consecutive(CODES) };
        [$(MemoryOperator {
            ty: $ty,
            access: $access,
            stores: matches!(stringify!($kind).as_bytes(), b"Store"),
            alignment: $alignment,
            metered: Metered::$name,
        }),*]
    }};
}

/// A table is found by the distance from its first code.
const fn assert_consecutive(codes: &[u8]) {
    let mut at = 1;
    while at < codes.len() {
        assert!(codes[at] == codes[at - 1] + 1, "a code is missing");
        at += 1;
    }
}

/// The code of the first numeric operator.
pub(super) const FIRST_NUMERIC: u8 = 0x45;

/// The code of the first numeric operator that sign extension brought.
pub(super) const FIRST_SIGN_EXTENSION: u8 = 0xc0;

/// The code of the first load; the stores follow the loads.
pub(super) const FIRST_MEMORY: u8 = 0x28;

/// By code, from [`FIRST_NUMERIC`] on. (One code would be the name of a machine without the `_`, and no machine is named
/// here.)
#[rustfmt::skip]
pub(super) static NUMERIC: [Numeric; 128] = numeric! {
    0x45 I32Eqz: I32 => I32, EqualZero(W32);
    0x46 I32Eq: I32 I32 => I32, Compare(W32, Condition::Equal);
    0x47 I32Ne: I32 I32 => I32, Compare(W32, Condition::NotEqual);
    0x48 I32LtS: I32 I32 => I32, Compare(W32, Condition::LessSigned);
    0x49 I32LtU: I32 I32 => I32, Compare(W32, Condition::LessUnsigned);
    0x4a I32GtS: I32 I32 => I32, Compare(W32, Condition::GreaterSigned);
    0x4b I32GtU: I32 I32 => I32, Compare(W32, Condition::GreaterUnsigned);
    0x4c I32LeS: I32 I32 => I32, Compare(W32, Condition::LessEqualSigned);
    0x4d I32LeU: I32 I32 => I32, Compare(W32, Condition::LessEqualUnsigned);
    0x4e I32GeS: I32 I32 => I32, Compare(W32, Condition::GreaterEqualSigned);
    0x4f I32GeU: I32 I32 => I32, Compare(W32, Condition::GreaterEqualUnsigned);
    0x50 I64Eqz: I64 => I32, EqualZero(W64);
    0x51 I64Eq: I64 I64 => I32, Compare(W64, Condition::Equal);
    0x52 I64Ne: I64 I64 => I32, Compare(W64, Condition::NotEqual);
    0x53 I64LtS: I64 I64 => I32, Compare(W64, Condition::LessSigned);
    0x54 I64LtU: I64 I64 => I32, Compare(W64, Condition::LessUnsigned);
    0x55 I64GtS: I64 I64 => I32, Compare(W64, Condition::GreaterSigned);
    0x56 I64GtU: I64 I64 => I32, Compare(W64, Condition::GreaterUnsigned);
    0x57 I64LeS: I64 I64 => I32, Compare(W64, Condition::LessEqualSigned);
    0x58 I64LeU: I64 I64 => I32, Compare(W64, Condition::LessEqualUnsigned);
    0x59 I64GeS: I64 I64 => I32, Compare(W64, Condition::GreaterEqualSigned);
    0x5a I64GeU: I64 I64 => I32, Compare(W64, Condition::GreaterEqualUnsigned);
    0x5b F32Eq: F32 F32 => I32, FloatCompare(W32, Condition::FloatEqual, false);
    0x5c F32Ne: F32 F32 => I32, FloatCompare(W32, Condition::FloatNotEqual, false);
    0x5d F32Lt: F32 F32 => I32, FloatCompare(W32, Condition::FloatGreater, true);
    0x5e F32Gt: F32 F32 => I32, FloatCompare(W32, Condition::FloatGreater, false);
    0x5f F32Le: F32 F32 => I32, FloatCompare(W32, Condition::FloatGreaterEqual, true);
    0x60 F32Ge: F32 F32 => I32, FloatCompare(W32, Condition::FloatGreaterEqual, false);
    0x61 F64Eq: F64 F64 => I32, FloatCompare(W64, Condition::FloatEqual, false);
    0x62 F64Ne: F64 F64 => I32, FloatCompare(W64, Condition::FloatNotEqual, false);
    0x63 F64Lt: F64 F64 => I32, FloatCompare(W64, Condition::FloatGreater, true);
    0x64 F64Gt: F64 F64 => I32, FloatCompare(W64, Condition::FloatGreater, false);
    0x65 F64Le: F64 F64 => I32, FloatCompare(W64, Condition::FloatGreaterEqual, true);
    0x66 F64Ge: F64 F64 => I32, FloatCompare(W64, Condition::FloatGreaterEqual, false);
    0x67 I32Clz: I32 => I32, IntUnary(Unary::Clz, W32, I32);
    0x68 I32Ctz: I32 => I32, IntUnary(Unary::Ctz, W32, I32);
    0x69 I32Popcnt: I32 => I32, IntUnary(Unary::Popcnt, W32, I32);
    0x6a I32Add: I32 I32 => I32, IntBinary(Binary::Add, W32);
    0x6b I32Sub: I32 I32 => I32, IntBinary(Binary::Sub, W32);
    0x6c I32Mul: I32 I32 => I32, IntBinary(Binary::Mul, W32);
    0x6d I32DivS: I32 I32 => I32, Divide(Division::DivS, W32);
    0x6e I32DivU: I32 I32 => I32, Divide(Division::DivU, W32);
    0x6f I32RemS: I32 I32 => I32, Divide(Division::RemS, W32);
    0x70 I32RemU: I32 I32 => I32, Divide(Division::RemU, W32);
    0x71 I32And: I32 I32 => I32, IntBinary(Binary::And, W32);
    0x72 I32Or: I32 I32 => I32, IntBinary(Binary::Or, W32);
    0x73 I32Xor: I32 I32 => I32, IntBinary(Binary::Xor, W32);
    0x74 I32Shl: I32 I32 => I32, IntBinary(Binary::Shl, W32);
    0x75 I32ShrS: I32 I32 => I32, IntBinary(Binary::ShrS, W32);
    0x76 I32ShrU: I32 I32 => I32, IntBinary(Binary::ShrU, W32);
    0x77 I32Rotl: I32 I32 => I32, IntBinary(Binary::Rotl, W32);
    0x78 I32Rotr: I32 I32 => I32, IntBinary(Binary::Rotr, W32);
    0x79 I64Clz: I64 => I64, IntUnary(Unary::Clz, W64, I64);
    0x7a I64Ctz: I64 => I64, IntUnary(Unary::Ctz, W64, I64);
    0x7b I64Popcnt: I64 => I64, IntUnary(Unary::Popcnt, W64, I64);
    0x7c I64Add: I64 I64 => I64, IntBinary(Binary::Add, W64);
    0x7d I64Sub: I64 I64 => I64, IntBinary(Binary::Sub, W64);
    0x7e I64Mul: I64 I64 => I64, IntBinary(Binary::Mul, W64);
    0x7f I64DivS: I64 I64 => I64, Divide(Division::DivS, W64);
    0x80 I64DivU: I64 I64 => I64, Divide(Division::DivU, W64);
    0x81 I64RemS: I64 I64 => I64, Divide(Division::RemS, W64);
    0x82 I64RemU: I64 I64 => I64, Divide(Division::RemU, W64);
    0x83 I64And: I64 I64 => I64, IntBinary(Binary::And, W64);
    0x84 I64Or: I64 I64 => I64, IntBinary(Binary::Or, W64);
    0x85 I64Xor: I64 I64 => I64, IntBinary(Binary::Xor, W64);
    0x_86 I64Shl: I64 I64 => I64, IntBinary(Binary::Shl, W64);
    0x87 I64ShrS: I64 I64 => I64, IntBinary(Binary::ShrS, W64);
    0x88 I64ShrU: I64 I64 => I64, IntBinary(Binary::ShrU, W64);
    0x89 I64Rotl: I64 I64 => I64, IntBinary(Binary::Rotl, W64);
    0x8a I64Rotr: I64 I64 => I64, IntBinary(Binary::Rotr, W64);
    0x8b F32Abs: F32 => F32, FloatUnary(FUnary::Abs, F32);
    0x8c F32Neg: F32 => F32, FloatUnary(FUnary::Neg, F32);
    0x8d F32Ceil: F32 => F32, FloatUnary(FUnary::Ceil, F32);
    0x8e F32Floor: F32 => F32, FloatUnary(FUnary::Floor, F32);
    0x8f F32Trunc: F32 => F32, FloatUnary(FUnary::Trunc, F32);
    0x90 F32Nearest: F32 => F32, FloatUnary(FUnary::Nearest, F32);
    0x91 F32Sqrt: F32 => F32, FloatUnary(FUnary::Sqrt, F32);
    0x92 F32Add: F32 F32 => F32, FloatBinary(FBinary::Add, F32);
    0x93 F32Sub: F32 F32 => F32, FloatBinary(FBinary::Sub, F32);
    0x94 F32Mul: F32 F32 => F32, FloatBinary(FBinary::Mul, F32);
    0x95 F32Div: F32 F32 => F32, FloatBinary(FBinary::Div, F32);
    0x96 F32Min: F32 F32 => F32, FloatBinary(FBinary::Min, F32);
    0x97 F32Max: F32 F32 => F32, FloatBinary(FBinary::Max, F32);
    0x98 F32Copysign: F32 F32 => F32, FloatBinary(FBinary::Copysign, F32);
    0x99 F64Abs: F64 => F64, FloatUnary(FUnary::Abs, F64);
    0x9a F64Neg: F64 => F64, FloatUnary(FUnary::Neg, F64);
    0x9b F64Ceil: F64 => F64, FloatUnary(FUnary::Ceil, F64);
    0x9c F64Floor: F64 => F64, FloatUnary(FUnary::Floor, F64);
    0x9d F64Trunc: F64 => F64, FloatUnary(FUnary::Trunc, F64);
    0x9e F64Nearest: F64 => F64, FloatUnary(FUnary::Nearest, F64);
    0x9f F64Sqrt: F64 => F64, FloatUnary(FUnary::Sqrt, F64);
    0xa0 F64Add: F64 F64 => F64, FloatBinary(FBinary::Add, F64);
    0xa1 F64Sub: F64 F64 => F64, FloatBinary(FBinary::Sub, F64);
    0xa2 F64Mul: F64 F64 => F64, FloatBinary(FBinary::Mul, F64);
    0xa3 F64Div: F64 F64 => F64, FloatBinary(FBinary::Div, F64);
    0xa4 F64Min: F64 F64 => F64, FloatBinary(FBinary::Min, F64);
    0xa5 F64Max: F64 F64 => F64, FloatBinary(FBinary::Max, F64);
    0xa6 F64Copysign: F64 F64 => F64, FloatBinary(FBinary::Copysign, F64);
    0xa7 I32WrapI64: I64 => I32, IntUnary(Unary::Wrap, W32, I32);
    0xa8 I32TruncF32S: F32 => I32, Convert(Conversion::Truncate { from: W32, to: W32, signed: true }, I32);
    0xa9 I32TruncF32U: F32 => I32, Convert(Conversion::Truncate { from: W32, to: W32, signed: false }, I32);
    0xaa I32TruncF64S: F64 => I32, Convert(Conversion::Truncate { from: W64, to: W32, signed: true }, I32);
    0xab I32TruncF64U: F64 => I32, Convert(Conversion::Truncate { from: W64, to: W32, signed: false }, I32);
    0xac I64ExtendI32S: I32 => I64, IntUnary(Unary::Extend32S, W64, I64);
    0xad I64ExtendI32U: I32 => I64, ExtendUnsigned;
    0xae I64TruncF32S: F32 => I64, Convert(Conversion::Truncate { from: W32, to: W64, signed: true }, I64);
    0xaf I64TruncF32U: F32 => I64, Convert(Conversion::Truncate { from: W32, to: W64, signed: false }, I64);
    0xb0 I64TruncF64S: F64 => I64, Convert(Conversion::Truncate { from: W64, to: W64, signed: true }, I64);
    0xb1 I64TruncF64U: F64 => I64, Convert(Conversion::Truncate { from: W64, to: W64, signed: false }, I64);
    0xb2 F32ConvertI32S: I32 => F32, Convert(Conversion::Convert { from: W32, to: W32, signed: true }, F32);
    0xb3 F32ConvertI32U: I32 => F32, Convert(Conversion::Convert { from: W32, to: W32, signed: false }, F32);
    0xb4 F32ConvertI64S: I64 => F32, Convert(Conversion::Convert { from: W64, to: W32, signed: true }, F32);
    0xb5 F32ConvertI64U: I64 => F32, Convert(Conversion::Convert { from: W64, to: W32, signed: false }, F32);
    0xb6 F32DemoteF64: F64 => F32, Convert(Conversion::Demote, F32);
    0xb7 F64ConvertI32S: I32 => F64, Convert(Conversion::Convert { from: W32, to: W64, signed: true }, F64);
    0xb8 F64ConvertI32U: I32 => F64, Convert(Conversion::Convert { from: W32, to: W64, signed: false }, F64);
    0xb9 F64ConvertI64S: I64 => F64, Convert(Conversion::Convert { from: W64, to: W64, signed: true }, F64);
    0xba F64ConvertI64U: I64 => F64, Convert(Conversion::Convert { from: W64, to: W64, signed: false }, F64);
    0xbb F64PromoteF32: F32 => F64, Convert(Conversion::Promote, F64);
    0xbc I32ReinterpretF32: F32 => I32, Convert(Conversion::ReinterpretToInt(W32), I32);
    0xbd I64ReinterpretF64: F64 => I64, Convert(Conversion::ReinterpretToInt(W64), I64);
    0xbe F32ReinterpretI32: I32 => F32, Convert(Conversion::ReinterpretToFloat(W32), F32);
    0xbf F64ReinterpretI64: I64 => F64, Convert(Conversion::ReinterpretToFloat(W64), F64);
    0xc0 I32Extend8S: I32 => I32, IntUnary(Unary::Extend8S, W32, I32);
    0xc1 I32Extend16S: I32 => I32, IntUnary(Unary::Extend16S, W32, I32);
    0xc2 I64Extend8S: I64 => I64, IntUnary(Unary::Extend8S, W64, I64);
    0xc3 I64Extend16S: I64 => I64, IntUnary(Unary::Extend16S, W64, I64);
    0xc4 I64Extend32S: I64 => I64, IntUnary(Unary::Extend32S, W64, I64);
};

/// By the number after the prefix.
#[rustfmt::skip]
pub(super) static SATURATING: [Numeric; 8] = numeric! {
    0x00 I32TruncSatF32S: F32 => I32, Convert(Conversion::TruncateSaturating { from: W32, to: W32, signed: true }, I32);
    0x01 I32TruncSatF32U: F32 => I32, Convert(Conversion::TruncateSaturating { from: W32, to: W32, signed: false }, I32);
    0x02 I32TruncSatF64S: F64 => I32, Convert(Conversion::TruncateSaturating { from: W64, to: W32, signed: true }, I32);
    0x03 I32TruncSatF64U: F64 => I32, Convert(Conversion::TruncateSaturating { from: W64, to: W32, signed: false }, I32);
    0x04 I64TruncSatF32S: F32 => I64, Convert(Conversion::TruncateSaturating { from: W32, to: W64, signed: true }, I64);
    0x05 I64TruncSatF32U: F32 => I64, Convert(Conversion::TruncateSaturating { from: W32, to: W64, signed: false }, I64);
    0x06 I64TruncSatF64S: F64 => I64, Convert(Conversion::TruncateSaturating { from: W64, to: W64, signed: true }, I64);
    0x07 I64TruncSatF64U: F64 => I64, Convert(Conversion::TruncateSaturating { from: W64, to: W64, signed: false }, I64);
};

/// By code, from [`FIRST_MEMORY`] on.
#[rustfmt::skip]
pub(super) static MEMORY: [MemoryOperator; 23] = memory! {
    0x28 I32Load: Load I32, 2, Access::Bits32 { signed: None };
    0x29 I64Load: Load I64, 3, Access::Bits64;
    0x2a F32Load: Load F32, 2, Access::F32;
    0x2b F64Load: Load F64, 3, Access::F64;
    0x2c I32Load8S: Load I32, 0, Access::Bits8 { signed: Some(W32) };
    0x2d I32Load8U: Load I32, 0, Access::Bits8 { signed: None };
    0x2e I32Load16S: Load I32, 1, Access::Bits16 { signed: Some(W32) };
    0x2f I32Load16U: Load I32, 1, Access::Bits16 { signed: None };
    0x30 I64Load8S: Load I64, 0, Access::Bits8 { signed: Some(W64) };
    0x31 I64Load8U: Load I64, 0, Access::Bits8 { signed: None };
    0x32 I64Load16S: Load I64, 1, Access::Bits16 { signed: Some(W64) };
    0x33 I64Load16U: Load I64, 1, Access::Bits16 { signed: None };
    0x34 I64Load32S: Load I64, 2, Access::Bits32 { signed: Some(W64) };
    0x35 I64Load32U: Load I64, 2, Access::Bits32 { signed: None };
    0x36 I32Store: Store I32, 2, Access::Bits32 { signed: None };
    0x37 I64Store: Store I64, 3, Access::Bits64;
    0x38 F32Store: Store F32, 2, Access::F32;
    0x39 F64Store: Store F64, 3, Access::F64;
    0x3a I32Store8: Store I32, 0, Access::Bits8 { signed: None };
    0x3b I32Store16: Store I32, 1, Access::Bits16 { signed: None };
    0x3c I64Store8: Store I64, 0, Access::Bits8 { signed: None };
    0x3d I64Store16: Store I64, 1, Access::Bits16 { signed: None };
    0x3e I64Store32: Store I64, 2, Access::Bits32 { signed: None };
};

impl MemoryOperator {
    /// The instruction with this offset.
    #[inline(always)]
    pub fn instruction(&self, offset: u32) -> Instruction {
        match self.stores {
            true => Store(self.access, offset),
            false => Load(self.ty, self.access, offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Validator, WasmFeatures};

    const TYPES: [ValType; 4] = [I32, I64, F32, F64];

    fn byte(ty: ValType) -> u8 {
        0x7f - ty as u8
    }

    /// Whether wasmparser accepts a function of one parameter of each type whose body has these operators.
    fn accepts(results: &[ValType], operators: &[u8]) -> bool {
        let section = |id: u8, contents: &[u8]| [&[id, contents.len() as u8], contents].concat();
        let params = TYPES.map(byte);
        let results: Vec<u8> = results.iter().copied().map(byte).collect();
        let ty = [&[1, 0x60, 4], &params[..], &[results.len() as u8], &results].concat();
        let body = [&[0], operators, &[0x0b]].concat();
        let wasm = [
            b"\0asm\x01\0\0\0".to_vec(),
            section(1, &ty),
            section(3, &[1, 0]),
            section(5, &[1, 0, 1]),
            section(10, &[&[1, body.len() as u8], &body[..]].concat()),
        ];
        let features = WasmFeatures::WASM1
            | WasmFeatures::SIGN_EXTENSION
            | WasmFeatures::SATURATING_FLOAT_TO_INT;
        let mut validator = Validator::new_with_features(features);
        validator.validate_all(&wasm.concat()).is_ok()
    }

    fn locals(types: &[ValType]) -> Vec<u8> {
        types.iter().flat_map(|&ty| [0x20, ty as u8]).collect()
    }

    /// All lists of so many types.
    fn lists(count: usize) -> Vec<Vec<ValType>> {
        (0..count).fold(vec![vec![]], |lists, _| {
            let longer = lists
                .iter()
                .flat_map(|list| TYPES.map(|ty| [&list[..], &[ty]].concat()));
            longer.collect()
        })
    }

    /// Of all types that an operator could have, wasmparser accepts those of the table alone.
    #[test]
    fn numeric_operators_have_the_types_of_wasmparser() {
        let plain = (FIRST_NUMERIC..)
            .zip(&NUMERIC)
            .map(|(code, numeric)| (vec![code], numeric));
        let prefixed = (0..)
            .zip(&SATURATING)
            .map(|(code, numeric)| (vec![0xfc, code], numeric));
        for (code, numeric) in plain.chain(prefixed) {
            let mut accepted = Vec::new();
            for operands in [lists(1), lists(2)].concat() {
                for result in TYPES {
                    if accepts(&[result], &[locals(&operands), code.clone()].concat()) {
                        accepted.push((operands.clone(), result));
                    }
                }
            }
            let table = numeric.operands.last_first();
            let mut table: Vec<Operand> = table.collect();
            table.reverse();
            let [(operands, result)] = &accepted[..] else {
                panic!("{:?}: {accepted:?}", numeric.metered);
            };
            let operands: Vec<Operand> = operands.iter().map(|&ty| Operand::of(ty)).collect();
            assert_eq!(table, operands, "{:?}", numeric.metered);
            assert_eq!(
                numeric.result,
                Operand::of(*result),
                "{:?}",
                numeric.metered
            );
        }
    }

    #[test]
    fn memory_operators_have_the_types_of_wasmparser() {
        for (code, operator) in (FIRST_MEMORY..).zip(&MEMORY) {
            for types in lists(2) {
                let [address, value] = types[..] else {
                    unreachable!("two types each");
                };
                for alignment in 0..8 {
                    let end = [code, alignment, 0];
                    let accepted = match operator.stores {
                        true => accepts(&[], &[locals(&[address, value]), end.to_vec()].concat()),
                        false => accepts(&[value], &[locals(&[address]), end.to_vec()].concat()),
                    };
                    let expected =
                        address == I32 && value == operator.ty && alignment <= operator.alignment;
                    assert_eq!(accepted, expected, "{:?}", operator.metered);
                }
            }
        }
    }
}
