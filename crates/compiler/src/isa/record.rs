//! The records that a target makes beside its code: trap sites, calls for the linker to fill in, and, if asked for, the
//! map from code to Wasm instructions.

use super::masm::{CallFixup, MachineCode};
use crate::artifact::{CodeMap, CodePiece, TrapSite};
use pvf_rules::TrapKind;

/// The records of the code not yet taken. Code offsets are counted from the start of that code.
#[derive(Default)]
pub(super) struct Record {
    /// Start offset of the Wasm instruction being translated.
    pub wasm_offset: u32,
    map: Option<CodeMap>,
    sites: Vec<TrapSite>,
    calls: Vec<CallFixup>,
}

impl Record {
    /// Records the code map from now on.
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

    /// Records a call for the linker to fill in; its field is at `at`.
    #[inline]
    pub fn call(&mut self, function: u32, at: u32) {
        self.calls.push(CallFixup { at, function });
    }

    /// The code with all records of it.
    pub fn take(&mut self, code: Vec<u8>) -> MachineCode {
        MachineCode {
            code,
            traps: std::mem::take(&mut self.sites),
            calls: std::mem::take(&mut self.calls),
            map: self.map.as_mut().map(std::mem::take).unwrap_or_default(),
        }
    }
}
