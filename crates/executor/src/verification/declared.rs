//! The declarations in an artifact beside those of the module, as the verifier reads it.
//!
//! Machine code keeps to its sandbox only together with the declarations that the runtime makes the context, the table
//! and the memory from: code compares a table's index with the size that the module declares, and reads as many globals.

use pvf_compiler::{FuncType, ModuleInfo, ValType};
use pvf_verifier::{Module, wasm};

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
    let same = |same: bool, what| if same { Ok(()) } else { Err(what) };
    let signatures = info.signatures.iter().zip(&module.signatures);
    same(
        info.signatures.len() == module.signatures.len()
            && signatures
                .into_iter()
                .all(|(ours, theirs)| same_type(ours, theirs)),
        Undeclared::Signatures,
    )?;
    same(
        info.imported_functions == module.imported_functions,
        Undeclared::ImportedFunctions,
    )?;
    let globals = info.globals.iter().zip(&module.globals);
    same(
        info.globals.len() == module.globals.len()
            && globals.into_iter().all(|(ours, theirs)| {
                same_value(ours.ty.value, theirs.ty) && ours.ty.mutable == theirs.mutable
            }),
        Undeclared::Globals,
    )?;
    same(
        info.table.map(|table| table.minimum) == module.table,
        Undeclared::Table,
    )?;
    same(info.memory.is_some() == module.memory, Undeclared::Memory)
}

fn same_type(ours: &FuncType, theirs: &wasm::FuncType) -> bool {
    let same = |ours: &[ValType], theirs: &[wasm::ValType]| {
        let mut values = ours.iter().zip(theirs);
        ours.len() == theirs.len() && values.all(|(&ours, &theirs)| same_value(ours, theirs))
    };
    same(&ours.params, &theirs.params) && same(&ours.results, &theirs.results)
}

fn same_value(ours: ValType, theirs: wasm::ValType) -> bool {
    matches!(
        (ours, theirs),
        (ValType::I32, wasm::ValType::I32)
            | (ValType::I64, wasm::ValType::I64)
            | (ValType::F32, wasm::ValType::F32)
            | (ValType::F64, wasm::ValType::F64)
    )
}
