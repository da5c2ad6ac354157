//! Shapes with many locals.

use super::{KIB, MIB, Parts, Shape, one};
use wasm_encoder::{BlockType, Function, ValType};

/// The maximum number of locals of a function.
const MOST: u32 = 50_000;

pub(super) const SHAPES: &[Shape] = &[
    Shape::new(
        "50,000 locals",
        "each written and read, again and again",
        MIB,
        |bytes| {
            one(MOST, |function| {
                let mut local = 0;
                while function.byte_len() < bytes {
                    let other = (local + 7_919) % MOST;
                    let mut code = function.instructions();
                    code.local_get(local)
                        .local_get(other)
                        .i32_add()
                        .local_set(other);
                    local = (local + 1) % MOST;
                }
            })
        },
    ),
    Shape::new(
        "declared locals",
        "50,000 locals in a declaration of four bytes, in every function, never used",
        16 * KIB,
        |bytes| {
            let mut module = Parts::default();
            let ty = module.ty(&[], &[]);
            let mut function = Function::new([(MOST, ValType::I64)]);
            function.instructions().end();
            while module.code.byte_len() < bytes {
                module.typed(ty, &function);
            }
            module.finish()
        },
    ),
    Shape::new(
        "locals and loops",
        "50,000 locals, and loops one after the other that change one of them each",
        MIB,
        |bytes| {
            one(MOST, |function| {
                let mut local = 0;
                while function.byte_len() < bytes {
                    let mut code = function.instructions();
                    code.loop_(BlockType::Empty)
                        .local_get(local)
                        .i32_const(1)
                        .i32_add();
                    code.local_tee(local).br_if(0).end();
                    local = (local + 1) % MOST;
                }
            })
        },
    ),
    Shape::new(
        "nested loops and locals",
        "loops 5,000 deep around 5,000 locals that change, again and again",
        MIB,
        |bytes| {
            one(5_000, |function| {
                while function.byte_len() < bytes {
                    let mut code = function.instructions();
                    for local in 0..5_000 {
                        code.loop_(BlockType::Empty)
                            .local_get(local)
                            .i32_const(1)
                            .i32_add();
                        code.local_set(local);
                    }
                    for local in 0..5_000 {
                        code.local_get(local).br_if(0).end();
                    }
                }
            })
        },
    ),
    Shape::new(
        "consecutive loops",
        "loops of two levels, side by side, that share 1,000 locals",
        MIB,
        |bytes| {
            one(1_000, |function| {
                let mut local = 0;
                while function.byte_len() < bytes {
                    let mut code = function.instructions();
                    code.loop_(BlockType::Empty);
                    for _ in 0..3 {
                        code.loop_(BlockType::Empty);
                        for _ in 0..4 {
                            local = (local + 37) % 1_000;
                            code.local_get(local).local_get((local + 1) % 1_000);
                            code.i32_add().local_set(local);
                        }
                        code.local_get(local)
                            .br_if(0)
                            .local_get(local)
                            .br_if(1)
                            .end();
                    }
                    code.end();
                }
            })
        },
    ),
    Shape::new(
        "live over all labels",
        "1,000 locals written at the start and read at the end, thousands of blocks between",
        MIB,
        |bytes| {
            one(1_001, |function| {
                let mut code = function.instructions();
                for local in 0..1_000 {
                    code.i32_const(local as i32 * 77).local_set(local);
                }
                while function.byte_len() + 6_000 < bytes {
                    let mut code = function.instructions();
                    code.block(BlockType::Empty).local_get(1_000).br_if(0);
                    code.i32_const(1).local_set(1_000).end();
                }
                let mut code = function.instructions();
                for local in 0..1_000 {
                    code.local_get(local)
                        .local_get(1_000)
                        .i32_add()
                        .local_set(1_000);
                }
            })
        },
    ),
    Shape::new(
        "many changed at each label",
        "blocks in which 14 of 1,000 locals change",
        MIB,
        |bytes| {
            one(1_000, |function| {
                let mut local = 0;
                while function.byte_len() < bytes {
                    let mut code = function.instructions();
                    code.block(BlockType::Empty).local_get(local).br_if(0);
                    for _ in 0..14 {
                        local = (local + 71) % 1_000;
                        code.local_get(local)
                            .i32_const(3)
                            .i32_add()
                            .local_set(local);
                    }
                    code.end();
                }
            })
        },
    ),
    Shape::new(
        "1,000 parameters",
        "functions that call one another with 1,000 arguments",
        MIB,
        |bytes| {
            let params = [ValType::I32; 1_000];
            let mut module = Parts::default();
            let ty = module.ty(&params, &[ValType::I32]);
            while module.code.byte_len() < bytes {
                let mut function = Function::new([]);
                let mut code = function.instructions();
                for local in 0..1_000 {
                    code.local_get(999 - local);
                }
                code.call(module.functions.len() / 2).end();
                module.typed(ty, &function);
            }
            module.finish()
        },
    ),
];
