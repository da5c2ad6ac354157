//! The declarations of a module.

use super::reader::Reader;
use crate::{Unreadable, layout};
use std::collections::HashMap;
use std::ops::Range;

/// A number type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
}

impl ValType {
    /// Whether it is an integer.
    pub const fn is_integer(self) -> bool {
        matches!(self, Self::I32 | Self::I64)
    }

    /// Whether it has 64 bits.
    pub const fn is_wide(self) -> bool {
        matches!(self, Self::I64 | Self::F64)
    }
}

/// The parameters and results of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FuncType {
    /// Types of the parameters.
    pub params: Vec<ValType>,
    /// Types of the results.
    pub results: Vec<ValType>,
}

impl FuncType {
    /// Bytes of slots in the caller's frame that a callee of this type may access.
    pub fn slot_bytes(&self) -> u64 {
        self.params.len().max(self.results.len()) as u64 * u64::from(layout::SLOT_BYTES)
    }

    /// Whether imported functions of this type are called as C functions.
    pub fn is_plain(&self) -> bool {
        let mut values = self.params.iter().chain(&self.results);
        self.params.len() <= layout::PLAIN_PARAMS
            && self.results.len() <= 1
            && values.all(|ty| ty.is_integer())
    }
}

/// A global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Global {
    /// Its type.
    pub ty: ValType,
    /// Whether code may write it.
    pub mutable: bool,
}

/// The declarations of a module, from another source than the module itself.
#[derive(Clone, Debug, Default)]
pub struct Declarations {
    /// The distinct types.
    pub signatures: Vec<FuncType>,
    /// The signature of each function, imported functions first.
    pub functions: Vec<u32>,
    /// Number of imported functions.
    pub imported_functions: u32,
    /// The globals, imported ones first.
    pub globals: Vec<Global>,
    /// Number of table entries; `None` without a table.
    pub table: Option<u32>,
    /// Whether there is a memory.
    pub memory: bool,
    /// For each signature, whether the host enters functions of it.
    pub entered: Vec<bool>,
}

/// A module without its bodies.
#[derive(Clone, Debug)]
pub struct Module<'a> {
    wasm: &'a [u8],
    /// Whether the module's bodies are known.
    has_bodies: bool,
    /// The distinct types.
    pub signatures: Vec<FuncType>,
    /// For each entry of the type section, the index of its type in `signatures`.
    pub type_signatures: Vec<u32>,
    /// The signature of each function, imported functions first.
    pub functions: Vec<u32>,
    /// Number of imported functions.
    pub imported_functions: u32,
    /// The globals, imported ones first.
    pub globals: Vec<Global>,
    /// Number of table entries; `None` without a table.
    pub table: Option<u32>,
    /// Whether there is a memory.
    pub memory: bool,
    /// For each signature, whether the host enters functions of it.
    pub entered: Vec<bool>,
    /// The position of each body in the module.
    bodies: Vec<Range<u32>>,
}

const MAGIC: &[u8] = b"\0asm\x01\0\0\0";

