//! Landlock: no file access but what a worker exists for.
//!
//! The rights are those of ABI 1, so that every kernel with Landlock has them. Where a kernel can keep signals within the worker and its
//! jobs (ABI 6), it does; seccomp does it everywhere, and all else that later ones could forbid.

use super::Role;
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, PathFdError,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use std::path::Path;

/// Why Landlock is not enforced.
#[derive(Debug, thiserror::Error)]
pub enum LandlockError {
    /// The kernel refused the rules.
    #[error(transparent)]
    Ruleset(#[from] RulesetError),
    /// The directory cannot be opened.
    #[error(transparent)]
    Path(#[from] PathFdError),
    /// The kernel took them, but not all.
    #[error("only {0:?}")]
    Enforced(RulesetStatus),
}

/// Lets a worker write to files in its directory, or read them.
///
/// # Errors
/// [`LandlockError`].
pub fn restrict_worker(role: Role, directory: &Path) -> Result<(), LandlockError> {
    let access = match role {
        Role::Prepare => AccessFs::WriteFile,
        Role::Execute | Role::Load => AccessFs::ReadFile,
    };
    restrict(Some((directory, access.into())))
}

/// Takes all access from a job.
///
/// # Errors
/// [`LandlockError`].
pub fn restrict_job() -> Result<(), LandlockError> {
    restrict(None)
}

/// Whether the kernel can keep signals within.
fn keeps_signals() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .scope(Scope::Signal)
        .is_ok()
}

fn restrict(exception: Option<(&Path, BitFlags<AccessFs>)>) -> Result<(), LandlockError> {
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(ABI::V1))?;
    if keeps_signals() {
        ruleset = ruleset.scope(Scope::Signal)?;
    }
    let mut ruleset = ruleset.create()?;
    if let Some((path, access)) = exception {
        ruleset = ruleset.add_rule(PathBeneath::new(PathFd::new(path)?, access))?;
    }
    match ruleset.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        status => Err(LandlockError::Enforced(status)),
    }
}
