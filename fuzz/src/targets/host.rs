//! Host functions with arguments that the fuzzer chooses, called in a validation function, beside Wasmtime with
//! `sp-io`'s own ones.
//!
//! The candidate is a list of calls, which one validation function makes, one after the other; see [`guest`]. The
//! result is its low memory, so that everything that host functions wrote there is compared.

mod guest;

use super::{Target, on_large_stack};
use crate::Random;
use crate::bad_input::same_outcome;
use pvf_executor::HOST_MODULE;
use pvf_validation::{HostParameters, Module, Outcome, Pvf};
use pvf_wasmtime::{Ended, Prepared};
use std::sync::LazyLock;

pub(super) const TARGET: Target = Target {
    name: "host",
    about: "host functions with arguments of the fuzzer's, beside sp-io's in Wasmtime",
    check,
    seeds,
    mutate: Some(mutate),
    most_bytes: 1_024,
};

/// The validation function in both engines.
struct Both {
    ours: Pvf,
    peer: Prepared,
}

/// The peer has no reader of versions, so that this function always fails there.
const NOT_OF_THE_PEER: &str = "ext_misc_runtime_version_version_1";

/// The host functions that are called: all that the peer has. It does not link those of elliptic curves.
static FUNCTIONS: LazyLock<Vec<(&'static str, pvf_compiler::FuncType)>> = LazyLock::new(|| {
    let functions = pvf_validation::function_types(false).into_iter();
    let mut functions: Vec<_> = functions
        .filter(|(name, _)| *name != NOT_OF_THE_PEER)
        .collect();
    functions.sort_by_key(|(name, _)| *name);
    functions
});

static BOTH: LazyLock<Both> = LazyLock::new(|| {
    let wasm = guest::module(HOST_MODULE, &FUNCTIONS);
    let options = pvf_executor::Profile::Polkadot.compile_options();
    let artifact = pvf_compiler::compile(&wasm, &options).expect("it belongs to the language");
    let module = Module::new(artifact).expect("it loads");
    let engine = pvf_wasmtime::engine().expect("Wasmtime starts");
    Both {
        ours: Pvf::new(module, HostParameters::default()),
        peer: Prepared::new(&engine, &wasm).expect("Wasmtime compiles it"),
    }
});

fn check(candidate: &[u8]) {
    on_large_stack(|| {
        let ours = BOTH.ours.validate(candidate);
        let ours = ours.expect("no failure of the host");
        let peer = BOTH.peer.execute(candidate);
        let (peer, _) = peer.expect("Wasmtime runs it");
        if let Err(different) = same_outcome(&ours.outcome, &peer) {
            let calls: Vec<&str> = candidate
                .chunks_exact(guest::CALL_BYTES)
                .map(|call| {
                    FUNCTIONS
                        .get(usize::from(call[0]))
                        .map_or("none", |it| it.0)
                })
                .collect();
            panic!("{calls:?}: {}", differing(&ours.outcome, &peer, &different));
        }
        let again = BOTH.ours.validate(candidate).expect("as before");
        assert_eq!(again.digest(), ours.digest(), "two runs differ");
    });
}

/// The first bytes that differ, if both return the result; otherwise the text, which is short then.
fn differing(ours: &Outcome, peer: &Ended, text: &str) -> String {
    let (Outcome::Valid(ours), Ended::Returned(peer)) = (ours, peer) else {
        return text.chars().take(2_000).collect();
    };
    let at = ours.iter().zip(peer).position(|(ours, peer)| ours != peer);
    let around = |bytes: &[u8]| {
        let at = at.unwrap_or_default();
        bytes[at..bytes.len().min(at + 16)].to_vec()
    };
    format!(
        "the results differ from byte {at:?} on: {:02x?}, in Wasmtime {:02x?}",
        around(ours),
        around(peer)
    )
}

/// A call: the function's number, then its arguments as [`guest`] reads them.
fn call(random: &mut Random) -> Vec<u8> {
    let mut call = random.bytes(guest::CALL_BYTES);
    call[0] = random.below(FUNCTIONS.len() as u64) as u8;
    // Most arguments are small, so that lengths are within the memory.
    for argument in call[guest::HEAD_BYTES..].chunks_mut(guest::ARGUMENT_BYTES) {
        if !random.one_in(4) {
            argument[2..].fill(0);
        }
    }
    call
}

fn seeds() -> Vec<Vec<u8>> {
    let mut random = Random::new(1);
    let each = (0..FUNCTIONS.len() as u8).map(|function| {
        let mut calls: Vec<u8> = (0..4).flat_map(|_| call(&mut random)).collect();
        calls[guest::CALL_BYTES] = function;
        calls[3 * guest::CALL_BYTES] = function;
        calls
    });
    each.collect()
}

/// Inserts, replaces, removes or repeats a whole call.
fn mutate(input: &[u8], seed: u64, most: usize) -> Option<Vec<u8>> {
    let random = &mut Random::new(seed);
    if random.one_in(2) {
        return None;
    }
    let mut calls: Vec<Vec<u8>> = input
        .chunks(guest::CALL_BYTES)
        .map(<[u8]>::to_vec)
        .collect();
    let at = random.below(calls.len() as u64 + 1) as usize;
    match random.below(4) {
        0 | 1 => calls.insert(at, call(random)),
        2 => *calls.get_mut(at)? = call(random),
        _ => {
            let repeated = calls.get(at)?.clone();
            calls.push(repeated);
        }
    }
    let mut mutant = calls.concat();
    mutant.truncate(most);
    Some(mutant)
}
