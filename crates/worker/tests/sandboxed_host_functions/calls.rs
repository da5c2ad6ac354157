//! Arguments for all host functions, with which calls succeed and fail.

use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup};
use ark_serialize::CanonicalSerialize;
use parity_scale_codec::Encode;
use sp_core::{Blake2Hasher, Hasher, KeccakHasher, Pair, ecdsa, ed25519, sr25519};
use sp_trie::{LayoutV0, LayoutV1, MemoryDB, TrieDBMutBuilder, TrieLayout, TrieMut};

/// An argument of a call.
#[derive(Clone, Debug)]
pub enum Argument {
    Number(u64),
    /// A pointer to these bytes.
    Pointer(Vec<u8>),
    /// A pointer to these bytes with their length.
    Bytes(Vec<u8>),
    /// A pointer to the candidate.
    Candidate,
}

use Argument::{Bytes, Number, Pointer};

/// A call of a host function.
#[derive(Clone, Debug)]
pub struct Call {
    pub name: String,
    pub arguments: Vec<Argument>,
}

/// Calls in sequence. The last one is under test.
pub type Sequence = Vec<Call>;

/// A pointer out of bounds.
const NOWHERE: Argument = Number(u64::MAX);

fn call(name: impl Into<String>, arguments: impl Into<Vec<Argument>>) -> Call {
    Call {
        name: name.into(),
        arguments: arguments.into(),
    }
}

/// All sequences of calls.
pub fn sequences() -> Vec<Sequence> {
    let mut calls = Vec::new();
    hashing(&mut calls);
    signatures(&mut calls);
    keystore(&mut calls);
    tries(&mut calls);
    curves(&mut calls);
    calls.extend([
        call("ext_allocator_malloc_version_1", [Number(100)]),
        call("ext_allocator_malloc_version_1", [Number(0)]),
        call(
            "ext_allocator_malloc_version_1",
            [Number(u64::from(u32::MAX))],
        ),
        call("ext_allocator_free_version_1", [Argument::Candidate]),
        call("ext_allocator_free_version_1", [Number(12)]),
        call(
            "ext_logging_log_version_1",
            [Number(0), text("target"), text("line")],
        ),
        call(
            "ext_logging_log_version_1",
            [Number(3), text("target"), Bytes(vec![0xff])],
        ),
        call(
            "ext_logging_log_version_1",
            [Number(9), text("target"), text("line")],
        ),
        call("ext_logging_max_level_version_1", []),
        call("ext_misc_print_num_version_1", [NOWHERE]),
        call("ext_misc_print_utf8_version_1", [text("line")]),
        call("ext_misc_print_utf8_version_1", [NOWHERE]),
        call("ext_misc_print_hex_version_1", [text("line")]),
        call("ext_misc_print_hex_version_1", [NOWHERE]),
        call(
            "ext_misc_runtime_version_version_1",
            [Bytes(b"\0asm\x01\0\0\0".to_vec())],
        ),
        call("ext_misc_runtime_version_version_1", [text("no code")]),
        call("ext_misc_runtime_version_version_1", [NOWHERE]),
    ]);
    let mut sequences: Vec<Sequence> = calls.into_iter().map(|call| vec![call]).collect();
    batches(&mut sequences);
    sequences
}

fn text(text: &str) -> Argument {
    Bytes(text.as_bytes().to_vec())
}

fn hashing(calls: &mut Vec<Call>) {
    for function in [
        "blake2_128",
        "blake2_256",
        "keccak_256",
        "keccak_512",
        "sha2_256",
        "twox_64",
        "twox_128",
        "twox_256",
    ] {
        let name = format!("ext_hashing_{function}_version_1");
        for data in [vec![], b"abc".to_vec(), vec![0xa5; 5000]] {
            calls.push(call(&name, [Bytes(data)]));
        }
        calls.push(call(&name, [NOWHERE]));
    }
}

const MESSAGE: &[u8] = b"the message";

