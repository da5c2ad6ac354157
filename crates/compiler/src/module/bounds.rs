//! Limits that are checked before decoding, because the decoder has bounds of its own.
//!
//! wasmparser has fixed bounds for the length of a name and for the parameters and
//! results of a type, and reports them as malformed. These scans come first and read
//! no more than needed to say which limit is exceeded and by how much. They stop
//! at anything unexpected: the decoder will say what it is.

use crate::error::{Refusal, narrow};
use pvf_rules::{LimitExceeded, Limits};
use wasmparser::{BinaryReader, ExternalKind, SectionLimited, TypeRef, ValType};

/// Why a scan ends early: a limit is exceeded, or the bytes are malformed, which the decoder reports.
enum Stop {
    Limit(Refusal),
    Undecodable,
}

impl From<wasmparser::Error> for Stop {
    fn from(_: wasmparser::Error) -> Self {
        Self::Undecodable
    }
}

fn scan<'a, T>(
    (source, start): (&'a [u8], u32),
    section: &SectionLimited<'a, T>,
    mut entry: impl FnMut(&mut BinaryReader<'a>) -> Result<(), Stop>,
) -> Result<(), Refusal> {
    let range = section.range();
    let at = |offset: u64| offset.saturating_sub(u64::from(start)) as usize;
    let bytes = source.get(at(range.start)..at(range.end));
    let mut reader = BinaryReader::new(bytes.unwrap_or(&[]), range.start);
    let mut all = || -> Result<(), Stop> {
        for _ in 0..reader.read_var_u32()? {
            entry(&mut reader)?;
        }
        Ok(())
    };
    match all() {
        Err(Stop::Limit(error)) => Err(error),
        Ok(()) | Err(Stop::Undecodable) => Ok(()),
    }
}

fn within(check: Result<(), LimitExceeded>, offset: u64) -> Result<(), Stop> {
    check.map_err(|limit| Stop::Limit(Refusal::limit(limit, None, narrow(offset))))
}

fn name(reader: &mut BinaryReader<'_>, limits: &Limits) -> Result<(), Stop> {
    let offset = reader.original_position();
    let bytes = reader.read_var_u32()?;
    within(limits.name_bytes(u64::from(bytes)), offset)?;
    reader.read_bytes(bytes as usize)?;
    Ok(())
}

/// Checks the names of a section of imports.
pub(super) fn imports<T>(
    source: (&[u8], u32),
    section: &SectionLimited<'_, T>,
    limits: &Limits,
) -> Result<(), Refusal> {
    scan(source, section, |reader| {
        name(reader, limits)?;
        name(reader, limits)?;
        reader.read::<TypeRef>()?;
        Ok(())
    })
}

/// Checks the names of a section of exports.
pub(super) fn exports<T>(
    source: (&[u8], u32),
    section: &SectionLimited<'_, T>,
    limits: &Limits,
) -> Result<(), Refusal> {
    scan(source, section, |reader| {
        name(reader, limits)?;
        reader.read::<ExternalKind>()?;
        reader.read_var_u32()?;
        Ok(())
    })
}

/// Checks parameters and results of a section of function types.
pub(super) fn types<T>(
    source: (&[u8], u32),
    section: &SectionLimited<'_, T>,
    limits: &Limits,
) -> Result<(), Refusal> {
    const FUNCTION: u8 = 0x60;
    scan(source, section, |reader| {
        if reader.read_u8()? != FUNCTION {
            return Err(Stop::Undecodable);
        }
        for limit in [Limits::params, Limits::results] {
            let offset = reader.original_position();
            let count = reader.read_var_u32()?;
            within(limit(limits, u64::from(count)), offset)?;
            for _ in 0..count {
                reader.read::<ValType>()?;
            }
        }
        Ok(())
    })
}

/// Checks the locals a body declares, its parameters counted.
pub(super) fn locals(
    body: &wasmparser::FunctionBody<'_>,
    params: usize,
    function: u32,
    limits: &Limits,
) -> Result<(), Refusal> {
    let mut reader = body.get_binary_reader();
    let mut locals = params as u64;
    let malformed = |error| Refusal::malformed(error, Some(function));
    for _ in 0..reader.read_var_u32().map_err(malformed)? {
        let offset = narrow(reader.original_position());
        locals += u64::from(reader.read_var_u32().map_err(malformed)?);
        let checked = limits.locals(locals);
        checked.map_err(|limit| Refusal::limit(limit, Some(function), offset))?;
        reader.read::<ValType>().map_err(malformed)?;
    }
    Ok(())
}
