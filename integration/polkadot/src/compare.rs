//! Compares all cases with both pairs of workers.

use crate::Places;
use crate::cases::{self, Chain};
use crate::faults;
use crate::host::{AMPLE, Candidate, Host};
use crate::outcome::Said;
use crate::table;
use polkadot_primitives::ExecutorParams;
use std::error::Error;
use std::time::Duration;

/// CPU time limit of endless executions.
const SHORT: Duration = Duration::from_millis(500);

/// Two hosts and the counts of the comparison.
struct Comparison {
    ours: Host,
    stock: Host,
    filter: String,
    all: bool,
    compared: u32,
    differ: u32,
    /// Cases in which our result differs from the recorded one.
    wrong: u32,
}

/// Runs the comparison. Returns whether no case differs.
pub async fn run(places: &Places, filter: &str, all: bool) -> Result<bool, Box<dyn Error>> {
    let mut comparison = Comparison {
        ours: Host::start(&places.ours, 2).await?,
        stock: Host::start(&places.stock()?, 2).await?,
        filter: filter.to_owned(),
        all,
        compared: 0,
        differ: 0,
        wrong: 0,
    };
    println!("ours:  {:?}", comparison.ours.security());
    println!("stock: {:?}", comparison.stock.security());
    for row in table::rows() {
        comparison.row(row).await;
    }
    for chain in cases::read(&places.fixtures)? {
        comparison.chain(&chain).await;
    }
    match cases::read(&places.corpus) {
        Ok(chains) => {
            for chain in chains {
                comparison.chain(&chain).await;
            }
        }
        Err(error) => println!("without the validation functions of real networks: {error}"),
    }
    comparison.preparations(places).await?;
    for (name, ours, stock) in faults::scripted(places).await? {
        comparison.note(name, &ours, &stock);
    }
    let Comparison {
        compared,
        differ,
        wrong,
        ..
    } = comparison;
    println!("{wrong} not as recorded");
    println!("{compared} compared, {differ} differ");
    Ok(differ == 0 && wrong == 0)
}

impl Comparison {
    async fn row(&mut self, row: table::Row) {
        let name = format!("{}, prechecked", row.name);
        self.precheck(&name, &row.code, &row.params, AMPLE).await;
        let name = format!("{}, executed", row.name);
        let timeout = if row.endless { SHORT } else { AMPLE };
        let candidate = Candidate::of(row.block_data);
        // Code with another hash, since the host caches the result of the precheck.
        let code = with_a_mark(row.code, b'x');
        self.execute(&name, &code, &candidate, &row.params, timeout, None)
            .await;
    }

    async fn chain(&mut self, chain: &Chain) {
        let params = ExecutorParams::default();
        let name = format!("{}, prechecked", chain.name);
        self.precheck(&name, &chain.code, &params, AMPLE).await;
        for case in &chain.cases {
            let recorded = Some(&case.result);
            self.execute(
                &case.name,
                &chain.code,
                &case.candidate,
                &params,
                AMPLE,
                recorded,
            )
            .await;
        }
    }

    /// Compares preparations that fail for reasons outside the code.
    async fn preparations(&mut self, places: &Places) -> Result<(), Box<dyn Error>> {
        use polkadot_primitives::ExecutorParam;
        let params = ExecutorParams::default();
        for chain in cases::read(&places.fixtures)? {
            let code = with_a_mark(chain.code.clone(), b't');
            let name = format!("{}, without time", chain.name);
            self.precheck(&name, &code, &params, Duration::ZERO).await;
            // A compiler's memory use is not compared, but no compiler works within this limit.
            let little = [ExecutorParam::PrecheckingMaxMemory(1)];
            let little = ExecutorParams::from(&little[..]);
            let code = with_a_mark(chain.code.clone(), b'm');
            let name = format!("{}, without memory", chain.name);
            self.precheck(&name, &code, &little, AMPLE).await;
        }
        Ok(())
    }

    async fn precheck(
        &mut self,
        name: &str,
        code: &[u8],
        params: &ExecutorParams,
        timeout: Duration,
    ) {
        if name.contains(&self.filter) {
            let ours = self.ours.precheck(code, params, timeout).await;
            let stock = self.stock.precheck(code, params, timeout).await;
            self.note(name, &ours, &stock);
        }
    }

    async fn execute(
        &mut self,
        name: &str,
        code: &[u8],
        candidate: &Candidate,
        params: &ExecutorParams,
        timeout: Duration,
        recorded: Option<&Option<Vec<u8>>>,
    ) {
        if name.contains(&self.filter) {
            let ours = self.ours.validate(code, candidate, params, timeout).await;
            let stock = self.stock.validate(code, candidate, params, timeout).await;
            self.note(name, &ours, &stock);
            if recorded.is_some_and(|recorded| *recorded != ours.result) {
                self.wrong += 1;
                println!("{name}: not the result recorded: {ours:?}");
            }
        }
    }

    fn note(&mut self, name: &str, ours: &Said, stock: &Said) {
        self.compared += 1;
        let agree = ours.agrees_with(stock);
        self.differ += u32::from(!agree);
        if !agree || self.all {
            let mark = if agree { "  " } else { "! " };
            println!("{mark}{name:<50} {:<32} {}", ours.class, stock.class);
        }
        if !agree {
            println!("    ours:  {}\n    stock: {}", ours.text, stock.text);
        }
    }
}

/// The same module with a custom section, so that its hash differs. Bytes that are not a plain
/// module stay unchanged.
fn with_a_mark(mut code: Vec<u8>, mark: u8) -> Vec<u8> {
    if code.starts_with(b"\0asm") {
        code.extend([0, 2, 1, mark]);
    }
    code
}
