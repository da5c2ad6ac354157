//! An operating system that refuses memory: a typed failure, never an outcome.
//!
//! Limits hold for the whole process, so this file has a single test.

mod support;

use pvf_rules::ExecutionParameters;
use pvf_runtime::{CallError, HostFailure, Instance, InstantiateError, Module, Value};
use support::{F, PARAMETERS, State, artifact, linker};

fn limit(resource: libc::__rlimit_resource_t, bytes: libc::rlim_t) -> libc::rlim_t {
    // SAFETY: reads and sets a soft limit of this process.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(resource, &mut limit), 0);
        let before = limit.rlim_cur;
        limit.rlim_cur = bytes;
        assert_eq!(libc::setrlimit(resource, &limit), 0);
        before
    }
}

#[test]
fn refused_memory_is_a_failure_of_the_host() {
    if support::emulated() {
        println!("skipped: limits of memory would be the emulator's");
        return;
    }
    let module = Module::new(artifact()).unwrap();
    let parameters = ExecutionParameters {
        max_memory_pages: 65_536,
        ignore_declared_maximum: true,
        ..PARAMETERS
    };
    let new = || Instance::new(&module, &linker(), &parameters, State::default());
    let mut instance = new().unwrap();
    let grow = |instance: &mut Instance<State>, pages: i32| {
        instance.call(F::Grow.index(), &[Value::I32(pages)])
    };

    // Private writable memory: 1 GiB, so that two pages more are possible and 3 GiB are not.
    let before = limit(libc::RLIMIT_DATA, 1 << 30);
    let refused = grow(&mut instance, 3 << 14);
    assert!(
        matches!(refused, Err(CallError::Failure(HostFailure::Memory { bytes, .. })) if bytes == 3 << 30),
        "{refused:?}"
    );
    assert_eq!(instance.memory_pages(), 1);
    assert_eq!(grow(&mut instance, 2).unwrap(), [Value::I32(1)]);
    limit(libc::RLIMIT_DATA, before);
    assert_eq!(grow(&mut instance, 3 << 14).unwrap(), [Value::I32(3)]);

    // Address space: 1 GiB, less than a reservation.
    let before = limit(libc::RLIMIT_AS, 1 << 30);
    let refused = new();
    assert!(
        matches!(refused, Err(InstantiateError::Failure(HostFailure::Memory { bytes, .. })) if bytes > 8 << 30)
    );
    limit(libc::RLIMIT_AS, before);
    new().unwrap();

    // Descriptors: none left for the image.
    let before = limit(libc::RLIMIT_NOFILE, 0);
    let refused = Module::new(artifact());
    limit(libc::RLIMIT_NOFILE, before);
    assert!(refused.is_err());
    Module::new(artifact()).unwrap();
}
