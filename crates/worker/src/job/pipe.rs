//! What a job says to its worker: lines for the log, then its answer, through one pipe.
//!
//! ```text
//! line:    1, length of the rest (u32, little endian), SCALE of [`Line`]
//! answer:  2, SCALE of the answer, up to the end of the pipe
//! begun:   3, once, when all barriers are up: from here on the job reads what others wrote
//! missing: 4, text up to the end of the pipe: a barrier cannot be put up, before the job has begun
//! ```
//!
//! What comes before `begun` is the word of our own code alone. So what goes wrong there is the machine's fault, which no code
//! and no candidate can claim.
//!
//! [`allocator`](crate::allocator) knows one more message, which it writes without memory. A job has no other way to say anything: the
//! standard error stream is not for it, since what that is (a file, a pipe that nobody reads) would decide what becomes of a write.

use crate::allocator;
use crate::logging::JOB_BYTES;
use parity_scale_codec::{Decode, DecodeAll, Encode};
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::OnceLock;

/// Asked-for size of the pipe; the system may refuse more than its usual 64 KiB.
pub const PIPE_BYTES: i32 = 1 << 20;

const LINE: u8 = 1;
const ANSWER: u8 = 2;
const BEGUN: u8 = 3;
const MISSING: u8 = 4;

/// Most bytes of a line's text that are passed on.
pub const LINE_BYTES: usize = JOB_BYTES;

/// Bytes of a message beyond the text of a line: tag, lengths, target.
const LINE_MORE: usize = 1024;

/// Most bytes of lines that a job may send. Ours stop far below, see [`send`]; a job that does not is none of ours any more.
const LINES_BYTES: usize = 4 * JOB_BYTES;

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Line {
    /// As [`log::Level`] counts.
    pub level: u8,
    /// What the directives of the log go by.
    pub target: String,
    /// The text.
    pub text: String,
}

/// The job's end of the pipe, in a job.
static TO_WORKER: OnceLock<File> = OnceLock::new();

/// Says that this process is a job, whose pipe this is.
pub fn enter(to_worker: File) -> &'static File {
    TO_WORKER.get_or_init(|| to_worker)
}

/// Whether this process is a job.
pub fn is_job() -> bool {
    TO_WORKER.get().is_some()
}

/// In a job: sends a line. That the worker does not take it changes nothing here.
pub fn send(line: &Line) {
    let Some(mut pipe) = TO_WORKER.get() else {
        return;
    };
    let payload = line.encode();
    let bytes = (payload.len() as u32).to_le_bytes();
    let message = [&[LINE], &bytes[..], &payload].concat();
    let _ = pipe.write_all(&message);
}

/// In a job: answers.
///
/// # Errors
/// The worker does not take it.
pub fn answer(mut pipe: &File, answer: &impl Encode) -> io::Result<()> {
    pipe.write_all(&[ANSWER])?;
    pipe.write_all(&answer.encode())
}

/// In a job: says that it begins.
///
/// # Errors
/// The worker does not take it.
pub fn begin(mut pipe: &File) -> io::Result<()> {
    pipe.write_all(&[BEGUN])
}

/// In a job that has not begun: says why it cannot.
///
/// # Errors
/// The worker does not take it.
pub fn cannot_begin(mut pipe: &File, why: &str) -> io::Result<()> {
    let most = why.floor_char_boundary(LINE_BYTES);
    pipe.write_all(&[&[MISSING], &why.as_bytes()[..most]].concat())
}

/// A job said more than it may.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

/// What a worker has received from a job so far.
pub struct Received {
    /// What is not yet understood, or the answer.
    bytes: Vec<u8>,
    stage: Stage,
    lines_left: usize,
    answer_limit: usize,
    begun: bool,
    /// Nothing more will come.
    complete: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// At the beginning of a message.
    Message,
    Answer,
    /// In the text why the job cannot begin.
    Missing,
    /// Something that is no message.
    Nonsense,
}

/// All that a job has said beside lines.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// An answer.
    Answer(Vec<u8>),
    /// That it is out of memory.
    OutOfMemory,
    /// Why it cannot begin; empty if it ended before it did without a word.
    NotBegun(String),
    /// Nothing, or nothing that is a message.
    Nothing,
}

impl Received {
    /// Nothing yet. The answer may have so many bytes.
    pub fn new(answer_limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            stage: Stage::Message,
            lines_left: LINES_BYTES,
            answer_limit,
            begun: false,
            complete: false,
        }
    }

    /// Whether the job has closed its end.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Takes what is there, of which there is something, and passes lines on.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn read_some(
        &mut self,
        pipe: &mut impl Read,
        take: &mut dyn FnMut(Line),
    ) -> Result<(), TooLong> {
        // Most answers are small; a large one is taken in ever larger pieces.
        const LEAST: usize = 16 * 1024;
        const MOST: usize = PIPE_BYTES as usize;
        let start = self.bytes.len();
        self.bytes.resize(start + start.clamp(LEAST, MOST), 0);
        let read = loop {
            match pipe.read(&mut self.bytes[start..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A pipe does not fail; if it does, nothing more will come.
                read => break read.unwrap_or(0),
            }
        };
        self.bytes.truncate(start + read);
        self.complete = read == 0;
        self.understand(take)
    }

    /// Takes what is left, after the end of the job.
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

    /// What the job said.
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
                Message::Answer if self.begun => {
                    at += 1;
                    self.stage = Stage::Answer;
                }
                Message::Missing if !self.begun => {
                    at += 1;
                    self.stage = Stage::Missing;
                }
                Message::Begun | Message::Answer | Message::Missing => {
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

/// What bytes begin with.
enum Message {
    Line { line: Line, bytes: usize },
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

    /// What comes out of bytes that arrive in pieces of this size.
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
    fn messages_in_pieces() {
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
    fn only_what_has_not_begun_can_say_so() {
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
    fn a_stranger_is_bounded() {
        // Nonsense, lengths beyond every line, lines without an end, lines that are not text.
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
