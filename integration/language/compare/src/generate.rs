//! Generates modules from seeds.

use crate::folder;
use crate::judge::Subject;
use crate::module::parse::parse;
use crate::mutate::mutate;
use crate::segments;
use crate::sketch::sketch;
use arbitrary::Unstructured;
use pvf_generators::{Generator, Mode, Random};
use std::panic::{catch_unwind, set_hook, take_hook};
use std::path::Path;
use wasm_mutate::WasmMutate;
use wasm_smith::Config;

/// Sources of modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum From {
    /// One valid module with all sections, changed once: tests each kind of change.
    Single,
    /// Small modules in many combinations, with up to a few structured changes.
    Sketch,
    /// Modules of the repository, with the same changes.
    Changed,
    /// Element and data sections that parsers interpret differently.
    Segments,
    /// `wasm-smith` with random proposals or none.
    Smith,
    /// `wasm-mutate` on modules of the repository.
    Mutate,
    /// The repository's generator of modules that compute.
    Program,
}

/// Maximum size of a module of the repository that is a seed.
const MOST_BYTES: usize = 6 << 10;

/// Maximum number of changes to one module.
const MOST_CHANGES: u64 = 4;

/// Generates modules.
pub struct Sources {
    seeds: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    whole: Vec<u8>,
    generator: Generator,
}

impl Sources {
    /// Reads the modules that are changed.
    ///
    /// # Errors
    /// A file of the repository cannot be read.
    pub fn new() -> Result<Self, String> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let mut seeds = Vec::new();
        let mut large = Vec::new();
        for folder in ["fuzz/corpus", "conformance/wasm", "fixtures"] {
            folder::walk(&repository.join(folder), &mut |subject| {
                match subject.code.len() <= MOST_BYTES {
                    true => seeds.push(subject.code),
                    false if subject.code.len() <= 200 << 10 => large.push(subject.code),
                    false => {}
                }
                Ok(())
            })?;
        }
        match seeds.is_empty() || large.is_empty() {
            true => Err(format!("no modules in {}", repository.display())),
            false => Ok(Self {
                seeds,
                large,
                whole: whole()?,
                generator: Generator::new()?,
            }),
        }
    }

    /// The module for a seed, or `None` if the generator fails for it.
    pub fn module(&self, from: From, seed: u64) -> Option<Subject> {
        let random = &mut Random::new(seed);
        let (kind, code) = match from {
            From::Single => {
                let mutant = mutate(&parse(&self.whole), random, 1);
                (mutant.kind, mutant.bytes)
            }
            From::Sketch => {
                let module = sketch(random);
                match random.one_in(3) {
                    true => ("sketch".to_owned(), module.encode()),
                    false => {
                        let mutant = mutate(&module, random, MOST_CHANGES);
                        (mutant.kind, mutant.bytes)
                    }
                }
            }
            From::Changed => {
                // Large modules take long to compile, so they are rare.
                let from = match random.one_in(40) {
                    true => &self.large,
                    false => &self.seeds,
                };
                let seed: &Vec<u8> = random.pick(from);
                let mutant = mutate(&parse(seed), random, MOST_CHANGES);
                (mutant.kind, mutant.bytes)
            }
            From::Segments => {
                let mut module = sketch(random);
                let kind = segments::replace(&mut module, random);
                (kind, module.encode())
            }
            From::Smith => ("smith".to_owned(), smith(random)?),
            From::Mutate => {
                let number = random.bits();
                let seed: &Vec<u8> = random.pick(&self.seeds);
                ("wasm-mutate".to_owned(), mutant(seed, number)?)
            }
            From::Program => {
                let mode = *random.pick(&[Mode::Program, Mode::Program, Mode::Smith, Mode::Flip]);
                let subject = self.generator.generate(random.bits(), mode).ok()?;
                ("program".to_owned(), subject.wasm)
            }
        };
        Some(Subject {
            name: format!("{from:?} {seed}").to_lowercase(),
            kind,
            code,
        })
    }
}

/// A valid module with every section except the data count.
fn whole() -> Result<Vec<u8>, String> {
    let text = r#"(module
      (type (func (param i32 i32) (result i64)))
      (type (func))
      (type (func (param i32) (result i32)))
      (import "env" "ext_misc_print_num_version_1" (func (param i64)))
      (import "env" "absent" (func (type 2)))
      (func $entry (export "validate_block") (type 0)
        (call $plain)
        (drop (call_indirect (type 2) (i32.const 1) (i32.const 1)))
        (i64.const 0xf00000400))
      (func $plain (type 1)
        (local i32 i64)
        (block (loop (br_if 1 (i32.const 1)) (br 0)))
        (if (i32.load offset=4 (i32.const 8)) (then (nop)) (else (drop (memory.size))))
        (local.set 0 (i32.const 300)) (global.set 1 (local.get 0))
        (block (br_table 0 0 (i32.const 0))) (f64.store (i32.const 16) (f64.const 1)))
      (func $indirect (type 2) (i32.eqz (local.get 0)))
      (table 4 8 funcref)
      (memory (export "memory") 17 40)
      (global (export "__heap_base") i32 (i32.const 65536))
      (global (mut i32) (i32.const 0))
      (global (mut i64) (i64.const 1))
      (export "g" (global 1))
      (export "t" (table 0))
      (start $plain)
      (elem (i32.const 0) $plain $indirect $entry)
      (data (i32.const 1024) "\0c\01\02\03\00\00\00\00\00\00\00\07\00\00\00")
      (@custom "after" (after data) "abc")
    )"#;
    folder::encode(text).ok_or_else(|| "the module with everything is wrong".to_owned())
}

/// The first mutant of `wasm-mutate`, which panics on some modules.
fn mutant(seed: &[u8], number: u64) -> Option<Vec<u8>> {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let mutant = catch_unwind(|| {
        let mut mutate = WasmMutate::default();
        mutate.seed(number).fuel(300).preserve_semantics(false);
        mutate.run(seed).ok()?.next()?.ok()
    });
    set_hook(hook);
    mutant.ok().flatten()
}

fn smith(random: &mut Random) -> Option<Vec<u8>> {
    let count = random.between(200, 4_000) as usize;
    let bytes = random.bytes(count);
    let first_version = !random.one_in(4);
    let mut flag = || !first_version && random.one_in(3);
    let config = Config {
        bulk_memory_enabled: flag(),
        exceptions_enabled: flag(),
        extended_const_enabled: flag(),
        gc_enabled: flag(),
        memory64_enabled: flag(),
        multi_value_enabled: flag(),
        reference_types_enabled: flag(),
        relaxed_simd_enabled: flag(),
        saturating_float_to_int_enabled: flag(),
        sign_extension_ops_enabled: flag(),
        simd_enabled: flag(),
        tail_call_enabled: flag(),
        threads_enabled: flag(),
        wide_arithmetic_enabled: flag(),
        compact_imports_enabled: false,
        custom_descriptors_enabled: false,
        custom_page_sizes_enabled: false,
        shared_everything_threads_enabled: false,
        acquire_release_atomics_enabled: false,
        multibyte_array_access_enabled: false,
        allow_invalid_funcs: random.one_in(3),
        allow_start_export: random.one_in(3),
        generate_custom_sections: random.one_in(3),
        max_memories: if random.one_in(10) { 2 } else { 1 },
        max_tables: if random.one_in(10) { 2 } else { 1 },
        max_memory32_bytes: 100 << 16,
        ..Config::default()
    };
    let module = wasm_smith::Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    Some(module.to_bytes())
}
