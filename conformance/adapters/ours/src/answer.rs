//! An answer as JSON.

use pvf_executor::{
    Execution, HashedOutcome, Rejection, RejectionStage, RuleId, Trap, Value as Number,
};
use serde_json::{Value, json};

/// What came of a question.
#[derive(Default)]
pub(crate) struct Answer {
    outcome: &'static str,
    stage: Option<&'static str>,
    rule: Option<RuleId>,
    result: Value,
    trap: Option<&'static str>,
    reason: Option<String>,
    steps: Vec<Value>,
    pub(crate) stack_native_peak: Option<u64>,
    pub(crate) stack_logical_peak: Option<u64>,
    pub(crate) gas_used: Option<u64>,
    pub(crate) memory: Option<String>,
    pub(crate) memory_pages_peak: Option<u32>,
    pub(crate) digest: Option<HashedOutcome>,
}

impl Answer {
    pub(crate) fn rejected(rejection: Rejection) -> Self {
        Self {
            outcome: "rejected",
            stage: Some(rejection.stage().name()),
            rule: Some(rejection.rule),
            reason: Some(rejection.reason()),
            digest: Some(Execution::rejected(rejection).digest()),
            ..Self::default()
        }
    }

    /// An artifact is not taken. That is no outcome; the protocol has no other word for it.
    pub(crate) fn damaged(reason: String) -> Self {
        Self {
            outcome: "rejected",
            stage: Some(RejectionStage::Prepare.name()),
            reason: Some(reason),
            ..Self::default()
        }
    }

    pub(crate) fn returned(&mut self, values: Vec<String>) {
        self.ended("valid", json!(values), None, None);
    }

    pub(crate) fn validated(&mut self, bytes: &[u8]) {
        self.ended("valid", hex(bytes).into(), None, None);
    }

    pub(crate) fn trapped(&mut self, trap: Option<&Trap>, reason: String) {
        self.ended(
            "invalid",
            Value::Null,
            trap.map(crate::trap_name),
            Some(reason),
        );
    }

    fn ended(
        &mut self,
        outcome: &'static str,
        result: Value,
        trap: Option<&'static str>,
        reason: Option<String>,
    ) {
        (self.outcome, self.result, self.trap, self.reason) = (outcome, result, trap, reason);
        self.steps.push(trap.map_or(Value::Null, Value::from));
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "outcome": self.outcome, "stage": self.stage, "rule": self.rule, "result": self.result, "trap": self.trap, "reason": self.reason, "steps": self.steps,
            "stack_native_peak": self.stack_native_peak, "memory_pages_peak": self.memory_pages_peak,
            "stack_logical_peak": self.stack_logical_peak, "gas_used": self.gas_used, "memory": self.memory,
            "outcome_digest": self.digest.map(|digest| hex(&digest)),
        })
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// A result: integers in decimal, floats as bits.
pub(crate) fn show(value: Number) -> String {
    match value {
        Number::I32(value) => format!("i32:{value}"),
        Number::I64(value) => format!("i64:{value}"),
        Number::F32(_) => format!("f32:0x{:08x}", value.to_bits()),
        Number::F64(_) => format!("f64:0x{:016x}", value.to_bits()),
    }
}
