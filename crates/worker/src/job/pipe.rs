//! Messages of a job to its worker: log lines, then the answer, through one pipe.
//!
//! ```text
//! line:    1, length of the rest (u32, little endian), SCALE of [`Line`]
//! answer:  2, SCALE of the answer, up to the end of the pipe
//! used:    5, CPU time of the job so far in nanoseconds (u64, little endian), before the answer
//! begun:   3, once, when all barriers are set up: from here on the job reads untrusted data
//! missing: 4, text up to the end of the pipe: a barrier cannot be set up (instead of `begun`)
//! ```
//!
//! Before `begun`, a job runs only our own code on our own data. A failure before it is therefore
//! the machine's fault, and no code and no candidate can cause or fake one.
//!
//! The kernel tells the CPU time of a running process as it was at the last tick of a timer; only the process itself
//! gets the exact one. So a job tells it, and the worker takes the larger of both.
//!
//! [`allocator`] has one more message, which it writes without allocating memory.
//! A job does not write to the standard error stream: that stream may be a full disk or a pipe that
//! nobody reads, and a job must not fail or block because of it.

use crate::allocator;
use crate::logging::JOB_BYTES;
use nix::time::{ClockId, clock_gettime};
use parity_scale_codec::{Decode, DecodeAll, Encode};
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::OnceLock;
use std::time::Duration;

/// Requested size of the pipe. The system may refuse more than its default of 64 KiB.
pub const PIPE_BYTES: i32 = 1 << 20;

const LINE: u8 = 1;
const ANSWER: u8 = 2;
const BEGUN: u8 = 3;
const MISSING: u8 = 4;
const USED: u8 = 5;

/// Largest text of a line in bytes.
pub const LINE_BYTES: usize = JOB_BYTES;

/// Bytes of a line's message beyond its text: tag, lengths, target.
const LINE_MORE: usize = 1024;

/// Largest sum of all lines that a job may send, in bytes. Our code stops far below it, see
/// [`job_may_send`](crate::logging::stderr::job_may_send); a job above it has been taken over.
const LINES_BYTES: usize = 4 * JOB_BYTES;

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Line {
    /// The number of the [`log::Level`].
    pub level: u8,
    /// The target, by which the log's directives select lines.
    pub target: String,
    /// The text of the line.
    pub text: String,
}

/// In a job: its end of the pipe. Unset in a worker.
static TO_WORKER: OnceLock<File> = OnceLock::new();

/// Marks this process as a job with this pipe.
pub fn enter(to_worker: File) -> &'static File {
    TO_WORKER.get_or_init(|| to_worker)
}

/// Whether this process is a job.
pub fn is_job() -> bool {
    TO_WORKER.get().is_some()
}

/// In a job: sends a line. A failure to write is ignored.
pub fn send(line: &Line) {
    let Some(mut pipe) = TO_WORKER.get() else {
        return;
    };
    let payload = line.encode();
    let bytes = (payload.len() as u32).to_le_bytes();
    let message = [&[LINE], &bytes[..], &payload].concat();
    let _ = pipe.write_all(&message);
}

/// In a job: sends the answer.
///
/// # Errors
/// The worker has closed the pipe.
pub fn answer(mut pipe: &File, answer: &impl Encode) -> io::Result<()> {
    let answer = answer.encode();
    let used =
        clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from);
    let used = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
    pipe.write_all(&[&[USED], &used.to_le_bytes()[..], &[ANSWER]].concat())?;
    pipe.write_all(&answer)
}

/// In a job: reports that all barriers are set up.
///
/// # Errors
/// The worker has closed the pipe.
pub fn begin(mut pipe: &File) -> io::Result<()> {
    pipe.write_all(&[BEGUN])
}

/// In a job that has not begun: reports which barrier cannot be set up.
///
/// # Errors
/// The worker has closed the pipe.
pub fn cannot_begin(mut pipe: &File, why: &str) -> io::Result<()> {
    let most = why.floor_char_boundary(LINE_BYTES);
    pipe.write_all(&[&[MISSING], &why.as_bytes()[..most]].concat())
}

