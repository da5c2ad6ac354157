//! What networks have set: the executor parameters of each, with date and source.
//!
//! Governance changes them, so a table ages: each row says when it was seen. Whoever knows better passes the
//! [`ExecutorParams`] of a session himself.

use crate::{ExecutorParam, ExecutorParams, PvfExecKind};
use std::time::Duration;

/// A network by name, or the protocol without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Network {
    /// Polkadot.
    #[default]
    Polkadot,
    /// Kusama.
    Kusama,
    /// Paseo, the test network.
    Paseo,
    /// Westend, the test network.
    Westend,
    /// No network: what the protocol says where a network has set nothing.
    Protocol,
}

/// A row of the table.
struct Row {
    network: Network,
    name: &'static str,
    /// When the values were seen in force; nothing if they were not.
    seen: Option<&'static str>,
    source: &'static str,
    params: &'static [ExecutorParam],
}

/// What Polkadot had when it was last seen.
const POLKADOT: &[ExecutorParam] = &[
    ExecutorParam::MaxMemoryPages(8192),
    ExecutorParam::PvfExecTimeout(PvfExecKind::Backing, 2_500),
    ExecutorParam::PvfExecTimeout(PvfExecKind::Approval, 15_000),
];

/// The table. To bring it up to date: read `configuration.activeConfig` of the network, field `executorParams`.
const ROWS: [Row; 5] = [
    Row {
        network: Network::Polkadot,
        name: "polkadot",
        seen: Some("2026-07"),
        // A validator's log in polkadot-sdk issue 8227 (2025-05) shows the set; Paseo, which follows Polkadot, had the same in 2026-07.
        source: "a validator's log in polkadot-sdk issue 8227, and Paseo's configuration",
        params: POLKADOT,
    },
    Row {
        network: Network::Kusama,
        name: "kusama",
        // Nothing public was found that shows its set.
        seen: None,
        source: "assumed to be Polkadot's",
        params: POLKADOT,
    },
    Row {
        network: Network::Paseo,
        name: "paseo",
        // relay/paseo/src/genesis_config_presets.rs: a survey of the live `configuration.activeConfig` at spec version 2_003_001; the
        // raw state in chain-specs/paseo-substitute.json decodes to the same.
        seen: Some("2026-06-30"),
        source: "the survey of the live configuration in paseo-network/runtimes",
        params: POLKADOT,
    },
    Row {
        network: Network::Westend,
        name: "westend",
        // Nothing public was found that shows its set.
        seen: None,
        source: "assumed to be Polkadot's",
        params: POLKADOT,
    },
    Row {
        network: Network::Protocol,
        name: "protocol",
        seen: None,
        source: "the defaults in the node's source",
        params: &[],
    },
];

impl Network {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Polkadot,
        Self::Kusama,
        Self::Paseo,
        Self::Westend,
        Self::Protocol,
    ];

    fn row(self) -> &'static Row {
        match self {
            Self::Polkadot => &ROWS[0],
            Self::Kusama => &ROWS[1],
            Self::Paseo => &ROWS[2],
            Self::Westend => &ROWS[3],
            Self::Protocol => &ROWS[4],
        }
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The network of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let row = ROWS.iter().find(|row| row.name == name)?;
        Some(row.network)
    }

    /// What it has set.
    pub fn executor_params(self) -> ExecutorParams {
        ExecutorParams(self.row().params.to_vec())
    }

    /// The month or day at which this was seen in force, as `2026-07`; nothing if it was not.
    pub fn seen(self) -> Option<&'static str> {
        self.row().seen
    }

    /// How this is known.
    pub fn source(self) -> &'static str {
        self.row().source
    }
}

impl ExecutorParams {
    /// CPU time of an execution: what the network has set, or else the protocol's 2 and 12 seconds.
    pub fn exec_timeout(&self, kind: PvfExecKind) -> Duration {
        self.pvf_exec_timeout(kind).unwrap_or(match kind {
            PvfExecKind::Backing => Duration::from_secs(2),
            PvfExecKind::Approval => Duration::from_secs(12),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parity_scale_codec::Encode;

    #[test]
    fn every_network_has_its_row() {
        for network in Network::ALL {
            assert!(network.row().network == network);
            assert_eq!(Network::from_name(network.name()), Some(network));
            assert!(!network.source().is_empty());
        }
        assert_eq!(ROWS.len(), Network::ALL.len());
        assert_eq!(Network::from_name("Polkadot"), None);
        assert_eq!(
            Network::Protocol.executor_params(),
            ExecutorParams::default()
        );
    }

    /// The bytes that stand in the raw state of `chain-specs/paseo-substitute.json` of paseo-network/runtimes.
    #[test]
    fn the_live_set_has_the_bytes_of_the_chain() {
        let mut live = vec![3 << 2, 1, 0x00, 0x20, 0, 0];
        live.extend([6, 0, 0xc4, 0x09, 0, 0, 0, 0, 0, 0]);
        live.extend([6, 1, 0x98, 0x3a, 0, 0, 0, 0, 0, 0]);
        for network in [Network::Polkadot, Network::Paseo] {
            assert_eq!(network.executor_params().encode(), live);
        }
    }

    #[test]
    fn time_outs_fall_back_to_the_protocols() {
        let times = |network: Network| {
            let params = network.executor_params();
            [PvfExecKind::Backing, PvfExecKind::Approval]
                .map(|kind| params.exec_timeout(kind).as_millis())
        };
        assert_eq!(times(Network::Polkadot), [2_500, 15_000]);
        assert_eq!(times(Network::Protocol), [2_000, 12_000]);
    }
}
