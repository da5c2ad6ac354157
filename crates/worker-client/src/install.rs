//! Installs workers for a node: learns the node's version, puts the programs and a note of the version into a directory, checks what
//! it put there, and can undo it.
//!
//! A node refuses workers whose `--version` is not its own, and releases of a node come without crates that say so; so the node is asked.
//! Everything is made and checked in a directory of its own first, then takes its place name by name; what was there
//! before is kept until the next installation.

use blake2::digest::{Digest, consts::U32};
use pvf_node_protocol::{NODE_RELEASES, PRIMARY_FILE, VERSION_FILE};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names of the two programs.
pub const PROGRAMS: [&str; 2] = ["polkadot-prepare-worker", "polkadot-execute-worker"];

/// Name of the file that says what was installed.
pub const RECEIPT_FILE: &str = "polkadot-worker.installed";

/// Name of the directory with what was installed before.
const PREVIOUS: &str = "polkadot-worker.previous";

/// What to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Directory with the programs.
    pub from: PathBuf,
    /// Directory for the programs, which a node is given as `--workers-path`.
    pub into: PathBuf,
    /// The node's version, as [`node_version`] finds it.
    pub version: String,
    /// Directory of the node's own workers, if these are to be asked first.
    pub primary: Option<PathBuf>,
}

/// What is installed in a directory, as its file [`RECEIPT_FILE`] says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The node's version.
    pub version: String,
    /// The files beside this one, with the BLAKE2b-256 hash of each in hexadecimal.
    pub files: Vec<InstalledFile>,
}

/// A file that was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledFile {
    /// Its name in the directory.
    pub name: String,
    /// BLAKE2b-256 of its bytes, in hexadecimal.
    pub blake2_256: String,
}

/// Why nothing was installed, removed or found.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The system refused something.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A program does not say its version.
    #[error("{} --version: {reason}", program.display())]
    Mute {
        /// The program.
        program: PathBuf,
        /// What it did instead.
        reason: String,
    },
    /// A program is for another version.
    #[error("{} is for version {found}, the node is {wanted}", program.display())]
    Version {
        /// The program.
        program: PathBuf,
        /// The version that it says.
        found: String,
        /// The node's.
        wanted: String,
    },
    /// There is something that is not ours.
    #[error("{} is not what was installed there: it stays as it is, choose another directory or remove it", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Nothing was installed there.
    #[error("nothing was installed in {}: it has no file {RECEIPT_FILE}", directory.display())]
    Nothing {
        /// The directory.
        directory: PathBuf,
    },
    /// The receipt is damaged.
    #[error("{}: {reason}", path.display())]
    Receipt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> InstallError {
    let path = path.to_owned();
    move |source| InstallError::Io { path, source }
}

/// Asks a node for its version, as its workers have to say it: `polkadot --version` prints a name, then the version and the commit
/// with a hyphen between.
///
/// # Errors
/// The program cannot be started, or says something else.
pub fn node_version(node: &Path) -> Result<String, InstallError> {
    let said = version_said(node)?;
    let mute = |reason| InstallError::Mute {
        program: node.to_owned(),
        reason,
    };
    let words: Vec<&str> = said.split_whitespace().collect();
    let [_name, version] = words[..] else {
        return Err(mute(format!(
            "a name and a version were expected, not {said:?}"
        )));
    };
    let version = version
        .rsplit_once('-')
        .map_or(version, |(version, _commit)| version);
    match Version::parse(version) {
        Ok(_) => Ok(version.to_owned()),
        Err(error) => Err(mute(format!("{version:?} is no version: {error}"))),
    }
}

/// Whether the protocol of a node of this version is known to be ours ([`NODE_RELEASES`]).
pub fn is_known(version: &str) -> bool {
    let (first, last) = NODE_RELEASES;
    let parsed = [first, version, last].map(Version::parse);
    matches!(parsed, [Ok(first), Ok(version), Ok(last)] if first <= version && version <= last)
}

