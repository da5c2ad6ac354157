//! Sends one module to both sides and compares the answers.

use crate::side::Side;
use pvf_language_protocol::{Class, Executed, Outcome, Parameters, Prepared};
use std::time::Duration;

/// A time limit far above the time of ordinary modules, on a busy machine.
const PREPARE_TIME: Duration = Duration::from_secs(120);

/// Executions that take longer on our side are not compared.
const EXECUTE_TIME: Duration = Duration::from_secs(3);

/// Time limit of the stock side after our side has finished.
const OTHER_EXECUTE_TIME: Duration = Duration::from_secs(60);

/// SCALE-encoded empty `ValidationParams`: no parent head, no block data, number 0, a zero root.
const CANDIDATE: [u8; 38] = [0; 38];

/// A module and its origin.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The name by which it can be found again.
    pub name: String,
    /// The property for which reports group it.
    pub kind: String,
    /// The code.
    pub code: Vec<u8>,
}

/// The answers of both sides.
#[derive(Clone, Debug)]
pub struct Answers {
    /// The answer of the stock functions.
    pub stock: Prepared,
    /// Our answer, unless only the stock functions were asked.
    pub ours: Option<Prepared>,
    /// Both executions, if both sides accepted the module.
    pub executed: Option<(Executed, Executed)>,
    /// Whether the execution exceeded its time limit.
    pub endless: bool,
}

/// How answers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Difference {
    /// Only one side accepted it.
    Acceptance,
    /// The classes of the refusals differ.
    Class,
    /// The outcomes of the execution differ.
    Execution,
}

impl Answers {
    /// The difference between the answers, if any.
    pub fn difference(&self) -> Option<Difference> {
        let ours = self.ours.as_ref()?;
        let stock = &self.stock;
        let accepted = |prepared: &Prepared| {
            (
                prepared.class == Class::Ok,
                prepared.class == Class::Ok && prepared.precheck == Class::Ok,
            )
        };
        if accepted(stock) != accepted(ours) {
            return Some(Difference::Acceptance);
        }
        if (stock.class, stock.precheck) != (ours.class, ours.precheck) {
            return Some(Difference::Class);
        }
        let (stock, ours) = self.executed.as_ref()?;
        if stock.outcome == Outcome::BeyondMachine {
            return None;
        }
        let same = stock.outcome == ours.outcome && stock.result == ours.result;
        // A side that failed for reasons of its own always counts as a difference.
        let failed = matches!(stock.outcome, Outcome::Failed | Outcome::Died);
        (!same || failed).then_some(Difference::Execution)
    }
}

/// Both sides.
pub struct Judge {
    /// The stock side.
    pub stock: Side,
    /// Our side, unless only the stock functions are asked.
    pub ours: Option<Side>,
    /// The executor parameters.
    pub parameters: Parameters,
    /// Whether accepted modules are executed.
    pub execute: bool,
}

impl Judge {
    /// Sends the module to both sides and waits for their answers.
    ///
    /// # Errors
    /// A side cannot be started or violates the protocol.
    pub fn ask(&mut self, code: &[u8]) -> Result<Answers, String> {
        self.stock.ask_to_prepare(self.parameters, code)?;
        if let Some(ours) = &mut self.ours {
            ours.ask_to_prepare(self.parameters, code)?;
        }
        let stock = self.stock.prepared(PREPARE_TIME)?;
        let mut answers = Answers {
            stock,
            ours: None,
            executed: None,
            endless: false,
        };
        if let Some(ours) = &mut self.ours {
            let prepared = ours.prepared(PREPARE_TIME)?;
            let both = prepared.class == Class::Ok && answers.stock.class == Class::Ok;
            answers.ours = Some(prepared);
            if both && self.execute {
                let ours = ours.execute(&CANDIDATE, EXECUTE_TIME)?;
                if ours.outcome == Outcome::TimedOut {
                    answers.endless = true;
                } else {
                    let stock = self.stock.execute(&CANDIDATE, OTHER_EXECUTE_TIME)?;
                    answers.executed = Some((stock, ours));
                }
            }
        }
        Ok(answers)
    }
}
