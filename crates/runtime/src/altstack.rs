//! The alternate stack on which signal handlers run, one for each thread that enters Wasm.
//!
//! The handler cannot run on the Wasm stack, which may be exhausted. Rust gives its threads an
//! alternate stack of a few KiB; handlers to which ours chains may need more.

use crate::HostFailure;
use crate::mapping::{Access, Mapping, page_bytes};
use std::cell::OnceCell;

/// Bytes of an alternate stack. An alternate stack installed by other code is used if it has at
/// least this size: the kernel's signal frame with all vector registers takes up to about 12 KiB.
const BYTES: usize = 64 * 1024;

thread_local! {
    static ALTERNATE: OnceCell<Option<AlternateStack>> = const { OnceCell::new() };
}

/// An alternate stack that this crate installed.
struct AlternateStack {
    mapping: Mapping,
}

/// Ensures that this thread has a large enough alternate stack.
pub(crate) fn ensure() -> Result<(), HostFailure> {
    ALTERNATE
        .try_with(|alternate| {
            if alternate.get().is_none() {
                let installed = AlternateStack::install_if_needed()?;
                let _ = alternate.set(installed);
            }
            Ok(())
        })
        .map_err(|_| {
            HostFailure::Internal("Wasm was entered from a destructor of thread-local data".into())
        })?
}

impl AlternateStack {
    fn install_if_needed() -> Result<Option<Self>, HostFailure> {
        let present = current()?;
        if present.ss_flags & libc::SS_DISABLE == 0 && present.ss_size >= BYTES {
            return Ok(None);
        }
        let guard = page_bytes();
        let mut mapping = Mapping::new(guard + BYTES, Access::None, "a signal stack")?;
        mapping.protect(guard..guard + BYTES, Access::ReadWrite)?;
        let stack = libc::stack_t {
            // SAFETY: the mapping is longer than `guard`.
            ss_sp: unsafe { mapping.base().add(guard) }.cast(),
            ss_flags: 0,
            ss_size: BYTES,
        };
        // SAFETY: the memory is writable and stays mapped until the thread has ended or `drop` has
        // disabled the alternate stack.
        match unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) } {
            0 => Ok(Some(Self { mapping })),
            _ => Err(HostFailure::system("sigaltstack")),
        }
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        // The previous alternate stack is not restored: when a thread ends, its owner may have
        // freed it already. If other code has replaced ours in the meantime, its stack stays.
        let ours = self.mapping.addresses();
        if current().is_ok_and(|present| ours.contains(&(present.ss_sp as usize))) {
            let disable = libc::stack_t {
                ss_sp: std::ptr::null_mut(),
                ss_flags: libc::SS_DISABLE,
                ss_size: BYTES,
            };
            // SAFETY: disables the alternate stack of this thread; no handler is running on it.
            unsafe { libc::sigaltstack(&disable, std::ptr::null_mut()) };
        }
    }
}

fn current() -> Result<libc::stack_t, HostFailure> {
    let mut present = libc::stack_t {
        ss_sp: std::ptr::null_mut(),
        ss_flags: 0,
        ss_size: 0,
    };
    // SAFETY: only writes the current settings to `present`.
    match unsafe { libc::sigaltstack(std::ptr::null(), &mut present) } {
        0 => Ok(present),
        _ => Err(HostFailure::system("sigaltstack")),
    }
}
