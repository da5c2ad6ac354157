//! The map from machine code to the Wasm instructions it was made for, for tools that show code.
//!
//! It is not part of an artifact, because execution does not need it. [`crate::compile_with_code_map`] returns it
//! together with an artifact.

/// A piece of code made for one Wasm instruction; it ends where the next piece begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePiece {
    /// Where the piece begins in the code.
    pub code_offset: u32,
    /// Offset in the module of the Wasm instruction; the beginning of the body stands for the
    /// function's prologue.
    pub wasm_offset: u32,
}

/// The pieces of all functions of an artifact, in order of the code. Stubs have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeMap {
    pieces: Vec<CodePiece>,
}

impl CodeMap {
    /// Adds a piece. It replaces the last one if no code was emitted in between.
    pub(crate) fn push(&mut self, piece: CodePiece) {
        match self.pieces.last_mut() {
            Some(last) if last.code_offset == piece.code_offset => *last = piece,
            Some(last) if last.wasm_offset == piece.wasm_offset => {}
            _ => self.pieces.push(piece),
        }
    }

    /// Appends the pieces of code that is placed at `start`.
    pub(crate) fn append(&mut self, start: u32, other: &Self) {
        for piece in &other.pieces {
            self.push(CodePiece {
                code_offset: start + piece.code_offset,
                ..*piece
            });
        }
    }

    /// All pieces.
    pub fn pieces(&self) -> &[CodePiece] {
        &self.pieces
    }

    /// The offset in the module of the Wasm instruction that the code at `code_offset`, in a function, was made for.
    pub fn wasm_offset(&self, code_offset: u32) -> Option<u32> {
        let behind = self
            .pieces
            .partition_point(|piece| piece.code_offset <= code_offset);
        Some(self.pieces.get(behind.checked_sub(1)?)?.wasm_offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found_and_empty_ones_are_gone() {
        let mut map = CodeMap::default();
        for (code_offset, wasm_offset) in [(0, 10), (4, 11), (4, 12), (9, 12), (9, 13)] {
            map.push(CodePiece {
                code_offset,
                wasm_offset,
            });
        }
        let mut all = CodeMap::default();
        all.append(16, &map);
        assert_eq!(all.pieces().len(), 3);
        let found: Vec<_> = [15, 16, 19, 20, 24, 25, 99]
            .iter()
            .map(|&offset| all.wasm_offset(offset))
            .collect();
        let expected = [
            None,
            Some(10),
            Some(10),
            Some(12),
            Some(12),
            Some(13),
            Some(13),
        ];
        assert_eq!(found, expected);
    }
}
