//! Artifact files mapped into memory, and how the runtime survives their truncation.
//!
//! When a mapped file is truncated, touching a page beyond its new end raises SIGBUS. All programs
//! of this repository replace artifact files and never change them in place. If some other program
//! truncates one, the run ends with a failure of the host; the process continues:
//!
//! - the runtime reads the file only inside [`FileMapping::read`], or in the signal handler while
//!   code from the file runs. The signal handler replaces a missing page by zeros
//!   ([`FileMapping::replace_page`]), and `read` then returns an error;
//! - generated code that reaches a missing page is stopped by the signal handler.
//!
//! A process that may write to the file can also change its bytes after the checks. It gains
//! nothing by that: it could have put arbitrary machine code into the file from the start.

use crate::HostFailure;
use crate::mapping::{Access, Mapping, page_bytes};
use std::cell::Cell;
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    /// The file that this thread is reading. Has no destructor, so that a signal handler can access
    /// it.
    static READING: Cell<*const FileMapping> = const { Cell::new(std::ptr::null()) };
}

/// A privately mapped file, never written to.
#[derive(Debug)]
pub(crate) struct FileMapping {
    mapping: Mapping,
    bytes: usize,
    /// Whether a page was found missing.
    cut: AtomicBool,
}

impl FileMapping {
    /// Maps the first `bytes` bytes of a file, which has at least that many; `bytes` is at least 1.
    pub fn new(file: &File, bytes: usize) -> Result<Self, HostFailure> {
        Ok(Self {
            mapping: Mapping::of_file(file, bytes, "an artifact")?,
            bytes,
            cut: AtomicBool::new(false),
        })
    }

    /// Makes a range of offsets executable; the last page becomes executable as a whole. An error
    /// if the range does not begin at a page boundary of this system.
    pub fn make_executable(&mut self, range: Range<usize>) -> Result<(), HostFailure> {
        if !range.start.is_multiple_of(page_bytes()) {
            return Err(HostFailure::System {
                action: "making code in a file executable",
                source: std::io::Error::from_raw_os_error(libc::EINVAL),
            });
        }
        let end = range.end.next_multiple_of(page_bytes());
        self.mapping.protect(range.start..end, Access::ReadExecute)
    }

    /// Calls `read` with the bytes. An error if a page was missing.
    pub fn read<R>(&self, read: impl FnOnce(&[u8]) -> R) -> Result<R, HostFailure> {
        struct Restore(*const FileMapping);
        impl Drop for Restore {
            fn drop(&mut self) {
                READING.set(self.0);
            }
        }
        let restore = Restore(READING.replace(self));
        let result = read(self.as_ref());
        drop(restore);
        match self.is_cut() {
            false => Ok(result),
            true => Err(HostFailure::ArtifactCut),
        }
    }

    /// Whether a page was found missing.
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Address of the byte at an offset.
    pub fn address(&self, offset: usize) -> usize {
        self.mapping.base() as usize + offset
    }

    /// In a signal handler: maps zeros in place of the missing page with this address. False if the
    /// address is outside this mapping or the system refuses.
    pub fn replace_page(&self, address: usize) -> bool {
        self.mapping.addresses().contains(&address) && {
            self.cut.store(true, Ordering::Relaxed);
            let offset = (address - self.address(0)) & !(page_bytes() - 1);
            self.mapping.replace_with_zeros(offset)
        }
    }
}

impl AsRef<[u8]> for FileMapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the mapping is readable and at least `bytes` long, and no code in this process
        // writes to it. Another process may overwrite the file: see the head of this module.
        unsafe { std::slice::from_raw_parts(self.mapping.base(), self.bytes) }
    }
}

/// The file that this thread is reading, or null. Async-signal-safe.
pub(crate) fn reading() -> *const FileMapping {
    READING.get()
}
