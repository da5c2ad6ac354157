//! Coexistence with other users of signals. Most cases end their process, so each runs in a child
//! process: this test binary, started again with the name of the test.

mod support;

use pvf_rules::TrapKind;
use pvf_runtime::{CallError, Caller, Instance, Linker, Module, Value};
use std::ffi::{c_int, c_void};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{F, PARAMETERS, State, artifact, linker, signatures};

const CHILD: &str = "PVF_RUNTIME_TEST_CHILD";

/// Exit code of a child that completed its case.
const ARRIVED: i32 = 42;

/// Runs `case` in a child process and returns the child's output.
fn in_child(test: &str, case: fn()) -> Option<Output> {
    if std::env::var_os(CHILD).is_some() {
        case();
        std::process::exit(ARRIVED);
    }
    // Under an emulator, the child has to run under it too.
    let program = std::env::current_exe().unwrap();
    let mut command = match std::env::var_os("PVF_TEST_RUNNER") {
        Some(runner) => {
            let mut command = Command::new(runner);
            command.arg(program);
            command
        }
        None => Command::new(program),
    };
    let output = command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap();
    Some(output)
}

#[track_caller]
fn assert_arrives(test: &str, case: fn()) {
    let output = in_child(test, case).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(ARRIVED),
        "{} {errors}",
        output.status
    );
}

#[track_caller]
fn assert_dies(test: &str, signal: c_int, case: fn()) -> String {
    let output = in_child(test, case).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        output.status.signal(),
        Some(signal),
        "{} {errors}",
        output.status
    );
    errors
}

fn set_handler(signal: c_int, handler: usize, flags: c_int) {
    // SAFETY: a zeroed action with this handler is valid; the callers' handlers fit their flags.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

/// An inaccessible page.
fn forbidden_page() -> *mut u8 {
    // SAFETY: a new mapping at an address chosen by the kernel overlaps no existing mapping.
    let page = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_NONE, flags, -1, 0)
    };
    assert_ne!(page, libc::MAP_FAILED);
    page.cast()
}

fn write(page: *mut u8) {
    // SAFETY: `page` is a mapped page. If it is inaccessible, the write faults: the test's handler
    // makes it accessible, or the process ends.
    unsafe { page.write_volatile(1) };
}

fn illegal_instruction() {
    // SAFETY: the instruction only raises SIGILL, whose handler or default action ends the process.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("ud2");
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("udf 0");
    };
}

fn traps_work(instance: &mut Instance<State>) {
    let kind = |result: Result<Vec<Value>, CallError>| match result {
        Err(CallError::Trap(trap)) => trap.kind,
        other => panic!("a trap was expected, not {other:?}"),
    };
    let zero = [Value::I32(1), Value::I32(0)];
    let end = [Value::I32(65_536)];
    assert_eq!(
        kind(instance.call(F::Unreachable.index(), &[])),
        TrapKind::Unreachable
    );
    assert_eq!(
        kind(instance.call(F::DivU.index(), &zero)),
        TrapKind::IntegerDivideByZero
    );
    assert_eq!(
        kind(instance.call(F::Load8.index(), &end)),
        TrapKind::MemoryOutOfBounds
    );
}

/// An instance whose import `env.nop` calls `nop`.
fn instance(nop: fn()) -> Instance<State> {
    let mut linker: Linker<State> = linker();
    let body = move |_: &mut Caller<'_, State>, _: &mut [u64]| {
        nop();
        Ok(())
    };
    linker.func("env", "nop", signatures()[0].clone(), body);
    let module = Module::new(artifact()).unwrap();
    let mut instance = Instance::new(&module, &linker, &PARAMETERS, State::default()).unwrap();
    traps_work(&mut instance);
    instance
}

static PAGE: AtomicUsize = AtomicUsize::new(0);
static REPAIRED: AtomicUsize = AtomicUsize::new(0);

fn touch_page() {
    write(PAGE.load(Ordering::SeqCst) as *mut u8);
}

/// A handler like those of garbage collectors: makes the page accessible and resumes the thread.
unsafe extern "C" fn repair(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: `info` is the kernel's argument; `mprotect` changes a page that this test mapped.
    unsafe {
        let page = PAGE.load(Ordering::SeqCst);
        if signal != libc::SIGSEGV || (*info).si_addr() as usize != page {
            libc::_exit(1);
        }
        libc::mprotect(
            page as *mut c_void,
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
        );
    }
    REPAIRED.fetch_add(1, Ordering::SeqCst);
}

unsafe extern "C" fn leave(signal: c_int) {
    let code = if signal == libc::SIGILL { ARRIVED } else { 1 };
    // SAFETY: `_exit` is async-signal-safe.
    unsafe { libc::_exit(code) };
}

#[test]
fn an_earlier_handler_gets_faults_of_host_code() {
    assert_arrives("an_earlier_handler_gets_faults_of_host_code", || {
        set_handler(
            libc::SIGSEGV,
            repair as *const () as usize,
            libc::SA_SIGINFO | libc::SA_ONSTACK,
        );
        let mut instance = instance(touch_page);
        PAGE.store(forbidden_page() as usize, Ordering::SeqCst);
        touch_page();
        assert_eq!(REPAIRED.load(Ordering::SeqCst), 1, "outside of Wasm");
        PAGE.store(forbidden_page() as usize, Ordering::SeqCst);
        instance.call(F::CallNop.index(), &[]).unwrap();
        assert_eq!(REPAIRED.load(Ordering::SeqCst), 2, "in a host function");
        traps_work(&mut instance);
    });
}

