//! What a worker is told once.

use parity_scale_codec::{Decode, Encode};
use pvf_primitives::ExecutorParams;

/// The first message to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WorkerHandshake {
    /// What the host found out about the machine.
    pub security_status: SecurityStatus,
}

/// Which means of isolation the machine offers, and whether the operator insists on them. The host finds out
/// by starting the prepare worker with its `--check-...` commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct SecurityStatus {
    /// A worker that cannot isolate itself as this status says must not go on.
    pub secure_validator_mode: bool,
    /// Landlock can be enabled, ABI 1 at least.
    pub can_enable_landlock: bool,
    /// Seccomp can be enabled.
    pub can_enable_seccomp: bool,
    /// A new user namespace and a new root directory are possible.
    pub can_unshare_user_namespace_and_change_root: bool,
    /// Jobs can be started in namespaces of their own.
    pub can_do_secure_clone: bool,
}

impl SecurityStatus {
    /// Everything is possible and demanded.
    pub const ALL: Self = Self {
        secure_validator_mode: true,
        can_enable_landlock: true,
        can_enable_seccomp: true,
        can_unshare_user_namespace_and_change_root: true,
        can_do_secure_clone: true,
    };

    /// Nothing is possible, nothing is demanded.
    pub const NONE: Self = Self {
        secure_validator_mode: false,
        can_enable_landlock: false,
        can_enable_seccomp: false,
        can_unshare_user_namespace_and_change_root: false,
        can_do_secure_clone: false,
    };
}

/// The second message to an execute worker, which serves one set of parameters for life.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ExecuteHandshake {
    /// The rules of this worker's executions.
    pub executor_params: ExecutorParams,
}
