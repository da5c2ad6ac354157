//! A PolkaVM program from an artifact's code, and the way back from its places to the code's.
//!
//! PolkaVM names jump targets by basic block, and return addresses by entries of the program's jump table. So the code is
//! read twice: first to find the places that something refers to, then to write instructions, with a `fallthrough`
//! before each such place that control also reaches from above. The work is linear in the code, but for the layout,
//! which is that of `polkavm-common`.

use crate::allocator::{Allocator, routines};
use crate::layout::{ISA, lay_out};
use crate::opcodes;
use polkavm_common::program::{
    BLOB_LEN_OFFSET, BLOB_LEN_SIZE, BlobLen, Instruction as Machine, Reg,
    SECTION_CODE_AND_JUMP_TABLE, SECTION_END_OF_FILE, asm,
};
use polkavm_common::writer::{ProgramBlobBuilder, Writer as Bytes};
use pvf_assembler::polkavm::{Base, Instruction, decode};
use pvf_compiler::ModuleInfo;
use pvf_compiler::abi::BUILTIN_FLAG;
use pvf_compiler::abi::polkavm::CONTEXT;
use pvf_compiler::artifact::ImportKind;
use std::borrow::Cow;
use std::collections::HashMap;

/// The most bytes of code of a program, by PolkaVM's rules.
const MOST_CODE_BYTES: usize = 32 << 20;
/// The most imports of a program, by PolkaVM's rules.
const MOST_IMPORTS: usize = 1024;
/// The most entries of a jump table, by PolkaVM's rules.
const MOST_JUMPS: usize = 16 << 20;

/// Why there is no program for an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramError {
    /// PolkaVM has a limit that the module exceeds.
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// How much there can be.
        most: u64,
    },
    /// The code is not the compiler's.
    BadCode {
        /// Offset in the artifact's code.
        offset: u32,
    },
    /// The writer of programs failed.
    Writer(String),
}

impl std::fmt::Display for ProgramError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLarge { what, found, most } => {
                write!(
                    f,
                    "PolkaVM has at most {most} {what}, the module needs {found}"
                )
            }
            Self::BadCode { offset } => {
                write!(
                    f,
                    "the code at {offset:#x} is not an instruction for PolkaVM"
                )
            }
            Self::Writer(message) => write!(f, "the program cannot be written: {message}"),
        }
    }
}

impl std::error::Error for ProgramError {}

/// Sizes that a program fixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Address of linear memory.
    pub memory_base: u32,
    /// Bytes of linear memory at the start.
    pub memory_bytes: u32,
    /// Bytes of the stack.
    pub stack_bytes: u32,
    /// Address of the allocator's state.
    pub allocator_state: u32,
}

/// A program with its places.
pub(crate) struct Program {
    pub blob: Vec<u8>,
    /// Offsets in the program and in the artifact's code of all instructions, ascending.
    places: Vec<(u32, u32)>,
    /// The offset in the program of each function.
    pub entries: Vec<u32>,
    /// The code address of each function, for tables.
    pub addresses: Vec<u32>,
    /// The offset in the artifact's code behind each entry of the jump table.
    jumps: Vec<u32>,
}

impl Program {
    /// The offset in the artifact's code of the instruction at this offset in the program.
    pub fn code_offset(&self, program_offset: u32) -> Option<u32> {
        let at = self
            .places
            .binary_search_by_key(&program_offset, |place| place.0);
        at.ok().map(|at| self.places[at].1)
    }

    /// The offset in the artifact's code that a code address stands for.
    pub fn code_offset_of_address(&self, address: u64) -> Option<u32> {
        let entry = usize::try_from(address / 2).ok()?.checked_sub(1)?;
        self.jumps.get(entry).copied()
    }
}

/// The services of code beyond the imported functions: an import of the program each.
fn service_import(info: &ModuleInfo, service: u32) -> Option<u32> {
    match service.checked_sub(BUILTIN_FLAG) {
        None => (service < info.imported_functions).then_some(service),
        Some(number) => Some(info.imported_functions + number),
    }
}

/// The number that [`service_import`] gave a service.
pub(crate) fn service_of_import(info: &ModuleInfo, import: u32) -> u32 {
    match import.checked_sub(info.imported_functions) {
        None => import,
        Some(number) => BUILTIN_FLAG | number,
    }
}

