//! Generated modules: a normal mix of any size, and adversarial ones.

mod declarations;
mod found;
mod labels;
mod locals;
mod normal;
mod operands;

use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType,
    ImportSection, MemorySection, MemoryType, Module, TableSection, TypeSection, ValType,
};

/// A shape of modules.
pub struct Shape {
    /// Name of the shape.
    pub name: &'static str,
    /// What is to hurt.
    pub what: &'static str,
    /// About how many bytes to make of it.
    pub bytes: usize,
    /// Whether it needs more than Polkadot's language: blocks and functions with several results.
    pub multi_value: bool,
    /// What it may take instead of what every shape may.
    pub exception: Option<Exception>,
    /// Its entries, if it is measured by them rather than by its bytes.
    pub entries: Option<Entries>,
    make: fn(usize) -> Vec<u8>,
}

impl Shape {
    const fn new(
        name: &'static str,
        what: &'static str,
        bytes: usize,
        make: fn(usize) -> Vec<u8>,
    ) -> Self {
        Self {
            name,
            what,
            bytes,
            multi_value: false,
            exception: None,
            entries: None,
            make,
        }
    }

    /// It is measured by its entries: an entry of a few bytes is more than its bytes say.
    const fn entries(self, count: usize, memory: f64, time: f64) -> Self {
        let entries = Some(Entries {
            count,
            memory,
            time,
        });
        Self { entries, ..self }
    }

    const fn multi_value(self) -> Self {
        Self {
            multi_value: true,
            ..self
        }
    }

    const fn except(self, time: f64, memory: f64, reason: &'static str) -> Self {
        let exception = Some(Exception {
            time,
            memory,
            code: crate::measures::linear::MOST_CODE,
            reason,
        });
        Self { exception, ..self }
    }

    /// The module.
    pub fn wasm(&self) -> Vec<u8> {
        (self.make)(self.bytes)
    }
}

/// Why a shape takes more than others may, and how much.
#[derive(Clone, Copy, Debug)]
pub struct Exception {
    /// Time per byte, times that of a normal module.
    pub time: f64,
    /// The same for memory.
    pub memory: f64,
    /// Bytes of code per byte.
    pub code: f64,
    /// What is known to take it.
    pub reason: &'static str,
}

/// How many entries a shape has, and what each may take.
#[derive(Clone, Copy, Debug)]
pub struct Entries {
    /// Their number.
    pub count: usize,
    /// Bytes of memory.
    pub memory: f64,
    /// Time in that of bytes of a normal module.
    pub time: f64,
}

/// What the others are compared with.
pub const NORMAL: Shape = Shape::new(
    "normal",
    "the mix of a compiled program",
    1 << 20,
    normal::module,
);

/// What nothing is compared with but the price of any module: its own is taken off all others.
pub const EMPTY: Shape = Shape::new("empty", "one function without a body", 0, |_| {
    let mut module = Parts::default();
    module.function(&[], &[], declarations::nothing());
    module.finish()
});

/// All shapes.
pub fn shapes() -> impl Iterator<Item = &'static Shape> {
    let groups: [&'static [Shape]; 6] = [
        normal::SHAPES,
        locals::SHAPES,
        labels::SHAPES,
        operands::SHAPES,
        declarations::SHAPES,
        found::SHAPES,
    ];
    groups.into_iter().flatten()
}

/// Kibi, mebi.
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The largest body that is accepted, with room for its end.
const BODY: usize = 7_600_000;

/// A module in the making. The sections that a program always has are there.
#[derive(Default)]
struct Parts {
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    tables: TableSection,
    globals: GlobalSection,
    exports: ExportSection,
    code: CodeSection,
    /// Encoded after the code.
    data: Option<wasm_encoder::DataSection>,
    /// Encoded before the code.
    elements: Option<wasm_encoder::ElementSection>,
}

impl Parts {
    /// Adds a type; its index.
    fn ty(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
        let index = self.types.len();
        self.types
            .ty()
            .function(params.iter().copied(), results.iter().copied());
        index
    }

    /// Adds a function with a type of its own.
    fn function(&mut self, params: &[ValType], results: &[ValType], body: Function) {
        let ty = self.ty(params, results);
        self.functions.function(ty);
        self.code.function(&body);
    }

    /// Adds a function of a type that is there.
    fn typed(&mut self, ty: u32, body: &Function) {
        self.functions.function(ty);
        self.code.function(body);
    }

    /// Adds a mutable i32.
    fn global(&mut self) {
        let ty = GlobalType {
            val_type: ValType::I32,
            mutable: true,
            shared: false,
        };
        self.globals
            .global(ty, &wasm_encoder::ConstExpr::i32_const(0));
    }

    /// The module, with a memory of one page, the first own function exported as `run`.
    fn finish(mut self) -> Vec<u8> {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: 17,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        self.exports
            .export("run", ExportKind::Func, self.imports.len());
        let mut module = Module::new();
        module
            .section(&self.types)
            .section(&self.imports)
            .section(&self.functions);
        if !self.tables.is_empty() {
            module.section(&self.tables);
        }
        module
            .section(&memories)
            .section(&self.globals)
            .section(&self.exports);
        if let Some(elements) = &self.elements {
            module.section(elements);
        }
        module.section(&self.code);
        if let Some(data) = &self.data {
            module.section(data);
        }
        module.finish()
    }
}

/// A module of one function without parameters and results, ended here.
fn one(locals: u32, body: impl FnOnce(&mut Function)) -> Vec<u8> {
    let mut function = Function::new([(locals, ValType::I32)]);
    body(&mut function);
    function.instructions().end();
    let mut module = Parts::default();
    module.global();
    module.function(&[], &[], function);
    module.finish()
}

/// The next number of a sequence (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 16) % u64::from(bound)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::{EngineName, every_feature};

    #[test]
    fn every_shape_is_accepted() {
        let polkadot = EngineName::Ours.open().unwrap();
        for shape in shapes().chain([&NORMAL, &EMPTY]) {
            let wasm = (shape.make)(shape.bytes.min(32 * KIB));
            let compiled = match shape.multi_value {
                true => every_feature().compile(&wasm),
                false => polkadot.compile(&wasm),
            };
            if let Err(error) = compiled {
                panic!("{}: {error}", shape.name);
            }
        }
    }

    #[test]
    fn a_normal_module_has_the_size_that_was_asked_for() {
        for bytes in [KIB, 10 * KIB, MIB] {
            let made = normal::module(bytes).len();
            assert!(made.abs_diff(bytes) < bytes / 4 + 100, "{bytes}: {made}");
        }
    }

    #[test]
    fn shapes_are_about_as_large_as_they_say() {
        for shape in shapes().filter(|shape| shape.bytes <= MIB) {
            let made = shape.wasm().len();
            assert!(
                made > shape.bytes * 2 / 5 && made < shape.bytes * 2,
                "{}: {made}",
                shape.name
            );
        }
    }

    #[test]
    fn shapes_are_the_same_every_time() {
        assert_eq!(NORMAL.wasm(), NORMAL.wasm());
        let names: std::collections::BTreeSet<_> = shapes().map(|shape| shape.name).collect();
        assert_eq!(names.len(), shapes().count());
    }
}
