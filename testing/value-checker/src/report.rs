//! What the check of a function comes to.

use std::collections::BTreeMap;
use std::fmt;

/// A place where machine code and Wasm do different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// The function, imported ones counted.
    pub function: u32,
    /// Offset of the instruction in the code.
    pub code_offset: u32,
    /// Offset of the Wasm operator in the module.
    pub wasm_offset: u32,
    /// What differs.
    pub what: String,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            function,
            code_offset,
            wasm_offset,
            what,
        } = self;
        write!(
            f,
            "function {function}, code {code_offset:#x}, Wasm {wasm_offset:#x}: {what}"
        )
    }
}

/// Why a function was not checked to its end. The list is closed, so that each kind can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unchecked {
    /// The lifter of the target does not know an instruction.
    Instruction(&'static str),
    /// A condition of flags that were set by something else than a comparison of its kind.
    Condition,
    /// The body is of a kind that is not read.
    Body(&'static str),
    /// A block operation in line.
    BlockOperation,
    /// Code that functions share.
    SharedCode,
    /// The module names the counter of the logical stack.
    NamedCounter,
    /// It would take too long.
    Budget,
}

impl fmt::Display for Unchecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instruction(name) => write!(f, "instruction {name}"),
            Self::Condition => f.write_str("flags of another kind"),
            Self::Body(what) => f.write_str(what),
            Self::BlockOperation => f.write_str("block operation in line"),
            Self::SharedCode => f.write_str("shared code"),
            Self::NamedCounter => f.write_str("named counter of the logical stack"),
            Self::Budget => f.write_str("too long"),
        }
    }
}

/// Why the walk over a function ended early.
#[derive(Clone, Debug)]
pub enum Stop {
    /// The two sides differ.
    Alarm(Alarm),
    /// Something is not understood.
    Unchecked(Unchecked),
}

/// What a function was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It does what its Wasm says, at every instruction.
    Checked,
    /// Something in it is not understood; nothing is said about the function.
    Unchecked(Unchecked),
    /// It does something else.
    Alarm(Alarm),
}

/// The functions of one or more modules.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Functions that were checked to their end.
    pub checked: u64,
    /// Bytes of machine code in them.
    pub checked_bytes: u64,
    /// Functions that were not, by reason.
    pub unchecked: BTreeMap<Unchecked, u64>,
    /// Bytes of machine code in them.
    pub unchecked_bytes: u64,
    /// Where code and Wasm differ.
    pub alarms: Vec<Alarm>,
}

impl Report {
    /// Adds a function.
    pub fn add(&mut self, outcome: Outcome, bytes: u32) {
        match outcome {
            Outcome::Checked => {
                self.checked += 1;
                self.checked_bytes += u64::from(bytes);
            }
            Outcome::Unchecked(why) => {
                *self.unchecked.entry(why).or_default() += 1;
                self.unchecked_bytes += u64::from(bytes);
            }
            Outcome::Alarm(alarm) => self.alarms.push(alarm),
        }
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: Self) {
        self.checked += other.checked;
        self.checked_bytes += other.checked_bytes;
        self.unchecked_bytes += other.unchecked_bytes;
        for (why, count) in other.unchecked {
            *self.unchecked.entry(why).or_default() += count;
        }
        self.alarms.extend(other.alarms);
    }

    /// How many functions were not checked.
    pub fn unchecked_functions(&self) -> u64 {
        self.unchecked.values().sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unchecked = self.unchecked_functions();
        let all = self.checked + unchecked + self.alarms.len() as u64;
        writeln!(
            f,
            "{all} functions: {} checked ({} bytes of code), {unchecked} unchecked ({} bytes), {} alarms",
            self.checked,
            self.checked_bytes,
            self.unchecked_bytes,
            self.alarms.len()
        )?;
        for (why, count) in &self.unchecked {
            writeln!(f, "  unchecked: {why}: {count}")?;
        }
        for alarm in self.alarms.iter().take(20) {
            writeln!(f, "  {alarm}")?;
        }
        Ok(())
    }
}
