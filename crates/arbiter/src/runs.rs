//! Running one candidate in several ways.

use crate::{ArbiterError, Question};
use pvf_executor::{
    Artifact, CompileError, Execution, ExecutionParameters, Metering, Module, PrepareOptions,
    Refusal, RejectionStage, prepare,
};
use pvf_host::{HostParameters, Pvf};
use std::sync::Arc;

/// How a candidate is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// With the parameters given.
    AsAsked,
    /// The same once more.
    Again,
    /// With every loop done turn by turn.
    TurnByTurn,
    /// With frames counted in software.
    Audited,
    /// With one limit lifted.
    Without(crate::Limit),
}

impl Variant {
    /// Those that have to agree.
    pub const SAME: [Self; 4] = [Self::AsAsked, Self::Again, Self::TurnByTurn, Self::Audited];

    /// In words.
    pub fn name(self) -> String {
        match self {
            Self::AsAsked => "as asked".to_owned(),
            Self::Again => "again".to_owned(),
            Self::TurnByTurn => "loops turn by turn".to_owned(),
            Self::Audited => "frames counted in software".to_owned(),
            Self::Without(limit) => format!("without the {limit}"),
        }
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct Rerun {
    /// How it was made.
    pub variant: Variant,
    /// What it came to.
    pub execution: Execution,
    /// How long the call took on this machine, in nanoseconds.
    pub execute_ns: u64,
}

/// Runs a candidate in ways that share modules.
pub(crate) struct Runner<'q, 'a> {
    question: &'q Question<'a>,
    /// The module as asked, for runs that differ in parameters alone.
    asked: Option<Module>,
    /// The first refusal to compile, if there was one.
    pub refusal: Option<Refusal>,
}

impl<'q, 'a> Runner<'q, 'a> {
    pub fn new(question: &'q Question<'a>) -> Self {
        Self {
            question,
            asked: None,
            refusal: None,
        }
    }

    /// Runs it, from the module's bytes on unless only parameters differ.
    pub fn run(&mut self, variant: Variant) -> Result<Rerun, ArbiterError> {
        let parameters = variant.parameters(self.question.parameters.execution);
        let module = match self.module(variant)? {
            Ok(module) => module,
            Err(error) => {
                let execution = Execution::rejected(RejectionStage::Prepare, error.to_string());
                self.refusal.get_or_insert(error);
                return Ok(Rerun {
                    variant,
                    execution,
                    execute_ns: 0,
                });
            }
        };
        let host = HostParameters {
            execution: parameters,
            ..self.question.parameters.clone()
        };
        let run = Pvf::new(module, host).run(self.question.candidate)?;
        Ok(Rerun {
            variant,
            execution: run.execution,
            execute_ns: run.timings.execute_ns,
        })
    }

    /// The module of a variant, or why it is refused.
    fn module(&mut self, variant: Variant) -> Result<Result<Module, Refusal>, ArbiterError> {
        if let (Variant::Without(_), Some(asked)) = (variant, &self.asked) {
            return Ok(Ok(asked.clone()));
        }
        let artifact = match self.compile(variant) {
            Ok(artifact) => artifact,
            Err(error) => return Ok(Err(error.refusal()?)),
        };
        let module = Module::new(artifact)?;
        if variant == Variant::AsAsked {
            self.asked = Some(module.clone());
        }
        Ok(Ok(module))
    }

    fn compile(&self, variant: Variant) -> Result<Artifact, CompileError> {
        let mut options = PrepareOptions::new(self.question.features);
        options.threads = self.question.threads;
        options.metering = Metering {
            logical_stack: true,
            gas: Some(Arc::new(self.question.costs.clone())),
        };
        options.loop_idioms = variant != Variant::TurnByTurn;
        if variant == Variant::Audited {
            options.native_stack = pvf_executor::NativeStack::Audited;
        }
        prepare(self.question.wasm, &options)
    }
}

impl Variant {
    fn parameters(self, asked: ExecutionParameters) -> ExecutionParameters {
        match self {
            Self::Without(limit) => limit.lifted(asked),
            _ => asked,
        }
    }
}
