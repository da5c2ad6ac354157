//! The accepted language in wasmparser's terms.

use pvf_rules::Features;
use wasmparser::WasmFeatures;

/// What decoding and the bodies of functions may use.
pub fn body_features(features: Features) -> WasmFeatures {
    let switches = [
        (features.sign_extension, WasmFeatures::SIGN_EXTENSION),
        (
            features.saturating_float_to_int,
            WasmFeatures::SATURATING_FLOAT_TO_INT,
        ),
        (features.multi_value, WasmFeatures::MULTI_VALUE),
        (features.bulk_memory, WasmFeatures::BULK_MEMORY),
    ];
    switches.into_iter().filter(|(on, _)| *on).fold(
        WasmFeatures::FLOATS | WasmFeatures::MUTABLE_GLOBAL,
        |set, (_, bit)| set | bit,
    )
}

/// What declarations may use. Element segments of expressions came with bulk memory, but wasmparser wants reference
/// types for them.
pub fn declaration_features(features: Features) -> WasmFeatures {
    let mut declarations = body_features(features);
    declarations.set(WasmFeatures::REFERENCE_TYPES, features.bulk_memory);
    declarations
}
