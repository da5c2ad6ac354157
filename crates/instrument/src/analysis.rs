//! The charges of a function: its frame, its logical cost, its gas.
//!
//! In: a body and its validator. Out: [`Charges`], which only a valid body has.

use crate::error::InstrumentError;
use pvf_metering::{
    BodyError, Charge, Costs, GasBlocks, LogicalHeight, MeterError, ModuleSignatures, Reachability,
    Signatures, body_features, declaration_features, declared_locals,
};
use pvf_rules::{Features, frame_bytes};
use wasmparser::{
    FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, Parser, ValidPayload,
    Validator, ValidatorResources,
};

/// What a function is charged.
pub(crate) struct Charges {
    /// Bytes of its frame.
    pub frame_bytes: u64,
    /// Units of the logical stack, if they are counted.
    pub logical_cost: Option<u32>,
    /// Gas in the order of the code; empty if it is not counted.
    pub gas: Vec<Charge>,
    /// The body contains a `memory.grow`.
    pub grows: bool,
    /// Declared locals.
    pub locals: u32,
}

/// Reusable state of the walk.
#[derive(Default)]
pub(crate) struct Analyser {
    allocations: FuncValidatorAllocations,
    reachability: Reachability,
    logical: LogicalHeight,
    gas: GasBlocks,
}

/// Which meters a walk feeds.
pub(crate) struct Meters<'a> {
    /// Count logical costs.
    pub logical: bool,
    /// Find the places of gas charges, by these costs.
    pub costs: Option<&'a Costs>,
}

impl Analyser {
    /// Validates a body and finds its charges. `function` is its index, imported ones counted.
    pub fn run(
        &mut self,
        to_validate: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
        function: u32,
        module: &ModuleSignatures,
        meters: &Meters<'_>,
    ) -> Result<Charges, InstrumentError> {
        let invalid = |source| InstrumentError::Invalid {
            function: Some(function),
            source,
        };
        let meter = |error| InstrumentError::Meter { function, error };
        let locals = declared_locals(body).map_err(|error| match error {
            BodyError::Malformed(source) => invalid(source),
            BodyError::Meter(error) => meter(error),
        })?;
        let mut validator = to_validate.into_validator(std::mem::take(&mut self.allocations));
        let mut reader = body.get_locals_reader().map_err(invalid)?;
        for _ in 0..reader.get_count() {
            let offset = reader.original_position();
            let (count, ty) = reader.read().map_err(invalid)?;
            validator
                .define_locals(offset, count, ty)
                .map_err(invalid)?;
        }
        let arity = module.function(function);
        let results = arity.map_or(0, |arity| arity.results);
        self.begin(locals, results, meters).map_err(meter)?;
        let mut grows = false;
        let mut operators = body.get_operators_reader().map_err(invalid)?;
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset().map_err(invalid)?;
            validator.op(offset, &operator).map_err(invalid)?;
            self.meter(offset, &operator, module, meters)
                .map_err(meter)?;
            self.reachability.operator(&operator);
            self.reachability.observe(validator.operand_stack_height());
            grows |= matches!(operator, Operator::MemoryGrow { .. });
        }
        operators.finish().map_err(invalid)?;
        self.allocations = validator.into_allocations();
        let logical_cost = meters.logical.then(|| self.logical.finish()).transpose();
        let gas = match meters.costs {
            Some(_) => self.gas.finish().map_err(meter)?.to_vec(),
            None => Vec::new(),
        };
        Ok(Charges {
            frame_bytes: frame_bytes(locals, self.reachability.greatest_height()),
            logical_cost: logical_cost.map_err(meter)?,
            gas,
            grows,
            locals,
        })
    }

    fn begin(&mut self, locals: u32, results: u32, meters: &Meters<'_>) -> Result<(), MeterError> {
        self.reachability.begin(());
        self.logical.begin(locals, results);
        match meters.costs {
            Some(costs) => self.gas.begin(costs, locals),
            None => Ok(()),
        }
    }

    fn meter(
        &mut self,
        offset: u64,
        operator: &Operator<'_>,
        module: &ModuleSignatures,
        meters: &Meters<'_>,
    ) -> Result<(), MeterError> {
        if meters.logical {
            self.logical.operator(operator, module)?;
        }
        match meters.costs {
            Some(costs) => self.gas.operator(offset, operator, costs),
            None => Ok(()),
        }
    }
}

/// A parser and a validator of the accepted language.
pub(crate) fn front_end(features: Features) -> (Parser, Validator) {
    let declarations = declaration_features(features);
    let mut parser = Parser::new(0);
    parser.set_features(body_features(features));
    (parser, Validator::new_with_features(declarations))
}

/// The bytes of the frame of each function of a module (rule STACK-1) by index; imported ones have 0.
///
/// ```
/// let wasm = wat::parse_str("(module (func (param i32) (local i64) (drop (local.get 0))))")?;
/// let frames = pvf_instrument::frames(&wasm, pvf_rules::Features::POLKADOT)?;
/// assert_eq!(frames, [32]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`InstrumentError::Invalid`].
pub fn frames(wasm: &[u8], features: Features) -> Result<Vec<u64>, InstrumentError> {
    let module = ModuleSignatures::parse(wasm).map_err(InstrumentError::invalid)?;
    let meters = Meters {
        logical: false,
        costs: None,
    };
    let mut frames = vec![0; module.imported_functions() as usize];
    let mut analyser = Analyser::default();
    let (parser, mut validator) = front_end(features);
    for payload in parser.parse_all(wasm) {
        let payload = payload.map_err(InstrumentError::invalid)?;
        let valid = validator.payload(&payload);
        if let ValidPayload::Func(mut to_validate, body) =
            valid.map_err(InstrumentError::invalid)?
        {
            to_validate.features = body_features(features);
            let function = frames.len() as u32;
            let charges = analyser.run(to_validate, &body, function, &module, &meters)?;
            frames.push(charges.frame_bytes);
        }
    }
    Ok(frames)
}
