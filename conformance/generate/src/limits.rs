//! A module below, at and above each limit by count. The counts are the published ones, restated here.

use crate::bytes::{filler, leb, list, module, section, sized, times};
use crate::suite::{Case, Suite, i32};

/// Names of things, made of a number.
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
    bodies: Vec<u8>,
    data: u64,
}

impl Parts {
    fn build(self) -> Vec<u8> {
        // Type 0 is that of `f`, type 1 that of all others.
        let mut types = vec![vec![0x60, 0, 1, 0x7f], vec![0x60, 0, 0]];
        types.extend(self.types);
        let f = self.imports.len() as u64;
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
        sections.push(section(5, &[1, 0, 1]));
        sections.push(section(6, &times(self.globals, &[0x7f, 0, 0x41, 0, 0x0b])));
        sections.push(section(7, &list(&exports)));
        if self.elements > 0 {
            sections.push(section(9, &times(self.elements, &[0, 0x41, 0, 0x0b, 0])));
        }
        sections.push(section(10, &bodies));
        if self.data > 0 {
            sections.push(section(11, &times(self.data, &[0, 0x41, 0, 0x0b, 0])));
        }
        module(&sections)
    }
}

/// A body in bytes, behind its size.
fn body(content: &[u8]) -> Parts {
    Parts {
        more_functions: 1,
        bodies: sized(content),
        ..Parts::default()
    }
}

type Make = fn(u64) -> Vec<u8>;

const TABLE: &[(&str, u64, &[&str], Make)] = &[
    ("types", 10_000, &[], |n| {
        Parts {
            types: vec![vec![0x60, 0, 0]; n as usize - 2],
            ..Parts::default()
        }
        .build()
    }),
    ("params", 1_000, &[], |n| {
        Parts {
            types: vec![[vec![0x60], times(n, &[0x7f]), vec![0]].concat()],
            ..Parts::default()
        }
        .build()
    }),
    ("results", 1_000, &["multi-value"], |n| {
        Parts {
            types: vec![[vec![0x60, 0], times(n, &[0x7f])].concat()],
            ..Parts::default()
        }
        .build()
    }),
    ("imports", 10_000, &[], |n| {
        Parts {
            imports: (0..n)
                .map(|it| [sized(b"env"), numbered(it), vec![0, 1]].concat())
                .collect(),
            ..Parts::default()
        }
        .build()
    }),
    ("functions", 1_000_000, &["large"], |n| {
        Parts {
            more_functions: n - 1,
            ..Parts::default()
        }
        .build()
    }),
    ("functions-imported", 1_000_000, &["large"], |n| {
        Parts {
            imports: (0..9)
                .map(|it| [sized(b"env"), numbered(it), vec![0, 1]].concat())
                .collect(),
            more_functions: n - 10,
            ..Parts::default()
        }
        .build()
    }),
    ("exports", 100_000, &[], |n| {
        Parts {
            exports: (1..n)
                .map(|it| [sized(format!("x{it}").as_bytes()), vec![0, 0]].concat())
                .collect(),
            ..Parts::default()
        }
        .build()
    }),
    ("globals", 100_000, &[], |n| {
        Parts {
            globals: n,
            ..Parts::default()
        }
        .build()
    }),
    ("table-entries", 10_000_000, &[], |n| {
        Parts {
            table: Some(n),
            ..Parts::default()
        }
        .build()
    }),
    ("data-segments", 100_000, &[], |n| {
        Parts {
            data: n,
            ..Parts::default()
        }
        .build()
    }),
    ("element-segments", 100_000, &[], |n| {
        Parts {
            table: Some(1),
            elements: n,
            ..Parts::default()
        }
        .build()
    }),
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
        // The second function takes ten parameters: its type is one of its own.
        let types = vec![
            vec![0x60, 0, 1, 0x7f],
            [vec![0x60, 10], vec![0x7f; 10], vec![0]].concat(),
        ];
        module(&[
            section(1, &list(&types)),
            section(3, &[2, 0, 1]),
            section(7, &list(&[[sized(b"f"), vec![0, 0]].concat()])),
            section(
                10,
                &[
                    vec![2],
                    sized(&[0, 0x41, 42, 0x0b]),
                    sized(&[vec![1], leb(n - 10), vec![0x7f, 0x0b]].concat()),
                ]
                .concat(),
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
    ("br_table-targets", 1_000_000, &[], |n| {
        body(&[vec![0, 0x41, 0, 0x0e], times(n, &[0]), vec![0, 0x0b]].concat()).build()
    }),
    ("name-bytes-export", 100_000, &[], |n| {
        Parts {
            exports: vec![[sized(&vec![b'x'; n as usize]), vec![0, 0]].concat()],
            ..Parts::default()
        }
        .build()
    }),
    ("name-bytes-import", 100_000, &[], |n| {
        Parts {
            imports: vec![[sized(b"env"), sized(&vec![b'x'; n as usize]), vec![0, 1]].concat()],
            ..Parts::default()
        }
        .build()
    }),
    ("name-bytes-import-module", 100_000, &[], |n| {
        Parts {
            imports: vec![[sized(&vec![b'x'; n as usize]), sized(b"n"), vec![0, 1]].concat()],
            ..Parts::default()
        }
        .build()
    }),
    ("module-bytes", 50 * 1024 * 1024, &["large"], |n| {
        let plain = Parts::default().build();
        let rest = filler(n as usize - plain.len());
        [plain, rest].concat()
    }),
];

/// Adds the cases.
pub fn add(suite: &mut Suite) {
    for (name, limit, needs, make) in TABLE {
        for (place, count) in [("below", limit - 1), ("at", *limit), ("above", limit + 1)] {
            let source = format!("limit-{name}-{place}");
            suite.bytes(&source, make(count));
            let mut case = Case::new("limits", "LIMIT-1", format!("{name}/{place}"))
                .also(&["LIMIT-2"])
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
    decompression(suite);
    type_sizes(suite);
}

/// The sizes of the types of imports and exports add up; see the rule for what is added.
fn type_sizes(suite: &mut Suite) {
    // Far from the bound on both sides: its exact place is the validator's.
    let with = |exports: u64| {
        let wide = [vec![0x60], times(1000, &[0x7f]), vec![0]].concat();
        Parts {
            types: vec![wide],
            imports: (0..exports)
                .map(|it| [sized(b"env"), numbered(it), vec![0, 2]].concat())
                .collect(),
            ..Parts::default()
        }
        .build()
    };
    for (name, imports, fits) in [("small", 100, true), ("large", 1100, false)] {
        let source = format!("limit-type-sizes-{name}");
        suite.bytes(&source, with(imports));
        let case = Case::new("limits", "LIMIT-4", format!("type-sizes/{name}"))
            .module(&source)
            .invoke("f", &[]);
        suite.push(if fits {
            case.valid(&[i32(42)])
        } else {
            case.needs("limits").rejected("prepare")
        });
    }
}

const MAGIC: [u8; 8] = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];

/// Blobs compressed as chains store them.
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
