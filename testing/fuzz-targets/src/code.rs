//! Bytes as a file of code in any form: Wasm, compressed Wasm, text. It is prepared and loaded, or refused with a typed
//! error.

use crate::Target;
use pvf_compiler::{Artifact, CompileError, CompileOptions, Metering};
use pvf_executor::{CodeError, read_code};
use pvf_rules::Features;
use pvf_runtime::Module;

/// Size limit of decompressed code for [`read_code`].
const CODE_LIMIT: usize = 50 << 20;

pub(super) const TARGET: Target = Target {
    name: "code",
    about: "a file of code in any form: prepared and loaded, or a typed error",
    check: |input| {
        if let Err(found) = try_blob(input) {
            panic!("{found}");
        }
    },
    seeds,
    mutate: None,
    most_bytes: 16 << 10,
};

/// The corpus as Wasm, and some of it as text and compressed.
fn seeds() -> Vec<Vec<u8>> {
    let modules = crate::corpus_modules();
    let compressed = modules.iter().step_by(3).filter_map(|wasm| {
        let frame = zstd::bulk::compress(wasm, 3).ok()?;
        Some([&pvf_executor::COMPRESSED_MAGIC[..], &frame].concat())
    });
    let text = modules
        .iter()
        .step_by(2)
        .filter_map(|wasm| wasmprinter::print_bytes(wasm).ok().map(String::into_bytes));
    let others: Vec<Vec<u8>> = compressed.chain(text).collect();
    modules.into_iter().chain(others).collect()
}

/// Takes a file's bytes to a module that can be instantiated. The text is the class of the error or of the outcome; an `Err` is
/// a finding.
pub fn try_blob(bytes: &[u8]) -> Result<String, String> {
    let wasm = match read_code(bytes, CODE_LIMIT) {
        Ok(code) => code.wasm,
        Err(error) => return Ok(code_error(&error)),
    };
    match compile(&wasm) {
        Ok(artifact) => match Module::new(artifact) {
            Ok(_) => Ok("prepared".to_owned()),
            Err(error) => Err(format!("prepared but not loaded: {error}")),
        },
        Err(CompileError::Refused(refusal)) => Ok(variant(&refusal)),
        Err(CompileError::Failed(failure)) => Err(failure.to_string()),
    }
}

fn compile(wasm: &[u8]) -> Result<Artifact, CompileError> {
    // Compiles as for validation: with the logical stack.
    let options = CompileOptions {
        metering: Metering {
            logical_stack: true,
            gas: None,
        },
        ..CompileOptions::new(Features::ALL)
    };
    pvf_compiler::compile(wasm, &options)
}

fn code_error(error: &CodeError) -> String {
    format!("not read: {}", variant(error))
}

/// The name of an error's variant.
fn variant(error: &impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    let end = text
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(text.len());
    text[..end].to_owned()
}
