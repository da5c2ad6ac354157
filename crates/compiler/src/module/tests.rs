//! What the front end accepts and what it says about the rest.

use super::{ParsedModule, parse};
use crate::Refusal;
use crate::artifact::{ConstExpr, ElementMode, ExportKind, ImportKind};
use crate::types::{FuncType, ValType};
use proptest::prelude::*;
use pvf_rules::{Features, Limits};

const NONE: Features = Features::MVP;

fn encode(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Reads a module and validates its bodies, as the analysis does.
fn read(wasm: &[u8], features: Features, limits: &Limits) -> Result<(), Refusal> {
    let module = parse(wasm, features, limits)?;
    for function in module.defined() {
        let body = module.body(function).expect("it is defined");
        let function = Some(body.function);
        let mut validator = body.to_validate.into_validator(Default::default());
        let mut reader = body.body.get_binary_reader();
        let malformed = |error| Refusal::malformed(error, function);
        let invalid = |error| Refusal::from_wasmparser(error, function);
        validator.read_locals(&mut reader).map_err(invalid)?;
        while !reader.eof() {
            let mut visitor = validator.visitor(reader.original_position());
            let visited = reader.visit_operator(&mut visitor).map_err(malformed)?;
            visited.map_err(invalid)?;
        }
        let visitor = validator.visitor(reader.original_position());
        reader.finish_expression(&visitor).map_err(invalid)?;
    }
    Ok(())
}

fn parsed(wasm: &[u8], features: Features) -> ParsedModule<'_> {
    parse(wasm, features, &Limits::DEFAULT).unwrap()
}

/// The feature a module is refused for.
#[track_caller]
fn refusal(wasm: &[u8], features: Features) -> (&'static str, Option<u32>) {
    match read(wasm, features, &Limits::DEFAULT) {
        Err(Refusal::Unsupported {
            feature, function, ..
        }) => (feature, function),
        other => panic!("not refused by name: {other:?}"),
    }
}

/// A module by sections, for what text cannot say.
fn sections(sections: &[(u8, &[u8])]) -> Vec<u8> {
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    for (id, content) in sections {
        wasm.push(*id);
        wasm.push(u8::try_from(content.len()).unwrap());
        wasm.extend_from_slice(content);
    }
    wasm
}

const SWITCHES: [(&str, &str); 15] = [
    (
        "sign-extension",
        "(module (func (drop (i32.extend8_s (i32.const 1)))))",
    ),
    (
        "sign-extension",
        "(module (func unreachable i64.extend32_s drop))",
    ),
    (
        "saturating-float-to-int",
        "(module (func (drop (i32.trunc_sat_f32_s (f32.const 1)))))",
    ),
    (
        "multi-value",
        "(module (func (result i32 i32) unreachable))",
    ),
    ("multi-value", "(module (type (func (result i32 i64))))"),
    (
        "multi-value",
        "(module (func (i32.const 1) (block (param i32) drop)))",
    ),
    (
        "bulk-memory",
        "(module (memory 1) (func unreachable memory.fill))",
    ),
    (
        "bulk-memory",
        "(module (memory 1) (func unreachable memory.copy))",
    ),
    (
        "bulk-memory",
        "(module (memory 1) (data $d \"x\") (func unreachable data.drop $d))",
    ),
    ("bulk-memory", "(module (data \"passive\"))"),
    ("bulk-memory", "(module (func) (elem func 0))"),
    ("bulk-memory", "(module (func) (elem declare func 0))"),
    (
        "bulk-memory",
        "(module (func) (elem funcref (ref.func 0) (ref.null func)))",
    ),
    (
        "bulk-memory",
        "(module (table 1 funcref) (func) (elem (i32.const 0) funcref (ref.func 0)))",
    ),
    (
        "bulk-memory",
        "(module (table 1 funcref) (func unreachable table.copy))",
    ),
];

fn without(switch: &str) -> Features {
    let mut features = Features::ALL;
    match switch {
        "sign-extension" => features.sign_extension = false,
        "saturating-float-to-int" => features.saturating_float_to_int = false,
        "multi-value" => features.multi_value = false,
        "bulk-memory" => features.bulk_memory = false,
        other => panic!("no switch {other}"),
    }
    features
}

