//! Runs a program and makes one of its system calls, or one of its allocations, fail.
//!
//! A test first traces a good run ([`start`] without a fault): it learns which processes there are
//! and how often each makes which call ([`Trace`]). [`plan`] makes [`Fault`]s of it, each an errno
//! or a short count for the n-th call of one kind in one process. The test runs the program again
//! for each, and checks what comes out ([`try_all`]).
//!
//! ```text
//! test ── thread ── ptrace ── program ── its forks and threads, traced from their first call
//! ```
//!
//! The mechanism is ptrace. A supervisor of seccomp notifications would see the same calls, but its
//! filter has to be there before the program's own, which is visible to the program; it cannot
//! shorten a count, and it forbids the program a listener of its own. Behind a filter, ptrace has
//! one restriction: a call cannot be left out, because the filter judges what is made in its place.
//! So [`SKIPPED`] is made, which every filter of this repository allows.
//!
//! Allocations are no system calls. A program with the allocator [`Marked`] makes a call without
//! effect before each, so that they are traced, counted and failed in the same way.
#![deny(unsafe_code)]

mod allocator;
mod calls;
mod plan;
mod registers;
mod trace;
mod trial;

pub use allocator::{Marked, mark};
pub use calls::{ALLOCATION, errors, name};
pub use plan::{Amount, plan};
pub use registers::SKIPPED;
pub use trace::{Left, Trace, Traced, start};
pub use trial::{PATIENCE, Ran, Said, can_trace, try_all};

/// A call that is to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The process, as in [`Trace::counts`].
    pub process: String,
    /// The number of the system call, or [`ALLOCATION`].
    pub call: i64,
    /// Which of the calls with this number in this process, from 1.
    pub occurrence: u32,
    /// What happens to it.
    pub how: How,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// With this error, and without effect ([`calls`] names the exceptions).
    Error(i32),
    /// It reads or writes one byte.
    Short,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (process, call, number) = (&self.process, name(self.call), self.occurrence);
        match self.how {
            How::Error(error) => {
                let error = nix::errno::Errno::from_raw(error);
                write!(f, "{process}: {call} #{number} fails with {error:?}")
            }
            How::Short => write!(f, "{process}: {call} #{number} is short"),
        }
    }
}
