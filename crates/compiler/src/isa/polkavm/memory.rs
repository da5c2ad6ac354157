//! Values in memory: slots, the context, linear memory.

use super::*;
use pvf_rules::SLOT_BYTES;

/// Up to this many slots are written one by one, more of them by a loop.
const UNROLLED: u32 = 8;

const SLOT: u32 = SLOT_BYTES as u32;

/// The accesses that cover `bytes` bytes: their size, and the offset of the second if there are two.
fn accesses(bytes: u32) -> (Load, Store, Option<u32>) {
    let (load, store, size) = match bytes {
        0 | 1 => (Load::U8, Store::U8, 1),
        2 | 3 => (Load::U16, Store::U16, 2),
        4..=7 => (Load::U32, Store::U32, 4),
        _ => (Load::U64, Store::U64, 8),
    };
    (load, store, (bytes > size).then(|| bytes - size))
}

/// The load or store behind an access; a float's bits are zero-extended.
pub(super) fn load(access: Access) -> Load {
    match access {
        Access::Bits8 { signed: None } => Load::U8,
        Access::Bits8 { signed: Some(_) } => Load::I8,
        Access::Bits16 { signed: None } => Load::U16,
        Access::Bits16 { signed: Some(_) } => Load::I16,
        Access::Bits32 { signed: Some(_) } => Load::I32,
        Access::Bits32 { signed: None } | Access::F32 => Load::U32,
        Access::Bits64 | Access::F64 => Load::U64,
    }
}

fn store(access: Access) -> Store {
    match access {
        Access::Bits8 { .. } => Store::U8,
        Access::Bits16 { .. } => Store::U16,
        Access::Bits32 { .. } | Access::F32 => Store::U32,
        Access::Bits64 | Access::F64 => Store::U64,
    }
}

fn is_float(access: Access) -> bool {
    matches!(access, Access::F32 | Access::F64)
}