#[test]
fn switches() {
    for (switch, text) in SWITCHES {
        let wasm = encode(text);
        let accepted = read(&wasm, Features::ALL, &Limits::DEFAULT);
        assert_eq!(accepted, Ok(()), "{text}");
        assert_eq!(refusal(&wasm, without(switch)).0, switch, "{text}");
        assert_eq!(refusal(&wasm, NONE).0, switch, "{text}");
    }
}

#[test]
fn webassembly_1_0_and_mutable_globals_need_no_switch() {
    let wasm = encode(
        r#"(module
            (import "env" "f" (func $f (param f32) (result f64)))
            (import "env" "g" (global $g (mut i32)))
            (memory (export "memory") 1 2)
            (table (export "table") 4 funcref)
            (global (export "h") (mut f64) (f64.const -0.5))
            (elem (i32.const 1) $f $f)
            (data (i32.const 8) "data")
            (start $main)
            (func $main
                (global.set $g (memory.grow (memory.size)))
                (drop (call_indirect (param f32) (result f64) (f32.const 1) (i32.const 2)))))"#,
    );
    assert_eq!(read(&wasm, NONE, &Limits::DEFAULT), Ok(()));
}

#[test]
fn other_proposals_are_refused_by_name() {
    let cases = [
        ("reference-types", "(module (func (drop (ref.null func))))"),
        (
            "reference-types",
            "(module (func $f (drop (ref.func $f))) (export \"\" (func $f)))",
        ),
        (
            "reference-types",
            "(module (func unreachable ref.is_null drop))",
        ),
        (
            "reference-types",
            "(module (table 1 funcref) (func (drop (table.get 0 (i32.const 0)))))",
        ),
        (
            "reference-types",
            "(module (table 1 funcref) (func unreachable table.set 0))",
        ),
        (
            "reference-types",
            "(module (table 1 funcref) (func (drop (table.size 0))))",
        ),
        (
            "reference-types",
            "(module (table 1 funcref) (func unreachable table.grow 0 drop))",
        ),
        (
            "reference-types",
            "(module (table 1 funcref) (func unreachable table.fill 0))",
        ),
        (
            "reference-types",
            "(module (func unreachable (select (result i32)) drop))",
        ),
        ("reference-types", "(module (func (local externref)))"),
        ("reference-types", "(module (func (local funcref)))"),
        ("reference-types", "(module (func (param funcref)))"),
        (
            "reference-types",
            "(module (func (block (result funcref) unreachable) drop))",
        ),
        (
            "reference-types",
            "(module (type (func (result externref))))",
        ),
        (
            "reference-types",
            "(module (global funcref (ref.null func)))",
        ),
        (
            "reference-types",
            "(module (import \"\" \"\" (global externref)))",
        ),
        ("reference-types", "(module (table 1 externref))"),
        (
            "reference-types",
            "(module (table 1 funcref) (table 1 funcref))",
        ),
        (
            "reference-types",
            "(module (import \"\" \"\" (table 1 funcref)) (table 1 funcref))",
        ),
        (
            "reference-types",
            "(module (elem externref (ref.null extern)))",
        ),
        (
            "function-references",
            "(module (type $t (func)) (global (ref null $t) (ref.null $t)))",
        ),
        (
            "function-references",
            "(module (func $f) (table 1 funcref (ref.func $f)))",
        ),
        (
            "function-references",
            "(module (type $t (func)) (func unreachable call_ref $t))",
        ),
        ("simd", "(module (func (local v128)))"),
        ("simd", "(module (func (param v128)))"),
        ("simd", "(module (global v128 (v128.const i64x2 0 0)))"),
        ("simd", "(module (func unreachable i32x4.add drop))"),
        (
            "simd",
            "(module (func unreachable i32x4.relaxed_trunc_f32x4_s drop))",
        ),
        ("threads", "(module (memory 1 1 shared))"),
        ("threads", "(module (import \"\" \"\" (memory 1 1 shared)))"),
        (
            "threads",
            "(module (memory 1) (func unreachable i32.atomic.load drop))",
        ),
        ("threads", "(module (func atomic.fence))"),
        ("tail-call", "(module (func $f (return_call $f)))"),
        (
            "tail-call",
            "(module (table 1 funcref) (func unreachable return_call_indirect))",
        ),
        ("multi-memory", "(module (memory 1) (memory 1))"),
        (
            "multi-memory",
            "(module (import \"\" \"\" (memory 1)) (memory 1))",
        ),
        ("exception-handling", "(module (tag))"),
        ("exception-handling", "(module (import \"\" \"\" (tag)))"),
        (
            "exception-handling",
            "(module (func unreachable throw_ref))",
        ),
        ("exception-handling", "(module (func (try_table)))"),
        ("memory64", "(module (memory i64 1))"),
        ("memory64", "(module (table i64 1 funcref))"),
        (
            "extended-const",
            "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))",
        ),
        (
            "extended-const",
            "(module (memory 1) (data (i32.sub (i32.const 1) (i32.const 2)) \"\"))",
        ),
        (
            "gc",
            "(module (global i32 (i32.const 1)) (global i32 (global.get 0)))",
        ),
        ("gc", "(module (type (struct)))"),
        ("gc", "(module (type (array i32)))"),
        ("gc", "(module (rec (type (func)) (type (func))))"),
        ("gc", "(module (type (sub (func))))"),
        (
            "gc",
            "(module (type (sub final (func))) (type (sub 0 (func))))",
        ),
        ("reference-types", "(module (func (local i31ref)))"),
        ("gc", "(module (func (param anyref)))"),
        ("gc", "(module (func unreachable i31.get_s drop))"),
        ("custom-page-sizes", "(module (memory 1 (pagesize 1)))"),
        (
            "wide-arithmetic",
            "(module (func unreachable i64.add128 drop drop))",
        ),
        (
            "shared-everything-threads",
            "(module (global (shared i32) (i32.const 1)))",
        ),
        (
            "stack-switching",
            "(module (type $f (func)) (type (cont $f)))",
        ),
        (
            "memory-control",
            "(module (memory 1) (func unreachable memory.discard))",
        ),
    ];
    for (feature, text) in cases {
        let wasm = encode(text);
        let (named, function) = refusal(&wasm, Features::ALL);
        assert_eq!(named, feature, "{text}");
        let in_body = text.contains("(func") && function.is_some();
        assert!(function.is_none() || in_body, "{text}");
        refusal(&wasm, NONE);
    }
    let component = b"\0asm\x0d\0\x01\0";
    assert_eq!(refusal(component, Features::ALL), ("component-model", None));
    let types: (u8, &[u8]) = (1, &[1, 0x60, 0, 0]);
    let legacy = sections(&[
        types,
        (3, &[1, 0]),
        (10, &[1, 5, 0, 0x06, 0x40, 0x0b, 0x0b]),
    ]);
    let expected = ("legacy-exception-handling", Some(0));
    assert_eq!(refusal(&legacy, Features::ALL), expected);
    let compact = sections(&[(2, &[1, 0, 0, 0x7f, 0])]);
    assert_eq!(refusal(&compact, Features::ALL).0, "compact-import-section");
}

