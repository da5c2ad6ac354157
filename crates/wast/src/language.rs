//! Which proposal a module needs, judged without the compiler under test.
//!
//! A skip has to be earned: the runner does not believe the compiler when it turns a
//! module down, but asks wasmparser for the language in which the module is valid.

use crate::Feature;
use pvf_rules::Features;
use wasmparser::{Validator, WasmFeatures};

/// Where a module stands to an accepted language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Valid in the accepted language.
    Valid,
    /// Valid only with this proposal, which is not accepted.
    Outside(Feature),
    /// Valid in no language known to the runner.
    Invalid,
}

/// WebAssembly 1.0 with mutable globals.
const BASE: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::GC_TYPES);

/// The proposals, each behind those it builds on.
const PROPOSALS: [(Feature, WasmFeatures); 18] = [
    (Feature::SignExtension, WasmFeatures::SIGN_EXTENSION),
    (
        Feature::SaturatingFloatToInt,
        WasmFeatures::SATURATING_FLOAT_TO_INT,
    ),
    (Feature::MultiValue, WasmFeatures::MULTI_VALUE),
    (Feature::BulkMemory, WasmFeatures::BULK_MEMORY),
    (Feature::ReferenceTypes, WasmFeatures::REFERENCE_TYPES),
    (Feature::ExtendedConst, WasmFeatures::EXTENDED_CONST),
    (Feature::TailCall, WasmFeatures::TAIL_CALL),
    (Feature::Simd, WasmFeatures::SIMD),
    (Feature::RelaxedSimd, WasmFeatures::RELAXED_SIMD),
    (Feature::MultiMemory, WasmFeatures::MULTI_MEMORY),
    (Feature::Memory64, WasmFeatures::MEMORY64),
    (Feature::Threads, WasmFeatures::THREADS),
    (Feature::Exceptions, WasmFeatures::EXCEPTIONS),
    (
        Feature::FunctionReferences,
        WasmFeatures::FUNCTION_REFERENCES,
    ),
    (Feature::Gc, WasmFeatures::GC),
    (Feature::CustomPageSizes, WasmFeatures::CUSTOM_PAGE_SIZES),
    (Feature::WideArithmetic, WasmFeatures::WIDE_ARITHMETIC),
    (Feature::StackSwitching, WasmFeatures::STACK_SWITCHING),
];

fn is_accepted(feature: Feature, accepted: Features) -> bool {
    match feature {
        Feature::SignExtension => accepted.sign_extension,
        Feature::SaturatingFloatToInt => accepted.saturating_float_to_int,
        Feature::MultiValue => accepted.multi_value,
        Feature::BulkMemory => accepted.bulk_memory,
        _ => false,
    }
}

fn is_valid(wasm: &[u8], features: WasmFeatures) -> bool {
    Validator::new_with_features(features)
        .validate_all(wasm)
        .is_ok()
}

/// Judges a binary module.
pub fn standing(wasm: &[u8], accepted: Features) -> Standing {
    let (inside, outside): (Vec<_>, Vec<_>) = PROPOSALS
        .into_iter()
        .partition(|&(feature, _)| is_accepted(feature, accepted));
    let mut features = inside
        .into_iter()
        .fold(BASE, |features, (_, flag)| features.union(flag));
    if is_valid(wasm, features) {
        return Standing::Valid;
    }
    for (feature, flag) in outside {
        features = features.union(flag);
        if is_valid(wasm, features) {
            return Standing::Outside(feature);
        }
    }
    match Validator::new_with_features(features).validate_all(wasm) {
        // wasmparser is built without the instructions on vectors.
        Err(error) if error.message().starts_with("unexpected SIMD opcode") => {
            Standing::Outside(Feature::Simd)
        }
        _ => Standing::Invalid,
    }
}

/// The switch of the accepted language without which the module would be invalid.
pub fn made_valid_by(wasm: &[u8], accepted: Features) -> Option<Feature> {
    if standing(wasm, accepted) != Standing::Valid {
        return None;
    }
    match standing(wasm, Features::POLKADOT) {
        Standing::Outside(feature) => Some(feature),
        Standing::Valid | Standing::Invalid => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &str) -> Vec<u8> {
        let buffer = wast::parser::ParseBuffer::new(text).expect("lexes");
        wast::parser::parse::<wast::Wat>(&buffer)
            .expect("parses")
            .encode()
            .expect("encodes")
    }

    #[test]
    fn names_the_proposal_a_module_needs() {
        let simd = encode("(module (func (result v128) (v128.const i64x2 0 0)))");
        assert_eq!(
            standing(&simd, Features::ALL),
            Standing::Outside(Feature::Simd)
        );
        let extend =
            encode("(module (func (param i32) (result i32) (i32.extend8_s (local.get 0))))");
        assert_eq!(standing(&extend, Features::ALL), Standing::Valid);
        assert_eq!(
            standing(&extend, Features::POLKADOT),
            Standing::Outside(Feature::SignExtension)
        );
        assert_eq!(
            made_valid_by(&extend, Features::ALL),
            Some(Feature::SignExtension)
        );
        let externref = encode("(module (table 1 externref))");
        assert_eq!(
            standing(&externref, Features::ALL),
            Standing::Outside(Feature::ReferenceTypes)
        );
        let ill_typed = encode("(module (func (result i32) (i64.const 0)))");
        assert_eq!(standing(&ill_typed, Features::ALL), Standing::Invalid);
    }
}
