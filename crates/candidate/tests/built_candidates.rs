//! Candidates of production runtimes.
//!
//! The runtimes are not part of this repository. `PVF_CASES` names their folder; by default it is
//! `../shared/pvf` next to the repository. Beside each runtime are recorded candidates, right and
//! corrupt, that another builder made and another engine ran: for what is corrupt in the same way,
//! the runtime has to panic at the same place with the same message.

use pvf_candidate::{Candidates, Corruption, Error, Options, Script, Source};
use pvf_primitives::{BlockData, ExportedPov, ValidationParams};
use pvf_validation::Outcome;
use serde_json::Value;
use sp_crypto_hashing::{blake2_128, blake2_256, twox_128};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The folder of the runtimes, or `None` if the default does not exist.
fn folder() -> Option<PathBuf> {
    if let Some(folder) = env::var_os("PVF_CASES") {
        return Some(folder.into());
    }
    let sibling = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/pvf");
    let found = sibling.is_dir().then_some(sibling);
    if found.is_none() {
        println!("skipped: no production runtimes here (set PVF_CASES to their folder)");
    }
    found
}

/// A runtime and what is recorded of it.
struct Chain {
    name: String,
    source: Source,
    recorded: Value,
}

fn chain(folder: &Path, name: &str) -> Chain {
    let read = |file: &str| fs::read(folder.join(name).join(file)).expect("can be read");
    let source = Source::from_bytes(&read("code.compressed.wasm")).expect("a runtime");
    Chain {
        name: name.to_owned(),
        source,
        recorded: serde_json::from_slice(&read("cases.json")).expect("JSON"),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("can be read");
    let paths = entries.map(|entry| entry.expect("can be read").path());
    let mut names: Vec<String> = paths
        .filter(|path| path.join("cases.json").is_file())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn build(source: &Source, script: &str, seed: u64) -> Result<Candidates, Error> {
    let script = Script::parse(script, &|name| Err(format!("there is no {name}")))?;
    let options = Options {
        seed,
        ..Options::default()
    };
    Candidates::build(source, &script, &options)
}

/// The words of a panic, without hashes and folders.
fn words(panic: &str) -> Vec<&str> {
    let panic = panic.strip_prefix("runtime: ").unwrap_or(panic);
    panic
        .split_whitespace()
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .filter(|word| !word.contains("0x"))
        .collect()
}

/// The panic that is recorded of a corrupt candidate.
fn recorded<'c>(chain: &'c Chain, case: &str) -> Option<&'c str> {
    let cases = chain.recorded["cases"].as_array()?;
    let case = cases.iter().find(|it| it["case"] == case)?;
    case["logs"].as_array()?.last()?.as_str()
}

/// Builds blocks of a runtime and corrupts the last one. Returns the number of panics compared.
fn check_chain(chain: &Chain) -> usize {
    let name = &chain.name;
    // The shell has neither accounts nor an author.
    let (steps, is_shell) = match name.starts_with("shell") {
        true => ("blocks 2", true),
        false => ("blocks 2\ntransfer 20", false),
    };
    let candidates = build(&chain.source, steps, 0).unwrap_or_else(|it| panic!("{name}: {it}"));
    for index in 0..candidates.count() {
        let checked = candidates.check(index);
        let execution = checked.unwrap_or_else(|error| panic!("{name}, {index}: {error}"));
        assert!(matches!(execution.outcome, Outcome::Valid(_)));
    }
    let about = candidates.about(2).expect("there are three blocks");
    assert_eq!(about.spec_name, chain.recorded["spec_name"], "{name}");
    assert_eq!(about.spec_version, chain.recorded["spec_version"], "{name}");
    assert_eq!(about.proof_form, chain.recorded["proof_form"], "{name}");
    assert_eq!(about.sealed, !is_shell, "{name}");
    let transfers = if is_shell { 0 } else { 20 };
    assert_eq!(about.extrinsics - about.inherents, transfers, "{name}");
    assert_eq!((about.number, about.failed_dispatches), (3, 0), "{name}");

    let mut compared = 0;
    for (kind, corruption) in Corruption::ALL {
        let bytes = match candidates.write(2, Some(corruption)) {
            Ok(bytes) => bytes,
            Err(Error::Unsupported(_)) if is_shell && matches!(kind, "signature" | "seal") => {
                continue;
            }
            Err(error) => panic!("{name}, {kind}: {error}"),
        };
        let (_, reason) = candidates.judge(&bytes.params).expect("it has an outcome");
        let reason = reason.unwrap_or_else(|| panic!("{name}: {kind} is valid"));
        let case = match corruption {
            Corruption::Signature => "bad-signature",
            Corruption::StateRoot => "wrong-state-root",
            Corruption::Seal => "bad-seal",
            Corruption::Parent => "wrong-parent",
            Corruption::RelayRoot => "wrong-relay-root",
            Corruption::Truncated => "truncated",
            // Which bit it is decides where it is found out.
            _ => continue,
        };
        if let Some(expected) = recorded(chain, case) {
            assert_eq!(words(&reason), words(expected), "{name}: {kind}");
            compared += 1;
        }
    }
    compared
}

