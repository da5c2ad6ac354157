use super::*;
use pvf_primitives::{PersistedValidationData, PoV, ValidationParams};

/// A root whose last bytes are no number of a block.
const ROOT: Hash = [0x88; 32];

fn header(number: u32, state_root: Hash) -> Vec<u8> {
    let digest: Vec<(u8, [u8; 4], Vec<u8>)> = vec![(6, *b"aura", vec![7; 8])];
    ([1_u8; 32], Compact(number), state_root, [3_u8; 32], digest).encode()
}

/// Block data without a version.
fn block() -> Vec<u8> {
    let extrinsics = vec![vec![1_u8; 9]];
    let proof = vec![vec![2_u8; 300], vec![3; 40]];
    [header(8, [2; 32]), extrinsics.encode(), proof.encode()].concat()
}

/// Block data of version 2, whose scheduling proof consists of these headers.
fn scheduled(headers: &[Vec<u8>]) -> Vec<u8> {
    let (last, chain) = headers.split_last().expect("there is one");
    let block = [header(8, [2; 32]), vec![0]].concat();
    [
        &b"VERSIONEDPBD\x02\x04"[..],
        &block,
        &[0],
        &Compact(chain.len() as u32).encode(),
        &chain.concat(),
        last,
        &[0],
    ]
    .concat()
}

fn data() -> PersistedValidationData {
    PersistedValidationData {
        parent_head: header(7, [4; 32]),
        relay_parent_number: 1_000_000,
        relay_parent_storage_root: ROOT,
        max_pov_size: 10 << 20,
    }
}

fn compressed(block: &[u8]) -> Vec<u8> {
    let frame = zstd::encode_all(block, 3).expect("it compresses");
    [&COMPRESSED_MAGIC[..], &frame].concat()
}

/// Both layouts of an export.
fn exports(block_data: &[u8]) -> [Vec<u8>; 2] {
    let data = data();
    let pov = PoV {
        block_data: block_data.to_vec(),
    };
    let root = data.relay_parent_storage_root;
    let old = (&pov, &data.parent_head, root, data.relay_parent_number);
    [(&pov, &data).encode(), old.encode()]
}

fn params(block_data: &[u8]) -> Vec<u8> {
    let data = data();
    let params = ValidationParams {
        parent_head: data.parent_head,
        block_data: block_data.to_vec(),
        relay_parent_number: data.relay_parent_number,
        relay_parent_storage_root: data.relay_parent_storage_root,
    };
    params.encode()
}

#[test]
fn an_export_gives_the_parameters_that_a_node_makes_of_it() {
    let mut seen = Vec::new();
    for in_file in [block(), compressed(&block())] {
        for (file, form) in exports(&in_file)
            .iter()
            .zip([Form::Exported, Form::ExportedOld])
        {
            let zipped = zstd::encode_all(&file[..], 3).expect("it compresses");
            for file in [file, &zipped] {
                let read = Candidate::from_file(file).expect("it is a candidate");
                assert_eq!(read.params, params(&block()));
                let exported = read.exported.expect("it is an export");
                assert_eq!(exported.form, form);
                assert_eq!(exported.block_bytes, block().len());
                assert_eq!(exported.pov_bytes, in_file.encode().len());
                seen.push(exported.compressed);
            }
        }
    }
    assert_eq!(seen, [[false; 4], [true; 4]].concat());
}

#[test]
fn parameters_stay_what_they_are() {
    for file in [params(&block()), params(&[5; 300]), params(&[])] {
        let read = Candidate::from_file(&file).expect("it is a candidate");
        assert_eq!((&read.params[..], read.exported), (&file[..], None));
    }
}

