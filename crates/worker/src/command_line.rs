//! The command line of a worker, as the node's PVF host uses it.
//!
//! The options of the command that serves a host may come in any order. An argument that a host
//! never uses is an error.

use pvf_node_protocol::Verification;
use std::ffi::OsString;
use std::path::PathBuf;

/// The command of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Prints what this program is.
    Help,
    /// Prints the version of the worker's node.
    Version,
    /// Prints the version of the worker's node and the commit of the build.
    FullVersion,
    /// Checks whether a means of isolation works on this machine.
    Check(Check),
    /// Sleeps for some seconds, for tests of hosts.
    TestSleep,
    /// Serves a host.
    Run(Options),
}

/// A means of isolation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Landlock.
    Landlock,
    /// Seccomp.
    Seccomp,
    /// A user namespace, with this directory as the root.
    ChangeRoot(PathBuf),
    /// A process in new namespaces.
    Clone,
}

/// Options of the command that serves a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Version of the node, if the worker is to compare it with its own.
    pub node_version: Option<String>,
    /// The socket on which the host listens.
    pub socket_path: PathBuf,
    /// Directory of this worker, in which host and worker exchange artifacts.
    pub worker_dir_path: PathBuf,
    /// Answer without a primary engine, even if one is installed. No node uses this option.
    pub alone: bool,
    /// What the options say about verification; the file beside the program may add to it. No node
    /// uses these options.
    pub verification: Verification,
    /// Send measurements after each answer. No node uses this option.
    pub figures: bool,
}

