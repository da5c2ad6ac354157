//! The sections as the network's parser reads them (rule NET-2).

use super::NetworkModule;
use super::operators::{expression, value_type};
use super::rewrite::{invalid, rewrite};
use super::transcribe::{Read, Transcriber};
use crate::Refusal;
use pvf_rules::{Limits, RuleId};

const HEADER: &[u8; 8] = b"\0asm\x01\0\0\0";

/// Kinds of imports and exports.
pub(super) const FUNCTION: u8 = 0;
const TABLE: u8 = 1;
pub(super) const MEMORY: u8 = 2;
const GLOBAL: u8 = 3;

/// Custom sections that the node's engine refuses by their name.
const REFUSED_CUSTOM_SECTIONS: [&str; 2] = ["webidl-bindings", "wasm-interface-types"];

/// Reads a blob.
pub(super) fn read<'a>(wasm: &'a [u8], limits: &Limits) -> Result<NetworkModule<'a>, Refusal> {
    let mut blob = Blob::default();
    blob.read(wasm, limits).map_err(|error| error.of(None))?;
    Ok(rewrite(wasm, blob))
}

/// The contents of a section in the blob.
#[derive(Clone, Copy)]
pub(super) struct Contents<'a> {
    pub bytes: &'a [u8],
    /// Offset of the contents in the blob.
    pub offset: u32,
}

impl<'a> Contents<'a> {
    /// The entries from the first on, and how many there are.
    pub fn entries(self) -> Read<(u32, Transcriber<'a>)> {
        let mut t = Transcriber::new(self.bytes, self.offset);
        let count = t.muted(Transcriber::var_u32)?;
        Ok((count, t))
    }
}

/// The entries of a section in the shortest encoding.
#[derive(Default)]
pub(super) struct Entries {
    pub count: u32,
    pub bytes: Vec<u8>,
    /// Offset of the section's contents in the blob.
    pub offset: u32,
}

/// The memory that is imported first.
pub(super) struct MemoryImport<'a> {
    pub name: &'a str,
    /// Pages that it starts with.
    pub minimum: u32,
    /// Offset of the import in the blob.
    pub offset: u32,
}

/// A blob that has been read.
#[derive(Default)]
pub(super) struct Blob<'a> {
    pub types: Entries,
    /// Without the memory that is imported first.
    pub imports: Entries,
    pub imported_functions: u32,
    pub imported_globals: u32,
    pub memory_import: Option<MemoryImport<'a>>,
    /// The types of functions with bodies.
    pub functions: Vec<u32>,
    pub functions_offset: u32,
    pub tables: Entries,
    /// Pages that memories of the module's own start with.
    pub memories: Entries,
    pub globals: Entries,
    pub exports: Option<Contents<'a>>,
    /// Index of the start function, and where it is in the blob.
    pub start: Option<(u32, u32)>,
    pub elements: Option<Contents<'a>>,
    pub code: Option<Contents<'a>>,
    pub bodies: u32,
    pub data: Entries,
    /// The count of a data-count section, and its offset in the blob.
    pub data_count: Option<(u32, u32)>,
    /// For each function, whether it is entered from elsewhere than by a call: it is exported, in an element segment,
    /// or the start function.
    pub entered: Vec<bool>,
    /// The first error that does not prevent reading.
    pub fault: Option<Refusal>,
}

impl<'a> Blob<'a> {
    fn read(&mut self, wasm: &'a [u8], limits: &Limits) -> Read<()> {
        let mut t = Transcriber::new(wasm, 0);
        let header = t.muted(|t| t.bytes(HEADER.len() as u32))?;
        if header != HEADER {
            return t.refuse(0, "not a WebAssembly module of version 1");
        }
        let mut last = 0;
        while !t.at_end() {
            let start = t.offset();
            let id = t.muted(Transcriber::byte)?;
            let size = t.muted(Transcriber::var_u32)?;
            let offset = t.offset();
            let bytes = t.muted(|t| t.bytes(size))?;
            let order = match id {
                0 => None,
                1..=9 => Some(id),
                // The number of data segments stands between the element segments and the code.
                12 => Some(10),
                10 | 11 => Some(id + 1),
                13 => return t.refuse_proposal(start, "exception-handling"),
                _ => return t.refuse(start, format!("malformed section id: {id}")),
            };
            if let Some(order) = order {
                if order <= last {
                    return t.refuse(start, "a section is out of order or stands twice");
                }
                last = order;
            }
            self.section(id, Contents { bytes, offset }, limits)?;
        }
        let functions = self.functions.len();
        if self.bodies as usize != functions {
            let message = format!("{functions} functions and {} bodies", self.bodies);
            return t.refuse(t.offset(), message);
        }
        Ok(())
    }

