//! `pvf replay`: many candidates, or many runtimes, in worker processes.
//!
//! The command finds what there is to do ([`items`]), hands it to processes of its own program ([`workers`]) and writes a line of JSON
//! for each ([`record`]). A candidate that kills or hangs its process costs that process and nothing else.

mod items;
mod record;
mod serve;
mod tally;
mod workers;

use crate::Verdict;
use crate::check::Against;
use crate::failure::Failure;
use crate::output::Output;
use crate::parameters::{ExecutorArgs, HostArgs};
use crate::timeout::TimeoutArgs;
use clap::Args;
use pvf_executor::{Profile, Target};

use record::Log;
use std::path::PathBuf;
use std::time::Duration;
use tally::Tally;

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
A PATH is a folder with code (code.compressed.wasm, code.wasm or code.wat), candidates (NAME.params,
NAME.params.zst) and what they should give (NAME.result, NAME.trap); a folder of recorded candidates
(code/HASH and candidates/NAME.params with NAME.json); a folder of such folders; or a list: a file
with a line of JSON for each candidate. docs/many-candidates.md describes all of them.

Exit codes: 1 if an outcome is not the expected one, else 3 if there is no verdict on something (its
process died, it did not end in time, a file cannot be read), else 0. With --prepare-only it is 1 if
a runtime is rejected.

Examples:
  pvf replay recorded/ -o results.jsonl --jobs 8
  pvf replay recorded/ --resume results.jsonl --shard 3/16
  pvf replay runtimes/ --prepare-only --json -o prepared.jsonl | jq .rejected")]
pub struct ReplayArgs {
    /// Folders and lists.
    #[arg(value_name = "PATH", required_unless_present = "serve")]
    pub paths: Vec<PathBuf>,
    /// Check every runtime as `pvf check` does, and judge no candidate.
    #[arg(long)]
    pub prepare_only: bool,
    /// How many processes work at the same time [default: the number of processors].
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Do the I-th of N parts alone. Parts are as large as each other, and one runtime's candidates stay together as far as possible.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,
    /// Write the results here, a line of JSON each [default: the standard output].
    #[arg(short, long, value_name = "FILE", conflicts_with = "resume")]
    pub output: Option<PathBuf>,
    /// Like --output, but leave out what has a verdict in the file already, and append to it.
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
    /// Seconds that preparing a runtime may take.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..), default_value_t = 360)]
    pub prepare_timeout: u32,
    /// Say every ten seconds how far it is, also where the standard error is no terminal.
    #[arg(long)]
    pub progress: bool,
    /// Be a worker process: jobs come by the standard input.
    #[arg(long, hide = true)]
    pub serve: bool,
    #[command(flatten)]
    pub timeout: TimeoutArgs,
    #[command(flatten)]
    pub host: HostArgs,
    #[command(flatten)]
    pub executor: ExecutorArgs,
}

/// One part of many; parts are numbered from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    part: u32,
    of: u32,
}

fn shard(text: &str) -> Result<Shard, String> {
    let wrong = || "expected I/N, with I from 1 to N".to_owned();
    let (part, of) = text.split_once('/').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
    let (part, of) = (number(part)?, number(of)?);
    match (1..=of).contains(&part) {
        true => Ok(Shard { part, of }),
        false => Err(wrong()),
    }
}

impl Shard {
    /// This part of a list.
    fn of<T>(self, mut all: Vec<T>) -> Vec<T> {
        let (part, of) = (u64::from(self.part), u64::from(self.of));
        let edge = |part: u64| (all.len() as u64 * part / of) as usize;
        let (begin, end) = (edge(part - 1), edge(part));
        all.truncate(end);
        all.split_off(begin)
    }
}

impl ReplayArgs {
    fn jobs(&self) -> usize {
        match self.jobs {
            Some(jobs) => jobs.into(),
            None => std::thread::available_parallelism().map_or(1, Into::into),
        }
    }

    /// After so long a worker that has not answered is killed. It interrupts itself earlier.
    fn patience(&self) -> Option<Duration> {
        let preparing = Duration::from_secs(self.prepare_timeout.into());
        let grace = Duration::from_secs(2);
        Some(self.timeout.time()? + preparing + grace)
    }
}

/// Judges everything, or prepares it.
pub fn replay(args: &ReplayArgs, output: &Output) -> Result<Verdict, Failure> {
    if args.serve {
        return serve::serve(args, output);
    }
    if args.prepare_only {
        let (_, parameters) = args.executor.resolve(Profile::Polkadot, Target::HOST)?;
        // Without a network's limits nothing can be checked.
        Against::new(parameters, args.timeout)?;
    }
    let mut items = items::find(&args.paths, args.prepare_only)?;
    if let Some(shard) = args.shard {
        items = shard.of(items);
    }
    let (mut log, done) = Log::open(args, output)?;
    let all = items.len();
    items.retain(|item| !done.contains(&item.id));
    let mut tally = Tally::new(items.len(), all - items.len(), args.progress);
    workers::run(args, items, &mut |result| {
        tally.count(&result);
        log.write(&result)
    })?;
    log.finish()?;
    tally.report(output, args.prepare_only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_whole() {
        for all in [0, 1, 2, 7, 100] {
            for of in [1, 2, 3, 7, 200] {
                let list: Vec<u32> = (0..all).collect();
                let parts = (1..=of).map(|part| Shard { part, of }.of(list.clone()));
                let parts: Vec<Vec<u32>> = parts.collect();
                assert_eq!(parts.concat(), list);
                let sizes = parts.iter().map(Vec::len);
                let (least, most) = (sizes.clone().min(), sizes.max());
                assert!(most.unwrap() - least.unwrap() <= 1);
            }
        }
        for wrong in ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b"] {
            assert!(shard(wrong).is_err(), "{wrong}");
        }
    }
}
