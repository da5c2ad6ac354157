//! The messages between the comparer and a side: requests on the side's standard input, responses
//! on its standard output.
//!
//! A frame is the length of the message in 4 bytes, little-endian, and the message. A side answers
//! each request in order and ends when its standard input ends. It may die on a module: the
//! comparer starts it again.

#![forbid(unsafe_code)]

use std::io::{self, Read, Write};

/// The executor parameters of a preparation or execution: those that affect the accepted language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// `StackLogicalMax`, if set.
    pub stack_logical_max: Option<u32>,
    /// `WasmExtBulkMemory`.
    pub bulk_memory: bool,
}

/// A request to a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Prepare code, which may be compressed, and create a runtime from it as a precheck does.
    /// Answered by [`Prepared`].
    Prepare(Parameters, Vec<u8>),
    /// Execute a candidate with the last prepared code. Answered by [`Executed`].
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
    /// Refused before it was rewritten.
    Prevalidation,
    /// Refused when it was rewritten, validated or compiled.
    Preparation,
    /// Refused only by the precheck.
    RuntimeConstruction,
    /// A panic.
    JobError,
    /// The process ended; reported only by the comparer.
    Died,
    /// The process did not answer; reported only by the comparer.
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
    /// The class of the preparation alone.
    pub class: Class,
    /// The class of the precheck.
    pub precheck: Class,
    /// The side's error message if it is not accepted.
    pub message: String,
}

impl Prepared {
    /// Accepted by preparation and precheck.
    pub fn accepted() -> Self {
        Self {
            class: Class::Ok,
            precheck: Class::Ok,
            message: String::new(),
        }
    }

    /// Refused by preparation and precheck.
    pub fn refused(class: Class, message: String) -> Self {
        Self {
            class,
            precheck: class,
            message,
        }
    }

    /// Refused only by the precheck.
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
    /// The candidate is valid: the result could be decoded.
    Valid,
    /// The candidate is invalid.
    Invalid,
    /// The module could not be instantiated.
    RuntimeConstruction,
    /// This machine has too little memory for the instance; another machine would have an outcome.
    BeyondMachine,
    /// The side failed for reasons of its own.
    Failed,
    /// The process ended; reported only by the comparer.
    Died,
    /// The process did not answer; reported only by the comparer.
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
    /// The bytes that `validate_block` returned if the candidate is valid.
    pub result: Vec<u8>,
    /// The side's error message if the candidate is not valid.
    pub message: String,
}

/// A message that can be written to a pipe and read from it.
pub trait Message: Sized {
    /// Appends the encoded message.
    fn put(&self, to: &mut Vec<u8>);
    /// Decodes the message; `None` if the bytes are not one.
    fn get(from: &[u8]) -> Option<Self>;
}

impl Message for Request {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Self::Prepare(parameters, code) => {
                let bulk = u8::from(parameters.bulk_memory);
                to.extend([0, bulk]);
                // 0 stands for `None`; the smallest value that a network may set is far above 0.
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
/// Errors of the pipe; a message of 4 GiB or more.
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
/// Errors of the pipe, its end, or bytes that are not such a message.
pub fn receive<M: Message>(from: &mut impl Read) -> io::Result<M> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut bytes)?;
    M::get(&bytes).ok_or_else(|| io::Error::other("not a message of this protocol"))
}

/// A process that answers requests.
pub trait Side {
    /// Prepares code.
    fn prepare(&mut self, parameters: Parameters, code: &[u8]) -> Prepared;
    /// Executes a candidate with the last prepared code.
    fn execute(&mut self, candidate: &[u8]) -> Executed;
}

/// Answers requests until standard input ends.
///
/// # Errors
/// Errors of the pipes, except for the end of the input.
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
