//! The aarch64 assembler: one method per instruction or family.
//!
//! In: typed operands. Out: the instruction asked for, four bytes each, never
//! another, unless the method says so. The instruction set is Armv8.0 with
//! floats and vectors, and `bti` as the hint it is there.
//!
//! # Overview
//! - **Operands**: [`Gpr`] (`X0` to `X30`, [`Gpr::ZR`], [`Gpr::SP`]), [`Fpr`];
//!   widths [`Size`], [`FSize`], [`VSize`] and [`Lane`]; [`Cond`]. Immediates
//!   prove by their type that they have an encoding: [`Imm12`] for arithmetic,
//!   [`LogicalImm`] for logic, [`FloatImm`] for `fmov`. [`Mem`] and [`MemPair`]
//!   do the same for addresses, made for one [`Access`] width.
//! - **Integers**: families [`Arith`], [`Logic`], [`Shift`] with an operation,
//!   `_ri`, `_rr`, `_rs` (shifted) and `_rx` (extended) by second operand, as
//!   in `arith_ri(op, size, dst, a, imm)`; short names for the frequent
//!   (`add_rr`, `cmp_ri`, `neg`, `tst_ri` ...); `mov_rr`, `mov_sp`, `mov_imm`.
//!   What takes a condition has it first: `csel(cond, size, dst, a, b)`.
//! - **Memory**: `ldr`, `ldrb`, `ldrsh` ..., `str` ..., `ldp`, `stp`; for floats
//!   and vectors with `_f`, `_d`, `_q`.
//! - **Floats**: families [`FOp`] and [`FUnary`]; `fcmp`, `fcsel`, `fmov_*`,
//!   `fcvt`, `fcvtz`, `cvtf`. **Vectors**: [`VBit`] and a few more.
//! - **Control**: `b`, `bl`, `b_cond`, `cbz`, `tbz`, `br`, `blr`, `ret`;
//!   `bl_placeholder` with [`with_branch_distance`] for a linker.
//! - **Constants**: `ldr_literal_d` and the like, from a pool behind the code
//!   ([`flush_pool`](Instructions::flush_pool)).
//! - **Far labels**: call [`keep_in_range`](Instructions::keep_in_range) at the
//!   start of each group of instructions; see there.
//!
//! Destinations come first, as in the manual's syntax; in `str` and `stp` the
//! memory operand is last.
//!
//! ```
//! use pvf_assembler::aarch64::{Access, Arith, Assembler, Cond, Gpr, Imm12, Mem, Size};
//!
//! // The sum of the x1 words at x0, in x0; past 4 GB it saturates.
//! let mut asm = Assembler::new();
//! let (head, done) = (asm.new_label(), asm.new_label());
//! let next = Mem::post(Gpr::X0, 4, Access::B4).expect("nine bits");
//! asm.mov_imm(Size::S32, Gpr::X2, 0);
//! asm.cbz(Size::S64, Gpr::X1, done);
//! asm.bind(head);
//! asm.keep_in_range(20);
//! asm.ldr(Size::S32, Gpr::X3, next);
//! asm.arith_rr(Arith::Adds, Size::S32, Gpr::X2, Gpr::X2, Gpr::X3);
//! asm.csinv(Cond::LO, Size::S32, Gpr::X2, Gpr::X2, Gpr::ZR);
//! asm.sub_ri(Size::S64, Gpr::X1, Gpr::X1, Imm12::low(1));
//! asm.cbnz(Size::S64, Gpr::X1, head);
//! asm.bind(done);
//! asm.mov_rr(Size::S32, Gpr::X0, Gpr::X2);
//! asm.ret();
//! asm.finish()?;
//! assert_eq!(asm.code().len(), 9 * 4);
//! # Ok::<(), pvf_assembler::FinishError>(())
//! ```

mod branch;
mod code;
#[cfg(debug_assertions)]
mod flags;
mod float;
mod immediates;
mod integer;
mod load_store;
mod memory;
mod moves;
mod operands;
mod pool;
mod reach;
mod registers;
#[cfg(test)]
mod tests;
mod vector;

pub use crate::label::{FinishError, Label};
pub use branch::with_branch_distance;
pub use code::{Assembler, Instructions};
pub use immediates::{FloatImm, Imm12, LogicalImm};
pub use memory::{Access, Mem, MemPair};
pub use operands::{
    Arith, Cond, Extend, FOp, FSize, FUnary, Lane, Logic, Shift, Sign, Size, SystemRegister, VBit,
    VSize,
};
pub use registers::{Fpr, Gpr};
