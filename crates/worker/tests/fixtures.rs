//! Prepares and executes all candidates of the fixtures, behind all barriers.

mod common;

use common::*;
use parity_scale_codec::Encode;
use pvf_node_protocol::JobResponse;
use pvf_primitives::ExecutorParams;
use std::fs;

#[test]
fn all_candidates_of_the_fixtures_have_their_expected_outcome() {
    let mut preparing = Host::preparing();
    let mut executing = Host::executing(&ExecutorParams::default());
    let (mut valid, mut invalid, mut not_askable) = (0, 0, 0);
    for FixtureChain { name, code, cases } in fixture_chains() {
        let (success, artifact) = preparing.prepare(&preparation(&code)).expect(&name);
        assert_eq!(success.stats.observed_wasm_code_len as usize, code.len());
        assert!(success.stats.memory_stats.peak_tracked_alloc > 0);
        assert!(success.stats.memory_stats.max_rss > Some(0));
        for case in cases {
            let Some(request) = execution_of(&artifact, &case.candidate) else {
                not_askable += 1;
                continue;
            };
            let response = executing.execute(&artifact, &request).expect("a response");
            let case_name = &case.name;
            assert_eq!(response.pov_size as usize, request.pov.block_data.len());
            match (case.result, response.job_response) {
                (Some(result), JobResponse::Ok { result_descriptor }) => {
                    assert_eq!(result_descriptor.encode(), result, "{name}/{case_name}");
                    valid += 1;
                }
                (None, JobResponse::InvalidCandidate(_)) => invalid += 1,
                (expected, response) => {
                    panic!("{name}/{case_name}: expected {expected:?}, got {response:?}");
                }
            }
        }
    }
    assert!(
        valid > 20 && invalid > 20,
        "{valid} valid, {invalid} invalid"
    );
    assert!(not_askable < 10, "{not_askable} are not possible requests");
}

#[test]
fn compressed_code_gives_the_same_artifact() {
    let code = fs::read(fixtures().join("adder/code.compressed.wasm")).expect("there is code");
    let plain = fs::read(fixtures().join("adder/code.wasm")).expect("there is code");
    let mut preparing = Host::preparing();
    let compressed = preparing.prepare(&preparation(&code)).expect("prepares").1;
    assert_eq!(
        compressed,
        preparing.prepare(&preparation(&plain)).expect("prepares").1
    );
}
