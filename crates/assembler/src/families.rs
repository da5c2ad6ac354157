//! Operands that are one of a few: a family of names with numbers.

/// Declares enums whose numbers are fields of instructions. Each gets `ALL`: its members by their order here.
macro_rules! families {
    ($(
        $(#[$about:meta])*
        pub enum $name:ident {
            $($(#[$meaning:meta])* $member:ident = $number:literal,)+
        }
    )+) => {$(
        $(#[$about])*
        #[derive(Copy, Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$meaning])* $member = $number,)+
        }

        impl $name {
            /// All of them, by number.
            pub const ALL: [Self; [$($number),+].len()] = [$(Self::$member),+];
        }
    )+};
}
pub(crate) use families;
