//! The execute worker: validates candidates for a node's PVF host.

use pvf_worker::{Validation, Worker};
use std::process::ExitCode;

fn main() -> ExitCode {
    pvf_worker::main(Worker::Execute(&Validation))
}
