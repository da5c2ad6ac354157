//! Modules below, at and above each limit by count. The published limits are restated here.

use crate::bytes::{filler, leb, list, module, section, sized, times};
use crate::suite::{Case, Suite, i32};

/// A name made from a number.
fn numbered(number: u64) -> Vec<u8> {
    sized(format!("{number:x}").as_bytes())
}

/// The parts of a module around function `f: () -> i32`, which returns 42.
#[derive(Default)]
struct Parts {
    types: Vec<Vec<u8>>,
    imports: Vec<Vec<u8>>,
    more_functions: u64,
    table: Option<u64>,
    globals: u64,
    exports: Vec<Vec<u8>>,
    elements: u64,
    /// The number of entries of an additional element segment.
    element_entries: u64,
    bodies: Vec<u8>,
    data: u64,
    /// Whether there is a data-count section.
    data_count: bool,
    /// Whether the module has no memory of its own.
    no_memory: bool,
}

impl Parts {
    fn build(self) -> Vec<u8> {
        // Type 0 is the type of `f`, type 1 the type of all other functions.
        let mut types = vec![vec![0x60, 0, 1, 0x7f], vec![0x60, 0, 0]];
        types.extend(self.types);
        // An imported memory takes no function index.
        let f = self.imports.len() as u64 - u64::from(self.no_memory);
        let mut functions = leb(1 + self.more_functions);
        functions.push(0);
        functions.extend(std::iter::repeat_n(1, self.more_functions as usize));
        let mut exports = vec![[sized(b"f"), vec![0], leb(f)].concat()];
        exports.extend(self.exports);
        let mut bodies = leb(1 + self.more_functions);
        bodies.extend(sized(&[0, 0x41, 42, 0x0b]));
        if self.bodies.is_empty() {
            (0..self.more_functions).for_each(|_| bodies.extend([2, 0, 0x0b]));
        } else {
            bodies.extend(self.bodies);
        }
        let mut sections = vec![section(1, &list(&types))];
        if !self.imports.is_empty() {
            sections.push(section(2, &list(&self.imports)));
        }
        sections.push(section(3, &functions));
        if let Some(entries) = self.table {
            sections.push(section(4, &[vec![1, 0x70, 0], leb(entries)].concat()));
        }
        if !self.no_memory {
            sections.push(section(5, &[1, 0, 1]));
        }
        sections.push(section(6, &times(self.globals, &[0x7f, 0, 0x41, 0, 0x0b])));
        sections.push(section(7, &list(&exports)));
        if self.elements > 0 {
            sections.push(section(9, &times(self.elements, &[0, 0x41, 0, 0x0b, 0])));
        }
        if self.element_entries > 0 {
            // An active segment of table 0 at offset 0, with function 0 in every entry.
            let entries = times(self.element_entries, &[0]);
            sections.push(section(9, &[&[1, 0, 0x41, 0, 0x0b][..], &entries].concat()));
        }
        if self.data_count {
            sections.push(section(12, &leb(self.data)));
        }
        sections.push(section(10, &bodies));
        if self.data > 0 {
            sections.push(section(11, &times(self.data, &[0, 0x41, 0, 0x0b, 0])));
        }
        module(&sections)
    }
}

/// A body in bytes, after its size.
fn body(content: &[u8]) -> Parts {
    Parts {
        more_functions: 1,
        bodies: sized(content),
        ..Parts::default()
    }
}

/// Makes a module with this count of something.
type Make = fn(u64) -> Vec<u8>;

