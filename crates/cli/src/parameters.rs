//! The executor's parameters as flags: groups that commands flatten, and what they mean.

use crate::engine::Verification;
use crate::failure::Failure;
use crate::input;
use crate::network::{NetworkArgs, Parameters};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args};
use pvf_executor::{
    CompileOptions, Costs, ExecutionParameters, Features, Metering, Profile, Schedule, Target,
};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which host functions there are.
#[derive(Debug, Args)]
pub struct FunctionsArgs {
    /// Offer the elliptic-curve host functions of RFC 163.
    #[arg(long)]
    pub ecc_rfc163: bool,
}

/// The environment of a PVF.
#[derive(Debug, Args)]
pub struct HostArgs {
    #[command(flatten)]
    pub functions: FunctionsArgs,
    /// Print the module's log lines to the standard error.
    #[arg(long)]
    pub log: bool,
}

/// The accepted language.
#[derive(Debug, Args)]
pub struct LanguageArgs {
    /// The accepted language: `polkadot`, as the network's nodes read a module; `strict`, WebAssembly 1.0 as its
    /// specification says; `wasm`, with the four switches below on, and with declared limits in force. A switch makes
    /// `polkadot` read as `strict` does [default: `polkadot` for candidates and artifacts, else `wasm`].
    #[arg(long, value_parser = profile())]
    pub profile: Option<Profile>,
    /// Accept sign-extension instructions.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub sign_extension: Option<bool>,
    /// Accept saturating conversions from float to integer.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub saturating_float_to_int: Option<bool>,
    /// Accept several results, and blocks with parameters.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub multi_value: Option<bool>,
    /// Accept bulk memory and table instructions.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub bulk_memory: Option<bool>,
}

/// How to compile.
#[derive(Debug, Args)]
pub struct CompileArgs {
    /// Number of threads that compile, up to 512 [default: the number of processors]. The result does
    /// not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub threads: Option<u16>,
    /// Do not verify the machine code before it is used. The verifier compares it with the module; without it a fault of
    /// the compiler could reach beyond the module's memory.
    #[arg(long)]
    pub no_verify: bool,
}

/// The target.
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// The instruction set to compile for, x86_64 or aarch64 [default: this machine's]. The artifact has the
    /// same bytes as one made on a machine of that kind.
    #[arg(long)]
    pub target: Option<String>,
}

/// The machine that executes.
#[cfg(feature = "polkavm")]
#[derive(Debug, Args)]
pub struct MachineArgs {
    /// The machine to execute on: this one, or polkavm, an experiment with the same outcomes.
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// What executes for polkavm: interpreter (on any machine), recompiler (a process of its own, sandboxed) or in-process (a
    /// recompiler in this process).
    #[arg(long, value_name = "ENGINE", default_value = "interpreter")]
    pub polkavm_engine: String,
}

#[cfg(feature = "polkavm")]
impl MachineArgs {
    /// The engine to execute with, if the machine is PolkaVM.
    pub fn engine(&self) -> Result<Option<pvf_polkavm::Engine>, Failure> {
        let target = match &self.target {
            None => Target::HOST,
            Some(name) => Target::from_name(name)
                .ok_or_else(|| Failure::Usage(format!("unknown target {name:?}")))?,
        };
        let engine = pvf_polkavm::Engine::from_name(&self.polkavm_engine).ok_or_else(|| {
            let names = pvf_polkavm::Engine::ALL.map(pvf_polkavm::Engine::name);
            let names = names.join(", ");
            let name = &self.polkavm_engine;
            Failure::Usage(format!("unknown engine {name:?}, there are {names}"))
        })?;
        match target {
            Target::PolkaVm => Ok(Some(engine)),
            target if target == Target::HOST => Ok(None),
            target => Err(Failure::Usage(format!(
                "this machine does not execute code for {target}"
            ))),
        }
    }
}

/// What instructions cost.
#[derive(Debug, Args)]
pub struct ScheduleArgs {
    /// Prices of instructions, as TOML or JSON; gas is then counted [default: 1 each].
    #[arg(long, value_name = "FILE")]
    pub metering_schedule: Option<PathBuf>,
}

/// Limits that meters enforce.
#[derive(Debug, Args)]
pub struct MeterArgs {
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Largest sum of the frames of active functions, in bytes [default: the network's].
    #[arg(long, value_name = "BYTES")]
    pub stack_native_max: Option<u64>,
    /// Polkadot's logical stack limit in units, or `off` [default: the network's, with the profile wasm off].
    #[arg(long, value_name = "UNITS", value_parser = logical_limit)]
    pub stack_logical_max: Option<LogicalLimit>,
    /// Gas limit, or `unlimited` to count gas only [default: not counted].
    #[arg(long, value_name = "LIMIT", value_parser = gas_limit)]
    pub gas: Option<GasLimit>,
    #[command(flatten)]
    pub schedule: ScheduleArgs,
}

/// Limits of an execution.
#[derive(Debug, Args)]
pub struct LimitArgs {
    #[command(flatten)]
    pub meters: MeterArgs,
    /// Largest size of the memory, in pages of 64 KiB [default: the network's, on polkadot 8224; with the profile wasm 65536].
    #[arg(long, value_name = "N")]
    pub max_memory_pages: Option<u32>,
}

impl CompileArgs {
    /// Whether the machine code is verified.
    pub fn verification(&self) -> Verification {
        match self.no_verify {
            true => Verification::Off,
            false => Verification::On,
        }
    }
}

/// The parameters of the executor, for commands that compile and run.
#[derive(Debug, Args)]
pub struct ExecutorArgs {
    #[command(flatten)]
    pub language: LanguageArgs,
    #[command(flatten)]
    pub compile: CompileArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// A limit of the logical stack, in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogicalLimit {
    /// Not counted.
    Off,
    /// Counted, up to here.
    Units(u32),
}

/// A limit of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GasLimit {
    /// Counted without a limit.
    Unlimited,
    /// Counted, up to here.
    Gas(u64),
}

