//! The memory an instance runs in, and its reuse.
//!
//! Reserving and unmapping address space is most of the cost of an instance. What a
//! dropped instance leaves is therefore cleared and kept with the module for the next
//! one: its pages are given back, the reservation stays.

use crate::HostFailure;
use crate::context::Context;
use crate::image::MemoryImage;
use crate::memory::LinearMemory;
use crate::stack::WasmStack;
use std::sync::{Mutex, PoisonError};

/// Cleared regions that a module keeps; as many instances may come and go at
/// the same time (on so many threads) without a system call for address space.
const KEPT: usize = 16;

/// Linear memory, context and Wasm stack of one instance.
#[derive(Debug)]
pub(crate) struct Regions {
    pub memory: Option<LinearMemory>,
    pub context: Context,
    pub stack: WasmStack,
}

/// What regions have to be like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requirements {
    /// Initial size and limit of linear memory in pages, if there is one.
    pub memory: Option<(u32, u32)>,
    /// Globals, imported ones counted.
    pub globals: u32,
    /// Entries of the table.
    pub table_entries: u32,
    /// Bytes that frames may take.
    pub stack_native_max: u64,
}

/// The regions a module keeps.
#[derive(Debug, Default)]
pub(crate) struct Recycler(Mutex<Vec<Regions>>);

impl Regions {
    fn new(requirements: &Requirements, image: &MemoryImage) -> Result<Self, HostFailure> {
        let new_memory = |(initial, limit)| LinearMemory::new(initial, limit, image);
        Ok(Self {
            memory: requirements.memory.map(new_memory).transpose()?,
            context: Context::new(requirements.globals, requirements.table_entries)?,
            stack: WasmStack::new(requirements.stack_native_max)?,
        })
    }

    /// Memory as the image has it, globals and table zero.
    pub fn clear(&mut self) -> Result<(), HostFailure> {
        if let Some(memory) = &mut self.memory {
            memory.reset()?;
        }
        self.context.clear()
    }

    /// Whether cleared regions of the same module can serve.
    fn fit(&self, requirements: &Requirements) -> bool {
        self.memory.as_ref().map(LinearMemory::initial_pages)
            == requirements.memory.map(|(initial, _)| initial)
            && self.context.table_entries() == requirements.table_entries
            && self.stack.native_max() == requirements.stack_native_max
    }
}

impl Recycler {
    /// Regions as required, cleared or new.
    pub fn take(
        &self,
        requirements: &Requirements,
        image: &MemoryImage,
    ) -> Result<Regions, HostFailure> {
        let kept = {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.iter()
                .rposition(|regions| regions.fit(requirements))
                .map(|index| kept.swap_remove(index))
        };
        let Some(mut regions) = kept else {
            return Regions::new(requirements, image);
        };
        if let (Some(memory), Some((_, limit))) = (&mut regions.memory, requirements.memory) {
            memory.set_limit_pages(limit);
        }
        Ok(regions)
    }

    /// Keeps the regions of a dropped instance, if there is room and they can be cleared.
    pub fn put(&self, mut regions: Regions) {
        if regions.clear().is_err() {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            // The one kept longest is the least likely to fit: it goes.
            let oldest = std::mem::replace(&mut kept[0], regions);
            drop(kept);
            drop(oldest);
        } else {
            kept.push(regions);
        }
    }
}
