//! The result of `ext_misc_runtime_version_version_1` for a blob.
//!
//! A runtime carries its version in the custom section `runtime_version` and the list of its
//! interfaces in `runtime_apis`. In validation these sections are the only source. If a blob cannot
//! be parsed or has no such section, the host function returns `None`; it never runs the blob, as a
//! node outside validation would. Polkadot's parser decides which blobs can be parsed.

use parity_scale_codec::{Decode, Encode, Error as CodecError, Input};
use sp_externalities::Externalities;

/// Maximum size of a decompressed blob.
const MAX_BLOB_BYTES: usize = 50 * 1024 * 1024;

/// Identifier of the interface `Core`: the first 8 bytes of BLAKE2b-64 of its name.
const CORE: [u8; 8] = [0xdf, 0x6a, 0xcb, 0x68, 0x99, 0x07, 0x60, 0x9b];

/// Bytes of an entry of the section `runtime_apis`: identifier, then version (u32 LE).
const API_BYTES: usize = 12;

/// An interface and its version.
type Api = ([u8; 8], u32);

/// Reads the version embedded in a blob.
pub(crate) struct EmbeddedVersion;

impl sp_core::traits::ReadRuntimeVersion for EmbeddedVersion {
    fn read_runtime_version(
        &self,
        blob: &[u8],
        _: &mut dyn Externalities,
    ) -> Result<Vec<u8>, String> {
        read(blob)
    }
}

/// The SCALE-encoded version in a blob, which may be compressed.
fn read(blob: &[u8]) -> Result<Vec<u8>, String> {
    RuntimeVersion::embedded(blob).map(|version| version.encode())
}

impl RuntimeVersion {
    /// Reads the version in a blob, which may be compressed, from its custom sections.
    ///
    /// # Errors
    /// What is missing or does not decode, in words.
    pub fn embedded(blob: &[u8]) -> Result<Self, String> {
        let wasm = sp_maybe_compressed_blob::decompress(blob, MAX_BLOB_BYTES)
            .map_err(|error| format!("the blob cannot be decompressed: {error}"))?;
        let module: parity_wasm::elements::Module = parity_wasm::deserialize_buffer(&wasm)
            .map_err(|error| format!("the blob cannot be parsed: {error}"))?;
        let section = |name| {
            let mut sections = module.custom_sections();
            sections
                .find(|section| section.name() == name)
                .map(|section| section.payload())
        };
        let version =
            section("runtime_version").ok_or("the blob has no section `runtime_version`")?;
        let apis = section("runtime_apis").map(read_apis).transpose()?;
        Self::read(&mut &version[..], apis)
            .map_err(|error| format!("the section `runtime_version` cannot be decoded: {error}"))
    }
}

fn read_apis(section: &[u8]) -> Result<Vec<Api>, String> {
    let (entries, rest) = section.as_chunks::<API_BYTES>();
    if !rest.is_empty() {
        return Err("the section `runtime_apis` ends within an entry".to_owned());
    }
    let entry = |&[i0, i1, i2, i3, i4, i5, i6, i7, version @ ..]: &[u8; API_BYTES]| {
        let id = [i0, i1, i2, i3, i4, i5, i6, i7];
        (id, u32::from_le_bytes(version))
    };
    Ok(entries.iter().map(entry).collect())
}

fn core_version(apis: &[Api]) -> Option<u32> {
    let core = apis.iter().find(|(id, _)| *id == CORE);
    core.map(|(_, version)| *version)
}

/// The version of a runtime, with fields in the order of their encoding.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub struct RuntimeVersion {
    /// Name of the chain's kind.
    pub spec_name: String,
    /// Name of the implementation.
    pub impl_name: String,
    /// Version of the interface for block production.
    pub authoring_version: u32,
    /// Version of the chain's rules.
    pub spec_version: u32,
    /// Version of the implementation.
    pub impl_version: u32,
    /// Identifiers and versions of the interfaces.
    pub apis: Vec<([u8; 8], u32)>,
    /// Version of extrinsics.
    pub transaction_version: u32,
    /// Version of the format of the state.
    pub system_version: u8,
}

