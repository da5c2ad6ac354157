//! Pass 2 against a machine that only records what it is asked for ([`recorder`]).
//!
//! [`reference`] says what the instructions of a body mean; the recorded operations must come to the same results and
//! the same calls. [`programs`] makes bodies of nested blocks, loops and branches that carry values. No target is
//! involved: what fails here is moves, labels, edges, loop entry, calls or the allocation of registers.

mod programs;
mod recorder;
mod reference;

use super::moves::{Origin, ParallelMove};
use super::{Conventions, GeneratorState, ModuleContext, generate};
use crate::analysis::{Analyser, Analysis};
use crate::isa::masm::{Class, Machine, Reg, type_width};
use crate::module::{self, ParsedModule};
use crate::types::ValType;
use crate::{CompileError, CompileOptions};
use proptest::prelude::*;
use pvf_rules::Features;
use recorder::{Op, Recorder, Run, cut, mix, value_of};
use reference::{Functions, Outcome};

/// What a module's only function does, by the reference and by the code of a machine whose operations take so
/// many bytes, with the operations.
fn outcomes(text: &str, bytes: u32) -> (Outcome, Outcome, Vec<Op>) {
    let wasm = wat::parse_str(text).expect("a valid text");
    let options = CompileOptions::new(Features::ALL);
    let both = module::with_module(&wasm, options.features, &options.limits, |parsed| {
        both(&parsed, &options, bytes)
    });
    both.unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn both(
    parsed: &ParsedModule<'_>,
    options: &CompileOptions,
    bytes: u32,
) -> Result<(Outcome, Outcome, Vec<Op>), CompileError> {
    let mut machine = Recorder::of(bytes);
    let info = &parsed.info;
    let context = ModuleContext {
        module: parsed,
        conventions: Conventions::new(info.signatures.len(), machine.registers()),
        table: None,
        memory_grow: 0,
        counter: None,
    };
    let function = parsed.defined().start;
    let (mut analyser, mut analysis) = (Analyser::default(), Analysis::default());
    let body = parsed.body(function).expect("a function");
    analyser.run(parsed, body, options, &mut analysis)?;

    let signature = info.functions[function as usize].signature;
    let ty = &info.signatures[signature as usize];
    let arguments: Vec<u64> = (0..)
        .zip(&ty.params)
        .map(|(number, &ty)| value_of(ty, mix(&[7, number])))
        .collect();
    let mut locals = arguments.clone();
    locals.resize(analysis.locals.count() as usize, 0);
    let functions = Functions {
        signatures: &info.signatures,
        functions: info.functions.iter().map(|it| it.signature).collect(),
    };
    let expected = reference::run(&analysis.code, &functions, ty, locals);

    let mut state = GeneratorState::default();
    generate(&mut state, &mut machine, &context, function, &mut analysis);
    let convention_of = |function: u32| context.convention(functions.functions[function as usize]);
    let mut run = Run::new(&convention_of);
    let convention = context.convention(signature);
    run.place(&convention.params, &arguments);
    let returned = run.run(&machine.ops);
    let found = Outcome {
        results: returned.then(|| run.placed(&convention.results)),
        calls: std::mem::take(&mut run.calls),
    };
    Ok((expected, found, machine.ops))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever branches may cost: with operations of no bytes all take the short way, with long ones all the long way.
    #[test]
    fn code_does_what_the_body_says(
        choices in proptest::collection::vec(any::<u8>(), 0..600),
        bytes in prop_oneof![Just(0), Just(4), Just(8), Just(40)],
    ) {
        let text = programs::module(&choices);
        let (expected, found, ops) = outcomes(&text, bytes);
        prop_assert_eq!(expected, found, "{}\n{:#?}", text, ops);
    }

    #[test]
    fn parallel_moves_move_all_at_once(moves in moves()) {
        let mut machine = Recorder::of(4);
        let mut parallel = ParallelMove::default();
        for &(dst, origin, ty) in &moves {
            parallel.add(dst, origin, ty);
        }
        parallel.emit(&mut machine.begin_function(0));
        prop_assert!(parallel.is_empty());

        let no_calls = |_| unreachable!("nothing is called");
        let mut run = Run::new(&no_calls);
        for slot in 0..SLOTS {
            run.step(&Op::StoreConst(ValType::I64, slot * 8, slot_value(slot * 8)));
        }
        for register in 0..Reg::COUNT {
            // Of an `i32` or `f32` only the low half is a value.
            run.registers[register] = mix(&[register as u64]) >> 32;
        }
        let mut expected = run.registers;
        for &(dst, origin, ty) in &moves {
            expected[dst.index()] = match origin {
                Origin::Reg(src) => run.registers[src.index()],
                Origin::Slot(slot) => cut(type_width(ty), slot_value(slot)),
                Origin::Const(bits) => bits,
            };
        }
        for op in &machine.ops {
            run.step(op);
        }
        prop_assert_eq!(run.registers, expected, "{:?}: {:?}", moves, machine.ops);
    }
}

const SLOTS: u32 = 4;

fn slot_value(slot: u32) -> u64 {
    mix(&[1, slot.into()])
}

/// Moves into registers that each appear once, often many from one and in cycles.
fn moves() -> impl Strategy<Value = Vec<(Reg, Origin, ValType)>> {
    let one = |class: Class| {
        move |(dst, kind, from, wide): (u8, u8, u8, bool)| {
            let register: fn(u8) -> Reg = match class {
                Class::General => Reg::general,
                Class::Float => Reg::float,
            };
            let ty = match (class, wide) {
                (Class::General, false) => ValType::I32,
                (Class::General, true) => ValType::I64,
                (Class::Float, false) => ValType::F32,
                (Class::Float, true) => ValType::F64,
            };
            let origin = match kind {
                0..6 => Origin::Reg(register(from)),
                6 => Origin::Slot(u32::from(from) % SLOTS * 8),
                _ => Origin::Const(from.into()),
            };
            (register(dst), origin, ty)
        }
    };
    let of = |class| {
        let any = (0..6u8, 0..8u8, 0..6u8, any::<bool>()).prop_map(one(class));
        proptest::collection::vec(any, 0..8)
    };
    (of(Class::General), of(Class::Float)).prop_map(|(general, float)| {
        let mut written = Vec::new();
        general
            .into_iter()
            .chain(float)
            .filter(|(dst, ..)| {
                let new = !written.contains(dst);
                written.push(*dst);
                new
            })
            .collect()
    })
}

/// How many operations of a kind there are.
fn count(ops: &[Op], is: impl Fn(&Op) -> bool) -> usize {
    ops.iter().filter(|op| is(op)).count()
}

/// The text of a function with a loop that exchanges two locals.
const EXCHANGE: &str = "(module (func (param i64 i64) (result i64) (local i32 i64)
    i32.const 3 local.set 2
    loop
        local.get 0 local.get 1 local.set 0 local.set 1
        local.get 2 i32.const 1 i32.sub local.tee 2 br_if 0
    end
    local.get 0 local.get 1 i64.sub))";

