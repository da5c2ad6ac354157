//! What is used of a runtime's metadata, the same for all versions of it.
//!
//! Metadata of version 14 and later hold the types of everything. Those of versions 12 and 13, in
//! runtimes of 2021, hold only names of types, so that only what every runtime of that time had is
//! known of them.

use crate::error::{Error, one_line};
use frame_metadata::decode_different::DecodeDifferent;
use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed, v12, v13, v14};
use parity_scale_codec::Decode;
use scale_info::form::PortableForm;
use scale_info::{PortableRegistry, TypeDef};
use std::collections::BTreeSet;

/// A type of the registry.
pub(crate) type TypeId = u32;

/// The metadata of a runtime.
pub(crate) struct Metadata {
    pub(crate) pallets: Vec<Pallet>,
    /// What is signed and sent with an extrinsic beside its call, in order.
    pub(crate) extensions: Vec<Extension>,
    /// The types, if the metadata have them.
    pub(crate) types: Option<PortableRegistry>,
    /// The type of the address of an extrinsic's sender.
    pub(crate) address: Option<TypeId>,
}

/// A pallet.
pub(crate) struct Pallet {
    pub(crate) name: String,
    pub(crate) index: u8,
    /// The name under which its items are stored.
    pub(crate) prefix: String,
    pub(crate) items: Vec<Item>,
    pub(crate) calls: Vec<Call>,
    constants: Vec<(String, Vec<u8>)>,
}

/// An item of storage.
pub(crate) struct Item {
    pub(crate) name: String,
    /// The value that is encoded where none is stored.
    pub(crate) default: Vec<u8>,
    /// The type of the key, if it is a map.
    pub(crate) key: Option<TypeId>,
    /// The type of the value.
    pub(crate) value: Option<TypeId>,
}

/// A function of a pallet.
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) index: u8,
    /// Names and types of its arguments.
    pub(crate) arguments: Vec<(String, Option<TypeId>)>,
}

/// An extension of extrinsics.
pub(crate) struct Extension {
    pub(crate) name: String,
    /// The type of what is sent.
    pub(crate) sent: Option<TypeId>,
    /// The type of what is signed and not sent.
    pub(crate) implicit: Option<TypeId>,
}

impl Metadata {
    /// Decodes metadata with their prefix.
    pub(crate) fn from_bytes(mut bytes: &[u8]) -> Result<Self, Error> {
        let metadata = RuntimeMetadataPrefixed::decode(&mut bytes)
            .map_err(|error| Error::Metadata(one_line(&error.to_string())))?;
        match metadata.1 {
            RuntimeMetadata::V12(metadata) => of_v12(metadata),
            RuntimeMetadata::V13(metadata) => of_v13(metadata),
            RuntimeMetadata::V14(metadata) => Ok(of_v14(metadata)),
            other => Err(Error::Metadata(format!(
                "version {} is not known",
                other.version()
            ))),
        }
    }

    /// A pallet by name.
    pub(crate) fn pallet(&self, name: &str) -> Option<&Pallet> {
        self.pallets.iter().find(|pallet| pallet.name == name)
    }

    /// An item of a pallet's storage.
    pub(crate) fn item(&self, pallet: &str, item: &str) -> Option<(&Pallet, &Item)> {
        let pallet = self.pallet(pallet)?;
        let item = pallet.items.iter().find(|it| it.name == item)?;
        Some((pallet, item))
    }

    /// A function of a pallet.
    pub(crate) fn call(&self, pallet: &str, call: &str) -> Option<(&Pallet, &Call)> {
        let pallet = self.pallet(pallet)?;
        let call = pallet.calls.iter().find(|it| it.name == call)?;
        Some((pallet, call))
    }

    /// The definition of a type.
    pub(crate) fn definition(&self, ty: TypeId) -> Option<&TypeDef<PortableForm>> {
        let ty = self.types.as_ref()?.resolve(ty)?;
        Some(&ty.type_def)
    }

    /// Whether a type, or one within it, has a path with this part.
    pub(crate) fn mentions(&self, ty: TypeId, part: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut left = vec![ty];
        while let Some(ty) = left.pop() {
            if !seen.insert(ty) {
                continue;
            }
            let Some(ty) = self.types.as_ref().and_then(|types| types.resolve(ty)) else {
                continue;
            };
            if ty.path.segments.iter().any(|segment| segment == part) {
                return true;
            }
            match &ty.type_def {
                TypeDef::Composite(it) => left.extend(it.fields.iter().map(|field| field.ty.id)),
                TypeDef::Sequence(it) => left.push(it.type_param.id),
                TypeDef::Array(it) => left.push(it.type_param.id),
                TypeDef::Tuple(it) => left.extend(it.fields.iter().map(|field| field.id)),
                _ => {}
            }
        }
        false
    }
}

