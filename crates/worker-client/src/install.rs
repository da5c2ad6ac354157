//! Installs workers for a node, checks an installation, and undoes it.
//!
//! An installation is the two programs and a file with the node's version. A node refuses workers
//! whose `--version` is not its own, so [`node_version`] asks the node's program. [`install`]
//! writes and checks all files in a temporary directory, then renames them into place one by one.
//! The files of the previous installation are kept until the next one.

use crate::observation::{OBSERVE_FILE, Observation, ObservationError, blake2_256};
use pvf_node_protocol::{NODE_RELEASES, PRIMARY_FILE, VERIFY_FILE, VERSION_FILE, Verification};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names of the two programs.
pub const PROGRAMS: [&str; 2] = ["polkadot-prepare-worker", "polkadot-execute-worker"];

/// Name of the file that lists the installed files.
pub const RECEIPT_FILE: &str = "polkadot-worker.installed";

/// Name of the directory with the files of the previous installation.
const PREVIOUS: &str = "polkadot-worker.previous";

/// What to install.
#[derive(Clone, Debug, PartialEq)]
pub struct Installation {
    /// Directory to copy the programs from.
    pub from: PathBuf,
    /// Directory to install into, a node's `--workers-path`.
    pub into: PathBuf,
    /// The node's version, as returned by [`node_version`].
    pub version: String,
    /// Directory of the node's own workers, if these are to be the primary engine.
    pub primary: Option<PathBuf>,
    /// When the workers verify machine code.
    pub verification: Verification,
    /// What the workers observe beside their answers, if anything. A shadow needs a primary engine.
    pub observation: Option<Observation>,
}

/// The content of the file [`RECEIPT_FILE`]: what is installed in its directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The node's version.
    pub version: String,
    /// The installed files, all but the receipt itself.
    pub files: Vec<InstalledFile>,
}

/// An installed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledFile {
    /// Name of the file in the directory.
    pub name: String,
    /// BLAKE2b-256 of the file's bytes, in hexadecimal.
    pub blake2_256: String,
}

/// Why an installation failed, could not be undone, or is not as it was made.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The system refused an operation on a file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A program does not print its version.
    #[error("{} --version: {reason}", program.display())]
    Mute {
        /// The program.
        program: PathBuf,
        /// What the program did instead.
        reason: String,
    },
    /// A program is for another version.
    #[error("{} is for version {found}, the node is {wanted}", program.display())]
    Version {
        /// The program.
        program: PathBuf,
        /// The version that the program prints.
        found: String,
        /// The node's version.
        wanted: String,
    },
    /// A file at this path was not installed by this library, or was changed since.
    #[error("{} is not the file that was installed: it is left unchanged; remove it, or choose another directory", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The directory has no installation.
    #[error("no workers are installed in {}: it has no file {RECEIPT_FILE}", directory.display())]
    Nothing {
        /// The directory.
        directory: PathBuf,
    },
    /// The settings of the observation are wrong.
    #[error("the observation: {0}")]
    Observation(#[from] ObservationError),
    /// There is no primary engine that a shadow could stand beside.
    #[error("a shadow needs a primary engine: the directory of the node's own workers")]
    ShadowOfNothing,
    /// The receipt is damaged.
    #[error("{}: {reason}", path.display())]
    Receipt {
        /// The file.
        path: PathBuf,
        /// What is wrong with the receipt.
        reason: String,
    },
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> InstallError {
    let path = path.to_owned();
    move |source| InstallError::Io { path, source }
}

/// The version that a node expects of its workers. `polkadot --version` prints `NAME
/// VERSION-COMMIT`.
///
/// # Errors
/// The program cannot be started, or prints something else.
pub fn node_version(node: &Path) -> Result<String, InstallError> {
    let printed = printed_version(node)?;
    let mute = |reason| InstallError::Mute {
        program: node.to_owned(),
        reason,
    };
    let words: Vec<&str> = printed.split_whitespace().collect();
    let [_name, version] = words[..] else {
        return Err(mute(format!(
            "expected a name and a version, found {printed:?}"
        )));
    };
    let version = version
        .rsplit_once('-')
        .map_or(version, |(version, _commit)| version);
    match Version::parse(version) {
        Ok(_) => Ok(version.to_owned()),
        Err(error) => Err(mute(format!("{version:?} is not a version: {error}"))),
    }
}

/// Whether nodes of this version are known to use our protocol ([`NODE_RELEASES`]).
pub fn is_known(version: &str) -> bool {
    let (first, last) = NODE_RELEASES;
    let parsed = [first, version, last].map(Version::parse);
    matches!(parsed, [Ok(first), Ok(version), Ok(last)] if first <= version && version <= last)
}

/// The output of a program for `--version`.
fn printed_version(program: &Path) -> Result<String, InstallError> {
    let mute = |reason| InstallError::Mute {
        program: program.to_owned(),
        reason,
    };
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null());
    let output = loop {
        match command.output() {
            // A child process of another thread may still have the new file open for writing.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::yield_now();
            }
            output => break output.map_err(|error| mute(error.to_string()))?,
        }
    };
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match output.status.success() {
        true => Ok(text),
        false => {
            let error = String::from_utf8_lossy(&output.stderr);
            Err(mute(format!("{}: {:?}", output.status, error.trim())))
        }
    }
}