/// One instruction of the code.
#[derive(Clone, Copy)]
struct Placed {
    offset: u32,
    instruction: Instruction,
}

/// Marks an offset at which no instruction starts.
const NOTHING: u32 = u32::MAX;

/// The code, decoded.
struct Decoded {
    all: Vec<Placed>,
    /// For each offset, the index of the instruction that starts there.
    at: Vec<u32>,
    /// Services that routines of the program do, by the index of the first instruction of each.
    routines: HashMap<u32, usize>,
}

impl Decoded {
    fn new(code: &[u8]) -> Result<Self, ProgramError> {
        let mut all = Vec::with_capacity(code.len() / 5);
        let mut at = vec![NOTHING; code.len()];
        let mut offset = 0;
        while offset < code.len() {
            let (instruction, bytes) = decode(&code[offset..]).ok_or(ProgramError::BadCode {
                offset: offset as u32,
            })?;
            at[offset] = all.len() as u32;
            all.push(Placed {
                offset: offset as u32,
                instruction,
            });
            offset += bytes;
        }
        Ok(Self {
            all,
            at,
            routines: HashMap::new(),
        })
    }

    /// The index of the instruction at this offset.
    fn index(&self, offset: u32) -> Result<usize, ProgramError> {
        match self.at.get(offset as usize) {
            Some(&index) if index != NOTHING => Ok(index as usize),
            _ => Err(ProgramError::BadCode { offset }),
        }
    }

    /// The index of the instruction at this distance from another one.
    fn target(&self, from: Placed, distance: i32) -> Result<usize, ProgramError> {
        self.index(from.offset.wrapping_add(distance as u32))
    }

    /// What a call of this place leads to.
    fn callee(&self, index: usize) -> Callee {
        let Instruction::HostCall(service) = self.all[index].instruction else {
            return Callee::Code(index);
        };
        match self.routines.get(&service) {
            Some(&routine) => Callee::Code(routine),
            None => Callee::Host(service),
        }
    }
}

/// What a call leads to.
enum Callee {
    /// The instruction with this index.
    Code(usize),
    /// This service, whose stub need not be called.
    Host(u32),
}

/// Appends the routines of the allocator to the code.
fn with_allocator<'c>(
    code: &'c [u8],
    allocator: &Allocator,
    sizes: Sizes,
) -> (Cow<'c, [u8]>, Vec<(u32, u32)>) {
    let (Some(&malloc), Some(&free)) = (allocator.malloc.first(), allocator.free.first()) else {
        return (Cow::Borrowed(code), Vec::new());
    };
    let (routines, malloc_at, free_at) = routines(sizes.allocator_state, malloc, free);
    let start = code.len() as u32;
    let malloc = allocator.malloc.iter().map(|&it| (it, start + malloc_at));
    let free = allocator.free.iter().map(|&it| (it, start + free_at));
    let places = malloc.chain(free).collect();
    (Cow::Owned([code, &routines].concat()), places)
}

/// Makes a program of an artifact's code.
pub(crate) fn build(
    info: &ModuleInfo,
    code: &[u8],
    sizes: Sizes,
    allocator: &Allocator,
) -> Result<Program, ProgramError> {
    let (code, routines) = with_allocator(code, allocator, sizes);
    let mut decoded = Decoded::new(&code)?;
    for (service, offset) in routines {
        let index = decoded.index(offset)?;
        decoded.routines.insert(service, index);
    }
    let blocks = Blocks::find(info, &decoded)?;
    let mut writer = Writer {
        info,
        decoded: &decoded,
        blocks: &blocks,
        memory_base: sizes.memory_base,
        code: Vec::with_capacity(decoded.all.len() + 16),
        offsets: Vec::with_capacity(decoded.all.len() + 16),
        jumps: Vec::new(),
        jump_offsets: Vec::new(),
    };
    writer.write_all()?;
    let mut addresses = Vec::with_capacity(info.functions.len());
    let mut entry_numbers = Vec::with_capacity(info.functions.len());
    for function in &info.functions {
        let index = decoded.index(function.code_offset)?;
        addresses.push(writer.jump_to(index));
        entry_numbers.push(blocks.number[index]);
    }
    at_most("entries of the jump table", writer.jumps.len(), MOST_JUMPS)?;
    let layout = lay_out(&writer.code, &blocks.starts);
    at_most("bytes of code", layout.code.len(), MOST_CODE_BYTES)?;
    // A jump may lie behind what was filled before it; its block begins before that.
    let start = |block: u32| layout.starts[blocks.starts[block as usize] as usize];
    let entries = entry_numbers.into_iter().map(start).collect();
    let jumps: Vec<u32> = writer.jumps.iter().map(|&block| start(block)).collect();
    let blob = container(&layout.code, &jumps, sizes, &import_names(info)?)?;
    let places = layout.positions.into_iter().zip(writer.offsets).collect();
    Ok(Program {
        blob,
        places,
        entries,
        addresses,
        jumps: writer.jump_offsets,
    })
}

