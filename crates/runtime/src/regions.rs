//! The memory in which an instance runs, and its reuse.
//!
//! Most of the cost of an instance is reserving and unmapping address space. The regions of a
//! dropped instance are therefore cleared and kept with the module for the next one: the pages are
//! released, the reservation stays.

use crate::HostFailure;
use crate::context::Context;
use crate::image::MemoryImage;
use crate::memory::LinearMemory;
use crate::stack::WasmStack;
use std::sync::{Mutex, PoisonError};

/// Number of cleared regions that a module keeps. Up to this number of concurrent instances come
/// and go without a system call for address space.
const KEPT: usize = 16;

/// Linear memory, context and Wasm stack of one instance.
#[derive(Debug)]
pub(crate) struct Regions {
    pub memory: Option<LinearMemory>,
    pub context: Context,
    pub stack: WasmStack,
}

/// Properties that regions must have for an instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requirements {
    /// Initial size and limit of linear memory in pages, if there is one.
    pub memory: Option<(u32, u32)>,
    /// Number of globals, imported ones included.
    pub globals: u32,
    /// Number of entries of the table.
    pub table_entries: u32,
    /// Maximum bytes of frames.
    pub stack_native_max: u64,
}

/// Cleared regions that a module keeps.
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

    /// Resets memory to the image, and globals and table to zero.
    pub fn clear(&mut self) -> Result<(), HostFailure> {
        if let Some(memory) = &mut self.memory {
            memory.reset()?;
        }
        self.context.clear()
    }

    /// Whether these regions, of the same module, meet the requirements.
    fn fit(&self, requirements: &Requirements) -> bool {
        self.memory.as_ref().map(LinearMemory::initial_pages)
            == requirements.memory.map(|(initial, _)| initial)
            && self.context.table_entries() == requirements.table_entries
            && self.stack.native_max() == requirements.stack_native_max
    }
}

impl Recycler {
    /// Regions that meet the requirements, reused or new.
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

    /// Keeps the regions of a dropped instance, if they can be cleared. If `KEPT` regions are kept
    /// already, they replace one of them.
    pub fn put(&self, mut regions: Regions) {
        if regions.clear().is_err() {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            // The oldest is the least likely to fit.
            let oldest = std::mem::replace(&mut kept[0], regions);
            drop(kept);
            drop(oldest);
        } else {
            kept.push(regions);
        }
    }
}
