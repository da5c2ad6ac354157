//! In debug builds, targets are wrapped in the check of their contracts.

#[cfg(debug_assertions)]
use super::checked::{Checked, Flags};

/// A target with the check of its contracts.
#[cfg(debug_assertions)]
pub(super) type Watched<M> = Checked<M>;

/// A target alone.
#[cfg(not(debug_assertions))]
pub(super) type Watched<M> = M;

#[cfg(debug_assertions)]
pub(super) fn watched<M: Flags>(masm: M) -> Watched<M> {
    Checked::new(masm)
}

#[cfg(not(debug_assertions))]
pub(super) fn watched<M>(masm: M) -> Watched<M> {
    masm
}
