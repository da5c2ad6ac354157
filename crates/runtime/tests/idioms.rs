//! Recognised loops that copy, fill and compare, against the same loops compiled plainly: results,
//! memory, gas and traps are equal for all lengths, overlaps, ends of memory and limits.

use proptest::prelude::*;
use pvf_compiler::{CompileOptions, Costs, Metering, compile, loop_idioms};
use pvf_rules::{ExecutionParameters, Features, TrapKind};
use pvf_runtime::{CallError, Instance, Linker, Module, Value};
use std::sync::Arc;

const PAGE: i32 = 65_536;

/// A loop to generate. Locals: 0 destination, 1 source, 2 count, 3 limit, 4 and 5 loaded values.
#[derive(Clone, Debug)]
struct Shape {
    operation: Operation,
    /// Bytes of an access.
    bytes: i32,
    /// Accesses in an iteration.
    unroll: i32,
    backward: bool,
    /// Whether constant offsets are in the accesses rather than added to the index.
    memarg: bool,
    latch: Latch,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    Copy,
    Fill,
    FillConst,
    Compare,
    /// A copy shifted to the right by this number of bytes.
    Shifted(i32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Latch {
    /// Counts down to 0, one per iteration.
    Count,
    /// Counts down to 0 by the bytes of an iteration, tested at the start of the iteration.
    CountBytes,
    /// Compares the first pointer with a limit.
    Unsigned,
    Signed,
    NotEqual,
    /// Counts down, and compares the first pointer with a limit.
    Both,
}

impl Shape {
    fn turn(&self) -> i32 {
        self.bytes * self.unroll
    }

    fn stride(&self) -> i32 {
        if self.backward {
            -self.turn()
        } else {
            self.turn()
        }
    }

    /// Address expression and memarg for `local + constant`.
    fn address(&self, local: i32, at: i32) -> (String, String) {
        let constant = at * self.bytes;
        match self.memarg {
            true => (format!("local.get {local}"), format!("offset={constant}")),
            false => (
                format!("local.get {local} i32.const {constant} i32.add"),
                String::new(),
            ),
        }
    }

    fn access(&self, at: i32) -> String {
        let (load, store) = match self.bytes {
            1 => ("i32.load8_u", "i32.store8"),
            2 => ("i32.load16_u", "i32.store16"),
            4 => ("i32.load", "i32.store"),
            _ => ("i64.load", "i64.store"),
        };
        let ((to, to_offset), (from, from_offset)) = (self.address(0, at), self.address(1, at));
        let different = if self.bytes == 8 { "i64.ne" } else { "i32.ne" };
        let value = match (self.operation, self.bytes) {
            (Operation::Fill, 8) => "local.get 6",
            (Operation::Fill, _) => "local.get 1",
            (_, 8) => "i64.const 0x1122334455667788",
            _ => "i32.const 0x11223344",
        };
        match self.operation {
            Operation::Copy => format!("{to} {from} {load} {from_offset} {store} {to_offset}\n"),
            Operation::Fill | Operation::FillConst => format!("{to} {value} {store} {to_offset}\n"),
            Operation::Compare => {
                format!("{to} {load} {to_offset} {from} {load} {from_offset} {different} br_if 2\n")
            }
            Operation::Shifted(bytes) => {
                let (near, far) = (8 * bytes, 32 - 8 * bytes);
                let (first, second) = match self.backward {
                    false => (
                        format!("i32.const {near} i32.shr_u"),
                        format!("i32.const {far} i32.shl"),
                    ),
                    true => (
                        format!("i32.const {far} i32.shl"),
                        format!("i32.const {near} i32.shr_u"),
                    ),
                };
                format!(
                    "{to} local.get 4 {first} {from} i32.load {from_offset} local.tee 4 {second} i32.or i32.store {to_offset}\n"
                )
            }
        }
    }

    fn body(&self) -> String {
        let mut accesses: Vec<String> = (0..self.unroll).map(|at| self.access(at)).collect();
        if self.backward {
            accesses.reverse();
        }
        let (turn, stride) = (self.turn(), self.stride());
        let mut text = String::new();
        if self.latch == Latch::CountBytes {
            text += "local.get 2 i32.eqz br_if 1\n";
        }
        text += &accesses.concat();
        if !matches!(self.operation, Operation::Fill | Operation::FillConst) {
            text += &format!("local.get 1 i32.const {stride} i32.add local.set 1\n");
        }
        text += &format!("local.get 0 i32.const {stride} i32.add local.set 0\n");
        let count = |by: i32| format!("local.get 2 i32.const -{by} i32.add local.tee 2");
        let (unsigned, signed) = match self.backward {
            false => ("i32.lt_u", "i32.lt_s"),
            true => ("i32.gt_u", "i32.gt_s"),
        };
        text += &match self.latch {
            Latch::Count => format!("{} br_if 0", count(1)),
            Latch::CountBytes => format!("{} drop br 0", count(turn)),
            Latch::Unsigned => format!("local.get 0 local.get 3 {unsigned} br_if 0"),
            Latch::Signed => format!("local.get 0 local.get 3 {signed} br_if 0"),
            Latch::NotEqual => "local.get 0 local.get 3 i32.ne br_if 0".to_string(),
            Latch::Both => format!(
                "{} i32.eqz br_if 1 local.get 0 local.get 3 {unsigned} br_if 0",
                count(1)
            ),
        };
        text
    }

    /// A module whose function `f` runs the loop and returns all locals.
    fn module(&self) -> String {
        let body = self.body();
        format!(
            "(module (memory (export \"memory\") 1) (func (export \"f\")
                (param i32 i32 i32 i32 i32) (result i32 i32 i32 i32 i32)
                (local i32 i64)
                i64.const 0x8877665544332211 local.set 6
                block block loop {body} end end end
                local.get 0 local.get 1 local.get 2 local.get 3 local.get 4))"
        )
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let operation = prop_oneof![
        Just(Operation::Copy),
        Just(Operation::Fill),
        Just(Operation::FillConst),
        Just(Operation::Compare),
        (1..4).prop_map(Operation::Shifted),
    ];
    let latch = prop_oneof![
        Just(Latch::Count),
        Just(Latch::CountBytes),
        Just(Latch::Unsigned),
        Just(Latch::Signed),
        Just(Latch::NotEqual),
        Just(Latch::Both),
    ];
    let unroll = prop_oneof![Just(1), Just(2), Just(4)];
    let bytes = prop_oneof![3 => Just(1), 1 => Just(2), 2 => Just(4), 1 => Just(8)];
    (
        operation,
        bytes,
        unroll,
        any::<bool>(),
        any::<bool>(),
        latch,
    )
        .prop_map(|(operation, bytes, unroll, backward, memarg, latch)| {
            let (bytes, unroll) = match operation {
                Operation::Shifted(_) => (4, 1),
                _ => (bytes, unroll),
            };
            let backward = backward && operation != Operation::Compare;
            Shape {
                operation,
                bytes,
                unroll,
                backward,
                memarg,
                latch,
            }
        })
}

/// The arguments of a run.
#[derive(Clone, Debug)]
struct Input {
    to: i32,
    from: i32,
    turns: i32,
    /// Offset added to count and limit.
    off: i32,
    /// Distance at which the compared ranges differ.
    difference: i32,
    /// Whether the word carried into a shifted copy equals the word in memory.
    carried: bool,
    /// Gas limit as a percentage of the run's need.
    gas: Option<u64>,
}

fn inputs() -> impl Strategy<Value = Input> {
    let place = prop_oneof![
        4 => 0..PAGE,
        4 => 20_000..20_400,
        1 => 0..40,
        1 => -40..40,
        2 => PAGE - 700..PAGE + 20,
        1 => any::<i32>(),
    ];
    let near = prop_oneof![3 => -330..330, 2 => -20..20, 3 => Just(3_000)];
    let turns = prop_oneof![4 => 0..40, 4 => 0..300, 1 => Just(-1), 1 => any::<i32>()];
    let off = prop_oneof![8 => Just(0), 1 => -9..9];
    let gas = prop_oneof![2 => Just(None), 3 => (0u64..103).prop_map(Some)];
    (place, near, turns, off, 0..400i32, any::<bool>(), gas).prop_map(
        |(to, near, turns, off, difference, carried, gas)| Input {
            to,
            from: to.wrapping_add(near),
            turns,
            off,
            difference,
            carried: carried || difference % 4 != 0,
            gas,
        },
    )
}

struct Run {
    result: Result<Vec<Value>, TrapKind>,
    memory: Vec<u8>,
    gas: u64,
}

fn module(text: &str, idioms: bool) -> Module {
    let options = options(idioms);
    Module::new(compile(&wat::parse_str(text).unwrap(), &options).unwrap()).unwrap()
}

fn options(idioms: bool) -> CompileOptions {
    CompileOptions {
        metering: Metering {
            gas: Some(Arc::new(Costs::default())),
            ..Metering::default()
        },
        loop_idioms: idioms,
        ..CompileOptions::new(Features::ALL)
    }
}

/// Limits the iterations of a run with an arbitrary count.
const GAS: u64 = 60_000;

fn run(module: &Module, shape: &Shape, input: &Input, gas: u64) -> Run {
    let parameters = ExecutionParameters {
        gas_limit: Some(gas),
        ..ExecutionParameters::WASM
    };
    let mut instance = Instance::new(module, &Linker::new(), &parameters, ()).unwrap();
    let memory = instance.memory_mut();
    for (at, byte) in memory.iter_mut().enumerate() {
        *byte = (at * 7 + at / 251) as u8;
    }
    let (to, from) = (input.to as u32 as usize, input.from as u32 as usize);
    if shape.operation == Operation::Compare {
        let same = (input.turns.clamp(0, 400) as usize + 8) * shape.turn() as usize;
        if to + same < memory.len() && from + same < memory.len() {
            memory.copy_within(from..from + same, to);
            memory[to + input.difference as usize % same] ^= 4;
        }
    }
    let carried_at = match shape.backward {
        false => from.wrapping_sub(4),
        true => from.wrapping_add(4),
    };
    let carried = memory.get(carried_at..carried_at.wrapping_add(4));
    let carried = carried.map_or(7, |word| i32::from_le_bytes(word.try_into().unwrap()));
    let carried = if input.carried { carried } else { !carried };
    let count = match shape.latch {
        Latch::CountBytes => input.turns.wrapping_mul(shape.turn()),
        _ => input.turns,
    };
    let limit = shape
        .stride()
        .wrapping_mul(input.turns)
        .wrapping_add(input.to);
    let arguments = [
        input.to,
        input.from,
        count.wrapping_add(input.off),
        limit.wrapping_add(input.off),
        carried,
    ];
    let result = instance.call_export("f", &arguments.map(Value::I32));
    let result = result.map_err(|error| match error {
        CallError::Trap(trap) => trap.kind,
        other => panic!("{other}"),
    });
    Run {
        result,
        memory: instance.memory().to_vec(),
        gas: instance.gas_used().unwrap(),
    }
}

fn compare(shape: &Shape, inputs: &[Input]) {
    let text = shape.module();
    let (plain, fast) = (module(&text, false), module(&text, true));
    for input in inputs {
        let mut gas = GAS;
        if let Some(percent) = input.gas {
            gas = run(&plain, shape, input, GAS).gas * percent / 100;
        }
        let (expected, found) = (
            run(&plain, shape, input, gas),
            run(&fast, shape, input, gas),
        );
        let context = format!("{shape:?} {input:?} gas {gas}\n{text}");
        assert_eq!(expected.result, found.result, "{context}");
        assert_eq!(expected.gas, found.gas, "{context}");
        let differs = (0..)
            .zip(&expected.memory)
            .find(|(at, byte)| found.memory[*at] != **byte);
        assert_eq!(differs, None, "{context}");
    }
}

/// A debug build checks the compiler's state after every operator, which takes time.
const SHAPES: u32 = if cfg!(debug_assertions) { 60 } else { 400 };

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(SHAPES) })]

    #[test]
    fn loops_at_once_do_what_they_do_turn_by_turn(
        shape in shapes(),
        inputs in proptest::collection::vec(inputs(), 24),
    ) {
        compare(&shape, &inputs);
    }
}

/// The loops of the property test are recognised, so that it tests their code.
#[test]
fn the_shapes_are_recognised() {
    let mut missed = Vec::new();
    for operation in [
        Operation::Copy,
        Operation::Fill,
        Operation::FillConst,
        Operation::Compare,
        Operation::Shifted(1),
    ] {
        for latch in [
            Latch::Count,
            Latch::CountBytes,
            Latch::Unsigned,
            Latch::Signed,
            Latch::NotEqual,
            Latch::Both,
        ] {
            for (bytes, unroll, backward, memarg) in [
                (1, 1, false, true),
                (4, 1, true, false),
                (4, 2, false, false),
                (8, 4, true, true),
            ] {
                let shifted = matches!(operation, Operation::Shifted(_));
                let (bytes, unroll) = if shifted { (4, 1) } else { (bytes, unroll) };
                let backward = backward && operation != Operation::Compare;
                let shape = Shape {
                    operation,
                    bytes,
                    unroll,
                    backward,
                    memarg,
                    latch,
                };
                let wasm = wat::parse_str(shape.module()).unwrap();
                if loop_idioms(&wasm, &options(true)).unwrap().idioms.len() != 1 {
                    missed.push(shape);
                }
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
