//! A module's functions line by line: Wasm with its gas, machine code with the Wasm it was made for.
//!
//! In: a module, its artifact and the compiler's code map. Out: [`Function`]s, one at a time.

use crate::machine::{Piece, disassemble};
use pvf_executor::artifact::CodeMap;
use pvf_executor::{Artifact, Costs, TrapKind};
use pvf_metering::{FunctionCharges, function_charges};
use std::collections::{BTreeSet, HashMap};
use wasmparser::{FunctionBody, Operator, Parser, Payload};

/// A function, or the code between functions and host.
pub struct Function {
    /// Index in the module; `None` for stubs.
    pub index: Option<u32>,
    /// Units of the logical stack for a call; `None` where the meter refuses the function.
    pub logical: Option<u32>,
    /// Each metered block of it charged once; `None` where the meter refuses the function.
    pub gas: Option<u64>,
    /// How many metered blocks it has.
    pub blocks: Option<usize>,
    /// Its Wasm; the first line is its head.
    pub wasm: Vec<WasmLine>,
    /// Its machine code.
    pub code: Vec<CodeLine>,
}

/// A Wasm instruction.
pub struct WasmLine {
    /// Offset in the module.
    pub offset: u32,
    /// Charged before it.
    pub gas: Option<u64>,
    /// Its text.
    pub text: String,
}

/// A machine instruction, or an entry of a jump table.
pub struct CodeLine {
    /// Offset in the code.
    pub offset: u32,
    /// Number of its label, if something branches to it.
    pub label: Option<u32>,
    /// The place in [`Function::wasm`] of what it was made for.
    pub wasm: Option<u32>,
    /// Its text.
    pub text: String,
}

/// What all functions of a module are listed with.
pub struct Lister<'a> {
    artifact: &'a Artifact,
    map: &'a CodeMap,
    charges: Vec<FunctionCharges>,
    /// Text of each Wasm instruction by offset; ascending.
    text: Vec<(u32, &'a str)>,
    /// By code offset.
    traps: HashMap<u32, TrapKind>,
    /// Function by the offset of its code or stub.
    starts: HashMap<u32, u32>,
    bodies: Vec<FunctionBody<'a>>,
}

impl<'a> Lister<'a> {
    /// For a module that compiled; `printed` is room for its text.
    pub fn new(
        wasm: &'a [u8],
        artifact: &'a Artifact,
        map: &'a CodeMap,
        costs: &'a Costs,
        printed: &'a mut String,
    ) -> Result<Self, String> {
        let lines = wasmprinter::Config::new()
            .offsets_and_lines(wasm, printed)
            .map_err(|error| format!("{error:#}"))?;
        let text = lines
            .filter_map(|(offset, line)| Some((u32::try_from(offset?).ok()?, line.trim())))
            .collect();
        let bodies = Parser::new(0)
            .parse_all(wasm)
            .filter_map(|payload| match payload {
                Ok(Payload::CodeSectionEntry(body)) => Some(body),
                _ => None,
            })
            .collect();
        let functions = (0..).zip(&artifact.module.functions);
        Ok(Self {
            artifact,
            map,
            charges: function_charges(wasm, costs).map_err(|error| error.to_string())?,
            text,
            traps: artifact
                .traps
                .sites()
                .map(|site| (site.code_offset, site.kind))
                .collect(),
            starts: functions
                .map(|(index, it)| (it.code_offset, index))
                .collect(),
            bodies,
        })
    }

    /// A defined function.
    pub fn function(&self, index: u32) -> Result<Function, String> {
        let module = &self.artifact.module;
        let defined = index - module.imported_functions;
        let info = &module.functions[index as usize];
        let body = &self.bodies[defined as usize];
        let mut wasm = self.wasm_lines(info.body_offset, info.body_offset + info.body_bytes);
        let metered = &self.charges[defined as usize];
        let charges = metered.gas.as_deref().ok();
        let place = |lines: &[WasmLine], offset: u32| {
            lines.binary_search_by_key(&offset, |line| line.offset).ok()
        };
        for charge in charges.unwrap_or(&[]) {
            if let Some(line) = place(&wasm[1..], charge.offset as u32) {
                wasm[line + 1].gas = Some(charge.cost);
            }
        }
        let mut tables = HashMap::new();
        let mut operators = body
            .get_operators_reader()
            .map_err(|error| error.to_string())?;
        while !operators.eof() {
            let (operator, offset) = operators
                .read_with_offset()
                .map_err(|error| error.to_string())?;
            let line = place(&wasm[1..], offset as u32).map(|line| line + 1);
            match operator {
                // By index: names of functions are long, and the caller has them.
                Operator::Call { function_index } => {
                    if let Some(line) = line {
                        wasm[line].text = format!("call {function_index}");
                    }
                }
                Operator::BrTable { targets } => {
                    tables.insert(line.unwrap_or(0) as u32, targets.len());
                }
                _ => {}
            }
        }
        let code = info.code_offset..info.code_offset + info.code_bytes;
        let line_of = |offset: u32| {
            let wasm_offset = self.map.wasm_offset(offset)?;
            let behind = wasm[1..].partition_point(|line| line.offset <= wasm_offset);
            Some(behind as u32)
        };
        let code = self.code_lines(code, &line_of, &tables);
        Ok(Function {
            index: Some(index),
            logical: metered.logical_cost.as_ref().ok().copied(),
            gas: charges.map(|charges| {
                let costs = charges.iter().map(|charge| charge.cost);
                costs.fold(0, u64::saturating_add)
            }),
            blocks: charges.map(<[_]>::len),
            wasm,
            code,
        })
    }