fn at_most(what: &'static str, found: usize, most: usize) -> Result<(), ProgramError> {
    match found <= most {
        true => Ok(()),
        false => Err(ProgramError::TooLarge {
            what,
            found: found as u64,
            most: most as u64,
        }),
    }
}

/// The imported functions, then the services of the engine, by the numbers of [`service_import`].
fn import_names(info: &ModuleInfo) -> Result<Vec<String>, ProgramError> {
    /// One more than the number of the last service.
    const SERVICES: u32 = 0x10 + 2 * pvf_compiler::abi::polkavm::FloatOperation::ALL.len() as u32;
    let imports = info.imported_functions as usize + SERVICES as usize;
    at_most("imports", imports, MOST_IMPORTS)?;
    let mut names = Vec::with_capacity(imports);
    for import in &info.imports {
        if let ImportKind::Function(_) = import.kind {
            names.push(format!("{}.{}", import.module, import.name));
        }
    }
    names.extend((0..SERVICES).map(|service| format!("engine.{service}")));
    Ok(names)
}

/// The program's file. All but the code and the jump table is written by `polkavm-common`, around a code of one
/// instruction.
fn container(
    code: &[u8],
    jumps: &[u32],
    sizes: Sizes,
    imports: &[String],
) -> Result<Vec<u8>, ProgramError> {
    let mut builder = ProgramBlobBuilder::new(ISA);
    builder.set_stack_size(sizes.stack_bytes);
    builder.set_rw_data_size(sizes.memory_base - CONTEXT + sizes.memory_bytes);
    for name in imports {
        builder.add_import(name.as_bytes());
    }
    builder.set_code(&[asm::trap()], &[]);
    let mut blob = builder.into_vec().map_err(ProgramError::Writer)?;
    // The section of code is the last: its kind, its length, no jumps of no bytes, a trap; then the end of the file.
    const TRAP: u8 = 0;
    let ending = [
        SECTION_CODE_AND_JUMP_TABLE,
        3,
        0,
        0,
        TRAP,
        SECTION_END_OF_FILE,
    ];
    if !blob.ends_with(&ending) {
        return Err(ProgramError::Writer(
            "an unexpected order of sections".into(),
        ));
    }
    blob.truncate(blob.len() - ending.len());
    let bytes_of = |jump: u32| 4 - jump.leading_zeros() as usize / 8;
    let entry_bytes = jumps.iter().copied().map(bytes_of).max().unwrap_or(0);
    let mut section = Vec::with_capacity(code.len() + jumps.len() * entry_bytes + 8);
    let mut writer = Bytes::new(&mut section);
    writer.push_varint(jumps.len() as u32);
    writer.push_byte(entry_bytes as u8);
    for jump in jumps {
        writer.push_raw_bytes(&jump.to_le_bytes()[..entry_bytes]);
    }
    writer.push_raw_bytes(code);
    let mut writer = Bytes::new(&mut blob);
    writer.push_byte(SECTION_CODE_AND_JUMP_TABLE);
    writer.push_bytes_with_length(&section);
    writer.push_byte(SECTION_END_OF_FILE);
    let length = (blob.len() as BlobLen).to_le_bytes();
    blob[BLOB_LEN_OFFSET..BLOB_LEN_OFFSET + BLOB_LEN_SIZE].copy_from_slice(&length);
    Ok(blob)
}

/// The basic blocks of the program.
struct Blocks {
    /// For each instruction of the code, whether something refers to it.
    referred: Vec<bool>,
    /// For each instruction of the code, the block that it is written in.
    number: Vec<u32>,
    /// For each block, the index of its first instruction in the program.
    starts: Vec<u32>,
}

