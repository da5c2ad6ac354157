//! Shapes with many operands.

use super::{MIB, Parts, Shape, one};
use wasm_encoder::{BlockType, Function, MemArg, MemArgTarget, ValType};

const PLACE: MemArg = MemArg {
    offset: 8,
    align: 2,
    target: MemArgTarget::Memory(0),
    ordering: None,
};

/// Pops all operands except one, and then that one.
fn sum(function: &mut Function, operands: usize) {
    let mut code = function.instructions();
    for _ in 1..operands {
        code.i32_add();
    }
    code.drop();
}

pub(super) const SHAPES: &[Shape] = &[
    Shape::new(
        "high operands: constants",
        "as many as fit, then all added",
        MIB,
        |bytes| {
            one(1, |function| {
                let count = bytes / 3;
                for value in 0..count {
                    function.instructions().i32_const(value as i32 % 64);
                }
                sum(function, count);
            })
        },
    ),
    Shape::new(
        "high operands: locals",
        "10 locals read again and again, then all added",
        MIB,
        |bytes| {
            one(10, |function| {
                let count = bytes / 3;
                for value in 0..count {
                    function.instructions().local_get(value as u32 % 10);
                }
                sum(function, count);
            })
        },
    ),
    Shape::new(
        "high operands: values",
        "results of operations, then all added",
        MIB,
        |bytes| {
            one(10, |function| {
                let count = bytes / 6;
                for value in 0..count as u32 {
                    let mut code = function.instructions();
                    code.local_get(value % 10)
                        .local_get((value + 3) % 10)
                        .i32_xor();
                }
                sum(function, count);
            })
        },
    ),
    Shape::new(
        "aliases",
        "a local is read and written while all former reads wait",
        MIB,
        |bytes| {
            one(10, |function| {
                let count = bytes / 7;
                for value in 0..count as u32 {
                    let mut code = function.instructions();
                    code.local_get(value % 10)
                        .i32_const(1)
                        .local_set(value % 10);
                }
                sum(function, count);
            })
        },
    ),
    Shape::new(
        "waiting loads",
        "loads wait as operands while stores come by",
        MIB,
        |bytes| {
            one(10, |function| {
                let count = bytes / 13;
                for value in 0..count as u32 {
                    let mut code = function.instructions();
                    code.local_get(value % 10).i32_load(PLACE);
                    code.local_get(value % 10).i32_const(1).i32_store(PLACE);
                }
                sum(function, count);
            })
        },
    ),
    Shape::new(
        "waiting globals",
        "reads of a global wait as operands while it is written",
        MIB,
        |bytes| {
            one(10, |function| {
                let count = bytes / 7;
                for value in 0..count {
                    let mut code = function.instructions();
                    code.global_get(0)
                        .i32_const(value as i32 % 64)
                        .global_set(0);
                }
                sum(function, count);
            })
        },
    ),
    Shape::new(
        "operands over calls",
        "1,000 operands wait while functions are called",
        MIB,
        |bytes| {
            let mut module = Parts::default();
            let ty = module.ty(&[], &[]);
            let mut callee = Function::new([]);
            callee.instructions().end();
            module.typed(ty, &callee);
            let mut function = Function::new([(10, ValType::I32)]);
            for value in 0..1_000 {
                function
                    .instructions()
                    .local_get(value % 10)
                    .i32_const(3)
                    .i32_mul();
            }
            while function.byte_len() + 2_000 < bytes {
                function.instructions().call(0);
            }
            sum(&mut function, 1_000);
            function.instructions().end();
            module.typed(ty, &function);
            module.finish()
        },
    ),
    Shape::new(
        "operands over labels",
        "1,000 operands wait while blocks come and go",
        MIB,
        |bytes| {
            one(10, |function| {
                for value in 0..1_000 {
                    function
                        .instructions()
                        .local_get(value % 10)
                        .i32_const(3)
                        .i32_mul();
                }
                while function.byte_len() + 2_000 < bytes {
                    let mut code = function.instructions();
                    code.block(BlockType::Empty).local_get(0).br_if(0).end();
                }
                sum(function, 1_000);
            })
        },
    ),
    Shape::new(
        "operands over loops",
        "1,000 reads of locals wait while loops change these",
        MIB,
        |bytes| {
            one(10, |function| {
                for value in 0..1_000 {
                    function.instructions().local_get(value % 10);
                }
                let mut local = 0;
                while function.byte_len() + 2_000 < bytes {
                    let mut code = function.instructions();
                    code.loop_(BlockType::Empty)
                        .local_get(local % 10)
                        .i32_const(1)
                        .i32_add();
                    code.local_tee(local % 10).br_if(0).end();
                    local += 1;
                }
                sum(function, 1_000);
            })
        },
    ),
    Shape::new("many arguments", "calls with 20 arguments", MIB, |bytes| {
        let params = [ValType::I32; 20];
        let mut module = Parts::default();
        let ty = module.ty(&params, &[ValType::I32]);
        let mut callee = Function::new([]);
        callee.instructions().local_get(19).end();
        module.typed(ty, &callee);
        while module.code.byte_len() < bytes {
            let mut function = Function::new([(5, ValType::I32)]);
            for call in 0..100 {
                let mut code = function.instructions();
                for argument in 0..20 {
                    code.local_get((argument * 7 + call) % 25);
                }
                code.call(0).local_set(call % 25);
            }
            function.instructions().local_get(3).end();
            module.typed(ty, &function);
        }
        module.finish()
    }),
    Shape::new(
        "many results",
        "calls with 1,000 results, all dropped",
        MIB,
        |bytes| {
            let mut module = Parts::default();
            let none = module.ty(&[], &[]);
            let many = module.ty(&[], &[ValType::I32; 1_000]);
            let mut callee = Function::new([]);
            for value in 0..1_000 {
                callee.instructions().i32_const(value % 64);
            }
            callee.instructions().end();
            module.typed(many, &callee);
            let mut function = Function::new([]);
            while function.byte_len() < bytes {
                let mut code = function.instructions();
                code.call(0);
                for _ in 0..1_000 {
                    code.drop();
                }
            }
            function.instructions().end();
            module.typed(none, &function);
            module.finish()
        },
    )
    .multi_value(),
    Shape::new(
        "wide branches",
        "branches of four bytes that carry 1,000 operands",
        64 << 10,
        |bytes| {
            let mut module = Parts::default();
            let many = module.ty(&[], &[ValType::I32; 1_000]);
            let none = module.ty(&[], &[]);
            let mut function = Function::new([(2, ValType::I32)]);
            function.instructions().block(BlockType::FunctionType(many));
            for value in 0..1_000 {
                function.instructions().i32_const(value % 64);
            }
            while function.byte_len() + 1_100 < bytes {
                function.instructions().local_get(0).br_if(0);
            }
            function.instructions().end();
            for _ in 0..1_000 {
                function.instructions().drop();
            }
            function.instructions().end();
            module.typed(none, &function);
            module.finish()
        },
    )
    .multi_value()
    .except(
        20.0,
        3.0,
        "the validator (wasmparser) pops and pushes all 1,000 types at each branch, which takes 95 % of the time; \
         Polkadot's language has no such branches",
    ),
];
