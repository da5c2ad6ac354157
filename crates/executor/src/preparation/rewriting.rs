//! What a node's rewriting makes invalid.
//!
//! A node rewrites a module before it compiles it: an imported memory, from wherever, becomes the module's own and is exported under the name
//! of its field; the counter of the logical stack becomes a global of the module. The compiler here does neither, so it does not see
//! where the rewritten module would be invalid.

use pvf_compiler::ValType;
use pvf_compiler::artifact::{ExportKind, ImportKind};
use pvf_compiler::{ModuleInfo, calls_own_functions};
use pvf_rules::{Rejection, RejectionClass, RuleId};

/// Rejects a module that a node's rewriting makes invalid.
pub(super) fn check(wasm: &[u8], module: &ModuleInfo) -> Result<(), Rejection> {
    check_counter(wasm, module)?;
    check_memory(module)
}

/// No two exports have the same name (rule HOST-5).
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

/// A node refers to the counter by the number of globals that the module defines, imported ones not counted. If there are imported ones
/// it refers to another global, whose type is mostly wrong (rule NET-8). A module with imported globals is of no use in any case, but
/// what it is rejected for is a matter of votes.
fn check_counter(wasm: &[u8], module: &ModuleInfo) -> Result<(), Rejection> {
    let imported = module.imported_globals as usize;
    if !module.meters.logical_stack || imported == 0 {
        return Ok(());
    }
    // A module that names the counter has it as one more global (rule LOGICAL-9), which a node's count does not contain.
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

/// Whether there is anything to be charged: a function that is defined and exported, in the table, called by name or the start function.
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