fn check_chains(share: usize) {
    let Some(folder) = folder() else {
        return;
    };
    let names = names(&folder);
    assert!(names.len() >= 4, "there are runtimes");
    let mine = names.iter().skip(share).step_by(4);
    let compared: usize = mine.map(|name| check_chain(&chain(&folder, name))).sum();
    assert!(compared > 4, "{compared} panics were compared");
}

// Four tests, which run at a time.
#[test]
fn every_runtime_gives_candidates_1() {
    check_chains(0);
}

#[test]
fn every_runtime_gives_candidates_2() {
    check_chains(1);
}

#[test]
fn every_runtime_gives_candidates_3() {
    check_chains(2);
}

#[test]
fn every_runtime_gives_candidates_4() {
    check_chains(3);
}

#[test]
fn the_same_arguments_give_the_same_bytes() {
    let Some(folder) = folder() else {
        return;
    };
    let chain = chain(&folder, "bridge-hub-polkadot");
    let script = "transfer 9 mixed\nremark 1000\nxcm-down 2\nupgrade 2000";
    let make = |seed| {
        let candidates = build(&chain.source, script, seed).expect("it builds");
        candidates.last().expect("it is written")
    };
    assert_eq!(make(1), make(1));
    assert_ne!(make(1).params, make(2).params);
}

#[test]
fn both_files_say_the_same() {
    let Some(folder) = folder() else {
        return;
    };
    let chain = chain(&folder, "asset-hub-polkadot");
    let candidates = build(&chain.source, "block\nblock\ntransfer 3", 0).expect("it builds");
    let bytes = candidates.last().expect("it is written");
    let exported = ExportedPov::from_bytes(&bytes.pov).expect("an export");
    let block_data = sp_maybe_compressed_blob::decompress(exported.block_data, 1 << 20)
        .expect("it is compressed");
    let params: ValidationParams =
        parity_scale_codec::DecodeAll::decode_all(&mut &bytes.params[..]).expect("parameters");
    assert_eq!(params.block_data, *block_data);
    assert_eq!(params.parent_head, exported.parent_head);
    assert_eq!(params.relay_parent_number, exported.relay_parent_number);
    assert_eq!(
        params.relay_parent_storage_root,
        exported.relay_parent_storage_root
    );
    let data = BlockData::from_bytes(&params.block_data).expect("block data");
    assert_eq!(data.blocks.len(), 1);
    assert_eq!(data.blocks[0].extrinsics.count, 2 + 3);
    assert_eq!(data.proof.count, bytes.proof_nodes);
}

#[test]
fn transfers_and_messages_arrive() {
    let Some(folder) = folder() else {
        return;
    };
    for name in ["asset-hub-polkadot", "coretime-polkadot"] {
        let chain = chain(&folder, name);
        // A queue may serve a message in a later block only.
        let script = "blocks 2\ntransfer 2\nbatch 2\nxcm-down 2\nblocks 2";
        let candidates = build(&chain.source, script, 7).expect("it builds");
        candidates.check(2).expect("it is valid");
        for recipient in 1..=6 {
            let account = blake2_256(format!("pvf-candidate/7/recipient/{recipient}").as_bytes());
            let key = [
                &twox_128(b"System")[..],
                &twox_128(b"Account"),
                &blake2_128(&account),
                &account,
            ];
            let info = candidates.storage(&key.concat()).expect("can be read");
            let info = info.unwrap_or_else(|| panic!("{name}: {recipient} got nothing"));
            // Four counters, then the free balance.
            assert!(
                info[16..32].iter().any(|&byte| byte != 0),
                "{name}: {info:?}"
            );
        }
    }
}

#[test]
fn what_a_runtime_cannot_do_is_said() {
    let Some(folder) = folder() else {
        return;
    };
    let chain = chain(&folder, "collectives-polkadot");
    for (script, expected) in [
        (
            "call //Alice Nothing.call",
            "line 1 of the script: the runtime has no pallet Nothing",
        ),
        (
            "call //Alice System.call",
            "line 1 of the script: System has no call call; it has",
        ),
        (
            "call //Alice System.remark ()",
            "line 1 of the script: 0 arguments are given, it has 1: remark",
        ),
        (
            "call //Alice System.remark { text: 0x00 }",
            "line 1 of the script: there is no argument `remark`",
        ),
        (
            "call Alice System.remark (0x00)",
            "line 1 of the script: Alice: ",
        ),
        ("transfer 5000", "extrinsic "),
        ("remark 6000000", "extrinsic 0 of block 1 (a remark): "),
        ("signal go-ahead", "BlockBuilder_apply_extrinsic: "),
    ] {
        let error = match build(&chain.source, script, 0) {
            Ok(_) => panic!("{script} is built"),
            Err(error) => error.to_string(),
        };
        assert!(error.starts_with(expected), "{script}: {error}");
    }
    // A call may fail in its dispatch: without a batch of root's, nothing is set.
    let script = "call //Alice System.set_heap_pages { pages: 5 }\nfill 3000 ed25519";
    let candidates = build(&chain.source, script, 0).expect("it builds");
    let about = candidates.about(0).expect("there is a block");
    assert_eq!(about.failed_dispatches, 1);
    assert!((500..3000).contains(&about.extrinsics), "{about:?}");
}
