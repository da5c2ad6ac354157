//! The walk of pass 1 over the bytes of a body: each operator is read, validated, checked against the limits, metered
//! and given to [`Walk`].
//!
//! What is refused is only refused here. [`refusal`](super::refusal) says why.

use super::meters::Meters;
use super::operators::{
    FIRST_MEMORY, FIRST_NUMERIC, FIRST_SIGN_EXTENSION, MEMORY, MemoryOperator, NUMERIC, Numeric,
    SATURATING,
};
use super::reader::Reader;
use super::validator::{Operand, Validator};
use super::walk::Walk;
use super::{Locals, Refused};
use crate::abi::Builtin;
use crate::instruction::{BlockSignature, Instruction};
use crate::module::ParsedModule;
use crate::types::{FuncType, GlobalType, ValType};
use pvf_metering::{BlockKind, Instruction as Metered};
use pvf_rules::{Features, Limits};
use wasmparser::{BlockType, Operator};

/// The most targets of a `br_table`, the default not counted, that wasmparser reads.
const MOST_TARGETS: u32 = 7_654_321;

type Taken = Result<(), Refused>;

/// The walk over one body. Whether gas is counted is known when this is compiled, so that most bodies pay nothing for it.
pub(super) struct Pass<'p, 'm, const GAS: bool> {
    reader: Reader<'p>,
    validator: &'p mut Validator,
    walk: Walk<'p>,
    meters: Meters<'m>,
    module: &'m ParsedModule<'m>,
    signatures: &'m [FuncType],
    features: Features,
    limits: &'p Limits,
    /// The greatest operand height at a reachable point so far.
    highest: u32,
    /// Offset in the module of the operator that is taken.
    offset: u32,
}

impl<'p, 'm, const GAS: bool> Pass<'p, 'm, GAS> {
    /// Begins at the first operator of a body. The validator has begun the body, the meters too.
    pub fn new(
        reader: Reader<'p>,
        validator: &'p mut Validator,
        walk: Walk<'p>,
        meters: Meters<'m>,
        limits: &'p Limits,
    ) -> Self {
        let module = meters.module;
        Self {
            reader,
            validator,
            walk,
            meters,
            module,
            signatures: &module.info.signatures,
            features: module.info.features,
            limits,
            highest: 0,
            offset: 0,
        }
    }

    /// Takes all operators. Returns what the walk and the meters have found, and the greatest operand height at a reachable
    /// point.
    pub fn run(mut self) -> Result<(Walk<'p>, Meters<'m>, u32), Refused> {
        self.operators()?;
        Ok((self.walk, self.meters, self.highest))
    }

    fn operators(&mut self) -> Taken {
        loop {
            self.offset = self.reader.offset();
            let code = self.reader.byte()?;
            match code {
                code::LOCAL_GET => self.local_get()?,
                code::LOCAL_SET => self.local_set()?,
                code::LOCAL_TEE => self.local_tee()?,
                code::I32_CONST => {
                    let bits = self.reader.i32()? as u32;
                    self.constant(ValType::I32, bits.into(), Metered::I32Const)?;
                }
                code::I64_CONST => {
                    let bits = self.reader.i64()? as u64;
                    self.constant(ValType::I64, bits, Metered::I64Const)?;
                }
                code::F32_CONST => {
                    let bits = self.reader.f32()?;
                    self.constant(ValType::F32, bits.into(), Metered::F32Const)?;
                }
                code::F64_CONST => {
                    let bits = self.reader.f64()?;
                    self.constant(ValType::F64, bits, Metered::F64Const)?;
                }
                code::FIRST_MEMORY..=code::LAST_MEMORY => {
                    self.memory(&MEMORY[usize::from(code - FIRST_MEMORY)])?;
                }
                code::FIRST_NUMERIC..=code::LAST_NUMERIC => {
                    if code >= FIRST_SIGN_EXTENSION && !self.features.sign_extension {
                        return Err(Refused);
                    }
                    self.numeric(&NUMERIC[usize::from(code - FIRST_NUMERIC)])?;
                }
                code::END => {
                    if self.end()? {
                        return match self.reader.is_empty() {
                            true => Ok(()),
                            false => Err(Refused),
                        };
                    }
                }
                code => self.other(code)?,
            }
        }
    }

