//! Compares what a call gave with what the script expects.

use crate::literal::show_value;
use pvf_executor::Value;
use pvf_rules::TrapKind;
use wast::WastRet;
use wast::core::{NanPattern, WastRetCore};

/// Bits of the positive canonical NaNs.
const CANONICAL_F32: u32 = 0x7fc0_0000;
const CANONICAL_F64: u64 = 0x7ff8_0000_0000_0000;

/// Whether the results are the expected ones. `moves_bits_only` says that no instruction
/// that makes NaNs can be reached from the function, see [`crate::nan`].
pub fn matches(results: &[Value], expected: &[WastRet<'_>], moves_bits_only: bool) -> bool {
    results.len() == expected.len()
        && results
            .iter()
            .zip(expected)
            .all(|(&result, expected)| match expected {
                WastRet::Core(expected) => matches_one(result, expected, moves_bits_only),
                _ => false,
            })
}

fn matches_one(result: Value, expected: &WastRetCore<'_>, moves_bits_only: bool) -> bool {
    match (result, expected) {
        (Value::I32(result), WastRetCore::I32(expected)) => result == *expected,
        (Value::I64(result), WastRetCore::I64(expected)) => result == *expected,
        (Value::F32(bits), WastRetCore::F32(expected)) => match expected {
            NanPattern::Value(value) => bits == value.bits,
            _ if !moves_bits_only => bits == CANONICAL_F32,
            NanPattern::CanonicalNan => bits & 0x7fff_ffff == CANONICAL_F32,
            NanPattern::ArithmeticNan => bits & CANONICAL_F32 == CANONICAL_F32,
        },
        (Value::F64(bits), WastRetCore::F64(expected)) => match expected {
            NanPattern::Value(value) => bits == value.bits,
            _ if !moves_bits_only => bits == CANONICAL_F64,
            NanPattern::CanonicalNan => bits & (u64::MAX >> 1) == CANONICAL_F64,
            NanPattern::ArithmeticNan => bits & CANONICAL_F64 == CANONICAL_F64,
        },
        (result, WastRetCore::Either(choices)) => choices
            .iter()
            .any(|choice| matches_one(result, choice, moves_bits_only)),
        _ => false,
    }
}

/// The kind of trap a script's text stands for. Scripts often give only the beginning
/// of a message, and some name the element behind it.
pub fn trap_kind(message: &str) -> Option<TrapKind> {
    Some(match message {
        "unreachable" => TrapKind::Unreachable,
        "call stack exhausted" => TrapKind::StackOverflow,
        "out of bounds memory access" => TrapKind::MemoryOutOfBounds,
        // An element behind the end of a table is "undefined", one that holds no
        // function "uninitialized".
        "out of bounds table access" | "undefined element" | "undefined" => {
            TrapKind::TableOutOfBounds
        }
        "indirect call type mismatch" | "indirect call" => TrapKind::IndirectCallTypeMismatch,
        "integer divide by zero" => TrapKind::IntegerDivideByZero,
        "integer overflow" => TrapKind::IntegerOverflow,
        "invalid conversion to integer" => TrapKind::InvalidConversionToInteger,
        _ if message.starts_with("uninitialized") => TrapKind::UndefinedElement,
        _ => return None,
    })
}

/// Results, readable.
pub fn show(results: &[Value]) -> String {
    let shown: Vec<String> = results.iter().copied().map(show_value).collect();
    format!("[{}]", shown.join(", "))
}

/// Expected results, readable.
pub fn show_expected(expected: &[WastRet<'_>]) -> String {
    let shown: Vec<String> = expected
        .iter()
        .map(|expected| match expected {
            WastRet::Core(expected) => show_one_expected(expected),
            other => format!("{other:?}"),
        })
        .collect();
    format!("[{}]", shown.join(", "))
}

fn show_one_expected(expected: &WastRetCore<'_>) -> String {
    match expected {
        WastRetCore::I32(value) => show_value(Value::I32(*value)),
        WastRetCore::I64(value) => show_value(Value::I64(*value)),
        WastRetCore::F32(NanPattern::Value(value)) => show_value(Value::F32(value.bits)),
        WastRetCore::F64(NanPattern::Value(value)) => show_value(Value::F64(value.bits)),
        WastRetCore::F32(NanPattern::CanonicalNan) => "f32:nan:canonical".into(),
        WastRetCore::F64(NanPattern::CanonicalNan) => "f64:nan:canonical".into(),
        WastRetCore::F32(NanPattern::ArithmeticNan) => "f32:nan:arithmetic".into(),
        WastRetCore::F64(NanPattern::ArithmeticNan) => "f64:nan:arithmetic".into(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(pattern: NanPattern<wast::token::F32>) -> [WastRet<'static>; 1] {
        [WastRet::Core(WastRetCore::F32(pattern))]
    }

    #[test]
    fn arithmetic_nans_are_positive_and_canonical() {
        for pattern in [NanPattern::CanonicalNan, NanPattern::ArithmeticNan] {
            let expected = expected(pattern);
            assert!(matches(&[Value::F32(0x7fc0_0000)], &expected, false));
            for bits in [0xffc0_0000, 0x7fc0_0001, 0x7fa0_0000, 0] {
                assert!(!matches(&[Value::F32(bits)], &expected, false), "{bits:#x}");
            }
        }
    }

    #[test]
    fn moved_nans_may_be_what_the_script_allows() {
        let canonical = expected(NanPattern::CanonicalNan);
        assert!(matches(&[Value::F32(0xffc0_0000)], &canonical, true));
        assert!(!matches(&[Value::F32(0x7fc0_0001)], &canonical, true));
        let arithmetic = expected(NanPattern::ArithmeticNan);
        assert!(matches(&[Value::F32(0xffc0_0001)], &arithmetic, true));
        assert!(!matches(&[Value::F32(0x7fa0_0000)], &arithmetic, true));
    }

    #[test]
    fn every_message_has_its_kind() {
        assert_eq!(trap_kind("undefined"), Some(TrapKind::TableOutOfBounds));
        assert_eq!(
            trap_kind("uninitialized element 7"),
            Some(TrapKind::UndefinedElement)
        );
        assert_eq!(trap_kind("something else"), None);
    }
}
