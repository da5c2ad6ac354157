//! What kind of file an argument is, so that swapped or mistaken ones are wrong usage and not a verdict.

use pvf_executor::{COMPRESSED_MAGIC, looks_like_artifact};
use pvf_validation::candidate::{self, Form};
use std::fmt;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A module, damaged or not.
    Module,
    /// The same in Substrate's compression.
    Compressed,
    /// An artifact of ours.
    Artifact,
    /// A candidate, compressed or not.
    Candidate,
    /// The first part of a candidate.
    Cut,
    /// What a collator exports with `--export-pov-to-path`, compressed or not.
    Pov,
    /// The first part of that.
    CutPov,
    /// Both a candidate and what a collator exports, by its shape and by its content.
    Ambiguous,
    /// zstd data that hold no candidate.
    Zstd,
    /// A program.
    Elf,
    /// Nothing.
    Empty,
    /// JSON or WebAssembly text, by its first character.
    Markup,
    /// Other text.
    Text,
    /// None of these.
    Unknown,
}

impl Kind {
    /// Tells from the content.
    pub fn of(bytes: &[u8]) -> Self {
        let text = bytes.trim_ascii_start();
        if bytes.is_empty() {
            Self::Empty
        } else if bytes.starts_with(b"\0asm") {
            Self::Module
        } else if bytes.starts_with(&COMPRESSED_MAGIC) {
            Self::Compressed
        } else if looks_like_artifact(bytes) {
            Self::Artifact
        } else if let Some(form) = candidate::form(bytes) {
            Self::of_form(form)
        } else if bytes.starts_with(b"\x28\xb5\x2f\xfd") {
            match candidate::read(bytes) {
                Ok(inside) => match candidate::form(&inside) {
                    Some(form) => Self::of_form(form),
                    None if candidate::is_cut_export(&inside) => Self::CutPov,
                    None if candidate::is_cut(&inside) => Self::Cut,
                    None => Self::Zstd,
                },
                Err(_) => Self::Zstd,
            }
        } else if bytes.starts_with(b"\x7fELF") {
            Self::Elf
        } else if matches!(text.first(), Some(b'(' | b'{')) || text.starts_with(b";;") {
            Self::Markup
        } else if std::str::from_utf8(bytes).is_ok_and(is_printed) {
            Self::Text
        } else if candidate::is_cut_export(bytes) {
            Self::CutPov
        } else if candidate::is_cut(bytes) {
            Self::Cut
        } else {
            Self::Unknown
        }
    }

    fn of_form(form: Form) -> Self {
        match form {
            Form::Params => Self::Candidate,
            Form::Exported | Form::ExportedOld => Self::Pov,
            Form::Ambiguous => Self::Ambiguous,
        }
    }
}

fn is_printed(text: &str) -> bool {
    text.chars()
        .all(|c| !c.is_control() || c.is_ascii_whitespace())
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Module => "a Wasm module",
            Self::Compressed => "a compressed PVF",
            Self::Artifact => "an artifact of `pvf prepare`",
            Self::Candidate => "a candidate (ValidationParams)",
            Self::Pov => "a collator's export (PoV and PersistedValidationData)",
            Self::CutPov => "a collator's export that is cut short",
            Self::Ambiguous => {
                "both a candidate (ValidationParams) and a collator's export of 2023 or before"
            }
            Self::Cut => "a candidate that is cut short",
            Self::Zstd => "zstd data without a candidate in them",
            Self::Elf => "a program",
            Self::Empty => "empty",
            Self::Markup => "WebAssembly text or JSON",
            Self::Text => "text",
            Self::Unknown => "nothing that is known here",
        })
    }
}

/// Why bytes are no code, if they are not.
pub fn not_code(bytes: &[u8]) -> Option<String> {
    let kind = Kind::of(bytes);
    let hint = match kind {
        // Whether these can be read is said where they are.
        Kind::Module | Kind::Compressed | Kind::Markup => return None,
        Kind::Artifact => ". `pvf execute` takes artifacts",
        Kind::Candidate | Kind::Cut | Kind::Pov | Kind::CutPov | Kind::Ambiguous => {
            ". The code comes first, then the candidate"
        }
        _ => "",
    };
    Some(format!(
        "this is not a PVF (Wasm, compressed Wasm, WebAssembly text, a chain specification), but {kind}{hint}"
    ))
}