    /// Operators that are rarer.
    fn other(&mut self, code: u8) -> Taken {
        match code {
            code::UNREACHABLE => self.unreachable(),
            code::NOP => self.meter(&Operator::Nop),
            code::BLOCK => self.block(BlockKind::Block),
            code::LOOP => self.block(BlockKind::Loop),
            code::IF => self.block(BlockKind::If),
            code::ELSE => self.branch_else(),
            code::BR => self.branch(),
            code::BR_IF => self.branch_if(),
            code::BR_TABLE => self.branch_table(),
            code::RETURN => self.leave_function(),
            code::CALL => self.call(),
            code::CALL_INDIRECT => self.call_indirect(),
            code::DROP => {
                self.validator.pop_any()?;
                self.plain(Metered::Drop, 1, 0, Instruction::Drop)
            }
            code::SELECT => {
                self.validator.select()?;
                self.meter(&Operator::Select)?;
                self.walk.plain(Instruction::Select, self.offset);
                Ok(())
            }
            code::GLOBAL_GET => self.global_get(),
            code::GLOBAL_SET => self.global_set(),
            code::MEMORY_SIZE => {
                self.zero()?;
                self.require_memory()?;
                self.validator.push(Operand::I32);
                self.plain(Metered::MemorySize, 0, 1, Instruction::MemorySize)?;
                self.pushed()
            }
            code::MEMORY_GROW => {
                self.zero()?;
                self.require_memory()?;
                self.validator.replace(Operand::I32, Operand::I32)?;
                self.walk.calls_builtin();
                self.plain(Metered::MemoryGrow, 1, 1, Instruction::MemoryGrow)
            }
            code::PREFIX => self.prefixed(),
            _ => Err(Refused),
        }
    }

    /// The operators after the prefix.
    fn prefixed(&mut self) -> Taken {
        let number = self.reader.u32()?;
        match SATURATING.get(number as usize) {
            Some(numeric) if self.features.saturating_float_to_int => self.numeric(numeric),
            Some(_) => Err(Refused),
            None if self.features.bulk_memory => self.bulk(number),
            None => Err(Refused),
        }
    }

    fn bulk(&mut self, number: u32) -> Taken {
        let (builtin, metered) = match number {
            8 => (Builtin::MemoryInit, Metered::MemoryInit),
            9 => (Builtin::DataDrop, Metered::DataDrop),
            10 => (Builtin::MemoryCopy, Metered::MemoryCopy),
            11 => (Builtin::MemoryFill, Metered::MemoryFill),
            12 => (Builtin::TableInit, Metered::TableInit),
            13 => (Builtin::ElemDrop, Metered::ElemDrop),
            14 => (Builtin::TableCopy, Metered::TableCopy),
            _ => return Err(Refused),
        };
        let segment = match builtin {
            Builtin::MemoryInit | Builtin::DataDrop => self.segment(self.module.data_count)?,
            Builtin::TableInit | Builtin::ElemDrop => {
                let segments = self.module.info.element_segments.len() as u32;
                self.segment(Some(segments))?
            }
            _ => 0,
        };
        // The memories or tables: there is only the one of index 0.
        let places = match builtin {
            Builtin::MemoryCopy | Builtin::TableCopy => 2,
            Builtin::MemoryInit | Builtin::MemoryFill | Builtin::TableInit => 1,
            _ => 0,
        };
        for _ in 0..places {
            match self.reader.u32()? {
                0 => {}
                _ => return Err(Refused),
            }
        }
        if places == 0 {
            return self.plain(metered, 0, 0, Instruction::Builtin(builtin, segment));
        }
        match builtin {
            Builtin::TableInit | Builtin::TableCopy => self.require_table()?,
            _ => self.require_memory()?,
        }
        for _ in 0..3 {
            self.validator.pop(Operand::I32)?;
        }
        self.plain(metered, 3, 0, Instruction::Builtin(builtin, segment))
    }

    /// The index of a segment, of so many.
    fn segment(&mut self, count: Option<u32>) -> Result<u32, Refused> {
        let segment = self.reader.u32()?;
        match count {
            Some(count) if segment < count => Ok(segment),
            _ => Err(Refused),
        }
    }

    /// A byte that is zero: the index of the only memory or table where no longer encoding is accepted.
    fn zero(&mut self) -> Taken {
        match self.reader.byte()? {
            0 => Ok(()),
            _ => Err(Refused),
        }
    }

