//! The files for `perf` give the name and address of every function.

use pvf_compiler::{CompileOptions, compile};
use pvf_rules::Features;
use pvf_runtime::Module;
use pvf_runtime::perf::{JitDump, PerfMap};

const TEXT: &str = r#"(module
    (import "env" "host" (func))
    (func $first (call 0))
    (func $second (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
    (func (export "third") (call $first)))"#;

fn module() -> (Module, Vec<(u32, Vec<u8>)>) {
    let wasm = wat::parse_str(TEXT).unwrap();
    let artifact = compile(&wasm, &CompileOptions::new(Features::ALL)).unwrap();
    let functions = artifact.module.functions[1..].iter();
    let code = functions
        .map(|function| {
            let start = function.code_offset as usize;
            let code = &artifact.code[start..start + function.code_bytes as usize];
            (function.code_offset, code.to_vec())
        })
        .collect();
    (Module::new(artifact).unwrap(), code)
}

fn name(function: u32) -> String {
    format!("wasm function\n{function}")
}

#[test]
fn the_map_has_a_line_for_each_function() {
    let (module, functions) = module();
    let mut map = PerfMap::new().unwrap();
    map.add(&module, &name).unwrap();
    let text = std::fs::read_to_string(map.path()).unwrap();
    std::fs::remove_file(map.path()).unwrap();
    let lines: Vec<(u64, usize, &str)> = text
        .lines()
        .map(|line| {
            let mut parts = line.splitn(3, ' ');
            let mut hex = || u64::from_str_radix(parts.next().unwrap(), 16).unwrap();
            let (address, bytes) = (hex(), hex());
            (address, bytes as usize, parts.next().unwrap())
        })
        .collect();
    // Two more lines: the stubs that call the host, and the entry stubs.
    assert_eq!(lines.len(), functions.len() + 2, "{text}");
    let base = lines[0].0 - u64::from(functions[0].0);
    for (index, ((offset, code), line)) in (1..).zip(functions.iter().zip(&lines)) {
        let expected = format!("wasm function?{index}");
        assert_eq!(*line, (base + u64::from(*offset), code.len(), &*expected));
    }
    for pair in lines.windows(2) {
        assert!(
            pair[0].0 + pair[0].1 as u64 <= pair[1].0,
            "lines do not overlap"
        );
    }
}

#[test]
fn the_dump_holds_names_and_code() {
    let (module, functions) = module();
    let folder = std::env::temp_dir();
    let mut dump = JitDump::new(&folder).unwrap();
    dump.add(&module, &name).unwrap();
    let bytes = std::fs::read(dump.path()).unwrap();
    std::fs::remove_file(dump.path()).unwrap();
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    // The machine number of ELF files.
    let machine = if cfg!(target_arch = "aarch64") {
        183
    } else {
        62
    };
    assert_eq!(
        (word(0), word(4), word(8), word(12)),
        (0x4a69_5444, 1, 40, machine)
    );
    assert_eq!(word(20), std::process::id());
    let mut records = Vec::new();
    let mut at = 40;
    while at < bytes.len() {
        assert_eq!(word(at), 0, "all records load code");
        let end = at + word(at + 4) as usize;
        assert!(long(at + 8) >= long(24), "times ascend");
        assert_eq!(word(at + 16), std::process::id());
        assert_eq!(long(at + 24), long(at + 32));
        assert_eq!(long(at + 48), records.len() as u64);
        let code = &bytes[end - long(at + 40) as usize..end];
        let name = &bytes[at + 56..end - code.len()];
        let name = String::from_utf8(name.to_vec()).unwrap();
        records.push((long(at + 32), name, code.to_vec()));
        at = end;
    }
    assert_eq!(at, bytes.len());
    assert_eq!(records.len(), functions.len() + 2);
    let base = records[0].0 - u64::from(functions[0].0);
    for (index, (offset, code)) in (1..).zip(&functions) {
        let expected = (
            base + u64::from(*offset),
            format!("wasm function?{index}\0"),
            code.clone(),
        );
        assert_eq!(records[index as usize - 1], expected);
    }
}
