//! Files of collators (`--export-pov-to-path`): made from recorded candidates, whole and damaged.
//!
//! What is expected comes from `parity-scale-codec`'s derived decoders, from `sp-maybe-compressed-blob`, and from what was
//! recorded of the blocks when they were built. The recorded candidates are not part of this repository; see
//! `real_candidates.rs`. Without them the other tests use a block of their own.

use parity_scale_codec::{Compact, Decode, DecodeAll, Encode};
use pvf_primitives::{BlockData, PersistedValidationData, PoV, ValidationParams};
use pvf_validation::candidate::{Candidate, CandidateError, Form, read};
use serde_json::Value;

/// A node's limit of decompressed block data.
const POV_BOMB_LIMIT: usize = 40 << 20;

/// A header of Substrate.
#[derive(Decode, Encode)]
struct Header {
    parent_hash: [u8; 32],
    #[codec(compact)]
    number: u64,
    state_root: [u8; 32],
    extrinsics_root: [u8; 32],
    digest: Vec<DigestItem>,
}

#[derive(Decode, Encode)]
enum DigestItem {
    #[codec(index = 0)]
    Other(Vec<u8>),
    #[codec(index = 4)]
    Consensus([u8; 4], Vec<u8>),
    #[codec(index = 5)]
    Seal([u8; 4], Vec<u8>),
    #[codec(index = 6)]
    PreRuntime([u8; 4], Vec<u8>),
    #[codec(index = 8)]
    RuntimeEnvironmentUpdated,
}

type Block = (Header, Vec<Vec<u8>>);
type Proof = Vec<Vec<u8>>;

/// The block data of versions 0 and 1: their blocks and proof. `Err` holds whether the version is one of tomorrow.
fn block_data(bytes: &[u8]) -> Result<(Vec<Block>, Proof), bool> {
    match bytes.strip_prefix(b"VERSIONEDPBD") {
        None => <(Block, Proof)>::decode_all(&mut &bytes[..])
            .map(|(block, proof)| (vec![block], proof))
            .map_err(|_| false),
        Some([1, rest @ ..]) => {
            <(Vec<Block>, Proof)>::decode_all(&mut &rest[..]).map_err(|_| false)
        }
        // Version 2 is made by no test here.
        Some([0 | 2, ..] | []) => Err(false),
        Some([_, ..]) => Err(true),
    }
}

fn is_header(bytes: &[u8]) -> bool {
    Header::decode_all(&mut &bytes[..]).is_ok()
}

fn is_block(bytes: &[u8]) -> bool {
    bytes.starts_with(&COMPRESSED)
        || bytes.starts_with(b"VERSIONEDPBD")
        || block_data(bytes).is_ok()
}

const COMPRESSED: [u8; 8] = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];

/// What a node makes of a file, if it is one that a collator could have written or if it is `ValidationParams`.
fn expected(file: &[u8]) -> Option<Vec<u8>> {
    type Old = (PoV, Vec<u8>, [u8; 32], u32);
    let new = <(PoV, PersistedValidationData)>::decode_all(&mut &file[..]);
    let (block, head, number, root) = match (new, Old::decode_all(&mut &file[..])) {
        (Ok((pov, data)), _) => (
            pov.block_data,
            data.parent_head,
            data.relay_parent_number,
            data.relay_parent_storage_root,
        ),
        (Err(_), Ok((pov, head, root, number))) => {
            match (is_block(&pov.block_data), is_block(&head)) {
                (true, true) => return None,
                // A new export without its last four bytes: more blocks than there are in fifty years.
                (true, false) if number > 1 << 28 => return None,
                (true, false) => (pov.block_data, head, number, root),
                (false, false) if is_header(&head) && !is_header(&pov.block_data) => return None,
                (false, _) => return Some(file.to_vec()),
            }
        }
        (Err(_), Err(_)) => return None,
    };
    let block = sp_maybe_compressed_blob::decompress(&block, POV_BOMB_LIMIT).ok()?;
    if is_header(&head) && block_data(&block).is_err_and(|tomorrow| !tomorrow) {
        return None;
    }
    let params = ValidationParams {
        parent_head: head,
        block_data: block.into_owned(),
        relay_parent_number: number,
        relay_parent_storage_root: root,
    };
    Some(params.encode())
}

