//! From a file on the command line to a module that can be run.

use crate::clock::timed;
use crate::failure::Failure;
use crate::input;
use crate::kind;
use crate::outcome::Measured;
use crate::perf::{self, PerfKind};
use crate::progress::Progress;
use pvf_executor::{
    Artifact, Blob, CompileOptions, LoadError, Module, NotPrepared, Purpose, Rejection, Rules,
    prepare, read_blob,
};
use std::borrow::Cow;
use std::path::Path;

/// What a module is prepared for.
#[derive(Clone, Copy, Debug)]
pub enum For {
    /// To call its exports.
    Calls,
    /// To judge candidates: as a node compiles. Whether the imports can be resolved is found out when candidates are judged.
    Candidates,
    /// To vote on the code: as a node prechecks.
    Precheck {
        /// Whether the elliptic-curve host functions exist.
        ecc_rfc163: bool,
    },
}

/// Whether machine code is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It is, and code that the verifier refuses is a failure of the host.
    On,
    /// It is not.
    Off,
}

/// A blob that was prepared.
pub struct Compiled {
    /// The artifact.
    pub artifact: Artifact,
    /// The module that it was made from.
    pub wasm: Vec<u8>,
    /// Time and sizes so far.
    pub measured: Measured,
}

/// A module that can be instantiated.
pub struct Loaded {
    /// The module.
    pub module: Module,
    /// What it was made from.
    pub wasm: Vec<u8>,
    /// Time and sizes so far.
    pub measured: Measured,
}

/// Why there is nothing to go on with.
pub enum Stop {
    /// The module is rejected, which is an outcome. Preparation took this long.
    Rejected(Rejection, Measured),
    /// The command cannot do its work.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Reads the blob in a file. What does not begin like one of the forms of code is a mistake on the command line: on chain it would be a
/// blob that is rejected (rule CODE-1).
pub fn read_blob_file(path: &Path) -> Result<Blob<'static>, Failure> {
    let file = input::read(path)?;
    if let Some(reason) = kind::not_code(&file) {
        return Err(Failure::Input {
            name: input::name(path),
            reason,
        });
    }
    let blob = read_blob(&file).map_err(|error| Failure::Input {
        name: input::name(path),
        reason: error.to_string(),
    })?;
    let kind = blob.kind;
    let bytes = match blob.bytes {
        Cow::Owned(bytes) => Some(bytes),
        Cow::Borrowed(_) => None,
    };
    Ok(Blob {
        bytes: Cow::Owned(bytes.unwrap_or(file)),
        kind,
    })
}

/// Prepares a blob.
pub fn prepare_blob(
    blob: &[u8],
    options: &CompileOptions,
    what_for: For,
    verification: Verification,
) -> Result<Compiled, Stop> {
    let functions;
    let purpose = match what_for {
        For::Calls => Purpose::Plain,
        For::Candidates => Purpose::Execution,
        For::Precheck { ecc_rfc163 } => {
            functions = pvf_validation::function_types(ecc_rfc163);
            Purpose::Precheck(&functions)
        }
    };
    let rules = Rules {
        verification: verification == Verification::On,
        ..Rules::new(options.clone(), purpose)
    };
    let (prepared, took) = timed(|| prepare(blob, &rules))?;
    let measured = Measured {
        prepare_ns: took.wall_ns,
        target: options.target.name(),
        ..Measured::default()
    };
    match prepared {
        Ok(prepared) => Ok(Compiled {
            measured: Measured {
                wasm_bytes: prepared.wasm.len() as u64,
                code_bytes: prepared.artifact.code.len() as u64,
                ..measured
            },
            artifact: prepared.artifact,
            wasm: prepared.wasm.into_owned(),
        }),
        Err(NotPrepared::Rejected(rejection)) => Err(Stop::Rejected(rejection, measured)),
        Err(NotPrepared::Failed(failure)) => Err(Failure::from(failure).into()),
    }
}

/// Reads and prepares.
pub fn prepare_file(
    path: &Path,
    options: &CompileOptions,
    what_for: For,
    verification: Verification,
) -> Result<Compiled, Stop> {
    let _progress = Progress::start(&format!("compiling {}", input::name(path)));
    prepare_blob(
        &read_blob_file(path)?.bytes,
        options,
        what_for,
        verification,
    )
}

/// Reads, prepares and makes executable, for this machine.
pub fn load_file(
    path: &Path,
    options: &CompileOptions,
    what_for: For,
    verification: Verification,
    perf: Option<PerfKind>,
) -> Result<Loaded, Stop> {
    let Compiled {
        artifact,
        mut measured,
        wasm,
    } = prepare_file(path, options, what_for, verification)?;
    let (module, took) = timed(|| Module::new(artifact))?;
    measured.prepare_ns += took.wall_ns;
    let module = module.map_err(|error| Failure::Host(error.to_string()))?;
    if let Some(kind) = perf {
        perf::tell(kind, &module, Some(&wasm))?;
    }
    Ok(Loaded {
        module,
        wasm,
        measured,
    })
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
