//! Modules at counts that some parser limits: the largest accepted, and one more.

use crate::judge::Subject;
use crate::module::leb::{signed, unsigned};

const EMPTY: [u8; 3] = [0x60, 0, 0];
const ENTRY: [u8; 6] = [0x60, 2, 0x7f, 0x7f, 1, 0x7e];
const RESULT: [u8; 15] = [12, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0];

/// Items to add to a module that is valid and returns a result.
#[derive(Default)]
struct Parts {
    types: Vec<Vec<u8>>,
    imports: Vec<Vec<u8>>,
    table: Vec<u8>,
    memory: Option<Vec<u8>>,
    globals: Vec<Vec<u8>>,
    exports: Vec<Vec<u8>>,
    elements: Vec<Vec<u8>>,
    bodies: Vec<Vec<u8>>,
    data: Vec<Vec<u8>>,
    custom: Vec<u8>,
}

fn vector(items: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = unsigned(items.len() as u64);
    items.iter().for_each(|item| bytes.extend(item));
    bytes
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [unsigned(bytes.len() as u64), bytes.to_vec()].concat()
}

fn section(id: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![id], sized(bytes)].concat()
}

fn export(name: &str, kind: u8, index: u32) -> Vec<u8> {
    [sized(name.as_bytes()), vec![kind], unsigned(index.into())].concat()
}

fn import(number: usize) -> Vec<u8> {
    let name = sized(format!("f{number}").as_bytes());
    [sized(b"env"), name, vec![0, 1]].concat()
}

impl Parts {
    fn module(self) -> Vec<u8> {
        let types = [vec![ENTRY.to_vec(), EMPTY.to_vec()], self.types].concat();
        let own = [vec![vec![0]], vec![vec![1]; self.bodies.len()]].concat();
        let base = vec![0x7f, 0, 0x41, 0x80, 0x80, 0x04, 0x0b];
        let globals = [vec![base], self.globals].concat();
        let entry = self.imports.len() as u32;
        let exports = vec![
            export("memory", 2, 0),
            export("validate_block", 0, entry),
            export("__heap_base", 3, 0),
        ];
        let exports = [exports, self.exports].concat();
        let value = signed(1024 | (RESULT.len() as i64) << 32);
        let body = [vec![0, 0x42], value, vec![0x0b]].concat();
        let bodies: Vec<_> = [vec![body], self.bodies].concat();
        let bodies: Vec<_> = bodies.iter().map(|body| sized(body)).collect();
        let segment = [vec![0, 0x41], signed(1024), vec![0x0b], sized(&RESULT)].concat();
        let data = [vec![segment], self.data].concat();
        let memory = self.memory.unwrap_or(vec![0, 17]);

        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend(section(1, &vector(&types)));
        if !self.imports.is_empty() {
            module.extend(section(2, &vector(&self.imports)));
        }
        module.extend(section(3, &vector(&own)));
        if !self.table.is_empty() {
            module.extend(section(4, &[vec![1, 0x70], self.table].concat()));
        }
        module.extend(section(5, &[vec![1], memory].concat()));
        module.extend(section(6, &vector(&globals)));
        module.extend(section(7, &vector(&exports)));
        if !self.elements.is_empty() {
            module.extend(section(9, &vector(&self.elements)));
        }
        module.extend(section(10, &vector(&bodies)));
        module.extend(section(11, &vector(&data)));
        module.extend(self.custom);
        module
    }
}

