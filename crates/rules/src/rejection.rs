//! Why a module is rejected: the class, the rule, the location.

use crate::{RejectionStage, RuleId};
use serde::{Serialize, Serializer};
use std::fmt;

/// The class of a rejection. It is a Polkadot node's name for the error, on which the node's reaction depends.
///
/// For a node, the first three are deterministic errors of preparation, and the last is not. A node that *prechecks* code
/// finds all four. A node that compiles code to execute it finds the last only when it makes an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectionClass {
    /// The blob cannot be decompressed (`CouldNotDecompressCodeBlob`).
    Decompression,
    /// The node's reader does not read the module (`Prevalidation`).
    Prevalidation,
    /// The node's compiler does not compile what the reader has read and the node has rewritten
    /// (`Preparation`).
    Preparation,
    /// The compiled module cannot be instantiated (`RuntimeConstruction`).
    RuntimeConstruction,
}

impl RejectionClass {
    /// Every class, in the order in which a node finds them.
    pub const ALL: [Self; 4] = [
        Self::Decompression,
        Self::Prevalidation,
        Self::Preparation,
        Self::RuntimeConstruction,
    ];

    /// The stage of the outcome.
    pub const fn stage(self) -> RejectionStage {
        match self {
            Self::Decompression | Self::Prevalidation | Self::Preparation => {
                RejectionStage::Prepare
            }
            Self::RuntimeConstruction => RejectionStage::Construct,
        }
    }

    /// The name in JSON output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decompression => "decompression",
            Self::Prevalidation => "prevalidation",
            Self::Preparation => "preparation",
            Self::RuntimeConstruction => "runtime_construction",
        }
    }
}

impl fmt::Display for RejectionClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for RejectionClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A location in the (decompressed) module, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Index of the function whose body it is in, imported functions counted.
    pub function: Option<u32>,
    /// Byte offset in the module.
    pub offset: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.function, self.offset) {
            (Some(function), Some(offset)) => write!(f, "function {function}, offset {offset:#x}"),
            (Some(function), None) => write!(f, "function {function}"),
            (None, Some(offset)) => write!(f, "offset {offset:#x}"),
            (None, None) => f.write_str("the module"),
        }
    }
}

/// Why a module is rejected. The same blob and the same parameters give the same rejection on every machine.
///
/// Class and rule are the specification's; place and message are for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {}", self.reason())]
pub struct Rejection {
    /// The class, which is a node's name for the error.
    pub class: RejectionClass,
    /// The rule that decided.
    pub rule: RuleId,
    /// The location in the module.
    pub place: Place,
    /// The reason as text, without the location.
    pub message: String,
}

impl Rejection {
    /// A rejection that is about the module as a whole.
    pub fn new(class: RejectionClass, rule: RuleId, message: impl Into<String>) -> Self {
        Self {
            class,
            rule,
            place: Place::default(),
            message: message.into(),
        }
    }

    /// The stage of the outcome.
    pub const fn stage(&self) -> RejectionStage {
        self.class.stage()
    }

    /// The reason and the location as text, without the rule.
    pub fn reason(&self) -> String {
        match self.place {
            Place {
                function: None,
                offset: None,
            } => self.message.clone(),
            place => format!("{} ({place})", self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_in_words_names_rule_and_place() {
        let mut rejection =
            Rejection::new(RejectionClass::Preparation, RuleId::LIMIT_2, "too much");
        assert_eq!(rejection.to_string(), "LIMIT-2: too much");
        rejection.place.offset = Some(16);
        assert_eq!(rejection.to_string(), "LIMIT-2: too much (offset 0x10)");
        rejection.place.function = Some(3);
        assert_eq!(rejection.reason(), "too much (function 3, offset 0x10)");
    }

    #[test]
    fn only_the_last_class_is_of_the_second_stage() {
        let stages = RejectionClass::ALL.map(RejectionClass::stage);
        let [rest @ .., last] = stages;
        assert_eq!(rest, [RejectionStage::Prepare; 3]);
        assert_eq!(last, RejectionStage::Construct);
    }
}