#[test]
fn refusals_say_where() {
    let wasm =
        encode("(module (import \"\" \"\" (func)) (func) (func unreachable ref.is_null drop))");
    let error = read(&wasm, Features::ALL, &Limits::DEFAULT).unwrap_err();
    let at = wasm.iter().rposition(|byte| *byte == 0xd1).unwrap() as u32;
    let expected = Refusal::unsupported("reference-types", Some(2), at);
    assert_eq!(error, expected);
    assert_eq!(
        error.to_string(),
        format!("reference-types is not accepted (function 2, offset {at:#x})")
    );
}

/// Encodings that came with later proposals, without an operator of their own.
#[test]
fn encodings_of_later_proposals() {
    let types: (u8, &[u8]) = (1, &[1, 0x60, 0, 0]);
    let function: (u8, &[u8]) = (3, &[1, 0]);
    let table: (u8, &[u8]) = (4, &[1, 0x70, 0, 1]);
    let memory: (u8, &[u8]) = (5, &[1, 0, 1]);
    let code = |code: &'static [u8]| -> (u8, &'static [u8]) { (10, code) };
    let accepts = |wasm: &[u8], features| read(wasm, features, &Limits::DEFAULT).is_ok();

    // call_indirect: exactly one zero byte, not an overlong zero.
    let plain = [
        types,
        function,
        table,
        code(&[1, 7, 0, 0x41, 0, 0x11, 0, 0, 0x0b]),
    ];
    let overlong = [
        types,
        function,
        table,
        code(&[1, 8, 0, 0x41, 0, 0x11, 0, 0x80, 0, 0x0b]),
    ];
    assert!(accepts(&sections(&plain), NONE));
    assert!(!accepts(&sections(&overlong), NONE));
    assert!(!accepts(&sections(&overlong), Features::ALL));

    // memory.grow and memory.size likewise.
    for operator in [0x40, 0x3f] {
        let head = if operator == 0x40 {
            vec![0x41, 0]
        } else {
            vec![]
        };
        for (reserved, accepted) in [(vec![0], true), (vec![0x80, 0], false), (vec![1], false)] {
            let mut body = vec![0];
            body.extend(&head);
            body.push(operator);
            body.extend(reserved);
            body.extend([0x1a, 0x0b]);
            let mut content = vec![1, body.len() as u8];
            content.extend(body);
            let wasm = sections(&[types, function, memory, (10, &content)]);
            assert_eq!(accepts(&wasm, NONE), accepted);
            assert_eq!(accepts(&wasm, Features::ALL), accepted);
        }
    }

    // A block type with an index: multi-value, even if the type has no values.
    let block = sections(&[types, function, code(&[1, 5, 0, 0x02, 0, 0x0b, 0x0b])]);
    assert!(accepts(&block, Features::ALL));
    assert_eq!(refusal(&block, NONE).0, "multi-value");

    // Segments with an explicit index 0.
    let element = sections(&[
        types,
        function,
        table,
        (9, &[1, 2, 0, 0x41, 0, 0x0b, 0, 0]),
        code(&[1, 2, 0, 0x0b]),
    ]);
    let data = sections(&[memory, (11, &[1, 2, 0, 0x41, 0, 0x0b, 0])]);
    for wasm in [element, data] {
        assert!(accepts(&wasm, Features::ALL));
        assert_eq!(refusal(&wasm, NONE).0, "bulk-memory");
    }

    // The data count section.
    let count = sections(&[memory, (12, &[1]), (11, &[1, 0, 0x41, 0, 0x0b, 0])]);
    assert!(accepts(&count, Features::ALL));
    assert_eq!(refusal(&count, NONE).0, "bulk-memory");
}

