//! Reads the meters of a rewritten module after a call.

use crate::State;
use pvf_instrument::{GAS_LEFT, STACK_LOGICAL_LEFT, STACK_NATIVE_LEFT, TRAP};
use pvf_meter_oracle::{HEIGHT, overflown};
use pvf_rules::TrapKind;
use wasmtime::{Instance, Store, Val};

/// The meters that were added to a module.
pub(crate) enum Meters {
    /// The module has none.
    None,
    /// The meters of `wasm-instrument`: a global holds the height of the logical stack, and an imported function
    /// charges gas.
    Imported {
        /// The logical limit, if there is one.
        limit: Option<u32>,
    },
    /// The meters of this repository: globals hold the remainder of each limit.
    Exported {
        native: u64,
        logical: Option<u32>,
        gas: Option<u64>,
    },
}

impl Meters {
    /// Resets this repository's stack meters before a call, because a trap leaves them at their values.
    pub(crate) fn begin_call(&self, store: &mut Store<State>, instance: &Instance) {
        let Self::Exported {
            native, logical, ..
        } = self
        else {
            return;
        };
        let mut reset = |name, value| {
            if let Some(global) = instance.get_global(&mut *store, name) {
                // The instrumenter made the globals mutable and of these types.
                let set = global.set(&mut *store, value);
                debug_assert!(set.is_ok(), "{name}");
            }
        };
        reset(STACK_NATIVE_LEFT, Val::I64(*native as i64));
        reset(TRAP, Val::I32(0));
        if let Some(logical) = logical {
            reset(STACK_LOGICAL_LEFT, Val::I64(i64::from(*logical)));
        }
    }

    /// The meter's trap that an `unreachable` stands for, if a meter's code executed it.
    pub(crate) fn trap(&self, store: &mut Store<State>, instance: &Instance) -> Option<TrapKind> {
        match self {
            Self::None => None,
            Self::Imported { limit } => {
                let height = bits(store, instance, HEIGHT)?;
                overflown(height as u32, (*limit)?).then_some(TrapKind::StackOverflow)
            }
            Self::Exported { .. } => match bits(store, instance, TRAP)? {
                0 => None,
                code => TrapKind::from_code(code as u8),
            },
        }
    }

    /// Gas used so far; `None` if it is not counted.
    pub(crate) fn gas_used(&self, store: &mut Store<State>, instance: &Instance) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Imported { .. } => Some(store.data().gas.used),
            Self::Exported { gas, .. } => Some((*gas)? - bits(store, instance, GAS_LEFT)?),
        }
    }
}

fn bits(store: &mut Store<State>, instance: &Instance, global: &str) -> Option<u64> {
    match instance.get_global(&mut *store, global)?.get(&mut *store) {
        Val::I32(value) => Some(u64::from(value as u32)),
        Val::I64(value) => Some(value as u64),
        _ => None,
    }
}
