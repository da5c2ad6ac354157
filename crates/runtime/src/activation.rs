//! The chain of Wasm activations of a thread: what the signal handler may look at.

use crate::arch;
use crate::file::FileMapping;
use pvf_compiler::abi::context;
use pvf_compiler::artifact::{TrapMap, TrapSite};
use std::cell::Cell;
use std::ops::Range;

thread_local! {
    /// The innermost activation. Initialised at compile time and without a destructor, so that
    /// reading it in a signal handler allocates nothing and registers nothing.
    static CURRENT: Cell<*const Activation> = const { Cell::new(std::ptr::null()) };
}

/// One entry into generated code, on the host's stack of the thread that entered.
#[derive(Debug)]
pub(crate) struct Activation {
    /// The activation whose host function entered this one.
    previous: Cell<*const Activation>,
    /// The instance's context.
    pub context: *mut u8,
    /// Addresses of the module's code.
    pub code: Range<usize>,
    /// Where the code may trap.
    pub traps: *const TrapMap,
    /// The file that code or trap map lie in; may be null.
    pub file: *const FileMapping,
    /// As many addresses of the way out as the module has imported functions, to take the place of [`context::IMPORTS`]; null if the
    /// run is under no interrupt.
    pub way_out: *const usize,
    /// Addresses that linear memory reserves; empty without a memory.
    pub memory: Range<usize>,
    /// Addresses that the Wasm stack reserves.
    pub stack: Range<usize>,
    /// What the signal handler found.
    pub fault: Cell<Option<Fault>>,
}

/// A fault in generated code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A trap of the Wasm.
    Trap(TrapSite),
    /// The guards of the Wasm stack were touched: a bug.
    StackGuard {
        /// Offset in the code.
        code_offset: u32,
    },
    /// The file of the code is not what it was.
    ArtifactCut,
    /// The operating system could not back a page of linear memory.
    PageUnavailable {
        /// Offset from the base.
        address: u64,
    },
    /// Somebody ended the run.
    Interrupted,
}

impl Activation {
    /// An activation that is in no chain yet.
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

    /// Sees to it that the next host call of the run leaves it, as interrupted. Async-signal-safe.
    ///
    /// # Safety
    /// Called on the activation's thread while it is in the chain; generated code is not running.
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
            // SAFETY: the context is valid while its activation is, and these are aligned words of its header.
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
    /// `inside` must not unwind: it enters generated code, which nothing unwinds
    /// through. Should it do so all the same, the process ends.
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
