//! The visitor of pass 1: each operator is validated, checked against the limits, metered and given to the walk.
//!
//! wasmparser calls one method per operator and makes no [`Operator`]. Each method here makes one again: the variant is
//! known at compile time, so the optimiser keeps only the arms of that variant.

use super::meters::Meters;
use super::walk::Walk;
use crate::Refusal;
use crate::error::narrow;
use pvf_metering::MeterError;
use pvf_rules::Limits;
use wasmparser::{
    FrameKind, FrameStack, FuncValidator, Operator, ValidatorResources, VisitOperator,
};

/// Visits the operators of a body.
pub(super) struct Visitor<'v, 'w, 'm> {
    pub validator: FuncValidator<ValidatorResources>,
    pub walk: Walk<'w>,
    pub meters: Meters<'m>,
    pub limits: &'v Limits,
    /// Index of the function.
    pub function: u32,
    /// Offset in the module of the operator that is visited.
    pub offset: u64,
}

/// The result of a visit. The refusal is boxed so that the result is one word.
type Checked = Result<(), Box<Refusal>>;

impl Visitor<'_, '_, '_> {
    #[cold]
    fn invalid(&self, error: wasmparser::Error) -> Box<Refusal> {
        Box::new(Refusal::from_wasmparser(error, Some(self.function)))
    }

    /// Takes an operator that the validator has accepted.
    #[inline(always)]
    fn valid(&mut self, operator: &Operator<'_>) -> Checked {
        self.check_limits(operator)?;
        self.meters
            .operator(self.offset, operator)
            .map_err(|error| self.unmetered(error))?;
        if let Some(block) = self.meters.begun() {
            self.walk.charge(block, narrow(self.offset));
        }
        if !matches!(operator, Operator::Nop) {
            self.walk.operator(operator, narrow(self.offset));
        }
        Ok(())
    }

    #[cold]
    fn unmetered(&self, error: MeterError) -> Box<Refusal> {
        let function = self.function;
        Box::new(Refusal::Meter { function, error })
    }

    #[inline(always)]
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

impl FrameStack for Visitor<'_, '_, '_> {
    #[inline(always)]
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
        #[inline]
        fn $visit(&mut self $($(, $arg: $ty)*)?) -> Checked {
            let validated = self.validator.visitor(self.offset).$visit($($($arg.clone()),*)?);
            validated.map_err(|error| self.invalid(error))?;
            self.valid(&Operator::$op $({ $($arg),* })?)
        }
    };
    (one $proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident) => {
        #[cold]
        fn $visit(&mut self $($(, $arg: $ty)*)?) -> Checked {
            let validated = self.validator.visitor(self.offset).$visit($($($arg),*)?);
            validated.map_err(|error| self.invalid(error))?;
            let offset = narrow(self.offset);
            let feature = stringify!($proposal);
            Err(Box::new(Refusal::unsupported(feature, Some(self.function), offset)))
        }
    };
}

impl<'a> VisitOperator<'a> for Visitor<'_, '_, '_> {
    type Output = Checked;

    wasmparser::for_each_visit_operator!(visit);
}
