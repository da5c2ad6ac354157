//! The chain of a thread's Wasm activations, which the signal handlers read.

use crate::arch;
use crate::file::FileMapping;
use pvf_compiler::abi::context;
use pvf_compiler::artifact::{TrapMap, TrapSite};
use std::cell::Cell;
use std::ops::Range;

thread_local! {
    /// The innermost activation. Initialised at compile time and without a destructor, so that a
    /// signal handler that reads it allocates nothing and registers no destructor.
    static CURRENT: Cell<*const Activation> = const { Cell::new(std::ptr::null()) };
}

/// One entry into generated code. It is on the host's stack of the thread that entered.
#[derive(Debug)]
pub(crate) struct Activation {
    /// The activation whose host function entered this one.
    previous: Cell<*const Activation>,
    /// The instance's context.
    pub context: *mut u8,
    /// Addresses of the module's code.
    pub code: Range<usize>,
    /// The trap map of the code.
    pub traps: *const TrapMap,
    /// The file that holds the trap map and possibly the code; may be null.
    pub file: *const FileMapping,
    /// An array of [`arch::faulted_address`], one for each imported function, that replaces
    /// [`context::IMPORTS`] when the run is interrupted. Null if the run is not under an interrupt.
    pub way_out: *const usize,
    /// Addresses reserved for linear memory; empty without a memory.
    pub memory: Range<usize>,
    /// Addresses reserved for the Wasm stack.
    pub stack: Range<usize>,
    /// The fault that the signal handler recorded.
    pub fault: Cell<Option<Fault>>,
}

/// A fault in generated code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A trap of the Wasm module.
    Trap(TrapSite),
    /// An access to the guards of the Wasm stack, which proves a bug.
    StackGuard {
        /// Offset in the code.
        code_offset: u32,
    },
    /// The file that holds the code was truncated.
    ArtifactCut,
    /// The operating system could not supply a page of linear memory.
    PageUnavailable {
        /// Offset in linear memory.
        address: u64,
    },
    /// The run was interrupted.
    Interrupted,
}

impl Activation {
    /// An activation that is not in a chain yet.
    pub fn new(
        context: *mut u8,
        code: Range<usize>,
        traps: &TrapMap,
        file: Option<&FileMapping>,
        way_out: *const usize,
        memory: Range<usize>,
        stack: Range<usize>,
    ) -> Self {
        Self {
            previous: Cell::new(std::ptr::null()),
            context,
            code,
            traps,
            file: file.map_or(std::ptr::null(), std::ptr::from_ref),
            way_out,
            memory,
            stack,
            fault: Cell::new(None),
        }
    }

    /// The activation whose host function entered this one.
    pub fn previous(&self) -> *const Self {
        self.previous.get()
    }

    /// Makes the next host call of the run end it as interrupted. Async-signal-safe.
    ///
    /// # Safety
    /// Called on the activation's thread while it is in the chain and generated code is not
    /// running.
    pub unsafe fn end_at_next_host_call(&self) {
        if self.way_out.is_null() {
            return;
        }
        self.fault.set(Some(Fault::Interrupted));
        let words = [
            (context::HOST_CALL, arch::faulted_address()),
            (context::IMPORTS, self.way_out.expose_provenance() as u64),
        ];
        for (offset, value) in words {
            // SAFETY: the context is valid while its activation is, and these are aligned words of
            // its header.
            unsafe {
                self.context
                    .add(offset as usize)
                    .cast::<u64>()
                    .write_volatile(value);
            }
        }
    }

    /// Makes this the thread's innermost activation while `inside` runs.
    ///
    /// `inside` must not unwind: it enters generated code, through which unwinding is impossible.
    /// If it unwinds, the process aborts.
    pub fn with<R>(&self, inside: impl FnOnce() -> R) -> R {
        struct AbortOnUnwind;
        impl Drop for AbortOnUnwind {
            fn drop(&mut self) {
                std::process::abort();
            }
        }
        let bomb = AbortOnUnwind;
        self.previous.set(CURRENT.replace(self));
        let result = inside();
        CURRENT.set(self.previous.get());
        std::mem::forget(bomb);
        result
    }
}

/// The thread's innermost activation. Async-signal-safe.
pub(crate) fn current() -> *const Activation {
    CURRENT.get()
}
