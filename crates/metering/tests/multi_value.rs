//! Random bodies with parameters of blocks and several results, which the oracle cannot read. Held against
//! the validator's own operand heights, and against themselves with the branches of each `if` in the other order.

use proptest::prelude::*;
use pvf_metering::{LogicalHeight, MeterError, ModuleSignatures, Signatures, declared_locals};
use std::fmt::Write;
use wasmparser::{FuncValidatorAllocations, Parser, ValidPayload, Validator, WasmFeatures};

/// What a block is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    Loop,
    If,
}

enum Node {
    Plain(String),
    Nested {
        kind: Kind,
        params: u32,
        results: u32,
        /// One, or two of an `if` with an `else`.
        branches: Vec<Vec<Node>>,
    },
}

/// What the bodies may have.
#[derive(Clone, Copy)]
struct Language {
    /// Operators behind those that do not go on.
    dead_code: bool,
    /// `if`s that WebAssembly 1.0 has.
    old_ifs: bool,
}

/// Builds a valid body out of bytes; without more, every choice is the first one.
struct Builder<'t> {
    tape: std::slice::Iter<'t, u8>,
    language: Language,
    /// Values that a branch to each open label takes, the innermost last.
    labels: Vec<u32>,
}

/// Parameters and results of the functions that are called, all `i32`.
const CALLEES: [(u32, u32); 4] = [(0, 0), (0, 3), (3, 0), (2, 2)];
/// Results of the function.
const RESULTS: u32 = 2;

impl Builder<'_> {
    fn choose(&mut self, below: u32) -> u32 {
        self.tape.next().map_or(0, |&byte| u32::from(byte) % below)
    }

    /// A branch of a block: from its parameters to its results, or to a jump.
    fn branch(&mut self, params: u32, results: u32) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut height = params;
        let count = self.choose(7);
        for _ in 0..count {
            if self.labels.len() > 8 {
                break;
            }
            if self.choose(6) == 0 {
                let jump = self.jump(&mut nodes, &mut height);
                nodes.push(Node::Plain(jump));
                if !self.language.dead_code || self.choose(3) > 0 {
                    return nodes;
                }
                // Operands are there again as they are pushed.
                height = 0;
            }
            self.operator(&mut nodes, &mut height);
        }
        need(&mut nodes, &mut height, results);
        while height > results {
            take(&mut nodes, &mut height, "drop", 1, 0);
        }
        nodes
    }

    fn operator(&mut self, nodes: &mut Vec<Node>, height: &mut u32) {
        match self.choose(10) {
            0 | 1 => take(nodes, height, "i32.const 1", 0, 1),
            2 => take(nodes, height, "drop", 1, 0),
            3 => take(nodes, height, "i32.add", 2, 1),
            4 => take(nodes, height, "select", 3, 1),
            5 => {
                let callee = self.choose(CALLEES.len() as u32);
                let (params, results) = CALLEES[callee as usize];
                take(nodes, height, &format!("call {callee}"), params, results);
            }
            6 => {
                let depth = self.choose(self.labels.len() as u32);
                let arity = self.arity(depth);
                take(nodes, height, &format!("br_if {depth}"), arity + 1, arity);
            }
            choice => {
                let kind = [Kind::Block, Kind::Loop, Kind::If][choice as usize - 7];
                self.nested(kind, nodes, height);
            }
        }
    }

    fn nested(&mut self, kind: Kind, nodes: &mut Vec<Node>, height: &mut u32) {
        let (mut params, results) = (self.choose(4), self.choose(4));
        if kind == Kind::If && !self.language.old_ifs && results < 2 {
            params = params.max(1);
        }
        let condition = u32::from(kind == Kind::If);
        need(nodes, height, params + condition);
        *height -= params + condition;
        self.labels.push(match kind {
            Kind::Loop => params,
            Kind::Block | Kind::If => results,
        });
        let mut branches = vec![self.branch(params, results)];
        if kind == Kind::If && (params != results || self.choose(4) > 0) {
            branches.push(self.branch(params, results));
        }
        self.labels.pop();
        *height += results;
        nodes.push(Node::Nested {
            kind,
            params,
            results,
            branches,
        });
    }

    /// An operator that does not go on, with its operands.
    fn jump(&mut self, nodes: &mut Vec<Node>, height: &mut u32) -> String {
        let depth = self.choose(self.labels.len() as u32);
        let arity = self.arity(depth);
        match self.choose(4) {
            0 => "unreachable".to_owned(),
            1 => {
                need(nodes, height, RESULTS);
                "return".to_owned()
            }
            2 => {
                need(nodes, height, arity);
                format!("br {depth}")
            }
            _ => {
                need(nodes, height, arity + 1);
                let labels = 0..self.labels.len() as u32;
                let same = labels.filter(|&other| self.arity(other) == arity);
                same.fold(format!("br_table {depth}"), |text, other| {
                    format!("{text} {other}")
                })
            }
        }
    }

    fn arity(&self, depth: u32) -> u32 {
        self.labels[self.labels.len() - 1 - depth as usize]
    }
}

