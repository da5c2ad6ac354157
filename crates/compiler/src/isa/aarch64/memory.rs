//! Moves between registers and memory, typed.

use super::probe::Reached;
use super::*;

/// A base register and what is added to it.
#[derive(Clone, Copy)]
pub(super) struct Place {
    base: Gpr,
    offset: u64,
}

impl Place {
    pub(super) fn at(base: Gpr, offset: u64) -> Self {
        Self { base, offset }
    }
}

/// The registers that hold sums of the base of linear memory and an index.
const SUMS: [Gpr; 2] = [Gpr::X24, Gpr::X28];

/// The indices whose sums are held.
#[derive(Clone, Copy, Default)]
pub(super) struct Sums {
    indices: [Option<Gpr>; SUMS.len()],
    /// The holder that is overwritten next.
    next: usize,
    /// How far above the indices memory is known to be accessible.
    pub(super) reached: Reached,
}

impl Sums {
    /// The register that holds the sum with this index.
    fn find(&self, index: Gpr) -> Option<Gpr> {
        let at = self.indices.iter().position(|&it| it == Some(index))?;
        Some(SUMS[at])
    }

    /// The register that holds the sum with this index, or the one that will.
    pub(super) fn holder(&self, index: Gpr) -> Gpr {
        self.find(index).unwrap_or(SUMS[self.next])
    }

    /// Records that the sum with this index was made in its holder.
    fn keep(&mut self, index: Gpr) {
        self.indices[self.next] = Some(index);
        self.next = (self.next + 1) % SUMS.len();
    }

    /// The index is overwritten.
    #[inline]
    pub(super) fn forget(&mut self, index: Gpr) {
        for it in &mut self.indices {
            if *it == Some(index) {
                *it = None;
            }
        }
        self.reached.forget(index);
    }
}

