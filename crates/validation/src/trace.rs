//! Watching the host calls of a run, to compare them with another executor's.

use blake2::{Blake2b, Digest, digest::consts::U32};
use std::collections::BTreeMap;

/// Sees every host call. It cannot change what a call does; a panic in it is dropped.
pub trait Trace: Send + 'static {
    /// A call begins. `arguments` are zero-extended to 64 bits.
    fn called(&mut self, name: &str, arguments: &[u64]);
    /// The host function reads these bytes of memory.
    fn read(&mut self, bytes: &[u8]);
    /// The host function writes these bytes to memory.
    fn wrote(&mut self, bytes: &[u8]);
    /// The call ends: what it returns, zero-extended to 64 bits, or why it failed.
    fn returned(&mut self, result: Result<Option<u64>, &str>);
}

/// Hashes host calls in two ways and counts them.
///
/// - *calls*: for each call the length of its name (u32 LE), the name, each argument (u64 LE),
///   then `00` if it returned nothing, `01` and the result (u64 LE), or `02` if it
///   failed. Pointers are in it.
/// - *data*: for each call the length of its name (u32 LE), the name, for each byte string read
///   `01`, its length (u32 LE) and the bytes, and the same with `02` for each written.
///
/// Both are BLAKE2b-256.
#[derive(Default)]
pub struct TraceHasher {
    calls: Blake2b<U32>,
    data: Blake2b<U32>,
    counts: BTreeMap<String, u64>,
    bytes_read: u64,
    bytes_written: u64,
}

/// What a [`TraceHasher`] has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSummary {
    /// Hash of the calls.
    pub calls: [u8; 32],
    /// Hash of the bytes.
    pub data: [u8; 32],
    /// How often each function was called.
    pub counts: BTreeMap<String, u64>,
    /// Bytes that host functions read from memory.
    pub bytes_read: u64,
    /// Bytes that host functions wrote to memory.
    pub bytes_written: u64,
}

impl TraceHasher {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The hashes.
    pub fn finish(self) -> TraceSummary {
        TraceSummary {
            calls: self.calls.finalize().into(),
            data: self.data.finalize().into(),
            counts: self.counts,
            bytes_read: self.bytes_read,
            bytes_written: self.bytes_written,
        }
    }

    fn data_bytes(&mut self, tag: u8, bytes: &[u8]) {
        self.data.update([tag]);
        self.data.update((bytes.len() as u32).to_le_bytes());
        self.data.update(bytes);
    }
}

impl Trace for TraceHasher {
    fn called(&mut self, name: &str, arguments: &[u64]) {
        let length = (name.len() as u32).to_le_bytes();
        for hash in [&mut self.calls, &mut self.data] {
            hash.update(length);
            hash.update(name);
        }
        for argument in arguments {
            self.calls.update(argument.to_le_bytes());
        }
        match self.counts.get_mut(name) {
            Some(count) => *count += 1,
            None => _ = self.counts.insert(name.to_owned(), 1),
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        self.bytes_read += bytes.len() as u64;
        self.data_bytes(1, bytes);
    }

    fn wrote(&mut self, bytes: &[u8]) {
        self.bytes_written += bytes.len() as u64;
        self.data_bytes(2, bytes);
    }

    fn returned(&mut self, result: Result<Option<u64>, &str>) {
        match result {
            Ok(None) => self.calls.update([0]),
            Ok(Some(value)) => {
                self.calls.update([1]);
                self.calls.update(value.to_le_bytes());
            }
            Err(_) => self.calls.update([2]),
        }
    }
}
