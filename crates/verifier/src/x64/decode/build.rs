//! Decodes into an [`Instruction`], with all fields.

use super::{Address, Form, NO_INDEX, Packed, Visitor};
use crate::x64::instruction::{Instruction, NONE, Place};
use crate::x64::table::Op;
use crate::x64::{R14, RSP};

/// Takes all fields of an instruction.
pub(in crate::x64) struct Build;

impl Build {
    fn plain(at: usize, form: Form) -> Instruction {
        Instruction {
            op: form.op,
            len: at as u8,
            size: form.size,
            condition: form.condition,
            ..EMPTY
        }
    }

    fn with(it: Instruction, address: Address) -> Instruction {
        let (index, scale) = match address.index {
            NO_INDEX => (NONE, 0),
            index => (index, address.scale),
        };
        Instruction {
            base: address.base,
            index,
            scale: 1 << scale,
            disp: address.disp,
            ..it
        }
    }
}

impl Visitor for Build {
    type Output = Option<Instruction>;

    fn unknown(&mut self) -> Option<Instruction> {
        None
    }

    fn registers(&mut self, at: usize, form: Form, to: u8, from: u8) -> Option<Instruction> {
        Some(Instruction {
            to: Place::Register,
            from: Place::Register,
            a: to,
            b: from,
            ..Self::plain(at, form)
        })
    }

    fn arithmetic(&mut self, at: usize, form: Form, to: u8, from: u8) -> Option<Instruction> {
        self.registers(at, form, to, from)
    }

    fn compare(&mut self, at: usize, form: Form, a: u8, b: u8) -> Option<Instruction> {
        self.registers(at, form, a, b)
    }

    fn load(&mut self, at: usize, form: Form, to: u8, from: Address) -> Option<Instruction> {
        let it = Instruction {
            to: Place::Register,
            from: Place::Memory,
            a: to,
            ..Self::plain(at, form)
        };
        Some(Self::with(it, from))
    }

    fn store(&mut self, at: usize, form: Form, to: Address, from: u8) -> Option<Instruction> {
        let it = Instruction {
            to: Place::Memory,
            from: Place::Register,
            b: from,
            ..Self::plain(at, form)
        };
        Some(Self::with(it, to))
    }

    fn load_slot(&mut self, at: usize, form: Form, to: u8, disp: i32) -> Option<Instruction> {
        self.load(at, form, to, direct(RSP, NO_INDEX, disp))
    }

    fn store_slot(&mut self, at: usize, form: Form, disp: i32, from: u8) -> Option<Instruction> {
        self.store(at, form, direct(RSP, NO_INDEX, disp), from)
    }

    fn load_linear(
        &mut self,
        at: usize,
        form: Form,
        to: u8,
        (index, disp): (u8, i32),
    ) -> Option<Instruction> {
        self.load(at, form, to, direct(R14, index, disp))
    }

    fn store_linear(
        &mut self,
        at: usize,
        form: Form,
        (index, disp): (u8, i32),
        from: u8,
    ) -> Option<Instruction> {
        self.store(at, form, direct(R14, index, disp), from)
    }

    fn lea(&mut self, at: usize, form: Form, to: u8, from: Address) -> Option<Instruction> {
        self.load(at, form, to, from)
    }

    fn immediate(&mut self, at: usize, form: Form, to: u8, imm: i64) -> Option<Instruction> {
        Some(Instruction {
            to: Place::Register,
            from: Place::Immediate,
            a: to,
            imm,
            ..Self::plain(at, form)
        })
    }

    fn store_immediate(
        &mut self,
        at: usize,
        form: Form,
        to: Address,
        imm: i64,
    ) -> Option<Instruction> {
        let it = Instruction {
            to: Place::Memory,
            from: Place::Immediate,
            imm,
            ..Self::plain(at, form)
        };
        Some(Self::with(it, to))
    }

    fn branch(&mut self, at: usize, form: Form, distance: i64) -> Option<Instruction> {
        Some(Instruction {
            imm: distance,
            ..Self::plain(at, form)
        })
    }

    fn other(&mut self, it: Packed) -> Option<Instruction> {
        Some(it.unpack())
    }
}

fn direct(base: u8, index: u8, disp: i32) -> Address {
    Address {
        base,
        index,
        scale: 0,
        disp,
    }
}

/// An instruction without any content.
const EMPTY: Instruction = Instruction {
    imm: 0,
    disp: 0,
    op: Op::None,
    len: 0,
    size: 0,
    to: Place::None,
    from: Place::None,
    a: NONE,
    b: NONE,
    c: NONE,
    base: NONE,
    index: NONE,
    scale: 0,
    condition: 0,
    float: 0,
};
