//! The licences of all dependencies, by the lists in `deny.toml`: what `cargo deny check licenses` checks, without building
//! cargo-deny. Expressions are evaluated, texts of licences are not compared.

use crate::repository::{self, Package, ReadError, root};
use crate::tasks::Problems;
use serde::Deserialize;
use spdx::{Expression, LicenseReq, Licensee, ParseMode};
use std::collections::HashSet;

/// The workspaces whose programs are used or measured. Those of `integration` are under another licence.
const WORKSPACES: [&str; 2] = ["Cargo.toml", "bench/Cargo.toml"];

#[derive(Deserialize)]
struct Deny {
    licenses: Lists,
}

/// The part of `deny.toml` that is read here.
#[derive(Deserialize)]
struct Lists {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

/// More licences for one crate.
#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

impl Lists {
    /// Whether a licence is accepted for a crate.
    fn accept(&self, name: &str, licence: &LicenseReq) -> bool {
        let more = self.exceptions.iter().filter(|it| it.name == name);
        let mut names = self.allow.iter().chain(more.flat_map(|it| &it.allow));
        names.any(|name| Licensee::parse(name).is_ok_and(|it| it.satisfies(licence)))
    }

    /// Why a package is not accepted.
    fn problem(&self, package: &Package) -> Option<String> {
        let Package { name, version, .. } = package;
        let Some(licence) = &package.license else {
            return Some(format!("{name} {version} names no licence"));
        };
        // Older crates write `/` for `OR`.
        match Expression::parse_mode(licence, ParseMode::LAX) {
            Err(error) => Some(format!("{name} {version}: {}", error.reason)),
            Ok(expression) if expression.evaluate(|req| self.accept(name, req)) => None,
            Ok(_) => Some(format!(
                "{name} {version} is under {licence}, which deny.toml does not allow"
            )),
        }
    }
}

fn lists() -> Result<Lists, Problems> {
    let path = root().join("deny.toml");
    let text = std::fs::read_to_string(&path).map_err(|source| ReadError::File { path, source })?;
    let deny: Deny =
        toml::from_str(&text).map_err(|error| Problems(vec![format!("deny.toml: {error}")]))?;
    for name in &deny.licenses.allow {
        if let Err(error) = Licensee::parse(name) {
            return Err(Problems(vec![format!(
                "deny.toml: {name}: {}",
                error.reason
            )]));
        }
    }
    Ok(deny.licenses)
}

/// `cargo xtask licences`.
pub fn task(_: &[String]) -> Result<(), Problems> {
    let lists = lists()?;
    let mut seen = HashSet::new();
    let mut problems = Vec::new();
    for workspace in WORKSPACES {
        for package in repository::with_dependencies(workspace)? {
            if seen.insert((package.name.clone(), package.version.clone())) {
                problems.extend(lists.problem(&package));
            }
        }
    }
    Problems::of(problems)?;
    println!("{} packages, every licence is in deny.toml", seen.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_read_as_expressions() {
        let lists = lists().unwrap();
        let mut package = repository::members("Cargo.toml").unwrap().remove(0);
        let mut accepted = |name: &str, licence: Option<&str>| {
            package.name = name.to_owned();
            package.license = licence.map(str::to_owned);
            lists.problem(&package).is_none()
        };
        assert!(accepted("some", Some("MIT")));
        assert!(accepted("some", Some("MIT/Apache-2.0")));
        assert!(accepted("some", Some("GPL-3.0 OR Apache-2.0")));
        assert!(accepted(
            "some",
            Some("(MIT OR Apache-2.0) AND Unicode-3.0")
        ));
        assert!(accepted("some", Some("Apache-2.0 WITH LLVM-exception")));
        assert!(!accepted("some", Some("GPL-3.0-only")));
        assert!(!accepted("some", Some("MIT AND GPL-3.0-only")));
        assert!(!accepted("some", Some("not a licence")));
        assert!(!accepted("some", None));
        assert!(!accepted("some", Some("MPL-2.0")));
        assert!(accepted("cbindgen", Some("MPL-2.0")));
    }
}
