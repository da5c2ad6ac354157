//! Collators' exports (`.pov`) wherever a candidate is taken, and `pvf decode` on them.
//!
//! Whether every recorded candidate is the same by its export is tested in `crates/validation/tests/exported_povs.rs`; here are the
//! commands.

mod common;

use common::{fixture, pvf, scratch, write};
use parity_scale_codec::{DecodeAll, Encode};
use pvf_primitives::{PersistedValidationData, PoV, ValidationParams};
use std::fs;
use std::path::Path;

const COMPRESSED: [u8; 8] = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];

fn compressed(block: &[u8]) -> Vec<u8> {
    let frame = zstd::encode_all(block, 3).expect("it compresses");
    [&COMPRESSED[..], &frame].concat()
}

fn exported(params: &ValidationParams, block_data: Vec<u8>, max_pov_size: u32) -> Vec<u8> {
    let data = PersistedValidationData {
        parent_head: params.parent_head.clone(),
        relay_parent_number: params.relay_parent_number,
        relay_parent_storage_root: params.relay_parent_storage_root,
        max_pov_size,
    };
    (PoV { block_data }, data).encode()
}

fn exported_old(params: &ValidationParams, block_data: Vec<u8>) -> Vec<u8> {
    let root = params.relay_parent_storage_root;
    let number = params.relay_parent_number;
    (PoV { block_data }, &params.parent_head, root, number).encode()
}