impl Blocks {
    fn find(info: &ModuleInfo, decoded: &Decoded) -> Result<Self, ProgramError> {
        let mut referred = vec![false; decoded.all.len()];
        for function in &info.functions {
            referred[decoded.index(function.code_offset)?] = true;
        }
        for &placed in &decoded.all {
            let distance = match placed.instruction {
                Instruction::Jump(distance)
                | Instruction::Branch(.., distance)
                | Instruction::BranchImmediate(.., distance)
                | Instruction::TableEntry(distance) => distance,
                Instruction::Call(distance) => {
                    let target = decoded.target(placed, distance)?;
                    if let Callee::Code(index) = decoded.callee(target) {
                        referred[index] = true;
                    }
                    continue;
                }
                _ => continue,
            };
            referred[decoded.target(placed, distance)?] = true;
        }
        let mut number = Vec::with_capacity(decoded.all.len());
        let mut starts = vec![0];
        let (mut written, mut begins) = (0, true);
        for (index, &placed) in decoded.all.iter().enumerate() {
            if referred[index] && !begins {
                // A `fallthrough` ends the block.
                written += 1;
                starts.push(written);
                begins = true;
            }
            number.push(starts.len() as u32 - 1);
            match Ending::of(decoded, placed)? {
                Ending::None => {
                    written += 1;
                    begins = false;
                }
                Ending::Block => {
                    written += 1;
                    starts.push(written);
                    begins = true;
                }
                Ending::Unwritten => {}
            }
        }
        Ok(Self {
            referred,
            number,
            starts,
        })
    }
}

/// What an instruction does to its block.
enum Ending {
    None,
    Block,
    /// It is not written at all.
    Unwritten,
}

impl Ending {
    fn of(decoded: &Decoded, placed: Placed) -> Result<Self, ProgramError> {
        Ok(match placed.instruction {
            Instruction::Trap
            | Instruction::Branch(..)
            | Instruction::BranchImmediate(..)
            | Instruction::Jump(_)
            | Instruction::CallIndirect(_)
            | Instruction::JumpIndirect(_)
            | Instruction::JumpTable(..) => Self::Block,
            Instruction::Call(distance) => {
                let target = decoded.target(placed, distance)?;
                match decoded.callee(target) {
                    Callee::Host(_) => Self::None,
                    Callee::Code(_) => Self::Block,
                }
            }
            Instruction::TableEntry(_) => Self::Unwritten,
            _ => Self::None,
        })
    }
}

struct Writer<'a> {
    info: &'a ModuleInfo,
    decoded: &'a Decoded,
    blocks: &'a Blocks,
    memory_base: u32,
    code: Vec<Machine>,
    /// The offset in the artifact's code of each instruction.
    offsets: Vec<u32>,
    /// The blocks of the jump table.
    jumps: Vec<u32>,
    /// The offsets in the artifact's code of the jump table.
    jump_offsets: Vec<u32>,
}

