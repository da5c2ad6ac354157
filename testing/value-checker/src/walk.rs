//! Both sides in step: instructions are executed over terms, and whatever has an effect is compared with what the Wasm
//! does next.

use crate::body::Body;
use crate::join;
use crate::machine::{FLOATS, Fixed, Machine, Space, Value};
use crate::report::{Alarm, Stop, Unchecked};
use crate::target::{Convention, Flow, Shape, Target};
use crate::term::{Float, Node, Term, Terms, Unary};
use crate::wasm::{Common, Event, Halt, Position, Scene, Wasm};
use crate::{Input, Piece};
use pvf_rules::TrapKind;
use pvf_verifier::wasm::{FuncType, ValType};
use pvf_verifier::{TrapSite, layout};

/// Both sides, and what they share.
#[derive(Clone, Debug)]
pub struct State {
    /// The machine.
    pub machine: Machine,
    /// The Wasm.
    pub wasm: Wasm,
    /// What both hold in common.
    pub common: Common,
}

/// The walk over one function.
pub struct Walk<'a> {
    /// The Wasm side's surroundings.
    pub scene: Scene<'a>,
    /// The present state.
    pub state: State,
    /// The machine's symbols.
    pub fixed: Fixed,
    input: &'a Input<'a>,
    convention: &'static Convention,
    function: u32,
    ty: &'a FuncType,
    /// The trap sites of the function.
    sites: &'a [TrapSite],
    pieces: &'a [Piece],
    table_offset: u64,
    /// The instruction that is executed.
    at: u32,
}

/// The ways on from a block.
pub type Ways = Vec<(u32, State)>;

/// The bits of a type.
pub fn bits(ty: ValType) -> u8 {
    if ty.is_wide() { 64 } else { 32 }
}

impl<'a> Walk<'a> {
    /// A walk that begins at a function's entry.
    pub fn new(
        input: &'a Input<'a>,
        function: u32,
        body: &'a Body,
        ty: &'a FuncType,
        convention: &'static Convention,
        terms: &'a mut Terms,
    ) -> Self {
        let code = input.code.functions[function as usize];
        let end = code.offset.saturating_add(code.bytes);
        let sites = input.code.sites;
        let first = sites.partition_point(|it| it.code_offset < code.offset);
        let last = sites.partition_point(|it| it.code_offset < end);
        let pieces = input.pieces;
        let from = pieces.partition_point(|it| it.code_offset < code.offset);
        let to = pieces.partition_point(|it| it.code_offset < end);
        let fixed = Fixed {
            stack: terms.symbol(64),
            memory: terms.symbol(64),
            context: terms.symbol(64),
            code: terms.symbol(64),
        };
        let mut globals = input.module.globals.len() as u32;
        if let Some(counter) = input.code.settings.logical_counter {
            globals = globals.max(counter + 1);
        }
        let mut machine = Machine::new();
        machine.set(convention.stack, Value::whole(fixed.stack));
        machine.set(convention.memory, Value::whole(fixed.memory));
        machine.set(convention.context, Value::whole(fixed.context));
        let common = Common {
            globals: input
                .module
                .globals
                .iter()
                .map(|global| terms.symbol(bits(global.ty)))
                .collect(),
            memory_bytes: terms.symbol(33),
            facts: Vec::new(),
        };
        let mut locals = Vec::with_capacity(body.locals.len());
        let count = ty.params.len() as i32;
        let mut registers = Registers::new(convention);
        for (number, &param) in (0..).zip(&ty.params) {
            let term = terms.symbol(bits(param));
            locals.push(term);
            match registers.next(param) {
                Some(register) => machine.set(
                    register,
                    Value {
                        term,
                        bits: if param.is_integer() { 64 } else { bits(param) },
                    },
                ),
                None => {
                    let slot = convention.return_address + 8 * (count - 1 - number);
                    machine.set_slot(
                        slot,
                        Value {
                            term,
                            bits: bits(param),
                        },
                    );
                }
            }
        }
        let zero = terms.constant(0);
        locals.resize(body.locals.len(), zero);
        Self {
            scene: Scene {
                module: input.module,
                body,
                results: ty.results.len() as u32,
                terms,
            },
            state: State {
                machine,
                wasm: Wasm {
                    at: Position { op: 0, step: 0 },
                    operands: Vec::new(),
                    locals,
                    open: Vec::new(),
                    trapped: None,
                    branched: None,
                },
                common,
            },
            fixed,
            input,
            convention,
            function,
            ty,
            sites: &sites[first..last],
            pieces: &pieces[from..to],
            table_offset: layout::table_offset(globals),
            at: code.offset,
        }
    }

