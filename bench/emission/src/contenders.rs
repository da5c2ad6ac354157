//! Emits the same block of ten instructions with each assembler.
//!
//! Input: a [`Row`](crate::Row) of operands, converted to the assembler's own types beforehand. Output: code with its
//! branches resolved.

use crate::Row;

/// An assembler that emits the mix.
pub trait Contender: Default {
    /// Name of the crate, with the way it is used if there are several.
    const NAME: &'static str;
    /// The operands of a row in the assembler's own types.
    type Operands;

    /// Converts a row.
    fn operands(row: &Row) -> Self::Operands;
    /// Discards the code and keeps the memory.
    fn clear(&mut self);
    /// Emits the ten instructions.
    fn block(&mut self, operands: &Self::Operands);
    /// Resolves the branches and passes the code to `look`.
    fn finish<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> T;
}

pub use cranelift::Cranelift;
pub use dynasm_rs::Dynasm;
pub use own::Own;
pub use polkavm::PolkaVm;

mod own {
    use super::{Contender, Row};
    use pvf_assembler::x64::{Alu, Assembler, Cond, Gpr, Mem, Scale, Shift, Size};

    #[derive(Default)]
    pub struct Own(Assembler);

    impl Contender for Own {
        const NAME: &'static str = "pvf-assembler";
        type Operands = (Gpr, Gpr, Gpr, Row);

        fn operands(row: &Row) -> Self::Operands {
            (
                Gpr::from_number(row.a),
                Gpr::from_number(row.b),
                Gpr::from_number(row.c),
                *row,
            )
        }

        fn clear(&mut self) {
            self.0.clear();
        }

        fn block(&mut self, &(a, b, c, ref row): &Self::Operands) {
            let asm = &mut self.0;
            let end = asm.new_label();
            asm.mov_rm(Size::S64, a, Mem::base(Gpr::Rbp, row.near));
            asm.mov_rm(
                Size::S32,
                b,
                Mem::base_index(Gpr::R15, a, Scale::One, row.far),
            );
            asm.alu_rr(Alu::Add, Size::S32, b, a);
            asm.alu_ri(Alu::Add, Size::S32, a, i32::from(row.small));
            asm.mov_mr(Size::S64, Mem::base(Gpr::Rbp, row.near), a);
            asm.alu_ri(Alu::Cmp, Size::S32, b, row.large);
            asm.jcc(Cond::L, end);
            asm.shift_ri(Shift::Shl, Size::S32, c, row.shift);
            asm.mov_ri32(c, row.large as u32);
            asm.lea(Size::S64, c, Mem::base_index(a, b, Scale::Four, row.near));
            asm.bind(end);
        }

        fn finish<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> T {
            self.0.finish().expect("every label is bound");
            look(self.0.code())
        }
    }
}

mod polkavm {
    use super::{Contender, Row};
    use polkavm_assembler::Assembler;
    use polkavm_assembler::amd64::inst::{
        add, cmp, jcc_label32, lea, load, mov_imm, shl_imm, store,
    };
    use polkavm_assembler::amd64::{
        Condition, ImmKind, LoadKind, MemOp, Operands, Reg, RegIndex, RegMem, RegSize, Scale, Size,
    };

    pub struct PolkaVm(Assembler);

    impl Default for PolkaVm {
        fn default() -> Self {
            Self(Assembler::new())
        }
    }

    const INDEXES: [RegIndex; 16] = {
        use RegIndex::*;
        // rsp, the fifth register, cannot be an index and is never used as one.
        [
            rax, rcx, rdx, rbx, rax, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15,
        ]
    };

    impl Contender for PolkaVm {
        const NAME: &'static str = "polkavm-assembler";
        type Operands = (RegIndex, RegIndex, RegIndex, Row);

        fn operands(row: &Row) -> Self::Operands {
            let [a, b, c] = [row.a, row.b, row.c].map(|number| INDEXES[number as usize]);
            (a, b, c, *row)
        }

        fn clear(&mut self) {
            self.0.clear();
        }

        fn block(&mut self, &(ai, bi, ci, ref row): &Self::Operands) {
            let asm = &mut self.0;
            let (a, b, c): (Reg, Reg, Reg) = (ai.into(), bi.into(), ci.into());
            let local = MemOp::BaseOffset(None, RegSize::R64, Reg::rbp, row.near);
            let heap =
                MemOp::BaseIndexScaleOffset(None, RegSize::R64, Reg::r15, ai, Scale::x1, row.far);
            let sum = MemOp::BaseIndexScaleOffset(None, RegSize::R64, a, bi, Scale::x4, row.near);
            let small = ImmKind::I32(row.small as u32);
            let large = ImmKind::I32(row.large as u32);
            let end = asm.forward_declare_label();
            asm.push(load(LoadKind::U64, a, local));
            asm.push(load(LoadKind::U32, b, heap));
            asm.push(add(Operands::RegMem_Reg(Size::U32, RegMem::Reg(b), a)));
            asm.push(add(Operands::RegMem_Imm(RegMem::Reg(a), small)));
            asm.push(store(Size::U64, local, a));
            asm.push(cmp(Operands::RegMem_Imm(RegMem::Reg(b), large)));
            asm.push(jcc_label32(Condition::Less, end));
            asm.push(shl_imm(RegSize::R32, RegMem::Reg(c), row.shift));
            asm.push(mov_imm(RegMem::Reg(c), large));
            asm.push(lea(RegSize::R64, c, sum));
            asm.define_label(end);
        }

