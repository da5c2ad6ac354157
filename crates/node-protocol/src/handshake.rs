//! Messages that a worker receives once, before its first request.

use parity_scale_codec::{Decode, Encode};
use pvf_primitives::ExecutorParams;

/// The first message to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WorkerHandshake {
    /// The isolation that the machine offers, as the host found it.
    pub security_status: SecurityStatus,
}

/// The means of isolation that the machine offers, and whether the operator requires them. The host
/// checks each by starting the prepare worker with a `--check-...` command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct SecurityStatus {
    /// The operator requires isolation: a worker that cannot isolate itself as this status says
    /// must exit.
    pub secure_validator_mode: bool,
    /// Landlock can be enabled, with ABI 1 at least.
    pub can_enable_landlock: bool,
    /// Seccomp can be enabled.
    pub can_enable_seccomp: bool,
    /// A new user namespace and a new root directory are possible.
    pub can_unshare_user_namespace_and_change_root: bool,
    /// Jobs can be started in new namespaces.
    pub can_do_secure_clone: bool,
}

impl SecurityStatus {
    /// Every means of isolation is available, and the operator requires them.
    pub const ALL: Self = Self {
        secure_validator_mode: true,
        can_enable_landlock: true,
        can_enable_seccomp: true,
        can_unshare_user_namespace_and_change_root: true,
        can_do_secure_clone: true,
    };

    /// No means of isolation is available, and the operator requires none.
    pub const NONE: Self = Self {
        secure_validator_mode: false,
        can_enable_landlock: false,
        can_enable_seccomp: false,
        can_unshare_user_namespace_and_change_root: false,
        can_do_secure_clone: false,
    };
}

/// The second message to an execute worker, which uses one set of parameters until it exits.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ExecuteHandshake {
    /// The executor parameters of all executions of this worker.
    pub executor_params: ExecutorParams,
}
