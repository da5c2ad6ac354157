//! What the commands that judge candidates have in common.

use crate::engine::Verification;
use crate::failure::Failure;
use crate::input::CandidateArgs;
use crate::network::Parameters;
use crate::parameters::{ExecutorArgs, HostArgs};
use crate::timeout::TimeoutArgs;
use clap::Args;
use pvf_executor::{CompileOptions, Profile, Target};

/// How to judge candidates on this machine.
#[derive(Debug, Args)]
pub struct JudgingArgs {
    #[command(flatten)]
    pub host: HostArgs,
    #[command(flatten)]
    pub executor: ExecutorArgs,
    #[command(flatten)]
    pub candidate: CandidateArgs,
    #[command(flatten)]
    pub timeout: TimeoutArgs,
}

impl JudgingArgs {
    /// How to compile for this machine, and with which parameters and host functions to run; `default` is the command's
    /// profile.
    pub fn resolve(&self, default: Profile) -> Result<(CompileOptions, Parameters), Failure> {
        let (options, parameters) = self.executor.resolve(default, Target::HOST)?;
        Ok((options, parameters.with_functions(&self.host.functions)))
    }

    /// Whether machine code is verified.
    pub fn verification(&self) -> Verification {
        self.executor.compile.verification()
    }
}
