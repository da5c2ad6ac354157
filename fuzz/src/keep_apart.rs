//! A workaround for a defect of wasmi 2.0.0, without which it cannot be an oracle.
//!
//! Where a `select` follows `i32.eqz` (or `i32.eq`, `i32.ne` with 0), wasmi drops the comparison and makes the `select`
//! test the operand instead. If that operand is in a slot, the `select` still reads its condition from the register,
//! which holds another value. An empty block before each `select` separates the two instructions and changes nothing
//! else. It is added after the meters, so it costs nothing.

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{BlockType, CodeSection, Instruction, Module};
use wasmparser::{CustomSectionReader, FunctionBody, Operator, Parser};

/// The module with an empty block before each `select`.
pub fn selects_kept_apart(wasm: &[u8]) -> Result<Vec<u8>, String> {
    let mut module = Module::new();
    KeepApart
        .parse_core_module(&mut module, Parser::new(0), wasm)
        .map_err(|error| error.to_string())?;
    Ok(module.finish())
}

struct KeepApart;

impl Reencode for KeepApart {
    type Error = std::convert::Infallible;

    /// Custom sections have no meaning to an engine and need not be well-formed.
    fn parse_custom_section(
        &mut self,
        _: &mut Module,
        _: CustomSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let operator = operators.read()?;
            if matches!(operator, Operator::Select) {
                function.instruction(&Instruction::Block(BlockType::Empty));
                function.instruction(&Instruction::End);
            }
            function.instruction(&self.instruction(operator)?);
        }
        code.function(&function);
        Ok(())
    }
}