/// Why bytes, as they are in a file, are no candidate, if they are not.
pub fn not_a_candidate(bytes: &[u8]) -> Option<String> {
    let kind = Kind::of(bytes);
    let hint = match kind {
        // A candidate that is cut short, down to nothing, is one all the same: no other kind of file.
        Kind::Candidate | Kind::Cut | Kind::Empty | Kind::Pov => return None,
        Kind::Ambiguous => {
            return Some(format!(
                "this is {kind}: each of its two strings is a block. --any-candidate passes it on as it is"
            ));
        }
        Kind::Module | Kind::Compressed => ". The code comes first, then the candidate",
        Kind::Artifact => ". The artifact comes first, then the candidate",
        _ => ". --any-candidate passes it on as it is",
    };
    Some(format!(
        "this does not decode as ValidationParams or as a collator's export; it is {kind}{hint}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_primitives::{PersistedValidationData, PoV, ValidationParams};

    fn encoded<T: parity_scale_codec::Encode>(value: &T) -> Vec<u8> {
        value.encode()
    }

    #[test]
    fn kinds_are_told_apart() {
        let params = encoded(&ValidationParams {
            parent_head: vec![1; 90],
            block_data: vec![2; 5000],
            relay_parent_number: 7,
            relay_parent_storage_root: [3; 32],
        });
        let block_data = vec![5; 3000];
        let pov = PoV { block_data };
        let data = PersistedValidationData {
            parent_head: vec![4; 80],
            relay_parent_number: 9,
            relay_parent_storage_root: [8; 32],
            max_pov_size: 5 << 20,
        };
        let exported = [encoded(&pov), encoded(&data)].concat();
        let frame = zstd::encode_all(&[5; 3000][..], 3).expect("it can be compressed");
        let block_data = [&COMPRESSED_MAGIC[..], &frame].concat();
        let compressed = [encoded(&PoV { block_data }), encoded(&data)].concat();
        let zstd_of_compressed =
            zstd::encode_all(&compressed[..], 3).expect("it can be compressed");
        let zstd = zstd::encode_all(&params[..], 3).expect("it can be compressed");
        let nothing = zstd::encode_all(&b"nothing"[..], 3).expect("it can be compressed");
        let artifact = [&b"pvf-art\0"[..], &[0; 200]].concat();
        for (bytes, kind) in [
            (&params[..], Kind::Candidate),
            (&zstd, Kind::Candidate),
            (&nothing, Kind::Zstd),
            (&exported, Kind::Pov),
            (b"\0asm\x02", Kind::Module),
            (&COMPRESSED_MAGIC, Kind::Compressed),
            (&artifact, Kind::Artifact),
            (b"\x7fELF\x02\x01\x01", Kind::Elf),
            (b"", Kind::Empty),
            (b"\n (module)", Kind::Markup),
            (b"{}", Kind::Markup),
            (b";; a comment", Kind::Markup),
            (b"a-host-name\n", Kind::Text),
            (b"\x01\x02\x03\x04", Kind::Unknown),
            (&params[..params.len() - 1], Kind::Cut),
            (&exported[..exported.len() - 1], Kind::Unknown),
            (&compressed, Kind::Pov),
            (&zstd_of_compressed, Kind::Pov),
            (&compressed[..compressed.len() - 1], Kind::CutPov),
        ] {
            assert_eq!(
                Kind::of(bytes),
                kind,
                "{:02x?}",
                &bytes[..bytes.len().min(8)]
            );
            let code = matches!(kind, Kind::Module | Kind::Compressed | Kind::Markup);
            assert_eq!(not_code(bytes).is_none(), code, "{kind}");
            let candidate = matches!(kind, Kind::Candidate | Kind::Cut | Kind::Empty | Kind::Pov);
            assert_eq!(not_a_candidate(bytes).is_none(), candidate, "{kind}");
        }
    }
}
