//! A chain's state, and runs of the runtime over it.

use crate::error::{Error, in_runtime};
use crate::runtime::Runtime;
use crate::source::{Pairs, RawState};
use pvf_validation::runtime_api::RuntimeApi;
use sp_core::storage::{ChildInfo, StateVersion, Storage, StorageChild};
use sp_core::{Blake2Hasher, H256};
use sp_state_machine::{
    Backend as _, Ext, InMemoryBackend, OverlayedChanges, TrieBackendBuilder, prove_read,
};
use sp_trie::StorageProof;
use sp_trie::proof_size_extension::ProofSizeExt;
use sp_trie::recorder::Recorder;

/// The hash function of state tries and of blocks.
pub(crate) type Hasher = Blake2Hasher;

/// A state.
pub(crate) struct State {
    backend: InMemoryBackend<Hasher>,
    version: StateVersion,
}

/// A run of several calls over a state, whose changes are kept apart and whose reads are recorded.
pub(crate) struct Session<'s> {
    state: &'s State,
    recorder: Recorder<Hasher>,
    overlay: OverlayedChanges<Hasher>,
}

/// The nodes of a new state that the old one did not have, and its root.
pub(crate) type Changes = (H256, sp_trie::PrefixedMemoryDB<Hasher>);

impl State {
    /// A state with this content.
    pub(crate) fn new(state: RawState, version: StateVersion) -> Self {
        let child = |(key, data): (Vec<u8>, Pairs)| {
            let child_info = ChildInfo::new_default(&key);
            (key, StorageChild { data, child_info })
        };
        let storage = Storage {
            top: state.top,
            children_default: state.children.into_iter().map(child).collect(),
        };
        Self {
            backend: (storage, version).into(),
            version,
        }
    }

    /// The root of its trie.
    pub(crate) fn root(&self) -> H256 {
        *self.backend.root()
    }

    /// The value under a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.backend.storage(key).map_err(Error::Proof)
    }

    /// Calls a function whose changes are dropped.
    pub(crate) fn query(
        &self,
        runtime: &Runtime,
        function: &str,
        input: &[u8],
    ) -> Result<Vec<u8>, Error> {
        Session::new(self).call(runtime, function, input)
    }

    /// A proof of what is under these keys, and of what is not.
    pub(crate) fn prove(&self, keys: &[Vec<u8>]) -> Result<StorageProof, Error> {
        let backend = InMemoryBackend::<Hasher>::clone(&self.backend);
        prove_read(backend, keys).map_err(|error| Error::Proof(error.to_string()))
    }

    /// Takes over the changes of a block.
    pub(crate) fn apply(&mut self, (root, nodes): Changes) {
        self.backend.apply_transaction(root, nodes);
    }
}

impl<'s> Session<'s> {
    /// A run that has changed and read nothing yet.
    pub(crate) fn new(state: &'s State) -> Self {
        Self {
            state,
            recorder: Recorder::default(),
            overlay: OverlayedChanges::default(),
        }
    }

    /// Calls a function of the runtime in a fresh instance.
    pub(crate) fn call(
        &mut self,
        runtime: &Runtime,
        function: &str,
        input: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let backend = TrieBackendBuilder::wrap(&self.state.backend)
            .with_recorder(self.recorder.clone())
            .build();
        let mut extensions = RuntimeApi::extensions();
        extensions.register(ProofSizeExt::new(self.recorder.clone()));
        let nested = |_| Error::Runtime {
            what: function.to_owned(),
            reason: "the overlay is in use".to_owned(),
        };
        self.overlay.enter_runtime().map_err(|_| nested(()))?;
        let mut externalities = Ext::new(&mut self.overlay, &backend, Some(&mut extensions));
        let result = runtime.call(&mut externalities, function, input);
        self.overlay.exit_runtime().map_err(|_| nested(()))?;
        result.map_err(|error| in_runtime(function, error))
    }

    /// Does something whose changes and reads are forgotten unless it says `true`.
    pub(crate) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(T, bool), Error>,
    ) -> Result<T, Error> {
        self.overlay.start_transaction();
        self.recorder.start_transaction();
        let result = work(self);
        let unbalanced = || Error::Proof("a transaction was not open".to_owned());
        let keep = result.as_ref().is_ok_and(|(_, keep)| *keep);
        let (overlay, recorder) = match keep {
            true => (
                self.overlay.commit_transaction(),
                self.recorder.commit_transaction(),
            ),
            false => (
                self.overlay.rollback_transaction(),
                self.recorder.rollback_transaction(),
            ),
        };
        overlay.map_err(|_| unbalanced())?;
        recorder.map_err(|()| unbalanced())?;
        result.map(|(result, _)| result)
    }

    /// Ends the run: the changes, and the nodes of the state that it read.
    pub(crate) fn finish(mut self) -> Result<(Changes, StorageProof), Error> {
        let changes = self
            .overlay
            .drain_storage_changes(&self.state.backend, self.state.version)
            .map_err(|error| Error::Proof(error.to_string()))?;
        let proof = self.recorder.drain_storage_proof();
        let changes = (changes.transaction_storage_root, changes.transaction);
        Ok((changes, proof))
    }

    /// Everything in the state with the changes of this run, which have to be without child tries.
    pub(crate) fn into_pairs(mut self) -> Pairs {
        let changes = self.overlay.changes_mut();
        let set = changes.filter_map(|(key, value)| {
            let value = value.value()?.clone();
            Some((key.clone(), value))
        });
        set.collect()
    }
}
