//! Additional host functions, for code that instrumentation put into a module.

use crate::functions::MODULE;
use pvf_compiler::{FuncType, ValType};
use pvf_runtime::Linker;
use std::sync::Arc;

/// Receives the arguments of a call, zero-extended to 64 bits.
type Callback = dyn Fn(&[u64]) + Send + Sync;

/// A function of the module `env` that receives numbers and returns nothing. The outcome of a
/// candidate does not depend on it.
#[derive(Clone)]
pub struct Observer {
    name: String,
    ty: FuncType,
    callback: Arc<Callback>,
}

impl Observer {
    /// A function of this name with parameters of these types, which calls `callback`.
    pub fn new(
        name: &str,
        params: &[ValType],
        callback: impl Fn(&[u64]) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            ty: FuncType {
                params: params.to_vec(),
                results: Vec::new(),
            },
            callback: Arc::new(callback),
        }
    }

    /// Defines the function in a linker.
    pub fn define<T: 'static>(&self, linker: &mut Linker<T>) {
        let callback = self.callback.clone();
        linker.func(MODULE, &self.name, self.ty.clone(), move |_, slots| {
            callback(slots);
            Ok(())
        });
    }
}
