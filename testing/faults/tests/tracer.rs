//! The tracer on programs that every machine has.
#![cfg(target_arch = "x86_64")]

use pvf_faults::{Fault, How, Trace, can_trace, start};
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

const AMPLE: Duration = Duration::from_secs(50);

/// Runs a shell's script with a fault, and returns its output.
fn run(script: &str, fault: Option<Fault>) -> (Trace, String) {
    let (mut lines, to_us) = std::io::pipe().expect("a pipe");
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script])
        .stdout(to_us)
        .stderr(Stdio::null());
    let traced = start(command, fault).expect("there is a shell");
    let trace = traced.finish(AMPLE).expect("it ends");
    let mut text = String::new();
    lines.read_to_string(&mut text).expect("a text");
    (trace, text)
}

#[test]
fn one_call_of_one_process_fails_once() {
    if !can_trace() {
        return;
    }
    let script = "echo one; echo two; (echo three); exit 3";
    let (good, text) = run(script, None);
    assert_eq!((good.status, &*text), (3, "one\ntwo\nthree\n"));
    let shell = "program".to_owned();
    assert_eq!(good.counts[&(shell.clone(), libc::SYS_write)], 2);
    assert_eq!(good.counts[&("program.0".to_owned(), libc::SYS_write)], 1);

    let fault = |process: &str, occurrence, how| Fault {
        process: process.to_owned(),
        call: libc::SYS_write,
        occurrence,
        how,
    };
    let full = How::Error(libc::ENOSPC);
    for (fault, expected) in [
        (fault("program", 1, full), "two\nthree\n"),
        (fault("program", 2, full), "one\nthree\n"),
        (fault("program.0", 1, full), "one\ntwo\n"),
        (fault("program", 1, How::Short), "one\ntwo\nthree\n"),
    ] {
        let (trace, text) = run(script, Some(fault.clone()));
        assert!(trace.hit, "{fault}");
        assert_eq!(text, expected, "{fault}");
    }
    let (trace, _) = run(script, Some(fault("program", 9, full)));
    assert!(!trace.hit, "there is no such call");
}

#[test]
fn a_process_that_is_left_is_named_and_killed() {
    if !can_trace() {
        return;
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "sleep 1000 & exit 0"]);
    let traced = start(command, None).expect("there is a shell");
    let pid = traced.pid;
    let left = traced
        .finish(Duration::from_millis(500))
        .expect_err("it sleeps");
    assert!(
        left.processes.iter().any(|it| it.starts_with("program.0")),
        "{left:?}"
    );
    assert_eq!(left.trace.status, 0, "the shell itself has ended");
    let gone = nix::sys::signal::kill(pid, None);
    assert_eq!(gone, Err(nix::errno::Errno::ESRCH));
}