/// Arguments of signature verification: valid ones, and variations with one part wrong.
fn signed<P: Pair>() -> Vec<Vec<Argument>> {
    let pair = P::from_seed_slice(&[7; 32]).expect("a seed");
    let signature: Vec<u8> = AsRef::<[u8]>::as_ref(&pair.sign(MESSAGE)).to_vec();
    let public: Vec<u8> = AsRef::<[u8]>::as_ref(&pair.public()).to_vec();
    let message = || Bytes(MESSAGE.to_vec());
    let mut broken = signature.clone();
    broken[10] ^= 1;
    vec![
        vec![
            Pointer(signature.clone()),
            message(),
            Pointer(public.clone()),
        ],
        vec![Pointer(broken), message(), Pointer(public.clone())],
        vec![Pointer(signature.clone()), text("another"), Pointer(public)],
        vec![
            Pointer(signature.clone()),
            message(),
            Pointer(vec![0xff; 33]),
        ],
        vec![Pointer(signature), message(), NOWHERE],
    ]
}

fn signatures(calls: &mut Vec<Call>) {
    let mut verify = |functions: &[&str], cases: Vec<Vec<Argument>>| {
        for function in functions {
            let name = format!("ext_crypto_{function}");
            calls.extend(cases.iter().map(|arguments| call(&name, arguments.clone())));
        }
    };
    verify(
        &["ed25519_verify_version_1", "ed25519_batch_verify_version_1"],
        signed::<ed25519::Pair>(),
    );
    verify(
        &[
            "sr25519_verify_version_1",
            "sr25519_verify_version_2",
            "sr25519_batch_verify_version_1",
        ],
        signed::<sr25519::Pair>(),
    );
    verify(
        &[
            "ecdsa_verify_version_1",
            "ecdsa_verify_version_2",
            "ecdsa_batch_verify_version_1",
        ],
        signed::<ecdsa::Pair>(),
    );
    let pair = ecdsa::Pair::from_seed_slice(&[7; 32]).expect("a seed");
    let hash = sp_io::hashing::blake2_256(MESSAGE).to_vec();
    let signature = pair
        .sign_prehashed(hash[..].try_into().expect("32 bytes"))
        .0
        .to_vec();
    let public = pair.public().0.to_vec();
    let hash = || Pointer(hash.clone());
    verify(
        &["ecdsa_verify_prehashed_version_1"],
        vec![
            vec![Pointer(signature.clone()), hash(), Pointer(public.clone())],
            vec![
                Pointer(signature.clone()),
                Pointer(vec![1; 32]),
                Pointer(public),
            ],
            vec![Pointer(signature.clone()), NOWHERE, NOWHERE],
        ],
    );
    verify(
        &[
            "secp256k1_ecdsa_recover_version_1",
            "secp256k1_ecdsa_recover_version_2",
            "secp256k1_ecdsa_recover_compressed_version_1",
            "secp256k1_ecdsa_recover_compressed_version_2",
        ],
        vec![
            vec![Pointer(signature.clone()), hash()],
            vec![Pointer(vec![0xff; 65]), hash()],
            vec![Pointer(vec![0; 65]), hash()],
            vec![Pointer(signature), NOWHERE],
        ],
    );
}

fn batches(sequences: &mut Vec<Sequence>) {
    let start = || call("ext_crypto_start_batch_verify_version_1", []);
    let finish = || call("ext_crypto_finish_batch_verify_version_1", []);
    sequences.extend([
        vec![start()],
        vec![start(), start()],
        vec![finish()],
        vec![start(), finish()],
        vec![start(), finish(), finish()],
    ]);
    for arguments in signed::<sr25519::Pair>() {
        let verify = call("ext_crypto_sr25519_batch_verify_version_1", arguments);
        sequences.push(vec![start(), verify.clone(), verify, finish()]);
    }
}

/// Functions that need a keystore. There is none, so no call succeeds.
fn keystore(calls: &mut Vec<Call>) {
    let id = || Pointer(b"test".to_vec());
    for kind in ["ed25519", "sr25519", "ecdsa"] {
        let name = |function: &str| format!("ext_crypto_{kind}_{function}_version_1");
        let seed = || Bytes(Option::<Vec<u8>>::None.encode());
        calls.push(call(name("public_keys"), [id()]));
        calls.push(call(name("generate"), [id(), seed()]));
        let signing = || [id(), Pointer(vec![1; 33]), text("message")];
        calls.push(call(name("sign"), signing()));
        if kind == "ecdsa" {
            let signing = [id(), Pointer(vec![1; 33]), Pointer(vec![2; 32])];
            calls.push(call(name("sign_prehashed"), signing));
        }
    }
}

