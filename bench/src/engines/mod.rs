//! The engines by name.

pub mod ours;
#[cfg(feature = "singlepass")]
mod singlepass;
#[cfg(feature = "wasmi")]
mod wasmi;
#[cfg(feature = "wasmtime")]
mod wasmtime;

use crate::engine::Engine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every engine that a report may contain, whether it is built in or not.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum EngineName {
    /// This repository's engine without meters.
    Ours,
    /// The same, with the verification of the machine code.
    OursVerified,
    /// This repository's engine, counting the logical stack with the limit of 65,536, as on a validator.
    OursLogical,
    /// This repository's engine, counting gas.
    OursGas,
    /// Wasmtime's Cranelift, optimisation level speed, canonical NaNs: the yardstick.
    Cranelift,
    /// A validator's configuration: Cranelift, speed and size, canonical NaNs, after `wasm-instrument`'s stack limiter.
    CraneliftPolkadot,
    /// The yardstick, with fuel.
    CraneliftFuel,
    /// Wasmtime's baseline compiler (it does not canonicalise NaNs).
    Winch,
    /// Wasmer's baseline compiler, canonical NaNs.
    Singlepass,
    /// An interpreter. Its compilation is the translation to its own code.
    Wasmi,
}

impl EngineName {
    /// All engines, in the order of tables.
    pub const ALL: [Self; 10] = [
        Self::Ours,
        Self::OursVerified,
        Self::OursLogical,
        Self::OursGas,
        Self::Cranelift,
        Self::CraneliftPolkadot,
        Self::CraneliftFuel,
        Self::Winch,
        Self::Singlepass,
        Self::Wasmi,
    ];

    /// The engines that are keys in any of the maps, in the order of tables.
    pub fn keys_of<'a, V: 'a>(
        maps: impl Iterator<Item = &'a BTreeMap<Self, V>> + Clone,
    ) -> Vec<Self> {
        let used = |it: &Self| maps.clone().any(|map| map.contains_key(it));
        Self::ALL.into_iter().filter(used).collect()
    }

    /// Engines in comparable configurations: without meters, and as on a validator.
    pub const PAIRS: [(Self, Self); 2] = [
        (Self::Ours, Self::Cranelift),
        (Self::OursLogical, Self::CraneliftPolkadot),
    ];

    /// The name on the command line and in JSON.
    pub fn text(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursVerified => "ours-verified",
            Self::OursLogical => "ours-logical",
            Self::OursGas => "ours-gas",
            Self::Cranelift => "cranelift",
            Self::CraneliftPolkadot => "cranelift-polkadot",
            Self::CraneliftFuel => "cranelift-fuel",
            Self::Winch => "winch",
            Self::Singlepass => "singlepass",
            Self::Wasmi => "wasmi",
        }
    }

    /// Whether this is this repository's engine.
    pub fn is_ours(self) -> bool {
        matches!(
            self,
            Self::Ours | Self::OursVerified | Self::OursLogical | Self::OursGas
        )
    }

    /// Whether its code runs otherwise than that of the engines before it.
    pub fn has_code_of_its_own(self) -> bool {
        self != Self::OursVerified
    }

    /// Whether this executable contains the engine.
    pub fn built_in(self) -> bool {
        match self {
            Self::Ours | Self::OursVerified | Self::OursLogical | Self::OursGas => true,
            Self::Cranelift | Self::CraneliftPolkadot | Self::CraneliftFuel => {
                cfg!(feature = "wasmtime")
            }
            Self::Winch => cfg!(feature = "winch"),
            Self::Singlepass => cfg!(feature = "singlepass"),
            Self::Wasmi => cfg!(feature = "wasmi"),
        }
    }

    /// Opens the engine.
    pub fn open(self) -> Result<Box<dyn Engine>, String> {
        match self {
            Self::Ours => Ok(Box::new(ours::Ours::plain())),
            Self::OursVerified => Ok(Box::new(ours::Ours::plain().verified())),
            Self::OursLogical => Ok(Box::new(ours::Ours::metered(true, false))),
            Self::OursGas => Ok(Box::new(ours::Ours::metered(false, true))),
            #[cfg(feature = "wasmtime")]
            Self::Cranelift => wasmtime::Peer::cranelift(),
            #[cfg(feature = "wasmtime")]
            Self::CraneliftPolkadot => wasmtime::Peer::polkadot(),
            #[cfg(feature = "wasmtime")]
            Self::CraneliftFuel => wasmtime::Peer::fuel(),
            #[cfg(feature = "winch")]
            Self::Winch => wasmtime::Peer::winch(),
            #[cfg(feature = "singlepass")]
            Self::Singlepass => Ok(Box::new(singlepass::Singlepass::new())),
            #[cfg(feature = "wasmi")]
            Self::Wasmi => Ok(Box::new(wasmi::Wasmi::new())),
            #[cfg(not(all(
                feature = "wasmtime",
                feature = "winch",
                feature = "singlepass",
                feature = "wasmi"
            )))]
            absent => Err(format!(
                "{}: not in this executable; build it with `cargo build --release --features peers`",
                absent.text()
            )),
        }
    }
}

/// This executor without meters, with every language switch enabled, with or without verification.
pub fn every_feature(verified: bool) -> Box<dyn Engine> {
    let engine = ours::Ours::every_feature();
    Box::new(match verified {
        true => engine.verified(),
        false => engine,
    })
}

impl std::fmt::Display for EngineName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.text())
    }
}
