//! The alternate stack that signal handlers run on, one for each thread that enters Wasm.
//!
//! The handler cannot run on the Wasm stack, of which nothing may be left. Rust gives its
//! threads an alternate stack of a few KiB; what the handler chains to may need more.

use crate::HostFailure;
use crate::mapping::{Access, Mapping, page_bytes};
use std::cell::OnceCell;

/// Bytes of an alternate stack, and the least that a stack installed by somebody else
/// must have to be used: the kernel's frame with all vector registers takes up to about 12 KiB.
const BYTES: usize = 64 * 1024;

thread_local! {
    static ALTERNATE: OnceCell<Option<AlternateStack>> = const { OnceCell::new() };
}

/// An alternate stack of ours.
struct AlternateStack {
    mapping: Mapping,
}

/// Sees to it that this thread has a suitable alternate stack.
pub(crate) fn ensure() -> Result<(), HostFailure> {
    ALTERNATE
        .try_with(|alternate| {
            if alternate.get().is_none() {
                let installed = AlternateStack::install_if_needed()?;
                let _ = alternate.set(installed);
            }
            Ok(())
        })
        .map_err(|_| HostFailure::Internal("Wasm was entered while its thread ends".into()))?
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
            // SAFETY: the mapping is longer than its guard.
            ss_sp: unsafe { mapping.base().add(guard) }.cast(),
            ss_flags: 0,
            ss_size: BYTES,
        };
        // SAFETY: the memory is writable and stays mapped until the thread has ended or
        // `drop` has taken it out of use.
        match unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) } {
            0 => Ok(Some(Self { mapping })),
            _ => Err(HostFailure::system("sigaltstack")),
        }
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        // What was there before is not put back: when a thread ends, its owner may have freed
        // it already. If somebody replaced ours in the meantime, theirs stays.
        let ours = self.mapping.addresses();
        if current().is_ok_and(|present| ours.contains(&(present.ss_sp as usize))) {
            let disable = libc::stack_t {
                ss_sp: std::ptr::null_mut(),
                ss_flags: libc::SS_DISABLE,
                ss_size: BYTES,
            };
            // SAFETY: only takes the alternate stack of this thread out of use.
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
    // SAFETY: only writes the present settings to `present`.
    match unsafe { libc::sigaltstack(std::ptr::null(), &mut present) } {
        0 => Ok(present),
        _ => Err(HostFailure::system("sigaltstack")),
    }
}
