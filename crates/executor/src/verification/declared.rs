//! The declarations in an artifact, as the verifier's module and beside those of the module itself.
//!
//! Machine code keeps to its sandbox only together with the declarations that the runtime makes the context, the table
//! and the memory from: code compares a table's index with the size that the module declares, and reads as many globals.

use pvf_compiler::artifact::ModuleInfo;
use pvf_compiler::{FuncType, ValType};
use pvf_verifier::wasm::{self, Declarations};
use pvf_verifier::{Module, Unreadable};

/// The counter of the logical stack.
const COUNTER: wasm::Global = wasm::Global {
    ty: wasm::ValType::I32,
    mutable: true,
};

/// What an artifact declares otherwise than its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undeclared {
    /// The distinct function types.
    #[error("the function types")]
    Signatures,
    /// The number of imported functions.
    #[error("the number of imported functions")]
    ImportedFunctions,
    /// The types of globals, or their number.
    #[error("the globals")]
    Globals,
    /// The number of table entries.
    #[error("the table")]
    Table,
    /// Whether there is a memory.
    #[error("the memory")]
    Memory,
}

/// Compares what the safety of machine code rests on.
///
/// # Errors
/// The first difference.
pub(super) fn compare(module: &Module<'_>, info: &ModuleInfo) -> Result<(), Undeclared> {
    let mut declared = declarations(info);
    // A counter of the logical stack may be the global after the module's last one (rule LOGICAL-9).
    if info.logical_counter.map(|counter| counter as usize) == Some(module.globals.len())
        && declared.globals.len() == module.globals.len() + 1
        && declared.globals.last() == Some(&COUNTER)
    {
        declared.globals.pop();
    }
    let differences = [
        (
            declared.signatures != module.signatures,
            Undeclared::Signatures,
        ),
        (
            declared.imported_functions != module.imported_functions,
            Undeclared::ImportedFunctions,
        ),
        (declared.globals != module.globals, Undeclared::Globals),
        (declared.table != module.table, Undeclared::Table),
        (declared.memory != module.memory, Undeclared::Memory),
    ];
    match differences.into_iter().find(|(differs, _)| *differs) {
        Some((_, what)) => Err(what),
        None => Ok(()),
    }
}

/// The verifier's module with an artifact's declarations, and without bodies.
///
/// # Errors
/// The declarations do not agree with each other.
pub fn declared_module(info: &ModuleInfo) -> Result<Module<'static>, Unreadable> {
    Module::declared(declarations(info))
}

fn declarations(info: &ModuleInfo) -> Declarations {
    let functions = info.functions.iter().map(|function| function.signature);
    let globals = info.globals.iter().map(|global| wasm::Global {
        ty: val_type(global.ty.value),
        mutable: global.ty.mutable,
    });
    Declarations {
        signatures: info.signatures.iter().map(func_type).collect(),
        functions: functions.collect(),
        imported_functions: info.imported_functions,
        globals: globals.collect(),
        table: info.table.map(|table| table.minimum),
        memory: info.memory.is_some(),
        entered: info.entry_stubs.iter().map(Option::is_some).collect(),
    }
}

fn func_type(ty: &FuncType) -> wasm::FuncType {
    let converted = |types: &[ValType]| types.iter().map(|&ty| val_type(ty)).collect();
    wasm::FuncType {
        params: converted(&ty.params),
        results: converted(&ty.results),
    }
}

fn val_type(ty: ValType) -> wasm::ValType {
    match ty {
        ValType::I32 => wasm::ValType::I32,
        ValType::I64 => wasm::ValType::I64,
        ValType::F32 => wasm::ValType::F32,
        ValType::F64 => wasm::ValType::F64,
    }
}
