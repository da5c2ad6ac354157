//! Named sets of rules.

use crate::{CompileOptions, Metering};
use pvf_rules::{ExecutionParameters, Features, Limits};

/// A named set of rules: the accepted language and the limits of an instance.
///
/// A profile is a starting point: every field of its values can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// The Polkadot network's rules: the language that its nodes accept, with their deviations from
    /// the specification; 2,080 pages of memory whatever a module declares; both stack limits.
    Polkadot,
    /// Like `Polkadot` with a stricter language: WebAssembly 1.0 with mutable globals, as
    /// specified.
    Strict,
    /// Plain WebAssembly: all feature switches on, declared maxima apply.
    Wasm,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Polkadot, Self::Strict, Self::Wasm];

    /// The profile's name on the command line.
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

    /// The limits on counts, such as those of functions and locals.
    pub const fn limits(self) -> Limits {
        Limits::of(self.features())
    }

    /// The execution parameters of instances.
    pub const fn parameters(self) -> ExecutionParameters {
        match self {
            Self::Polkadot | Self::Strict => ExecutionParameters::POLKADOT,
            Self::Wasm => ExecutionParameters::WASM,
        }
    }

    /// Options to compile modules of this profile, on one thread.
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
