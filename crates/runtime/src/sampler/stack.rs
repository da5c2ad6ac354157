//! Reads the Wasm stack of an interrupted thread, in a signal handler.
//!
//! A function's frame begins at its caller's stack pointer and has its return address at the top
//! ([`pvf_compiler::abi`]), so from the place of one return address the place of the next follows by
//! the frame's size. The chain ends at the top of the stack, with a return address into an entry stub.
//!
//! Where the first return address is depends on how far the innermost function is: its prologue or
//! epilogue may be half done, or it may be in a stub. All possible places are tried, and only a chain
//! that reaches the top of the stack exactly is believed.

use crate::activation::Activation;
use crate::stack::GUARD;
use crate::traps::read_word;
use pvf_compiler::abi::context;
use pvf_compiler::artifact::ModuleInfo;
use std::cell::Cell;

const WORD: usize = size_of::<usize>();

/// Words on the stack that a stub may have pushed above the return address into its caller.
const PUSHED_BY_STUBS: usize = 6;

/// Bytes between the return address that a stub has pushed and the frame of its caller: on aarch64 the stack pointer is
/// a multiple of 16.
const BESIDE_RETURN_ADDRESS: usize = if cfg!(target_arch = "aarch64") {
    WORD
} else {
    0
};

/// The code and the frames of a module's functions, by address.
pub(super) struct Frames(Box<[Frame]>);

#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Offset in the code.
    start: u32,
    end: u32,
    bytes: u32,
}

/// The registers of an interrupted thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers {
    pub pc: usize,
    pub sp: usize,
    /// The register that may hold the return address.
    pub link: Option<usize>,
}

/// What was written of a stack: offsets in the code, the innermost first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    pub words: usize,
    /// Whether it is the whole stack.
    pub whole: bool,
}

impl Walk {
    pub const NOTHING: Self = Self {
        words: 0,
        whole: true,
    };
}

/// The part of the Wasm stack that is in use.
#[derive(Clone, Copy)]
struct Stack {
    low: usize,
    top: usize,
    code: usize,
    code_bytes: usize,
}

impl Frames {
    pub fn new(info: &ModuleInfo) -> Self {
        let defined = info.functions.iter().skip(info.imported_functions as usize);
        let mut frames: Box<[Frame]> = defined
            .map(|function| Frame {
                start: function.code_offset,
                end: function.code_offset + function.code_bytes,
                bytes: function.frame_bytes,
            })
            .collect();
        frames.sort_unstable_by_key(|frame| frame.start);
        Self(frames)
    }

    fn at(&self, offset: u32) -> Option<Frame> {
        let behind = self.0.partition_point(|frame| frame.start <= offset);
        let frame = *self.0.get(behind.checked_sub(1)?)?;
        (offset < frame.end).then_some(frame)
    }

    /// Writes the stack of a thread that was interrupted in generated code. The first offset is that of
    /// the program counter. Async-signal-safe.
    ///
    /// # Safety
    /// Called on the thread of the activation, which is its innermost, while that is in its code with
    /// these registers.
    pub unsafe fn in_code(
        &self,
        activation: &Activation,
        Registers { pc, sp, link }: Registers,
        out: &[Cell<u32>],
    ) -> Walk {
        // SAFETY: by the caller's promise.
        let stack = unsafe { Stack::of(activation, sp) };
        let offset = (pc - activation.code.start) as u32;
        let Some((first, rest)) = out.split_first() else {
            return Walk {
                words: 1,
                whole: false,
            };
        };
        first.set(offset);
        let chain = |value: Option<usize>, at: usize| {
            // SAFETY: by the caller's promise, the stack is that of this thread.
            unsafe { self.chain(stack, value, at, 0, rest) }
        };
        let chain_of_stub = |at: usize| {
            // SAFETY: by the caller's promise, the stack is that of this thread.
            unsafe { self.chain(stack, None, at, BESIDE_RETURN_ADDRESS, rest) }
        };
        let found = match self.at(offset) {
            Some(frame) => {
                let made = sp.wrapping_add(frame.bytes as usize).wrapping_sub(WORD);
                chain(None, made)
                    // On x86-64 before the frame is made or after it is dropped.
                    .or_else(|| chain(None, sp))
                    .or_else(|| chain(Some(link?), made))
                    .or_else(|| chain(Some(link?), sp.wrapping_sub(WORD)))
            }
            // In a stub that has switched to the host's stack, or not yet back.
            None if !activation.stack.contains(&sp) => {
                // SAFETY: by the caller's promise, the context is that of the activation.
                let at = unsafe { read_word(activation, context::WASM_SP) } as usize;
                // SAFETY: by the caller's promise.
                let stack = unsafe { Stack::of(activation, at) };
                // SAFETY: by the caller's promise, the stack is that of this thread.
                unsafe { self.chain(stack, None, at, BESIDE_RETURN_ADDRESS, rest) }
            }
            // In a stub that the innermost function called.
            None => chain(link, sp.wrapping_sub(WORD))
                .filter(|_| link.is_some())
                .or_else(|| {
                    (0..=PUSHED_BY_STUBS).find_map(|words| chain_of_stub(sp + words * WORD))
                }),
        };
        match found {
            Some(words) => Walk {
                words: words + 1,
                whole: true,
            },
            None => Walk {
                words: 1,
                whole: false,
            },
        }
    }

