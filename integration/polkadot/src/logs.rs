//! What a validation function logs is the same vote wherever the node's log goes, and whichever barriers the machine allows.
//!
//! A node hands its standard error down to its workers. So each row is a process of its own, this program again, whose standard error is
//! a pipe, a file, a terminal, closed or full; a machine without some barriers is played by programs in front of the workers that
//! answer the host's checks.

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

/// Where the standard error of a node goes.
const STREAMS: [&str; 5] = ["pipe", "file", "terminal", "closed", "full"];

/// What a machine allows: a name, whether the node insists on all barriers, checks that fail.
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

/// Compares; whether nothing differs. `stock` is asked with a pipe alone: how it fares elsewhere is its own affair.
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

/// Validation functions by what they log.
fn functions() -> Vec<(&'static str, Vec<u8>)> {
    const LOG: &str =
        r#"(import "env" "ext_logging_log_version_1" (func $log (param i32 i64 i64)))"#;
    const TEXT: &str = r#"(data (i32.const 100) "parachainsomething happened")"#;
    // Target and message: length and address.
    const LINE: &str =
        "(call $log (i32.const 0) (i64.const 0x900000064) (i64.const 0x120000006d))";
    let flood = format!(
        "(local $n i32) (loop $more {LINE}
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $n) (i32.const 50000))))"
    );
    vec![
        ("silent", doing("", "", "")),
        ("logs a line", doing(LOG, LINE, TEXT)),
        ("logs and traps", doing(LOG, &format!("{LINE} unreachable"), TEXT)),
        ("floods", doing(LOG, &flood, TEXT)),
        ("floods and traps", doing(LOG, &format!("{flood} unreachable"), TEXT)),
    ]
}

/// In a process with such a standard error: prints the class of every function, one a line.
pub async fn one(workers: &Path, machine: usize) -> Result<bool, Box<dyn Error>> {
    let (_, insists, _) = MACHINES.get(machine).ok_or("there is no such machine")?;
    let host = Host::start_insisting(workers, 1, *insists).await?;
    for (_, code) in functions() {
        let candidate = Candidate::of(Vec::new());
        let said = host
            .validate(&code, &candidate, &ExecutorParams::default(), AMPLE)
            .await;
        println!("{}", said.class);
    }
    Ok(true)
}

/// What a node with such a standard error hears of every function.
fn said(workers: &Path, machine: usize, stream: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let (_, _, failing) = MACHINES[machine];
    in_front_of(workers, scratch.path(), failing)?;
    let mut command = Command::new("sh");
    // The shell closes what a program cannot close for its child.
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
    // Its end of the terminal.
    drop(command);
    let mut log_of_pipe = child.stderr.take();
    let drained = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = &mut log_of_pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        if let Some(terminal) = &mut reader {
            // A terminal ends with an error.
            let _ = terminal.read_to_end(&mut bytes);
        }
        bytes.len()
    });
    let output = child.wait_with_output()?;
    let _ = drained.join();
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Programs that fail some checks and otherwise are the workers.
fn in_front_of(workers: &Path, directory: &Path, failing: &[&str]) -> Result<(), Box<dyn Error>> {
    for name in ["polkadot-prepare-worker", "polkadot-execute-worker"] {
        let program = workers.join(name).canonicalize()?;
        let checks: String = failing
            .iter()
            .map(|check| format!("{check}) exit 255 ;;\n"))
            .collect();
        let script = format!(
            "#!/bin/sh\ncase $1 in\n{checks}esac\nexec '{}' \"$@\"\n",
            program.display()
        );
        let path = directory.join(name);
        fs::write(&path, script)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Both ends of a new terminal.
fn terminal() -> Result<(OwnedFd, OwnedFd), Box<dyn Error>> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let theirs = rustix::fs::open(name.as_c_str(), flags, Mode::empty())?;
    Ok((ours, theirs))
}
