//! Golden machine code: for each `tests/golden/*.wat` the disassembly of its functions for both targets, beside it.
//! Files whose names begin with `metered` are compiled with both meters, `metered_growth` with a price per page
//! and a high one of `nop`.
//!
//! A difference shows what a change does to the code. `PVF_BLESS=1` writes the files anew.

use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
use pvf_compiler::{Artifact, CompileOptions, Metering, Schedule, Target, compile};
use pvf_rules::Features;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::{env, fs};
use yaxpeax_arch::{Decoder as _, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

/// The code of the defined functions: a line per instruction, with the trap it may cause.
fn disassemble(artifact: &Artifact) -> String {
    let mut text = String::new();
    let instructions = match artifact.module.target {
        Target::X86_64 => x86_64,
        Target::Aarch64 => aarch64,
        Target::PolkaVm => unreachable!("golden files are of hardware"),
    };
    let traps: BTreeMap<_, _> = artifact
        .traps
        .sites()
        .map(|site| (u64::from(site.code_offset), site))
        .collect();
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
        for (offset, line) in instructions(code) {
            write!(text, "{offset:6x}  {line}").unwrap();
            if let Some(site) = traps.get(&(start as u64 + offset)) {
                write!(text, "  ; {}", site.kind.name()).unwrap();
            }
            text.push('\n');
        }
    }
    text
}

/// The instructions of x86-64 code, with their offsets.
fn x86_64(code: &[u8]) -> Vec<(u64, String)> {
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_hex_prefix("0x");
    formatter.options_mut().set_hex_suffix("");
    formatter.options_mut().set_uppercase_hex(false);
    formatter.options_mut().set_branch_leading_zeros(false);
    formatter.options_mut().set_show_branch_size(false);
    let decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let lines = decoder.into_iter().map(|instruction| {
        let mut line = String::new();
        formatter.format(&instruction, &mut line);
        (instruction.ip(), line)
    });
    lines.collect()
}

/// The instructions of aarch64 code, with their offsets; constants among them as they are.
fn aarch64(code: &[u8]) -> Vec<(u64, String)> {
    let decoder = InstDecoder::default();
    let lines = code
        .chunks_exact(4)
        .map(|word| match decoder.decode(&mut U8Reader::new(word)) {
            Ok(instruction) => instruction.to_string(),
            Err(_) => {
                let value = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
                format!(".word {value:#x}")
            }
        });
    let lines = (0..).step_by(4).zip(lines);
    lines
        .map(|(at, line)| (at, with_target(at, &line)))
        .collect()
}

/// An instruction whose branch distance, `$+0x10` or `$-0x10`, is replaced by the offset that it leads to.
fn with_target(at: u64, line: &str) -> String {
    let distance = |from: &str| u64::from_str_radix(from.trim_start_matches("0x"), 16).unwrap();
    if let Some((front, forward)) = line.split_once("$+") {
        format!("{front}{:#x}", at + distance(forward))
    } else if let Some((front, back)) = line.split_once("$-") {
        format!("{front}{:#x}", at.wrapping_sub(distance(back)))
    } else {
        line.to_owned()
    }
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
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for (target, extension) in [(Target::X86_64, "x86_64"), (Target::Aarch64, "aarch64")] {
            let mut options = CompileOptions {
                target,
                ..CompileOptions::new(Features::ALL)
            };
            if name.starts_with("metered") {
                let mut schedule = Schedule::default();
                if name.starts_with("metered_growth") {
                    schedule.memory_grow_per_page = 70_001;
                    schedule.instruction = [("nop".to_owned(), 4_000_000_000)].into();
                }
                options.metering = Metering {
                    logical_stack: true,
                    gas: Some(Arc::new(schedule.costs().unwrap())),
                };
            }
            let text = disassemble(&compile(&wasm, &options).unwrap());
            let golden = path.with_extension(extension);
            if env::var_os("PVF_BLESS").is_some() {
                fs::write(&golden, &text).unwrap();
            } else if fs::read_to_string(&golden).unwrap_or_default() != text {
                different.push(golden);
            }
        }
    }
    assert!(
        different.is_empty(),
        "other code than in {different:#?}; look at it, then PVF_BLESS=1"
    );
}

/// The excerpts of goldens in the documentation: a block whose first line names the file, with `...` where lines are
/// left out.
#[test]
fn documentation_shows_the_code_that_is_made() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/compiler.md")).unwrap();
    let blocks = page.split("```").skip(1).step_by(2);
    let mut shown = Vec::new();
    for block in blocks {
        let mut lines = block.lines().skip(1);
        let Some(file) = lines.next().and_then(|line| line.strip_prefix("; ")) else {
            continue;
        };
        let golden = fs::read_to_string(root.join(file)).unwrap();
        let mut rest = golden.lines();
        let mut adjacent = false;
        for line in lines {
            if line.trim() == "..." {
                adjacent = false;
                continue;
            }
            let found = match adjacent {
                true => rest.next() == Some(line),
                false => rest.any(|other| other == line),
            };
            assert!(found, "docs/compiler.md: {file} has no {line:?} here");
            adjacent = true;
        }
        shown.push(file.rsplit('.').next().unwrap_or_default());
    }
    assert_eq!(shown, ["x86_64", "aarch64"], "both targets are shown");
}
