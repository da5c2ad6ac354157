//! Modules: an artifact with the programs made of it.

use crate::allocator::{self, Allocator};
use crate::program::{self, Program, ProgramError, Sizes};
use polkavm::{BackendKind, Config, GasMeteringKind, ModuleConfig, SandboxKind};
use pvf_compiler::abi::polkavm as fixed;
use pvf_compiler::abi::{ContextLayout, ENTRY_AREA_BYTES, STACK_MARGIN_BYTES};
use pvf_compiler::artifact::{Import, ImportKind};
use pvf_compiler::{Artifact, ModuleInfo, Target};
use pvf_rules::PAGE_BYTES;
use pvf_runtime::{HostFailure, LoadError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What executes a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// PolkaVM's interpreter, on any machine.
    Interpreter,
    /// PolkaVM's recompiler in a process of its own, which is sandboxed; x86-64 Linux only.
    Recompiler,
    /// PolkaVM's recompiler in this process, which upstream calls experimental; x86-64 only.
    InProcess,
}

impl Engine {
    /// All engines.
    pub const ALL: [Self; 3] = [Self::Interpreter, Self::Recompiler, Self::InProcess];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interpreter => "interpreter",
            Self::Recompiler => "recompiler",
            Self::InProcess => "in-process",
        }
    }

    /// The engine with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.name() == name)
    }

    /// Whether this machine has it.
    pub fn is_supported(self) -> bool {
        match self {
            Self::Interpreter => true,
            Self::Recompiler => {
                BackendKind::Compiler.is_supported() && SandboxKind::Linux.is_supported()
            }
            Self::InProcess => {
                BackendKind::Compiler.is_supported() && SandboxKind::Generic.is_supported()
            }
        }
    }

    /// The engine of the process, which is made when it is first asked for: it keeps sandboxed processes waiting.
    fn of_process(self) -> Result<&'static polkavm::Engine, HostFailure> {
        static MADE: [OnceLock<Result<polkavm::Engine, String>>; 3] =
            [const { OnceLock::new() }; 3];
        let made = MADE[self as usize].get_or_init(|| {
            let mut config = Config::new();
            match self {
                Self::Interpreter => config.set_backend(Some(BackendKind::Interpreter)),
                Self::Recompiler => config
                    .set_backend(Some(BackendKind::Compiler))
                    .set_sandbox(Some(SandboxKind::Linux)),
                Self::InProcess => config
                    .set_allow_experimental(true)
                    .set_backend(Some(BackendKind::Compiler))
                    .set_sandbox(Some(SandboxKind::Generic)),
            };
            polkavm::Engine::new(&config).map_err(|error| error.to_string())
        });
        match made {
            Ok(engine) => Ok(engine),
            Err(error) => Err(HostFailure::Unsupported(format!(
                "PolkaVM's {} does not start here: {error}",
                self.name()
            ))),
        }
    }
}

/// A module, ready to be instantiated. Cheap to clone.
#[derive(Clone)]
pub struct Module(Arc<Inner>);

struct Inner {
    artifact: Artifact,
    engine: Engine,
    allocator: Allocator,
    /// Function indices by the offset of their code.
    by_code: Vec<u32>,
    /// Indices of the imports that are functions.
    function_imports: Vec<u32>,
    /// The program made last: most users have one set of parameters.
    made: Mutex<Option<(Sizes, Ready)>>,
}

/// What a program has to have room for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub table_entries: u32,
    /// Pages of memory at the start.
    pub memory_pages: u32,
    pub stack_native_max: u64,
}

/// A program that PolkaVM has taken over.
#[derive(Clone)]
pub(crate) struct Ready {
    /// Address of linear memory.
    pub memory_base: u32,
    /// Address of the allocator's state.
    pub allocator_state: u32,
    pub program: Arc<Program>,
    pub module: polkavm::Module,
}

impl Module {
    /// Takes over an artifact.
    ///
    /// # Errors
    /// The artifact is for another target, or PolkaVM cannot hold the module.
    pub fn new(artifact: Artifact, engine: Engine) -> Result<Self, LoadError> {
        Self::with_allocator(artifact, engine, |_| Allocator::default())
    }

