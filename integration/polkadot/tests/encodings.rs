//! The types of `pvf-node-protocol` have the encoding of the node's types, in both directions.
//!
//! Each conversion names every variant and field of our types, so that an addition on either side
//! is noticed.

use parity_scale_codec::{DecodeAll, Encode};
use polkadot_node_core_pvf_common as node;
use polkadot_node_core_pvf_common::{ArtifactChecksum, SecurityStatus, compute_checksum};
use polkadot_node_primitives as node_primitives;
use polkadot_parachain_primitives::primitives as parachain;
use polkadot_primitives as primitives;
use polkadot_primitives::HashT as _;
use sp_core::H256;
use std::fmt::Debug;
use std::time::Duration;

/// Asserts that our value and the node's value have the same encoding.
fn same<O, N>(ours: &O, nodes: &N)
where
    O: Encode + DecodeAll + PartialEq + Debug,
    N: Encode + DecodeAll,
{
    let bytes = nodes.encode();
    assert_eq!(ours.encode(), bytes, "{ours:?}");
    let decoded = O::decode_all(&mut &bytes[..]);
    assert_eq!(decoded.as_ref(), Ok(ours));
    let back = N::decode_all(&mut &bytes[..]).expect("the node reads what it wrote");
    assert_eq!(back.encode(), bytes, "{ours:?}");
}

fn text() -> String {
    "why not? — because".to_owned()
}

/// Our counterparts of the node's types.
mod wire {
    pub use pvf_node_protocol::*;
    pub use pvf_primitives::*;
}

fn hash(byte: u8) -> wire::Hash {
    let mut hash = [byte; 32];
    hash[0] = 1;
    hash
}

fn long(byte: u8) -> Vec<u8> {
    vec![byte; 20_000]
}

fn prepare_error(error: &wire::PrepareError) -> node::error::PrepareError {
    use node::error::PrepareError as Node;
    use wire::PrepareError as Ours;
    match error.clone() {
        Ours::Prevalidation(text) => Node::Prevalidation(text),
        Ours::Preparation(text) => Node::Preparation(text),
        Ours::RuntimeConstruction(text) => Node::RuntimeConstruction(text),
        Ours::JobError(text) => Node::JobError(text),
        Ours::TimedOut => Node::TimedOut,
        Ours::IoErr(text) => Node::IoErr(text),
        Ours::CreateTmpFile(text) => Node::CreateTmpFile(text),
        Ours::RenameTmpFile { err, src, dest } => Node::RenameTmpFile { err, src, dest },
        Ours::OutOfMemory => Node::OutOfMemory,
        Ours::ClearWorkerDir(text) => Node::ClearWorkerDir(text),
        Ours::JobDied { err, job_pid } => Node::JobDied { err, job_pid },
        Ours::Kernel(text) => Node::Kernel(text),
        Ours::CouldNotDecompressCodeBlob(text) => Node::CouldNotDecompressCodeBlob(text),
    }
}

fn prepare_errors() -> Vec<wire::PrepareError> {
    use wire::PrepareError as E;
    vec![
        E::Prevalidation(text()),
        E::Preparation(text()),
        E::RuntimeConstruction(text()),
        E::JobError(String::new()),
        E::TimedOut,
        E::IoErr(text()),
        E::CreateTmpFile(text()),
        E::RenameTmpFile {
            err: text(),
            src: None,
            dest: Some("/a".to_owned()),
        },
        E::OutOfMemory,
        E::ClearWorkerDir(text()),
        E::JobDied {
            err: text(),
            job_pid: -7,
        },
        E::Kernel(text()),
        E::CouldNotDecompressCodeBlob(text()),
    ]
}