impl<'a> Module<'a> {
    /// Reads the declarations.
    ///
    /// # Errors
    /// The position at which the bytes are not a module. The module is not validated.
    pub fn read(wasm: &'a [u8]) -> Result<Self, Unreadable> {
        let mut module = Self {
            wasm,
            has_bodies: true,
            signatures: Vec::new(),
            type_signatures: Vec::new(),
            functions: Vec::new(),
            imported_functions: 0,
            globals: Vec::new(),
            table: None,
            memory: false,
            entered: Vec::new(),
            bodies: Vec::new(),
        };
        let mut reader = Reader::new(wasm, MAGIC.len(), wasm.len());
        if !wasm.starts_with(MAGIC) || u32::try_from(wasm.len()).is_err() {
            return Err(reader.error("a module"));
        }
        let mut entered = Vec::new();
        while !reader.at_end() {
            let id = reader.byte()?;
            let bytes = reader.u32()? as usize;
            let start = reader.offset() as usize;
            reader.skip(bytes)?;
            let mut section = Reader::new(wasm, start, start + bytes);
            match id {
                1 => module.types(&mut section)?,
                2 => module.imports(&mut section)?,
                3 => module.functions(&mut section)?,
                4 => module.tables(&mut section)?,
                5 => module.memory |= section.u32()? > 0,
                6 => module.globals(&mut section)?,
                7 => module.exports(&mut section, &mut entered)?,
                8 => entered.push(section.u32()?),
                10 => module.code(&mut section)?,
                _ => {}
            }
        }
        module.entered = vec![false; module.signatures.len()];
        for function in entered {
            let entered = module.functions.get(function as usize);
            let signature = entered.copied().unwrap_or(u32::MAX) as usize;
            match module.entered.get_mut(signature) {
                Some(entered) => *entered = true,
                None => return Err(reader.error("a function that is exported or started with")),
            }
        }
        let defined = module.functions.len() - module.imported_functions as usize;
        match defined == module.bodies.len() {
            true => Ok(module),
            false => Err(reader.error("a body for each function")),
        }
    }

    /// A module whose bodies are unknown. Machine code that is checked against it keeps to its declarations; whether
    /// frames, costs, charges and traps are those of the bodies is not checked.
    ///
    /// # Errors
    /// The declarations refer to a signature that does not exist.
    pub fn declared(declarations: Declarations) -> Result<Self, Unreadable> {
        let known = |&signature: &u32| (signature as usize) < declarations.signatures.len();
        if !declarations.functions.iter().all(known)
            || declarations.entered.len() != declarations.signatures.len()
            || declarations.imported_functions as usize > declarations.functions.len()
        {
            return Err(Unreadable {
                offset: 0,
                what: "declarations that agree with each other",
            });
        }
        Ok(Self {
            wasm: &[],
            has_bodies: false,
            signatures: declarations.signatures,
            type_signatures: Vec::new(),
            functions: declarations.functions,
            imported_functions: declarations.imported_functions,
            globals: declarations.globals,
            table: declarations.table,
            memory: declarations.memory,
            entered: declarations.entered,
            bodies: Vec::new(),
        })
    }

    /// Whether the module's bodies are known.
    pub const fn has_bodies(&self) -> bool {
        self.has_bodies
    }