/// A job wrote more than it may.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

/// A worker's decoder of the bytes that a job writes.
pub struct Received {
    /// The bytes that are not decoded yet, or those of the answer.
    bytes: Vec<u8>,
    stage: Stage,
    lines_left: usize,
    answer_limit: usize,
    begun: bool,
    /// CPU time of the job, as it says.
    used: Duration,
    /// The pipe is at its end, or failed.
    complete: bool,
    /// The error of the pipe.
    failure: Option<io::Error>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// At the beginning of a message.
    Message,
    /// In the answer.
    Answer,
    /// In the text of `missing`.
    Missing,
    /// After bytes that are not a message.
    Nonsense,
}

/// The output of a job apart from its lines.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// The bytes of an answer.
    Answer(Vec<u8>),
    /// The message that the job is out of memory.
    OutOfMemory,
    /// Why the job could not begin; empty if it ended before it began and gave no reason.
    NotBegun(String),
    /// No message after `begun`, or bytes that are not a message.
    Nothing,
}

impl Received {
    /// A decoder that accepts an answer of at most `answer_limit` bytes.
    pub fn new(answer_limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            stage: Stage::Message,
            lines_left: LINES_BYTES,
            answer_limit,
            begun: false,
            used: Duration::ZERO,
            complete: false,
            failure: None,
        }
    }

    /// Whether the job has closed its end of the pipe.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Reads once from a pipe that is ready, and passes complete lines to `take`.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn read_some(
        &mut self,
        pipe: &mut impl Read,
        take: &mut dyn FnMut(Line),
    ) -> Result<(), TooLong> {
        // Most answers are small. A large one is read in pieces of growing size.
        const LEAST: usize = 16 * 1024;
        const MOST: usize = PIPE_BYTES as usize;
        let start = self.bytes.len();
        self.bytes.resize(start + start.clamp(LEAST, MOST), 0);
        let read = loop {
            match pipe.read(&mut self.bytes[start..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // No further attempt: the worker learns of the failure at the end of the job.
                Err(error) => {
                    self.failure = Some(error);
                    break 0;
                }
                Ok(read) => break read,
            }
        };
        self.bytes.truncate(start + read);
        self.complete = read == 0;
        self.understand(take)
    }

    /// Reads the rest of the pipe, after the end of the job.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn read_all(
        &mut self,
        pipe: &mut impl Read,
        take: &mut dyn FnMut(Line),
    ) -> Result<(), TooLong> {
        while !self.complete {
            self.read_some(pipe, take)?;
        }
        Ok(())
    }

    /// CPU time that the job used before its answer, as it says.
    pub fn used(&self) -> Duration {
        self.used
    }

    /// The bytes of the answer, if the job has sent it whole and closed its end of the pipe.
    pub fn take_answer(&mut self) -> Option<Vec<u8>> {
        let whole = self.complete && self.failure.is_none() && self.stage == Stage::Answer;
        whole.then(|| std::mem::take(&mut self.bytes))
    }

    /// Why the output of the job was not read to its end. No job can cause this.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// The output of the job apart from its lines.
    pub fn said(self) -> Said {
        match self.stage {
            Stage::Answer => Said::Answer(self.bytes),
            Stage::Missing => Said::NotBegun(String::from_utf8_lossy(&self.bytes).into_owned()),
            Stage::Message if self.bytes.is_empty() && !self.begun => Said::NotBegun(String::new()),
            Stage::Message if self.bytes == allocator::OUT_OF_MEMORY => Said::OutOfMemory,
            Stage::Message | Stage::Nonsense => Said::Nothing,
        }
    }

    fn understand(&mut self, take: &mut dyn FnMut(Line)) -> Result<(), TooLong> {
        let mut at = 0;
        while self.stage == Stage::Message {
            match Message::first(&self.bytes[at..]) {
                Message::Line { line, bytes } => {
                    self.lines_left = self.lines_left.checked_sub(bytes).ok_or(TooLong)?;
                    at += bytes;
                    take(line);
                }
                Message::Begun if !self.begun => {
                    at += 1;
                    self.begun = true;
                }
                Message::Used(time) if self.begun => {
                    at += 1 + size_of::<u64>();
                    self.used = time;
                }
                Message::Answer if self.begun => {
                    at += 1;
                    self.stage = Stage::Answer;
                }
                Message::Missing if !self.begun => {
                    at += 1;
                    self.stage = Stage::Missing;
                }
                Message::Begun | Message::Used(_) | Message::Answer | Message::Missing => {
                    self.stage = Stage::Nonsense;
                }
                Message::Incomplete => break,
                Message::Nonsense => self.stage = Stage::Nonsense,
            }
        }
        self.bytes.drain(..at);
        let limit = match self.stage {
            Stage::Answer => self.answer_limit,
            Stage::Message | Stage::Missing | Stage::Nonsense => LINE_BYTES + LINE_MORE,
        };
        match self.bytes.len() <= limit {
            true => Ok(()),
            false => Err(TooLong),
        }
    }
}

