//! Interrupts: ending executions from another thread.

use crate::border;
use crate::error::{pvf_error_t, pvf_status_t};
use pvf_executor::Interrupt;

/// A switch by which another thread ends executions. It is raised once and stays raised; for the next execution make another.
pub struct pvf_interrupt_t {
    pub interrupt: Interrupt,
}

const _: () = {
    const fn any_thread<T: Send + Sync>() {}
    any_thread::<pvf_interrupt_t>();
};

/// Makes an interrupt that has not been raised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_interrupt_new(
    interrupt: *mut *mut pvf_interrupt_t,
    error: *mut *mut pvf_error_t,
) -> pvf_status_t {
    let body = || {
        let interrupt = Interrupt::new();
        Ok(pvf_interrupt_t { interrupt })
    };
    // SAFETY: by the header's rules.
    unsafe { border::make(interrupt, error, body) }
}

/// Ends the executions under this interrupt (pvf_execute_interruptible), however many there are, on whatever threads, and every one that
/// begins later: they return INTERRUPTED. It does not wait for them. It takes a lock, so a signal handler may not call it. NULL:
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_interrupt_raise(interrupt: *const pvf_interrupt_t) {
    // SAFETY: by the header's rules.
    unsafe { border::get(interrupt, (), |it| it.interrupt.raise()) }
}

/// Whether it was raised. NULL: false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_interrupt_is_raised(interrupt: *const pvf_interrupt_t) -> bool {
    // SAFETY: by the header's rules.
    unsafe { border::get(interrupt, false, |it| it.interrupt.is_raised()) }
}

/// Deletes an interrupt. No thread may be raising it or executing under it. NULL: nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_interrupt_delete(interrupt: *mut pvf_interrupt_t) {
    // SAFETY: by the header's rules.
    unsafe { border::delete(interrupt) }
}
