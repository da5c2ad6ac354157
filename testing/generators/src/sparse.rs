//! Modules of many short functions and of long bodies with little code: these show whether a compiler that distributes
//! functions among chunks mixes them up. Nearly all code has no branches. Between it and after it stand empty blocks,
//! no-operations and unreachable code.

use crate::random::Random;
use wasm_encoder::Instruction::{self, *};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, MemArg, MemArgTarget, MemorySection, MemoryType, Module,
    TypeSection, ValType,
};

/// The types of the globals.
const GLOBALS: [ValType; 2] = [ValType::I32, ValType::I64];

/// The longest stretch of code without effect.
const LONGEST: u64 = 70_000;

/// A valid module. Every run of it ends: no loop has a second iteration, and functions call only functions without
/// calls.
pub fn sparse(random: &mut Random) -> Vec<u8> {
    let count = random.between(2, 40) as usize;
    let functions: Vec<Shape> = (0..count).map(|_| Shape::draw(random)).collect();
    let mut module = Module::new();
    let mut types = TypeSection::new();
    let mut declared = FunctionSection::new();
    let mut exports = ExportSection::new();
    for (index, shape) in (0..).zip(&functions) {
        types
            .ty()
            .function(shape.parameters.iter().copied(), shape.result);
        declared.function(index);
        exports.export(&format!("f{index}"), ExportKind::Func, index);
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut globals = GlobalSection::new();
    for (index, val_type) in (0..).zip(GLOBALS) {
        let ty = GlobalType {
            val_type,
            mutable: true,
            shared: false,
        };
        let init = match val_type {
            ValType::I32 => ConstExpr::i32_const(random.below(3) as i32),
            _ => ConstExpr::i64_const(random.below(3) as i64),
        };
        globals.global(ty, &init);
        exports.export(&format!("g{index}"), ExportKind::Global, index);
    }
    exports.export("memory", ExportKind::Memory, 0);
    let mut code = CodeSection::new();
    for shape in &functions {
        code.function(&body(random, shape, &functions));
    }
    module
        .section(&types)
        .section(&declared)
        .section(&memories)
        .section(&globals)
        .section(&exports)
        .section(&code);
    module.finish()
}

/// The properties of a function that are chosen before its body.
struct Shape {
    parameters: Vec<ValType>,
    result: Option<ValType>,
    calls: bool,
}

impl Shape {
    fn draw(random: &mut Random) -> Self {
        let integer =
            |random: &mut Random| *random.pick(&[ValType::I32, ValType::I32, ValType::I64]);
        Self {
            parameters: (0..random.between(1, 3)).map(|_| integer(random)).collect(),
            result: random.one_in(2).then(|| integer(random)),
            calls: random.one_in(4),
        }
    }
}

struct Body<'a> {
    random: &'a mut Random,
    shape: &'a Shape,
    functions: &'a [Shape],
    locals: Vec<ValType>,
    code: Vec<Instruction<'static>>,
}

fn body(random: &mut Random, shape: &Shape, functions: &[Shape]) -> Function {
    let own = match random.below(3) {
        0 => Vec::new(),
        1 => vec![ValType::I32],
        _ => vec![ValType::I64, ValType::I32],
    };
    let mut body = Body {
        random,
        shape,
        functions,
        locals: shape.parameters.iter().chain(&own).copied().collect(),
        code: Vec::new(),
    };
    for _ in 0..body.random.below(4) {
        body.straight();
    }
    for _ in 0..body.random.below(3) {
        body.statement();
    }
    body.leave();
    let mut function = Function::new_with_locals_types(own);
    for instruction in &body.code {
        function.instruction(instruction);
    }
    function
}