    /// The terms.
    pub fn terms(&mut self) -> &mut Terms {
        self.scene.terms
    }

    /// The machine.
    pub fn machine(&mut self) -> &mut Machine {
        &mut self.state.machine
    }

    /// All bits of a register.
    pub fn get(&mut self, register: u8) -> Term {
        self.state.machine.get(self.scene.terms, register)
    }

    /// The low bits of a register.
    pub fn get_width(&mut self, register: u8, width: u8) -> Term {
        self.state
            .machine
            .get_width(self.scene.terms, register, width)
    }

    /// The two sides differ.
    pub fn alarm(&self, what: impl Into<String>) -> Stop {
        Stop::Alarm(Alarm {
            function: self.function,
            code_offset: self.at,
            wasm_offset: self.state.wasm.offset(self.scene.body),
            what: what.into(),
        })
    }

    fn halted(&self, halt: Halt) -> Stop {
        match halt {
            Halt::Event(event) => {
                let event = self.show(&event);
                self.alarm(format!("the Wasm does before: {event}"))
            }
            Halt::Invalid(what) => self.alarm(what),
        }
    }

    fn show(&self, event: &Event) -> String {
        let show = |term: Term| self.scene.terms.show(term, 3);
        match event {
            Event::Load(address, size) => format!("load of {size} bits at {}", show(*address)),
            Event::Store(address, size, value) => {
                format!(
                    "store of {size} bits at {} of {}",
                    show(*address),
                    show(*value)
                )
            }
            Event::SetGlobal(global, value) => format!("global {global} := {}", show(*value)),
            Event::Branch(condition) => format!("branch on {}", show(*condition)),
            Event::Table(index) => format!("table by {}", show(*index)),
            Event::TrapIf(condition, kind) => format!("{} if {}", kind.name(), show(*condition)),
            Event::Return(values) => {
                let values: Vec<_> = values.iter().map(|&it| show(it)).collect();
                format!("return of {}", values.join(", "))
            }
            Event::Call(callee, arguments) => {
                let arguments: Vec<_> = arguments.iter().map(|&it| show(it)).collect();
                format!("call of {callee} with {}", arguments.join(", "))
            }
            other => format!("{other:?}"),
        }
    }

    /// The distance of the stack pointer from that at the entry.
    pub fn stack_offset(&mut self) -> Result<i32, Stop> {
        let stack = self.get(self.convention.stack);
        match self.fixed.space(self.scene.terms, stack) {
            Space::Stack(at) => Ok(at),
            _ => Err(self.alarm("the stack pointer is not known")),
        }
    }

    fn site(&self, at: u32) -> Option<TrapSite> {
        let found = self
            .sites
            .binary_search_by_key(&at, |it| it.code_offset)
            .ok()?;
        Some(self.sites[found])
    }

    /// The Wasm offset that the code map names for an instruction.
    fn mapped(&self, at: u32) -> u32 {
        let behind = self.pieces.partition_point(|it| it.code_offset <= at);
        behind
            .checked_sub(1)
            .map_or(0, |it| self.pieces[it].wasm_offset)
    }

    /// The next event of the Wasm side, which then stands at its operator.
    fn event(&mut self) -> Result<Event, Stop> {
        let State { wasm, common, .. } = &mut self.state;
        match wasm.advance(&mut self.scene, common) {
            Ok(event) => Ok(event),
            Err(what) => Err(self.alarm(what)),
        }
    }

    /// The site of the present instruction is one of the Wasm operator's.
    fn expect_site(&mut self, at: u32, kind: TrapKind) -> Result<(), Stop> {
        let offset = self.state.wasm.offset(self.scene.body);
        match self.site(at) {
            Some(site) if site.kind == kind && site.wasm_offset == offset => Ok(()),
            Some(site) => Err(self.alarm(format!(
                "a trap site of {} at {:#x} instead of {}",
                site.kind.name(),
                site.wasm_offset,
                kind.name()
            ))),
            None => Err(self.alarm(format!("no trap site of {}", kind.name()))),
        }
    }

    fn done(&mut self, popped: usize, pushed: &[Term]) -> Result<(), Stop> {
        let done = self.state.wasm.done(popped, pushed);
        done.map_err(|halt| self.halted(halt))
    }

