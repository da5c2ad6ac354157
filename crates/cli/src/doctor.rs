//! `pvf doctor`: checks what this machine allows and reports what is missing.
//!
//! A sandbox barrier changes the process that enables it permanently. So each check runs in a process of its own: this
//! program, started with the name of the check.

use crate::Verdict;
use crate::args::{DoctorArgs, Probe};
use crate::failure::Failure;
use crate::output::Output;
use anstyle::AnsiColor;
use nix::sys::resource::{Resource, getrlimit};
use pvf_executor::artifact::ExportKind;
use pvf_executor::{
    CallError, CompileOptions, ExecutionParameters, Features, Instance, Linker, Module, Target,
    TrapKind, Value, compile,
};
use pvf_worker::security::{self, Role};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

/// One check.
struct Trial {
    probe: Probe,
    name: &'static str,
    /// What fails without it, and which settings to look at.
    needed_for: &'static str,
    /// If the check is optional: the consequence of its failure.
    optional: Option<&'static str>,
}

/// All checks, in the order of the report.
const TRIALS: [Trial; 8] = [
    Trial {
        probe: Probe::Execute,
        name: "execution of generated code",
        needed_for: "everything; requires a supported processor and memory that may become executable",
        optional: None,
    },
    Trial {
        probe: Probe::Traps,
        name: "traps through signal handlers",
        needed_for: "everything; requires signal handlers on an alternate stack",
        optional: None,
    },
    Trial {
        probe: Probe::AddressSpace,
        name: "160 GiB of address space",
        needed_for: "16 candidates at a time with 10 GiB each; requires no `ulimit -v` and no strict overcommit",
        optional: None,
    },
    Trial {
        probe: Probe::Stack,
        name: "2 MiB of stack for host functions",
        needed_for: "proofs with deep tries; requires `ulimit -s` of at least 2048",
        optional: None,
    },
    Trial {
        probe: Probe::Landlock,
        name: "Landlock",
        needed_for: "the workers of a validator (Secure Validator Mode); requires Landlock in the kernel and in `lsm=`",
        optional: None,
    },
    Trial {
        probe: Probe::Seccomp,
        name: "seccomp",
        needed_for: "the workers of a validator (Secure Validator Mode); requires seccomp in the kernel",
        optional: None,
    },
    Trial {
        probe: Probe::Root,
        name: "a user namespace with its own root directory",
        needed_for: "an additional barrier; depends on `user.max_user_namespaces`, `kernel.unprivileged_userns_clone`, AppArmor and the container's filter",
        optional: Some(
            "workers keep the root directory, and Landlock alone restricts their access to files",
        ),
    },
    Trial {
        probe: Probe::Namespaces,
        name: "processes in new namespaces",
        needed_for: "an additional barrier; depends on the same settings as the user namespace",
        optional: Some(
            "jobs share process ids, network and mounts with their worker, and seccomp alone restricts their use",
        ),
    },
];

#[derive(Serialize)]
struct Check {
    name: &'static str,
    passed: bool,
    needed_for: &'static str,
    /// Whether everything works without it.
    optional: bool,
    /// The consequence if an optional check fails.
    without: Option<&'static str>,
    /// The error message if the check failed.
    missing: Option<String>,
}

#[derive(Serialize)]
struct Report {
    /// Whether all checks passed that are not optional.
    fit: bool,
    target: &'static str,
    kernel: Option<String>,
    page_bytes: Option<u64>,
    /// The node version that the workers beside this program are for.
    workers_for_node: Option<String>,
    /// Why that version is not known.
    workers_unknown: Option<String>,
    checks: Vec<Check>,
}

/// Runs all checks and reports what is missing; with `--probe`, runs one check in this process.
pub fn doctor(args: &DoctorArgs, output: &Output) -> Result<Verdict, Failure> {
    if let Some(probe) = args.probe {
        return try_one(probe, args.place.as_deref())
            .map(|()| Verdict::Fine)
            .map_err(Failure::Host);
    }
    let checks = TRIALS
        .iter()
        .map(|trial| {
            let missing = in_a_process(trial.probe).err();
            Check {
                name: trial.name,
                passed: missing.is_none(),
                needed_for: trial.needed_for,
                optional: trial.optional.is_some(),
                without: trial.optional,
                missing,
            }
        })
        .collect::<Vec<_>>();
    let version = pvf_worker::version::node_version().map_err(|error| error.to_string());
    let report = Report {
        fit: version.is_ok() && checks.iter().all(|check| check.passed || check.optional),
        target: Target::HOST.name(),
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .ok()
            .map(|text| text.trim().to_owned()),
        page_bytes: nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
            .ok()
            .flatten()
            .and_then(|bytes| u64::try_from(bytes).ok()),
        workers_unknown: version.as_ref().err().cloned(),
        workers_for_node: version.ok(),
        checks,
    };
    output.result(&report, |out| text(out, &report))?;
    Ok(match report.fit {
        true => Verdict::Fine,
        false => Verdict::NotFine,
    })
}

