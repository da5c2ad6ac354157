//! Receives the host calls of a run: writes them as they come, or compares them with another trace.

use super::compare::{self, Difference, Reader, Side};
use super::record::{Call, Filter, Piece, value};
use crate::failure::Failure;
use pvf_executor::FuncType;
use pvf_validation::function_types;
use pvf_validation::trace::{Trace, TraceHasher, TraceSummary};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// How calls are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line of JSON for each.
    Json,
    /// For people.
    Text,
}

/// Where calls are written, and the error that ended it.
pub struct Sink {
    out: Box<dyn Write + Send>,
    name: String,
    error: Option<io::Error>,
}

impl Sink {
    /// A sink of this name.
    pub fn new(out: Box<dyn Write + Send>, name: &str) -> Self {
        Self {
            out,
            name: name.to_owned(),
            error: None,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.error = self.out.write_all(bytes).err();
        }
    }

    fn finish(mut self) -> Result<(), Failure> {
        let result = match self.error.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        };
        match result {
            // A reader that went away early has what it wanted.
            Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output {
                name: self.name,
                source,
            }),
            _ => Ok(()),
        }
    }
}

/// What is done with the calls.
#[expect(
    clippy::large_enum_variant,
    reason = "a process has one of these, for all calls"
)]
enum Work {
    Count,
    Write {
        sink: Sink,
        form: Form,
        skip: u64,
        limit: u64,
    },
    Compare {
        other: Box<Reader>,
        ignore_pointers: bool,
        difference: Option<Difference>,
        failure: Option<Failure>,
        same: u64,
    },
}

/// A trace that is being taken.
pub struct Writer {
    work: Work,
    filter: Filter,
    bytes: u64,
    types: BTreeMap<&'static str, FuncType>,
    hasher: TraceHasher,
    number: u64,
    matched: u64,
    shown: u64,
    /// The call that is going on, if it is shown.
    call: Option<Call>,
}

/// A trace that was taken.
pub struct Traced {
    /// Over all calls.
    pub summary: TraceSummary,
    /// How many were shown.
    pub shown: u64,
    /// How many were the same as in the other trace.
    pub same: u64,
    /// The first difference from the other trace.
    pub difference: Option<Difference>,
}

impl Writer {
    /// Counts calls only.
    pub fn counting() -> Self {
        Self::new(Work::Count, Filter::default(), 0)
    }

    /// Writes calls: all but some at the beginning, up to a number.
    pub fn writing(
        sink: Sink,
        form: Form,
        filter: Filter,
        (skip, limit): (u64, u64),
        bytes: u64,
    ) -> Self {
        let work = Work::Write {
            sink,
            form,
            skip,
            limit,
        };
        Self::new(work, filter, bytes)
    }

    /// Compares calls with those of another trace.
    pub fn comparing(other: Reader, filter: Filter, ignore_pointers: bool) -> Self {
        let work = Work::Compare {
            other: Box::new(other),
            ignore_pointers,
            difference: None,
            failure: None,
            same: 0,
        };
        Self::new(work, filter, u64::MAX)
    }

    fn new(work: Work, filter: Filter, bytes: u64) -> Self {
        Self {
            work,
            filter,
            bytes,
            types: function_types(true).into_iter().collect(),
            hasher: TraceHasher::new(),
            number: 0,
            matched: 0,
            shown: 0,
            call: None,
        }
    }

    /// Whether the next call that the filter lets through is shown.
    fn wants(&self) -> bool {
        match &self.work {
            Work::Count => false,
            Work::Write {
                sink, skip, limit, ..
            } => self.matched >= *skip && self.shown < *limit && sink.error.is_none(),
            Work::Compare {
                difference,
                failure,
                ..
            } => difference.is_none() && failure.is_none(),
        }
    }

    fn show(&mut self, call: Call) {
        self.shown += 1;
        match &mut self.work {
            Work::Count => {}
            Work::Write { sink, form, .. } => match form {
                Form::Text => sink.write(call.text().as_bytes()),
                Form::Json => {
                    // A structure of texts and numbers is always JSON.
                    let mut line = serde_json::to_vec(&call).unwrap_or_default();
                    line.push(b'\n');
                    sink.write(&line);
                }
            },
            Work::Compare {
                other,
                ignore_pointers,
                difference,
                failure,
                same,
            } => match other.next() {
                Err(error) => *failure = Some(error),
                Ok(there) => {
                    let sides = (Side::of(Some(&call)), Side::of(there.as_ref()));
                    *difference = compare::difference(sides.0, sides.1, *ignore_pointers);
                    *same += u64::from(difference.is_none());
                }
            },
        }
    }

    /// The end of the run.
    pub fn finish(mut self) -> Result<Traced, Failure> {
        // A run that was interrupted within a call.
        if let Some(call) = self.call.take() {
            self.show(call);
        }
        let (mut found, mut equal) = (None, 0);
        match self.work {
            Work::Count => {}
            Work::Write { sink, .. } => sink.finish()?,
            Work::Compare {
                failure: Some(failure),
                ..
            } => return Err(failure),
            Work::Compare {
                mut other,
                ignore_pointers,
                difference,
                same,
                ..
            } => {
                equal = same;
                found = difference;
                if found.is_none() {
                    let there = other.next()?;
                    let sides = (Side::of(None), Side::of(there.as_ref()));
                    found = compare::difference(sides.0, sides.1, ignore_pointers);
                }
            }
        }
        Ok(Traced {
            summary: self.hasher.finish(),
            shown: self.shown,
            same: equal,
            difference: found,
        })
    }
}

impl Trace for Writer {
    fn called(&mut self, name: &str, arguments: &[u64]) {
        self.hasher.called(name, arguments);
        let number = self.number;
        self.number += 1;
        self.call = None;
        if !self.filter.lets_through(name) {
            return;
        }
        let wanted = self.wants();
        self.matched += 1;
        if !wanted {
            return;
        }
        let params = self.types.get(name).map(|ty| &ty.params[..]);
        let typed = |(at, &bits): (usize, &u64)| {
            value(params.and_then(|params| params.get(at)).copied(), bits)
        };
        self.call = Some(Call {
            call: number,
            function: name.to_owned(),
            arguments: arguments.iter().enumerate().map(typed).collect(),
            ..Call::default()
        });
    }

    fn read(&mut self, bytes: &[u8]) {
        self.hasher.read(bytes);
        if let Some(call) = &mut self.call {
            call.read.push(Piece::new(bytes, self.bytes));
        }
    }

    fn wrote(&mut self, bytes: &[u8]) {
        self.hasher.wrote(bytes);
        if let Some(call) = &mut self.call {
            call.written.push(Piece::new(bytes, self.bytes));
        }
    }

    fn returned(&mut self, result: Result<Option<u64>, &str>) {
        self.hasher.returned(result);
        let Some(mut call) = self.call.take() else {
            return;
        };
        match result {
            Ok(bits) => {
                let ty = self.types.get(&call.function[..]);
                let ty = ty.and_then(|ty| ty.results.first()).copied();
                call.result = bits.map(|bits| value(ty, bits));
            }
            Err(error) => call.error = Some(error.to_owned()),
        }
        self.show(call);
    }
}
