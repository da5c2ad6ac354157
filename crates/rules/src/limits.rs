//! The limits on counts, checked before anything is compiled.

use crate::Features;
use serde::{Deserialize, Serialize};

macro_rules! limits {
    ($($(#[$doc:meta])* $field:ident: $value:expr, $network:expr, $what:literal;)*) => {
        /// The limits of a module, one table. Each is the largest accepted count.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct Limits {
            $($(#[$doc])* pub $field: u32,)*
        }

        impl Limits {
            /// The limits of the dialect [`Dialect::WebAssembly`](crate::Dialect::WebAssembly).
            pub const DEFAULT: Self = Self { $($field: $value,)* };

            /// The limits of the dialect [`Dialect::Network`](crate::Dialect::Network): those of the parser that
            /// the network's nodes validate with (rule NET-9).
            pub const NETWORK: Self = Self { $($field: $network,)* };

            $(
                #[doc = concat!("Checks a count of ", $what, " against the limit.")]
                pub fn $field(&self, count: u64) -> Result<(), LimitExceeded> {
                    if count <= u64::from(self.$field) {
                        Ok(())
                    } else {
                        Err(LimitExceeded { what: $what, count, limit: self.$field })
                    }
                }
            )*
        }
    };
}

limits! {
    /// Bytes of a module, decompressed. Ten times Polkadot's `MAX_CODE_SIZE`.
    module_bytes: 50 * 1024 * 1024, 50 * 1024 * 1024, "bytes of module";
    /// Entries of the type section.
    types: 10_000, 1_000_000, "types";
    /// Parameters of a function type or block type.
    params: 1_000, 1_000, "parameters";
    /// Results of a function type or block type.
    results: 1_000, 1_000, "results";
    /// Imports of all kinds.
    imports: 10_000, 1_000_000, "imports";
    /// Functions, imported ones counted.
    functions: 1_000_000, 1_000_000, "functions";
    /// Exports of all kinds.
    exports: 100_000, 1_000_000, "exports";
    /// Globals, imported ones counted.
    globals: 100_000, 1_000_000, "globals";
    /// Entries a table may start with.
    table_entries: 10_000_000, 4_294_967_295, "initial table entries";
    /// Entries of one element segment.
    segment_entries: 10_000_000, 10_000_000, "entries of an element segment";
    /// Data segments.
    data_segments: 100_000, 100_000, "data segments";
    /// Element segments.
    element_segments: 100_000, 100_000, "element segments";
    /// Bytes of a function body, including its local declarations.
    body_bytes: 7_654_321, 4_294_967_295, "bytes of function body";
    /// Locals of a function, parameters counted.
    locals: 50_000, 50_000, "locals";
    /// Control frames open at one point of a body, the body's own counted.
    nesting: 10_000, 4_294_967_295, "levels of nesting";
    /// Operands at one point of a body. A body with more bytes may have as many operands as bytes.
    operands: 10_000, 10_000, "operands";
    /// Targets of a `br_table`, the default not counted.
    br_table_targets: 1_000_000, 131_072, "br_table targets";
    /// Bytes of a name of an import or export.
    name_bytes: 100_000, 100_000, "bytes of name";
}

impl Limits {
    /// The limits of an accepted language.
    pub const fn of(features: Features) -> Self {
        if features.reads_as_network() {
            Self::NETWORK
        } else {
            Self::DEFAULT
        }
    }
}

/// A count above its limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} {what}, the limit is {limit}")]
pub struct LimitExceeded {
    /// The thing that was counted.
    pub what: &'static str,
    /// The count.
    pub count: u64,
    /// The largest accepted count.
    pub limit: u32,
}
