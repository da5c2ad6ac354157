//! The aarch64 target.

use crate::{Invariant, MachineCode, Module, Refusal, Verified};

pub(crate) fn verify(_: &Module<'_>, _: &MachineCode<'_>) -> Result<Verified, Refusal> {
    Err(Refusal::of_module(
        Invariant::Claims,
        "this version has no rules for aarch64",
    ))
}
