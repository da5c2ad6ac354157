//! Each host function, called from a module: with meaningful arguments, where the result is
//! compared with the native function's, and with hostile arguments.

mod common;

use common::*;
use parity_scale_codec::{Decode, Encode};
use proptest::prelude::*;
use pvf_rules::TrapKind;
use pvf_validation::{HostParameters, LogLevel, MAX_LOG_LEVEL, Outcome, Pvf};
use sp_core::{Pair, ecdsa, ed25519, sr25519};
use sp_wasm_interface::{Function, HostFunctions, ValueType};
use std::sync::{Arc, Mutex};

/// All host functions: 53, and 12 for elliptic curves.
fn functions() -> Vec<&'static dyn Function> {
    type Base = (
        sp_io::misc::HostFunctions,
        sp_io::crypto::HostFunctions,
        sp_io::hashing::HostFunctions,
        sp_io::allocator::HostFunctions,
        sp_io::logging::HostFunctions,
        sp_io::trie::HostFunctions,
    );
    #[cfg(feature = "ecc")]
    let ecc = sp_crypto_ec_utils::HostFunctionsRfc163::host_functions();
    #[cfg(not(feature = "ecc"))]
    let ecc = Vec::new();
    let base = Base::host_functions();
    assert_eq!(base.len(), 53);
    assert_eq!(ecc.len(), if cfg!(feature = "ecc") { 12 } else { 0 });
    [base, ecc].concat()
}

/// A validation function that calls one host function with the arguments in the candidate, 8 bytes
/// each.
fn calling(function: &dyn Function) -> Pvf {
    calling_with(function, HostParameters::default())
}

fn calling_with(function: &dyn Function, parameters: HostParameters) -> Pvf {
    let signature = function.signature();
    let names = |types: &[ValueType]| -> String {
        let name = |ty: &ValueType| match ty {
            ValueType::I32 => " i32",
            ValueType::I64 => " i64",
            _ => panic!("host functions take and return integers"),
        };
        types.iter().map(name).collect()
    };
    let loads: String = signature
        .args
        .iter()
        .enumerate()
        .map(|(index, ty)| {
            let ty = names(&[*ty]);
            format!("({}.load offset={} (local.get $at))", ty.trim(), 8 * index)
        })
        .collect();
    let (result, call) = match signature.return_value {
        Some(ty) => (
            format!("(result{})", names(&[ty])),
            format!("(drop (call $f {loads}))"),
        ),
        None => (String::new(), format!("(call $f {loads})")),
    };
    let import = format!(
        r#"(import "env" "{}" (func $f (param{}) {result}))"#,
        function.name(),
        names(&signature.args),
    );
    let ecc_rfc163 = cfg!(feature = "ecc");
    pvf_with(
        &doing(&import, &call),
        HostParameters {
            ecc_rfc163,
            ..parameters
        },
    )
}

fn find(name: &str) -> &'static dyn Function {
    let mut functions = functions().into_iter();
    functions
        .find(|function| function.name() == name)
        .expect("exists")
}

