//! The arguments of the commands.

use crate::diff::DiffArgs;
use crate::input::CandidateArgs;
use crate::judging::JudgingArgs;
use crate::network::NetworkArgs;
use crate::parameters::{
    CompileArgs, ExecutorArgs, FunctionsArgs, HostArgs, LanguageArgs, LimitArgs, MeterArgs,
    ScheduleArgs, TargetArgs,
};
use crate::perf::PerfKind;
use crate::replay::ReplayArgs;
use crate::timeout::TimeoutArgs;
use crate::trace::TraceArgs;
use crate::workers::WorkersCommand;
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;

/// Prepare and execute parachain validation functions (PVFs) deterministically.
///
/// CODE is a PVF: a raw or Substrate-compressed Wasm module, a module in text form, or a chain
/// specification that holds one; the kind is detected from the content. `-` is the
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
    /// Prepare a PVF and validate a candidate with it.
    Validate(ValidateArgs),
    /// Compile a PVF to an artifact, which can validate any number of candidates.
    Prepare(PrepareArgs),
    /// Validate a candidate with a prepared artifact.
    Execute(ExecuteArgs),
    /// Call an exported function of any module.
    Run(RunArgs),
    /// Show which functions used the time, the gas or the memory of a run, as a flame graph.
    Profile(ProfileArgs),
    /// Compare two runtimes: sizes, functions, imports, and what candidates make of both.
    Diff(DiffArgs),
    /// Judge many candidates, or prepare many runtimes, in worker processes.
    Replay(ReplayArgs),
    /// Show the host calls of a candidate, or the first difference between two traces of them.
    Trace(TraceArgs),
    /// Time the steps of compiling and executing one module, in this process.
    Measure(MeasureArgs),
    /// Run WebAssembly spec-test scripts.
    Wast(WastArgs),
    /// Show the functions, imports, sizes and frames of a module, and whether it is accepted as a PVF.
    Inspect(InspectArgs),
    /// Check what happens to a runtime before its first block: a verdict a line, with the room left.
    Check(CheckArgs),
    /// Build real candidates of a runtime, without a collator.
    #[cfg(feature = "candidate")]
    Candidate {
        /// What to do.
        #[command(subcommand)]
        command: crate::candidate::CandidateCommand,
    },
    /// Show what a file holds: a candidate, a collator's export, a result or an artifact.
    Decode(DecodeArgs),
    /// Check the machine code of an artifact against its module, by code that shares nothing with the compiler.
    Verify(VerifyArgs),
    /// Rewrite a module so that any engine enforces the stack and gas rules.
    Instrument(InstrumentArgs),
    /// Re-run a disputed candidate: whether its failure is deterministic, and which rule decided.
    Arbitrate(ArbitrateArgs),
    /// Check what this machine allows: executing candidates, and the workers of a node.
    Doctor(DoctorArgs),
    /// Install, check or remove the workers of a node.
    Workers {
        /// What to do with them.
        #[command(subcommand)]
        command: WorkersCommand,
    },
    /// Run the conformance suite, on this executor or on other engines.
    Conformance(ConformanceArgs),
    /// Measure this executor beside other engines (starts the executable `pvf-bench`).
    Bench(BenchArgs),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example:\n  pvf completions bash > ~/.local/share/bash-completion/completions/pvf"
    )]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the manual pages into a directory.
    Man(ManArgs),
}

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pvf man ~/.local/share/man/man1 && man pvf-validate")]
pub struct ManArgs {
    /// The directory, which is made if there is none.
    pub directory: PathBuf,
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pvf validate parachain.wasm candidate.params
  pvf validate chain-spec.json 0x1234…_5678.pov
  zstd -dc candidate.params.zst | pvf validate --json parachain.wasm -
  perf record -g pvf validate --perf map parachain.wasm candidate.params && perf report
  pvf validate chain-spec.json candidate.params --max-memory-pages 4096")]
pub struct ValidateArgs {
    /// The PVF.
    pub code: PathBuf,
    /// The candidate: a collator's export (.pov, --export-pov-to-path) or SCALE-encoded ValidationParams, zstd-compressed or not.
    pub params: PathBuf,
    /// Do not run an invalid candidate once more for the backtrace of its trap.
    #[arg(long)]
    pub no_backtrace: bool,
    #[cfg(feature = "polkavm")]
    #[command(flatten)]
    pub machine: crate::parameters::MachineArgs,
    #[command(flatten)]
    pub judging: JudgingArgs,
    #[command(flatten)]
    pub perf: PerfArgs,
}

/// Arguments of `prepare`.
#[derive(Debug, Args)]
#[command(after_help = "\
What a node turns down when it compiles code is rejected, with the number of the rule: the exit code
is 1. With --precheck so is what it turns down when it votes on new code; of that, candidates make a
node find out only when they are judged.

Examples:
  pvf prepare parachain.wasm -o para.artifact && pvf execute para.artifact candidate.params
  pvf prepare --precheck parachain.wasm -o parachain.artifact")]
pub struct PrepareArgs {
    /// The PVF.
    pub code: PathBuf,
    /// Where to write the artifact.
    #[arg(short, long, value_name = "ARTIFACT")]
    pub output: PathBuf,
    /// Check what a node checks that prechecks the code: also whether the imports resolve. --ecc-rfc163 adds host functions to resolve
    /// them with; without --precheck it makes no difference.
    #[arg(long)]
    pub precheck: bool,
    #[command(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    pub functions: FunctionsArgs,
    #[command(flatten)]
    pub executor: ExecutorArgs,
}

/// Arguments of `execute`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pvf execute parachain.artifact candidate.params --json")]
pub struct ExecuteArgs {
    /// The artifact, as `pvf prepare` wrote it. It holds machine code that will be run: trust its source as you would trust
    /// that of a program.
    pub artifact: PathBuf,
    /// The candidate: a collator's export (.pov, --export-pov-to-path) or SCALE-encoded ValidationParams, zstd-compressed or not.
    pub params: PathBuf,
    #[cfg(feature = "polkavm")]
    #[command(flatten)]
    pub machine: crate::parameters::MachineArgs,
    #[command(flatten)]
    pub host: HostArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub candidate: CandidateArgs,
    #[command(flatten)]
    pub timeout: TimeoutArgs,
    #[command(flatten)]
    pub perf: PerfArgs,
}

/// Arguments of `arbitrate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every run counts both stacks and gas, also where they have no limit. All runs together take at most
eight times --timeout, ENGINE once more; preparing the code is not counted.

ENGINE is a command that starts an adapter of the conformance suite (conformance/README.md), or
`wasmtime`: the adapter pvf-adapter-wasmtime, which PVF_ADAPTER_WASMTIME names, or which is beside
pvf or in the checkout's bench/. The exit code is 1 also if runs or engines differ.

Examples:
  pvf arbitrate parachain.wasm candidate.params
  pvf arbitrate parachain.wasm candidate.params --against wasmtime --json | jq .against")]
pub struct ArbitrateArgs {
    /// The PVF.
    pub code: PathBuf,
    /// The candidate: a collator's export (.pov, --export-pov-to-path) or SCALE-encoded ValidationParams, zstd-compressed or not.
    pub params: PathBuf,
    /// Compare with another engine's outcome.
    #[arg(long, value_name = "ENGINE")]
    pub against: Option<String>,
    #[command(flatten)]
    pub judging: JudgingArgs,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
The exit code is 1 if something is missing that everything needs; what is optional says so.

Example:
  pvf doctor --json | jq '.checks[] | select(.passed | not)'")]
pub struct DoctorArgs {
    /// Try this alone, in this process, which is of no other use afterwards.
    #[arg(long, hide = true)]
    pub probe: Option<Probe>,
    /// An empty folder for what is tried.
    #[arg(long, hide = true)]
    pub place: Option<PathBuf>,
}

/// What `doctor` tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Probe {
    /// Running generated code.
    Execute,
    /// A trap.
    Traps,
    /// Many instances at a time.
    AddressSpace,
    /// Stack for host functions.
    Stack,
    /// Landlock.
    Landlock,
    /// Seccomp.
    Seccomp,
    /// A user namespace with its own root directory.
    Root,
    /// A process in new namespaces.
    Namespaces,
}

impl Probe {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Traps => "traps",
            Self::AddressSpace => "address-space",
            Self::Stack => "stack",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Root => "root",
            Self::Namespaces => "namespaces",
        }
    }
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
    #[cfg(feature = "polkavm")]
    #[command(flatten)]
    pub machine: crate::parameters::MachineArgs,
    #[command(flatten)]
    pub executor: ExecutorArgs,
    #[command(flatten)]
    pub timeout: TimeoutArgs,
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
    /// The candidate: a collator's export (.pov, --export-pov-to-path) or SCALE-encoded ValidationParams, zstd-compressed or not.
    pub params: Option<PathBuf>,
    /// Number of executions.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub runs: u32,
    /// Number of instantiations.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub instantiations: u32,
    #[command(flatten)]
    pub judging: JudgingArgs,
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
    #[cfg(feature = "polkavm")]
    #[command(flatten)]
    pub machine: crate::parameters::MachineArgs,
    #[command(flatten)]
    pub language: LanguageArgs,
    #[command(flatten)]
    pub timeout: TimeoutArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
