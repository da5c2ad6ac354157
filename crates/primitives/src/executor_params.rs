//! The executor parameters of a session: a network changes the rules of execution by governance.

use parity_scale_codec::{Decode, DecodeAll, Encode};
use std::time::Duration;

/// A set of parameters, in the order in which the network stores it. A parameter that is absent has
/// its default value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ExecutorParams(pub Vec<ExecutorParam>);

/// A parameter. A set with a parameter unknown to a worker does not decode, and the worker must not
/// execute anything then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum ExecutorParam {
    /// Largest memory of an instance in pages of 64 KiB, without the 32 extra pages that every
    /// instance may have.
    #[codec(index = 1)]
    MaxMemoryPages(u32),
    /// Largest height of the logical stack.
    #[codec(index = 2)]
    StackLogicalMax(u32),
    /// Bytes of native stack.
    #[codec(index = 3)]
    StackNativeMax(u32),
    /// Bytes that a preparation may allocate.
    #[codec(index = 4)]
    PrecheckingMaxMemory(u64),
    /// CPU time of a preparation in milliseconds. The host applies it.
    #[codec(index = 5)]
    PvfPrepTimeout(PvfPrepKind, u64),
    /// CPU time of an execution in milliseconds. The host applies it.
    #[codec(index = 6)]
    PvfExecTimeout(PvfExecKind, u64),
    /// Accepts the bulk memory instructions. It has no effect in the node's own workers: their
    /// parser does not know these instructions.
    #[codec(index = 7)]
    WasmExtBulkMemory,
    /// Enables host functions beyond the standard ones.
    #[codec(index = 8)]
    EnabledHostFunction(ExecutorHostFunction),
}

/// The purpose of a preparation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum PvfPrepKind {
    /// Pre-checking: the validator votes on new code.
    #[codec(index = 0)]
    Precheck,
    /// Execution of candidates.
    #[codec(index = 1)]
    Prepare,
}

/// The purpose of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum PvfExecKind {
    /// Backing.
    #[codec(index = 0)]
    Backing,
    /// Approval checking, and disputes.
    #[codec(index = 1)]
    Approval,
}

/// A set of host functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum ExecutorHostFunction {
    /// The 12 elliptic-curve functions of RFC 163.
    #[codec(index = 1)]
    EccRfc163,
}

/// Pages that every instance may have beyond `MaxMemoryPages`.
const EXTRA_PAGES: u32 = 32;

impl ExecutorParams {
    /// Decodes the SCALE bytes that a relay chain's runtime returns and stores.
    ///
    /// # Errors
    /// The codec's message: the bytes are too short, too long, or hold an unknown parameter.
    pub fn from_scale(bytes: &[u8]) -> Result<Self, String> {
        Self::decode_all(&mut &bytes[..]).map_err(|error| {
            let text = error.to_string();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        })
    }

    /// Encodes the set as a relay chain's runtime returns it.
    pub fn to_scale(&self) -> Vec<u8> {
        self.encode()
    }

    /// Largest memory of an instance in pages, including the 32 extra pages. If a set has several
    /// values, the last one counts, as in the node.
    pub fn max_memory_pages(&self) -> Option<u32> {
        self.last(|param| match param {
            ExecutorParam::MaxMemoryPages(pages) => Some(pages.saturating_add(EXTRA_PAGES)),
            _ => None,
        })
    }

    /// Largest height of the logical stack. The last of several values counts.
    pub fn stack_logical_max(&self) -> Option<u32> {
        self.last(|param| match param {
            ExecutorParam::StackLogicalMax(units) => Some(units),
            _ => None,
        })
    }

