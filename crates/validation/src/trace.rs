//! Tracing the host calls of a run, to compare them with those of another executor.

use blake2::{Blake2b, Digest, digest::consts::U32};
use std::collections::BTreeMap;

/// Receives every host call. A trace cannot change the effect of a call; a panic in it is caught
/// and ignored.
pub trait Trace: Send + 'static {
    /// A call begins. `arguments` are zero-extended to 64 bits.
    fn called(&mut self, name: &str, arguments: &[u64]);
    /// The host function reads these bytes of memory.
    fn read(&mut self, bytes: &[u8]);
    /// The host function writes these bytes to memory.
    fn wrote(&mut self, bytes: &[u8]);
    /// The call ends. `result` is its return value, zero-extended to 64 bits, or the reason of its
    /// failure.
    fn returned(&mut self, result: Result<Option<u64>, &str>);
    /// The allocator handed out `bytes` bytes at `address`, which take `taken` bytes of memory with
    /// their header: for a call of `malloc`, for the result of another host function, or, before the
    /// first call, for the candidate.
    fn allocated(&mut self, address: u32, bytes: u32, taken: u32) {
        let _ = (address, bytes, taken);
    }
    /// The allocator took back what is at `address`.
    fn freed(&mut self, address: u32) {
        let _ = address;
    }
}

/// Computes two hashes over the host calls and counts them.
///
/// - *calls*: for each call the length of its name (u32 LE), the name, each argument (u64 LE), then
///   `00` if it returned no value, `01` and the value (u64 LE), or `02` if it failed. The arguments
///   include pointers.
/// - *data*: for each call the length of its name (u32 LE) and the name; then for each byte string
///   read `01`, its length (u32 LE) and the bytes, and for each byte string written the same with
///   `02`.
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

/// The hashes and counts of a [`TraceHasher`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSummary {
    /// The hash *calls*.
    pub calls: [u8; 32],
    /// The hash *data*.
    pub data: [u8; 32],
    /// Number of calls by function name.
    pub counts: BTreeMap<String, u64>,
    /// Bytes that host functions read from memory.
    pub bytes_read: u64,
    /// Bytes that host functions wrote to memory.
    pub bytes_written: u64,
}

impl TraceHasher {
    /// A hasher that has received no call.
    pub fn new() -> Self {
        Self::default()
    }

    /// The hashes and counts of all calls received.
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