The benchmarks are an executable of their own, pvf-bench, built in the repository's folder bench/.
It is looked for by the variable PVF_BENCH, beside pvf, and in the checkout.

Examples:
  pvf bench programs --engines ours,cranelift
  pvf bench all --json run.json --html report.html
  pvf bench help")]
pub struct BenchArgs {
    /// Arguments for pvf-bench.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<OsString>,
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
    /// Serve as this executor's adapter: answer questions from the standard input.
    Adapter,
}

/// Arguments of `conformance run`.
#[derive(Debug, Args)]
#[command(after_help = "\
An engine is the command that starts its adapter, which answers one line of JSON per line. A case
that needs a feature which an engine does not declare is skipped, never passed. The exit code is 1
if an engine differs in any case.

Examples:
  pvf conformance run
  pvf conformance run --engine 'node conformance/adapters/node/adapter.mjs' --html report.html")]
pub struct ConformanceRunArgs {
    /// The suite's folder [default: `conformance` here, beside pvf, or in the checkout whose folder `target` pvf lies in].
    #[arg(long, value_name = "DIR")]
    pub suite: Option<PathBuf>,
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
    #[command(flatten)]
    pub timeout: TimeoutArgs,
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
The first line says whether a node that prechecks the module accepts it as a PVF, or by which rule
it does not, as `pvf prepare --precheck` with the same flags; the exit code is 1 if not. Modules of
the wider language are shown all the same.

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
    /// Number of functions to list, those with the deepest frames.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    /// Write a page with the Wasm, the gas and the machine code of every function side by side.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Meters to compile into the code; may be given several times.
    #[arg(long, value_name = "METER", value_enum)]
    pub meter: Vec<Meter>,
    #[command(flatten)]
    pub schedule: ScheduleArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub host: HostArgs,
    #[command(flatten)]
    pub language: LanguageArgs,
    #[command(flatten)]
    pub compile: CompileArgs,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
The exit code is 0 if every runtime passes and 1 if one would be refused: by the relay chain, by
pre-checking, or with every candidate.

Examples:
  pvf check runtime.compact.compressed.wasm
  pvf check --network paseo --node 1.22 chain-spec.json
  pvf check --json runtime.wasm | jq '.lines[] | select(.status != \"pass\")'")]
pub struct CheckArgs {
    /// The runtimes: Wasm, compressed or not, or chain specifications.
    #[arg(required = true, value_name = "RUNTIME")]
    pub code: Vec<PathBuf>,
    #[command(flatten)]
    pub network: NetworkArgs,
    /// The version of the nodes, such as 1.25.1 or 1.22 [default: the newest that is known].
    #[arg(long, value_name = "VERSION", value_parser = crate::check::node())]
    pub node: Option<pvf_check::Node>,
    #[command(flatten)]
    pub functions: FunctionsArgs,
    /// Largest code on chain in bytes [default: the network's].
    #[arg(long, value_name = "BYTES")]
    pub max_code_size: Option<u32>,
    /// Number of threads that compile, up to 512 [default: the number of processors].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub threads: Option<u16>,
    #[command(flatten)]
    pub timeout: TimeoutArgs,
}

/// Arguments of `decode`.
#[derive(Debug, Args)]
#[command(after_help = "\
The kind of the file is detected by decoding all of it; nothing in it is executed. A file of no
kind, or of two, is wrong usage.

Examples:
  pvf decode 0x1234…_5678.pov
  pvf decode candidate.params.zst --json | jq .params.block_data.blocks[0].extrinsics
  pvf validate parachain.wasm block.params --json | jq -r '.result[2:]' | xxd -r -p | pvf decode -")]
pub struct DecodeArgs {
    /// The file: ValidationParams or a collator's export (.pov), zstd-compressed or not, a ValidationResult, or an artifact.
    pub file: PathBuf,
    /// The network whose limits sizes are compared with [default: polkadot].
    #[arg(long, value_name = "NAME", value_parser = crate::network::network())]
    pub network: Option<pvf_primitives::Network>,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 0 if the code keeps to every invariant and with 1 if it breaks one. Without CODE the
declarations in the artifact stand for the module: memory, stack and control flow are checked, but
not whether frames, meters and traps are the module's.

Examples:
  pvf verify parachain.artifact
  pvf verify parachain.artifact parachain.wasm
  pvf verify --json parachain.wasm --meter gas")]
pub struct VerifyArgs {
    /// The artifact; or a module, which is then compiled.
    pub artifact: PathBuf,
    /// The module that the artifact was made of.
    pub code: Option<PathBuf>,
    /// Meters that the code of a module drives; may be given several times.
    #[arg(long, value_name = "METER", value_enum)]
    pub meter: Vec<Meter>,
    #[command(flatten)]
    pub schedule: ScheduleArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Arguments of `instrument`.
#[derive(Debug, Args)]
#[command(after_help = "\
At a limit the module executes `unreachable`, and its exported global pvf_trap is 1 for a stack
overflow and 2 for lack of gas. The globals pvf_gas_left, pvf_stack_native_left and
pvf_stack_logical_left hold what is left. A module that the network's nodes read although it is not
WebAssembly 1.0 (rules NET-1 to NET-9) is rejected, since no other engine reads it.

Example:
  pvf instrument parachain.wasm -o metered.wasm --gas 1000000000")]
pub struct InstrumentArgs {
    /// The module.
    pub code: PathBuf,
    /// Where to write the new module.
    #[arg(short, long, value_name = "OUT.wasm")]
    pub output: PathBuf,
    #[command(flatten)]
    pub meters: MeterArgs,
    #[command(flatten)]
    pub language: LanguageArgs,
}

/// Arguments of `profile`.
#[derive(Debug, Args)]
#[command(after_help = "\
By gas, calls, memory and allocations the profile is exact and the same on every machine. By time it
consists of samples of a run that is repeated, of host functions as well as of code. Each line is a
stack of functions and what the innermost one counts itself. A recursive call counts for the active
call of the same function.

Examples:
  pvf profile parachain.wasm candidate.params --by time --html candidate.html
  pvf profile parachain.wasm candidate.params -o candidate.folded
  pvf profile parachain.wasm candidate.params | inferno-flamegraph --countname gas > candidate.svg
  pvf profile parachain.wasm candidate.params --by memory --html memory.html
  pvf profile module.wasm --invoke fib 20 --by calls")]
pub struct ProfileArgs {
    /// The module.
    pub code: PathBuf,
    /// The candidate: a collator's export (.pov, --export-pov-to-path) or SCALE-encoded ValidationParams, zstd-compressed or not. With --invoke, the function's arguments.
    #[arg(value_name = "PARAMS|ARG", allow_negative_numbers = true)]
    pub args: Vec<String>,
    /// Call this exported function instead of validating a candidate.
    #[arg(long, value_name = "NAME")]
    pub invoke: Option<String>,
    /// File to write the profile to, in folded form [default: the standard output, unless --html is given].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write a page with a flame graph.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// What to count.
    #[arg(long, value_enum, default_value_t = By::Gas)]
    pub by: By,
    #[command(flatten)]
    pub sampling: SamplingArgs,
    #[command(flatten)]
    pub judging: JudgingArgs,
}

/// How to sample.
#[derive(Debug, Args)]
pub struct SamplingArgs {
    /// With --by time, repeat the run until so many seconds are over.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "3", conflicts_with = "runs")]
    pub seconds: f64,
    /// With --by time, repeat the run so many times.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: Option<u32>,
    /// With --by time, microseconds between two samples.
    #[arg(long, value_name = "MICROSECONDS", value_parser = clap::value_parser!(u32).range(50..=1_000_000), default_value_t = 500)]
    pub interval: u32,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds from 0 to 3600".to_owned()),
    }
}

/// What a profile counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Time, by samples of a run that is repeated; host functions included.
    Time,
    /// Gas that functions used themselves. Host functions use none.
    Gas,
    /// How often they were called, host functions included.
    Calls,
    /// Bytes of the host's allocator that were in use when most were.
    Memory,
    /// Bytes that the host's allocator handed out during the run.
    Allocations,
}

impl By {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Gas => "gas",
            Self::Calls => "calls",
            Self::Memory => "memory",
            Self::Allocations => "allocations",
        }
    }
}

/// Output for other tools.
#[derive(Debug, Args)]
pub struct PerfArgs {
    /// Write the names of functions for Linux's `perf`: `map` writes /tmp/perf-PID.map (perf record, perf report),
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
