//! Operators, expressions and bodies as the network's parser reads them (rules NET-2 and NET-3).

use super::transcribe::{Read, Transcriber};

/// What ends an expression or a body, and what opens a block, is told apart from the rest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Opens,
    Ends,
    Calls(u32),
    Other,
}

/// The type of a value: one byte.
pub(super) fn value_type(t: &mut Transcriber<'_>) -> Read<()> {
    let offset = t.offset();
    match t.byte()? {
        0x7c..=0x7f => Ok(()),
        0x7b => t.refuse_proposal(offset, "simd"),
        0x6f | 0x70 => t.refuse_proposal(offset, "reference-types"),
        byte => t.refuse(offset, format!("{byte:#04x} is no type of a value")),
    }
}

/// The type of a block: a signed number, of which no result and one result are known.
fn block_type(t: &mut Transcriber<'_>) -> Read<()> {
    let offset = t.offset();
    match t.var_signed(32)? {
        -0x40 | -4..=-1 => Ok(()),
        -5 => t.refuse_proposal(offset, "simd"),
        0.. => t.refuse_proposal(offset, "multi-value"),
        _ => t.refuse(offset, "not a type of a block"),
    }
}

fn zero(t: &mut Transcriber<'_>) -> Read<()> {
    let offset = t.offset();
    match t.byte()? {
        0 => Ok(()),
        _ => t.refuse(offset, "zero byte expected"),
    }
}

fn operator(t: &mut Transcriber<'_>) -> Read<Kind> {
    let offset = t.offset();
    let opcode = t.byte()?;
    match opcode {
        // unreachable, nop, else, return, drop, select, and all numeric ones but constants
        0x00 | 0x01 | 0x05 | 0x0f | 0x1a | 0x1b | 0x45..=0xbf => {}
        // block, loop, if
        0x02..=0x04 => {
            block_type(t)?;
            return Ok(Kind::Opens);
        }
        // end
        0x0b => return Ok(Kind::Ends),
        // br, br_if; accesses of locals and globals
        0x0c | 0x0d | 0x20..=0x24 => {
            t.var_u32()?;
        }
        // br_table
        0x0e => {
            for _ in 0..t.var_u32()? {
                t.var_u32()?;
            }
            t.var_u32()?;
        }
        // call
        0x10 => return t.var_u32().map(Kind::Calls),
        // call_indirect
        0x11 => {
            t.var_u32()?;
            zero(t)?;
        }
        // loads and stores: alignment and offset
        0x28..=0x3e => {
            t.var_u32()?;
            t.var_u32()?;
        }
        // memory.size, memory.grow
        0x3f | 0x40 => zero(t)?,
        // constants
        0x41 => {
            t.var_signed(32)?;
        }
        0x42 => {
            t.var_signed(64)?;
        }
        0x43 => {
            t.bytes(4)?;
        }
        0x44 => {
            t.bytes(8)?;
        }
        0xfc => return refuse_prefixed(t, offset),
        other => {
            return match proposal(other) {
                Some(proposal) => t.refuse_proposal(offset, proposal),
                None => t.refuse(offset, format!("unknown opcode {other:#04x}")),
            };
        }
    }
    Ok(Kind::Other)
}

/// The proposal that an opcode outside the network's language comes from.
fn proposal(opcode: u8) -> Option<&'static str> {
    match opcode {
        0x06 | 0x07 | 0x09 | 0x18 | 0x19 => Some("legacy-exception-handling"),
        0x08 | 0x0a | 0x1f => Some("exception-handling"),
        0x12 | 0x13 => Some("tail-call"),
        0x14..=0x15 | 0xd4..=0xd6 => Some("function-references"),
        0x1c | 0x25 | 0x26 | 0xd0..=0xd2 => Some("reference-types"),
        0xc0..=0xc4 => Some("sign-extension"),
        0xd3 | 0xfb => Some("gc"),
        0xe0..=0xe6 => Some("stack-switching"),
        0xfd => Some("simd"),
        0xfe => Some("threads"),
        _ => None,
    }
}

/// The second number of the opcode decides the proposal; the network's parser refuses the first.
fn refuse_prefixed<T>(t: &mut Transcriber<'_>, offset: u32) -> Read<T> {
    match t.var_u32() {
        Ok(0..=7) => t.refuse_proposal(offset, "saturating-float-to-int"),
        Ok(8..=14) => t.refuse_proposal(offset, "bulk-memory"),
        Ok(15..=17) => t.refuse_proposal(offset, "reference-types"),
        Ok(18) => t.refuse_proposal(offset, "memory-control"),
        Ok(19..=22) => t.refuse_proposal(offset, "wide-arithmetic"),
        _ => t.refuse(offset, "unknown opcode 0xfc"),
    }
}

/// A constant expression: any operators up to the first `end`.
pub(super) fn expression(t: &mut Transcriber<'_>) -> Read<()> {
    while operator(t)? != Kind::Ends {}
    Ok(())
}

/// A body: declarations of locals, then operators up to the `end` of the body itself, which is its last byte.
pub(super) fn read_body(t: &mut Transcriber<'_>) -> Read<()> {
    walk_body(t, |_| {})
}

/// Whether a body calls a function with this index or a higher one. The body can be read.
pub(super) fn calls_function_from(first: u32, body: &[u8]) -> bool {
    let mut calls = false;
    let mut t = Transcriber::new(body, 0);
    let _ = t.muted(|t| walk_body(t, |callee| calls |= callee >= first));
    calls
}

fn walk_body(t: &mut Transcriber<'_>, mut call: impl FnMut(u32)) -> Read<()> {
    let start = t.offset();
    let mut locals = 0u32;
    for _ in 0..t.var_u32()? {
        let count = t.var_u32()?;
        value_type(t)?;
        locals = match locals.checked_add(count) {
            Some(locals) => locals,
            None => return t.refuse(start, "more locals than a number of 32 bits counts"),
        };
    }
    let mut open = 1u64;
    while open > 0 {
        match operator(t)? {
            Kind::Opens => open += 1,
            Kind::Ends => open -= 1,
            Kind::Calls(callee) => call(callee),
            Kind::Other => {}
        }
    }
    match t.at_end() {
        true => Ok(()),
        false => t.refuse(t.offset(), "operators behind the end of the body"),
    }
}
