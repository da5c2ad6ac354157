//! Compares the observations of two engines and describes the first difference.

use crate::observe::{Ending, Limits, Observation, Plan, Step};
use std::fmt::Write;

/// How far two engines were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The number of calls (or failed instantiations) with equal observations.
    pub calls: usize,
    /// The oracle's own stack overflowed, so later calls are not compared.
    pub native_stack: bool,
}

/// Compares call by call. The error describes the difference.
pub fn compare_step(
    plan: &Plan,
    step: &Step,
    limits: Limits,
    oracle: &str,
    theirs: &[Observation],
    ours: &[Observation],
) -> Result<Compared, String> {
    for (call, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
        if theirs.ending == Ending::NativeStack {
            return Ok(Compared {
                calls: call,
                native_stack: true,
            });
        }
        if theirs != ours {
            return Err(describe(plan, step, limits, call, oracle, theirs, ours));
        }
    }
    if theirs.len() != ours.len() {
        return Err(format!(
            "{} observations in {oracle}, {} in ours",
            theirs.len(),
            ours.len()
        ));
    }
    Ok(Compared {
        calls: ours.len(),
        native_stack: false,
    })
}

/// The name under which an ending is counted.
pub fn class(ending: &Ending) -> &'static str {
    match ending {
        Ending::Returned(_) => "returned",
        Ending::Trapped(kind) => kind.name(),
        Ending::NotInstantiated => "not_instantiated",
        Ending::NativeStack => "native_stack",
    }
}

fn describe(
    plan: &Plan,
    step: &Step,
    limits: Limits,
    call: usize,
    oracle: &str,
    theirs: &Observation,
    ours: &Observation,
) -> String {
    let mut text = String::new();
    let made = &step.calls[call];
    let function = &plan.functions[made.function];
    let arguments: Vec<String> = function
        .parameters
        .iter()
        .zip(&made.arguments)
        .map(|(ty, bits)| format!("{ty}:{bits:#x}"))
        .collect();
    _ = writeln!(
        text,
        "call {call} of {:?} with ({}); limits: stack {}, gas {}",
        function.name,
        arguments.join(", "),
        limits.stack,
        limits.gas
    );
    let mut line = |what: &str, theirs: String, ours: String| {
        if theirs != ours {
            _ = writeln!(text, "  {what}: {oracle} {theirs}, ours {ours}");
        }
    };
    line(
        "ending",
        format!("{:x?}", theirs.ending),
        format!("{:x?}", ours.ending),
    );
    line(
        "memory (pages, hash)",
        format!("{:x?}", theirs.memory),
        format!("{:x?}", ours.memory),
    );
    line(
        "host calls (hash)",
        format!("{:x}", theirs.host_calls),
        format!("{:x}", ours.host_calls),
    );
    line(
        "gas used",
        format!("{:?}", theirs.gas_used),
        format!("{:?}", ours.gas_used),
    );
    for (index, name) in plan.globals.iter().enumerate() {
        line(
            &format!("global {name:?}"),
            format!("{:x?}", theirs.globals.get(index)),
            format!("{:x?}", ours.globals.get(index)),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{Call, Function};
    use pvf_rules::TrapKind;

    const LIMITS: Limits = Limits { stack: 1, gas: 1 };

    fn compare(theirs: &Observation, ours: &[Observation]) -> Result<Compared, String> {
        let plan = Plan {
            functions: vec![Function {
                name: "f".to_owned(),
                parameters: vec![],
                results: vec![],
            }],
            globals: vec!["g".to_owned()],
            ..Plan::default()
        };
        let step = Step {
            calls: vec![Call {
                function: 0,
                arguments: vec![],
            }],
        };
        let theirs = std::slice::from_ref(theirs);
        compare_step(&plan, &step, LIMITS, "the oracle", theirs, ours)
    }

    /// Every kind of difference must be found.
    #[test]
    fn every_difference_is_found() {
        let same = Observation {
            ending: Ending::Returned(vec![1]),
            memory: Some((1, 2)),
            globals: vec![3],
            host_calls: 4,
            gas_used: Some(5),
        };
        let compared = Compared {
            calls: 1,
            native_stack: false,
        };
        assert_eq!(compare(&same, std::slice::from_ref(&same)), Ok(compared));
        let ending = |ending| Observation {
            ending,
            ..same.clone()
        };
        let others = [
            ending(Ending::Returned(vec![0])),
            ending(Ending::Trapped(TrapKind::Unreachable)),
            ending(Ending::Trapped(TrapKind::StackOverflow)),
            ending(Ending::Trapped(TrapKind::OutOfGas)),
            ending(Ending::NotInstantiated),
            Observation {
                memory: Some((2, 2)),
                ..same.clone()
            },
            Observation {
                memory: Some((1, 0)),
                ..same.clone()
            },
            Observation {
                globals: vec![0],
                ..same.clone()
            },
            Observation {
                host_calls: 0,
                ..same.clone()
            },
            Observation {
                gas_used: Some(6),
                ..same.clone()
            },
        ];
        for other in others {
            let what = compare(&same, std::slice::from_ref(&other)).expect_err("differs");
            assert!(what.contains("the oracle"), "{what}");
            // The order of the engines does not matter.
            assert!(compare(&other, std::slice::from_ref(&same)).is_err());
        }
        assert!(compare(&same, &[]).is_err());
        assert!(compare(&same, &[same.clone(), same.clone()]).is_err());
    }

    /// The overflow of an oracle's own stack says nothing about this executor and does not count as equality.
    #[test]
    fn an_oracles_own_stack_overflow_is_not_compared() {
        let theirs = Observation::without_instance(Ending::NativeStack);
        let ours = Observation::without_instance(Ending::Returned(vec![]));
        let compared = Compared {
            calls: 0,
            native_stack: true,
        };
        assert_eq!(compare(&theirs, std::slice::from_ref(&ours)), Ok(compared));
        assert!(compare(&ours, &[theirs]).is_err());
    }
}