#[test]
fn malformed_and_invalid_are_told_apart() {
    let kind = |wasm: &[u8]| read(wasm, Features::ALL, &Limits::DEFAULT).unwrap_err();
    let malformed: [&[u8]; 6] = [
        b"",
        b"\0as",
        b"\0asm\x02\0\0\0",
        b"\0asm\x01\0\0\0\x01\x02\x01",
        &sections(&[(3, &[0]), (1, &[0])]),
        &sections(&[(0x20, &[])]),
    ];
    for wasm in malformed {
        assert!(matches!(kind(wasm), Refusal::Malformed { .. }), "{wasm:?}");
    }
    let invalid = [
        "(module (func (type 3)))",
        "(module (export \"a\" (func 0)))",
        "(module (memory 2 1))",
        "(module (memory 65537))",
        "(module (func) (start 1))",
        "(module (func (param i32)) (start 0))",
        "(module (global i32 (i64.const 1)))",
        "(module (data (i32.const 0) \"\"))",
        "(module (func) (export \"a\" (func 0)) (export \"a\" (func 0)))",
        "(module (table 1 funcref) (elem (i32.const 0) 7))",
        "(module (elem funcref (ref.func 7)))",
        "(module (func (drop (i32.const 1)) drop))",
    ];
    for text in invalid {
        let error = kind(&encode(text));
        assert!(matches!(error, Refusal::Invalid { .. }), "{text}: {error}");
    }
}

