//! Values passed between host and Wasm.

use pvf_compiler::ValType;

/// A value of a number type. Floats are stored as bits, because the bits of a NaN are significant
/// and must not change on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer.
    I64(i64),
    /// The bits of a 32-bit float.
    F32(u32),
    /// The bits of a 64-bit float.
    F64(u64),
}

impl Value {
    /// The value's type.
    pub fn ty(self) -> ValType {
        match self {
            Self::I32(_) => ValType::I32,
            Self::I64(_) => ValType::I64,
            Self::F32(_) => ValType::F32,
            Self::F64(_) => ValType::F64,
        }
    }

    /// The value's bits, zero-extended for 32-bit types.
    pub fn to_bits(self) -> u64 {
        match self {
            Self::I32(value) => u64::from(value as u32),
            Self::I64(value) => value as u64,
            Self::F32(bits) => u64::from(bits),
            Self::F64(bits) => bits,
        }
    }

    /// The value of a type with these bits; the high half of 32-bit types is ignored.
    pub fn from_bits(ty: ValType, bits: u64) -> Self {
        match ty {
            ValType::I32 => Self::I32(bits as i32),
            ValType::I64 => Self::I64(bits as i64),
            ValType::F32 => Self::F32(bits as u32),
            ValType::F64 => Self::F64(bits),
        }
    }
}
