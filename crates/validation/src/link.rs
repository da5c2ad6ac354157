//! Linking of a module with the host functions, and the exports that validation needs.
//!
//! Preparation decides whether a module can be linked ([`pvf_executor::check_linkable`]).

use crate::functions::{self, MODULE};
use crate::hot_functions;
use crate::observer::Observer;
use crate::state::HostState;
use pvf_compiler::ModuleInfo;
use pvf_compiler::ValType;
use pvf_compiler::artifact::{ExportKind, Import, ImportKind};
use pvf_executor::check_linkable;
use pvf_rules::Rejection;
use pvf_runtime::{Linked, Linker, Module};

/// Links a module. Only runs without a trace (`watched` is false) use [`hot_functions`], because
/// these do not report to the trace.
pub(crate) fn link(
    module: &Module,
    ecc: bool,
    watched: bool,
    observers: &[Observer],
) -> Result<Linked<HostState>, Rejection> {
    check_linkable(module.info(), &functions::function_types(ecc))?;
    let mut linker = Linker::new();
    linker.memory_any(None);
    linker.unknown_functions(Some(MODULE));
    functions::define_all(&mut linker, ecc);
    if !watched {
        hot_functions::define_all(&mut linker);
    }
    for observer in observers {
        observer.define(&mut linker);
    }
    linker.link(module).map_err(|error| error.rejection())
}

/// The items of a module that a run uses, by index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryPoint {
    /// The global `__heap_base`.
    pub(crate) heap_base: u32,
    /// The function `validate_block`.
    pub(crate) validate_block: u32,
}

impl EntryPoint {
    /// Finds the exports that a validation function must have: `memory`, `__heap_base` (an `i32`)
    /// and `validate_block` (`(i32, i32) -> i64`). If one is missing, every candidate is invalid.
    pub(crate) fn find(module: &ModuleInfo) -> Result<Self, String> {
        match export(module, "memory")? {
            ExportKind::Memory => {}
            _ => return Err("the export `memory` is not a memory".to_owned()),
        }
        let heap_base = heap_base(module)?;
        let validate_block = match export(module, "validate_block")? {
            ExportKind::Function(index) => index,
            _ => return Err("the export `validate_block` is not a function".to_owned()),
        };
        let ty = module.function_type(validate_block);
        let right = ty.is_some_and(|ty| {
            ty.params == [ValType::I32, ValType::I32] && ty.results == [ValType::I64]
        });
        match right {
            true => Ok(Self {
                heap_base,
                validate_block,
            }),
            false => Err("the function `validate_block` is not (i32, i32) -> i64".to_owned()),
        }
    }
}

/// The global at which a module's heap begins.
pub(crate) fn heap_base(module: &ModuleInfo) -> Result<u32, String> {
    let heap_base = match export(module, "__heap_base")? {
        ExportKind::Global(index) => index,
        _ => return Err("the export `__heap_base` is not a global".to_owned()),
    };
    let heap_base_type = module.globals.get(heap_base as usize);
    match heap_base_type.is_some_and(|global| global.ty.value == ValType::I32) {
        true => Ok(heap_base),
        false => Err("the global `__heap_base` is not an i32".to_owned()),
    }
}

/// An export by name. An imported memory counts as an export under its field name.
fn export(module: &ModuleInfo, name: &str) -> Result<ExportKind, String> {
    let imported_memory = |import: &Import| {
        (import.name == name && matches!(import.kind, ImportKind::Memory(_)))
            .then_some(ExportKind::Memory)
    };
    module
        .export(name)
        .or_else(|| module.imports.iter().find_map(imported_memory))
        .ok_or_else(|| format!("there is no export `{name}`"))
}