/// What a program prints for `--version`.
fn version_said(program: &Path) -> Result<String, InstallError> {
    let mute = |reason| InstallError::Mute {
        program: program.to_owned(),
        reason,
    };
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null());
    let output = loop {
        match command.output() {
            // Another thread's child has the file that was just written still open, for a moment.
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

/// That both programs of a directory say a version.
fn check_versions(directory: &Path, wanted: &str) -> Result<(), InstallError> {
    for name in PROGRAMS {
        let program = directory.join(name);
        let found = version_said(&program)?;
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

/// What is installed in a directory; `None` if nothing is.
///
/// # Errors
/// The receipt cannot be read, or is none.
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
    // Nobody is led out of the directory.
    let ours = |file: &InstalledFile| names().any(|name| name == file.name);
    match receipt.files.iter().all(ours) {
        true => Ok(Some(receipt)),
        false => Err(damaged(
            "it names files that are never installed".to_owned(),
        )),
    }
}

/// All names that an installation may have beside its receipt.
fn names() -> impl Iterator<Item = &'static str> {
    PROGRAMS.into_iter().chain([VERSION_FILE, PRIMARY_FILE])
}

/// That what the receipt names is there, unchanged, and both programs say its version.
///
/// # Errors
/// Nothing is installed there, or what is there is not that.
pub fn check(directory: &Path) -> Result<Receipt, InstallError> {
    let receipt = installed(directory)?.ok_or_else(|| InstallError::Nothing {
        directory: directory.to_owned(),
    })?;
    unchanged(directory, &receipt)?;
    check_versions(directory, &receipt.version)?;
    Ok(receipt)
}

/// That what the receipt names is there as it was installed.
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
    Ok(hex::encode(blake2::Blake2b::<U32>::digest(bytes)))
}

/// Installs. If anything fails, the directory is as it was.
///
/// # Errors
/// [`InstallError`].
pub fn install(installation: &Installation) -> Result<Receipt, InstallError> {
    let Installation {
        from,
        into,
        version,
        primary,
    } = installation;
    let before = match installed(into)? {
        Some(receipt) => {
            unchanged(into, &receipt)?;
            Some(receipt)
        }
        None => {
            let foreign = names().map(|name| into.join(name)).find(|it| it.exists());
            if let Some(path) = foreign {
                return Err(InstallError::Foreign { path });
            }
            None
        }
    };
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

    let previous = into.join(PREVIOUS);
    if previous.exists() {
        fs::remove_dir_all(&previous).map_err(io_at(&previous))?;
    }
    if let Some(before) = &before {
        fs::create_dir(&previous).map_err(io_at(&previous))?;
        move_files(before, into, &previous)?;
    }
    let placed = move_files(&receipt, new, into).and_then(|()| check(into));
    if placed.is_err() {
        for name in receipt_names(&receipt) {
            let _ = fs::remove_file(into.join(name));
        }
        if let Some(before) = &before {
            move_files(before, &previous, into)?;
            let _ = fs::remove_dir(&previous);
        }
    }
    placed
}

/// Removes what was installed in a directory, and puts back what was installed there before; its receipt, if there was any.
///
/// # Errors
/// Nothing is installed there, or it was changed since; then everything stays.
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
    for name in receipt_names(&receipt) {
        let path = directory.join(name);
        fs::remove_file(&path).map_err(io_at(&path))?;
    }
    match &before {
        Some(before) => {
            move_files(before, &previous, directory)?;
            fs::remove_dir(&previous).map_err(io_at(&previous))?;
        }
        // Somebody else's files may keep it.
        None => drop(fs::remove_dir(directory)),
    }
    Ok(before)
}

/// The files of a receipt, itself the last: it is there when all others are.
fn receipt_names(receipt: &Receipt) -> impl Iterator<Item = &str> {
    let files = receipt.files.iter().map(|file| file.name.as_str());
    files.chain([RECEIPT_FILE])
}

/// Within a file system.
fn move_files(receipt: &Receipt, from: &Path, to: &Path) -> Result<(), InstallError> {
    for name in receipt_names(receipt) {
        fs::rename(from.join(name), to.join(name)).map_err(io_at(&from.join(name)))?;
    }
    Ok(())
}

fn write(path: &Path, line: &str) -> Result<(), InstallError> {
    fs::write(path, format!("{line}\n")).map_err(io_at(path))
}
