//! Generated modules: the mix of a normal program in any size, and adversarial modules.

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

/// A kind of generated module.
pub struct Shape {
    /// Name of the shape.
    pub name: &'static str,
    /// The property that is adversarial.
    pub what: &'static str,
    /// The approximate size of the module in bytes.
    pub bytes: usize,
    /// Whether the shape needs more than Polkadot's language: blocks and functions with several results.
    pub multi_value: bool,
    /// The shape's own bounds, if they differ from the common ones.
    pub exception: Option<Exception>,
    /// The entries of the shape, if it is measured per entry and not per byte.
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

    /// Measures the shape per entry, because an entry of few bytes has a larger cost than its bytes suggest.
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

    /// Makes the module.
    pub fn wasm(&self) -> Vec<u8> {
        (self.make)(self.bytes)
    }
}

/// The bounds of a shape that may exceed the common ones, and the reason.
#[derive(Clone, Copy, Debug)]
pub struct Exception {
    /// Time per byte, relative to a normal module.
    pub time: f64,
    /// Memory per byte, relative to a normal module.
    pub memory: f64,
    /// Bytes of code per byte.
    pub code: f64,
    /// The known cause.
    pub reason: &'static str,
}

/// The number of a shape's entries, and the bounds of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Entries {
    /// The number of entries.
    pub count: usize,
    /// Bytes of memory per entry.
    pub memory: f64,
    /// Time per entry, as the number of bytes of a normal module that take the same time.
    pub time: f64,
}

/// The normal module, which the other shapes are compared with.
pub const NORMAL: Shape = Shape::new(
    "normal",
    "the mix of a compiled program",
    1 << 20,
    normal::module,
);

/// The empty module, whose fixed cost is subtracted from all others.
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

/// Kibibyte, mebibyte.
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The largest accepted body, without its `end`.
const BODY: usize = 7_600_000;

/// The parts of a module that every program has; more can be added.
#[derive(Default)]
struct Parts {
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    tables: TableSection,
    globals: GlobalSection,
    exports: ExportSection,
    code: CodeSection,
    /// Data segments, encoded after the code.
    data: Option<wasm_encoder::DataSection>,
    /// Element segments, encoded before the code.
    elements: Option<wasm_encoder::ElementSection>,
}

impl Parts {
    /// Adds a type and returns its index.
    fn ty(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
        let index = self.types.len();
        self.types
            .ty()
            .function(params.iter().copied(), results.iter().copied());
        index
    }

    /// Adds a function with a new type.
    fn function(&mut self, params: &[ValType], results: &[ValType], body: Function) {
        let ty = self.ty(params, results);
        self.functions.function(ty);
        self.code.function(&body);
    }

    /// Adds a function with an existing type.
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

    /// Encodes the module with a memory of one page. The first function of its own is exported as `run`.
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

/// A module of one function without parameters and results. This function adds the `end`.
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
                true => every_feature(false).compile(&wasm),
                false => polkadot.compile(&wasm),
            };
            if let Err(error) = compiled {
                panic!("{}: {error}", shape.name);
            }
        }
    }

    #[test]
    fn a_normal_module_has_the_requested_size() {
        for bytes in [KIB, 10 * KIB, MIB] {
            let made = normal::module(bytes).len();
            assert!(made.abs_diff(bytes) < bytes / 4 + 100, "{bytes}: {made}");
        }
    }

    #[test]
    fn shapes_have_their_declared_size() {
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
