//! Linear memory: a reservation of address space that no access of generated code can leave.
//!
//! ```text
//! | front guard, 2 GiB | accessible | not accessible ... up to 8 GiB | guard |
//!                      ^ base
//! ```
//!
//! Generated code makes no bounds checks: it accesses up to 16 bytes at `base + u32 index + u32
//! offset`, which stays below `base + 8 GiB + 16`. The front guard catches bugs only: the processor
//! sign-extends 32-bit displacements, so a wrongly encoded offset reaches at most 2 GiB below the
//! base. Address space is cheap: a process has 128 TiB, enough for some 12,000 instances.

use crate::HostFailure;
use crate::image::MemoryImage;
use crate::mapping::{Access, Mapping, page_bytes, round_up};
use pvf_rules::{MOST_MEMORY_PAGES, PAGE_BYTES};
use std::ops::Range;

/// Bytes of inaccessible address space below the base.
const FRONT_GUARD: usize = 1 << 31;
/// Bytes from the base that an index and an offset can reach.
const REACH: usize = 1 << 33;
/// Inaccessible bytes after `REACH`, for the width of the access.
const BACK_GUARD: usize = 64 * 1024;

/// Bytes of the large pages that most systems offer in addition to pages of 4 KiB.
const LARGE_PAGE: usize = 2 << 20;

/// Minimum length of a range for which large pages are requested, even if the rest of a large page
/// stays unused.
const WORTH_LARGE: usize = 512 << 10;

/// Ranges of this length or longer are not populated in advance, since they may stay unused.
const TOO_MUCH_AT_ONCE: usize = 4 << 20;

/// The linear memory of an instance.
#[derive(Debug)]
pub(crate) struct LinearMemory {
    mapping: Mapping,
    /// Current size in bytes.
    bytes: usize,
    /// Size at instantiation in bytes.
    initial_bytes: usize,
    limit_pages: u32,
    /// Whether large pages were requested for some range.
    large_pages: bool,
}

impl LinearMemory {
    /// A memory of `initial_pages` pages with the contents of the image. `initial_pages` is at most
    /// `limit_pages`, which is at most 65,536.
    pub fn new(
        initial_pages: u32,
        limit_pages: u32,
        image: &MemoryImage,
    ) -> Result<Self, HostFailure> {
        debug_assert!(
            initial_pages <= limit_pages && limit_pages <= MOST_MEMORY_PAGES,
            "initial size, limit and 65,536 pages are in ascending order"
        );
        let reservation = FRONT_GUARD + REACH + BACK_GUARD;
        let mut mapping = Mapping::new(reservation, Access::None, "linear memory")?;
        let initial_bytes = initial_pages as usize * PAGE_BYTES as usize;
        mapping.protect(FRONT_GUARD..FRONT_GUARD + initial_bytes, Access::ReadWrite)?;
        for (range, file, file_offset) in image.parts() {
            debug_assert!(
                range.end <= initial_bytes,
                "the image holds segments within the initial memory"
            );
            let range = FRONT_GUARD + range.start..FRONT_GUARD + range.end;
            mapping.map_file(range, file, file_offset)?;
        }
        Ok(Self {
            mapping,
            bytes: initial_bytes,
            initial_bytes,
            limit_pages,
            large_pages: false,
        })
    }

    /// Address of byte 0.
    #[inline]
    pub fn base(&self) -> *mut u8 {
        // SAFETY: the reservation is longer than its front guard.
        unsafe { self.mapping.base().add(FRONT_GUARD) }
    }

    /// All addresses that generated code can reach, guards included.
    pub fn reservation(&self) -> Range<usize> {
        self.mapping.addresses()
    }

    /// Current size in pages.
    pub fn pages(&self) -> u32 {
        (self.bytes / PAGE_BYTES as usize) as u32
    }

    /// Size at instantiation in pages.
    pub fn initial_pages(&self) -> u32 {
        (self.initial_bytes / PAGE_BYTES as usize) as u32
    }

    /// Maximum size in pages.
    pub fn limit_pages(&self) -> u32 {
        self.limit_pages
    }

    /// Sets the maximum size, which is at least the current size and at most 65,536 pages.
    pub fn set_limit_pages(&mut self, limit_pages: u32) {
        debug_assert!(
            self.pages() <= limit_pages && limit_pages <= MOST_MEMORY_PAGES,
            "current size, limit and 65,536 pages are in ascending order"
        );
        self.limit_pages = limit_pages;
    }

    /// The contents.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the first `bytes` bytes from the base are mapped and readable, and generated
        // code, which may write them, runs only while `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts(self.base(), self.bytes) }
    }

    /// The contents, mutable.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_slice`, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.base(), self.bytes) }
    }

    /// Adds pages and returns the previous size in pages, or `None` if the new size would exceed
    /// the limit. A refusal by the operating system is a failure of the host.
    pub fn grow(&mut self, pages: u32) -> Result<Option<u32>, HostFailure> {
        let old = self.pages();
        match old.checked_add(pages) {
            Some(new) if new <= self.limit_pages => {}
            _ => return Ok(None),
        }
        let end = self.bytes + pages as usize * PAGE_BYTES as usize;
        self.mapping.protect(
            FRONT_GUARD + self.bytes..FRONT_GUARD + end,
            Access::ReadWrite,
        )?;
        self.bytes = end;
        Ok(Some(old))
    }

    /// Announces that all of a range of the contents will soon be written for the first time. The
    /// system then supplies the pages of a short range in one call, and large pages for a long
    /// range. Page faults take half the time of candidates of many megabytes.
    pub fn expect_use(&mut self, range: Range<usize>) {
        let end = range.end.min(self.bytes);
        if range.start >= end {
            return;
        }
        if end - range.start >= WORTH_LARGE {
            let base = self.base() as usize;
            let first = (base + range.start).next_multiple_of(LARGE_PAGE) - base;
            let last = (base + end).next_multiple_of(LARGE_PAGE) - base;
            let last = last.min((base + self.bytes) / LARGE_PAGE * LARGE_PAGE - base);
            if first < last {
                self.large_pages = true;
                self.mapping
                    .prefer_large_pages(FRONT_GUARD + first..FRONT_GUARD + last, true);
            }
        }
        if end - range.start < TOO_MUCH_AT_ONCE {
            let first = range.start / page_bytes() * page_bytes();
            let last = round_up(end).unwrap_or(first);
            self.mapping
                .populate(FRONT_GUARD + first..FRONT_GUARD + last);
        }
    }

    /// Restores the size and contents of a new memory.
    pub fn reset(&mut self) -> Result<(), HostFailure> {
        let end = FRONT_GUARD + self.bytes;
        if std::mem::take(&mut self.large_pages) {
            self.mapping.prefer_large_pages(FRONT_GUARD..end, false);
        }
        self.mapping.discard(FRONT_GUARD..end)?;
        self.mapping
            .protect(FRONT_GUARD + self.initial_bytes..end, Access::None)?;
        self.bytes = self.initial_bytes;
        Ok(())
    }
}
