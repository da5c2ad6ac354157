//! The text format, in the encoding of WebAssembly 1.0 where there is a choice.
//!
//! The encoder writes the element segment of `(table funcref (elem $f))` with an explicit
//! table index, a form that came with bulk memory. The form without index means the same, and is
//! the only one that the language without bulk memory has.

use wast::core::{ElemKind, ElemPayload, Module, ModuleField, ModuleKind};
use wast::parser::{self, ParseBuffer};
use wast::token::Index;
use wast::{Error, Wat};

/// A module in the text format as binary; the error shows the place in the text.
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

/// A parsed module as binary.
///
/// # Errors
/// What does not resolve or cannot be encoded.
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
