//! Modules whose bodies compute: many locals and operands are live at once, across branches, loops and calls, and every
//! value is observed at the end.
//!
//! `wasm-smith` covers the shapes of modules. This generator covers the state that a compiler has to track within a
//! body.

mod aim;
mod body;
mod operators;

use crate::random::Random;
pub use aim::Aim;
use body::Body;
use pvf_rules::Features;
use std::borrow::Cow;
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, EntityType,
    ExportKind, ExportSection, FunctionSection, GlobalSection, GlobalType, ImportSection,
    MemorySection, MemoryType, Module, RefType, TableSection, TableType, TypeSection, ValType,
};

/// The number of loops and calls that a module may enter in one instance.
const FUEL: i32 = 5_000;
/// The global that counts loops and calls.
const FUEL_GLOBAL: u32 = 0;
/// The global that accumulates the values of locals at the end of functions.
const DIGEST_GLOBAL: u32 = 1;
/// Bytes of each data segment.
const DATA_BYTES: u64 = 200;

const NUMBERS: [ValType; 4] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];

/// The declarations of the module that bodies depend on.
struct Shape {
    features: Features,
    types: Vec<(Vec<ValType>, Vec<ValType>)>,
    /// Type of each function, imported ones first.
    functions: Vec<u32>,
    imported: u32,
    globals: Vec<ValType>,
    /// The function of each table entry. The table has one more entry, which is empty.
    table: Vec<u32>,
    memory_pages: u64,
    /// What bodies have more of.
    aim: Aim,
}

impl Shape {
    fn function(&self, index: u32) -> &(Vec<ValType>, Vec<ValType>) {
        &self.types[self.functions[index as usize] as usize]
    }
}

/// A valid module of the accepted language.
pub fn program(random: &mut Random, features: Features, aim: Aim) -> Vec<u8> {
    let imported = random.below(4) as u32;
    let shape = shape(random, features, imported, aim);
    let mut module = Module::new();

    let mut types = TypeSection::new();
    for (parameters, results) in &shape.types {
        types
            .ty()
            .function(parameters.iter().copied(), results.iter().copied());
    }
    module.section(&types);

    let mut imports = ImportSection::new();
    for (index, &ty) in shape.functions[..imported as usize].iter().enumerate() {
        imports.import("host", &index.to_string(), EntityType::Function(ty));
    }
    module.section(&imports);

    let mut functions = FunctionSection::new();
    for &ty in &shape.functions[imported as usize..] {
        functions.function(ty);
    }
    module.section(&functions);

    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: shape.table.len() as u64 + 1,
        maximum: None,
        shared: false,
    });
    module.section(&tables);

    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: shape.memory_pages,
        maximum: random.one_in(2).then_some(shape.memory_pages + 3),
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);
    module.section(&globals(random, &shape));
    module.section(&exports(&shape, imported));
    module.section(&elements(random, &shape));
    if features.bulk_memory {
        module.section(&DataCountSection { count: 2 });
    }

    let mut code = CodeSection::new();
    for index in imported..shape.functions.len() as u32 {
        code.function(&Body::generate(random, &shape, index));
    }
    module.section(&code);

    let mut data = DataSection::new();
    data.active(
        0,
        &ConstExpr::i32_const(random.below(60_000) as i32),
        random.bytes(DATA_BYTES as usize),
    );
    if features.bulk_memory {
        data.passive(random.bytes(DATA_BYTES as usize));
    }
    module.section(&data);
    module.finish()
}

fn shape(random: &mut Random, features: Features, imported: u32, aim: Aim) -> Shape {
    let mut types = vec![(Vec::new(), Vec::new())];
    for _ in 0..random.between(3, 9) {
        let most = *random.pick(&[2, 5, 9, 20]);
        let parameters = numbers(random, 0, most);
        let results = if features.multi_value && random.one_in(2) {
            let most = *random.pick(&[2, 4, 9]);
            numbers(random, 0, most)
        } else {
            numbers(random, 0, 1)
        };
        types.push((parameters, results));
    }
    let defined = random.between(2, aim.functions) as u32;
    let functions: Vec<u32> = (0..imported + defined)
        .map(|_| random.below(types.len() as u64) as u32)
        .collect();
    let mut globals = vec![ValType::I32, ValType::I64];
    globals.extend(numbers(random, 2, 6));
    let table = (0..random.between(1, 12))
        .map(|_| random.below(functions.len() as u64) as u32)
        .collect();
    Shape {
        features,
        types,
        functions,
        imported,
        globals,
        table,
        memory_pages: random.between(1, 3),
        aim,
    }
}

fn numbers(random: &mut Random, least: u64, most: u64) -> Vec<ValType> {
    let narrow = random.one_in(3);
    (0..random.between(least, most))
        .map(|_| {
            if narrow {
                ValType::I32
            } else {
                *random.pick(&NUMBERS)
            }
        })
        .collect()
}

fn globals(random: &mut Random, shape: &Shape) -> GlobalSection {
    let mut globals = GlobalSection::new();
    for (index, &val_type) in shape.globals.iter().enumerate() {
        let init = match val_type {
            ValType::I32 if index as u32 == FUEL_GLOBAL => ConstExpr::i32_const(FUEL),
            ValType::I32 => ConstExpr::i32_const(random.bits() as i32),
            ValType::I64 => ConstExpr::i64_const(random.bits() as i64),
            ValType::F32 => ConstExpr::f32_const((random.bits() as i16 as f32).into()),
            _ => ConstExpr::f64_const((random.bits() as i32 as f64).into()),
        };
        let ty = GlobalType {
            val_type,
            mutable: true,
            shared: false,
        };
        globals.global(ty, &init);
    }
    globals
}

fn exports(shape: &Shape, imported: u32) -> ExportSection {
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    for index in 0..shape.globals.len() as u32 {
        exports.export(&format!("g{index}"), ExportKind::Global, index);
    }
    for index in imported..shape.functions.len() as u32 {
        exports.export(&format!("f{index}"), ExportKind::Func, index);
    }
    exports
}

fn elements(random: &mut Random, shape: &Shape) -> ElementSection {
    let passive: Vec<u32> = (0..4)
        .map(|_| random.below(shape.functions.len() as u64) as u32)
        .collect();
    let mut elements = ElementSection::new();
    elements.active(
        None,
        &ConstExpr::i32_const(0),
        Elements::Functions(Cow::Borrowed(&shape.table)),
    );
    if shape.features.bulk_memory {
        elements.passive(Elements::Functions(Cow::Owned(passive)));
    }
    elements
}