    /// Reads what an address is of.
    pub fn load(&mut self, address: Term, width: u8) -> Result<Value, Stop> {
        match self.fixed.space(self.scene.terms, address) {
            Space::Stack(at) if width >= 32 => {
                Ok(self.state.machine.slot(self.scene.terms, at, width))
            }
            Space::Context(at) => Ok(Value::whole(self.context(at, width))),
            Space::Entry(index, at) => {
                let field = self.table_offset + u64::from(layout::TABLE_ENTRY_SIGNATURE);
                let term = match at == field && width == 32 {
                    true => self.terms().unary(Unary::TableSignature, index),
                    false => self.terms().symbol(width),
                };
                Ok(Value::whole(term))
            }
            Space::Code(table, index) => {
                let table = self.terms().constant(table);
                let index = index.unwrap_or_else(|| self.terms().constant(0));
                let term = self
                    .terms()
                    .binary(crate::term::Binary::JumpTable, table, index);
                Ok(Value::whole(term))
            }
            Space::Memory(address) => {
                let event = self.event()?;
                match event {
                    Event::Load(expected, size) if expected == address && size == width => {}
                    Event::Builtin(2 | 3, ..) => {
                        return Err(Stop::Unchecked(Unchecked::BlockOperation));
                    }
                    event => {
                        let address = self.scene.terms.show(address, 4);
                        let event = self.show(&event);
                        return Err(
                            self.alarm(format!("a load of {width} bits at {address} for: {event}"))
                        );
                    }
                }
                self.expect_site(self.at, TrapKind::MemoryOutOfBounds)?;
                let raw = self.terms().symbol(width);
                let code = self.scene.body.ops[self.state.wasm.at.op as usize].code;
                let value = loaded(self.terms(), code, raw);
                self.done(1, &[value])?;
                Ok(Value::whole(raw))
            }
            _ => Err(self.alarm("a load from an unknown address")),
        }
    }

    fn context(&mut self, at: u64, width: u8) -> Term {
        let globals = u64::from(layout::context::GLOBALS);
        let global = at.wrapping_sub(globals);
        if at >= globals
            && global % 8 == 0
            && let Some(&term) = self.state.common.globals.get((global / 8) as usize)
        {
            // A wide read of a narrow global takes along what is not known.
            let known = bits(self.input.module.globals[(global / 8) as usize].ty);
            if width <= known {
                return self.terms().low(width, term);
            }
        }
        if at == u64::from(layout::context::MEMORY_BYTES) && width == 64 {
            return self.state.common.memory_bytes;
        }
        // An entry of the table whose index is a number.
        if let Some(entry) = at.checked_sub(self.table_offset)
            && entry % 16 == u64::from(layout::TABLE_ENTRY_SIGNATURE)
            && width == 32
        {
            let index = self.terms().constant(entry / 16);
            return self.terms().unary(Unary::TableSignature, index);
        }
        self.terms().symbol(width)
    }

    /// Writes to what an address is of.
    pub fn store(&mut self, address: Term, width: u8, value: Value) -> Result<(), Stop> {
        match self.fixed.space(self.scene.terms, address) {
            Space::Stack(at) if width >= 32 => {
                let term = self.scene.terms.low(width, value.term);
                let bits = value.bits.min(width);
                self.state.machine.set_slot(at, Value { term, bits });
                if bits < width {
                    // The upper half is not known, and overwrites all the same.
                    self.state.machine.forget_slots(at + 4, at + 8);
                    self.state.machine.set_slot(at, Value { term, bits });
                }
                Ok(())
            }
            Space::Context(at) => self.store_context(at, width, value),
            Space::Memory(address) => {
                let term = self.scene.terms.low(width, value.term);
                let event = self.event()?;
                match event {
                    Event::Store(expected, size, of)
                        if expected == address
                            && size == width
                            && of == term
                            && value.bits >= width.min(64) => {}
                    Event::Builtin(2 | 3, ..) => {
                        return Err(Stop::Unchecked(Unchecked::BlockOperation));
                    }
                    event => {
                        let address = self.scene.terms.show(address, 4);
                        let term = self.scene.terms.show(term, 7);
                        let event = self.show(&event);
                        return Err(self.alarm(format!(
                            "a store of {width} bits at {address} of {term} for: {event}"
                        )));
                    }
                }
                self.expect_site(self.at, TrapKind::MemoryOutOfBounds)?;
                self.done(2, &[])
            }
            _ => Err(self.alarm("a store to an unknown address")),
        }
    }

