//! Bodies: statements that leave the operand stack as it was, and values that push
//! one operand of a given type.

use super::operators as op;
use super::{DATA_BYTES, DIGEST_GLOBAL, FUEL_GLOBAL, NUMBERS, Shape};
use crate::observe::number;
use crate::random::Random;
use wasm_encoder::Instruction::{self, *};
use wasm_encoder::{BlockType, Function, MemArg, MemArgTarget, ValType};

pub struct Body<'a> {
    random: &'a mut Random,
    shape: &'a Shape,
    /// Index of the function.
    index: u32,
    /// Types of parameters and locals.
    locals: Vec<ValType>,
    /// For each open block, innermost last: types of its branch operands.
    labels: Vec<Vec<ValType>>,
    code: Vec<Instruction<'static>>,
    /// Instructions that may still be added, about.
    budget: i64,
}

impl<'a> Body<'a> {
    /// The body of a defined function.
    pub fn generate(random: &'a mut Random, shape: &'a Shape, index: u32) -> Function {
        let (parameters, results) = shape.function(index).clone();
        let most_locals = *random.pick(&[0, 3, 8, 25, 60]);
        let own = super::numbers(random, 0, most_locals);
        let budget = *random.pick(&[30, 100, 300, 1200]);
        let mut body = Body {
            random,
            shape,
            index,
            locals: parameters.iter().chain(&own).copied().collect(),
            labels: vec![results.clone()],
            code: Vec::new(),
            budget,
        };
        body.burn_fuel();
        body.initialise(parameters.len());
        let statements = body.random.between(1, 12);
        body.statements(statements, 4);
        body.digest();
        for &ty in &results {
            body.value(ty, 4);
        }
        body.push(End);
        let Body { code, .. } = body;
        let mut function = Function::new_with_locals_types(own);
        for instruction in &code {
            function.instruction(instruction);
        }
        function
    }

    fn push(&mut self, instruction: Instruction<'static>) {
        self.budget -= 1;
        self.code.push(instruction);
    }

    /// Ends the run when too many loops and calls were entered.
    fn burn_fuel(&mut self) {
        self.code.extend([
            GlobalGet(FUEL_GLOBAL),
            I32Eqz,
            If(BlockType::Empty),
            Unreachable,
            End,
            GlobalGet(FUEL_GLOBAL),
            I32Const(1),
            I32Sub,
            GlobalSet(FUEL_GLOBAL),
        ]);
    }

    /// Gives some of the locals a value; others keep their zero.
    fn initialise(&mut self, parameters: usize) {
        for index in parameters..self.locals.len() {
            if self.random.one_in(2) {
                self.value(self.locals[index], 1);
                self.push(LocalSet(index as u32));
            }
        }
    }

    /// Takes the locals into the digest.
    fn digest(&mut self) {
        if self.random.one_in(4) {
            return;
        }
        for index in 0..self.locals.len() {
            self.push(GlobalGet(DIGEST_GLOBAL));
            self.push(I64Const(5));
            self.push(I64Rotl);
            self.push(LocalGet(index as u32));
            match self.locals[index] {
                ValType::I32 => self.push(I64ExtendI32U),
                ValType::I64 => {}
                ValType::F32 => {
                    self.push(I32ReinterpretF32);
                    self.push(I64ExtendI32U);
                }
                _ => self.push(I64ReinterpretF64),
            }
            self.push(I64Xor);
            self.push(GlobalSet(DIGEST_GLOBAL));
        }
    }

