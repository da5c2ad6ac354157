//! Hostile machine code in a job. A crafted artifact contains code that makes system calls, as if a
//! compiler had been tricked into generating it. Only the calls in the list of jobs ([`CALLS`])
//! succeed. `docs/sandbox.md` has the same list.
#![cfg(target_arch = "x86_64")]

mod common;

use common::*;
use pvf_compiler::artifact::Artifact;
use pvf_node_protocol::{
    ArtifactChecksum, ExecuteResponse, JobResponse, SecurityStatus, WorkerError,
};
use pvf_primitives::ExecutorParams;
use pvf_worker::security::Role;
use pvf_worker::security::seccomp::job::{CALLS, Call, When};
use std::collections::BTreeSet;

/// Address of the candidate, which follows from the module's heap base.
const CANDIDATE: u32 = 2048 + 8;

/// Address of the block data, after an empty head and a length of 2 bytes.
const BLOCK: u32 = CANDIDATE + 3;

/// Address of the result.
const RESULT: u32 = 0x8000;

/// A value for a register: a number, or an offset in the linear memory.
#[derive(Clone, Copy, Debug)]
enum Register {
    Number(u64),
    Memory(u64),
}

use Register::{Memory, Number};

const ZERO: Register = Number(0);

/// The instruction that enters the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    Syscall,
    /// `int 0x80`, the entry of 32-bit programs.
    Interrupt,
}

/// Machine code of a `validate_block` that reads the number and the arguments of a system call from
/// the block data, makes the call, and returns its result as head data. Register r14 holds the
/// address of the linear memory.
fn caller(gate: Gate) -> Vec<u8> {
    let mut code = Vec::new();
    let load = |code: &mut Vec<u8>, opcode: [u8; 3], word: u32| {
        code.extend(opcode);
        code.extend((BLOCK + 8 * word).to_le_bytes());
    };
    // For rdi, rsi, rdx, r10, r8, r9: load the value, then add the memory's address under a mask.
    let registers = [
        ([0x49, 0x8b, 0xbe], [0x48, 0x01, 0xcf]),
        ([0x49, 0x8b, 0xb6], [0x48, 0x01, 0xce]),
        ([0x49, 0x8b, 0x96], [0x48, 0x01, 0xca]),
        ([0x4d, 0x8b, 0x96], [0x49, 0x01, 0xca]),
        ([0x4d, 0x8b, 0x86], [0x49, 0x01, 0xc8]),
        ([0x4d, 0x8b, 0x8e], [0x49, 0x01, 0xc9]),
    ];
    for (index, (mov, add)) in registers.into_iter().enumerate() {
        load(&mut code, mov, 1 + 2 * index as u32);
        // mov rcx, mask; and rcx, r14; add register, rcx
        load(&mut code, [0x49, 0x8b, 0x8e], 2 + 2 * index as u32);
        code.extend([0x4c, 0x21, 0xf1]);
        code.extend(add);
    }
    load(&mut code, [0x49, 0x8b, 0x86], 0);
    code.extend(match gate {
        Gate::Syscall => [0x0f, 0x05],
        Gate::Interrupt => [0xcd, 0x80],
    });
    // The result has a head of 8 bytes, the call's result; all other bytes are zeros.
    code.extend([0x41, 0xc6, 0x86]);
    code.extend(RESULT.to_le_bytes());
    code.push(8 << 2);
    code.extend([0x49, 0x89, 0x86]);
    code.extend((RESULT + 1).to_le_bytes());
    code.extend([0x48, 0xb8]);
    code.extend((20_u64 << 32 | u64::from(RESULT)).to_le_bytes());
    code.push(0xc3);
    code
}

/// Machine code of a `validate_block` that returns the addresses of the linear memory, of itself and of its stack.
fn addresses() -> Vec<u8> {
    let mut code = Vec::new();
    let store = |code: &mut Vec<u8>, opcode: &[u8], offset: u32| {
        code.extend(opcode);
        code.extend((RESULT + offset).to_le_bytes());
    };
    // A head of 24 bytes: the length, r14, the address of the next instruction, rsp. All other bytes are zeros.
    store(&mut code, &[0x41, 0xc6, 0x86], 0);
    code.push(24 << 2);
    store(&mut code, &[0x4d, 0x89, 0xb6], 1);
    let own_address = [0x48, 0x8d, 0x05, 0, 0, 0, 0];
    store(
        &mut code,
        &[&own_address[..], &[0x49, 0x89, 0x86]].concat(),
        9,
    );
    store(&mut code, &[0x49, 0x89, 0xa6], 17);
    code.extend([0x48, 0xb8]);
    code.extend((36_u64 << 32 | u64::from(RESULT)).to_le_bytes());
    code.push(0xc3);
    code
}

