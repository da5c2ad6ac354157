//! `pvf candidate new`: real candidates of a runtime, without a collator.

use crate::Verdict;
use crate::clock::timed;
use crate::decoded::blake2_256;
use crate::failure::Failure;
use crate::input;
use crate::kind;
use crate::output::{Output, hex, size};
use crate::progress::Progress;
use crate::timeout::TimeoutArgs;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use pvf_candidate::script::NewCode;
use pvf_candidate::{
    About, Bytes, Candidates, Corruption, Error, Options, Scheme, Script, Source, Step,
};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The version of the object that `candidate new` prints; `schema/candidate.json` describes it.
const SCHEMA_VERSION: u32 = 1;

/// What to do about candidates.
#[derive(Debug, Subcommand)]
pub enum CandidateCommand {
    /// Build a candidate from a runtime or a chain specification.
    #[command(after_help = "\
The blocks are built by the runtime's own functions, as a collator builds them, on a genesis from
the chain specification, from a preset of the runtime, or, for a runtime without presets, on the
least state that it needs. Its author is //Alice, and the accounts that pay are made for the script.
The same arguments give the same bytes. The candidate is validated before it is written: one that is
not valid, or whose result is not what the runtime announced, is a failure (exit code 3), and so is
a corrupt one that is valid.

A script has one step a line; the candidate is of its last block:

  blocks 2                        two blocks without steps, then the next block begins
  block                           the next block begins
  transfer N [SCHEME]             N transfers, each from its own account to a new one; the scheme is
                                  sr25519, ed25519, ecdsa or mixed
  fill N [SCHEME]                 the same, but only as many as the block has room for
  batch N                         one batch of N transfers
  remark BYTES                    one remark
  xcm-down N [VERSION]            N messages of the relay chain, each a teleport to a new account
  downward 0xHEX                  this message of the relay chain
  upgrade BYTES|FILE              announces a new validation code
  signal go-ahead|abort|restricted
                                  what the relay chain says of an upgrade
  call SIGNER PALLET.CALL ARGS    a signed extrinsic, such as
                                  call //Bob System.remark { remark: 0x0102 }
  bare PALLET.CALL ARGS           an extrinsic without a signature

Examples:
  pvf candidate new runtime.compact.compressed.wasm --transfers 50 -o candidate.params
  pvf candidate new chain-spec.json --script blocks.txt -o candidate.params --pov candidate.pov
  pvf candidate new chain-spec.json --corrupt seal -o bad-seal.params")]
    New(NewArgs),
}

/// Arguments of `candidate new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The runtime, or a chain specification, raw or plain, that holds one.
    #[arg(value_name = "SOURCE")]
    source: PathBuf,
    /// Where to write the candidate: SCALE-encoded ValidationParams.
    #[arg(short, long, value_name = "FILE", required_unless_present = "pov")]
    output: Option<PathBuf>,
    /// Where to write the candidate as a collator exports it.
    #[arg(long, value_name = "FILE")]
    pov: Option<PathBuf>,
    /// The script with the blocks.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    #[command(flatten)]
    steps: StepArgs,
    /// Make the candidate invalid in this way.
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(Corruption::ALL.map(|(name, _)| name)))]
    corrupt: Option<String>,
    /// A number from which accounts, keys and signatures follow.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The parachain's identifier [default: that of the genesis].
    #[arg(long, value_name = "N")]
    para_id: Option<u32>,
    /// The preset of the runtime's genesis [default: development, local_testnet, or the runtime's default].
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

/// Steps of the last block, in place of a script.
#[derive(Debug, Args)]
#[group(id = "steps", multiple = true, conflicts_with = "script")]
struct StepArgs {
    /// Number of blocks without steps before that of the candidate.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(..1000))]
    empty_before: u32,
    /// Number of transfers, each from its own account to a new one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100_000))]
    transfers: Option<u32>,
    /// Size of a remark.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(..=64 << 20))]
    remark: Option<u32>,
    /// Number of messages of the relay chain, each a teleport to a new account.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100_000))]
    xcm_down: Option<u32>,
    /// Size of a new validation code to announce.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(..=64 << 20))]
    upgrade: Option<u32>,
}

impl StepArgs {
    fn script(&self) -> Script {
        let scheme = Some(Scheme::Sr25519);
        let steps = [
            self.transfers.map(|count| Step::Transfer {
                count,
                scheme,
                fill: false,
            }),
            self.remark.map(|bytes| Step::Remark { bytes }),
            self.xcm_down.map(|count| Step::XcmDown {
                count,
                version: None,
            }),
            self.upgrade
                .map(|bytes| Step::Upgrade(NewCode::Filler(bytes))),
        ];
        Script::last_block(self.empty_before, steps.into_iter().flatten())
    }
}

#[derive(Serialize)]
struct CandidateJson {
    schema_version: u32,
    #[serde(flatten)]
    about: About,
    /// How the candidate is corrupt, if it is.
    corrupt: Option<String>,
    /// Whether the validation function accepts it.
    valid: bool,
    /// Why it does not.
    reason: Option<String>,
    /// Bytes of the parameters.
    params_bytes: usize,
    /// Their BLAKE2b-256.
    params_blake2_256: String,
    /// Bytes of a collator's export.
    pov_bytes: usize,
    proof_nodes: usize,
    proof_bytes: usize,
    block_data_version: u8,
    /// Nanoseconds of building and validating, the runtime's preparation included.
    build_ns: u64,
}