    fn require_memory(&self) -> Taken {
        self.module.info.memory.map(drop).ok_or(Refused)
    }

    fn require_table(&self) -> Taken {
        self.module.info.table.map(drop).ok_or(Refused)
    }

    /// Meters an operator.
    #[inline(always)]
    fn meter(&mut self, operator: &Operator<'_>) -> Taken {
        let metered = self.meters.operator::<GAS>(self.offset.into(), operator);
        metered.map_err(|_| Refused)?;
        self.charge();
        Ok(())
    }

    /// A metered block may begin with the operator that has just been metered.
    #[inline(always)]
    fn charge(&mut self) {
        if GAS && let Some(block) = self.meters.begun() {
            self.walk.charge(block, self.offset);
        }
    }

    /// Meters an operator that has been validated, and gives it to the walk, for which it is nothing but this
    /// instruction.
    #[inline(always)]
    fn plain(
        &mut self,
        metered: Metered,
        pops: u32,
        pushes: u32,
        instruction: Instruction,
    ) -> Taken {
        self.meter_plain(metered, pops, pushes)?;
        if matches!(instruction, Instruction::Builtin(..)) {
            self.walk.calls_builtin();
        }
        self.walk.plain(instruction, self.offset);
        Ok(())
    }

    #[inline(always)]
    fn meter_plain(&mut self, metered: Metered, pops: u32, pushes: u32) -> Taken {
        let offset = self.offset.into();
        let metered = self.meters.plain::<GAS>(offset, metered, pops, pushes);
        metered.map_err(|_| Refused)?;
        self.charge();
        Ok(())
    }

    /// Something was pushed, or the point after the operator can be reached and that before it could not.
    ///
    /// An operator that leaves at most as many operands as it finds needs no look: the height after it has been
    /// compared before.
    #[inline(always)]
    fn pushed(&mut self) -> Taken {
        match self.validator.height() > self.highest {
            true => self.higher(),
            false => Ok(()),
        }
    }

    #[cold]
    fn higher(&mut self) -> Taken {
        self.validator.check_height()?;
        if self.walk.reachable() {
            self.highest = self.validator.height();
        }
        Ok(())
    }

    #[inline(always)]
    fn numeric(&mut self, numeric: &Numeric) -> Taken {
        self.validator.numeric(numeric.operands, numeric.result)?;
        let pops = numeric.operands.count();
        self.meter_plain(numeric.metered, pops, 1)?;
        self.walk
            .numeric(numeric.instruction, numeric.truncates, self.offset);
        Ok(())
    }

    #[inline(always)]
    fn memory(&mut self, operator: &MemoryOperator) -> Taken {
        let alignment = self.reader.u32()?;
        let offset = self.reader.u32()?;
        if alignment > operator.alignment.into() {
            return Err(Refused);
        }
        self.require_memory()?;
        let ty = Operand::of(operator.ty);
        if operator.stores {
            self.validator.pop(ty)?;
            self.validator.pop(Operand::I32)?;
            self.meter_plain(operator.metered, 2, 0)?;
        } else {
            self.validator.replace(Operand::I32, ty)?;
            self.meter_plain(operator.metered, 1, 1)?;
        }
        self.walk.plain(operator.instruction(offset), self.offset);
        Ok(())
    }

    #[inline(always)]
    fn constant(&mut self, ty: ValType, bits: u64, metered: Metered) -> Taken {
        self.validator.push(Operand::of(ty));
        self.meter_plain(metered, 0, 1)?;
        self.walk.constant(ty, bits, self.offset);
        self.pushed()
    }

    /// The index of a local, and its type.
    #[inline(always)]
    fn local(&mut self) -> Result<(u32, Operand), Refused> {
        let local = self.reader.u32()?;
        let ty = self.locals().get(local).ok_or(Refused)?;
        Ok((local, Operand::of(ty)))
    }

    #[inline(always)]
    fn locals(&self) -> &Locals {
        self.walk.locals()
    }

    #[inline(always)]
    fn local_get(&mut self) -> Taken {
        let (local, ty) = self.local()?;
        self.validator.push(ty);
        self.meter_plain(Metered::LocalGet, 0, 1)?;
        self.walk.local_get(local, self.offset);
        self.pushed()
    }

