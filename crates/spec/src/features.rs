//! The accepted language: a closed list, never "what the parser knows".

use serde::{Deserialize, Serialize};

/// The switches of the accepted language.
///
/// WebAssembly 1.0 and the import and export of mutable globals are always
/// accepted. Everything that is neither that nor one of these four switches is
/// rejected, in dead code and in functions never called too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Features {
    /// `i32.extend8_s` and its four siblings.
    pub sign_extension: bool,
    /// `i32.trunc_sat_f32_s` and its seven siblings.
    pub saturating_float_to_int: bool,
    /// Several results of functions and blocks, and parameters of blocks.
    pub multi_value: bool,
    /// `memory.copy`, `memory.fill`, `memory.init`, `table.copy`, `table.init`,
    /// `data.drop`, `elem.drop`, passive segments.
    pub bulk_memory: bool,
}

/// One switch of [`Features`], to name it in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureSwitch {
    /// See [`Features::sign_extension`].
    SignExtension,
    /// See [`Features::saturating_float_to_int`].
    SaturatingFloatToInt,
    /// See [`Features::multi_value`].
    MultiValue,
    /// See [`Features::bulk_memory`].
    BulkMemory,
}

impl Features {
    /// What today's Polkadot network accepts: WebAssembly 1.0 with mutable
    /// globals and nothing else, since its parser knows nothing else.
    pub const POLKADOT: Self = Self {
        sign_extension: false,
        saturating_float_to_int: false,
        multi_value: false,
        bulk_memory: false,
    };

    /// All switches on.
    pub const ALL: Self = Self {
        sign_extension: true,
        saturating_float_to_int: true,
        multi_value: true,
        bulk_memory: true,
    };
}

impl FeatureSwitch {
    /// The name used in messages, the proposal's own.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignExtension => "sign-extension",
            Self::SaturatingFloatToInt => "saturating-float-to-int",
            Self::MultiValue => "multi-value",
            Self::BulkMemory => "bulk-memory",
        }
    }
}
