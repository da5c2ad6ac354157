//! Which functions can return a NaN that no arithmetic made.
//!
//! Loads, constants, `reinterpret`, `neg`, `abs` and `copysign` move bits and keep the
//! NaN they are given; every other float instruction makes the positive canonical NaN.
//! A function from which only the former can be reached may return any NaN the script
//! allows; all others have to return the positive canonical one.

use wasmparser::{Operator, Parser, Payload, TypeRef};

/// What the runner has to know about one function.
#[derive(Clone, Default)]
struct Body {
    /// It has an instruction that makes the positive canonical NaN.
    makes_nan: bool,
    /// Functions it calls directly.
    callees: Vec<u32>,
    /// It has an indirect call.
    calls_indirectly: bool,
}

/// For each function of a module, whether its NaNs are moved bits only.
#[derive(Clone, Debug, Default)]
pub struct NanSources {
    moves_bits_only: Vec<bool>,
}

impl NanSources {
    /// Reads a valid module. A function that cannot be read counts as one that makes NaNs.
    pub fn of(wasm: &[u8]) -> Self {
        let bodies = read_bodies(wasm).unwrap_or_default();
        let mut makes: Vec<bool> = bodies.iter().map(|body| body.makes_nan).collect();
        loop {
            let any = makes.iter().any(|&makes| makes);
            let next: Vec<bool> = bodies
                .iter()
                .zip(&makes)
                .map(|(body, &makes_nan)| {
                    makes_nan
                        || (body.calls_indirectly && any)
                        || body
                            .callees
                            .iter()
                            .any(|&callee| makes.get(callee as usize).copied().unwrap_or(true))
                })
                .collect();
            if next == makes {
                break;
            }
            makes = next;
        }
        Self {
            moves_bits_only: makes.into_iter().map(|makes| !makes).collect(),
        }
    }

    /// Whether the function with this index can only return NaNs it was given.
    pub fn moves_bits_only(&self, function: u32) -> bool {
        self.moves_bits_only
            .get(function as usize)
            .copied()
            .unwrap_or(false)
    }
}

fn read_bodies(wasm: &[u8]) -> wasmparser::Result<Vec<Body>> {
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if let TypeRef::Func(_) = import?.ty {
                        // What stands behind an import is not known here.
                        bodies.push(Body {
                            makes_nan: true,
                            ..Body::default()
                        });
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                let mut facts = Body::default();
                let mut operators = body.get_operators_reader()?;
                while !operators.eof() {
                    facts.note(&operators.read()?);
                }
                bodies.push(facts);
            }
            _ => {}
        }
    }
    Ok(bodies)
}

impl Body {
    fn note(&mut self, operator: &Operator<'_>) {
        use Operator::*;
        match operator {
            Call { function_index } => self.callees.push(*function_index),
            CallIndirect { .. } => self.calls_indirectly = true,
            F32Add | F32Sub | F32Mul | F32Div | F32Sqrt | F32Min | F32Max | F32Ceil | F32Floor
            | F32Trunc | F32Nearest | F32DemoteF64 | F64Add | F64Sub | F64Mul | F64Div
            | F64Sqrt | F64Min | F64Max | F64Ceil | F64Floor | F64Trunc | F64Nearest
            | F64PromoteF32 => self.makes_nan = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_calls() {
        let text = r#"(module
            (import "m" "f" (func $imported))
            (func $neg (param f32) (result f32) (f32.neg (local.get 0)))
            (func $add (param f32) (result f32) (f32.add (local.get 0) (local.get 0)))
            (func $through (param f32) (result f32) (call $add (local.get 0)))
            (func $harmless (param f32) (result f32) (call $neg (local.get 0))))"#;
        let buffer = wast::parser::ParseBuffer::new(text).expect("lexes");
        let wasm = wast::parser::parse::<wast::Wat>(&buffer)
            .expect("parses")
            .encode()
            .expect("encodes");
        let sources = NanSources::of(&wasm);
        let seen: Vec<bool> = (0..5).map(|f| sources.moves_bits_only(f)).collect();
        assert_eq!(seen, [false, true, false, false, true]);
    }
}
