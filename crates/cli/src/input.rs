//! Reads the files named on the command line.

use crate::failure::Failure;
use crate::kind::{self, Kind};
use clap::Args;
use pvf_executor::DecompressError;
use pvf_validation::candidate::{self, Candidate, Exported};
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
    /// Pass PARAMS on whatever they are. Without, a file that decodes neither as ValidationParams, be they cut short, nor as a
    /// collator's export is wrong usage: a node never passes on anything else.
    #[arg(long)]
    pub any_candidate: bool,
}

/// A candidate that was read from a file.
#[derive(Clone, Debug)]
pub struct CandidateFile {
    /// What the PVF takes: SCALE-encoded `ValidationParams`, unless the user insists on other bytes.
    pub params: Vec<u8>,
    /// What a collator's export says beyond them.
    pub exported: Option<Exported>,
}

/// Reads the parameters of a candidate: as they are in the file, decompressed, or made from a collator's export.
pub fn read_candidate(path: &Path, args: &CandidateArgs) -> Result<Vec<u8>, Failure> {
    read_candidate_file(path, args).map(|file| file.params)
}

/// Reads a candidate.
pub fn read_candidate_file(path: &Path, args: &CandidateArgs) -> Result<CandidateFile, Failure> {
    let bytes = read(path)?;
    let refused = |reason: String| Failure::Input {
        name: name(path),
        reason,
    };
    if !args.any_candidate {
        if let Some(reason) = kind::not_a_candidate(&bytes) {
            return Err(refused(reason));
        }
        if Kind::of(&bytes) == Kind::Pov {
            return match Candidate::from_file(&bytes) {
                Ok(Candidate { params, exported }) => Ok(CandidateFile {
                    params: params.into_owned(),
                    exported,
                }),
                Err(error) if error.is_failure() => Err(Failure::Host(error.to_string())),
                Err(error) => Err(refused(error.to_string())),
            };
        }
    }
    let params = match candidate::read(&bytes) {
        Ok(Cow::Owned(candidate)) => candidate,
        Ok(Cow::Borrowed(_)) => bytes,
        Err(error @ DecompressError::OutOfMemory) => return Err(Failure::Host(error.to_string())),
        Err(error) => return Err(refused(error.to_string())),
    };
    Ok(CandidateFile {
        params,
        exported: None,
    })
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
