//! The last error that a runtime logged: before it panics, it says why.

use pvf_primitives::Network;
use pvf_validation::{HostParameters, LogLevel};
use std::sync::{Arc, Mutex, PoisonError};

/// The last error, as long as nobody has taken it.
#[derive(Clone, Default)]
pub(crate) struct LastError(Arc<Mutex<Option<String>>>);

impl LastError {
    /// Parameters of Polkadot, with a log that keeps the last error here.
    pub(crate) fn host_parameters(&self) -> HostParameters {
        let sink = self.clone();
        HostParameters {
            log: Some(Arc::new(move |record| {
                if record.level == LogLevel::Error {
                    sink.replace(Some(record.message.to_owned()));
                }
            })),
            ..HostParameters::of_network(Network::Polkadot)
        }
    }

    /// Takes the error.
    pub(crate) fn take(&self) -> Option<String> {
        self.replace(None)
    }

    fn replace(&self, by: Option<String>) -> Option<String> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut last, by)
    }
}