#[test]
fn what_is_read() {
    let wasm = encode(
        r#"(module
            (type (func (param i32)))
            (type (func))
            (type (func (param i32)))
            (import "env" "a" (func (type 2)))
            (import "env" "b" (global i64))
            (import "env" "c" (memory 1 3))
            (table 5 7 funcref)
            (func (type 1))
            (func (type 0) (local i64 i64))
            (global f32 (f32.const -1))
            (global i32 (i32.const -1))
            (global i64 (global.get 0))
            (export "f" (func 2)) (export "g" (global 1)) (export "t" (table 0)) (export "m" (memory 0))
            (start 1)
            (elem (i32.const 2) 1 2)
            (elem funcref (ref.null func) (ref.func 0))
            (elem declare func 1)
            (data (i32.const 9) "abc")
            (data "defg"))"#,
    );
    let module = parsed(&wasm, Features::ALL);
    let info = &module.info;
    let takes_one = FuncType {
        params: vec![ValType::I32],
        results: vec![],
    };
    assert_eq!(info.signatures, [takes_one, FuncType::default()]);
    assert_eq!(module.type_signatures, [0, 1, 0]);
    assert_eq!((info.imported_functions, info.imported_globals), (1, 1));
    let signatures: Vec<_> = info.functions.iter().map(|f| f.signature).collect();
    assert_eq!(signatures, [0, 1, 0]);
    assert_eq!(info.table.unwrap().maximum, Some(7));
    assert_eq!(info.memory.unwrap().minimum, 1);
    let inits: Vec<_> = info.globals.iter().map(|global| global.init).collect();
    let constant = |bits| Some(ConstExpr::Const(bits));
    assert_eq!(
        inits,
        [
            None,
            constant(0xbf80_0000),
            constant(0xffff_ffff),
            Some(ConstExpr::Global(0))
        ]
    );
    assert_eq!(info.start, Some(1));
    let segments: Vec<_> = info
        .element_segments
        .iter()
        .map(|s| (s.mode, s.functions.clone()))
        .collect();
    assert_eq!(
        segments,
        [
            (
                ElementMode::Active(ConstExpr::Const(2)),
                vec![Some(1), Some(2)]
            ),
            (ElementMode::Passive, vec![None, Some(0)]),
            (ElementMode::Declared, vec![Some(1)]),
        ]
    );
    assert_eq!(info.data_segments[0].offset, Some(ConstExpr::Const(9)));
    assert_eq!(info.data_segments[1].bytes, 3..7);
    assert_eq!(module.defined().len(), 2);
    for function in module.defined() {
        let body = module.body(function).unwrap();
        let declared = &info.functions[function as usize];
        let begin = declared.body_offset as usize;
        let bytes = &wasm[begin..begin + declared.body_bytes as usize];
        assert_eq!(bytes, body.body.as_bytes());
        assert_eq!(bytes.last(), Some(&0x0b));
    }
    assert_eq!(module.exported_functions().collect::<Vec<_>>(), [2]);
    let (info, data) = module.finish().unwrap();
    assert_eq!(data, b"abcdefg");
    assert_eq!(info.imports[0].kind, ImportKind::Function(0));
    assert_eq!(info.imports[1].name, "b");
    assert_eq!(info.export("f"), Some(ExportKind::Function(2)));
    assert_eq!(info.export("g"), Some(ExportKind::Global(1)));
    assert_eq!(info.export("t"), Some(ExportKind::Table));
    assert_eq!(info.export("m"), Some(ExportKind::Memory));
}

