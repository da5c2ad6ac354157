//! Validates a candidate in this process, by the parameters of Polkadot's network.
//!
//! ```console
//! $ cargo run --release -p pvf-validation --example validate -- fixtures/ledger/code.wasm fixtures/ledger/transfer.params
//! ```

use pvf_executor::{NotPrepared, Profile, Purpose, Rules, prepare};
use pvf_validation::{
    HostParameters, Module, Network, Outcome, Pvf, ValidationResult, candidate, function_types,
};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [code, params] = &arguments[..] else {
        return Err("usage: validate CODE CANDIDATE".into());
    };
    let code = std::fs::read(code)?;
    let params = std::fs::read(params)?;
    let params = candidate::read(&params)?;
    let parameters = HostParameters::of_network(Network::Polkadot);

    // Once for each validation function. The imports are checked as well, as for a vote on new code.
    let functions = function_types(parameters.ecc_rfc163);
    let rules = Rules::new(
        Profile::Polkadot.compile_options(),
        Purpose::Precheck(&functions),
    );
    let artifact = match prepare(&code, &rules) {
        Ok(prepared) => prepared.artifact,
        Err(NotPrepared::Rejected(rejection)) => {
            println!(
                "rejected by rule {}: {}",
                rejection.rule,
                rejection.reason()
            );
            return Ok(());
        }
        Err(NotPrepared::Failed(failure)) => return Err(failure.into()),
    };
    let pvf = Pvf::new(Module::new(artifact)?, parameters);

    // Once for each candidate. An error is the machine's failure, about which nobody may vote.
    let execution = pvf.validate(&params)?;
    match &execution.outcome {
        Outcome::Valid(bytes) => {
            let result = ValidationResult::from_bytes(bytes)?;
            println!("valid: the new head has {} bytes", result.head_data.len());
        }
        Outcome::Invalid { reason, .. } => println!("invalid: {reason}"),
        Outcome::Rejected(rejection) => println!("rejected: {}", rejection.reason()),
    }
    println!(
        "native stack {} bytes, memory {} pages",
        execution.stack.native, execution.memory_pages_peak
    );
    Ok(())
}
