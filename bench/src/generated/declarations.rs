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
    Shape::new("empty functions", "nothing but an end", MIB, |bytes| {
        let mut module = Parts::default();
        let ty = module.ty(&[], &[]);
        let function = nothing();
        while module.code.byte_len() * 3 / 2 < bytes {
            module.typed(ty, &function);
        }
        module.finish()
    })
    .except(
        3.0,
        9.0,
        "four bytes of Wasm are a function of 48 bytes of code, since an entry checks the stack, and 28 of metadata",
    ),
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
        "one function for each of 9,999 equal types",
        64 * KIB,
        |_| {
            let mut module = Parts::default();
            for _ in 0..9_999 {
                module.function(&[ValType::I32], &[], nothing());
            }
            module.finish()
        },
    )
    .except(
        3.0,
        8.0,
        "as empty functions; a third is what the validator (wasmparser) keeps of each type",
    ),
    Shape::new("imports", "10,000 imported functions", 256 * KIB, |_| {
        let mut module = Parts::default();
        let ty = module.ty(&[ValType::I32; 3], &[ValType::I64]);
        for index in 0..9_999 {
            module.imports.import(
                "env",
                &format!("function_{index}"),
                EntityType::Function(ty),
            );
        }
        module.function(&[], &[], nothing());
        module.finish()
    })
    .except(
        3.0,
        6.0,
        "nine tenths are what the validator (wasmparser) keeps of each import",
    ),
    Shape::new("exports", "99,999 exports of one function", MIB, |_| {
        let mut module = Parts::default();
        module.function(&[], &[], nothing());
        for index in 0..99_999 {
            module
                .exports
                .export(&format!("export_{index}"), ExportKind::Func, 0);
        }
        module.finish()
    }),
    Shape::new("globals", "99,999 globals", MIB, |_| {
        let mut module = Parts::default();
        for _ in 0..99_999 {
            module.global();
        }
        module.function(&[], &[], nothing());
        module.finish()
    }),
    Shape::new("data segments", "99,999 segments of one byte", MIB, |_| {
        let mut module = Parts::default();
        module.function(&[], &[], nothing());
        let mut data = DataSection::new();
        for index in 0..99_999 {
            data.active(0, &ConstExpr::i32_const(index), [7u8]);
        }
        module.data = Some(data);
        module.finish()
    }),
    Shape::new("data", "one segment of 900 KB", MIB, |_| {
        let mut module = Parts::default();
        module.function(&[], &[], nothing());
        let mut data = DataSection::new();
        data.active(0, &ConstExpr::i32_const(0), vec![0x5a; 900 * KIB]);
        module.data = Some(data);
        module.finish()
    }),
    Shape::new(
        "elements",
        "100,000 segments of one entry and one of 400,000",
        MIB,
        |_| {
            let mut module = Parts::default();
            module.function(&[], &[], nothing());
            module.tables.table(TableType {
                element_type: RefType::FUNCREF,
                table64: false,
                minimum: 400_000,
                maximum: None,
                shared: false,
            });
            let mut elements = ElementSection::new();
            for index in 0..99_999 {
                let place = ConstExpr::i32_const(index);
                elements.active(None, &place, Elements::Functions(vec![0].into()));
            }
            let all = Elements::Functions(vec![0; 400_000].into());
            elements.active(None, &ConstExpr::i32_const(0), all);
            module.elements = Some(elements);
            module.finish()
        },
    ),
];