    fn statements(&mut self, count: u64, depth: u32) {
        for _ in 0..count {
            if self.budget <= 0 {
                return;
            }
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: u32) {
        let nested = depth > 0;
        match self.random.below(if nested { 20 } else { 9 }) {
            0..=2 => self.set_local(depth),
            3 => self.set_global(depth),
            4 | 5 => self.store(depth),
            6 => {
                let ty = *self.random.pick(&NUMBERS);
                self.value(ty, depth);
                self.push(Drop);
            }
            7 => self.call_statement(depth),
            8 => self.bulk(depth),
            9 | 10 => self.if_else(depth - 1),
            11 | 12 => self.block(depth - 1),
            13..=15 => self.loops(depth - 1),
            16 => self.switch(depth - 1),
            17 => self.branch_if(depth - 1),
            18 => self.typed_block(depth - 1),
            _ => self.leave(depth - 1),
        }
    }

    fn set_local(&mut self, depth: u32) {
        if self.locals.is_empty() {
            return self.push(Nop);
        }
        let index = self.random.below(self.locals.len() as u64);
        self.value(self.locals[index as usize], depth);
        self.push(LocalSet(index as u32));
    }

    fn set_global(&mut self, depth: u32) {
        let index = self.random.between(1, self.shape.globals.len() as u64 - 1);
        self.value(self.shape.globals[index as usize], depth);
        self.push(GlobalSet(index as u32));
    }

    fn store(&mut self, depth: u32) {
        let ty = *self.random.pick(&NUMBERS);
        self.address(depth.min(2));
        self.value(ty, depth);
        let at = self.immediate();
        let stores = op::stores(ty, at);
        let store = self.random.pick(&stores).clone();
        self.push(store);
    }

    fn immediate(&mut self) -> MemArg {
        let offset = match self.random.below(96) {
            0..=39 => 0,
            40..=79 => self.random.below(256),
            80..=94 => self.random.below(3_000),
            _ => *self
                .random
                .pick(&[0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]),
        };
        MemArg {
            offset,
            align: 0,
            target: MemArgTarget::Memory(0),
            ordering: None,
        }
    }

    /// An address that mostly lies in the memory.
    fn address(&mut self, depth: u32) {
        match self.random.below(64) {
            0..=15 => {
                let address = self.random.below(62_000) as i32;
                self.push(I32Const(address));
            }
            16 => self.value(ValType::I32, depth),
            17 => {
                let end = (self.shape.memory_pages * 65_536) as i32;
                let near = end - self.random.below(17) as i32;
                self.push(I32Const(near));
            }
            18..=28 => {
                self.value(ValType::I32, depth);
                self.push(I32Const(0xfff));
                self.push(I32And);
                self.push(I32Const(2));
                self.push(I32Shl);
                self.value(ValType::I32, 0);
                self.push(I32Const(0xff));
                self.push(I32And);
                self.push(I32Add);
            }
            _ => {
                self.value(ValType::I32, depth);
                self.push(I32Const(0xeff8));
                self.push(I32And);
            }
        }
    }

    fn call_statement(&mut self, depth: u32) {
        let results = self.call(depth);
        for _ in results {
            self.push(Drop);
        }
    }

    /// Arguments and a call, direct or not; the results stay on the stack.
    fn call(&mut self, depth: u32) -> Vec<ValType> {
        let depth = depth.min(2);
        let entry = self.callee(&self.shape.table);
        if self.random.one_in(2)
            && let Some(entry) = entry
        {
            return self.call_entry(entry as u32, depth);
        }
        let functions: Vec<u32> = (0..self.shape.functions.len() as u32).collect();
        let Some(function) = self.callee(&functions) else {
            return Vec::new();
        };
        let (parameters, results) = self.shape.function(function as u32).clone();
        for &ty in &parameters {
            self.value(ty, depth);
        }
        self.push(Call(function as u32));
        results
    }

    /// Position of a function to call. Mostly an imported one or one behind this one, so
    /// that not all runs end in endless recursion.
    fn callee(&mut self, functions: &[u32]) -> Option<usize> {
        let recursive = self.random.one_in(8);
        let forward = |function: u32| function < self.shape.imported || function > self.index;
        let candidates: Vec<usize> = (0..functions.len())
            .filter(|&position| recursive || forward(functions[position]))
            .collect();
        match candidates.is_empty() {
            true => None,
            false => Some(*self.random.pick(&candidates)),
        }
    }

    /// A call through the table, now and then of the wrong type or outside of it.
    fn call_entry(&mut self, entry: u32, depth: u32) -> Vec<ValType> {
        let mut type_index = self.shape.functions[self.shape.table[entry as usize] as usize];
        if self.random.one_in(2) {
            type_index = self.same_type(type_index);
        }
        if self.random.one_in(30) {
            type_index = self.random.below(self.shape.types.len() as u64) as u32;
        }
        let (parameters, results) = self.shape.types[type_index as usize].clone();
        for &ty in &parameters {
            self.value(ty, depth);
        }
        match self.random.below(40) {
            0 => self.value(ValType::I32, 0),
            // The entry behind the last function is empty, and there is none behind it.
            1 => self.push(I32Const(self.shape.table.len() as i32)),
            2 => self.push(I32Const(self.shape.table.len() as i32 + 1)),
            _ => self.push(I32Const(entry as i32)),
        }
        self.push(CallIndirect {
            type_index,
            table_index: 0,
        });
        results
    }

    /// Another index of an equal type, if there is one.
    fn same_type(&mut self, ty: u32) -> u32 {
        let types = &self.shape.types;
        let equal = |&index: &usize| types[index] == types[ty as usize];
        let equals: Vec<usize> = (0..types.len()).filter(equal).collect();
        *self.random.pick(&equals) as u32
    }

    fn bulk(&mut self, depth: u32) {
        let depth = depth.min(1);
        if !self.shape.features.bulk_memory {
            return self.set_local(depth);
        }
        let last = match self.random.below(7) {
            0 | 1 => MemoryCopy {
                src_mem: 0,
                dst_mem: 0,
            },
            2 | 3 => MemoryFill(0),
            4 => MemoryInit {
                mem: 0,
                data_index: 1,
            },
            5 => TableCopy {
                src_table: 0,
                dst_table: 0,
            },
            _ => TableInit {
                elem_index: 1,
                table: 0,
            },
        };
        match last {
            MemoryInit { .. } | MemoryFill(_) | MemoryCopy { .. } => {
                self.address(depth);
                match last {
                    MemoryCopy { .. } => self.address(depth),
                    MemoryFill(_) => self.value(ValType::I32, depth),
                    _ => {
                        let source = self.random.below(DATA_BYTES) as i32;
                        self.push(I32Const(source));
                    }
                }
                let most = *self.random.pick(&[1, 9, 65, 150, 3000]);
                let bytes = self.random.below(most) as i32;
                self.push(I32Const(bytes));
            }
            _ => {
                for _ in 0..3 {
                    let entry = self.random.below(5) as i32;
                    self.push(I32Const(entry));
                }
            }
        }
        self.push(last);
        if self.random.one_in(40) {
            self.push(DataDrop(1));
        }
        if self.random.one_in(40) {
            self.push(ElemDrop(1));
        }
    }

    fn if_else(&mut self, depth: u32) {
        self.condition(depth);
        self.push(If(BlockType::Empty));
        self.labels.push(Vec::new());
        let statements = self.random.between(0, 3);
        self.statements(statements, depth);
        if self.random.one_in(2) {
            self.push(Else);
            let statements = self.random.between(0, 3);
            self.statements(statements, depth);
        }
        self.labels.pop();
        self.push(End);
    }

    fn block(&mut self, depth: u32) {
        self.push(Block(BlockType::Empty));
        self.labels.push(Vec::new());
        let statements = self.random.between(1, 5);
        self.statements(statements, depth);
        self.labels.pop();
        self.push(End);
    }

    /// A loop that a condition at its end continues.
    fn loops(&mut self, depth: u32) {
        self.push(Loop(BlockType::Empty));
        self.labels.push(Vec::new());
        self.burn_fuel();
        let statements = self.random.between(1, 5);
        self.statements(statements, depth);
        // The fuel ends every loop after some turns.
        let mask = *self.random.pick(&[1, 3, 7, 15, 31]);
        let conditional = self.random.one_in(2);
        self.push(GlobalGet(FUEL_GLOBAL));
        self.push(I32Const(mask));
        self.push(I32And);
        if conditional {
            self.push(I32Const(0));
            self.condition(depth);
            self.push(Select);
        }
        self.push(BrIf(0));
        self.labels.pop();
        self.push(End);
    }

    /// Nested blocks, left through a `br_table`.
    fn switch(&mut self, depth: u32) {
        let arms = self.random.between(1, 6) as u32;
        for _ in 0..arms {
            self.push(Block(BlockType::Empty));
            self.labels.push(Vec::new());
        }
        self.value(ValType::I32, depth);
        if !self.random.one_in(4) {
            self.push(I32Const(7));
            self.push(I32And);
        }
        let targets: Vec<u32> = (0..self.random.below(9))
            .map(|_| self.random.below(u64::from(arms)) as u32)
            .collect();
        let default = self.random.below(u64::from(arms)) as u32;
        self.push(BrTable(targets.into(), default));
        self.dead();
        for _ in 0..arms {
            self.labels.pop();
            self.push(End);
            let statements = self.random.between(0, 2);
            self.statements(statements, depth.min(2));
        }
    }

    /// A conditional branch to any label, operands and all.
    fn branch_if(&mut self, depth: u32) {
        let label = self.random.below(self.labels.len() as u64) as u32;
        let operands = self.operands_of(label);
        for &ty in &operands {
            self.value(ty, depth.min(1));
        }
        self.condition(depth);
        self.push(BrIf(label));
        for &ty in operands.iter().rev() {
            self.take(ty);
        }
    }

    fn operands_of(&self, label: u32) -> Vec<ValType> {
        self.labels[self.labels.len() - 1 - label as usize].clone()
    }

    /// Takes the topmost operand into a local of its type or drops it.
    fn take(&mut self, ty: ValType) {
        let fitting: Vec<usize> = (0..self.locals.len())
            .filter(|&index| self.locals[index] == ty)
            .collect();
        if fitting.is_empty() || self.random.one_in(3) {
            self.push(Drop);
        } else {
            let local = *self.random.pick(&fitting) as u32;
            self.push(LocalSet(local));
        }
    }

    /// A block with a function type: parameters and results (multi-value only).
    fn typed_block(&mut self, depth: u32) {
        if !self.shape.features.multi_value {
            return self.block(depth);
        }
        let index = self.random.below(self.shape.types.len() as u64);
        let (parameters, results) = self.shape.types[index as usize].clone();
        for &ty in &parameters {
            self.value(ty, depth.min(1));
        }
        let ty = BlockType::FunctionType(index as u32);
        let kind = self.random.below(3);
        match kind {
            0 => {
                self.push(Block(ty));
                self.labels.push(results.clone());
            }
            1 => {
                self.condition(depth);
                self.push(If(ty));
                self.labels.push(results.clone());
            }
            _ => {
                self.push(Loop(ty));
                self.labels.push(parameters.clone());
                self.burn_fuel();
            }
        }
        self.typed_arm(&parameters, &results, depth);
        if kind == 1 {
            self.push(Else);
            self.typed_arm(&parameters, &results, depth);
        }
        self.labels.pop();
        self.push(End);
        for &ty in results.iter().rev() {
            self.take(ty);
        }
    }

    fn typed_arm(&mut self, parameters: &[ValType], results: &[ValType], depth: u32) {
        let untouched = parameters == results && self.random.one_in(3);
        if !untouched {
            for &ty in parameters.iter().rev() {
                self.take(ty);
            }
        }
        let statements = self.random.between(0, 3);
        self.statements(statements, depth);
        if !untouched {
            for &ty in results {
                self.value(ty, depth.min(2));
            }
        }
    }

    /// A rare way out: branch, return or trap, under a condition or not.
    fn leave(&mut self, depth: u32) {
        let guarded = !self.random.one_in(6);
        if guarded {
            self.condition(depth);
            self.push(If(BlockType::Empty));
            self.labels.push(Vec::new());
        }
        let label = self.random.below(self.labels.len() as u64) as u32;
        match self.random.below(8) {
            0 if guarded => self.push(Unreachable),
            1 | 2 => {
                for ty in self.labels[0].clone() {
                    self.value(ty, 1);
                }
                self.push(Return);
            }
            _ => {
                for ty in self.operands_of(label) {
                    self.value(ty, 1);
                }
                self.push(Br(label));
            }
        }
        self.dead();
        if guarded {
            self.labels.pop();
            self.push(End);
        }
    }

    /// Code that is never reached, on a stack of any types.
    fn dead(&mut self) {
        match self.random.below(8) {
            0 => self.push(Drop),
            1 => {
                self.push(I32Add);
                self.push(Drop);
            }
            2 => self.set_local(2),
            3 => {
                self.push(F64Add);
                self.value(ValType::F64, 1);
                self.push(F64Lt);
                self.push(If(BlockType::Empty));
                self.push(Else);
                self.push(End);
            }
            4 => {
                self.push(Select);
                self.push(Drop);
            }
            5 => self.push(Unreachable),
            _ => {}
        }
    }

    /// An operand for `if`, `br_if` or `select`.
    fn condition(&mut self, depth: u32) {
        match self.random.below(5) {
            0 => self.value(ValType::I32, depth.min(2)),
            1 => {
                let ty = *self.random.pick(&[ValType::I32, ValType::I64]);
                self.value(ty, depth.min(2));
                self.push(if ty == ValType::I32 { I32Eqz } else { I64Eqz });
            }
            _ => {
                let ty = *self.random.pick(&NUMBERS);
                self.value(ty, depth.min(2));
                self.value(ty, depth.min(1));
                let compare = self.random.pick(op::comparison(ty)).clone();
                self.push(compare);
            }
        }
    }

    /// Pushes one operand.
    fn value(&mut self, ty: ValType, depth: u32) {
        if depth == 0 || self.budget <= 0 {
            return self.leaf(ty);
        }
        let depth = depth - 1;
        match self.random.below(22) {
            0..=3 => self.leaf(ty),
            4..=9 => {
                self.value(ty, depth);
                self.value(ty, depth);
                let operator = self.random.pick(op::binary(ty)).clone();
                self.push(operator);
            }
            10 => {
                self.value(ty, depth);
                let operator = self.random.pick(op::unary(ty)).clone();
                self.push(operator);
            }
            11 | 12 => self.convert(ty, depth),
            13 => self.risky(ty, depth),
            14 | 15 => {
                self.address(depth);
                let at = self.immediate();
                let loads = op::loads(ty, at);
                let load = self.random.pick(&loads).clone();
                self.push(load);
            }
            16 => {
                self.value(ty, depth);
                self.value(ty, depth);
                self.condition(depth);
                self.push(Select);
            }
            17 => self.tee(ty, depth),
            18 => self.block_value(ty, depth),
            19 => self.if_value(ty, depth),
            20 => self.call_value(ty, depth),
            _ if ty == ValType::I32 => self.condition(depth + 1),
            _ => self.leaf(ty),
        }
    }

    fn leaf(&mut self, ty: ValType) {
        let fitting: Vec<usize> = (0..self.locals.len())
            .filter(|&index| self.locals[index] == ty)
            .collect();
        if !fitting.is_empty() && !self.random.one_in(3) {
            let local = *self.random.pick(&fitting) as u32;
            return self.push(LocalGet(local));
        }
        let globals: Vec<usize> = (1..self.shape.globals.len())
            .filter(|&index| self.shape.globals[index] == ty)
            .collect();
        if !globals.is_empty() && self.random.one_in(4) {
            let global = *self.random.pick(&globals) as u32;
            return self.push(GlobalGet(global));
        }
        let constant = match ty {
            ValType::I32 if self.random.one_in(40) => MemorySize(0),
            ValType::I32 => I32Const(number(self.random, wasmparser::ValType::I32) as i32),
            ValType::I64 => I64Const(number(self.random, wasmparser::ValType::I64) as i64),
            ValType::F32 => F32Const(
                f32::from_bits(number(self.random, wasmparser::ValType::F32) as u32).into(),
            ),
            _ => F64Const(f64::from_bits(number(self.random, wasmparser::ValType::F64)).into()),
        };
        self.push(constant);
    }

    fn convert(&mut self, ty: ValType, depth: u32) {
        let switched = op::switched(ty, self.shape.features);
        let (source, operator) = if !switched.is_empty() && self.random.one_in(2) {
            self.random.pick(&switched).clone()
        } else {
            self.random.pick(op::conversions(ty)).clone()
        };
        self.value(source, depth);
        self.push(operator);
    }

    /// Operators that may trap; most of the time their operands see to it that not.
    fn risky(&mut self, ty: ValType, depth: u32) {
        if matches!(ty, ValType::F32 | ValType::F64) {
            return self.leaf(ty);
        }
        if self.random.one_in(3) {
            let (source, operator) = self.random.pick(op::truncations(ty)).clone();
            if self.random.one_in(6) {
                self.value(source, depth);
            } else {
                self.value(ValType::I32, depth);
                self.push(if source == ValType::F32 {
                    F32ConvertI32U
                } else {
                    F64ConvertI32U
                });
                // Half a negative number is enough to trap the unsigned ones.
                if self.random.one_in(12) {
                    self.push(if source == ValType::F32 {
                        F32Neg
                    } else {
                        F64Neg
                    });
                }
                if matches!(operator, I32TruncF32S | I32TruncF64S | I32TruncF32U) {
                    let half = source == ValType::F32;
                    self.push(if half {
                        F32Const(0.25.into())
                    } else {
                        F64Const(0.25.into())
                    });
                    self.push(if half { F32Mul } else { F64Mul });
                }
            }
            return self.push(operator);
        }
        self.value(ty, depth);
        if self.random.one_in(6) {
            self.value(ty, depth);
        } else {
            let divisor = match number(self.random, wasmparser::ValType::I64) as i64 {
                0 | -1 => 3,
                other => other,
            };
            match (ty, self.random.one_in(2)) {
                (ValType::I32, true) => self.push(I32Const((divisor as i32).max(1))),
                (ValType::I32, false) => {
                    self.value(ty, depth);
                    self.push(I32Const(1));
                    self.push(I32Or);
                }
                (_, true) => self.push(I64Const(divisor)),
                (_, false) => {
                    self.value(ty, depth);
                    self.push(I64Const(1));
                    self.push(I64Or);
                }
            }
        }
        let operator = self.random.pick(op::division(ty)).clone();
        self.push(operator);
    }

    fn tee(&mut self, ty: ValType, depth: u32) {
        self.value(ty, depth);
        let fitting: Vec<usize> = (0..self.locals.len())
            .filter(|&index| self.locals[index] == ty)
            .collect();
        if !fitting.is_empty() {
            let local = *self.random.pick(&fitting) as u32;
            self.push(LocalTee(local));
        }
    }

    /// A block with a result, which a branch may give early.
    fn block_value(&mut self, ty: ValType, depth: u32) {
        self.push(Block(BlockType::Result(ty)));
        self.labels.push(vec![ty]);
        let statements = self.random.between(0, 2);
        self.statements(statements, depth);
        if self.random.one_in(2) {
            self.value(ty, depth);
            self.condition(depth);
            self.push(BrIf(0));
            self.take(ty);
        }
        self.value(ty, depth);
        self.labels.pop();
        self.push(End);
    }

    fn if_value(&mut self, ty: ValType, depth: u32) {
        self.condition(depth);
        self.push(If(BlockType::Result(ty)));
        self.labels.push(vec![ty]);
        self.value(ty, depth);
        self.push(Else);
        let statements = self.random.below(2);
        self.statements(statements, depth);
        self.value(ty, depth);
        self.labels.pop();
        self.push(End);
    }

    /// A call whose last result has the type, if a try finds one; other results go.
    fn call_value(&mut self, ty: ValType, depth: u32) {
        if ty == ValType::I32 && self.random.one_in(30) {
            let pages = *self.random.pick(&[0, 1, 1, 2, 100, -1]);
            self.push(I32Const(pages));
            return self.push(MemoryGrow(0));
        }
        let mut results = self.call(depth);
        while let Some(result) = results.pop() {
            if result == ty {
                // What lies below the result has to go: through a local, if there is one.
                return self.keep_only_top(ty, &results);
            }
            self.push(Drop);
        }
        self.leaf(ty);
    }

    fn keep_only_top(&mut self, ty: ValType, below: &[ValType]) {
        if below.is_empty() {
            return;
        }
        let local = self.locals.iter().position(|&local| local == ty);
        match local {
            Some(local) => {
                self.push(LocalSet(local as u32));
                for &ty in below.iter().rev() {
                    self.take(ty);
                }
                self.push(LocalGet(local as u32));
            }
            None => {
                self.push(Drop);
                for _ in below {
                    self.push(Drop);
                }
                self.leaf(ty);
            }
        }
    }
}
