//! Modules of a script as binary, whether they stand there as text, quoted text or bytes.

use pvf_executor::encode_module;
use wast::parser::{self, ParseBuffer};
use wast::{Error, QuoteWat, QuoteWatTest, Wat};

/// Encodes a module.
pub fn encode(module: &mut QuoteWat<'_>) -> Result<Vec<u8>, Error> {
    if let QuoteWat::Wat(Wat::Module(module)) = module {
        return encode_module(module);
    }
    let text = match module.to_test()? {
        QuoteWatTest::Binary(bytes) => return Ok(bytes),
        QuoteWatTest::Text(text) => text,
    };
    let text = String::from_utf8(text)
        .map_err(|_| Error::new(module.span(), "malformed UTF-8 encoding".to_owned()))?;
    let buffer = ParseBuffer::new(&text)?;
    match parser::parse::<Wat<'_>>(&buffer)? {
        Wat::Module(mut module) => encode_module(&mut module),
        mut component => component.encode(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wast::{Wast, WastDirective};

    #[test]
    fn segments_of_the_first_table_are_plain() {
        for text in [
            "(module (func $f) (table funcref (elem $f)))",
            "(module quote \"(func $f) (table funcref (elem $f))\")",
        ] {
            let buffer = ParseBuffer::new(text).expect("lexes");
            let mut script = parser::parse::<Wast<'_>>(&buffer).expect("parses");
            let Some(WastDirective::Module(mut module)) = script.directives.pop() else {
                panic!("a module");
            };
            let wasm = encode(&mut module).expect("encodes");
            // Section 9, 7 bytes: one segment, flags 0.
            assert!(
                wasm.windows(4).any(|bytes| bytes == [9, 7, 1, 0]),
                "{wasm:x?}"
            );
        }
    }
}
