//! The aarch64 target.
//!
//! Registers: `sp` is the Wasm stack, `x19` the context, `x20` the base of linear memory, `x21` the gas, `x22` the
//! logical stack, `x23` the least stack pointer, `x30` the return address. Only fixed sequences write these registers.
//! `x16` and `x17` are scratch registers. `x24` and `x28` contain sums of base and index, `x25` to `x27` constants.
//! `x0` to `x15` belong to the generator. `x18` and `x29` are not used.

mod access;
mod blocks;
mod compute;
mod control;
mod decode;
mod encode;
mod frame;
mod meters;
mod module;
mod stubs;
#[cfg(test)]
mod tests;
mod values;
mod walk;

pub(crate) use module::{Layout, check};
pub(crate) use walk::Buffers;
