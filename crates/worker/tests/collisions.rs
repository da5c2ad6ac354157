//! Two artifacts with equal length and equal checksums are not confused.
//!
//! The checksum by which host and worker identify an artifact (`twox_256`) and the one at its end
//! (XXH3-128) detect accidental damage. The author of a module can choose data for which both
//! checksums of two artifacts are equal; [`pair`] does so.

mod common;

use common::*;
use pvf_executor::{Artifact, Profile, Purpose, Rules};
use pvf_node_protocol::{ArtifactChecksum, JobResponse};
use pvf_primitives::{ExecutorParams, PersistedValidationData, PoV};
use pvf_worker_client::service::{Candidate, Judgement, Options, Service};
use std::fs;
use std::num::NonZeroUsize;

const PRIME_1: u64 = 0x9e37_79b1_85eb_ca87;
const PRIME_2: u64 = 0xc2b2_ae3d_27d4_eb4f;

/// The default secret of XXH3, from the algorithm's description: the part used within a block.
const SECRET: &str = "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221\
b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8\
a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb\
170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e";

/// Bytes of data that the module's author chooses.
const DATA: usize = 8192;

/// Address of the data in memory.
const AT: usize = 65_536;

/// The artifact of a module with these data. It traps if the top bit of the word at `switch` is
/// set.
fn build(data: &[u8], switch: usize) -> Vec<u8> {
    prepare(&module_of(data, switch))
}

fn module_of(data: &[u8], switch: usize) -> Vec<u8> {
    let text: String = data.iter().map(|byte| format!("\\{byte:02x}")).collect();
    parse(&format!(
        r#"(module (memory (export "memory") 17)
            (global (export "__heap_base") i32 (i32.const 2048))
            (data (i32.const 16) "\0c\01\02\03\00\00\00\00\00\00\00\07\00\00\00")
            (data (i32.const {AT}) "{text}")
            (func (export "validate_block") (param i32 i32) (result i64)
                (if (i64.lt_s (i64.load (i32.const {})) (i64.const 0)) (then unreachable))
                (i64.const 0xf00000010)))"#,
        AT + switch
    ))
}

fn prepare(wasm: &[u8]) -> Vec<u8> {
    let rules = Rules::new(Profile::Polkadot.compile_options(), Purpose::Execution);
    let prepared = pvf_executor::prepare(wasm, &rules).expect("the module is accepted");
    prepared.artifact.to_bytes()
}

/// Offset of the chosen data in an artifact.
fn data_start(artifact: &[u8]) -> usize {
    let parts = Artifact::parse(artifact).expect("the artifact is whole");
    parts.data.end - DATA
}

/// The word of the secret with which XXH3 combines the word at this offset of a long input.
fn secret_word(at: usize) -> u64 {
    let secret: Vec<u8> = (0..SECRET.len() / 2)
        .map(|byte| u8::from_str_radix(&SECRET[2 * byte..2 * byte + 2], 16).expect("hexadecimal"))
        .collect();
    let start = at % 1024 / 64 * 8 + at % 64;
    u64::from_le_bytes(secret[start..start + 8].try_into().expect("eight bytes"))
}

/// The accumulators of XXH64 after these whole stripes.
fn accumulators(stripes: &[u8], seed: u64) -> [u64; 4] {
    let mut lanes = [
        seed.wrapping_add(PRIME_1).wrapping_add(PRIME_2),
        seed.wrapping_add(PRIME_2),
        seed,
        seed.wrapping_sub(PRIME_1),
    ];
    let (words, _) = stripes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let lane = &mut lanes[index % 4];
        let input = u64::from_le_bytes(*word).wrapping_mul(PRIME_2);
        *lane = lane
            .wrapping_add(input)
            .rotate_left(31)
            .wrapping_mul(PRIME_1);
    }
    lanes
}

/// The inverse of an odd number modulo 2^64.
fn inverse(odd: u64) -> u64 {
    // Newton's method: each step doubles the number of correct bits, which are three at the start.
    (0..5).fold(odd, |x, _| {
        x.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(x)))
    })
}

/// A change of two words that a checksum does not detect: flip the top bit of the first word, and
/// add `add` to the second word, which is one stripe of XXH64 after the first.
#[derive(Clone, Copy)]
struct Change {
    at: usize,
    first: u64,
    second: u64,
    add: u64,
}

/// Finds words for which a change leaves XXH64 with all four seeds and all products of XXH3 equal,
/// and changes only the sums of XXH3. With `down` false, the sums change by the opposite amount.
fn change(
    prefix: &[u8],
    at: usize,
    down: bool,
    random: &mut impl FnMut() -> u64,
) -> Option<Change> {
    let lane = at % 32 / 8;
    let states = [0, 1, 2, 3].map(|seed| accumulators(&prefix[..at / 32 * 32], seed)[lane]);
    let (first_key, second_key) = (secret_word(at), secret_word(at + 32));
    let step = (1_u64 << 30)
        .wrapping_mul(PRIME_1)
        .wrapping_mul(inverse(PRIME_2));
    let add = match down {
        true => step.wrapping_neg(),
        false => step,
    };
    // One factor of the product is zero, before and after the change.
    let low = 0xffff_ffff;
    let after = (second_key & !low) | (second_key.wrapping_add(add) & low);
    let second = after.wrapping_sub(add);
    (0..3000).find_map(|_| {
        let first = (random() & !low) | (first_key & low);
        // The first of the two modules must be the valid one.
        let suits = !down || first >> 63 == 0;
        let tops = states.map(|state| state.wrapping_add(first.wrapping_mul(PRIME_2)) >> 63);
        (suits && tops == [u64::from(!down); 4]).then_some(Change {
            at,
            first,
            second,
            add,
        })
    })
}

