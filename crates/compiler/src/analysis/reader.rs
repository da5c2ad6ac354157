//! The bytes of a body, read in the binary format.
//!
//! Integers may be longer than they need be, as WebAssembly allows, but never longer than their type, and what does not
//! fit the type must be copies of the sign.

use super::Refused;
use crate::types::ValType;
use std::slice::Iter;

/// What is left of a body.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    rest: Iter<'a, u8>,
    /// Offset in the module of the end of the body.
    end: u32,
}

impl<'a> Reader<'a> {
    /// Bytes of which the first is at an offset in the module.
    pub fn new(bytes: &'a [u8], offset: u32) -> Self {
        Self {
            rest: bytes.iter(),
            end: offset.saturating_add(bytes.len() as u32),
        }
    }

    /// Offset in the module of the next byte.
    #[inline(always)]
    pub fn offset(&self) -> u32 {
        self.end - self.rest.len() as u32
    }

    pub fn is_empty(&self) -> bool {
        self.rest.as_slice().is_empty()
    }

    /// The next byte, if there is one.
    #[inline(always)]
    pub fn next(&mut self) -> Option<u8> {
        self.rest.next().copied()
    }

    #[inline(always)]
    pub fn byte(&mut self) -> Result<u8, Refused> {
        self.next().ok_or(Refused)
    }

    /// So many bytes.
    #[inline(always)]
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let (bytes, rest) = self.rest.as_slice().split_first_chunk().ok_or(Refused)?;
        self.rest = rest.iter();
        Ok(*bytes)
    }

    #[inline(always)]
    pub fn u32(&mut self) -> Result<u32, Refused> {
        match self.byte()? {
            byte @ ..0x80 => Ok(byte.into()),
            byte => self.long_u32(byte),
        }
    }

    fn long_u32(&mut self, first: u8) -> Result<u32, Refused> {
        let mut value = u32::from(first & 0x7f);
        for shift in [7, 14, 21] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        match self.byte()? {
            byte @ ..0x10 => Ok(value | u32::from(byte) << 28),
            _ => Err(Refused),
        }
    }

    #[inline(always)]
    pub fn i32(&mut self) -> Result<i32, Refused> {
        match self.byte()? {
            byte @ ..0x80 => Ok(i32::from((byte << 1) as i8 >> 1)),
            byte => self.long_i32(byte),
        }
    }

    fn long_i32(&mut self, first: u8) -> Result<i32, Refused> {
        let mut value = i32::from(first & 0x7f);
        for shift in [7, 14, 21] {
            let byte = self.byte()?;
            value |= i32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let unused = 25 - shift;
                return Ok(value << unused >> unused);
            }
        }
        match self.byte()? {
            byte @ (..0x08 | 0x78..0x80) => Ok(value | i32::from(byte) << 28),
            _ => Err(Refused),
        }
    }

    #[inline(always)]
    pub fn i64(&mut self) -> Result<i64, Refused> {
        match self.byte()? {
            byte @ ..0x80 => Ok(i64::from((byte << 1) as i8 >> 1)),
            byte => self.long_i64(byte),
        }
    }

    fn long_i64(&mut self, first: u8) -> Result<i64, Refused> {
        let mut value = i64::from(first & 0x7f);
        for shift in (7..63).step_by(7) {
            let byte = self.byte()?;
            value |= i64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let unused = 57 - shift;
                return Ok(value << unused >> unused);
            }
        }
        match self.byte()? {
            byte @ (0 | 0x7f) => Ok(value | i64::from(byte) << 63),
            _ => Err(Refused),
        }
    }

    /// A number of 33 bits that is the index of a type, so not negative. `first` is its first byte, which has been read.
    pub fn type_index(&mut self, first: u8) -> Result<u32, Refused> {
        match first {
            ..0x40 => return Ok(first.into()),
            0x40..0x80 => return Err(Refused),
            _ => {}
        }
        let mut value = u32::from(first & 0x7f);
        for shift in [7, 14, 21] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            match byte {
                ..0x40 => return Ok(value),
                0x40..0x80 => return Err(Refused),
                _ => {}
            }
        }
        match self.byte()? {
            byte @ ..0x10 => Ok(value | u32::from(byte) << 28),
            _ => Err(Refused),
        }
    }

    /// A number type.
    pub fn value_type(&mut self) -> Result<ValType, Refused> {
        match self.byte()? {
            0x7f => Ok(ValType::I32),
            0x7e => Ok(ValType::I64),
            0x7d => Ok(ValType::F32),
            0x7c => Ok(ValType::F64),
            _ => Err(Refused),
        }
    }

    #[inline(always)]
    pub fn f32(&mut self) -> Result<u32, Refused> {
        self.bytes().map(u32::from_le_bytes)
    }

    #[inline(always)]
    pub fn f64(&mut self) -> Result<u64, Refused> {
        self.bytes().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wasmparser::BinaryReader;

    /// Bytes that are likely to be an integer: most continue, and the last is at a border.
    fn integers() -> impl Strategy<Value = Vec<u8>> {
        let high = prop_oneof![Just(0x80u8), Just(0xff), 0x80..=0xff_u8];
        let last = prop_oneof![
            Just(0u8),
            Just(0x07),
            Just(0x08),
            Just(0x0f),
            Just(0x10),
            Just(0x3f),
            Just(0x40),
            Just(0x70),
            Just(0x77),
            Just(0x78),
            Just(0x7e),
            Just(0x7f),
            any::<u8>()
        ];
        (prop::collection::vec(high, 0..11), last).prop_map(|(mut bytes, last)| {
            bytes.push(last);
            bytes
        })
    }

    /// What is read of these bytes, and how many are left.
    fn ours<'a, T>(
        bytes: &'a [u8],
        read: impl Fn(&mut Reader<'a>) -> Result<T, Refused>,
    ) -> Option<(T, usize)> {
        let mut reader = Reader::new(bytes, 100);
        let value = read(&mut reader).ok()?;
        assert_eq!(
            reader.offset() as usize,
            100 + bytes.len() - reader.rest.len()
        );
        Some((value, reader.rest.len()))
    }

    fn theirs<'a, T>(
        bytes: &'a [u8],
        read: impl Fn(&mut BinaryReader<'a>) -> wasmparser::Result<T>,
    ) -> Option<(T, usize)> {
        let mut reader = BinaryReader::new(bytes, 100);
        let value = read(&mut reader).ok()?;
        Some((value, reader.bytes_remaining()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn integers_are_read_as_wasmparser_reads_them(bytes in integers()) {
            prop_assert_eq!(ours(&bytes, Reader::u32), theirs(&bytes, BinaryReader::read_var_u32));
            prop_assert_eq!(ours(&bytes, Reader::i32), theirs(&bytes, BinaryReader::read_var_i32));
            prop_assert_eq!(ours(&bytes, Reader::i64), theirs(&bytes, BinaryReader::read_var_i64));
            let index = |reader: &mut Reader<'_>| {
                let first = reader.byte()?;
                reader.type_index(first)
            };
            let expected = theirs(&bytes, BinaryReader::read_var_s33);
            let expected = expected.and_then(|(value, rest)| Some((u32::try_from(value).ok()?, rest)));
            prop_assert_eq!(ours(&bytes, index), expected);
        }
    }
}
