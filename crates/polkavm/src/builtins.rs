//! Instructions that code delegates to its engine; see [`Builtin`].

use crate::guest::{Guest, TableEntry};
use crate::instance::Ended;
use crate::module::Module;
use pvf_compiler::abi::Builtin;
use pvf_rules::TrapKind;
use std::ops::Range;

/// The state of an instance that builtins change, beside its memory.
#[derive(Default)]
pub(crate) struct Segments {
    /// For each data segment, whether `memory.init` treats it as empty.
    pub data_dropped: Vec<bool>,
    /// For each element segment, whether `table.init` treats it as empty.
    pub elements_dropped: Vec<bool>,
}

/// What builtins work on.
pub(crate) struct Work<'a> {
    pub module: &'a Module,
    pub guest: &'a mut Guest,
    pub segments: &'a mut Segments,
    pub addresses: &'a [u32],
}

/// The largest piece in which memory is copied.
const PIECE: usize = 1 << 16;

fn memory_trap() -> Ended {
    Ended::Trap(TrapKind::MemoryOutOfBounds, None)
}

fn table_trap() -> Ended {
    Ended::Trap(TrapKind::TableOutOfBounds, None)
}

/// `start..start + count`, or `None` if it exceeds `length`.
fn within(start: u32, count: u32, length: u64) -> Option<Range<usize>> {
    let end = u64::from(start) + u64::from(count);
    (end <= length).then_some(start as usize..end as usize)
}

impl Work<'_> {
    /// Executes a builtin. The operands are in the order in which they were pushed. Returns the result of
    /// `memory.grow`.
    pub fn execute(
        &mut self,
        builtin: Builtin,
        operands: [u32; 3],
        segment: u32,
    ) -> Result<Option<u32>, Ended> {
        let [first, second, third] = operands;
        match builtin {
            Builtin::MemoryGrow => {
                let old = self.guest.grow(first)?;
                return Ok(Some(old.unwrap_or(u32::MAX)));
            }
            Builtin::MemoryInit => self.memory_init(first, second, third, segment)?,
            Builtin::MemoryCopy => self.memory_copy(first, second, third)?,
            Builtin::MemoryFill => self.memory_fill(first, second as u8, third)?,
            Builtin::DataDrop => drop_segment(&mut self.segments.data_dropped, segment),
            Builtin::TableInit => self.table_init(first, second, third, segment)?,
            Builtin::TableCopy => self.table_copy(first, second, third)?,
            Builtin::ElemDrop => drop_segment(&mut self.segments.elements_dropped, segment),
        }
        Ok(None)
    }

    fn memory_init(
        &mut self,
        destination: u32,
        source: u32,
        count: u32,
        segment: u32,
    ) -> Result<(), Ended> {
        let bytes = match is_dropped(&self.segments.data_dropped, segment) {
            true => &[],
            false => self.module.segment_bytes(segment),
        };
        let source = within(source, count, bytes.len() as u64).ok_or_else(memory_trap)?;
        match self.guest.write(destination, &bytes[source])? {
            true => Ok(()),
            false => Err(memory_trap()),
        }
    }

    fn memory_copy(&mut self, destination: u32, source: u32, count: u32) -> Result<(), Ended> {
        let length = self.guest.bytes();
        within(source, count, length).ok_or_else(memory_trap)?;
        within(destination, count, length).ok_or_else(memory_trap)?;
        let mut piece = vec![0; PIECE.min(count as usize)];
        let upwards = destination <= source;
        let mut done = 0;
        while done < count {
            let bytes = (count - done).min(PIECE as u32);
            let at = match upwards {
                true => done,
                false => count - done - bytes,
            };
            let piece = &mut piece[..bytes as usize];
            self.guest.read(source + at, piece)?;
            self.guest.write(destination + at, piece)?;
            done += bytes;
        }
        Ok(())
    }

    fn memory_fill(&mut self, destination: u32, value: u8, count: u32) -> Result<(), Ended> {
        within(destination, count, self.guest.bytes()).ok_or_else(memory_trap)?;
        let piece = vec![value; PIECE.min(count as usize)];
        let mut done = 0;
        while done < count {
            let bytes = (count - done).min(PIECE as u32);
            self.guest
                .write(destination + done, &piece[..bytes as usize])?;
            done += bytes;
        }
        Ok(())
    }

    fn table_init(
        &mut self,
        destination: u32,
        source: u32,
        count: u32,
        segment: u32,
    ) -> Result<(), Ended> {
        let info = self.module.info();
        let functions = match is_dropped(&self.segments.elements_dropped, segment) {
            true => &[][..],
            false => info
                .element_segments
                .get(segment as usize)
                .map_or(&[][..], |segment| &segment.functions),
        };
        let source = within(source, count, functions.len() as u64).ok_or_else(table_trap)?;
        within(destination, count, self.guest.table_entries.into()).ok_or_else(table_trap)?;
        self.write_table(destination, &functions[source])
    }

    /// Writes references into the table, which has room for them.
    pub fn write_table(&mut self, first: u32, functions: &[Option<u32>]) -> Result<(), Ended> {
        let info = self.module.info();
        let entry = |function: &Option<u32>| {
            function.map_or(TableEntry::default(), |function| TableEntry {
                code: self.addresses[function as usize],
                signature: info.functions[function as usize].signature + 1,
                function,
            })
        };
        self.guest
            .set_table_entries(first, functions.iter().map(entry))?;
        Ok(())
    }

    fn table_copy(&mut self, destination: u32, source: u32, count: u32) -> Result<(), Ended> {
        let entries = u64::from(self.guest.table_entries);
        within(source, count, entries).ok_or_else(table_trap)?;
        within(destination, count, entries).ok_or_else(table_trap)?;
        let copied: Result<Vec<_>, _> = (source..source + count)
            .map(|index| self.guest.table_entry(index))
            .collect();
        self.guest
            .set_table_entries(destination, copied?.into_iter())?;
        Ok(())
    }
}

fn is_dropped(dropped: &[bool], segment: u32) -> bool {
    dropped.get(segment as usize).copied().unwrap_or(true)
}

fn drop_segment(dropped: &mut [bool], segment: u32) {
    if let Some(dropped) = dropped.get_mut(segment as usize) {
        *dropped = true;
    }
}