    fn section(&mut self, id: u8, contents: Contents<'a>, limits: &Limits) -> Read<()> {
        match id {
            0 => self.custom(contents, limits),
            1 => entries(contents, &mut self.types, func_type),
            2 => self.imports(contents),
            3 => self.functions(contents),
            4 => entries(contents, &mut self.tables, table),
            5 => entries(contents, &mut self.memories, |t| memory(t).map(drop)),
            6 => entries(contents, &mut self.globals, |t| {
                global_type(t)?;
                expression(t)
            }),
            7 => self.exports(contents),
            8 => {
                let (index, offset) = single(contents)?;
                self.start = Some((index, offset));
                self.enter(index, offset);
                Ok(())
            }
            9 => self.elements(contents),
            10 => self.code(contents),
            11 => entries(contents, &mut self.data, |t| {
                t.var_u32()?;
                expression(t)?;
                let bytes = t.var_u32()?;
                t.bytes(bytes).map(drop)
            }),
            _ => {
                self.data_count = Some(single(contents)?);
                Ok(())
            }
        }
    }

    /// Only the name of a custom section has a meaning.
    fn custom(&mut self, contents: Contents<'a>, limits: &Limits) -> Read<()> {
        let mut t = Transcriber::new(contents.bytes, contents.offset);
        let name = t.muted(Transcriber::name)?;
        if let Err(limit) = limits.name_bytes(name.len() as u64) {
            self.fault(Refusal::limit(limit, None, contents.offset));
        }
        if REFUSED_CUSTOM_SECTIONS.contains(&name) {
            let message = format!("a custom section has the name {name:?}");
            self.fault(invalid(RuleId::NET_7, contents.offset, message));
        }
        Ok(())
    }

    fn imports(&mut self, contents: Contents<'a>) -> Read<()> {
        let mut imports = Entries::default();
        let mut taken = None;
        entries(contents, &mut imports, |t| {
            let (start, offset) = (t.written(), t.offset());
            t.name()?;
            let name = t.name()?;
            match kind(t)? {
                FUNCTION => {
                    self.imported_functions += 1;
                    t.var_u32()?;
                }
                TABLE => table(t)?,
                MEMORY => {
                    let minimum = memory(t)?;
                    if self.memory_import.is_none() {
                        self.memory_import = Some(MemoryImport {
                            name,
                            minimum,
                            offset,
                        });
                        taken = Some(start..t.written());
                    }
                }
                _ => {
                    self.imported_globals += 1;
                    global_type(t)?;
                }
            }
            Ok(())
        })?;
        if let Some(taken) = taken {
            imports.bytes.drain(taken);
            imports.count -= 1;
        }
        self.imports = imports;
        self.entered = vec![false; self.imported_functions as usize];
        Ok(())
    }

    fn functions(&mut self, contents: Contents<'a>) -> Read<()> {
        let (count, mut t) = contents.entries()?;
        for _ in 0..count {
            let ty = t.muted(Transcriber::var_u32)?;
            self.functions.push(ty);
        }
        self.functions_offset = contents.offset;
        let functions = self.entered.len() + self.functions.len();
        self.entered.resize(functions, false);
        end(&t)
    }

    fn exports(&mut self, contents: Contents<'a>) -> Read<()> {
        self.exports = Some(contents);
        let (count, mut t) = contents.entries()?;
        for _ in 0..count {
            t.muted(Transcriber::name)?;
            let kind = t.muted(kind)?;
            let offset = t.offset();
            let index = t.muted(Transcriber::var_u32)?;
            if kind == FUNCTION {
                self.enter(index, offset);
            }
        }
        end(&t)
    }

    fn elements(&mut self, contents: Contents<'a>) -> Read<()> {
        self.elements = Some(contents);
        let (count, mut t) = contents.entries()?;
        for _ in 0..count {
            t.muted(|t| {
                t.var_u32()?;
                expression(t)
            })?;
            for _ in 0..t.muted(Transcriber::var_u32)? {
                let offset = t.offset();
                let index = t.muted(Transcriber::var_u32)?;
                self.enter(index, offset);
            }
        }
        end(&t)
    }

    /// Locates the bodies without reading them.
    fn code(&mut self, contents: Contents<'a>) -> Read<()> {
        self.code = Some(contents);
        let (count, mut t) = contents.entries()?;
        self.bodies = count;
        for _ in 0..count {
            let bytes = t.muted(Transcriber::var_u32)?;
            t.muted(|t| t.bytes(bytes))?;
        }
        end(&t)
    }