    fn store_context(&mut self, at: u64, width: u8, value: Value) -> Result<(), Stop> {
        let globals = u64::from(layout::context::GLOBALS);
        if at < globals {
            // The meters' fields and the stack's; the verifier has rules for them.
            return Ok(());
        }
        let number = (at - globals) / 8;
        let Some(global) = self.input.module.globals.get(number as usize) else {
            return Err(self.alarm("a store to the context"));
        };
        let wide = bits(global.ty);
        let event = self.event()?;
        match event {
            Event::SetGlobal(expected, term)
                if u64::from(expected) == number
                    && (at - globals).is_multiple_of(8)
                    && width >= wide
                    && value.bits >= wide
                    && self.scene.terms.low(wide, value.term) == term =>
            {
                self.state.common.globals[number as usize] = term;
                self.done(1, &[])
            }
            event => {
                let value = self.scene.terms.show(value.term, 4);
                let event = self.show(&event);
                Err(self.alarm(format!("global {number} := {value} for: {event}")))
            }
        }
    }

    /// The instruction faults if the term is 1, for a division by zero. Returns whether it always does.
    pub fn fault_if(&mut self, condition: Term) -> Result<bool, Stop> {
        let condition = self.state.common.simplify(self.scene.terms, condition);
        match self.scene.terms.constant_of(condition) {
            Some(0) => return Ok(false),
            Some(_) => {
                // It always faults here.
                let kind = TrapKind::IntegerDivideByZero;
                match self.event()? {
                    Event::Trap(it) if it == kind => {}
                    _ => return Err(self.alarm("a division by zero")),
                }
                return self.expect_site(self.at, kind).map(|()| true);
            }
            None => {}
        }
        let event = self.event()?;
        match event {
            Event::TrapIf(expected, kind)
                if expected == condition && kind == TrapKind::IntegerDivideByZero =>
            {
                self.expect_site(self.at, kind)?;
                let decided = self.state.wasm.decide(&mut self.scene, false);
                decided.map_err(|halt| self.halted(halt)).map(|()| false)
            }
            event => {
                let condition = self.scene.terms.show(condition, 4);
                let event = self.show(&event);
                Err(self.alarm(format!("a fault if {condition} for: {event}")))
            }
        }
    }

    /// Executes a block. Returns the states with which it goes on.
    pub fn block<T: Target>(&mut self, target: &T, start: u32, end: u32) -> Result<Ways, Stop> {
        let mut at = start;
        loop {
            self.at = at;
            let Some(shape) = target.shape(self.input.code.code, at) else {
                return Err(self.alarm("control runs out of the code"));
            };
            let flow = target.step(self, at)?;
            match (shape, flow) {
                (Shape::Next(next), Flow::Next) => {
                    at = next;
                    if at >= end || at <= start {
                        return Ok(vec![(at, self.state.clone())]);
                    }
                }
                (Shape::Next(next), Flow::Call(callee)) => {
                    self.call(target, callee, next)?;
                    at = next;
                    if at >= end {
                        return Ok(vec![(at, self.state.clone())]);
                    }
                }
                (Shape::Next(next), Flow::CallEntry(address)) => {
                    self.call_entry(address)?;
                    at = next;
                    if at >= end {
                        return Ok(vec![(at, self.state.clone())]);
                    }
                }
                (Shape::Jump(to), Flow::Jump) => {
                    let here = self.mapped(at);
                    let mut state = self.state.clone();
                    self.resolve(&mut state, here);
                    return Ok(vec![(to, state)]);
                }
                (Shape::Branch(taken, next), Flow::Branch(condition)) => {
                    return self.fork(condition, taken, next);
                }
                (Shape::Table(targets), Flow::Table(address)) => {
                    return self.table(address, &targets);
                }
                (_, Flow::Fault) => return Ok(Vec::new()),
                (Shape::End, Flow::Return) => {
                    self.returns()?;
                    return Ok(Vec::new());
                }
                (Shape::End, Flow::Trap) => {
                    self.traps()?;
                    return Ok(Vec::new());
                }
                _ => return Err(self.alarm("control of another kind")),
            }
        }
    }

