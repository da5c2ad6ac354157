//! Definitions that satisfy a module's imports.

use crate::arch::{self, PlainEntry};
use crate::error::{FuncTypeDisplay, value_type_name};
use crate::host::{self, HostFunction, HostFunctionBody};
use crate::typed::{QuickFunction, TypedFunction};
use crate::{Caller, HostError, LinkError, Module, Value};
use pvf_compiler::artifact::{Import, ImportKind};
use pvf_compiler::{FuncType, GlobalType, MemoryType, TableType, ValType};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Definitions for imports by module and name, over a host state `T`.
pub struct Linker<T> {
    definitions: HashMap<String, HashMap<String, Definition<T>>>,
    any_memory: Policy,
    unknown_functions: Policy,
}

enum Definition<T> {
    /// A function with its body, and what calls a body of this type.
    Function(FuncType, Arc<HostFunctionBody<T>>, PlainEntry),
    Typed(FuncType, PlainCall),
    Global(GlobalType, u64),
    Memory(MemoryType),
    Table(TableType),
}

/// How generated code calls a function with a plain signature.
#[derive(Clone, Copy)]
struct PlainCall {
    /// What the stub calls.
    entry: PlainEntry,
    /// What `entry` calls if it is [`arch::switch_float`].
    target: PlainEntry,
}

impl PlainCall {
    /// A call that switches to the host's floating-point state.
    fn switched(target: PlainEntry) -> Self {
        Self {
            entry: arch::switch_float,
            target,
        }
    }
}

/// The set of import modules to which a rule applies.
#[derive(Default)]
struct Policy {
    everywhere: bool,
    modules: Vec<String>,
}

/// A module with its imports resolved. Instantiating it looks up no name. Cheap to clone.
pub struct Linked<T>(pub(crate) Arc<LinkedImports<T>>);

pub(crate) struct LinkedImports<T> {
    pub module: Module,
    /// Imported functions by function index.
    pub functions: Box<[HostFunction<T>]>,
    /// Entries for plain host calls, by function index; see [`pvf_compiler::abi`].
    pub entries: Box<[PlainEntry]>,
    /// What an entry calls that switches the floating-point state, by function index.
    pub targets: Box<[PlainEntry]>,
    /// Replaces `entries` when a run is interrupted; made by the first run under an interrupt.
    way_out: OnceLock<Box<[usize]>>,
    /// Bits of the imported globals by index.
    pub globals: Vec<u64>,
    /// The type of an instance's memory.
    pub memory: Option<MemoryType>,
    /// Number of entries of an instance's table.
    pub table_entries: u32,
}

impl<T> LinkedImports<T> {
    /// An array as long as `entries` in which every address is [`arch::faulted_address`].
    pub fn way_out(&self) -> &[usize] {
        self.way_out
            .get_or_init(|| vec![arch::faulted_address() as usize; self.entries.len()].into())
    }
}

impl<T> Clone for Linked<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: 'static> Default for Linker<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: 'static> Linker<T> {
    /// A linker without definitions.
    pub fn new() -> Self {
        Self {
            definitions: HashMap::new(),
            any_memory: Policy::default(),
            unknown_functions: Policy::default(),
        }
    }

