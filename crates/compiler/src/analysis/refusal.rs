//! Why a body is refused: by which rule, and where.
//!
//! [`Pass`](super::pass::Pass) decides whether a body is accepted. What it refuses is read here once more by wasmparser,
//! with the same limits and meters in the same order, which has names for everything that can be wrong, proposals that
//! are not accepted among them. So the two are held against each other wherever it matters to somebody: if one refuses
//! and the other does not, that is a failure of this host and no outcome.

use super::meters::Meters;
use crate::error::narrow;
use crate::module::{Body, ParsedModule};
use crate::types::ValType;
use crate::{CompileOptions, Refusal};
use pvf_metering::{GasBlocks, LogicalHeight};
use pvf_rules::{Limits, RuleId};
use wasmparser::{
    FrameKind, FrameStack, FuncValidator, FuncValidatorAllocations, Operator, ValidatorResources,
    VisitOperator,
};

/// The refusal of a body, `None` if it is to be accepted.
pub(crate) fn refusal(
    module: &ParsedModule<'_>,
    body: Body<'_>,
    options: &CompileOptions,
) -> Option<Refusal> {
    read(module, body, options).err()
}

fn read(
    module: &ParsedModule<'_>,
    body: Body<'_>,
    options: &CompileOptions,
) -> Result<(), Refusal> {
    let limits = &options.limits;
    let function = body.function;
    let wrap = |error| Refusal::from_wasmparser(error, Some(function));
    let limit = |offset: u64| move |limit| Refusal::limit(limit, Some(function), narrow(offset));
    let mut validator = body
        .to_validate
        .into_validator(FuncValidatorAllocations::default());
    let info = &module.info;
    let ty = info
        .function_type(function)
        .expect("every body has a declared type");

    let mut declared = 0;
    let mut locals = body.body.get_locals_reader().map_err(wrap)?;
    for _ in 0..locals.get_count() {
        let offset = locals.original_position();
        let (count, local) = locals.read().map_err(wrap)?;
        declared += u64::from(count);
        let total = ty.params.len() as u64 + declared;
        limits.locals(total).map_err(limit(offset))?;
        validator
            .define_locals(offset, count, local)
            .map_err(wrap)?;
        if ValType::from_wasmparser(local).is_none() {
            let offset = narrow(offset);
            return Err(Refusal::unsupported(
                "reference-types",
                Some(function),
                offset,
            ));
        }
    }

    let meter = |error| Refusal::Meter { function, error };
    let (mut logical, mut gas) = (LogicalHeight::default(), GasBlocks::default());
    let mut meters = Meters::new(module, options, &mut logical, &mut gas);
    meters
        .begin(narrow(declared), ty.results.len() as u32)
        .map_err(meter)?;
    let body_bytes = info.functions[function as usize].body_bytes;
    let operands = Limits {
        operands: limits.operands.max(body_bytes),
        ..*limits
    };
    let mut reader = body.body.get_binary_reader_for_operators().map_err(wrap)?;
    let mut visitor = Visitor {
        validator,
        meters,
        limits,
        function,
        offset: reader.original_position(),
    };
    while !reader.eof() {
        visitor.offset = reader.original_position();
        let visited = reader.visit_operator(&mut visitor);
        visited.map_err(wrap)?.map_err(|error| *error)?;
        let height = visitor.validator.operand_stack_height();
        operands
            .operands(height.into())
            .map_err(limit(visitor.offset))?;
    }
    reader.finish_expression(&visitor).map_err(wrap)?;
    visitor.meters.finish().map_err(meter)?;
    Ok(())
}

/// Visits the operators of a body.
struct Visitor<'v, 'm> {
    validator: FuncValidator<ValidatorResources>,
    meters: Meters<'m>,
    limits: &'v Limits,
    /// Index of the function.
    function: u32,
    /// Offset in the module of the operator that is visited.
    offset: u64,
}

/// The result of a visit. The refusal is boxed so that the result is one word.
type Checked = Result<(), Box<Refusal>>;

impl Visitor<'_, '_> {
    fn invalid(&self, error: wasmparser::Error) -> Box<Refusal> {
        Box::new(Refusal::from_wasmparser(error, Some(self.function)))
    }

    /// Takes an operator that the validator has accepted.
    fn valid(&mut self, operator: &Operator<'_>) -> Checked {
        self.check_limits(operator)?;
        self.check_callee(operator)?;
        let function = self.function;
        let metered = self.meters.operator::<true>(self.offset, operator);
        metered.map_err(|error| Box::new(Refusal::Meter { function, error }))
    }

    /// The validator knows the functions that a node adds too. Bodies cannot name them: the node adds them later.
    fn check_callee(&self, operator: &Operator<'_>) -> Checked {
        let Operator::Call { function_index } = *operator else {
            return Ok(());
        };
        match self.meters.module.info.function_type(function_index) {
            Some(_) => Ok(()),
            None => Err(Box::new(Refusal::Invalid {
                function: Some(self.function),
                offset: narrow(self.offset),
                message: format!("unknown function {function_index}: function index out of bounds"),
                rule: RuleId::LANG_1,
            })),
        }
    }

    fn check_limits(&self, operator: &Operator<'_>) -> Checked {
        let checked = match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                let nesting = self.validator.control_stack_height();
                self.limits.nesting(u64::from(nesting))
            }
            Operator::BrTable { targets } => self.limits.br_table_targets(u64::from(targets.len())),
            _ => Ok(()),
        };
        checked.map_err(|limit| {
            let offset = narrow(self.offset);
            Box::new(Refusal::limit(limit, Some(self.function), offset))
        })
    }
}

impl FrameStack for Visitor<'_, '_> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.validator.get_control_frame(0).map(|frame| frame.kind)
    }
}

/// A method for every operator: those of the accepted language are taken, the validator refuses the others.
macro_rules! visit {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(visit!(one $proposal $op $({ $($arg: $ty),* })? => $visit);)*
    };
    (one mvp $($rest:tt)*) => { visit!(accepted $($rest)*); };
    (one sign_extension $($rest:tt)*) => { visit!(accepted $($rest)*); };
    (one saturating_float_to_int $($rest:tt)*) => { visit!(accepted $($rest)*); };
    (one bulk_memory $($rest:tt)*) => { visit!(accepted $($rest)*); };
    (accepted $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident) => {
        fn $visit(&mut self $($(, $arg: $ty)*)?) -> Checked {
            let validated = self.validator.visitor(self.offset).$visit($($($arg.clone()),*)?);
            validated.map_err(|error| self.invalid(error))?;
            self.valid(&Operator::$op $({ $($arg),* })?)
        }
    };
    (one $proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident) => {
        fn $visit(&mut self $($(, $arg: $ty)*)?) -> Checked {
            let validated = self.validator.visitor(self.offset).$visit($($($arg),*)?);
            validated.map_err(|error| self.invalid(error))?;
            let offset = narrow(self.offset);
            let feature = stringify!($proposal);
            Err(Box::new(Refusal::unsupported(feature, Some(self.function), offset)))
        }
    };
}

impl<'a> VisitOperator<'a> for Visitor<'_, '_> {
    type Output = Checked;

    wasmparser::for_each_visit_operator!(visit);
}