    /// A branch: that of the Wasm, or one of the machine's own.
    fn fork(&mut self, condition: Term, taken: u32, next: u32) -> Result<Ways, Stop> {
        let condition = self.state.common.simplify(self.scene.terms, condition);
        let here = self.mapped(self.at);
        if let Some(value) = self.scene.terms.constant_of(condition) {
            let to = if value != 0 { taken } else { next };
            let mut state = self.state.clone();
            self.resolve(&mut state, here);
            return Ok(vec![(to, state)]);
        }
        let opposite = self.scene.terms.not(condition);
        // What the Wasm would do next, tried on a copy.
        let mut ahead = self.state.wasm.clone();
        let event = match ahead.trapped {
            Some(_) => None,
            None => ahead.advance(&mut self.scene, &self.state.common).ok(),
        };
        let own = ahead.offset(self.scene.body) == here;
        let mut ways = Vec::with_capacity(2);
        if own {
            let (asked, trap) = match event {
                Some(Event::Branch(asked)) => (Some(asked), None),
                Some(Event::TrapIf(asked, kind)) if kind != TrapKind::IndirectCallTypeMismatch => {
                    (Some(asked), Some(kind))
                }
                _ => (None, None),
            };
            if asked == Some(condition) || asked == Some(opposite) {
                for (to, holds) in [(taken, true), (next, false)] {
                    let yes = holds == (asked == Some(condition));
                    let mut state = self.state.clone();
                    state.wasm = ahead.clone();
                    match trap {
                        Some(kind) if yes => state.wasm.trap(&self.scene, kind),
                        _ => {
                            let decided = state.wasm.decide(&mut self.scene, yes);
                            decided.map_err(|halt| self.halted(halt))?;
                            if trap.is_some() {
                                let fact = self.fact(condition, holds);
                                state.common.learn(fact);
                            }
                        }
                    }
                    ways.push((to, state));
                }
                return Ok(ways);
            }
        }
        for (to, holds) in [(taken, true), (next, false)] {
            let mut state = self.state.clone();
            state.common.learn(self.fact(condition, holds));
            self.resolve(&mut state, here);
            ways.push((to, state));
        }
        Ok(ways)
    }

    fn fact(&self, condition: Term, holds: bool) -> (Term, bool) {
        match *self.scene.terms.node(condition) {
            Node::Unary(Unary::Not, inner) => (inner, !holds),
            _ => (condition, holds),
        }
    }

    /// Whether it is known of a float that it can be truncated to 32 bits without sign.
    pub fn is_in_u32(&mut self, width: u8, x: Term) -> bool {
        let (low, high) = match width {
            32 => (
                (-1.0f32).to_bits().into(),
                4_294_967_296.0f32.to_bits().into(),
            ),
            _ => ((-1.0f64).to_bits(), 4_294_967_296.0f64.to_bits()),
        };
        let terms = &mut *self.scene.terms;
        let (low, high) = (terms.constant(low), terms.constant(high));
        let above = terms.float(Float::Less, width, low, x);
        let beyond = terms.float(Float::LessEqual, width, high, x);
        let facts = &self.state.common.facts;
        facts.contains(&(above, true)) && facts.contains(&(beyond, false))
    }

    /// Lets the Wasm side take the branch of the operator at an offset, if it is certain where that goes.
    fn resolve(&mut self, state: &mut State, here: u32) {
        let ops = &self.scene.body.ops;
        let Ok(op) = ops.binary_search_by_key(&here, |op| op.offset) else {
            return;
        };
        if state.wasm.branched == Some(op as u32) {
            // An edge's own jump.
            return;
        }
        if !matches!(ops[op].code, 0x04 | 0x05 | 0x0c..=0x0f) || state.wasm.trapped.is_some() {
            return;
        }
        let mut wasm = state.wasm.clone();
        if wasm.at.op as usize > op {
            return;
        }
        let to = Position {
            op: op as u32,
            step: 0,
        };
        if wasm.at.op != to.op && wasm.advance_to(&mut self.scene, &state.common, to).is_err() {
            return;
        }
        // A jump table has two decisions.
        for _ in 0..2 {
            if wasm.at.op != to.op || wasm.step_once(&mut self.scene, &state.common).is_err() {
                break;
            }
        }
        if wasm.at.op != to.op {
            state.wasm = wasm;
        }
    }