    fn enter(&mut self, function: u32, offset: u32) {
        match self.entered.get_mut(function as usize) {
            Some(entered) => *entered = true,
            None => {
                let message = format!("unknown function {function}: function index out of bounds");
                self.fault(invalid(RuleId::NET_6, offset, message));
            }
        }
    }

    /// Notes what is wrong, if it is the first.
    pub fn fault(&mut self, fault: Refusal) {
        self.fault.get_or_insert(fault);
    }
}

/// Reads the entries of a section.
fn entries<'a>(
    contents: Contents<'a>,
    to: &mut Entries,
    mut entry: impl FnMut(&mut Transcriber<'a>) -> Read<()>,
) -> Read<()> {
    let (count, mut t) = contents.entries()?;
    t.reserve();
    for _ in 0..count {
        entry(&mut t)?;
    }
    end(&t)?;
    *to = Entries {
        count,
        bytes: t.finish(),
        offset: contents.offset,
    };
    Ok(())
}

/// A section that is one number: it, and where it is.
fn single(contents: Contents<'_>) -> Read<(u32, u32)> {
    let mut t = Transcriber::new(contents.bytes, contents.offset);
    let number = t.var_u32()?;
    end(&t)?;
    Ok((number, contents.offset))
}

fn end(t: &Transcriber<'_>) -> Read<()> {
    match t.at_end() {
        true => Ok(()),
        false => t.refuse(t.offset(), "a section is longer than its entries"),
    }
}

/// The kind of an import or export.
pub(super) fn kind(t: &mut Transcriber<'_>) -> Read<u8> {
    let offset = t.offset();
    match t.byte()? {
        kind @ FUNCTION..=GLOBAL => Ok(kind),
        4 => t.refuse_proposal(offset, "exception-handling"),
        other => t.refuse(offset, format!("malformed kind: {other}")),
    }
}

fn func_type(t: &mut Transcriber<'_>) -> Read<()> {
    let offset = t.offset();
    match t.byte()? {
        0x60 => {}
        0x4d | 0x4e | 0x4f | 0x50 | 0x5e | 0x5f => return t.refuse_proposal(offset, "gc"),
        form => return t.refuse(offset, format!("{form:#04x} is no type of a function")),
    }
    for _ in 0..t.var_u32()? {
        value_type(t)?;
    }
    let offset = t.offset();
    let results = t.var_u32()?;
    for _ in 0..results {
        value_type(t)?;
    }
    match results {
        0 | 1 => Ok(()),
        _ => t.refuse_proposal(offset, "multi-value"),
    }
}

fn table(t: &mut Transcriber<'_>) -> Read<()> {
    let offset = t.offset();
    match t.byte()? {
        0x70 => {}
        0x6f => return t.refuse_proposal(offset, "reference-types"),
        0x40 | 0x63 | 0x64 => return t.refuse_proposal(offset, "function-references"),
        ty => {
            return t.refuse(
                offset,
                format!("{ty:#04x} is no type of a table's elements"),
            );
        }
    }
    if limits(t)? {
        t.var_u32()?;
        t.var_u32()?;
    } else {
        t.var_u32()?;
    }
    Ok(())
}

/// Flags of limits: whether there is a maximum.
fn limits(t: &mut Transcriber<'_>) -> Read<bool> {
    let offset = t.offset();
    match t.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        2 | 3 => t.refuse_proposal(offset, "threads"),
        4..=7 => t.refuse_proposal(offset, "memory64"),
        8..=15 => t.refuse_proposal(offset, "custom-page-sizes"),
        flags => t.refuse(offset, format!("malformed flags of limits: {flags:#04x}")),
    }
}

/// The type of a memory, written without its maximum. Gives the pages that it starts with.
fn memory(t: &mut Transcriber<'_>) -> Read<u32> {
    let has_maximum = t.muted(limits)?;
    t.put(&[0]);
    let minimum = t.var_u32()?;
    if has_maximum {
        t.muted(Transcriber::var_u32)?;
    }
    Ok(minimum)
}

fn global_type(t: &mut Transcriber<'_>) -> Read<()> {
    value_type(t)?;
    let offset = t.offset();
    match t.byte()? {
        0 | 1 => Ok(()),
        2 | 3 => t.refuse_proposal(offset, "shared-everything-threads"),
        _ => t.refuse(offset, "malformed mutability"),
    }
}