impl Body<'_> {
    fn emit(&mut self, instructions: impl IntoIterator<Item = Instruction<'static>>) {
        self.code.extend(instructions);
    }

    fn statement(&mut self) {
        match self.random.below(8) {
            0 => self.nothing(),
            1 => self.call(),
            2..=4 => self.branch(),
            _ => self.straight(),
        }
    }

    /// A local of this type, if there is one.
    fn local(&mut self, ty: ValType) -> Option<u32> {
        let fitting: Vec<u32> = (0..)
            .zip(&self.locals)
            .filter(|(_, it)| **it == ty)
            .map(|(index, _)| index)
            .collect();
        (!fitting.is_empty()).then(|| *self.random.pick(&fitting))
    }

    /// Pushes a local or a constant.
    fn value(&mut self, ty: ValType) {
        let local = self.local(ty);
        match (local, self.random.one_in(4)) {
            (Some(local), false) => self.emit([LocalGet(local)]),
            _ => self.constant(ty),
        }
    }

    fn constant(&mut self, ty: ValType) {
        let value = *self
            .random
            .pick(&[0, 1, -1, 5, 200, 70_000, 0x1234_5678_9abc]);
        match ty {
            ValType::I32 => self.emit([I32Const(value as i32)]),
            _ => self.emit([I64Const(value)]),
        }
    }

    /// Code without a branch.
    fn straight(&mut self) {
        let ty = *self
            .random
            .pick(&[ValType::I32, ValType::I32, ValType::I64]);
        let at = MemArg {
            offset: *self.random.pick(&[0, 1, 9, 200, 5_000]),
            align: 0,
            target: MemArgTarget::Memory(0),
            ordering: None,
        };
        let index = self.random.below(100) as i32;
        match self.random.below(5) {
            0 | 1 => {
                self.emit([I32Const(index)]);
                self.value(ty);
                let store = match (ty, self.random.below(3)) {
                    (ValType::I32, 0) => I32Store8(at),
                    (ValType::I32, 1) => I32Store16(at),
                    (ValType::I32, _) => I32Store(at),
                    (_, 0) => I64Store32(at),
                    _ => I64Store(at),
                };
                self.emit([store]);
            }
            2 => {
                let global = u32::from(ty == ValType::I64);
                self.value(ty);
                self.emit([GlobalSet(global)]);
            }
            3 => {
                let Some(local) = self.local(ty) else { return };
                self.emit([I32Const(index)]);
                self.emit([match ty {
                    ValType::I32 => I32Load(at),
                    _ => I64Load(at),
                }]);
                self.emit([LocalSet(local)]);
            }
            _ => {
                let Some(local) = self.local(ty) else { return };
                self.emit([LocalGet(local)]);
                self.value(ty);
                self.operation(ty);
                self.emit([LocalSet(local)]);
            }
        }
    }

    fn operation(&mut self, ty: ValType) {
        let operations = match ty {
            ValType::I32 => [I32Add, I32Sub, I32And, I32Or, I32Xor, I32Mul, I32Shl],
            _ => [I64Add, I64Sub, I64And, I64Or, I64Xor, I64Mul, I64Shl],
        };
        let operation = self.random.pick(&operations).clone();
        self.emit([operation]);
    }

    /// Pushes a condition: a value, whether it is zero, or a comparison.
    fn condition(&mut self) {
        let ty = *self
            .random
            .pick(&[ValType::I32, ValType::I32, ValType::I64]);
        self.value(ty);
        match (ty, self.random.below(4)) {
            (ValType::I32, 0 | 1) => {}
            (ValType::I32, 2) => self.emit([I32Eqz]),
            (_, 0..=2) => self.emit([I64Eqz]),
            _ => {
                self.value(ty);
                self.emit([match ty {
                    ValType::I32 => I32LtS,
                    _ => I64LtU,
                }]);
            }
        }
    }

    fn branch(&mut self) {
        match self.random.below(3) {
            0 => {
                self.condition();
                self.emit([If(BlockType::Empty)]);
                self.straight();
                if self.random.one_in(2) {
                    self.emit([Else]);
                    self.straight();
                }
                self.emit([End]);
            }
            1 => {
                self.emit([Block(BlockType::Empty)]);
                self.condition();
                self.emit([BrIf(0)]);
                self.straight();
                if self.random.one_in(3) {
                    self.emit([Br(0)]);
                    self.nothing();
                }
                self.emit([End]);
            }
            _ => {
                let Some(local) = self.local(ValType::I32) else {
                    return;
                };
                self.value(ValType::I32);
                self.value(ValType::I32);
                self.condition();
                self.emit([Select, LocalSet(local)]);
            }
        }
    }

    /// Calls a function that contains no call.
    fn call(&mut self) {
        let functions = self.functions;
        let leaves: Vec<u32> = (0..)
            .zip(functions)
            .filter(|(_, shape)| !shape.calls)
            .map(|(index, _)| index)
            .collect();
        if !self.shape.calls || leaves.is_empty() {
            return;
        }
        let callee = *self.random.pick(&leaves);
        let shape = &functions[callee as usize];
        for &ty in &shape.parameters {
            self.value(ty);
        }
        self.emit([Call(callee)]);
        if shape.result.is_some() {
            self.emit([Drop]);
        }
    }

    /// Ends the body with a result, sometimes followed by unreachable code.
    fn leave(&mut self) {
        if let Some(ty) = self.shape.result {
            self.value(ty);
            if self.random.one_in(2) {
                self.value(ty);
                self.operation(ty);
            }
        }
        if self.random.one_in(2) {
            let way = match self.random.below(4) {
                0 => Br(0),
                _ => Return,
            };
            self.emit([way]);
            self.nothing();
            self.emit([Unreachable]);
        }
        self.emit([End]);
    }

    /// Emits a stretch without effect, sometimes a very long one.
    fn nothing(&mut self) {
        let longest = *self.random.pick(&[3, 30, 300, 300, 3_000]);
        let longest = if self.random.one_in(40) {
            LONGEST
        } else {
            longest
        };
        let bytes = self.random.below(longest) as usize;
        let piece: &[Instruction<'static>] = match self.random.below(4) {
            0 | 1 => &[Nop],
            2 => &[Block(BlockType::Empty), End],
            _ => &[I32Const(1), Drop, Loop(BlockType::Empty), End],
        };
        let pieces = bytes.div_ceil(2 * piece.len());
        self.emit(std::iter::repeat_n(piece, pieces).flatten().cloned());
    }
}
