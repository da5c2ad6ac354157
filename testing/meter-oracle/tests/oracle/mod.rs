//! `wasm-instrument` 0.4 as the oracle. It instruments a module; the tests read the costs and their positions from the
//! output.

#![allow(dead_code, reason = "each test uses a part")]

pub mod bodies;
pub mod corpus;

use pvf_meter_oracle::parity_wasm::elements::{ImportCountType, Instruction as Parity, Module};
use pvf_meter_oracle::wasm_instrument::gas_metering::{self, host_function, mutable_global};
use pvf_meter_oracle::{OracleError, Prices, charged_call};
use pvf_metering::{
    BodyError, Costs, GasBlocks, Instruction, LogicalHeight, MeterError, ModuleSignatures,
    Schedule, Signatures, declared_locals,
};
use wasmparser::{Parser, Payload};

/// Reads a module with the oracle's parser.
pub fn read(wasm: &[u8]) -> Module {
    pvf_meter_oracle::read(wasm).expect("the oracle's parser reads WebAssembly 1.0")
}

/// The stack limit written into instrumented modules.
pub const LIMIT: u32 = 0x1234_5678;

/// The logical cost of each defined function according to the stack limiter.
pub fn logical_costs(wasm: &[u8]) -> Result<Vec<u32>, &'static str> {
    pvf_meter_oracle::logical_costs(read(wasm), LIMIT).map_err(|error| match error {
        OracleError::Stack(message) => message,
        other => panic!("{other}"),
    })
}

/// Cost and callee of the charged call that the code starts with. Asserts that it has the expected shape.
pub fn limiter_sequence(code: &[Parity]) -> (u32, u32) {
    charged_call(code, LIMIT).unwrap_or_else(|| panic!("no charge at {code:?}"))
}

/// A charge: index of the operator it precedes, and its cost.
pub type At = (u32, u64);

/// The positions and amounts of the gas metering's charges, for each defined function.
///
/// Also asserts that `memory.grow` calls the oracle's function if and only if pages have a price, and that this
/// function charges the price for each page.
pub fn gas_charges(wasm: &[u8], costs: &Costs) -> Result<Vec<Vec<At>>, ()> {
    let module = read(wasm);
    let gas = module.import_count(ImportCountType::Function) as u32;
    let defined = module.functions_space() - gas as usize;
    let grow = module.functions_space() as u32 + 1;
    let rules = Prices::new(costs.clone());
    let backend = host_function::Injector::new("meter", "gas");
    let module = gas_metering::inject(module, backend, &rules).map_err(drop)?;
    let Some(code) = module.code_section() else {
        return Ok(vec![]);
    };
    if let Some(body) = code.bodies().get(defined) {
        let expected = [
            Parity::GetLocal(0),
            Parity::GetLocal(0),
            Parity::I64ExtendUI32,
            Parity::I64Const(costs.memory_grow_per_page().into()),
            Parity::I64Mul,
            Parity::Call(gas),
            Parity::GrowMemory(0),
            Parity::End,
        ];
        assert_eq!(body.code().elements(), expected);
    }
    let bodies = code.bodies()[..defined].iter();
    Ok(bodies
        .map(|body| {
            let code = body.code().elements();
            let mut charges = Vec::new();
            let mut operator = 0;
            let mut at = 0;
            while at < code.len() {
                match code[at..] {
                    [Parity::I64Const(cost), Parity::Call(callee), ..] if callee == gas => {
                        charges.push((operator, cost as u64));
                        at += 2;
                        continue;
                    }
                    [Parity::Call(callee), ..] => {
                        assert_ne!(callee, gas);
                        assert!(callee != grow || costs.memory_grow_per_page() > 0);
                    }
                    [Parity::GrowMemory(_), ..] => assert_eq!(costs.memory_grow_per_page(), 0),
                    _ => {}
                }
                operator += 1;
                at += 1;
            }
            charges
        })
        .collect())
}

/// The charges of the mutable-global back end for each defined function: the constants, in order.
pub fn global_charges(wasm: &[u8], costs: &Costs) -> Vec<Vec<u64>> {
    let module = read(wasm);
    let gas = module.functions_space() as u32;
    let defined = gas as usize - module.import_count(ImportCountType::Function);
    let rules = Prices::new(costs.clone());
    let module = gas_metering::inject(module, mutable_global::Injector::new("gas"), &rules)
        .expect("the oracle accepts it");
    let bodies = module.code_section().map_or(&[][..], |code| code.bodies());
    let charges = bodies[..defined].iter().map(|body| {
        let pairs = body.code().elements().windows(2);
        pairs
            .filter_map(|pair| match *pair {
                [Parity::I64Const(cost), Parity::Call(callee)] if callee == gas => {
                    Some(cost as u64)
                }
                _ => None,
            })
            .collect()
    });
    charges.collect()
}

