//! The service with its cache, and the workers that it starts.

use crate::common::{Scratch, program as worker};
use crate::execute::{CASES, artifact, case, code};
use crate::session::JOB;
use parity_scale_codec::Encode;
use pvf_faults::{ALLOCATION, Fault, PATIENCE, Ran, Said, can_trace, try_all};
use pvf_worker_client::service::{Candidate, Judgement, Options, Rules, Service};
use std::fs;
use std::io::{PipeReader, Read, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

fn rules() -> Rules {
    Rules {
        prepare_timeout: JOB,
        execute_timeout: JOB,
        ..Rules::default()
    }
}

fn start(cache: &Path) -> Result<Service, String> {
    let workers = worker("prepare-worker");
    let workers = workers.parent().expect("programs lie in a directory");
    let options = Options {
        prepare_workers: NonZeroUsize::MIN,
        execute_workers: NonZeroUsize::MIN,
        ..Options::new(workers, cache)
    };
    Service::start(options).map_err(|error| error.to_string())
}

/// A word for the service's answer to each of [`CASES`].
fn judge_all(service: &Service) -> impl Iterator<Item = String> {
    CASES.iter().map(|name| {
        let (request, expected) = case(name, b"");
        let candidate = Candidate::new(request.pvd, request.pov);
        match (service.validate(&code(), &candidate, &rules()), expected) {
            (Ok(Judgement::Valid(result)), Some(expected))
                if result.encode() == expected.encode() =>
            {
                "right".to_owned()
            }
            (Ok(Judgement::Invalid(reason)), None) if reason.contains("unreachable") => {
                "right".to_owned()
            }
            (Ok(judgement), _) => format!("wrong {judgement:?}"),
            (Err(error), _) => format!("failed {error}"),
        }
    })
}

/// The program that uses the service: a line for each candidate. Arguments: the cache's directory,
/// and whether to mark allocations.
pub fn program(arguments: &[String]) -> ExitCode {
    if arguments[1] == "mark" {
        pvf_faults::mark();
    }
    let service = match start(Path::new(&arguments[0])) {
        Ok(service) => service,
        Err(error) => {
            println!("failed {error}");
            return ExitCode::FAILURE;
        }
    };
    for line in judge_all(&service) {
        // Without the standard library's buffer, so that a failed write loses one line at most.
        if writeln!(std::io::stdout(), "{line}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// This program as the one that uses the service, with its output.
fn using(cache: &Path, mark: bool) -> (Command, PipeReader) {
    let (lines, to_us) = std::io::pipe().expect("a pipe");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .arg("service")
        .arg(cache)
        .arg(if mark { "mark" } else { "plain" })
        .stdin(Stdio::null())
        .stdout(to_us)
        .stderr(Stdio::null());
    (command, lines)
}

/// The answers that the program wrote.
fn answers(mut lines: PipeReader) -> Vec<Said> {
    let mut text = Vec::new();
    lines.read_to_end(&mut text).expect("a pipe");
    let text = String::from_utf8_lossy(&text);
    let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
    let mut answers: Vec<Said> = whole
        .lines()
        .map(|line| match line.split_once(' ') {
            None if line == "right" => Said::Right,
            Some(("failed", what)) => Said::Internal(what.to_owned()),
            _ => Said::Wrong(line.to_owned()),
        })
        .collect();
    if answers.len() < CASES.len() {
        answers.push(Said::Ended);
    }
    answers
}

fn run(expected: &[u8], mark: bool, fault: Option<Fault>) -> Ran {
    let scratch = Scratch::new();
    let (command, lines) = using(&scratch.0, mark);
    let traced = pvf_faults::start(command, fault).expect("the program starts");
    let mut wrong = Vec::new();
    let trace = match traced.finish(PATIENCE * 2) {
        Ok(trace) => trace,
        Err(left) => {
            wrong.push(format!("these processes did not end: {:?}", left.processes));
            left.trace
        }
    };
    wrong.extend(cache_problems(&scratch.0, expected));
    Ran {
        answers: answers(lines),
        wrong,
        trace,
    }
}

/// What is wrong with a cache after a service: every artifact is whole, a new service judges
/// rightly, and removes what the earlier one may have left.
fn cache_problems(cache: &Path, expected: &[u8]) -> Vec<String> {
    let mut problems = Vec::new();
    for entry in fs::read_dir(cache.join("artifacts")).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if fs::read(&path).ok().as_deref() != Some(expected) {
            problems.push(format!("{} is not the artifact", path.display()));
        }
    }
    let (mut command, lines) = using(cache, false);
    let status = command.status().expect("the program starts");
    drop(command);
    let next = answers(lines);
    if !status.success() || next.iter().any(|it| *it != Said::Right) {
        problems.push(format!("the next service: {status}, {next:?}"));
    }
    let left = fs::read_dir(cache.join("instances")).into_iter().flatten();
    problems.extend(left.map(|it| format!("{:?} is left", it.expect("an entry").path())));
    problems
}

pub fn calls() {
    if !can_trace() {
        return;
    }
    let expected = artifact();
    try_all(40, |_, _| true, |fault| run(&expected, false, fault));
}

pub fn allocations() {
    if !can_trace() {
        return;
    }
    let expected = artifact();
    let wanted = |_: &str, call| call == ALLOCATION;
    try_all(12, wanted, |fault| run(&expected, true, fault));
}