/// Name, limit, features that an engine needs, module.
type Row = (&'static str, u64, &'static [&'static str], Make);

/// Function imports, named by number.
fn imports(count: u64, ty: u8) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(move |it| [sized(b"env"), numbered(it), vec![0, ty]].concat())
}

/// An export of function 0.
fn export(name: &[u8]) -> Vec<u8> {
    [sized(name), vec![0, 0]].concat()
}

/// A function type with this number of `i32` parameters and no results.
fn params(count: u64) -> Vec<u8> {
    [vec![0x60], times(count, &[0x7f]), vec![0]].concat()
}

/// Rows whose module is made of [`Parts`]; a row states the differences from the default.
macro_rules! parts {
    (|$n:ident| $($field:ident: $value:expr),*) => {
        |$n| Parts { $($field: $value,)* ..Parts::default() }.build()
    };
}

const COUNTS: &[Row] = &[
    (
        "types",
        10_000,
        &[],
        parts!(|n| types: vec![params(0); n as usize - 2]),
    ),
    ("params", 1_000, &[], parts!(|n| types: vec![params(n)])),
    (
        "results",
        1_000,
        &["multi-value"],
        parts!(|n| types: vec![[vec![0x60, 0], times(n, &[0x7f])].concat()]),
    ),
    (
        "imports",
        10_000,
        &[],
        parts!(|n| imports: imports(n, 1).collect()),
    ),
    (
        "functions",
        1_000_000,
        &["large"],
        parts!(|n| more_functions: n - 1),
    ),
    (
        "functions-imported",
        1_000_000,
        &["large"],
        parts!(|n| imports: imports(9, 1).collect(), more_functions: n - 10),
    ),
    (
        "exports",
        100_000,
        &[],
        parts!(|n| exports: (1..n).map(|it| export(format!("x{it}").as_bytes())).collect()),
    ),
    ("globals", 100_000, &[], parts!(|n| globals: n)),
    ("table-entries", 10_000_000, &[], parts!(|n| table: Some(n))),
    (
        "element-entries",
        10_000_000,
        &["large"],
        parts!(|n| table: Some(10_000_000), element_entries: n),
    ),
    ("data-segments", 100_000, &[], parts!(|n| data: n)),
    (
        "data-count",
        100_000,
        &["bulk-memory"],
        parts!(|n| data: n, data_count: true),
    ),
    (
        "element-segments",
        100_000,
        &[],
        parts!(|n| table: Some(1), elements: n),
    ),
    ("body-bytes", 7_654_321, &[], |n| {
        let mut content = vec![1; n as usize];
        content[0] = 0;
        content[n as usize - 1] = 0x0b;
        body(&content).build()
    }),
    ("locals", 50_000, &[], |n| {
        body(&[vec![1], leb(n), vec![0x7f, 0x0b]].concat()).build()
    }),
    ("locals-in-groups", 50_000, &[], |n| {
        body(&[vec![3], leb(n - 2), vec![0x7f, 1, 0x7e, 1, 0x7c, 0x0b]].concat()).build()
    }),
    ("locals-with-parameters", 50_000, &[], |n| {
        // The second function has ten parameters, so it has a type of its own.
        let content = sized(&[vec![1], leb(n - 10), vec![0x7f, 0x0b]].concat());
        module(&[
            section(1, &list(&[vec![0x60, 0, 1, 0x7f], params(10)])),
            section(3, &[2, 0, 1]),
            section(7, &list(&[export(b"f")])),
            section(
                10,
                &[vec![2], sized(&[0, 0x41, 42, 0x0b]), content].concat(),
            ),
        ])
    }),
    ("nesting", 10_000, &[], |n| {
        let inner = n as usize - 1;
        let blocks = [0x02_u8, 0x40].repeat(inner);
        body(&[vec![0], blocks, vec![0x0b; inner + 1]].concat()).build()
    }),
    ("nesting-dead", 10_000, &[], |n| {
        let inner = n as usize - 1;
        let blocks = [0x03_u8, 0x40].repeat(inner);
        body(&[vec![0, 0x00], blocks, vec![0x0b; inner + 1]].concat()).build()
    }),
    ("operands", 10_000, &["multi-value"], |n| operands(n, &[])),
    ("operands-dead", 10_000, &["multi-value"], |n| {
        operands(n, &[0x00])
    }),
    ("br_table-targets", 1_000_000, &[], |n| {
        body(&[vec![0, 0x41, 0, 0x0e], times(n, &[0]), vec![0, 0x0b]].concat()).build()
    }),
    (
        "name-bytes-export",
        100_000,
        &[],
        parts!(|n| exports: vec![export(&vec![b'x'; n as usize])]),
    ),
    (
        "name-bytes-import",
        100_000,
        &[],
        parts!(|n| imports: vec![[sized(b"env"), sized(&vec![b'x'; n as usize]), vec![0, 1]].concat()]),
    ),
    (
        "name-bytes-import-module",
        100_000,
        &[],
        parts!(|n| imports: vec![[sized(&vec![b'x'; n as usize]), sized(b"n"), vec![0, 1]].concat()]),
    ),
    ("module-bytes", 50 * 1024 * 1024, &["large"], |n| {
        let plain = Parts::default().build();
        let rest = filler(n as usize - plain.len());
        [plain, rest].concat()
    }),
];

/// A body with this number of operands after these operators. Most operands are results of calls.
fn operands(n: u64, before: &[u8]) -> Vec<u8> {
    let (calls, constants) = ((n - 1) / 1_000, (n - 1) % 1_000 + 1);
    let content = [
        &[0],
        before,
        &[0x10, 1].repeat(calls as usize),
        &[0x41, 7].repeat(constants as usize),
        &[0x00, 0x0b],
    ];
    let many = [vec![0], [0x41, 7].repeat(1_000), vec![0x0b]].concat();
    let types = [
        vec![0x60, 0, 1, 0x7f],
        [vec![0x60, 0], times(1_000, &[0x7f])].concat(),
        vec![0x60, 0, 0],
    ];
    let bodies = [
        vec![3],
        sized(&[0, 0x41, 42, 0x0b]),
        sized(&many),
        sized(&content.concat()),
    ];
    module(&[
        section(1, &list(&types)),
        section(3, &[3, 0, 1, 2]),
        section(7, &list(&[export(b"f")])),
        section(10, &bodies.concat()),
    ])
}

/// The common bound of the type sizes of imports and exports, and the number of parameters of a type whose size is
/// 1,002.
const SIZES: u64 = 999_998;
const WIDE: u64 = 1_000;

/// Size of the export of `f: () -> i32`, which is always there.
const F: u64 = 2 + 1;

/// The maximum number of imports of the wide type whose sizes fit into `sizes`, and one import of another type for the
/// remainder.
fn filled(sizes: u64, more: Parts) -> Parts {
    let count = (sizes - 2) / (2 + WIDE);
    let rest = sizes - count * (2 + WIDE);
    let last = [sized(b"env"), sized(b"last"), vec![0, 3]].concat();
    Parts {
        types: vec![params(WIDE), params(rest - 2)],
        imports: imports(count, 2)
            .chain([last])
            .chain(more.imports)
            .collect(),
        ..more
    }
}

const TYPE_SIZES: &[Row] = &[
    ("imports", SIZES, &[], |n| {
        filled(n - F, Parts::default()).build()
    }),
    ("exports", SIZES, &[], |n| {
        // Function 0 is the first import of the wide type; it is exported many times.
        let exports = (0..500)
            .map(|it| export(format!("x{it}").as_bytes()))
            .collect();
        let rest = n - F - 500 * (2 + WIDE);
        filled(
            rest,
            Parts {
                exports,
                ..Parts::default()
            },
        )
        .build()
    }),
    ("results", SIZES, &["multi-value"], |n| {
        let ty = [vec![0x60, 3, 0x7f, 0x7e, 0x7d], times(997, &[0x7f])].concat();
        let imports = (0..400)
            .map(|it| [sized(b"more"), numbered(it), vec![0, 4]].concat())
            .collect();
        let mut parts = filled(
            n - F - 400 * (2 + WIDE),
            Parts {
                imports,
                ..Parts::default()
            },
        );
        parts.types.push(ty);
        parts.build()
    }),
    ("others", SIZES, &[], |n| {
        // A global, a table and a memory have size 1 each, under any exported name.
        let of_kind = |kind: u8| {
            (0..1_000)
                .map(move |it| [sized(format!("{kind}.{it}").as_bytes()), vec![kind, 0]].concat())
        };
        let more = Parts {
            exports: (1..=3).flat_map(of_kind).collect(),
            globals: 1,
            table: Some(1),
            ..Parts::default()
        };
        filled(n - F - 3_000, more).build()
    }),
    ("memory-import", SIZES, &[], |n| {
        let memory = [sized(b"env"), sized(b"memory"), vec![2, 0, 1]].concat();
        let more = Parts {
            imports: vec![memory],
            no_memory: true,
            ..Parts::default()
        };
        filled(n - F - 1, more).build()
    }),
];

/// Adds the cases.
pub fn add(suite: &mut Suite) {
    for row in COUNTS {
        at_the_boundary(suite, "LIMIT-1", &["LIMIT-2"], "", row);
    }
    decompression(suite);
    for row in TYPE_SIZES {
        at_the_boundary(suite, "LIMIT-4", &[], "type-sizes-", row);
    }
    for (name, content) in dense() {
        let source = format!("dense-{name}");
        suite.bytes(&source, body(&content).build());
        let case = Case::new("limits", "LIMIT-5", format!("dense/{name}"));
        suite.push(case.module(&source).invoke("f", &[]).valid(&[i32(42)]));
    }
}

/// Bodies for which a compiler may generate much more code than there is Wasm.
fn dense() -> [(&'static str, Vec<u8>); 3] {
    const LOCALS: u8 = 25;
    const LABELS: u8 = 100;
    let set = |from: u8| -> Vec<u8> {
        let set = |local| vec![0x41, 0, 0x29, 3, 0, 0x21, local];
        (from..from + LOCALS).flat_map(set).collect()
    };
    let table = {
        let targets: Vec<u8> = (0..LABELS).collect();
        [
            &[0x02, 0x40, 0x41, 0, 0x0e, LABELS][..],
            &targets,
            &[0, 0x0b],
        ]
        .concat()
    };
    let conditional: Vec<u8> = (0..LABELS)
        .flat_map(|label| [0x41, 0, 0x0d, label])
        .collect();
    let between = |way: &[u8]| {
        let read = (0..2 * LOCALS).flat_map(|local| [0x20, local, 0x1a]);
        [
            vec![1, 2 * LOCALS, 0x7e],
            set(0),
            [0x02, 0x40].repeat(LABELS.into()),
            way.to_vec(),
            set(LOCALS),
            way.repeat(300),
            vec![0x0b; LABELS.into()],
            read.collect(),
            vec![0x0b],
        ]
        .concat()
    };
    // `i64.trunc_f64_u` and `f64.convert_i64_u`, repeated.
    let conversions = [
        vec![0, 0x44, 0, 0, 0, 0, 0, 0, 0, 0],
        [0xb1, 0xba].repeat(20_000),
        vec![0x1a, 0x0b],
    ];
    [
        ("br_tables", between(&table)),
        ("br_ifs", between(&conditional)),
        ("conversions", conversions.concat()),
    ]
}

/// One below the limit, at the limit and one above it.
fn at_the_boundary(
    suite: &mut Suite,
    rule: &'static str,
    also: &[&'static str],
    prefix: &str,
    (name, limit, needs, make): &Row,
) {
    for (place, count) in [("below", limit - 1), ("at", *limit), ("above", limit + 1)] {
        let source = format!("limit-{prefix}{name}-{place}");
        suite.bytes(&source, make(count));
        let mut case = Case::new("limits", rule, format!("{prefix}{name}/{place}"))
            .also(also)
            .module(&source)
            .invoke("f", &[]);
        for need in *needs {
            case = case.needs(need);
        }
        suite.push(match place {
            "above" => case.also(&["LIMIT-3"]).needs("limits").rejected("prepare"),
            _ => case.valid(&[i32(42)]),
        });
    }
}

const MAGIC: [u8; 8] = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];

/// Blobs in the compressed form that chains store.
fn decompression(suite: &mut Suite) {
    let plain = Parts::default().build();
    let frame = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).expect("memory can be compressed");
    let blob = |frames: &[u8]| [&MAGIC[..], frames].concat();
    let good = frame(&plain);
    let limit = 50 * 1024 * 1024;
    let sized_module = |bytes: usize| [plain.clone(), filler(bytes - plain.len())].concat();
    let half = plain.len() / 2;
    let rows: Vec<(&str, &str, Vec<u8>, bool)> = vec![
        ("CODE-1", "plain", plain.clone(), true),
        ("CODE-1", "compressed", blob(&good), true),
        (
            "CODE-1",
            "other-magic",
            [&[0x53][..], &MAGIC[1..], &good].concat(),
            false,
        ),
        ("CODE-1", "frames-without-magic", good.clone(), false),
        ("CODE-1", "magic-cut", MAGIC[..7].to_vec(), false),
        (
            "CODE-2",
            "two-frames",
            blob(&[frame(&plain[..half]), frame(&plain[half..])].concat()),
            true,
        ),
        (
            "CODE-2",
            "skippable-frame",
            blob(&[good.clone(), vec![0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9]].concat()),
            true,
        ),
        ("CODE-2", "garbage", blob(&[0xaa; 40]), false),
        (
            "CODE-2",
            "garbage-behind",
            blob(&[good.clone(), vec![0xaa; 7]].concat()),
            false,
        ),
        ("CODE-2", "truncated", blob(&good[..good.len() - 3]), false),
        ("CODE-2", "nothing", blob(&[]), false),
        (
            "CODE-2",
            "bad-module-inside",
            blob(&frame(b"\0asm\x01\0\0\0\x7f")),
            false,
        ),
        (
            "CODE-3",
            "at-limit",
            blob(&frame(&sized_module(limit))),
            true,
        ),
        (
            "CODE-3",
            "above-limit",
            blob(&frame(&sized_module(limit + 1))),
            false,
        ),
        ("CODE-3", "bomb", blob(&frame(&vec![0; 400 << 20])), false),
        ("CODE-4", "twice", blob(&frame(&blob(&good))), false),
        (
            "CODE-4",
            "text-inside",
            blob(&frame(
                b"(module (func (export \"f\") (result i32) (i32.const 42)))",
            )),
            false,
        ),
    ];
    for (rule, name, bytes, fits) in rows {
        let source = format!("blob-{name}");
        suite.bytes(&source, bytes);
        let case = Case::new("limits", rule, format!("blob/{name}"))
            .polkadot()
            .module(&source)
            .needs("blobs")
            .invoke("f", &[]);
        suite.push(if fits {
            case.valid(&[i32(42)])
        } else {
            case.rejected("prepare")
        });
    }
}
