//! Jobs that try to escape.
//!
//! This program is the host of the tests. It starts itself as a worker: the crate's worker, with
//! jobs that attack. The candidate (or the code) names an attack, and the job answers with its
//! result. With all barriers, almost every attack must kill the job; without some barriers, the
//! others must hold.

mod common;

use common::*;
use memmap2::MmapMut;
use nix::fcntl::{FcntlArg, fcntl};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::ptrace;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{Pid, chroot, geteuid, sethostname};
use pvf_node_protocol::{
    ExecuteResponse, JobError, JobResponse, PrepareError, PrepareRequest, SecurityStatus,
    Verification, WorkerError, frame,
};
use pvf_primitives::{ExecutorParams, ValidationParams};
use pvf_validation::Pvf;
use pvf_worker::security::Role;
use pvf_worker::security::seccomp::job::CALLS;
use pvf_worker::{ExecuteJob, PrepareJob, Prepared, Worker};
use std::fs;
use std::hint::black_box;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// The result of an attack: a description of what the job obtained, or the error.
type Gain = Result<String, Box<dyn std::error::Error>>;

fn got<T>(what: T) -> Gain
where
    T: std::fmt::Debug,
{
    Ok(format!("{what:?}"))
}

/// Tries the attack in the text: a name and perhaps an argument.
fn attack(text: &str) -> Gain {
    let (name, argument) = text.split_once(' ').unwrap_or((text, ""));
    match name {
        "tcp" => got(TcpStream::connect(argument)?),
        "udp" => got(UdpSocket::bind("127.0.0.1:0")?),
        "unix" => got(UnixStream::connect(argument)?),
        "socketpair" => got(UnixStream::pair()?),
        "read" => got(fs::read(argument)?.len()),
        "list" => got(fs::read_dir(argument)?.collect::<Vec<_>>()),
        "write" => got(fs::write(argument, "escaped")?),
        "link" => got(std::os::unix::fs::symlink("/etc/passwd", argument)?),
        "remove" => got(fs::remove_file(argument)?),
        "execute" => got(Command::new(argument).spawn()?),
        "thread" => got(std::thread::Builder::new().spawn(|| ())?.join().is_ok()),
        "trace" => got(ptrace::attach(Pid::from_raw(argument.parse()?))?),
        "traced" => got(ptrace::traceme()?),
        "kill" => got(kill(Pid::from_raw(argument.parse()?), Signal::SIGKILL)?),
        "executable" => got(MmapMut::map_anon(4096)?.make_exec()?),
        "unshare" => got(unshare(CloneFlags::CLONE_NEWUSER)?),
        "mount" => got(mount(
            Some("none"),
            "/",
            Some("tmpfs"),
            MsFlags::empty(),
            None::<&str>,
        )?),
        "chroot" => got(chroot("/")?),
        "hostname" => got(sethostname("pwned")?),
        "dumpable" => got(prctl::set_dumpable(true)?),
        "limits" => got(setrlimit(Resource::RLIMIT_NPROC, 100, 100)?),
        "descriptors" => got(foreign_descriptors()),
        // SAFETY: the call must kill the job; the job has no state that matters.
        "call" => got(unsafe { libc::syscall(argument.parse()?, 0, 0, 0, 0, 0, 0) }),
        "sleep" => {
            std::thread::sleep(Duration::from_secs(3600));
            got("an hour")
        }
        "hoard" => got(black_box(vec![1_u8; 64 << 30]).len()),
        "spin" => loop {
            black_box(name);
        },
        "panic" => panic!("on purpose"),
        "exit" => std::process::exit(argument.parse()?),
        "babble" => Ok("x".repeat(argument.parse()?)),
        "nothing" => Ok("nothing".to_owned()),
        other => Err(format!("no attack {other:?}").into()),
    }
}

/// Open descriptors except the pipe, the standard error stream, and files in memory.
fn foreign_descriptors() -> Vec<i32> {
    let foreign = |&number: &i32| {
        // SAFETY: the descriptor is only inspected, and not used after this closure.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        let Ok(status) = fstat(descriptor) else {
            return false;
        };
        let kind = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT;
        // A regular file without a name is a file in memory.
        let memory = kind == SFlag::S_IFREG && status.st_nlink == 0;
        let written = fcntl(descriptor, FcntlArg::F_GETFL)
            .is_ok_and(|flags| flags & libc::O_ACCMODE == libc::O_WRONLY);
        let pipe = kind == SFlag::S_IFIFO && written;
        number != 2 && !memory && !pipe
    };
    (0..64).filter(foreign).collect()
}

struct Attack;