    /// As [`Self::new`], with imported functions that the program does itself where it can.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_allocator(
        artifact: Artifact,
        engine: Engine,
        allocator: impl FnOnce(&ModuleInfo) -> Allocator,
    ) -> Result<Self, LoadError> {
        let info = &artifact.module;
        if info.target != Target::PolkaVm {
            return Err(LoadError::Target {
                artifact: info.target,
                machine: Target::PolkaVm.name(),
            });
        }
        let mut by_code: Vec<u32> = (0..info.functions.len() as u32).collect();
        by_code.sort_by_key(|&index| info.functions[index as usize].code_offset);
        let function_imports = (0..)
            .zip(&info.imports)
            .filter(|(_, import)| matches!(import.kind, ImportKind::Function(_)))
            .map(|(index, _)| index)
            .collect();
        Ok(Self(Arc::new(Inner {
            by_code,
            function_imports,
            made: Mutex::new(None),
            allocator: allocator(&artifact.module),
            artifact,
            engine,
        })))
    }

    /// The module's metadata: imports, exports, functions and so on.
    pub fn info(&self) -> &ModuleInfo {
        &self.0.artifact.module
    }

    /// The artifact.
    pub fn artifact(&self) -> &Artifact {
        &self.0.artifact
    }

    /// What executes it.
    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// The PolkaVM program for a memory that starts with these pages and a stack of these bytes, as it is written to
    /// files. PolkaVM's own tools read it.
    ///
    /// # Errors
    /// [`HostFailure::Unsupported`] if PolkaVM cannot hold the module.
    pub fn blob(&self, memory_pages: u32, stack_native_max: u64) -> Result<Vec<u8>, HostFailure> {
        let sizes = self.sizes(Wanted {
            table_entries: self.info().table.map_or(0, |table| table.minimum),
            memory_pages,
            stack_native_max,
        })?;
        let program = program::build(self.info(), &self.0.artifact.code, sizes, &self.0.allocator);
        Ok(program.map_err(|error| unsupported(&error))?.blob)
    }

    fn sizes(&self, wanted: Wanted) -> Result<Sizes, HostFailure> {
        /// So that no address of linear memory reaches the stack.
        const MOST_STACK: u64 = 1 << 30;
        let margins = u64::from(ENTRY_AREA_BYTES) + u64::from(STACK_MARGIN_BYTES);
        let stack = wanted.stack_native_max.saturating_add(margins);
        if stack > MOST_STACK {
            let error = ProgramError::TooLarge {
                what: "bytes of stack",
                found: stack,
                most: MOST_STACK,
            };
            return Err(unsupported(&error));
        }
        if wanted.memory_pages > fixed::MOST_MEMORY_PAGES {
            return Err(too_many_pages(wanted.memory_pages));
        }
        let globals = self.info().globals.len() as u32;
        let layout = ContextLayout::new(globals, wanted.table_entries);
        if layout.bytes > fixed::MOST_CONTEXT_BYTES {
            return Err(unsupported(&ProgramError::TooLarge {
                what: "bytes of globals and table",
                found: layout.bytes,
                most: fixed::MOST_CONTEXT_BYTES,
            }));
        }
        let allocator_state = (fixed::CONTEXT + layout.bytes as u32).next_multiple_of(8);
        let end = allocator_state + allocator::STATE_BYTES;
        Ok(Sizes {
            memory_base: end.next_multiple_of(fixed::UNIT),
            allocator_state,
            memory_bytes: wanted.memory_pages * PAGE_BYTES as u32,
            stack_bytes: match self.0.engine {
                // A power of two: `polkavm` 0.37's interpreter rounds its own buffer up to one, and reads zeros for the
                // host once the buffer is longer than the stack.
                Engine::Interpreter => stack.next_power_of_two() as u32,
                Engine::Recompiler | Engine::InProcess => stack as u32,
            },
        })
    }

    /// The program for these sizes, taken over by PolkaVM.
    pub(crate) fn ready(&self, wanted: Wanted) -> Result<Ready, HostFailure> {
        let sizes = self.sizes(wanted)?;
        let mut made = self.0.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, ready)) = &*made
            && *of == sizes
        {
            return Ok(ready.clone());
        }
        let program = program::build(self.info(), &self.0.artifact.code, sizes, &self.0.allocator);
        let program = program.map_err(|error| unsupported(&error))?;
        let engine = self.0.engine.of_process()?;
        let blob = polkavm::ProgramBlob::parse(program.blob.as_slice().into());
        let blob = blob.map_err(|error| internal(&format!("PolkaVM reads no program: {error}")))?;
        let mut config = ModuleConfig::new();
        // The code counts gas by its own schedule.
        config.set_gas_metering(None::<GasMeteringKind>);
        let module = polkavm::Module::from_blob(engine, &config, blob);
        let module =
            module.map_err(|error| internal(&format!("PolkaVM refuses a program: {error}")))?;
        let ready = Ready {
            memory_base: sizes.memory_base,
            allocator_state: sizes.allocator_state,
            program: Arc::new(program),
            module,
        };
        *made = Some((sizes, ready.clone()));
        Ok(ready)
    }

    /// The bytes of a data segment.
    pub(crate) fn segment_bytes(&self, segment: u32) -> &[u8] {
        let segment = self.info().data_segments.get(segment as usize);
        segment
            .and_then(|segment| {
                let range = segment.bytes.start as usize..segment.bytes.end as usize;
                self.0.artifact.data.get(range)
            })
            .unwrap_or(&[])
    }

    /// The import of an imported function, by function index.
    pub(crate) fn function_import(&self, function: u32) -> Option<&Import> {
        let import = *self.0.function_imports.get(function as usize)?;
        self.info().imports.get(import as usize)
    }

    /// The function whose code contains an offset.
    pub(crate) fn function_at(&self, code_offset: u32) -> Option<u32> {
        let functions = &self.info().functions;
        let behind = self
            .0
            .by_code
            .partition_point(|&index| functions[index as usize].code_offset <= code_offset);
        let index = *self.0.by_code.get(behind.checked_sub(1)?)?;
        let function = &functions[index as usize];
        (code_offset - function.code_offset < function.code_bytes).then_some(index)
    }
}

pub(crate) fn unsupported(error: &ProgramError) -> HostFailure {
    match error {
        ProgramError::TooLarge { .. } => HostFailure::Unsupported(error.to_string()),
        ProgramError::BadCode { .. } | ProgramError::Writer(_) => internal(&error.to_string()),
    }
}

pub(crate) fn too_many_pages(pages: u32) -> HostFailure {
    unsupported(&ProgramError::TooLarge {
        what: "pages of memory",
        found: pages.into(),
        most: fixed::MOST_MEMORY_PAGES.into(),
    })
}

pub(crate) fn internal(message: &str) -> HostFailure {
    HostFailure::Internal(message.to_owned())
}
