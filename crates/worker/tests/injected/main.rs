//! Faults of the machine: each system call and each allocation of workers, jobs and service fails
//! once, one run for each.
//!
//! A run gives a worker (or the service) three tasks: a good one, one that must be refused, the
//! good one again. Whatever fails, an answer is right, or it says that the machine failed, or the
//! connection ends; later answers of the same process are right; nothing hangs and nothing is left:
//! no process, file, mount or descriptor. [`pvf_faults`] makes the calls fail.
//!
//! A normal run takes a selection. `PVF_LONG=1` takes every call that a process makes up to 200
//! times, and 200 of more frequent ones, each with every error that it can plausibly have.
//!
//! This program is the test and, for allocations, the workers; with `service` it is the program
//! that uses the service.

#[path = "../common/mod.rs"]
mod common;

mod execute;
mod prepare;
mod second;
mod service;
mod session;

use pvf_faults::Marked;
use pvf_worker::allocator::CountingAllocator;
use pvf_worker::{Compilation, Validation, Worker};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: CountingAllocator<Marked> = CountingAllocator(Marked);

const TESTS: &[(&str, fn())] = &[
    ("execute_calls", execute::calls),
    ("execute_allocations", execute::allocations),
    ("prepare_calls", prepare::calls),
    ("prepare_allocations", prepare::allocations),
    ("service_calls", service::calls),
    ("service_allocations", service::allocations),
    ("second_opinion_executes", second::executes),
    ("second_opinion_prepares", second::prepares),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("execute-worker") => {
            pvf_faults::mark();
            return pvf_worker::main(Worker::Execute(&Validation));
        }
        Some("prepare-worker") => {
            pvf_faults::mark();
            return pvf_worker::main(Worker::Prepare(&Compilation));
        }
        Some("service") => return service::program(&arguments[1..]),
        _ => {}
    }
    // The interface of test programs, as far as cargo and nextest use it.
    if arguments.iter().any(|it| it == "--list") {
        let ignored = arguments.iter().any(|it| it == "--ignored");
        for (name, _) in TESTS.iter().filter(|_| !ignored) {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let wanted = arguments.iter().find(|it| !it.starts_with('-'));
    for (name, test) in TESTS {
        if wanted.is_none_or(|wanted| name.contains(wanted.as_str())) {
            println!("test {name}");
            test();
        }
    }
    ExitCode::SUCCESS
}
