//! `pvf inspect --html`: one page with Wasm, gas and machine code side by side.
//!
//! In: the [`Lister`] of a module. Out: a page that needs nothing else. What is shown of a function is made when it
//! is looked at: the page holds the listings as text, compressed in chunks, and an index of all functions.
//!
//! A chunk is the listings of some functions, separated by a zero character. A listing is lines: the offsets where its Wasm
//! and its code begin and the number of Wasm lines; then a line for each Wasm instruction, `BYTES[$GAS] TEXT`;
//! then one for each machine instruction, `BYTES[:][,STEP] TEXT`: how long it is, a colon if it has a label
//! (labels are numbered from 1 in each listing), and how many Wasm lines its Wasm is behind that of the one before,
//! if not none.

use crate::failure::Failure;
use crate::inspect::function_type;
use crate::listing::{Function, Lister};
use crate::names::Names;
use crate::output::Output;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use pvf_executor::{Artifact, CompileOptions, Costs, compile_with_code_map};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// Text that makes a chunk: what has to be unpacked to see one function.
const CHUNK_BYTES: usize = 256 << 10;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// What the page knows of all functions at once; the lists are by the same order.
#[derive(Default, Serialize)]
struct Index {
    title: String,
    wasm_bytes: u32,
    code_bytes: usize,
    target: &'static str,
    /// What is imported: module and name.
    imports: Vec<String>,
    /// What is exported.
    exports: Vec<String>,
    /// Names of all functions by index, imported functions first. A function without a name has an empty one.
    names: Vec<String>,
    /// -1 for the stubs.
    function: Vec<i64>,
    ty: Vec<String>,
    wasm: Vec<u32>,
    code: Vec<u32>,
    frame: Vec<u32>,
    /// `None` where the meter turns a function down.
    logical: Vec<Option<u32>>,
    gas: Vec<Option<u64>>,
    blocks: Vec<Option<usize>>,
    chunk: Vec<usize>,
}

/// Writes the page of a module that compiles.
pub fn write(
    output: &Output,
    path: &Path,
    title: &str,
    wasm: &[u8],
    options: &CompileOptions,
    costs: &Costs,
) -> Result<(), Failure> {
    let failed = |reason: String| Failure::Host(format!("the page: {reason}"));
    let (artifact, map) =
        compile_with_code_map(wasm, options).map_err(|error| failed(error.to_string()))?;
    let mut printed = String::new();
    let lister = Lister::new(wasm, &artifact, &map, costs, &mut printed).map_err(failed)?;
    let names = Names::of(&artifact.module, Some(wasm));
    let page = Page::new(&short_title(title), &artifact, &lister, &names).map_err(failed)?;
    let mut bytes = Vec::new();
    page.write(&mut bytes)
        .map_err(|error| failed(error.to_string()))?;
    output.file(path, &bytes)
}

/// A file and the folder it lies in, which tells one `code.wasm` from the next.
fn short_title(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    let start = parts.len().saturating_sub(2);
    parts[start..].join(" / ")
}

/// The parts of a page.
struct Page {
    index: Index,
    chunks: Vec<String>,
    /// Text of the chunk that is being filled.
    open: String,
}

impl Page {
    /// The page of a module.
    fn new(
        title: &str,
        artifact: &Artifact,
        lister: &Lister<'_>,
        names: &Names,
    ) -> Result<Self, String> {
        let module = &artifact.module;
        let mut page = Self {
            index: Index {
                title: title.to_owned(),
                wasm_bytes: module.wasm_bytes,
                code_bytes: artifact.code.len(),
                target: module.target.name(),
                imports: module
                    .imports
                    .iter()
                    .map(|import| format!("{} {}", import.module, import.name))
                    .collect(),
                exports: module
                    .exports
                    .iter()
                    .map(|export| export.name.clone())
                    .collect(),
                names: (0..module.functions.len() as u32)
                    .map(|index| names.get(index).unwrap_or_default().to_owned())
                    .collect(),
                ..Index::default()
            },
            chunks: Vec::new(),
            open: String::new(),
        };
        for index in module.imported_functions..module.functions.len() as u32 {
            let info = &module.functions[index as usize];
            let listing = lister.function(index)?;
            let at = &mut page.index;
            let ty = module.function_type(index).map(function_type);
            at.ty.push(ty.unwrap_or_default());
            at.wasm.push(info.body_bytes);
            at.code.push(info.code_bytes);
            at.frame.push(info.frame_bytes);
            at.logical.push(listing.logical);
            page.add(&listing)?;
        }
        let stubs = lister.stubs();
        let at = &mut page.index;
        at.ty.push(String::new());
        at.wasm.push(0);
        let start = stubs.code.first().map_or(0, |line| line.offset);
        at.code
            .push((artifact.code.len() as u32).saturating_sub(start));
        at.frame.push(0);
        at.logical.push(None);
        page.add(&stubs)?;
        page.close().map_err(|error| error.to_string())?;
        Ok(page)
    }

