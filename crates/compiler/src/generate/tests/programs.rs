//! Random functions in the text format, generated from a string of choices.
//!
//! After the end of the string every choice is the simplest one. So every string gives a function, and a shorter string
//! a simpler one. Every loop counts down, so that every function ends.

use std::fmt::Write;

const TYPES: [&str; 4] = ["i32", "i64", "f32", "f64"];
const I32: usize = 0;
const I64: usize = 1;

/// Functions that can be called: parameters and results, by index in [`TYPES`].
const CALLEES: [(&[usize], &[usize]); 5] = [
    (&[I32], &[I32]),
    (&[3, I64, 2, 3, 3], &[3]),
    (&[], &[I64]),
    (&[I64, I32, I32, I64, I32, 2], &[]),
    (&[2, I32, I32, I32, I32, I32], &[2, I32, I64, 3, I32, I32]),
];

const CONSTANTS: [&str; 6] = ["0", "1", "7", "1024", "-1", "123456789"];
/// Constants whose lowest bit is 0, as that of all canonical floats in these tests.
const FLOATS: [&str; 3] = ["0", "1.5", "-1024"];

/// Deepest nesting of expressions and blocks.
const DEPTH: u32 = 5;
const MOST_LOOPS: usize = 3;

struct Label {
    types: Vec<usize>,
    /// Of a loop, the local that counts.
    counter: Option<usize>,
}

impl Label {
    /// The label of a block, not of a loop.
    fn plain(types: Vec<usize>) -> Self {
        let counter = None;
        Self { types, counter }
    }
}

struct Program<'c> {
    choices: std::slice::Iter<'c, u8>,
    text: String,
    /// Types of the locals that are set and read at will, parameters first.
    locals: Vec<usize>,
    /// Innermost last.
    labels: Vec<Label>,
    results: Vec<usize>,
    loops: usize,
}

/// A module with one function.
pub(super) fn module(choices: &[u8]) -> String {
    let mut program = Program {
        choices: choices.iter(),
        text: String::new(),
        locals: Vec::new(),
        labels: Vec::new(),
        results: Vec::new(),
        loops: 0,
    };
    program.function();
    let mut module = String::from("(module ");
    for (number, (params, results)) in CALLEES.iter().enumerate() {
        let (params, results) = (types("param", params), types("result", results));
        write!(
            module,
            "(import \"\" \"\" (func $f{number} {params} {results}))"
        )
        .unwrap();
    }
    module + &program.text + ")"
}

fn types(what: &str, types: &[usize]) -> String {
    let names = types.iter().map(|&ty| TYPES[ty]);
    format!("({what} {})", names.collect::<Vec<_>>().join(" "))
}

