//! A schedule of ours as rules of the gas metering.

use crate::parity_wasm::elements::{Instruction as Parity, Serialize};
use pvf_metering::{Costs, Instruction, Schedule, ScheduleError};
use std::cell::RefCell;
use std::num::NonZeroU32;
use wasm_instrument::gas_metering::{MemoryGrowCost, Rules};
use wasmparser::{BinaryReader, OperatorsReader};

/// Price of `else` and `end`, which must not matter to any metered block.
pub const DELIMITER_PRICE: u32 = 1_000_003;

/// Prices that tell pages, locals and kinds of instructions apart.
///
/// # Errors
/// None but for a class that was renamed.
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
    /// By opcode, as far as asked for; the inner `None` is an instruction without a price.
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

    /// From one parser's instruction to the other's, by way of the encoding.
    fn price(&self, instruction: &Parity, bytes: &[u8]) -> Option<u32> {
        // Delimiters cannot be read outside a body.
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