/// What a job learns of its addresses does not help the next job of the worker.
#[test]
fn each_job_has_other_addresses() {
    const JOBS: usize = 5;
    let artifact = crafted(&addresses());
    let alone = SecurityStatus {
        can_do_secure_clone: false,
        secure_validator_mode: false,
        ..SecurityStatus::ALL
    };
    for security in [SecurityStatus::ALL, alone] {
        let mut host = Host::start("execute-worker", security);
        host.shake(&ExecutorParams::default());
        let mut seen = BTreeSet::new();
        for _ in 0..JOBS {
            let mut request = execution(&artifact);
            request.artifact_checksum = ArtifactChecksum::of(&artifact);
            let response = host.execute(&artifact, &request).expect("an answer");
            let JobResponse::Ok { result_descriptor } = response.job_response else {
                panic!("{:?}", response.job_response);
            };
            let (words, []) = result_descriptor.head_data.as_chunks::<8>() else {
                panic!("{:?}", result_descriptor.head_data);
            };
            let words = words.iter().copied().map(u64::from_le_bytes);
            assert_eq!(words.len(), 3);
            for word in words {
                assert!(word > 1 << 32, "{word:x} is an address");
                seen.insert(word);
            }
        }
        assert_eq!(seen.len(), 3 * JOBS, "{seen:x?}");
    }
}

/// An artifact whose `validate_block` is this machine code, with correct checksums.
fn crafted(code: &[u8]) -> Vec<u8> {
    let filler =
        "(global.set $g (i64.add (global.get $g) (i64.const 0x1234567812345678)))".repeat(100);
    let module = module("", &filler, "(global $g (mut i64) (i64.const 0))");
    let (_, artifact) = Host::preparing()
        .prepare(&preparation(&module))
        .expect("prepares");
    // SAFETY: this process does not execute the artifact.
    let artifact = unsafe { Artifact::from_bytes(&artifact) };
    let mut artifact = artifact.expect("it is one").into_contents();
    let function = artifact.module.functions.last().expect("there is one");
    let start = function.code_offset as usize;
    assert!(
        code.len() <= function.code_bytes as usize,
        "{} bytes",
        code.len()
    );
    artifact.code[start..][..code.len()].copy_from_slice(code);
    // SAFETY: only a job executes the artifact, behind the barriers that are under test.
    unsafe { Artifact::from_contents(artifact) }.to_bytes()
}

/// The outcome of a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// The filter killed the job.
    Killed,
    /// The kernel or the filter returned this value.
    Answered(i64),
    /// The job ended in another way, as this text says.
    Ended(String),
}

struct Native {
    host: Host,
    artifact: Vec<u8>,
}

impl Native {
    fn new(gate: Gate, security: SecurityStatus) -> Self {
        let mut host = Host::start("execute-worker", security);
        host.shake(&ExecutorParams::default());
        Self {
            host,
            artifact: crafted(&caller(gate)),
        }
    }

    fn call(&mut self, number: u64, arguments: &[Register]) -> End {
        let mut words = vec![number];
        for index in 0..6 {
            match arguments.get(index).copied().unwrap_or(ZERO) {
                Number(value) => words.extend([value, 0]),
                Memory(offset) => words.extend([offset, u64::MAX]),
            }
        }
        let mut request = execution(&self.artifact);
        request.artifact_checksum = ArtifactChecksum::of(&self.artifact);
        request.pov.block_data = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        end(self.host.execute(&self.artifact, &request))
    }
}

fn end(response: ExecuteResponse) -> End {
    match response {
        Ok(response) => match response.job_response {
            JobResponse::Ok { result_descriptor } => {
                let head = result_descriptor.head_data[..].try_into().expect("8 bytes");
                End::Answered(i64::from_le_bytes(head))
            }
            other => panic!("{other:?}"),
        },
        Err(WorkerError::JobDied { err, .. }) if err.contains("SIGSYS") => End::Killed,
        Err(WorkerError::JobDied { err, .. }) => End::Ended(err),
        Err(other) => panic!("{other:?}"),
    }
}

/// Arguments with which the list allows a call.
fn passing(call: &Call) -> Vec<Register> {
    let number = |value: i32| Number(value as u64);
    match call.when {
        When::Always | When::Refused(_) => match call.number {
            // Any descriptor but the pipe, through which the answer goes.
            libc::SYS_close => vec![Number(999)],
            _ => vec![],
        },
        // The code does not know the pipe's number. Writes to the pipe are tested by every job's
        // answer.
        When::ToPipe | When::IsOpen => vec![],
        When::RefusedToError => vec![Number(2), Memory(0), Number(1)],
        When::Data => vec![
            Memory(0),
            Number(65_536),
            number(libc::PROT_READ | libc::PROT_WRITE),
        ],
        When::PrivateData => {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            vec![
                ZERO,
                Number(4096),
                number(libc::PROT_READ),
                number(flags),
                number(-1),
            ]
        }
        When::Advice(advices) => vec![Memory(0), Number(4096), number(advices[0])],
        When::Signals(signals) => vec![number(signals[0]), ZERO, ZERO, Number(8)],
        When::ToWake => vec![
            Memory(0),
            number(libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG),
            Number(1),
        ],
    }
}

