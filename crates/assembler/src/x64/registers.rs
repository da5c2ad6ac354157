//! The registers of x86-64, by class.

macro_rules! register_class {
    ($(#[$doc:meta])* $class:ident: $($name:ident = $number:literal),* $(,)?) => {
        $(#[$doc])*
        #[derive(Copy, Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the names are the manual's")]
        pub enum $class { $($name = $number),* }

        impl $class {
            /// All sixteen, by number.
            pub const ALL: [Self; 16] = [$(Self::$name),*];

            /// The hardware's number, 0 to 15.
            #[inline(always)]
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The register with this number; only the low four bits count.
            #[inline(always)]
            pub const fn from_number(number: u8) -> Self {
                Self::ALL[(number & 15) as usize]
            }
        }
    };
}

register_class! {
    /// A general-purpose register. The width is given by each operation's
    /// [`Size`](super::Size).
    Gpr:
    Rax = 0, Rcx = 1, Rdx = 2, Rbx = 3, Rsp = 4, Rbp = 5, Rsi = 6, Rdi = 7,
    R8 = 8, R9 = 9, R10 = 10, R11 = 11, R12 = 12, R13 = 13, R14 = 14, R15 = 15,
}

register_class! {
    /// A vector register, holding a scalar float in its low lane.
    Xmm:
    Xmm0 = 0, Xmm1 = 1, Xmm2 = 2, Xmm3 = 3, Xmm4 = 4, Xmm5 = 5, Xmm6 = 6, Xmm7 = 7,
    Xmm8 = 8, Xmm9 = 9, Xmm10 = 10, Xmm11 = 11, Xmm12 = 12, Xmm13 = 13, Xmm14 = 14, Xmm15 = 15,
}
