//! The limits of a relay chain's configuration that concern the code and the candidates of a parachain.
//!
//! They are fields of the same storage item as the executor parameters (`configuration.activeConfig`), and the table ages
//! like that of [`Network`].

use crate::Network;

/// Limits of sizes and numbers. A node or the relay chain refuses what is above one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostLimits {
    /// Largest code as it is on chain, compressed or not, in bytes.
    pub max_code_size: u32,
    /// Largest encoded proof of validity, compressed or not, in bytes.
    pub max_pov_size: u32,
    /// Largest head data in bytes.
    pub max_head_data_size: u32,
    /// Largest message to the relay chain in bytes.
    pub max_upward_message_size: u32,
    /// Most messages to the relay chain of a candidate.
    pub max_upward_messages: u32,
    /// Most messages to other parachains of a candidate.
    pub max_horizontal_messages: u32,
    /// When the values were seen in force. `None`: they are assumed.
    pub seen: Option<&'static str>,
    /// Where the values come from.
    pub source: &'static str,
}

/// Decompressed code may have so many times the size of the largest code on chain.
pub const CODE_BOMB_FACTOR: u32 = 10;

/// Paseo's values. `relay/paseo/src/genesis_config_presets.rs` in paseo-network/runtimes quotes the live
/// `configuration.activeConfig` and names the one value that it does not take over, `max_code_size`.
const PASEO: HostLimits = HostLimits {
    max_code_size: 3_500_000,
    max_pov_size: 10 << 20,
    max_head_data_size: 32 << 10,
    max_upward_message_size: 65_531,
    max_upward_messages: 16,
    max_horizontal_messages: 10,
    seen: Some("2026-06-30"),
    source: "the survey of the live configuration in paseo-network/runtimes",
};

/// No public source shows the other networks' values. Of the code's size the assumption is the least: what the node's own
/// constant was until polkadot-sdk pull request 11894 (2026-05), which leaves it to governance to set more.
const ASSUMED: HostLimits = HostLimits {
    max_code_size: 3 << 20,
    max_head_data_size: 20 << 10,
    seen: None,
    source: "assumed to be Paseo's, but for code 3 MiB (the node's limit before polkadot-sdk 11894) and head data 20 KiB",
    ..PASEO
};

impl Network {
    /// The limits of the network's configuration. For [`Network::Protocol`] they are Polkadot's.
    pub fn host_limits(self) -> HostLimits {
        match self {
            Self::Paseo => PASEO,
            Self::Polkadot | Self::Kusama | Self::Westend | Self::Protocol => ASSUMED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_seen_or_assumed_and_within_the_nodes_own() {
        for network in Network::ALL {
            let limits = network.host_limits();
            assert_eq!(limits.seen.is_some(), network == Network::Paseo);
            // Of node 1.25.1: 5 and 10 MiB.
            assert!(limits.max_code_size <= 5 << 20);
            assert!(limits.max_pov_size <= 10 << 20);
            assert!(!limits.source.is_empty());
        }
    }
}
