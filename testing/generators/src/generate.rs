//! Modules from seeds.

use crate::damage::flip;
use crate::mutate::{Seeds, mutate};
use crate::program::{Aim, program};
use crate::random::Random;
use crate::sparse::sparse;
use arbitrary::Unstructured;
use pvf_rules::Features;
use std::collections::HashSet;
use wasm_smith::{Config, InstructionKind, InstructionKinds, MemoryOffsetChoices};
use wasmparser::{BinaryReader, Parser, Payload, Validator, WasmFeatures};

/// The maximum number of loops and functions that a generated function may enter.
const FUEL: u32 = 4_000;

/// The maximum number of tries to flip bits of a module so that it stays valid.
const MUTATION_TRIES: u32 = 40;

/// Where modules come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// `wasm-smith`: every shape of module, bodies without much sense.
    Smith,
    /// This repository's generator: few shapes of modules, whose bodies compute. They contain expressions over many
    /// locals, loops and calls, and all results are observed.
    Program,
    /// As `Program`, with more of the code in which faults of compilers have been found: loops that copy, fill and
    /// compare memory, division by constants, the end of memory, many locals at labels, long stretches without effect,
    /// many functions.
    Aimed,
    /// Many short functions and long bodies with little code, to test chunks and threads.
    Sparse,
    /// `wasm-mutate` on modules of the repository: corpus, conformance suite, fixtures.
    Mutate,
    /// A module of `Smith` or `Program` with a few flipped bits, if it is still valid. Such modules contain patterns
    /// that no generator makes.
    Flip,
    /// All of these; `Smith`, `Program` and `Aimed` more often.
    All,
}

/// A module to be tested.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The seed that determines the module.
    pub seed: u64,
    /// The accepted language that the module belongs to.
    pub features: Features,
    /// The module.
    pub wasm: Vec<u8>,
    /// Whether every run of the module ends by itself. Otherwise gas ends it.
    pub terminates: bool,
}

impl Subject {
    /// A module from another source, if it belongs to the accepted language.
    pub fn given(wasm: Vec<u8>, seed: u64) -> Result<Self, String> {
        checked(&wasm, Features::ALL)?;
        Ok(Self {
            seed,
            features: Features::ALL,
            wasm,
            terminates: false,
        })
    }
}

/// Makes modules from seeds.
pub struct Generator {
    seeds: Seeds,
}

impl Generator {
    /// Reads the modules that `Mutate` starts from.
    pub fn new() -> Result<Self, String> {
        let seeds = Seeds::load(|wasm| checked(wasm, Features::ALL).is_ok())?;
        Ok(Self { seeds })
    }

    /// The module of a seed. An error says why there is none: the generator failed, or its module does not belong to
    /// the accepted language.
    pub fn generate(&self, seed: u64, mode: Mode) -> Result<Subject, String> {
        let mut random = Random::new(seed);
        let features = if random.one_in(2) {
            Features::ALL
        } else {
            Features::MVP
        };
        let mode = match mode {
            Mode::All => *random.pick(&[
                Mode::Smith,
                Mode::Smith,
                Mode::Program,
                Mode::Program,
                Mode::Aimed,
                Mode::Aimed,
                Mode::Sparse,
                Mode::Mutate,
                Mode::Flip,
            ]),
            one => one,
        };
        let random = &mut random;
        let wasm = match mode {
            Mode::Smith => smith(random, features)?,
            Mode::Program => program(random, features, Aim::nothing()),
            Mode::Aimed => aimed(random, features),
            Mode::Sparse => sparse(random),
            Mode::Mutate => {
                let valid = |wasm: &[u8]| checked(wasm, features).is_ok();
                self.seeds.mutant(random, valid)?
            }
            Mode::Flip | Mode::All => {
                let wasm = match random.one_in(2) {
                    true => smith(random, features)?,
                    false => program(random, features, Aim::nothing()),
                };
                flipped(random, &wasm, features)?
            }
        };
        checked(&wasm, features)?;
        Ok(Subject {
            seed,
            features,
            wasm,
            terminates: matches!(
                mode,
                Mode::Smith | Mode::Program | Mode::Aimed | Mode::Sparse
            ),
        })
    }
}

