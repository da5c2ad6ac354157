//! Logging does not affect answers, whatever the standard error stream is and whichever barriers
//! there are; and log lines arrive escaped and limited.

mod common;

use common::*;
use pvf_node_protocol::{
    ExecuteResponse, JobResponse, PrepareError, PrepareJobKind, SecurityStatus,
};
use pvf_primitives::ExecutorParams;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

/// The kind of a worker's standard error stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Pipe,
    File,
    /// A file at the limit of file sizes (`ulimit -f`).
    LimitedFile,
    Terminal,
    /// A socket, as of a journal.
    Socket,
    Closed,
    FullDisk,
    /// A full pipe that nobody reads.
    Unread,
    /// A full socket that nobody reads.
    UnreadSocket,
    /// A pipe without a reader.
    Broken,
}

use Stream::*;

const STREAMS: [Stream; 10] = [
    Pipe,
    File,
    LimitedFile,
    Terminal,
    Socket,
    Closed,
    FullDisk,
    Unread,
    UnreadSocket,
    Broken,
];

/// The reading side of a stream.
struct Arrived {
    reader: Option<JoinHandle<Vec<u8>>>,
    file: Option<(Scratch, std::path::PathBuf)>,
    /// Other ends of streams, which must stay open.
    _open: Vec<OwnedFd>,
}

impl Arrived {
    /// The whole text, after the worker has exited.
    fn text(self) -> String {
        let bytes = match (self.reader, self.file) {
            (Some(reader), _) => reader.join().expect("reads"),
            (None, Some((_scratch, path))) => fs::read(path).expect("reads"),
            (None, None) => Vec::new(),
        };
        String::from_utf8(bytes).expect("logs are text")
    }
}

fn reading(mut from: impl Read + Send + 'static) -> Option<JoinHandle<Vec<u8>>> {
    Some(std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // Reading a terminal whose other side is closed is an error.
        let _ = from.read_to_end(&mut bytes);
        bytes
    }))
}

/// Starts a worker with such a stream.
fn start(kind: &str, security: SecurityStatus, stream: Stream, log: &str) -> (Host, Arrived) {
    let mut arrived = Arrived {
        reader: None,
        file: None,
        _open: Vec::new(),
    };
    let through_shell = |script: &str| {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(script).arg(program(kind));
        shell
    };
    // `env -i` removes the shell's own variables, which a worker does not accept.
    let bare = r#"exec env -i RUST_LOG="$RUST_LOG" "$0" "$@""#;
    let mut worker = match stream {
        Closed => through_shell(&format!("{bare} 2>&-")),
        LimitedFile => through_shell(&format!("ulimit -f 2048; {bare}")),
        _ => Command::new(program(kind)),
    };
    let stderr: Stdio = match stream {
        Closed => Stdio::null(),
        Pipe => {
            let (reader, writer) = io::pipe().expect("a pipe");
            arrived.reader = reading(reader);
            writer.into()
        }
        File | LimitedFile => {
            let scratch = Scratch::new();
            let path = scratch.0.join("log");
            let file = OpenOptions::new().append(true).create(true).open(&path);
            let file = file.expect("a file");
            if stream == LimitedFile {
                file.set_len(2 << 20).expect("grows");
            }
            arrived.file = Some((scratch, path));
            file.into()
        }
        Terminal => {
            let (reader, terminal) = terminal();
            arrived.reader = reading(reader);
            terminal.into()
        }
        Socket => {
            let (reader, writer) = UnixStream::pair().expect("sockets");
            arrived.reader = reading(reader);
            OwnedFd::from(writer).into()
        }
        FullDisk => OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("there is always a full disk")
            .into(),
        Unread => {
            let (reader, mut writer) = io::pipe().expect("a pipe");
            rustix::io::ioctl_fionbio(&writer, true).expect("does not wait");
            while writer.write(&[b'x'; 4096]).is_ok() {}
            rustix::io::ioctl_fionbio(&writer, false).expect("waits");
            arrived._open.push(reader.into());
            writer.into()
        }
        UnreadSocket => {
            let (reader, mut writer) = UnixStream::pair().expect("sockets");
            writer.set_nonblocking(true).expect("does not wait");
            while writer.write(&[b'x'; 4096]).is_ok() {}
            writer.set_nonblocking(false).expect("waits");
            arrived._open.push(reader.into());
            OwnedFd::from(writer).into()
        }
        Broken => {
            let (reader, writer) = io::pipe().expect("a pipe");
            drop(reader);
            writer.into()
        }
    };
    worker.stderr(stderr);
    let mut host = Host::start_logging(worker, kind, security, log);
    if kind == "execute-worker" {
        host.shake(&ExecutorParams::default());
    }
    (host, arrived)
}

