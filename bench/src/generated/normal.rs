//! The mix of operators that compiled programs have (real validation functions: a third local access, a
//! fifth constants, a sixth i32 arithmetic, an eighth control, 8 % loads, 7 % stores, 3 % calls; `block` and
//! `br_if` but no `if`), in functions of many sizes.

use super::{BODY, KIB, MIB, Parts, Random, Shape};
use wasm_encoder::{BlockType, Function, InstructionSink, MemArg, MemArgTarget, ValType};

pub(super) const SHAPES: &[Shape] = &[
    Shape::new(
        "normal, 1 KB",
        "little to spread fixed costs over",
        KIB,
        module,
    ),
    Shape::new("normal, 10 KB", "", 10 * KIB, module),
    Shape::new("normal, 100 KB", "", 100 * KIB, module),
    Shape::new("normal, 1 MB", "", MIB, module),
    Shape::new("normal, 10 MB", "", 10 * MIB, module),
    Shape::new(
        "normal, 50 MB",
        "the largest module",
        50 * MIB - 64 * KIB,
        module,
    ),
    Shape::new(
        "one huge function",
        "the normal mix in one body",
        BODY,
        |bytes| {
            let mut module = Parts::default();
            module.global();
            program(&mut module, &mut Random(21), bytes, |_| bytes);
            module.finish()
        },
    ),
    Shape::new(
        "tiny functions",
        "bodies of a few operators",
        MIB,
        |bytes| {
            let mut module = Parts::default();
            module.global();
            program(&mut module, &mut Random(22), bytes, |_| 1);
            module.finish()
        },
    ),
    Shape::new("dead code", "a body behind unreachable", MIB, |bytes| {
        let mut function = Function::new([(9, ValType::I32)]);
        function.instructions().unreachable();
        let mut walk = Walk {
            random: &mut Random(23),
            functions: 1,
            locals: 9,
            depth: 0,
        };
        while function.byte_len() < bytes {
            walk.statement(&mut function.instructions());
        }
        function.instructions().end();
        let mut module = Parts::default();
        module.global();
        let ty = module.ty(&[ValType::I32; 2], &[ValType::I32]);
        let mut first = Function::new([]);
        first.instructions().i32_const(1).end();
        module.typed(ty, &first);
        module.function(&[], &[], function);
        module.finish()
    }),
];

/// A module of approximately this size in bytes.
pub(super) fn module(bytes: usize) -> Vec<u8> {
    let mut module = Parts::default();
    module.global();
    // Most bodies are short, but most code is in long ones.
    program(&mut module, &mut Random(20), bytes, |random| {
        match random.below(100) {
            0..50 => 40 + random.below(300) as usize,
            50..95 => 300 + random.below(3000) as usize,
            _ => 3000 + random.below(20_000) as usize,
        }
    });
    module.finish()
}

/// Adds functions with sizes from `size` until the module has this number of bytes.
fn program(
    module: &mut Parts,
    random: &mut Random,
    bytes: usize,
    size: impl Fn(&mut Random) -> usize,
) {
    let ty = module.ty(&[ValType::I32; 2], &[ValType::I32]);
    while module.code.byte_len() + 80 < bytes {
        let size = size(random).min(bytes - module.code.byte_len() - 60);
        let declared = 3 + random.below(9);
        let mut function = Function::new([(declared, ValType::I32)]);
        let mut walk = Walk {
            functions: module.functions.len() + 1,
            locals: declared + 2,
            depth: 0,
            random,
        };
        while function.byte_len() < size {
            walk.statement(&mut function.instructions());
        }
        walk.value(&mut function.instructions(), 2);
        function.instructions().end();
        module.typed(ty, &function);
    }
}

struct Walk<'a> {
    random: &'a mut Random,
    functions: u32,
    locals: u32,
    /// The number of open blocks.
    depth: u32,
}

impl Walk<'_> {
    fn local(&mut self) -> u32 {
        // Some locals are used much more often than others.
        let bound = 1 + self.random.below(self.locals);
        self.random.below(bound)
    }

    fn place(&mut self) -> MemArg {
        MemArg {
            offset: u64::from(self.random.below(64)) * 4,
            align: 2,
            target: MemArgTarget::Memory(0),
            ordering: None,
        }
    }

    fn value(&mut self, code: &mut InstructionSink<'_>, depth: u32) {
        match self.random.below(if depth == 0 { 5 } else { 12 }) {
            0..3 => {
                code.local_get(self.local());
            }
            3..5 => {
                code.i32_const(self.random.below(300) as i32 - 20);
            }
            5..7 => {
                code.local_get(self.local());
                code.i32_load(self.place());
            }
            7 => {
                code.local_get(self.local());
                let place = MemArg {
                    align: 0,
                    ..self.place()
                };
                code.i32_load8_u(place);
            }
            other => {
                self.value(code, depth - 1);
                self.value(code, depth - 1);
                match other {
                    8 => code.i32_sub(),
                    9 => code.i32_and(),
                    10 => code.i32_shl(),
                    _ => code.i32_add(),
                };
            }
        }
    }

    fn condition(&mut self, code: &mut InstructionSink<'_>) {
        self.value(code, 1);
        match self.random.below(3) {
            0 => code.i32_eqz(),
            1 => {
                self.value(code, 0);
                code.i32_lt_u()
            }
            _ => {
                self.value(code, 0);
                code.i32_ne()
            }
        };
    }

    fn statement(&mut self, code: &mut InstructionSink<'_>) {
        match self.random.below(if self.depth > 5 { 11 } else { 16 }) {
            0..4 => {
                self.value(code, 3);
                code.local_set(self.local());
            }
            4..8 => {
                code.local_get(self.local());
                self.value(code, 2);
                code.i32_store(self.place());
            }
            8..10 => {
                self.value(code, 1);
                self.value(code, 1);
                code.call(self.random.below(self.functions));
                code.local_set(self.local());
            }
            10 => {
                code.global_get(0).i32_const(16).i32_sub();
                code.local_tee(self.local()).global_set(0);
            }
            11..14 => {
                code.block(BlockType::Empty);
                self.condition(code);
                code.br_if(self.random.below(self.depth + 1));
                self.body(code);
                code.end();
            }
            14 => {
                code.loop_(BlockType::Empty);
                self.body(code);
                self.condition(code);
                code.br_if(0).end();
            }
            _ => {
                code.block(BlockType::Empty).block(BlockType::Empty);
                code.block(BlockType::Empty);
                self.value(code, 0);
                code.br_table([0u32, 1, 0, 2], 1).end();
                self.body(code);
                code.end();
                self.body(code);
                code.end();
            }
        }
    }

    fn body(&mut self, code: &mut InstructionSink<'_>) {
        self.depth += 1;
        for _ in 0..1 + self.random.below(4) {
            self.statement(code);
        }
        self.depth -= 1;
    }
}
