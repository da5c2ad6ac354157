//! How functions are shared out among chunks and threads, for tests: no outcome depends on it.

use crate::instance::LoadFailure;
use pvf_executor::{Artifact, CompileError, CompileOptions, Target, compile};
use std::num::NonZeroUsize;

/// Every module is prepared for every target by each of these numbers of threads, and the artifacts are compared: they
/// may differ with the size of chunks, since functions lie elsewhere, but not with the threads.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// Bytes of bodies that make a chunk; with 1, every function is one.
    pub chunk_bytes: u32,
    /// Numbers of threads.
    pub threads: &'static [NonZeroUsize],
}

impl Sharing {
    /// The artifact for this machine, or why the module is refused. The failure: what is prepared depends on the
    /// threads.
    pub(crate) fn prepare(
        &self,
        wasm: &[u8],
        options: &CompileOptions,
    ) -> Result<Result<Artifact, CompileError>, LoadFailure> {
        let prepare_with = |threads, target| {
            let options = CompileOptions {
                chunk_bytes: self.chunk_bytes,
                threads,
                target,
                ..options.clone()
            };
            compile(wasm, &options)
        };
        for target in Target::ALL {
            let first = prepare_with(NonZeroUsize::MIN, target);
            for &threads in self.threads {
                if prepare_with(threads, target) != first {
                    let message = format!("{threads} threads make another artifact for {target}");
                    return Err(LoadFailure::Host(message));
                }
            }
        }
        Ok(prepare_with(NonZeroUsize::MIN, options.target))
    }
}
