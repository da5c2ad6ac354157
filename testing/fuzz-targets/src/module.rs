//! Bytes as a module: everybody who decides about a module decides the same.
//!
//! - The parser's validator, configured here, and the compiler agree on whether the module belongs to the language.
//! - The compiler decides the same for both targets, with the same text.
//! - The verifier's own reader reads every module that compiles, and the verifier accepts the machine code for both.

use crate::Target;
use pvf_compiler::{Artifact, CompileError, CompileOptions, Costs, Metering, Refusal, compile};
use pvf_executor::{Verification, verify};
use pvf_generators::generate::wasm_features;
use pvf_rules::Features;
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};
use wasmparser::Validator;

pub(super) const TARGET: Target = Target {
    name: "module",
    about: "a module: compiler (both targets), validator and verifier decide the same",
    check,
    seeds: corpus_modules,
    mutate: Some(mutate),
    most_bytes: 16 << 10,
};

/// Prices of gas that are all different from zero.
static COSTS: LazyLock<Arc<Costs>> = LazyLock::new(|| Arc::new(Costs::default()));

/// The modules of the corpus.
pub fn corpus_modules() -> Vec<Vec<u8>> {
    crate::files(&crate::corpus_folder())
}

/// Half of the mutants are valid modules; the others are changed bytes.
fn mutate(input: &[u8], seed: u64, most: usize) -> Option<Vec<u8>> {
    match seed % 2 {
        0 => pvf_generators::mutant_of(input, seed, most),
        _ => None,
    }
}

/// The settings that an input's bytes choose, so that a module is tried with one of them and its mutants with others.
fn settings(wasm: &[u8]) -> CompileOptions {
    let choice = xxhash_rust::xxh3::xxh3_64(wasm);
    let features = match choice & 1 {
        0 => Features::ALL,
        _ => Features::MVP,
    };
    CompileOptions {
        metering: Metering {
            logical_stack: choice & 2 != 0,
            gas: (choice & 4 != 0).then(|| COSTS.clone()),
        },
        chunk_bytes: [1, 40, 4_000, 65_536][(choice >> 3 & 3) as usize],
        loop_idioms: choice & 32 == 0,
        threads: match choice >> 6 & 7 {
            0 => NonZeroUsize::MIN.saturating_add(2),
            _ => NonZeroUsize::MIN,
        },
        ..CompileOptions::new(features)
    }
}

fn check(wasm: &[u8]) {
    let options = settings(wasm);
    let decided = pvf_compiler::Target::ALL.map(|target| {
        let options = CompileOptions {
            target,
            ..options.clone()
        };
        compile(wasm, &options)
    });
    let readable = pvf_verifier::Module::read(wasm);
    let refusals = decided.each_ref().map(|decided| match decided {
        Ok(_) => None,
        Err(CompileError::Refused(refusal)) => Some(refusal.to_string()),
        Err(CompileError::Failed(failure)) => panic!("the compiler fails: {failure}"),
    });
    let [first, second] = &refusals;
    assert_eq!(first, second, "the targets decide differently");
    let valid = Validator::new_with_features(wasm_features(options.features)).validate_all(wasm);
    for decided in &decided {
        match (decided, &valid) {
            (Ok(artifact), Ok(_)) => accepted(wasm, artifact, &options),
            (Ok(_), Err(error)) => panic!("compiled, and the validator refuses it: {error}"),
            (Err(CompileError::Refused(refusal)), Ok(_)) => assert!(
                ours_alone(refusal),
                "the validator accepts it, and the compiler does not: {refusal}"
            ),
            (Err(_), _) => {}
        }
    }
    if refusals == [None, None] {
        assert!(
            readable.is_ok(),
            "the verifier cannot read it: {readable:?}"
        );
    }
}

/// Refusals by rules that the validator does not know: limits by count, the meters, and segments that name an index.
fn ours_alone(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Meter { .. } | Refusal::Limit { .. } => true,
        Refusal::Unsupported { .. } => true,
        Refusal::Malformed { .. } | Refusal::Invalid { .. } => false,
    }
}

/// The artifact verifies, and its bytes are read back as the same.
fn accepted(wasm: &[u8], artifact: &Artifact, options: &CompileOptions) {
    let verification = Verification {
        native_stack: options.native_stack,
        costs: options.metering.gas.as_deref(),
        ..Verification::default()
    };
    if let Err(refused) = verify(wasm, artifact, &verification) {
        panic!("code for {} is refused: {refused}", artifact.module.target);
    }
    let bytes = artifact.to_bytes();
    let parts = Artifact::parse(&bytes).expect("an artifact is read back");
    assert_eq!(parts.module, artifact.module);
    assert_eq!(bytes[parts.code], artifact.code[..]);
    assert_eq!(bytes[parts.data], artifact.data[..]);
}
