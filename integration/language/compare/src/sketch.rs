//! Small modules in many combinations of imports, definitions, exports and segments. Most entries
//! are valid; occasionally an index, type or limit is one that some parser may accept wrongly.

use crate::module::leb::{signed, unsigned};
use crate::module::parse::instructions;
use crate::module::{Form, Module, Node};
use pvf_generators::Random;

/// A `ValidationResult`: a head of three bytes, no code, no messages, watermark 7.
const RESULT: [u8; 15] = [12, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0];

/// The address of [`RESULT`].
const RESULT_AT: i64 = 1024;

/// Names used for both imports and exports.
const NAMES: [&str; 8] = [
    "memory",
    "__heap_base",
    "validate_block",
    "f",
    "g",
    "",
    "ext_misc_print_num_version_1",
    "m",
];

struct Sketch<'r> {
    random: &'r mut Random,
    types: Vec<(Vec<u8>, Vec<u8>)>,
    functions: Vec<u32>,
    imported_functions: u32,
    globals: u32,
    imported_globals: u32,
    tables: u32,
    memories: u32,
}

/// A module from random choices.
pub fn sketch(random: &mut Random) -> Module {
    let mut sketch = Sketch {
        random,
        types: vec![(vec![0x7f, 0x7f], vec![0x7e]), (vec![], vec![])],
        functions: Vec::new(),
        imported_functions: 0,
        globals: 0,
        imported_globals: 0,
        tables: 0,
        memories: 0,
    };
    sketch.module()
}