    #[inline(always)]
    fn local_set(&mut self) -> Taken {
        let (local, ty) = self.local()?;
        self.validator.pop(ty)?;
        self.meter_plain(Metered::LocalSet, 1, 0)?;
        self.walk.local_set(local, self.offset);
        Ok(())
    }

    #[inline(always)]
    fn local_tee(&mut self) -> Taken {
        let (local, ty) = self.local()?;
        self.validator.replace(ty, ty)?;
        self.meter_plain(Metered::LocalTee, 1, 1)?;
        self.walk.local_tee(local, self.offset);
        Ok(())
    }

    /// The index of a global, and its type.
    fn global(&mut self) -> Result<(u32, GlobalType), Refused> {
        let index = self.reader.u32()?;
        match self.module.global_type(index) {
            Some(ty) => Ok((index, ty)),
            None => Err(Refused),
        }
    }

    fn global_get(&mut self) -> Taken {
        let (global, ty) = self.global()?;
        self.validator.push(Operand::of(ty.value));
        self.meter_plain(Metered::GlobalGet, 0, 1)?;
        self.walk
            .global(global, Instruction::GlobalGet(global), self.offset);
        self.pushed()
    }

    fn global_set(&mut self) -> Taken {
        let (global, ty) = self.global()?;
        if !ty.mutable {
            return Err(Refused);
        }
        self.validator.pop(Operand::of(ty.value))?;
        self.meter_plain(Metered::GlobalSet, 1, 0)?;
        self.walk
            .global(global, Instruction::GlobalSet(global), self.offset);
        Ok(())
    }

    /// The type of a block.
    fn block_type(&mut self) -> Result<(BlockType, BlockSignature), Refused> {
        let ty = match self.reader.byte()? {
            0x40 => return Ok((BlockType::Empty, BlockSignature::EMPTY)),
            0x7f => ValType::I32,
            0x7e => ValType::I64,
            0x7d => ValType::F32,
            0x7c => ValType::F64,
            first if self.features.multi_value => {
                let index = self.reader.type_index(first)?;
                let signature = self.module.type_signatures.get(index as usize);
                let signature = BlockSignature::interned(*signature.ok_or(Refused)?);
                return Ok((BlockType::FuncType(index), signature));
            }
            _ => return Err(Refused),
        };
        // To the meters, all types are one operand.
        let one = BlockType::Type(wasmparser::ValType::I32);
        Ok((one, BlockSignature::result(ty)))
    }

    fn block(&mut self, kind: BlockKind) -> Taken {
        let (blockty, signature) = self.block_type()?;
        if kind == BlockKind::If {
            self.validator.pop(Operand::I32)?;
        }
        self.validator.enter(kind, signature, self.signatures)?;
        let nesting = self.validator.nesting();
        self.limits.nesting(nesting).map_err(|_| Refused)?;
        let operator = match kind {
            BlockKind::Loop => Operator::Loop { blockty },
            BlockKind::If => Operator::If { blockty },
            BlockKind::Block | BlockKind::Else => Operator::Block { blockty },
        };
        self.meter(&operator)?;
        self.walk.enter(kind, signature, self.offset);
        self.pushed()
    }

    fn branch_else(&mut self) -> Taken {
        self.validator.enter_else(self.signatures)?;
        self.meter(&Operator::Else)?;
        self.walk.enter_else(self.offset);
        self.pushed()
    }

    /// Returns whether the body ends.
    fn end(&mut self) -> Result<bool, Refused> {
        let last = self.validator.leave(self.signatures)?;
        self.meter(&Operator::End)?;
        self.walk.leave(self.offset);
        self.pushed()?;
        Ok(last)
    }

    fn unreachable(&mut self) -> Taken {
        self.validator.stop();
        self.meter(&Operator::Unreachable)?;
        self.walk.unreachable(self.offset);
        Ok(())
    }

    fn branch(&mut self) -> Taken {
        let relative_depth = self.reader.u32()?;
        self.validator.branch(relative_depth, self.signatures)?;
        self.meter(&Operator::Br { relative_depth })?;
        self.walk.branch(relative_depth, self.offset);
        Ok(())
    }

    fn branch_if(&mut self) -> Taken {
        let relative_depth = self.reader.u32()?;
        self.validator.pop(Operand::I32)?;
        self.validator.branch_if(relative_depth, self.signatures)?;
        self.meter(&Operator::BrIf { relative_depth })?;
        self.walk.branch_if(relative_depth, self.offset);
        // Operands of unreachable code may have appeared.
        self.pushed()
    }

