//! The line that is printed for an execution.

use blake2::digest::{Digest as _, consts::U16};
use std::fmt;
use std::io::{self, Write};

/// A key, a summary for people, and a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which execution: `SOURCE/...`, the same on every machine.
    pub key: String,
    /// A short description of the outcome.
    pub summary: String,
    /// Digest of everything that must be equal on all machines.
    pub digest: String,
}

impl Line {
    /// Reads a line.
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut next = || fields.next().map(str::to_owned);
        let parsed = Self {
            key: next()?,
            summary: next()?,
            digest: next()?,
        };
        fields.next().is_none().then_some(parsed)
    }

    /// Prints the line and flushes: the process at the other end of a pipe may be waiting.
    pub fn print(&self, out: &mut dyn Write) -> Result<(), String> {
        writeln!(out, "{self}").map_err(|error: io::Error| error.to_string())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}", self.key, self.summary, self.digest)
    }
}

/// The digest in the making. Values are added as text.
#[derive(Default)]
pub struct Digest(blake2::Blake2b<U16>);

impl Digest {
    /// Adds a field.
    pub fn add(&mut self, field: &dyn fmt::Debug) {
        self.add_bytes(format!("{field:?}").as_bytes());
    }

    /// Adds bytes.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// The digest.
    pub fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_printed() {
        let line = Line {
            key: "a/b".to_owned(),
            summary: "two words".to_owned(),
            digest: "00ff".to_owned(),
        };
        assert_eq!(Line::parse(&line.to_string()), Some(line));
        assert_eq!(Line::parse("a\tb"), None);
        assert_eq!(Line::parse("a\tb\tc\td"), None);
    }

    #[test]
    fn boundaries_of_fields_change_the_digest() {
        let digest = |fields: &[&str]| {
            let mut digest = Digest::default();
            fields
                .iter()
                .for_each(|field| digest.add_bytes(field.as_bytes()));
            digest.finish()
        };
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(digest(&["ab", "c"]), digest(&["ab", "c"]));
    }
}
