//! The targets of coverage-guided fuzzing, as one list: those of [`pvf_fuzz_targets`], which need no other engine, and
//! those that compare with one.

mod differential;
mod host;

pub use pvf_fuzz_targets::Target;

use pvf_fuzz_targets::{choices, corpus_modules, last_panic};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The targets that compare with another engine.
pub const TARGETS: &[Target] = &[host::TARGET, differential::PROGRAM, differential::MUTANT];

/// All targets.
pub fn all() -> impl Iterator<Item = &'static Target> {
    pvf_fuzz_targets::TARGETS.iter().chain(TARGETS)
}

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    all().find(|target| target.name == name)
}

/// Runs `work` on a stack that is large enough for Wasmtime and the interpreters. Panics as `work` does.
fn on_large_stack<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(pvf_wasmtime::THREAD_STACK_BYTES)
            .spawn_scoped(scope, || {
                catch_unwind(AssertUnwindSafe(work)).map_err(|_| last_panic())
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
    use std::path::Path;

    #[test]
    fn every_target_has_its_binary_for_libfuzzer_and_the_other_way_round() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cargo-fuzz/fuzz_targets");
        let files = crate::folder::entries(&folder).unwrap();
        let names = files
            .iter()
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
        let mut binaries: Vec<String> = names.collect();
        let mut targets: Vec<&str> = all().map(|target| target.name).collect();
        binaries.sort();
        targets.sort_unstable();
        assert_eq!(binaries, targets);
        let manifest = std::fs::read_to_string(folder.join("../Cargo.toml")).unwrap();
        for name in targets {
            let entry = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"");
            assert!(manifest.contains(&entry), "{name} is not in Cargo.toml");
        }
    }
}