impl Emitter<'_> {
    /// The operand for a place. Parts that do not fit into the instruction are made in the scratch register given.
    pub(super) fn operand(&mut self, place: Place, bytes: Bytes, scratch: Gpr) -> Mem {
        match Mem::offset(place.base, place.offset as i64, bytes) {
            Some(operand) => operand,
            None => {
                self.asm.mov_imm(Size::S64, scratch, place.offset);
                Mem::index(place.base, scratch, Extend::Uxtx, false, bytes)
            }
        }
    }

    pub(super) fn load_typed(&mut self, ty: ValType, dst: Reg, from: Place) {
        let width = type_width(ty);
        let from = self.operand(from, bytes(size(width)), SCRATCH);
        match ty.class() {
            Class::General => {
                let dst = self.target(dst);
                self.asm.ldr(size(width), dst, from);
            }
            Class::Float => self.asm.ldr_f(fsize(width), fpr(dst), from),
        }
    }

    pub(super) fn store_typed(&mut self, ty: ValType, to: Place, src: Reg) {
        let width = type_width(ty);
        let to = self.operand(to, bytes(size(width)), SCRATCH);
        match ty.class() {
            Class::General => self.asm.str(size(width), gpr(src), to),
            Class::Float => self.asm.str_f(fsize(width), fpr(src), to),
        }
    }

    pub(super) fn store_const(&mut self, ty: ValType, to: Place, bits: u64) {
        let width = type_width(ty);
        let value = self.constant(width, bits);
        let to = self.operand(to, bytes(size(width)), SCRATCH);
        self.asm.str(size(width), value, to);
    }

    /// Eight bytes of the context.
    pub(super) fn load_context_word(&mut self, dst: Gpr, offset: u32) {
        let from = self.operand(place_in_context(offset), Bytes::B8, dst);
        self.asm.ldr(Size::S64, dst, from);
    }

    /// Stores eight bytes of the context's header, whose offsets are immediates.
    pub(super) fn store_context_word(&mut self, offset: u32, src: Gpr) {
        debug_assert!(offset < context::GLOBALS, "a field of the header");
        let to = self.operand(place_in_context(offset), Bytes::B8, SCRATCH);
        self.asm.str(Size::S64, src, to);
    }

    /// The operand of an access to linear memory. Parts that do not fit into the instruction are made in the register
    /// given, one of the two scratch registers.
    pub(super) fn linear(&mut self, address: Address, bytes: Bytes, scratch: Gpr) -> Mem {
        let index = address.index.map(gpr);
        let offset = address.offset;
        let low = offset & 0xfff;
        let split = (
            Imm12::new(offset - low),
            Mem::offset(scratch, low as i64, bytes),
        );
        let base = match index {
            Some(index) if offset == 0 && self.asm.known.sums.find(index).is_none() => {
                return Mem::index(MEMORY, index, Extend::Uxtx, false, bytes);
            }
            Some(index) => self.asm.known.sums.holder(index),
            None => MEMORY,
        };
        match (Mem::offset(base, offset as i64, bytes), split) {
            (Some(operand), _) => {
                self.add_index(index);
                operand
            }
            (None, (Some(high), Some(operand))) => {
                self.add_index(index);
                self.asm.add_ri(Size::S64, scratch, base, high);
                operand
            }
            _ => {
                self.asm.mov_imm(Size::S64, scratch, offset);
                if let Some(index) = index {
                    self.asm.add_rr(Size::S64, scratch, scratch, index);
                }
                Mem::index(MEMORY, scratch, Extend::Uxtx, false, bytes)
            }
        }
    }

    /// Makes the address of the byte at an index, if there is one, where [`Sums::holder`] says.
    pub(super) fn add_index(&mut self, index: Option<Gpr>) {
        if let Some(index) = index
            && self.asm.known.sums.find(index).is_none()
        {
            let holder = self.asm.known.sums.holder(index);
            self.asm.add_rr(Size::S64, holder, MEMORY, index);
            self.asm.known.sums.keep(index);
        }
    }

    pub(super) fn emit_load(&mut self, access: Access, dst: Reg, address: Address) {
        let from = self.linear(address, access_bytes(access), SCRATCH);
        self.note_access(address, access_bytes(access));
        self.site(TrapKind::MemoryOutOfBounds);
        if let Some(width) = float_width(access) {
            return self.asm.ldr_f(fsize(width), fpr(dst), from);
        }
        let dst = self.target(dst);
        self.load_integer(access, dst, from);
    }

    fn load_integer(&mut self, access: Access, dst: Gpr, from: Mem) {
        match access {
            Access::Bits8 { signed: None } => self.asm.ldrb(dst, from),
            Access::Bits8 { signed: Some(to) } => self.asm.ldrsb(size(to), dst, from),
            Access::Bits16 { signed: None } => self.asm.ldrh(dst, from),
            Access::Bits16 { signed: Some(to) } => self.asm.ldrsh(size(to), dst, from),
            Access::Bits32 {
                signed: Some(Width::W64),
            } => self.asm.ldrsw(dst, from),
            Access::Bits32 { .. } | Access::F32 => self.asm.ldr(Size::S32, dst, from),
            Access::Bits64 | Access::F64 => self.asm.ldr(Size::S64, dst, from),
        }
    }

    /// Loads into the scratch register.
    pub(super) fn load_operand(&mut self, access: Access, address: Address) -> Gpr {
        let from = self.linear(address, access_bytes(access), SCRATCH);
        self.note_access(address, access_bytes(access));
        self.site(TrapKind::MemoryOutOfBounds);
        self.load_integer(access, SCRATCH, from);
        SCRATCH
    }

    pub(super) fn emit_store(&mut self, access: Access, address: Address, src: Source) {
        let width = match access_bytes(access) {
            Bytes::B8 => Width::W64,
            _ => Width::W32,
        };
        match src {
            Source::Reg(src) if src.class() == Class::Float => {
                let to = self.linear(address, access_bytes(access), SCRATCH);
                self.probe(address, access_bytes(access), to);
                self.site(TrapKind::MemoryOutOfBounds);
                self.asm.str_f(fsize(width), fpr(src), to);
            }
            Source::Reg(src) => self.store_integer(access, address, gpr(src)),
            Source::Const(bits) => {
                let value = self.constant(width, bits);
                self.store_integer(access, address, value);
            }
            Source::Slot(at) => {
                let from = self.operand(slot(at), bytes(size(width)), SCRATCH);
                self.asm.ldr(size(width), SCRATCH, from);
                self.store_integer(access, address, SCRATCH);
            }
        }
    }

    fn store_integer(&mut self, access: Access, address: Address, src: Gpr) {
        let scratch = if src == SCRATCH { SCRATCH_2 } else { SCRATCH };
        let to = self.linear(address, access_bytes(access), scratch);
        self.probe(address, access_bytes(access), to);
        self.site(TrapKind::MemoryOutOfBounds);
        match access_bytes(access) {
            Bytes::B1 => self.asm.strb(src, to),
            Bytes::B2 => self.asm.strh(src, to),
            Bytes::B4 => self.asm.str(Size::S32, src, to),
            Bytes::B8 | Bytes::B16 => self.asm.str(Size::S64, src, to),
        }
    }

    /// Loads a slot's eight bytes.
    pub(super) fn load_float_slot(&mut self, dst: Fpr, at: u32) {
        let from = self.operand(slot(at), Bytes::B8, SCRATCH);
        self.asm.ldr_f(FSize::S64, dst, from);
    }

    /// Stores a slot's eight bytes.
    pub(super) fn store_float_slot(&mut self, at: u32, src: Fpr) {
        let to = self.operand(slot(at), Bytes::B8, SCRATCH);
        self.asm.str_f(FSize::S64, src, to);
    }
}

/// A slot of the frame.
pub(super) fn slot(offset: u32) -> Place {
    Place::at(Gpr::SP, offset.into())
}

/// A place in the context.
pub(super) fn place_in_context(offset: u32) -> Place {
    Place::at(CONTEXT, offset.into())
}

/// How many bytes an access moves.
pub(super) fn access_bytes(access: Access) -> Bytes {
    match access {
        Access::Bits8 { .. } => Bytes::B1,
        Access::Bits16 { .. } => Bytes::B2,
        Access::Bits32 { .. } | Access::F32 => Bytes::B4,
        Access::Bits64 | Access::F64 => Bytes::B8,
    }
}

fn float_width(access: Access) -> Option<Width> {
    match access {
        Access::F32 => Some(Width::W32),
        Access::F64 => Some(Width::W64),
        _ => None,
    }
}