/// The result of one pass of this repository's meters over a module, in the order of the functions: logical costs (up
/// to the first function that has none) and charges.
pub struct Ours {
    pub logical: Result<Vec<u32>, MeterError>,
    pub gas: Result<Vec<Vec<At>>, MeterError>,
}

/// Runs both meters operator by operator in one pass, with reused buffers, as a compiler does.
pub fn ours(wasm: &[u8], costs: &Costs) -> Result<Ours, BodyError> {
    let module = ModuleSignatures::parse(wasm)?;
    let mut height = LogicalHeight::new();
    let mut blocks = GasBlocks::new();
    let mut logical = Ok(Vec::new());
    let mut gas = Ok(Vec::new());
    let mut function = module.imported_functions();
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::CodeSectionEntry(body) = payload? else {
            continue;
        };
        let arity = module.function(function).expect("a declared function");
        let locals = declared_locals(&body)?;
        height.begin(locals, arity.results);
        let mut height_result = Ok(());
        let mut blocks_result = blocks.begin(costs, locals);
        let mut operators = body.get_operators_reader()?;
        let mut offsets = Vec::new();
        let mut begun = Vec::new();
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset()?;
            offsets.push(offset);
            height_result = height_result.and_then(|()| height.operator(&operator, &module));
            blocks_result = blocks_result.and_then(|()| blocks.operator(offset, &operator, costs));
            if blocks_result.is_ok()
                && let Some(number) = blocks.begun()
            {
                begun.push((number, offset));
            }
        }
        if blocks_result.is_ok()
            && let Ok(all) = blocks.blocks()
        {
            let numbered = (0..).zip(all.iter().map(|block| block.offset));
            assert!(
                begun.into_iter().eq(numbered),
                "a block is told where it begins"
            );
        }
        let cost = height_result.and_then(|()| height.finish());
        logical = logical.and_then(|mut all: Vec<u32>| {
            all.push(cost?);
            Ok(all)
        });
        let charges = blocks_result.and_then(|()| blocks.finish());
        gas = gas.and_then(|mut all: Vec<Vec<At>>| {
            let charges = charges?.iter().map(|charge| {
                assert_eq!(charge.offset, offsets[charge.operator as usize]);
                (charge.operator, charge.cost)
            });
            all.push(charges.collect());
            Ok(all)
        });
        function += 1;
    }
    Ok(Ours { logical, gas })
}

/// The oracle's message for a [`MeterError`].
pub fn oracle_message(error: MeterError) -> &'static str {
    match error {
        MeterError::Underflow => "stack underflow",
        MeterError::OuterOperand => "trying to pop more values than pushed",
        MeterError::BrTableArity => "Arity of all jump-targets must be equal",
        other => panic!("the oracle has no such error: {other}"),
    }
}

/// Asserts that the costs and charges of both are equal for a valid module. Returns whether the stack limiter accepts
/// it.
pub fn assert_equal(wasm: &[u8], schedules: &[Costs]) -> bool {
    let mut accepted = false;
    for (index, costs) in schedules.iter().enumerate() {
        let ours = ours(wasm, costs).expect("a well-formed module");
        // The logical costs do not depend on the schedule, so they are compared once.
        if index == 0 {
            let expected = logical_costs(wasm);
            accepted = expected.is_ok();
            assert_eq!(ours.logical.map_err(oracle_message), expected);
        }
        let charges = ours.gas.map_err(drop);
        assert_eq!(charges, gas_charges(wasm, costs), "schedule {index}");
    }
    accepted
}

/// Schedules with a different price for every instruction, with free instructions, with and without prices for pages
/// and locals, and with the largest prices.
pub fn schedules() -> Vec<Costs> {
    let distinct = Schedule {
        per_local: 7919,
        memory_grow_per_page: 10_000,
        instruction: prices(|index| (1 << 20) + index * 4099),
        ..Schedule::default()
    };
    let sparse = Schedule {
        default: 0,
        per_local: 0,
        instruction: prices(|index| u32::from(index % 3 == 0) * (index + 1)),
        ..Schedule::default()
    };
    // The largest prices. Locals are free, because their cost would exceed 32 bits.
    let dear = Schedule {
        default: u32::MAX,
        per_local: 0,
        memory_grow_per_page: u32::MAX,
        ..Schedule::default()
    };
    [Schedule::default(), distinct, sparse, dear]
        .map(|schedule| schedule.costs().expect("known names"))
        .into()
}

fn prices(price: impl Fn(u32) -> u32) -> std::collections::BTreeMap<String, u32> {
    (0..)
        .zip(Instruction::ALL)
        .filter(|(_, instruction)| instruction.is_charged())
        .map(|(index, instruction)| (instruction.name().to_owned(), price(index)))
        .collect()
}
