//! Artifact files mapped into memory, and what happens if one is cut short while it is in use.
//!
//! The pages of a mapped file that its owner truncates are gone: touching one raises SIGBUS. Files of artifacts
//! are replaced, never changed in place, by everything in this repository; should somebody cut one all the same, that
//! is a failure of the host and not the end of the process:
//!
//! - the runtime reads a file only inside of [`FileMapping::read`], or in the signal handler while code from it
//!   runs; a page that is missing is then replaced by zeros ([`FileMapping::replace_page`]), which the reader finds out in the end;
//! - generated code that reaches a missing page is stopped by the signal handler.
//!
//! Whoever may write to the file can also change its bytes after they were checked. That is no other power than
//! to write machine code into it to begin with.

use crate::HostFailure;
use crate::mapping::{Access, Mapping, page_bytes};
use std::cell::Cell;
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    /// The file that this thread reads. Without a destructor, so that a signal handler can look at it.
    static READING: Cell<*const FileMapping> = const { Cell::new(std::ptr::null()) };
}

/// A file, mapped privately; never written to.
#[derive(Debug)]
pub(crate) struct FileMapping {
    mapping: Mapping,
    bytes: usize,
    /// Whether pages were missing.
    cut: AtomicBool,
}

impl FileMapping {
    /// Maps the first `bytes` bytes of a file, of which there are so many now; at least one.
    pub fn new(file: &File, bytes: usize) -> Result<Self, HostFailure> {
        Ok(Self {
            mapping: Mapping::of_file(file, bytes, "an artifact")?,
            bytes,
            cut: AtomicBool::new(false),
        })
    }

    /// Lets a range be executed (offsets; its last page becomes executable as a whole). An error if it
    /// does not begin at a page boundary of this system.
    pub fn make_executable(&mut self, range: Range<usize>) -> Result<(), HostFailure> {
        if !range.start.is_multiple_of(page_bytes()) {
            return Err(HostFailure::System {
                action: "executing code in its file",
                source: std::io::Error::from_raw_os_error(libc::EINVAL),
            });
        }
        let end = range.end.next_multiple_of(page_bytes());
        self.mapping.protect(range.start..end, Access::ReadExecute)
    }

    /// Lets something read the bytes. An error if they were not all there.
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

    /// Whether pages were found missing.
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Address of the byte at an offset.
    pub fn address(&self, offset: usize) -> usize {
        self.mapping.base() as usize + offset
    }

    /// In a signal handler: puts zeros where the page with this address is missing. False if it
    /// is not one of ours or the system refuses.
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
        // SAFETY: the mapping is readable, at least as long, and nobody in this process writes to it. The bytes
        // of a file that is being overwritten may change: see above.
        unsafe { std::slice::from_raw_parts(self.mapping.base(), self.bytes) }
    }
}

/// The file that this thread reads, if it does. Async-signal-safe.
pub(crate) fn reading() -> *const FileMapping {
    READING.get()
}
