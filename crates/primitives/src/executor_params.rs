//! The executor parameters of a session: how a network changes the rules of execution by governance.

use parity_scale_codec::{Decode, DecodeAll, Encode};
use std::time::Duration;

/// A set of parameters, in the order in which the network keeps it. What is not named has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ExecutorParams(pub Vec<ExecutorParam>);

/// A parameter. One that a worker does not know cannot be decoded, and then nothing may be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum ExecutorParam {
    /// Largest memory of an instance in pages of 64 KiB, not counting 32 more that every instance may have.
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
    /// Accept the bulk memory instructions. Without effect in the node's own workers, whose parser knows none.
    #[codec(index = 7)]
    WasmExtBulkMemory,
    /// Host functions beyond those of every PVF.
    #[codec(index = 8)]
    EnabledHostFunction(ExecutorHostFunction),
}

/// What a preparation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum PvfPrepKind {
    /// To vote on new code.
    #[codec(index = 0)]
    Precheck,
    /// To execute.
    #[codec(index = 1)]
    Prepare,
}

/// What an execution is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum PvfExecKind {
    /// To back a candidate.
    #[codec(index = 0)]
    Backing,
    /// To approve one, or in a dispute.
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
    /// From the bytes that a runtime returns and keeps.
    ///
    /// # Errors
    /// In words: they are cut, go on, or name something that is not known here.
    pub fn from_scale(bytes: &[u8]) -> Result<Self, String> {
        Self::decode_all(&mut &bytes[..]).map_err(|error| {
            let text = error.to_string();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        })
    }

    /// As a runtime returns them.
    pub fn to_scale(&self) -> Vec<u8> {
        self.encode()
    }

    /// Largest memory of an instance in pages, the 32 extra pages counted. Of several values the last counts, here
    /// and below, as in the node.
    pub fn max_memory_pages(&self) -> Option<u32> {
        self.last(|param| match param {
            ExecutorParam::MaxMemoryPages(pages) => Some(pages.saturating_add(EXTRA_PAGES)),
            _ => None,
        })
    }

    /// Largest height of the logical stack.
    pub fn stack_logical_max(&self) -> Option<u32> {
        self.last(|param| match param {
            ExecutorParam::StackLogicalMax(units) => Some(units),
            _ => None,
        })
    }

    /// Bytes of native stack.
    pub fn stack_native_max(&self) -> Option<u32> {
        self.last(|param| match param {
            ExecutorParam::StackNativeMax(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// Bytes that a preparation may allocate. Of several values the first counts, here and for the
    /// time-outs, as in the node.
    pub fn prechecking_max_memory(&self) -> Option<u64> {
        self.first(|param| match param {
            ExecutorParam::PrecheckingMaxMemory(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// CPU time of a preparation.
    pub fn pvf_prep_timeout(&self, kind: PvfPrepKind) -> Option<Duration> {
        self.first(|param| match param {
            ExecutorParam::PvfPrepTimeout(of, ms) if of == kind => Some(Duration::from_millis(ms)),
            _ => None,
        })
    }

    /// CPU time of an execution.
    pub fn pvf_exec_timeout(&self, kind: PvfExecKind) -> Option<Duration> {
        self.first(|param| match param {
            ExecutorParam::PvfExecTimeout(of, ms) if of == kind => Some(Duration::from_millis(ms)),
            _ => None,
        })
    }

    /// Whether these host functions exist.
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
    fn every_parameter_has_its_index() {
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
    fn values_are_found() {
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
}
