//! Converts a schedule of this repository to rules of the gas metering.

use crate::parity_wasm::elements::{Instruction as Parity, Serialize};
use pvf_metering::{Costs, Instruction, Schedule, ScheduleError};
use std::cell::RefCell;
use std::num::NonZeroU32;
use wasm_instrument::gas_metering::{MemoryGrowCost, Rules};
use wasmparser::{BinaryReader, OperatorsReader};

/// Price of `else` and `end`. No metered block may depend on it.
pub const DELIMITER_PRICE: u32 = 1_000_003;

/// Prices that differ for pages, locals and kinds of instructions.
///
/// # Errors
/// Only if an instruction class was renamed.
pub fn telling_costs() -> Result<Costs, ScheduleError> {
    let class = [("division", 20), ("memory", 7)];
    Schedule {
        per_local: 3,
        memory_grow_per_page: 1000,
        class: class.map(|(name, price)| (name.to_owned(), price)).into(),
        ..Schedule::default()
    }
    .costs()
}

/// Prices by the instructions of the oracle's parser.
pub struct Prices {
    costs: Costs,
    /// By opcode, filled on demand. The inner `None` means an instruction without a price.
    known: RefCell<[Option<Option<u32>>; 256]>,
}

impl Prices {
    /// The prices of a schedule.
    pub fn new(costs: Costs) -> Self {
        Self {
            costs,
            known: RefCell::new([None; 256]),
        }
    }

    /// Converts an instruction from one parser to the other through its encoding.
    fn price(&self, instruction: &Parity, bytes: &[u8]) -> Option<u32> {
        // The parser cannot read delimiters outside of a body.
        if matches!(instruction, Parity::Else | Parity::End) {
            return Some(DELIMITER_PRICE);
        }
        let operator = OperatorsReader::new(BinaryReader::new(bytes, 0))
            .read()
            .ok()?;
        Some(self.costs.instruction(Instruction::of(&operator)?))
    }
}

impl Rules for Prices {
    fn instruction_cost(&self, instruction: &Parity) -> Option<u32> {
        let mut bytes = Vec::with_capacity(16);
        instruction.clone().serialize(&mut bytes).ok()?;
        let opcode = usize::from(*bytes.first()?);
        let mut known = self.known.borrow_mut();
        *known[opcode].get_or_insert_with(|| self.price(instruction, &bytes))
    }

    fn memory_grow_cost(&self) -> MemoryGrowCost {
        let per_page = NonZeroU32::new(self.costs.memory_grow_per_page());
        per_page.map_or(MemoryGrowCost::Free, MemoryGrowCost::Linear)
    }

    fn call_per_local_cost(&self) -> u32 {
        self.costs.per_local()
    }
}
