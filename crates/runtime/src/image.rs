//! The initial contents of linear memory, shared copy-on-write by all instances.
//!
//! Data segments with constant offsets are written once per module into an anonymous file, as a few
//! page-aligned extents. An instance maps the extents privately. The image holds the active
//! segments before the first one that depends on an imported global or is out of bounds. Segments
//! apply in order, so each instance has to write that segment and all later ones. An image takes at
//! most twice the data's bytes plus 1 MiB.

use crate::HostFailure;
use crate::mapping::page_bytes;
use pvf_compiler::artifact::{ConstExpr, ModuleInfo};
use pvf_rules::PAGE_BYTES;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;

/// Maximum number of extents of an image. Each takes two or three of the kernel's memory areas
/// (VMAs) per instance, whose number is limited. Data outside the largest extents is copied by each
/// instance.
const MAX_EXTENTS: usize = 16;

/// A gap up to this size does not begin a new extent.
const MAX_GAP: usize = 64 * 1024;

/// An extent may take `MAX_SPREAD` times the bytes of its data, or `FREE_BYTES` if that is more.
/// Sparser data is left to the instances: one byte in each page of 4 GiB must not become 4 GiB
/// before the limit of the memory is known. An image thus takes at most twice the data's bytes plus
/// 1 MiB.
const MAX_SPREAD: usize = 2;
const FREE_BYTES: usize = 64 * 1024;

/// The image of a module's memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryImage {
    file: Option<File>,
    layout: Layout,
    /// Offset of the image in the file.
    start: u64,
}

/// The layout of an image: which data it holds at which addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layout {
    extents: Vec<Extent>,
    /// Active segments that each instance has to write by itself, in order.
    pub remaining: Vec<u32>,
}

/// A range of pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Extent {
    memory: Range<usize>,
    /// Offset from the beginning of the image.
    file_offset: u64,
}

/// A data segment in the image, by index, and its offset there.
struct Placed {
    segment: usize,
    at: u64,
}

impl Layout {
    /// The layout for a module with checked metadata, and the segments that it places.
    fn new(module: &ModuleInfo) -> (Self, Vec<Placed>) {
        let memory_bytes = module
            .memory
            .map_or(0, |memory| u64::from(memory.minimum) * PAGE_BYTES);
        let segments = &module.data_segments;
        let constant: Vec<(usize, Range<usize>)> = segments
            .iter()
            .enumerate()
            .filter(|(_, segment)| segment.offset.is_some())
            .map_while(|(index, segment)| {
                let Some(ConstExpr::Const(offset)) = segment.offset else {
                    return None;
                };
                let start = u64::from(offset as u32);
                let end = start + segment.bytes.len() as u64;
                (end <= memory_bytes).then_some((index, start as usize..end as usize))
            })
            .collect();
        let first_left = constant.last().map_or(0, |(index, _)| index + 1);

        let extents = largest(extents(constant.iter().map(|(_, range)| range)));
        let mut placed = Vec::new();
        let mut remaining = Vec::new();
        for (index, range) in &constant {
            let extent = extents.iter().find(|extent| {
                extent.memory.start <= range.start && range.end <= extent.memory.end
            });
            match extent {
                _ if range.is_empty() => {}
                Some(extent) => placed.push(Placed {
                    segment: *index,
                    at: extent.file_offset + (range.start - extent.memory.start) as u64,
                }),
                None => remaining.push(*index as u32),
            }
        }
        remaining.extend(
            (first_left..segments.len())
                .filter(|&index| segments[index].offset.is_some())
                .map(|index| index as u32),
        );
        (Self { extents, remaining }, placed)
    }

    /// A layout with an empty image: each instance writes all segments.
    fn without_image(module: &ModuleInfo) -> Self {
        let active = (0..).zip(&module.data_segments);
        let active = active.filter(|(_, segment)| segment.offset.is_some());
        Self {
            extents: Vec::new(),
            remaining: active.map(|(index, _)| index).collect(),
        }
    }

    /// Bytes of the image, a multiple of the page size.
    pub fn bytes(&self) -> u64 {
        self.extents
            .last()
            .map_or(0, |last| last.file_offset + last.memory.len() as u64)
    }

    /// Whether the layout is valid for this module, as far as an instance relies on it.
    pub fn suits(&self, module: &ModuleInfo) -> bool {
        let memory_bytes = module
            .memory
            .map_or(0, |memory| memory.minimum as usize * PAGE_BYTES as usize);
        let page = page_bytes();
        let mut offset = 0;
        let in_place = self.extents.iter().all(|extent| {
            let Range { start, end } = extent.memory.clone();
            let follows = extent.file_offset == offset;
            offset = offset.saturating_add(end.saturating_sub(start) as u64);
            let pages = start.is_multiple_of(page) && end.is_multiple_of(page);
            follows && pages && start < end && end <= memory_bytes
        });
        let known = |&segment: &u32| (segment as usize) < module.data_segments.len();
        in_place && self.extents.len() <= MAX_EXTENTS && self.remaining.iter().all(known)
    }
}

/// The segments to write into an image, with their offsets.
pub struct Contents(Vec<Placed>);

impl Contents {
    /// Writes the segments into an image at offset `start` of a file. `data` is the module's data.
    pub fn write(
        &self,
        module: &ModuleInfo,
        data: &[u8],
        file: &File,
        start: u64,
    ) -> Result<(), HostFailure> {
        for Placed { segment, at } in &self.0 {
            let bytes = &module.data_segments[*segment].bytes;
            let bytes = &data[bytes.start as usize..bytes.end as usize];
            file.write_all_at(bytes, start + at)
                .map_err(|source| HostFailure::System {
                    action: "writing the image of linear memory",
                    source,
                })?;
        }
        Ok(())
    }
}

