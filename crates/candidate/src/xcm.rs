//! Messages of the relay chain in XCM: teleports of its token to an account.

use parity_scale_codec::{Compact, Encode};

/// A version of XCM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XcmVersion {
    /// Understood by runtimes of 2022 to early 2025.
    V2,
    /// Understood by runtimes of 2023 and later.
    V3,
    /// Understood by runtimes of 2024 and later.
    V4,
    /// Understood by runtimes of 2025 and later.
    V5,
}

impl XcmVersion {
    /// All versions, the newest first.
    pub(crate) const ALL: [Self; 4] = [Self::V5, Self::V4, Self::V3, Self::V2];

    /// The number of the version, and of the variant of `VersionedXcm`.
    pub fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
            Self::V4 => 4,
            Self::V5 => 5,
        }
    }

    /// An account as a junction of a location.
    fn account(self, account: [u8; 32]) -> Vec<u8> {
        // `AccountId32 { network: None or Any, id }` is the second variant, and both encode as 0.
        [&[1, 0][..], &account].concat()
    }
}

/// A message that brings `amount` of the relay chain's token, of which `fees` may be spent for
/// executing it, and deposits what is left in an account.
pub(crate) fn teleport(
    version: XcmVersion,
    account: [u8; 32],
    amount: u128,
    fees: u128,
) -> Vec<u8> {
    // A location: the relay chain is one step up.
    let parent = [1, 0];
    let fungible = |amount: u128| [vec![0], Compact(amount).encode()].concat();
    // Versions 2 and 3 have an enum of identifiers of assets, whose first variant is a location.
    let id = match version {
        XcmVersion::V2 | XcmVersion::V3 => [&[0][..], &parent].concat(),
        XcmVersion::V4 | XcmVersion::V5 => parent.to_vec(),
    };
    let asset = |amount: u128| [id.clone(), fungible(amount)].concat();
    // A location within this chain, with one junction.
    let beneficiary = [vec![0, 1], version.account(account)].concat();
    // All assets, of any kind.
    let all = vec![1, 0];
    let deposit = match version {
        // The number of assets at most.
        XcmVersion::V2 => [vec![13], all, Compact(1_u32).encode(), beneficiary].concat(),
        XcmVersion::V3 | XcmVersion::V4 | XcmVersion::V5 => [vec![13], all, beneficiary].concat(),
    };
    let instructions = [
        // ReceiveTeleportedAsset
        [vec![2], Compact(1_u32).encode(), asset(amount)].concat(),
        // ClearOrigin
        vec![10],
        // BuyExecution, without a limit of the weight
        [vec![19], asset(fees), vec![0]].concat(),
        // DepositAsset
        deposit,
    ];
    let count = Compact(instructions.len() as u32).encode();
    [vec![version.number()], count, instructions.concat()].concat()
}
