//! From a file's bytes to the blob in it, and from a blob to the module in that.
//!
//! A tool is given files: [`read_blob`] takes the blob as it is (or would be) on chain out of one, be it text or a chain specification.
//! [`decompress`] gives the module of a blob, not yet parsed; it is the first step of [`prepare`](crate::prepare). [`read_code`]
//! does both, for programs that want the module alone. What a file is, is told from its content; see [`CodeKind`] for the forms.
//! No more than the given limit is decompressed, and nothing here is recursive in the input.
//!
//! Hexadecimal text is decoded with `hex`: without dependencies and fast enough (a chain
//! spec of 10 MB is read in far less time than its code is compiled in);
//! `const-hex` is faster by its SIMD and `unsafe` code, which nobody would notice here.

mod chain_spec;
mod text;
mod zstd_frames;

use chain_spec::code_of_chain_spec;
use pvf_rules::{Rejection, RejectionClass, RuleId};
use std::borrow::Cow;
pub use text::encode_module;
use text::parse_text;
pub use zstd_frames::{DecompressError, decompress_zstd};

/// The first eight bytes of a blob compressed as Substrate does; what follows are
/// zstd frames.
pub const COMPRESSED_MAGIC: [u8; 8] = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];

const WASM_MAGIC: &[u8] = b"\0asm";

/// What some editors put before text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A blob as it is on chain, and how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob<'a> {
    /// The blob: a module, compressed or not, or anything else that [`prepare`](crate::prepare) will reject.
    pub bytes: Cow<'a, [u8]>,
    /// What the input was.
    pub kind: CodeKind,
}

impl Blob<'_> {
    /// Bytes of the blob, magic included, if it is compressed.
    pub fn compressed_bytes(&self) -> Option<usize> {
        self.bytes
            .starts_with(&COMPRESSED_MAGIC)
            .then_some(self.bytes.len())
    }
}

/// A module and how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The module in the binary format. Nothing of it has been checked, not even (for
    /// a compressed blob) that it begins like a module.
    pub wasm: Vec<u8>,
    /// What the input was.
    pub kind: CodeKind,
    /// Bytes of the blob as it is on chain, magic included, if it was compressed.
    pub compressed_bytes: Option<usize>,
}

/// What a file with code can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// A module in the binary format (begins with `\0asm`); also whatever is none of the other forms, which is no
    /// module.
    Wasm,
    /// A module in the text format (the first token is a parenthesis).
    Text,
    /// A blob in Substrate's compression (begins with [`COMPRESSED_MAGIC`]).
    Compressed,
    /// A chain specification (a JSON object), raw or plain, with code in it, compressed or not.
    ChainSpec,
}

/// Why there is no module in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// None of the forms of [`CodeKind`].
    #[error("neither Wasm, nor compressed Wasm, nor WebAssembly text, nor a chain specification")]
    Unrecognised,
    /// The compressed blob is damaged or too large.
    #[error(transparent)]
    Decompress(#[from] DecompressError),
    /// The module, which was given as text, is larger than the limit.
    #[error("{bytes} bytes of module, the limit is {limit}")]
    TooLarge {
        /// Bytes of the module.
        bytes: usize,
        /// The limit given.
        limit: usize,
    },
    /// The text does not parse as a module.
    #[error("WebAssembly text: {0}")]
    Text(String),
    /// The chain specification is not JSON, or not shaped like a chain specification.
    #[error("chain specification: {0}")]
    ChainSpec(String),
    /// The chain specification has no code.
    #[error(
        "the chain specification has code neither in genesis.raw.top (\":code\") nor in genesis.runtimeGenesis.code"
    )]
    NoCode,
    /// The `:code` of the chain specification is not hexadecimal.
    #[error("code of the chain specification: {0}")]
    Hex(String),
}

