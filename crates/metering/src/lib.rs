//! x
#![forbid(unsafe_code)]

mod body;
mod error;
mod gas;
mod instruction;
mod logical;
mod meter;
mod schedule;
mod signatures;

pub use body::{BodyError, declared_locals, gas_charges, logical_cost, logical_costs};
pub use error::MeterError;
pub use gas::{Charge, GasBlocks};
pub use instruction::{Class, Instruction};
pub use logical::{ACTIVATION_COST, LogicalHeight};
pub use meter::{Gas, LogicalStack, LogicalStackExhausted, OutOfGas};
pub use schedule::{Costs, Schedule, ScheduleError};
pub use signatures::{Arity, ModuleSignatures, Signatures};
