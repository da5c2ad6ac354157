//! Rules on a disputed candidate: the outcome, whether it is deterministic, the rule that decided, the distance to each limit.
//!
//! ```console
//! $ cargo run --release -p pvf-arbiter --example arbitrate -- fixtures/ledger/code.wasm fixtures/ledger/too-poor.params
//! ```

use pvf_arbiter::{Question, arbitrate};
use std::error::Error;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [code, params] = &arguments[..] else {
        return Err("usage: arbitrate CODE CANDIDATE".into());
    };
    let (code, params) = (std::fs::read(code)?, std::fs::read(params)?);
    let question = Question {
        time: Some(Duration::from_secs(24)),
        ..Question::new(&code, &params)
    };
    let ruling = arbitrate(&question)?;

    println!("outcome              {:?}", ruling.execution.outcome);
    println!("deterministic        {}", ruling.is_deterministic());
    for difference in &ruling.differences {
        println!("  {difference:?}");
    }
    if let Some(cause) = &ruling.cause {
        match cause.rule {
            Some(rule) => println!("rule                 {rule}: {}", cause.what),
            None => println!("reason               {}", cause.what),
        }
    }
    for headroom in &ruling.headroom {
        let share = headroom.share.unwrap_or(0.0);
        println!(
            "{:<20} {} ({:.1} % of the limit)",
            headroom.quantity.label(),
            headroom.peak,
            100.0 * share
        );
    }
    Ok(())
}
