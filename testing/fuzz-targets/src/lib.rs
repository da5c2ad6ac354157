//! The targets of coverage-guided fuzzing that need no other engine: [`TARGETS`].
//!
//! A target is a function that takes bytes and panics if it finds something. `fuzz/cargo-fuzz` runs it under libFuzzer,
//! `scripts/fuzz-all` runs all of them for hours, and a test runs each of them on the corpus that is kept for it
//! (`fuzz/corpus/targets/NAME`) and on random changes of it. `pvf-fuzz` adds those that compare with other engines.
//! Which inputs a target takes is its own business; most decode their bytes as choices ([`Random::of_bytes`]), so that
//! every input is a valid one.
#![deny(unsafe_code)]

mod artifact;
pub mod bodies;
mod code;
mod job;
mod module;
mod verifier;
mod wire;

pub use code::try_blob;
pub use module::corpus_modules;

use pvf_generators::{Random, damage, folder};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// Changes an input: the input, a seed, and the largest length of the result. `None` if the input cannot be changed so.
pub type Mutate = fn(&[u8], u64, usize) -> Option<Vec<u8>>;

/// A target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Name of the target, of its binary for libFuzzer and of its corpus.
    pub name: &'static str,
    /// What it holds to, in one line.
    pub about: &'static str,
    /// Checks one input, and panics if it finds something.
    pub check: fn(&[u8]),
    /// Inputs to start from, without those of the corpus.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Changes an input of this target better than flipped bits do: the input, a seed, and the most bytes.
    pub mutate: Option<Mutate>,
    /// The most bytes of an input.
    pub most_bytes: usize,
}

/// The targets that need no other engine.
pub const TARGETS: &[Target] = &[
    module::TARGET,
    bodies::TARGET,
    code::TARGET,
    artifact::TARGET,
    verifier::TARGET,
    wire::TARGET,
    job::TARGET,
];

thread_local! {
    /// The last panic of this thread: message and place.
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Replaces the panic hook: host functions panic by design, and libFuzzer's hook would end the process for those too.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            LAST_PANIC.with_borrow_mut(|last| *last = panic.to_string());
        }));
    });
}

/// The last panic of this thread, as text.
pub fn last_panic() -> String {
    LAST_PANIC.with_borrow(Clone::clone)
}

/// The folder of the repository that holds the modules which fuzzers start from, and the corpora of the targets.
pub fn corpus_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

impl Target {
    /// Checks one input.
    ///
    /// # Errors
    /// What was found.
    pub fn try_input(&self, input: &[u8]) -> Result<(), String> {
        note_panics();
        catch_unwind(AssertUnwindSafe(|| (self.check)(input))).map_err(|_| last_panic())
    }

    /// Checks one input, and ends the process if something is found: for fuzzers that watch the process.
    pub fn check_or_abort(&self, input: &[u8]) {
        if let Err(found) = self.try_input(input) {
            eprintln!("target {}: {found}", self.name);
            std::process::abort();
        }
    }

    /// The folder of the corpus that the repository keeps.
    pub fn corpus(&self) -> PathBuf {
        corpus_folder().join("targets").join(self.name)
    }

    /// Inputs to start from: the kept corpus, and those that the target makes.
    pub fn inputs(&self) -> Vec<Vec<u8>> {
        let mut inputs = files(&self.corpus());
        inputs.extend((self.seeds)());
        inputs
    }

    /// One of these inputs after a random change.
    pub fn changed(&self, inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
        let input = random.pick(inputs);
        if let Some(mutant) = self.mutated(input, random.bits(), self.most_bytes) {
            return mutant;
        }
        let mut changed = damage::damage(random, inputs);
        changed.truncate(self.most_bytes);
        changed
    }

    /// Checks the inputs that the target starts from, and a number of random changes of them.
    ///
    /// # Errors
    /// The first input that finds something, with what it found.
    pub fn try_changes(&self, changes: u64) -> Result<(), String> {
        let inputs = self.inputs();
        for (number, input) in inputs.iter().enumerate() {
            self.try_input(input)
                .map_err(|found| format!("input {number} of {}: {found}", self.name))?;
        }
        for seed in 0..changes {
            let changed = self.changed(&inputs, &mut Random::new(seed));
            self.try_input(&changed).map_err(|found| {
                format!("change {seed} of {}: {found}\n{changed:02x?}", self.name)
            })?;
        }
        Ok(())
    }

    /// A changed input of at most `most` bytes. `None` if the target knows nothing better than changed bytes.
    pub fn mutated(&self, input: &[u8], seed: u64, most: usize) -> Option<Vec<u8>> {
        note_panics();
        // wasm-mutate panics on some modules.
        let mutant = catch_unwind(|| self.mutate?(input, seed, most)).ok()??;
        (mutant.len() <= most).then_some(mutant)
    }
}

/// The contents of a folder's files, in the order of their names; none if there is no folder.
pub fn files(path: &Path) -> Vec<Vec<u8>> {
    let entries = folder::entries(path).unwrap_or_default();
    let files = entries.iter().filter(|path| path.is_file());
    files.filter_map(|path| std::fs::read(path).ok()).collect()
}

/// Random bytes as inputs, for targets that take bytes as choices.
pub fn choices(count: u64, most_bytes: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(count);
    let lengths = (0..count).map(|index| most_bytes * (index + 1) / count);
    let lengths: Vec<u64> = lengths.collect();
    lengths
        .into_iter()
        .map(|bytes| random.bytes(bytes as usize))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_finds_is_reported_with_its_place() {
        const BROKEN: Target = Target {
            name: "broken",
            about: "fails on inputs that begin with a zero",
            check: |input| assert!(input.first() != Some(&0), "a zero"),
            seeds: Vec::new,
            mutate: None,
            most_bytes: 1,
        };
        assert_eq!(BROKEN.try_input(&[1]), Ok(()));
        let found = BROKEN.try_input(&[0]).unwrap_err();
        assert!(
            found.contains("a zero") && found.contains("lib.rs"),
            "{found}"
        );
        let found = BROKEN.try_input(&[0]).unwrap_err();
        assert!(found.contains("a zero"), "{found}");
    }
}
