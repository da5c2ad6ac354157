//! Programs of the repository's other workspaces that commands here hand over to: nobody has to build them who does not use them.

use std::env;
use std::path::{Path, PathBuf};

/// The program of this name: the one an environment variable names, else one beside this program, else where the checkout's
/// folder `bench/` leaves it.
///
/// # Errors
/// The variable names what is no file, in words.
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
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../bench/target/release")
        .join(name);
    let beside = env::current_exe().map(|it| it.with_file_name(name));
    let mut places = beside.into_iter().chain([checkout]);
    Ok(places.find(|it| it.is_file()))
}
