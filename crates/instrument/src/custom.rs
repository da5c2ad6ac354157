//! Custom sections of the new module.
//!
//! In: a custom section. Out: the same, shortened, or nothing. Indices of functions, locals and globals stay;
//! code offsets and label numbers change.

use wasmparser::{BinaryReader, CustomSectionReader};

/// Sections that refer to code offsets.
const PLACES: &[&str] = &[
    ".debug_",
    "reloc.",
    "linking",
    "metadata.code.",
    "sourceMappingURL",
    "external_debug_info",
];

/// The subsection of the name section that numbers labels.
const LABEL_NAMES: u8 = 3;

/// The data of a custom section in the new module; `None` if it is left out.
pub(crate) fn rewrite(section: &CustomSectionReader<'_>) -> Option<Vec<u8>> {
    let name = section.name();
    if PLACES.iter().any(|place| name.starts_with(place)) {
        return None;
    }
    if name == "name" {
        // A name section that cannot be read has no meaning to keep.
        return without_labels(section.data()).ok();
    }
    Some(section.data().to_vec())
}

fn without_labels(data: &[u8]) -> wasmparser::Result<Vec<u8>> {
    let mut reader = BinaryReader::new(data, 0);
    let mut kept = Vec::with_capacity(data.len());
    while !reader.eof() {
        let start = reader.original_position() as usize;
        let id = reader.read_u8()?;
        let size = reader.read_var_u32()?;
        reader.read_bytes(size as usize)?;
        if id != LABEL_NAMES {
            kept.extend_from_slice(&data[start..reader.original_position() as usize]);
        }
    }
    Ok(kept)
}