fn put(data: &mut [u8], at: usize, word: u64) {
    data[at..at + 8].copy_from_slice(&word.to_le_bytes());
}

/// Two modules with colliding artifacts. Every candidate of the first is valid, none of the second
/// is.
fn pair() -> [Vec<u8>; 2] {
    let mut state = 1_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        state ^ state >> 29
    };
    let nothing = [0; DATA];
    let base = data_start(&build(&nothing, 0));
    // Both changes are in one block of XXH3, at whose end the sums are scrambled.
    let block = base.next_multiple_of(1024);
    for lane in 0..4 {
        for stripe in 1..15 {
            let at = block + 64 * stripe + 8 * lane;
            let switch = at - base;
            let mut artifact = build(&nothing, switch);
            assert_eq!(data_start(&artifact), base);
            let Some(one) = change(&artifact, at, true, &mut random) else {
                continue;
            };
            put(&mut artifact, one.at, one.first);
            put(&mut artifact, one.at + 32, one.second);
            let others = stripe + 1..16;
            let other = others.into_iter().find_map(|stripe| {
                let at = block + 64 * stripe + 8 * lane;
                change(&artifact, at, false, &mut random)
            });
            let Some(other) = other else {
                continue;
            };
            let data = [false, true].map(|turned| {
                let mut data = nothing;
                for change in [one, other] {
                    let (bit, add) = match turned {
                        true => (1 << 63, change.add),
                        false => (0, 0),
                    };
                    put(&mut data, change.at - base, change.first ^ bit);
                    let second = change.second.wrapping_add(add);
                    put(&mut data, change.at - base + 32, second);
                }
                data
            });
            return data.map(|data| module_of(&data, switch));
        }
    }
    panic!("no pair found");
}

/// Whether the worker finds a candidate of the artifact valid.
fn judge(host: &mut Host, artifact: &[u8]) -> bool {
    match said(host.execute(artifact, &execution(artifact))) {
        JobResponse::Ok { .. } => true,
        JobResponse::InvalidCandidate(_) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_worker_does_not_confuse_artifacts_with_equal_checksums() {
    let pair = pair().map(|wasm| prepare(&wasm));
    let [valid, invalid] = &pair;
    assert_ne!(valid, invalid);
    assert_eq!(valid.len(), invalid.len());
    assert_eq!(
        ArtifactChecksum::of(valid),
        ArtifactChecksum::of(invalid),
        "the artifacts do not collide"
    );
    let sum = |artifact: &[u8]| artifact[artifact.len() - 16..].to_vec();
    assert_eq!(sum(valid), sum(invalid), "the artifacts do not collide");

    for order in [[0, 1, 0, 1], [1, 0, 0, 1]] {
        let mut host = Host::executing(&ExecutorParams::default());
        for which in order {
            assert_eq!(judge(&mut host, &pair[which]), which == 0, "{order:?}");
        }
        // As a node does: one file per artifact, hard-linked into the worker's directory.
        let files = pair.each_ref().map(|artifact| {
            let name = format!("../artifact-{}", artifact == invalid);
            let path = host.directory.join(name);
            fs::write(&path, artifact).unwrap();
            path
        });
        let link = host.directory.join("artifact");
        for which in order.into_iter().chain(order) {
            fs::hard_link(&files[which], &link).unwrap();
            let response = host.try_execute(&execution(&pair[which])).unwrap();
            fs::remove_file(&link).unwrap();
            let is_valid = matches!(said(response), JobResponse::Ok { .. });
            assert_eq!(is_valid, which == 0, "{order:?}");
        }
    }
}

#[test]
fn a_service_does_not_confuse_artifacts_with_equal_checksums() {
    let pair = pair();
    let workers = program("prepare-worker");
    let workers = workers.parent().expect("programs lie in a directory");
    let candidate = Candidate::new(PersistedValidationData::default(), PoV::default());
    for order in [[0, 1, 0, 1], [1, 0, 0, 1]] {
        let cache = Scratch::new();
        let service = Service::start(Options {
            execute_workers: NonZeroUsize::MIN,
            ..Options::new(workers, &cache.0)
        });
        let service = service.expect("the service starts");
        for which in order {
            let judgement = service.validate(&pair[which], &candidate, &Default::default());
            let is_valid = matches!(judgement.expect("a judgement"), Judgement::Valid(_));
            assert_eq!(is_valid, which == 0, "{order:?}");
        }
    }
}
