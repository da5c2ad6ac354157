//! Statements without control flow: locals, globals, memory, tables.

use super::Body;
use crate::program::{DATA_BYTES, NUMBERS, operators as op};
use wasm_encoder::Instruction::*;
use wasm_encoder::{MemArg, MemArgTarget, ValType};

impl Body<'_> {
    pub(super) fn set_local(&mut self, depth: u32) {
        if self.locals.is_empty() {
            return self.push(Nop);
        }
        let index = self.random.below(self.locals.len() as u64);
        self.value(self.locals[index as usize], depth);
        self.push(LocalSet(index as u32));
    }

    pub(super) fn set_global(&mut self, depth: u32) {
        let index = self.random.between(1, self.shape.globals.len() as u64 - 1);
        self.value(self.shape.globals[index as usize], depth);
        self.push(GlobalSet(index as u32));
    }

    pub(super) fn store(&mut self, depth: u32) {
        let ty = *self.random.pick(&NUMBERS);
        self.address(depth.min(2));
        self.value(ty, depth);
        let at = self.immediate();
        let stores = op::stores(ty, at);
        let store = self.random.pick(&stores).clone();
        self.push(store);
    }

    pub(super) fn immediate(&mut self) -> MemArg {
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

    /// Pushes an address, mostly within the memory.
    pub(super) fn address(&mut self, depth: u32) {
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

    pub(super) fn bulk(&mut self, depth: u32) {
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
}
