//! The gas schedule: prices as data.
//!
//! A schedule is TOML, which takes comments beside prices, or a JSON object with the same keys. Keys given twice
//! are refused in both:
//!
//! ```toml
//! default = 1                # any instruction; 1 if absent
//! per_local = 1              # each declared local, at each call; 1 if absent
//! memory_grow_per_page = 0   # each page asked for; 0 if absent
//!
//! [class]                    # instead of the default
//! division = 8
//!
//! [instruction]              # instead of class and default
//! "memory.grow" = 500
//! ```
//!
//! An empty schedule is [`Schedule::default`], the same prices as `wasm-instrument`'s
//! `ConstantCostRules::default()`. Prices are from 0 to 2^32 - 1.

use crate::{Class, Instruction};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A gas schedule as it is written down. [`costs`](Self::costs) makes it usable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// Gas of an instruction that nothing below prices.
    pub default: u32,
    /// Gas for each declared local of a function, charged at its entry.
    pub per_local: u32,
    /// Gas for each page a `memory.grow` asks for, whether or not it gets them.
    pub memory_grow_per_page: u32,
    /// Gas of the instructions of a class, by the class's name.
    #[serde(deserialize_with = "prices")]
    pub class: BTreeMap<String, u32>,
    /// Gas of single instructions, by their names in the text format.
    #[serde(deserialize_with = "prices")]
    pub instruction: BTreeMap<String, u32>,
}

/// Why a schedule is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Neither TOML nor JSON, an unknown or repeated key, or a price that is no integer from 0 to 2^32 - 1.
    #[error("gas schedule, line {line}: {message}")]
    Syntax {
        /// Line of the mistake, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// No class has this name.
    #[error("gas schedule: there is no class {name:?}")]
    UnknownClass {
        /// The name.
        name: String,
    },
    /// No instruction of the accepted language has this name.
    #[error("gas schedule: there is no instruction {name:?}")]
    UnknownInstruction {
        /// The name.
        name: String,
    },
    /// `else` and `end` delimit blocks and have no price.
    #[error("gas schedule: {name:?} cannot have a price")]
    Free {
        /// The name.
        name: String,
    },
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            default: 1,
            per_local: 1,
            memory_grow_per_page: 0,
            class: BTreeMap::new(),
            instruction: BTreeMap::new(),
        }
    }
}

impl Schedule {
    /// Reads a schedule, TOML or (from the first `{` on) JSON, and checks its names.
    ///
    /// # Errors
    /// [`ScheduleError`]: the first mistake.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let json = text.trim_start().starts_with('{');
        let schedule: Self = match json {
            true => serde_json::from_str(text).map_err(|error| ScheduleError::Syntax {
                line: error.line(),
                message: error.to_string(),
            }),
            false => toml::from_str(text).map_err(|error: toml::de::Error| ScheduleError::Syntax {
                line: error.span().map_or(1, |span| line(text, span.start)),
                message: error.message().to_owned(),
            }),
        }?;
        schedule.costs()?;
        Ok(schedule)
    }

    /// The price of each instruction.
    ///
    /// # Errors
    /// [`ScheduleError`] for a name that is not known or has no price.
    pub fn costs(&self) -> Result<Costs, ScheduleError> {
        let mut costs = Costs {
            instructions: [self.default; Instruction::COUNT],
            per_local: self.per_local,
            memory_grow_per_page: self.memory_grow_per_page,
        };
        for (name, price) in &self.class {
            let class = Class::from_name(name)
                .ok_or_else(|| ScheduleError::UnknownClass { name: name.clone() })?;
            for &instruction in Instruction::ALL {
                if instruction.class() == class {
                    costs.instructions[instruction as usize] = *price;
                }
            }
        }
        for (name, price) in &self.instruction {
            let instruction = Instruction::from_name(name)
                .ok_or_else(|| ScheduleError::UnknownInstruction { name: name.clone() })?;
            if !instruction.is_charged() {
                return Err(ScheduleError::Free { name: name.clone() });
            }
            costs.instructions[instruction as usize] = *price;
        }
        for instruction in [Instruction::Else, Instruction::End] {
            costs.instructions[instruction as usize] = 0;
        }
        Ok(costs)
    }
}

/// Names with their prices, each once.
fn prices<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, u32>, D::Error> {
    struct Prices;
    impl<'de> Visitor<'de> for Prices {
        type Value = BTreeMap<String, u32>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("names with prices")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut prices = BTreeMap::new();
            while let Some((name, price)) = map.next_entry::<String, u32>()? {
                if let Some(name) = prices.insert(name.clone(), price).map(|_| name) {
                    return Err(A::Error::custom(format!("{name:?} has two prices")));
                }
            }
            Ok(prices)
        }
    }
    deserializer.deserialize_map(Prices)
}

/// Line of a position, from 1.
fn line(text: &str, position: usize) -> usize {
    let before = text.as_bytes().iter().take(position);
    1 + before.filter(|byte| **byte == b'\n').count()
}

/// A gas schedule ready for use: a price for each instruction. Two schedules that mean the same
/// have equal costs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Costs {
    instructions: [u32; Instruction::COUNT],
    per_local: u32,
    memory_grow_per_page: u32,
}

impl Default for Costs {
    fn default() -> Self {
        let schedule = Schedule::default();
        schedule.costs().expect("the default schedule has no names")
    }
}

impl Costs {
    /// Gas of an instruction; 0 for `else` and `end`.
    pub fn instruction(&self, instruction: Instruction) -> u32 {
        self.instructions[instruction as usize]
    }

    /// Gas for each declared local, charged at a function's entry.
    pub fn per_local(&self) -> u32 {
        self.per_local
    }

    /// Gas for each page a `memory.grow` asks for. If it is 0, nothing is to be charged there.
    pub fn memory_grow_per_page(&self) -> u32 {
        self.memory_grow_per_page
    }

    /// Gas that a `memory.grow` of `pages` pages costs beyond its instruction.
    ///
    /// ```
    /// let schedule = pvf_metering::Schedule::parse("memory_grow_per_page = 10_000")?;
    /// assert_eq!(schedule.costs()?.memory_grow(3), 30_000);
    /// # Ok::<(), pvf_metering::ScheduleError>(())
    /// ```
    pub fn memory_grow(&self, pages: u32) -> u64 {
        u64::from(self.memory_grow_per_page) * u64::from(pages)
    }

    /// All prices in a fixed order and encoding (u32, little-endian): each instruction of
    /// [`Instruction::ALL`], each local, each page. For hashing what an artifact was made for.
    pub fn to_bytes(&self) -> Vec<u8> {
        let last = [self.per_local, self.memory_grow_per_page];
        let prices = self.instructions.iter().chain(&last);
        prices.flat_map(|price| price.to_le_bytes()).collect()
    }
}