fn tries(calls: &mut Vec<Call>) {
    let values: Vec<Vec<u8>> = (0..40)
        .map(|index| vec![index; 30 + index as usize])
        .collect();
    let pairs: Vec<_> = values
        .iter()
        .map(|value| (value[..3].to_vec(), value.clone()))
        .collect();
    for hash in ["blake2_256", "keccak_256"] {
        for (function, input) in [("root", pairs.encode()), ("ordered_root", values.encode())] {
            let first = format!("ext_trie_{hash}_{function}_version_1");
            let second = format!("ext_trie_{hash}_{function}_version_2");
            for input in [&input[..], &[0], &[0xff; 9], &[]] {
                calls.push(call(&first, [Bytes(input.to_vec())]));
                for version in [0, 1, 2] {
                    calls.push(call(&second, [Bytes(input.to_vec()), Number(version)]));
                }
            }
            calls.push(call(&first, [NOWHERE]));
            calls.push(call(&second, [NOWHERE, Number(0)]));
        }
    }
    proofs::<Blake2Hasher, LayoutV0<Blake2Hasher>>(calls, "blake2_256", 0, &pairs);
    proofs::<Blake2Hasher, LayoutV1<Blake2Hasher>>(calls, "blake2_256", 1, &pairs);
    proofs::<KeccakHasher, LayoutV0<KeccakHasher>>(calls, "keccak_256", 0, &pairs);
    proofs::<KeccakHasher, LayoutV1<KeccakHasher>>(calls, "keccak_256", 1, &pairs);
}

fn proofs<H, L>(calls: &mut Vec<Call>, hash: &str, version: u64, pairs: &[(Vec<u8>, Vec<u8>)])
where
    H: Hasher + 'static,
    L: TrieLayout<Hash = H> + sp_trie::TrieConfiguration,
{
    let mut store = MemoryDB::<H>::default();
    let mut root = H::Out::default();
    let mut trie = TrieDBMutBuilder::<L>::new(&mut store, &mut root).build();
    for (key, value) in pairs {
        trie.insert(key, value).expect("inserts");
    }
    drop(trie);
    let (key, value) = &pairs[5];
    let proof = sp_trie::generate_trie_proof::<L, _, _, _>(&store, root, [key]).expect("a proof");
    let root = root.as_ref().to_vec();
    let wrong = vec![b"no node".to_vec()];
    for (proof, value) in [
        (&proof, &value[..]),
        (&proof, b"another"),
        (&wrong, value),
        (&vec![], value),
    ] {
        let mut arguments = vec![
            Pointer(root.clone()),
            Bytes(proof.encode()),
            Bytes(key.clone()),
            Bytes(value.to_vec()),
        ];
        calls.push(call(
            format!("ext_trie_{hash}_verify_proof_version_1"),
            arguments.clone(),
        ));
        arguments.push(Number(version));
        calls.push(call(
            format!("ext_trie_{hash}_verify_proof_version_2"),
            arguments.clone(),
        ));
        arguments[1] = NOWHERE;
        calls.push(call(
            format!("ext_trie_{hash}_verify_proof_version_2"),
            arguments.clone(),
        ));
        arguments.pop();
        calls.push(call(
            format!("ext_trie_{hash}_verify_proof_version_1"),
            arguments,
        ));
    }
}

fn encoded(value: &impl CanonicalSerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    value
        .serialize_uncompressed(&mut bytes)
        .expect("serializes");
    bytes
}

