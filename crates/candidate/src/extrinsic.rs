//! Signed and bare extrinsics, by the runtime's metadata.

use crate::error::Error;
use crate::keys::Signer;
use crate::metadata::{Call, Extension, Metadata, Pallet, TypeId};
use crate::runtime::Runtime;
use parity_scale_codec::{Compact, Encode};
use scale_info::{TypeDef, TypeDefPrimitive};
use sp_core::H256;
use sp_crypto_hashing::blake2_256;

/// The version of extrinsics' format that all runtimes take, and the bit of signed ones.
const VERSION: u8 = 4;
const SIGNED: u8 = 0x80;

/// Payloads that are longer than this are hashed before they are signed.
const LONGEST_PAYLOAD: usize = 256;

/// Encodes extrinsics for a chain.
pub(crate) struct Extrinsics<'r> {
    runtime: &'r Runtime,
    genesis: H256,
}

impl<'r> Extrinsics<'r> {
    /// Extrinsics for the chain with this genesis block.
    pub(crate) fn new(runtime: &'r Runtime, genesis: H256) -> Self {
        Self { runtime, genesis }
    }

    fn metadata(&self) -> &'r Metadata {
        &self.runtime.metadata
    }

    /// The call of a function with encoded arguments.
    pub(crate) fn call(pallet: &Pallet, call: &Call, arguments: &[u8]) -> Vec<u8> {
        [&[pallet.index, call.index], arguments].concat()
    }

    /// An extrinsic without a signature, with its length before it.
    pub(crate) fn bare(call: &[u8]) -> Vec<u8> {
        [&[VERSION], call].concat().encode()
    }

    /// A signed extrinsic that is valid for ever, with its length before it.
    pub(crate) fn signed(
        &self,
        signer: &Signer,
        nonce: u32,
        call: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let (mut sent, mut implicit) = (Vec::new(), Vec::new());
        for extension in &self.metadata().extensions {
            self.extend(extension, nonce, &mut sent, &mut implicit)
                .map_err(|why| {
                    let name = &extension.name;
                    Error::Unsupported(format!("has the extrinsics' extension {name}: {why}"))
                })?;
        }
        let payload = [call, &sent, &implicit].concat();
        let signature = match payload.len() > LONGEST_PAYLOAD {
            true => signer.sign(&blake2_256(&payload)),
            false => signer.sign(&payload),
        };
        let extrinsic = [
            &[VERSION | SIGNED][..],
            &self.address(signer.account()),
            &[signer.variant()],
            &signature,
            &sent,
            call,
        ];
        Ok(extrinsic.concat().encode())
    }

    /// An account as the address of an extrinsic or of a transfer.
    pub(crate) fn address(&self, account: [u8; 32]) -> Vec<u8> {
        self.address_of_type(self.metadata().address, account)
    }

    /// An account as an argument of this type, which may be an address or the account itself.
    pub(crate) fn address_of_type(&self, ty: Option<TypeId>, account: [u8; 32]) -> Vec<u8> {
        match ty.and_then(|ty| self.metadata().definition(ty)) {
            Some(TypeDef::Composite(_)) => account.to_vec(),
            // `MultiAddress::Id`, as all runtimes have had it since 2020.
            _ => [&[0][..], &account].concat(),
        }
    }

    /// A balance as an argument of this type, which is compact or not.
    pub(crate) fn balance_of_type(&self, ty: Option<TypeId>, balance: u128) -> Vec<u8> {
        match ty.and_then(|ty| self.metadata().definition(ty)) {
            Some(TypeDef::Primitive(TypeDefPrimitive::U128)) => balance.encode(),
            Some(TypeDef::Primitive(TypeDefPrimitive::U64)) => (balance as u64).encode(),
            _ => Compact(balance).encode(),
        }
    }

    /// Appends what an extension sends, and what it signs without sending it.
    fn extend(
        &self,
        extension: &Extension,
        nonce: u32,
        sent: &mut Vec<u8>,
        implicit: &mut Vec<u8>,
    ) -> Result<(), String> {
        let version = &self.runtime.version;
        match &extension.name[..] {
            "CheckSpecVersion" => implicit.extend(version.spec_version.encode()),
            "CheckTxVersion" => implicit.extend(version.transaction_version.encode()),
            "CheckGenesis" => implicit.extend(self.genesis.as_bytes()),
            "CheckEra" | "CheckMortality" => {
                // Immortal, which is checked against the genesis block.
                sent.push(0);
                implicit.extend(self.genesis.as_bytes());
            }
            "CheckNonce" => sent.extend(Compact(nonce).encode()),
            "ChargeTransactionPayment" => sent.extend(Compact(0_u128).encode()),
            // Metadata without types: of these, no other sent anything.
            "CheckNonZeroSender" | "CheckWeight" if extension.sent.is_none() => {}
            _ => {
                let unknown = "its type is not in the metadata";
                let (Some(sends), Some(signs)) = (extension.sent, extension.implicit) else {
                    return Err(unknown.to_owned());
                };
                self.metadata().least(sends, sent)?;
                self.metadata().least(signs, implicit)?;
            }
        }
        Ok(())
    }
}