fn smith(random: &mut Random, features: Features) -> Result<Vec<u8>, String> {
    let bytes = random.between(1_000, 24_000) as usize;
    let bytes = random.bytes(bytes);
    smith_module(random, features, &bytes)
}

fn aimed(random: &mut Random, features: Features) -> Vec<u8> {
    let aim = Aim::draw(random);
    program(random, features, aim)
}

/// The module with some bits flipped, still valid.
fn flipped(random: &mut Random, wasm: &[u8], features: Features) -> Result<Vec<u8>, String> {
    for _ in 0..MUTATION_TRIES {
        let mut mutant = wasm.to_vec();
        for _ in 0..random.between(1, 4) {
            flip(random, &mut mutant);
        }
        if checked(&mutant, features).is_ok() {
            return Ok(mutant);
        }
    }
    Err("no mutant is valid".to_owned())
}

/// The `wasm-smith` module that the bytes encode, for fuzzers that mutate bytes instead of seeds.
pub fn generate_from(bytes: &[u8]) -> Result<Subject, String> {
    let (head, rest) = bytes.split_at(bytes.len().min(8));
    let mut seed = [0; 8];
    seed[..head.len()].copy_from_slice(head);
    let seed = u64::from_le_bytes(seed);
    let features = if seed & 1 == 0 {
        Features::ALL
    } else {
        Features::MVP
    };
    let wasm = smith_module(&mut Random::new(seed), features, rest)?;
    checked(&wasm, features)?;
    Ok(Subject {
        seed,
        features,
        wasm,
        terminates: true,
    })
}

/// The module of this repository's generators that the bytes choose, for fuzzers that mutate bytes instead of seeds. A
/// change of a byte changes one choice.
pub fn program_from(bytes: &[u8]) -> Result<Subject, String> {
    let random = &mut Random::of_bytes(bytes);
    let features = match random.below(2) {
        0 => Features::ALL,
        _ => Features::MVP,
    };
    let wasm = match random.below(4) {
        0 => program(random, features, Aim::nothing()),
        1 => sparse(random),
        _ => aimed(random, features),
    };
    checked(&wasm, features)?;
    Ok(Subject {
        seed: xxhash_rust::xxh3::xxh3_64(bytes),
        features,
        wasm,
        terminates: true,
    })
}

/// A mutant of a module of the accepted language, with a size of at most `most` bytes, for fuzzers that keep their
/// inputs valid.
pub fn mutant_of(wasm: &[u8], seed: u64, most: usize) -> Option<Vec<u8>> {
    mutate(wasm, seed, |wasm| {
        wasm.len() <= most && checked(wasm, Features::ALL).is_ok()
    })
}

/// Whether the module belongs to the accepted language and its imports can be linked by name.
fn checked(wasm: &[u8], features: Features) -> Result<(), String> {
    Validator::new_with_features(wasm_features(features))
        .validate_all(wasm)
        .map_err(|error| format!("the module is outside the language: {error}"))?;
    let named = names_an_index(wasm).map_err(|error| error.to_string())?;
    if named && !features.bulk_memory {
        return Err("the module is outside the language: a segment names its index".to_owned());
    }
    if imports_twice(wasm).map_err(|error| error.to_string())? {
        return Err("two imports of one name: linking is by name".to_owned());
    }
    Ok(())
}

