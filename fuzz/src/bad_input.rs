//! Damaged blobs, candidates and artifacts. Each must end in a typed error, or in an ordinary outcome if the damage
//! does no harm, but never in a panic. Outcomes of candidates must equal Wasmtime's.

use crate::damage::damage;
use crate::random::Random;
use pvf_compiler::{Artifact, CompileError, CompileOptions, Metering};
use pvf_executor::read_code;
use pvf_fuzz_targets::try_blob;
use pvf_rules::{Features, TrapKind};
use pvf_validation::{HostParameters, Module, Outcome, Pvf};
use pvf_wasmtime::{Ended, Prepared};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Size limit of decompressed code for [`read_code`].
const CODE_LIMIT: usize = 50 << 20;

/// Bytes of an artifact's header. Code, data and metadata follow it.
const ARTIFACT_HEADER_BYTES: usize = 4096;
/// Bytes of the checksum at an artifact's end.
const ARTIFACT_SUM_BYTES: usize = 16;

/// The kind of input that is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Kind {
    /// Code in all its forms, which is prepared.
    Blob,
    /// `ValidationParams`, which a validation function is run on.
    Candidate,
    /// Artifacts, which are read back.
    Artifact,
}

/// A validation function with good candidates.
pub struct Fixture {
    /// The bytes of the code file.
    pub code: Vec<u8>,
    /// Candidates.
    pub candidates: Vec<Vec<u8>>,
}

/// Valid inputs to damage.
pub struct Inputs {
    blobs: Vec<Vec<u8>>,
    artifacts: Vec<Vec<u8>>,
    functions: Vec<ValidationFunction>,
}

/// A validation function in both engines, with valid candidates.
struct ValidationFunction {
    ours: Pvf,
    peer: Prepared,
    candidates: Vec<Vec<u8>>,
}

/// The class of a damaged input's error or outcome, for counting. An `Err` is a finding.
pub type Became = Result<String, String>;

impl Inputs {
    /// Prepares the fixtures and adds modules from the generators.
    pub fn new(fixtures: Vec<Fixture>) -> Result<Self, String> {
        let mut inputs = Self {
            blobs: Vec::new(),
            artifacts: Vec::new(),
            functions: Vec::new(),
        };
        let engine = pvf_wasmtime::engine().map_err(|error| format!("{error:#}"))?;
        for fixture in fixtures {
            let code = read_code(&fixture.code, CODE_LIMIT).map_err(|error| error.to_string())?;
            let artifact = compile(&code.wasm).map_err(|error| error.to_string())?;
            inputs.artifacts.push(artifact.to_bytes());
            let module = Module::new(artifact).map_err(|error| error.to_string())?;
            if !fixture.candidates.is_empty() {
                inputs.functions.push(ValidationFunction {
                    ours: Pvf::new(module, HostParameters::default()),
                    peer: Prepared::new(&engine, &code.wasm).map_err(|e| format!("{e:#}"))?,
                    candidates: fixture.candidates,
                });
            }
            // Adds the fixtures several times, because the generators contribute many more modules.
            for _ in 0..8 {
                inputs
                    .blobs
                    .extend([fixture.code.clone(), code.wasm.clone()]);
            }
        }
        let generator = crate::Generator::new()?;
        for seed in 0..64 {
            if let Ok(subject) = generator.generate(seed, crate::Mode::All) {
                let text = wasmprinter::print_bytes(&subject.wasm);
                if let (0, Ok(text)) = (seed % 4, text) {
                    inputs.blobs.push(text.into_bytes());
                }
                if let Ok(artifact) = compile(&subject.wasm) {
                    inputs.artifacts.push(artifact.to_bytes());
                }
                inputs.blobs.push(subject.wasm);
            }
        }
        Ok(inputs)
    }

