//! The targets of coverage-guided fuzzing, as one list: [`TARGETS`].
//!
//! A target is a function that takes bytes and panics if it finds something. `cargo-fuzz/` runs it under libFuzzer,
//! `scripts/fuzz-all` runs all of them for hours, and a test runs each of them on the corpus that is kept for it
//! (`corpus/targets/NAME`) and on random changes of it. Which inputs a target takes is its own business; most decode
//! their bytes as choices ([`Random::of_bytes`](crate::Random::of_bytes)), so that every input is a valid one.

mod artifact;
mod code;
mod differential;
mod host;
mod job;
mod module;
mod verifier;
mod wire;

use crate::Random;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// A target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Name of the target, of its binary for libFuzzer and of its corpus.
    pub name: &'static str,
    /// What it holds to, in one line.
    pub about: &'static str,
    /// Checks one input, and panics if it finds something.
    check: fn(&[u8]),
    /// Inputs to start from, without those of the corpus.
    seeds: fn() -> Vec<Vec<u8>>,
    /// Changes an input of this target better than flipped bits do: the input, a seed, and the most bytes.
    mutate: Option<fn(&[u8], u64, usize) -> Option<Vec<u8>>>,
    /// The most bytes of an input.
    pub most_bytes: usize,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    module::TARGET,
    code::TARGET,
    artifact::TARGET,
    verifier::TARGET,
    wire::TARGET,
    job::TARGET,
    host::TARGET,
    differential::PROGRAM,
    differential::MUTANT,
];

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

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

impl Target {
    /// Checks one input.
    ///
    /// # Errors
    /// What was found.
    pub fn try_input(&self, input: &[u8]) -> Result<(), String> {
        note_panics();
        catch_unwind(AssertUnwindSafe(|| (self.check)(input)))
            .map_err(|_| LAST_PANIC.with_borrow(Clone::clone))
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
        crate::corpus::folder().join("targets").join(self.name)
    }

    /// Inputs to start from: the kept corpus, and those that the target makes.
    pub fn inputs(&self) -> Vec<Vec<u8>> {
        let mut inputs = files(&self.corpus());
        inputs.extend((self.seeds)());
        inputs
    }

    /// A changed input of at most `most` bytes. `None` if the target knows nothing better than changed bytes.
    pub fn mutated(&self, input: &[u8], seed: u64, most: usize) -> Option<Vec<u8>> {
        let mutant = self.mutate?(input, seed, most)?;
        (mutant.len() <= most).then_some(mutant)
    }
}

/// The contents of a folder's files, in the order of their names; none if there is no folder.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = crate::folder::entries(folder).unwrap_or_default();
    let files = entries.iter().filter(|path| path.is_file());
    files.filter_map(|path| std::fs::read(path).ok()).collect()
}

/// Random bytes as inputs, for targets that take bytes as choices.
fn choices(count: u64, most_bytes: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(count);
    let lengths = (0..count).map(|index| most_bytes * (index + 1) / count);
    let lengths: Vec<u64> = lengths.collect();
    lengths
        .into_iter()
        .map(|bytes| random.bytes(bytes as usize))
        .collect()
}

/// Runs `work` on a stack that is large enough for Wasmtime and the interpreters. Panics as `work` does.
fn on_large_stack<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(pvf_wasmtime::THREAD_STACK_BYTES)
            .spawn_scoped(scope, || {
                catch_unwind(AssertUnwindSafe(work))
                    .map_err(|_| LAST_PANIC.with_borrow(Clone::clone))
            });
        match thread.expect("a thread starts").join() {
            Ok(Ok(result)) => result,
            Ok(Err(found)) => panic!("{found}"),
            Err(_) => panic!("a thread ended with a panic"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_its_binary_for_libfuzzer_and_the_other_way_round() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cargo-fuzz/fuzz_targets");
        let names = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut binaries: Vec<String> =
            crate::folder::entries(&folder).unwrap().iter().map(names).collect();
        let mut targets: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        binaries.sort();
        targets.sort_unstable();
        assert_eq!(binaries, targets);
    }

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
        assert!(found.contains("a zero") && found.contains("targets.rs"), "{found}");
        let found = BROKEN.try_input(&[0]).unwrap_err();
        assert!(found.contains("a zero"), "{found}");
    }
}
