//! Bytes and numbers of the binary format.

use crate::Unreadable;

/// A position in a module's bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Number of bytes by which the numbers read so far exceed their shortest encodings.
    pub excess: u32,
}

impl<'a> Reader<'a> {
    /// Reads a range of the bytes, or an empty range if it is out of bounds.
    pub fn new(bytes: &'a [u8], start: usize, end: usize) -> Self {
        let end = end.min(bytes.len());
        Self {
            bytes: bytes.get(..end).unwrap_or_default(),
            at: start.min(end),
            excess: 0,
        }
    }

    /// The position.
    #[inline]
    pub fn offset(&self) -> u32 {
        self.at as u32
    }

    /// Whether nothing is left.
    #[inline]
    pub fn at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The bytes from a position on.
    pub fn from(&self, at: usize) -> &'a [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    /// Goes to a position.
    pub fn go_to(&mut self, at: usize) {
        self.at = at.min(self.bytes.len());
    }

    /// The remaining bytes.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The error that something else was expected here.
    pub fn error(&self, what: &'static str) -> Unreadable {
        Unreadable {
            offset: self.offset(),
            what,
        }
    }

    /// Reads a byte.
    ///
    /// # Errors
    /// Nothing is left.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, Unreadable> {
        match self.bytes.get(self.at) {
            Some(&byte) => {
                self.at += 1;
                Ok(byte)
            }
            None => Err(self.error("a byte")),
        }
    }

    /// Returns the next byte without consuming it.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Passes over bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn skip(&mut self, bytes: usize) -> Result<(), Unreadable> {
        match self.at.checked_add(bytes) {
            Some(at) if at <= self.bytes.len() => {
                self.at = at;
                Ok(())
            }
            _ => Err(self.error("more bytes")),
        }
    }

    /// Reads an unsigned number and returns its low 32 bits.
    ///
    /// # Errors
    /// There is no number.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Unreadable> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(first.into());
        }
        let (value, bytes) = self.leb(first)?;
        let significant = (64 - value.leading_zeros()).div_ceil(7).max(1);
        self.excess += bytes - significant.min(bytes);
        Ok(value as u32)
    }

    /// Reads a signed number.
    ///
    /// # Errors
    /// There is no number.
    #[inline]
    pub fn signed(&mut self) -> Result<i64, Unreadable> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(i64::from((first << 1) as i8 >> 1));
        }
        let (value, bytes) = self.leb(first)?;
        let value = match 7 * bytes {
            bits @ 0..64 => (value << (64 - bits)) as i64 >> (64 - bits),
            _ => value as i64,
        };
        let magnitude = if value < 0 { !value } else { value };
        let significant = (65 - magnitude.leading_zeros()).div_ceil(7);
        self.excess += bytes - significant.min(bytes);
        Ok(value)
    }

    /// Reads the rest of a number after its first byte. Returns its bits and the number of bytes.
    fn leb(&mut self, first: u8) -> Result<(u64, u32), Unreadable> {
        let (mut value, mut bytes, mut byte) = (u64::from(first & 0x7f), 1u32, first);
        while byte >= 0x80 {
            byte = self.byte()?;
            if bytes < 10 {
                value |= u64::from(byte & 0x7f) << (7 * bytes);
            } else {
                return Err(self.error("a number of at most ten bytes"));
            }
            bytes += 1;
        }
        Ok((value, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_counts_bytes_beyond_the_shortest_encoding() {
        let cases: [(&[u8], i64, u32); 6] = [
            (&[0x7f], -1, 0),
            (&[0xff, 0x7f], -1, 1),
            (&[0xc0, 0x7f], -64, 1),
            (&[0xc0, 0x00], 64, 0),
            (&[0x80, 0x80, 0x00], 0, 2),
            (&[0x80, 0x80, 0x80, 0x80, 0x78], i64::from(i32::MIN), 0),
        ];
        for (bytes, value, excess) in cases {
            let mut reader = Reader::new(bytes, 0, bytes.len());
            assert_eq!(reader.signed(), Ok(value), "{bytes:x?}");
            assert_eq!(reader.excess, excess, "{bytes:x?}");
            assert!(reader.at_end());
        }
        let mut reader = Reader::new(&[0x85, 0x80, 0x00], 0, 3);
        assert_eq!((reader.u32(), reader.excess), (Ok(5), 2));
        assert!(Reader::new(&[0x80], 0, 1).u32().is_err());
        assert!(Reader::new(&[0x80; 30], 0, 30).u32().is_err());
    }
}
