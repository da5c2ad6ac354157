//! Where programs and files that are not part of `pvf` itself are: beside it, or in the checkout that it was built in.
//!
//! An installed `pvf` knows nothing of the checkout that it came from. Only one that still lies in a checkout's `target` folder uses
//! the checkout, and finds it by its own place.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the checkout whose `target` folder this program lies in.
pub fn checkout() -> Option<PathBuf> {
    checkout_of(&env::current_exe().ok()?.canonicalize().ok()?)
}

fn checkout_of(program: &Path) -> Option<PathBuf> {
    let targets = program
        .ancestors()
        .filter(|it| it.file_name().is_some_and(|name| name == "target"));
    let mut roots = targets.filter_map(Path::parent);
    roots
        .find(|root| root.join("crates/cli/Cargo.toml").is_file())
        .map(Path::to_owned)
}

/// The program of this name: the one that an environment variable names, else one beside this program, else the one that was built in
/// the checkout's folder `bench/`.
///
/// # Errors
/// A message, if the variable does not name a file.
pub fn find(name: &str, variable: &str) -> Result<Option<PathBuf>, String> {
    if let Some(named) = env::var_os(variable).map(PathBuf::from) {
        return match named.is_file() {
            true => Ok(Some(named)),
            false => Err(format!(
                "{variable} names {}, which is no file",
                named.display()
            )),
        };
    }
    let beside = env::current_exe().map(|it| it.with_file_name(name)).ok();
    let built = checkout().map(|root| root.join("bench/target/release").join(name));
    let mut places = beside.into_iter().chain(built);
    Ok(places.find(|it| it.is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_is_found_from_its_target_folder_alone() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        std::fs::create_dir_all(root.join("crates/cli")).unwrap();
        std::fs::write(root.join("crates/cli/Cargo.toml"), "").unwrap();
        let of = |program: &str| checkout_of(&root.join(program));
        assert_eq!(of("target/release/pvf").as_deref(), Some(root));
        assert_eq!(of("target/aarch64/release/deps/pvf").as_deref(), Some(root));
        // Installed into the checkout, or built elsewhere.
        assert_eq!(of("bin/pvf"), None);
        assert_eq!(of("other/target/release/pvf"), None);
    }
}
