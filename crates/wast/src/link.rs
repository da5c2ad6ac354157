//! What satisfies the imports of a script's module: the host module `spectest` and the
//! instances the script registered.

use crate::SkipReason;
use crate::instance::Instance;
use crate::reason::Shared;
use pvf_executor::Value;
use pvf_executor::artifact::{ExportKind, Import, ImportKind, ModuleInfo};
use pvf_executor::{FuncType, GlobalType, MemoryType, TableType, ValType};
use std::collections::HashMap;
use std::rc::Rc;
use wasmparser::{Parser, Payload, TypeRef};

/// What stands behind the name of an instance.
#[derive(Clone)]
pub enum Slot {
    /// The instance.
    Ready(Rc<Instance>),
    /// It was not made, for this reason.
    Skipped(SkipReason),
    /// It could not be made, which the report already says, or never was.
    Missing,
}

/// The instances a script registered, by name.
#[derive(Default)]
pub struct Registry {
    modules: HashMap<String, Slot>,
}

/// What satisfies one import.
pub enum Binding {
    /// A function of `spectest`: takes its arguments and does nothing.
    Print,
    /// A function another instance exports.
    Function {
        /// The instance.
        instance: Rc<Instance>,
        /// Its export.
        export: String,
    },
    /// A value for an immutable global.
    Global(Value),
    /// A table like the one of `spectest`, the importing instance's own.
    Table(TableType),
    /// A memory like the one of `spectest`, the importing instance's own.
    Memory(MemoryType),
}

/// Why imports could not be satisfied.
pub enum LinkFailure {
    /// By the rules of WebAssembly.
    Unlinkable(String),
    /// They could, but not here.
    Skipped(SkipReason),
    /// The instance that should satisfy them could not be made.
    Broken(String),
}

/// The table of `spectest`.
const SPECTEST_TABLE: TableType = TableType {
    minimum: 10,
    maximum: Some(20),
};

/// The memory of `spectest`.
const SPECTEST_MEMORY: MemoryType = MemoryType {
    minimum: 1,
    maximum: Some(2),
};

impl Registry {
    /// Makes an instance available under a name.
    pub fn register(&mut self, name: &str, slot: Slot) {
        self.modules.insert(name.to_owned(), slot);
    }

    /// Notes that a module was not instantiated, although the script goes on as if it had been: the
    /// instances it would have shared something with may not be what the script expects.
    pub fn skipped(&self, wasm: &[u8], reason: SkipReason) {
        for payload in Parser::new(0).parse_all(wasm) {
            let Ok(Payload::ImportSection(imports)) = payload else {
                continue;
            };
            for import in imports.into_imports().flatten() {
                if let Some(Slot::Ready(instance)) = self.modules.get(import.module)
                    && shares_state(&import.ty)
                {
                    instance.diverge(reason);
                }
            }
        }
    }

    /// Satisfies all imports of a module, in their order. That they cannot be satisfied at
    /// all weighs more than that they cannot be satisfied here.
    pub fn resolve(&self, module: &ModuleInfo) -> Result<Vec<Binding>, LinkFailure> {
        let mut bindings = Vec::with_capacity(module.imports.len());
        let mut other_failure = None;
        for import in &module.imports {
            let binding = match self.modules.get(&import.module) {
                _ if import.module == "spectest" => spectest(module, import),
                Some(Slot::Ready(instance)) => from_instance(module, import, instance),
                Some(Slot::Skipped(reason)) => Err(LinkFailure::Skipped(*reason)),
                Some(Slot::Missing) => Err(LinkFailure::Broken(format!(
                    "imports from {:?}, which could not be made",
                    import.module
                ))),
                None => Err(unknown(import)),
            };
            match binding {
                Ok(binding) => bindings.push(binding),
                Err(failure @ LinkFailure::Unlinkable(_)) => return Err(failure),
                Err(failure) => other_failure = other_failure.or(Some(failure)),
            }
        }
        match other_failure {
            None => Ok(bindings),
            Some(failure) => Err(failure),
        }
    }
}

/// Whether an import gives access to something that both sides can change.
fn shares_state(ty: &TypeRef) -> bool {
    match ty {
        TypeRef::Memory(_) | TypeRef::Table(_) => true,
        TypeRef::Global(ty) => ty.mutable,
        _ => false,
    }
}

fn unknown(import: &Import) -> LinkFailure {
    LinkFailure::Unlinkable(format!(
        "unknown import {:?} {:?}",
        import.module, import.name
    ))
}

fn incompatible(import: &Import) -> LinkFailure {
    LinkFailure::Unlinkable(format!(
        "incompatible import type {:?} {:?}",
        import.module, import.name
    ))
}

