//! The answer of an engine.

use crate::{Number, hex};
use pvf_rules::{HashedOutcome, RejectionStage, RuleId, TrapKind};
use serde_json::{Value, json};

/// The outcome of a question's last step, with measured values. An engine leaves out the values that it does not
/// measure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    outcome: &'static str,
    stage: Option<RejectionStage>,
    result: Value,
    trap: Option<TrapKind>,
    reason: Option<String>,
    steps: Vec<Option<TrapKind>>,
    /// The rule of a rejection, for people.
    pub rule: Option<RuleId>,
    /// Largest sum of frames, in bytes.
    pub stack_native_peak: Option<u64>,
    /// Largest height of the logical stack, in units.
    pub stack_logical_peak: Option<u64>,
    /// Largest size of the memory, in pages.
    pub memory_pages_peak: Option<u32>,
    /// Gas charged since the module was instantiated.
    pub gas_used: Option<u64>,
    /// The bytes of memory that the question's `peek` names.
    pub memory: Option<Vec<u8>>,
    /// The digest of rule OUT-4.
    pub outcome_digest: Option<HashedOutcome>,
}

impl Answer {
    /// The answer to a question without steps whose module can be instantiated.
    pub fn new() -> Self {
        Self {
            outcome: "valid",
            ..Self::default()
        }
    }

    /// The module or artifact is rejected.
    pub fn rejected(stage: RejectionStage, reason: impl Into<String>) -> Self {
        Self {
            outcome: "rejected",
            stage: Some(stage),
            reason: Some(reason.into()),
            ..Self::default()
        }
    }

    /// A call returned these values.
    pub fn returned(&mut self, values: impl IntoIterator<Item = Number>) {
        let values: Vec<String> = values.into_iter().map(|it| it.to_string()).collect();
        self.ended("valid", json!(values), None, None);
    }

    /// A step other than a call ended with this word.
    pub fn said(&mut self, word: &str) {
        self.ended("valid", json!([word]), None, None);
    }

    /// The candidate is valid; `validate_block` returned these bytes.
    pub fn validated(&mut self, bytes: &[u8]) {
        self.ended("valid", hex(bytes).into(), None, None);
    }

    /// A call trapped, or the candidate is invalid for a reason without a trap.
    pub fn invalid(&mut self, trap: Option<TrapKind>, reason: impl Into<String>) {
        self.ended("invalid", Value::Null, trap, Some(reason.into()));
    }

    fn ended(
        &mut self,
        outcome: &'static str,
        result: Value,
        trap: Option<TrapKind>,
        reason: Option<String>,
    ) {
        (self.outcome, self.result, self.trap, self.reason) = (outcome, result, trap, reason);
        self.steps.push(trap);
    }

    /// The answer as a line of the protocol.
    pub fn to_json(&self) -> Value {
        let steps = self.steps.iter().map(|trap| trap.map(TrapKind::name));
        json!({
            "outcome": self.outcome,
            "stage": self.stage.map(RejectionStage::name),
            "rule": self.rule,
            "result": self.result,
            "trap": self.trap.map(TrapKind::name),
            "reason": self.reason,
            "steps": steps.collect::<Vec<_>>(),
            "stack_native_peak": self.stack_native_peak,
            "stack_logical_peak": self.stack_logical_peak,
            "memory_pages_peak": self.memory_pages_peak,
            "gas_used": self.gas_used,
            "memory": self.memory.as_deref().map(hex),
            "outcome_digest": self.outcome_digest.map(|digest| hex(&digest)),
        })
    }
}