/// Does what is asked for.
pub fn candidate(command: &CandidateCommand, output: &Output) -> Result<Verdict, Failure> {
    match command {
        CandidateCommand::New(args) => new(args, output),
    }
}

fn new(args: &NewArgs, output: &Output) -> Result<Verdict, Failure> {
    let script = script(args)?;
    let corruption = Corruption::ALL
        .into_iter()
        .find(|(name, _)| args.corrupt.as_deref() == Some(*name))
        .map(|(_, corruption)| corruption);
    let options = Options {
        para_id: args.para_id,
        seed: args.seed,
        preset: args.preset.clone(),
    };
    let progress = Progress::start(&format!("building on {}", input::name(&args.source)));
    let file = input::read(&args.source)?;
    if let Some(reason) = kind::not_code(&file) {
        return Err(refused(&args.source, reason));
    }
    let failed = |error| failure(&args.source, error);
    let (made, took) = timed(|| {
        args.timeout.bound(|| {
            let source = Source::from_bytes(&file).map_err(failed)?;
            let candidates = Candidates::build(&source, &script, &options).map_err(failed)?;
            make(&candidates, corruption).map_err(failed)
        })
    })?;
    drop(progress);
    let (about, bytes, reason) = made?;
    if let Some(path) = &args.output {
        output.file(path, &bytes.params)?;
    }
    if let Some(path) = &args.pov {
        output.file(path, &bytes.pov)?;
    }
    let json = CandidateJson {
        schema_version: SCHEMA_VERSION,
        about,
        corrupt: args.corrupt.clone(),
        valid: reason.is_none(),
        reason,
        params_bytes: bytes.params.len(),
        params_blake2_256: hex(&blake2_256(&bytes.params)),
        pov_bytes: bytes.pov.len(),
        proof_nodes: bytes.proof_nodes,
        proof_bytes: bytes.proof_bytes,
        block_data_version: bytes.block_data_version,
        build_ns: took.wall_ns,
    };
    print(&json, output)?;
    Ok(Verdict::Fine)
}

/// The candidate of the last block, and why it is invalid if it has to be.
fn make(
    candidates: &Candidates,
    corruption: Option<Corruption>,
) -> Result<(About, Bytes, Option<String>), Error> {
    let last = candidates.count().saturating_sub(1);
    candidates.check(last)?;
    let about = candidates.about(last)?;
    let bytes = candidates.write(last, corruption)?;
    let Some(corruption) = corruption else {
        return Ok((about, bytes, None));
    };
    match candidates.judge(&bytes.params)? {
        (_, Some(reason)) => Ok((about, bytes, Some(reason))),
        (_, None) => Err(Error::Disagreement(format!(
            "it is valid in spite of the corrupt {}",
            corruption.name()
        ))),
    }
}

fn script(args: &NewArgs) -> Result<Script, Failure> {
    let Some(path) = &args.script else {
        return Ok(args.steps.script());
    };
    input::at_most_one_stdin(&[&args.source, path])?;
    let text = input::read(path)?;
    let text =
        String::from_utf8(text).map_err(|_| refused(path, "a script is UTF-8 text".to_owned()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let read_file = |name: &str| {
        let path = folder.join(name);
        input::read(&path).map_err(|failure| failure.to_string())
    };
    Script::parse(&text, &read_file).map_err(|error| failure(path, error))
}

fn failure(path: &Path, error: Error) -> Failure {
    match error {
        Error::Host(failure) => failure.into(),
        Error::Disagreement(_) | Error::Proof(_) => Failure::Host(error.to_string()),
        error => refused(path, error.to_string()),
    }
}

fn refused(path: &Path, reason: String) -> Failure {
    Failure::Input {
        name: input::name(path),
        reason,
    }
}

fn print(json: &CandidateJson, output: &Output) -> Result<(), Failure> {
    output.result(json, |out| {
        let about = &json.about;
        let sealed = match about.sealed {
            true => "sealed by //Alice",
            false => "without a seal",
        };
        writeln!(
            out,
            "runtime       {} {}, parachain {}",
            about.spec_name, about.spec_version, about.para_id
        )?;
        writeln!(
            out,
            "genesis       {}, {}",
            about.genesis, about.genesis_hash
        )?;
        writeln!(
            out,
            "block         {}, {}, {sealed}",
            about.number, about.block_hash
        )?;
        writeln!(
            out,
            "extrinsics    {}, of them {} inherents, {} failed in their dispatch",
            about.extrinsics, about.inherents, about.failed_dispatches
        )?;
        writeln!(
            out,
            "proof         {} nodes, {}, {}",
            json.proof_nodes,
            size(json.proof_bytes as u64),
            about.proof_form
        )?;
        writeln!(
            out,
            "candidate     {}, as a collator's export {}, block data of version {}",
            size(json.params_bytes as u64),
            size(json.pov_bytes as u64),
            json.block_data_version
        )?;
        match &json.reason {
            None => writeln!(
                out,
                "validated     valid, with the result that was announced"
            ),
            Some(reason) => {
                let reason = crate::outcome::printable(reason);
                writeln!(out, "validated     invalid, as it should be: {reason}")
            }
        }
    })
}
