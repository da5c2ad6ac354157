//! Why a module cannot be instrumented.

use pvf_metering::MeterError;
use pvf_rules::LimitExceeded;

/// Why a module cannot be instrumented.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InstrumentError {
    /// The module is malformed, invalid, or outside the accepted language.
    #[error("{}{source}", in_function(*function))]
    Invalid {
        /// Index of the invalid function, counting imported ones.
        function: Option<u32>,
        /// What is wrong, and at which byte.
        source: wasmparser::BinaryReaderError,
    },
    /// A meter cannot give a function its costs. `wasm-instrument` refuses such modules as well.
    #[error("{}{error}", in_function(Some(*function)))]
    Meter {
        /// Index of the function, imported ones counted.
        function: u32,
        /// What is wrong.
        error: MeterError,
    },
    /// The module has an export with the name of one that is to be added.
    #[error("the module has an export {name:?} already; is it instrumented?")]
    Reserved {
        /// The name.
        name: &'static str,
    },
    /// The module, or what would become of it, is above a limit of the accepted language.
    #[error("{}instrumented: {limit}", in_function(*function))]
    Limit {
        /// Index of the function, imported ones counted.
        function: Option<u32>,
        /// Which limit.
        limit: LimitExceeded,
    },
}

impl InstrumentError {
    pub(crate) fn invalid(source: wasmparser::BinaryReaderError) -> Self {
        Self::Invalid {
            function: None,
            source,
        }
    }

    pub(crate) fn limit(limit: LimitExceeded) -> Self {
        Self::Limit {
            function: None,
            limit,
        }
    }
}

fn in_function(function: Option<u32>) -> String {
    function.map_or(String::new(), |index| format!("function {index}: "))
}