/// Checks that both programs of a directory print the version `wanted`.
fn check_versions(directory: &Path, wanted: &str) -> Result<(), InstallError> {
    for name in PROGRAMS {
        let program = directory.join(name);
        let found = printed_version(&program)?;
        if found != wanted {
            return Err(InstallError::Version {
                program,
                found,
                wanted: wanted.to_owned(),
            });
        }
    }
    Ok(())
}

/// The receipt of the installation in a directory; `None` if there is no installation.
///
/// # Errors
/// The receipt cannot be read or is damaged.
pub fn installed(directory: &Path) -> Result<Option<Receipt>, InstallError> {
    let path = directory.join(RECEIPT_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(InstallError::Io { path, source }),
    };
    let damaged = |reason| InstallError::Receipt {
        path: path.clone(),
        reason,
    };
    let receipt: Receipt =
        serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    // A manipulated receipt must not name files outside of the directory.
    let ours = |file: &InstalledFile| names().any(|name| name == file.name);
    match receipt.files.iter().all(ours) {
        true => Ok(Some(receipt)),
        false => Err(damaged(
            "it lists a file that is never installed".to_owned(),
        )),
    }
}

/// Names of all files of an installation except the receipt.
fn names() -> impl Iterator<Item = &'static str> {
    PROGRAMS
        .into_iter()
        .chain([VERSION_FILE, PRIMARY_FILE, VERIFY_FILE, OBSERVE_FILE])
}

/// Checks that all files of the receipt are unchanged and that both programs print its version.
///
/// # Errors
/// The directory has no installation, or a file was changed.
pub fn check(directory: &Path) -> Result<Receipt, InstallError> {
    let receipt = installed(directory)?.ok_or_else(|| InstallError::Nothing {
        directory: directory.to_owned(),
    })?;
    unchanged(directory, &receipt)?;
    check_versions(directory, &receipt.version)?;
    Ok(receipt)
}

/// Checks that all files of the receipt are as they were installed.
fn unchanged(directory: &Path, receipt: &Receipt) -> Result<(), InstallError> {
    for file in &receipt.files {
        let path = directory.join(&file.name);
        if hash(&path)? != file.blake2_256 {
            return Err(InstallError::Foreign { path });
        }
    }
    Ok(())
}

fn hash(path: &Path) -> Result<String, InstallError> {
    let bytes = fs::read(path).map_err(io_at(path))?;
    Ok(hex::encode(blake2_256(&bytes)))
}