    fn add(&mut self, listing: &Function) -> Result<(), String> {
        let index = &mut self.index;
        index.function.push(listing.index.map_or(-1, i64::from));
        index.gas.push(listing.gas);
        index.blocks.push(listing.blocks);
        index.chunk.push(self.chunks.len());
        if !self.open.is_empty() {
            self.open.push('\0');
        }
        let end = index.code.last().copied().unwrap_or(0);
        write_listing(listing, end, &mut self.open);
        match self.open.len() >= CHUNK_BYTES {
            true => self.close().map_err(|error| error.to_string()),
            false => Ok(()),
        }
    }

    fn close(&mut self) -> io::Result<()> {
        if !self.open.is_empty() {
            self.chunks.push(packed(self.open.as_bytes())?);
            self.open.clear();
        }
        Ok(())
    }

    /// Writes it.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let index = serde_json::to_vec(&self.index)?;
        let parts = [
            ("{{title}}", escaped(&self.index.title)),
            ("{{style}}", STYLE.to_owned()),
            ("{{index}}", packed(&index)?),
            ("{{chunks}}", self.chunks.join("\n")),
            ("{{script}}", SCRIPT.to_owned()),
        ];
        let mut rest = PAGE;
        for (mark, part) in parts {
            let (before, behind) = rest.split_once(mark).unwrap_or((rest, ""));
            out.write_all(before.as_bytes())?;
            out.write_all(part.as_bytes())?;
            rest = behind;
        }
        out.write_all(rest.as_bytes())
    }
}

/// The text of a listing; `code_bytes` are those of its code.
fn write_listing(listing: &Function, code_bytes: u32, out: &mut String) {
    let wasm_start = listing.wasm.first().map_or(0, |line| line.offset);
    let code_start = listing.code.first().map_or(0, |line| line.offset);
    out.push_str(&format!("{wasm_start} {code_start} {}", listing.wasm.len()));
    for (at, line) in listing.wasm.iter().enumerate() {
        let next = listing
            .wasm
            .get(at + 1)
            .map_or(line.offset, |next| next.offset);
        out.push_str(&format!("\n{}", next - line.offset));
        if let Some(gas) = line.gas {
            out.push_str(&format!("${gas}"));
        }
        out.push(' ');
        push_line(out, &line.text);
    }
    let mut last = 0;
    for (at, line) in listing.code.iter().enumerate() {
        let end = code_start + code_bytes;
        let next = listing.code.get(at + 1).map_or(end, |next| next.offset);
        out.push_str(&format!("\n{}", next.saturating_sub(line.offset)));
        if line.label.is_some() {
            out.push(':');
        }
        let wasm = line.wasm.map_or(0, i64::from);
        if wasm != last {
            out.push_str(&format!(",{}", wasm - last));
            last = wasm;
        }
        out.push(' ');
        push_line(out, &line.text);
    }
}

/// Text without what separates lines and listings.
fn push_line(out: &mut String, text: &str) {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    out.extend(text.chars().map(shown));
}

/// Bytes as what the page unpacks: deflated, in base64.
fn packed(bytes: &[u8]) -> io::Result<String> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(7));
    encoder.write_all(bytes)?;
    Ok(STANDARD.encode(encoder.finish()?))
}

/// Text without what HTML would read as marks.
pub fn escaped(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            c => shown.push(c),
        }
    }
    shown
}
