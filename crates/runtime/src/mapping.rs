//! Owned address space: reserved as a whole, made accessible in parts.

use crate::HostFailure;
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::OnceLock;

/// Bytes of a page of the operating system. A Wasm page is a multiple of it.
pub(crate) fn page_bytes() -> usize {
    static PAGE: OnceLock<usize> = OnceLock::new();
    // SAFETY: sysconf has no preconditions.
    *PAGE.get_or_init(|| unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize)
}

/// Rounds up to the page size of the operating system; `None` on overflow.
pub(crate) fn round_up(bytes: usize) -> Option<usize> {
    Some(bytes.checked_add(page_bytes() - 1)? & !(page_bytes() - 1))
}

/// Access rights of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// No access.
    None,
    /// Reading and writing.
    ReadWrite,
    /// Reading and executing.
    ReadExecute,
}

impl Access {
    fn flags(self) -> i32 {
        match self {
            Self::None => libc::PROT_NONE,
            Self::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
            Self::ReadExecute => libc::PROT_READ | libc::PROT_EXEC,
        }
    }
}

/// A private mapping, unmapped on drop.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
    purpose: &'static str,
    /// Whether the kernel has sealed the mapping, which then lasts until the process ends.
    sealed: bool,
}

// SAFETY: a mapping is owned memory like a boxed slice. References into it are made only by the
// types that own it, under their borrows.
unsafe impl Send for Mapping {}
// SAFETY: as for `Send`. Through `&Mapping` only the address is available and `replace_with_zeros`,
// which replaces unreadable pages.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps zero pages. Memory is committed when it is touched. `bytes` is rounded up to pages;
    /// `purpose` appears in the error if the system refuses.
    pub fn new(bytes: usize, access: Access, purpose: &'static str) -> Result<Self, HostFailure> {
        Self::with_flags(bytes, access, 0, purpose)
    }

    /// Like [`Self::new`], for a stack: the kernel then never backs it with huge pages, which would
    /// zero two megabytes for the first frame.
    pub fn new_stack(bytes: usize, purpose: &'static str) -> Result<Self, HostFailure> {
        Self::with_flags(bytes, Access::None, libc::MAP_STACK, purpose)
    }

    fn with_flags(
        bytes: usize,
        access: Access,
        flags: i32,
        purpose: &'static str,
    ) -> Result<Self, HostFailure> {
        let too_large = || HostFailure::Memory {
            purpose,
            bytes: bytes as u64,
            source: std::io::Error::from_raw_os_error(libc::ENOMEM),
        };
        let bytes = round_up(bytes.max(1)).ok_or_else(too_large)?;
        let flags = flags | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address chosen by the kernel overlaps no existing
        // mapping.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access.flags(), flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(HostFailure::memory(purpose, bytes));
        }
        let base = NonNull::new(base.cast()).ok_or_else(too_large)?;
        Ok(Self {
            base,
            bytes,
            purpose,
            sealed: false,
        })
    }

    /// Maps the first bytes of a file for reading, and its pages in advance.
    pub fn of_file(file: &File, bytes: usize, purpose: &'static str) -> Result<Self, HostFailure> {
        let flags = libc::MAP_PRIVATE | libc::MAP_POPULATE;
        Self::of_file_with(file, bytes, libc::PROT_READ, flags, purpose)
    }

    /// Maps the first bytes of a file for reading and executing. Since Linux 6.10 the kernel then
    /// seals the mapping: it can neither be changed nor unmapped until the process ends.
    pub fn of_code(file: &File, bytes: usize, purpose: &'static str) -> Result<Self, HostFailure> {
        let access = Access::ReadExecute.flags();
        let mut mapping = Self::of_file_with(file, bytes, access, libc::MAP_PRIVATE, purpose)?;
        /// The system call's number, equal on all instruction sets.
        const MSEAL: libc::c_long = 462;
        // SAFETY: the range is this mapping's. Once sealed, the kernel refuses to change it, and
        // `drop` does not unmap it.
        let sealed = unsafe { libc::syscall(MSEAL, mapping.base(), mapping.bytes, 0) };
        mapping.sealed = sealed == 0;
        Ok(mapping)
    }

    fn of_file_with(
        file: &File,
        bytes: usize,
        access: i32,
        flags: i32,
        purpose: &'static str,
    ) -> Result<Self, HostFailure> {
        // The part of the last page after the end of the file belongs to the mapping.
        let bytes = bytes.next_multiple_of(page_bytes());
        // SAFETY: a new mapping at an address chosen by the kernel overlaps no existing mapping.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                access,
                flags,
                file.as_raw_fd(),
                0,
            )
        };
        let base = match base {
            libc::MAP_FAILED => None,
            base => NonNull::new(base.cast()),
        };
        Ok(Self {
            base: base.ok_or_else(|| HostFailure::memory(purpose, bytes))?,
            bytes,
            purpose,
            sealed: false,
        })
    }

    /// Maps a readable page of zeros at an offset. False if the system refuses. Async-signal-safe.
    pub fn replace_with_zeros(&self, offset: usize) -> bool {
        self.check(&(offset..offset + page_bytes()));
        // SAFETY: MAP_FIXED replaces a page of this mapping only. The caller replaces only a page
        // whose reading faulted, so no reader has seen other contents.
        let address = unsafe {
            libc::mmap(
                self.base().add(offset).cast(),
                page_bytes(),
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        address != libc::MAP_FAILED
    }

    /// Address of byte 0.
    #[inline]
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// All addresses of the mapping.
    pub fn addresses(&self) -> Range<usize> {
        let start = self.base() as usize;
        start..start + self.bytes
    }

    /// Changes the access rights of a range of offsets at page boundaries.
    pub fn protect(&mut self, range: Range<usize>, access: Access) -> Result<(), HostFailure> {
        if range.is_empty() {
            return Ok(());
        }
        self.check(&range);
        // SAFETY: the range is within this mapping, which `&mut self` owns.
        let status = unsafe {
            libc::mprotect(
                self.base().add(range.start).cast(),
                range.len(),
                access.flags(),
            )
        };
        if status != 0 {
            return Err(HostFailure::memory(self.purpose, range.len()));
        }
        Ok(())
    }

    /// Releases the pages of a range. They then read as when they were mapped.
    pub fn discard(&mut self, range: Range<usize>) -> Result<(), HostFailure> {
        if range.is_empty() {
            return Ok(());
        }
        self.check(&range);
        // SAFETY: the range is within this mapping, which `&mut self` owns. Its private pages are
        // replaced by zeros or by the contents of the mapped file.
        let status = unsafe {
            libc::madvise(
                self.base().add(range.start).cast(),
                range.len(),
                libc::MADV_DONTNEED,
            )
        };
        if status != 0 {
            return Err(HostFailure::system("releasing memory (madvise)"));
        }
        Ok(())
    }

    /// Tells the system whether large pages are wanted for a range. The system may ignore it.
    pub fn prefer_large_pages(&mut self, range: Range<usize>, wanted: bool) {
        if range.is_empty() {
            return;
        }
        self.check(&range);
        let advice = match wanted {
            true => libc::MADV_HUGEPAGE,
            false => libc::MADV_NOHUGEPAGE,
        };
        // SAFETY: the range is within this mapping, which `&mut self` owns; the advice keeps the
        // contents. A refusal changes nothing.
        unsafe { libc::madvise(self.base().add(range.start).cast(), range.len(), advice) };
    }

    /// Asks the system to supply all pages of a range at once, instead of one at each first write.
    pub fn populate(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        self.check(&range);
        // SAFETY: the range is within this mapping, which `&mut self` owns; the advice keeps the
        // contents. If the system refuses or does not know it (before Linux 5.14), pages are
        // supplied when they are touched.
        unsafe {
            libc::madvise(
                self.base().add(range.start).cast(),
                range.len(),
                libc::MADV_POPULATE_WRITE,
            )
        };
    }

    /// Maps a part of a file at a range: private, writable, copy-on-write.
    pub fn map_file(
        &mut self,
        range: Range<usize>,
        file: &File,
        file_offset: u64,
    ) -> Result<(), HostFailure> {
        self.check(&range);
        // SAFETY: MAP_FIXED replaces pages of this mapping only, which `&mut self` owns.
        let address = unsafe {
            libc::mmap(
                self.base().add(range.start).cast(),
                range.len(),
                Access::ReadWrite.flags(),
                libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_NORESERVE,
                file.as_raw_fd(),
                file_offset as libc::off_t,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(HostFailure::memory(self.purpose, range.len()));
        }
        Ok(())
    }

    fn check(&self, range: &Range<usize>) {
        assert!(
            range.start <= range.end && range.end <= self.bytes,
            "the range is within the mapping"
        );
        debug_assert!(
            range.start.is_multiple_of(page_bytes()),
            "the range begins at a page boundary"
        );
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.sealed {
            return;
        }
        // SAFETY: the mapping is owned, and no reference into it remains.
        let status = unsafe { libc::munmap(self.base().cast(), self.bytes) };
        debug_assert_eq!(status, 0, "munmap of an owned mapping succeeds");
    }
}
