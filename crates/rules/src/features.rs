//! The accepted language: a closed list, never "what the parser knows".

use serde::{Deserialize, Serialize};

/// The accepted language: how a module is read, and four switches.
///
/// WebAssembly 1.0 and the import and export of mutable globals are always
/// accepted. Everything else that none of the four switches accepts is rejected, in unreachable code and in functions
/// that are never called too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Features {
    /// How a module is read. It has an effect only while all four switches are off: see
    /// [`Features::reads_as_network`].
    #[serde(default)]
    pub dialect: Dialect,
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

/// How a module is read, and the limits on its counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Dialect {
    /// As the WebAssembly specification says (rules LANG-1 to LANG-10).
    #[default]
    WebAssembly,
    /// As the nodes of today's Polkadot network do (rules NET-1 to NET-9): they read a module
    /// with a parser of their own, rewrite it, and validate what they have rewritten.
    Network,
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
    /// The language of today's Polkadot network: WebAssembly 1.0 with mutable
    /// globals, read as its nodes read it.
    pub const POLKADOT: Self = Self {
        dialect: Dialect::Network,
        ..Self::MVP
    };

    /// WebAssembly 1.0 with mutable globals, as the specification says.
    pub const MVP: Self = Self {
        dialect: Dialect::WebAssembly,
        sign_extension: false,
        saturating_float_to_int: false,
        multi_value: false,
        bulk_memory: false,
    };

    /// All switches on.
    pub const ALL: Self = Self {
        dialect: Dialect::WebAssembly,
        sign_extension: true,
        saturating_float_to_int: true,
        multi_value: true,
        bulk_memory: true,
    };

    /// Whether a switch is on.
    pub const fn has(self, switch: FeatureSwitch) -> bool {
        match switch {
            FeatureSwitch::SignExtension => self.sign_extension,
            FeatureSwitch::SaturatingFloatToInt => self.saturating_float_to_int,
            FeatureSwitch::MultiValue => self.multi_value,
            FeatureSwitch::BulkMemory => self.bulk_memory,
        }
    }

    /// Whether a module is read as the nodes of the network read it. No network accepts a switch, so with a switch on a
    /// module is read as the WebAssembly specification says, in every dialect.
    pub const fn reads_as_network(self) -> bool {
        matches!(self.dialect, Dialect::Network)
            && !self.sign_extension
            && !self.saturating_float_to_int
            && !self.multi_value
            && !self.bulk_memory
    }
}

impl FeatureSwitch {
    /// Every switch.
    pub const ALL: [Self; 4] = [
        Self::SignExtension,
        Self::SaturatingFloatToInt,
        Self::MultiValue,
        Self::BulkMemory,
    ];

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
