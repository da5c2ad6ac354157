//! Named sets of rules.

use crate::{CompileOptions, Metering};
use pvf_rules::{ExecutionParameters, Features, Limits};

/// What language is accepted and what an instance may take, by name.
///
/// A profile is where to start from: every field of what it gives can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// As today's Polkadot network: what its nodes accept, read as they read it, 2,080 pages of memory
    /// whatever a module declares, both stack limits.
    Polkadot,
    /// The same with a stricter language: WebAssembly 1.0 with mutable globals as the specification says.
    Strict,
    /// Plain WebAssembly: all switches on, declared maxima hold.
    Wasm,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Polkadot, Self::Strict, Self::Wasm];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Polkadot => "polkadot",
            Self::Strict => "strict",
            Self::Wasm => "wasm",
        }
    }

    /// The profile with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// The accepted language.
    pub const fn features(self) -> Features {
        match self {
            Self::Polkadot => Features::POLKADOT,
            Self::Strict => Features::MVP,
            Self::Wasm => Features::ALL,
        }
    }

    /// The limits by count.
    pub const fn limits(self) -> Limits {
        Limits::of(self.features())
    }

    /// What is applied to instances.
    pub const fn parameters(self) -> ExecutionParameters {
        match self {
            Self::Polkadot | Self::Strict => ExecutionParameters::POLKADOT,
            Self::Wasm => ExecutionParameters::WASM,
        }
    }

    /// How to compile modules of this profile, on one thread.
    pub fn compile_options(self) -> CompileOptions {
        CompileOptions {
            limits: self.limits(),
            metering: Metering {
                logical_stack: self.parameters().stack_logical_max.is_some(),
                gas: None,
            },
            ..CompileOptions::new(self.features())
        }
    }
}