    /// The bytes that the module was read from.
    pub fn wasm(&self) -> &'a [u8] {
        self.wasm
    }

    /// The type of a function; indices include imported functions.
    pub fn function_type(&self, function: u32) -> Option<&FuncType> {
        let signature = *self.functions.get(function as usize)?;
        self.signatures.get(signature as usize)
    }

    /// The signature of an entry of the type section.
    pub fn type_entry(&self, index: u32) -> Option<&FuncType> {
        let signature = *self.type_signatures.get(index as usize)?;
        self.signatures.get(signature as usize)
    }

    /// The position of a function's body in the module.
    pub fn body(&self, function: u32) -> Option<Range<u32>> {
        let defined = function.checked_sub(self.imported_functions)?;
        self.bodies.get(defined as usize).cloned()
    }

    fn types(&mut self, section: &mut Reader<'_>) -> Result<(), Unreadable> {
        let mut interned = HashMap::new();
        for _ in 0..section.u32()? {
            if section.byte()? != 0x60 {
                return Err(section.error("a function type"));
            }
            let params = values(section)?;
            let results = values(section)?;
            let ty = FuncType { params, results };
            let next = self.signatures.len() as u32;
            let signature = *interned.entry(ty.clone()).or_insert(next);
            if signature == next {
                self.signatures.push(ty);
            }
            self.type_signatures.push(signature);
        }
        Ok(())
    }

    fn signature(&self, section: &mut Reader<'_>) -> Result<u32, Unreadable> {
        let ty = section.u32()?;
        let signature = self.type_signatures.get(ty as usize).copied();
        signature.ok_or_else(|| section.error("the index of a type"))
    }

    fn imports(&mut self, section: &mut Reader<'_>) -> Result<(), Unreadable> {
        for _ in 0..section.u32()? {
            name(section)?;
            name(section)?;
            match section.byte()? {
                0 => {
                    let signature = self.signature(section)?;
                    self.functions.push(signature);
                    self.imported_functions += 1;
                }
                1 => self.table(section)?,
                2 => {
                    limits(section)?;
                    self.memory = true;
                }
                3 => self.global(section)?,
                _ => return Err(section.error("a kind of import")),
            }
        }
        Ok(())
    }

    fn functions(&mut self, section: &mut Reader<'_>) -> Result<(), Unreadable> {
        for _ in 0..section.u32()? {
            let signature = self.signature(section)?;
            self.functions.push(signature);
        }
        Ok(())
    }

    fn table(&mut self, section: &mut Reader<'_>) -> Result<(), Unreadable> {
        if section.byte()? != 0x70 {
            return Err(section.error("a table of functions"));
        }
        self.table = Some(limits(section)?);
        Ok(())
    }

    fn tables(&mut self, section: &mut Reader<'_>) -> Result<(), Unreadable> {
        for _ in 0..section.u32()? {
            self.table(section)?;
        }
        Ok(())
    }

    fn global(&mut self, section: &mut Reader<'_>) -> Result<(), Unreadable> {
        let ty = value(section)?;
        let mutable = section.byte()? != 0;
        self.globals.push(Global { ty, mutable });
        Ok(())
    }

    fn globals(&mut self, section: &mut Reader<'_>) -> Result<(), Unreadable> {
        for _ in 0..section.u32()? {
            self.global(section)?;
            constant(section)?;
        }
        Ok(())
    }

    fn exports(
        &mut self,
        section: &mut Reader<'_>,
        entered: &mut Vec<u32>,
    ) -> Result<(), Unreadable> {
        for _ in 0..section.u32()? {
            name(section)?;
            let kind = section.byte()?;
            let index = section.u32()?;
            if kind == 0 {
                entered.push(index);
            }
        }
        Ok(())
    }

    fn code(&mut self, section: &mut Reader<'_>) -> Result<(), Unreadable> {
        for _ in 0..section.u32()? {
            let bytes = section.u32()?;
            let start = section.offset();
            section.skip(bytes as usize)?;
            self.bodies.push(start..section.offset());
        }
        Ok(())
    }
}

fn name(section: &mut Reader<'_>) -> Result<(), Unreadable> {
    let bytes = section.u32()?;
    section.skip(bytes as usize)
}

pub(super) fn value(section: &mut Reader<'_>) -> Result<ValType, Unreadable> {
    match section.byte()? {
        0x7f => Ok(ValType::I32),
        0x7e => Ok(ValType::I64),
        0x7d => Ok(ValType::F32),
        0x7c => Ok(ValType::F64),
        _ => Err(section.error("a number type")),
    }
}

fn values(section: &mut Reader<'_>) -> Result<Vec<ValType>, Unreadable> {
    (0..section.u32()?).map(|_| value(section)).collect()
}

/// The minimum of the limits.
fn limits(section: &mut Reader<'_>) -> Result<u32, Unreadable> {
    let flags = section.byte()?;
    let minimum = section.u32()?;
    if flags & 1 != 0 {
        section.u32()?;
    }
    Ok(minimum)
}

/// Skips a constant expression.
fn constant(section: &mut Reader<'_>) -> Result<(), Unreadable> {
    loop {
        match section.byte()? {
            0x0b => return Ok(()),
            0x23 => {
                section.u32()?;
            }
            0x41 | 0x42 => {
                section.signed()?;
            }
            0x43 => section.skip(4)?,
            0x44 => section.skip(8)?,
            _ => return Err(section.error("a constant expression")),
        }
    }
}
