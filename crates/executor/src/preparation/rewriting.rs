//! Checks for modules that become invalid when a node rewrites them.
//!
//! A node rewrites a module before it compiles it. An imported memory, from any module, becomes a
//! memory that the module defines and exports under the import's field name. The counter of the
//! logical stack becomes a global of the module. Our compiler rewrites nothing, so these checks
//! find the modules that would become invalid.

use pvf_compiler::ValType;
use pvf_compiler::artifact::{ExportKind, ImportKind};
use pvf_compiler::{ModuleInfo, calls_own_functions};
use pvf_rules::{Rejection, RejectionClass, RuleId};

/// Rejects a module that becomes invalid when a node rewrites it.
pub(super) fn check(wasm: &[u8], module: &ModuleInfo) -> Result<(), Rejection> {
    check_counter(wasm, module)?;
    check_memory(module)
}

/// Checks that the exported memory's name differs from all other exports (rule HOST-5).
pub(super) fn check_memory(module: &ModuleInfo) -> Result<(), Rejection> {
    for import in &module.imports {
        if matches!(import.kind, ImportKind::Memory(_)) && module.export(&import.name).is_some() {
            let message = format!(
                "the memory imported as {:?} becomes an export, and there is one of this name",
                import.name
            );
            return Err(rejected(RuleId::HOST_5, message));
        }
    }
    Ok(())
}

/// A node refers to the counter by the number of globals that the module defines, without imported
/// ones. If the module imports globals, this index is that of another global, usually of a wrong
/// type (rule NET-8). A module that imports globals is rejected in any case, but the class of the
/// rejection decides votes.
fn check_counter(wasm: &[u8], module: &ModuleInfo) -> Result<(), Rejection> {
    let imported = module.imported_globals as usize;
    if !module.meters.logical_stack || imported == 0 {
        return Ok(());
    }
    // In a module that names the counter, `globals` includes it as the last one (rule LOGICAL-9). A
    // node's count does not include it.
    let named =
        module.logical_counter == module.globals.len().checked_sub(1).map(|last| last as u32);
    let own = module
        .globals
        .len()
        .saturating_sub(imported + usize::from(named));
    let fits = module
        .globals
        .get(own)
        .is_none_or(|global| global.ty.mutable && global.ty.value == ValType::I32);
    if fits || !has_charges(wasm, module) {
        return Ok(());
    }
    let message = format!(
        "imported globals make the counter of the logical stack the global {own}, which is no mutable i32"
    );
    Err(rejected(RuleId::NET_8, message))
}

/// Whether the limiter adds code: for a defined function that is exported, in the table, called
/// directly, or the start function.
fn has_charges(wasm: &[u8], module: &ModuleInfo) -> bool {
    let is_own = |function: u32| function >= module.imported_functions;
    let exported = module
        .exports
        .iter()
        .any(|export| matches!(export.kind, ExportKind::Function(function) if is_own(function)));
    let in_table = || {
        let segments = module.element_segments.iter();
        let mut functions = segments.flat_map(|segment| segment.functions.iter().flatten());
        functions.any(|&function| is_own(function))
    };
    exported
        || module.start.is_some_and(is_own)
        || in_table()
        || calls_own_functions(wasm, module.imported_functions)
}

fn rejected(rule: RuleId, message: String) -> Rejection {
    Rejection::new(RejectionClass::Preparation, rule, message)
}
