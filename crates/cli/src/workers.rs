//! `pvf workers`: installs the workers for a node, checks them, removes them.

mod smoke;

use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;
use clap::{Args, Subcommand};
use pvf_node_protocol::{NODE_RELEASES, SecurityStatus, Verification};
use pvf_worker_client::install::{
    self, InstallError, Installation, PROGRAMS, Receipt, is_known, node_version,
};
use pvf_worker_client::observation::{Observation, Shadow};
use pvf_worker_client::security;
use serde::Serialize;
use smoke::TestArgs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What to do with workers.
#[derive(Debug, Subcommand)]
pub enum WorkersCommand {
    /// Install the workers for a node; its program reports the version.
    #[command(after_help = "\
The workers are made and checked in a directory of their own before they take their place; what this
command installed there before is kept, and `pvf workers uninstall` puts it back.

Example:
  pvf workers install --node /usr/bin/polkadot
  polkadot --validator --workers-path /opt/pvf-workers ...")]
    Install(InstallArgs),
    /// Check that installed workers are unchanged and, with --node, that they are for that node.
    Check(CheckArgs),
    /// Try workers without a node, as this user: prepare, execute, trap, log, time out.
    #[command(after_help = "\
Run it as the node's user, before the node is restarted with the workers:

  sudo -u polkadot pvf workers test /opt/pvf-workers")]
    Test(TestArgs),
    /// Remove the files that the last `pvf workers install` installed.
    Uninstall(PlaceArgs),
}

/// Where workers are installed.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// Directory of the installed workers: a node's --workers-path.
    #[arg(long, value_name = "DIR", default_value = "/opt/pvf-workers")]
    into: PathBuf,
}

/// Arguments of `workers install`.
#[derive(Debug, Args)]
pub struct InstallArgs {
    /// The node's program.
    #[arg(long, value_name = "FILE")]
    node: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
    /// Directory of the built workers. [default: that of this program, or lib/pvf beside its bin]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Directory of the node's own workers: they run first, this executor's only before a vote against a candidate.
    #[arg(long, value_name = "DIR")]
    primary: Option<PathBuf>,
    /// Install for a release of the node whose protocol has not been compared with this executor's.
    #[arg(long)]
    untried: bool,
    /// Make the workers verify the machine code of an artifact also when they first load it.
    #[arg(long)]
    verify_at_load: bool,
    /// Make the workers use machine code that was not verified. Only until a verifier that refuses right code is mended.
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    observe: ObserveArgs,
}

/// What installed workers observe beside their answers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Shadow mode and recording")]
pub struct ObserveArgs {
    /// Execute candidates again with this executor's workers, after the answer of --primary has been sent, and write to
    /// DIR where they differ. The answer of --primary always stands.
    #[arg(long, value_name = "DIR", requires = "primary")]
    shadow: Option<PathBuf>,
    /// Keep every candidate and its code in DIR, for `pvf replay`. With --shadow, DIR must be the same.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Share of the candidates that --shadow executes, from 0 to 1. Which ones is random.
    #[arg(long, value_name = "SHARE", default_value_t = Shadow::default().sample, requires = "shadow")]
    shadow_sample: f64,
    /// Share of one processor that --shadow uses at most for each worker, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = Shadow::default().cpu_share, requires = "shadow")]
    shadow_cpu: f64,
    /// Largest size of the directory of --shadow and --record, in bytes. When it is full, nothing more is kept.
    #[arg(long, value_name = "BYTES", default_value_t = 10 << 30)]
    observe_max_bytes: u64,
}

impl ObserveArgs {
    fn observation(&self) -> Result<Option<Observation>, Failure> {
        let directory = match (&self.shadow, &self.record) {
            (None, None) => return Ok(None),
            (Some(shadow), Some(record)) if shadow != record => {
                return Err(Failure::Usage(format!(
                    "--shadow {} and --record {} must name the same directory",
                    shadow.display(),
                    record.display()
                )));
            }
            (Some(directory), _) | (_, Some(directory)) => directory.clone(),
        };
        Ok(Some(Observation {
            directory,
            max_bytes: self.observe_max_bytes,
            record: self.record.is_some(),
            shadow: self.shadow.as_ref().map(|_| Shadow {
                sample: self.shadow_sample,
                cpu_share: self.shadow_cpu,
            }),
        }))
    }
}

/// Arguments of `workers check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The node's program.
    #[arg(long, value_name = "FILE")]
    node: Option<PathBuf>,
}

#[derive(Serialize)]
struct WorkersJson {
    directory: PathBuf,
    /// The node's version that the installed workers report; null without installed workers.
    version: Option<String>,
    files: Vec<String>,
    /// What the machine allows them, if they were asked.
    barriers: Option<Barriers>,
}

#[derive(Clone, Copy, Serialize)]
struct Barriers {
    landlock: bool,
    seccomp: bool,
    user_namespace_and_root: bool,
    secure_clone: bool,
}

/// Runs the subcommand.
pub fn workers(command: &WorkersCommand, output: &Output) -> Result<Verdict, Failure> {
    match command {
        WorkersCommand::Install(args) => install(args, output),
        WorkersCommand::Check(args) => check(args, output),
        WorkersCommand::Test(args) => smoke::test(args, output),
        WorkersCommand::Uninstall(args) => uninstall(args, output),
    }
}

