//! Asks a prepare worker which means of isolation the machine offers.

use pvf_node_protocol::SecurityStatus;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs the `--check-...` commands of the prepare worker `preparer`. One of them makes `directory`
/// the root directory of its process.
///
/// # Errors
/// The program cannot be started.
pub fn security(preparer: &Path, directory: &Path) -> io::Result<SecurityStatus> {
    let check = |arguments: &[&OsStr]| {
        let output = Command::new(preparer)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .output()?;
        Ok::<_, io::Error>(output.status.success())
    };
    let root = "--check-can-unshare-user-namespace-and-change-root";
    Ok(SecurityStatus {
        secure_validator_mode: false,
        can_enable_landlock: check(&["--check-can-enable-landlock".as_ref()])?,
        can_enable_seccomp: check(&["--check-can-enable-seccomp".as_ref()])?,
        can_unshare_user_namespace_and_change_root: check(&[root.as_ref(), directory.as_ref()])?,
        can_do_secure_clone: check(&["--check-can-do-secure-clone".as_ref()])?,
    })
}
