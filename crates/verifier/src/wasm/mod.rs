//! Reads the module, independently of the compiler.
//!
//! [`Module`] has the declarations. [`Bodies`] computes the facts of each body that the meters depend on. The reader
//! accepts every module that the compiler accepts, and others: it does not validate.

mod body;
mod instruction;
mod module;
mod reader;
mod run;

pub use body::{Bodies, BodyFacts, Charge};
pub(crate) use instruction::ACCESS;
pub use instruction::Operator;
pub use module::{Declarations, FuncType, Global, Module, ValType};
pub use reader::Reader;
