//! Faults of the machine: each allocation of the library fails once. A verdict is right or there is
//! none. Most failures end the process, as Rust programs do without memory; some calls report them.
//!
//! This program is the test and, with `judge`, the program that uses the library.

use pvf_executor::{NotPrepared, Profile, Purpose, Rules};
use pvf_faults::{ALLOCATION, Fault, Marked, PATIENCE, Ran, Said, can_trace, mark, start, try_all};
use pvf_validation::{HostParameters, Module, Outcome, Pvf};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

#[global_allocator]
static ALLOCATOR: Marked = Marked;

/// What the program says of a candidate.
const RIGHT: &str = "right";
const WRONG: &str = "wrong";
const FAILED: &str = "failed";

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/adder");
    fs::read(folder.join(name)).expect("the fixture is there")
}

/// Prepares the code and judges a valid candidate, an invalid one, and the valid one again.
fn judge() -> &'static str {
    // Compressed, so that decompression is part of it.
    let code = fixture("code.compressed.wasm");
    let (valid, invalid) = (fixture("add-1.params"), fixture("wrong-state.params"));
    let result = fixture("add-1.result");
    mark();
    let rules = Rules::new(Profile::Polkadot.compile_options(), Purpose::Execution);
    let artifact = match pvf_executor::prepare(&code, &rules) {
        Ok(prepared) => prepared.artifact,
        Err(NotPrepared::Failed(_)) => return FAILED,
        Err(NotPrepared::Rejected(_)) => return WRONG,
    };
    let Ok(module) = Module::new(artifact) else {
        return FAILED;
    };
    let pvf = Pvf::new(module, HostParameters::default());
    for (candidate, expected) in [
        (&valid, Some(&result)),
        (&invalid, None),
        (&valid, Some(&result)),
    ] {
        match (pvf.validate(candidate).map(|it| it.outcome), expected) {
            (Ok(Outcome::Valid(bytes)), Some(expected)) if bytes == *expected => {}
            (Ok(Outcome::Invalid { trap: Some(_), .. }), None) => {}
            (Ok(_), _) => return WRONG,
            (Err(_), _) => return FAILED,
        }
    }
    RIGHT
}

fn run(fault: Option<Fault>) -> Ran {
    let (mut lines, to_us) = std::io::pipe().expect("a pipe");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .arg("judge")
        .stdin(Stdio::null())
        .stdout(to_us)
        .stderr(Stdio::null());
    let traced = start(command, fault).expect("the program starts");
    let mut wrong = Vec::new();
    let trace = traced.finish(PATIENCE).unwrap_or_else(|left| {
        wrong.push(format!("these did not end: {:?}", left.processes));
        left.trace
    });
    let mut said = String::new();
    lines.read_to_string(&mut said).expect("a text");
    let answer = match (said.trim(), trace.status) {
        (RIGHT, 0) => Said::Right,
        (FAILED, 0) => Said::Internal(said),
        ("", status) if status == -libc::SIGABRT => Said::Ended,
        (other, status) => Said::Wrong(format!("{other}, exit status or signal {status}")),
    };
    Ran {
        answers: vec![answer],
        wrong,
        trace,
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("judge") => println!("{}", judge()),
        // The interface of test programs, as far as nextest uses it.
        Some("--list") => {
            if arguments.all(|it| it != "--ignored") {
                println!("a_verdict_is_right_or_there_is_none: test");
            }
        }
        _ => {
            if can_trace() {
                try_all(20, |_, call| call == ALLOCATION, run);
            }
        }
    }
}
