//! The arguments of the commands.

use crate::failure::Failure;
use crate::input;
use crate::perf::PerfKind;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use pvf_executor::{Costs, ExecutionParameters, Features, Metering, Profile, Schedule};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Prepare and execute parachain validation functions (PVFs) deterministically.
///
/// CODE is a PVF: a raw or Substrate-compressed Wasm module, a module in text form, or a chain
/// specification that holds one; which of them is told from the content. `-` is the
/// standard input.
#[derive(Debug, Parser)]
#[command(name = "pvf", version, max_term_width = 100)]
#[command(after_help = "\
Exit codes:
  0  the outcome is valid, or the command did its work
  1  the outcome is invalid or rejected, or a check found a difference
  2  wrong usage or unreadable input
  3  host failure: this machine could not do its part

Examples:
  pvf validate parachain.wasm candidate.params
  pvf validate --json parachain.wasm candidate.params.zst | jq .outcome
  pvf run module.wat --invoke add i32:2 i32:3")]
pub struct Cli {
    /// Print one JSON object on the standard output, and nothing else there.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prepare a PVF and judge a candidate with it.
    Validate(ValidateArgs),
    /// Compile a PVF to an artifact that any number of candidates can be executed with.
    Prepare(PrepareArgs),
    /// Judge a candidate with a prepared artifact.
    Execute(ExecuteArgs),
    /// Call an exported function of any module.
    Run(RunArgs),
    /// Show who used the gas of a run, as folded stacks for flame graphs.
    Profile(ProfileArgs),
    /// Time the steps of compiling and executing one module, in this process.
    Measure(MeasureArgs),
    /// Run WebAssembly spec-test scripts.
    Wast(WastArgs),
    /// Show what a module is: functions, imports, sizes, frames.
    Inspect(InspectArgs),
    /// Rewrite a module so that any engine enforces the rules of stack and gas.
    Instrument(InstrumentArgs),
    /// Run the conformance suite, on this executor or on other engines.
    Conformance(ConformanceArgs),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example:\n  pvf completions bash > ~/.local/share/bash-completion/completions/pvf"
    )]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pvf validate parachain.wasm candidate.params
  zstd -dc candidate.params.zst | pvf validate --json parachain.wasm -
  perf record -g pvf validate --perf map parachain.wasm candidate.params && perf report
  pvf validate chain-spec.json candidate.params --max-memory-pages 4096")]
pub struct ValidateArgs {
    /// The PVF.
    pub code: PathBuf,
    /// The candidate: SCALE-encoded ValidationParams, zstd-compressed or not.
    pub params: PathBuf,
    #[command(flatten)]
    pub host: HostArgs,
    #[command(flatten)]
    pub language: LanguageArgs,
    #[command(flatten)]
    pub compile: CompileArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub perf: PerfArgs,
}

