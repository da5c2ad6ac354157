//! The memory of a program: linear memory, and the context below it.

use crate::allocator::{AllocatorState, STATE_BYTES};
use crate::module::{Module, Ready, internal, too_many_pages};
use polkavm::RawInstance;
use pvf_compiler::abi::polkavm as fixed;
use pvf_compiler::abi::{
    ContextLayout, TABLE_ENTRY_BYTES, TABLE_ENTRY_CODE, TABLE_ENTRY_FUNCTION,
    TABLE_ENTRY_SIGNATURE, context,
};
use pvf_rules::PAGE_BYTES;
use pvf_runtime::HostFailure;

/// Linear memory of an instance, and its other state that code and host share.
///
/// The host reaches it by copies: PolkaVM may execute in another process.
pub struct Guest {
    pub(crate) machine: RawInstance,
    memory_base: u32,
    allocator_state: u32,
    pages: u32,
    limit_pages: u32,
    pub(crate) table: u32,
    pub(crate) table_entries: u32,
}

/// An entry of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableEntry {
    pub code: u32,
    /// Signature plus 1; 0 for a null reference.
    pub signature: u32,
    pub function: u32,
}

impl Guest {
    pub(crate) fn new(
        module: &Module,
        machine: RawInstance,
        ready: &Ready,
        pages: u32,
        limit_pages: u32,
        table_entries: u32,
    ) -> Self {
        Self {
            machine,
            memory_base: ready.memory_base,
            allocator_state: ready.allocator_state,
            pages,
            limit_pages,
            table: module.info().context_layout().table as u32,
            table_entries,
        }
    }

    /// Size of linear memory in bytes.
    pub fn bytes(&self) -> u64 {
        u64::from(self.pages) * PAGE_BYTES
    }

    /// Size of linear memory in pages.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// The limit in pages, beyond which linear memory cannot grow.
    pub fn limit_pages(&self) -> u32 {
        self.limit_pages
    }

    /// The address in the program of a range of linear memory; `None` if it is out of bounds.
    fn address(&self, index: u32, bytes: usize) -> Option<u32> {
        let end = u64::from(index).checked_add(bytes as u64)?;
        (end <= self.bytes()).then(|| self.memory_base + index)
    }

    /// Reads linear memory. `Ok(false)` if the range is out of bounds.
    ///
    /// # Errors
    /// PolkaVM cannot reach its memory.
    pub fn read(&mut self, index: u32, into: &mut [u8]) -> Result<bool, HostFailure> {
        let Some(address) = self.address(index, into.len()) else {
            return Ok(false);
        };
        if !into.is_empty() {
            let read = self.machine.read_memory_into(address, into);
            read.map_err(|error| internal(&format!("reading the program's memory: {error}")))?;
        }
        Ok(true)
    }

    /// Writes linear memory. `Ok(false)`, and nothing is written, if the range is out of bounds.
    ///
    /// # Errors
    /// PolkaVM cannot reach its memory.
    pub fn write(&mut self, index: u32, bytes: &[u8]) -> Result<bool, HostFailure> {
        let Some(address) = self.address(index, bytes.len()) else {
            return Ok(false);
        };
        self.write_at(address, bytes)?;
        Ok(true)
    }

    /// Grows linear memory and returns its previous size in pages, or `None` if the new size would exceed the limit.
    ///
    /// # Errors
    /// PolkaVM cannot get the memory, or cannot hold so much.
    pub fn grow(&mut self, pages: u32) -> Result<Option<u32>, HostFailure> {
        let old = self.pages;
        let new = match old.checked_add(pages) {
            Some(new) if new <= self.limit_pages => new,
            _ => return Ok(None),
        };
        if new > fixed::MOST_MEMORY_PAGES {
            return Err(too_many_pages(new));
        }
        if pages != 0 {
            let bytes = pages * PAGE_BYTES as u32;
            let grown = self.machine.sbrk(bytes);
            let grown = grown.map_err(|error| internal(&format!("growing the heap: {error}")))?;
            if grown.is_none() {
                return Err(HostFailure::Unsupported(format!(
                    "PolkaVM has no room for {new} pages of memory"
                )));
            }
        }
        self.pages = new;
        self.publish_size()?;
        Ok(Some(old))
    }

