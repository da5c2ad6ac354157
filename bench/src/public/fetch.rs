//! Gets the `.wasm` files of packages, with the clients of their registries (`cargo`, `npm`, `pip`), each file once.
//!
//! Files are kept by digest, so a file that was fetched is never another one than the list says. Nothing of a package is
//! executed: its archive is unpacked and the file is copied.

use crate::public::list::{Package, Program, Registry};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder of fetched files.
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The files in a folder, which is made when the first file is fetched.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The file of a program; its package is fetched if the file is not there.
    pub fn wasm(&self, package: &Package, program: &Program) -> Result<Vec<u8>, String> {
        let path = self
            .folder
            .join(format!("{}.wasm", program.sha256.to_lowercase()));
        if !path.is_file() {
            eprintln!("public: fetching {} ...", package.source());
            self.fetch(package)?;
        }
        let wasm = std::fs::read(&path).map_err(|_| {
            format!(
                "{}: the file {} of {} is not there, or its digest is not {}",
                program.name,
                program.file,
                package.source(),
                program.sha256
            )
        })?;
        match digest(&wasm) == program.sha256.to_lowercase() {
            true => Ok(wasm),
            false => Err(format!("{}: the file has changed", path.display())),
        }
    }

    /// Fetches a package and keeps the files of its programs.
    fn fetch(&self, package: &Package) -> Result<(), String> {
        std::fs::create_dir_all(&self.folder).map_err(|error| at(&self.folder, &error))?;
        let work = self.folder.join(format!("unpacked-{}", std::process::id()));
        let fetched = std::fs::create_dir_all(&work)
            .map_err(|error| at(&work, &error))
            .and_then(|()| unpack(package, &work))
            .and_then(|unpacked| self.keep(package, &unpacked));
        // What is left behind by a failure here is seen by the next creation of the folder.
        std::fs::remove_dir_all(&work).ok();
        fetched.map_err(|error| format!("{}: {error}", package.source()))
    }

    fn keep(&self, package: &Package, unpacked: &Path) -> Result<(), String> {
        for program in &package.programs {
            let path = unpacked.join(&program.file);
            let wasm = std::fs::read(&path).map_err(|error| at(&path, &error))?;
            let file = self.folder.join(format!("{}.wasm", digest(&wasm)));
            std::fs::write(&file, wasm).map_err(|error| at(&file, &error))?;
        }
        Ok(())
    }
}

/// The SHA-256 digest in hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn at(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

/// Fetches a package. Returns the folder that holds its files.
fn unpack(package: &Package, work: &Path) -> Result<PathBuf, String> {
    let Package { name, version, .. } = package;
    match package.registry {
        Registry::Npm => {
            let spec = format!("{name}@{version}");
            run(work, "npm", &["pack", "--silent", &spec])?;
            run(work, "tar", &["-xzf", &only_file(work)?])?;
            Ok(work.to_owned())
        }
        Registry::PyPi => {
            let spec = format!("{name}=={version}");
            let arguments = [
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
                &spec,
            ];
            run(work, "pip", &arguments)?;
            run(
                work,
                "python3",
                &["-m", "zipfile", "-e", &only_file(work)?, "."],
            )?;
            Ok(work.to_owned())
        }
        // `cargo info` is the command that fetches and unpacks one crate without its dependencies.
        Registry::Crates => {
            let spec = format!("{name}@{version}");
            run(
                work,
                "cargo",
                &["info", "--quiet", "--registry", "crates-io", &spec],
            )?;
            unpacked_crate(&format!("{name}-{version}"))
        }
    }
}

/// Runs a program in a folder. Its output is shown only if it fails.
fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null());
    let output = command
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{program} {}: {}\n{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// The name of the only file in a folder.
fn only_file(folder: &Path) -> Result<String, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| at(folder, &error))?;
    let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    match &names[..] {
        [name] => Ok(name.to_string_lossy().into_owned()),
        _ => Err(format!("{} files were fetched, not one", names.len())),
    }
}

/// The folder into which Cargo unpacked a crate.
fn unpacked_crate(name: &str) -> Result<PathBuf, String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let sources = home
        .ok_or("neither CARGO_HOME nor HOME is set")?
        .join("registry/src");
    let registries = std::fs::read_dir(&sources).map_err(|error| at(&sources, &error))?;
    let mut folders = registries.flatten().map(|entry| entry.path().join(name));
    let found = folders.find(|folder| folder.is_dir());
    found.ok_or_else(|| format!("Cargo did not unpack {name} in {}", sources.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn package(sha256: String) -> Package {
        Package {
            registry: Registry::Npm,
            name: "none".to_owned(),
            version: "0.0.0".to_owned(),
            licence: "MIT".to_owned(),
            programs: vec![Program {
                name: "p".to_owned(),
                work: String::new(),
                file: "p.wasm".to_owned(),
                sha256,
                globals: BTreeMap::new(),
                imports: BTreeMap::new(),
                arguments: Vec::new(),
                setup: String::new(),
                run: String::new(),
            }],
        }
    }

    #[test]
    fn a_kept_file_is_taken_only_with_its_digest() {
        let folder = std::env::temp_dir().join(format!("pvf-public-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let cache = Cache::new(folder.clone());
        let package = package(digest(b"right"));
        let file = folder.join(format!("{}.wasm", digest(b"right")));
        std::fs::write(&file, b"right").unwrap();
        assert_eq!(
            cache.wasm(&package, &package.programs[0]).unwrap(),
            b"right"
        );
        std::fs::write(&file, b"wrong").unwrap();
        let error = cache.wasm(&package, &package.programs[0]).unwrap_err();
        assert!(error.contains("has changed"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn digests_are_those_of_the_standard() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(b"abc"), expected);
    }
}
