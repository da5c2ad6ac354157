//! What `wasm-instrument` cannot read follows the same rules, and bad input has an error.

use pvf_metering::{
    Costs, GasBlocks, LogicalHeight, MeterError, ModuleSignatures, gas_charges, logical_costs,
};
use wasmparser::{BlockType, Operator, Parser, Payload};

fn cost(text: &str) -> u32 {
    let wasm = wat::parse_str(text).expect("a module");
    *logical_costs(&wasm)
        .expect("costs")
        .last()
        .expect("a function")
}

#[test]
fn multi_value() {
    // Before `end`: two operands over the activation's two units.
    assert_eq!(
        cost("(module (func (result i32 i32) i32.const 1 i32.const 2))"),
        4
    );
    // Parameters of a block are inside it, so its two results replace them.
    let block = "(module (func (result i32 i32) i32.const 1 i32.const 2
        (block (param i32 i32) (result i32 i32))))";
    assert_eq!(cost(block), 4);
    // A loop's label takes the loop's parameters.
    let turns = "(module (func i32.const 1 (loop (param i32) br 0)))";
    assert_eq!(cost(turns), 3);
    assert_eq!(
        cost(
            "(module (func i32.const 1 (loop (param i32) br 0) i32.const 1 i32.const 1 drop drop))"
        ),
        4
    );
}

#[test]
fn bulk_memory_and_saturating_conversions() {
    let text = "(module (memory 1) (func (local f32)
        (memory.fill (i32.const 0) (i32.const 0) (i32.trunc_sat_f32_s (local.get 0)))))";
    assert_eq!(cost(text), 1 + 2 + 3);
    let wasm = wat::parse_str(text).expect("a module");
    for payload in Parser::new(0).parse_all(&wasm) {
        if let Payload::CodeSectionEntry(body) = payload.expect("a module") {
            let charges = gas_charges(&body, &Costs::default()).expect("charges");
            let costs: Vec<u64> = charges.iter().map(|charge| charge.cost).collect();
            assert_eq!(costs, [1 + 5]);
        }
    }
}

/// Operators that no valid body has in this place.
#[test]
fn invalid_bodies_have_errors() {
    let module = ModuleSignatures::default();
    let costs = Costs::default();
    let mut height = LogicalHeight::new();
    let mut blocks = GasBlocks::new();
    let malformed = |result: Result<(), MeterError>| {
        assert!(
            matches!(result, Err(MeterError::Malformed { .. })),
            "{result:?}"
        );
    };

    // Before a body begins.
    malformed(height.operator(&Operator::Nop, &module));
    malformed(blocks.operator(0, &Operator::Nop, &costs));
    malformed(height.finish().map(drop));
    malformed(blocks.finish().map(drop));

    // Labels, functions and types that do not exist; operators behind the last end.
    for operator in [
        Operator::Br { relative_depth: 1 },
        Operator::BrIf {
            relative_depth: u32::MAX,
        },
    ] {
        height.begin(0, 0);
        malformed(height.operator(&operator, &module));
        blocks.begin(&costs, 0).expect("no locals");
        malformed(blocks.operator(0, &operator, &costs));
    }
    for operator in [
        Operator::Call { function_index: 0 },
        Operator::CallIndirect {
            type_index: 0,
            table_index: 0,
        },
        Operator::Block {
            blockty: BlockType::FuncType(7),
        },
    ] {
        height.begin(0, 0);
        malformed(height.operator(&operator, &module));
    }
    height.begin(0, 0);
    assert_eq!(height.operator(&Operator::End, &module), Ok(()));
    malformed(height.operator(&Operator::Nop, &module));
    blocks.begin(&costs, 0).expect("no locals");
    assert_eq!(blocks.operator(0, &Operator::End, &costs), Ok(()));
    malformed(blocks.operator(1, &Operator::End, &costs));

    // Operands that are not there, instructions outside the language, sums beyond 32 bits.
    height.begin(0, 0);
    let block = Operator::Block {
        blockty: BlockType::Empty,
    };
    assert_eq!(height.operator(&block, &module), Ok(()));
    assert_eq!(
        height.operator(&Operator::Drop, &module),
        Err(MeterError::OuterOperand)
    );
    height.begin(0, 0);
    let outside = Operator::RefIsNull;
    assert_eq!(
        height.operator(&outside, &module),
        Err(MeterError::UnknownInstruction)
    );
    blocks.begin(&costs, 0).expect("no locals");
    assert_eq!(
        blocks.operator(0, &outside, &costs),
        Err(MeterError::UnknownInstruction)
    );
    height.begin(u32::MAX, 0);
    assert_eq!(height.operator(&Operator::End, &module), Ok(()));
    assert!(matches!(height.finish(), Err(MeterError::Overflow { .. })));
}