    /// The state of the heap that the program works on.
    ///
    /// # Errors
    /// PolkaVM cannot reach its memory.
    pub fn allocator(&mut self) -> Result<AllocatorState, HostFailure> {
        let mut bytes = [0; STATE_BYTES as usize];
        let read = self
            .machine
            .read_memory_into(self.allocator_state, &mut bytes);
        read.map_err(|error| internal(&format!("reading the program's memory: {error}")))?;
        Ok(AllocatorState::from_bytes(&bytes))
    }

    /// Sets the state of the heap that the program works on.
    ///
    /// # Errors
    /// PolkaVM cannot reach its memory.
    pub fn set_allocator(&mut self, state: AllocatorState) -> Result<(), HostFailure> {
        self.write_at(self.allocator_state, &state.to_bytes())
    }

    pub(crate) fn publish_size(&mut self) -> Result<(), HostFailure> {
        self.set(context::MEMORY_BYTES, self.bytes())
    }

    fn write_at(&mut self, address: u32, bytes: &[u8]) -> Result<(), HostFailure> {
        if bytes.is_empty() {
            return Ok(());
        }
        let written = self.machine.write_memory(address, bytes);
        written.map_err(|error| internal(&format!("writing the program's memory: {error}")))
    }

    /// The 8 bytes at an address of the program.
    pub(crate) fn word(&mut self, address: u32) -> Result<u64, HostFailure> {
        let word = self.machine.read_u64(address);
        word.map_err(|error| internal(&format!("reading the program's memory: {error}")))
    }

    pub(crate) fn set_word(&mut self, address: u32, value: u64) -> Result<(), HostFailure> {
        self.write_at(address, &value.to_le_bytes())
    }

    /// A field of the context.
    pub(crate) fn get(&mut self, field: u32) -> Result<u64, HostFailure> {
        self.word(fixed::CONTEXT + field)
    }

    pub(crate) fn set(&mut self, field: u32, value: u64) -> Result<(), HostFailure> {
        self.set_word(fixed::CONTEXT + field, value)
    }

    pub(crate) fn global(&mut self, index: u32) -> Result<u64, HostFailure> {
        self.get(ContextLayout::global(index))
    }

    pub(crate) fn set_global(&mut self, index: u32, bits: u64) -> Result<(), HostFailure> {
        self.set(ContextLayout::global(index), bits)
    }

    /// The address of an entry of the table; the caller has compared it with their number.
    fn entry(&self, index: u32) -> u32 {
        fixed::CONTEXT + self.table + index * TABLE_ENTRY_BYTES
    }

    pub(crate) fn table_entry(&mut self, index: u32) -> Result<TableEntry, HostFailure> {
        let at = self.entry(index);
        let both = self.word(at + TABLE_ENTRY_SIGNATURE)?;
        const { assert!(TABLE_ENTRY_FUNCTION == TABLE_ENTRY_SIGNATURE + 4) };
        Ok(TableEntry {
            code: self.word(at + TABLE_ENTRY_CODE)? as u32,
            signature: both as u32,
            function: (both >> 32) as u32,
        })
    }

    pub(crate) fn set_table_entries(
        &mut self,
        first: u32,
        entries: impl Iterator<Item = TableEntry>,
    ) -> Result<(), HostFailure> {
        let mut bytes = Vec::new();
        for entry in entries {
            bytes.extend_from_slice(&u64::from(entry.code).to_le_bytes());
            bytes.extend_from_slice(&entry.signature.to_le_bytes());
            bytes.extend_from_slice(&entry.function.to_le_bytes());
        }
        self.write_at(self.entry(first), &bytes)
    }
}
