//! Shapes with many declarations and little code.

use super::{KIB, MIB, Parts, Shape};
use wasm_encoder::{
    ConstExpr, DataSection, ElementSection, Elements, EntityType, ExportKind, Function, RefType,
    TableType, ValType,
};

pub(super) fn nothing() -> Function {
    let mut function = Function::new([]);
    function.instructions().end();
    function
}

pub(super) const SHAPES: &[Shape] = &[
    Shape::new("empty functions", "nothing but an end", MIB, |_| {
        let mut module = Parts::default();
        let ty = module.ty(&[], &[]);
        let function = nothing();
        for _ in 0..ENTRIES {
            module.typed(ty, &function);
        }
        module.finish()
    })
    .entries(ENTRIES, 192.0, 24.0),
    Shape::new(
        "short types",
        "of 18 parameters, all different",
        4 * MIB,
        |_| {
            let mut module = Parts::default();
            for index in 0..ENTRIES as u32 {
                let params: Vec<ValType> = (0..18)
                    .map(|at| match index >> at & 1 {
                        0 => ValType::I32,
                        _ => ValType::I64,
                    })
                    .collect();
                module.ty(&params, &[]);
            }
            module.function(&[], &[], nothing());
            module.finish()
        },
    )
    .entries(ENTRIES, 640.0, 64.0),
    Shape::new(
        "types",
        "10,000 types of 100 parameters that differ at the end",
        MIB,
        |_| {
            let mut module = Parts::default();
            for index in 0..9_999u32 {
                let bit = |at: u32| match index >> at & 1 {
                    0 => ValType::I32,
                    _ => ValType::I64,
                };
                let params: Vec<ValType> = (0..100)
                    .map(|at| bit(if at < 84 { 31 } else { at - 84 }))
                    .collect();
                module.ty(&params, &[]);
            }
            module.function(&[], &[], nothing());
            module.finish()
        },
    ),
    Shape::new(
        "equal types",
        "a function for each of them",
        2 * MIB,
        |_| {
            let mut module = Parts::default();
            for _ in 0..ENTRIES {
                module.function(&[ValType::I32], &[], nothing());
            }
            module.finish()
        },
    )
    .entries(ENTRIES, 384.0, 48.0),
    Shape::new(
        "imports",
        "functions with names of 15 bytes",
        5 * MIB,
        |_| {
            let mut module = Parts::default();
            let ty = module.ty(&[], &[]);
            for index in 0..ENTRIES {
                module.imports.import(
                    "env",
                    &format!("function_{index}"),
                    EntityType::Function(ty),
                );
            }
            module.function(&[], &[], nothing());
            module.finish()
        },
    )
    .entries(ENTRIES, 640.0, 64.0),
    Shape::new("exports", "all of one function", 3 * MIB, |_| {
        let mut module = Parts::default();
        module.function(&[], &[], nothing());
        for index in 0..ENTRIES {
            module
                .exports
                .export(&format!("export_{index}"), ExportKind::Func, 0);
        }
        module.finish()
    })
    .entries(ENTRIES, 256.0, 64.0),
    Shape::new("globals", "of type i32", MIB, |_| {
        let mut module = Parts::default();
        for _ in 0..ENTRIES {
            module.global();
        }
        module.function(&[], &[], nothing());
        module.finish()
    })
    .entries(ENTRIES, 128.0, 24.0),
    Shape::new("data segments", "of one byte", MIB, |_| {
        let mut module = Parts::default();
        module.function(&[], &[], nothing());
        let mut data = DataSection::new();
        for index in 0..99_999 {
            data.active(0, &ConstExpr::i32_const(index), [7u8]);
        }
        module.data = Some(data);
        module.finish()
    })
    .entries(99_999, 128.0, 48.0),
    Shape::new("data", "one segment of 900 KB", MIB, |_| {
        let mut module = Parts::default();
        module.function(&[], &[], nothing());
        let mut data = DataSection::new();
        data.active(0, &ConstExpr::i32_const(0), vec![0x5a; 900 * KIB]);
        module.data = Some(data);
        module.finish()
    }),
    Shape::new("element segments", "of one entry", MIB, |_| {
        let mut module = with_table(100_000);
        let mut elements = ElementSection::new();
        for index in 0..99_999 {
            let place = ConstExpr::i32_const(index);
            elements.active(None, &place, Elements::Functions(vec![0].into()));
        }
        module.elements = Some(elements);
        module.finish()
    })
    .entries(99_999, 128.0, 48.0),
    Shape::new("elements", "in one segment", MIB, |_| {
        let mut module = with_table(MIB as u64);
        let mut elements = ElementSection::new();
        let all = Elements::Functions(vec![0; MIB].into());
        elements.active(None, &ConstExpr::i32_const(0), all);
        module.elements = Some(elements);
        module.finish()
    })
    .entries(MIB, 32.0, 8.0),
    Shape::new("entries of a table", "with nothing in them", 53, |_| {
        with_table(10_000_000).finish()
    })
    .entries(10_000_000, 1.0, 0.1),
];

/// The number of entries in most shapes.
const ENTRIES: usize = 200_000;

/// A module with a table of this number of entries.
fn with_table(minimum: u64) -> Parts {
    let mut module = Parts::default();
    module.function(&[], &[], nothing());
    module.tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum,
        maximum: None,
        shared: false,
    });
    module
}
