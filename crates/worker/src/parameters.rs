//! Converts the executor parameters of a network to the parameters of this executor.

use crate::logging;
use pvf_primitives::{ExecutorHostFunction, ExecutorParams};
use pvf_validation::{ExecutionParameters, HostParameters, execution_parameters};

/// The limits of an instance under these parameters.
pub fn execution(params: &ExecutorParams) -> ExecutionParameters {
    execution_parameters(params)
}

/// Whether the elliptic-curve host functions are enabled.
pub fn ecc_rfc163(params: &ExecutorParams) -> bool {
    params.enables(ExecutorHostFunction::EccRfc163)
}

/// Host functions, limits and log of a PVF under these parameters.
pub fn host(params: &ExecutorParams) -> HostParameters {
    HostParameters {
        ecc_rfc163: ecc_rfc163(params),
        execution: execution(params),
        log: Some(logging::pvf_sink()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_primitives::ExecutorParam;

    #[test]
    fn without_parameters_the_defaults_apply() {
        let none = ExecutorParams::default();
        assert_eq!(execution(&none), ExecutionParameters::POLKADOT);
        assert!(!ecc_rfc163(&none));
    }

    #[test]
    fn parameters_replace_defaults() {
        let params = ExecutorParams(vec![
            ExecutorParam::MaxMemoryPages(100),
            ExecutorParam::StackLogicalMax(2000),
            ExecutorParam::StackNativeMax(1 << 20),
            ExecutorParam::WasmExtBulkMemory,
            ExecutorParam::EnabledHostFunction(ExecutorHostFunction::EccRfc163),
        ]);
        let expected = ExecutionParameters {
            max_memory_pages: 132,
            stack_logical_max: Some(2000),
            stack_native_max: 1 << 20,
            ..ExecutionParameters::POLKADOT
        };
        assert_eq!(execution(&params), expected);
        assert!(ecc_rfc163(&params));
        let all = ExecutorParams(vec![ExecutorParam::MaxMemoryPages(u32::MAX)]);
        assert_eq!(execution(&all).max_memory_pages, 65_536);
    }
}