/// Takes the module out of the bytes of a file.
///
/// `limit` is the largest number of bytes that a compressed blob or a text may become.
/// Code that is not compressed is not measured here (Polkadot does not either); the
/// compiler does.
///
/// ```
/// use pvf_executor::{CodeKind, read_code};
///
/// let code = read_code(b"(module)", 1 << 20)?;
/// assert_eq!(code.kind, CodeKind::Text);
/// assert_eq!(code.wasm, b"\0asm\x01\0\0\0");
/// assert_eq!(read_code(&code.wasm, 1 << 20)?.kind, CodeKind::Wasm);
/// # Ok::<(), pvf_executor::CodeError>(())
/// ```
pub fn read_code(bytes: &[u8], limit: usize) -> Result<Code, CodeError> {
    let blob = read_blob(bytes)?;
    let compressed_bytes = blob.compressed_bytes();
    let wasm = decompress(&blob.bytes, limit)?.into_owned();
    if compressed_bytes.is_none() && !wasm.starts_with(WASM_MAGIC) {
        return Err(CodeError::Unrecognised);
    }
    if blob.kind == CodeKind::Text && wasm.len() > limit {
        let bytes = wasm.len();
        return Err(CodeError::TooLarge { bytes, limit });
    }
    Ok(Code {
        wasm,
        kind: blob.kind,
        compressed_bytes,
    })
}

/// Takes the blob out of the bytes of a file: the module of a text, the code of a chain specification. Every other file is the blob
/// itself, whatever it holds (rule CODE-1): [`prepare`](crate::prepare) judges it.
///
/// # Errors
/// A text or a chain specification that cannot be read: mistakes in what only a tool takes.
pub fn read_blob(bytes: &[u8]) -> Result<Blob<'_>, CodeError> {
    let itself = |kind| Blob {
        bytes: Cow::Borrowed(bytes),
        kind,
    };
    if bytes.starts_with(&COMPRESSED_MAGIC) {
        return Ok(itself(CodeKind::Compressed));
    }
    if bytes.starts_with(WASM_MAGIC) {
        return Ok(itself(CodeKind::Wasm));
    }
    let content = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let (wrapped, kind) = match first_token(content) {
        Some(b'(') => (encoded(content)?, CodeKind::Text),
        Some(b'{') => (code_of_chain_spec(content)?, CodeKind::ChainSpec),
        _ => return Ok(itself(CodeKind::Wasm)),
    };
    Ok(Blob {
        bytes: Cow::Owned(wrapped),
        kind,
    })
}

/// The module of a blob: what follows [`COMPRESSED_MAGIC`] decompressed, if the blob begins so, else the blob as it stands (rules
/// CODE-1 to CODE-4). A module that is not compressed is not measured here (Polkadot does not either); the compiler does.
///
/// # Errors
/// What is compressed is damaged, or becomes larger than `limit` bytes; or this machine has no memory.
pub fn decompress(blob: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, DecompressError> {
    match blob.strip_prefix(&COMPRESSED_MAGIC) {
        // What is inside is the module as it stands: nothing is unwrapped twice.
        Some(frames) => decompress_zstd(frames, limit).map(Cow::Owned),
        None => Ok(Cow::Borrowed(blob)),
    }
}

impl DecompressError {
    /// The rejection of the blob; nothing for a failure of this host, which says nothing about the blob.
    pub fn rejection(&self) -> Option<Rejection> {
        let rule = match self {
            Self::TooLarge { .. } => RuleId::CODE_3,
            Self::Invalid(_) => RuleId::CODE_2,
            Self::OutOfMemory => return None,
        };
        let class = RejectionClass::Decompression;
        Some(Rejection::new(class, rule, self.to_string()))
    }
}

/// The module of a text.
fn encoded(text: &[u8]) -> Result<Vec<u8>, CodeError> {
    let text = std::str::from_utf8(text).map_err(|error| CodeError::Text(error.to_string()))?;
    parse_text(text).map_err(|error| CodeError::Text(error.to_string()))
}

/// The first byte that is neither space nor a comment of the text format. A file that
/// begins with a comment can only be text; plain zstd frames begin with a
/// parenthesis and are not.
fn first_token(bytes: &[u8]) -> Option<u8> {
    if zstd_frames::begins_like_frame(bytes) {
        return None;
    }
    let bytes = bytes.trim_ascii_start();
    if bytes.starts_with(b";;") {
        return Some(b'(');
    }
    bytes.first().copied()
}

#[cfg(test)]
mod tests;
