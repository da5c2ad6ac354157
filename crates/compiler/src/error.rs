//! Why there is no artifact: the module is refused, which is an outcome, or the compiler failed, which is not.

use crate::Target;
use crate::module::features;
use pvf_assembler::FinishError;
use pvf_rules::{LimitExceeded, Place, Rejection, RejectionClass, RuleId};

/// Why there is no artifact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The module is refused: an outcome, the same on every machine.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The compiler failed: a failure of this host, never an outcome.
    #[error(transparent)]
    Failed(#[from] InternalError),
}

impl CompileError {
    /// Whether this is an outcome.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// The refusal, if this is an outcome; else the failure of this host.
    ///
    /// # Errors
    /// [`InternalError`] if the compiler failed.
    pub fn refusal(self) -> Result<Refusal, InternalError> {
        match self {
            Self::Refused(refusal) => Ok(refusal),
            Self::Failed(failure) => Err(failure),
        }
    }
}

/// A failure of the compiler. The limits on counts exclude it (rule LIMIT-5), so it is a bug of the compiler and says
/// nothing about the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InternalError {
    /// The assembler could not finish a piece of code.
    #[error("the code cannot be assembled: {0}")]
    Assembler(#[from] FinishError),
    /// The validator of the compiler refuses a body in which wasmparser finds no fault.
    #[error("function {0} is refused without a reason")]
    Undecided(u32),
    /// The code is longer than calls reach.
    #[error("{0} bytes of machine code, calls reach {reach}", reach = i32::MAX)]
    CodeTooLarge(u64),
    /// This build cannot make code for this target.
    #[error("this build has no code generator for {0}")]
    TargetNotBuilt(Target),
}

/// Why a module is refused. The same module, [`Features`](pvf_rules::Features) and
/// [`Limits`](pvf_rules::Limits) give the same error on every machine.
///
/// `offset` is a byte offset in the (decompressed) module, `function` the index of
/// the function (imported ones counted) whose body is at fault, if one is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes do not follow the binary format.
    #[error("malformed module: {message} ({})", place(*function, *offset))]
    Malformed {
        /// Index of the function whose body is at fault.
        function: Option<u32>,
        /// Byte offset in the module.
        offset: u32,
        /// What the decoder expected.
        message: String,
        /// The rule of the specification that is broken.
        rule: RuleId,
    },
    /// The module decodes, but the validation rules do not hold.
    #[error("invalid module: {message} ({})", place(*function, *offset))]
    Invalid {
        /// Index of the function whose body is at fault.
        function: Option<u32>,
        /// Byte offset in the module.
        offset: u32,
        /// The broken rule of validation, as text.
        message: String,
        /// The rule of the specification that is broken.
        rule: RuleId,
    },
    /// The module uses something outside the accepted language.
    #[error("{feature} is not accepted ({})", place(*function, *offset))]
    Unsupported {
        /// Name of the proposal; for the switches of
        /// [`Features`](pvf_rules::Features),
        /// [`FeatureSwitch::name`](pvf_rules::FeatureSwitch::name).
        feature: &'static str,
        /// The rule of the specification that leaves it out.
        rule: RuleId,
        /// Index of the function whose body is at fault.
        function: Option<u32>,
        /// Byte offset in the module.
        offset: u32,
    },
    /// A meter has no cost for a body. `wasm-instrument` refuses the same modules, so that a network
    /// that instruments rejects them too.
    #[error("function {function} cannot be metered: {error}")]
    Meter {
        /// Index of the function.
        function: u32,
        /// The error of the meter.
        #[source]
        error: pvf_metering::MeterError,
    },
    /// A count is above its limit.
    #[error("{limit} ({})", place(*function, *offset))]
    Limit {
        /// Which limit, and the count.
        #[source]
        limit: LimitExceeded,
        /// Index of the function whose body is at fault.
        function: Option<u32>,
        /// Byte offset in the module.
        offset: u32,
    },
}

impl Refusal {
    /// The name a node gives this refusal.
    pub fn class(&self) -> RejectionClass {
        match self {
            Self::Malformed { .. } | Self::Unsupported { .. } => RejectionClass::Prevalidation,
            Self::Invalid { .. } | Self::Meter { .. } | Self::Limit { .. } => {
                RejectionClass::Preparation
            }
        }
    }

    /// The rule of the specification that is broken.
    pub fn rule(&self) -> RuleId {
        match self {
            Self::Malformed { rule, .. }
            | Self::Invalid { rule, .. }
            | Self::Unsupported { rule, .. } => *rule,
            // Gas has a cost for every valid body.
            Self::Meter { .. } => RuleId::LOGICAL_8,
            Self::Limit { .. } => RuleId::LIMIT_2,
        }
    }

    /// The byte offset in the module.
    pub fn place(&self) -> Place {
        match *self {
            Self::Malformed {
                function, offset, ..
            }
            | Self::Invalid {
                function, offset, ..
            }
            | Self::Unsupported {
                function, offset, ..
            }
            | Self::Limit {
                function, offset, ..
            } => place(function, offset),
            Self::Meter { function, .. } => Place {
                function: Some(function),
                offset: None,
            },
        }
    }

    /// An error of validation, from wasmparser's.
    pub(crate) fn from_wasmparser(error: wasmparser::Error, function: Option<u32>) -> Self {
        let offset = narrow(error.offset());
        match features::named_by(&error) {
            Some(feature) => Self::unsupported(feature, function, offset),
            None => Self::Invalid {
                function,
                offset,
                message: error.message().to_owned(),
                rule: features::rule_broken(error.message()),
            },
        }
    }

    /// An error of decoding, from wasmparser's.
    pub(crate) fn malformed(error: wasmparser::Error, function: Option<u32>) -> Self {
        let offset = narrow(error.offset());
        match features::named_by(&error) {
            Some(feature) => Self::unsupported(feature, function, offset),
            None => Self::Malformed {
                function,
                offset,
                message: error.message().to_owned(),
                rule: features::rule_broken(error.message()),
            },
        }
    }

    /// A refusal of something that the accepted language leaves out, by its proposal.
    pub(crate) fn unsupported(feature: &'static str, function: Option<u32>, offset: u32) -> Self {
        let rule = features::rule_without(feature);
        Self::left_out(feature, rule, function, offset)
    }

    /// A refusal of something that this rule leaves out.
    pub(crate) fn left_out(
        feature: &'static str,
        rule: RuleId,
        function: Option<u32>,
        offset: u32,
    ) -> Self {
        Self::Unsupported {
            feature,
            rule,
            function,
            offset,
        }
    }

    pub(crate) fn limit(limit: LimitExceeded, function: Option<u32>, offset: u32) -> Self {
        Self::Limit {
            limit,
            function,
            offset,
        }
    }
}

impl From<Refusal> for Rejection {
    /// The outcome of the refusal.
    fn from(refusal: Refusal) -> Self {
        Self {
            class: refusal.class(),
            rule: refusal.rule(),
            place: refusal.place(),
            message: match &refusal {
                Refusal::Malformed { message, .. } => format!("malformed module: {message}"),
                Refusal::Invalid { message, .. } => format!("invalid module: {message}"),
                Refusal::Unsupported { feature, .. } => format!("{feature} is not accepted"),
                Refusal::Meter { error, .. } => format!("cannot be metered: {error}"),
                Refusal::Limit { limit, .. } => limit.to_string(),
            },
        }
    }
}

/// Offsets fit 32 bits, since the size of a module has a limit of 32 bits.
pub(crate) fn narrow(offset: u64) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

fn place(function: Option<u32>, offset: u32) -> Place {
    Place {
        function,
        offset: Some(offset),
    }
}
