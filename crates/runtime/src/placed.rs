//! A module in two files, which one process writes and others map.
//!
//! Decoding an artifact means parsing untrusted input, which the process that runs the code should
//! not have to do. [`place`] checks an artifact and writes its mappable parts into two anonymous
//! files. Their descriptors can be passed to any number of processes. Such a process makes a module
//! of them ([`Placed`]) in a small part of the time:
//!
//! - the code file holds only code, padded to a full page: no executable page holds data, and
//!   mapping more of the file would not make data executable;
//! - the other file holds the metadata, the function table, the trap map, the data that instances
//!   write, and the initial image of linear memory, which instances map copy-on-write.
//!
//! ```text
//! 0   8 x u64   bytes of code, layout, functions and trap map; entries of the trap map's index;
//!               bytes of metadata and data; offset of the image
//! 64  ...       layout of the image (postcard), functions, trap map, metadata, data
//!               at a page boundary: the image
//! ```
//!
//! The files are valid within one boot and one version of the program, so the format is private.

use crate::code::Code;
use crate::file::FileMapping;
use crate::image::{Layout, MemoryImage};
use crate::mapping::{Mapping, page_bytes};
use crate::module::needs_data;
use crate::{HostFailure, LoadError, Module, traps, validate};
use pvf_compiler::Artifact;
use pvf_compiler::artifact::{ModuleInfo, TrapMap};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Fills the last page after the code: instructions that end the process (`int3`, `udf`).
const BEHIND_CODE: u8 = if cfg!(target_arch = "x86_64") {
    0xcc
} else {
    0
};

/// Words of the head.
const HEAD_WORDS: usize = 8;
const HEAD_BYTES: usize = 8 * HEAD_WORDS;

/// The head of the second file: lengths and the offset of the image.
#[derive(Clone, Copy, Debug)]
struct Head {
    code: u64,
    layout: u64,
    functions: u64,
    traps: u64,
    trap_groups: u64,
    metadata: u64,
    data: u64,
    image_start: u64,
}

impl Head {
    fn words(&self) -> [u64; HEAD_WORDS] {
        [
            self.code,
            self.layout,
            self.functions,
            self.traps,
            self.trap_groups,
            self.metadata,
            self.data,
            self.image_start,
        ]
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (words, _) = bytes.get(..HEAD_BYTES)?.as_chunks::<8>();
        let word = |index: usize| u64::from_le_bytes(words[index]);
        Some(Self {
            code: word(0),
            layout: word(1),
            functions: word(2),
            traps: word(3),
            trap_groups: word(4),
            metadata: word(5),
            data: word(6),
            image_start: word(7),
        })
    }

    /// The ranges of layout, functions, trap map, metadata and data; `None` if they reach into the
    /// image.
    fn ranges(&self) -> Option<[Range<usize>; 5]> {
        let mut end = HEAD_BYTES;
        let mut ranges = [const { 0..0 }; 5];
        let lengths = [
            self.layout,
            self.functions,
            self.traps,
            self.metadata,
            self.data,
        ];
        for (range, length) in ranges.iter_mut().zip(lengths) {
            let start = end;
            end = start.checked_add(usize::try_from(length).ok()?)?;
            *range = start..end;
        }
        (end as u64 <= self.image_start).then_some(ranges)
    }
}

/// Checks the bytes of an artifact and writes them into two empty files, which the caller then
/// seals. The image is empty if the memory starts with more than `limit_pages`.
///
/// # Errors
/// The artifact is damaged or for another machine, or the system refuses.
pub fn place(
    artifact: &[u8],
    limit_pages: u32,
    code_file: &File,
    rest_file: &File,
) -> Result<(), LoadError> {
    let parts = Artifact::parse(artifact)?;
    let (module, code) = (&parts.module, &artifact[parts.code.clone()]);
    let data = &artifact[parts.data.clone()];
    validate::validate(module, code.len(), data.len())?;

    let write = |file: &File, bytes: &[u8], at: u64| {
        let written = file.write_all_at(bytes, at);
        written.map_err(failed("writing a module into memory"))
    };
    write(code_file, code, 0)?;
    let behind = code.len().next_multiple_of(page_bytes()).max(page_bytes()) - code.len();
    write(code_file, &vec![BEHIND_CODE; behind], code.len() as u64)?;

    let (layout, contents) = MemoryImage::planned(module, limit_pages);
    let written_data = match needs_data(module, &layout) {
        true => data,
        false => &[],
    };
    let layout_bytes = postcard::to_stdvec(&layout)
        .map_err(|error| HostFailure::Internal(format!("the layout of an image: {error}")))?;
    let pieces = [
        &layout_bytes[..],
        &artifact[parts.functions.clone()],
        &artifact[parts.traps.clone()],
        &artifact[parts.metadata.clone()],
        written_data,
    ];
    let end = HEAD_BYTES + pieces.iter().map(|piece| piece.len()).sum::<usize>();
    let image_start = end.next_multiple_of(page_bytes()) as u64;
    let head = Head {
        code: code.len() as u64,
        layout: layout_bytes.len() as u64,
        functions: parts.functions.len() as u64,
        traps: parts.traps.len() as u64,
        trap_groups: parts.trap_groups as u64,
        metadata: parts.metadata.len() as u64,
        data: written_data.len() as u64,
        image_start,
    };
    write(
        rest_file,
        head.words().map(u64::to_le_bytes).as_flattened(),
        0,
    )?;
    let mut at = HEAD_BYTES as u64;
    for piece in pieces {
        write(rest_file, piece, at)?;
        at += piece.len() as u64;
    }
    // Unwritten pages read as zeros and take no memory.
    let sized = rest_file.set_len(image_start + layout.bytes());
    sized.map_err(failed("sizing a module in memory"))?;
    Ok(contents.write(module, data, rest_file, image_start)?)
}