impl Pallet {
    /// An encoded constant.
    pub(crate) fn constant(&self, name: &str) -> Option<&[u8]> {
        let found = self.constants.iter().find(|(it, _)| it == name);
        found.map(|(_, value)| &value[..])
    }
}

fn of_v14(metadata: v14::RuntimeMetadataV14) -> Metadata {
    let types = metadata.types;
    let calls = |ty: TypeId| match types.resolve(ty).map(|ty| &ty.type_def) {
        Some(TypeDef::Variant(calls)) => {
            let calls = calls.variants.iter().map(|call| Call {
                name: call.name.clone(),
                index: call.index,
                arguments: (call.fields.iter())
                    .map(|it| (it.name.clone().unwrap_or_default(), Some(it.ty.id)))
                    .collect(),
            });
            calls.collect()
        }
        _ => Vec::new(),
    };
    let pallets = metadata.pallets.into_iter().map(|pallet| {
        let (prefix, items) = match pallet.storage {
            Some(storage) => (storage.prefix, storage.entries),
            None => (pallet.name.clone(), Vec::new()),
        };
        Pallet {
            index: pallet.index,
            prefix,
            items: (items.into_iter())
                .map(|item| {
                    let (key, value) = match item.ty {
                        v14::StorageEntryType::Plain(value) => (None, value.id),
                        v14::StorageEntryType::Map { key, value, .. } => (Some(key.id), value.id),
                    };
                    Item {
                        name: item.name,
                        default: item.default,
                        key,
                        value: Some(value),
                    }
                })
                .collect(),
            calls: pallet.calls.map_or_else(Vec::new, |it| calls(it.ty.id)),
            constants: (pallet.constants.into_iter())
                .map(|it| (it.name, it.value))
                .collect(),
            name: pallet.name,
        }
    });
    let pallets = pallets.collect();
    let parameter = |name: &str| {
        let parameters = &types.resolve(metadata.extrinsic.ty.id)?.type_params;
        Some(parameters.iter().find(|it| it.name == name)?.ty?.id)
    };
    let extensions = metadata.extrinsic.signed_extensions.iter();
    let extensions = extensions.map(|it| Extension {
        name: it.identifier.clone(),
        sent: Some(it.ty.id),
        implicit: Some(it.additional_signed.id),
    });
    Metadata {
        pallets,
        extensions: extensions.collect(),
        address: parameter("Address"),
        types: Some(types),
    }
}

/// Reads metadata of a version without types. The two versions differ only in what is not used here.
macro_rules! of_legacy {
    ($name:ident, $version:ident, $metadata:ident) => {
        fn $name(metadata: $version::$metadata) -> Result<Metadata, Error> {
            let mut pallets = Vec::new();
            for module in decoded(metadata.modules)? {
                let name = decoded(module.name)?;
                let (prefix, entries) = match module.storage {
                    Some(storage) => {
                        let storage = decoded(storage)?;
                        (decoded(storage.prefix)?, decoded(storage.entries)?)
                    }
                    None => (name.clone(), Vec::new()),
                };
                let items = entries.into_iter().map(|entry| {
                    Ok(Item {
                        name: decoded(entry.name)?,
                        default: decoded(entry.default)?,
                        key: None,
                        value: None,
                    })
                });
                let items = items.collect::<Result<_, Error>>()?;
                let functions = module.calls.map_or_else(|| Ok(Vec::new()), decoded)?;
                let mut calls = Vec::new();
                for (index, call) in (0_u8..).zip(functions) {
                    let arguments = decoded(call.arguments)?.into_iter();
                    let arguments = arguments.map(|it| Ok((decoded(it.name)?, None)));
                    calls.push(Call {
                        name: decoded(call.name)?,
                        index,
                        arguments: arguments.collect::<Result<_, Error>>()?,
                    });
                }
                let constants = decoded(module.constants)?.into_iter();
                let constants = constants.map(|it| Ok((decoded(it.name)?, decoded(it.value)?)));
                pallets.push(Pallet {
                    name,
                    index: module.index,
                    prefix,
                    items,
                    calls,
                    constants: constants.collect::<Result<_, Error>>()?,
                });
            }
            let extensions = metadata.extrinsic.signed_extensions.into_iter();
            let extensions = extensions.map(|name| {
                Ok(Extension {
                    name: decoded(name)?,
                    sent: None,
                    implicit: None,
                })
            });
            Ok(Metadata {
                pallets,
                extensions: extensions.collect::<Result<_, Error>>()?,
                types: None,
                address: None,
            })
        }
    };
}

of_legacy!(of_v12, v12, RuntimeMetadataV12);
of_legacy!(of_v13, v13, RuntimeMetadataV13);

/// What was decoded; decoding makes no other variant.
fn decoded<B, O>(different: DecodeDifferent<B, O>) -> Result<O, Error> {
    match different {
        DecodeDifferent::Decoded(decoded) => Ok(decoded),
        DecodeDifferent::Encode(_) => Err(Error::Metadata("not decoded".to_owned())),
    }
}
