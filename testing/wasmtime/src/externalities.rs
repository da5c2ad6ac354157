//! The externalities of a validation function, which has no storage. A host function that accesses storage panics, and
//! the host call boundary turns the panic into a failed call. Only extensions can be registered, which batch
//! verification needs.

use sp_externalities::MultiRemovalResults;
use sp_externalities::{Error, Extension, ExtensionStore, Extensions, Externalities};
use sp_storage::{ChildInfo, StateVersion, TrackedStorageKey};
use std::any::{Any, TypeId};

#[derive(Default)]
pub struct NoStorage(Extensions);

macro_rules! refuse {
    ($(fn $name:ident(&$kind:tt $($argument:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {
        $(refuse!(@one $kind $name ($($argument: $ty),*) ($($result)?));)*
    };
    (@one mut $name:ident ($($argument:ident: $ty:ty),*) ($($result:ty)?)) => {
        fn $name(&mut self, $($argument: $ty),*) $(-> $result)? { refuse!(@body $name $($argument)*) }
    };
    (@one ref $name:ident () ($($result:ty)?)) => {
        fn $name(&self) $(-> $result)? { refuse!(@body $name) }
    };
    (@body $name:ident $($argument:ident)*) => {{
        $(let _ = $argument;)*
        panic!(concat!(stringify!($name), " is not there for a validation function"))
    }};
}

impl Externalities for NoStorage {
    refuse! {
        fn set_offchain_storage(&mut key: &[u8], value: Option<&[u8]>);
        fn storage(&mut key: &[u8]) -> Option<Vec<u8>>;
        fn storage_hash(&mut key: &[u8]) -> Option<Vec<u8>>;
        fn child_storage_hash(&mut child: &ChildInfo, key: &[u8]) -> Option<Vec<u8>>;
        fn child_storage(&mut child: &ChildInfo, key: &[u8]) -> Option<Vec<u8>>;
        fn next_storage_key(&mut key: &[u8]) -> Option<Vec<u8>>;
        fn next_child_storage_key(&mut child: &ChildInfo, key: &[u8]) -> Option<Vec<u8>>;
        fn kill_child_storage(&mut child: &ChildInfo, limit: Option<u32>, cursor: Option<&[u8]>) -> MultiRemovalResults;
        fn clear_prefix(&mut prefix: &[u8], limit: Option<u32>, cursor: Option<&[u8]>) -> MultiRemovalResults;
        fn clear_child_prefix(&mut child: &ChildInfo, prefix: &[u8], limit: Option<u32>, cursor: Option<&[u8]>) -> MultiRemovalResults;
        fn place_storage(&mut key: Vec<u8>, value: Option<Vec<u8>>);
        fn place_child_storage(&mut child: &ChildInfo, key: Vec<u8>, value: Option<Vec<u8>>);
        fn storage_root(&mut version: StateVersion) -> Vec<u8>;
        fn child_storage_root(&mut child: &ChildInfo, version: StateVersion) -> Vec<u8>;
        fn storage_append(&mut key: Vec<u8>, value: Vec<u8>);
        fn storage_start_transaction(&mut);
        fn storage_rollback_transaction(&mut) -> Result<(), ()>;
        fn storage_commit_transaction(&mut) -> Result<(), ()>;
        fn wipe(&mut);
        fn commit(&mut);
        fn read_write_count(&ref) -> (u32, u32, u32, u32);
        fn reset_read_write_count(&mut);
        fn get_whitelist(&ref) -> Vec<TrackedStorageKey>;
        fn set_whitelist(&mut new: Vec<TrackedStorageKey>);
        fn get_read_and_written_keys(&ref) -> Vec<(Vec<u8>, u32, u32, bool)>;
    }
}

impl ExtensionStore for NoStorage {
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
        if self.0.deregister(type_id) {
            Ok(())
        } else {
            Err(Error::ExtensionIsNotRegistered(type_id))
        }
    }
}