    /// Defines a function. `body` reads the parameters from the slots and writes the results into
    /// them: value `j` is in slot `j` of 8 bytes, and there are as many slots as the longer of the
    /// two lists. For an `i32` or `f32` only the low 32 bits of the slot are significant, in both
    /// directions.
    ///
    /// A later definition of the same name replaces the earlier one; this holds for all definitions
    /// below.
    pub fn func(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        body: impl Fn(&mut Caller<'_, T>, &mut [u64]) -> Result<(), HostError> + Send + Sync + 'static,
    ) {
        let target = host::plain_target(&body);
        self.define(
            module,
            name,
            Definition::Function(ty, Arc::new(body), target),
        );
    }

    /// Defines a function whose type follows from its Rust type: up to 4 integer parameters and at
    /// most one integer result, see [`TypedFunction`]. Generated code passes the parameters in
    /// registers, without any look-up.
    pub fn typed<P, R>(&mut self, module: &str, name: &str, function: impl TypedFunction<T, P, R>) {
        let (ty, target) = crate::typed::target(function);
        self.define(
            module,
            name,
            Definition::Typed(ty, PlainCall::switched(target)),
        );
    }

    /// Defines a typed function with a short way: `quick` does the usual work and returns `None`, without
    /// any effect, if it cannot. Then `function` is called.
    ///
    /// Generated code calls `quick` without a switch of the floating-point state. So neither function may
    /// compute with floating point, or call code of others that may.
    pub fn quick<P, R>(
        &mut self,
        module: &str,
        name: &str,
        quick: impl QuickFunction<T, P, R>,
        function: impl TypedFunction<T, P, R>,
    ) {
        let (ty, target) = crate::typed::target(function);
        let entry = crate::typed::quick_entry(quick, function);
        let call = PlainCall { entry, target };
        self.define(module, name, Definition::Typed(ty, call));
    }

    /// Defines a global; each instance gets a global of its own.
    ///
    /// # Panics
    /// If the type of `value` differs from that of `ty`.
    pub fn global(&mut self, module: &str, name: &str, ty: GlobalType, value: Value) {
        assert_eq!(value.ty(), ty.value, "the value of a global has its type");
        self.define(module, name, Definition::Global(ty, value.to_bits()));
    }

    /// Defines a memory. An import that the limits of `ty` satisfy gets a fresh memory of this
    /// type, owned by the instance.
    pub fn memory(&mut self, module: &str, name: &str, ty: MemoryType) {
        self.define(module, name, Definition::Memory(ty));
    }

    /// Defines a table. An import that the limits of `ty` satisfy gets a fresh table of its minimum
    /// size, owned by the instance. Generated code uses the size that the *import* declares and
    /// traps beyond it.
    pub fn table(&mut self, module: &str, name: &str, ty: TableType) {
        self.define(module, name, Definition::Table(ty));
    }

    /// Satisfies every import of a memory from `module` (`None`: from any module), whatever its
    /// name and limits, with a fresh memory of the imported type.
    pub fn memory_any(&mut self, module: Option<&str>) {
        self.any_memory.add(module);
    }

    /// Lets functions imported from `module` (`None`: from any module) link although they are not
    /// defined. A call of such a function traps with "call to a missing function MODULE:NAME".
    pub fn unknown_functions(&mut self, module: Option<&str>) {
        self.unknown_functions.add(module);
    }

    /// Resolves the imports of a module.
    pub fn link(&self, module: &Module) -> Result<Linked<T>, LinkError> {
        let info = module.info();
        let mut linked = LinkedImports {
            module: module.clone(),
            functions: Box::default(),
            entries: Box::default(),
            targets: Box::default(),
            way_out: OnceLock::new(),
            globals: Vec::with_capacity(info.imported_globals as usize),
            memory: info.memory,
            table_entries: info.table.map_or(0, |table| table.minimum),
        };
        let mut functions = Vec::with_capacity(info.imported_functions as usize);
        let mut entries = Vec::with_capacity(info.imported_functions as usize);
        let mut targets = Vec::with_capacity(info.imported_functions as usize);
        for import in &info.imports {
            match import.kind {
                ImportKind::Function(signature) => {
                    let ty = &info.signatures[signature as usize];
                    let (function, call) = self.link_function(import, ty)?;
                    functions.push(function);
                    entries.push(call.entry);
                    targets.push(call.target);
                }
                ImportKind::Global(ty) => linked.globals.push(self.link_global(import, ty)?),
                ImportKind::Memory(ty) => linked.memory = Some(self.link_memory(import, ty)?),
                ImportKind::Table(ty) => {
                    linked.table_entries = self.link_table(import, ty)?.minimum;
                }
            }
        }
        linked.functions = functions.into();
        linked.entries = entries.into();
        linked.targets = targets.into();
        Ok(Linked(Arc::new(linked)))
    }

    fn define(&mut self, module: &str, name: &str, definition: Definition<T>) {
        self.definitions
            .entry(module.to_owned())
            .or_default()
            .insert(name.to_owned(), definition);
    }

    fn find(&self, import: &Import) -> Option<&Definition<T>> {
        self.definitions.get(&import.module)?.get(&import.name)
    }

    fn link_function(
        &self,
        import: &Import,
        ty: &FuncType,
    ) -> Result<(HostFunction<T>, PlainCall), LinkError> {
        let (body, call) = match self.find(import) {
            Some(&Definition::Function(ref found, ref body, target)) if found == ty => {
                (Some(body.clone()), PlainCall::switched(target))
            }
            Some(&Definition::Typed(ref found, call)) if found == ty => (None, call),
            Some(Definition::Function(found, ..) | Definition::Typed(found, _)) => {
                let shown = |ty: &FuncType| FuncTypeDisplay(ty.clone()).to_string();
                return Err(wrong_type(import, shown(ty), shown(found)));
            }
            None if self.unknown_functions.applies(&import.module) => {
                (None, PlainCall::switched(host::call_missing::<T>))
            }
            other => return Err(unsatisfied(import, other)),
        };
        let function = HostFunction {
            body,
            slots: ty.params.len().max(ty.results.len()),
            narrow_result: ty.results == [ValType::I32],
        };
        Ok((function, call))
    }

    fn link_global(&self, import: &Import, ty: GlobalType) -> Result<u64, LinkError> {
        match self.find(import) {
            Some(&Definition::Global(found, bits)) if found == ty => Ok(bits),
            Some(&Definition::Global(found, _)) => {
                let shown = |ty: GlobalType| match ty.mutable {
                    true => format!("(mut {})", value_type_name(ty.value)),
                    false => value_type_name(ty.value).to_owned(),
                };
                Err(wrong_type(import, shown(ty), shown(found)))
            }
            other => Err(unsatisfied(import, other)),
        }
    }

    fn link_memory(&self, import: &Import, ty: MemoryType) -> Result<MemoryType, LinkError> {
        let limits = |ty: MemoryType| (ty.minimum, ty.maximum);
        match self.find(import) {
            Some(&Definition::Memory(found)) => {
                check_limits(import, limits(ty), limits(found)).map(|()| found)
            }
            _ if self.any_memory.applies(&import.module) => Ok(ty),
            other => Err(unsatisfied(import, other)),
        }
    }

    fn link_table(&self, import: &Import, ty: TableType) -> Result<TableType, LinkError> {
        let limits = |ty: TableType| (ty.minimum, ty.maximum);
        match self.find(import) {
            Some(&Definition::Table(found)) => {
                check_limits(import, limits(ty), limits(found)).map(|()| found)
            }
            other => Err(unsatisfied(import, other)),
        }
    }
}

impl Policy {
    fn add(&mut self, module: Option<&str>) {
        match module {
            Some(module) => self.modules.push(module.to_owned()),
            None => self.everywhere = true,
        }
    }

