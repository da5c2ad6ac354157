//! The block of memory that generated code and the runtime share; see
//! [`pvf_compiler::abi::context`].

use crate::HostFailure;
use crate::mapping::{Access, Mapping};
use pvf_compiler::abi::{
    ContextLayout, GLOBAL_BYTES, TABLE_ENTRY_BYTES, TABLE_ENTRY_CODE, TABLE_ENTRY_FUNCTION,
    TABLE_ENTRY_SIGNATURE, context,
};

/// Fields that only the runtime uses.
pub(crate) mod word {
    use super::context::RUNTIME;

    /// Address of the dispatch function for host calls by slots.
    pub const DISPATCH: u32 = RUNTIME;
    /// Address of the array of functions that [`switch_float`](crate::arch::switch_float) calls, by the
    /// index of the imported function.
    pub const TARGETS: u32 = RUNTIME + 8;
}

/// Offsets in bytes, from [`context::HOST_SP`] on, of the fields on the host's stack.
pub(crate) mod host_stack {
    /// The host's MXCSR (u32) or FPCR (u64).
    pub const HOST_FLOAT: u32 = 0;
    /// On x86-64, MXCSR as Wasm has it (u32).
    #[cfg(target_arch = "x86_64")]
    pub const WASM_FLOAT: u32 = 4;
}

/// A context with its globals and its table.
#[derive(Debug)]
pub(crate) struct Context {
    mapping: Mapping,
    layout: ContextLayout,
    globals: u32,
    table_entries: u32,
}

/// An entry of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableEntry {
    /// Address of the function's code.
    pub code: u64,
    /// Signature plus 1; 0 for a null reference.
    pub signature: u32,
    /// Function index.
    pub function: u32,
}

impl Context {
    /// A zeroed context for this number of globals and table entries.
    pub fn new(globals: u32, table_entries: u32) -> Result<Self, HostFailure> {
        let layout = ContextLayout::new(globals, table_entries);
        let mapping = Mapping::new(
            layout.bytes as usize,
            Access::ReadWrite,
            "globals and table of an instance",
        )?;
        Ok(Self {
            mapping,
            layout,
            globals,
            table_entries,
        })
    }

    /// The context's address, for generated code.
    pub fn base(&self) -> *mut u8 {
        self.mapping.base()
    }

    /// The field at `offset`.
    pub fn get(&self, offset: u32) -> u64 {
        debug_assert!(
            offset.is_multiple_of(8) && u64::from(offset) < self.layout.bytes,
            "a field of the context is an aligned word within it"
        );
        // SAFETY: the field is within the mapping and aligned; every bit pattern is a valid u64.
        unsafe { self.base().add(offset as usize).cast::<u64>().read() }
    }

    /// Sets the field at `offset`.
    pub fn set(&mut self, offset: u32, value: u64) {
        debug_assert!(
            offset.is_multiple_of(8) && u64::from(offset) < self.layout.bytes,
            "a field of the context is an aligned word within it"
        );
        // SAFETY: the field is within the mapping and aligned; `&mut self` makes the access
        // exclusive.
        unsafe { self.base().add(offset as usize).cast::<u64>().write(value) }
    }

    /// The bits of a global, or `None` if there is no global with this index.
    pub fn global(&self, index: u32) -> Option<u64> {
        (index < self.globals).then(|| self.get(ContextLayout::global(index)))
    }

    /// Sets the bits of a global.
    ///
    /// # Panics
    /// If there is no global with this index.
    pub fn set_global(&mut self, index: u32, bits: u64) {
        assert!(index < self.globals, "the global exists");
        const { assert!(GLOBAL_BYTES == 8) };
        self.set(ContextLayout::global(index), bits);
    }

    /// Number of entries of the table.
    pub fn table_entries(&self) -> u32 {
        self.table_entries
    }

    /// An entry of the table, or `None` if there is no entry with this index.
    pub fn table_entry(&self, index: u32) -> Option<TableEntry> {
        let entry = self.entry_address(index)?;
        // SAFETY: the entry lies within the mapping and its fields are aligned.
        unsafe {
            Some(TableEntry {
                code: entry.add(TABLE_ENTRY_CODE as usize).cast::<u64>().read(),
                signature: entry
                    .add(TABLE_ENTRY_SIGNATURE as usize)
                    .cast::<u32>()
                    .read(),
                function: entry
                    .add(TABLE_ENTRY_FUNCTION as usize)
                    .cast::<u32>()
                    .read(),
            })
        }
    }

    /// Sets an entry of the table.
    ///
    /// # Panics
    /// If there is no entry with this index.
    pub fn set_table_entry(&mut self, index: u32, value: TableEntry) {
        let entry = self
            .entry_address(index)
            .expect("the index is within the table");
        // SAFETY: the entry lies within the mapping, its fields are aligned, and
        // `&mut self` makes the access exclusive.
        unsafe {
            entry
                .add(TABLE_ENTRY_CODE as usize)
                .cast::<u64>()
                .write(value.code);
            entry
                .add(TABLE_ENTRY_SIGNATURE as usize)
                .cast::<u32>()
                .write(value.signature);
            entry
                .add(TABLE_ENTRY_FUNCTION as usize)
                .cast::<u32>()
                .write(value.function);
        }
    }

    /// Copies table entries as `table.copy` does.
    ///
    /// # Panics
    /// If a range is out of bounds.
    pub fn copy_table(&mut self, destination: u32, source: u32, entries: u32) {
        let within =
            |start: u32| u64::from(start) + u64::from(entries) <= u64::from(self.table_entries);
        assert!(
            within(destination) && within(source),
            "both ranges are within the table"
        );
        let address = |index: u32| {
            let offset = self.layout.table + u64::from(index) * u64::from(TABLE_ENTRY_BYTES);
            // SAFETY: the index is at most the number of entries, so the address is within the
            // mapping or at its end.
            unsafe { self.base().add(offset as usize) }
        };
        let bytes = entries as usize * TABLE_ENTRY_BYTES as usize;
        // SAFETY: the assertion above shows that both ranges are within the table; `copy` allows
        // overlap.
        unsafe { std::ptr::copy(address(source), address(destination), bytes) }
    }

    /// Zeroes every byte after the header.
    pub fn clear(&mut self) -> Result<(), HostFailure> {
        const LARGE: u64 = 256 * 1024;
        if self.layout.bytes > LARGE {
            let header = self.header();
            let whole = self.mapping.addresses();
            self.mapping.discard(0..whole.len())?;
            // SAFETY: the header is within the mapping; `&mut self` makes the access exclusive.
            unsafe { self.base().cast::<[u8; HEADER]>().write(header) };
        } else {
            let bytes = self.layout.bytes as usize - HEADER;
            // SAFETY: the range from the end of the header to the end of the layout is within the
            // mapping; `&mut self` makes the access exclusive.
            unsafe { self.base().add(HEADER).write_bytes(0, bytes) };
        }
        Ok(())
    }

    fn header(&self) -> [u8; HEADER] {
        // SAFETY: the header is within the mapping; every bit pattern is a valid byte.
        unsafe { self.base().cast::<[u8; HEADER]>().read() }
    }

    fn entry_address(&self, index: u32) -> Option<*mut u8> {
        let offset = self.layout.table + u64::from(index) * u64::from(TABLE_ENTRY_BYTES);
        // SAFETY: an existing entry is within the mapping.
        (index < self.table_entries).then(|| unsafe { self.base().add(offset as usize) })
    }
}

/// Bytes of the header.
const HEADER: usize = context::GLOBALS as usize;