    /// The code that is of no function: between them and the host.
    pub fn stubs(&self) -> Function {
        let functions = self.artifact.module.functions.iter();
        let end = functions
            .filter(|function| function.code_bytes > 0)
            .map(|function| function.code_offset + function.code_bytes)
            .max();
        let code = end.unwrap_or(0)..self.artifact.code.len() as u32;
        Function {
            index: None,
            logical: None,
            gas: None,
            blocks: None,
            wasm: Vec::new(),
            code: self.code_lines(code, &|_| None, &HashMap::new()),
        }
    }

    /// The head and the instructions of a body.
    fn wasm_lines(&self, start: u32, end: u32) -> Vec<WasmLine> {
        let from = self.text.partition_point(|&(offset, _)| offset < start);
        let lines = self.text[from..]
            .iter()
            .take_while(|&&(offset, _)| offset < end)
            .map(|&(offset, text)| WasmLine {
                offset,
                gas: None,
                // The printer's last parenthesis stands for the last `end`.
                text: if text == ")" { "end" } else { text }.to_owned(),
            });
        let mut all = vec![WasmLine {
            offset: start,
            gas: None,
            text: String::new(),
        }];
        for line in lines {
            // Head and locals stand together: only instructions have offsets of their own.
            match line.text.starts_with('(') {
                true => {
                    let head = &mut all[0].text;
                    if !head.is_empty() {
                        head.push(' ');
                    }
                    head.push_str(without_name(&line.text));
                }
                false => all.push(line),
            }
        }
        all
    }

    fn code_lines(
        &self,
        range: std::ops::Range<u32>,
        line_of: &dyn Fn(u32) -> Option<u32>,
        tables: &HashMap<u32, u32>,
    ) -> Vec<CodeLine> {
        let bytes = &self.artifact.code[range.start as usize..range.end as usize];
        let entries = |jump| tables.get(&line_of(jump)?).copied();
        let pieces: Vec<_> = disassemble(self.artifact.module.target, bytes, range.start, &entries)
            .into_iter()
            .map(|(offset, piece)| (offset, line_of(offset), piece))
            .collect();
        self.text_of(&range, &pieces)
    }

    fn text_of(
        &self,
        range: &std::ops::Range<u32>,
        pieces: &[(u32, Option<u32>, Piece)],
    ) -> Vec<CodeLine> {
        let inside = |target: u32| range.contains(&target);
        let targets: BTreeSet<u32> = pieces
            .iter()
            .filter_map(|(_, _, piece)| piece.target())
            .filter(|&target| inside(target))
            .collect();
        let labels: HashMap<u32, u32> = targets.into_iter().zip(1..).collect();
        let place = |target: u32| match (labels.get(&target), self.starts.get(&target)) {
            (Some(label), _) => format!("L{label}"),
            (None, Some(function)) => format!("@{function}"),
            (None, None) => format!("{target:#x}"),
        };
        pieces
            .iter()
            .map(|&(offset, wasm, ref piece)| {
                let mut text = match piece {
                    Piece::Entry(target) => format!(".long {}", place(*target)),
                    Piece::Branch(text, target) => format!("{text} {}", place(*target)),
                    Piece::Instruction(text) => text.clone(),
                };
                if let Some(kind) = self.traps.get(&offset) {
                    text = format!("{text} ; {}", kind.name());
                }
                CodeLine {
                    offset,
                    label: labels.get(&offset).copied(),
                    wasm,
                    text,
                }
            })
            .collect()
    }
}

/// The head of a function without its name, which can be long.
fn without_name(text: &str) -> &str {
    match (text.starts_with("(func $"), text.find("(;")) {
        (true, Some(index)) => &text[index..],
        _ => text.strip_prefix("(func ").unwrap_or(text),
    }
}
