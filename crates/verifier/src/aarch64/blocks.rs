//! The stubs of block operations, word by word.
pub(super) static BLOCKS: [&[u32]; 4] = [&[], &[], &[], &[]];