fn logical_limit(text: &str) -> Result<LogicalLimit, String> {
    match text {
        "off" => Ok(LogicalLimit::Off),
        units => units
            .parse()
            .map(LogicalLimit::Units)
            .map_err(|_| "expected a number of units below 2^32, or `off`".to_owned()),
    }
}

fn gas_limit(text: &str) -> Result<GasLimit, String> {
    match text {
        "unlimited" => Ok(GasLimit::Unlimited),
        gas => gas
            .parse()
            .map(GasLimit::Gas)
            .map_err(|_| "expected an amount of gas below 2^64, or `unlimited`".to_owned()),
    }
}

fn profile() -> impl TypedValueParser<Value = Profile> {
    let names = PossibleValuesParser::new(Profile::ALL.map(Profile::name));
    names.try_map(|name| Profile::from_name(&name).ok_or("unknown profile"))
}

impl LanguageArgs {
    /// The profile asked for.
    pub fn profile(&self, default: Profile) -> Profile {
        self.profile.unwrap_or(default)
    }

    /// The accepted language asked for.
    pub fn features(&self, default: Profile) -> Features {
        let base = self.profile(default).features();
        Features {
            dialect: base.dialect,
            sign_extension: self.sign_extension.unwrap_or(base.sign_extension),
            saturating_float_to_int: self
                .saturating_float_to_int
                .unwrap_or(base.saturating_float_to_int),
            multi_value: self.multi_value.unwrap_or(base.multi_value),
            bulk_memory: self.bulk_memory.unwrap_or(base.bulk_memory),
        }
    }
}

impl CompileArgs {
    /// How many threads compile.
    pub fn threads(&self) -> NonZeroUsize {
        match self.threads {
            Some(threads) => NonZeroUsize::new(threads.into()),
            None => std::thread::available_parallelism().ok(),
        }
        .unwrap_or(NonZeroUsize::MIN)
    }
}

impl TargetArgs {
    /// The target asked for.
    pub fn resolve(&self) -> Result<Target, Failure> {
        let Some(name) = &self.target else {
            return Ok(Target::HOST);
        };
        Target::from_name(name).ok_or_else(|| {
            let names: Vec<&str> = Target::NAMED.iter().map(|it| it.name()).collect();
            let names = names.join(" and ");
            Failure::Usage(format!("unknown target {name:?}, there are {names}"))
        })
    }
}

impl ExecutorArgs {
    /// How to compile for a target, and with which parameters to run; `default` is the command's profile.
    pub fn resolve(
        &self,
        default: Profile,
        target: Target,
    ) -> Result<(CompileOptions, Parameters), Failure> {
        let profile = self.language.profile(default);
        let options = CompileOptions {
            target,
            metering: self.limits.meters.metering(profile)?,
            threads: self.compile.threads(),
            ..CompileOptions::new(self.language.features(default))
        };
        Ok((options, self.limits.parameters(profile)?))
    }
}

impl LimitArgs {
    /// The parameters of an execution.
    pub fn parameters(&self, profile: Profile) -> Result<Parameters, Failure> {
        let mut parameters = self.meters.parameters(profile)?;
        if let Some(pages) = self.max_memory_pages {
            parameters.execution.max_memory_pages = pages;
        }
        Ok(parameters)
    }
}

impl MeterArgs {
    /// The parameters of an execution with these limits.
    pub fn parameters(&self, profile: Profile) -> Result<Parameters, Failure> {
        let set = self.network.set(profile)?;
        let base = set.execution();
        let execution = ExecutionParameters {
            stack_native_max: self.stack_native_max.unwrap_or(base.stack_native_max),
            stack_logical_max: match self.stack_logical_max {
                None => base.stack_logical_max,
                Some(LogicalLimit::Off) => None,
                Some(LogicalLimit::Units(units)) => Some(units),
            },
            gas_limit: match self.gas {
                None | Some(GasLimit::Unlimited) => base.gas_limit,
                Some(GasLimit::Gas(gas)) => Some(gas),
            },
            ..base
        };
        Ok(Parameters {
            execution,
            ecc_rfc163: set.ecc_rfc163(),
            set,
        })
    }

    /// The meters that code needs for these limits.
    pub fn metering(&self, profile: Profile) -> Result<Metering, Failure> {
        let costs = match self.schedule.costs()? {
            Some(costs) => Some(costs),
            None => self.gas.map(|_| Costs::default()),
        };
        Ok(Metering {
            logical_stack: self
                .parameters(profile)?
                .execution
                .stack_logical_max
                .is_some(),
            gas: costs.map(Arc::new),
        })
    }
}

impl ScheduleArgs {
    /// The prices of the schedule, if one is named.
    pub fn costs(&self) -> Result<Option<Costs>, Failure> {
        self.metering_schedule
            .as_deref()
            .map(read_schedule)
            .transpose()
    }
}

fn read_schedule(path: &Path) -> Result<Costs, Failure> {
    let unreadable = |reason: String| Failure::Input {
        name: input::name(path),
        reason,
    };
    let bytes = input::read(path)?;
    let text = String::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
    let schedule = Schedule::parse(&text).map_err(|error| unreadable(error.to_string()))?;
    schedule
        .costs()
        .map_err(|error| unreadable(error.to_string()))
}
