//! Living together with other users of signals. Most of this ends a process, so each case runs in
//! a child: this test binary, started again with the name of the case.

mod support;

use pvf_rules::TrapKind;
use pvf_runtime::{CallError, Caller, Instance, Linker, Module, Value};
use std::ffi::{c_int, c_void};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{F, PARAMETERS, State, artifact, linker, signatures};

const CHILD: &str = "PVF_RUNTIME_TEST_CHILD";

/// Exit code of a child that got where it should.
const ARRIVED: i32 = 42;

/// Runs `case` in a child process and returns how that ended.
fn in_child(test: &str, case: fn()) -> Option<Output> {
    if std::env::var_os(CHILD).is_some() {
        case();
        std::process::exit(ARRIVED);
    }
    // Under an emulator, the child needs it as well.
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
    // SAFETY: an action of zeros with this handler is valid; the handlers below are made for their flags.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

/// A page nobody may touch.
fn forbidden_page() -> *mut u8 {
    // SAFETY: a new mapping.
    let page = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_NONE, flags, -1, 0)
    };
    assert_ne!(page, libc::MAP_FAILED);
    page.cast()
}

fn write(page: *mut u8) {
    // SAFETY: not at all; whoever handles the fault sees to it.
    unsafe { page.write_volatile(1) };
}

fn illegal_instruction() {
    // SAFETY: not at all; the process is to die of it.
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

/// An instance whose `env.nop` does this.
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

/// A handler as garbage collectors have it: makes the page accessible and lets the thread go on.
unsafe extern "C" fn repair(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel's arguments; mprotect on a page of this test.
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
    // SAFETY: ends the process, allowed in a handler.
    unsafe { libc::_exit(code) };
}

#[test]
fn an_earlier_handler_gets_faults_of_the_host() {
    assert_arrives("an_earlier_handler_gets_faults_of_the_host", || {
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

/// Whether the signal was blocked in [`look_at_mask`]: 1 no, 2 yes.
static MASK: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn look_at_mask(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: reads this thread's mask; the arguments are the kernel's.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut mask);
        let blocked = libc::sigismember(&mask, signal) == 1;
        MASK.store(1 + usize::from(blocked), Ordering::SeqCst);
        repair(signal, info, context);
    }
}

/// Another engine's handler may leave by a jump: with a signal that stays blocked, the next trap would kill.
#[test]
fn an_earlier_handler_has_the_mask_it_asked_for() {
    assert_arrives("an_earlier_handler_has_the_mask_it_asked_for", || {
        let flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        set_handler(libc::SIGSEGV, look_at_mask as *const () as usize, flags);
        let mut instance = instance(touch_page);
        PAGE.store(forbidden_page() as usize, Ordering::SeqCst);
        instance.call(F::CallNop.index(), &[]).unwrap();
        assert_eq!(MASK.load(Ordering::SeqCst), 1);
        traps_work(&mut instance);
    });
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
fn a_fault_of_a_host_function_kills() {
    assert_dies("a_fault_of_a_host_function_kills", libc::SIGSEGV, || {
        let mut instance = instance(|| write(forbidden_page()));
        let _ = instance.call(F::CallNop.index(), &[]);
    });
}

#[test]
fn a_fault_outside_of_wasm_kills() {
    assert_dies("a_fault_outside_of_wasm_kills", libc::SIGILL, || {
        instance(|| {});
        illegal_instruction();
    });
}

#[test]
fn a_fault_of_generated_code_without_a_site_kills() {
    assert_dies(
        "a_fault_of_generated_code_without_a_site_kills",
        libc::SIGSEGV,
        || {
            let _ = instance(|| {}).call(F::NoSite.index(), &[]);
        },
    );
}

#[test]
fn a_fault_of_generated_code_outside_its_memory_kills() {
    assert_dies(
        "a_fault_of_generated_code_outside_its_memory_kills",
        libc::SIGSEGV,
        || {
            let _ = instance(|| {}).call(F::Wild.index(), &[]);
        },
    );
}

#[test]
fn signals_that_were_sent_have_their_default_effect() {
    assert_dies(
        "signals_that_were_sent_have_their_default_effect",
        libc::SIGFPE,
        || {
            // SAFETY: sends a signal to this thread.
            let mut instance = instance(|| assert_eq!(unsafe { libc::raise(libc::SIGFPE) }, 0));
            let _ = instance.call(F::CallNop.index(), &[]);
        },
    );
}

#[test]
fn signals_that_were_sent_can_be_ignored() {
    assert_arrives("signals_that_were_sent_can_be_ignored", || {
        set_handler(libc::SIGFPE, libc::SIG_IGN, 0);
        // SAFETY: sends a signal to this thread.
        let mut instance = instance(|| assert_eq!(unsafe { libc::raise(libc::SIGFPE) }, 0));
        instance.call(F::CallNop.index(), &[]).unwrap();
        traps_work(&mut instance);
    });
}

#[test]
fn stack_overflows_of_the_host_are_still_reported() {
    let test = "stack_overflows_of_the_host_are_still_reported";
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
fn backtraces_of_host_functions_end_at_generated_code() {
    assert_arrives("backtraces_of_host_functions_end_at_generated_code", || {
        let mut instance = instance(|| panic!("with a backtrace"));
        let error = instance.call(F::CallNop.index(), &[]).unwrap_err();
        assert!(matches!(error, CallError::Trap(trap) if trap.offset == Some(180)));
        traps_work(&mut instance);
    });
}
