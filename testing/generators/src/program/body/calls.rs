//! Calls, direct and through the table.

use super::Body;
use wasm_encoder::Instruction::*;
use wasm_encoder::ValType;

impl Body<'_> {
    pub(super) fn call_statement(&mut self, depth: u32) {
        let results = self.call(depth);
        for _ in results {
            self.push(Drop);
        }
    }

    /// Pushes arguments and calls a function, directly or through the table. The results stay on the stack.
    pub(super) fn call(&mut self, depth: u32) -> Vec<ValType> {
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

    /// Position of a function to call. Mostly an imported one or one with a higher index than this function, so that
    /// not all runs end in endless recursion.
    pub(super) fn callee(&mut self, functions: &[u32]) -> Option<usize> {
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

    /// Calls an entry of the table. Some calls have the wrong type or an index out of bounds.
    pub(super) fn call_entry(&mut self, entry: u32, depth: u32) -> Vec<ValType> {
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
            // The last entry of the table is empty. The index after it is out of bounds.
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

    /// The index of another type that is equal, if there is one.
    pub(super) fn same_type(&mut self, ty: u32) -> u32 {
        let types = &self.shape.types;
        let equal = |&index: &usize| types[index] == types[ty as usize];
        let equals: Vec<usize> = (0..types.len()).filter(equal).collect();
        *self.random.pick(&equals) as u32
    }
}
