//! Reads the files named on the command line.

use crate::failure::Failure;
use crate::kind;
use clap::Args;
use pvf_executor::DecompressError;
use pvf_validation::candidate;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The largest other file that is read: chain specifications hold the code in hexadecimal.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// What stands for the standard input.
pub const STDIN: &str = "-";

/// How a file is named in messages.
pub fn name(path: &Path) -> String {
    if path.as_os_str() == STDIN {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Refuses to read the standard input twice.
pub fn at_most_one_stdin(paths: &[&Path]) -> Result<(), Failure> {
    let stdins = paths.iter().filter(|path| path.as_os_str() == STDIN);
    if stdins.count() > 1 {
        let message = "only one input can be the standard input";
        return Err(Failure::Usage(message.to_owned()));
    }
    Ok(())
}

/// Reads a file, or the standard input for `-`.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = if path.as_os_str() == STDIN {
        read_bounded(io::stdin().lock(), MAX_FILE_BYTES)
    } else {
        File::open(path).and_then(|file| read_bounded(file, MAX_FILE_BYTES))
    };
    bytes.map_err(|error| unreadable(path, &error))
}

/// A candidate on the command line.
#[derive(Debug, Args)]
pub struct CandidateArgs {
    /// Pass PARAMS on whatever they are. Without, a file that does not decode as ValidationParams, be they cut short, is wrong usage: a
    /// node never passes on anything else.
    #[arg(long)]
    pub any_candidate: bool,
}

/// Reads a candidate, decompressed if it is compressed with zstd.
pub fn read_candidate(path: &Path, args: &CandidateArgs) -> Result<Vec<u8>, Failure> {
    let bytes = read(path)?;
    if !args.any_candidate
        && let Some(reason) = kind::not_a_candidate(&bytes)
    {
        return Err(Failure::Input {
            name: name(path),
            reason,
        });
    }
    match candidate::read(&bytes) {
        Ok(Cow::Owned(candidate)) => Ok(candidate),
        Ok(Cow::Borrowed(_)) => Ok(bytes),
        Err(error @ DecompressError::OutOfMemory) => Err(Failure::Host(error.to_string())),
        Err(error) => Err(Failure::Input {
            name: name(path),
            reason: error.to_string(),
        }),
    }
}

fn read_bounded(input: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::Input {
        name: name(path),
        reason: format!("cannot read: {error}"),
    }
}
