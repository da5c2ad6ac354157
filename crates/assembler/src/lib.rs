//! Machine-code encoders with labels and fix-ups, for single-pass compilers.
//!
//! In: one method call per instruction, with typed operands. Out: the bytes,
//! with every reference between labels resolved. An encoder trusts its caller to
//! ask only for what exists (each exception is `debug_assert`ed and named in the
//! method's documentation); what depends on where the code ends up, such as the
//! reach of a short jump, is always checked and reported by `finish`.
//!
//! Each assembler lends out its [instructions](x64::Instructions) without the right to bind
//! labels, so that a compiler can keep what it knows of the machine's state in one
//! place with that right.
//!
//! [`x64`] is the x86-64 assembler, for x86-64-v3 and later; [`aarch64`] the
//! aarch64 assembler, for Armv8.0 and later; [`polkavm`] writes relocatable code for the virtual machine PolkaVM.
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
//!
//! # Speed, and why an assembler of our own
//! `bench/emission` writes the same ten-instruction mix (4.9 bytes on average,
//! one forward branch in ten) through four assemblers, after checking that the
//! programs are the same. On one core of an AMD EPYC, with other work on the
//! machine:
//!
//! | assembler | ns per instruction | what it has |
//! | --- | --- | --- |
//! | this one | 2.5 | what the compiler emits, labels, jump tables, constants |
//! | polkavm-assembler 0.37 | 3.8 | integers and labels; no floats |
//! | dynasm-rs 5 | 4.7 | everything and labels; widths fixed in a macro, or the longest |
//! | cranelift-assembler-x64 0.135 | 8.3 | everything; labels are the user's matter |
//!
//! Even at ten instructions per Wasm operator of two bytes, emission
//! alone would then run at 80 MB of Wasm per second. None of the others offers
//! both floats with labels and the shortest form of operands known only at run
//! time; this one adds no dependency and builds in a second.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod aarch64;
mod assembler;
mod buffer;
mod families;
#[cfg(debug_assertions)]
mod flags;
mod label;
pub mod polkavm;
pub mod x64;

pub use assembler::{Assembler, Code, Machine};
#[cfg(debug_assertions)]
pub use flags::FlagTrace;
pub use label::{FinishError, Label};
