//! A WebAssembly value as text.

use std::fmt;
use std::str::FromStr;

/// An argument or a result. An integer is written in decimal (`i32:-1`), a float as its bits (`f32:0x7fc00000`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// An `i32`.
    I32(i32),
    /// An `i64`.
    I64(i64),
    /// The bits of an `f32`.
    F32(u32),
    /// The bits of an `f64`.
    F64(u64),
}

/// The text is not `TYPE:VALUE`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a value such as i32:-1 or f32:0x7fc00000")]
pub struct NumberError(String);

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let read = || {
            let (ty, value) = text.split_once(':')?;
            let bits = || value.strip_prefix("0x");
            Some(match ty {
                "i32" => Self::I32(value.parse().ok()?),
                "i64" => Self::I64(value.parse().ok()?),
                "f32" => Self::F32(u32::from_str_radix(bits()?, 16).ok()?),
                "f64" => Self::F64(u64::from_str_radix(bits()?, 16).ok()?),
                _ => return None,
            })
        };
        read().ok_or_else(|| NumberError(text.to_owned()))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32(value) => write!(f, "i32:{value}"),
            Self::I64(value) => write!(f, "i64:{value}"),
            Self::F32(bits) => write!(f, "f32:{bits:#010x}"),
            Self::F64(bits) => write!(f, "f64:{bits:#018x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in [
            "i32:-1",
            "i32:2147483647",
            "i64:-9223372036854775808",
            "f32:0x00000001",
            "f64:0x7ff8000000000000",
        ] {
            assert_eq!(
                text.parse::<Number>().map(|it| it.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "i32",
            "i32:",
            "i32:2147483648",
            "f32:1.0",
            "f32:0x1ffffffff",
            "v128:0",
        ] {
            assert!(text.parse::<Number>().is_err(), "{text}");
        }
    }
}
