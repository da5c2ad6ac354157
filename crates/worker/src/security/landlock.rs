//! Landlock: a worker may access only the files that it needs.
//!
//! The rules use the rights of ABI 1, which every kernel with Landlock has. A kernel with ABI 6
//! also confines signals to the worker and its jobs. Seccomp confines signals on every kernel, and
//! forbids all other actions that later ABIs could forbid.

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
    /// The kernel does not enforce all rules.
    #[error("the rules are {0:?}")]
    Enforced(RulesetStatus),
}

/// Restricts a worker to its directory: a prepare worker may write to files there, an execute
/// worker may read them.
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

/// Takes all file access from a job.
///
/// # Errors
/// [`LandlockError`].
pub fn restrict_job() -> Result<(), LandlockError> {
    restrict(None)
}

/// Whether the kernel can confine signals.
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