fn compressed(block: &[u8]) -> Vec<u8> {
    let limit = block.len().max(1 << 20);
    let compressed = sp_maybe_compressed_blob::compress_weakly(block, limit);
    compressed.expect("it is below the limit")
}

/// The files that collators write for a candidate: both layouts, with the block compressed and not.
fn exports(params: &ValidationParams) -> Vec<(Form, bool, Vec<u8>)> {
    let mut files = Vec::new();
    for (is_compressed, block_data) in [
        (false, params.block_data.clone()),
        (true, compressed(&params.block_data)),
    ] {
        let pov = PoV { block_data };
        let data = PersistedValidationData {
            parent_head: params.parent_head.clone(),
            relay_parent_number: params.relay_parent_number,
            relay_parent_storage_root: params.relay_parent_storage_root,
            max_pov_size: 5 << 20,
        };
        let old = (
            &pov,
            &data.parent_head,
            data.relay_parent_storage_root,
            data.relay_parent_number,
        );
        files.push((Form::Exported, is_compressed, (&pov, &data).encode()));
        files.push((Form::ExportedOld, is_compressed, old.encode()));
    }
    files
}

/// A recorded candidate.
struct Recorded {
    name: String,
    params: Vec<u8>,
    about: Value,
}

fn recorded() -> Vec<Recorded> {
    let mut all = Vec::new();
    for chain in pvf_corpus::recorded_chains().expect("the folder can be read") {
        for case in chain.cases {
            let bytes = case.file().expect("can be read");
            all.push(Recorded {
                name: format!("{}/{}", chain.name, case.name),
                params: read(&bytes).expect("is a candidate").into_owned(),
                about: case.about["about"].clone(),
            });
        }
    }
    all
}

#[test]
fn exports_of_recorded_candidates_give_these_candidates() {
    let (mut files, mut blocks) = (0, 0);
    let recorded = recorded();
    for Recorded {
        name,
        params: bytes,
        about,
    } in &recorded
    {
        let Ok(params) = ValidationParams::decode_all(&mut &bytes[..]) else {
            // Candidates that were cut on purpose.
            continue;
        };
        for (form, is_compressed, file) in exports(&params) {
            let read = Candidate::from_file(&file);
            if !is_header(&params.parent_head) || block_data(&params.block_data).is_err() {
                // Damaged on purpose, and found to be.
                assert_eq!(
                    read.ok().map(|it| it.params.into_owned()),
                    expected(&file),
                    "{name}"
                );
                continue;
            }
            let read = read.unwrap_or_else(|error| panic!("{name}, {form:?}: {error}"));
            assert!(read.params == *bytes, "{name}, {form:?}");
            let exported = read.exported.expect("it is an export");
            assert_eq!(
                (exported.form, exported.compressed),
                (form, is_compressed),
                "{name}"
            );
            assert_eq!(exported.block_bytes, params.block_data.len());
            files += 1;
        }
        // What was recorded when the block was built.
        let Ok(data) = BlockData::from_bytes(&params.block_data) else {
            continue;
        };
        let said = |key: &str| about[key].as_u64();
        if let Some(nodes) = said("proof_nodes") {
            // Nodes that are equal were recorded once.
            assert!(data.proof.count as u64 >= nodes, "{name}");
            let derived = block_data(&params.block_data).expect("it decodes");
            assert_eq!(data.proof.count, derived.1.len(), "{name}");
            assert_eq!(said("proof_bytes"), Some(data.proof.bytes as u64), "{name}");
            let block = &data.blocks[0];
            assert_eq!(said("number"), Some(block.header.number), "{name}");
            assert_eq!(
                said("extrinsics"),
                Some(block.extrinsics.count as u64),
                "{name}"
            );
            blocks += 1;
        }
    }
    println!("{files} files, {blocks} blocks as recorded");
    assert!(
        recorded.is_empty() || (files > 500 && blocks > 50),
        "{files} {blocks}"
    );
}

