//! Instructions that generated code delegates to the runtime; see [`Builtin`].

use crate::store::{Core, Ended};
use pvf_compiler::abi::Builtin;
use pvf_rules::TrapKind;
use std::ops::Range;

/// Executes a builtin. The slots hold the operands in the order in which they were pushed; the
/// result is written to slot 0.
///
/// # Safety
/// `slots` points to the slots of this builtin on the Wasm stack, to which nothing else refers.
pub(crate) unsafe fn execute(
    core: &mut Core,
    builtin: Builtin,
    slots: *mut u64,
    immediate: u32,
) -> Result<(), Ended> {
    // SAFETY: the caller promises that these are the builtin's slots; only indices of its operands
    // are used. Only the low half of an i32's slot is significant.
    let operand = |index: usize| unsafe { slots.add(index).read() as u32 };
    match builtin {
        Builtin::MemoryGrow => {
            let old = core.grow_memory(operand(0))?;
            // SAFETY: the caller promises that these are the builtin's slots, and slot 0 exists.
            unsafe { slots.write(u64::from(old.unwrap_or(u32::MAX))) };
            Ok(())
        }
        Builtin::MemoryInit => memory_init(core, operand(0), operand(1), operand(2), immediate),
        Builtin::MemoryCopy => memory_copy(core, operand(0), operand(1), operand(2)),
        Builtin::MemoryFill => memory_fill(core, operand(0), operand(1) as u8, operand(2)),
        Builtin::DataDrop => {
            core.drop_data(immediate);
            Ok(())
        }
        Builtin::TableInit => table_init(core, operand(0), operand(1), operand(2), immediate),
        Builtin::TableCopy => table_copy(core, operand(0), operand(1), operand(2)),
        Builtin::ElemDrop => {
            core.drop_elements(immediate);
            Ok(())
        }
    }
}

/// `start..start + count`, or `None` if it exceeds `length`.
fn within(start: u32, count: u32, length: usize) -> Option<Range<usize>> {
    let end = start as usize + count as usize;
    (end <= length).then_some(start as usize..end)
}

fn memory_trap() -> Ended {
    Ended::Trap(TrapKind::MemoryOutOfBounds, None)
}

fn table_trap() -> Ended {
    Ended::Trap(TrapKind::TableOutOfBounds, None)
}

fn memory_init(
    core: &mut Core,
    destination: u32,
    source: u32,
    count: u32,
    segment: u32,
) -> Result<(), Ended> {
    let module = core.module.clone();
    let bytes = match core.data_dropped(segment) {
        true => &[],
        false => module.segment_bytes(segment),
    };
    let memory = core.memory_slice_mut();
    let source = within(source, count, bytes.len()).ok_or_else(memory_trap)?;
    let destination = within(destination, count, memory.len()).ok_or_else(memory_trap)?;
    memory[destination].copy_from_slice(&bytes[source]);
    Ok(())
}

fn memory_copy(core: &mut Core, destination: u32, source: u32, count: u32) -> Result<(), Ended> {
    let memory = core.memory_slice_mut();
    let source = within(source, count, memory.len()).ok_or_else(memory_trap)?;
    let destination = within(destination, count, memory.len()).ok_or_else(memory_trap)?;
    memory.copy_within(source, destination.start);
    Ok(())
}

fn memory_fill(core: &mut Core, destination: u32, value: u8, count: u32) -> Result<(), Ended> {
    let memory = core.memory_slice_mut();
    let destination = within(destination, count, memory.len()).ok_or_else(memory_trap)?;
    memory[destination].fill(value);
    Ok(())
}

fn table_init(
    core: &mut Core,
    destination: u32,
    source: u32,
    count: u32,
    segment: u32,
) -> Result<(), Ended> {
    let module = core.module.clone();
    let functions = match core.elements_dropped(segment) {
        true => &[][..],
        false => module
            .info()
            .element_segments
            .get(segment as usize)
            .map_or(&[][..], |segment| &segment.functions),
    };
    let source = within(source, count, functions.len()).ok_or_else(table_trap)?;
    let entries = core.regions.context.table_entries() as usize;
    within(destination, count, entries).ok_or_else(table_trap)?;
    for (entry, &function) in (destination..).zip(&functions[source]) {
        core.regions
            .context
            .set_table_entry(entry, module.table_entry(function));
    }
    Ok(())
}

fn table_copy(core: &mut Core, destination: u32, source: u32, count: u32) -> Result<(), Ended> {
    let entries = core.regions.context.table_entries() as usize;
    within(source, count, entries).ok_or_else(table_trap)?;
    within(destination, count, entries).ok_or_else(table_trap)?;
    core.regions.context.copy_table(destination, source, count);
    Ok(())
}