impl Writer<'_> {
    fn write_all(&mut self) -> Result<(), ProgramError> {
        let mut begins = true;
        for (index, &placed) in self.decoded.all.iter().enumerate() {
            if self.blocks.referred[index] && !begins {
                self.put(placed, asm::fallthrough());
            }
            begins = match Ending::of(self.decoded, placed)? {
                Ending::None => false,
                Ending::Block => true,
                Ending::Unwritten => begins,
            };
            self.write(index, placed)?;
        }
        match begins {
            true => Ok(()),
            // What follows the code would be executed.
            false => Err(ProgramError::BadCode {
                offset: self.decoded.all.last().map_or(0, |placed| placed.offset),
            }),
        }
    }

    fn put(&mut self, placed: Placed, instruction: Machine) {
        self.code.push(instruction);
        self.offsets.push(placed.offset);
    }

    fn block(&self, placed: Placed, distance: i32) -> Result<u32, ProgramError> {
        let target = self.decoded.target(placed, distance)?;
        Ok(self.blocks.number[target])
    }

    /// A new entry of the jump table, for this instruction of the code; returns its code address.
    fn jump_to(&mut self, index: usize) -> u32 {
        self.jumps.push(self.blocks.number[index]);
        self.jump_offsets.push(self.decoded.all[index].offset);
        2 * self.jumps.len() as u32
    }

    /// The code address of the instruction after a call.
    fn return_address(&mut self, index: usize, placed: Placed) -> Result<i32, ProgramError> {
        if index + 1 == self.decoded.all.len() {
            return Err(ProgramError::BadCode {
                offset: placed.offset,
            });
        }
        Ok(self.jump_to(index + 1) as i32)
    }

    fn place(&self, base: Base, offset: i32) -> (Option<Reg>, i32) {
        let in_memory = offset.wrapping_add(self.memory_base as i32);
        match base {
            Base::Absolute => (None, offset),
            Base::Reg(base) => (Some(opcodes::reg(base)), offset),
            Base::Memory => (None, in_memory),
            Base::MemoryReg(base) => (Some(opcodes::reg(base)), in_memory),
        }
    }

    fn host_call(&mut self, placed: Placed, service: u32) -> Result<(), ProgramError> {
        let import = service_import(self.info, service).ok_or(ProgramError::BadCode {
            offset: placed.offset,
        })?;
        self.put(placed, asm::ecalli(import as i32));
        Ok(())
    }

    fn write(&mut self, index: usize, placed: Placed) -> Result<(), ProgramError> {
        let reg = opcodes::reg;
        let instruction = match placed.instruction {
            Instruction::Trap => asm::trap(),
            Instruction::Three(op, dst, a, b) => opcodes::three(op, reg(dst), reg(a), reg(b)),
            Instruction::Immediate(op, dst, a, with) => {
                opcodes::immediate(op, reg(dst), reg(a), with)
            }
            Instruction::Two(op, dst, src) => opcodes::two(op, reg(dst), reg(src)),
            Instruction::Load(op, dst, base, offset) => {
                let (base, offset) = self.place(base, offset);
                opcodes::load(op, reg(dst), base, offset)
            }
            Instruction::Store(op, base, offset, src) => {
                let (base, offset) = self.place(base, offset);
                opcodes::store(op, base, offset, reg(src))
            }
            Instruction::StoreImmediate(op, base, offset, value) => {
                let (base, offset) = self.place(base, offset);
                opcodes::store_immediate(op, base, offset, value)
            }
            Instruction::Branch(compare, a, b, distance) => {
                let block = self.block(placed, distance)?;
                let branch = opcodes::branch(compare, reg(a), reg(b), block);
                branch.ok_or(ProgramError::BadCode {
                    offset: placed.offset,
                })?
            }
            Instruction::BranchImmediate(compare, a, with, distance) => {
                let block = self.block(placed, distance)?;
                opcodes::branch_immediate(compare, reg(a), with, block)
            }
            Instruction::Jump(distance) => asm::jump(self.block(placed, distance)?),
            Instruction::Call(distance) => {
                let target = self.decoded.target(placed, distance)?;
                let target = match self.decoded.callee(target) {
                    Callee::Host(service) => return self.host_call(placed, service),
                    Callee::Code(target) => target,
                };
                let address = self.return_address(index, placed)?;
                asm::load_imm_and_jump(Reg::RA, address, self.blocks.number[target])
            }
            Instruction::CallIndirect(to) => {
                let address = self.return_address(index, placed)?;
                asm::load_imm_and_jump_indirect(Reg::RA, reg(to), address, 0)
            }
            Instruction::JumpIndirect(to) => asm::jump_indirect(reg(to), 0),
            Instruction::JumpTable(to, entries) => {
                let first = self.jumps.len() as i32 + 1;
                let table = self.decoded.all.get(index + 1..);
                let table = table.and_then(|rest| rest.get(..entries as usize));
                let bad = ProgramError::BadCode {
                    offset: placed.offset,
                };
                for &entry in table.ok_or(bad.clone())? {
                    let Instruction::TableEntry(distance) = entry.instruction else {
                        return Err(bad);
                    };
                    let target = self.decoded.target(entry, distance)?;
                    self.jump_to(target);
                }
                // The register has twice the entry's number.
                asm::jump_indirect(reg(to), 2 * first)
            }
            Instruction::TableEntry(_) => return Ok(()),
            Instruction::LoadImm(dst, value) => asm::load_imm(reg(dst), value),
            Instruction::LoadImm64(dst, value) => asm::load_imm64(reg(dst), value),
            Instruction::HostCall(service) => return self.host_call(placed, service),
        };
        self.put(placed, instruction);
        Ok(())
    }
}
