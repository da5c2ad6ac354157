//! Which modules can be linked at all, and with what.
//!
//! Polkadot's nodes rewrite a module before they compile it: an imported memory, from wherever,
//! becomes the module's own and is exported under the name of its field. Then every other import
//! has to be a function of the module `env`. A function that the host does not have links and
//! traps when it is called, for a validation function is a whole runtime and imports much
//! that validation has no use for.

use crate::functions::{self, MODULE};
use crate::hot_functions;
use crate::observer::Observer;
use crate::state::HostState;
use pvf_compiler::ModuleInfo;
use pvf_compiler::artifact::{ExportKind, Import, ImportKind, ValType};
use pvf_runtime::{Linked, Linker, Module};
use pvf_spec::RejectionStage;
use std::collections::HashMap;

/// A module that is turned down without running anything: where, and why.
pub type Refusal = (RejectionStage, String);

/// Says of a module that was just compiled whether its imports can be satisfied: whether [`Pvf`](crate::Pvf) will turn it
/// down before it makes an instance. Nothing is placed in memory.
///
/// # Errors
/// A [`Refusal`] with the stage `Prepare` where a node does not compile the module, with the stage `Construct` where it compiles
/// and has no use for it.
pub fn check_module(module: &ModuleInfo, ecc_rfc163: bool) -> Result<(), Refusal> {
    check_imports(module)?;
    let types = functions::types(ecc_rfc163);
    for import in &module.imports {
        if let ImportKind::Function(signature) = import.kind
            && let Some(offered) = types.get(&*import.name)
            && module.signatures.get(signature as usize) != Some(offered)
        {
            return Err(construct(import, "has another type at the host"));
        }
    }
    Ok(())
}

/// Satisfies the imports of a module. Only the functions of runs that are not `watched` are bound for speed: the
/// others note what they do.
pub(crate) fn link(
    module: &Module,
    ecc: bool,
    watched: bool,
    observers: &[Observer],
) -> Result<Linked<HostState>, Refusal> {
    check_imports(module.info())?;
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
    linker
        .link(module)
        .map_err(|error| (RejectionStage::Construct, error.to_string()))
}

/// Checks the imports that the linker alone would judge differently.
fn check_imports(module: &ModuleInfo) -> Result<(), Refusal> {
    let mut functions = HashMap::new();
    for import in &module.imports {
        match import.kind {
            ImportKind::Memory(_) => check_memory(module, import)?,
            _ if import.module != MODULE => {
                let what = "is not from the module `env`, the only one there is";
                return Err(construct(import, what));
            }
            ImportKind::Table(_) => return Err(construct(import, "is a table")),
            ImportKind::Global(_) => return Err(construct(import, "is a global")),
            ImportKind::Function(signature) => {
                // A missing function is made up once for a name, with one type.
                if *functions.entry(&*import.name).or_insert(signature) != signature {
                    return Err(construct(import, "is imported with two types"));
                }
            }
        }
    }
    Ok(())
}

/// The rewritten module must be valid: no two exports have the same name.
fn check_memory(module: &ModuleInfo, import: &Import) -> Result<(), Refusal> {
    match module.export(&import.name) {
        None => Ok(()),
        Some(_) => Err((
            RejectionStage::Prepare,
            format!(
                "the memory imported as {:?} becomes an export, and there is one of this name",
                import.name
            ),
        )),
    }
}

fn construct(import: &Import, what: &str) -> Refusal {
    let Import { module, name, .. } = import;
    (
        RejectionStage::Construct,
        format!("the import {module}:{name} {what}"),
    )
}

/// What a run needs of a module, by index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryPoint {
    /// The global `__heap_base`.
    pub(crate) heap_base: u32,
    /// The function `validate_block`.
    pub(crate) validate_block: u32,
}

impl EntryPoint {
    /// Finds the exports every validation function must have: `memory`, `__heap_base` (an `i32`)
    /// and `validate_block` (`(i32, i32) -> i64`). If one is missing, every candidate is invalid.
    pub(crate) fn find(module: &ModuleInfo) -> Result<Self, String> {
        match export(module, "memory")? {
            ExportKind::Memory => {}
            _ => return Err("the export `memory` is not a memory".to_owned()),
        }
        let heap_base = match export(module, "__heap_base")? {
            ExportKind::Global(index) => index,
            _ => return Err("the export `__heap_base` is not a global".to_owned()),
        };
        let heap_base_type = module.globals.get(heap_base as usize);
        if heap_base_type.is_none_or(|global| global.ty.value != ValType::I32) {
            return Err("the global `__heap_base` is not an i32".to_owned());
        }
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

/// An export, with an imported memory counted as one.
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