    /// Damages an input and passes it to the executor. The seed determines both.
    pub fn try_seed(&self, kind: Kind, seed: u64) -> Became {
        let mut random = Random::new(seed ^ ((kind as u64) << 56));
        let tried = catch_unwind(AssertUnwindSafe(|| match kind {
            Kind::Blob => try_blob(&damage(&mut random, &self.blobs)),
            Kind::Candidate => self.try_candidate(&mut random),
            Kind::Artifact => self.try_artifact(&mut random),
        }));
        tried.unwrap_or_else(|panic| {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("panic: {}", message.unwrap_or("?")))
        })
    }

    fn try_candidate(&self, random: &mut Random) -> Became {
        if self.functions.is_empty() {
            return Err("no fixture with candidates".to_owned());
        }
        let function = random.pick(&self.functions);
        let candidate = damage(random, &function.candidates);
        let execution = function
            .ours
            .validate(&candidate)
            .map_err(|error| format!("host failure: {error}"))?;
        let (peer, _) = function
            .peer
            .execute(&candidate)
            .map_err(|error| format!("the peer: {error:#}"))?;
        same_outcome(&execution.outcome, &peer)
    }

    fn try_artifact(&self, random: &mut Random) -> Became {
        if random.one_in(4) {
            return self.try_forged_metadata(random);
        }
        let bytes = damage(random, &self.artifacts);
        match Artifact::parse(&bytes) {
            Ok(_) if self.artifacts.contains(&bytes) => Ok("undamaged".to_owned()),
            Ok(_) => Err("a damaged artifact was accepted".to_owned()),
            Err(error) => Ok(variant(&error)),
        }
    }

    /// Damages the metadata, corrects the checksum, and loads the module, which checks the metadata. The module never
    /// runs, because forged code could do anything.
    fn try_forged_metadata(&self, random: &mut Random) -> Became {
        let good = random.pick(&self.artifacts);
        let word = |at: usize| {
            u32::from_le_bytes([good[at], good[at + 1], good[at + 2], good[at + 3]]) as usize
        };
        // Before the metadata come code, data, functions and the trap map; after it comes the checksum.
        let (summed, _) = good.split_at(good.len() - ARTIFACT_SUM_BYTES);
        let (head, tail) = summed.split_at(ARTIFACT_HEADER_BYTES + word(12) + word(16));
        let (tables, metadata) = tail.split_at(tail.len() - word(32));
        let mut tables = tables.to_vec();
        let metadata = match random.one_in(2) {
            true => damage(random, &[metadata.to_vec()]),
            false => {
                let at = random.below(tables.len() as u64) as usize;
                tables[at] ^= 1 << random.below(8);
                metadata.to_vec()
            }
        };
        let mut bytes = [head, &tables, &metadata].concat();
        bytes[32..36].copy_from_slice(&(metadata.len() as u32).to_le_bytes());
        let sum = xxhash_rust::xxh3::xxh3_128(&bytes);
        bytes.extend(sum.to_le_bytes());
        // SAFETY: the module is only loaded, to check its metadata; its code never runs.
        #[allow(unsafe_code, reason = "artifacts are forged on purpose")]
        let artifact = unsafe { Artifact::from_bytes(&bytes) };
        match artifact.map(Module::new) {
            Ok(Ok(_)) => Ok("forged: loads".to_owned()),
            Ok(Err(error)) => Ok(format!("forged: not loaded, {}", variant(&error))),
            Err(error) => Ok(format!("forged: {}", variant(&error))),
        }
    }
}

/// Whether an outcome is that of Wasmtime with the same candidate.
pub(crate) fn same_outcome(ours: &Outcome, peer: &Ended) -> Became {
    match (ours, peer) {
        (Outcome::Valid(ours), Ended::Returned(peer)) if ours == peer => Ok("valid".to_owned()),
        (
            Outcome::Invalid {
                trap: Some(trap), ..
            },
            Ended::Trapped(peer),
        ) if trap.kind == *peer || stack_overflow(trap.kind, *peer) => {
            Ok(format!("invalid: {}", trap.kind.name()))
        }
        // Wasmtime does not decode results.
        (Outcome::Invalid { trap: None, .. }, Ended::Returned(_)) => {
            Ok("invalid: no trap".to_owned())
        }
        (ours, peer) => Err(format!("{ours:?}, in Wasmtime {peer:?}")),
    }
}

fn compile(wasm: &[u8]) -> Result<Artifact, CompileError> {
    // Compiles as for validation: with the logical stack.
    let options = CompileOptions {
        metering: Metering {
            logical_stack: true,
            gas: None,
        },
        ..CompileOptions::new(Features::ALL)
    };
    pvf_compiler::compile(wasm, &options)
}

/// The name of an error's variant.
fn variant(error: &impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    let end = text
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(text.len());
    text[..end].to_owned()
}

/// Both are stack overflows. The stacks of the engines have different sizes.
fn stack_overflow(ours: TrapKind, peer: TrapKind) -> bool {
    [ours, peer].contains(&TrapKind::StackOverflow)
}
