//! What is found wrong inside of a function.

use crate::Invariant;

/// An invariant and what breaks it. Only its address is passed on, since nearly every step can find one.
#[derive(Debug)]
pub(super) struct Why(pub Invariant, pub &'static str);

/// Whether something holds.
pub(super) type Check<T = ()> = Result<T, &'static Why>;

/// Says what is wrong.
macro_rules! refuse {
    ($invariant:ident, $what:literal) => {
        return Err(&crate::aarch64::why::Why(
            crate::Invariant::$invariant,
            $what,
        ))
    };
}

/// Says what is wrong unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $invariant:ident, $what:literal) => {
        if !$condition {
            $crate::aarch64::why::refuse!($invariant, $what);
        }
    };
}

pub(super) use {ensure, refuse};
