//! Functions beside the host's own, for code that was put into a module to watch it.

use crate::functions::MODULE;
use pvf_compiler::{FuncType, ValType};
use pvf_runtime::Linker;
use std::sync::Arc;

/// What an observer is told: its arguments, zero-extended to 64 bits.
type Told = dyn Fn(&[u64]) + Send + Sync;

/// A function of the module `env` that is told numbers and answers nothing. A candidate's outcome does not depend
/// on it.
#[derive(Clone)]
pub struct Observer {
    name: String,
    ty: FuncType,
    told: Arc<Told>,
}

impl Observer {
    /// A function of this name and with parameters of these types.
    pub fn new(
        name: &str,
        params: &[ValType],
        told: impl Fn(&[u64]) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            ty: FuncType {
                params: params.to_vec(),
                results: Vec::new(),
            },
            told: Arc::new(told),
        }
    }

    /// Lets modules import it.
    pub fn define<T: 'static>(&self, linker: &mut Linker<T>) {
        let told = self.told.clone();
        linker.func(MODULE, &self.name, self.ty.clone(), move |_, slots| {
            told(slots);
            Ok(())
        });
    }
}
