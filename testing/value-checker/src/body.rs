//! A function's body, read once: operators with their immediates, and where blocks end.

use pvf_verifier::wasm::{Module, Reader, ValType};

/// An operator.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// Offset in the module.
    pub offset: u32,
    /// The opcode; behind the prefix `fc` the number plus 256.
    pub code: u16,
    /// The first immediate: an index, an offset, a constant; of `br_table`, the first of its targets in
    /// [`Body::targets`].
    pub a: u64,
    /// The second immediate; of `br_table`, the number of targets with the last.
    pub b: u32,
    /// Of a block, the operator of its end; of an `if`, see also [`Body::others`].
    pub end: u32,
}

/// A body.
#[derive(Debug, Default)]
pub struct Body {
    /// The operators.
    pub ops: Vec<Op>,
    /// The depths that all `br_table`s name.
    pub targets: Vec<u32>,
    /// For each `if` with an `else`: the `if`, the `else`.
    pub others: Vec<(u32, u32)>,
    /// Types of parameters and locals.
    pub locals: Vec<ValType>,
    /// A block type is longer than necessary.
    shortened: bool,
}

impl Body {
    /// The `else` of an `if`.
    pub fn other(&self, op: u32) -> Option<u32> {
        let at = self.others.binary_search_by_key(&op, |it| it.0).ok()?;
        Some(self.others[at].1)
    }

    /// Reads the body of a function; says what it cannot read.
    pub fn read(module: &Module<'_>, function: u32) -> Result<Self, &'static str> {
        let range = module.body(function).ok_or("a function without a body")?;
        let ty = module
            .function_type(function)
            .ok_or("a function without a type")?;
        let mut reader = Reader::new(module.wasm(), range.start as usize, range.end as usize);
        let mut body = Self {
            locals: ty.params.clone(),
            ..Self::default()
        };
        body.read_from(&mut reader)
            .map_err(|_| "a body that cannot be read")?;
        // Sites name offsets in the body as a node shortens it.
        match body.shortened {
            false => Ok(body),
            true => Err("a body with block types that are longer than necessary"),
        }
    }

    fn read_from(&mut self, reader: &mut Reader<'_>) -> Result<(), pvf_verifier::Unreadable> {
        for _ in 0..reader.u32()? {
            let count = reader.u32()? as usize;
            let ty = match reader.byte()? {
                0x7f => ValType::I32,
                0x7e => ValType::I64,
                0x7d => ValType::F32,
                _ => ValType::F64,
            };
            if self.locals.len() + count > 100_000 {
                return Err(reader.error("fewer locals"));
            }
            self.locals.resize(self.locals.len() + count, ty);
        }
        let mut open: Vec<u32> = Vec::new();
        while !reader.at_end() {
            let offset = reader.offset();
            let code = match reader.byte()? {
                0xfc => 0x100 + (reader.u32()?.min(0x1000) as u16),
                code => code.into(),
            };
            let (mut a, mut b) = (0, 0);
            match code {
                0x02..=0x04 => {
                    let before = reader.excess;
                    a = reader.signed()? as u64;
                    self.shortened |= reader.excess > before;
                }
                0x0c | 0x0d | 0x10 | 0x20..=0x24 | 0x109 | 0x10d => a = reader.u32()?.into(),
                0x0e => {
                    let count = reader.u32()?;
                    (a, b) = (self.targets.len() as u64, count.saturating_add(1));
                    for _ in 0..=count {
                        self.targets.push(reader.u32()?);
                    }
                }
                0x11 | 0x108 | 0x10a | 0x10c | 0x10e => {
                    a = reader.u32()?.into();
                    b = reader.u32()?;
                }
                0x28..=0x3e => {
                    reader.u32()?;
                    a = reader.u32()?.into();
                }
                0x3f | 0x40 | 0x10b => {
                    reader.byte()?;
                }
                0x41 => a = (reader.signed()? as u32).into(),
                0x42 => a = reader.signed()? as u64,
                0x43 | 0x44 => {
                    for byte in 0..(if code == 0x43 { 4 } else { 8 }) {
                        a |= u64::from(reader.byte()?) << (8 * byte);
                    }
                }
                _ => {}
            }
            let index = self.ops.len() as u32;
            match code {
                0x02..=0x04 => open.push(index),
                0x05 => {
                    if let Some(&block) = open.last() {
                        self.others.push((block, index));
                    }
                }
                0x0b => {
                    if let Some(block) = open.pop() {
                        self.ops[block as usize].end = index;
                    }
                }
                _ => {}
            }
            self.ops.push(Op {
                offset,
                code,
                a,
                b,
                end: 0,
            });
        }
        self.others.sort_unstable();
        Ok(())
    }
}