/// Text of the result of an attack.
fn account(text: &str) -> String {
    match attack(text) {
        Ok(gain) => format!("got {gain}"),
        Err(error) => format!("failed: {error}"),
    }
}

impl ExecuteJob for Attack {
    fn execute(&self, _: &Pvf, candidate: &[u8]) -> Result<JobResponse, JobError> {
        let params: ValidationParams =
            frame::decode(candidate).map_err(|error| JobError::Panic(error.to_string()))?;
        let text = String::from_utf8_lossy(&params.block_data).into_owned();
        Ok(JobResponse::InvalidCandidate(account(&text)))
    }
}

impl PrepareJob for Attack {
    fn prepare(&self, request: &PrepareRequest, _: Verification) -> Result<Prepared, PrepareError> {
        let text = String::from_utf8_lossy(&request.maybe_compressed_code).into_owned();
        Err(PrepareError::Prevalidation(account(&text)))
    }
}

/// How an attack must end with all barriers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// A call that is not on the list kills the job.
    Killed,
    /// A limit makes the job die.
    Dies,
    /// The job uses up its CPU time.
    TimedOut,
    /// The job reports its panic.
    Panics,
    /// The job's answer does not decode.
    Babbles,
    /// The attack is harmless.
    Harmless,
}

use Expected::{Babbles, Dies, Harmless, Killed, Panics, TimedOut};

/// The targets of the attacks.
struct Surroundings {
    /// Address of a TCP socket that listens on this machine.
    tcp: String,
    /// Path of a readable file outside of the worker's directory.
    secret: String,
    scratch: Scratch,
    _listener: TcpListener,
}

impl Surroundings {
    fn new() -> Self {
        let scratch = Scratch::new();
        let secret = scratch.0.join("secret");
        fs::write(&secret, "a validator's keys").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            tcp: listener.local_addr().unwrap().to_string(),
            secret: secret.to_str().unwrap().to_owned(),
            scratch,
            _listener: listener,
        }
    }

    /// All attacks.
    fn attacks(&self) -> Vec<(String, Expected)> {
        let own = std::process::id();
        let inside = |name: &str| format!("write /{name}");
        let mut attacks = vec![
            (format!("tcp {}", self.tcp), Killed),
            ("udp".to_owned(), Killed),
            ("unix /run/socket".to_owned(), Killed),
            ("socketpair".to_owned(), Killed),
            (format!("read {}", self.secret), Killed),
            (
                format!("write {}", self.scratch.0.join("escaped").display()),
                Killed,
            ),
            (format!("trace {own}"), Killed),
            (format!("kill {own}"), Killed),
            ("kill -1".to_owned(), Killed),
            (inside("escaped"), Killed),
            (inside("tmp-artifact"), Killed),
            ("hoard".to_owned(), Dies),
            ("spin".to_owned(), TimedOut),
            ("panic".to_owned(), Panics),
            ("exit 0".to_owned(), Babbles),
            ("exit 3".to_owned(), Babbles),
            ("nothing".to_owned(), Harmless),
        ];
        for text in [
            "read /etc/passwd",
            "read ../../../../etc/passwd",
            "read /artifact",
            "read /proc/self/maps",
            "read /proc/1/environ",
            "read /sys/kernel/vmcoreinfo",
            "list /",
            "list /proc",
            "link /out",
            "remove /artifact",
            "execute /bin/true",
            "thread",
            "traced",
            "executable",
            "unshare",
            "mount",
            "chroot",
            "hostname",
            "dumpable",
            "limits",
            "descriptors",
            "sleep",
        ] {
            attacks.push((text.to_owned(), Killed));
        }
        attacks
    }

    /// Checks that no attack has left a file.
    fn check(&self) {
        let names = fs::read_dir(&self.scratch.0).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"]);
    }
}

/// An execute worker whose jobs attack, and an artifact for it.
struct Target {
    host: Host,
    artifact: Vec<u8>,
}

fn start(kind: &str, security: SecurityStatus) -> Host {
    let program = Command::new(std::env::current_exe().unwrap());
    Host::start_program(program, kind, security)
}

impl Target {
    fn new(security: SecurityStatus) -> Self {
        let code = module("", "", "");
        let (_, artifact) = Host::preparing().prepare(&preparation(&code)).unwrap();
        let mut host = start("execute-worker", security);
        host.shake(&ExecutorParams::default());
        Self { host, artifact }
    }

    fn attack(&mut self, text: &str) -> ExecuteResponse {
        let mut request = execution(&self.artifact);
        request.pov.block_data = text.as_bytes().to_vec();
        if text == "spin" {
            request.execution_timeout = Duration::from_millis(50);
        }
        self.host.execute(&self.artifact, &request)
    }