/// Whether the signal was blocked in [`look_at_mask`]: 1 no, 2 yes; 0 if it was not called.
static MASK: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn look_at_mask(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: reads this thread's mask into a local variable; `info` and `context` are the kernel's
    // arguments.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut mask);
        let blocked = libc::sigismember(&mask, signal) == 1;
        MASK.store(1 + usize::from(blocked), Ordering::SeqCst);
        repair(signal, info, context);
    }
}

/// A handler with SA_NODEFER may leave by a jump. If the signal stayed blocked then, the next trap
/// would end the process.
#[test]
fn an_earlier_handler_with_nodefer_finds_its_signal_unblocked() {
    assert_arrives(
        "an_earlier_handler_with_nodefer_finds_its_signal_unblocked",
        || {
            let flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            set_handler(libc::SIGSEGV, look_at_mask as *const () as usize, flags);
            let mut instance = instance(touch_page);
            PAGE.store(forbidden_page() as usize, Ordering::SeqCst);
            instance.call(F::CallNop.index(), &[]).unwrap();
            assert_eq!(MASK.load(Ordering::SeqCst), 1);
            traps_work(&mut instance);
        },
    );
}

#[test]
fn an_earlier_handler_that_blocks_its_signal_finds_it_blocked() {
    let test = "an_earlier_handler_that_blocks_its_signal_finds_it_blocked";
    assert_arrives(test, || {
        let flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        set_handler(libc::SIGSEGV, look_at_mask as *const () as usize, flags);
        let mut instance = instance(touch_page);
        PAGE.store(forbidden_page() as usize, Ordering::SeqCst);
        instance.call(F::CallNop.index(), &[]).unwrap();
        assert_eq!(MASK.load(Ordering::SeqCst), 2);
        traps_work(&mut instance);
    });
}

#[test]
fn an_earlier_handler_without_siginfo_is_called() {
    assert_arrives("an_earlier_handler_without_siginfo_is_called", || {
        set_handler(libc::SIGILL, leave as *const () as usize, 0);
        instance(|| {});
        illegal_instruction();
        unreachable!("the handler has ended the process");
    });
}

#[test]
fn a_fault_of_a_host_function_ends_the_process() {
    assert_dies(
        "a_fault_of_a_host_function_ends_the_process",
        libc::SIGSEGV,
        || {
            let mut instance = instance(|| write(forbidden_page()));
            let _ = instance.call(F::CallNop.index(), &[]);
        },
    );
}

#[test]
fn a_fault_outside_of_wasm_ends_the_process() {
    assert_dies(
        "a_fault_outside_of_wasm_ends_the_process",
        libc::SIGILL,
        || {
            instance(|| {});
            illegal_instruction();
        },
    );
}

#[test]
fn a_fault_of_generated_code_without_a_trap_site_ends_the_process() {
    assert_dies(
        "a_fault_of_generated_code_without_a_trap_site_ends_the_process",
        libc::SIGSEGV,
        || {
            let _ = instance(|| {}).call(F::NoSite.index(), &[]);
        },
    );
}

#[test]
fn a_fault_of_generated_code_outside_its_memory_ends_the_process() {
    assert_dies(
        "a_fault_of_generated_code_outside_its_memory_ends_the_process",
        libc::SIGSEGV,
        || {
            let _ = instance(|| {}).call(F::Wild.index(), &[]);
        },
    );
}

#[test]
fn signals_sent_by_a_process_have_their_default_effect() {
    assert_dies(
        "signals_sent_by_a_process_have_their_default_effect",
        libc::SIGFPE,
        || {
            // SAFETY: `raise` has no preconditions.
            let mut instance = instance(|| assert_eq!(unsafe { libc::raise(libc::SIGFPE) }, 0));
            let _ = instance.call(F::CallNop.index(), &[]);
        },
    );
}

#[test]
fn signals_sent_by_a_process_can_be_ignored() {
    assert_arrives("signals_sent_by_a_process_can_be_ignored", || {
        set_handler(libc::SIGFPE, libc::SIG_IGN, 0);
        // SAFETY: `raise` has no preconditions.
        let mut instance = instance(|| assert_eq!(unsafe { libc::raise(libc::SIGFPE) }, 0));
        instance.call(F::CallNop.index(), &[]).unwrap();
        traps_work(&mut instance);
    });
}

#[test]
fn rust_still_reports_stack_overflows_of_host_functions() {
    let test = "rust_still_reports_stack_overflows_of_host_functions";
    let errors = assert_dies(test, libc::SIGABRT, || {
        #[expect(unconditional_recursion, reason = "to overflow")]
        fn descend(depth: usize) -> usize {
            std::hint::black_box(descend(std::hint::black_box(depth + 1)) + depth)
        }
        let deep = || {
            let overflow = || {
                std::hint::black_box(descend(0));
            };
            let _ = instance(overflow).call(F::CallNop.index(), &[]);
        };
        let _ = std::thread::Builder::new()
            .name("deep".into())
            .spawn(deep)
            .unwrap()
            .join();
    });
    assert!(errors.contains("overflowed its stack"), "{errors}");
}

#[test]
fn a_backtrace_of_a_host_function_ends_at_generated_code() {
    assert_arrives(
        "a_backtrace_of_a_host_function_ends_at_generated_code",
        || {
            let mut instance = instance(|| panic!("with a backtrace"));
            let error = instance.call(F::CallNop.index(), &[]).unwrap_err();
            assert!(matches!(error, CallError::Trap(trap) if trap.offset == Some(180)));
            traps_work(&mut instance);
        },
    );
}
