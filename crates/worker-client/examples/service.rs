//! Validates a candidate in worker processes, through a pool with a cache of artifacts.
//!
//! ```console
//! $ cargo build --release -p pvf-worker
//! $ cargo run --release -p pvf-worker-client --example service -- target/release fixtures/ledger/code.wasm fixtures/ledger/transfer.params
//! ```

use parity_scale_codec::Decode;
use pvf_primitives::{PersistedValidationData, PoV, ValidationParams};
use pvf_worker_client::service::{Candidate, Judgement, Options, Rules, Service};
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [workers, code, params] = &arguments[..] else {
        return Err("usage: service WORKERS CODE CANDIDATE".into());
    };
    let code = std::fs::read(code)?;
    // A node has these apart; the file has them as the validation function gets them.
    let params = ValidationParams::decode(&mut &std::fs::read(params)?[..])?;
    let pvd = PersistedValidationData {
        parent_head: params.parent_head,
        relay_parent_number: params.relay_parent_number,
        relay_parent_storage_root: params.relay_parent_storage_root,
        max_pov_size: 10 << 20,
    };
    let pov = PoV {
        block_data: params.block_data,
    };
    let candidate = Candidate::new(pvd, pov);

    let cache = tempfile::tempdir()?;
    // Workers are started in directories of their own, where a relative path leads nowhere.
    let workers = std::fs::canonicalize(workers)?;
    let mut options = Options::new(workers, cache.path().join("cache"));
    // An example runs in containers too. Who validates for others leaves this out.
    options.tolerate_missing_barriers = true;
    let service = Service::start(options)?;
    for run in ["first", "again"] {
        let start = Instant::now();
        match service.validate(&code, &candidate, &Rules::default())? {
            Judgement::Valid(result) => {
                print!("valid: the new head has {} bytes", result.head_data.len());
            }
            Judgement::Invalid(reason) => print!("invalid: {reason}"),
        }
        println!(" ({run}: {:?})", start.elapsed());
    }
    Ok(())
}