fn executor_param(param: wire::ExecutorParam) -> primitives::ExecutorParam {
    use primitives::ExecutorParam as Node;
    use wire::ExecutorParam as Ours;
    match param {
        Ours::MaxMemoryPages(pages) => Node::MaxMemoryPages(pages),
        Ours::StackLogicalMax(units) => Node::StackLogicalMax(units),
        Ours::StackNativeMax(bytes) => Node::StackNativeMax(bytes),
        Ours::PrecheckingMaxMemory(bytes) => Node::PrecheckingMaxMemory(bytes),
        Ours::PvfPrepTimeout(wire::PvfPrepKind::Precheck, ms) => {
            Node::PvfPrepTimeout(primitives::PvfPrepKind::Precheck, ms)
        }
        Ours::PvfPrepTimeout(wire::PvfPrepKind::Prepare, ms) => {
            Node::PvfPrepTimeout(primitives::PvfPrepKind::Prepare, ms)
        }
        Ours::PvfExecTimeout(wire::PvfExecKind::Backing, ms) => {
            Node::PvfExecTimeout(primitives::PvfExecKind::Backing, ms)
        }
        Ours::PvfExecTimeout(wire::PvfExecKind::Approval, ms) => {
            Node::PvfExecTimeout(primitives::PvfExecKind::Approval, ms)
        }
        Ours::WasmExtBulkMemory => Node::WasmExtBulkMemory,
        Ours::EnabledHostFunction(wire::ExecutorHostFunction::EccRfc163) => {
            Node::EnabledHostFunction(primitives::ExecutorHostFunction::EccRfc163)
        }
    }
}

fn all_params() -> wire::ExecutorParams {
    use wire::ExecutorParam as P;
    wire::ExecutorParams(vec![
        P::MaxMemoryPages(8192),
        P::StackLogicalMax(65_536),
        P::StackNativeMax(256 << 20),
        P::PrecheckingMaxMemory(1 << 33),
        P::PvfPrepTimeout(wire::PvfPrepKind::Precheck, 1),
        P::PvfPrepTimeout(wire::PvfPrepKind::Prepare, 2),
        P::PvfExecTimeout(wire::PvfExecKind::Backing, 2_500),
        P::PvfExecTimeout(wire::PvfExecKind::Approval, u64::MAX),
        P::WasmExtBulkMemory,
        P::EnabledHostFunction(wire::ExecutorHostFunction::EccRfc163),
    ])
}

fn executor_params(params: &wire::ExecutorParams) -> primitives::ExecutorParams {
    let params: Vec<_> = params.0.iter().copied().map(executor_param).collect();
    params.as_slice().into()
}

fn checksum(checksum: wire::ArtifactChecksum) -> ArtifactChecksum {
    ArtifactChecksum::decode_all(&mut &checksum.0[..]).expect("32 bytes")
}

fn result() -> wire::ValidationResult {
    wire::ValidationResult {
        head_data: long(1),
        new_validation_code: Some(long(2)),
        upward_messages: wire::BoundedMessages(vec![long(3), vec![]]),
        horizontal_messages: wire::BoundedMessages(vec![wire::HorizontalMessage {
            recipient: 2_000,
            data: long(4),
        }]),
        processed_downward_messages: 5,
        hrmp_watermark: u32::MAX,
    }
}

fn nodes_result(ours: &wire::ValidationResult) -> parachain::ValidationResult {
    let wire::ValidationResult {
        head_data,
        new_validation_code,
        upward_messages,
        horizontal_messages,
        processed_downward_messages,
        hrmp_watermark,
    } = ours.clone();
    let horizontal: Vec<_> = horizontal_messages
        .0
        .into_iter()
        .map(|wire::HorizontalMessage { recipient, data }| {
            polkadot_core_primitives::OutboundHrmpMessage {
                recipient: recipient.into(),
                data,
            }
        })
        .collect();
    parachain::ValidationResult {
        head_data: parachain::HeadData(head_data),
        new_validation_code: new_validation_code.map(parachain::ValidationCode),
        upward_messages: upward_messages.0.try_into().expect("few messages"),
        horizontal_messages: horizontal.try_into().expect("few messages"),
        processed_downward_messages,
        hrmp_watermark,
    }
}