fn params(path: &str) -> ValidationParams {
    let bytes = fs::read(path).expect("it can be read");
    ValidationParams::decode_all(&mut &bytes[..]).expect("it decodes")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn every_command_that_takes_a_candidate_takes_an_export() {
    let (code, file) = (
        fixture("ledger/code.wasm"),
        fixture("ledger/transfer.params"),
    );
    let params = params(&file);
    let artifact = scratch("povs", "ledger.artifact");
    assert_eq!(pvf(["prepare", &code, "-o", text(&artifact)]).code, 0);
    let plain = write(
        "povs",
        "plain.pov",
        exported(&params, params.block_data.clone(), 5 << 20),
    );
    let packed = exported(&params, compressed(&params.block_data), 5 << 20);
    let zipped = write(
        "povs",
        "packed.pov.zst",
        zstd::encode_all(&packed[..], 3).expect("it compresses"),
    );
    let packed = write("povs", "packed.pov", packed);
    for (command, first) in [
        ("validate", &*code),
        ("execute", text(&artifact)),
        ("arbitrate", &code),
        ("measure", &code),
        ("profile", &code),
    ] {
        let digest = |candidate: &str| {
            let ran = pvf([command, first, candidate, "--json"]);
            assert_eq!(ran.code, 0, "{command} {candidate}: {}", ran.stderr);
            ran.json()["outcome_digest"].clone()
        };
        let expected = digest(&file);
        assert!(expected.is_string());
        for export in [&plain, &packed, &zipped] {
            assert_eq!(digest(export), expected, "{command} {export}");
        }
    }
    let json = pvf(["validate", &code, &packed, "--json"]).json();
    let candidate = &json["candidate"];
    assert_eq!(
        (&candidate["form"], &candidate["compressed"]),
        (&"exported".into(), &true.into())
    );
    assert_eq!(candidate["max_pov_size"], 5 << 20);
}

#[test]
fn a_proof_above_the_limit_is_refused_by_the_network_though_valid() {
    let (code, file) = (
        fixture("ledger/code.wasm"),
        fixture("ledger/transfer.params"),
    );
    let params = params(&file);
    let pov = exported(&params, params.block_data.clone(), 10);
    let pov = write("povs", "large.pov", pov);
    let ran = pvf(["validate", &code, &pov]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.text()
            .starts_with("valid, but the network refuses the candidate\n"),
        "{}",
        ran.text()
    );
    let json = pvf(["validate", &code, &pov, "--json"]).json();
    assert_eq!(json["outcome"], "valid");
    let why = json["refused_by_network"].as_array().expect("a list");
    assert_eq!(why.len(), 1, "{json}");
}

/// Some hundred damaged exports through the program: wrong usage, or what the network says about another whole candidate. The ten
/// thousand are tested in `pvf-validation`.
#[test]
fn damaged_exports_end_with_an_error_and_never_with_a_panic() {
    let code = fixture("adder/code.wasm");
    let params = params(&fixture("adder/add-1.params"));
    let whole = exported(&params, compressed(&params.block_data), 5 << 20);
    let (mut refused, mut judged) = (0, 0);
    for at in 0..whole.len() {
        for kind in 0..2 {
            let mut bytes = whole.clone();
            match kind {
                0 => bytes.truncate(at),
                _ => bytes[at] ^= 0x41,
            }
            let file = write("povs", "damaged.pov", &bytes);
            let ran = pvf(["decode", &file, "--json"]);
            assert!(
                matches!(ran.code, 0 | 2),
                "{at} {kind}: {} {}",
                ran.code,
                ran.stderr
            );
            match ran.code {
                2 => refused += 1,
                _ => judged += 1,
            }
            if kind == 0 {
                assert_eq!(ran.code, 2, "{at}: a file that is cut is none");
            }
            if ran.code == 2 && at % 16 == 0 && !bytes.is_empty() {
                let ran = pvf(["validate", &code, &file, "--json"]);
                assert_eq!(ran.code, 2, "{at} {kind}: {}", ran.stderr);
            }
        }
    }
    assert!(refused > whole.len() && judged > 20, "{refused} {judged}");
}

#[test]
fn a_real_block_is_decoded_and_its_failure_has_message_and_names() {
    let Some(chain) =
        pvf_corpus::recorded_chain("asset-hub-polkadot").expect("the folder can be read")
    else {
        return;
    };
    let code = &chain.code;
    let case = |name: &str| chain.case(name).expect("the case").about.clone();
    let file = |name: &str| text(&chain.case(name).expect("the case").params).to_owned();
    let digest = |candidate: &str| {
        let ran = pvf(["validate", text(code), candidate, "--json"]);
        assert!(ran.code < 2, "{}", ran.stderr);
        ran.json()
    };

    let block = params(&file("xcm-up-10"));
    let old = exported_old(&block, block.block_data.clone());
    let old = write("povs", "real-old.pov", old);
    let new = exported(&block, compressed(&block.block_data), 10 << 20);
    let new = write("povs", "real.pov", new);
    let about = &case("xcm-up-10")["about"];
    for (pov, kind) in [(&old, "exported_old"), (&new, "exported")] {
        let json = pvf(["decode", pov, "--json"]).json();
        assert_eq!(json["kind"], kind);
        let data = &json["params"]["block_data"];
        assert_eq!(data["proof_bytes"], about["proof_bytes"]);
        assert_eq!(data["blocks"][0]["extrinsics"], about["extrinsics"]);
        assert_eq!(data["blocks"][0]["header"]["number"], about["number"]);
    }
    let judged = digest(&new);
    assert_eq!(judged["outcome_digest"], digest(&old)["outcome_digest"]);
    assert_eq!(
        judged["outcome_digest"],
        digest(&file("xcm-up-10"))["outcome_digest"]
    );
    let fields = &case("xcm-up-10")["result_fields"];
    let decoded = &judged["decoded"];
    assert_eq!(
        decoded["upward_messages"]["count"],
        fields["upward_messages"]
    );
    assert_eq!(decoded["hrmp_watermark"], fields["hrmp_watermark"]);

    // What the code said was recorded by another engine; names and order of the functions are of the module.
    let failed = digest(&file("bad-signature"));
    assert!(
        failed["panic"]
            .as_str()
            .is_some_and(|it| it.contains("'Transaction has a bad signature'"))
    );
    let frames = failed["backtrace"]["frames"]
        .as_array()
        .expect("a backtrace");
    let names: Vec<&str> = frames.iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(
        (names.first(), names.last()),
        (Some(&"rust_begin_unwind"), Some(&"validate_block"))
    );
    assert!(
        names
            .iter()
            .any(|it| it.contains("frame_executive::Executive")),
        "{names:?}"
    );
    assert!(frames.len() <= 20);
    let deep = digest(&file("nested-1000"));
    let backtrace = &deep["backtrace"];
    assert_eq!(backtrace["frames"].as_array().map(Vec::len), Some(20));
    assert!(backtrace["depth"].as_u64() > Some(100));
}
