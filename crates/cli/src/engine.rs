//! From a file on the command line to a module that can be run.

use crate::clock::timed;
use crate::failure::Failure;
use crate::input;
use crate::outcome::Measured;
use crate::perf::{self, PerfKind};
use crate::progress::Progress;
use pvf_executor::{
    Artifact, Code, CodeError, DecompressError, Execution, Features, Limits, LoadError, Metering,
    Module, PrepareOptions, RejectionStage, Target, prepare, read_code,
};
use std::num::NonZeroUsize;
use std::path::Path;

/// A module as bytes, or why the blob is turned down.
pub type CodeOrReason = Result<Code, String>;

/// What is asked of the compiler.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// The accepted language.
    pub features: Features,
    /// The instruction set.
    pub target: Target,
    /// The meters that code drives.
    pub metering: Metering,
    /// Threads that compile.
    pub threads: NonZeroUsize,
}

/// A compiled module, or why it was turned down.
pub struct Compiled {
    /// The artifact, or why there is none.
    pub artifact: Result<Artifact, String>,
    /// Time and sizes so far.
    pub measured: Measured,
    /// What it was made from, if it was read from a file.
    pub wasm: Option<Vec<u8>>,
}

/// A module that can be instantiated, or why it was turned down.
pub struct Prepared {
    /// The module, or why there is none.
    pub module: Result<Module, Execution>,
    /// Time and sizes so far.
    pub measured: Measured,
}

/// Reads the code of a PVF. What a network would take for a bad blob is turned down; what
/// only a person can have named wrongly is an error.
pub fn read_code_file(path: &Path) -> Result<CodeOrReason, Failure> {
    let bytes = input::read(path)?;
    match read_code(&bytes, Limits::DEFAULT.module_bytes as usize) {
        Ok(code) => Ok(Ok(code)),
        Err(CodeError::Decompress(DecompressError::OutOfMemory)) => Err(Failure::Host(
            "out of memory while decompressing the code".into(),
        )),
        Err(
            error @ (CodeError::Unrecognised
            | CodeError::Decompress(_)
            | CodeError::TooLarge { .. }),
        ) => Ok(Err(error.to_string())),
        Err(error) => Err(Failure::Input {
            name: input::name(path),
            reason: error.to_string(),
        }),
    }
}

/// The same for the library.
pub fn options(compilation: &Compilation) -> PrepareOptions {
    PrepareOptions {
        target: compilation.target,
        metering: compilation.metering.clone(),
        threads: compilation.threads,
        ..PrepareOptions::new(compilation.features)
    }
}

/// Compiles a module.
pub fn compile_wasm(wasm: &[u8], compilation: &Compilation) -> Result<Compiled, Failure> {
    let options = options(compilation);
    let (artifact, took) = timed(|| prepare(wasm, &options))?;
    let artifact = match artifact {
        Ok(artifact) => Ok(artifact),
        Err(error) => Err(Failure::refusal(error)?.to_string()),
    };
    Ok(Compiled {
        measured: Measured {
            prepare_ns: took.wall_ns,
            wasm_bytes: wasm.len() as u64,
            code_bytes: artifact.as_ref().map_or(0, |it| it.code.len() as u64),
            target: compilation.target.name(),
            ..Measured::default()
        },
        artifact,
        wasm: None,
    })
}

/// Reads and compiles.
pub fn compile_file(path: &Path, compilation: &Compilation) -> Result<Compiled, Failure> {
    let _progress = Progress::start(&format!("compiling {}", input::name(path)));
    match read_code_file(path)? {
        Ok(code) => {
            let compiled = compile_wasm(&code.wasm, compilation)?;
            Ok(Compiled {
                wasm: Some(code.wasm),
                ..compiled
            })
        }
        Err(reason) => Ok(Compiled {
            artifact: Err(reason),
            measured: Measured {
                target: compilation.target.name(),
                ..Measured::default()
            },
            wasm: None,
        }),
    }
}

/// Reads, compiles and makes executable, for this machine.
pub fn prepare_file(
    path: &Path,
    compilation: &Compilation,
    perf: Option<PerfKind>,
) -> Result<Prepared, Failure> {
    let Compiled {
        artifact,
        mut measured,
        wasm,
    } = compile_file(path, compilation)?;
    let module = match artifact {
        Err(reason) => Err(Execution::rejected(RejectionStage::Prepare, reason)),
        Ok(artifact) => {
            let (module, took) = timed(|| Module::new(artifact))?;
            measured.prepare_ns += took.wall_ns;
            let module = module.map_err(|error| Failure::Host(error.to_string()))?;
            if let Some(kind) = perf {
                perf::tell(kind, &module, wasm.as_deref())?;
            }
            Ok(module)
        }
    };
    Ok(Prepared { module, measured })
}

/// Why an artifact from a file is not executable here.
pub fn not_loaded(path: &Path, error: &LoadError) -> Failure {
    match error {
        LoadError::Target { .. } | LoadError::Inconsistent { .. } | LoadError::Artifact(_) => {
            Failure::Input {
                name: input::name(path),
                reason: error.to_string(),
            }
        }
        error => Failure::Host(error.to_string()),
    }
}
