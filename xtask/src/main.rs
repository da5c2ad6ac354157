//! `cargo xtask`: one entry over the repository's scripts, and the checks of the repository itself.
//!
//! `cargo xtask` lists the tasks. `cargo xtask TASK [ARGUMENT...]` runs one in the repository's root; before it does, it
//! prints what the task installs.
#![forbid(unsafe_code)]

mod layout;
mod licences;
mod notices;
mod packages;
mod readmes;
mod repository;
mod tasks;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next().as_deref() {
        None | Some("help" | "--help" | "-h" | "--list") => {
            print!("{}", tasks::list());
            Ok(())
        }
        Some(name) => tasks::run(name, &arguments.collect::<Vec<_>>()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(tasks::TaskError::Exit(code)) => ExitCode::from(code),
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(2)
        }
    }
}
