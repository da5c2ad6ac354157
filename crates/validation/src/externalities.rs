//! The externalities of a validation function: only a store of extensions.
//!
//! Some host functions use the externalities of their caller. Validation has no storage, so methods
//! that access it panic, and the panic becomes a trap. Extensions can be registered and looked up.

use crate::runtime_version::EmbeddedVersion;
use sp_core::storage::{ChildInfo, StateVersion, TrackedStorageKey};
use sp_core::traits::ReadRuntimeVersionExt;
use sp_externalities::{
    Error, Extension, ExtensionStore, Extensions, Externalities, MultiRemovalResults,
};
use std::any::{Any, TypeId};

/// The externalities of one run.
pub(crate) struct ValidationExternalities(Extensions);

impl ValidationExternalities {
    /// Externalities with the one extension that exists from the start.
    pub(crate) fn new() -> Self {
        let mut extensions = Extensions::new();
        extensions.register(ReadRuntimeVersionExt::new(EmbeddedVersion));
        Self(extensions)
    }
}

impl ExtensionStore for ValidationExternalities {
    fn extension_by_type_id(&mut self, type_id: TypeId) -> Option<&mut dyn Any> {
        self.0.get_mut(type_id)
    }

    fn register_extension_with_type_id(
        &mut self,
        type_id: TypeId,
        extension: Box<dyn Extension>,
    ) -> Result<(), Error> {
        self.0.register_with_type_id(type_id, extension)
    }

    fn deregister_extension_by_type_id(&mut self, type_id: TypeId) -> Result<(), Error> {
        match self.0.deregister(type_id) {
            true => Ok(()),
            false => Err(Error::ExtensionIsNotRegistered(type_id)),
        }
    }
}

/// Methods that validation does not support; each panics.
macro_rules! no_storage {
    ($(fn $name:ident(&self $(, $argument:ty)*) $(-> $result:ty)?;)*) => {
        $(fn $name(&self $(, _: $argument)*) $(-> $result)? {
            panic!(concat!("there is no storage in validation: ", stringify!($name)))
        })*
    };
    ($(fn $name:ident(&mut self $(, $argument:ty)*) $(-> $result:ty)?;)*) => {
        $(fn $name(&mut self $(, _: $argument)*) $(-> $result)? {
            panic!(concat!("there is no storage in validation: ", stringify!($name)))
        })*
    };
}

impl Externalities for ValidationExternalities {
    no_storage! {
        fn set_offchain_storage(&mut self, &[u8], Option<&[u8]>);
        fn storage(&mut self, &[u8]) -> Option<Vec<u8>>;
        fn storage_hash(&mut self, &[u8]) -> Option<Vec<u8>>;
        fn child_storage_hash(&mut self, &ChildInfo, &[u8]) -> Option<Vec<u8>>;
        fn child_storage(&mut self, &ChildInfo, &[u8]) -> Option<Vec<u8>>;
        fn next_storage_key(&mut self, &[u8]) -> Option<Vec<u8>>;
        fn next_child_storage_key(&mut self, &ChildInfo, &[u8]) -> Option<Vec<u8>>;
        fn kill_child_storage(&mut self, &ChildInfo, Option<u32>, Option<&[u8]>) -> MultiRemovalResults;
        fn clear_prefix(&mut self, &[u8], Option<u32>, Option<&[u8]>) -> MultiRemovalResults;
        fn clear_child_prefix(&mut self, &ChildInfo, &[u8], Option<u32>, Option<&[u8]>) -> MultiRemovalResults;
        fn place_storage(&mut self, Vec<u8>, Option<Vec<u8>>);
        fn place_child_storage(&mut self, &ChildInfo, Vec<u8>, Option<Vec<u8>>);
        fn storage_root(&mut self, StateVersion) -> Vec<u8>;
        fn child_storage_root(&mut self, &ChildInfo, StateVersion) -> Vec<u8>;
        fn storage_append(&mut self, Vec<u8>, Vec<u8>);
        fn storage_start_transaction(&mut self);
        fn storage_rollback_transaction(&mut self) -> Result<(), ()>;
        fn storage_commit_transaction(&mut self) -> Result<(), ()>;
        fn wipe(&mut self);
        fn commit(&mut self);
        fn reset_read_write_count(&mut self);
        fn set_whitelist(&mut self, Vec<TrackedStorageKey>);
    }

    no_storage! {
        fn read_write_count(&self) -> (u32, u32, u32, u32);
        fn get_whitelist(&self) -> Vec<TrackedStorageKey>;
        fn get_read_and_written_keys(&self) -> Vec<(Vec<u8>, u32, u32, bool)>;
    }
}
