//! Which host functions the nodes of a version have.

use serde::Serialize;

/// Versions of the node that offer the same host functions to validation code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The first version.
    pub first: &'static str,
    /// The last version, as of [`seen`](Self::seen).
    pub last: &'static str,
    /// Whether they know the elliptic-curve functions of RFC 163, which a network enables by an executor parameter.
    pub ecc_rfc163: bool,
    /// When this was read.
    pub seen: &'static str,
    /// Where this was read.
    pub source: &'static str,
}

/// The versions that are known, newest first. Of `sp-io`, the functions that validation code may call have not changed between
/// them; an `ExecutorParam` that a node does not know keeps it from executing anything.
pub const NODES: [Node; 2] = [
    Node {
        first: "1.22.0",
        last: "1.25.1",
        ecc_rfc163: true,
        seen: "2026-11-30",
        source: "polkadot-node-core-pvf-common 25 to 29 (ExecutorParam::EnabledHostFunction), sp-io 49",
    },
    Node {
        first: "1.20.0",
        last: "1.21.99",
        ecc_rfc163: false,
        seen: "2026-11-30",
        source: "polkadot-node-core-pvf-common 22 to 24, sp-io 45 and later",
    },
];

/// A version as numbers: `1.25.1`, `1.25` or `1`.
fn numbers(version: &str) -> Option<[u32; 3]> {
    let mut numbers = [0; 3];
    let mut parts = version.split('.');
    for (number, part) in numbers.iter_mut().zip(&mut parts) {
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

impl Node {
    /// The newest that is known.
    pub const NEWEST: Self = NODES[0];

    /// The row of a version such as `1.25.1` or `1.22`; `None` if it is not known.
    pub fn of_version(version: &str) -> Option<Self> {
        let wanted = numbers(version)?;
        let within = |node: &&Self| {
            numbers(node.first).is_some_and(|first| first <= wanted)
                && numbers(node.last).is_some_and(|last| wanted <= last)
        };
        NODES.iter().find(within).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_a_row_or_none() {
        let ecc = |version| Node::of_version(version).map(|node| node.ecc_rfc163);
        for (version, expected) in [
            ("1.25.1", Some(true)),
            ("1.25", Some(true)),
            ("1.22.6", Some(true)),
            ("1.21.3", Some(false)),
            ("1.20", Some(false)),
            ("1.19.9", None),
            ("1.26", None),
            ("1", None),
            ("", None),
            ("1.25.1.1", None),
            ("v1.25", None),
        ] {
            assert_eq!(ecc(version), expected, "{version}");
        }
        assert_eq!(Node::of_version(NODES[0].last), Some(Node::NEWEST));
        // The releases that our workers serve are those with this executor parameter.
        let releases = (NODES[0].first, NODES[0].last);
        assert_eq!(releases, pvf_node_protocol::NODE_RELEASES);
    }
}
