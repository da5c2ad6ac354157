//! Threads with a stack large enough for Wasmtime.

/// Runs the work in this number of threads, with stacks large enough for Wasmtime. Fails if a thread cannot start or
/// panics.
pub fn in_threads(count: u64, work: &(impl Fn() + Sync)) -> Result<(), String> {
    std::thread::scope(|scope| {
        let threads: Result<Vec<_>, _> = (0..count)
            .map(|_| {
                std::thread::Builder::new()
                    .stack_size(pvf_wasmtime::THREAD_STACK_BYTES)
                    .spawn_scoped(scope, work)
            })
            .collect();
        for thread in threads.map_err(|error| error.to_string())? {
            thread.join().map_err(|_| "a thread panicked".to_owned())?;
        }
        Ok(())
    })
}