    /// Bytes of native stack. The last of several values counts.
    pub fn stack_native_max(&self) -> Option<u32> {
        self.last(|param| match param {
            ExecutorParam::StackNativeMax(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// Bytes that a preparation may allocate. If a set has several values, the first one counts, as
    /// in the node.
    pub fn prechecking_max_memory(&self) -> Option<u64> {
        self.first(|param| match param {
            ExecutorParam::PrecheckingMaxMemory(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// CPU time of a preparation of this kind. The first of several values counts.
    pub fn pvf_prep_timeout(&self, kind: PvfPrepKind) -> Option<Duration> {
        self.first(|param| match param {
            ExecutorParam::PvfPrepTimeout(of, ms) if of == kind => Some(Duration::from_millis(ms)),
            _ => None,
        })
    }

    /// CPU time of an execution of this kind. The first of several values counts.
    pub fn pvf_exec_timeout(&self, kind: PvfExecKind) -> Option<Duration> {
        self.first(|param| match param {
            ExecutorParam::PvfExecTimeout(of, ms) if of == kind => Some(Duration::from_millis(ms)),
            _ => None,
        })
    }

    /// Whether the set enables these host functions.
    pub fn enables(&self, functions: ExecutorHostFunction) -> bool {
        self.0
            .contains(&ExecutorParam::EnabledHostFunction(functions))
    }

    fn first<T>(&self, read: impl Fn(ExecutorParam) -> Option<T>) -> Option<T> {
        self.0.iter().copied().find_map(read)
    }

    fn last<T>(&self, read: impl Fn(ExecutorParam) -> Option<T>) -> Option<T> {
        self.0.iter().rev().copied().find_map(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_encodes_with_its_index_in_polkadot() {
        let params = ExecutorParams(vec![
            ExecutorParam::MaxMemoryPages(1),
            ExecutorParam::StackLogicalMax(2),
            ExecutorParam::StackNativeMax(3),
            ExecutorParam::PrecheckingMaxMemory(4),
            ExecutorParam::PvfPrepTimeout(PvfPrepKind::Prepare, 5),
            ExecutorParam::PvfExecTimeout(PvfExecKind::Approval, 6),
            ExecutorParam::WasmExtBulkMemory,
            ExecutorParam::EnabledHostFunction(ExecutorHostFunction::EccRfc163),
        ]);
        let mut expected = vec![8 << 2];
        expected.extend([1, 1, 0, 0, 0, 2, 2, 0, 0, 0, 3, 3, 0, 0, 0]);
        expected.extend([4, 4, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([5, 1, 5, 0, 0, 0, 0, 0, 0, 0, 6, 1, 6, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([7, 8, 1]);
        assert_eq!(params.encode(), expected);
        assert_eq!(
            ExecutorParams::decode_all(&mut &expected[..]).unwrap(),
            params
        );
    }

    #[test]
    fn unknown_parameters_are_refused() {
        for unknown in [
            &[0][..],
            &[9],
            &[255],
            &[8, 0],
            &[8, 2],
            &[5, 2, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            let bytes = [&[1 << 2][..], unknown].concat();
            assert!(
                ExecutorParams::decode_all(&mut &bytes[..]).is_err(),
                "{unknown:?}"
            );
        }
    }

    #[test]
    fn of_several_values_the_accessors_return_the_one_that_the_node_uses() {
        let none = ExecutorParams::default();
        assert_eq!(none.max_memory_pages(), None);
        assert!(!none.enables(ExecutorHostFunction::EccRfc163));
        let params = ExecutorParams(vec![
            ExecutorParam::MaxMemoryPages(10),
            ExecutorParam::MaxMemoryPages(u32::MAX),
            ExecutorParam::PrecheckingMaxMemory(1),
            ExecutorParam::PrecheckingMaxMemory(2),
            ExecutorParam::PvfExecTimeout(PvfExecKind::Backing, 7),
            ExecutorParam::PvfExecTimeout(PvfExecKind::Approval, 8),
            ExecutorParam::EnabledHostFunction(ExecutorHostFunction::EccRfc163),
        ]);
        assert_eq!(params.max_memory_pages(), Some(u32::MAX));
        assert_eq!(params.prechecking_max_memory(), Some(1));
        let approval = params.pvf_exec_timeout(PvfExecKind::Approval);
        assert_eq!(approval, Some(Duration::from_millis(8)));
        assert_eq!(params.pvf_prep_timeout(PvfPrepKind::Prepare), None);
        assert!(params.enables(ExecutorHostFunction::EccRfc163));
    }

    /// As `ExecutorParams` of polkadot-primitives: the last of the limits that one map holds there, the first of the
    /// limits that its accessors look for.
    #[test]
    fn every_limit_is_read_from_its_parameter() {
        let none = ExecutorParams::default();
        assert_eq!(none.stack_logical_max(), None);
        assert_eq!(none.stack_native_max(), None);
        assert_eq!(none.prechecking_max_memory(), None);
        let params = ExecutorParams(vec![
            ExecutorParam::StackLogicalMax(65_536),
            ExecutorParam::StackNativeMax(256 << 20),
            ExecutorParam::StackLogicalMax(70_000),
            ExecutorParam::StackNativeMax(128 << 20),
            ExecutorParam::PvfPrepTimeout(PvfPrepKind::Precheck, 60_000),
            ExecutorParam::PvfPrepTimeout(PvfPrepKind::Prepare, 360_000),
            ExecutorParam::PvfPrepTimeout(PvfPrepKind::Precheck, 1),
            ExecutorParam::PrecheckingMaxMemory(2 << 30),
            ExecutorParam::MaxMemoryPages(8_192),
        ]);
        // 32 pages more than the network says.
        assert_eq!(params.max_memory_pages(), Some(8_224));
        assert_eq!(params.stack_logical_max(), Some(70_000));
        assert_eq!(params.stack_native_max(), Some(128 << 20));
        assert_eq!(params.prechecking_max_memory(), Some(2 << 30));
        let timeout = |kind| params.pvf_prep_timeout(kind).map(|it| it.as_secs());
        assert_eq!(timeout(PvfPrepKind::Precheck), Some(60));
        assert_eq!(timeout(PvfPrepKind::Prepare), Some(360));
        assert_eq!(params.pvf_exec_timeout(PvfExecKind::Backing), None);
    }

    #[test]
    fn a_set_is_read_from_all_of_its_bytes() {
        let bytes = [2 << 2, 2, 0, 0, 1, 0, 3, 0, 0, 0, 16];
        let params = ExecutorParams(vec![
            ExecutorParam::StackLogicalMax(65_536),
            ExecutorParam::StackNativeMax(256 << 20),
        ]);
        assert_eq!(ExecutorParams::from_scale(&bytes), Ok(params.clone()));
        assert_eq!(params.to_scale(), bytes);
        for end in 0..bytes.len() {
            assert!(ExecutorParams::from_scale(&bytes[..end]).is_err(), "{end}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(ExecutorParams::from_scale(&longer).is_err());
    }
}
