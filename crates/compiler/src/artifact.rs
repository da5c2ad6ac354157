//! The result of preparation: position-independent machine code, with everything the runtime has to know about the
//! module.

mod code_map;
mod format;
mod loop_start;
mod trap_map;

pub use code_map::{CodeMap, CodePiece};
pub use format::{ArtifactError, HEAD_BYTES, Parts};
pub use loop_start::LoopStart;
pub use trap_map::{TrapMap, TrapMapBuilder, TrapSite};

use crate::Target;
use crate::types::{FuncType, GlobalType, MemoryType, TableType};
use pvf_rules::Features;
use serde::{Deserialize, Serialize};
use std::ops::{Deref, Range};

/// A prepared module. Its machine code is executed unchecked, so there are only two ways to make one:
/// [`compile`](crate::compile), and the unsafe [`Self::from_bytes`] and [`Self::from_contents`], whose caller vouches
/// for the code. Its contents can be read but not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact(ArtifactContents);

/// The contents of an [`Artifact`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactContents {
    /// The module without its code.
    pub module: ModuleInfo,
    /// Machine code: functions, import stubs, builtin stubs, entry stubs, constants.
    /// Position-independent; to be placed at a page boundary of [`Target::largest_page_bytes`] or less.
    pub code: Vec<u8>,
    /// The trap sites of the code.
    pub traps: TrapMap,
    /// Bytes of all data segments, one after the other.
    pub data: Vec<u8>,
}

impl Deref for Artifact {
    type Target = ArtifactContents;

    fn deref(&self) -> &ArtifactContents {
        &self.0
    }
}

impl Artifact {
    /// An artifact made by the compiler.
    pub(crate) fn compiled(contents: ArtifactContents) -> Self {
        Self(contents)
    }

    /// An artifact of contents from elsewhere.
    ///
    /// # Safety
    /// A module made from the artifact executes its code with the rights of the process. The contents must be those of
    /// an artifact that [`compile`](crate::compile) made, or machine code and metadata that keep to [`crate::abi`].
    #[allow(unsafe_code, reason = "declares what it asks of the caller")]
    pub unsafe fn from_contents(contents: ArtifactContents) -> Self {
        Self(contents)
    }

    /// Takes the contents out.
    pub fn into_contents(self) -> ArtifactContents {
        self.0
    }
}

/// Everything about a module except its code and data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleInfo {
    /// Instruction set of the code.
    pub target: Target,
    /// The accepted language the module was checked against.
    pub features: Features,
    /// The meters the code drives.
    pub meters: Meters,
    /// Size of the (decompressed) module in bytes.
    pub wasm_bytes: u32,
    /// The function types, without repetitions; a signature is an index into it.
    pub signatures: Vec<FuncType>,
    /// The imports in the order of the module.
    pub imports: Vec<Import>,
    /// The functions, imported ones first. (In an artifact's bytes, a table of its own.)
    #[serde(skip)]
    pub functions: Vec<Function>,
    /// How many of `functions` are imported.
    pub imported_functions: u32,
    /// The table, if there is one (at most one in the accepted language).
    pub table: Option<TableType>,
    /// The memory, if there is one (at most one in the accepted language).
    pub memory: Option<MemoryType>,
    /// The globals, imported ones first.
    pub globals: Vec<Global>,
    /// How many of `globals` are imported.
    pub imported_globals: u32,
    /// The global that is the counter of the logical stack, in a module that names it (rule LOGICAL-9): a mutable
    /// `i32`, which the code's meter counts in.
    pub logical_counter: Option<u32>,
    /// The exports in the order of the module.
    pub exports: Vec<Export>,
    /// Index of the start function.
    pub start: Option<u32>,
    /// The data segments.
    pub data_segments: Vec<DataSegment>,
    /// The element segments.
    pub element_segments: Vec<ElementSegment>,
    /// For each signature, offset in the code of the stub by which the host enters functions of it; see
    /// [`crate::abi`]. Signatures of functions that are neither exported nor started with have none.
    pub entry_stubs: Vec<Option<u32>>,
}

/// Which meters the code drives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Meters {
    /// The logical stack height.
    pub logical_stack: bool,
    /// Gas.
    pub gas: bool,
    /// The gas schedule, by [`schedule_hash`](crate::schedule_hash); 0 without gas.
    pub schedule: u128,
}

/// One function, imported or defined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Index into [`ModuleInfo::signatures`].
    pub signature: u32,
    /// Start offset of its code (for an imported function: of its stub).
    pub code_offset: u32,
    /// Bytes of its code.
    pub code_bytes: u32,
    /// Bytes of its frame; 0 for an imported function.
    pub frame_bytes: u32,
    /// Units of the logical stack that a call takes; 0 where they are not counted.
    pub logical_cost: u32,
    /// Offset of its body in the module; 0 for an imported function.
    pub body_offset: u32,
    /// Bytes of its body; 0 for an imported function.
    pub body_bytes: u32,
}

/// An import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Module name.
    pub module: String,
    /// Field name.
    pub name: String,
    /// Kind and type.
    pub kind: ImportKind,
}

/// Kind and type of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImportKind {
    /// A function with this index into [`ModuleInfo::signatures`].
    Function(u32),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
}

/// A global; imported ones have no initial value of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Global {
    /// Its type.
    pub ty: GlobalType,
    /// Its initial value; `None` if it is imported.
    pub init: Option<ConstExpr>,
}

/// A constant expression of the accepted language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConstExpr {
    /// The bits of a constant (floats by their bits, 32-bit types zero-extended).
    Const(u64),
    /// The value of an imported immutable global.
    Global(u32),
}

/// An exported item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExportKind {
    /// A function by index.
    Function(u32),
    /// The table.
    Table,
    /// The memory.
    Memory,
    /// A global by index.
    Global(u32),
}

/// An export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// The exported item.
    pub kind: ExportKind,
}

/// A data segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSegment {
    /// The address it is written to at instantiation; `None` for a passive segment.
    pub offset: Option<ConstExpr>,
    /// Its bytes in [`Artifact::data`].
    pub bytes: Range<u32>,
}

/// An element segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElementSegment {
    /// The mode of the segment.
    pub mode: ElementMode,
    /// Function indices; `None` is a null reference.
    pub functions: Vec<Option<u32>>,
}

/// The mode of an element segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ElementMode {
    /// Written into the table at instantiation, from this entry on.
    Active(ConstExpr),
    /// For `table.init`.
    Passive,
    /// Only declares functions.
    Declared,
}

impl ModuleInfo {
    /// The export with this name.
    pub fn export(&self, name: &str) -> Option<ExportKind> {
        self.exports
            .iter()
            .find(|export| export.name == name)
            .map(|export| export.kind)
    }

    /// The type of a function by index, imported functions counted.
    pub fn function_type(&self, function: u32) -> Option<&FuncType> {
        let function = self.functions.get(function as usize)?;
        self.signatures.get(function.signature as usize)
    }

    /// Offset in the code of the stub by which the host enters a function, if it can.
    pub fn entry_stub(&self, function: u32) -> Option<u32> {
        let function = self.functions.get(function as usize)?;
        *self.entry_stubs.get(function.signature as usize)?
    }

    /// Offsets in the instance's context.
    pub fn context_layout(&self) -> crate::abi::ContextLayout {
        let entries = self.table.map_or(0, |table| table.minimum);
        crate::abi::ContextLayout::new(self.globals.len() as u32, entries)
    }
}
