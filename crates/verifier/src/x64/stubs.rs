//! Generates the stubs between code and host. Stubs do what functions must not do, so their bytes must equal the
//! generated ones.
//!
//! No rules are applied to stubs: they switch stacks, pass host addresses and leave Wasm, so rules for them would be a
//! list of all their instructions. This module is that list, in the form of code that writes it. It depends only on
//! signatures and settings.

use super::blocks;
use super::{
    FLOAT_ARGUMENTS, GENERAL_ARGUMENTS, R8, R9, R11, R12, R13, R14, R15, RAX, RDX, RSI, RSP, XMM14,
    XMM15,
};
use crate::layout::{BUILTIN_FLAG, BUILTINS, CODE_ALIGNMENT, SLOT_BYTES, context};
use crate::wasm::{FuncType, Module, ValType};
use crate::{GasMeter, Settings};

/// The stubs before shared code.
pub(super) struct HostStubs {
    pub code: Vec<u8>,
    /// The offset of each imported function's stub.
    pub imports: Vec<u32>,
    pub builtins: [u32; BUILTINS.len()],
    /// Copy forward, copy backward, fill, compare.
    pub blocks: [u32; 4],
}

const NOPS: [&[u8]; 10] = [
    &[],
    &[0x90],
    &[0x66, 0x90],
    &[0x0f, 0x1f, 0x00],
    &[0x0f, 0x1f, 0x40, 0x00],
    &[0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
    &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

/// Whether the bytes before an aligned offset are valid padding: no-operations, or breakpoints between pieces of code.
pub(super) fn is_padding(bytes: &[u8]) -> bool {
    if bytes.len() >= CODE_ALIGNMENT as usize {
        return false;
    }
    let most = NOPS.len() - 1;
    let (first, rest) = bytes.split_at(bytes.len().min(most));
    let nops = first == NOPS[first.len()] && NOPS.get(rest.len()).is_some_and(|nop| rest == *nop);
    nops || bytes.iter().all(|&byte| byte == 0xcc)
}

/// The location of a value in a call.
#[derive(Clone, Copy)]
struct Home {
    ty: ValType,
    register: Option<u8>,
    /// Offset from the stack pointer at the call.
    slot: u32,
}

fn homes(types: &[ValType], mut register: impl FnMut(ValType) -> Option<u8>) -> Vec<Home> {
    let count = types.len() as u32;
    (0..count)
        .zip(types)
        .map(|(i, &ty)| Home {
            ty,
            register: register(ty),
            slot: (count - 1 - i) * SLOT_BYTES,
        })
        .collect()
}

fn param_homes(ty: &FuncType) -> Vec<Home> {
    let (mut general, mut floats) = (GENERAL_ARGUMENTS.iter().copied(), 0..FLOAT_ARGUMENTS);
    homes(&ty.params, |ty| match ty.is_integer() {
        true => general.next(),
        false => floats.next(),
    })
}

fn result_homes(ty: &FuncType) -> Vec<Home> {
    let mut first = true;
    homes(&ty.results, |_| std::mem::take(&mut first).then_some(0))
}

/// The stubs of imported functions with a gate for each signature, the stubs of builtins, and the block operations.
pub(super) fn host_stubs(module: &Module<'_>, settings: &Settings<'_>) -> HostStubs {
    let mut writer = Writer::default();
    let imported = module.imported_functions as usize;
    let imports = module.functions.get(..imported).unwrap_or_default();
    let mut jumps: Vec<(u32, usize)> = Vec::new();
    let mut offsets = Vec::new();
    for (import, &signature) in (0..).zip(imports) {
        writer.align();
        offsets.push(writer.offset());
        jumps.push((signature, writer.go_through(import)));
    }
    jumps.sort_by_key(|&(signature, _)| signature);
    for chunk in jumps.chunk_by(|a, b| a.0 == b.0) {
        writer.align();
        for &(_, field) in chunk {
            writer.arrive(field);
        }
        let ty = chunk
            .first()
            .and_then(|it| module.signatures.get(it.0 as usize));
        if let Some(ty) = ty {
            match ty.is_plain() {
                true => writer.plain_gate(ty, settings),
                false => writer.gate(&param_homes(ty), &result_homes(ty), settings),
            }
        }
    }
    let mut builtins = [0; BUILTINS.len()];
    for (code, (&(params, results, _), place)) in (0..).zip(BUILTINS.iter().zip(&mut builtins)) {
        writer.align();
        *place = writer.offset();
        let field = writer.go_through(BUILTIN_FLAG | code);
        writer.align();
        writer.arrive(field);
        let params = vec![ValType::I32; params as usize];
        let results = FuncType {
            params: Vec::new(),
            results: vec![ValType::I32; results as usize],
        };
        writer.gate(&homes(&params, |_| None), &result_homes(&results), settings);
    }
    let mut blocks = [0; 4];
    let codes = [
        blocks::COPY_FORWARD,
        blocks::COPY_BACKWARD,
        blocks::FILL,
        blocks::COMPARE,
    ];
    for (code, place) in codes.into_iter().zip(&mut blocks) {
        writer.align();
        *place = writer.offset();
        writer.code.extend_from_slice(code);
    }
    HostStubs {
        code: writer.code,
        imports: offsets,
        builtins,
        blocks,
    }
}

/// The stub by which the host enters functions of this type.
pub(super) fn entry_stub(ty: &FuncType, settings: &Settings<'_>) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.load(8, R14, R15, context::MEMORY_BASE);
    if settings.gas.is_on() {
        writer.load(8, R13, R15, context::GAS_LEFT);
    }
    if settings.logical_stack {
        writer.constant(R12, 0);
    }
    writer.load(8, R11, R15, context::ENTRY_SLOTS);
    for (param, home) in (0..).zip(param_homes(ty)) {
        let from = param * SLOT_BYTES;
        match home.register {
            Some(register) => writer.load_typed(home.ty, register, R11, from),
            None => {
                writer.load_typed(ValType::F64, XMM15, R11, from);
                writer.store_typed(ValType::F64, RSP, home.slot, XMM15);
            }
        }
    }
    writer.through_memory(2, R15, context::ENTRY_FUNCTION);
    writer.note_gas(settings.gas);
    writer.load(8, R11, R15, context::ENTRY_SLOTS);
    for (result, home) in (0..).zip(result_homes(ty)) {
        let to = result * SLOT_BYTES;
        match home.register {
            Some(register) => writer.store_typed(home.ty, R11, to, register),
            None => {
                writer.load_typed(ValType::F64, XMM15, RSP, home.slot);
                writer.store_typed(ValType::F64, R11, to, XMM15);
            }
        }
    }
    writer.through_memory(4, R15, context::EXIT);
    writer.code
}

/// Offset of the slots of a stub's caller, which are above the stub's return address.
const SLOTS: u32 = 8;

#[derive(Default)]
struct Writer {
    code: Vec<u8>,
}

impl Writer {
    fn offset(&self) -> u32 {
        self.code.len() as u32
    }

    fn align(&mut self) {
        let mut left = self.code.len().wrapping_neg() % CODE_ALIGNMENT as usize;
        while left > 0 {
            let nop = NOPS[left.min(NOPS.len() - 1)];
            self.code.extend_from_slice(nop);
            left -= nop.len();
        }
    }

    /// `mov eax, index; jmp`. Returns the position of the jump's distance.
    fn go_through(&mut self, index: u32) -> usize {
        self.constant(RAX, index);
        self.code.push(0xe9);
        self.code.extend([0; 4]);
        self.code.len() - 4
    }

    /// Makes the jump with this distance field go to the current position.
    fn arrive(&mut self, field: usize) {
        let distance = self.code.len().wrapping_sub(field + 4) as u32;
        if let Some(field) = self.code.get_mut(field..field + 4) {
            field.copy_from_slice(&distance.to_le_bytes());
        }
    }

    fn gate(&mut self, params: &[Home], results: &[Home], settings: &Settings<'_>) {
        let on_stack = params.iter().any(|home| home.register.is_none());
        for (param, home) in (0..).zip(params) {
            if let Some(register) = home.register {
                let at = if on_stack {
                    home.slot
                } else {
                    param * SLOT_BYTES
                };
                self.store_typed(home.ty, RSP, SLOTS + at, register);
            }
        }
        if on_stack {
            self.reverse(params.len() as u32);
        }
        self.memory(true, 0x8d, RSI, RSP, SLOTS);
        self.note_gas(settings.gas);
        self.through_memory(2, R15, context::HOST_CALL);
        if results.len() > 1 {
            self.reverse(results.len() as u32);
        }
        for home in results {
            if let Some(register) = home.register {
                self.load_typed(home.ty, register, RSP, SLOTS + home.slot);
            }
        }
        self.code.push(0xc3);
    }

    fn plain_gate(&mut self, ty: &FuncType, settings: &Settings<'_>) {
        self.note_gas(settings.gas);
        self.store(8, R15, context::WASM_SP, RSP);
        self.load(8, RSP, R15, context::HOST_SP);
        self.registers(false, 0x89, RAX, R8);
        self.load(8, R9, R15, context::STORE);
        self.load(8, R11, R15, context::IMPORTS);
        // call [r11+8*rax]
        self.code.extend([0x41, 0xff, 0x14, 0xc3]);
        self.load(8, RSP, R15, context::WASM_SP);
        self.registers(true, 0x85, RDX, RDX);
        let branch = self.code.len() + 1;
        self.code.extend([0x75, 0]);
        for home in result_homes(ty) {
            // The first result is already in the C result register.
            if home.register.is_none() {
                self.store(8, RSP, SLOTS + home.slot, RAX);
            }
        }
        self.code.push(0xc3);
        let distance = self.code.len().wrapping_sub(branch + 1);
        if let Some(field) = self.code.get_mut(branch) {
            *field = distance as u8;
        }
        self.through_memory(4, R15, context::ENDED);
    }

    fn reverse(&mut self, count: u32) {
        for low in 0..count / 2 {
            let [low, high] = [low, count - 1 - low].map(|slot| SLOTS + slot * SLOT_BYTES);
            self.load_typed(ValType::F64, XMM15, RSP, low);
            self.load_typed(ValType::F64, XMM14, RSP, high);
            self.store_typed(ValType::F64, RSP, low, XMM14);
            self.store_typed(ValType::F64, RSP, high, XMM15);
        }
    }

    fn note_gas(&mut self, gas: GasMeter<'_>) {
        if gas.is_on() {
            self.store(8, R15, context::GAS_LEFT, R13);
        }
    }

    /// `mov r32, constant`
    fn constant(&mut self, register: u8, value: u32) {
        if register > 7 {
            self.code.push(0x41);
        }
        self.code.push(0xb8 | register & 7);
        self.code.extend(value.to_le_bytes());
    }

    fn load(&mut self, size: u8, register: u8, base: u8, offset: u32) {
        self.memory(size == 8, 0x8b, register, base, offset);
    }

    fn store(&mut self, size: u8, base: u8, offset: u32, register: u8) {
        self.memory(size == 8, 0x89, register, base, offset);
    }

    fn load_typed(&mut self, ty: ValType, register: u8, base: u8, offset: u32) {
        match ty.is_integer() {
            true => self.memory(ty.is_wide(), 0x8b, register, base, offset),
            false => self.float(ty, 0x10, register, base, offset),
        }
    }

    fn store_typed(&mut self, ty: ValType, base: u8, offset: u32, register: u8) {
        match ty.is_integer() {
            true => self.memory(ty.is_wide(), 0x89, register, base, offset),
            false => self.float(ty, 0x11, register, base, offset),
        }
    }

    fn registers(&mut self, wide: bool, opcode: u8, register: u8, rm: u8) {
        let rex = 0x40 | u8::from(wide) << 3 | register >> 3 << 2 | rm >> 3;
        if rex != 0x40 {
            self.code.push(rex);
        }
        let modrm = 0xc0 | (register & 7) << 3 | rm & 7;
        self.code.extend([opcode, modrm]);
    }

    fn memory(&mut self, wide: bool, opcode: u8, register: u8, base: u8, offset: u32) {
        let rex = 0x40 | u8::from(wide) << 3 | register >> 3 << 2 | base >> 3;
        if rex != 0x40 {
            self.code.push(rex);
        }
        self.code.push(opcode);
        self.address(register, base, offset);
    }

    fn float(&mut self, ty: ValType, opcode: u8, register: u8, base: u8, offset: u32) {
        let prefix = if ty.is_wide() { 3 } else { 2 };
        let inverted = !register << 4 & 0x80;
        match base > 7 {
            false => self.code.extend([0xc5, inverted | 0x78 | prefix, opcode]),
            true => self
                .code
                .extend([0xc4, inverted | 0x41, 0x78 | prefix, opcode]),
        }
        self.address(register, base, offset);
    }

    /// `call` (2) or `jmp` (4) to the address in memory.
    fn through_memory(&mut self, digit: u8, base: u8, offset: u32) {
        if base > 7 {
            self.code.push(0x41);
        }
        self.code.push(0xff);
        self.address(digit, base, offset);
    }

    fn address(&mut self, register: u8, base: u8, offset: u32) {
        let (register, low) = ((register & 7) << 3, base & 7);
        let short = i8::try_from(offset);
        let mode = match short {
            Ok(0) if low != 5 => 0,
            Ok(_) => 0x40,
            Err(_) => 0x80,
        };
        self.code.push(mode | register | low);
        if low == 4 {
            self.code.push(0x24);
        }
        match (mode, short) {
            (0, _) => {}
            (_, Ok(offset)) => self.code.push(offset as u8),
            (_, Err(_)) => self.code.extend(offset.to_le_bytes()),
        }
    }
}