    fn table(&mut self, address: Term, targets: &[u32]) -> Result<Ways, Stop> {
        // The sum of the table's address and the distance in it.
        let Node::Sum(64, base, parts) = self.scene.terms.node(address).clone() else {
            return Err(self.alarm("a jump to an unknown address"));
        };
        let distance = parts.iter().find(|it| it.0 != self.fixed.code);
        let based = parts.len() == 2 && parts.contains(&(self.fixed.code, 1));
        let distance = match distance {
            Some(&(distance, 1)) if based => distance,
            _ => return Err(self.alarm("a jump to an unknown address")),
        };
        let distance = match *self.scene.terms.node(distance) {
            Node::Unary(Unary::Extend32, inner) => inner,
            _ => distance,
        };
        let Node::Binary(crate::term::Binary::JumpTable, table, index) =
            *self.scene.terms.node(distance)
        else {
            return Err(self.alarm("a jump by something else than a table"));
        };
        let table = self.scene.terms.constant_of(table).unwrap_or_default();
        if let Some(0) = self.scene.terms.constant_of(index) {
            // The index is a number, so the Wasm side knows where it goes.
            let entry = table.wrapping_sub(base);
            let target = targets.get((entry / 4) as usize).filter(|_| entry % 4 == 0);
            let Some(&to) = target else {
                return Err(self.alarm("a jump beyond its table"));
            };
            let mut state = self.state.clone();
            let here = self.mapped(self.at);
            self.resolve(&mut state, here);
            return Ok(vec![(to, state)]);
        }
        let event = self.event()?;
        let Event::Table(expected) = event else {
            let event = self.show(&event);
            return Err(self.alarm(format!("a jump table for: {event}")));
        };
        if index != expected || table != base {
            return Err(self.alarm("a jump table by another index"));
        }
        let op = self.scene.body.ops[self.state.wasm.at.op as usize];
        if targets.len() as u32 + 1 != op.b {
            return Err(self.alarm("a jump table of another length"));
        }
        let mut ways: Ways = Vec::new();
        let mut known = std::collections::HashSet::new();
        for (number, &to) in (0..).zip(targets) {
            let depth = self.scene.body.targets[(op.a + u64::from(number)) as usize];
            if known.insert((to, depth)) {
                let mut state = self.state.clone();
                let chosen = state.wasm.choose(&mut self.scene, number);
                chosen.map_err(|halt| self.halted(halt))?;
                ways.push((to, state));
            }
        }
        Ok(ways)
    }

    /// A trap instruction.
    fn traps(&mut self) -> Result<(), Stop> {
        let Some(site) = self.site(self.at) else {
            return Err(self.alarm("a trap without a site"));
        };
        if matches!(site.kind, TrapKind::StackOverflow | TrapKind::OutOfGas) {
            // Those of the meters; the verifier has rules for them.
            return Ok(());
        }
        let trapped = match self.state.wasm.trapped {
            Some(trapped) => trapped,
            None => match self.event()? {
                Event::Trap(kind) => (kind, self.state.wasm.offset(self.scene.body)),
                event => {
                    let event = self.show(&event);
                    return Err(self.alarm(format!("a trap ({}) for: {event}", site.kind.name())));
                }
            },
        };
        match trapped == (site.kind, site.wasm_offset) {
            true => Ok(()),
            false => Err(self.alarm(format!(
                "a trap of {} at {:#x} for {} at {:#x}",
                site.kind.name(),
                site.wasm_offset,
                trapped.0.name(),
                trapped.1
            ))),
        }
    }

    fn returns(&mut self) -> Result<(), Stop> {
        if self.stack_offset()? != 0 {
            return Err(self.alarm("a return with another stack pointer"));
        }
        let event = self.event()?;
        let Event::Return(values) = event else {
            let event = self.show(&event);
            return Err(self.alarm(format!("a return for: {event}")));
        };
        let results = self.ty.results.clone();
        let count = results.len() as i32;
        for (number, (ty, value)) in (0..).zip(results.into_iter().zip(values)) {
            let slot = self.convention.return_address + 8 * (count - 1 - number);
            let found = match number {
                0 => self.argument(Some(self.result_register(ty)), 0, ty),
                _ => self.argument(None, slot, ty),
            };
            if found != value {
                let found = self.scene.terms.show(found, 5);
                let value = self.scene.terms.show(value, 5);
                return Err(self.alarm(format!("result {number} is {found}, not {value}")));
            }
        }
        Ok(())
    }

    fn result_register(&self, ty: ValType) -> u8 {
        match ty.is_integer() {
            true => self.convention.general_result,
            false => self.convention.float_result,
        }
    }

    /// What crosses a border in a register or else in a slot.
    fn argument(&mut self, register: Option<u8>, slot: i32, ty: ValType) -> Term {
        match register {
            Some(register) if ty.is_integer() => self.get(register),
            Some(register) => self.get_width(register, bits(ty)),
            None => {
                let value = self.state.machine.slot(self.scene.terms, slot, bits(ty));
                value.term
            }
        }
    }

