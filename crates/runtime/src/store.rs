//! The parts of an instance: [`Core`] holds everything independent of the host's state, [`Store`]
//! adds that state.

use crate::linker::{Linked, LinkedImports};
use crate::memory::LinearMemory;
use crate::regions::{Regions, Requirements};
use crate::{HostError, HostFailure, InstantiateError, Module, arch, error::Segment};
use pvf_compiler::abi::context;
use pvf_compiler::artifact::{ConstExpr, ElementMode};
use pvf_compiler::{MemoryType, ModuleInfo};
use pvf_rules::{ExecutionParameters, MOST_MEMORY_PAGES, PAGE_BYTES, Trap, TrapKind};
use std::mem::ManuallyDrop;

/// An instance. Its address does not change while generated code runs.
pub(crate) struct Store<T> {
    pub linked: Linked<T>,
    pub core: Core,
    pub data: T,
}

/// An instance without the host's state.
pub(crate) struct Core {
    pub module: Module,
    /// Taken by `drop`.
    pub regions: ManuallyDrop<Regions>,
    /// Passive data segments that were dropped; empty if the module has no passive ones.
    dropped_data: Vec<bool>,
    /// Passive element segments that were dropped; empty if the module has no passive ones.
    dropped_elements: Vec<bool>,
    /// Greatest native stack depth of a run since creation or reset, in bytes.
    pub stack_peak: u64,
    /// Greatest logical height of a run since creation or reset.
    pub logical_peak: u64,
    /// Limit of the logical height.
    pub logical_limit: i64,
    /// Gas with which an instance starts.
    gas_limit: u64,
    /// The reason why the last host call ended the run.
    pub pending: Option<Ended>,
    /// The array of parameters and results, kept to avoid an allocation per call.
    pub slots: Vec<u64>,
}

impl Drop for Core {
    fn drop(&mut self) {
        // SAFETY: `regions` is not used after this, since the core is being dropped.
        let regions = unsafe { ManuallyDrop::take(&mut self.regions) };
        self.module.recycler().put(regions);
    }
}

/// The reason why a host call ends a run.
pub(crate) enum Ended {
    Trap(TrapKind, Option<String>),
    Failure(HostFailure),
}

impl From<HostError> for Ended {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Trap(message) => Self::Trap(TrapKind::HostError, Some(message)),
            HostError::TrapKind(kind, message) => Self::Trap(kind, Some(message)),
            HostError::Failure(failure) => Self::Failure(failure),
        }
    }
}

impl From<HostFailure> for Ended {
    fn from(failure: HostFailure) -> Self {
        Self::Failure(failure)
    }
}

impl Core {
    /// Takes memory, context and stack for a new instance. Linear memory holds the image; globals,
    /// table and remaining segments are not initialised yet.
    pub fn new<T>(
        linked: &LinkedImports<T>,
        parameters: &ExecutionParameters,
    ) -> Result<Self, InstantiateError> {
        let module = linked.module.clone();
        check_meters(module.info(), parameters)?;
        let memory = linked
            .memory
            .map(|ty| memory_sizes(ty, parameters))
            .transpose()?;
        let requirements = Requirements {
            memory,
            globals: module.info().globals.len() as u32,
            table_entries: linked.table_entries,
            stack_native_max: parameters.stack_native_max,
        };
        let mut regions = module.recycler().take(&requirements, module.image())?;
        let base = regions.memory.as_ref().map_or(0, |it| it.base() as u64);
        let (top, limit) = (regions.stack.top() as u64, regions.stack.limit() as u64);
        let fields = &mut regions.context;
        fields.set(context::MEMORY_BASE, base);
        fields.set(context::STACK_LOW, top);
        fields.set(context::STACK_LIMIT, limit);
        fields.set(context::STACK_TOP, top);
        fields.set(context::EXIT, arch::exit_address());
        fields.set(context::ENDED, arch::ended_address());
        Ok(Self {
            regions: ManuallyDrop::new(regions),
            dropped_data: Vec::new(),
            dropped_elements: Vec::new(),
            stack_peak: 0,
            logical_peak: 0,
            logical_limit: parameters.stack_logical_max.map_or(i64::MAX, i64::from),
            gas_limit: parameters.gas_limit.unwrap_or(u64::MAX),
            pending: None,
            slots: Vec::new(),
            module,
        })
    }