/// A reader of a terminal, and the terminal.
fn terminal() -> (fs::File, fs::File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let reader = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&reader).expect("granted");
    unlockpt(&reader).expect("unlocked");
    let name = ptsname(&reader, Vec::new()).expect("it has a name");
    let terminal = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(name.to_str().expect("ASCII"))
        .expect("opens");
    (reader.into(), terminal)
}

const LOG: &str = r#"(import "env" "ext_logging_log_version_1" (func $log (param i32 i64 i64)))"#;
const BATCH: &str = r#"(import "env" "ext_crypto_ed25519_batch_verify_version_1"
    (func $batch (param i32 i64 i32) (result i32)))"#;
const TEXT: &str = r#"(data (i32.const 1024) "a target")
    (data (i32.const 1040) "a line\1b[2J\n\e2\80\ae")"#;

/// A call that logs at a level, with a target of 8 bytes and a message of 14.
fn log(level: u32) -> String {
    format!("(call $log (i32.const {level}) (i64.const 0x800000400) (i64.const 0xe00000410))")
}

const LINE: &str = r"[ERROR pvf] a target: a line\u{1b}[2J\n\u{202e}";

/// A loop that executes `what` this many times.
fn times(count: u32, what: &str) -> String {
    format!(
        "(local $i i32) (loop $next {what}
            (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {count}))))"
    )
}

fn module_of(body: &str) -> Vec<u8> {
    module(&format!("{LOG}{BATCH}"), body, TEXT)
}

/// PVFs with a name for their behaviour, and whether their candidates are valid.
fn behaviours() -> Vec<(&'static str, Vec<u8>, bool)> {
    let empty = "(call $log (i32.const 0) (i64.const 0) (i64.const 0))";
    let long = "(call $log (i32.const 0) (i64.const 0) (i64.const 0x1000000000000))";
    let panic = "(drop (call $batch (i32.const 0) (i64.const 0) (i32.const 0)))";
    vec![
        ("silent", module_of(""), true),
        ("logging", module_of(&log(0)), true),
        (
            "logging at every level",
            module_of(&(0..5).map(log).collect::<String>()),
            true,
        ),
        (
            "panicking in the host",
            module_of(&[&log(0), panic].concat()),
            false,
        ),
        (
            "trapping",
            module_of(&[&log(0), "unreachable"].concat()),
            false,
        ),
        ("flooding", module_of(&times(20_000, &log(0))), true),
        (
            "flooding with nothing",
            module_of(&times(100_000, empty)),
            true,
        ),
        ("flooding at once", module_of(&times(20, long)), true),
    ]
}

fn artifacts() -> Vec<(&'static str, Vec<u8>, bool)> {
    let mut host = Host::preparing();
    let mut artifact = |code: &[u8]| host.prepare(&preparation(code)).expect("prepares").1;
    let behaviours = behaviours().into_iter();
    behaviours
        .map(|(what, code, valid)| (what, artifact(&code), valid))
        .collect()
}

fn is_valid(response: &ExecuteResponse) -> Option<bool> {
    match response.as_ref().ok()?.job_response {
        JobResponse::Ok { .. } => Some(true),
        JobResponse::InvalidCandidate(_) => Some(false),
        _ => None,
    }
}

fn one_class_each(log: &str, statuses: impl Iterator<Item = SecurityStatus> + Clone) {
    let artifacts = artifacts();
    for stream in STREAMS {
        for security in statuses.clone() {
            let (mut host, _arrived) = start("execute-worker", security, stream, log);
            for (what, artifact, valid) in &artifacts {
                let response = host.execute(artifact, &execution(artifact));
                assert_eq!(
                    is_valid(&response),
                    Some(*valid),
                    "{what}, {stream:?}, {security:?}: {response:?}"
                );
            }
        }
    }
}