impl RuntimeVersion {
    /// Decodes the result of the runtime's function `Core_version`.
    ///
    /// # Errors
    /// The bytes do not decode.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, CodecError> {
        Self::read(&mut bytes, None)
    }

    /// Decodes a section. The last two fields exist only from versions 3 and 4 of `Core` on. The
    /// version of `Core` is that in `apis`, the interfaces of the other section, or else that among
    /// this section's interfaces.
    fn read(input: &mut impl Input, apis: Option<Vec<Api>>) -> Result<Self, CodecError> {
        let spec_name = Decode::decode(input)?;
        let impl_name = Decode::decode(input)?;
        let authoring_version = Decode::decode(input)?;
        let spec_version = Decode::decode(input)?;
        let impl_version = Decode::decode(input)?;
        let own_apis = Vec::<Api>::decode(input)?;
        let core = apis.as_deref().and_then(core_version);
        let core = core.or_else(|| core_version(&own_apis)).unwrap_or(0);
        Ok(Self {
            spec_name,
            impl_name,
            authoring_version,
            spec_version,
            impl_version,
            apis: apis.unwrap_or(own_apis),
            transaction_version: if core >= 3 { Decode::decode(input)? } else { 1 },
            system_version: if core >= 4 { Decode::decode(input)? } else { 0 },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[u8] = &[4, b's', 4, b'i'];
    const NUMBERS: &[u8] = &[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0];

    /// A module that consists of custom sections.
    fn module(sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        for (name, payload) in sections {
            let bytes = 1 + name.len() + payload.len();
            assert!(bytes < 128, "the length takes one byte");
            module.extend([0, bytes as u8, name.len() as u8]);
            module.extend(name.as_bytes());
            module.extend_from_slice(payload);
        }
        module
    }

    fn core_entry(version: u8) -> Vec<u8> {
        [&CORE[..], &[version, 0, 0, 0]].concat()
    }

    #[test]
    fn the_identifier_of_core_is_its_hash() {
        use blake2::digest::{Digest, consts::U8};
        assert_eq!(blake2::Blake2b::<U8>::digest("Core")[..], CORE);
    }

    #[test]
    fn fields_depend_on_the_version_of_core() {
        let own_apis: &[u8] = &[0];
        let (transaction, system) = (&[9, 0, 0, 0][..], &[8][..]);
        let section = [NAMES, NUMBERS, own_apis, transaction, system].concat();
        for (core, transaction, system) in [
            (2, &[1, 0, 0, 0][..], &[0][..]),
            (3, transaction, &[0]),
            (4, transaction, system),
            (5, transaction, system),
        ] {
            let apis = core_entry(core);
            let blob = module(&[("runtime_apis", &apis), ("runtime_version", &section)]);
            let expected = [NAMES, NUMBERS, &[4], &apis, transaction, system].concat();
            assert_eq!(read(&blob), Ok(expected), "{core}");
        }
    }

    #[test]
    fn without_runtime_apis_the_interfaces_of_the_version_are_used() {
        let section = [NAMES, NUMBERS, &[4], &core_entry(4), &[9, 0, 0, 0, 8]].concat();
        assert_eq!(
            read(&module(&[("runtime_version", &section)])),
            Ok(section.clone())
        );
        // If `runtime_apis` exists without `Core`, the version's own list gives the version of
        // `Core`, but the other list is returned.
        let blob = module(&[("runtime_version", &section), ("runtime_apis", &[])]);
        let expected = [NAMES, NUMBERS, &[0], &[9, 0, 0, 0, 8]].concat();
        assert_eq!(read(&blob), Ok(expected));
    }

    #[test]
    fn the_first_section_of_a_name_counts() {
        let section = [NAMES, NUMBERS, &[0]].concat();
        let expected = [&section[..], &[1, 0, 0, 0, 0]].concat();
        let blob = module(&[("runtime_version", &section), ("runtime_version", b"other")]);
        assert_eq!(read(&blob), Ok(expected));
    }

    #[test]
    fn compressed_blobs_are_decompressed() {
        let section = [NAMES, NUMBERS, &[0]].concat();
        let blob = module(&[("runtime_version", &section)]);
        let compressed = sp_maybe_compressed_blob::compress_weakly(&blob, MAX_BLOB_BYTES);
        assert_eq!(read(&compressed.expect("compresses")), read(&blob));
        assert!(read(&blob).is_ok());
    }

    #[test]
    fn unreadable_blobs_are_errors() {
        let section = [NAMES, NUMBERS, &[0]].concat();
        for blob in [
            vec![],
            b"no wasm".to_vec(),
            module(&[]),
            module(&[("runtime_apis", &core_entry(3))]),
            module(&[("runtime_version", &section[..section.len() - 1])]),
            module(&[("runtime_version", &section), ("runtime_apis", &CORE)]),
            module(&[
                ("runtime_version", &section),
                ("runtime_apis", &core_entry(3)),
            ]),
            [
                &[0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05][..],
                b"no zstd",
            ]
            .concat(),
        ] {
            assert!(read(&blob).is_err(), "{blob:?}");
        }
        // The parser rejects a module with an instruction that it does not know, even if the
        // section is intact.
        let mut blob = module(&[("runtime_version", &section)]);
        assert!(read(&blob).is_ok());
        blob.extend([
            1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, 6, 1, 4, 0, 0x41, 0, 0xfd,
        ]);
        assert!(read(&blob).is_err());
    }
}
