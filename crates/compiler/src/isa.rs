//! The instruction sets that the compiler has code generators for.

pub(crate) mod aarch64;
#[cfg(debug_assertions)]
mod checked;
mod code;
mod late;
pub(crate) mod masm;
#[cfg(feature = "polkavm")]
pub(crate) mod polkavm;
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
    /// PolkaVM's `Latest64`, an experiment behind the feature `polkavm`. The code is relocatable, see
    /// [`pvf_assembler::polkavm`]; the crate `pvf-polkavm` executes it.
    PolkaVm,
}

impl Target {
    /// The targets of this build: hardware, and others that it was built with.
    pub const NAMED: &[Self] = if cfg!(feature = "polkavm") {
        &[Self::X86_64, Self::Aarch64, Self::PolkaVm]
    } else {
        &Self::ALL
    };

    /// The targets that are hardware.
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
            Self::PolkaVm => "polkavm",
        }
    }

    /// The target of this build with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut targets = Self::NAMED.iter().copied();
        targets.find(|target| target.name() == name)
    }

    /// The largest page size of systems of this instruction set. The code of an artifact begins at a multiple of it, so
    /// that the file can be mapped and executed in place.
    pub const fn largest_page_bytes(self) -> u32 {
        match self {
            // Nothing is executed in place.
            Self::X86_64 | Self::PolkaVm => 4096,
            Self::Aarch64 => 64 * 1024,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