fn in_a_process(probe: Probe) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    // The process may change its root directory and then cannot remove its folder, so the parent does.
    let place = tempfile::tempdir().map_err(|error| error.to_string())?;
    let ran = Command::new(program)
        .args(["doctor", "--probe", probe.name(), "--place"])
        .arg(place.path())
        .output()
        .map_err(|error| error.to_string())?;
    match ran.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&ran.stderr);
            match said.lines().last() {
                Some(line) => Err(line
                    .trim_start_matches("error: ")
                    .trim_start_matches("host failure: ")
                    .to_owned()),
                None => Err(ran.status.to_string()),
            }
        }
    }
}

fn try_one(probe: Probe, place: Option<&Path>) -> Result<(), String> {
    match probe {
        Probe::Execute => match call("run")? {
            Ok(values) if values == [Value::I32(7)] => Ok(()),
            other => Err(format!("expected 7, got {other:?}")),
        },
        Probe::Traps => match call("trap")? {
            Err(CallError::Trap(trap)) if trap.kind == TrapKind::MemoryOutOfBounds => Ok(()),
            other => Err(format!("expected a trap, got {other:?}")),
        },
        Probe::AddressSpace => {
            let instances = (0..16).map(|_| instance()).collect::<Result<Vec<_>, _>>();
            instances.map(drop)
        }
        Probe::Stack => match getrlimit(Resource::RLIMIT_STACK) {
            Ok((limit, _)) if limit >= HOST_STACK => Ok(()),
            Ok((limit, _)) => Err(format!("the limit is {} KiB", limit / 1024)),
            Err(error) => Err(error.to_string()),
        },
        Probe::Landlock => security::landlock::restrict_job().map_err(|e| e.to_string()),
        Probe::Seccomp => security::seccomp::check().map_err(|e| e.to_string()),
        Probe::Root => {
            let folder = place.ok_or("the check needs a folder (`--place`)")?;
            security::root::change(Role::Execute, folder).map_err(|error| error.to_string())
        }
        Probe::Namespaces => security::check_clone().map_err(|e| e.to_string()),
    }
}

/// Twice the stack that the deepest host functions use, in bytes.
const HOST_STACK: u64 = 2 << 20;

/// `run` returns 7, `trap` reads after the end of memory.
///
/// `(module (memory 1) (func (export "run") (result i32) i32.const 7)
///   (func (export "trap") (result i32) i32.const -1 i32.load))`
const MODULE: &[u8] = b"\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7f\x03\x03\x02\0\0\x05\x03\x01\0\x01\
    \x07\x0e\x02\x03run\0\0\x04trap\0\x01\x0a\x0e\x02\x04\0\x41\x07\x0b\x07\0\x41\x7f\x28\x02\0\x0b";

fn instance() -> Result<Instance<()>, String> {
    let options = CompileOptions::new(Features::POLKADOT);
    let artifact = compile(MODULE, &options).map_err(|error| error.to_string())?;
    let module = Module::new(artifact).map_err(|error| error.to_string())?;
    let parameters = ExecutionParameters::WASM;
    Instance::new(&module, &Linker::new(), &parameters, ()).map_err(|error| error.to_string())
}

fn call(export: &str) -> Result<Result<Vec<Value>, CallError>, String> {
    let mut instance = instance()?;
    match instance.module().info().export(export) {
        Some(ExportKind::Function(function)) => Ok(instance.call(function, &[])),
        _ => Err("the test module has no such export".to_owned()),
    }
}

fn text(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let kernel = report.kernel.as_deref().unwrap_or("of unknown version");
    writeln!(
        out,
        "{}, kernel {kernel}; workers for node {}",
        report.target,
        report
            .workers_for_node
            .as_deref()
            .unwrap_or("of unknown version")
    )?;
    if let Some(unknown) = &report.workers_unknown {
        writeln!(out, "  {unknown}")?;
    }
    for check in &report.checks {
        let (colour, word) = match (check.passed, check.optional) {
            (true, _) => (AnsiColor::Green, "yes"),
            (false, true) => (AnsiColor::Yellow, "no"),
            (false, false) => (AnsiColor::Red, "NO"),
        };
        let style = colour.on_default().bold();
        writeln!(out, "  {style}{word:<3}{style:#} {}", check.name)?;
        if let Some(missing) = &check.missing {
            writeln!(out, "      {missing}")?;
            writeln!(out, "      needed for {}", check.needed_for)?;
        }
        if let (Some(without), false) = (check.without, check.passed) {
            writeln!(out, "      optional; without it: {without}")?;
        }
    }
    Ok(())
}