/// Arguments of `prepare`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pvf prepare parachain.wasm -o parachain.artifact && pvf execute parachain.artifact candidate.params")]
pub struct PrepareArgs {
    /// The PVF.
    pub code: PathBuf,
    /// Where to write the artifact.
    #[arg(short, long, value_name = "ARTIFACT")]
    pub output: PathBuf,
    /// The instruction set to compile for: x86_64.
    #[arg(long, default_value = "x86_64")]
    pub target: String,
    #[command(flatten)]
    pub language: LanguageArgs,
    #[command(flatten)]
    pub compile: CompileArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// Arguments of `execute`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pvf execute parachain.artifact candidate.params --json")]
pub struct ExecuteArgs {
    /// What `pvf prepare` wrote. It holds machine code that will be run: take it only from
    /// where you would take a program from.
    pub artifact: PathBuf,
    /// The candidate: SCALE-encoded ValidationParams, zstd-compressed or not.
    pub params: PathBuf,
    #[command(flatten)]
    pub host: HostArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub perf: PerfArgs,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
An ARG is a Wasm literal with its type (i32:5, i64:-1, f32:nan, f64:0x1.8p3), or a bare literal,
which is taken by the parameter's type. Functions that the module imports do not exist here and trap
when they are called; there is no WASI.

Examples:
  pvf run module.wat --invoke add i32:2 i32:3
  pvf run module.wasm --invoke fib 30 --json")]
pub struct RunArgs {
    /// The module.
    pub code: PathBuf,
    /// The exported function to call.
    #[arg(long, value_name = "NAME")]
    pub invoke: String,
    /// Its arguments.
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    pub args: Vec<String>,
    #[command(flatten)]
    pub language: LanguageArgs,
    #[command(flatten)]
    pub compile: CompileArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub perf: PerfArgs,
}

/// Arguments of `measure`.
#[derive(Debug, Args)]
#[command(after_help = "\
With PARAMS, the candidate is executed N times, each in a fresh instance. Without, `initialize` is
called once if it is exported, then `run` N times, in one instance.

Examples:
  pvf measure parachain.wasm candidate.params --runs 10 --json
  pvf measure kernel.wasm --runs 5 --instantiations 100")]
pub struct MeasureArgs {
    /// The module.
    pub code: PathBuf,
    /// The candidate: SCALE-encoded ValidationParams, zstd-compressed or not.
    pub params: Option<PathBuf>,
    /// How often to execute.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub runs: u32,
    /// How often to instantiate.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub instantiations: u32,
    #[command(flatten)]
    pub host: HostArgs,
    #[command(flatten)]
    pub language: LanguageArgs,
    #[command(flatten)]
    pub compile: CompileArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub perf: PerfArgs,
}

/// Arguments of `wast`.
#[derive(Debug, Args)]
#[command(after_help = "\
Counted is every directive that can fail: assertions, invocations, and modules to be instantiated.
NaNs that arithmetic made have to be the positive canonical one, whatever wider class a script
allows.

Example:
  pvf wast spec/test/core/*.wast")]
pub struct WastArgs {
    /// The scripts.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub language: LanguageArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// Arguments of `conformance`.
#[derive(Debug, Args)]
pub struct ConformanceArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ConformanceCommand,
}

/// What can be done with the conformance suite.
#[derive(Debug, Subcommand)]
pub enum ConformanceCommand {
    /// Run it and report, by rule, where an engine differs.
    Run(ConformanceRunArgs),
    /// Answer a runner's questions on the standard input, as an engine's adapter does.
    Adapter,
}

/// Arguments of `conformance run`.
#[derive(Debug, Args)]
#[command(after_help = "\
An engine is the command that starts its adapter, which answers one line of JSON per line. A case that
needs a feature which an engine does not declare is skipped, never passed. The exit code is 1 if an
engine differs in any case.

Examples:
  pvf conformance run
  pvf conformance run --engine 'node conformance/adapters/node/adapter.mjs' --html report.html")]
pub struct ConformanceRunArgs {
    /// The suite's folder.
    #[arg(long, value_name = "DIR", default_value = "conformance")]
    pub suite: PathBuf,
    /// The command that starts an engine's adapter; may be given several times. Without one, this
    /// executor is run.
    #[arg(long, value_name = "CMD")]
    pub engine: Vec<String>,
    /// Run only the cases of this level; may be given several times.
    #[arg(long, value_parser = PossibleValuesParser::new(pvf_conformance::LEVELS))]
    pub level: Vec<String>,
    /// Run only the cases whose id contains this.
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Write a page with rules against engines.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pvf inspect parachain.wasm
  pvf inspect parachain.wasm --functions --json | jq '.functions[0]'
  pvf inspect parachain.wasm --html parachain.html")]
pub struct InspectArgs {
    /// The module.
    pub code: PathBuf,
    /// List every function, not only those with the deepest frames.
    #[arg(long)]
    pub functions: bool,
    /// How many of the functions with the deepest frames to list.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    /// Write a page with the Wasm, the gas and the machine code of every function side by side.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Meters that the code drives; may be given several times.
    #[arg(long, value_name = "METER", value_enum)]
    pub meter: Vec<Meter>,
    /// What instructions cost, as TOML [default: 1 each].
    #[arg(long, value_name = "FILE")]
    pub metering_schedule: Option<PathBuf>,
    #[command(flatten)]
    pub host: HostArgs,
    #[command(flatten)]
    pub language: LanguageArgs,
    #[command(flatten)]
    pub compile: CompileArgs,
}

/// Arguments of `instrument`.
#[derive(Debug, Args)]
#[command(after_help = "\
Where the module ends because of a limit, it executes `unreachable`; its exported global pvf_trap then is 1 for a
stack overflow and 2 for lack of gas. What is left is in pvf_gas_left, pvf_stack_native_left and
pvf_stack_logical_left.

Example:
  pvf instrument parachain.wasm -o metered.wasm --gas 1000000000")]
pub struct InstrumentArgs {
    /// The module.
    pub code: PathBuf,
    /// Where to write the new module.
    #[arg(short, long, value_name = "OUT.wasm")]
    pub output: PathBuf,
    /// Largest sum of the frames of active functions, in bytes [default: 268435456].
    #[arg(long, value_name = "BYTES")]
    pub stack_native_max: Option<u64>,
    /// Polkadot's logical stack limit in units, or `off` [default: 65536, with the profile wasm off].
    #[arg(long, value_name = "UNITS", value_parser = logical_limit)]
    pub stack_logical_max: Option<LogicalLimit>,
    /// Gas that may be used, or `unlimited` to count it only [default: not counted].
    #[arg(long, value_name = "LIMIT", value_parser = gas_limit)]
    pub gas: Option<GasLimit>,
    /// What instructions cost, as TOML; gas is then counted [default: 1 each].
    #[arg(long, value_name = "FILE")]
    pub metering_schedule: Option<PathBuf>,
    #[command(flatten)]
    pub language: LanguageArgs,
}

/// Arguments of `profile`.
#[derive(Debug, Args)]
#[command(after_help = "\
The profile is exact and the same on every machine: what is counted is gas, not time, and its sum is the gas used. Each line is
a stack of functions and what the innermost used itself; a function that is called while it is active counts where it was.
Host functions use no gas and show with --by calls.

Examples:
  pvf profile parachain.wasm candidate.params -o candidate.folded
  pvf profile parachain.wasm candidate.params | inferno-flamegraph --countname gas > candidate.svg
  pvf profile module.wasm --invoke fib 20 --by calls")]
pub struct ProfileArgs {
    /// The module.
    pub code: PathBuf,
    /// The candidate: SCALE-encoded ValidationParams, zstd-compressed or not. With --invoke, the function's arguments.
    #[arg(value_name = "PARAMS|ARG", allow_negative_numbers = true)]
    pub args: Vec<String>,
    /// Call this exported function instead of judging a candidate.
    #[arg(long, value_name = "NAME")]
    pub invoke: Option<String>,
    /// Where to write the profile; without it, it is printed.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What to count.
    #[arg(long, value_enum, default_value_t = By::Gas)]
    pub by: By,
    #[command(flatten)]
    pub host: HostArgs,
    #[command(flatten)]
    pub language: LanguageArgs,
    #[command(flatten)]
    pub compile: CompileArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// What a profile counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Gas that functions used themselves.
    Gas,
    /// How often they were called.
    Calls,
}

impl By {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gas => "gas",
            Self::Calls => "calls",
        }
    }
}

impl From<By> for pvf_profile::By {
    fn from(by: By) -> Self {
        match by {
            By::Gas => Self::Gas,
            By::Calls => Self::Calls,
        }
    }
}

/// What other tools are told.
#[derive(Debug, Args)]
pub struct PerfArgs {
    /// Tell Linux's `perf` what functions are called: `map` writes /tmp/perf-PID.map (perf record, perf report),
    /// `jitdump` ./jit-PID.dump (perf record -k mono, perf inject --jit).
    #[arg(long, value_name = "KIND", value_enum)]
    pub perf: Option<PerfKind>,
}

/// A meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Meter {
    /// Gas.
    Gas,
    /// Polkadot's logical stack.
    LogicalStack,
}

/// What the environment of a PVF offers.
#[derive(Debug, Args)]
pub struct HostArgs {
    /// Offer the elliptic-curve host functions of RFC 163.
    #[arg(long)]
    pub ecc_rfc163: bool,
    /// Print what the module logs to the standard error.
    #[arg(long)]
    pub log: bool,
}

/// The accepted language.
#[derive(Debug, Args)]
pub struct LanguageArgs {
    /// The accepted language and how declared limits are taken: that of Polkadot's network, or
    /// WebAssembly with the four switches below on. By default `polkadot` where a candidate is
    /// judged or an artifact is made, `wasm` elsewhere.
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
    /// Threads that compile, up to 512; by default as many as there are processors. The result does
    /// not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub threads: Option<u16>,
}

/// Limits of an execution.
#[derive(Debug, Args)]
pub struct LimitArgs {
    /// Largest sum of the frames of active functions, in bytes [default: 268435456].
    #[arg(long, value_name = "BYTES")]
    pub stack_native_max: Option<u64>,
    /// Largest size of the memory, in pages of 64 KiB [default: 2080, with the profile wasm 65536].
    #[arg(long, value_name = "N")]
    pub max_memory_pages: Option<u32>,
    /// Polkadot's logical stack limit in units, or `off` [default: 65536, with the profile wasm off].
    #[arg(long, value_name = "UNITS", value_parser = logical_limit)]
    pub stack_logical_max: Option<LogicalLimit>,
    /// Gas that may be used, or `unlimited` to count it only [default: not counted].
    #[arg(long, value_name = "LIMIT", value_parser = gas_limit)]
    pub gas: Option<GasLimit>,
    /// What instructions cost, as TOML; gas is then counted [default: 1 each].
    #[arg(long, value_name = "FILE")]
    pub metering_schedule: Option<PathBuf>,
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

impl LimitArgs {
    /// The parameters of an execution.
    pub fn parameters(&self, profile: Profile) -> ExecutionParameters {
        let base = profile.parameters();
        ExecutionParameters {
            max_memory_pages: self.max_memory_pages.unwrap_or(base.max_memory_pages),
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
        }
    }

    /// The meters that code needs for these limits.
    pub fn metering(&self, profile: Profile) -> Result<Metering, Failure> {
        let costs = match &self.metering_schedule {
            Some(path) => Some(read_schedule(path)?),
            None => self.gas.map(|_| Costs::default()),
        };
        Ok(Metering {
            logical_stack: self.parameters(profile).stack_logical_max.is_some(),
            gas: costs.map(Arc::new),
        })
    }
}

/// The costs that a file says.
pub fn read_schedule(path: &Path) -> Result<Costs, Failure> {
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
