//! One module, asked about on both sides.

use crate::side::Side;
use pvf_language_protocol::{Class, Executed, Outcome, Parameters, Prepared};
use std::time::Duration;

/// Far beyond what a module takes that is not made to take long, on a busy machine.
const PREPARE_TIME: Duration = Duration::from_secs(120);

/// Executions that take longer are not compared.
const EXECUTE_TIME: Duration = Duration::from_secs(3);

/// What the other side gets when ours has ended.
const OTHER_EXECUTE_TIME: Duration = Duration::from_secs(60);

/// SCALE-encoded `ValidationParams` of nothing: no parent head, no block data, number 0, an empty root.
const CANDIDATE: [u8; 38] = [0; 38];

/// A module and where it is from.
#[derive(Clone, Debug)]
pub struct Subject {
    /// To find it again.
    pub name: String,
    /// What is special about it.
    pub kind: String,
    /// The code.
    pub code: Vec<u8>,
}

/// What both sides said.
#[derive(Clone, Debug)]
pub struct Answers {
    /// The stock functions.
    pub stock: Prepared,
    /// Ours.
    pub ours: Option<Prepared>,
    /// Of an execution, if both accepted the module.
    pub executed: Option<(Executed, Executed)>,
    /// Whether the execution was given up for its time.
    pub endless: bool,
}

/// How answers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Difference {
    /// Accepted by one side alone.
    Acceptance,
    /// Refused in another class.
    Class,
    /// The same candidate, another outcome.
    Execution,
}

impl Answers {
    /// How they differ, if they do.
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
        // A side that failed for reasons of its own agrees with nobody.
        let failed = matches!(stock.outcome, Outcome::Failed | Outcome::Died);
        (!same || failed).then_some(Difference::Execution)
    }
}

/// Both sides.
pub struct Judge {
    /// The stock functions.
    pub stock: Side,
    /// Ours, unless it is only asked what the stock functions say.
    pub ours: Option<Side>,
    /// With which parameters.
    pub parameters: Parameters,
    /// Whether accepted modules are executed.
    pub execute: bool,
}

impl Judge {
    /// Asks both.
    ///
    /// # Errors
    /// A side cannot be started or does not keep to the protocol.
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