    /// Writes the stack of a thread that was interrupted in a host function. All offsets are those of
    /// return addresses. Async-signal-safe.
    ///
    /// # Safety
    /// Called on the thread of the activation, which is its innermost, while that is not in its code.
    pub unsafe fn in_host(&self, activation: &Activation, out: &[Cell<u32>]) -> Walk {
        // SAFETY: by the caller's promise, the context is that of the activation.
        let at = unsafe { read_word(activation, context::WASM_SP) } as usize;
        // SAFETY: by the caller's promise.
        let stack = unsafe { Stack::of(activation, at) };
        // SAFETY: by the caller's promise, the stack is that of this thread.
        match unsafe { self.chain(stack, None, at, BESIDE_RETURN_ADDRESS, out) } {
            Some(words) => Walk { words, whole: true },
            None => Walk {
                words: 0,
                whole: false,
            },
        }
    }

    /// Follows the return addresses from the one at `at`, which is `value` if that was not stored yet and has
    /// `beside` bytes between it and the frame of its caller, and writes them as offsets. How many there are, more than fit counted, if the chain reaches the top.
    ///
    /// # Safety
    /// The stack is that of this thread, whose Wasm is interrupted.
    unsafe fn chain(
        &self,
        stack: Stack,
        value: Option<usize>,
        mut at: usize,
        mut beside: usize,
        out: &[Cell<u32>],
    ) -> Option<usize> {
        let mut value = value;
        let mut words = 0;
        loop {
            let address = match value.take() {
                Some(address) => address,
                // SAFETY: by the caller's promise.
                None => unsafe { stack.read(at) }?,
            };
            let offset = u32::try_from(address.checked_sub(stack.code)?).ok()?;
            if offset as usize > stack.code_bytes {
                return None;
            }
            let frame = self.at(offset.checked_sub(1)?);
            if at == stack.top - WORD {
                // The entry stub's.
                return frame.is_none().then_some(words);
            }
            if let Some(word) = out.get(words) {
                word.set(offset);
            }
            words += 1;
            // Frames are never empty, so the chain ends.
            at = at.checked_add(frame?.bytes.max(WORD as u32) as usize + beside)?;
            beside = 0;
        }
    }
}

impl Stack {
    /// # Safety
    /// The activation is in the thread's chain.
    unsafe fn of(activation: &Activation, low: usize) -> Self {
        // SAFETY: the context is valid while its activation is.
        let top = unsafe { read_word(activation, context::STACK_TOP) } as usize;
        Self {
            low: low.max(activation.stack.start + GUARD),
            top,
            code: activation.code.start,
            code_bytes: activation.code.len(),
        }
    }

    /// A word of the stack; `None` outside of the part in use.
    ///
    /// # Safety
    /// The stack is that of this thread, whose Wasm is interrupted.
    unsafe fn read(self, at: usize) -> Option<usize> {
        if at < self.low || at >= self.top || !at.is_multiple_of(WORD) {
            return None;
        }
        // SAFETY: the part of the stack above its guard is readable, and no reference to it is in use
        // while its thread is interrupted in generated code or in a host function, which gets slots
        // only.
        Some(unsafe { (at as *const usize).read_volatile() })
    }
}