/// Why a command line is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// The command belongs to another worker, or does not exist.
    #[error("unknown command {found:?}: this program is the {expected}")]
    Command {
        /// The one command of this worker that serves a host.
        expected: &'static str,
        /// The command on the command line.
        found: OsString,
    },
    /// The option does not exist.
    #[error("unexpected argument {0:?}")]
    Argument(OsString),
    /// The option has no value.
    #[error("{0} needs a value")]
    Value(&'static str),
    /// A required option is missing.
    #[error("the argument {0} is required")]
    Missing(&'static str),
}

/// Parses the arguments after the program's name. `expected` is the command that serves a host.
///
/// # Errors
/// [`UsageError`].
pub fn parse(
    expected: &'static str,
    mut arguments: impl Iterator<Item = OsString>,
) -> Result<Command, UsageError> {
    let Some(command) = arguments.next() else {
        return Ok(Command::Help);
    };
    Ok(match command.to_str() {
        Some("--help" | "-h") => Command::Help,
        Some("--version" | "-v") => Command::Version,
        Some("--full-version") => Command::FullVersion,
        Some("--check-can-enable-landlock") => Command::Check(Check::Landlock),
        Some("--check-can-enable-seccomp") => Command::Check(Check::Seccomp),
        Some("--check-can-unshare-user-namespace-and-change-root") => {
            let directory = arguments.next();
            let directory = directory.ok_or(UsageError::Value(
                "--check-can-unshare-user-namespace-and-change-root",
            ))?;
            Command::Check(Check::ChangeRoot(directory.into()))
        }
        Some("--check-can-do-secure-clone") => Command::Check(Check::Clone),
        Some("test-sleep") => Command::TestSleep,
        Some(command) if command == expected => Command::Run(options(arguments)?),
        _ => {
            let found = command;
            return Err(UsageError::Command { expected, found });
        }
    })
}

/// The option that makes a worker answer without a primary engine ([`Options::alone`]).
pub const ALONE: &str = "--alone";

/// The option that makes an execute worker send [`Figures`](crate::observation::Figures) after each answer
/// ([`Options::figures`]).
pub const FIGURES: &str = "--figures";

fn options(mut arguments: impl Iterator<Item = OsString>) -> Result<Options, UsageError> {
    const NODE_VERSION: &str = "--node-impl-version";
    const SOCKET: &str = "--socket-path";
    const DIRECTORY: &str = "--worker-dir-path";
    let (mut node_version, mut socket, mut directory, mut alone) = (None, None, None, false);
    let (mut verification, mut figures) = (Verification::default(), false);
    while let Some(argument) = arguments.next() {
        let mut value = |name| arguments.next().ok_or(UsageError::Value(name));
        match argument.to_str() {
            Some(NODE_VERSION) => {
                node_version = Some(value(NODE_VERSION)?.to_string_lossy().into_owned());
            }
            Some(SOCKET) => socket = Some(value(SOCKET)?.into()),
            Some(DIRECTORY) => directory = Some(value(DIRECTORY)?.into()),
            Some(ALONE) => alone = true,
            Some(FIGURES) => figures = true,
            Some(option) if verification.take_option(option) => {}
            _ => return Err(UsageError::Argument(argument)),
        }
    }
    Ok(Options {
        node_version,
        socket_path: socket.ok_or(UsageError::Missing(SOCKET))?,
        worker_dir_path: directory.ok_or(UsageError::Missing(DIRECTORY))?,
        alone,
        verification,
        figures,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, UsageError> {
        parse(
            "execute-worker",
            line.split_whitespace().map(OsString::from),
        )
    }

    #[test]
    fn commands_other_than_serving_a_host_are_parsed() {
        assert_eq!(parsed(""), Ok(Command::Help));
        assert_eq!(parsed("-h"), Ok(Command::Help));
        assert_eq!(parsed("--version"), Ok(Command::Version));
        assert_eq!(parsed("-v"), Ok(Command::Version));
        assert_eq!(parsed("--full-version"), Ok(Command::FullVersion));
        assert_eq!(parsed("test-sleep"), Ok(Command::TestSleep));
        let check = parsed("--check-can-unshare-user-namespace-and-change-root /tmp/a");
        assert_eq!(
            check,
            Ok(Command::Check(Check::ChangeRoot("/tmp/a".into())))
        );
        assert!(parsed("--check-can-unshare-user-namespace-and-change-root").is_err());
    }

    #[test]
    fn options_come_in_any_order() {
        let verified = |node_version: Option<&str>, alone, verification| {
            Ok(Command::Run(Options {
                node_version: node_version.map(str::to_owned),
                socket_path: "/s".into(),
                worker_dir_path: "/d".into(),
                alone,
                verification,
                figures: false,
            }))
        };
        let options = |version, alone| verified(version, alone, Verification::default());
        let line = "execute-worker --node-impl-version 1.2.3 --socket-path /s --worker-dir-path /d";
        assert_eq!(parsed(line), options(Some("1.2.3"), false));
        let line = "execute-worker --worker-dir-path /d --socket-path /s";
        assert_eq!(parsed(line), options(None, false));
        let line = "execute-worker --socket-path /s --alone --worker-dir-path /d";
        assert_eq!(parsed(line), options(None, true));
        for when_preparing in [false, true] {
            for at_load in [false, true] {
                let verification = Verification {
                    when_preparing,
                    at_load,
                };
                let words: Vec<_> = verification.options().collect();
                let line = format!(
                    "execute-worker {} --socket-path /s --worker-dir-path /d",
                    words.join(" ")
                );
                assert_eq!(parsed(&line), verified(None, false, verification));
                assert_eq!(verification.to_string().parse(), Ok(verification));
            }
        }
    }

    #[test]
    fn an_error_names_the_wrong_argument() {
        assert!(matches!(
            parsed("prepare-worker"),
            Err(UsageError::Command { .. })
        ));
        let missing = parsed("execute-worker --worker-dir-path /d");
        assert_eq!(missing, Err(UsageError::Missing("--socket-path")));
        let no_value = parsed("execute-worker --worker-dir-path");
        assert_eq!(no_value, Err(UsageError::Value("--worker-dir-path")));
        let unknown = parsed("execute-worker --threads 2");
        assert_eq!(unknown, Err(UsageError::Argument("--threads".into())));
    }
}