        fn finish<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> T {
            look(&self.0.finalize())
        }
    }
}

mod cranelift {
    use super::{Contender, Row};
    use cranelift_assembler_x64::{Amode, AmodeOffsetPlusKnownOffset, Registers, Scale, inst};

    /// Hardware numbers as registers.
    struct Numbers;

    impl Registers for Numbers {
        type ReadGpr = u8;
        type ReadWriteGpr = u8;
        type WriteGpr = u8;
        type ReadXmm = u8;
        type ReadWriteXmm = u8;
        type WriteXmm = u8;
    }

    /// The crate has no labels; a list of fields to patch stands in for them.
    #[derive(Default)]
    pub struct Cranelift {
        code: Vec<u8>,
        labels: Vec<u32>,
        fixups: Vec<(u32, u32)>,
    }

    const RBP: u8 = 5;
    const R15: u8 = 15;

    fn base(base: u8, disp: i32) -> Amode<u8> {
        let simm32 = AmodeOffsetPlusKnownOffset {
            simm32: disp.into(),
            offset: None,
        };
        Amode::ImmReg {
            base,
            simm32,
            trap: None,
        }
    }

    fn indexed(base: u8, index: u8, scale: Scale, disp: i32) -> Amode<u8> {
        let (index, simm32) = (index.into(), disp.into());
        Amode::ImmRegRegShift {
            base,
            index,
            scale,
            simm32,
            trap: None,
        }
    }

    impl Contender for Cranelift {
        const NAME: &'static str = "cranelift-assembler-x64";
        type Operands = Row;

        fn operands(row: &Row) -> Self::Operands {
            *row
        }

        fn clear(&mut self) {
            self.code.clear();
            self.labels.clear();
            self.fixups.clear();
        }

        fn block(&mut self, row: &Row) {
            let Row { a, b, c, .. } = *row;
            let code = &mut self.code;
            let end = self.labels.len() as u32;
            self.labels.push(u32::MAX);
            let heap = indexed(R15, a, Scale::One, row.far);
            inst::movq_rm::<Numbers>::new(a, base(RBP, row.near)).encode(code);
            inst::movl_rm::<Numbers>::new(b, heap).encode(code);
            inst::addl_mr::<Numbers>::new(b, a).encode(code);
            inst::addl_mi_sxb::<Numbers>::new(a, row.small).encode(code);
            inst::movq_mr::<Numbers>::new(base(RBP, row.near), a).encode(code);
            inst::cmpl_mi::<Numbers>::new(b, row.large as u32).encode(code);
            inst::jl_d32::new(0).encode(code);
            self.fixups.push((code.len() as u32 - 4, end));
            inst::shll_mi::<Numbers>::new(c, row.shift).encode(code);
            inst::movl_oi::<Numbers>::new(c, row.large as u32).encode(code);
            inst::leaq_rm::<Numbers>::new(c, indexed(a, b, Scale::Four, row.near)).encode(code);
            self.labels[end as usize] = code.len() as u32;
        }

        fn finish<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> T {
            for &(at, label) in &self.fixups {
                let distance = self.labels[label as usize].wrapping_sub(at + 4);
                let at = at as usize;
                self.code[at..at + 4].copy_from_slice(&distance.to_le_bytes());
            }
            look(&self.code)
        }
    }
}

#[allow(clippy::useless_conversion, reason = "the macro writes them")]
mod dynasm_rs {
    use super::{Contender, Row};
    use dynasm::dynasm;
    use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler, x64::X64Relocation};

    /// This assembler cannot reuse its memory, because `finalize` gives it away.
    pub struct Dynasm(VecAssembler<X64Relocation>);

    impl Default for Dynasm {
        fn default() -> Self {
            Self(VecAssembler::new(0))
        }
    }

    impl Contender for Dynasm {
        const NAME: &'static str = "dynasm-rs";
        type Operands = Row;

        fn operands(row: &Row) -> Self::Operands {
            *row
        }

        fn clear(&mut self) {
            self.0 = VecAssembler::new(0);
        }

        fn block(&mut self, row: &Row) {
            let Row { a, b, c, .. } = *row;
            let asm = &mut self.0;
            let end = asm.new_dynamic_label();
            let near = row.near as i8;
            // The macro's author chooses the widths of displacements and immediates.
            dynasm!(asm
                ; .arch x64
                ; mov Rq(a), [BYTE rbp + near]
                ; mov Rd(b), [r15 + Rq(a) + row.far]
                ; add Rd(b), Rd(a)
                ; add Rd(a), BYTE row.small
                ; mov [BYTE rbp + near], Rq(a)
                ; cmp Rd(b), DWORD row.large
                ; jl =>end
                ; shl Rd(c), row.shift as i8
                ; mov Rd(c), DWORD row.large
                ; lea Rq(c), [BYTE Rq(a) + Rq(b) * 4 + near]
                ; =>end
            );
        }

        fn finish<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> T {
            let asm = std::mem::replace(&mut self.0, VecAssembler::new(0));
            look(&asm.finalize().expect("every label is bound"))
        }
    }
}
