//! The prepare worker: compiles PVFs for a node's PVF host.

use pvf_worker::allocator::CountingAllocator;
use pvf_worker::{Compilation, Worker};
use std::alloc::System;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator(System);

fn main() -> ExitCode {
    pvf_worker::main(Worker::Prepare(&Compilation))
}