#[test]
fn answers_do_not_depend_on_the_stream_and_the_barriers() {
    one_class_each("", all_statuses());
}

#[test]
fn answers_do_not_depend_on_the_log_directives() {
    one_class_each(
        "trace",
        [SecurityStatus::ALL, SecurityStatus::NONE].into_iter(),
    );
}

#[test]
fn preparations_do_not_depend_on_the_stream() {
    let refused = module(r#"(import "other" "\1b[2J" (func))"#, "", "");
    for stream in STREAMS {
        for security in [SecurityStatus::ALL, SecurityStatus::NONE] {
            let (mut host, _arrived) = start("prepare-worker", security, stream, "trace");
            for _ in 0..3 {
                let prepared = host.prepare(&preparation(&module("", "", ""))).is_ok();
                assert!(prepared, "{stream:?}, {security:?}");
                let prepared = host.prepare(&preparation(&refused)).map(|_| ());
                let as_expected = matches!(prepared, Err(PrepareError::RuntimeConstruction(_)));
                assert!(as_expected, "{stream:?}, {security:?}: {prepared:?}");
            }
        }
    }
}

/// Executes artifacts and returns the text that arrived.
fn logged(security: SecurityStatus, stream: Stream, log: &str, runs: &[&[u8]]) -> String {
    let (mut host, arrived) = start("execute-worker", security, stream, log);
    for artifact in runs {
        let response = host.execute(artifact, &execution(artifact));
        assert!(is_valid(&response).is_some(), "{response:?}");
    }
    drop(host);
    arrived.text().replace("\r\n", "\n")
}

#[test]
fn lines_of_a_job_arrive_up_to_64_kib_with_a_note_at_the_cut() {
    let artifacts = artifacts();
    let of = |name| {
        &artifacts
            .iter()
            .find(|(what, ..)| *what == name)
            .expect(name)
            .1[..]
    };
    for stream in [Pipe, File, Terminal, Socket] {
        for security in all_statuses() {
            let context = format!("{stream:?}, {security:?}");
            let lines = logged(
                security,
                stream,
                "",
                &[of("silent"), of("logging"), of("trapping")],
            );
            assert_eq!(lines, format!("{LINE}\n{LINE}\n"), "{context}");
            let lines = logged(security, stream, "", &[of("panicking in the host")]);
            let lines: Vec<_> = lines.lines().collect();
            assert!(
                matches!(lines[..], [LINE, panic] if panic.starts_with("[ERROR panic] panicked at ")),
                "{context}: {lines:?}"
            );
        }
        for flood in ["flooding", "flooding with nothing", "flooding at once"] {
            let once = logged(SecurityStatus::ALL, stream, "", &[of(flood)]);
            let context = format!("{stream:?}, {flood}: {} bytes", once.len());
            assert!(once.len() <= 64 << 10 && once.len() > 65_000, "{context}");
            let note = "… (no more of this job: its 64 KiB of the log are full)\n";
            assert!(once.ends_with(note), "{context}");
            assert_eq!(once.matches(note).count(), 1, "{context}");
            let control = |c: char| c.is_control() && c != '\n';
            assert!(!once.contains(control), "{context}");
            // The next job has a limit of its own.
            let runs = [of(flood), of("logging"), of(flood)];
            let lines = logged(SecurityStatus::ALL, stream, "", &runs);
            assert_eq!(lines, format!("{once}{LINE}\n{once}"), "{context}");
        }
    }
}

#[test]
fn the_log_directives_select_the_lines() {
    let artifacts = artifacts();
    let logging = &artifacts[2].1;
    for (directives, expected) in [
        ("", 1),
        ("off", 0),
        ("pvf=info", 3),
        ("trace", 5),
        ("pvf=off,trace", 0),
        ("other=trace", 0),
    ] {
        let lines = logged(SecurityStatus::ALL, Pipe, directives, &[logging]);
        let ours = lines.lines().filter(|line| line.contains(" pvf] ")).count();
        assert_eq!(ours, expected, "{directives}: {lines}");
    }
}

#[test]
fn a_reader_that_was_slow_sees_the_number_of_lost_lines() {
    let artifacts = artifacts();
    let logging = &artifacts[1].1;
    let (mut host, mut arrived) = start("execute-worker", SecurityStatus::ALL, Unread, "");
    for _ in 0..3 {
        let response = host.execute(logging, &execution(logging));
        assert_eq!(is_valid(&response), Some(true));
    }
    arrived.reader = reading(fs::File::from(arrived._open.remove(0)));
    // Lines are lost until the reader has made room in the pipe.
    let mut runs = 3;
    while runs < 200 {
        let response = host.execute(logging, &execution(logging));
        assert_eq!(is_valid(&response), Some(true));
        runs += 1;
    }
    drop(host);
    let text = arrived.text();
    let text = text.trim_start_matches('x');
    let first = text.lines().next().expect("lines arrive");
    let lost: usize = first
        .strip_prefix('(')
        .and_then(|rest| rest.split(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("{first}"));
    assert!(lost >= 3, "{first}");
    assert_eq!(lost + text.matches(LINE).count(), runs);
}

/// The names contain control sequences of terminals, or are very long.
#[test]
fn names_in_answers_and_log_lines_are_escaped_and_cut() {
    let hostile = r"\1b]0;pwned\07\1b[2J\1b[31mFAKE\1b[0m\0a[ERROR pvf] fake\c2\9b\e2\80\ae";
    let long = "A".repeat(99_000);
    for name in [hostile, &long] {
        let codes = [
            module(
                &format!(r#"(import "env" "{name}" (func))"#),
                "(call 0)",
                "",
            ),
            module(&format!(r#"(import "{name}" "{name}" (func))"#), "", ""),
            module(&format!(r#"(import "env" "{name}" (global i32))"#), "", ""),
            module(
                "",
                "",
                &format!(r#"(func (export "{name}")) (func (export "{name}"))"#),
            ),
            module(
                &format!(
                    r#"(import "env" "{name}" (func)) (import "env" "{name}" (func (param i32)))"#
                ),
                "",
                "",
            ),
            parse(&format!(
                r#"(module (import "env" "{name}" (memory 17)) (global (export "{name}") i32 (i32.const 2048)))"#
            )),
            parse(&format!(
                r#"(module (import "{name}" "{name}" (memory 17)) (func (export "{name}2")))"#
            )),
        ];
        let mut answers = 0;
        for code in codes {
            let (mut host, preparing) = start("prepare-worker", SecurityStatus::ALL, Pipe, "trace");
            let mut texts = Vec::new();
            let precheck = host.prepare(&preparation(&code));
            texts.extend(precheck.err().map(|error| one_line(error.to_string())));
            let request = pvf_node_protocol::PrepareRequest {
                prep_kind: PrepareJobKind::Compilation,
                ..preparation(&code)
            };
            let prepared = host.prepare(&request);
            drop(host);
            texts.push(preparing.text());
            match prepared {
                Err(error) => texts.push(one_line(error.to_string())),
                Ok((_, artifact)) => {
                    let (mut host, executing) =
                        start("execute-worker", SecurityStatus::ALL, Pipe, "trace");
                    texts.push(match said(host.execute(&artifact, &execution(&artifact))) {
                        JobResponse::InvalidCandidate(text)
                        | JobResponse::RuntimeConstruction(text) => one_line(text),
                        other => panic!("{other:?}"),
                    });
                    drop(host);
                    texts.push(executing.text());
                }
            }
            for text in texts {
                answers += usize::from(text.contains("FAKE") || text.contains("AAAA"));
                let lines = text.lines().filter(|line| !line.is_empty());
                for line in lines.clone() {
                    let hidden = |c: char| c.is_control() || c == '\u{202e}';
                    assert!(!line.contains(hidden), "{line:?}");
                    assert!(line.len() < 2500, "{} bytes: {line:.200}", line.len());
                }
                let forged = lines.filter(|line| line.starts_with("[ERROR pvf]")).count();
                assert_eq!(forged, 0, "{text}");
            }
        }
        // The names must occur, or the test would prove nothing.
        assert!(answers >= 10, "{answers} texts with the name");
    }
}

/// Checks that the text of an answer is one line.
fn one_line(text: String) -> String {
    assert!(!text.contains('\n'), "{text:?}");
    text
}
