//! Machine code to verify, and faults to seed in it.
//!
//! [`corpus`] has the modules of the repository and of the WebAssembly suites. [`Made`] is a module compiled with one
//! of [all settings](settings) of the meters. [`faults`] are edits of machine code that a verifier must refuse.
#![forbid(unsafe_code)]

pub mod corpus;
pub mod faults;
mod made;

pub use made::{Made, Setting, settings};

/// Calls a function with every `n`th item on each of `n` threads, one for each processor, and returns the results.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&[&T]) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|first| {
                let part: Vec<&T> = items.iter().skip(first).step_by(threads).collect();
                let work = &work;
                scope.spawn(move || work(&part))
            })
            .collect();
        let ended = started
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        ended.collect()
    })
}
