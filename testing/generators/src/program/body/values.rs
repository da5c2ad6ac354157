//! Values: each pushes one operand of a given type.

use super::Body;
use crate::observe::number;
use crate::program::{NUMBERS, operators as op};
use wasm_encoder::Instruction::*;
use wasm_encoder::{BlockType, ValType};

impl Body<'_> {
    /// Pushes an operand for `if`, `br_if` or `select`.
    pub(super) fn condition(&mut self, depth: u32) {
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
    pub(super) fn value(&mut self, ty: ValType, depth: u32) {
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

    pub(super) fn leaf(&mut self, ty: ValType) {
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

    pub(super) fn convert(&mut self, ty: ValType, depth: u32) {
        let switched = op::switched(ty, self.shape.features);
        let (source, operator) = if !switched.is_empty() && self.random.one_in(2) {
            self.random.pick(&switched).clone()
        } else {
            self.random.pick(op::conversions(ty)).clone()
        };
        self.value(source, depth);
        self.push(operator);
    }

    /// Operators that may trap. Their operands mostly prevent the trap.
    pub(super) fn risky(&mut self, ty: ValType, depth: u32) {
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
                // Negative numbers trap the unsigned truncations, so they are rare here.
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

    pub(super) fn tee(&mut self, ty: ValType, depth: u32) {
        self.value(ty, depth);
        let fitting: Vec<usize> = (0..self.locals.len())
            .filter(|&index| self.locals[index] == ty)
            .collect();
        if !fitting.is_empty() {
            let local = *self.random.pick(&fitting) as u32;
            self.push(LocalTee(local));
        }
    }

    /// A block with a result, which a branch may provide early.
    pub(super) fn block_value(&mut self, ty: ValType, depth: u32) {
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

    pub(super) fn if_value(&mut self, ty: ValType, depth: u32) {
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

    /// A call whose last result has the type, if one is found; other results are dropped.
    pub(super) fn call_value(&mut self, ty: ValType, depth: u32) {
        if ty == ValType::I32 && self.random.one_in(30) {
            let pages = *self.random.pick(&[0, 1, 1, 2, 100, -1]);
            self.push(I32Const(pages));
            return self.push(MemoryGrow(0));
        }
        let mut results = self.call(depth);
        while let Some(result) = results.pop() {
            if result == ty {
                // The results below the last one have to be removed, through a local if there is one.
                return self.keep_only_top(ty, &results);
            }
            self.push(Drop);
        }
        self.leaf(ty);
    }

    pub(super) fn keep_only_top(&mut self, ty: ValType, below: &[ValType]) {
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
