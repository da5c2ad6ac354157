//! How functions are shared out among chunks and threads.

use crate::random::{Random, mix};
use pvf_compiler::{Artifact, CompileError, CompileOptions, Target, compile};
use std::num::NonZeroUsize;

/// A size of chunks and a number of threads. No outcome depends on either, and no artifact on the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Bytes of bodies that make a chunk.
    pub chunk_bytes: u32,
    /// Threads that compile.
    pub threads: NonZeroUsize,
}

/// Many threads.
const MANY: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// The usual size of a chunk, and smaller ones.
const CHUNK_BYTES: [u32; 6] = [1, 1, 40, 400, 4_000, 65_536];

impl Sharing {
    /// The one that a module's seed stands for.
    pub fn of_seed(seed: u64) -> Self {
        let mut random = Random::new(mix(seed ^ 0x5348_4152_494e_4721));
        let threads = random.between(1, MANY.get() as u64) as usize;
        Self {
            chunk_bytes: *random.pick(&CHUNK_BYTES),
            threads: NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN),
        }
    }

    /// The options with this sharing.
    pub fn apply(self, options: &CompileOptions) -> CompileOptions {
        CompileOptions {
            chunk_bytes: self.chunk_bytes,
            threads: self.threads,
            ..options.clone()
        }
    }

    /// Prepares by one thread and by many, for all targets, and by the threads of this sharing for the target of the options:
    /// that artifact. The error says for which target the threads make a difference.
    pub fn compile(
        self,
        wasm: &[u8],
        options: &CompileOptions,
    ) -> Result<Result<Artifact, CompileError>, String> {
        let prepare = |threads, target| {
            let options = CompileOptions {
                target,
                ..Self { threads, ..self }.apply(options)
            };
            compile(wasm, &options)
        };
        let own = prepare(self.threads, options.target);
        for target in Target::ALL {
            let [one, many] = [NonZeroUsize::MIN, MANY].map(|threads| prepare(threads, target));
            if one != many || target == options.target && own != one {
                return Err(format!(
                    "in chunks of {} bytes, {} or {} threads make another artifact for {target} than one",
                    self.chunk_bytes, self.threads, MANY
                ));
            }
        }
        Ok(own)
    }
}
