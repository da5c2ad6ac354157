//! What a target notes beside the code it makes: where traps can happen, which calls the linker fills
//! in, and, if asked for, which Wasm instruction each piece belongs to.

use super::masm::{CallFixup, MachineCode};
use crate::artifact::{CodeMap, CodePiece, TrapSite};
use pvf_rules::TrapKind;

/// The notes on the code not yet taken. Offsets in the code are counted from its start.
#[derive(Default)]
pub(super) struct Record {
    /// Where the Wasm instruction that is translated begins.
    pub wasm_offset: u32,
    map: Option<CodeMap>,
    sites: Vec<TrapSite>,
    calls: Vec<CallFixup>,
}

impl Record {
    /// Keeps from now on to which Wasm instruction the code belongs.
    pub fn keep_map(&mut self) {
        self.map = Some(CodeMap::default());
    }

    /// The code from `code_offset` on belongs to another Wasm instruction.
    #[inline]
    pub fn set_wasm_offset(&mut self, wasm_offset: u32, code_offset: u32) {
        self.wasm_offset = wasm_offset;
        if let Some(map) = &mut self.map {
            map.push(CodePiece {
                code_offset,
                wasm_offset,
            });
        }
    }

    /// The machine instruction at `code_offset` can trap, on behalf of the Wasm instruction that is translated.
    #[inline]
    pub fn site(&mut self, kind: TrapKind, code_offset: u32) {
        self.sites.push(TrapSite {
            code_offset,
            wasm_offset: self.wasm_offset,
            kind,
        });
    }

    /// The call whose field is at `at` is the linker's to fill in.
    #[inline]
    pub fn call(&mut self, function: u32, at: u32) {
        self.calls.push(CallFixup { at, function });
    }

    /// The code with all notes on it.
    pub fn take(&mut self, code: Vec<u8>) -> MachineCode {
        MachineCode {
            code,
            traps: std::mem::take(&mut self.sites),
            calls: std::mem::take(&mut self.calls),
            map: self.map.as_mut().map(std::mem::take).unwrap_or_default(),
        }
    }
}
