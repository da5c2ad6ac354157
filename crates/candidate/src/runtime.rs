//! The runtime in a blob: its API, its version and its metadata.

use crate::error::{Error, undecodable};
use crate::last_error::LastError;
use crate::metadata::Metadata;
use crate::source::RawState;
use crate::state::{Hasher, State};
use cumulus_primitives_proof_size_hostfunction::storage_proof_size;
use parity_scale_codec::Decode;
use pvf_executor::{Module, NotPrepared, Profile, Purpose, Rules, prepare};
use pvf_validation::RuntimeVersion;
use pvf_validation::runtime_api::{RuntimeApi, RuntimeApiError};
use sp_core::storage::StateVersion;
use sp_crypto_hashing::blake2_64;
use sp_state_machine::{Backend, Ext};
use sp_wasm_interface::HostFunctions;

/// A runtime.
pub(crate) struct Runtime {
    api: RuntimeApi,
    pub(crate) module: Module,
    pub(crate) version: RuntimeVersion,
    pub(crate) metadata: Metadata,
    last_error: LastError,
}

impl Runtime {
    /// Prepares a blob and asks it for its version and metadata.
    pub(crate) fn new(blob: &[u8]) -> Result<Self, Error> {
        let rules = Rules::new(Profile::Polkadot.compile_options(), Purpose::Execution);
        let prepared = prepare(blob, &rules).map_err(|error| match error {
            NotPrepared::Rejected(rejection) => Error::Rejected(rejection.to_string()),
            NotPrepared::Failed(failure) => Error::Host(failure),
        })?;
        let module =
            Module::new(prepared.artifact).map_err(|error| Error::Source(error.to_string()))?;
        let last_error = LastError::default();
        let additional = storage_proof_size::HostFunctions::host_functions();
        let api = RuntimeApi::new(&module, last_error.host_parameters(), &additional)
            .map_err(|error| Error::Source(error.to_string()))?;
        let mut this = Self {
            api,
            module,
            version: RuntimeVersion {
                spec_name: String::new(),
                impl_name: String::new(),
                authoring_version: 0,
                spec_version: 0,
                impl_version: 0,
                apis: Vec::new(),
                transaction_version: 0,
                system_version: 0,
            },
            metadata: Metadata {
                pallets: Vec::new(),
                extensions: Vec::new(),
                types: None,
                address: None,
            },
            last_error,
        };
        let empty = State::new(RawState::default(), StateVersion::V0);
        let version = empty.query(&this, "Core_version", &[])?;
        this.version = RuntimeVersion::from_bytes(&version).map_err(undecodable("Core_version"))?;
        let metadata = empty.query(&this, "Metadata_metadata", &[])?;
        let metadata =
            Vec::<u8>::decode(&mut &metadata[..]).map_err(undecodable("Metadata_metadata"))?;
        this.metadata = Metadata::from_bytes(&metadata)?;
        Ok(this)
    }

    /// Calls a function. If it panics, the error has the panic's message.
    pub(crate) fn call(
        &self,
        externalities: &mut Ext<'_, Hasher, impl Backend<Hasher>>,
        function: &str,
        input: &[u8],
    ) -> Result<Vec<u8>, RuntimeApiError> {
        self.last_error.take();
        let result = self.api.call(externalities, function, input);
        result.map_err(|error| match (error, self.last_error.take()) {
            (RuntimeApiError::Trapped { function, .. }, Some(reason)) => {
                RuntimeApiError::Trapped { function, reason }
            }
            (error, _) => error,
        })
    }

    /// The version of an interface, if the runtime has it.
    pub(crate) fn api_version(&self, name: &str) -> Option<u32> {
        let id = blake2_64(name.as_bytes());
        let found = self.version.apis.iter().find(|(it, _)| *it == id);
        found.map(|(_, version)| *version)
    }

    /// The format of the state's trie.
    pub(crate) fn state_version(&self) -> StateVersion {
        match self.version.system_version {
            0 => StateVersion::V0,
            _ => StateVersion::V1,
        }
    }

    /// The format of the trie of extrinsics.
    pub(crate) fn extrinsics_version(&self) -> StateVersion {
        match self.version.system_version {
            0 | 1 => StateVersion::V0,
            _ => StateVersion::V1,
        }
    }
}
