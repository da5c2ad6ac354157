//! The instruction sets that the compiler has code generators for.

pub(crate) mod aarch64;
#[cfg(debug_assertions)]
mod checked;
mod code;
mod late;
pub(crate) mod masm;
mod range;
mod record;
mod shared;
#[cfg(test)]
mod tests;
mod watched;
pub(crate) mod x64;

use serde::{Deserialize, Serialize};
use std::fmt;

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Target {
    /// x86-64-v3: with BMI1, BMI2, LZCNT, POPCNT, SSE4.1 and AVX. A fixed baseline, since an
    /// artifact must not depend on the machine that made it.
    X86_64,
    /// Armv8.0-A: the base instruction set with Advanced SIMD, which every 64-bit server processor has.
    Aarch64,
}

impl Target {
    /// All targets.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// The target of the machine this program runs on. On another machine, artifacts can be made but not executed.
    pub const HOST: Self = if cfg!(target_arch = "aarch64") {
        Self::Aarch64
    } else {
        Self::X86_64
    };

    /// The name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// The target with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// The largest page size of systems of this instruction set. The code of an artifact begins at a multiple of it, so
    /// that the file can be mapped and executed in place.
    pub const fn largest_page_bytes(self) -> u32 {
        match self {
            Self::X86_64 => 4096,
            Self::Aarch64 => 64 * 1024,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
