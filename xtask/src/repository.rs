//! What there is in the repository: its files, and by cargo its workspaces, packages and dependencies.

use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root.
pub fn root() -> &'static Path {
    // This program is only ever run by cargo, in the checkout that it was built in.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in a folder of the repository")
}

/// Why the repository cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A program cannot be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {message}")]
    Failed {
        /// The program.
        program: &'static str,
        /// What it printed to its standard error.
        message: String,
    },
    /// What cargo printed is not what it documents.
    #[error("cargo metadata: {0}")]
    Metadata(#[from] serde_json::Error),
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// A package, as far as the checks look at it.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its manifest.
    pub manifest_path: PathBuf,
    /// SPDX expression.
    pub license: Option<String>,
    /// Who wrote it.
    #[serde(default)]
    pub authors: Vec<String>,
    /// In one sentence.
    pub description: Option<String>,
    /// Where its source is.
    pub repository: Option<String>,
    /// Its README.
    pub readme: Option<PathBuf>,
    /// For the registry's search.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// The registry's categories.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Registries that it may be published to; none: all.
    pub publish: Option<Vec<String>>,
    /// Tables of other tools.
    #[serde(default)]
    pub metadata: serde_json::Value,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
    /// What is built from it.
    #[serde(default)]
    pub targets: Vec<Target>,
}

/// What is built from a package.
#[derive(Clone, Debug, Deserialize)]
pub struct Target {
    /// Such as `lib`.
    pub kind: Vec<String>,
    /// Its name.
    pub name: String,
}

/// A dependency.
#[derive(Clone, Debug, Deserialize)]
pub struct Dependency {
    /// Name of the package.
    pub name: String,
    /// `dev`, `build`, or none.
    pub kind: Option<String>,
    /// The versions that will do.
    pub req: String,
    /// Its folder, if it is a path dependency.
    pub path: Option<PathBuf>,
}

impl Package {
    /// Its folder, from the repository's root.
    pub fn folder(&self) -> String {
        let folder = self.manifest_path.parent().unwrap_or(root());
        relative(folder)
    }

    /// Whether it may be published.
    pub fn is_published(&self) -> bool {
        self.publish.as_ref().is_none_or(|it| !it.is_empty())
    }
}

/// A path from the repository's root.
pub fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// Folders that hold what was built or installed.
const NOT_SOURCE: [&str; 3] = [".git", "node_modules", "target"];

/// The paths of all source files, from the repository's root. Not by git, which a machine that only builds need not have.
///
/// # Errors
/// [`ReadError`].
pub fn files() -> Result<Vec<String>, ReadError> {
    let mut files = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |source| ReadError::File {
            path: folder.clone(),
            source,
        };
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_file() {
                files.push(relative(&entry.path()));
            } else if kind.is_dir() && !NOT_SOURCE.iter().any(|it| entry.file_name() == *it) {
                folders.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The root manifests of all workspaces.
///
/// # Errors
/// [`ReadError`].
pub fn workspaces() -> Result<Vec<String>, ReadError> {
    let mut workspaces = files()?;
    workspaces.retain(|file| {
        Path::new(file)
            .file_name()
            .is_some_and(|name| name == "Cargo.toml")
    });
    let mut error = None;
    workspaces.retain(|manifest| {
        let path = root().join(manifest);
        match std::fs::read_to_string(&path) {
            Ok(text) => text.lines().any(|line| line == "[workspace]"),
            Err(source) => {
                error = Some(ReadError::File { path, source });
                false
            }
        }
    });
    error.map_or(Ok(workspaces), Err)
}

/// The packages of a workspace.
///
/// # Errors
/// [`ReadError`].
pub fn members(manifest: &str) -> Result<Vec<Package>, ReadError> {
    metadata(&["--manifest-path", manifest, "--no-deps"])
}

/// The packages of all workspaces.
///
/// # Errors
/// [`ReadError`].
pub fn all_members() -> Result<Vec<Package>, ReadError> {
    let mut packages = Vec::new();
    for workspace in workspaces()? {
        packages.extend(members(&workspace)?);
    }
    Ok(packages)
}

/// The packages of a workspace and all that they depend on, by its lock file.
///
/// # Errors
/// [`ReadError`].
pub fn with_dependencies(manifest: &str) -> Result<Vec<Package>, ReadError> {
    metadata(&["--manifest-path", manifest, "--locked"])
}

fn metadata(arguments: &[&str]) -> Result<Vec<Package>, ReadError> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    let json = output(
        "cargo",
        cargo
            .args(["metadata", "--format-version", "1"])
            .args(arguments),
    )?;
    Ok(serde_json::from_str::<Metadata>(&json)?.packages)
}

/// What a program prints. It runs in the repository's root.
///
/// # Errors
/// [`ReadError`].
pub fn output(program: &'static str, command: &mut Command) -> Result<String, ReadError> {
    let output = command
        .current_dir(root())
        .output()
        .map_err(|source| ReadError::Start { program, source })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(ReadError::Failed { program, message });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
