//! A way around a defect of wasmi 2.0.0, without which it is no oracle.
//!
//! Where a `select` follows `i32.eqz` (or `i32.eq`, `i32.ne` with 0), wasmi drops the comparison and
//! has the select test the operand instead; but if that operand lies in a slot, the select still
//! reads its condition from the register, which holds something else. An empty block in front of each
//! select keeps the two apart and changes nothing else. It goes in behind the meters, so that it costs nothing.

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{BlockType, CodeSection, Instruction, Module};
use wasmparser::{CustomSectionReader, FunctionBody, Operator, Parser};

/// The module with an empty block in front of each `select`.
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

    /// They mean nothing to an engine, and need not be well-formed.
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
