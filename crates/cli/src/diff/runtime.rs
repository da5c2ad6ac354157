//! What is compared of a runtime.

use crate::decoded::blake2_256;
use crate::engine::{Compiled, For, Stop, Verification, prepare_blob, read_blob_file};
use crate::failure::Failure;
use crate::input;
use crate::names::Names;
use crate::outcome::RejectionJson;
use crate::output::hex;
use crate::progress::Progress;
use pvf_executor::artifact::ImportKind;
use pvf_executor::{Blob, CompileOptions, Module, ModuleInfo};
use pvf_validation::RuntimeVersion;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The name of functions that have none.
pub const UNNAMED: &str = "(functions without a name)";

/// A runtime, as far as it is compared.
#[derive(Debug, Serialize)]
pub struct Runtime {
    /// The file.
    pub file: String,
    /// BLAKE2b-256 of the blob: the validation code's hash on chain.
    pub code_hash: String,
    /// Name and version of the specification, from the section `runtime_version`.
    pub spec_name: Option<String>,
    /// See `spec_name`.
    pub spec_version: Option<u32>,
    /// The sizes.
    #[serde(flatten)]
    pub sizes: Sizes,
    /// Why a node turns it down.
    pub rejection: Option<RejectionJson>,
    /// Functions by name.
    #[serde(skip)]
    pub functions: BTreeMap<String, Function>,
    /// Imports, as `module:name type`.
    #[serde(skip)]
    pub imports: BTreeSet<String>,
}

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Sizes {
    /// As on chain, compressed if it is.
    pub blob_bytes: u64,
    /// The module.
    pub wasm_bytes: u64,
    /// Bodies of functions.
    pub body_bytes: u64,
    /// Contents of data segments.
    pub data_bytes: u64,
    /// Machine code.
    pub code_bytes: u64,
    /// Functions that it defines.
    pub defined_functions: u64,
    /// The largest frame.
    pub frame_bytes_max: u64,
    /// Pages that its memory begins with.
    pub memory_pages: u64,
}

/// All functions of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Function {
    /// How many there are: monomorphic copies have one name.
    pub count: u32,
    /// Bytes of their bodies together.
    pub wasm_bytes: u64,
    /// The largest frame among them.
    pub frame_bytes: u32,
}

impl Runtime {
    /// Reads and prepares a file. Without a module, the code is rejected.
    pub fn read(
        path: &Path,
        options: &CompileOptions,
        verification: Verification,
    ) -> Result<(Self, Option<Module>), Failure> {
        let blob = read_blob_file(path)?;
        let _progress = Progress::start(&format!("compiling {}", input::name(path)));
        let mut runtime = Self {
            file: input::name(path),
            code_hash: hex(&blake2_256(&blob.bytes)),
            spec_name: None,
            spec_version: None,
            sizes: Sizes {
                blob_bytes: blob.bytes.len() as u64,
                ..Sizes::default()
            },
            rejection: None,
            functions: BTreeMap::new(),
            imports: BTreeSet::new(),
        };
        match prepare_blob(&blob.bytes, options, For::Candidates, verification) {
            Ok(compiled) => {
                runtime.describe(&blob, &compiled);
                let module = Module::new(compiled.artifact);
                let module = module.map_err(|error| Failure::Host(error.to_string()))?;
                Ok((runtime, Some(module)))
            }
            Err(Stop::Rejected(rejection, _)) => {
                runtime.rejection = Some(RejectionJson::new(&rejection));
                Ok((runtime, None))
            }
            Err(Stop::Failed(failure)) => Err(failure),
        }
    }

    fn describe(&mut self, blob: &Blob<'_>, compiled: &Compiled) {
        let Compiled { artifact, wasm, .. } = compiled;
        let module = &artifact.module;
        if let Ok(version) = RuntimeVersion::embedded(&blob.bytes) {
            self.spec_name = Some(version.spec_name);
            self.spec_version = Some(version.spec_version);
        }
        let names = Names::of(module, Some(wasm));
        let defined = (0..)
            .zip(&module.functions)
            .skip(module.imported_functions as usize);
        for (index, function) in defined {
            let name = names.get(index).unwrap_or(UNNAMED).to_owned();
            let all = self.functions.entry(name).or_default();
            all.count += 1;
            all.wasm_bytes += u64::from(function.body_bytes);
            all.frame_bytes = all.frame_bytes.max(function.frame_bytes);
        }
        let functions = self.functions.values();
        self.sizes = Sizes {
            wasm_bytes: wasm.len() as u64,
            body_bytes: functions.clone().map(|it| it.wasm_bytes).sum(),
            data_bytes: artifact.data.len() as u64,
            code_bytes: artifact.code.len() as u64,
            defined_functions: functions.clone().map(|it| u64::from(it.count)).sum(),
            frame_bytes_max: functions
                .map(|it| u64::from(it.frame_bytes))
                .max()
                .unwrap_or(0),
            memory_pages: module.memory.map_or(0, |memory| memory.minimum.into()),
            ..self.sizes
        };
        self.imports = imports(module);
    }

    /// Name, version and hash, for people.
    pub fn title(&self) -> String {
        let hash = self.code_hash.get(..18).unwrap_or(&self.code_hash);
        match (&self.spec_name, self.spec_version) {
            (Some(name), Some(version)) => format!("{name} {version} ({hash}…)"),
            _ => format!("{} ({hash}…)", self.file),
        }
    }
}

fn imports(module: &ModuleInfo) -> BTreeSet<String> {
    let import = |import: &pvf_executor::artifact::Import| {
        let ty = match import.kind {
            ImportKind::Function(signature) => module
                .signatures
                .get(signature as usize)
                .map(crate::inspect::function_type)
                .unwrap_or_default(),
            ImportKind::Memory(_) => "memory".to_owned(),
            ImportKind::Table(_) => "table".to_owned(),
            ImportKind::Global(_) => "global".to_owned(),
        };
        format!("{}:{} {ty}", import.module, import.name)
    };
    module.imports.iter().map(import).collect()
}
