//! The log output of a validation function does not affect the vote, wherever the node's log goes
//! and whichever sandbox features the machine permits.
//!
//! Workers inherit the node's standard error. Each row therefore runs in a process of its own (this
//! program again) whose standard error is a pipe, a file, a terminal, closed or full. Machines
//! without some sandbox features are simulated by wrappers around the workers that fail the host's
//! checks.

use crate::Places;
use crate::host::{AMPLE, Candidate, Host};
use crate::table::doing;
use polkadot_primitives::ExecutorParams;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::error::Error;
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The kinds of a node's standard error.
const STREAMS: [&str; 5] = ["pipe", "file", "terminal", "closed", "full"];

/// Simulated machines: name, whether the node is in secure validator mode, checks that fail.
const MACHINES: [(&str, bool, &[&str]); 4] = [
    ("all barriers", true, &[]),
    (
        "no new namespaces for jobs",
        true,
        &["--check-can-do-secure-clone"],
    ),
    (
        "no user namespaces",
        true,
        &[
            "--check-can-do-secure-clone",
            "--check-can-unshare-user-namespace-and-change-root",
        ],
    ),
    (
        "no barriers",
        false,
        &[
            "--check-can-do-secure-clone",
            "--check-can-unshare-user-namespace-and-change-root",
            "--check-can-enable-landlock",
            "--check-can-enable-seccomp",
        ],
    ),
];

/// Runs the comparison. Returns whether no row differs. The stock workers run with a pipe only:
/// their behaviour with other kinds of standard error is not tested.
pub async fn run(places: &Places) -> Result<bool, Box<dyn Error>> {
    let (mut compared, mut differ) = (0, 0);
    for machine in 0..MACHINES.len() {
        let stock = said(&places.stock()?, machine, "pipe")?;
        for stream in STREAMS {
            let ours = said(&places.ours, machine, stream)?;
            for (row, (name, _)) in functions().iter().enumerate() {
                compared += 1;
                let (ours, stock) = (ours.get(row), stock.get(row));
                let agree = ours.is_some() && ours == stock;
                differ += u32::from(!agree);
                let mark = if agree { "  " } else { "! " };
                let (machine, ..) = MACHINES[machine];
                println!("{mark}{machine}, {stream}, {name}: {ours:?}, stock: {stock:?}");
            }
        }
    }
    println!("{compared} compared, {differ} differ");
    Ok(differ == 0)
}

/// Validation functions that differ in what they log.
fn functions() -> Vec<(&'static str, Vec<u8>)> {
    const LOG: &str =
        r#"(import "env" "ext_logging_log_version_1" (func $log (param i32 i64 i64)))"#;
    const TEXT: &str = r#"(data (i32.const 100) "parachainsomething happened")"#;
    // Target and message as fat pointers: length and address.
    const LINE: &str = "(call $log (i32.const 0) (i64.const 0x900000064) (i64.const 0x120000006d))";
    let flood = format!(
        "(local $n i32) (loop $more {LINE}
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $n) (i32.const 50000))))"
    );
    vec![
        ("silent", doing("", "", "")),
        ("logs a line", doing(LOG, LINE, TEXT)),
        (
            "logs and traps",
            doing(LOG, &format!("{LINE} unreachable"), TEXT),
        ),
        ("floods", doing(LOG, &flood, TEXT)),
        (
            "floods and traps",
            doing(LOG, &format!("{flood} unreachable"), TEXT),
        ),
    ]
}

/// Runs in a process with the standard error under test: prints the class of every function, one
/// per line.
pub async fn one(workers: &Path, machine: usize) -> Result<bool, Box<dyn Error>> {
    let (_, insists, _) = MACHINES.get(machine).ok_or("there is no such machine")?;
    let host = Host::start_insisting(workers, 1, *insists).await?;
    println!("{:?}", host.security());
    for (_, code) in functions() {
        let candidate = Candidate::of(Vec::new());
        let said = host
            .validate(&code, &candidate, &ExecutorParams::default(), AMPLE)
            .await;
        println!("{}", said.class);
    }
    Ok(true)
}

/// The classes of all functions under a node with this standard error.
fn said(workers: &Path, machine: usize, stream: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let (_, insists, failing) = MACHINES[machine];
    in_front_of(workers, scratch.path(), failing)?;
    let mut command = Command::new("sh");
    // The shell closes standard error, which `Command` cannot do for a child.
    let script = match stream {
        "closed" => r#"exec "$0" "$@" 2>&-"#,
        _ => r#"exec "$0" "$@""#,
    };
    command.args(["-c", script]).arg(std::env::current_exe()?);
    command.args(["logs-of-one", "--machine", &machine.to_string()]);
    command.arg("--ours").arg(scratch.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let log = scratch.path().join("log");
    let mut reader = None;
    match stream {
        "file" => drop(command.stderr(File::create(&log)?)),
        "full" => drop(command.stderr(File::options().write(true).open("/dev/full")?)),
        "terminal" => {
            let (ours, theirs) = terminal()?;
            command.stderr(theirs);
            reader = Some(File::from(ours));
        }
        _ => drop(command.stderr(Stdio::piped())),
    }
    let mut child = command.spawn()?;
    // Closes this process's copy of the terminal's other end.
    drop(command);
    let mut log_of_pipe = child.stderr.take();
    let drained = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = &mut log_of_pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        if let Some(terminal) = &mut reader {
            // Reading a terminal ends with an error.
            let _ = terminal.read_to_end(&mut bytes);
        }
        bytes.len()
    });
    let output = child.wait_with_output()?;
    let _ = drained.join();
    let text = String::from_utf8(output.stdout)?;
    // The first line is the result of the host's checks of the machine.
    let mut lines = text.lines();
    let found = lines.next().ok_or("the host did not start")?;
    let missing = found.matches("false").count();
    let expected = failing.len() + usize::from(!insists);
    if missing != expected {
        return Err(format!("{found}, but {failing:?} should fail").into());
    }
    Ok(lines.map(str::to_owned).collect())
}

/// Writes wrapper scripts that fail some checks and otherwise run the workers, with only the
/// environment variables that a node sets (a shell adds others).
fn in_front_of(workers: &Path, directory: &Path, failing: &[&str]) -> Result<(), Box<dyn Error>> {
    for name in ["polkadot-prepare-worker", "polkadot-execute-worker"] {
        let program = workers.join(name).canonicalize()?;
        let checks: String = failing
            .iter()
            .map(|check| format!("{check}) exit 255 ;;\n"))
            .collect();
        let script = format!(
            "#!/bin/sh\ncase $1 in\n{checks}esac\nexec env -i RUST_LOG=\"$RUST_LOG\" '{}' \"$@\"\n",
            program.display()
        );
        let path = directory.join(name);
        fs::write(&path, script)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Both ends of a new pseudo-terminal.
fn terminal() -> Result<(OwnedFd, OwnedFd), Box<dyn Error>> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let theirs = rustix::fs::open(name.as_c_str(), flags, Mode::empty())?;
    Ok((ours, theirs))
}