/// Whether a segment begins with a value other than 0. The validator accepts this without bulk memory; rule LANG-7 does
/// not.
fn names_an_index(wasm: &[u8]) -> wasmparser::Result<bool> {
    let begins_with_zero = |start: u64| {
        let rest = wasm.get(start as usize..).unwrap_or(&[]);
        BinaryReader::new(rest, start)
            .read_var_u32()
            .is_ok_and(|flags| flags == 0)
    };
    for payload in Parser::new(0).parse_all(wasm) {
        let starts: Vec<u64> = match payload? {
            Payload::DataSection(section) => section
                .into_iter()
                .map(|segment| segment.map(|segment| segment.range.start))
                .collect::<Result<_, _>>()?,
            Payload::ElementSection(section) => section
                .into_iter()
                .map(|segment| segment.map(|segment| segment.range.start))
                .collect::<Result<_, _>>()?,
            _ => continue,
        };
        if !starts.into_iter().all(begins_with_zero) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn imports_twice(wasm: &[u8]) -> wasmparser::Result<bool> {
    let mut names = HashSet::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::ImportSection(section) = payload? {
            for import in section.into_imports() {
                let import = import?;
                if !names.insert((import.module, import.name)) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// The accepted language as flags of the parser.
pub fn wasm_features(features: Features) -> WasmFeatures {
    let mut enabled = WasmFeatures::WASM1;
    enabled.set(WasmFeatures::SIGN_EXTENSION, features.sign_extension);
    enabled.set(
        WasmFeatures::SATURATING_FLOAT_TO_INT,
        features.saturating_float_to_int,
    );
    enabled.set(WasmFeatures::MULTI_VALUE, features.multi_value);
    enabled.set(WasmFeatures::BULK_MEMORY, features.bulk_memory);
    enabled
}

fn smith_module(random: &mut Random, features: Features, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let config = config(random, features);
    let mut module = wasm_smith::Module::new(config, &mut Unstructured::new(bytes))
        .map_err(|error| format!("wasm-smith: {error}"))?;
    module
        .ensure_termination(FUEL)
        .map_err(|error| format!("wasm-smith: {error}"))?;
    Ok(module.to_bytes())
}

/// A configuration within the accepted language, different for each seed: many unlike configurations find more faults
/// than similar ones (swarm testing).
fn config(random: &mut Random, features: Features) -> Config {
    use InstructionKind as Kind;
    let instructions: &[Kind] = match random.below(6) {
        0 => &[Kind::Numeric, Kind::Variable, Kind::Parametric],
        1 => &[
            Kind::NumericInt,
            Kind::Variable,
            Kind::Parametric,
            Kind::Control,
        ],
        2 => &[Kind::Numeric, Kind::Variable, Kind::Memory, Kind::Control],
        3 => &[Kind::NumericInt, Kind::Variable, Kind::Control, Kind::Table],
        _ => &[
            Kind::Numeric,
            Kind::Variable,
            Kind::Parametric,
            Kind::Memory,
            Kind::Control,
            Kind::Table,
        ],
    };
    let most_instructions = *random.pick(&[50, 100, 300, 1000, 3000]);
    // Most memories are small, because their contents are compared after every call.
    let memory = *random.pick(&[1 << 16, 2 << 16, 2 << 16, 24 << 16]);
    let offsets = *random.pick(&[(90, 9, 1), (75, 15, 10), (100, 0, 0)]);
    Config {
        allowed_instructions: InstructionKinds::new(instructions),
        allow_floats: !random.one_in(4),
        allow_start_export: random.one_in(8),
        disallow_traps: random.one_in(2),
        export_everything: true,
        max_instructions: most_instructions,
        max_funcs: random.between(1, 24) as usize,
        min_funcs: 1,
        max_imports: random.between(0, 12) as usize,
        max_types: random.between(1, 30) as usize,
        min_types: 1,
        max_globals: random.between(0, 16) as usize,
        max_memories: 1,
        min_memories: u32::from(!random.one_in(8)),
        max_memory32_bytes: memory,
        memory_offset_choices: MemoryOffsetChoices(offsets.0, offsets.1, offsets.2),
        max_tables: 1,
        min_tables: u32::from(random.one_in(2)),
        max_table_elements: 64,
        max_elements: 24,
        max_element_segments: 6,
        max_data_segments: 6,
        sign_extension_ops_enabled: features.sign_extension,
        saturating_float_to_int_enabled: features.saturating_float_to_int,
        multi_value_enabled: features.multi_value,
        bulk_memory_enabled: features.bulk_memory,
        canonicalize_nans: false,
        reference_types_enabled: false,
        simd_enabled: false,
        relaxed_simd_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        shared_everything_threads_enabled: false,
        tail_call_enabled: false,
        gc_enabled: false,
        compact_imports_enabled: false,
        custom_descriptors_enabled: false,
        custom_page_sizes_enabled: false,
        memory64_enabled: false,
        wide_arithmetic_enabled: false,
        acquire_release_atomics_enabled: false,
        multibyte_array_access_enabled: false,
        extended_const_enabled: false,
        ..Config::default()
    }
}
