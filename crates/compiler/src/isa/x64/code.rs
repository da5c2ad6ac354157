//! The code of a function so far, and what is known of the zero flag at its end.
//!
//! Only [`Code`] owns the assembler. The rest of the target reaches its instructions through `Deref`, which cannot bind a
//! label. Whatever ends the knowledge (a label, an entry) is a method here, which forgets it.

use pvf_assembler::Label;
use pvf_assembler::x64::{Assembler, Gpr, Instructions, Size};
use std::ops::{Deref, DerefMut};

/// The code of one function, with what is known at its end. At its start nothing is known.
pub(super) struct Code<'m> {
    /// Moved out of `home` while the function is made, to save an indirection.
    asm: Assembler,
    home: &'m mut Assembler,
    zero: Option<ZeroFlag>,
    /// How many times the flags had been written where the last label is.
    #[cfg(debug_assertions)]
    written_before_label: u64,
}

/// Behind the instruction that ends there the zero flag is about this register in this size. Any instruction more, and
/// the code ends elsewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ZeroFlag {
    end: u32,
    register: Gpr,
    size: Size,
}

impl<'m> Code<'m> {
    /// Goes on with the assembler's code, of which nothing is known.
    pub(super) fn new(home: &'m mut Assembler) -> Self {
        Self {
            #[cfg(debug_assertions)]
            written_before_label: home.flag_trace().count(),
            asm: std::mem::take(home),
            home,
            zero: None,
        }
    }

    /// Binds a label: control may come from elsewhere.
    #[inline]
    pub(super) fn bind(&mut self, label: Label) {
        self.forget();
        self.asm.bind(label);
    }

    /// Begins an aligned place that is entered by its address, and says where it is.
    pub(super) fn entry(&mut self) -> u32 {
        self.forget();
        self.asm.align(16);
        self.asm.offset()
    }

    #[inline]
    fn forget(&mut self) {
        self.zero = None;
        #[cfg(debug_assertions)]
        {
            self.written_before_label = self.asm.flag_trace().count();
        }
    }

    /// Says that the instruction just emitted has set the zero flag by this register in this size.
    #[inline]
    pub(super) fn note_zero_flag(&mut self, register: Gpr, size: Size) {
        let end = self.asm.offset();
        self.zero = Some(ZeroFlag {
            end,
            register,
            size,
        });
    }

    /// Whether the zero flag is about this register in this size.
    #[inline]
    pub(super) fn has_zero_flag(&self, register: Gpr, size: Size) -> bool {
        let end = self.asm.offset();
        let known = self.zero
            == Some(ZeroFlag {
                end,
                register,
                size,
            });
        #[cfg(debug_assertions)]
        if known {
            self.check_flags_end_here();
        }
        known
    }

    /// The flags are those of the last instruction, and no label lies behind it.
    #[cfg(debug_assertions)]
    fn check_flags_end_here(&self) {
        let trace = self.asm.flag_trace();
        assert_eq!(
            trace.end(),
            Some(self.asm.offset()),
            "the last instruction has not written the flags"
        );
        assert!(
            trace.count() > self.written_before_label,
            "the flags were written before the last label"
        );
    }
}

impl Drop for Code<'_> {
    fn drop(&mut self) {
        std::mem::swap(self.home, &mut self.asm);
    }
}

impl Deref for Code<'_> {
    type Target = Instructions;

    #[inline(always)]
    fn deref(&self) -> &Instructions {
        &self.asm
    }
}

impl DerefMut for Code<'_> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Instructions {
        &mut self.asm
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_assembler::x64::Alu;

    const REGISTER: Gpr = Gpr::Rdi;
    const SIZE: Size = Size::S32;

    /// Sets the flags by the register.
    fn set(code: &mut Code<'_>) {
        code.alu_ri(Alu::Add, SIZE, REGISTER, 1);
        code.note_zero_flag(REGISTER, SIZE);
    }

    #[test]
    fn the_zero_flag_is_known_right_behind_what_sets_it() {
        let mut asm = Assembler::new();
        let mut code = Code::new(&mut asm);
        assert!(!code.has_zero_flag(REGISTER, SIZE));
        set(&mut code);
        assert!(code.has_zero_flag(REGISTER, SIZE));
        assert!(!code.has_zero_flag(Gpr::Rsi, SIZE), "another register");
        assert!(!code.has_zero_flag(REGISTER, Size::S64), "another size");
        code.mov_rr(SIZE, Gpr::Rsi, REGISTER);
        assert!(!code.has_zero_flag(REGISTER, SIZE), "another instruction");
    }

    #[test]
    fn it_ends_with_labels_and_entries() {
        let mut asm = Assembler::new();
        let mut code = Code::new(&mut asm);
        set(&mut code);
        let label = code.new_label();
        code.bind(label);
        assert!(!code.has_zero_flag(REGISTER, SIZE), "a label");

        while !code.offset().is_multiple_of(16) {
            set(&mut code);
        }
        assert!(code.has_zero_flag(REGISTER, SIZE));
        let end = code.offset();
        assert_eq!(code.entry(), end);
        assert!(!code.has_zero_flag(REGISTER, SIZE), "an entry");
    }

    #[test]
    fn it_ends_with_functions_and_pieces_of_code() {
        let mut asm = Assembler::new();
        set(&mut Code::new(&mut asm));
        let code = Code::new(&mut asm);
        assert!(!code.has_zero_flag(REGISTER, SIZE), "a function");
        drop(code);

        let end = asm.offset();
        asm.take_code();
        let mut code = Code::new(&mut asm);
        code.nop(end);
        assert!(!code.has_zero_flag(REGISTER, SIZE), "a piece of code");
    }

    /// The check finds each way in which such knowledge could be wrong.
    #[cfg(debug_assertions)]
    mod seeded {
        use super::*;

        /// Believes it without a reason.
        fn believe(code: &mut Code<'_>) {
            code.zero = Some(ZeroFlag {
                end: code.offset(),
                register: REGISTER,
                size: SIZE,
            });
            assert!(code.has_zero_flag(REGISTER, SIZE));
        }

        #[test]
        #[should_panic(expected = "the last instruction has not written the flags")]
        fn from_another_piece_of_code() {
            let mut asm = Assembler::new();
            set(&mut Code::new(&mut asm));
            asm.take_code();
            believe(&mut Code::new(&mut asm));
        }

        #[test]
        #[should_panic(expected = "the flags were written before the last label")]
        fn from_another_function() {
            let mut asm = Assembler::new();
            set(&mut Code::new(&mut asm));
            believe(&mut Code::new(&mut asm));
        }

        #[test]
        #[should_panic(expected = "the flags were written before the last label")]
        fn over_a_label() {
            let mut asm = Assembler::new();
            let mut code = Code::new(&mut asm);
            set(&mut code);
            let label = code.new_label();
            code.bind(label);
            believe(&mut code);
        }

        #[test]
        #[should_panic(expected = "the last instruction has not written the flags")]
        fn behind_an_instruction_that_does_not_set_it() {
            let mut asm = Assembler::new();
            let mut code = Code::new(&mut asm);
            set(&mut code);
            code.mov_rr(SIZE, Gpr::Rsi, REGISTER);
            believe(&mut code);
        }
    }
}
