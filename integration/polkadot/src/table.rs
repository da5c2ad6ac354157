//! Modules that break one rule each. Our workers have to answer as the stock workers do.

use polkadot_primitives::{ExecutorHostFunction, ExecutorParam, ExecutorParams};

/// A module and how to execute it.
pub struct Row {
    /// Name of the case.
    pub name: &'static str,
    /// The module.
    pub code: Vec<u8>,
    /// The executor parameters.
    pub params: ExecutorParams,
    /// Block data of the candidate.
    pub block_data: Vec<u8>,
    /// Whether the execution never ends.
    pub endless: bool,
}

const RESULT: &str = r#"(data (i32.const 16) "\0c\01\02\03\00\00\00\00\00\00\00\07\00\00\00")"#;
const HEAP_BASE: &str = r#"(global (export "__heap_base") i32 (i32.const 2048))"#;
const MEMORY: &str = r#"(memory (export "memory") 1)"#;
const COMPRESSED: [u8; 8] = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];

/// A validation function from imports, memory, instructions, other fields and the returned value.
fn text(imports: &str, memory: &str, body: &str, fields: &str, result: &str) -> String {
    format!(
        r#"(module {imports} {memory} {HEAP_BASE} {RESULT} {fields}
            (func (export "validate_block") (param i32 i32) (result i64)
                {body} (i64.const {result})))"#
    )
}

fn parse(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A module that executes `body` and returns a valid result.
pub fn doing(imports: &str, body: &str, fields: &str) -> Vec<u8> {
    parse(&text(imports, MEMORY, body, fields, "0xf00000010"))
}

fn returning(result: &str) -> Vec<u8> {
    parse(&text("", MEMORY, "", "", result))
}

fn with_memory(memory: &str, body: &str) -> Vec<u8> {
    parse(&text("", memory, body, "", "0xf00000010"))
}

fn without(parts: &[&str]) -> Vec<u8> {
    parse(&format!("(module {})", parts.concat()))
}

/// A module that grows memory and traps if `memory.grow` returns another value than `answer`.
fn growing(by: u32, answer: i32) -> Vec<u8> {
    let body = format!(
        "(if (i32.ne (memory.grow (i32.const {by})) (i32.const {answer})) (then unreachable))"
    );
    doing("", &body, "")
}

/// A module whose function calls itself `calls` times.
fn deep(calls: u32) -> Vec<u8> {
    let function = "(func $down (param i32) (if (local.get 0)
        (then (call $down (i32.sub (local.get 0) (i32.const 1))))))";
    doing("", &format!("(call $down (i32.const {calls}))"), function)
}

/// All rows.
pub fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = plain_rows()
        .into_iter()
        .map(|(name, code)| Row {
            name,
            code,
            params: ExecutorParams::default(),
            block_data: Vec::new(),
            endless: name.starts_with("endless"),
        })
        .collect();
    rows.extend(candidate_rows());
    rows.extend(parameter_rows());
    rows
}

