//! What is known of the zero flag at the end of a function's code.

use crate::isa::code::{self, Known};
use pvf_assembler::x64::{Gpr, Instructions, Size};

/// The code of one function.
pub(super) type Code<'m> = code::Code<'m, Instructions, Flags>;

/// What is known of the flags at the end of the code.
pub(super) struct Flags {
    zero: Option<ZeroFlag>,
    /// How many times the flags had been written where the last label is.
    #[cfg(debug_assertions)]
    written_before_label: u64,
}

/// After the instruction that ends at `end`, the zero flag says whether this register is zero in this size. One more
/// instruction, and the code ends at another offset.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ZeroFlag {
    end: u32,
    register: Gpr,
    size: Size,
}

impl Known<Instructions> for Flags {
    #[inline]
    fn nothing(_instructions: &Instructions) -> Self {
        Self {
            zero: None,
            #[cfg(debug_assertions)]
            written_before_label: _instructions.flag_trace().count(),
        }
    }
}

impl Code<'_> {
    /// Says that the instruction just emitted has set the zero flag by this register in this size.
    #[inline]
    pub(super) fn note_zero_flag(&mut self, register: Gpr, size: Size) {
        let end = self.offset();
        self.known.zero = Some(ZeroFlag {
            end,
            register,
            size,
        });
    }

    /// Whether the zero flag is about this register in this size.
    #[inline]
    pub(super) fn has_zero_flag(&self, register: Gpr, size: Size) -> bool {
        let end = self.offset();
        let known = self.known.zero
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

    /// The flags are those of the last instruction, and no label lies after it.
    #[cfg(debug_assertions)]
    fn check_flags_end_here(&self) {
        let trace = self.flag_trace();
        assert_eq!(
            trace.end(),
            Some(self.offset()),
            "the last instruction has not written the flags"
        );
        assert!(
            trace.count() > self.known.written_before_label,
            "the flags were written before the last label"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_assembler::x64::{Alu, Assembler};

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
            code.known.zero = Some(ZeroFlag {
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
