//! The targets of [`pvf_fuzz::targets`] under libFuzzer. Each binary is one line.

#[doc(hidden)]
pub use libfuzzer_sys;
#[doc(hidden)]
pub use pvf_fuzz;

use pvf_fuzz::targets::{Target, find};
use std::sync::LazyLock;

/// The target of a binary.
#[doc(hidden)]
pub fn target(name: &str) -> LazyTarget {
    LazyTarget(find(name).copied())
}

/// A target, looked up once.
#[doc(hidden)]
pub struct LazyTarget(Option<Target>);

impl LazyTarget {
    /// Checks an input. libFuzzer takes the end of the process for a find.
    pub fn check(&self, input: &[u8]) {
        match &self.0 {
            Some(target) => target.check_or_abort(input),
            None => std::process::abort(),
        }
    }

    /// Changes the first `size` bytes, which may become at most `most`: as the target does it, or as libFuzzer does.
    pub fn mutate(&self, data: &mut [u8], size: usize, most: usize, seed: u32) -> usize {
        let target = self.0.as_ref();
        let most = most.min(data.len());
        match target.and_then(|target| target.mutated(&data[..size], seed.into(), most)) {
            Some(mutant) => {
                data[..mutant.len()].copy_from_slice(&mutant);
                mutant.len()
            }
            None => libfuzzer_sys::fuzzer_mutate(data, size, most),
        }
    }
}

/// The type of the static that holds a binary's target.
#[doc(hidden)]
pub type Static = LazyLock<LazyTarget>;

/// The program of the target with this name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        use $crate::libfuzzer_sys;

        static TARGET: $crate::Static = $crate::Static::new(|| $crate::target($name));

        libfuzzer_sys::fuzz_target!(|input: &[u8]| TARGET.check(input));

        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
            TARGET.mutate(data, size, most, seed)
        });
    };
}