/// Calls to which newer kernels do not apply filters (`uretprobe`, `uprobe`): they work only at
/// addresses that the kernel itself chose.
const OUTSIDE_OF_FILTERS: &[u64] = &[335, 336];

#[test]
fn all_system_calls_but_the_listed_ones_kill_the_job() {
    let mut native = Native::new(Gate::Syscall, SecurityStatus::ALL);
    let listed: BTreeSet<u64> = CALLS
        .iter()
        .filter(|call| call.is_of(Role::Execute))
        .map(|call| call.number as u64)
        .collect();
    let x32 = 0x4000_0000;
    let odd = [
        1000,
        10_000,
        x32,
        x32 | 1,
        x32 | 59,
        u64::from(u32::MAX),
        u64::MAX,
    ];
    for number in (0..=600).chain(odd) {
        if listed.contains(&number) || OUTSIDE_OF_FILTERS.contains(&number) {
            continue;
        }
        let end = native.call(number, &[]);
        assert_eq!(end, End::Killed, "system call {number:#x}");
    }
    for call in CALLS.iter().filter(|call| call.is_of(Role::Execute)) {
        let end = native.call(call.number as u64, &passing(call));
        let as_listed = match (call.when, &end) {
            (When::Refused(error), End::Answered(answer)) => *answer == -i64::from(error),
            (When::RefusedToError, End::Answered(answer)) => *answer == -i64::from(libc::EBADF),
            // The descriptor is not the pipe.
            (When::ToPipe | When::IsOpen, End::Killed) => true,
            (_, End::Answered(_)) => true,
            // A return from a signal that did not arrive, or an exit.
            (When::Always, End::Ended(_)) => {
                [libc::SYS_rt_sigreturn, libc::SYS_exit_group].contains(&call.number)
            }
            _ => false,
        };
        assert!(as_listed, "{call:?}: {end:?}");
    }
}

#[test]
fn listed_calls_with_other_arguments_kill_the_job_or_fail() {
    let mut native = Native::new(Gate::Syscall, SecurityStatus::ALL);
    let number = |value: i32| Number(value as u64);
    let (read_write, executable) = (libc::PROT_READ | libc::PROT_WRITE, libc::PROT_EXEC);
    let growing = 0x0100_0000;
    let map = |protection: i32, flags: i32, file: i32| {
        (
            libc::SYS_mmap,
            vec![
                ZERO,
                Number(4096),
                number(protection),
                number(flags),
                number(file),
            ],
        )
    };
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let mut beyond = vec![
        map(read_write | executable, private, -1),
        map(executable, private, -1),
        map(libc::PROT_READ | executable, libc::MAP_PRIVATE, 5),
        map(read_write, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1),
        map(read_write, libc::MAP_SHARED_VALIDATE, 5),
        map(read_write, private | libc::MAP_GROWSDOWN, -1),
        map(read_write, private | libc::MAP_LOCKED, -1),
        map(read_write, private | libc::MAP_HUGETLB, -1),
        map(read_write | growing, private, -1),
        map(read_write, libc::MAP_ANONYMOUS, -1),
        (
            libc::SYS_mprotect,
            vec![Memory(0), Number(4096), number(read_write | executable)],
        ),
        (
            libc::SYS_mprotect,
            vec![Memory(0), Number(4096), number(executable)],
        ),
        (
            libc::SYS_mprotect,
            vec![Memory(0), Number(4096), number(read_write | growing)],
        ),
        (
            libc::SYS_mprotect,
            vec![Memory(0), Number(4096), Number(1 << 32 | 3)],
        ),
        (
            libc::SYS_futex,
            vec![Memory(0), number(libc::FUTEX_WAIT), ZERO],
        ),
        (
            libc::SYS_futex,
            vec![
                Memory(0),
                number(libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG),
                ZERO,
            ],
        ),
        (
            libc::SYS_futex,
            vec![Memory(0), number(libc::FUTEX_LOCK_PI), ZERO],
        ),
        (libc::SYS_writev, vec![ZERO, Memory(0), Number(1)]),
        (libc::SYS_writev, vec![number(1), Memory(0), Number(1)]),
    ];
    for signal in 1..=64 {
        let own = [
            libc::SIGABRT,
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
        ];
        if !own.contains(&signal) {
            beyond.push((
                libc::SYS_rt_sigaction,
                vec![number(signal), ZERO, ZERO, Number(8)],
            ));
        }
    }
    for advice in (0..32).chain(100..104) {
        let used = [
            libc::MADV_DONTNEED,
            libc::MADV_HUGEPAGE,
            libc::MADV_NOHUGEPAGE,
            libc::MADV_POPULATE_WRITE,
        ];
        if !used.contains(&advice) {
            beyond.push((
                libc::SYS_madvise,
                vec![Memory(0), Number(4096), number(advice)],
            ));
        }
    }
    for (call, arguments) in beyond {
        let end = native.call(call as u64, &arguments);
        assert_eq!(end, End::Killed, "system call {call}: {arguments:x?}");
    }
    // One descriptor is writable: the pipe. The byte written to it does not decode as an answer.
    let mut writable = 0;
    for descriptor in (0..40).filter(|&descriptor| descriptor != libc::STDERR_FILENO) {
        let arguments = [number(descriptor), Memory(0), Number(1)];
        match native.call(libc::SYS_write as u64, &arguments) {
            End::Ended(how) if how.contains("unintelligible") => writable += 1,
            end => assert_eq!(end, End::Killed, "write to {descriptor}"),
        }
    }
    assert_eq!(writable, 1);
    // `mremap` is refused, so executable pages cannot grow over others.
    for flags in [
        0,
        libc::MREMAP_MAYMOVE,
        libc::MREMAP_MAYMOVE | libc::MREMAP_DONTUNMAP,
    ] {
        let end = native.call(
            libc::SYS_mremap as u64,
            &[Memory(0), Number(4096), Number(8192), number(flags)],
        );
        assert_eq!(end, End::Answered(-i64::from(libc::ENOMEM)));
    }
    // `tgkill` is refused for every process, this one included.
    for process in [0, 1, -1_i32] {
        let end = native.call(
            libc::SYS_tgkill as u64,
            &[number(process), number(process), Number(9)],
        );
        assert_eq!(end, End::Answered(-i64::from(libc::EPERM)));
    }
}