    /// The text of an attack that ends with an answer.
    fn account(&mut self, text: &str) -> String {
        match said(self.attack(text)) {
            JobResponse::InvalidCandidate(account) => account,
            other => panic!("{text}: {other:?}"),
        }
    }
}

fn attacks_of_execute_jobs_fail(around: &Surroundings) {
    let mut target = Target::new(SecurityStatus::ALL);
    for (text, expected) in around.attacks() {
        let response = target.attack(&text);
        let as_expected = match &response {
            Err(WorkerError::JobDied { err, .. }) => match expected {
                Killed => err.contains("SIGSYS"),
                Dies => err.contains("SIGABRT") || err.contains("SIGSEGV"),
                Babbles => err.contains("unintelligible"),
                _ => false,
            },
            Err(WorkerError::JobTimedOut) => expected == TimedOut,
            Err(WorkerError::JobError(JobError::Panic(text))) => {
                expected == Panics && text == "on purpose"
            }
            Ok(_) => expected == Harmless,
            _ => false,
        };
        assert!(
            as_expected,
            "{text}: expected {expected:?}, got {response:?}"
        );
    }
    // An answer larger than the memory of a PVF.
    let response = target.attack("babble 200000000");
    let died =
        matches!(&response, Err(WorkerError::JobDied { err, .. }) if err.contains("too long"));
    assert!(died, "{response:?}");
    assert_eq!(target.account("nothing"), "got nothing");
    let names: Vec<_> = fs::read_dir(&target.host.directory).unwrap().collect();
    assert!(names.is_empty(), "{names:?}");
}

fn attacks_of_prepare_jobs_fail(around: &Surroundings) {
    let mut host = start("prepare-worker", SecurityStatus::ALL);
    for (text, expected) in around.attacks() {
        let mut request = preparation(text.as_bytes());
        if text == "spin" {
            request.prep_timeout = Duration::from_millis(50);
        }
        let error = host
            .prepare(&request)
            .expect_err("an attack is no artifact");
        let as_expected = match &error {
            PrepareError::JobDied { err, .. } => match expected {
                Killed => err.contains("SIGSYS"),
                Dies => err.contains("SIGABRT") || err.contains("SIGSEGV"),
                Babbles => err.contains("unintelligible"),
                _ => false,
            },
            PrepareError::TimedOut => expected == TimedOut,
            PrepareError::JobError(what) => match expected {
                Panics => what == "on purpose",
                _ => false,
            },
            PrepareError::Prevalidation(_) => expected == Harmless,
            _ => false,
        };
        assert!(as_expected, "{text}: expected {expected:?}, got {error:?}");
    }
    let names: Vec<_> = fs::read_dir(&host.directory)
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(names, ["tmp-artifact"]);
    assert_eq!(fs::read(host.directory.join("tmp-artifact")).unwrap(), b"");
}

/// A prepare job executes no code of a parachain, but hostile code may take it over.
fn calls_outside_the_list_kill_prepare_jobs(_: &Surroundings) {
    let mut host = start("prepare-worker", SecurityStatus::ALL);
    let listed = |number: i64| {
        let number = number as libc::c_long;
        let mut calls = CALLS.iter().filter(|call| call.is_of(Role::Prepare));
        calls.any(|call| call.number == number)
    };
    // The kernel applies no filter to 335 and 336, see `docs/sandbox.md`.
    for number in (0..=500).filter(|&number| !listed(number) && ![335, 336].contains(&number)) {
        let request = preparation(format!("call {number}").as_bytes());
        let said = host
            .prepare(&request)
            .expect_err("an attack is no artifact");
        let killed = matches!(&said, PrepareError::JobDied { err, .. } if err.contains("SIGSYS"));
        assert!(killed, "system call {number}: {said:?}");
    }
}

/// The program name that makes this program a hijacked worker behind its barriers.
const HIJACKED: &str = "hijacked";