    /// Gas charged since creation or reset.
    pub fn gas_used(&self) -> u64 {
        self.gas_limit - self.regions.context.get(context::GAS_LEFT)
    }

    /// Resets memory to the image, globals and table to zero, and the peaks.
    pub fn clear(&mut self) -> Result<(), HostFailure> {
        self.stack_peak = 0;
        self.logical_peak = 0;
        self.pending = None;
        self.regions.clear()
    }

    /// Sets globals and applies active segments. The core is new or cleared.
    pub fn initialise(&mut self, imported_globals: &[u64]) -> Result<(), InstantiateError> {
        self.publish_memory_size();
        self.regions.context.set(context::GAS_LEFT, self.gas_limit);
        self.regions.context.set(context::AUDIT_DIFFERENCE, 0);
        self.regions.context.set(context::AUDIT_CALLS, 0);
        for (index, &bits) in (0..).zip(imported_globals) {
            self.regions.context.set_global(index, bits);
        }
        let module = self.module.clone();
        let info = module.info();
        for (index, global) in (0..).zip(&info.globals) {
            if let Some(init) = global.init {
                let bits = self.evaluate(init);
                self.regions.context.set_global(index, bits);
            }
        }
        self.initialise_table(&module)?;
        self.initialise_memory(&module)?;

        let passive = info.data_segments.iter().any(|it| it.offset.is_none());
        self.dropped_data.clear();
        if passive {
            let active = info.data_segments.iter().map(|it| it.offset.is_some());
            self.dropped_data.extend(active);
        }
        let is_passive = |mode| matches!(mode, ElementMode::Passive);
        let passive = info.element_segments.iter().any(|it| is_passive(it.mode));
        self.dropped_elements.clear();
        if passive {
            let others = info.element_segments.iter().map(|it| !is_passive(it.mode));
            self.dropped_elements.extend(others);
        }
        Ok(())
    }

    fn initialise_table(&mut self, module: &Module) -> Result<(), InstantiateError> {
        for (index, segment) in (0..).zip(&module.info().element_segments) {
            let ElementMode::Active(offset) = segment.mode else {
                continue;
            };
            let start = self.evaluate(offset) as u32;
            let end = u64::from(start) + segment.functions.len() as u64;
            if end > u64::from(self.regions.context.table_entries()) {
                return Err(InstantiateError::SegmentOutOfBounds {
                    segment: Segment::Element(index),
                    trap: Trap::new(TrapKind::TableOutOfBounds),
                });
            }
            for (entry, &function) in (start..).zip(&segment.functions) {
                let value = module.table_entry(function);
                self.regions.context.set_table_entry(entry, value);
            }
        }
        Ok(())
    }

    fn initialise_memory(&mut self, module: &Module) -> Result<(), InstantiateError> {
        for &index in module.image().remaining() {
            let segment = &module.info().data_segments[index as usize];
            let Some(offset) = segment.offset else {
                continue;
            };
            let start = self.evaluate(offset) as u32 as usize;
            let bytes = module.segment_bytes(index);
            let memory = self
                .regions
                .memory
                .as_mut()
                .map_or(&mut [][..], LinearMemory::as_mut_slice);
            match memory.get_mut(start..start + bytes.len()) {
                Some(range) => range.copy_from_slice(bytes),
                None => {
                    return Err(InstantiateError::SegmentOutOfBounds {
                        segment: Segment::Data(index),
                        trap: Trap::new(TrapKind::MemoryOutOfBounds),
                    });
                }
            }
        }
        Ok(())
    }

