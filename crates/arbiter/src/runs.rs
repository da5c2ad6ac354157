//! Running one candidate in several ways.

use crate::{ArbiterError, Limit, Question};
use pvf_executor::{
    CompileOptions, Execution, ExecutionParameters, Interrupt, LoadError, Metering, Module,
    NotPrepared, Purpose, Rejection, RuleId, Rules, prepare,
};
use pvf_validation::{HostParameters, Pvf};
use std::sync::Arc;

/// How a candidate is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// With the parameters given.
    AsAsked,
    /// With the parameters given, once more.
    Again,
    /// With every loop done one iteration at a time.
    TurnByTurn,
    /// With frames counted in software.
    Audited,
    /// With one limit lifted.
    Without(Limit),
    /// With one limit lifted and this gas limit.
    Bounded(Limit, u64),
}

impl Variant {
    /// The variants that must have the same outcome.
    pub const SAME: [Self; 4] = [Self::AsAsked, Self::Again, Self::TurnByTurn, Self::Audited];

    /// The name that reports use.
    pub fn name(self) -> String {
        match self {
            Self::AsAsked => "as asked".to_owned(),
            Self::Again => "again".to_owned(),
            Self::TurnByTurn => "loops turn by turn".to_owned(),
            Self::Audited => "frames counted in software".to_owned(),
            Self::Without(Limit::Gas) => "with a far larger gas limit".to_owned(),
            Self::Without(limit) => format!("without the {limit}"),
            Self::Bounded(limit, gas) => format!("without the {limit}, up to {gas} gas"),
        }
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct Rerun {
    /// How the candidate was run.
    pub variant: Variant,
    /// The outcome.
    pub execution: Execution,
    /// How long the call took on this machine, in nanoseconds.
    pub execute_ns: u64,
}

/// Runs a candidate in ways that share modules.
pub(crate) struct Runner<'q, 'a> {
    question: &'q Question<'a>,
    /// The module as asked, for runs that differ in parameters alone.
    asked: Option<Module>,
}

impl<'q, 'a> Runner<'q, 'a> {
    pub fn new(question: &'q Question<'a>) -> Self {
        Self {
            question,
            asked: None,
        }
    }

    /// Runs it, from the blob on unless only parameters differ.
    pub fn run(&mut self, variant: Variant) -> Result<Rerun, ArbiterError> {
        let parameters = variant.parameters(self.question.parameters.execution);
        let module = match self.module(variant) {
            Ok(module) => module,
            Err(NoModule::Failed(failure)) => return Err(failure),
            Err(NoModule::Rejected(rejection)) => {
                return Ok(Rerun {
                    variant,
                    execution: Execution::rejected(rejection),
                    execute_ns: 0,
                });
            }
        };
        let host = HostParameters {
            execution: parameters,
            ..self.question.parameters.clone()
        };
        let pvf = Pvf::new(module, host);
        let run = || pvf.run(self.question.candidate);
        let run = match self.question.time {
            Some(time) => Interrupt::new().during(Some(time), run)??,
            None => run()?,
        };
        Ok(Rerun {
            variant,
            execution: run.execution,
            execute_ns: run.timings.execute_ns,
        })
    }

    fn module(&mut self, variant: Variant) -> Result<Module, NoModule> {
        if let (Variant::Without(_) | Variant::Bounded(..), Some(asked)) = (variant, &self.asked) {
            return Ok(asked.clone());
        }
        let functions = pvf_validation::function_types(self.question.parameters.ecc_rfc163);
        let mut rules = Rules::new(self.options(variant), Purpose::Precheck(&functions));
        let mut prepared = prepare(self.question.blob, &rules);
        if let Err(NotPrepared::Rejected(rejection)) = &prepared
            && matches!(rejection.rule, RuleId::LOGICAL_8 | RuleId::NET_8)
            && self
                .question
                .parameters
                .execution
                .stack_logical_max
                .is_none()
        {
            // Only counting the logical stack has it rejected, and the network does not count it.
            rules.compile.metering.logical_stack = false;
            prepared = prepare(self.question.blob, &rules);
        }
        let module = Module::new(prepared?.artifact)?;
        if variant == Variant::AsAsked {
            self.asked = Some(module.clone());
        }
        Ok(module)
    }

    fn options(&self, variant: Variant) -> CompileOptions {
        let mut options = CompileOptions::new(self.question.features);
        options.threads = self.question.threads;
        options.metering = Metering {
            logical_stack: true,
            gas: Some(Arc::new(self.question.costs.clone())),
        };
        options.loop_idioms = variant != Variant::TurnByTurn;
        if variant == Variant::Audited {
            options.native_stack = pvf_executor::NativeStack::Audited;
        }
        options
    }
}

/// Why a variant has no module.
enum NoModule {
    /// The module is rejected.
    Rejected(Rejection),
    /// This machine could not do its part.
    Failed(ArbiterError),
}

impl From<NotPrepared> for NoModule {
    fn from(error: NotPrepared) -> Self {
        match error {
            NotPrepared::Rejected(rejection) => Self::Rejected(rejection),
            NotPrepared::Failed(failure) => Self::Failed(failure.into()),
        }
    }
}

impl From<LoadError> for NoModule {
    fn from(error: LoadError) -> Self {
        Self::Failed(error.into())
    }
}

impl Variant {
    fn parameters(self, asked: ExecutionParameters) -> ExecutionParameters {
        match self {
            Self::Without(limit) => limit.lifted(asked),
            Self::Bounded(limit, gas) => {
                let lifted = limit.lifted(asked);
                ExecutionParameters {
                    gas_limit: Some(lifted.gas_limit.map_or(gas, |limit| limit.min(gas))),
                    ..lifted
                }
            }
            _ => asked,
        }
    }
}
