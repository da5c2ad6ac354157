//! The verifier's own pass over bodies counts what the specification says. The expected figures are those of
//! wasmparser's validator (operand heights, offsets) and of `pvf-metering`, which equals `wasm-instrument`: neither has
//! code in common with the pass.

use pvf_metering::{
    Costs, GasBlocks, Instruction, LogicalHeight, ModuleSignatures, Reachability, Schedule,
    Signatures, body_features, declared_locals,
};
use pvf_rules::{Features, TrapKind, frame_bytes};
use pvf_verifier::wasm::{Bodies, BodyFacts};
use pvf_verifier::{GasMeter, Module};
use pvf_verifier_tests::corpus::{self, Named};
use pvf_verifier_tests::in_parallel;
use wasmparser::{FuncValidatorAllocations, Operator, Parser, ValidPayload, Validator};

/// What is expected of a body.
struct Expected {
    offset: u32,
    declared_locals: u32,
    max_height: u32,
    /// `None` for a body that the logical meter refuses.
    logical_cost: Option<u32>,
    /// Charges of reachable operators: offset and cost.
    charges: Vec<(u32, u64)>,
    /// Reachable `memory.grow`.
    grows: u32,
    operators: Vec<(u32, &'static [TrapKind])>,
    loops: bool,
}

/// The traps of an operator, by the WebAssembly specification.
fn traps(operator: &Operator<'_>) -> &'static [TrapKind] {
    use TrapKind::{
        IndirectCallTypeMismatch, IntegerDivideByZero, IntegerOverflow, InvalidConversionToInteger,
        MemoryOutOfBounds, TableOutOfBounds, UndefinedElement, Unreachable,
    };
    let name = format!("{operator:?}");
    let name = name.split(|c: char| !c.is_alphanumeric()).next();
    match name.unwrap_or_default() {
        "Unreachable" => &[Unreachable],
        "MemoryCopy" | "MemoryFill" | "MemoryInit" => &[MemoryOutOfBounds],
        "CallIndirect" => &[TableOutOfBounds, IndirectCallTypeMismatch, UndefinedElement],
        "I32DivS" | "I64DivS" => &[IntegerDivideByZero, IntegerOverflow],
        "I32DivU" | "I64DivU" | "I32RemS" | "I64RemS" | "I32RemU" | "I64RemU" => {
            &[IntegerDivideByZero]
        }
        name if name.contains("TruncF") => &[InvalidConversionToInteger, IntegerOverflow],
        name if name.contains("Load") || name.contains("Store") => &[MemoryOutOfBounds],
        _ => &[],
    }
}

/// The expectations for all bodies of a module, and the index of its first function; `None` if it is not valid.
fn expectations(wasm: &[u8], costs: &Costs) -> Option<(u32, Vec<Expected>)> {
    let mut validator = Validator::new_with_features(body_features(Features::ALL));
    let signatures = ModuleSignatures::parse(wasm).ok()?;
    let first = signatures.imported_functions();
    let mut all = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let ValidPayload::Func(function, body) = validator.payload(&payload.ok()?).ok()? else {
            continue;
        };
        let mut validator = function.into_validator(FuncValidatorAllocations::default());
        validator.read_locals(&mut body.get_binary_reader()).ok()?;
        let locals = declared_locals(&body).ok()?;
        let results = signatures.function(first + all.len() as u32)?.results;
        let mut logical = LogicalHeight::new();
        logical.begin(locals, results);
        let mut counted = Ok(());
        let mut gas = GasBlocks::new();
        gas.begin(costs, locals).ok()?;
        let mut walk = Reachability::default();
        walk.begin(());
        let (mut operators, mut reached, mut grows, mut loops) = (vec![], vec![], 0, false);
        let mut reader = body.get_operators_reader().ok()?;
        while !reader.eof() {
            let (operator, offset) = reader.read_with_offset().ok()?;
            operators.push((offset as u32, traps(&operator)));
            reached.push(walk.reachable());
            grows += u32::from(walk.reachable() && matches!(operator, Operator::MemoryGrow { .. }));
            loops |= matches!(operator, Operator::Loop { .. });
            counted = counted.and_then(|()| logical.operator(&operator, &signatures));
            gas.operator(offset, &operator, costs).ok()?;
            validator.op(offset, &operator).ok()?;
            walk.operator(&operator);
            walk.observe(validator.operand_stack_height());
        }
        let charges = gas.finish().ok()?.iter();
        all.push(Expected {
            offset: body.range().start as u32,
            declared_locals: locals,
            max_height: walk.greatest_height(),
            logical_cost: counted.and_then(|()| logical.finish()).ok(),
            charges: charges
                .filter(|charge| reached[charge.operator as usize])
                .map(|charge| (charge.offset as u32, charge.cost))
                .collect(),
            grows,
            operators,
            loops,
        });
    }
    Some((first, all))
}

fn compare(facts: &BodyFacts, expected: &Expected, logical: bool, gas: bool) {
    assert_eq!(facts.offset, expected.offset);
    assert_eq!(facts.declared_locals, expected.declared_locals);
    assert_eq!(facts.max_height, expected.max_height);
    assert_eq!(
        facts.frame_bytes,
        frame_bytes(expected.declared_locals, expected.max_height)
    );
    if let (true, Some(cost)) = (logical, expected.logical_cost) {
        assert_eq!(facts.logical_cost, cost);
    }
    let charges: Vec<(u32, u64)> = facts
        .charges
        .iter()
        .map(|it| (it.offset, it.cost))
        .collect();
    assert_eq!(
        charges,
        if gas {
            expected.charges.as_slice()
        } else {
            &[]
        }
    );
    assert_eq!(facts.grows, expected.grows);
    assert_eq!(facts.loops, expected.loops);
    let mut rest = expected.operators.as_slice();
    let end = rest.last().map_or(0, |(last, _)| last + 2);
    for offset in expected.offset..end {
        let found = facts.traps_at(offset);
        match rest.split_first() {
            Some((&(at, traps), after)) if at == offset => {
                rest = after;
                let bits = traps.iter().fold(0, |bits, it| bits | 1 << it.code());
                assert_eq!(found & bits, bits, "{offset:#x}: {traps:?}");
                // Rules of our own let other operators trap: a call, `memory.grow`, a loop, a bulk operation.
                let more = found & !bits;
                let allowed = [TrapKind::HostError, TrapKind::MemoryOutOfBounds];
                let allowed = allowed.iter().fold(0, |bits, it| bits | 1 << it.code());
                assert_eq!(more & !allowed, 0, "{offset:#x}: {found:#x}");
            }
            _ => assert_eq!(found, 0, "{offset:#x}"),
        }
    }
    assert!(facts.begins_at(expected.offset) && !facts.begins_at(expected.offset + 1));
}

/// A price for each instruction that no other has, and none for `nop`, so that a block may be free.
fn costs() -> Costs {
    let mut schedule = Schedule {
        per_local: 100_003,
        ..Schedule::default()
    };
    let instructions = Instruction::ALL.iter().filter(|it| it.is_charged());
    for (number, instruction) in (0..).zip(instructions) {
        let name = instruction.name().to_owned();
        let price = if name == "nop" { 0 } else { 1_000 + 7 * number };
        schedule.instruction.insert(name, price);
    }
    schedule.costs().expect("names of instructions")
}

fn count(modules: &[Named]) -> usize {
    let costs = costs();
    let counts = in_parallel(modules, |part| {
        let mut functions = 0;
        for (name, wasm) in part {
            let Some((first, expected)) = expectations(wasm, &costs) else {
                continue;
            };
            let module = Module::read(wasm).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            for (logical, gas) in [(false, false), (true, false), (false, true), (true, true)] {
                let meter = match gas {
                    true => GasMeter::Priced(&costs),
                    false => GasMeter::Off,
                };
                let mut bodies = Bodies::new(logical, meter);
                for (index, expected) in (first..).zip(&expected) {
                    let facts = bodies.read(&module, index);
                    let facts = facts.unwrap_or_else(|error| panic!("{name}, {index}: {error:?}"));
                    compare(facts, expected, logical, gas);
                    functions += 1;
                }
            }
        }
        functions
    });
    counts.iter().sum()
}

#[test]
fn bodies_of_the_repository_are_counted_by_the_rules() {
    let functions = count(&corpus::of_repository());
    assert!(functions > 1_000, "only {functions} functions");
}

#[test]
fn bodies_of_the_suites_are_counted_by_the_rules() {
    let functions = count(&corpus::of_suites());
    assert!(functions > 10_000, "only {functions} functions");
}