    fn applies(&self, module: &str) -> bool {
        self.everywhere || self.modules.iter().any(|known| known == module)
    }
}

impl<T> Definition<T> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Function(..) | Self::Typed(..) => "function",
            Self::Global(..) => "global",
            Self::Memory(..) => "memory",
            Self::Table(..) => "table",
        }
    }
}

/// Import matching by the WebAssembly specification: the offered minimum is at least the requested
/// one, and if a maximum is requested, the offered maximum exists and does not exceed it.
fn check_limits(
    import: &Import,
    asked: (u32, Option<u32>),
    offered: (u32, Option<u32>),
) -> Result<(), LinkError> {
    let bounded = match (asked.1, offered.1) {
        (None, _) => true,
        (Some(asked), Some(offered)) => offered <= asked,
        (Some(_), None) => false,
    };
    if offered.0 >= asked.0 && bounded {
        return Ok(());
    }
    let shown = |(minimum, maximum): (u32, Option<u32>)| match maximum {
        Some(maximum) => format!("{minimum}..={maximum}"),
        None => format!("{minimum}.."),
    };
    Err(wrong_type(import, shown(asked), shown(offered)))
}

fn wrong_type(import: &Import, expected: String, found: String) -> LinkError {
    LinkError::Type {
        module: import.module.clone(),
        name: import.name.clone(),
        expected,
        found,
    }
}

/// The error for an import without a definition of its name and kind.
fn unsatisfied<T>(import: &Import, found: Option<&Definition<T>>) -> LinkError {
    let kind = match import.kind {
        ImportKind::Function(_) => "function",
        ImportKind::Table(_) => "table",
        ImportKind::Memory(_) => "memory",
        ImportKind::Global(_) => "global",
    };
    let (module, name) = (import.module.clone(), import.name.clone());
    match found {
        None => LinkError::Unknown { module, name, kind },
        Some(definition) => LinkError::Kind {
            module,
            name,
            expected: kind,
            found: definition.kind(),
        },
    }
}
