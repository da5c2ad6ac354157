//! The module, read once more.
//!
//! [`Module`] has the declarations, [`Bodies`] goes over the bodies one by one and counts what the meters are about. The reader takes
//! every module that the compiler takes, and more: it decides nothing about validity.

mod body;
mod instruction;
mod module;
mod reader;

pub use body::{Bodies, BodyFacts, Charge};
pub use instruction::Operator;
pub use module::{FuncType, Global, Module, ValType};