#[test]
fn system_calls_through_int_0x80_end_the_job() {
    let mut native = Native::new(Gate::Interrupt, SecurityStatus::ALL);
    for number in (0..450).step_by(5).chain([1, 3, 4, 11, 20, 120]) {
        let end = native.call(number, &[]);
        // A kernel without 32-bit support raises SIGSEGV.
        let shut = end == End::Killed || matches!(&end, End::Ended(how) if how.contains("SIGSEGV"));
        assert!(shut, "int 0x80, {number}: {end:?}");
    }
}

/// Proves that the crafted code makes its calls, and so that the filter is what stops the calls
/// above.
#[test]
fn without_seccomp_the_calls_reach_the_kernel() {
    let without = SecurityStatus {
        can_enable_seccomp: false,
        ..SecurityStatus::ALL
    };
    let mut native = Native::new(Gate::Syscall, without);
    assert_eq!(native.call(libc::SYS_getppid as u64, &[]), End::Answered(0));
    assert_eq!(
        native.call(600, &[]),
        End::Answered(-i64::from(libc::ENOSYS))
    );
    // The other barriers hold: there is no file to open and no process to signal.
    let errors = [
        (
            libc::SYS_openat,
            vec![Number(-100_i64 as u64), Memory(0), ZERO],
            libc::ENOENT,
        ),
        (
            libc::SYS_kill,
            vec![Number(-1_i64 as u64), Number(9)],
            libc::ESRCH,
        ),
        (libc::SYS_memfd_create, vec![Memory(0), ZERO], 0),
    ];
    for (call, arguments, error) in errors {
        match native.call(call as u64, &arguments) {
            End::Answered(answer) if error == 0 => assert!(answer >= 0, "{call}: {answer}"),
            end => assert_eq!(end, End::Answered(-i64::from(error)), "{call}"),
        }
    }
}

/// Compares the rows of the manual's table for all kinds of jobs.
#[test]
fn the_manual_has_the_table_of_calls() {
    let manual = include_str!("../../../docs/sandbox.md");
    let table: Vec<String> = CALLS
        .iter()
        .filter(|call| call.when != When::IsOpen)
        .map(|call| {
            let job = match call.role {
                None => "all",
                Some(Role::Prepare) => "prepare",
                Some(Role::Execute) => "execute",
                Some(Role::Load) => "load",
            };
            format!(
                "| `{}` | {} | {job} | {} |",
                call.name,
                call.condition(),
                call.purpose
            )
        })
        .collect();
    let table = table.join("\n");
    assert!(
        manual.contains(&table),
        "docs/sandbox.md should have:\n{table}"
    );
    let rows = manual
        .lines()
        .filter(|line| line.starts_with("| `"))
        .count();
    assert_eq!(rows, table.lines().count(), "the manual has other rows");
}