fn install(args: &InstallArgs, output: &Output) -> Result<Verdict, Failure> {
    let version = node_version(&args.node).map_err(failed)?;
    if !args.untried && !is_known(&version) {
        let (first, last) = NODE_RELEASES;
        return Err(Failure::Usage(format!(
            "{} is {version}, and the workers' protocol has been compared with nodes {first} to {last} alone; \
             --untried installs them nevertheless",
            args.node.display()
        )));
    }
    let from = match &args.from {
        Some(from) => from.clone(),
        None => built_workers(&own_directory()?),
    };
    let into = &args.place.into;
    let receipt = install::install(&Installation {
        from,
        into: into.clone(),
        version,
        primary: args.primary.clone(),
        verification: Verification {
            when_preparing: !args.no_verify,
            at_load: args.verify_at_load,
        },
        observation: args.observe.observation()?,
    })
    .map_err(failed)?;
    report(into, Some(&receipt), true, output)?;
    Ok(Verdict::Fine)
}

fn check(args: &CheckArgs, output: &Output) -> Result<Verdict, Failure> {
    let into = &args.place.into;
    let receipt = install::check(into).map_err(failed)?;
    let node = match &args.node {
        Some(node) => node_version(node).map_err(failed)?,
        None => receipt.version.clone(),
    };
    report(into, Some(&receipt), true, output)?;
    if node == receipt.version {
        return Ok(Verdict::Fine);
    }
    eprintln!("the node is {node}: install them anew");
    Ok(Verdict::NotFine)
}

fn uninstall(args: &PlaceArgs, output: &Output) -> Result<Verdict, Failure> {
    let before = install::uninstall(&args.into).map_err(failed)?;
    report(&args.into, before.as_ref(), false, output)?;
    Ok(Verdict::Fine)
}

fn own_directory() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().and_then(|path| path.canonicalize());
    let own = own.map_err(|error| Failure::Host(format!("this program's path: {error}")))?;
    Ok(own.parent().map(Path::to_owned).unwrap_or_default())
}

/// Where the built workers are: beside this program, or, as a package of a distribution places what no user starts, in
/// `../lib/pvf`.
fn built_workers(own: &Path) -> PathBuf {
    let packaged = own.with_file_name("lib").join("pvf");
    let has_all = |directory: &Path| PROGRAMS.iter().all(|it| directory.join(it).is_file());
    match !has_all(own) && has_all(&packaged) {
        true => packaged,
        false => own.to_owned(),
    }
}

fn failed(error: InstallError) -> Failure {
    match error {
        InstallError::Io { path, source } => Failure::Host(format!("{}: {source}", path.display())),
        error => Failure::Usage(error.to_string()),
    }
}

fn report(
    directory: &Path,
    receipt: Option<&Receipt>,
    ask: bool,
    output: &Output,
) -> Result<(), Failure> {
    let barriers = match ask {
        true => Some(barriers(directory)?),
        false => None,
    };
    let json = WorkersJson {
        directory: directory.to_owned(),
        version: receipt.map(|receipt| receipt.version.clone()),
        files: receipt
            .iter()
            .flat_map(|receipt| &receipt.files)
            .map(|file| file.name.clone())
            .collect(),
        barriers,
    };
    output.result(&json, |out| text(out, &json))
}

/// What the machine allows installed workers, as this user.
fn barriers(directory: &Path) -> Result<Barriers, Failure> {
    let failed = |error: io::Error| Failure::Host(format!("asking the workers: {error}"));
    let root = tempfile::tempdir().map_err(failed)?;
    let status = security(&directory.join(PROGRAMS[0]), root.path()).map_err(failed)?;
    Ok(status.into())
}

impl From<SecurityStatus> for Barriers {
    fn from(status: SecurityStatus) -> Self {
        Self {
            landlock: status.can_enable_landlock,
            seccomp: status.can_enable_seccomp,
            user_namespace_and_root: status.can_unshare_user_namespace_and_change_root,
            secure_clone: status.can_do_secure_clone,
        }
    }
}

fn text(out: &mut dyn Write, json: &WorkersJson) -> io::Result<()> {
    let directory = json.directory.display();
    let Some(version) = &json.version else {
        return writeln!(out, "{directory}: no workers are left");
    };
    writeln!(out, "{directory}: workers for node {version}")?;
    for file in &json.files {
        writeln!(out, "  {file}")?;
    }
    match json.barriers {
        Some(barriers) => barriers_text(out, barriers),
        None => Ok(()),
    }
}

fn barriers_text(out: &mut dyn Write, barriers: Barriers) -> io::Result<()> {
    for (name, there) in [
        ("Landlock", barriers.landlock),
        ("seccomp", barriers.seccomp),
        ("another root", barriers.user_namespace_and_root),
        ("processes in new namespaces", barriers.secure_clone),
    ] {
        let word = if there { "yes" } else { "NO" };
        writeln!(out, "  {word:<3} {name}, for this user")?;
    }
    Ok(())
}