/// In a hijacked worker: sets up the barriers, then attacks the process `node`.
fn hijack(what: &str, node: i32) -> i64 {
    let ours = Role::Execute;
    let directory = std::env::current_dir().expect("there is one");
    let security = match what.strip_prefix("landlock ") {
        // Without seccomp, to test Landlock alone.
        Some(_) => SecurityStatus {
            can_enable_seccomp: false,
            ..SecurityStatus::ALL
        },
        None => SecurityStatus::ALL,
    };
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&reader);
    pvf_worker::security::isolate_worker(ours, &directory, security, || ()).expect("isolated");
    let node = i64::from(node);
    let (call, arguments) = match what.trim_start_matches("landlock ") {
        "kill" => (libc::SYS_kill, [node, 9, 0, 0]),
        "kill all" => (libc::SYS_kill, [-1, 9, 0, 0]),
        "tkill" => (libc::SYS_tkill, [node, 9, 0, 0]),
        "tgkill" => (libc::SYS_tgkill, [node, node, 9, 0]),
        "queue" => (libc::SYS_rt_sigqueueinfo, [node, 9, 0, 0]),
        "pidfd" => (libc::SYS_pidfd_open, [node, 0, 0, 0]),
        "limit" => (libc::SYS_prlimit64, [node, libc::RLIMIT_CPU as i64, 0, 0]),
        "owner" => (
            libc::SYS_fcntl,
            [descriptor.into(), libc::F_SETOWN.into(), node, 0],
        ),
        "signal" => (libc::SYS_fcntl, [descriptor.into(), 10, 9, 0]),
        "flags" => (
            libc::SYS_fcntl,
            [
                descriptor.into(),
                libc::F_SETFL.into(),
                libc::O_ASYNC.into(),
                0,
            ],
        ),
        "sibling" => (libc::SYS_clone, [i64::from(libc::CLONE_PARENT), 0, 0, 0]),
        "trace" => (libc::SYS_ptrace, [libc::PTRACE_ATTACH.into(), node, 0, 0]),
        "memory" => (libc::SYS_process_vm_writev, [node, 0, 0, 0]),
        "priority" => (libc::SYS_setpriority, [0, node, 19, 0]),
        "nothing" => (libc::SYS_getpid, [0; 4]),
        other => panic!("no attack {other}"),
    };
    let [a, b, c, d] = arguments;
    // SAFETY: the call may kill this process, which has no state that matters.
    match unsafe { libc::syscall(call, a, b, c, d) } {
        -1 => -i64::from(nix::errno::Errno::last_raw()),
        result => result,
    }
}

/// The node is a process of the same user as the worker.
fn hijacked_workers_cannot_attack_the_node(around: &Surroundings) {
    // A process that plays the node.
    let mut node = Command::new("sleep").arg("1000").spawn().expect("sleeps");
    let ended = |what: &str, node: u32| {
        let scratch = Scratch::new();
        let mut program = Command::new(std::env::current_exe().unwrap());
        std::os::unix::process::CommandExt::arg0(&mut program, HIJACKED);
        program
            .arg(what)
            .arg(node.to_string())
            .current_dir(&scratch.0);
        program.output().expect("starts")
    };
    for what in [
        "kill", "kill all", "tkill", "queue", "pidfd", "limit", "owner", "signal", "flags",
        "sibling", "trace", "memory", "priority",
    ] {
        let output = ended(what, node.id());
        let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        assert_eq!(signal, Some(libc::SIGSYS), "{what}: {output:?}");
    }
    let said = |what: &str| String::from_utf8(ended(what, node.id()).stdout).unwrap();
    assert_eq!(said("tgkill"), format!("{}\n", -libc::EPERM));
    assert!(said("nothing").trim().parse::<i64>().unwrap() > 0);
    // Kernels from 6.12 on confine signals.
    let keeps_signals = landlock_version() >= 6;
    if keeps_signals {
        for what in ["landlock kill", "landlock tkill", "landlock tgkill"] {
            assert_eq!(said(what), format!("{}\n", -libc::EPERM), "{what}");
        }
    }
    assert!(node.try_wait().expect("asked").is_none(), "the node lives");
    node.kill().expect("it is ours");
    node.wait().expect("it ends");
    around.check();
}

fn landlock_version() -> i64 {
    // SAFETY: the call with these arguments returns the version and writes no memory.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) }
}

