//! Shapes with many labels and branches.

use super::{MIB, Shape, one};
use wasm_encoder::{BlockType, Function};

/// The maximum depth of blocks, including the block of the body.
const DEEPEST: u32 = 9_990;

/// Blocks of `depth` levels around `middle`.
fn nest(function: &mut Function, depth: u32, middle: impl Fn(&mut Function)) {
    for _ in 0..depth {
        function.instructions().block(BlockType::Empty);
    }
    middle(function);
    for _ in 0..depth {
        function.instructions().end();
    }
}

pub(super) const SHAPES: &[Shape] = &[
    Shape::new(
        "deep nesting",
        "blocks 9,990 deep, a branch out at every level",
        MIB,
        |bytes| {
            one(10, |function| {
                while function.byte_len() < bytes {
                    let mut code = function.instructions();
                    for level in 0..DEEPEST {
                        code.block(BlockType::Empty)
                            .local_get(level % 10)
                            .br_if(level / 2);
                    }
                    for level in 0..DEEPEST {
                        code.i32_const(level as i32).local_set(level % 10).end();
                    }
                }
            })
        },
    ),
    Shape::new(
        "deep loops",
        "loops 9,990 deep with 10 locals",
        MIB,
        |bytes| {
            one(10, |function| {
                while function.byte_len() < bytes {
                    let mut code = function.instructions();
                    for level in 0..DEEPEST {
                        code.loop_(BlockType::Empty)
                            .local_get(level % 10)
                            .i32_const(1)
                            .i32_add();
                        code.local_set(level % 10);
                    }
                    for level in 0..DEEPEST {
                        code.local_get(level % 10).br_if(0).end();
                    }
                }
            })
        },
    ),
    Shape::new("ifs", "if and else, 9,990 deep", MIB, |bytes| {
        one(10, |function| {
            while function.byte_len() < bytes {
                let mut code = function.instructions();
                for level in 0..DEEPEST {
                    code.local_get(level % 10).if_(BlockType::Empty);
                    code.i32_const(level as i32).local_set((level + 1) % 10);
                }
                for level in 0..DEEPEST {
                    code.else_().i32_const(1).local_set(level % 10).end();
                }
            }
        })
    }),
    Shape::new(
        "giant br_table",
        "131,072 targets, the most there may be, over 100 labels",
        128 * 1024,
        |_| {
            one(2, |function| {
                nest(function, 100, |function| {
                    let targets: Vec<u32> = (0..131_072).map(|index| index * 7 % 100).collect();
                    function.instructions().local_get(0).br_table(targets, 3);
                });
            })
        },
    ),
    Shape::new(
        "many br_tables",
        "each over all of 1,000 labels",
        MIB,
        |bytes| {
            one(20, |function| {
                let targets: Vec<u32> = (0..1_000).collect();
                nest(function, 1_000, |function| {
                    while function.byte_len() < bytes {
                        let mut code = function.instructions();
                        code.block(BlockType::Empty)
                            .local_get(0)
                            .br_if(0)
                            .local_get(0);
                        code.br_table(targets.iter().copied(), 0).end();
                    }
                });
            })
        },
    ),
    Shape::new(
        "short br_tables",
        "of two targets, with 20 locals that change",
        MIB,
        |bytes| {
            one(20, |function| {
                let mut local = 0;
                while function.byte_len() < bytes {
                    let mut code = function.instructions();
                    code.block(BlockType::Empty).block(BlockType::Empty);
                    code.local_get(local % 20).br_table([0, 1], 0).end();
                    code.i32_const(7).local_set((local + 3) % 20).end();
                    local += 1;
                }
            })
        },
    ),
    Shape::new(
        "one label for all",
        "branches to one label, all in different states",
        MIB,
        |bytes| {
            one(200, |function| {
                nest(function, 1, |function| {
                    let mut local = 0;
                    while function.byte_len() < bytes {
                        let mut code = function.instructions();
                        code.local_get(local)
                            .i32_const(5)
                            .i32_add()
                            .local_tee((local + 13) % 200);
                        code.br_if(0);
                        local = (local + 1) % 200;
                    }
                });
            })
        },
    ),
    Shape::new(
        "blocks in a row",
        "nothing but empty blocks with a branch",
        MIB,
        |bytes| {
            one(1, |function| {
                while function.byte_len() < bytes {
                    let mut code = function.instructions();
                    code.block(BlockType::Empty).local_get(0).br_if(0).end();
                }
            })
        },
    ),
    Shape::new("empty blocks", "block, end, block, end", MIB, |bytes| {
        one(1, |function| {
            while function.byte_len() < bytes {
                function.instructions().block(BlockType::Empty).end();
            }
        })
    }),
    Shape::new(
        "empty loops",
        "loop, end, with 10 locals that change",
        MIB,
        |bytes| {
            one(10, |function| {
                let mut local = 0;
                while function.byte_len() < bytes {
                    let mut code = function.instructions();
                    code.i32_const(1)
                        .local_set(local % 10)
                        .loop_(BlockType::Empty)
                        .end();
                    local += 1;
                }
            })
        },
    ),
    Shape::new(
        "deepest blocks",
        "nothing but blocks, nested",
        3 * MIB,
        |_| one(10, |function| nest(function, 1_000_000, |_| {})),
    ),
    Shape::new(
        "deepest loops",
        "loops, nested, with 10 locals",
        3 * MIB,
        |_| {
            one(10, |function| {
                for _ in 0..1_000_000 {
                    function.instructions().loop_(BlockType::Empty);
                }
                for _ in 0..1_000_000 {
                    function.instructions().end();
                }
            })
        },
    ),
    Shape::new(
        "deepest ifs",
        "ifs, nested, with 10 locals",
        5 * MIB,
        |_| {
            one(10, |function| {
                for level in 0..1_000_000 {
                    function
                        .instructions()
                        .local_get(level % 10)
                        .if_(BlockType::Empty);
                }
                for _ in 0..1_000_000 {
                    function.instructions().end();
                }
            })
        },
    ),
];
