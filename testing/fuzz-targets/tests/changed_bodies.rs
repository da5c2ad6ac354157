//! Many changed bodies, judged by the compiler's validator and by wasmparser, with a count of what was judged.

use pvf_fuzz_targets::bodies::{Judged, check};
use pvf_generators::Random;

/// How many inputs; the environment variable `PVF_CHANGES` sets another number.
const INPUTS: u64 = 3_000;

#[test]
fn changed_bodies_are_judged_alike() {
    let inputs = std::env::var("PVF_CHANGES");
    let inputs = inputs.map_or(INPUTS, |count| count.parse().expect("a number"));
    let mut all = Judged::default();
    for seed in 0..inputs {
        let mut random = Random::new(seed);
        let length = random.between(40, 600) as usize;
        let judged = check(&random.bytes(length));
        all.bodies += judged.bodies;
        all.accepted += judged.accepted;
    }
    println!("{all:?}");
    assert!(all.bodies > 4 * inputs);
    // Neither of the two answers is rare.
    let share = all.accepted as f64 / all.bodies as f64;
    assert!((0.1..0.9).contains(&share), "{share}");
}
