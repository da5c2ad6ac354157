//! The list of programs, a TOML file (`bench/public/programs.toml`).

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The list of this repository.
pub const LIST: &str = include_str!("../../public/programs.toml");

/// Packages with their programs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The packages.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
}

/// A package of a registry.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Where it is published.
    pub registry: Registry,
    /// Its name there.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence, as the package states it.
    pub licence: String,
    /// Its programs.
    #[serde(rename = "program")]
    pub programs: Vec<Program>,
}

/// A registry of packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registry {
    /// Rust's.
    Crates,
    /// JavaScript's.
    Npm,
    /// Python's.
    PyPi,
}

/// A program: a `.wasm` file and what is done with it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The name in tables.
    pub name: String,
    /// The kind of work.
    pub work: String,
    /// The file in the package.
    pub file: String,
    /// The SHA-256 digest of the file, in hexadecimal digits.
    pub sha256: String,
    /// The initial values of imported globals, if they are not zero.
    #[serde(default)]
    pub globals: BTreeMap<String, i64>,
    /// Stubs of imported functions (`module.name`), if their names do not tell.
    #[serde(default)]
    pub imports: BTreeMap<String, String>,
    /// The command line of a WASI program.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// What is done before the clock runs.
    #[serde(default)]
    pub setup: String,
    /// What is measured.
    pub run: String,
}

impl Registry {
    /// The name of the registry.
    pub fn text(self) -> &'static str {
        match self {
            Self::Crates => "crates.io",
            Self::Npm => "npm",
            Self::PyPi => "PyPI",
        }
    }
}

impl Package {
    /// The package with its registry and version.
    pub fn source(&self) -> String {
        format!("{} {} {}", self.registry.text(), self.name, self.version)
    }
}

impl List {
    /// Reads a list. Names of programs must be unique, and digests must be digests, because they become file names.
    pub fn parse(text: &str) -> Result<Self, String> {
        let list: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut names = BTreeSet::new();
        for program in list.packages.iter().flat_map(|it| &it.programs) {
            if !names.insert(&program.name) {
                return Err(format!("two programs have the name {}", program.name));
            }
            let digits = program.sha256.bytes();
            if program.sha256.len() != 64 || !digits.into_iter().all(|it| it.is_ascii_hexdigit()) {
                return Err(format!(
                    "{}: `sha256` is not 64 hexadecimal digits",
                    program.name
                ));
            }
        }
        Ok(list)
    }

    /// Reads a list from a file.
    pub fn read(file: &Path) -> Result<Self, String> {
        let describe = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| describe(&error))?;
        Self::parse(&text).map_err(|error| describe(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::public::script;

    #[test]
    fn the_list_of_this_repository_is_well_formed() {
        let list = List::parse(LIST).unwrap();
        let programs: Vec<_> = list.packages.iter().flat_map(|it| &it.programs).collect();
        assert!(programs.len() >= 40, "{} programs", programs.len());
        for program in programs {
            script::parse(&program.setup).unwrap();
            assert!(!script::parse(&program.run).unwrap().is_empty());
        }
        assert!(list.packages.iter().all(|it| !it.licence.is_empty()));
        for registry in [Registry::Crates, Registry::Npm, Registry::PyPi] {
            assert!(list.packages.iter().any(|it| it.registry == registry));
        }
    }

    #[test]
    fn names_are_unique_and_digests_are_digests() {
        let package = "[[package]]\nregistry = 'npm'\nname = 'x'\nversion = '1'\nlicence = 'MIT'\n";
        let program = |name: &str, digest: &str| {
            format!(
                "[[package.program]]\nname = '{name}'\nwork = 'w'\nfile = 'f'\nsha256 = '{digest}'\nrun = 'f()'\n"
            )
        };
        let good = "0".repeat(64);
        let parse = |programs: &[String]| List::parse(&format!("{package}{}", programs.concat()));
        parse(&[program("a", &good), program("b", &good)]).unwrap();
        let twice = parse(&[program("a", &good), program("a", &good)]).unwrap_err();
        assert!(twice.contains("two programs"), "{twice}");
        let path = parse(&[program("a", "../../x")]).unwrap_err();
        assert!(path.contains("64 hexadecimal"), "{path}");
    }
}