/// The modules. The largest take minutes on one side or the other, so they are included only if
/// `all` is set.
pub fn modules(all: bool) -> Vec<Subject> {
    let mut subjects = Vec::new();
    let mut add = |kind: &str, count: u64, parts: Parts| {
        subjects.push(Subject {
            name: format!("{kind} {count}"),
            kind: format!("limit: {kind} {count}"),
            code: parts.module(),
        });
    };
    let around = |limit: usize| [limit - 1, limit, limit + 1];
    let mut counts: Vec<usize> = vec![10_001, 100_001];
    counts.extend(around(1_000_000));
    for &count in counts
        .iter()
        .filter(|&&count| all || count < 200_000 || count > 999_000)
    {
        let types = vec![EMPTY.to_vec(); count - 2];
        add(
            "types",
            count as u64,
            Parts {
                types,
                ..Parts::default()
            },
        );
        let globals = vec![vec![0x7f, 1, 0x41, 0, 0x0b]; count - 1];
        add(
            "globals",
            count as u64,
            Parts {
                globals,
                ..Parts::default()
            },
        );
        let exports = (3..count).map(|number| export(&format!("e{number}"), 2, 0));
        let exports = exports.collect();
        add(
            "exports",
            count as u64,
            Parts {
                exports,
                ..Parts::default()
            },
        );
        if all || count < 200_000 {
            let imports = (0..count).map(import).collect();
            add(
                "imports",
                count as u64,
                Parts {
                    imports,
                    ..Parts::default()
                },
            );
            let bodies = vec![vec![0, 0x0b]; count - 1];
            add(
                "functions",
                count as u64,
                Parts {
                    bodies,
                    ..Parts::default()
                },
            );
        }
    }
    for count in around(100_000) {
        let elements = vec![vec![0, 0x41, 0, 0x0b, 0]; count];
        let table = vec![0, 1];
        add(
            "element segments",
            count as u64,
            Parts {
                elements,
                table,
                ..Parts::default()
            },
        );
        let data = vec![vec![0, 0x41, 0, 0x0b, 0]; count - 1];
        add(
            "data segments",
            count as u64,
            Parts {
                data,
                ..Parts::default()
            },
        );
        let name = "x".repeat(count);
        let exports = vec![export(&name, 0, 0)];
        add(
            "export name",
            count as u64,
            Parts {
                exports,
                ..Parts::default()
            },
        );
        let imports = vec![[sized(b"env"), sized(name.as_bytes()), vec![0, 1]].concat()];
        add(
            "import name",
            count as u64,
            Parts {
                imports,
                ..Parts::default()
            },
        );
        let imports = vec![[sized(name.as_bytes()), sized(b"f"), vec![0, 1]].concat()];
        add(
            "import module",
            count as u64,
            Parts {
                imports,
                ..Parts::default()
            },
        );
        let custom = section(0, &sized(name.as_bytes()));
        add(
            "custom section name",
            count as u64,
            Parts {
                custom,
                ..Parts::default()
            },
        );
    }
    for count in around(131_072) {
        let mut body = vec![0, 0x02, 0x40, 0x41, 0, 0x0e];
        body.extend(unsigned(count as u64));
        body.extend(vec![0; count + 1]);
        body.extend([0x0b, 0x0b]);
        let bodies = vec![body];
        add(
            "br_table labels",
            count as u64,
            Parts {
                bodies,
                ..Parts::default()
            },
        );
        let mut body = vec![0];
        body.extend(vec![0x01; count - 2]);
        body.push(0x0b);
        let bodies = vec![body];
        add(
            "body bytes",
            count as u64,
            Parts {
                bodies,
                ..Parts::default()
            },
        );
    }
    for count in around(50_000) {
        let mut body = vec![1];
        body.extend(unsigned(count as u64));
        body.extend([0x7f, 0x0b]);
        let bodies = vec![body];
        add(
            "locals",
            count as u64,
            Parts {
                bodies,
                ..Parts::default()
            },
        );
        let body = [unsigned(count as u64), [1, 0x7f].repeat(count), vec![0x0b]].concat();
        let bodies = vec![body];
        add(
            "local groups of one",
            count as u64,
            Parts {
                bodies,
                ..Parts::default()
            },
        );
        let body = [unsigned(count as u64), [0, 0x7f].repeat(count), vec![0x0b]].concat();
        let bodies = vec![body];
        add(
            "local groups of none",
            count as u64,
            Parts {
                bodies,
                ..Parts::default()
            },
        );
    }
    for (first, second) in [
        (u32::MAX, 1_u32),
        (u32::MAX, 0),
        (1 << 31, 1 << 31),
        (49_999, 2),
    ] {
        let mut body = vec![2];
        body.extend(unsigned(first.into()));
        body.push(0x7f);
        body.extend(unsigned(second.into()));
        body.extend([0x7e, 0x0b]);
        let bodies = vec![body];
        let kind = format!("locals {first} +");
        add(
            &kind,
            second.into(),
            Parts {
                bodies,
                ..Parts::default()
            },
        );
    }
    for count in around(1_000) {
        let mut ty = vec![0x60];
        ty.extend(unsigned(count as u64));
        ty.extend(vec![0x7f; count]);
        ty.push(0);
        let types = vec![ty];
        add(
            "parameters",
            count as u64,
            Parts {
                types,
                ..Parts::default()
            },
        );
    }
    // The total weight of imports and exports: 1 for each, and for a function additionally 1 plus
    // its parameters and results.
    let mut ty = vec![0x60];
    ty.extend(unsigned(1_000));
    ty.extend(vec![0x7f; 1_000]);
    ty.push(0);
    for count in [7, 8, 9, 500] {
        // 997 functions of weight 1,002, the 3 exports of every module (weight 7), a constant 1,
        // and further exports of weight 1.
        let imports = (0..997 + usize::from(count == 500)).map(|number| {
            let name = sized(format!("f{number}").as_bytes());
            [sized(b"env"), name, vec![0, 2]].concat()
        });
        let imports = imports.collect();
        let exports = (0..990 + count).map(|number| export(&format!("e{number}"), 2, 0));
        let exports = exports.collect();
        let types = vec![ty.clone()];
        add(
            "weight of imports and exports",
            count,
            Parts {
                types,
                imports,
                exports,
                ..Parts::default()
            },
        );
    }
    for count in [999_990, 999_991, 999_992, 999_993] {
        let exports = (0..count).map(|number| export(&format!("e{number}"), 2, 0));
        let exports = exports.collect();
        add(
            "exports of weight 1",
            count,
            Parts {
                exports,
                ..Parts::default()
            },
        );
    }
    for count in [2, 1_000, 1_001] {
        let mut ty = vec![0x60, 0];
        ty.extend(unsigned(count));
        ty.extend(vec![0x7f; count as usize]);
        let types = vec![ty];
        add(
            "results",
            count,
            Parts {
                types,
                ..Parts::default()
            },
        );
    }
    for count in [
        9_999_999,
        10_000_000,
        10_000_001,
        20_000_000,
        1 << 31,
        u64::from(u32::MAX),
    ] {
        let table = [vec![0], unsigned(count)].concat();
        add(
            "table minimum",
            count,
            Parts {
                table,
                ..Parts::default()
            },
        );
        let table = [vec![1, 0], unsigned(count)].concat();
        add(
            "table maximum",
            count,
            Parts {
                table,
                ..Parts::default()
            },
        );
    }
    for count in around(65_536)
        .map(|count| count as u64)
        .into_iter()
        .chain([1 << 31, u64::from(u32::MAX)])
    {
        let memory = [vec![0], unsigned(count)].concat();
        add(
            "memory minimum",
            count,
            Parts {
                memory: Some(memory),
                ..Parts::default()
            },
        );
        let memory = [vec![1, 17], unsigned(count)].concat();
        add(
            "memory maximum",
            count,
            Parts {
                memory: Some(memory),
                ..Parts::default()
            },
        );
    }
    for count in around(10_000_000) {
        if all {
            let element = [
                vec![0, 0x41, 0, 0x0b],
                unsigned(count as u64),
                vec![0; count],
            ]
            .concat();
            let elements = vec![element];
            let table = [vec![0], unsigned(count as u64)].concat();
            add(
                "elements of a segment",
                count as u64,
                Parts {
                    elements,
                    table,
                    ..Parts::default()
                },
            );
        }
    }
    for count in [999, 1_000, 10_001, 50_000] {
        let mut body = vec![0];
        body.extend([0x02, 0x40].repeat(count));
        body.extend(vec![0x0b; count + 1]);
        let bodies = vec![body];
        add(
            "nested blocks",
            count as u64,
            Parts {
                bodies,
                ..Parts::default()
            },
        );
        let mut body = vec![0];
        body.extend([0x41, 0].repeat(count));
        body.extend(vec![0x1a; count]);
        body.push(0x0b);
        let bodies = vec![body];
        add(
            "operands",
            count as u64,
            Parts {
                bodies,
                ..Parts::default()
            },
        );
    }
    subjects
}