impl Function<'_> {
    pub(super) fn load_typed(&mut self, ty: ValType, dst: Reg, (base, offset): (Base, i32)) {
        match ty {
            ValType::I32 => self.asm.load(Load::I32, gpr(dst), base, offset),
            ValType::I64 => self.asm.load(Load::U64, gpr(dst), base, offset),
            ValType::F32 | ValType::F64 => {
                let load = match ty {
                    ValType::F32 => Load::U32,
                    _ => Load::U64,
                };
                self.asm.load(load, SCRATCH, base, offset);
                self.store_field(float_field(dst), SCRATCH);
            }
        }
    }

    pub(super) fn store_typed(&mut self, ty: ValType, (base, offset): (Base, i32), src: Reg) {
        let (_, store) = whole(type_width(ty));
        match ty.class() {
            Class::General => self.asm.store(store, base, offset, gpr(src)),
            Class::Float => {
                self.load_field(SCRATCH, float_field(src));
                self.asm.store(store, base, offset, SCRATCH);
            }
        }
    }

    pub(super) fn store_const(&mut self, ty: ValType, (base, offset): (Base, i32), bits: u64) {
        let width = type_width(ty);
        let (_, store) = whole(width);
        match immediate(width, bits) {
            Some(value) => self.asm.store_immediate(store, base, offset, value),
            None => {
                self.asm.load_const(SCRATCH, bits);
                self.asm.store(store, base, offset, SCRATCH);
            }
        }
    }

    pub(super) fn emit_copy_slot(&mut self, dst: u32, src: u32) {
        let ((from, at), (to, there)) = (slot(src), slot(dst));
        self.asm.load(Load::U64, SCRATCH, from, at);
        self.asm.store(Store::U64, to, there, SCRATCH);
    }

    pub(super) fn emit_zero_slots(&mut self, from: u32, to: u32) {
        if (to - from) / SLOT <= UNROLLED {
            for at in (from..to).step_by(SLOT as usize) {
                let (base, offset) = slot(at);
                self.asm.store_immediate(Store::U64, base, offset, 0);
            }
            return;
        }
        let end = SCRATCH_2;
        self.slot_address(SCRATCH, from);
        self.slot_address(end, to);
        let next = self.asm.new_label();
        self.asm.bind(next);
        self.asm
            .store_immediate(Store::U64, Base::Reg(SCRATCH), 0, 0);
        self.asm
            .immediate(Immediate::Add64, SCRATCH, SCRATCH, SLOT as i32);
        self.asm.branch(Compare::LessUnsigned, SCRATCH, end, next);
    }

    pub(super) fn emit_copy_slots(&mut self, dst: u32, src: u32, slots: u32) {
        let upwards = dst <= src;
        if slots <= UNROLLED {
            for number in 0..slots {
                let number = match upwards {
                    true => number,
                    false => slots - 1 - number,
                };
                self.emit_copy_slot(dst + number * SLOT, src + number * SLOT);
            }
            return;
        }
        let (from, value) = (SCRATCH, SCRATCH_2);
        let (first, last, step) = match upwards {
            true => (src, src + (slots - 1) * SLOT, SLOT as i32),
            false => (src + (slots - 1) * SLOT, src, -(SLOT as i32)),
        };
        // Two scratch registers hold the place and the value, so the end is in the context.
        self.slot_address(from, last);
        self.store_field(fixed::field::SPARE, from);
        self.slot_address(from, first);
        let next = self.asm.new_label();
        self.asm.bind(next);
        let base = Base::Reg(from);
        self.asm.load(Load::U64, value, base, 0);
        let distance = dst.wrapping_sub(src) as i32;
        self.asm.store(Store::U64, base, distance, value);
        self.load_field(value, fixed::field::SPARE);
        self.asm.immediate(Immediate::Add64, from, from, step);
        let more = match upwards {
            true => Compare::LessEqualUnsigned,
            false => Compare::GreaterEqualUnsigned,
        };
        self.asm.branch(more, from, value, next);
    }

    fn slot_address(&mut self, dst: Gpr, at: u32) {
        self.asm
            .immediate(Immediate::Add64, dst, Gpr::Sp, at as i32);
    }

    /// The base and offset of an access to linear memory, which is checked as far as the end of memory is not the check.
    /// `None` if it is out of bounds whatever the memory's size: then it has trapped.
    fn linear(&mut self, address: Address) -> Option<(Base, i32)> {
        let kind = TrapKind::MemoryOutOfBounds;
        if address.offset >= u64::from(fixed::MOST_INDEX) {
            self.trap_here(kind);
            return None;
        }
        let offset = address.offset as i32;
        let Some(index) = address.index else {
            return Some((Base::Memory, offset));
        };
        let index = gpr(index);
        let beyond = self.trap_label(kind);
        let bound = fixed::MOST_INDEX as i32;
        self.asm
            .branch_immediate(Compare::GreaterEqualUnsigned, index, bound, beyond);
        Some((Base::MemoryReg(index), offset))
    }

    /// Loads into a register of the machine.
    pub(super) fn load_linear(&mut self, op: Load, dst: Gpr, address: Address) {
        if let Some((base, offset)) = self.linear(address) {
            self.site(TrapKind::MemoryOutOfBounds);
            self.asm.load(op, dst, base, offset);
        }
    }

    fn store_linear(&mut self, op: Store, address: Address, src: Gpr) {
        if let Some((base, offset)) = self.linear(address) {
            self.site(TrapKind::MemoryOutOfBounds);
            self.asm.store(op, base, offset, src);
        }
    }

    pub(super) fn emit_load(&mut self, access: Access, dst: Reg, address: Address) {
        let op = load(access);
        if is_float(access) {
            self.load_linear(op, SCRATCH, address);
            return self.store_field(float_field(dst), SCRATCH);
        }
        self.load_linear(op, gpr(dst), address);
    }

    pub(super) fn emit_store(&mut self, access: Access, address: Address, src: Source) {
        let op = store(access);
        let width = match op {
            Store::U64 => Width::W64,
            _ => Width::W32,
        };
        match src {
            Source::Reg(src) if is_float(access) => {
                self.load_field(SCRATCH, float_field(src));
                self.store_linear(op, address, SCRATCH);
            }
            Source::Reg(src) => self.store_linear(op, address, gpr(src)),
            Source::Slot(at) => {
                let (base, offset) = slot(at);
                self.asm.load(whole(width).0, SCRATCH, base, offset);
                self.store_linear(op, address, SCRATCH);
            }
            Source::Const(bits) => match immediate(width, bits) {
                Some(value) => {
                    if let Some((base, offset)) = self.linear(address) {
                        self.site(TrapKind::MemoryOutOfBounds);
                        self.asm.store_immediate(op, base, offset, value);
                    }
                }
                None => {
                    self.asm.load_const(SCRATCH, bits);
                    self.store_linear(op, address, SCRATCH);
                }
            },
        }
    }

    /// Bounds are checked before any effect: all loads come before the stores, and of two stores the one with the last
    /// byte comes first.
    pub(super) fn emit_copy_memory(&mut self, dst: Reg, src: Reg, bytes: u32) {
        let (load, store, second) = accesses(bytes);
        let place = |register, offset: u32| Address {
            index: Some(register),
            offset: offset.into(),
        };
        self.load_linear(load, SCRATCH, place(src, 0));
        if let Some(second) = second {
            self.load_linear(load, SCRATCH_2, place(src, second));
            self.store_linear(store, place(dst, second), SCRATCH_2);
        }
        self.store_linear(store, place(dst, 0), SCRATCH);
    }

    pub(super) fn emit_fill_memory(&mut self, dst: Reg, value: u8, bytes: u32) {
        let (_, store, second) = accesses(bytes);
        self.asm.load_const(SCRATCH, u64::from_le_bytes([value; 8]));
        for offset in second.into_iter().chain([0]) {
            let at = Address {
                index: Some(dst),
                offset: offset.into(),
            };
            self.store_linear(store, at, SCRATCH);
        }
    }
}
