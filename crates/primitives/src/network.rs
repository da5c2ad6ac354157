//! The executor parameters of known networks, with the date and source of each set.
//!
//! Governance changes these parameters, so the table ages. [`Network::seen`] says when a set was
//! last seen in force. Callers that know the session's [`ExecutorParams`] use those instead.

use crate::{ExecutorParam, ExecutorParams, PvfExecKind};
use std::time::Duration;

/// A network whose parameters are known, or the protocol's defaults.
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
    /// No network: the protocol's defaults, for parameters that no network has set.
    Protocol,
}

/// A row of the table.
struct Row {
    network: Network,
    name: &'static str,
    /// When the values were seen in force. `None`: they are an assumption or a default.
    seen: Option<&'static str>,
    source: &'static str,
    params: &'static [ExecutorParam],
}

/// Polkadot's set when it was last seen.
const POLKADOT: &[ExecutorParam] = &[
    ExecutorParam::MaxMemoryPages(8192),
    ExecutorParam::PvfExecTimeout(PvfExecKind::Backing, 2_500),
    ExecutorParam::PvfExecTimeout(PvfExecKind::Approval, 15_000),
];

/// The table of networks. To update a row, read the field `executorParams` of the network's storage
/// item `configuration.activeConfig`.
const ROWS: [Row; 5] = [
    Row {
        network: Network::Polkadot,
        name: "polkadot",
        seen: Some("2026-07"),
        // A validator's log in polkadot-sdk issue 8227 (2025-05) shows the set. Paseo, which
        // follows Polkadot, had the same set in 2026-07.
        source: "a validator's log in polkadot-sdk issue 8227, and Paseo's configuration",
        params: POLKADOT,
    },
    Row {
        network: Network::Kusama,
        name: "kusama",
        // No public source shows this network's set. The presets in polkadot-fellows/runtimes are
        // for development chains, and set none.
        seen: None,
        source: "assumed to be Polkadot's",
        params: POLKADOT,
    },
    Row {
        network: Network::Paseo,
        name: "paseo",
        // relay/paseo/src/genesis_config_presets.rs quotes the live `configuration.activeConfig` at
        // spec version 2_003_001. The raw state in chain-specs/paseo-substitute.json decodes to the
        // same set.
        seen: Some("2026-06-30"),
        source: "the survey of the live configuration in paseo-network/runtimes",
        params: POLKADOT,
    },
    Row {
        network: Network::Westend,
        name: "westend",
        // No public source shows this network's set. The presets in polkadot-sdk are for
        // development chains, and set none.
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
    /// All networks of the table.
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

    /// The network whose [`name`](Self::name) is `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        let row = ROWS.iter().find(|row| row.name == name)?;
        Some(row.network)
    }

    /// The executor parameters that the network has set.
    pub fn executor_params(self) -> ExecutorParams {
        ExecutorParams(self.row().params.to_vec())
    }

    /// The month (`2026-07`) or day at which the set was seen in force. `None`: it was not seen.
    pub fn seen(self) -> Option<&'static str> {
        self.row().seen
    }

    /// Where the set comes from.
    pub fn source(self) -> &'static str {
        self.row().source
    }
}

impl ExecutorParams {
    /// CPU time of an execution: the value of this set, or else the protocol's default (2 seconds
    /// for backing, 12 for approval).
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
            assert!(network.source().len() > 10);
            // A month or a day, or a set that nobody has seen in force.
            let seen = network.seen().is_some();
            let digits = |date: &str| date.bytes().all(|it| it.is_ascii_digit() || it == b'-');
            assert!(
                network
                    .seen()
                    .is_none_or(|date| date.len() >= 7 && digits(date))
            );
            assert_eq!(seen, matches!(network, Network::Polkadot | Network::Paseo));
        }
        assert_eq!(ROWS.len(), Network::ALL.len());
        assert_eq!(Network::from_name("Polkadot"), None);
        assert_eq!(
            Network::Protocol.executor_params(),
            ExecutorParams::default()
        );
    }

    /// The bytes are from the raw state in `chain-specs/paseo-substitute.json` of
    /// paseo-network/runtimes.
    #[test]
    fn the_live_set_encodes_to_the_bytes_in_the_chains_state() {
        let mut live = vec![3 << 2, 1, 0x00, 0x20, 0, 0];
        live.extend([6, 0, 0xc4, 0x09, 0, 0, 0, 0, 0, 0]);
        live.extend([6, 1, 0x98, 0x3a, 0, 0, 0, 0, 0, 0]);
        for network in [Network::Polkadot, Network::Paseo] {
            assert_eq!(network.executor_params().encode(), live);
        }
    }

    #[test]
    fn timeouts_that_a_network_has_not_set_are_the_protocols() {
        let times = |network: Network| {
            let params = network.executor_params();
            [PvfExecKind::Backing, PvfExecKind::Approval]
                .map(|kind| params.exec_timeout(kind).as_millis())
        };
        assert_eq!(times(Network::Polkadot), [2_500, 15_000]);
        assert_eq!(times(Network::Protocol), [2_000, 12_000]);
    }
}