#[test]
fn handshakes() {
    for bits in 0..32_u8 {
        let bit = |number: u8| bits & (1 << number) != 0;
        let ours = wire::SecurityStatus {
            secure_validator_mode: bit(0),
            can_enable_landlock: bit(1),
            can_enable_seccomp: bit(2),
            can_unshare_user_namespace_and_change_root: bit(3),
            can_do_secure_clone: bit(4),
        };
        let nodes = SecurityStatus {
            secure_validator_mode: bit(0),
            can_enable_landlock: bit(1),
            can_enable_seccomp: bit(2),
            can_unshare_user_namespace_and_change_root: bit(3),
            can_do_secure_clone: bit(4),
        };
        let ours = wire::WorkerHandshake {
            security_status: ours,
        };
        same(
            &ours,
            &node::WorkerHandshake {
                security_status: nodes,
            },
        );
    }
    for params in [wire::ExecutorParams::default(), all_params()] {
        let nodes = node::execute::Handshake {
            executor_params: executor_params(&params),
        };
        let ours = wire::ExecuteHandshake {
            executor_params: params,
        };
        same(&ours, &nodes);
    }
}

#[test]
fn what_parameters_say() {
    let ours = all_params();
    let nodes = executor_params(&ours);
    same(&ours, &nodes);
    let memory = nodes.prechecking_max_memory();
    assert_eq!(ours.prechecking_max_memory(), memory);
    assert_eq!(
        ours.pvf_prep_timeout(wire::PvfPrepKind::Prepare),
        nodes.pvf_prep_timeout(primitives::PvfPrepKind::Prepare)
    );
    assert_eq!(
        ours.pvf_exec_timeout(wire::PvfExecKind::Backing),
        nodes.pvf_exec_timeout(primitives::PvfExecKind::Backing)
    );
    let (_, stack) = node::executor_interface::params_to_wasmtime_semantics(&nodes);
    assert_eq!(ours.stack_logical_max(), Some(stack.logical_max));
    assert_eq!(ours.stack_native_max(), Some(stack.native_stack_max));
}

#[test]
fn preparation() {
    for (ours_kind, kind) in [
        (
            wire::PrepareJobKind::Compilation,
            node::prepare::PrepareJobKind::Compilation,
        ),
        (
            wire::PrepareJobKind::Prechecking,
            node::prepare::PrepareJobKind::Prechecking,
        ),
    ] {
        let timeout = Duration::new(61, 7);
        let params = all_params();
        let nodes = node::pvf::PvfPrepData::from_code(
            long(1),
            executor_params(&params),
            timeout,
            kind,
            50 << 20,
        );
        let ours = wire::PrepareRequest {
            maybe_compressed_code: long(1),
            validation_code_bomb_limit: 50 << 20,
            code_hash: primitives::BlakeTwo256::hash(&long(1)).0,
            executor_params: params,
            prep_timeout: timeout,
            prep_kind: ours_kind,
        };
        same(&ours, &nodes);
    }
    for ours in prepare_errors() {
        let nodes = prepare_error(&ours);
        same(&ours, &nodes);
        assert_eq!(
            ours.is_deterministic(),
            nodes.is_deterministic(),
            "{ours:?}"
        );
        let ours: wire::PrepareResponse = Err(ours);
        let nodes: node::error::PrepareWorkerResult = Err(nodes);
        same(&ours, &nodes);
    }
    for tracked in [None, Some((1_u64 << 40, 2_u64))] {
        let ours = wire::PrepareWorkerSuccess {
            checksum: wire::ArtifactChecksum(hash(3)),
            stats: wire::PrepareStats {
                cpu_time_elapsed: Duration::new(5, 999_999_999),
                memory_stats: wire::MemoryStats {
                    memory_tracker_stats: tracked.map(|(resident, allocated)| {
                        wire::MemoryAllocationStats {
                            resident,
                            allocated,
                        }
                    }),
                    max_rss: tracked.map(|_| -1),
                    peak_tracked_alloc: 7,
                },
                observed_wasm_code_len: 8,
            },
        };
        let nodes = node::prepare::PrepareWorkerSuccess {
            checksum: checksum(ours.checksum),
            stats: node::prepare::PrepareStats {
                cpu_time_elapsed: Duration::new(5, 999_999_999),
                memory_stats: node::prepare::MemoryStats {
                    memory_tracker_stats: tracked.map(|(resident, allocated)| {
                        node::prepare::MemoryAllocationStats {
                            resident,
                            allocated,
                        }
                    }),
                    max_rss: tracked.map(|_| -1),
                    peak_tracked_alloc: 7,
                },
                observed_wasm_code_len: 8,
            },
        };
        let ours: wire::PrepareResponse = Ok(ours);
        let nodes: node::error::PrepareWorkerResult = Ok(nodes);
        same(&ours, &nodes);
    }
}