fn plain_rows() -> Vec<(&'static str, Vec<u8>)> {
    let entry = r#"(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))"#;
    let missing = r#"(import "env" "nobody_has_this" (func $missing (param i32)))"#;
    let malloc = r#"(import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))"#;
    let free = r#"(import "env" "ext_allocator_free_version_1" (func $free (param i32)))"#;
    let generate = r#"(import "env" "ext_crypto_sr25519_generate_version_1" (func $f (param i32 i64) (result i32)))"#;
    let keys = r#"(import "env" "ext_crypto_ed25519_public_keys_version_1" (func $f (param i32) (result i64)))"#;
    let start_batch = r#"(import "env" "ext_crypto_start_batch_verify_version_1" (func $f))"#;
    vec![
        ("nothing wrong", doing("", "", "")),
        ("missing function, not called", doing(missing, "", "")),
        (
            "missing function, called",
            doing(missing, "(call $missing (i32.const 1))", ""),
        ),
        (
            "import from another module",
            doing(r#"(import "other" "f" (func))"#, "", ""),
        ),
        (
            "imported table",
            doing(r#"(import "env" "t" (table 1 funcref))"#, "", ""),
        ),
        (
            "imported global",
            doing(r#"(import "env" "g" (global i32))"#, "", ""),
        ),
        (
            "known function of another type",
            doing(
                r#"(import "env" "ext_allocator_malloc_version_1" (func (param i64) (result i32)))"#,
                "",
                "",
            ),
        ),
        (
            "imported memory",
            parse(&text(
                r#"(import "env" "memory" (memory 1))"#,
                "",
                "",
                "",
                "0xf00000010",
            )),
        ),
        (
            "imported memory of another name",
            parse(&text(
                r#"(import "env" "storage" (memory 1))"#,
                "",
                "",
                "",
                "0xf00000010",
            )),
        ),
        ("no memory", without(&[HEAP_BASE, entry])),
        ("no heap base", without(&[MEMORY, entry])),
        ("no entry point", without(&[MEMORY, HEAP_BASE])),
        (
            "entry point of another type",
            without(&[
                MEMORY,
                HEAP_BASE,
                r#"(func (export "validate_block") (param i32))"#,
            ]),
        ),
        ("start function", doing("", "", "(func $s) (start $s)")),
        (
            "start function that traps",
            doing("", "", "(func $s unreachable) (start $s)"),
        ),
        (
            "data out of bounds",
            doing("", "", r#"(data (i32.const 65535) "ab")"#),
        ),
        (
            "elements out of bounds",
            doing("", "", "(table 1 funcref) (elem (i32.const 1) func 0)"),
        ),
        (
            "2080 pages",
            with_memory(r#"(memory (export "memory") 2080)"#, ""),
        ),
        (
            "2081 pages",
            with_memory(r#"(memory (export "memory") 2081)"#, ""),
        ),
        (
            "memory grows beyond its declared maximum",
            with_memory(
                r#"(memory (export "memory") 17 17)"#,
                "(if (i32.ne (memory.grow (i32.const 1)) (i32.const 17)) (then unreachable))",
            ),
        ),
        ("memory grows to the limit", growing(2079, 1)),
        ("memory does not grow beyond", growing(2080, -1)),
        ("unreachable", doing("", "unreachable", "")),
        (
            "division by zero",
            doing("", "(drop (i32.div_s (i32.const 1) (i32.const 0)))", ""),
        ),
        (
            "load out of bounds",
            doing("", "(drop (i32.load (i32.const 65533)))", ""),
        ),
        (
            "recursion",
            doing(
                "",
                "(call $f (i32.const 1))",
                "(func $f (param i32) (call $f (local.get 0)))",
            ),
        ),
        ("recursion to the logical limit", deep(16_382)),
        ("recursion beyond it", deep(17_000)),
        (
            "indirect call of another type",
            doing(
                "",
                "(call_indirect (param i32) (i32.const 0) (i32.const 0))",
                "(table 1 funcref)",
            ),
        ),
        ("endless", doing("", "(loop (br 0))", "")),
        ("result out of bounds", returning("0xf0000fff8")),
        ("result longer than memory", returning("0xffffffff00000010")),
        ("undecodable result", returning("0x300000010")),
        ("bytes behind the result", returning("0x1400000010")),
        (
            "allocation too large",
            doing(malloc, "(drop (call $malloc (i32.const 0x2000001)))", ""),
        ),
        (
            "heap exhausted",
            doing(
                malloc,
                "(loop (drop (call $malloc (i32.const 0x1000000))) (br 0))",
                "",
            ),
        ),
        (
            "bad pointer freed",
            doing(free, "(call $free (i32.const 12))", ""),
        ),
        (
            "keystore asked",
            doing(keys, "(drop (call $f (i32.const 16)))", ""),
        ),
        (
            "keystore told",
            doing(
                generate,
                "(drop (call $f (i32.const 16) (i64.const 0)))",
                "",
            ),
        ),
        (
            "batch verification twice",
            doing(start_batch, "(call $f) (call $f)", ""),
        ),
        ("no code", Vec::new()),
        ("no module", b"no module".to_vec()),
        ("no zstd", [&COMPRESSED[..], b"no zstd"].concat()),
        (
            "sign extension",
            doing("", "(drop (i32.extend8_s (i32.const 1)))", ""),
        ),
        (
            "saturating conversion",
            doing("", "(drop (i32.trunc_sat_f32_s (f32.const 1)))", ""),
        ),
        (
            "bulk memory",
            doing(
                "",
                "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))",
                "",
            ),
        ),
        ("SIMD", doing("", "(drop (v128.const i64x2 0 0))", "")),
        (
            "two results",
            doing("", "", "(func (result i32 i32) unreachable)"),
        ),
        (
            "mutable global exported",
            doing("", "", r#"(global (export "g") (mut i32) (i32.const 0))"#),
        ),
        ("ill-typed", ill_typed()),
        (
            "memory that takes the name of an export",
            parse(r#"(module (import "env" "run" (memory 1)) (func (export "run")))"#),
        ),
    ]
}

/// A function with result type `i32` that leaves no value.
fn ill_typed() -> Vec<u8> {
    let (head, types) = (b"\0asm\x01\0\0\0", [1, 5, 1, 0x60, 0, 1, 0x7f]);
    [&head[..], &types, &[3, 2, 1, 0], &[10, 4, 1, 2, 0, 0x0b]].concat()
}

fn candidate_rows() -> Vec<Row> {
    let zeros = |bytes: usize| vec![0; bytes];
    let compressed = |bytes: usize| {
        sp_maybe_compressed_blob::compress_weakly(&zeros(bytes), bytes).expect("compresses")
    };
    let row = |name, block_data| Row {
        name,
        code: doing("", "", ""),
        params: ExecutorParams::default(),
        block_data,
        endless: false,
    };
    vec![
        row("candidate of 31 MiB", zeros(31 << 20)),
        row("candidate of 33 MiB", zeros(33 << 20)),
        row("candidate, no zstd", [&COMPRESSED[..], b"no zstd"].concat()),
        row("candidate, compressed", compressed(1 << 20)),
        row(
            "candidate, compressed beyond the limit",
            compressed(41 << 20),
        ),
    ]
}

fn parameter_rows() -> Vec<Row> {
    let ecc = r#"(import "env" "ext_host_calls_pallas_mul_version_1" (func $f (param i64 i64 i64) (result i32)))"#;
    let call = "(drop (call $f (i64.const 0) (i64.const 0) (i64.const 0)))";
    let curves = ExecutorParam::EnabledHostFunction(ExecutorHostFunction::EccRfc163);
    let row = |name, code, params: Vec<ExecutorParam>| Row {
        name,
        code,
        params: params.as_slice().into(),
        block_data: Vec::new(),
        endless: false,
    };
    let logical = || vec![ExecutorParam::StackLogicalMax(1024)];
    let pages = || vec![ExecutorParam::MaxMemoryPages(10)];
    vec![
        row("StackLogicalMax, not reached", deep(200), logical()),
        row("StackLogicalMax, exceeded", deep(300), logical()),
        row("MaxMemoryPages, reached", growing(41, 1), pages()),
        row("MaxMemoryPages, exceeded", growing(42, -1), pages()),
        row("curves, not enabled", doing(ecc, call, ""), Vec::new()),
        row("curves, enabled", doing(ecc, call, ""), vec![curves]),
        row(
            "bulk memory, enabled",
            doing(
                "",
                "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))",
                "",
            ),
            vec![ExecutorParam::WasmExtBulkMemory],
        ),
        row(
            "PrecheckingMaxMemory, ample",
            doing("", "", ""),
            vec![ExecutorParam::PrecheckingMaxMemory(1 << 30)],
        ),
    ]
}
