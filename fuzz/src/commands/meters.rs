//! `pvf-fuzz meters`.

use pvf_fuzz::differential::{Counts, Oracle, Stop, without_digits};
use pvf_fuzz::scripts::{Program, programs};
use pvf_fuzz::{Ending, Limits, Sharing, in_threads};
use pvf_meter_oracle::telling_costs;
use pvf_metering::Costs;
use pvf_rules::DEFAULT_STACK_LOGICAL_MAX;
use pvf_rules::TrapKind;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Some scripts recurse without end or loop for long. The stack limit is Polkadot's.
const FIRST: Limits = Limits {
    stack: DEFAULT_STACK_LOGICAL_MAX,
    gas: 100_000_000_000,
};

#[derive(Default)]
struct Summary {
    compared: u64,
    overflows: u64,
    differ: u64,
    counts: Counts,
    skipped: BTreeMap<String, u64>,
}

/// Returns whether no difference was found.
pub fn run() -> Result<bool, String> {
    let oracle = Oracle::new()?;
    let costs = telling_costs().map_err(|error| error.to_string())?;
    let summary = Mutex::new(Summary::default());
    in_threads(1, &|| {
        let mut summary = summary
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        for program in programs() {
            summary.add(&oracle, &costs, program);
        }
    })?;
    let summary = summary
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    println!(
        "{} modules of the spec-test suite compared, {} differ; {} overflow one unit below their peak",
        summary.compared, summary.differ, summary.overflows
    );
    println!(
        "left out             {}",
        summary.skipped.values().sum::<u64>()
    );
    for (reason, count) in &summary.skipped {
        println!("  {count:>8}  {reason}");
    }
    super::counts::print(&summary.counts);
    Ok(summary.differ == 0 && summary.compared > 0)
}

impl Summary {
    fn add(&mut self, oracle: &Oracle, costs: &Costs, program: Result<Program, String>) {
        let tried = program.map_err(Stop::Skipped).and_then(|program| {
            let compared = compare(oracle, costs, &program, &mut self.counts);
            compared.map_err(|stop| match stop {
                Stop::Different(what) => Stop::Different(format!("{}: {what}", program.name)),
                skipped => skipped,
            })
        });
        match tried {
            Ok(overflows) => {
                self.compared += 1;
                self.overflows += u64::from(overflows);
            }
            Err(Stop::Skipped(reason)) => {
                *self.skipped.entry(without_digits(&reason)).or_default() += 1;
            }
            Err(Stop::Different(what)) => {
                self.compared += 1;
                self.differ += 1;
                println!("DIFFERENT {what}");
            }
        }
    }
}

/// Compares with generous limits, with the stack limit at the peak and one unit below it, and with one gas too few.
/// Returns whether the stack overflowed one unit below the peak.
fn compare(
    oracle: &Oracle,
    costs: &Costs,
    program: &Program,
    counts: &mut Counts,
) -> Result<bool, Stop> {
    let Program { subject, plan, .. } = program;
    let compiled = oracle.compile(
        &subject.wasm,
        subject.features,
        costs,
        Sharing::of_seed(subject.seed),
        None,
        counts,
    )?;
    let step = &plan.steps[0];
    let first = oracle.run_step(&compiled, plan, step, FIRST, counts)?;
    let mut overflowed = false;
    if let Some(peak) = first.peak.and_then(|peak| u32::try_from(peak).ok()) {
        let at = |stack| Limits { stack, ..FIRST };
        let overflow = Ending::Trapped(TrapKind::StackOverflow);
        let overflows =
            |run: &pvf_fuzz::Run| run.observations.iter().any(|it| it.ending == overflow);
        let at_peak = oracle.run_step(&compiled, plan, step, at(peak), counts)?;
        if !overflows(&first) && at_peak.observations != first.observations {
            return Err(Stop::Different(
                "it does not fit in its own peak".to_owned(),
            ));
        }
        if peak > 0 {
            let below = oracle.run_step(&compiled, plan, step, at(peak - 1), counts)?;
            if !overflows(&below) {
                return Err(Stop::Different("it fits below its peak".to_owned()));
            }
            overflowed = true;
        }
    }
    let used = first.observations.last().and_then(|last| last.gas_used);
    if let Some(gas) = used.and_then(|used| used.checked_sub(1)) {
        oracle.run_step(&compiled, plan, step, Limits { gas, ..FIRST }, counts)?;
    }
    Ok(overflowed)
}