    fn call<T: Target>(&mut self, target: &T, to: u32, next: u32) -> Result<(), Stop> {
        let functions = self.input.code.functions;
        let imported = self.input.module.imported_functions as usize;
        let of_module = match functions[imported..].binary_search_by_key(&to, |it| it.offset) {
            Ok(found) => Some(imported + found),
            Err(_) => functions[..imported].iter().position(|it| it.offset == to),
        };
        if of_module.is_none() && target.builtin(self.input.code.code, to).is_none() {
            return Err(Stop::Unchecked(Unchecked::SharedCode));
        }
        let event = self.event()?;
        if let Some(callee) = of_module {
            let Event::Call(expected, arguments) = &event else {
                let event = self.show(&event);
                return Err(self.alarm(format!("a call of {callee} for: {event}")));
            };
            if *expected as usize != callee {
                return Err(self.alarm(format!("a call of {callee}, not {expected}")));
            }
            if callee < imported {
                self.expect_site(next - 1, TrapKind::HostError)?;
            }
            let Some(ty) = self.input.module.function_type(*expected) else {
                return Err(self.alarm("a call of nothing"));
            };
            let arguments = arguments.clone();
            return self.called(ty, &arguments, true, 0);
        }
        let Some(builtin) = target.builtin(self.input.code.code, to) else {
            return Err(Stop::Unchecked(Unchecked::SharedCode));
        };
        let Event::Builtin(expected, arguments, segment) = &event else {
            let event = self.show(&event);
            return Err(self.alarm(format!("a call of builtin {builtin} for: {event}")));
        };
        if *expected != builtin {
            return Err(self.alarm(format!("a call of builtin {builtin}, not {expected}")));
        }
        if let Some(segment) = *segment {
            let given = self.get_width(self.convention.general[2], 32);
            if self.scene.terms.constant_of(given) != Some(segment.into()) {
                return Err(self.alarm("another segment"));
            }
        }
        self.expect_site(next - 1, TrapKind::HostError)?;
        let ty = FuncType {
            params: vec![ValType::I32; arguments.len()],
            results: match builtin {
                0 => vec![ValType::I32],
                _ => Vec::new(),
            },
        };
        let arguments = arguments.clone();
        self.called(&ty, &arguments, false, 0)
    }

    fn call_entry(&mut self, address: Term) -> Result<(), Stop> {
        let code = self.table_offset + u64::from(layout::TABLE_ENTRY_CODE);
        let index = match self.fixed.space(self.scene.terms, address) {
            Space::Entry(index, at) if at == code => index,
            Space::Context(at) if at >= code && (at - code).is_multiple_of(16) => {
                self.terms().constant((at - code) / 16)
            }
            _ => return Err(self.alarm("a call of an unknown address")),
        };
        let event = self.event()?;
        let Event::CallTable(signature, expected, arguments) = &event else {
            let event = self.show(&event);
            return Err(self.alarm(format!("a call through the table for: {event}")));
        };
        if *expected != index {
            return Err(self.alarm("a call through the table with another index"));
        }
        let Some(ty) = self.input.module.signatures.get(*signature as usize) else {
            return Err(self.alarm("a call of nothing"));
        };
        let arguments = arguments.clone();
        self.called(ty, &arguments, true, 1)
    }

    /// Compares arguments, then forgets what a call changes. `more` operands lie above the arguments.
    fn called(
        &mut self,
        ty: &FuncType,
        arguments: &[Term],
        in_registers: bool,
        more: usize,
    ) -> Result<(), Stop> {
        let stack = self.stack_offset()?;
        let mut registers = Registers::new(self.convention);
        let count = ty.params.len() as i32;
        for (number, (&param, &argument)) in (0..).zip(ty.params.iter().zip(arguments)) {
            let register = registers.next(param).filter(|_| in_registers);
            let slot = stack + 8 * (count - 1 - number);
            let found = self.argument(register, slot, param);
            if found != argument {
                let found = self.scene.terms.show(found, 5);
                let argument = self.scene.terms.show(argument, 5);
                return Err(self.alarm(format!("argument {number} is {found}, not {argument}")));
            }
        }
        self.state.machine.forget_registers(self.convention.kept);
        let most = ty.params.len().max(ty.results.len()) as i32;
        self.state.machine.forget_slots(stack, stack + 8 * most);
        // What lies below the stack pointer is the callee's.
        self.state.machine.forget_slots(i32::MIN / 2, stack);
        let count = ty.results.len() as i32;
        let mut results = Vec::with_capacity(ty.results.len());
        for (number, &result) in (0..).zip(&ty.results) {
            let term = self.terms().symbol(bits(result));
            results.push(term);
            let value = Value {
                term,
                bits: bits(result),
            };
            if number == 0 {
                let register = self.result_register(result);
                let bits = if result.is_integer() {
                    64
                } else {
                    bits(result)
                };
                self.state.machine.set(register, Value { term, bits });
            } else {
                let slot = stack + 8 * (count - 1 - number);
                self.state.machine.set_slot(slot, value);
            }
        }
        for (global, term) in self
            .input
            .module
            .globals
            .iter()
            .zip(&mut self.state.common.globals)
        {
            if global.mutable {
                *term = self.scene.terms.symbol(bits(global.ty));
            }
        }
        self.state.common.memory_bytes = self.scene.terms.symbol(33);
        self.done(ty.params.len() + more, &results)
    }