#[test]
fn a_cycle_is_broken_by_exchanges() {
    let mut machine = Recorder::of(4);
    let mut parallel = ParallelMove::default();
    let next = |register: u8| Reg::general((register + 1) % 4);
    for register in 0..4 {
        let dst = Reg::general(register);
        parallel.add(dst, Origin::Reg(next(register)), ValType::I64);
    }
    parallel.emit(&mut machine.begin_function(0));
    assert_eq!(count(&machine.ops, |op| matches!(op, Op::Exchange(..))), 3);
    assert_eq!(machine.ops.len(), 3);
}

#[test]
fn a_local_that_stays_in_its_register_costs_nothing_on_an_edge() {
    let text = "(module (func (param i64 i64) (result i64)
        block local.get 0 i64.eqz br_if 0 local.get 1 i64.eqz br_if 0 end
        local.get 0 local.get 1 i64.add))";
    let (expected, found, ops) = outcomes(text, 4);
    assert_eq!(expected, found);
    let moves = |op: &Op| matches!(op, Op::Move(..) | Op::LoadSlot(..) | Op::StoreSlot(..));
    // The result alone is moved.
    assert!(count(&ops, moves) <= 1, "{ops:#?}");
}

#[test]
fn a_loop_has_its_locals_in_registers_on_every_iteration() {
    let (expected, found, ops) = outcomes(EXCHANGE, 4);
    assert_eq!(expected, found);
    let in_memory = |op: &Op| matches!(op, Op::LoadSlot(..) | Op::StoreSlot(..));
    assert_eq!(count(&ops, in_memory), 0, "{ops:#?}");
}

#[test]
fn where_bytes_are_dear_a_loop_has_its_locals_at_home() {
    let (expected, found, ops) = outcomes(EXCHANGE, 400);
    assert_eq!(expected, found);
    let stores = |op: &Op| matches!(op, Op::StoreSlot(..) | Op::StoreConst(..));
    assert!(count(&ops, stores) >= 3, "{ops:#?}");
}

/// The random programs come to everything that is tested by them.
#[test]
fn programs_have_all_kinds_of_edges() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let choices = proptest::collection::vec(any::<u8>(), 0..600);
    let mut all = Vec::new();
    let mut calls = 0;
    for case in 0..400 {
        let choices = choices.new_tree(&mut runner).expect("choices").current();
        let (expected, _, ops) = outcomes(&programs::module(&choices), [0, 4, 8, 40][case % 4]);
        calls += expected.calls.len();
        all.extend(ops);
    }
    assert!(calls > 100, "{calls} calls");
    for (name, found) in [
        ("exchange", count(&all, |op| matches!(op, Op::Exchange(..)))),
        ("table", count(&all, |op| matches!(op, Op::JumpTable(..)))),
        ("slots", count(&all, |op| matches!(op, Op::CopySlots(..)))),
        ("slot", count(&all, |op| matches!(op, Op::CopySlot(..)))),
        ("zero", count(&all, |op| matches!(op, Op::Zero(..)))),
        ("select", count(&all, |op| matches!(op, Op::Select(..)))),
        (
            "canonicalise",
            count(&all, |op| matches!(op, Op::Canonicalise(..))),
        ),
        ("divide", count(&all, |op| matches!(op, Op::Divide(..)))),
        ("spill", count(&all, |op| matches!(op, Op::StoreSlot(..)))),
    ] {
        assert!(found > 10, "{name}: {found}");
    }
}