/// Pushes what is missing of so many operands.
fn need(nodes: &mut Vec<Node>, height: &mut u32, operands: u32) {
    while *height < operands {
        nodes.push(Node::Plain("i32.const 2".to_owned()));
        *height += 1;
    }
}

fn take(nodes: &mut Vec<Node>, height: &mut u32, text: &str, pops: u32, pushes: u32) {
    need(nodes, height, pops);
    nodes.push(Node::Plain(text.to_owned()));
    *height = *height - pops + pushes;
}

/// The text of a body. With `swap`, the branches of every `if` that WebAssembly 1.0 does not have change places.
fn text(nodes: &[Node], swap: bool, out: &mut String) {
    for node in nodes {
        match node {
            Node::Plain(operator) => writeln!(out, "{operator}").expect("text"),
            Node::Nested {
                kind,
                params,
                results,
                branches,
            } => {
                let name = match kind {
                    Kind::Block => "block",
                    Kind::Loop => "loop",
                    Kind::If => "if",
                };
                let types = |count: &u32| " i32".repeat(*count as usize);
                let (from, to) = (types(params), types(results));
                writeln!(out, "{name} (param{from}) (result{to})").expect("text");
                let mut order: Vec<_> = branches.iter().collect();
                if swap && (*params > 0 || *results > 1) {
                    order.reverse();
                }
                for (index, branch) in order.into_iter().enumerate() {
                    if index > 0 {
                        out.push_str("else\n");
                    }
                    text(branch, swap, out);
                }
                out.push_str("end\n");
            }
        }
    }
}

fn body(tape: &[u8], language: Language) -> Vec<Node> {
    let mut builder = Builder {
        tape: tape.iter(),
        language,
        labels: vec![RESULTS],
    };
    builder.branch(0, RESULTS)
}

/// The module whose last function has the body.
fn module(body: &[Node], swap: bool) -> Vec<u8> {
    let types = |count: u32| " i32".repeat(count as usize);
    let mut out = String::from("(module\n");
    for (params, results) in CALLEES {
        let (from, to) = (types(params), types(results));
        writeln!(out, "(func (param{from}) (result{to}) unreachable)").expect("text");
    }
    writeln!(out, "(func (result{}) (local i64)", types(RESULTS)).expect("text");
    text(body, swap, &mut out);
    out.push_str("))");
    wat::parse_str(&out).unwrap_or_else(|error| panic!("{error}\n{out}"))
}

/// The logical cost of the last function, and the greatest operand height before any operator of it, by the validator.
fn measure(wasm: &[u8]) -> (Result<u32, MeterError>, u32) {
    let features = WasmFeatures::WASM1 | WasmFeatures::MULTI_VALUE;
    let mut validator = Validator::new_with_features(features);
    let signatures = ModuleSignatures::parse(wasm).expect("a module");
    let mut last = (Ok(0), 0);
    let mut function = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = validator.payload(&payload.expect("a module"));
        let ValidPayload::Func(to_validate, body) = payload.expect("valid") else {
            continue;
        };
        let mut validator = to_validate.into_validator(FuncValidatorAllocations::default());
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader).expect("locals");
        let arity = signatures.function(function).expect("a function");
        let mut height = LogicalHeight::new();
        height.begin(declared_locals(&body).expect("locals"), arity.results);
        let (mut result, mut highest) = (Ok(()), 0);
        let mut operators = body.get_operators_reader().expect("operators");
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset().expect("an operator");
            highest = highest.max(validator.operand_stack_height());
            result = result.and_then(|()| height.operator(&operator, &signatures));
            validator.op(offset, &operator).expect("valid");
        }
        last = (result.and_then(|()| height.finish()), highest);
        function += 1;
    }
    last
}

fn tapes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..160)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    /// LOGICAL-8: no body is refused unless it has unreachable operators.
    #[test]
    fn reachable_code_has_a_cost(tape in tapes(), old_ifs in any::<bool>()) {
        let language = Language { dead_code: false, old_ifs };
        let (cost, highest) = measure(&module(&body(&tape, language), false));
        let cost = cost.map_err(|error| TestCaseError::fail(error.to_string()))?;
        // One declared local, and the two units of every activation.
        let exact = 1 + 2 + highest;
        // Only the quirk of an `else` in the reference's own language can make the two heights differ.
        prop_assert!(old_ifs || cost == exact, "{cost} units, height {highest}");
    }

    /// LOGICAL-3: which branch of an `if` with parameters or several results comes first makes no difference.
    #[test]
    fn branches_can_change_places(tape in tapes(), dead_code in any::<bool>()) {
        let language = Language { dead_code, old_ifs: true };
        let body = body(&tape, language);
        let (cost, _) = measure(&module(&body, false));
        let (swapped, _) = measure(&module(&body, true));
        prop_assert_eq!(cost, swapped);
        prop_assert!(dead_code || cost.is_ok());
    }
}