#[test]
fn execution_requests() {
    use primitives::CandidateDescriptorVersion as Node;
    use wire::CandidateDescriptorVersion as Ours;
    let versions = [Ours::V1, Ours::V2, Ours::V3, Ours::Unknown(Some(9))].map(|ours| {
        let nodes = match ours {
            Ours::V1 => Node::V1,
            Ours::V2 => Node::V2,
            Ours::V3 => Node::V3,
            Ours::Unknown(version) => Node::Unknown(version.expect("this node says it")),
        };
        (ours, nodes)
    });
    for (ours, nodes) in versions {
        let ours = wire::ExecuteRequest {
            pvd: wire::PersistedValidationData {
                parent_head: long(1),
                relay_parent_number: 2,
                relay_parent_storage_root: hash(3),
                max_pov_size: 4,
            },
            pov: wire::PoV {
                block_data: long(5),
            },
            execution_timeout: Duration::from_millis(2_500),
            artifact_checksum: wire::ArtifactChecksum(hash(6)),
            relay_parent: hash(7),
            scheduling_parent: hash(8),
            descriptor_version: ours,
        };
        let nodes = node::execute::ExecuteRequest {
            pvd: primitives::PersistedValidationData {
                parent_head: parachain::HeadData(long(1)),
                relay_parent_number: 2,
                relay_parent_storage_root: H256(hash(3)),
                max_pov_size: 4,
            },
            pov: node_primitives::PoV {
                block_data: node_primitives::BlockData(long(5)),
            },
            execution_timeout: Duration::from_millis(2_500),
            artifact_checksum: checksum(ours.artifact_checksum),
            relay_parent: H256(hash(7)),
            scheduling_parent: H256(hash(8)),
            descriptor_version: nodes,
        };
        same(&ours, &nodes);
    }
}

fn job_response(response: &wire::JobResponse) -> node::execute::JobResponse {
    use node::execute::JobResponse as Node;
    use wire::JobResponse as Ours;
    match response.clone() {
        Ours::Ok { result_descriptor } => Node::Ok {
            result_descriptor: nodes_result(&result_descriptor),
        },
        Ours::RuntimeConstruction(text) => Node::RuntimeConstruction(text),
        Ours::InvalidCandidate(text) => Node::InvalidCandidate(text),
        Ours::PoVDecompressionFailure => Node::PoVDecompressionFailure,
        Ours::CorruptedArtifact => Node::CorruptedArtifact,
    }
}

fn job_error(error: &wire::JobError) -> node::execute::JobError {
    use node::execute::JobError as Node;
    use wire::JobError as Ours;
    match error.clone() {
        Ours::TimedOut => Node::TimedOut,
        Ours::Panic(text) => Node::Panic(text),
        Ours::Kernel(text) => Node::Kernel(text),
        Ours::CouldNotSpawnThread(text) => Node::CouldNotSpawnThread(text),
        Ours::CpuTimeMonitorThread(text) => Node::CpuTimeMonitorThread(text),
        Ours::UnexpectedExitStatus(status) => Node::UnexpectedExitStatus(status),
    }
}

fn internal(error: &wire::InternalValidationError) -> node::error::InternalValidationError {
    use node::error::InternalValidationError as Node;
    use wire::InternalValidationError as Ours;
    match error.clone() {
        Ours::HostCommunication(text) => Node::HostCommunication(text),
        Ours::CouldNotCreateLink(text) => Node::CouldNotCreateLink(text),
        Ours::CouldNotOpenFile(text) => Node::CouldNotOpenFile(text),
        Ours::CouldNotCreatePipe(text) => Node::CouldNotCreatePipe(text),
        Ours::CouldNotClearWorkerDir { err, path } => Node::CouldNotClearWorkerDir { err, path },
        Ours::Kernel(text) => Node::Kernel(text),
        Ours::NonDeterministicPrepareError(error) => {
            Node::NonDeterministicPrepareError(prepare_error(&error))
        }
    }
}

