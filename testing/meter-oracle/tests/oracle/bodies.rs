//! Random valid bodies with much unreachable code, which wasm-smith rarely generates.
//!
//! A tape of bytes determines the body. Any tape gives a valid module of `i32` functions, so that proptest can shrink
//! it.

/// Parameters and results of the module's other functions, besides the one under test.
const CALLEES: [(u32, u32); 4] = [(0, 0), (0, 1), (2, 1), (5, 0)];

/// A block kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    Loop,
    If,
    Else,
}

#[derive(Clone, Copy)]
struct Frame {
    kind: Kind,
    base: u32,
    results: u32,
    unreachable: bool,
}

impl Frame {
    fn label_arity(&self) -> u32 {
        if self.kind == Kind::Loop {
            0
        } else {
            self.results
        }
    }
}

/// Writes a body as text, keeping it valid.
struct Writer<'a> {
    tape: std::slice::Iter<'a, u8>,
    text: String,
    frames: Vec<Frame>,
    height: u32,
}

/// The module that a tape determines, as text.
pub fn module(tape: &[u8]) -> String {
    let mut writer = Writer {
        tape: tape.iter(),
        text: String::new(),
        frames: vec![],
        height: 0,
    };
    let results = writer.choose(2);
    let locals = writer.choose(4);
    writer.open(Kind::Block, results);
    while !writer.tape.as_slice().is_empty() {
        writer.instruction();
    }
    while writer.frames.len() > 1 {
        writer.close();
    }
    writer.settle();
    let result = ["", "(result i32)"][results as usize];
    let locals = "i32 ".repeat(locals as usize);
    let body = writer.text;
    let callees: String = CALLEES
        .iter()
        .enumerate()
        .map(|(index, (params, results))| {
            let params = "i32 ".repeat(*params as usize);
            let (ty, value) = [("", ""), ("(result i32)", "i32.const 0")][*results as usize];
            format!("(type $t{index} (func (param {params}) {ty}))\n(func $f{index} (type $t{index}) {value})\n")
        })
        .collect();
    format!(
        "(module (memory 1) (table 1 funcref)\n{callees}(func (param i32) {result} (local {locals})\n{body}))"
    )
}

impl Writer<'_> {
    fn choose(&mut self, bound: u32) -> u32 {
        self.tape.next().map_or(0, |byte| u32::from(*byte) % bound)
    }

    fn emit(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn top(&self) -> Frame {
        *self.frames.last().expect("the body's own frame stays")
    }

    fn has(&self, count: u32) -> bool {
        let top = self.top();
        top.unreachable || self.height >= top.base + count
    }

    /// Pops and pushes operands. An unreachable frame provides any missing operand.
    fn effect(&mut self, pops: u32, pushes: u32) {
        let top = self.top();
        let floor = top.base;
        self.height = self.height.saturating_sub(pops).max(floor) + pushes;
    }

    /// Pushes constants until an instruction has the operands that it needs.
    fn need(&mut self, count: u32) {
        while !self.has(count) {
            self.emit("i32.const 7");
            self.height += 1;
        }
    }

    fn plain(&mut self, text: &str, pops: u32, pushes: u32) {
        self.need(pops);
        self.emit(text);
        self.effect(pops, pushes);
    }

    fn stop(&mut self, text: &str) {
        self.emit(text);
        let top = self.frames.last_mut().expect("the body's own frame stays");
        top.unreachable = true;
        self.height = top.base;
    }

    fn open(&mut self, kind: Kind, results: u32) {
        self.frames.push(Frame {
            kind,
            base: self.height,
            results,
            unreachable: false,
        });
    }

    /// Drops or pushes operands until their number is that of the frame's results.
    fn settle(&mut self) {
        let top = self.top();
        while self.height > top.base + top.results {
            self.plain("drop", 1, 0);
        }
        while !top.unreachable && self.height < top.base + top.results {
            self.plain("i32.const 3", 0, 1);
        }
        self.height = top.base + top.results;
    }

    fn close(&mut self) {
        let top = self.top();
        self.settle();
        if top.kind == Kind::If && top.results > 0 {
            self.switch();
            self.settle();
        }
        self.emit("end");
        self.frames.pop();
    }

    fn switch(&mut self) {
        self.settle();
        self.emit("else");
        let top = self.frames.last_mut().expect("an if is open");
        top.kind = Kind::Else;
        top.unreachable = false;
        self.height = top.base;
    }

    fn instruction(&mut self) {
        match self.choose(24) {
            0 => self.plain("nop", 0, 0),
            1 | 2 => self.plain("i32.const 1", 0, 1),
            3 => self.plain("local.get 0", 0, 1),
            4 => self.plain("i32.add", 2, 1),
            5 => self.plain("select", 3, 1),
            6 => self.plain("drop", 1, 0),
            7 => self.plain("i32.store", 2, 0),
            8 => self.plain("memory.grow", 1, 1),
            9 => {
                let callee = self.choose(CALLEES.len() as u32) as usize;
                let (params, results) = CALLEES[callee];
                self.plain(&format!("call $f{callee}"), params, results);
            }
            10 => {
                let callee = self.choose(CALLEES.len() as u32) as usize;
                let (params, results) = CALLEES[callee];
                self.need(params + 1);
                let call = format!("call_indirect (type $t{callee})");
                self.plain(&call, params + 1, results);
            }
            11 => {
                let results = self.choose(2);
                self.emit(["block", "block (result i32)"][results as usize]);
                self.open(Kind::Block, results);
            }
            12 => {
                let results = self.choose(2);
                self.emit(["loop", "loop (result i32)"][results as usize]);
                self.open(Kind::Loop, results);
            }
            13 | 14 => {
                let results = self.choose(2);
                self.plain(["if", "if (result i32)"][results as usize], 1, 0);
                self.open(Kind::If, results);
            }
            15 | 16 if self.top().kind == Kind::If && self.frames.len() > 1 => self.switch(),
            17 | 18 if self.frames.len() > 1 => self.close(),
            19 => self.stop("unreachable"),
            20 => {
                self.need(self.frames[0].results);
                self.stop("return");
            }
            21 => {
                let (depth, arity) = self.label();
                self.need(arity);
                self.stop(&format!("br {depth}"));
            }
            22 => {
                let (depth, arity) = self.label();
                self.plain(&format!("br_if {depth}"), arity + 1, arity);
            }
            23 => self.branch_table(),
            _ => self.plain("i32.eqz", 1, 1),
        }
    }

    fn label(&mut self) -> (u32, u32) {
        let depth = self.choose(self.frames.len() as u32);
        let frame = self.frames[self.frames.len() - 1 - depth as usize];
        (depth, frame.label_arity())
    }

    fn branch_table(&mut self) {
        let (default, arity) = self.label();
        let mut targets = String::new();
        for _ in 0..self.choose(4) {
            let (depth, other) = self.label();
            if other == arity {
                targets.push_str(&format!("{depth} "));
            }
        }
        self.need(arity + 1);
        self.stop(&format!("br_table {targets}{default}"));
    }
}
