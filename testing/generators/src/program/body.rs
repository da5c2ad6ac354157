//! Bodies: statements, which leave the operand stack as it was, and values, which push one operand of a given type.

mod aimed;
mod calls;
mod control;
mod effects;
mod values;

use super::{DIGEST_GLOBAL, FUEL_GLOBAL, NUMBERS, Shape};
use crate::random::Random;
use aimed::Pointers;
use wasm_encoder::Instruction::{self, *};
use wasm_encoder::{BlockType, Function, ValType};

pub struct Body<'a> {
    random: &'a mut Random,
    shape: &'a Shape,
    /// Index of the function.
    index: u32,
    /// Types of parameters and locals.
    locals: Vec<ValType>,
    /// The locals of loops over memory, in programs that aim at something.
    pointers: Option<Pointers>,
    /// The types of the branch operands of each open block, innermost last.
    labels: Vec<Vec<ValType>>,
    code: Vec<Instruction<'static>>,
    /// Approximate number of instructions that may still be added.
    budget: i64,
}

impl<'a> Body<'a> {
    /// The body of a defined function.
    pub fn generate(random: &'a mut Random, shape: &'a Shape, index: u32) -> Function {
        let (parameters, results) = shape.function(index).clone();
        let most_locals = *random.pick(shape.aim.locals);
        let mut own = super::numbers(random, 0, most_locals);
        let aims = !shape.aim.kinds.is_empty();
        let pointers = aims.then(|| Pointers::at((parameters.len() + own.len()) as u32));
        if aims {
            own.extend(Pointers::TYPES);
        }
        let budget = *random.pick(&[30, 100, 300, 1200]);
        let mut body = Body {
            random,
            shape,
            index,
            locals: parameters.iter().chain(&own).copied().collect(),
            pointers,
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

    /// Traps once too many loops and calls were entered.
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

    /// Assigns a value to some of the locals; the others keep zero.
    fn initialise(&mut self, parameters: usize) {
        for index in parameters..self.locals.len() {
            if self.random.one_in(2) {
                self.value(self.locals[index], 1);
                self.push(LocalSet(index as u32));
            }
        }
    }

    /// Adds the locals to the digest.
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
        if self.pointers.is_some() && self.random.one_in(2) {
            return self.aimed(depth);
        }
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
}