#[test]
fn execution_responses() {
    use wire::{InternalValidationError as I, JobError as J, JobResponse as R, WorkerError as E};
    for response in [
        R::Ok {
            result_descriptor: result(),
        },
        R::Ok {
            result_descriptor: wire::ValidationResult::default(),
        },
        R::RuntimeConstruction(text()),
        R::InvalidCandidate(text()),
        R::PoVDecompressionFailure,
        R::CorruptedArtifact,
    ] {
        let nodes = node::execute::WorkerResponse {
            job_response: job_response(&response),
            duration: Duration::new(1, 2),
            pov_size: 3,
        };
        let ours = wire::WorkerResponse {
            job_response: response,
            duration: Duration::new(1, 2),
            pov_size: 3,
        };
        let ours: wire::ExecuteResponse = Ok(ours);
        let nodes: Result<_, node::execute::WorkerError> = Ok(nodes);
        same(&ours, &nodes);
    }
    let mut errors = vec![
        E::JobTimedOut,
        E::JobDied {
            err: text(),
            job_pid: 1 << 22,
        },
    ];
    let jobs = [
        J::TimedOut,
        J::Panic(text()),
        J::Kernel(text()),
        J::CouldNotSpawnThread(text()),
        J::CpuTimeMonitorThread(text()),
        J::UnexpectedExitStatus(-1),
    ];
    errors.extend(jobs.map(E::JobError));
    let internals = [
        I::HostCommunication(text()),
        I::CouldNotCreateLink(text()),
        I::CouldNotOpenFile(text()),
        I::CouldNotCreatePipe(text()),
        I::CouldNotClearWorkerDir {
            err: text(),
            path: None,
        },
        I::Kernel(text()),
    ];
    errors.extend(internals.map(E::InternalError));
    let prepare = prepare_errors()
        .into_iter()
        .map(I::NonDeterministicPrepareError);
    errors.extend(prepare.map(E::InternalError));
    for error in errors {
        let nodes = match &error {
            E::JobTimedOut => node::execute::WorkerError::JobTimedOut,
            E::JobDied { err, job_pid } => node::execute::WorkerError::JobDied {
                err: err.clone(),
                job_pid: *job_pid,
            },
            E::JobError(error) => job_error(error).into(),
            E::InternalError(error) => internal(error).into(),
        };
        let ours: wire::ExecuteResponse = Err(error);
        let nodes: Result<node::execute::WorkerResponse, _> = Err(nodes);
        same(&ours, &nodes);
    }
}

#[test]
fn what_a_validation_function_takes() {
    let ours = wire::ValidationParams {
        parent_head: long(1),
        block_data: long(2),
        relay_parent_number: 3,
        relay_parent_storage_root: hash(4),
    };
    let nodes = parachain::ValidationParams {
        parent_head: parachain::HeadData(long(1)),
        block_data: parachain::BlockData(long(2)),
        relay_parent_number: 3,
        relay_parent_storage_root: H256(hash(4)),
    };
    same(&ours, &nodes);
    let ours = wire::ValidationParamsExtension::V3 {
        relay_parent: hash(5),
        scheduling_parent: hash(6),
    };
    let nodes = parachain::ValidationParamsExtension::V3 {
        relay_parent: H256(hash(5)),
        scheduling_parent: H256(hash(6)),
    };
    let extension = parachain::TrailingOption(Some(nodes.clone()));
    assert_eq!(ours.encode(), extension.encode());
    same(&ours, &nodes);
}

#[test]
fn checksums() {
    for bytes in [&b""[..], b"artifact", &long(7)] {
        same(&wire::ArtifactChecksum::of(bytes), &compute_checksum(bytes));
    }
}

#[test]
fn frames() {
    let mut nodes = Vec::new();
    node::framed_send_blocking(&mut nodes, b"message").expect("memory takes all");
    let mut ours = Vec::new();
    wire::frame::write(&mut ours, b"message").expect("memory takes all");
    assert_eq!(ours, nodes);
    let read = node::framed_recv_blocking(&mut &ours[..]).expect("the node reads it");
    assert_eq!(
        read,
        wire::frame::read(&mut &nodes[..], 7).expect("we read it")
    );
}

#[test]
fn constants() {
    assert_eq!(wire::NODE_VERSION, node_primitives::NODE_VERSION);
    assert_eq!(wire::POV_BOMB_LIMIT, node_primitives::POV_BOMB_LIMIT);
}
