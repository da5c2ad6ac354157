//! LOGICAL-9: the global with the index after a module's own globals is the counter of the logical
//! stack. Its value is the one in a module instrumented by `wasm-instrument`. That crate and wasmi
//! are the oracle, on random modules.

use pvf_compiler::{CompileError, CompileOptions, Costs, Metering, Refusal, compile};
use pvf_meter_oracle::{HEIGHT, Meters, OracleError, instrument};
use pvf_rules::{ExecutionParameters, Features, TrapKind};
use pvf_runtime::{CallError, Instance, InstantiateError, Linker, Module, Value};
use std::fmt::Write;
use std::sync::Arc;

/// A generator of a fixed sequence of numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, below: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 33) as u32 % below
    }

    fn one_in(&mut self, count: u32) -> bool {
        self.below(count) == 0
    }
}

/// The ways in which a generated module uses the counter.
#[derive(Clone, Copy)]
struct Uses {
    reads: bool,
    writes: bool,
    exports: bool,
}

/// Index of the global that accumulates the values the module read.
const SEEN: u32 = 0;
/// Index of the global that limits the number of function entries.
const FUEL: u32 = 1;
/// Number of the module's own globals; the next index is the counter's.
const OWN_GLOBALS: u32 = 2;
const COUNTER: u32 = OWN_GLOBALS;
const FUNCTIONS: u32 = 5;

