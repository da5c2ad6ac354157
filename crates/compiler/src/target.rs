//! The instruction sets code can be made for.

pub(crate) mod masm;
mod record;
pub(crate) mod x64;

use serde::{Deserialize, Serialize};
use std::fmt;

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Target {
    /// x86-64-v3: with BMI1, BMI2, LZCNT, POPCNT, SSE4.1 and AVX. A fixed baseline, since an
    /// artifact must not depend on the machine that made it.
    X86_64,
}

impl Target {
    /// The name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
        }
    }

    /// The target with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        (name == "x86_64").then_some(Self::X86_64)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
