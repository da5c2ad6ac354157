//! Machine code in memory: written once, then executable and never writable again.

use crate::HostFailure;
use crate::mapping::{Access, Mapping};
use std::ops::Range;

/// The placed code of a module.
#[derive(Debug)]
pub(crate) struct Code {
    mapping: Mapping,
    bytes: usize,
}

impl Code {
    /// Places code in a mapping of its own. The pages are writable first and
    /// executable afterwards, at no time both.
    pub fn new(code: &[u8]) -> Result<Self, HostFailure> {
        let mut mapping = Mapping::new(code.len(), Access::ReadWrite, "machine code")?;
        // SAFETY: the mapping is new, writable and at least as long as the code.
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), mapping.base(), code.len()) };
        let whole = mapping.addresses();
        mapping.protect(0..whole.len(), Access::ReadExecute)?;
        Ok(Self {
            mapping,
            bytes: code.len(),
        })
    }

    /// The code.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping has at least so many bytes, which are readable and never change any more.
        unsafe { std::slice::from_raw_parts(self.mapping.base(), self.bytes) }
    }

    /// Address of the first byte.
    pub fn base(&self) -> usize {
        self.mapping.base() as usize
    }

    /// The addresses of the code.
    pub fn addresses(&self) -> Range<usize> {
        self.base()..self.base() + self.bytes
    }
}