    fn branch_table(&mut self) -> Taken {
        let count = self.reader.u32()?;
        if count > MOST_TARGETS {
            return Err(Refused);
        }
        let targets = self.reader.clone();
        for _ in 0..count {
            self.reader.u32()?;
        }
        let default = self.reader.u32()?;
        // They have been read once.
        let others = || {
            let mut targets = targets.clone();
            (0..count).map_while(move |_| targets.u32().ok())
        };
        self.validator.pop(Operand::I32)?;
        self.validator
            .branch_table(default, others(), self.signatures)?;
        let checked = self.limits.br_table_targets(count.into());
        checked.map_err(|_| Refused)?;
        let metered = self
            .meters
            .branch_table(self.offset.into(), default, others);
        metered.map_err(|_| Refused)?;
        self.charge();
        self.walk
            .branch_table(others().chain([default]), self.offset);
        Ok(())
    }

    fn leave_function(&mut self) -> Taken {
        self.validator.leave_function(self.signatures)?;
        self.meter(&Operator::Return)?;
        self.walk.leave_function(self.offset);
        Ok(())
    }

    fn call(&mut self) -> Taken {
        let function_index = self.reader.u32()?;
        let ty = self.module.info.function_type(function_index);
        self.validator.call(ty.ok_or(Refused)?)?;
        self.meter(&Operator::Call { function_index })?;
        self.walk
            .call(Instruction::Call(function_index), self.offset);
        self.pushed()
    }

    fn call_indirect(&mut self) -> Taken {
        let type_index = self.reader.u32()?;
        self.zero()?;
        self.require_table()?;
        let signature = self.module.type_signatures.get(type_index as usize);
        let signature = *signature.ok_or(Refused)?;
        let ty = self.signatures.get(signature as usize).ok_or(Refused)?;
        self.validator.pop(Operand::I32)?;
        self.validator.call(ty)?;
        let table_index = 0;
        self.meter(&Operator::CallIndirect {
            type_index,
            table_index,
        })?;
        self.walk
            .call(Instruction::CallIndirect(signature), self.offset);
        self.pushed()
    }
}

/// The codes of operators.
mod code {
    pub const UNREACHABLE: u8 = 0x00;
    pub const NOP: u8 = 0x01;
    pub const BLOCK: u8 = 0x02;
    pub const LOOP: u8 = 0x03;
    pub const IF: u8 = 0x04;
    pub const ELSE: u8 = 0x05;
    pub const END: u8 = 0x0b;
    pub const BR: u8 = 0x0c;
    pub const BR_IF: u8 = 0x0d;
    pub const BR_TABLE: u8 = 0x0e;
    pub const RETURN: u8 = 0x0f;
    pub const CALL: u8 = 0x10;
    pub const CALL_INDIRECT: u8 = 0x11;
    pub const DROP: u8 = 0x1a;
    pub const SELECT: u8 = 0x1b;
    pub const LOCAL_GET: u8 = 0x20;
    pub const LOCAL_SET: u8 = 0x21;
    pub const LOCAL_TEE: u8 = 0x22;
    pub const GLOBAL_GET: u8 = 0x23;
    pub const GLOBAL_SET: u8 = 0x24;
    pub const FIRST_MEMORY: u8 = super::FIRST_MEMORY;
    pub const LAST_MEMORY: u8 = FIRST_MEMORY + (super::MEMORY.len() - 1) as u8;
    pub const MEMORY_SIZE: u8 = 0x3f;
    pub const MEMORY_GROW: u8 = 0x40;
    pub const I32_CONST: u8 = 0x41;
    pub const I64_CONST: u8 = 0x42;
    pub const F32_CONST: u8 = 0x43;
    pub const F64_CONST: u8 = 0x44;
    pub const FIRST_NUMERIC: u8 = super::FIRST_NUMERIC;
    pub const LAST_NUMERIC: u8 = FIRST_NUMERIC + (super::NUMERIC.len() - 1) as u8;
    pub const PREFIX: u8 = 0xfc;

    const _: () = assert!(LAST_MEMORY + 1 == MEMORY_SIZE && LAST_NUMERIC == 0xc4);
}