/// An argument of a host function.
enum Argument<'a> {
    Number(u64),
    /// The address of these bytes.
    Pointer(&'a [u8]),
    /// A fat pointer to these bytes.
    Bytes(&'a [u8]),
}

/// The candidate that makes [`calling`] pass these arguments.
fn candidate(arguments: &[Argument<'_>]) -> Vec<u8> {
    let mut head = Vec::new();
    let mut tail = Vec::new();
    for argument in arguments {
        let address = u64::from(CANDIDATE) + 8 * arguments.len() as u64 + tail.len() as u64;
        let slot = match *argument {
            Argument::Number(number) => number,
            Argument::Pointer(bytes) => {
                tail.extend_from_slice(bytes);
                address
            }
            Argument::Bytes(bytes) => {
                tail.extend_from_slice(bytes);
                (bytes.len() as u64) << 32 | address
            }
        };
        head.extend_from_slice(&slot.to_le_bytes());
    }
    head.extend_from_slice(&tail);
    head
}

/// The successful call of a function.
fn call(name: &str, arguments: &[Argument<'_>]) -> Call {
    let pvf = calling(find(name));
    let traced = pvf.run_traced(&candidate(arguments), Recorder::default());
    let (run, recorder) = traced.expect("no failure of the host");
    assert_valid(run.execution.outcome);
    let [call] = &recorder.calls[..] else {
        panic!("one call, not {:?}", recorder.calls);
    };
    assert_eq!(call.name, name);
    call.clone()
}

/// The value that a function returned.
fn returned(name: &str, arguments: &[Argument<'_>]) -> Option<u64> {
    match call(name, arguments).result {
        Some(Ok(result)) => result,
        other => panic!("{name}: {other:?}"),
    }
}

/// The only byte string that a function wrote.
fn written(name: &str, arguments: &[Argument<'_>]) -> Vec<u8> {
    let call = call(name, arguments);
    match &call.wrote[..] {
        [bytes] => bytes.clone(),
        other => panic!("{name} wrote {other:?}"),
    }
}

use Argument::{Bytes, Number, Pointer};

#[test]
fn hashes_equal_those_of_the_native_functions() {
    let long = vec![0xa5; 5000];
    for message in [&b""[..], b"abc", &long] {
        let hash =
            |name: &str| written(&format!("ext_hashing_{name}_version_1"), &[Bytes(message)]);
        use sp_io::hashing as native;
        assert_eq!(hash("blake2_128"), native::blake2_128(message));
        assert_eq!(hash("blake2_256"), native::blake2_256(message));
        assert_eq!(hash("keccak_256"), native::keccak_256(message));
        assert_eq!(hash("keccak_512"), native::keccak_512(message));
        assert_eq!(hash("sha2_256"), native::sha2_256(message));
        assert_eq!(hash("twox_64"), native::twox_64(message));
        assert_eq!(hash("twox_128"), native::twox_128(message));
        assert_eq!(hash("twox_256"), native::twox_256(message));
    }
}

#[test]
fn a_result_is_allocated_after_the_candidate() {
    let arguments = [Bytes(b"abc")];
    let call = call("ext_hashing_blake2_256_version_1", &arguments);
    assert_eq!(call.read, [b"abc"]);
    // The candidate's 11 bytes take a piece of 16, after which the next header follows.
    assert_eq!(call.result, Some(Ok(Some(u64::from(CANDIDATE) + 16 + 8))));
}

/// Verifies a good signature, a broken one and one of another message.
fn check_verification<P: Pair>(names: &[&str]) {
    let pair = P::from_seed_slice(&[7; 32]).expect("a seed");
    let message = b"the message";
    let signature = pair.sign(message);
    let signature: &[u8] = signature.as_ref();
    let public = pair.public();
    let public: &[u8] = public.as_ref();
    let mut broken = signature.to_vec();
    broken[10] ^= 1;
    for name in names {
        let name = format!("ext_crypto_{name}");
        let verify = |signature, message| {
            returned(
                &name,
                &[Pointer(signature), Bytes(message), Pointer(public)],
            )
        };
        assert_eq!(verify(signature, &message[..]), Some(1), "{name}");
        assert_eq!(verify(signature, b"another"), Some(0), "{name}");
        assert_eq!(verify(&broken, message), Some(0), "{name}");
    }
}

#[test]
fn signatures_are_verified() {
    check_verification::<sr25519::Pair>(&["sr25519_verify_version_1", "sr25519_verify_version_2"]);
    check_verification::<ed25519::Pair>(&["ed25519_verify_version_1"]);
    check_verification::<ecdsa::Pair>(&["ecdsa_verify_version_1", "ecdsa_verify_version_2"]);
}

#[test]
fn batch_verification_verifies_at_once() {
    check_verification::<sr25519::Pair>(&["sr25519_batch_verify_version_1"]);
    check_verification::<ecdsa::Pair>(&["ecdsa_batch_verify_version_1"]);
}

/// In every node, the function accesses the externalities while they are borrowed, so even a good
/// signature is a trap.
#[test]
fn batch_verification_of_ed25519_is_a_trap() {
    let pair = ed25519::Pair::from_seed_slice(&[7; 32]).expect("a seed");
    let signature = pair.sign(b"the message");
    let public = pair.public();
    let arguments = candidate(&[
        Pointer(signature.as_ref()),
        Bytes(b"the message"),
        Pointer(public.as_ref()),
    ]);
    let name = "ext_crypto_ed25519_batch_verify_version_1";
    assert_host_error(execute(&calling(find(name)), &arguments).outcome, name);
}

#[test]
fn keys_are_recovered_from_signatures() {
    let pair = ecdsa::Pair::from_seed_slice(&[7; 32]).expect("a seed");
    let hash = sp_io::hashing::blake2_256(b"the message");
    let signature = pair.sign_prehashed(&hash);
    let signature: &[u8] = signature.as_ref();
    for version in [1, 2] {
        let name = format!("ext_crypto_secp256k1_ecdsa_recover_compressed_version_{version}");
        let bytes = written(&name, &[Pointer(signature), Pointer(&hash)]);
        let key = Result::<[u8; 33], u8>::decode(&mut &bytes[..]).expect("decodes");
        assert_eq!(key.expect("recovers"), pair.public().0);
    }
    let public = pair.public();
    let verify = "ext_crypto_ecdsa_verify_prehashed_version_1";
    let arguments = [Pointer(signature), Pointer(&hash), Pointer(public.as_ref())];
    assert_eq!(returned(verify, &arguments), Some(1));
}

#[test]
fn trie_roots_equal_those_of_the_native_functions() {
    use sp_core::storage::StateVersion;
    let values: Vec<Vec<u8>> = (0..20).map(|index| vec![index; 40]).collect();
    let pairs: Vec<_> = values
        .iter()
        .map(|value| (value[..3].to_vec(), value.clone()))
        .collect();
    for (number, version) in [(0, StateVersion::V0), (1, StateVersion::V1)] {
        let root = written(
            "ext_trie_blake2_256_root_version_2",
            &[Bytes(&pairs.encode()), Number(number)],
        );
        assert_eq!(root, sp_io::trie::blake2_256_root(pairs.clone(), version).0);
        let root = written(
            "ext_trie_keccak_256_ordered_root_version_2",
            &[Bytes(&values.encode()), Number(number)],
        );
        assert_eq!(
            root,
            sp_io::trie::keccak_256_ordered_root(values.clone(), version).0
        );
    }
}

#[test]
fn the_log_level_is_a_constant() {
    assert_eq!(
        returned("ext_logging_max_level_version_1", &[]),
        Some(u64::from(MAX_LOG_LEVEL))
    );
    assert_eq!(MAX_LOG_LEVEL, 1);
}

/// The lines that a call passes to the log sink, and the outcome.
fn logged(name: &str, arguments: &[Argument<'_>]) -> (Vec<(LogLevel, String, String)>, Outcome) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let parameters = HostParameters {
        log: Some(Arc::new(move |record| {
            let line = (
                record.level,
                record.target.to_owned(),
                record.message.to_owned(),
            );
            sink.lock().expect("no panic").push(line);
            assert_ne!(record.message, "panic");
        })),
        ..HostParameters::default()
    };
    let pvf = calling_with(find(name), parameters);
    let outcome = execute(&pvf, &candidate(arguments)).outcome;
    let lines = lines
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    (lines.clone(), outcome)
}

#[test]
fn lines_reach_the_sink_and_change_nothing() {
    let log = "ext_logging_log_version_1";
    let line =
        |level, target: &str, message: &str| vec![(level, target.to_owned(), message.to_owned())];
    let cases: [(&[u8], Vec<_>); 3] = [
        (b"a message", line(LogLevel::Info, "a target", "a message")),
        (b"panic", line(LogLevel::Info, "a target", "panic")),
        (b"\xff", vec![]),
    ];
    for (message, expected) in cases {
        let arguments = [Number(0xffff_ff02), Bytes(b"a target"), Bytes(message)];
        let (lines, outcome) = logged(log, &arguments);
        assert_eq!(lines, expected);
        assert_valid(outcome);
    }
    for arguments in [
        [Number(5), Bytes(b"a target"), Bytes(b"a message")],
        [Number(1), Bytes(b"\xff"), Bytes(b"a message")],
        [Number(1), Bytes(b"a target"), Number(u64::MAX)],
    ] {
        let (lines, outcome) = logged(log, &arguments);
        assert_eq!(lines, []);
        assert_host_error(outcome, log);
    }

    let runtime = |message: &str| line(LogLevel::Debug, "runtime", message);
    let print =
        |name: &str, argument| logged(&format!("ext_misc_print_{name}_version_1"), &[argument]).0;
    assert_eq!(
        print("num", Number(u64::MAX)),
        runtime("18446744073709551615")
    );
    assert_eq!(print("utf8", Bytes(b"text")), runtime("text"));
    assert_eq!(print("hex", Bytes(b"\x00\xff")), runtime("00ff"));
}

#[test]
fn a_blob_without_version_section_has_no_version() {
    let name = "ext_misc_runtime_version_version_1";
    let none = Option::<Vec<u8>>::None.encode();
    assert_eq!(written(name, &[Bytes(b"no wasm")]), none);
    assert_eq!(written(name, &[Bytes(b"\0asm\x01\0\0\0")]), none);
}

/// Arguments at the ends of memory and of the address space, enormous lengths, and random values.
fn hostile() -> impl Strategy<Value = u64> {
    let word = || {
        prop_oneof![
            Just(0_u32),
            Just(8),
            Just(CANDIDATE),
            Just(65_536 - 1),
            Just(65_536),
            Just(0x7fff_ffff),
            Just(0x8000_0000),
            Just(u32::MAX - 7),
            Just(u32::MAX),
            0..70_000_u32,
            any::<u32>(),
        ]
    };
    (word(), word()).prop_map(|(high, low)| u64::from(high) << 32 | u64::from(low))
}

#[test]
fn hostile_arguments_give_deterministic_outcomes() {
    let strategy = proptest::collection::vec(hostile(), 5);
    let payload = proptest::collection::vec(any::<u8>(), 0..200);
    for function in functions() {
        let pvf = calling(function);
        let mut runner = proptest::test_runner::TestRunner::new_with_rng(
            ProptestConfig {
                cases: 40,
                failure_persistence: None,
                ..ProptestConfig::default()
            },
            proptest::test_runner::TestRng::deterministic_rng(
                proptest::test_runner::RngAlgorithm::ChaCha,
            ),
        );
        let judged = runner.run(&(&strategy, &payload), |(slots, payload)| {
            let mut candidate: Vec<u8> = slots.iter().flat_map(|slot| slot.to_le_bytes()).collect();
            candidate.extend(payload);
            let first = execute(&pvf, &candidate);
            match &first.outcome {
                Outcome::Valid(_) => {}
                Outcome::Invalid {
                    trap: Some(trap), ..
                } => {
                    prop_assert_eq!(trap.kind, TrapKind::HostError);
                }
                // The function overwrote the result.
                Outcome::Invalid { trap: None, .. } => {}
                other => prop_assert!(false, "{:?}", other),
            }
            prop_assert_eq!(first.digest(), execute(&pvf, &candidate).digest());
            Ok(())
        });
        judged.unwrap_or_else(|error| panic!("{}: {error}", function.name()));
    }
}

#[test]
fn every_pointer_out_of_bounds_is_a_trap() {
    for function in functions() {
        let signature = function.signature();
        let takes_memory = !signature.args.is_empty()
            && !function.name().contains("print_num")
            && !function.name().contains("malloc");
        if !takes_memory {
            continue;
        }
        let pvf = calling(function);
        for slot in [u64::MAX, 0x1_ffff_ffff, 0xffff_ffff_0000_0000] {
            let is_pointer =
                signature.args.contains(&ValueType::I32) && slot != 0xffff_ffff_0000_0000;
            let is_range = signature.args.contains(&ValueType::I64);
            if !(is_pointer || is_range) {
                continue;
            }
            let candidate: Vec<u8> = (0..5).flat_map(|_| slot.to_le_bytes()).collect();
            assert_host_error(execute(&pvf, &candidate).outcome, function.name());
        }
    }
}