/// A candidate of a cumulus chain.
fn own() -> ValidationParams {
    let header = |number, digest| Header {
        parent_hash: [1; 32],
        number,
        state_root: [2; 32],
        extrinsics_root: [3; 32],
        digest,
    };
    let digest = vec![
        DigestItem::PreRuntime(*b"aura", vec![9; 8]),
        DigestItem::RuntimeEnvironmentUpdated,
        DigestItem::Consensus(*b"CMLS", vec![]),
        DigestItem::Other(vec![4; 5]),
        DigestItem::Seal(*b"aura", vec![7; 64]),
    ];
    let extrinsics = vec![vec![4_u8; 12], vec![5; 130]];
    let nodes: Proof = (0..20_u8)
        .map(|node| vec![node; 20 + usize::from(node)])
        .collect();
    ValidationParams {
        parent_head: header(41, vec![]).encode(),
        block_data: (header(42, digest), extrinsics, nodes).encode(),
        relay_parent_number: 20_000_000,
        relay_parent_storage_root: [0x66; 32],
    }
}

/// A small generator of numbers: the same ones in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end.max(1)
    }
}

/// Damages a file in one of the ways in which files are damaged.
fn damage(file: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = file.to_vec();
    // Most of the structure is in the first and in the last bytes.
    let place = |numbers: &mut Numbers| match numbers.below(3) {
        0 => numbers.below(file.len().min(200)),
        1 => file.len() - 1 - numbers.below(file.len().min(200)),
        _ => numbers.below(file.len()),
    };
    for _ in 0..=numbers.below(3) {
        let at = place(numbers).min(bytes.len().saturating_sub(1));
        match numbers.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, numbers.below(256) as u8),
            2 if !bytes.is_empty() => {
                bytes.remove(at);
            }
            3 => {
                let end = (at + 1 + numbers.below(40)).min(bytes.len());
                bytes[at..end].fill(numbers.below(256) as u8);
            }
            4 => {
                let end = (at + 1 + numbers.below(100)).min(bytes.len());
                bytes.extend_from_within(at..end);
            }
            _ if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
            _ => {}
        }
    }
    bytes
}

#[test]
fn of_ten_thousand_damaged_files_each_is_an_error_or_another_whole_file() {
    let mut originals: Vec<Vec<u8>> = exports(&own()).into_iter().map(|it| it.2).collect();
    let versioned = ValidationParams {
        block_data: [&b"VERSIONEDPBD\x01\x04"[..], &own().block_data].concat(),
        ..own()
    };
    originals.extend(exports(&versioned).into_iter().map(|it| it.2));
    for original in &originals {
        assert!(expected(original).is_some());
    }
    let mut numbers = Numbers(16);
    let (mut errors, mut whole) = (0, 0);
    for round in 0..10_000 {
        let file = damage(&originals[round % originals.len()], &mut numbers);
        let expected = expected(&file);
        match (Candidate::from_file(&file), expected) {
            (Ok(read), Some(expected)) => {
                assert!(read.params == expected, "round {round}");
                whole += 1;
            }
            (Err(error), None) => {
                assert!(!error.to_string().is_empty());
                errors += 1;
            }
            (Ok(_), None) => panic!(
                "round {round}: a damaged file was taken: {}",
                hex::encode(&file)
            ),
            (Err(error), Some(_)) => panic!("round {round}: a whole file was refused: {error}"),
        }
    }
    println!("{errors} errors, {whole} other whole files");
    // Most damage is found; what only changes the content of a node or of an extrinsic makes another block.
    assert!(errors > 5_000 && whole > 500, "{errors} {whole}");
}

#[test]
fn block_data_of_many_empty_strings_take_no_memory() {
    // A node of the proof takes one byte here and 24 in a list of strings.
    let header = own().block_data[..].to_vec();
    let mut reader = &header[..];
    let header = Header::decode(&mut reader).expect("it decodes").encode();
    let count = 30_000_000_u32;
    let block = [
        header,
        vec![0],
        Compact(count).encode(),
        vec![0; count as usize],
    ]
    .concat();
    let data = BlockData::from_bytes(&block).expect("it decodes");
    assert_eq!((data.proof.count, data.proof.bytes), (count as usize, 0));
    let params = ValidationParams {
        block_data: [&block[..], &[0; 20 << 20]].concat(),
        ..own()
    };
    for (_, is_compressed, file) in exports(&params) {
        let error = Candidate::from_file(&file).expect_err("it is too large or longer");
        match is_compressed {
            true => assert!(
                matches!(error, CandidateError::BlockDecompression(_)),
                "{error}"
            ),
            false => assert!(matches!(error, CandidateError::Block(_)), "{error}"),
        }
    }
}
