//! Extracts the blob from a file's bytes, and the module from a blob.
//!
//! Tools are given files. [`read_blob`] extracts the blob as it is, or would be, stored on chain,
//! from a binary file, from text or from a chain specification. [`decompress`] returns the module
//! of a blob, not yet parsed; it is the first step of [`prepare`](crate::prepare). [`read_code`]
//! does both, for programs that need only the module. The kind of a file is detected from its
//! content; see [`CodeKind`]. Decompression stops at the given limit, and no function here recurses
//! on its input.
//!
//! Hexadecimal text is decoded with `hex`: it has no dependencies and is fast enough (reading a
//! chain specification of 10 MB takes far less time than compiling its code). `const-hex` is faster
//! through SIMD and `unsafe` code, which would make no noticeable difference here.

mod chain_spec;
mod text;
mod zstd_frames;

use chain_spec::code_of_chain_spec;
use pvf_rules::{Rejection, RejectionClass, RuleId};
use std::borrow::Cow;
pub use text::encode_module;
use text::parse_text;
pub use zstd_frames::{DecompressError, decompress_zstd};

/// The first eight bytes of a blob in Substrate's compression; zstd frames follow.
pub const COMPRESSED_MAGIC: [u8; 8] = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];

const WASM_MAGIC: &[u8] = b"\0asm";

/// The byte order mark that some editors write before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A blob as stored on chain, and the kind of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob<'a> {
    /// The blob: a module, compressed or not, or any other bytes, which [`prepare`](crate::prepare)
    /// will reject.
    pub bytes: Cow<'a, [u8]>,
    /// The kind of the input.
    pub kind: CodeKind,
}

impl Blob<'_> {
    /// Size of the blob, magic included, if it is compressed.
    pub fn compressed_bytes(&self) -> Option<usize> {
        self.bytes
            .starts_with(&COMPRESSED_MAGIC)
            .then_some(self.bytes.len())
    }
}

/// A module, and the kind of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The module in the binary format, unchecked. The content of a compressed blob may not even
    /// begin like a module.
    pub wasm: Vec<u8>,
    /// The kind of the input.
    pub kind: CodeKind,
    /// Size of the blob as stored on chain, magic included, if it is compressed.
    pub compressed_bytes: Option<usize>,
}

/// The kind of a file with code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// A module in the binary format (begins with `\0asm`). [`read_blob`] also uses this kind for a
    /// file of none of the other kinds, which is not a module.
    Wasm,
    /// A module in the text format (the first token is a parenthesis).
    Text,
    /// A blob in Substrate's compression (begins with [`COMPRESSED_MAGIC`]).
    Compressed,
    /// A chain specification (a JSON object), raw or plain, that contains code, compressed or not.
    ChainSpec,
}

/// Why a file does not yield a module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// The input has none of the forms of [`CodeKind`].
    #[error("neither Wasm, nor compressed Wasm, nor WebAssembly text, nor a chain specification")]
    Unrecognised,
    /// The compressed blob is damaged or too large.
    #[error(transparent)]
    Decompress(#[from] DecompressError),
    /// The module that the text describes is larger than the limit.
    #[error("the module has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes of the module.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The text does not parse as a module.
    #[error("WebAssembly text: {0}")]
    Text(String),
    /// The chain specification is not JSON, or does not have the structure of a chain
    /// specification.
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

/// Extracts the module from the bytes of a file.
///
/// `limit` is the maximum size in bytes of a decompressed blob or an encoded text. The size of an
/// uncompressed module is not checked here, as in Polkadot; the compiler checks it.
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

/// Extracts the blob from the bytes of a file: the module of a text, or the code of a chain
/// specification. Any other file is itself the blob, whatever it contains (rule CODE-1);
/// [`prepare`](crate::prepare) accepts or rejects it.
///
/// # Errors
/// The text or the chain specification cannot be read. Only tools accept these forms, so this is
/// not an outcome.
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

/// The module of a blob: the decompressed frames after [`COMPRESSED_MAGIC`], or the blob itself if
/// it does not begin with that magic (rules CODE-1 to CODE-4). The size of an uncompressed module
/// is not checked here, as in Polkadot; the compiler checks it.
///
/// # Errors
/// The frames are damaged or decompress to more than `limit` bytes, or this machine is out of
/// memory.
pub fn decompress(blob: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, DecompressError> {
    match blob.strip_prefix(&COMPRESSED_MAGIC) {
        // The content is the module, even if it begins with the magic again: decompression is not
        // repeated.
        Some(frames) => decompress_zstd(frames, limit).map(Cow::Owned),
        None => Ok(Cow::Borrowed(blob)),
    }
}

impl DecompressError {
    /// The rejection of the blob; `None` for a failure of the host, which says nothing about the
    /// blob.
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

/// Encodes a module in the text format.
fn encoded(text: &[u8]) -> Result<Vec<u8>, CodeError> {
    let text = std::str::from_utf8(text).map_err(|error| CodeError::Text(error.to_string()))?;
    parse_text(text).map_err(|error| CodeError::Text(error.to_string()))
}

/// The first byte after white space. A file that begins with a line comment can only be text, so it
/// counts as beginning with a parenthesis. A plain zstd frame begins with the byte of a parenthesis
/// but is not text.
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
