//! If the operating system refuses memory, the result is a typed failure, never an outcome.
//!
//! Resource limits apply to the whole process, so this file has a single test.

mod support;

use pvf_rules::ExecutionParameters;
use pvf_runtime::{CallError, HostFailure, Instance, InstantiateError, Module, Value};
use support::{F, PARAMETERS, State, artifact, linker};

fn limit(resource: libc::__rlimit_resource_t, bytes: libc::rlim_t) -> libc::rlim_t {
    // SAFETY: `getrlimit` and `setrlimit` access only the local variable `limit`.
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
        println!("skipped: memory limits would apply to the emulator");
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

    // Limit of private writable memory: 1 GiB. Two more pages are possible, 3 GiB are not.
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

    // Limit of address space: 1 GiB, less than the reservation of a linear memory.
    let before = limit(libc::RLIMIT_AS, 1 << 30);
    let refused = new();
    assert!(
        matches!(refused, Err(InstantiateError::Failure(HostFailure::Memory { bytes, .. })) if bytes > 8 << 30)
    );
    limit(libc::RLIMIT_AS, before);
    new().unwrap();

    // Limit of descriptors: none left for the image.
    let before = limit(libc::RLIMIT_NOFILE, 0);
    let refused = Module::new(artifact());
    limit(libc::RLIMIT_NOFILE, before);
    assert!(refused.is_err());
    Module::new(artifact()).unwrap();
}
