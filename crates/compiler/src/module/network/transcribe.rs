//! Reads the network's encoding of numbers and names, and writes what it reads in the shortest encoding.

use crate::Refusal;
use pvf_rules::RuleId;

/// An error of the network's parser, with its offset. The caller knows the function.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// Offset in the blob.
    pub offset: u32,
    pub what: What,
}

/// The kind of error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The bytes do not follow the format.
    Format(String),
    /// The bytes belong to a proposal.
    Proposal(&'static str),
}

impl Unreadable {
    /// The error that it is, in the body of a function or outside of all.
    pub fn of(self, function: Option<u32>) -> Refusal {
        let offset = self.offset;
        match self.what {
            What::Format(message) => Refusal::Malformed {
                function,
                offset,
                message,
                rule: match function {
                    Some(_) => RuleId::NET_3,
                    None => RuleId::NET_2,
                },
            },
            What::Proposal(feature) => Refusal::unsupported(feature, function, offset),
        }
    }
}

/// The result of reading.
pub(super) type Read<T> = Result<T, Unreadable>;

/// A position in bytes of the blob, and what has been written of those before it.
pub(super) struct Transcriber<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Offset of the bytes in the blob.
    start: u32,
    written: Vec<u8>,
    /// Nothing is written while this is set.
    muted: bool,
}

impl<'a> Transcriber<'a> {
    /// At the first of some bytes, which begin at this offset of the blob.
    pub fn new(bytes: &'a [u8], start: u32) -> Self {
        Self {
            bytes,
            position: 0,
            start,
            written: Vec::new(),
            muted: false,
        }
    }

    /// The present offset in the blob.
    pub fn offset(&self) -> u32 {
        self.start + self.position as u32
    }

    /// Whether no byte is left.
    pub fn at_end(&self) -> bool {
        self.position == self.bytes.len()
    }

    /// How many bytes have been written.
    pub fn written(&self) -> usize {
        self.written.len()
    }

    /// The bytes written so far.
    pub fn finish(self) -> Vec<u8> {
        self.written
    }

    /// Reserves space for all bytes that are left to read.
    pub fn reserve(&mut self) {
        self.written.reserve(self.bytes.len() - self.position);
    }

    /// Reads without writing.
    pub fn muted<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.muted, true);
        let result = read(self);
        self.muted = before;
        result
    }

    /// Writes a number without reading one.
    pub fn put_u32(&mut self, number: u32) {
        write_unsigned(&mut self.written, number.into());
    }

    /// Writes bytes without reading any.
    pub fn put(&mut self, bytes: &[u8]) {
        self.written.extend_from_slice(bytes);
    }

    fn wrote(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.muted {
            write(&mut self.written);
        }
    }

    /// An error at an offset.
    pub fn refuse<T>(&self, offset: u32, message: impl Into<String>) -> Read<T> {
        let what = What::Format(message.into());
        Err(Unreadable { offset, what })
    }

    /// An error at an offset: something of a proposal.
    pub fn refuse_proposal<T>(&self, offset: u32, proposal: &'static str) -> Read<T> {
        let what = What::Proposal(proposal);
        Err(Unreadable { offset, what })
    }

    fn next(&mut self) -> Read<u8> {
        let Some(&byte) = self.bytes.get(self.position) else {
            return self.refuse(self.offset(), "unexpected end");
        };
        self.position += 1;
        Ok(byte)
    }

    /// A byte.
    pub fn byte(&mut self) -> Read<u8> {
        let byte = self.next()?;
        self.wrote(|written| written.push(byte));
        Ok(byte)
    }

    /// Reads a number of bytes.
    pub fn bytes(&mut self, count: u32) -> Read<&'a [u8]> {
        let rest = &self.bytes[self.position..];
        let Some(bytes) = rest.get(..count as usize) else {
            return self.refuse(self.offset(), "unexpected end");
        };
        self.position += count as usize;
        self.wrote(|written| written.extend_from_slice(bytes));
        Ok(bytes)
    }

    /// An unsigned number of 32 bits, in at most five bytes.
    pub fn var_u32(&mut self) -> Read<u32> {
        let number = self.unsigned()?;
        self.wrote(|written| write_unsigned(written, number.into()));
        Ok(number)
    }

    fn unsigned(&mut self) -> Read<u32> {
        let start = self.offset();
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.next()?;
            if shift == 28 && byte > 0x0f {
                return self.refuse(start, "a number of 32 bits is too long or too large");
            }
            number |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        self.refuse(start, "a number of 32 bits is too long or too large")
    }

    /// A signed number of at most `bits` bits (32 or 64).
    pub fn var_signed(&mut self, bits: u32) -> Read<i64> {
        let start = self.offset();
        let mut number = 0i64;
        let mut shift = 0;
        loop {
            let byte = self.next()?;
            number |= i64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                if shift < bits {
                    let unused = 64 - shift;
                    number = number << unused >> unused;
                } else {
                    // The bits beyond the number's must repeat its sign.
                    let significant = bits + 7 - shift;
                    let sign_and_rest = (byte & 0x7f) >> (significant - 1);
                    if sign_and_rest != 0 && sign_and_rest != 0x7f >> (significant - 1) {
                        break;
                    }
                    if bits == 32 {
                        number = i64::from(number as i32);
                    }
                }
                self.wrote(|written| write_signed(written, number));
                return Ok(number);
            }
            if shift >= bits {
                break;
            }
        }
        self.refuse(
            start,
            format!("a number of {bits} bits is too long or too large"),
        )
    }

    /// A name.
    pub fn name(&mut self) -> Read<&'a str> {
        let length = self.var_u32()?;
        let start = self.offset();
        match std::str::from_utf8(self.bytes(length)?) {
            Ok(name) => Ok(name),
            Err(_) => self.refuse(start, "a name is not UTF-8"),
        }
    }
}

fn write_unsigned(to: &mut Vec<u8>, mut number: u64) {
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            to.push(byte);
            return;
        }
        to.push(byte | 0x80);
    }
}

fn write_signed(to: &mut Vec<u8>, mut number: i64) {
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        let sign = byte & 0x40 != 0;
        if (number == 0 && !sign) || (number == -1 && sign) {
            to.push(byte);
            return;
        }
        to.push(byte | 0x80);
    }
}
