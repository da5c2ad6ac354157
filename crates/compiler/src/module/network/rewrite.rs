//! What a node makes of a module that it has read (rules NET-4 to NET-6).

use super::sections::{Blob, Contents, Entries, FUNCTION, MEMORY, kind};
use super::transcribe::{Read, Transcriber};
use super::{NetworkModule, Section, SectionId, operators};
use crate::Refusal;
use pvf_rules::RuleId;

/// The limiter's counter: a mutable `i32` that begins as 0.
const COUNTER: [u8; 5] = [0x7f, 1, 0x41, 0, 0x0b];

/// An error in the module that is made of a blob.
pub(super) fn invalid(rule: RuleId, offset: u32, message: impl Into<String>) -> Refusal {
    Refusal::Invalid {
        function: None,
        offset,
        message: message.into(),
        rule,
    }
}

/// Rewrites a module.
pub(super) fn rewrite<'a>(wasm: &'a [u8], mut blob: Blob<'a>) -> NetworkModule<'a> {
    let functions = blob.entered.len() as u32;
    let thunks = Thunks::new(&blob);
    make_memory_own(&mut blob);
    check_data_count(&mut blob);

    let memory_export = blob.memory_import.as_ref().map(|import| import.name);
    let own_globals = blob.globals.count;
    blob.globals.count += 1;
    blob.globals.bytes.extend_from_slice(&COUNTER);
    let exports = exports(&blob, &thunks);
    // What has been read once can be read again.
    let elements = elements(blob.elements, &thunks).unwrap_or_default();
    let (types, offset) = (&blob.functions, blob.functions_offset);
    let functions_section = with_thunks(types, offset, blob.imported_functions, &thunks);
    let start = blob.start.map(|(function, offset)| {
        let mut t = Transcriber::new(&[], 0);
        t.put_u32(thunks.index(function));
        Section {
            id: SectionId::Start,
            bytes: t.finish(),
            offset,
        }
    });
    let sections = [
        section(SectionId::Type, blob.types),
        section(SectionId::Import, blob.imports),
        section(SectionId::Function, functions_section),
        section(SectionId::Table, blob.tables),
        section(SectionId::Memory, blob.memories),
        section(SectionId::Global, blob.globals),
        section(SectionId::Export, exports),
        start,
        section(SectionId::Element, elements),
        section(SectionId::Data, blob.data),
    ];
    NetworkModule {
        wasm,
        sections: sections.into_iter().flatten().collect(),
        code: blob.code,
        imported_functions: blob.imported_functions,
        functions,
        thunks: thunks.callees,
        memory_export,
        fault: blob.fault,
        // The limiter's code counts only the module's own globals, of which its counter is the last.
        misdirected: (blob.imported_globals > 0).then_some(own_globals),
    }
}

/// A section, if it has entries.
fn section(id: SectionId, entries: Entries) -> Option<Section> {
    if entries.count == 0 {
        return None;
    }
    let mut t = Transcriber::new(&[], 0);
    t.put_u32(entries.count);
    t.put(&entries.bytes);
    Some(Section {
        id,
        bytes: t.finish(),
        offset: entries.offset,
    })
}

/// The thunks through which functions are entered from elsewhere than by a call. Imported functions have none.
struct Thunks {
    callees: Vec<u32>,
    /// For each function the index through which it is entered.
    indices: Vec<u32>,
}

impl Thunks {
    fn new(blob: &Blob<'_>) -> Self {
        let functions = blob.entered.len() as u32;
        let mut thunks = Self {
            callees: Vec::new(),
            indices: (0..functions).collect(),
        };
        for function in blob.imported_functions..functions {
            if blob.entered[function as usize] {
                thunks.indices[function as usize] = functions + thunks.callees.len() as u32;
                thunks.callees.push(function);
            }
        }
        thunks
    }

    /// The index that takes the place of a function's.
    fn index(&self, function: u32) -> u32 {
        let index = self.indices.get(function as usize);
        index.copied().unwrap_or(function)
    }
}

/// The memory that is imported first becomes the module's own and is exported.
fn make_memory_own(blob: &mut Blob<'_>) {
    let Some(import) = &blob.memory_import else {
        return;
    };
    let (minimum, offset) = (import.minimum, import.offset);
    if blob.memories.count > 0 {
        blob.fault(invalid(
            RuleId::NET_5,
            offset,
            "a memory is imported, and there is one of the module's own",
        ));
        return;
    }
    let mut t = Transcriber::new(&[], 0);
    t.put(&[0]);
    t.put_u32(minimum);
    blob.memories = Entries {
        count: 1,
        bytes: t.finish(),
        offset,
    };
}

/// A node moves a data-count section after all others, where it is out of order if there is code or data.
fn check_data_count(blob: &mut Blob<'_>) {
    if let Some((count, offset)) = blob.data_count
        && (count > 0 || blob.bodies > 0 || blob.data.count > 0)
    {
        blob.fault(invalid(
            RuleId::NET_7,
            offset,
            "bulk-memory is not accepted",
        ));
    }
}

fn with_thunks(types: &[u32], offset: u32, imported: u32, thunks: &Thunks) -> Entries {
    let mut t = Transcriber::new(&[], 0);
    for ty in types {
        t.put_u32(*ty);
    }
    for callee in &thunks.callees {
        t.put_u32(types[(callee - imported) as usize]);
    }
    Entries {
        count: (types.len() + thunks.callees.len()) as u32,
        bytes: t.finish(),
        offset,
    }
}

fn exports(blob: &Blob<'_>, thunks: &Thunks) -> Entries {
    // What has been read once can be read again.
    let mut exports = refer_to_thunks(blob.exports, |t| {
        t.name()?;
        if kind(t)? == FUNCTION {
            return entry_point(t, thunks);
        }
        t.var_u32().map(drop)
    })
    .unwrap_or_default();
    if let Some(import) = &blob.memory_import {
        let mut t = Transcriber::new(&[], 0);
        t.put_u32(import.name.len() as u32);
        t.put(import.name.as_bytes());
        t.put(&[MEMORY, 0]);
        exports.bytes.extend_from_slice(&t.finish());
        exports.count += 1;
    }
    exports
}

fn elements(contents: Option<Contents<'_>>, thunks: &Thunks) -> Read<Entries> {
    refer_to_thunks(contents, |t| {
        t.var_u32()?;
        operators::expression(t)?;
        for _ in 0..t.var_u32()? {
            entry_point(t, thunks)?;
        }
        Ok(())
    })
}

/// Reads the index of a function and writes that of its thunk.
fn entry_point(t: &mut Transcriber<'_>, thunks: &Thunks) -> Read<()> {
    let function = t.muted(Transcriber::var_u32)?;
    t.put_u32(thunks.index(function));
    Ok(())
}

fn refer_to_thunks(
    contents: Option<Contents<'_>>,
    mut entry: impl FnMut(&mut Transcriber<'_>) -> Read<()>,
) -> Read<Entries> {
    let Some(contents) = contents else {
        return Ok(Entries::default());
    };
    let (count, mut t) = contents.entries()?;
    t.reserve();
    for _ in 0..count {
        entry(&mut t)?;
    }
    Ok(Entries {
        count,
        bytes: t.finish(),
        offset: contents.offset,
    })
}
