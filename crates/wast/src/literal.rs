//! Values as text: `i32:5`, `i64:-1`, `f32:nan`, `f64:0x1.8p3`.
//!
//! The text behind the colon is a literal of the WebAssembly text format.

use pvf_executor::ValType;
use pvf_executor::Value;
use wast::core::WastArgCore;
use wast::parser::{self, ParseBuffer};

/// A text that is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiteralError {
    /// What stands before the colon is no number type.
    #[error("{0:?} is no number type, these are i32, i64, f32 and f64")]
    UnknownType(String),
    /// The value has another type than it should.
    #[error("{text:?} is not of type {expected}")]
    OtherType {
        /// The text.
        text: String,
        /// The type it should have.
        expected: &'static str,
    },
    /// What stands behind the colon is no literal of the type.
    #[error("{text:?} is no {ty} literal")]
    NotALiteral {
        /// The text behind the colon.
        text: String,
        /// The type it should have.
        ty: &'static str,
    },
}

/// The name of a type in the text format.
pub fn type_name(ty: ValType) -> &'static str {
    match ty {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        ValType::F32 => "f32",
        ValType::F64 => "f64",
    }
}

/// Reads a value of a type; the type may be written in front, with a colon.
///
/// # Errors
///
/// The text is not a literal of this type.
pub fn parse_value(ty: ValType, text: &str) -> Result<Value, LiteralError> {
    let name = type_name(ty);
    let literal = match text.split_once(':') {
        // "nan:0x200000" is a literal.
        None | Some(("nan" | "+nan" | "-nan", _)) => text,
        Some((written, literal)) if written == name => literal,
        Some(("i32" | "i64" | "f32" | "f64", _)) => {
            return Err(LiteralError::OtherType {
                text: text.to_owned(),
                expected: name,
            });
        }
        Some((written, _)) => return Err(LiteralError::UnknownType(written.to_owned())),
    };
    parse_literal(name, literal).ok_or_else(|| LiteralError::NotALiteral {
        text: literal.to_owned(),
        ty: name,
    })
}

fn parse_literal(ty: &str, literal: &str) -> Option<Value> {
    // Nothing that is a literal has another character, and nothing else may get out of
    // its place in the text below.
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-._:".contains(c);
    if !literal.chars().all(plain) {
        return None;
    }
    let text = format!("{ty}.const {literal}");
    let buffer = ParseBuffer::new(&text).ok()?;
    match parser::parse::<WastArgCore<'_>>(&buffer).ok()? {
        WastArgCore::I32(value) => Some(Value::I32(value)),
        WastArgCore::I64(value) => Some(Value::I64(value)),
        WastArgCore::F32(value) => Some(Value::F32(value.bits)),
        WastArgCore::F64(value) => Some(Value::F64(value.bits)),
        _ => None,
    }
}

/// Writes a value so that [`parse_value`] reads the same bits.
pub fn show_value(value: Value) -> String {
    match value {
        Value::I32(value) => format!("i32:{value}"),
        Value::I64(value) => format!("i64:{value}"),
        Value::F32(bits) => {
            let value = f32::from_bits(bits);
            let payload = u64::from(bits & 0x007f_ffff);
            let sign = if bits >> 31 == 0 { "" } else { "-" };
            let finite = value.is_finite().then(|| format!("{value:?}"));
            format!("f32:{}", show_float(sign, finite, payload, 1 << 22))
        }
        Value::F64(bits) => {
            let value = f64::from_bits(bits);
            let payload = bits & 0x000f_ffff_ffff_ffff;
            let sign = if bits >> 63 == 0 { "" } else { "-" };
            let finite = value.is_finite().then(|| format!("{value:?}"));
            format!("f64:{}", show_float(sign, finite, payload, 1 << 51))
        }
    }
}

fn show_float(sign: &str, finite: Option<String>, payload: u64, canonical: u64) -> String {
    match finite {
        Some(digits) => digits.strip_suffix(".0").unwrap_or(&digits).to_owned(),
        None if payload == 0 => format!("{sign}inf"),
        None if payload == canonical => format!("{sign}nan"),
        None => format!("{sign}nan:{payload:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_literals() {
        use ValType::{F32, F64, I32, I64};
        let read = |ty, text| parse_value(ty, text).map_err(|error| error.to_string());
        assert_eq!(read(I32, "5"), Ok(Value::I32(5)));
        assert_eq!(read(I32, "i32:-5"), Ok(Value::I32(-5)));
        assert_eq!(read(I32, "4294967295"), Ok(Value::I32(-1)));
        assert_eq!(read(I64, "0x1_0000_0000"), Ok(Value::I64(1 << 32)));
        assert_eq!(read(F32, "1.5"), Ok(Value::F32(1.5_f32.to_bits())));
        assert_eq!(read(F64, "f64:0x1.8p3"), Ok(Value::F64(12_f64.to_bits())));
        assert_eq!(read(F32, "f32:nan"), Ok(Value::F32(0x7fc0_0000)));
        assert_eq!(read(F32, "-nan:0x1"), Ok(Value::F32(0xff80_0001)));
        assert_eq!(
            read(F64, "-inf"),
            Ok(Value::F64(f64::NEG_INFINITY.to_bits()))
        );
        assert_eq!(read(F64, "3"), Ok(Value::F64(3_f64.to_bits())));
    }

    #[test]
    fn rejects_what_is_no_literal() {
        for text in [
            "",
            "five",
            "i64:5",
            "i32:",
            "4294967296",
            "1.5",
            "5) (",
            "u8:1",
            "5 6",
            ";; 5",
        ] {
            assert!(parse_value(ValType::I32, text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn shows_what_can_be_read_again() {
        let values = [
            (Value::I32(-5), "i32:-5"),
            (Value::F32(1.5_f32.to_bits()), "f32:1.5"),
            (Value::F64(5_f64.to_bits()), "f64:5"),
            (Value::F64((-0_f64).to_bits()), "f64:-0"),
            (Value::F64(1e300_f64.to_bits()), "f64:1e300"),
            (Value::F32(0x7fc0_0000), "f32:nan"),
            (Value::F32(0xffa0_0000), "f32:-nan:0x200000"),
            (Value::F64(f64::NEG_INFINITY.to_bits()), "f64:-inf"),
        ];
        for (value, text) in values {
            assert_eq!(show_value(value), text);
            assert_eq!(parse_value(value.ty(), text), Ok(value));
        }
    }
}
