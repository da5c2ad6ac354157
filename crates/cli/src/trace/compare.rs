//! The first difference between two traces.

use super::record::{Call, Filter, Piece};
use crate::failure::Failure;
use crate::input;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The longest line of a trace: a call with some byte strings of the largest candidate.
const MAX_LINE: u64 = 512 << 20;

/// Where two traces part.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// What differs, in words.
    pub what: String,
    /// The call of the first trace; none if that has ended.
    pub here: Option<Call>,
    /// The call of the second.
    pub there: Option<Call>,
}

/// The next call of a trace.
#[derive(Clone, Copy)]
pub struct Side<'a>(Option<&'a Call>);

impl<'a> Side<'a> {
    /// A call, or the end.
    pub fn of(call: Option<&'a Call>) -> Self {
        Self(call)
    }
}

/// How two calls differ, if they do. Numbers of calls do not count, since filters may differ.
pub fn difference(here: Side<'_>, there: Side<'_>, ignore_pointers: bool) -> Option<Difference> {
    let what = match (here.0, there.0) {
        (None, None) => return None,
        (Some(_), None) => "the second trace has ended".to_owned(),
        (None, Some(_)) => "the first trace has ended".to_owned(),
        (Some(here), Some(there)) => between(here, there, ignore_pointers)?,
    };
    Some(Difference {
        what,
        here: here.0.cloned(),
        there: there.0.cloned(),
    })
}

fn between(here: &Call, there: &Call, ignore_pointers: bool) -> Option<String> {
    if here.function != there.function {
        return Some("another function is called".to_owned());
    }
    if !ignore_pointers && here.arguments != there.arguments {
        let pairs = here.arguments.iter().zip(&there.arguments);
        let at = pairs.take_while(|(one, other)| one == other).count();
        return Some(format!("argument {at} differs"));
    }
    let kinds = [
        ("read from", &here.read, &there.read),
        ("written to", &here.written, &there.written),
    ];
    for (kind, one, other) in kinds {
        if one.len() != other.len() {
            let (one, other) = (one.len(), other.len());
            return Some(format!("{one} byte strings are {kind} memory, not {other}"));
        }
        if let Some(at) = one.iter().zip(other).position(differ) {
            return Some(format!("byte string {at} that is {kind} memory differs"));
        }
    }
    if here.error.is_some() != there.error.is_some() {
        return Some("one of the calls fails".to_owned());
    }
    let results = ignore_pointers || here.result == there.result;
    (!results).then(|| "the result differs".to_owned())
}

fn differ((one, other): (&Piece, &Piece)) -> bool {
    !one.same(other)
}

/// Reads a trace, call by call.
pub struct Reader {
    path: PathBuf,
    lines: Box<dyn BufRead + Send>,
    line: u64,
    filter: Filter,
}

impl Reader {
    /// Opens a file, or the standard input for `-`.
    pub fn open(path: &Path, filter: Filter) -> Result<Self, Failure> {
        let lines: Box<dyn BufRead + Send> = if path.as_os_str() == input::STDIN {
            Box::new(BufReader::new(io::stdin()))
        } else {
            let file = File::open(path).map_err(|error| Failure::Input {
                name: input::name(path),
                reason: format!("cannot read: {error}"),
            })?;
            Box::new(BufReader::new(file))
        };
        Ok(Self {
            path: path.to_owned(),
            lines,
            line: 0,
            filter,
        })
    }

    /// The next call that the filter lets through; none at the end.
    pub fn next(&mut self) -> Result<Option<Call>, Failure> {
        loop {
            let mut line = Vec::new();
            let read = self.lines.by_ref().take(MAX_LINE + 1);
            let mut read = read;
            let bytes = read
                .read_until(b'\n', &mut line)
                .map_err(|error| self.wrong(format!("cannot read: {error}")))?;
            if bytes == 0 {
                return Ok(None);
            }
            self.line += 1;
            if bytes as u64 > MAX_LINE {
                return Err(self.wrong(format!("line {} is too long", self.line)));
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let call: Call = serde_json::from_slice(&line).map_err(|error| {
                self.wrong(format!("line {} is no call of a trace: {error}", self.line))
            })?;
            if self.filter.lets_through(&call.function) {
                return Ok(Some(call));
            }
        }
    }

    fn wrong(&self, reason: String) -> Failure {
        Failure::Input {
            name: input::name(&self.path),
            reason,
        }
    }
}