    /// The bits of a constant expression. Imported globals have been set before.
    fn evaluate(&self, expression: ConstExpr) -> u64 {
        match expression {
            ConstExpr::Const(bits) => bits,
            ConstExpr::Global(index) => self.regions.context.global(index).unwrap_or(0),
        }
    }

    /// Grows linear memory and updates the size that generated code reads.
    pub fn grow_memory(&mut self, pages: u32) -> Result<Option<u32>, HostFailure> {
        let Some(memory) = &mut self.regions.memory else {
            return Ok(None);
        };
        let old = memory.grow(pages)?;
        self.publish_memory_size();
        Ok(old)
    }

    /// Announces that all of a range of memory will soon be written.
    pub fn expect_use(&mut self, address: u32, bytes: u32) {
        if let Some(memory) = &mut self.regions.memory {
            memory.expect_use(address as usize..address as usize + bytes as usize);
        }
    }

    fn publish_memory_size(&mut self) {
        let bytes = self.memory_slice().len() as u64;
        debug_assert!(bytes.is_multiple_of(PAGE_BYTES), "memory consists of pages");
        self.regions.context.set(context::MEMORY_BYTES, bytes);
    }

    /// The contents of linear memory; empty if the module has none.
    #[inline]
    pub fn memory_slice(&self) -> &[u8] {
        self.regions
            .memory
            .as_ref()
            .map_or(&[], LinearMemory::as_slice)
    }

    /// The contents of linear memory, mutable; empty if the module has none.
    #[inline]
    pub fn memory_slice_mut(&mut self) -> &mut [u8] {
        self.regions
            .memory
            .as_mut()
            .map_or(&mut [], LinearMemory::as_mut_slice)
    }

    /// Whether `memory.init` treats a data segment as empty.
    pub fn data_dropped(&self, segment: u32) -> bool {
        self.dropped_data
            .get(segment as usize)
            .copied()
            .unwrap_or(true)
    }

    /// Whether `table.init` treats an element segment as empty.
    pub fn elements_dropped(&self, segment: u32) -> bool {
        self.dropped_elements
            .get(segment as usize)
            .copied()
            .unwrap_or(true)
    }

    /// `data.drop`.
    pub fn drop_data(&mut self, segment: u32) {
        if let Some(dropped) = self.dropped_data.get_mut(segment as usize) {
            *dropped = true;
        }
    }

    /// `elem.drop`.
    pub fn drop_elements(&mut self, segment: u32) {
        if let Some(dropped) = self.dropped_elements.get_mut(segment as usize) {
            *dropped = true;
        }
    }
}

/// Initial size and limit of a memory in pages.
///
/// # Errors
/// [`InstantiateError::MemoryTooLarge`]: it begins above the limit.
pub fn memory_sizes(
    ty: MemoryType,
    parameters: &ExecutionParameters,
) -> Result<(u32, u32), InstantiateError> {
    let mut limit = parameters.max_memory_pages.min(MOST_MEMORY_PAGES);
    if let Some(maximum) = ty.maximum
        && !parameters.ignore_declared_maximum
    {
        limit = limit.min(maximum);
    }
    match ty.minimum <= limit {
        true => Ok((ty.minimum, limit)),
        false => Err(InstantiateError::MemoryTooLarge {
            minimum: ty.minimum,
            limit,
        }),
    }
}

/// Checks that the code counts every meter that the parameters limit.
///
/// # Errors
/// [`HostFailure::Uncounted`]: it does not.
pub fn check_meters(
    info: &ModuleInfo,
    parameters: &ExecutionParameters,
) -> Result<(), HostFailure> {
    let meters = info.meters;
    let uncounted = |meter| Err(HostFailure::Uncounted { meter });
    if parameters.stack_logical_max.is_some() && !meters.logical_stack {
        return uncounted("the logical stack");
    }
    if parameters.gas_limit.is_some() && !meters.gas {
        return uncounted("gas");
    }
    Ok(())
}