impl MemoryImage {
    /// Builds the image of a module with checked metadata. `data` holds the bytes of its segments.
    pub fn new(module: &ModuleInfo, data: &[u8]) -> Result<Self, HostFailure> {
        let (layout, placed) = Layout::new(module);
        let file = match layout.bytes() {
            0 => None,
            bytes => {
                let file = anonymous_file(bytes)?;
                Contents(placed).write(module, data, &file, 0)?;
                seal(&file)?;
                Some(file)
            }
        };
        Ok(Self {
            file,
            layout,
            start: 0,
        })
    }

    /// The layout of the image, and the contents to write into it. If a memory starts with more
    /// than `limit_pages`, the image is empty, because instantiation will fail.
    pub fn planned(module: &ModuleInfo, limit_pages: u32) -> (Layout, Contents) {
        let too_large = module.memory.is_some_and(|it| it.minimum > limit_pages);
        let (layout, placed) = match too_large {
            true => (Layout::without_image(module), Vec::new()),
            false => Layout::new(module),
        };
        (layout, Contents(placed))
    }

    /// An image stored in a file, with a [valid](Layout::suits) layout.
    pub fn in_file(layout: Layout, file: File, start: u64) -> Self {
        Self {
            file: Some(file),
            layout,
            start,
        }
    }

    /// The layout of the image.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Active segments that each instance has to write by itself, in order.
    pub fn remaining(&self) -> &[u32] {
        &self.layout.remaining
    }

    /// The parts to map: range of memory, file, offset in the file.
    pub fn parts(&self) -> impl Iterator<Item = (Range<usize>, &File, u64)> {
        let file = self.file.as_ref();
        self.layout.extents.iter().filter_map(move |extent| {
            Some((
                extent.memory.clone(),
                file?,
                self.start + extent.file_offset,
            ))
        })
    }
}

/// Page-aligned ranges that cover the given ranges, ascending. Neighbours that are close are
/// merged; sparse ones are left out.
fn extents<'a>(ranges: impl Iterator<Item = &'a Range<usize>>) -> Vec<Range<usize>> {
    let page = page_bytes();
    let mut pages: Vec<_> = ranges
        .filter(|range| !range.is_empty())
        .map(|range| {
            let pages = range.start & !(page - 1)..range.end.next_multiple_of(page);
            (pages, range.len())
        })
        .collect();
    pages.sort_unstable_by_key(|(range, _)| range.start);
    let mut merged: Vec<Spread> = Vec::new();
    for (pages, data) in pages {
        let new = Spread {
            memory: pages,
            data,
        };
        match merged.last_mut() {
            Some(last) if last.takes(&new) => last.add(new),
            _ => merged.push(new),
        }
    }
    let dense = merged.into_iter().filter(Spread::is_dense);
    dense.map(|spread| spread.memory).collect()
}

/// Data within a range of pages.
struct Spread {
    memory: Range<usize>,
    /// Bytes of data.
    data: usize,
}

impl Spread {
    /// Whether the data justifies its pages. Pages without data count, since reading one takes
    /// memory too.
    fn is_dense(&self) -> bool {
        self.memory.len() <= FREE_BYTES.max(self.data.saturating_mul(MAX_SPREAD))
    }

    /// Both together; `other` begins at or above the start of this one.
    fn with(&self, other: &Self) -> Self {
        Self {
            memory: self.memory.start..self.memory.end.max(other.memory.end),
            data: self.data + other.data,
        }
    }

    /// Whether `other` is to be merged: it shares a page, or it is close and both together are
    /// dense.
    fn takes(&self, other: &Self) -> bool {
        let overlaps = other.memory.start < self.memory.end;
        let close = other.memory.start <= self.memory.end + MAX_GAP;
        overlaps || close && self.with(other).is_dense()
    }

    fn add(&mut self, other: Self) {
        *self = self.with(&other);
    }
}

/// The largest extents, by ascending address, consecutive in the file.
fn largest(mut extents: Vec<Range<usize>>) -> Vec<Extent> {
    extents.sort_by_key(|extent| std::cmp::Reverse(extent.len()));
    extents.truncate(MAX_EXTENTS);
    extents.sort_unstable_by_key(|extent| extent.start);
    let mut file_offset = 0;
    extents
        .into_iter()
        .map(|memory| {
            let extent = Extent {
                memory,
                file_offset,
            };
            file_offset += extent.memory.len() as u64;
            extent
        })
        .collect()
}

fn anonymous_file(bytes: u64) -> Result<File, HostFailure> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a C string; the call accesses no other memory.
    let fd = unsafe { libc::memfd_create(c"pvf-memory-image".as_ptr(), flags) };
    if fd < 0 {
        return Err(HostFailure::system("memfd_create"));
    }
    // SAFETY: the descriptor is new and has no other owner.
    let file = unsafe { File::from_raw_fd(fd) };
    file.set_len(bytes).map_err(|source| HostFailure::System {
        action: "sizing the image of linear memory",
        source,
    })?;
    Ok(file)
}

/// Seals the image: its contents and size can no longer change, by any descriptor.
fn seal(file: &File) -> Result<(), HostFailure> {
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: the descriptor is valid while `file` lives; `F_ADD_SEALS` takes an integer.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } {
        0 => Ok(()),
        _ => Err(HostFailure::system("sealing the image of linear memory")),
    }
}