/// The message at the beginning of some bytes.
enum Message {
    Line { line: Line, bytes: usize },
    Used(Duration),
    Answer,
    Begun,
    Missing,
    Incomplete,
    Nonsense,
}

impl Message {
    fn first(bytes: &[u8]) -> Self {
        const HEAD: usize = 5;
        match bytes.first() {
            None => Self::Incomplete,
            Some(&ANSWER) => Self::Answer,
            Some(&USED) => match bytes[1..].first_chunk() {
                Some(time) => Self::Used(Duration::from_nanos(u64::from_le_bytes(*time))),
                None => Self::Incomplete,
            },
            Some(&BEGUN) => Self::Begun,
            Some(&MISSING) => Self::Missing,
            Some(&LINE) => {
                let Some(length) = bytes.get(1..HEAD).and_then(|it| it.try_into().ok()) else {
                    return Self::Incomplete;
                };
                let length = u32::from_le_bytes(length) as usize;
                if length > LINE_BYTES + LINE_MORE - HEAD {
                    return Self::Nonsense;
                }
                let Some(payload) = bytes.get(HEAD..HEAD + length) else {
                    return Self::Incomplete;
                };
                match Line::decode_all(&mut &payload[..]) {
                    Ok(line) => Self::Line {
                        line,
                        bytes: HEAD + length,
                    },
                    Err(_) => Self::Nonsense,
                }
            }
            Some(_) if allocator::OUT_OF_MEMORY.starts_with(bytes) => Self::Incomplete,
            Some(_) => Self::Nonsense,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> (Line, Vec<u8>) {
        let line = Line {
            level: 1,
            target: "pvf".to_owned(),
            text: text.to_owned(),
        };
        let payload = line.encode();
        let bytes = (payload.len() as u32).to_le_bytes();
        (line, [&[LINE], &bytes[..], &payload].concat())
    }

    /// Decodes bytes that arrive in pieces of this size.
    fn received(bytes: &[u8], piece: usize) -> Result<(Vec<Line>, Said), TooLong> {
        struct Pieces<'a>(&'a [u8], usize);
        impl Read for Pieces<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let most = self.1.min(buffer.len());
                self.0.read(&mut buffer[..most])
            }
        }
        let mut lines = Vec::new();
        let mut received = Received::new(1000);
        received.read_all(&mut Pieces(bytes, piece), &mut |line| lines.push(line))?;
        Ok((lines, received.said()))
    }

    #[test]
    fn messages_decode_in_pieces_of_any_size() {
        let (first, first_bytes) = line("one");
        let (second, second_bytes) = line("");
        let begin = [BEGUN];
        let all = [
            &begin,
            &first_bytes[..],
            &second_bytes,
            &[ANSWER],
            b"the answer",
        ]
        .concat();
        for piece in 1..all.len() {
            let said = Said::Answer(b"the answer".to_vec());
            assert_eq!(
                received(&all, piece),
                Ok((vec![first.clone(), second.clone()], said))
            );
            let cut = &all[..piece];
            let said = received(cut, usize::MAX).unwrap().1;
            let answers = piece > 1 + first_bytes.len() + second_bytes.len();
            assert_eq!(matches!(said, Said::Answer(_)), answers, "{piece}");
        }
        let oom = [&begin, &first_bytes[..], &allocator::OUT_OF_MEMORY].concat();
        for piece in 1..9 {
            assert_eq!(
                received(&oom, piece),
                Ok((vec![first.clone()], Said::OutOfMemory))
            );
        }
    }

    #[test]
    fn a_job_that_has_begun_cannot_claim_that_it_has_not() {
        let said = |bytes: &[u8]| received(bytes, 2).unwrap().1;
        assert_eq!(said(b""), Said::NotBegun(String::new()));
        let missing = [&[MISSING][..], b"no filter"].concat();
        assert_eq!(said(&missing), Said::NotBegun("no filter".to_owned()));
        assert_eq!(said(&[BEGUN]), Said::Nothing);
        assert_eq!(said(&[&[BEGUN], &missing[..]].concat()), Said::Nothing);
        assert_eq!(said(&[BEGUN, BEGUN, ANSWER]), Said::Nothing);
        assert_eq!(
            said(&[ANSWER]),
            Said::Nothing,
            "an answer before the beginning"
        );
        let (_, line) = line("one");
        assert_eq!(said(&line), Said::NotBegun(String::new()));
        let endless = [&[MISSING][..], &[b'x'; 1 << 20]].concat();
        assert_eq!(received(&endless, 4096), Err(TooLong));
    }

    #[test]
    fn the_time_that_a_job_used_comes_before_its_answer() {
        let used = [&[USED], &7_u64.to_le_bytes()[..]].concat();
        let all = [&[BEGUN], &used[..], &[ANSWER], b"the answer"].concat();
        for piece in 1..all.len() {
            let (_, said) = received(&all, piece).unwrap();
            assert_eq!(said, Said::Answer(b"the answer".to_vec()), "{piece}");
        }
        let mut decoder = Received::new(1000);
        assert_eq!(decoder.read_all(&mut &all[..], &mut |_| {}), Ok(()));
        assert_eq!(decoder.used(), Duration::from_nanos(7));
        let before = [&used[..], &[BEGUN, ANSWER]].concat();
        let (_, said) = received(&before, 3).unwrap();
        assert_eq!(said, Said::Nothing);
    }

    #[test]
    fn a_pipe_that_fails_is_no_end_of_the_output() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(libc::EIO))
            }
        }
        let mut received = Received::new(1000);
        assert_eq!(received.read_all(&mut Fails, &mut |_| {}), Ok(()));
        let failure = received.failure().expect("the pipe failed");
        assert_eq!(failure.raw_os_error(), Some(libc::EIO));
    }

    #[test]
    fn hostile_output_is_rejected_and_bounded() {
        // No message, a length above the limit, a line without an end, a line that is not text.
        for bytes in [
            &[0; 100][..],
            &[LINE, 0xff, 0xff, 0xff, 0xff],
            &[LINE, 9],
            &[7],
        ] {
            assert_eq!(received(bytes, 3), Ok((vec![], Said::Nothing)), "{bytes:?}");
        }
        assert_eq!(
            received(&[LINE, 3, 0, 0, 0, 1, 4, 0xff], 3),
            Ok((vec![], Said::Nothing))
        );
        assert_eq!(received(&[0; 1 << 20], 4096), Err(TooLong));
        assert_eq!(
            received(&[&[BEGUN, ANSWER][..], &[0; 1001]].concat(), 100),
            Err(TooLong)
        );
        let many = line(&"x".repeat(1000)).1.repeat(1 + LINES_BYTES / 1000);
        assert_eq!(received(&many, 5000), Err(TooLong));
    }
}