impl Sketch<'_> {
    fn one_in(&mut self, n: u64) -> bool {
        self.random.one_in(n)
    }

    fn up_to(&mut self, most: u64) -> u64 {
        self.random.below(most + 1)
    }

    /// An index of a space, occasionally up to two beyond its end.
    fn index(&mut self, size: u32) -> u32 {
        match size > 0 && !self.one_in(60) {
            true => self.random.below(u64::from(size)) as u32,
            false => size + self.random.below(3) as u32,
        }
    }

    fn value_type(&mut self) -> u8 {
        *self.random.pick(&[0x7f, 0x7f, 0x7e, 0x7d, 0x7c])
    }

    fn module(&mut self) -> Module {
        for _ in 0..self.up_to(2) {
            let parameters = (0..self.up_to(3)).map(|_| self.value_type()).collect();
            let results = (0..self.up_to(1)).map(|_| self.value_type()).collect();
            self.types.push((parameters, results));
        }
        let mut sections = Vec::new();
        let imports = self.imports();
        let entry = !self.one_in(8);
        let mut own = Vec::new();
        if entry {
            own.push(0);
        }
        for _ in 0..self.up_to(3) {
            own.push(self.index(self.types.len() as u32));
        }
        let entry = entry.then_some(self.functions.len() as u32);
        self.functions.extend(&own);
        sections.push(Node::section(1, vec![self.type_entries()]));
        push(&mut sections, 2, "import count", imports, self.one_in(20));
        let types = own.iter().map(|&ty| Node::unsigned("type index", ty));
        push(
            &mut sections,
            3,
            "function count",
            types.collect(),
            self.one_in(20),
        );

        let tables = self.tables_own();
        push(&mut sections, 4, "table count", tables, self.one_in(20));
        let memories = self.memories_own();
        push(&mut sections, 5, "memory count", memories, self.one_in(20));
        let heap_base = (!self.one_in(8)).then_some(self.globals);
        let globals = self.globals_own(heap_base.is_some());
        push(&mut sections, 6, "global count", globals, self.one_in(20));
        let exports = self.exports(entry, heap_base);
        push(&mut sections, 7, "export count", exports, self.one_in(20));
        if self.one_in(8) {
            let index = self.index(self.functions.len() as u32);
            sections.push(Node::section(
                8,
                vec![Node::unsigned("start function index", index)],
            ));
        }
        let elements = self.elements();
        push(
            &mut sections,
            9,
            "element segment count",
            elements,
            self.one_in(20),
        );
        let bodies = own.iter().enumerate();
        let bodies = bodies.map(|(place, &ty)| self.body(ty, place == 0 && entry.is_some()));
        let bodies: Vec<_> = bodies.collect();
        push(&mut sections, 10, "body count", bodies, self.one_in(20));
        let data = self.data();
        push(
            &mut sections,
            11,
            "data segment count",
            data,
            self.one_in(20),
        );

        let mut parts = vec![
            Node::leaf("magic number", Form::Raw, *b"\0asm"),
            Node::leaf("version", Form::Raw, [1, 0, 0, 0]),
        ];
        parts.extend(sections);
        Module {
            root: Node::group("module", parts),
        }
    }

    fn type_entries(&mut self) -> Node {
        let types = self.types.iter().map(|(parameters, results)| {
            let values = |what, types: &[u8]| {
                let types = types.iter().map(|&ty| Node::byte("value type", ty));
                Node::counted(what, types.collect())
            };
            Node::group(
                "type",
                vec![
                    Node::byte("type form", 0x60),
                    values("parameter count", parameters),
                    values("result count", results),
                ],
            )
        });
        Node::counted("type count", types.collect())
    }

    fn imports(&mut self) -> Vec<Node> {
        let count = match self.one_in(3) {
            true => self.up_to(4),
            false => 0,
        };
        (0..count).map(|_| self.import()).collect()
    }

    fn import(&mut self) -> Node {
        let module = *self
            .random
            .pick(&["env", "env", "env", "env", "env", "env", "env", "other", ""]);
        let name = *self.random.pick(&NAMES);
        let (kind, what) = match self.random.below(8) {
            0..=2 => {
                let index = self.index(self.types.len() as u32);
                self.functions.push(index);
                self.imported_functions += 1;
                (0, Node::unsigned("type index", index))
            }
            3 => {
                self.tables += 1;
                (1, self.table())
            }
            4 | 5 => {
                self.memories += 1;
                (2, self.memory())
            }
            _ => {
                self.globals += 1;
                self.imported_globals += 1;
                let ty = self.value_type();
                let mutable = self.random.below(2) as u8;
                (3, global_type(ty, mutable))
            }
        };
        Node::group(
            "import",
            vec![
                Node::name("import module", module),
                Node::name("import name", name),
                Node::byte("import kind", kind),
                what,
            ],
        )
    }

    fn limits(&mut self, what: &'static str, minimum: u32, maximum: Option<u32>) -> Node {
        let mut parts = vec![
            Node::byte("limits flags", u8::from(maximum.is_some())),
            Node::unsigned("minimum", minimum),
        ];
        parts.extend(maximum.map(|maximum| Node::unsigned("maximum", maximum)));
        Node::group(what, parts)
    }

    fn table(&mut self) -> Node {
        let minimum = *self.random.pick(&[0, 1, 2, 4, 4, 10, 10, 1000, 10_000_001]);
        let maximum = *self.random.pick(&[
            None,
            None,
            None,
            Some(10_000_002),
            Some(minimum),
            Some(u32::MAX),
        ]);
        let maximum = if self.one_in(16) { Some(0) } else { maximum };
        let limits = self.limits("table limits", minimum, maximum);
        Node::group(
            "table",
            vec![Node::byte("table element type", 0x70), limits],
        )
    }

    fn memory(&mut self) -> Node {
        let minimum = *self
            .random
            .pick(&[0, 1, 1, 2, 17, 17, 17, 2080, 2081, 65_536]);
        let minimum = if self.one_in(30) { 65_537 } else { minimum };
        let maximum = *self.random.pick(&[
            None,
            None,
            Some(20),
            Some(minimum),
            Some(0),
            Some(65_536),
            Some(65_537),
            Some(u32::MAX),
        ]);
        self.limits("memory limits", minimum, maximum)
    }

    fn tables_own(&mut self) -> Vec<Node> {
        let count = *self.random.pick(&[0, 0, 1, 1, 1]);
        let count = if self.tables > 0 { count / 2 } else { count } + u32::from(self.one_in(30));
        self.tables += count;
        (0..count).map(|_| self.table()).collect()
    }

    fn memories_own(&mut self) -> Vec<Node> {
        let wanted = self.memories == 0 && !self.one_in(10);
        let count = u32::from(wanted) + u32::from(self.one_in(20));
        self.memories += count;
        (0..count).map(|_| self.memory()).collect()
    }

    fn globals_own(&mut self, heap_base: bool) -> Vec<Node> {
        let mut globals = Vec::new();
        if heap_base {
            let constant = constant(65_536);
            globals.push(Node::group("global", vec![global_type(0x7f, 0), constant]));
        }
        for _ in 0..self.up_to(3) / 2 {
            let ty = self.value_type();
            let mutable = self.random.below(2) as u8;
            let bytes = match ty {
                _ if self.globals > 0 && self.one_in(4) => {
                    let mut bytes = vec![0x23];
                    let index = self.index(self.imported_globals.max(1));
                    bytes.extend(unsigned(u64::from(index)));
                    bytes
                }
                0x7f => vec![0x41, 5],
                0x7e => vec![0x42, 5],
                0x7d => vec![0x43, 0, 0, 0, 0],
                _ => vec![0x44, 0, 0, 0, 0, 0, 0, 0, 0],
            };
            let mut bytes = bytes;
            bytes.push(0x0b);
            let constant = Node::group("constant expression", instructions(&bytes));
            globals.push(Node::group(
                "global",
                vec![global_type(ty, mutable), constant],
            ));
        }
        self.globals += globals.len() as u32;
        globals
    }

    fn exports(&mut self, entry: Option<u32>, heap_base: Option<u32>) -> Vec<Node> {
        let mut exports = Vec::new();
        let export = |name: &str, kind, index| {
            Node::group(
                "export",
                vec![
                    Node::name("export name", name),
                    Node::byte("export kind", kind),
                    Node::unsigned("export index", index),
                ],
            )
        };
        if self.memories > 0 && !self.one_in(6) {
            exports.push(export("memory", 2, 0));
        }
        if let Some(entry) = entry {
            exports.push(export("validate_block", 0, entry));
        }
        if let Some(heap_base) = heap_base {
            exports.push(export("__heap_base", 3, heap_base));
        }
        for place in 0..self.up_to(3) / 2 {
            let kind = self.random.below(4) as u8;
            let size = match kind {
                0 => self.functions.len() as u32,
                1 => self.tables,
                2 => self.memories,
                // The counter has the index after the last global.
                _ => self.globals + u32::from(self.one_in(2)),
            };
            let index = self.index(size);
            let name = match self.one_in(4) {
                true => (*self.random.pick(&NAMES)).to_owned(),
                false => format!("export {place}"),
            };
            exports.push(export(&name, kind, index));
        }
        exports
    }

    fn elements(&mut self) -> Vec<Node> {
        let count = match self.tables > 0 || self.one_in(60) {
            true => self.up_to(2),
            false => 0,
        };
        let element = |sketch: &mut Self| {
            let index = match sketch.one_in(24) {
                true => sketch.up_to(8) as u32,
                false => 0,
            };
            let members = sketch.up_to(3);
            let functions = sketch.functions.len() as u32;
            let members = (0..members)
                .map(|_| Node::unsigned("element function index", sketch.index(functions)))
                .collect();
            let at = *sketch.random.pick(&[0, 0, 0, 1, 2, 1000, -1]);
            Node::group(
                "element segment",
                vec![
                    Node::unsigned("element segment index", index),
                    constant(at),
                    Node::counted("element count", members),
                ],
            )
        };
        (0..count).map(|_| element(self)).collect()
    }

    fn data(&mut self) -> Vec<Node> {
        let segment = |index, at, bytes: &[u8]| {
            Node::group(
                "data segment",
                vec![
                    Node::unsigned("data segment index", index),
                    constant(at),
                    Node::name("data size", bytes),
                ],
            )
        };
        let mut data = Vec::new();
        if self.memories > 0 {
            data.push(segment(0, RESULT_AT, &RESULT));
        }
        if self.one_in(6) {
            let index = match self.one_in(3) {
                true => self.up_to(4) as u32,
                false => 0,
            };
            let at = *self.random.pick(&[0, 16, 65_535, -1, 65_536 * 17]);
            data.push(segment(index, at, &[1, 2, 3]));
        }
        data
    }

    fn body(&mut self, ty: u32, is_entry: bool) -> Node {
        let ty = self.types.get(ty as usize).cloned();
        let (_, results) = ty.unwrap_or_default();
        let mut locals = Vec::new();
        for _ in 0..self.up_to(2) {
            let count = *self.random.pick(&[0, 1, 2, 7, 100]);
            let ty = self.value_type();
            let parts = vec![
                Node::unsigned("local count", count),
                Node::byte("value type", ty),
            ];
            locals.push(Node::group("locals", parts));
        }
        let mut bytes = Vec::new();
        if is_entry {
            let value = RESULT_AT | (RESULT.len() as i64) << 32;
            bytes.push(0x42);
            bytes.extend(signed(value));
        } else {
            for result in results {
                bytes.extend(match result {
                    0x7f => vec![0x41, 1],
                    0x7e => vec![0x42, 1],
                    0x7d => vec![0x43, 0, 0, 0, 0],
                    _ => vec![0x44, 0, 0, 0, 0, 0, 0, 0, 0],
                });
            }
        }
        bytes.push(0x0b);
        let mut inside = vec![Node::counted("local group count", locals)];
        inside.extend(instructions(&bytes));
        Node::group("body", vec![Node::sized("body size", inside)])
    }
}

fn push(sections: &mut Vec<Node>, id: u8, what: &'static str, entries: Vec<Node>, empty: bool) {
    if !entries.is_empty() || empty {
        sections.push(Node::section(id, vec![Node::counted(what, entries)]));
    }
}

fn global_type(ty: u8, mutable: u8) -> Node {
    let parts = vec![
        Node::byte("value type", ty),
        Node::byte("mutability", mutable),
    ];
    Node::group("global type", parts)
}

fn constant(value: i64) -> Node {
    let mut bytes = vec![0x41];
    bytes.extend(signed(value));
    bytes.push(0x0b);
    Node::group("constant expression", instructions(&bytes))
}
