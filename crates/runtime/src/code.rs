//! Machine code in memory: written once or mapped from a file, then executable and never writable
//! again.

use crate::HostFailure;
use crate::arch;
use crate::file::FileMapping;
use crate::mapping::{Access, Mapping};
use std::ops::Range;
use std::sync::Arc;

/// The placed code of a module.
#[derive(Debug)]
pub(crate) struct Code {
    place: Place,
    bytes: usize,
}

#[derive(Debug)]
enum Place {
    Own(Mapping),
    /// In the file from this offset on.
    File(Arc<FileMapping>, usize),
}

impl Code {
    /// Copies code into a mapping of its own. The pages are first writable and then executable,
    /// never both.
    pub fn new(code: &[u8]) -> Result<Self, HostFailure> {
        let mut mapping = Mapping::new(code.len(), Access::ReadWrite, "machine code")?;
        // SAFETY: the mapping is new, writable and at least as long as the code.
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), mapping.base(), code.len()) };
        let whole = mapping.addresses();
        mapping.protect(0..whole.len(), Access::ReadExecute)?;
        let placed = Self {
            place: Place::Own(mapping),
            bytes: code.len(),
        };
        placed.read(arch::publish_code)?;
        Ok(placed)
    }

    /// Code in an executable mapping that holds at least `bytes` bytes.
    pub fn mapped(mapping: Mapping, bytes: usize) -> Result<Self, HostFailure> {
        let placed = Self {
            place: Place::Own(mapping),
            bytes,
        };
        placed.read(arch::publish_code)?;
        Ok(placed)
    }

    /// Code in a file, in a range that was made executable.
    pub fn in_file(file: Arc<FileMapping>, range: Range<usize>) -> Result<Self, HostFailure> {
        let placed = Self {
            place: Place::File(file, range.start),
            bytes: range.len(),
        };
        placed.read(arch::publish_code)?;
        Ok(placed)
    }

    /// Calls `read` with the code. An error if the code is in a file that was truncated.
    pub fn read<R>(&self, read: impl FnOnce(&[u8]) -> R) -> Result<R, HostFailure> {
        match &self.place {
            Place::Own(mapping) => {
                // SAFETY: the mapping has at least `bytes` bytes, which are readable and no longer
                // change.
                Ok(read(unsafe {
                    std::slice::from_raw_parts(mapping.base(), self.bytes)
                }))
            }
            Place::File(file, start) => file.read(|all| read(&all[*start..start + self.bytes])),
        }
    }

    /// Address of the first byte.
    pub fn base(&self) -> usize {
        match &self.place {
            Place::Own(mapping) => mapping.base() as usize,
            Place::File(file, offset) => file.address(*offset),
        }
    }

    /// The addresses of the code.
    pub fn addresses(&self) -> Range<usize> {
        self.base()..self.base() + self.bytes
    }
}
