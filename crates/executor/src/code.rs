//! From a file's bytes to the module in it, whatever it is wrapped in.
//!
//! In come the bytes of a file, out goes binary Wasm ([`Code`]), not yet parsed. What
//! the file is, is told from its content alone; see [`CodeKind`] for the forms. No more
//! than the given limit is decompressed, and nothing here is recursive in the input.
//!
//! Hexadecimal text is decoded with `hex`: without dependencies and fast enough (a chain
//! spec of 10 MB is read in far less time than its code is compiled in);
//! `const-hex` is faster by its SIMD and `unsafe` code, which nobody would notice here.

mod chain_spec;
mod text;
mod zstd_frames;

use chain_spec::code_of_chain_spec;
pub use text::encode_module;
use text::parse_text;
pub use zstd_frames::{DecompressError, decompress_zstd};

/// The first eight bytes of a blob compressed as Substrate does; what follows are
/// zstd frames.
pub const COMPRESSED_MAGIC: [u8; 8] = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];

const WASM_MAGIC: &[u8] = b"\0asm";

/// What some editors put before text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
    /// A module in the binary format (begins with `\0asm`).
    Wasm,
    /// A module in the text format (the first token is a parenthesis).
    Text,
    /// A blob in Substrate's compression (begins with [`COMPRESSED_MAGIC`]).
    Compressed,
    /// A chain specification (a JSON object) whose raw genesis state has a `:code`,
    /// compressed or not.
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
    /// The chain specification has no `:code` in a raw genesis state.
    #[error("the chain specification has no code in genesis.raw.top; is it a raw one?")]
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
    if let Some(code) = blob(bytes, limit) {
        return code;
    }
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    match first_token(bytes) {
        Some(b'(') => text(bytes, limit),
        Some(b'{') => {
            let inner = code_of_chain_spec(bytes)?;
            let code = blob(&inner, limit).unwrap_or(Err(CodeError::Unrecognised))?;
            Ok(Code {
                kind: CodeKind::ChainSpec,
                ..code
            })
        }
        _ => Err(CodeError::Unrecognised),
    }
}

/// A blob as it may be on chain, if it is one.
fn blob(bytes: &[u8], limit: usize) -> Option<Result<Code, CodeError>> {
    if let Some(frames) = bytes.strip_prefix(&COMPRESSED_MAGIC) {
        // What is inside is the module as it stands: nothing is unwrapped twice.
        let code = decompress_zstd(frames, limit).map(|wasm| Code {
            wasm,
            kind: CodeKind::Compressed,
            compressed_bytes: Some(bytes.len()),
        });
        return Some(code.map_err(CodeError::from));
    }
    bytes.starts_with(WASM_MAGIC).then(|| {
        Ok(Code {
            wasm: bytes.to_vec(),
            kind: CodeKind::Wasm,
            compressed_bytes: None,
        })
    })
}

fn text(bytes: &[u8], limit: usize) -> Result<Code, CodeError> {
    let text = std::str::from_utf8(bytes).map_err(|error| CodeError::Text(error.to_string()))?;
    let wasm = parse_text(text).map_err(|error| CodeError::Text(error.to_string()))?;
    if wasm.len() > limit {
        return Err(CodeError::TooLarge {
            bytes: wasm.len(),
            limit,
        });
    }
    Ok(Code {
        wasm,
        kind: CodeKind::Text,
        compressed_bytes: None,
    })
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
