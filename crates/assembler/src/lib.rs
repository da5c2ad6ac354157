//! Machine-code encoders with labels and fix-ups, for single-pass compilers.
//!
//! In: one method call per instruction, with typed operands. Out: the bytes,
//! with every reference between labels resolved. An encoder trusts its caller to
//! ask only for what exists (each exception is `debug_assert`ed and named in the
//! method's documentation); what depends on where the code ends up, such as the
//! reach of a short jump, is always checked and reported by `finish`.
//!
//! [`x64`] is the x86-64 assembler, for x86-64-v3 and later.
//!
//! ```
//! use pvf_assembler::x64::{Alu, Assembler, Cond, Gpr, Size};
//!
//! // The sum of 1 ..= rdi, in rax.
//! let mut asm = Assembler::new();
//! let (head, done) = (asm.new_label(), asm.new_label());
//! asm.mov_ri32(Gpr::Rax, 0);
//! asm.test_rr(Size::S64, Gpr::Rdi, Gpr::Rdi);
//! asm.jcc_short(Cond::E, done);
//! asm.bind(head);
//! asm.alu_rr(Alu::Add, Size::S64, Gpr::Rax, Gpr::Rdi);
//! asm.dec_r(Size::S64, Gpr::Rdi);
//! asm.jcc(Cond::NE, head);
//! asm.bind(done);
//! asm.ret();
//! asm.finish()?;
//! assert_eq!(asm.code().len(), 5 + 3 + 2 + 3 + 3 + 2 + 1);
//! # Ok::<(), pvf_assembler::FinishError>(())
//! ```

#![deny(unsafe_code)]
#![warn(missing_docs)]

mod buffer;
mod label;
pub mod x64;

pub use label::{FinishError, Label};