/// A module whose functions call each other and use the counter between calls.
fn module(random: &mut Random, uses: Uses) -> String {
    let mut text = String::from(
        "(module
        (type $plain (func (param i32) (result i32)))
        (import \"h\" \"look\" (func $look (param i32) (result i32)))
        (global (export \"seen\") (mut i64) (i64.const 0))
        (global $fuel (export \"fuel\") (mut i32) (i32.const 400))
        (table 8 funcref)
        (elem (i32.const 0) $f0 $look $f1 $f2 $f3)
        (elem (i32.const 6) $f4)\n",
    );
    if uses.exports {
        writeln!(text, "(export \"counter\" (global {COUNTER}))").unwrap();
    }
    if random.one_in(3) {
        text.push_str("(start $start) (func $start (drop (call $f0 (i32.const 2))))\n");
    }
    for function in 0..FUNCTIONS {
        write!(
            text,
            "(func $f{function} (export \"f{function}\") (type $plain)"
        )
        .unwrap();
        for _ in 0..random.below(4) {
            text.push_str(" (local i64)");
        }
        text.push('\n');
        text.push_str("(if (i32.eqz (global.get 1)) (then (return (i32.const 1))))\n");
        text.push_str("(global.set 1 (i32.sub (global.get 1) (i32.const 1)))\n");
        for _ in 0..random.below(6) {
            statement(random, uses, &mut text, 0);
        }
        text.push_str("(local.get 0))\n");
    }
    // Functions that do not use the counter are counted too.
    text.push_str(
        "(func $leaf (param i32) (result i32) (local i32 i32) (i32.add (local.get 0) (i32.const 3)))
         (func (export \"set\") (param i32) (drop (call $leaf (local.get 0))))",
    );
    text.push(')');
    text
}

fn statement(random: &mut Random, uses: Uses, text: &mut String, depth: u32) {
    match random.below(12) {
        0..=2 if uses.reads => {
            // The second operand may be a call, while the counter's value waits on the operand
            // stack.
            let other = match random.below(3) {
                0 => "(i32.const 1)".to_owned(),
                1 => call(random),
                _ => format!("(i32.add {} (global.get {COUNTER}))", call(random)),
            };
            writeln!(
                text,
                "(global.set {SEEN} (i64.add (i64.mul (global.get {SEEN}) (i64.const 31))
                    (i64.extend_i32_u (i32.xor (global.get {COUNTER}) {other}))))"
            )
            .unwrap();
        }
        3 | 4 if uses.writes => {
            let value = match random.below(7) {
                0 => "(i32.const 0)".to_owned(),
                1 => format!("(i32.const {})", random.below(200)),
                2 => format!("(i32.const -{})", random.below(60)),
                3 => format!(
                    "(i32.add (global.get {COUNTER}) (i32.const {}))",
                    random.below(40)
                ),
                4 => format!(
                    "(i32.sub (global.get {COUNTER}) (i32.const {}))",
                    random.below(40)
                ),
                5 => call(random),
                _ => "(i32.const -2147483648)".to_owned(),
            };
            writeln!(text, "(global.set {COUNTER} {value})").unwrap();
        }
        5 if depth < 3 => {
            text.push_str("(if (i32.and (local.get 0) (i32.const 1)) (then\n");
            statement(random, uses, text, depth + 1);
            text.push_str(") (else\n");
            statement(random, uses, text, depth + 1);
            text.push_str("))\n");
        }
        6 if depth < 3 => {
            text.push_str("(block (loop\n");
            statement(random, uses, text, depth + 1);
            text.push_str(
                "(br_if 1 (i32.eqz (global.get 1)))
                (global.set 1 (i32.sub (global.get 1) (i32.const 1)))
                (br_if 0 (i32.and (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 3)))))\n",
            );
        }
        7 if random.one_in(4) => text.push_str("(return (i32.const 7))\n"),
        8 if random.one_in(12) => text.push_str("unreachable\n"),
        _ => writeln!(text, "(local.set 0 {})", call(random)).unwrap(),
    }
}

/// An expression of type `i32` that makes a call.
fn call(random: &mut Random) -> String {
    let argument = match random.below(3) {
        0 => "(local.get 0)".to_owned(),
        1 => "(i32.add (local.get 0) (i32.const 1))".to_owned(),
        _ => format!("(i32.const {})", random.below(9)),
    };
    match random.below(10) {
        0..=5 => format!("(call $f{} {argument})", random.below(FUNCTIONS)),
        6 => format!("(call $leaf {argument})"),
        7 => format!("(call $look {argument})"),
        // Entries 5 and 7 are null; entry 8 does not exist.
        _ => format!(
            "(call_indirect (type $plain) {argument} (i32.const {}))",
            random.below(9)
        ),
    }
}

/// How a call ended. The limiter traps by `unreachable`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    Returned(Vec<i32>),
    Unreachable,
    Other,
}

/// The observable state after a call: its ending, the globals for values read and fuel, the
/// counter.
type Step = (Ending, i64, i32, u32);

/// The calls of each module: exports and arguments.
const CALLS: [(&str, i32); 7] = [
    ("f0", 3),
    ("f1", 2),
    ("f2", 5),
    ("set", 1),
    ("f3", 0),
    ("f4", 7),
    ("f1", 9),
];

/// A host function without gas costs.
fn look(value: i32) -> i32 {
    value.wrapping_mul(3)
}

/// Runs the instrumented module on wasmi.
fn theirs(wasm: &[u8], limit: u32, gas: Option<&Costs>) -> Option<Vec<Step>> {
    let meters = Meters {
        stack_logical_max: Some(limit),
        gas,
    };
    let wasm = match instrument(wasm, &meters) {
        Ok(wasm) => wasm,
        Err(OracleError::Stack(_)) => return None,
        Err(error) => panic!("{error}"),
    };
    let mut store = wasmi::Store::new(&wasmi::Engine::default(), ());
    let module =
        wasmi::Module::new(store.engine(), &wasm).expect("an instrumented module is valid");
    let mut linker = wasmi::Linker::new(store.engine());
    let function = wasmi::Func::wrap(&mut store, look);
    linker.define("h", "look", function).expect("defined once");
    let function = wasmi::Func::wrap(&mut store, |_: i64| ());
    let (name, field) = pvf_meter_oracle::GAS;
    linker.define(name, field, function).expect("defined once");
    let mut steps = Vec::new();
    let instance = match linker.instantiate_and_start(&mut store, &module) {
        Ok(instance) => instance,
        Err(error) => {
            steps.push((wasmi_ending(&error), 0, 0, 0));
            return Some(steps);
        }
    };
    for (name, argument) in CALLS {
        let function = instance.get_func(&store, name).expect("an export");
        let count = function.ty(&store).results().len();
        let mut results = vec![wasmi::Val::I32(0); count];
        let called = function.call(&mut store, &[wasmi::Val::I32(argument)], &mut results);
        let ending = match called {
            Ok(()) => Ending::Returned(results.iter().filter_map(|value| value.i32()).collect()),
            Err(error) => wasmi_ending(&error),
        };
        let global = |name| {
            let global = instance.get_global(&store, name).expect("an export");
            global.get(&store)
        };
        let (seen, fuel, height) = (global("seen"), global("fuel"), global(HEIGHT));
        steps.push((
            ending,
            seen.i64().expect("an i64"),
            fuel.i32().expect("an i32"),
            height.i32().expect("an i32") as u32,
        ));
    }
    Some(steps)
}

fn wasmi_ending(error: &wasmi::Error) -> Ending {
    match error.as_trap_code() {
        Some(wasmi::TrapCode::UnreachableCodeReached) => Ending::Unreachable,
        Some(wasmi::TrapCode::StackOverflow) => panic!("wasmi's stack suffices for the fuel"),
        Some(_) => Ending::Other,
        None => panic!("{error}"),
    }
}

fn our_ending(trap: &pvf_rules::Trap) -> Ending {
    match trap.kind {
        TrapKind::Unreachable | TrapKind::StackOverflow => Ending::Unreachable,
        _ => Ending::Other,
    }
}

/// Runs the original module on our engine. Returns its steps, the logical peak of all calls, and
/// whether the module names the counter in an export or in reachable code.
fn ours(wasm: &[u8], limit: u32, gas: Option<Costs>) -> Option<(Vec<Step>, u64, bool)> {
    let options = CompileOptions {
        metering: Metering {
            logical_stack: true,
            gas: gas.map(Arc::new),
        },
        ..CompileOptions::new(Features::POLKADOT)
    };
    let artifact = match compile(wasm, &options) {
        Ok(artifact) => artifact,
        Err(CompileError::Refused(Refusal::Meter { .. })) => return None,
        Err(error) => panic!("{error}"),
    };
    let named = artifact.module.logical_counter.is_some();
    let mut linker = Linker::<()>::new();
    linker.typed(
        "h",
        "look",
        |_: &mut pvf_runtime::Caller<'_, ()>, value: i32| Ok(look(value)),
    );
    let module = Module::new(artifact).expect("an artifact of this machine");
    let parameters = ExecutionParameters {
        stack_logical_max: Some(limit),
        gas_limit: options.metering.gas.is_some().then_some(u64::MAX),
        ..ExecutionParameters::WASM
    };
    let mut steps = Vec::new();
    let mut instance = match Instance::new(&module, &linker, &parameters, ()) {
        Ok(instance) => instance,
        Err(InstantiateError::Start(trap)) => {
            steps.push((our_ending(&trap), 0, 0, 0));
            return Some((steps, 0, named));
        }
        Err(error) => panic!("{error}"),
    };
    for (name, argument) in CALLS {
        let ending = match instance.call_export(name, &[Value::I32(argument)]) {
            Ok(values) => Ending::Returned(
                values
                    .iter()
                    .map(|value| match value {
                        Value::I32(value) => *value,
                        other => panic!("{other:?}"),
                    })
                    .collect(),
            ),
            Err(CallError::Trap(trap)) => our_ending(&trap),
            Err(error) => panic!("{error}"),
        };
        let global = |index| instance.global(index);
        let (Some(Value::I64(seen)), Some(Value::I32(fuel))) = (global(SEEN), global(FUEL)) else {
            panic!("the globals have their types");
        };
        // The counter exists only in modules that name it.
        let counter = match global(COUNTER) {
            Some(Value::I32(counter)) if named => counter,
            None if !named => 0,
            other => panic!("the counter is {other:?}"),
        };
        steps.push((ending, seen, fuel, counter as u32));
    }
    let peak = instance
        .stack_logical_peak()
        .expect("the logical stack is counted");
    Some((steps, peak, named))
}

/// From limits at which every call traps to a limit that is never exceeded.
const LIMITS: [u32; 7] = [0, 12, 40, 120, 65_536, u32::MAX - 1, u32::MAX];

fn check(seed: u64) -> [bool; 2] {
    let mut random = Random(seed);
    let uses = Uses {
        reads: !random.one_in(8),
        writes: !random.one_in(3),
        exports: random.one_in(2),
    };
    let text = module(&mut random, uses);
    let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let limit = LIMITS[random.below(LIMITS.len() as u32) as usize];
    let gas = random.one_in(4).then(Costs::default);
    let theirs = |limit| theirs(&wasm, limit, gas.as_ref());
    let expected = theirs(limit);
    let found = ours(&wasm, limit, gas.clone());
    let Some((steps, peak, named)) = found else {
        assert_eq!(expected, None, "seed {seed}\n{text}");
        return [false; 2];
    };
    let expected = expected.expect("both have costs");
    let well = steps
        .iter()
        .all(|step| matches!(step.0, Ending::Returned(_)));
    if named {
        assert_eq!(steps, expected, "seed {seed}, limit {limit}\n{text}");
    } else {
        // The module does not name the counter, so only results, values read and fuel are compared,
        // until the first trap. In the instrumented module the counter keeps its height after a
        // trap; in ours it starts at 0 in each call.
        let returned = |step: &&Step| matches!(step.0, Ending::Returned(_));
        let seen = |step: &Step| (step.0.clone(), step.1, step.2);
        let until_a_trap = |steps: &[Step]| {
            let count = steps.iter().take_while(returned).count();
            steps.iter().take(count + 1).map(seen).collect::<Vec<_>>()
        };
        assert_eq!(
            until_a_trap(&steps),
            until_a_trap(&expected),
            "seed {seed}, limit {limit}\n{text}"
        );
    }
    // The peak is the smallest limit under which all calls end as before.
    if well && peak > 0 {
        let peak = u32::try_from(peak).expect("a counter of 32 bits");
        assert_eq!(
            theirs(peak).as_ref(),
            Some(&expected),
            "peak {peak}, seed {seed}\n{text}"
        );
        assert_ne!(
            theirs(peak - 1).as_ref(),
            Some(&expected),
            "peak {peak}, seed {seed}\n{text}"
        );
    }
    [named, well]
}

#[test]
fn random_modules_see_what_instrumented_ones_see() {
    let modules = match std::env::var("PVF_COUNTER_MODULES") {
        Ok(modules) => modules.parse().expect("a number of modules"),
        // An emulator takes 20 times as long.
        Err(_) if std::env::var_os("PVF_TEST_RUNNER").is_some() => 300,
        Err(_) => 3000,
    };
    let mut counts = [0_u64; 2];
    for seed in 0..modules {
        for (count, counts_it) in counts.iter_mut().zip(check(seed)) {
            *count += u64::from(counts_it);
        }
    }
    println!(
        "{modules} modules, {} name the counter, {} trap nowhere",
        counts[0], counts[1]
    );
    assert!(counts[0] > modules / 2 && counts[1] > modules / 20 && counts[1] < modules / 2);
}