impl Program<'_> {
    /// A number below a bound.
    fn choose(&mut self, bound: usize) -> usize {
        let mut byte = || usize::from(self.choices.next().copied().unwrap_or(0));
        match bound {
            0..=256 => byte() % bound,
            _ => (byte() << 8 | byte()) % bound,
        }
    }

    fn types(&mut self, most: usize) -> Vec<usize> {
        let count = self.choose(most + 1);
        (0..count).map(|_| self.choose(4)).collect()
    }

    fn say(&mut self, text: impl AsRef<str>) {
        self.text.push_str(text.as_ref());
        self.text.push(' ');
    }

    fn function(&mut self) {
        let params = self.types(8);
        // Few, many, or so many that some are not tracked.
        let count = match self.choose(6) {
            0..3 => self.choose(6),
            3..5 => self.choose(16),
            _ => 256 + self.choose(24),
        };
        let declared: Vec<_> = (0..count).map(|local| (local * 7 / 3) % 4).collect();
        self.results = self.types(6);
        self.locals = [&params[..], &declared].concat();
        self.labels.push(Label::plain(self.results.clone()));
        let (params, results) = (types("param", &params), types("result", &self.results));
        let (declared, counters) = (types("local", &declared), [I32; MOST_LOOPS]);
        let counters = types("local", &counters);
        self.say(format!("(func {params} {results} {declared} {counters}"));
        self.statements(0);
        for ty in self.results.clone() {
            self.expression(ty, 1);
        }
        self.say(")");
    }

    fn statements(&mut self, depth: u32) {
        for _ in 0..self.choose(7) {
            self.statement(depth);
        }
    }

    fn local_of(&mut self, ty: Option<usize>) -> Option<usize> {
        let all: Vec<_> = (0..self.locals.len())
            .filter(|&local| ty.is_none_or(|ty| self.locals[local] == ty))
            .collect();
        (!all.is_empty()).then(|| all[self.choose(all.len())])
    }

    fn set(&mut self, ty: usize) {
        match self.local_of(Some(ty)) {
            Some(local) => self.say(format!("local.set {local}")),
            None => self.say("drop"),
        }
    }

    fn statement(&mut self, depth: u32) {
        let kinds = if depth >= DEPTH { 3 } else { 11 };
        match self.choose(kinds) {
            0 | 1 => {
                if let Some(local) = self.local_of(None) {
                    self.expression(self.locals[local], depth);
                    self.say(format!("local.set {local}"));
                }
            }
            2 => {
                let callee = self.choose(CALLEES.len());
                self.call(callee, depth);
                for &ty in CALLEES[callee].1.iter().rev() {
                    self.set(ty);
                }
            }
            3 => self.block("block", depth),
            4 => self.block("if", depth),
            5 | 6 if self.loops < MOST_LOOPS => self.counted_loop(depth),
            7 | 8 => self.branch_if(depth),
            9 => self.branch_table(depth),
            10 => self.leave(depth),
            _ => self.branch_if(depth),
        }
    }

    fn call(&mut self, callee: usize, depth: u32) {
        for &ty in CALLEES[callee].0 {
            self.expression(ty, depth + 1);
        }
        self.say(format!("call $f{callee}"));
    }

    fn expressions(&mut self, types: &[usize], depth: u32) {
        for &ty in types {
            self.expression(ty, depth);
        }
    }

    fn drop_all(&mut self, types: &[usize]) {
        for &ty in types.iter().rev() {
            match self.choose(2) {
                0 => self.say("drop"),
                _ => self.set(ty),
            }
        }
    }

    fn block(&mut self, kind: &str, depth: u32) {
        let (params, results) = (self.types(4), self.types(10));
        self.expressions(&params, depth + 1);
        if kind == "if" {
            self.condition(depth + 1);
        }
        let ty = format!("{} {}", types("param", &params), types("result", &results));
        self.say(format!("{kind} {ty}"));
        self.labels.push(Label::plain(results.clone()));
        let branches = if kind == "if" { 2 } else { 1 };
        for branch in 0..branches {
            if branch == 1 {
                if params == results && self.choose(2) == 1 {
                    break;
                }
                self.say("else");
            }
            self.drop_all(&params);
            self.statements(depth + 1);
            self.expressions(&results, depth + 1);
        }
        self.labels.pop();
        self.say("end");
        self.drop_all(&results);
    }

    fn counted_loop(&mut self, depth: u32) {
        let counter = self.locals.len() + self.loops;
        self.loops += 1;
        let (params, results) = (self.types(4), self.types(3));
        let count = 1 + self.choose(3);
        self.say(format!("i32.const {count} local.set {counter}"));
        self.expressions(&params, depth + 1);
        let ty = format!("{} {}", types("param", &params), types("result", &results));
        self.say(format!("loop {ty}"));
        self.labels.push(Label {
            types: params.clone(),
            counter: Some(counter),
        });
        self.drop_all(&params);
        self.statements(depth + 1);
        self.back(0, depth);
        self.expressions(&results, depth + 1);
        self.labels.pop();
        self.say("end");
        self.drop_all(&results);
        self.loops -= 1;
    }

    /// A branch back to the loop `distance` labels out, unless its counter has run out.
    fn back(&mut self, distance: usize, depth: u32) {
        let label = &self.labels[self.labels.len() - 1 - distance];
        let (types, counter) = (label.types.clone(), label.counter.expect("a loop"));
        self.expressions(&types, depth + 1);
        let counted = "i32.const 1 i32.sub local.tee";
        let more = format!("local.get {counter} {counted} {counter} i32.const 0 i32.gt_s");
        self.say(format!("{more} br_if {distance}"));
        self.drop_all(&types);
    }

    fn branch_if(&mut self, depth: u32) {
        let distance = self.choose(self.labels.len());
        let label = &self.labels[self.labels.len() - 1 - distance];
        if label.counter.is_some() {
            return self.back(distance, depth);
        }
        let types = label.types.clone();
        self.expressions(&types, depth + 1);
        self.condition(depth + 1);
        self.say(format!("br_if {distance}"));
        self.drop_all(&types);
    }

    fn branch_table(&mut self, depth: u32) {
        let distance = self.choose(self.labels.len());
        let innermost = self.labels.len() - 1;
        let types = self.labels[innermost - distance].types.clone();
        let fitting: Vec<_> = (0..=innermost)
            .filter(|&other| {
                let label = &self.labels[innermost - other];
                label.counter.is_none() && label.types == types
            })
            .collect();
        if fitting.is_empty() {
            return;
        }
        // In a block of its own, so that the code after it can be reached.
        self.say("block");
        self.labels.push(Label::plain(Vec::new()));
        self.expressions(&types, depth + 1);
        self.expression(I32, depth + 1);
        self.say("i32.const 3 i32.and br_table");
        for _ in 0..=self.choose(4) {
            let target = fitting[self.choose(fitting.len())] + 1;
            let target = match types.is_empty() && self.choose(2) == 1 {
                true => 0,
                false => target,
            };
            self.say(target.to_string());
        }
        self.labels.pop();
        self.say("end");
    }

    /// Leaves the function or a block around, on a condition.
    fn leave(&mut self, depth: u32) {
        self.condition(depth + 1);
        self.say("if");
        let distance = self.choose(self.labels.len() + 1);
        let label = self.labels.iter().rev().nth(distance);
        let label = label.map(|label| (label.types.clone(), label.counter));
        self.labels.push(Label::plain(Vec::new()));
        match label {
            Some((types, None)) => {
                self.expressions(&types, depth + 1);
                self.say(format!("br {}", distance + 1));
            }
            Some(_) => self.say("nop"),
            None if self.choose(4) == 3 => self.say("unreachable"),
            None => {
                let results = self.results.clone();
                self.expressions(&results, depth + 1);
                self.say("return");
            }
        }
        self.labels.pop();
        self.say("end");
    }

    /// Pushes a condition; a sum may come between it and its use.
    fn condition(&mut self, depth: u32) {
        self.expression(I32, depth);
        let kind = self.choose(4);
        if let Some(ty) = kind.checked_sub(2)
            && let Some(from) = self.local_of(Some(ty))
            && let Some(to) = self.local_of(Some(ty))
        {
            self.say(format!("local.get {from}"));
            self.constant(ty);
            self.say(format!("{}.add local.set {to}", TYPES[ty]));
        }
    }

    /// Pushes a value of a type.
    fn expression(&mut self, ty: usize, depth: u32) {
        let kinds = match depth >= DEPTH {
            true => 3,
            false => 12,
        };
        let name = TYPES[ty];
        match self.choose(kinds) {
            0 | 1 => match self.local_of(Some(ty)) {
                Some(local) => self.say(format!("local.get {local}")),
                None => self.constant(ty),
            },
            2 => self.constant(ty),
            3 | 4 => {
                self.expression(ty, depth + 1);
                self.expression(ty, depth + 1);
                let operator = match ty {
                    I32 | I64 => ["add", "sub", "xor", "mul", "and", "or"][self.choose(6)],
                    _ => "add",
                };
                self.say(format!("{name}.{operator}"));
            }
            5 => {
                self.expression(ty, depth + 1);
                if let Some(local) = self.local_of(Some(ty)) {
                    self.say(format!("local.tee {local}"));
                }
            }
            6 => {
                self.expression(ty, depth + 1);
                self.expression(ty, depth + 1);
                self.expression(I32, depth + 1);
                self.say("select");
            }
            7 => {
                self.say(format!("block (result {name})"));
                self.labels.push(Label::plain(vec![ty]));
                self.statements(depth + 1);
                self.expression(ty, depth + 1);
                self.labels.pop();
                self.say("end");
            }
            8 => match CALLEES.iter().position(|(_, results)| *results == [ty]) {
                Some(callee) => self.call(callee, depth),
                None => self.constant(ty),
            },
            9 if ty == I32 => {
                let of = [I32, I64][self.choose(2)];
                self.expression(of, depth + 1);
                match self.choose(3) {
                    0 => self.say(format!("{}.eqz", TYPES[of])),
                    other => {
                        self.expression(of, depth + 1);
                        let operator = ["lt_s", "ge_u"][other - 1];
                        self.say(format!("{}.{operator}", TYPES[of]));
                    }
                }
            }
            9 | 10 if ty == I64 => {
                self.expression(I32, depth + 1);
                self.say("i64.extend_i32_u");
            }
            10 if ty == I32 => {
                self.expression(I64, depth + 1);
                self.say("i32.wrap_i64");
            }
            11 if ty == I32 || ty == I64 => {
                self.expression(ty, depth + 1);
                match self.choose(3) {
                    0 => self.say(format!("{name}.const 12")),
                    1 => self.say(format!("{name}.const 16")),
                    _ => {
                        self.expression(ty, depth + 1);
                        self.say(format!("{name}.const 1 {name}.or"));
                    }
                }
                let operator = ["div_u", "rem_u"][self.choose(2)];
                self.say(format!("{name}.{operator}"));
            }
            _ => self.constant(ty),
        }
    }

    fn constant(&mut self, ty: usize) {
        let value = match ty {
            I32 | I64 => CONSTANTS[self.choose(CONSTANTS.len())],
            _ => FLOATS[self.choose(FLOATS.len())],
        };
        self.say(format!("{}.const {value}", TYPES[ty]));
    }
}
