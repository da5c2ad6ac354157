//! The messages between the comparer and a side: a request on the side's standard input, a response on its standard output.
//!
//! A frame is its length in 4 bytes, little-endian, and the message. A side answers each request in order and ends when its
//! standard input does. It need not survive a module: the comparer starts it anew.

#![forbid(unsafe_code)]

use std::io::{self, Read, Write};

/// What to prepare or execute with, out of the parameters that a network may set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// `StackLogicalMax`, if it is set.
    pub stack_logical_max: Option<u32>,
    /// `WasmExtBulkMemory`.
    pub bulk_memory: bool,
}

/// What a side is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Prepares code, perhaps compressed, and builds a runtime of it as pre-checking does. Answered by [`Prepared`].
    Prepare(Parameters, Vec<u8>),
    /// Executes a candidate with what was prepared last. Answered by [`Executed`].
    Execute(Vec<u8>),
}

/// The class of a preparation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// Accepted.
    Ok,
    /// The blob could not be decompressed.
    Decompression,
    /// Refused before it was changed.
    Prevalidation,
    /// Refused when it was changed, validated, compiled.
    Preparation,
    /// Refused by pre-checking alone.
    RuntimeConstruction,
    /// A panic.
    JobError,
    /// The process ended; only the comparer says so.
    Died,
    /// The process did not answer; only the comparer says so.
    TimedOut,
}

impl Class {
    const ALL: [Self; 8] = [
        Self::Ok,
        Self::Decompression,
        Self::Prevalidation,
        Self::Preparation,
        Self::RuntimeConstruction,
        Self::JobError,
        Self::Died,
        Self::TimedOut,
    ];
}

/// The answer to [`Request::Prepare`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Of the preparation alone.
    pub class: Class,
    /// Of pre-checking.
    pub precheck: Class,
    /// Why it is not accepted, in the side's words.
    pub message: String,
}

impl Prepared {
    /// Accepted by both.
    pub fn accepted() -> Self {
        Self {
            class: Class::Ok,
            precheck: Class::Ok,
            message: String::new(),
        }
    }

    /// Refused by both.
    pub fn refused(class: Class, message: String) -> Self {
        Self {
            class,
            precheck: class,
            message,
        }
    }

    /// Refused by pre-checking alone.
    pub fn not_constructed(message: String) -> Self {
        Self {
            class: Class::Ok,
            precheck: Class::RuntimeConstruction,
            message,
        }
    }
}

/// The class of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Outcome {
    /// There is a result, and it can be decoded.
    Valid,
    /// The candidate is invalid.
    Invalid,
    /// There is no instance.
    RuntimeConstruction,
    /// The machine has too little memory for the instance: on another one there would be an outcome.
    BeyondMachine,
    /// The side could not execute for reasons of its own.
    Failed,
    /// The process ended; only the comparer says so.
    Died,
    /// The process did not answer; only the comparer says so.
    TimedOut,
}

impl Outcome {
    const ALL: [Self; 7] = [
        Self::Valid,
        Self::Invalid,
        Self::RuntimeConstruction,
        Self::BeyondMachine,
        Self::Failed,
        Self::Died,
        Self::TimedOut,
    ];
}

/// The answer to [`Request::Execute`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The class.
    pub outcome: Outcome,
    /// What `validate_block` returned, if it is valid.
    pub result: Vec<u8>,
    /// Why it is not valid, in the side's words.
    pub message: String,
}

/// A message that can be written to a pipe and read from it.
pub trait Message: Sized {
    /// Appends the message.
    fn put(&self, to: &mut Vec<u8>);
    /// Reads the message; `None` if it is not one.
    fn get(from: &[u8]) -> Option<Self>;
}

impl Message for Request {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Self::Prepare(parameters, code) => {
                let bulk = u8::from(parameters.bulk_memory);
                to.extend([0, bulk]);
                // The smallest value that a network may set is far above 0.
                to.extend(parameters.stack_logical_max.unwrap_or(0).to_le_bytes());
                to.extend(code);
            }
            Self::Execute(candidate) => {
                to.push(1);
                to.extend(candidate);
            }
        }
    }

    fn get(from: &[u8]) -> Option<Self> {
        let (&kind, rest) = from.split_first()?;
        if kind == 1 {
            return Some(Self::Execute(rest.to_vec()));
        }
        let (&bulk, rest) = rest.split_first()?;
        let (maximum, code) = rest.split_first_chunk::<4>()?;
        let maximum = u32::from_le_bytes(*maximum);
        let parameters = Parameters {
            stack_logical_max: (maximum > 0).then_some(maximum),
            bulk_memory: bulk == 1,
        };
        Some(Self::Prepare(parameters, code.to_vec()))
    }
}

impl Message for Prepared {
    fn put(&self, to: &mut Vec<u8>) {
        to.extend([self.class as u8, self.precheck as u8]);
        to.extend(self.message.as_bytes());
    }

    fn get(from: &[u8]) -> Option<Self> {
        let ([class, precheck], message) = from.split_first_chunk()?;
        Some(Self {
            class: *Class::ALL.get(usize::from(*class))?,
            precheck: *Class::ALL.get(usize::from(*precheck))?,
            message: String::from_utf8_lossy(message).into_owned(),
        })
    }
}

impl Message for Executed {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(self.outcome as u8);
        to.extend((self.result.len() as u32).to_le_bytes());
        to.extend(&self.result);
        to.extend(self.message.as_bytes());
    }

    fn get(from: &[u8]) -> Option<Self> {
        let (&outcome, rest) = from.split_first()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (result, message) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(Self {
            outcome: *Outcome::ALL.get(usize::from(outcome))?,
            result: result.to_vec(),
            message: String::from_utf8_lossy(message).into_owned(),
        })
    }
}

/// Writes a message.
///
/// # Errors
/// Those of the pipe; a message of 4 GiB.
pub fn send(to: &mut impl Write, message: &impl Message) -> io::Result<()> {
    let mut frame = vec![0; 4];
    message.put(&mut frame);
    let length = u32::try_from(frame.len() - 4).map_err(io::Error::other)?;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    to.write_all(&frame)?;
    to.flush()
}

/// Reads a message.
///
/// # Errors
/// Those of the pipe; its end; bytes that are not such a message.
pub fn receive<M: Message>(from: &mut impl Read) -> io::Result<M> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut bytes)?;
    M::get(&bytes).ok_or_else(|| io::Error::other("not a message of this protocol"))
}

/// What makes a process a side.
pub trait Side {
    /// Prepares.
    fn prepare(&mut self, parameters: Parameters, code: &[u8]) -> Prepared;
    /// Executes with what was prepared last.
    fn execute(&mut self, candidate: &[u8]) -> Executed;
}

/// Serves a comparer until it hangs up.
///
/// # Errors
/// Those of the pipes, but for the end of the input.
pub fn serve(side: &mut impl Side) -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    loop {
        match receive(&mut input) {
            Ok(Request::Prepare(parameters, code)) => {
                send(&mut output, &side.prepare(parameters, &code))?;
            }
            Ok(Request::Execute(candidate)) => send(&mut output, &side.execute(&candidate))?,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