fn curves(calls: &mut Vec<Call>) {
    use ark_bls12_381::{Bls12_381, G1Affine, G2Affine};
    curve::<G1Affine>(calls, "bls12_381_msm_g1", "bls12_381_mul_g1");
    curve::<G2Affine>(calls, "bls12_381_msm_g2", "bls12_381_mul_g2");
    curve::<ark_ed_on_bls12_381_bandersnatch::EdwardsAffine>(
        calls,
        "ed_on_bls12_381_bandersnatch_msm",
        "ed_on_bls12_381_bandersnatch_mul",
    );
    curve::<ark_pallas::Affine>(calls, "pallas_msm", "pallas_mul");
    curve::<ark_vesta::Affine>(calls, "vesta_msm", "vesta_mul");

    let (first, second) = (multiples::<G1Affine>(40), multiples::<G2Affine>(40));
    let loops = Bls12_381::multi_miller_loop(&first[..3], &second[..3]).0;
    let bytes = encoded(&loops).len();
    let out = |bytes: usize| Bytes(vec![0; bytes]);
    let name = "ext_host_calls_bls12_381_multi_miller_loop_version_1";
    for count in [0, 1, 3, 40] {
        let pairs = [
            Bytes(encoded(&first[..count].to_vec())),
            Bytes(encoded(&second[..count].to_vec())),
        ];
        for bytes in [bytes, bytes + 1, bytes - 1, 0] {
            calls.push(call(name, [&pairs[..], &[out(bytes)]].concat()));
        }
    }
    let uneven = [
        Bytes(encoded(&first[..3].to_vec())),
        Bytes(encoded(&second[..2].to_vec())),
        out(bytes),
    ];
    calls.push(call(name, uneven));
    calls.push(call(
        name,
        [text("no points"), text("no points"), out(bytes)],
    ));
    calls.push(call(name, [NOWHERE, text("no points"), out(bytes)]));
    let name = "ext_host_calls_bls12_381_final_exponentiation_version_1";
    for target in [
        encoded(&loops),
        vec![0; bytes],
        vec![0; 3],
        vec![0xff; bytes],
    ] {
        calls.push(call(name, [Bytes(target)]));
    }
    calls.push(call(name, [NOWHERE]));
}

fn multiples<A: AffineRepr>(count: u64) -> Vec<A> {
    let point = A::generator();
    (1..=count)
        .map(|times| (point * A::ScalarField::from(times * 0x1234_5678_9abc)).into_affine())
        .collect()
}

fn curve<A: AffineRepr>(calls: &mut Vec<Call>, msm: &str, mul: &str) {
    let points = multiples::<A>(40);
    let scalars: Vec<_> = (0..40_u64)
        .map(|index| -A::ScalarField::from(index * 0xfeed_beef))
        .collect();
    let bytes = encoded(&points[0]).len();
    let out = |bytes: usize| Bytes(vec![0; bytes]);
    let name = format!("ext_host_calls_{msm}_version_1");
    for count in [0, 1, 3, 40] {
        let both = [
            Bytes(encoded(&points[..count].to_vec())),
            Bytes(encoded(&scalars[..count].to_vec())),
        ];
        for bytes in [bytes, 2 * bytes, bytes - 1, 0] {
            calls.push(call(&name, [&both[..], &[out(bytes)]].concat()));
        }
    }
    let uneven = [
        Bytes(encoded(&points[..3].to_vec())),
        Bytes(encoded(&scalars[..2].to_vec())),
        out(bytes),
    ];
    calls.push(call(&name, uneven));
    calls.push(call(
        &name,
        [text("no points"), text("no scalars"), out(bytes)],
    ));
    calls.push(call(&name, [NOWHERE, text("no scalars"), out(bytes)]));
    let name = format!("ext_host_calls_{mul}_version_1");
    for scalar in [
        vec![],
        vec![0_u64],
        vec![5, 6, 7, 8],
        vec![u64::MAX; 4],
        vec![1; 9],
    ] {
        calls.push(call(
            &name,
            [
                Bytes(encoded(&points[1])),
                Bytes(encoded(&scalar)),
                out(bytes),
            ],
        ));
        calls.push(call(
            &name,
            [
                Bytes(encoded(&points[1])),
                Bytes(encoded(&scalar)),
                out(bytes - 1),
            ],
        ));
    }
    calls.push(call(
        &name,
        [text("no point"), text("no scalar"), out(bytes)],
    ));
    calls.push(call(&name, [NOWHERE, text("no scalar"), out(bytes)]));
}
