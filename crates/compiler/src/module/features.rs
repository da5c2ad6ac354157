//! The accepted language in wasmparser's terms, and its refusals in ours.
//!
//! wasmparser takes a set of bits ([`pvf_metering::body_features`]) and mixes some proposals; what it does not tell
//! apart is checked where the declarations are read:
//!
//! - Element segments of expressions (`ref.func`, `ref.null`) came with bulk memory,
//!   but wasmparser wants reference types for them. Declarations are therefore
//!   validated with that bit when bulk memory is on ([`pvf_metering::declaration_features`]); bodies never
//!   are, and the declarations check by themselves that nothing else
//!   of reference types is used.
//! - The segment flags of bulk memory (an explicit index) are decoded by wasmparser
//!   in any case; in WebAssembly 1.0 they are an index out of range.

use pvf_rules::{FeatureSwitch, RuleId};
use wasmparser::WasmFeatures;

/// Name of the proposal that brought several tables and reference types.
pub(crate) const REFERENCE_TYPES: &str = "reference-types";

/// Name of the proposal that brought several memories.
pub(crate) const MULTI_MEMORY: &str = "multi-memory";

/// Name of the proposal that brought constant expressions of several operators.
pub(crate) const EXTENDED_CONST: &str = "extended-const";

/// The name of the proposal because of which wasmparser refused.
pub(crate) fn named_by(error: &wasmparser::Error) -> Option<&'static str> {
    if let Some(missing) = error.missing_wasm_feature() {
        let known = NAMES.iter().find(|(bits, _)| *bits == missing);
        return Some(known.map_or("an unknown proposal", |(_, name)| name));
    }
    let by_message = [
        ("unexpected SIMD opcode", "simd"),
        ("gc proposal must be enabled", "gc"),
    ];
    let known = by_message
        .iter()
        .find(|(start, _)| error.message().starts_with(start));
    known.map(|(_, name)| *name)
}

/// The rule that leaves out what a proposal brought, by the proposal's name.
pub(crate) fn rule_without(feature: &str) -> RuleId {
    match feature {
        MULTI_MEMORY => RuleId::LANG_6,
        EXTENDED_CONST => RuleId::LANG_9,
        switch if FeatureSwitch::ALL.iter().any(|it| it.name() == switch) => RuleId::LANG_2,
        _ => RuleId::LANG_4,
    }
}

/// The rule that is broken where wasmparser's decoder or validator says this. Of those messages, only the ones about rules that the
/// specification names separately are told apart.
pub(crate) fn rule_broken(message: &str) -> RuleId {
    let by_message = [
        ("constant expression required", RuleId::LANG_9),
        ("zero byte expected", RuleId::LANG_10),
        ("effective type size exceeds", RuleId::LIMIT_4),
    ];
    let known = by_message
        .iter()
        .find(|(start, _)| message.starts_with(start));
    known.map_or(RuleId::LANG_1, |(_, rule)| *rule)
}

/// Every bit that wasmparser asks for in a core module, with the proposal's name.
const NAMES: &[(WasmFeatures, &str)] = &[
    (WasmFeatures::SIGN_EXTENSION, "sign-extension"),
    (
        WasmFeatures::SATURATING_FLOAT_TO_INT,
        "saturating-float-to-int",
    ),
    (WasmFeatures::MULTI_VALUE, "multi-value"),
    (WasmFeatures::BULK_MEMORY, "bulk-memory"),
    (WasmFeatures::BULK_MEMORY_OPT, "bulk-memory"),
    (WasmFeatures::REFERENCE_TYPES, REFERENCE_TYPES),
    (WasmFeatures::CALL_INDIRECT_OVERLONG, REFERENCE_TYPES),
    (WasmFeatures::GC_TYPES, REFERENCE_TYPES),
    (WasmFeatures::SIMD, "simd"),
    // wasmparser tells the two apart only if some crate of the build turns its `simd` feature on; what we say
    // must not depend on that.
    (WasmFeatures::RELAXED_SIMD, "simd"),
    (WasmFeatures::THREADS, "threads"),
    (
        WasmFeatures::SHARED_EVERYTHING_THREADS,
        "shared-everything-threads",
    ),
    (
        WasmFeatures::ACQUIRE_RELEASE_ATOMICS,
        "acquire-release-atomics",
    ),
    (WasmFeatures::TAIL_CALL, "tail-call"),
    (WasmFeatures::MULTI_MEMORY, MULTI_MEMORY),
    (WasmFeatures::EXCEPTIONS, "exception-handling"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "legacy-exception-handling"),
    (WasmFeatures::MEMORY64, "memory64"),
    (WasmFeatures::EXTENDED_CONST, EXTENDED_CONST),
    (WasmFeatures::FUNCTION_REFERENCES, "function-references"),
    (WasmFeatures::MEMORY_CONTROL, "memory-control"),
    (WasmFeatures::GC, "gc"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom-page-sizes"),
    (WasmFeatures::STACK_SWITCHING, "stack-switching"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide-arithmetic"),
    (WasmFeatures::CUSTOM_DESCRIPTORS, "custom-descriptors"),
    (WasmFeatures::COMPACT_IMPORTS, "compact-import-section"),
    (
        WasmFeatures::MULTIBYTE_ARRAY_ACCESS,
        "multibyte-array-access",
    ),
    (WasmFeatures::COMPONENT_MODEL, "component-model"),
];

/// The proposal a reference type belongs to.
pub(crate) fn of_reference(ty: wasmparser::RefType) -> &'static str {
    use wasmparser::{AbstractHeapType as Abstract, HeapType};
    match ty.heap_type() {
        HeapType::Concrete(_) => "function-references",
        HeapType::Exact(_) => "custom-descriptors",
        HeapType::Abstract { shared: true, .. } => "shared-everything-threads",
        HeapType::Abstract { ty: heap, .. } => match heap {
            Abstract::Func | Abstract::Extern if ty.is_nullable() => REFERENCE_TYPES,
            Abstract::Func | Abstract::Extern => "function-references",
            Abstract::Exn | Abstract::NoExn => "exception-handling",
            Abstract::Cont | Abstract::NoCont => "stack-switching",
            _ => "gc",
        },
    }
}

/// The name of bulk memory, which several declarations ask for.
pub(crate) const BULK_MEMORY: &str = "bulk-memory";

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_metering::body_features;
    use pvf_rules::FeatureSwitch;
    use pvf_rules::Features;

    #[test]
    fn switches_are_named_as_in_the_specification() {
        let switches = [
            (WasmFeatures::SIGN_EXTENSION, FeatureSwitch::SignExtension),
            (
                WasmFeatures::SATURATING_FLOAT_TO_INT,
                FeatureSwitch::SaturatingFloatToInt,
            ),
            (WasmFeatures::MULTI_VALUE, FeatureSwitch::MultiValue),
            (WasmFeatures::BULK_MEMORY, FeatureSwitch::BulkMemory),
        ];
        for (bit, switch) in switches {
            let (_, name) = NAMES.iter().find(|(bits, _)| *bits == bit).unwrap();
            assert_eq!(*name, switch.name());
        }
    }

    #[test]
    fn the_list_is_closed() {
        assert_eq!(
            body_features(Features::POLKADOT),
            WasmFeatures::FLOATS | WasmFeatures::MUTABLE_GLOBAL
        );
        let all = body_features(Features::ALL);
        assert!(!all.reference_types() && !all.call_indirect_overlong() && !all.simd());
        assert_eq!(all.iter().count(), 6);
    }
}