/// A limit lowered to what the module has, and to one less.
#[track_caller]
fn limit_holds(text: &str, what: &str, count: u32, set: impl Fn(&mut Limits, u32)) {
    let wasm = encode(text);
    let mut limits = Limits::DEFAULT;
    set(&mut limits, count);
    assert_eq!(
        read(&wasm, Features::ALL, &limits),
        Ok(()),
        "{what} at the limit"
    );
    set(&mut limits, count - 1);
    match read(&wasm, Features::ALL, &limits) {
        Err(Refusal::Limit { limit, .. }) => {
            assert_eq!(limit.what, what);
            assert_eq!((limit.count, limit.limit), (u64::from(count), count - 1));
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn limits() {
    let empty_bytes = encode("(module (func))").len() as u32;
    limit_holds("(module (func))", "bytes of module", empty_bytes, |l, n| {
        l.module_bytes = n
    });
    limit_holds(
        "(module (type (func)) (type (func)))",
        "types",
        2,
        |l, n| l.types = n,
    );
    limit_holds(
        "(module (func (param i32 i32 i32)))",
        "parameters",
        3,
        |l, n| l.params = n,
    );
    limit_holds(
        "(module (func (result i32 i32) unreachable))",
        "results",
        2,
        |l, n| l.results = n,
    );
    let imports = r#"(module (import "" "" (func)) (import "a" "b" (memory 1)))"#;
    limit_holds(imports, "imports", 2, |l, n| l.imports = n);
    let functions = r#"(module (import "" "" (func)) (func) (func))"#;
    limit_holds(functions, "functions", 3, |l, n| l.functions = n);
    limit_holds(
        r#"(module (import "" "" (func)))"#,
        "functions",
        1,
        |l, n| l.functions = n,
    );
    let exports = r#"(module (func) (export "a" (func 0)) (export "b" (func 0)))"#;
    limit_holds(exports, "exports", 2, |l, n| l.exports = n);
    let globals = r#"(module (import "" "" (global i32)) (global i32 (i32.const 0)))"#;
    limit_holds(globals, "globals", 2, |l, n| l.globals = n);
    limit_holds(
        r#"(module (import "" "" (global i32)))"#,
        "globals",
        1,
        |l, n| l.globals = n,
    );
    let entries = |l: &mut Limits, n| l.table_entries = n;
    limit_holds(
        "(module (table 9 funcref))",
        "initial table entries",
        9,
        entries,
    );
    limit_holds(
        r#"(module (import "" "" (table 9 funcref)))"#,
        "initial table entries",
        9,
        entries,
    );
    limit_holds(
        "(module (func) (elem func 0 0 0))",
        "entries of an element segment",
        3,
        |l, n| l.segment_entries = n,
    );
    let data = r#"(module (memory 1) (data "") (data (i32.const 0) ""))"#;
    limit_holds(data, "data segments", 2, |l, n| l.data_segments = n);
    let counted = r#"(module (data $d "") (func data.drop $d))"#;
    limit_holds(counted, "data segments", 1, |l, n| l.data_segments = n);
    limit_holds(
        "(module (elem func) (elem func))",
        "element segments",
        2,
        |l, n| l.element_segments = n,
    );
    limit_holds(
        "(module (func nop nop))",
        "bytes of function body",
        4,
        |l, n| l.body_bytes = n,
    );
    limit_holds(
        "(module (func (param i32) (local i64 f32)))",
        "locals",
        3,
        |l, n| l.locals = n,
    );
    let names = |l: &mut Limits, n| l.name_bytes = n;
    limit_holds(
        r#"(module (import "four" "" (func)))"#,
        "bytes of name",
        4,
        names,
    );
    limit_holds(
        r#"(module (import "" "four" (func)))"#,
        "bytes of name",
        4,
        names,
    );
    limit_holds(
        r#"(module (func) (export "four" (func 0)))"#,
        "bytes of name",
        4,
        names,
    );
}

#[test]
fn default_limits_are_told_as_limits() {
    let limit_of = |wasm: &[u8]| match read(wasm, Features::ALL, &Limits::DEFAULT) {
        Err(Refusal::Limit {
            limit, function, ..
        }) => (limit.what, limit.count, function),
        other => panic!("{other:?}"),
    };
    let name = "n".repeat(100_001);
    let export = encode(&format!(r#"(module (func) (export "{name}" (func 0)))"#));
    assert_eq!(limit_of(&export), ("bytes of name", 100_001, None));
    let params = encode(&format!("(module (func (param {})))", "i32 ".repeat(1_001)));
    assert_eq!(limit_of(&params), ("parameters", 1_001, None));
    let results = format!("(module (type (func (result {}))))", "i32 ".repeat(1_001));
    assert_eq!(limit_of(&encode(&results)), ("results", 1_001, None));
    let locals = format!(
        "(module (func (param i32) (local {})))",
        "i32 ".repeat(50_000)
    );
    assert_eq!(limit_of(&encode(&locals)), ("locals", 50_001, Some(0)));
    let body = format!("(module (func {}))", "nop ".repeat(7_654_320));
    assert_eq!(
        limit_of(&encode(&body)),
        ("bytes of function body", 7_654_322, Some(0))
    );
}

#[test]
fn four_billion_locals_cost_nothing() {
    let most = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x7e];
    let mut body = vec![2];
    body.extend(most);
    body.extend(most);
    body.push(0x0b);
    let mut code = vec![1, body.len() as u8];
    code.extend(body);
    let wasm = sections(&[(1, &[1, 0x60, 0, 0]), (3, &[1, 0]), (10, &code)]);
    let error = parse(&wasm, NONE, &Limits::DEFAULT).err();
    assert!(matches!(
        error,
        Some(Refusal::Limit { limit, function: Some(0), .. })
            if limit.what == "locals" && limit.count == u64::from(u32::MAX)
    ));
}

#[test]
fn custom_sections_do_not_matter() {
    let name = b"\x04name\xff\xff\xff";
    let wasm = sections(&[(0, name), (1, &[0]), (0, b"\0"), (0, name)]);
    assert_eq!(read(&wasm, NONE, &Limits::DEFAULT), Ok(()));
}

/// Modules to be damaged.
fn seeds() -> Vec<Vec<u8>> {
    let rich = r#"(module
        (import "env" "f" (func (param i64)))
        (memory 1) (table 3 funcref)
        (global (mut i32) (i32.const 1))
        (export "e" (func 1)) (start 1)
        (elem (i32.const 0) 0 1) (elem funcref (ref.func 1) (ref.null func))
        (data (i32.const 0) "abc") (data "def")
        (func (local i32 f64) (block (result i32) (i32.const 1) (br_if 0 (i32.const 2))) drop
            (memory.init 1 (i32.const 0) (i32.const 0) (i32.const 1))))"#;
    let texts = SWITCHES
        .iter()
        .map(|(_, text)| *text)
        .chain([rich, rich, rich]);
    texts.map(encode).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn random_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        wasm.extend(&tail);
        let _ = read(&wasm, Features::ALL, &Limits::DEFAULT);
        let _ = read(&tail, Features::ALL, &Limits::DEFAULT);
        super::function_names(&wasm);
    }

    #[test]
    fn random_sections_never_panic(
        parts in prop::collection::vec((0u8..14, prop::collection::vec(0u8..0x80, 0..20)), 0..8)
    ) {
        let parts: Vec<(u8, &[u8])> = parts.iter().map(|(id, bytes)| (*id, &bytes[..])).collect();
        let _ = read(&sections(&parts), Features::ALL, &Limits::DEFAULT);
    }

    #[test]
    fn damaged_modules_never_panic(
        seed in 0usize..18,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..6),
    ) {
        let mut wasm = seeds().swap_remove(seed);
        for (at, byte, edit) in edits {
            let at = 8 + at.index(wasm.len() - 8);
            match edit {
                0 => wasm[at] = byte,
                1 => wasm.insert(at, byte),
                _ if wasm.len() > 9 => drop(wasm.remove(at)),
                _ => {}
            }
        }
        let all = read(&wasm, Features::ALL, &Limits::DEFAULT);
        if read(&wasm, NONE, &Limits::DEFAULT).is_ok() {
            prop_assert_eq!(all, Ok(()));
        }
    }
}
