//! The text format, encoded as WebAssembly 1.0 wherever the binary format allows a choice.
//!
//! The `wast` encoder writes the element segment of `(table funcref (elem $f))` with an explicit
//! table index, a form that bulk memory introduced. The form without index has the same meaning and
//! is the only one in the language without bulk memory.

use wast::core::{ElemKind, ElemPayload, Module, ModuleField, ModuleKind};
use wast::parser::{self, ParseBuffer};
use wast::token::Index;
use wast::{Error, Wat};

/// Encodes a module in the text format as binary. The error shows its location in the text.
pub(super) fn parse_text(text: &str) -> Result<Vec<u8>, Error> {
    let encode = || {
        let buffer = ParseBuffer::new(text)?;
        match parser::parse::<Wat<'_>>(&buffer)? {
            Wat::Module(mut module) => encode_module(&mut module),
            mut component => component.encode(),
        }
    };
    encode().map_err(|mut error| {
        error.set_text(text);
        error
    })
}

/// Encodes a parsed module as binary.
///
/// # Errors
/// A name that does not resolve, or an item that cannot be encoded.
pub fn encode_module(module: &mut Module<'_>) -> Result<Vec<u8>, Error> {
    module.resolve()?;
    if let ModuleKind::Text(fields) = &mut module.kind {
        for field in fields {
            let ModuleField::Elem(segment) = field else {
                continue;
            };
            if let (ElemKind::Active { table, .. }, ElemPayload::Indices(_)) =
                (&mut segment.kind, &segment.payload)
                && matches!(table, Some(Index::Num(0, _)))
            {
                *table = None;
            }
        }
    }
    module.encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_of_the_first_table_are_plain() {
        for text in [
            "(module (func $f) (table funcref (elem $f)))",
            "(module (func $f) (table 1 funcref) (elem (i32.const 0) $f))",
        ] {
            let wasm = parse_text(text).unwrap();
            // Section 9, 7 bytes: one segment, flags 0.
            assert!(
                wasm.windows(4).any(|bytes| bytes == [9, 7, 1, 0]),
                "{wasm:x?}"
            );
        }
    }
}
