//! The reason why a function is refused.

use crate::Invariant;

/// An invariant and the reason why it does not hold. Results contain only a reference to it, because nearly every step
/// can fail.
#[derive(Debug)]
pub(crate) struct Why(pub Invariant, pub &'static str);

/// The result of a check.
pub(crate) type Check<T = ()> = Result<T, &'static Why>;

/// Returns a reason.
macro_rules! refuse {
    ($invariant:ident, $what:literal) => {
        return Err(&crate::why::Why(crate::Invariant::$invariant, $what))
    };
}

/// Returns a reason unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $invariant:ident, $what:literal) => {
        if !$condition {
            $crate::why::refuse!($invariant, $what);
        }
    };
}

pub(crate) use {ensure, refuse};
