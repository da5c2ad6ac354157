//! How functions are distributed among chunks and threads.

use crate::random::{Random, mix};
use pvf_compiler::{Artifact, CompileError, CompileOptions, Target, compile};
use std::num::NonZeroUsize;

/// A size of chunks and a number of threads. No outcome depends on either, and no artifact depends on the number of
/// threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// The number of bytes of bodies in a chunk.
    pub chunk_bytes: u32,
    /// The number of threads that compile.
    pub threads: NonZeroUsize,
}

/// Many threads.
const MANY: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// The default size of a chunk, and smaller ones.
const CHUNK_BYTES: [u32; 6] = [1, 1, 40, 400, 4_000, 65_536];

impl Sharing {
    /// The sharing that a module's seed determines.
    pub fn of_seed(seed: u64) -> Self {
        let mut random = Random::new(mix(seed ^ 0x5348_4152_494e_4721));
        let threads = random.between(1, MANY.get() as u64) as usize;
        Self {
            chunk_bytes: *random.pick(&CHUNK_BYTES),
            threads: NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN),
        }
    }

    /// These options with this sharing.
    pub fn apply(self, options: &CompileOptions) -> CompileOptions {
        CompileOptions {
            chunk_bytes: self.chunk_bytes,
            threads: self.threads,
            ..options.clone()
        }
    }

    /// Compiles with one thread and with many for all targets, and with [`Self::threads`] for the target of the
    /// options. Returns the artifact of the last one. The error names the target whose artifacts differ.
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
