//! Small programs: guests compiled from C and Rust, and single loops written by hand.
//!
//! Each exports `run: [] -> [i64]`, whose result is known. It may export `initialize`, which is called once before, and
//! import `env.next: [i64] -> [i64]`. All runs in one instance return the same result.

use std::borrow::Cow;

/// A program.
#[derive(Clone, Copy)]
pub struct Guest {
    /// Name of the guest.
    pub name: &'static str,
    /// The kind of work it stands for.
    pub work: &'static str,
    /// The known result of `run`.
    pub result: u64,
    source: Source,
}

#[derive(Clone, Copy)]
enum Source {
    Wasm(&'static [u8]),
    Text(&'static str),
}

impl Guest {
    /// The module.
    pub fn wasm(&self) -> Result<Cow<'static, [u8]>, String> {
        match self.source {
            Source::Wasm(wasm) => Ok(Cow::Borrowed(wasm)),
            Source::Text(text) => wat::parse_str(text)
                .map(Cow::Owned)
                .map_err(|error| format!("{}: {error}", self.name)),
        }
    }

    /// Whether it is one of the hand-written loops.
    pub fn is_loop(&self) -> bool {
        matches!(self.source, Source::Text(_))
    }
}

macro_rules! guests {
    ($($name:literal, $work:literal, $result:literal;)*) => {
        &[$(Guest {
            name: $name,
            work: $work,
            result: $result,
            source: Source::Wasm(include_bytes!(concat!("../guests/wasm/", $name, ".wasm"))),
        }),*]
    };
}

macro_rules! loops {
    ($($name:literal, $work:literal, $result:literal;)*) => {
        &[$(Guest {
            name: concat!("loop-", $name),
            work: $work,
            result: $result,
            source: Source::Text(include_str!(concat!("../programs/", $name, ".wat"))),
        }),*]
    };
}

/// Programs compiled by C and Rust compilers.
pub const GUESTS: &[Guest] = guests![
    "blake2b", "hash rounds, 64 bits", 0xb1f3cabc1cd997fb;
    "sha256", "hash rounds, 32 bits", 0x943a887b62c246d6;
    "trie", "trie walk with decoding", 0x75ecd4641c1c9897;
    "scale", "SCALE decoding and encoding", 0x28287f2a77ea7a77;
    "quicksort", "sorting, C", 0x208c9b2b7939c6c6;
    "sort", "sorting, Rust's library", 0x1cebd1d347885e8b;
    "interp", "interpreter loop, br_table", 0xaea915c16d03c645;
    "indirect", "indirect calls", 0x672b02e63731c829;
    "fib", "recursion", 0xed67cdfbd84849ee;
    "copy", "copy, fill and compare loops", 0xb7c3cd9d9920ef6d;
    "bytes", "byte work of other kinds", 0x5615da3d78e370db;
    "bigint", "big integers", 0xe99d60725633bbbe;
    "matrix", "f64: matrices", 0x640406e96ffe20d2;
    "nbody", "f64: square roots, divisions", 0x16c0e63f0ce0d5bd;
    "trees", "allocation-heavy trees", 0xf8f9bf3c11de10a2;
    "format", "text through tables of functions", 0x53ed42147f4a11ad;
];

/// Single loops; each shows one instruction pattern.
pub const LOOPS: &[Guest] = loops![
    "copy", "memory to memory", 0x350ae1898c6339da;
    "dispatch", "br_table", 0x0f6c3b27257df591;
    "fibonacci", "calls", 0x2ff42;
    "host", "calls of the host", 0x478b7f706776bce0;
    "indirect", "indirect calls", 0x57449140ef610a0b;
    "matrix", "f64", 0x40b08ba1f58d0fad;
    "mix64", "64-bit mixing", 0x9c86c452a1dab2b3;
    "sieve", "bytes in memory", 0x8444;
];

/// All programs whose name contains `filter`.
pub fn matching(filter: &str) -> impl Iterator<Item = &'static Guest> {
    GUESTS
        .iter()
        .chain(LOOPS)
        .filter(move |guest| guest.name.contains(filter))
}
