//! Prints the time of the runtime's operations, measured on the hand-assembled module of the tests.
//!
//! ```console
//! $ cargo run --release -p pvf-runtime --example costs
//! ```

#[path = "../tests/support/mod.rs"]
mod support;

use pvf_rules::ExecutionParameters;
use pvf_runtime::{Instance, Module, Value};
use std::time::{Duration, Instant};
use support::{F, PARAMETERS, State, artifact, linker};

fn main() {
    let parameters = ExecutionParameters {
        stack_native_max: 256 << 20,
        ..PARAMETERS
    };
    let module = Module::new(artifact()).unwrap();
    let linker = linker();
    let linked = linker.link(&module).unwrap();
    let new = || Instance::from_linked(&linked, &parameters, State::default()).unwrap();
    let mut instance = new();
    let loops = [Value::I32(1_000_000)];
    let calls = median(20, || {
        instance.call(F::NopLoop.index(), &loops).unwrap();
    });
    row("host call", calls / 1_000_000);
    let arguments = [Value::I64(1), Value::I64(2)];
    row(
        "call of an export",
        median(100_000, || {
            instance.call(F::Add.index(), &arguments).unwrap();
        }),
    );
    row(
        "trap (ud2)",
        median(100_000, || {
            instance.call(F::Unreachable.index(), &[]).unwrap_err();
        }),
    );
    row(
        "trap (memory)",
        median(100_000, || {
            instance
                .call(F::Load8.index(), &[Value::I32(-1)])
                .unwrap_err();
        }),
    );
    row(
        "trap (division)",
        median(100_000, || {
            let operands = [Value::I32(1), Value::I32(0)];
            instance.call(F::DivU.index(), &operands).unwrap_err();
        }),
    );
    row(
        "trap (host function)",
        median(100_000, || {
            let operands = [Value::I64(13), Value::I64(0)];
            instance.call(F::CallAdd.index(), &operands).unwrap_err();
        }),
    );
    row(
        "memory.grow by 0",
        median(100_000, || {
            instance.call(F::Grow.index(), &[Value::I32(0)]).unwrap();
        }),
    );
    row(
        "link",
        median(10_000, || {
            linker.link(&module).unwrap();
        }),
    );
    row("instantiate and drop", median(10_000, || drop(new())));
    row(
        "instantiate, run, drop",
        median(10_000, || {
            new().call(F::Bump.index(), &[]).unwrap();
        }),
    );
    row(
        "run and reset",
        median(10_000, || {
            instance.call(F::Bump.index(), &[]).unwrap();
            instance.reset(State::default()).unwrap();
        }),
    );
}

fn row(what: &str, time: Duration) {
    println!("{what:<24}{:>10.1} ns", time.as_secs_f64() * 1e9);
}

/// The median duration of `runs` runs.
fn median(runs: usize, mut run: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[runs / 2]
}