fn failed(action: &'static str) -> impl Fn(io::Error) -> HostFailure {
    move |source| HostFailure::System { action, source }
}

/// The two files that [`place`] wrote, mapped, the code as executable. [`Placed::into_module`]
/// needs no further file and no new executable mapping, so it works in a sandbox that forbids both.
#[derive(Debug)]
pub struct Placed {
    code: Mapping,
    head: Head,
    /// The second file up to the image.
    front: FileMapping,
    rest: File,
    rest_bytes: u64,
}

impl Placed {
    /// Maps both files and installs the trap handlers.
    ///
    /// # Errors
    /// The system refuses, or [`place`] did not write these files.
    pub fn map(code: &File, rest: File) -> Result<Self, LoadError> {
        traps::install()?;
        let bytes = |file: &File| match file.metadata() {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) => Err(failed("sizing a module in memory")(error)),
        };
        let (code_bytes, rest_bytes) = (bytes(code)?, bytes(&rest)?);
        let mut head = [0; HEAD_BYTES];
        if rest_bytes < HEAD_BYTES as u64 {
            return Err(WRONG);
        }
        let read = rest.read_exact_at(&mut head, 0);
        read.map_err(failed("reading a module in memory"))?;
        let head = Head::read(&head).ok_or(WRONG)?;
        if head.image_start > rest_bytes || head.code > code_bytes || code_bytes == 0 {
            return Err(WRONG);
        }
        Ok(Self {
            code: Mapping::of_code(code, code_bytes as usize, "machine code")?,
            front: FileMapping::new(&rest, head.image_start as usize)?,
            head,
            rest,
            rest_bytes,
        })
    }

    /// Makes the module.
    ///
    /// # Errors
    /// The files do not belong together, or the system refuses.
    ///
    /// # Safety
    /// [`place`] wrote both files from an artifact that the compiler made, and they cannot be
    /// changed.
    pub unsafe fn into_module(self) -> Result<Module, LoadError> {
        let head = self.head;
        let [layout, functions, traps, metadata, data] = head.ranges().ok_or(WRONG)?;
        let code = Code::mapped(self.code, head.code as usize)?;
        let front = Arc::new(self.front);
        front.read(|bytes| {
            let module = ModuleInfo::decode(&bytes[metadata], &bytes[functions])?;
            let data_bytes = module.data_segments.iter().map(|it| it.bytes.end).max();
            validate::validate(
                &module,
                code.addresses().len(),
                data_bytes.unwrap_or(0) as usize,
            )?;
            let layout: Layout = postcard::from_bytes(&bytes[layout]).map_err(|_| WRONG)?;
            let image_end = head.image_start.checked_add(layout.bytes());
            if !layout.suits(&module) || image_end.is_none_or(|end| end > self.rest_bytes) {
                return Err(WRONG);
            }
            let groups = usize::try_from(head.trap_groups).map_err(|_| WRONG)?;
            let traps = TrapMap::shared(front.clone(), traps, groups).ok_or(WRONG)?;
            let image = MemoryImage::in_file(layout, self.rest, head.image_start);
            let file = Some(front.clone());
            Ok(Module::from_parts(
                module,
                traps,
                code,
                image,
                &bytes[data],
                file,
            ))
        })?
    }
}

/// The error for files that [`place`] did not write.
const WRONG: LoadError = LoadError::Inconsistent {
    what: "not a placed module, part",
    index: 0,
};
