//! Bytes as a file of code in any form: Wasm, compressed Wasm, text. It is prepared and loaded, or refused with a typed
//! error.

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "code",
    about: "a file of code in any form: prepared and loaded, or a typed error",
    check: |input| {
        if let Err(found) = crate::bad_input::try_blob(input) {
            panic!("{found}");
        }
    },
    seeds,
    mutate: None,
    most_bytes: 16 << 10,
};

/// The corpus as Wasm, and some of it as text and compressed.
fn seeds() -> Vec<Vec<u8>> {
    let modules = super::module::seeds();
    let compressed = modules.iter().step_by(3).filter_map(|wasm| {
        let frame = zstd::bulk::compress(wasm, 3).ok()?;
        Some([&pvf_executor::COMPRESSED_MAGIC[..], &frame].concat())
    });
    let text = modules
        .iter()
        .step_by(2)
        .filter_map(|wasm| wasmprinter::print_bytes(wasm).ok().map(String::into_bytes));
    let others: Vec<Vec<u8>> = compressed.chain(text).collect();
    modules.into_iter().chain(others).collect()
}