    /// Joins the states with which a block is entered.
    pub fn enter(
        &mut self,
        block: &mut join::Entry,
        states: &[State],
        at: u32,
    ) -> Result<(), Stop> {
        self.at = at;
        let mut states = join::join_own(self.scene.terms, block, states.to_vec());
        self.meet(block, &mut states, at)?;
        self.state =
            join::join(self.scene.terms, block, states).map_err(|what| self.alarm(what))?;
        if block.is_loop {
            self.state.wasm.branched = None;
        }
        Ok(())
    }

    /// Lets the Wasm sides of all states stand at the same operator.
    fn meet(&mut self, block: &mut join::Entry, states: &mut [State], at: u32) -> Result<(), Stop> {
        if states.len() == 1 && !block.is_loop {
            return Ok(());
        }
        if states.iter().any(|state| state.wasm.trapped.is_some()) {
            let trapped = states.iter().find_map(|state| state.wasm.trapped);
            for state in states {
                if state.wasm.trapped.is_some() {
                    continue;
                }
                let event = state.wasm.advance(&mut self.scene, &state.common);
                if let Ok(Event::Trap(kind)) = event {
                    state.wasm.trap(&self.scene, kind);
                }
                if state.wasm.trapped != trapped {
                    return Err(self.alarm("paths with different traps meet"));
                }
            }
            return Ok(());
        }
        let mut to = match block.position {
            Some(position) => position,
            None => states
                .iter()
                .map(|state| state.wasm.at)
                .max()
                .unwrap_or(Position { op: 0, step: 0 }),
        };
        if block.is_loop && block.position.is_none() {
            // The innermost loop that begins before what the code was made for.
            let here = self.mapped(at);
            let ops = &self.scene.body.ops;
            let behind = ops.partition_point(|op| op.offset <= here);
            let first = (to.op as usize).min(behind);
            let found = ops[first..behind].iter().rposition(|op| op.code == 0x03);
            if let Some(found) = found {
                to = Position {
                    op: (first + found) as u32 + 1,
                    step: 0,
                };
            }
        }
        if block.is_loop {
            block.position = Some(to);
        }
        for state in states.iter_mut() {
            let advanced = state.wasm.advance_to(&mut self.scene, &state.common, to);
            if let Err(halt) = advanced {
                self.state = state.clone();
                return Err(self.halted(halt));
            }
        }
        let same = states.windows(2).all(|pair| {
            pair[0].wasm.open == pair[1].wasm.open
                && pair[0].wasm.operands.len() == pair[1].wasm.operands.len()
        });
        match same {
            true => Ok(()),
            false => Err(self.alarm("paths with different blocks meet")),
        }
    }

    /// Lets the Wasm side of a state that branches back stand at the loop.
    pub fn come_back(
        &mut self,
        block: &join::Entry,
        state: &mut State,
        at: u32,
    ) -> Result<(), Stop> {
        self.at = at;
        let Some(to) = block.position else {
            return Err(self.alarm("a branch back to nothing"));
        };
        if state.wasm.trapped.is_some() {
            return Err(self.alarm("a branch back behind a trap"));
        }
        let advanced = state.wasm.advance_to(&mut self.scene, &state.common, to);
        if let Err(halt) = advanced {
            self.state = state.clone();
            return Err(self.halted(halt));
        }
        Ok(())
    }
}

/// The value that a load gives, of the bits that it read.
fn loaded(terms: &mut Terms, code: u16, raw: Term) -> Term {
    use crate::machine::extend;
    match code {
        0x2c => extend(terms, 8, 32, raw),
        0x2e => extend(terms, 16, 32, raw),
        0x30 => extend(terms, 8, 64, raw),
        0x32 => extend(terms, 16, 64, raw),
        0x34 => extend(terms, 32, 64, raw),
        _ => raw,
    }
}

/// Deals registers out to arguments.
struct Registers<'c> {
    general: &'c [u8],
    floats: &'c [u8],
}

impl<'c> Registers<'c> {
    fn new(convention: &'c Convention) -> Self {
        Self {
            general: convention.general,
            floats: convention.floats,
        }
    }

    fn next(&mut self, ty: ValType) -> Option<u8> {
        let class = if ty.is_integer() {
            &mut self.general
        } else {
            &mut self.floats
        };
        let (&first, rest) = class.split_first()?;
        *class = rest;
        debug_assert!(
            ty.is_integer() == (first < FLOATS),
            "a register of the class"
        );
        Some(first)
    }
}