/// Satisfies an import from `spectest`.
fn spectest(module: &ModuleInfo, import: &Import) -> Result<Binding, LinkFailure> {
    use ValType::{F32, F64, I32, I64};
    let print: Option<&[ValType]> = match import.name.as_str() {
        "print" => Some(&[]),
        "print_i32" => Some(&[I32]),
        "print_i64" => Some(&[I64]),
        "print_f32" => Some(&[F32]),
        "print_f64" => Some(&[F64]),
        "print_i32_f32" => Some(&[I32, F32]),
        "print_f64_f64" => Some(&[F64, F64]),
        _ => None,
    };
    let global = match import.name.as_str() {
        "global_i32" => Some(Value::I32(666)),
        "global_i64" => Some(Value::I64(666)),
        "global_f32" => Some(Value::F32(666.6_f32.to_bits())),
        "global_f64" => Some(Value::F64(666.6_f64.to_bits())),
        _ => None,
    };
    let matched = match (import.kind, print, global) {
        (ImportKind::Function(signature), Some(params), _) => module
            .signatures
            .get(signature as usize)
            .is_some_and(|ty| ty.params == params && ty.results.is_empty())
            .then_some(Binding::Print),
        (ImportKind::Global(ty), _, Some(value)) => {
            (!ty.mutable && ty.value == value.ty()).then_some(Binding::Global(value))
        }
        (ImportKind::Table(ty), ..) if import.name == "table" => {
            table_fits(ty, SPECTEST_TABLE).then_some(Binding::Table(SPECTEST_TABLE))
        }
        (ImportKind::Memory(ty), ..) if import.name == "memory" => {
            memory_fits(ty, SPECTEST_MEMORY, SPECTEST_MEMORY.minimum)
                .then_some(Binding::Memory(SPECTEST_MEMORY))
        }
        _ if print.is_none()
            && global.is_none()
            && !["table", "memory"].contains(&&*import.name) =>
        {
            return Err(unknown(import));
        }
        _ => None,
    };
    matched.ok_or_else(|| incompatible(import))
}

/// Satisfies an import from an instance of the script.
fn from_instance(
    module: &ModuleInfo,
    import: &Import,
    instance: &Rc<Instance>,
) -> Result<Binding, LinkFailure> {
    let exporter = instance.info();
    let export = exporter
        .export(&import.name)
        .ok_or_else(|| unknown(import))?;
    let fits = match (import.kind, export) {
        (ImportKind::Function(signature), ExportKind::Function(function)) => {
            let imported: Option<&FuncType> = module.signatures.get(signature as usize);
            imported.is_some() && imported == exporter.function_type(function)
        }
        (ImportKind::Global(ty), ExportKind::Global(global)) => {
            let exported: Option<GlobalType> = exporter
                .globals
                .get(global as usize)
                .map(|global| global.ty);
            Some(ty) == exported
        }
        (ImportKind::Table(ty), ExportKind::Table) => {
            exporter.table.is_some_and(|table| table_fits(ty, table))
        }
        (ImportKind::Memory(ty), ExportKind::Memory) => exporter
            .memory
            .is_some_and(|memory| memory_fits(ty, memory, instance.memory_pages())),
        _ => false,
    };
    if !fits {
        // Its memory might have grown meanwhile.
        return Err(match (import.kind, export, instance.diverged()) {
            (ImportKind::Memory(_), ExportKind::Memory, Some(reason)) => {
                LinkFailure::Skipped(reason)
            }
            _ => incompatible(import),
        });
    }
    match import.kind {
        ImportKind::Function(_) => Ok(Binding::Function {
            instance: Rc::clone(instance),
            export: import.name.clone(),
        }),
        ImportKind::Global(ty) if !ty.mutable => instance
            .global(&import.name)
            .map(Binding::Global)
            .ok_or_else(|| LinkFailure::Broken(format!("global {:?} has no value", import.name))),
        ImportKind::Global(_) => Err(LinkFailure::Skipped(SkipReason::SharedState(
            Shared::MutableGlobal,
        ))),
        ImportKind::Table(_) => Err(LinkFailure::Skipped(SkipReason::SharedState(Shared::Table))),
        ImportKind::Memory(_) => Err(LinkFailure::Skipped(SkipReason::SharedState(
            Shared::Memory,
        ))),
    }
}

fn table_fits(imported: TableType, offered: TableType) -> bool {
    limits_fit(
        (imported.minimum, imported.maximum),
        (offered.minimum, offered.maximum),
    )
}

fn memory_fits(imported: MemoryType, offered: MemoryType, pages: u32) -> bool {
    limits_fit(
        (imported.minimum, imported.maximum),
        (pages, offered.maximum),
    )
}

/// Import matching of limits: what is offered is at least as large and, if the import
/// has a maximum, has one that is at most that.
fn limits_fit(imported: (u32, Option<u32>), offered: (u32, Option<u32>)) -> bool {
    offered.0 >= imported.0
        && match (imported.1, offered.1) {
            (None, _) => true,
            (Some(imported), Some(offered)) => offered <= imported,
            (Some(_), None) => false,
        }
}