/// Installs the workers. Nothing is changed if a check of the new files fails. If the new files
/// cannot be put into place, the previous installation is put back.
///
/// # Errors
/// [`InstallError`].
pub fn install(installation: &Installation) -> Result<Receipt, InstallError> {
    let Installation {
        from,
        into,
        version,
        primary,
        verification,
        observation,
    } = installation;
    if let Some(observation) = observation {
        observation.check()?;
        if observation.shadow.is_some() && primary.is_none() {
            return Err(InstallError::ShadowOfNothing);
        }
    }
    let before = installed(into)?;
    if let Some(before) = &before {
        unchanged(into, before)?;
    }
    let is_own = |name: &&str| {
        let mut own = before.iter().flat_map(receipt_names);
        own.any(|own| own == *name)
    };
    let mut foreign = names().filter(|name| !is_own(name)).map(|it| into.join(it));
    if let Some(path) = foreign.find(|path| path.symlink_metadata().is_ok()) {
        return Err(InstallError::Foreign { path });
    }
    fs::create_dir_all(into).map_err(io_at(into))?;
    let made = tempfile::Builder::new()
        .prefix(".polkadot-worker-")
        .tempdir_in(into)
        .map_err(io_at(into))?;
    let new = made.path();
    for name in PROGRAMS {
        let (source, target) = (from.join(name), new.join(name));
        fs::copy(&source, &target).map_err(io_at(&source))?;
        fs::set_permissions(&target, Permissions::from_mode(0o755)).map_err(io_at(&target))?;
    }
    write(&new.join(VERSION_FILE), version)?;
    if let Some(primary) = primary {
        let primary = primary.canonicalize().map_err(io_at(primary))?;
        check_versions(&primary, version)?;
        write(&new.join(PRIMARY_FILE), &primary.to_string_lossy())?;
    }
    if *verification != Verification::default() {
        write(&new.join(VERIFY_FILE), &verification.to_string())?;
    }
    if let Some(observation) = observation {
        let json = serde_json::to_string_pretty(observation).map_err(ObservationError::from)?;
        write(&new.join(OBSERVE_FILE), &json)?;
    }
    let mut receipt = Receipt {
        version: version.clone(),
        files: Vec::new(),
    };
    for name in names().filter(|name| new.join(name).exists()) {
        receipt.files.push(InstalledFile {
            name: name.to_owned(),
            blake2_256: hash(&new.join(name))?,
        });
    }
    let json = serde_json::to_string_pretty(&receipt).map_err(|error| InstallError::Receipt {
        path: new.join(RECEIPT_FILE),
        reason: error.to_string(),
    })?;
    write(&new.join(RECEIPT_FILE), &json)?;
    check(new)?;

    // The old files keep a second name until the new ones are in place, so that a failure at any
    // step leaves one whole installation.
    let kept = new.join(PREVIOUS);
    fs::create_dir(&kept).map_err(io_at(&kept))?;
    if let Some(before) = &before {
        link_files(before, into, &kept)?;
    }
    let placed = replace_files(before.as_ref(), &receipt, new, into).and_then(|()| check(into));
    if placed.is_err() {
        match &before {
            Some(before) => replace_files(Some(&receipt), before, &kept, into)?,
            None => remove_files(&receipt, into),
        }
        return placed;
    }
    let previous = into.join(PREVIOUS);
    if previous.exists() {
        fs::remove_dir_all(&previous).map_err(io_at(&previous))?;
    }
    if before.is_some() {
        fs::rename(&kept, &previous).map_err(io_at(&previous))?;
    }
    placed
}

/// Removes the installation in a directory and puts back the previous one. Returns the receipt of
/// the previous one, if there was one.
///
/// # Errors
/// The directory has no installation, or a file was changed; nothing is removed then.
pub fn uninstall(directory: &Path) -> Result<Option<Receipt>, InstallError> {
    let receipt = installed(directory)?.ok_or_else(|| InstallError::Nothing {
        directory: directory.to_owned(),
    })?;
    unchanged(directory, &receipt)?;
    let previous = directory.join(PREVIOUS);
    let before = installed(&previous)?;
    if let Some(before) = &before {
        unchanged(&previous, before)?;
    }
    match &before {
        Some(before) => {
            replace_files(Some(&receipt), before, &previous, directory)?;
            fs::remove_dir(&previous).map_err(io_at(&previous))?;
        }
        None => {
            for name in receipt_names(&receipt) {
                let path = directory.join(name);
                fs::remove_file(&path).map_err(io_at(&path))?;
            }
            // The directory stays if it holds other files.
            drop(fs::remove_dir(directory));
        }
    }
    Ok(before)
}

/// The names of a receipt's files, the receipt last: it is in place only when all others are.
fn receipt_names(receipt: &Receipt) -> impl Iterator<Item = &str> {
    let files = receipt.files.iter().map(|file| file.name.as_str());
    files.chain([RECEIPT_FILE])
}

/// Gives all files of a receipt a second name in another directory of the same file system, or a
/// copy where the file system has no hard links.
fn link_files(receipt: &Receipt, from: &Path, to: &Path) -> Result<(), InstallError> {
    for name in receipt_names(receipt) {
        let (from, to) = (from.join(name), to.join(name));
        fs::hard_link(&from, &to)
            .or_else(|_| fs::copy(&from, &to).map(drop))
            .map_err(io_at(&from))?;
    }
    Ok(())
}

/// Renames all files of `new` from one directory to another, over the files of `old`, and removes
/// the files that only `old` has.
fn replace_files(
    old: Option<&Receipt>,
    new: &Receipt,
    from: &Path,
    to: &Path,
) -> Result<(), InstallError> {
    for name in receipt_names(new) {
        fs::rename(from.join(name), to.join(name)).map_err(io_at(&from.join(name)))?;
    }
    for name in old.into_iter().flat_map(receipt_names) {
        if receipt_names(new).all(|kept| kept != name) {
            let path = to.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_at(&path)(error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Removes what is there of a receipt's files.
fn remove_files(receipt: &Receipt, from: &Path) {
    for name in receipt_names(receipt) {
        let _ = fs::remove_file(from.join(name));
    }
}

fn write(path: &Path, line: &str) -> Result<(), InstallError> {
    fs::write(path, format!("{line}\n")).map_err(io_at(path))
}