#[test]
fn parameters_with_an_extension_begin_with_a_head() {
    let extension = ValidationParamsExtension::V3 {
        relay_parent: [1; 32],
        scheduling_parent: [2; 32],
    };
    let extended = [params(&block()), extension.encode()].concat();
    let read = Candidate::from_file(&extended).expect("it is a candidate");
    assert_eq!((&read.params[..], read.exported), (&extended[..], None));
    // The lengths of these strings are those of parameters, but the first is a block: no head is one.
    let swapped = ValidationParams {
        parent_head: compressed(&block()),
        block_data: vec![1; 34],
        relay_parent_number: 7,
        relay_parent_storage_root: [9; 32],
    };
    let swapped = [swapped.encode(), extension.encode()].concat();
    assert!(matches!(
        Candidate::from_file(&swapped),
        Err(CandidateError::Neither(_))
    ));
}

#[test]
fn the_extension_is_made_from_the_scheduling_proof() {
    let relay_parent = header(1_000_000, ROOT);
    let newer = header(1_000_001, [9; 32]);
    let read = |headers: &[Vec<u8>]| {
        let [file, _] = exports(&scheduled(headers));
        let read = Candidate::from_file(&file).expect("it is a candidate");
        let extension = read.exported.expect("it is an export").extension;
        let without = params(&scheduled(headers)).len();
        (extension, read.params[without..].to_vec())
    };
    let extension = |scheduling_parent: &[u8]| {
        let extension = ValidationParamsExtension::V3 {
            relay_parent: hash(&relay_parent),
            scheduling_parent: hash(scheduling_parent),
        };
        (ExtensionSource::SchedulingProof, extension.encode())
    };
    assert_eq!(
        read(std::slice::from_ref(&relay_parent)),
        extension(&relay_parent)
    );
    assert_eq!(
        read(&[newer.clone(), relay_parent.clone()]),
        extension(&newer)
    );
    assert_eq!(read(&[newer]), (ExtensionSource::Unknown, vec![]));
}

#[test]
fn what_fits_both_or_neither_is_an_error() {
    let two_blocks = ValidationParams {
        parent_head: block(),
        block_data: block(),
        relay_parent_number: 7,
        relay_parent_storage_root: [9; 32],
    };
    let ambiguous = two_blocks.encode();
    assert_eq!(
        Candidate::from_file(&ambiguous),
        Err(CandidateError::Ambiguous)
    );
    for file in exports(&block()) {
        for end in 0..file.len() {
            let error = Candidate::from_file(&file[..end]).expect_err("it is cut");
            assert!(
                matches!(error, CandidateError::Neither(_)),
                "{end}: {error}"
            );
        }
        for end in 200..file.len() {
            assert!(is_cut_export(&file[..end]), "{end}");
        }
        assert!(!is_cut_export(&file));
    }
    for file in exports(&compressed(&block())) {
        for end in 20..file.len() {
            assert!(is_cut_export(&file[..end]), "{end}");
            assert!(!super::super::is_cut(&file[..end]), "{end}");
        }
    }
}

#[test]
fn damaged_blocks_are_errors() {
    let frame = compressed(&block());
    let cut_frame = &frame[..frame.len() - 8];
    let bomb = vec![0_u8; POV_BOMB_LIMIT + 1];
    for in_file in [cut_frame, &compressed(&bomb)] {
        for file in exports(in_file) {
            let error = Candidate::from_file(&file).expect_err("it is damaged");
            assert!(
                matches!(error, CandidateError::BlockDecompression(_)),
                "{error}"
            );
        }
    }
    let cut = &block()[..200];
    let longer = [&block()[..], &[0]].concat();
    let unknown = [&b"VERSIONEDPBD\x03\x00"[..], &[0]].concat();
    for in_file in [cut, &longer] {
        for in_file in [in_file.to_vec(), compressed(in_file)] {
            for file in exports(&in_file) {
                let error = Candidate::from_file(&file).expect_err("it is damaged");
                assert!(matches!(error, CandidateError::Block(_)), "{error}");
            }
        }
    }
    // A version of tomorrow is passed on.
    for file in exports(&unknown) {
        let read = Candidate::from_file(&file).expect("it is a candidate");
        assert_eq!(read.params, params(&unknown));
    }
}