/// Without seccomp, the calls reach the kernel.
fn the_other_barriers_hold_without_seccomp(around: &Surroundings) {
    let without_seccomp = SecurityStatus {
        can_enable_seccomp: false,
        ..SecurityStatus::ALL
    };
    let without_root = SecurityStatus {
        can_unshare_user_namespace_and_change_root: false,
        ..without_seccomp
    };
    let without_landlock = SecurityStatus {
        can_enable_landlock: false,
        ..without_seccomp
    };
    let own = std::process::id();
    let connect = format!("tcp {}", around.tcp);
    let read = format!("read {}", around.secret);
    let write = format!("write {}", around.scratch.0.join("escaped").display());
    for security in [without_seccomp, without_root, without_landlock] {
        let mut target = Target::new(security);
        let directory = target.host.directory.display().to_string();
        for text in [
            &connect,
            &read,
            &write,
            "read /etc/passwd",
            "read /proc/self/maps",
            "read ../../../../etc/passwd",
            "write /escaped",
            "link /out",
            &format!("write {directory}/escaped"),
            "remove /artifact",
            &format!("remove {directory}/artifact"),
            "execute /bin/true",
            &format!("trace {own}"),
            &format!("kill {own}"),
            "thread",
            "chroot",
            "mount",
            "hostname",
            "limits",
        ] {
            if text == "thread" && geteuid().is_root() {
                // The kernel does not limit the number of root's processes.
                continue;
            }
            let account = target.account(text);
            assert!(
                account.starts_with("failed: "),
                "{security:?}: {text}: {account}"
            );
        }
        // `kill -1` signals all visible processes; there is none.
        let account = target.account("kill -1");
        assert!(account.starts_with("failed: "), "{security:?}: {account}");
        assert_eq!(target.account("descriptors"), "got []", "{security:?}");
    }
}

/// Proves that the attacks work, and so that the barriers are what stops them above.
fn attacks_succeed_without_barriers(around: &Surroundings) {
    let mut target = Target::new(SecurityStatus::NONE);
    for text in [
        &format!("tcp {}", around.tcp),
        "udp",
        "socketpair",
        &format!("read {}", around.secret),
        "read /proc/self/maps",
        "list /",
        "traced",
        "executable",
        "dumpable",
        "nothing",
    ] {
        let account = target.account(text);
        assert!(account.starts_with("got "), "{text}: {account}");
    }
}

fn run_tests() {
    let around = Surroundings::new();
    type Test = fn(&Surroundings);
    let tests: [(&str, Test); 7] = [
        (
            "calls_outside_the_list_kill_prepare_jobs",
            calls_outside_the_list_kill_prepare_jobs,
        ),
        (
            "hijacked_workers_cannot_attack_the_node",
            hijacked_workers_cannot_attack_the_node,
        ),
        ("attacks_of_execute_jobs_fail", attacks_of_execute_jobs_fail),
        ("attacks_of_prepare_jobs_fail", attacks_of_prepare_jobs_fail),
        (
            "the_other_barriers_hold_without_seccomp",
            the_other_barriers_hold_without_seccomp,
        ),
        (
            "attacks_succeed_without_barriers",
            attacks_succeed_without_barriers,
        ),
        (
            "workers_run_under_a_filter_that_kills_capset",
            workers_run_under_a_filter_that_kills_capset,
        ),
    ];
    for (name, test) in tests {
        test(&around);
        around.check();
        println!("test {name} ... ok");
    }
}

/// The program name that makes this program a worker under a seccomp filter of the operator.
const FILTERED: &str = "filtered";

/// Installs a filter that kills a process which drops capabilities, as the systemd unit of the
/// node's own package does.
fn filter_as_systemd() {
    use seccompiler::{SeccompAction, SeccompFilter};
    let filter = SeccompFilter::new(
        [(libc::SYS_capset, Vec::new())].into(),
        SeccompAction::Allow,
        SeccompAction::KillProcess,
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: seccompiler::BpfProgram = filter.unwrap().try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}

fn workers_run_under_a_filter_that_kills_capset(_: &Surroundings) {
    for command in ["prepare-worker", "execute-worker"] {
        let mut program = Command::new(std::env::current_exe().unwrap());
        std::os::unix::process::CommandExt::arg0(&mut program, FILTERED);
        let mut host = Host::start_program(program, command, SecurityStatus::ALL);
        let said = match command {
            "prepare-worker" => format!("{:?}", host.try_prepare(&preparation(b"nothing"))),
            _ => {
                host.shake(&ExecutorParams::default());
                let (_, artifact) = Host::preparing()
                    .prepare(&preparation(&module("", "", "")))
                    .unwrap();
                let mut request = execution(&artifact);
                request.pov.block_data = b"nothing".to_vec();
                format!("{:?}", host.execute(&artifact, &request))
            }
        };
        assert!(said.contains("got nothing"), "{command}: {said}");
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    match arguments.next().as_deref() {
        Some(FILTERED) => filter_as_systemd(),
        Some(HIJACKED) => {
            let what = arguments.next().expect("an attack");
            let node = arguments.next().expect("a process").parse();
            println!("{}", hijack(&what, node.expect("a number")));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    match arguments.next().as_deref() {
        Some("execute-worker") => pvf_worker::main(Worker::Execute(&Attack)),
        Some("prepare-worker") => pvf_worker::main(Worker::Prepare(&Attack)),
        _ => {
            run_tests();
            ExitCode::SUCCESS
        }
    }
}
