//! Builds the candidate of a script's last block: `candidate SOURCE 'transfer 50' [OUTPUT]`, with `;` between the steps.

use pvf_candidate::{Candidates, Corruption, Options, Script, Source};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let source = std::fs::read(
        arguments
            .next()
            .ok_or("a runtime or a chain specification")?,
    )?;
    let source = Source::from_bytes(&source)?;
    let steps = arguments.next().unwrap_or_default().replace(';', "\n");
    let read_file = |name: &str| std::fs::read(name).map_err(|error| error.to_string());
    let script = Script::parse(&steps, &read_file)?;
    let candidates = Candidates::build(&source, &script, &Options::default())?;
    for index in 0..candidates.count() {
        candidates.check(index)?;
        let bytes = candidates.write(index, None)?;
        println!(
            "{:?}\n{} B, proof {} nodes {} B, version {}",
            candidates.about(index)?,
            bytes.params.len(),
            bytes.proof_nodes,
            bytes.proof_bytes,
            bytes.block_data_version
        );
    }
    let last = candidates.count() - 1;
    for (name, corruption) in Corruption::ALL {
        let reason = match candidates.write(last, Some(corruption)) {
            Ok(bytes) => candidates.judge(&bytes.params)?.1,
            Err(error) => Some(error.to_string()),
        };
        println!(
            "{name}: {}",
            reason.as_deref().unwrap_or("valid").replace('\n', " ")
        );
    }
    if let Some(output) = arguments.next() {
        std::fs::write(output, candidates.last()?.params)?;
    }
    Ok(())
}
