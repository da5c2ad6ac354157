//! The code buffer: where encoders put finished instructions.
//!
//! In: at most sixteen bytes per instruction, packed by the encoder into two
//! 64-bit words (a head: prefixes, opcode, ModRM, SIB; and a tail:
//! displacement, immediate). Out: the bytes, one after another.
//!
//! One capacity check per instruction, then two unaligned 64-bit stores and an
//! addition: no loop and no branch on a length. This is the only file of the
//! crate with `unsafe`; every function in it is safe to call with any argument.

/// Bytes that [`CodeBuffer::put`] may write past the current end.
const SLACK: usize = 16;

/// Above this many bytes, the allocation is handed over instead of copied.
const LARGE: usize = 1 << 20;

/// A growing run of machine code.
#[derive(Clone, Debug, Default)]
pub struct CodeBuffer {
    bytes: Vec<u8>,
}

impl CodeBuffer {
    /// An empty buffer with room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes.saturating_add(SLACK)),
        }
    }

    /// Makes room for `bytes` more bytes.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes.saturating_add(SLACK));
    }

    /// Removes the contents and keeps the allocation.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Bytes written so far.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What was written so far.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The contents, leaving the allocation to the caller.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Takes the contents and leaves the buffer empty. Long contents are handed over with their allocation; short ones
    /// are copied, so that the allocation is kept.
    pub fn take(&mut self) -> Vec<u8> {
        if self.bytes.len() > LARGE {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.shrink_to_fit();
            return bytes;
        }
        let bytes = self.bytes.to_vec();
        self.bytes.clear();
        bytes
    }

    /// Appends the first `head_len` bytes of `head`, then the first `tail_len`
    /// bytes of `tail`, both least significant byte first. Lengths over eight
    /// count as eight.
    #[inline(always)]
    pub fn put(&mut self, head: u64, head_len: u32, tail: u64, tail_len: u32) {
        debug_assert!(head_len <= 8 && tail_len <= 8, "a word has eight bytes");
        let head_len = head_len.min(8) as usize;
        let tail_len = tail_len.min(8) as usize;
        let at = self.bytes.len();
        if self.bytes.capacity() - at < SLACK {
            self.grow();
        }
        // SAFETY: the capacity is at least `at + SLACK` (checked above; `grow`
        // ensures it or does not return). The stores cover
        // `at .. at + 8` and `at + head_len .. at + head_len + 8`, both within
        // `at .. at + 16` as `head_len <= 8`. The new length is at most
        // `at + 16`, and each byte below it was initialised: up to
        // `at + head_len` by the first store, the rest by the second.
        #[allow(unsafe_code)]
        unsafe {
            let end = self.bytes.as_mut_ptr().add(at);
            end.cast::<u64>().write_unaligned(head.to_le());
            end.add(head_len)
                .cast::<u64>()
                .write_unaligned(tail.to_le());
            self.bytes.set_len(at + head_len + tail_len);
        }
    }

    /// Appends the first `len` bytes of `word`, least significant byte first.
    /// A length over eight counts as eight.
    #[inline(always)]
    pub fn put_word(&mut self, word: u64, len: u32) {
        debug_assert!(len <= 8, "a word has eight bytes");
        let len = len.min(8) as usize;
        let at = self.bytes.len();
        if self.bytes.capacity() - at < SLACK {
            self.grow();
        }
        // SAFETY: as in `put`: the store covers `at .. at + 8`, within the
        // capacity, and the new length is at most `at + 8`.
        #[allow(unsafe_code)]
        unsafe {
            self.bytes
                .as_mut_ptr()
                .add(at)
                .cast::<u64>()
                .write_unaligned(word.to_le());
            self.bytes.set_len(at + len);
        }
    }

    /// Appends data of any length.
    pub fn put_slice(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
    }

    /// Overwrites the byte at `at`.
    ///
    /// # Panics
    /// If `at` was not written yet.
    #[inline]
    pub fn patch_u8(&mut self, at: u32, value: u8) {
        self.bytes[at as usize] = value;
    }

    /// The four bytes at `at`, least significant byte first.
    ///
    /// # Panics
    /// If they were not written yet.
    #[inline]
    pub fn read_u32(&self, at: u32) -> u32 {
        let at = at as usize;
        let bytes = &self.bytes[at..at + 4];
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// Overwrites the four bytes at `at`, least significant byte first.
    ///
    /// # Panics
    /// If the four bytes were not written yet.
    #[inline]
    pub fn patch_u32(&mut self, at: u32, value: u32) {
        let at = at as usize;
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        // `reserve` doubles at least, so the cost per byte stays constant.
        self.bytes.reserve(SLACK.max(256));
    }
}

#[cfg(test)]
mod tests {
    use super::CodeBuffer;

    #[test]
    fn puts_exactly_the_named_bytes() {
        for head_len in 0..=8u32 {
            for tail_len in 0..=8u32 {
                let mut buffer = CodeBuffer::default();
                buffer.put_word(0xEE, 1);
                buffer.put(
                    0x0807_0605_0403_0201,
                    head_len,
                    0x1817_1615_1413_1211,
                    tail_len,
                );
                buffer.put_word(0xFF, 1);
                let mut expected = vec![0xEE];
                expected.extend((1..=8u8).take(head_len as usize));
                expected.extend((0x11..=0x18u8).take(tail_len as usize));
                expected.push(0xFF);
                assert_eq!(buffer.bytes(), expected);
            }
        }
    }

    #[test]
    fn grows_from_any_fill() {
        // Every fill level before a put, so that a put meets every distance to
        // the end of the allocation.
        for fill in 0..600usize {
            let mut buffer = CodeBuffer::with_capacity(0);
            for i in 0..fill {
                buffer.put_word(i as u64, 1);
            }
            buffer.put(u64::MAX, 8, 0, 8);
            assert_eq!(buffer.len(), fill + 16);
            assert!(
                buffer.bytes()[..fill]
                    .iter()
                    .enumerate()
                    .all(|(i, &b)| b == i as u8)
            );
            assert_eq!(buffer.bytes()[fill..fill + 8], [0xFF; 8]);
            assert_eq!(buffer.bytes()[fill + 8..], [0; 8]);
        }
    }

    #[test]
    fn patches_in_place() {
        let mut buffer = CodeBuffer::default();
        buffer.put_slice(&[0; 6]);
        buffer.patch_u32(1, 0x0403_0201);
        buffer.patch_u8(5, 9);
        assert_eq!(buffer.bytes(), [0, 1, 2, 3, 4, 9]);
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn patch_past_the_end_panics() {
        let mut buffer = CodeBuffer::default();
        buffer.put_slice(&[0; 6]);
        buffer.patch_u32(3, 0);
    }
}
