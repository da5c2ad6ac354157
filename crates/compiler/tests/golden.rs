//! Golden machine code: for each `tests/golden/*.wat` the disassembly of its functions, beside it. Files whose
//! names begin with `metered` are compiled with both meters.
//!
//! A difference shows what a change does to the code. `PVF_BLESS=1` writes the files anew.

use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
use pvf_compiler::{Artifact, CompileOptions, Costs, Metering, Target, compile};
use pvf_rules::Features;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::{env, fs};

/// The code of the defined functions: a line per instruction, with the trap it may cause.
fn disassemble(artifact: &Artifact) -> String {
    let mut text = String::new();
    let traps: BTreeMap<_, _> = artifact
        .traps
        .sites()
        .map(|site| (u64::from(site.code_offset), site))
        .collect();
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_hex_prefix("0x");
    formatter.options_mut().set_hex_suffix("");
    for (index, function) in artifact.module.functions.iter().enumerate() {
        if function.code_bytes == 0 {
            continue;
        }
        let start = function.code_offset as usize;
        let code = &artifact.code[start..start + function.code_bytes as usize];
        writeln!(
            text,
            "function {index}: frame {} bytes",
            function.frame_bytes
        )
        .unwrap();
        let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
        while decoder.can_decode() {
            let instruction = decoder.decode();
            let mut line = String::new();
            formatter.format(&instruction, &mut line);
            let offset = instruction.ip();
            write!(text, "{offset:6x}  {line}").unwrap();
            if let Some(site) = traps.get(&(start as u64 + offset)) {
                write!(text, "  ; {}", site.kind.name()).unwrap();
            }
            text.push('\n');
        }
    }
    text
}

#[test]
fn machine_code_is_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no golden files in {}", folder.display());
    let mut different = Vec::new();
    for path in files {
        let wasm = wat::parse_file(&path).unwrap();
        let mut options = CompileOptions {
            target: Target::X86_64,
            ..CompileOptions::new(Features::ALL)
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("metered") {
            options.metering = Metering {
                logical_stack: true,
                gas: Some(Arc::new(Costs::default())),
            };
        }
        let artifact = compile(&wasm, &options).unwrap();
        let text = disassemble(&artifact);
        let golden = path.with_extension("x86_64");
        if env::var_os("PVF_BLESS").is_some() {
            fs::write(&golden, &text).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != text {
            different.push(golden);
        }
    }
    assert!(
        different.is_empty(),
        "other code than in {different:#?}; look at it, then PVF_BLESS=1"
    );
}
