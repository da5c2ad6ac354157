//! Control: blocks, loops, branches, exits, and the dead code after them.

use super::Body;
use crate::program::FUEL_GLOBAL;
use wasm_encoder::Instruction::*;
use wasm_encoder::{BlockType, ValType};

impl Body<'_> {
    pub(super) fn if_else(&mut self, depth: u32) {
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

    pub(super) fn block(&mut self, depth: u32) {
        self.push(Block(BlockType::Empty));
        self.labels.push(Vec::new());
        let statements = self.random.between(1, 5);
        self.statements(statements, depth);
        self.labels.pop();
        self.push(End);
    }

    /// A loop with a condition at its end.
    pub(super) fn loops(&mut self, depth: u32) {
        self.push(Loop(BlockType::Empty));
        self.labels.push(Vec::new());
        self.burn_fuel();
        let statements = self.random.between(1, 5);
        self.statements(statements, depth);
        // The fuel ends every loop after some iterations.
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

    /// Nested blocks that a `br_table` leaves.
    pub(super) fn switch(&mut self, depth: u32) {
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

    /// A conditional branch to any label, with its operands.
    pub(super) fn branch_if(&mut self, depth: u32) {
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

    pub(super) fn operands_of(&self, label: u32) -> Vec<ValType> {
        self.labels[self.labels.len() - 1 - label as usize].clone()
    }

    /// Stores the topmost operand in a local of its type or drops it.
    pub(super) fn take(&mut self, ty: ValType) {
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
    pub(super) fn typed_block(&mut self, depth: u32) {
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

    pub(super) fn typed_arm(&mut self, parameters: &[ValType], results: &[ValType], depth: u32) {
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

    /// A rare exit: branch, return or trap, conditional or not.
    pub(super) fn leave(&mut self, depth: u32) {
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

    /// Unreachable code on a stack of any types.
    pub(super) fn dead(&mut self) {
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
}
