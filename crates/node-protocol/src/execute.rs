//! Messages of execution: a request with a candidate, and a response that decides a validator's
//! vote.

use crate::{ArtifactChecksum, PrepareError};
use parity_scale_codec::{Compact, Decode, Encode, Input, Output};
use pvf_primitives::{
    Hash, PersistedValidationData, PoV, ValidationParamsExtension, ValidationResult,
};
use std::time::Duration;

/// A request to an execute worker, which answers with an [`ExecuteResponse`]. The artifact is in
/// the file `artifact` of the worker's directory.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ExecuteRequest {
    /// The relay chain's part of the candidate.
    pub pvd: PersistedValidationData,
    /// The collator's part of the candidate.
    pub pov: PoV,
    /// CPU time that the job may take.
    pub execution_timeout: Duration,
    /// Checksum of the artifact to execute.
    pub artifact_checksum: ArtifactChecksum,
    /// Hash of the relay chain's block that the candidate was built on.
    pub relay_parent: Hash,
    /// Hash of the relay chain's block by which the candidate is scheduled.
    pub scheduling_parent: Hash,
    /// Version of the descriptor, which decides the parameters of the PVF.
    pub descriptor_version: CandidateDescriptorVersion,
}

/// An [`ExecuteRequest`] that borrows its long parts from the encoded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecuteRequestView<'a> {
    /// [`PersistedValidationData::parent_head`].
    pub parent_head: &'a [u8],
    /// [`PersistedValidationData::relay_parent_number`].
    pub relay_parent_number: u32,
    /// [`PersistedValidationData::relay_parent_storage_root`].
    pub relay_parent_storage_root: Hash,
    /// [`PersistedValidationData::max_pov_size`].
    pub max_pov_size: u32,
    /// [`PoV::block_data`].
    pub block_data: &'a [u8],
    /// [`ExecuteRequest::execution_timeout`].
    pub execution_timeout: Duration,
    /// [`ExecuteRequest::artifact_checksum`].
    pub artifact_checksum: ArtifactChecksum,
    /// [`ExecuteRequest::relay_parent`].
    pub relay_parent: Hash,
    /// [`ExecuteRequest::scheduling_parent`].
    pub scheduling_parent: Hash,
    /// [`ExecuteRequest::descriptor_version`].
    pub descriptor_version: CandidateDescriptorVersion,
}

impl<'a> ExecuteRequestView<'a> {
    /// Decodes the same bytes as
    /// [`ExecuteRequest::decode_all`](parity_scale_codec::DecodeAll::decode_all), without a copy of
    /// the long parts.
    ///
    /// # Errors
    /// The bytes are not exactly one encoded request.
    pub fn decode_all(mut bytes: &'a [u8]) -> Result<Self, parity_scale_codec::Error> {
        let input = &mut bytes;
        let view = Self {
            parent_head: borrow_bytes(input)?,
            relay_parent_number: Decode::decode(input)?,
            relay_parent_storage_root: Decode::decode(input)?,
            max_pov_size: Decode::decode(input)?,
            block_data: borrow_bytes(input)?,
            execution_timeout: Decode::decode(input)?,
            artifact_checksum: Decode::decode(input)?,
            relay_parent: Decode::decode(input)?,
            scheduling_parent: Decode::decode(input)?,
            descriptor_version: Decode::decode(input)?,
        };
        match input.is_empty() {
            true => Ok(view),
            false => Err("extra bytes after the request".into()),
        }
    }
}

impl<'a> From<&'a ExecuteRequest> for ExecuteRequestView<'a> {
    fn from(request: &'a ExecuteRequest) -> Self {
        Self {
            parent_head: &request.pvd.parent_head,
            relay_parent_number: request.pvd.relay_parent_number,
            relay_parent_storage_root: request.pvd.relay_parent_storage_root,
            max_pov_size: request.pvd.max_pov_size,
            block_data: &request.pov.block_data,
            execution_timeout: request.execution_timeout,
            artifact_checksum: request.artifact_checksum,
            relay_parent: request.relay_parent,
            scheduling_parent: request.scheduling_parent,
            descriptor_version: request.descriptor_version,
        }
    }
}

impl ExecuteRequestView<'_> {
    /// The input of `validate_block` with this decompressed block data: the encoding of
    /// [`ValidationParams`](pvf_primitives::ValidationParams), followed by the
    /// [`ValidationParamsExtension`] if the descriptor's version has one.
    pub fn validation_params(&self, block_data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(block_data.len() + self.parent_head.len() + 128);
        self.parent_head.encode_to(&mut bytes);
        block_data.encode_to(&mut bytes);
        self.relay_parent_number.encode_to(&mut bytes);
        self.relay_parent_storage_root.encode_to(&mut bytes);
        match self.descriptor_version {
            CandidateDescriptorVersion::V3 => {
                let extension = ValidationParamsExtension::V3 {
                    relay_parent: self.relay_parent,
                    scheduling_parent: self.scheduling_parent,
                };
                extension.encode_to(&mut bytes);
            }
            CandidateDescriptorVersion::V1
            | CandidateDescriptorVersion::V2
            | CandidateDescriptorVersion::Unknown(_) => {}
        }
        bytes
    }
}

/// Decodes a `Vec<u8>` as a slice of `input`.
fn borrow_bytes<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], parity_scale_codec::Error> {
    let length = Compact::<u32>::decode(input)?.0 as usize;
    let Some((bytes, rest)) = input.split_at_checked(length) else {
        return Err("fewer bytes than the length prefix says".into());
    };
    *input = rest;
    Ok(bytes)
}

/// The version of a candidate's descriptor.
///
/// Nodes from 1.25 on encode an unknown version with its number. Nodes 1.22 to 1.24
/// (`polkadot-node-core-pvf-common` 25 to 27) encode the variant's index only, which decodes to
/// `Unknown(None)`. The version is the last field of an [`ExecuteRequest`], so the end of the frame
/// distinguishes the two encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateDescriptorVersion {
    /// The first version.
    V1,
    /// Descriptor with a core index.
    V2,
    /// Descriptor with a scheduling parent: the PVF receives both parents.
    V3,
    /// A version unknown to the node, with its number if the node sends it.
    Unknown(Option<u8>),
}

impl Encode for CandidateDescriptorVersion {
    fn encode_to<T: Output + ?Sized>(&self, output: &mut T) {
        match self {
            Self::V1 => output.push_byte(0),
            Self::V2 => output.push_byte(1),
            Self::V3 => output.push_byte(2),
            Self::Unknown(number) => {
                output.push_byte(3);
                number.iter().for_each(|number| output.push_byte(*number));
            }
        }
    }
}

impl Decode for CandidateDescriptorVersion {
    fn decode<I: Input>(input: &mut I) -> Result<Self, parity_scale_codec::Error> {
        Ok(match input.read_byte()? {
            0 => Self::V1,
            1 => Self::V2,
            2 => Self::V3,
            3 if input.remaining_len()? == Some(0) => Self::Unknown(None),
            3 => Self::Unknown(Some(input.read_byte()?)),
            _ => return Err("not a version of a candidate's descriptor".into()),
        })
    }
}

/// The response of an execute worker.
pub type ExecuteResponse = Result<WorkerResponse, WorkerError>;

/// The result of a job that ended with an answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WorkerResponse {
    /// The answer of the job.
    pub job_response: JobResponse,
    /// CPU time of the job.
    pub duration: Duration,
    /// Bytes of the block data after decompression.
    pub pov_size: u32,
}

/// The answer of a job about a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum JobResponse {
    /// The candidate is valid.
    #[codec(index = 0)]
    Ok {
        /// The result of `validate_block`.
        result_descriptor: ValidationResult,
    },
    /// The module could not be instantiated. The host prepares and executes once more; if that
    /// fails too, it treats the candidate as invalid.
    #[codec(index = 1)]
    RuntimeConstruction(String),
    /// The candidate is invalid.
    #[codec(index = 2)]
    InvalidCandidate(String),
    /// The compressed block data is damaged or too large: the candidate is invalid.
    #[codec(index = 3)]
    PoVDecompressionFailure,
    /// The artifact is not the one that was prepared. The host acts as for `RuntimeConstruction`.
    #[codec(index = 4)]
    CorruptedArtifact,
}

/// Why a job produced no answer about the candidate: it timed out, died, or failed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum WorkerError {
    /// The job took too long: the candidate is invalid.
    #[codec(index = 0)]
    #[error("the job's time is up")]
    JobTimedOut,
    /// The job was killed. The host executes once more; if that fails too, it treats the candidate
    /// as invalid.
    #[codec(index = 1)]
    #[error("the job (process {job_pid}) died: {err}")]
    JobDied {
        /// How the process ended.
        err: String,
        /// The process number.
        job_pid: i32,
    },
    /// The job failed. The host acts as for `JobDied`.
    #[codec(index = 2)]
    #[error("the job failed: {0}")]
    JobError(#[from] JobError),
    /// The machine failed, independently of the candidate: the validator abstains. A failure that a
    /// PVF or a candidate can cause must not be reported so, because all validators would abstain.
    #[codec(index = 3)]
    #[error("internal error: {0}")]
    InternalError(#[from] InternalValidationError),
}

/// How a job failed. The value comes from the process that executes untrusted code.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum JobError {
    /// The job took too long.
    #[codec(index = 0)]
    #[error("time is up")]
    TimedOut,
    /// The job panicked.
    #[codec(index = 1)]
    #[error("panic: {0}")]
    Panic(String),
    /// A system call of the job failed.
    #[codec(index = 2)]
    #[error("the system refused: {0}")]
    Kernel(String),
    /// The job could not start a thread.
    #[codec(index = 3)]
    #[error("cannot start a thread: {0}")]
    CouldNotSpawnThread(String),
    /// The thread that monitors the CPU time failed.
    #[codec(index = 4)]
    #[error("the monitor of the CPU time failed: {0}")]
    CpuTimeMonitorThread(String),
    /// The exit status contradicts the answer.
    #[codec(index = 5)]
    #[error("unexpected exit status: {0}")]
    UnexpectedExitStatus(i32),
}

/// How the machine failed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum InternalValidationError {
    /// A message of the host does not decode.
    #[codec(index = 0)]
    #[error("communication with the host failed: {0}")]
    HostCommunication(String),
    /// The host could not link the artifact.
    #[codec(index = 1)]
    #[error("cannot link the artifact: {0}")]
    CouldNotCreateLink(String),
    /// The artifact cannot be read.
    #[codec(index = 2)]
    #[error("cannot read the artifact: {0}")]
    CouldNotOpenFile(String),
    /// The worker could not create a pipe.
    #[codec(index = 3)]
    #[error("cannot create a pipe: {0}")]
    CouldNotCreatePipe(String),
    /// The host could not clear the worker's directory.
    #[codec(index = 4)]
    #[error("cannot clear the worker's directory {path:?}: {err}")]
    CouldNotClearWorkerDir {
        /// The system's error.
        err: String,
        /// Path of the directory.
        path: Option<String>,
    },
    /// A system call of the worker failed.
    #[codec(index = 5)]
    #[error("the system refused: {0}")]
    Kernel(String),
    /// A preparation failed, and the code is not at fault.
    #[codec(index = 6)]
    #[error("preparation: {0}")]
    NonDeterministicPrepareError(PrepareError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;

    /// A request in the layout of nodes since 1.22. Only the encoding of the version differs.
    fn request(descriptor_version: CandidateDescriptorVersion) -> ExecuteRequest {
        ExecuteRequest {
            pvd: PersistedValidationData::default(),
            pov: PoV::default(),
            execution_timeout: Duration::from_secs(2),
            artifact_checksum: ArtifactChecksum::default(),
            relay_parent: [1; 32],
            scheduling_parent: [2; 32],
            descriptor_version,
        }
    }

    #[test]
    fn descriptor_versions_decode_in_the_encodings_of_all_supported_nodes() {
        use CandidateDescriptorVersion::{Unknown, V1, V2, V3};
        for (bytes, version) in [
            (&[0][..], V1),
            (&[1], V2),
            (&[2], V3),
            (&[3], Unknown(None)),
            (&[3, 0], Unknown(Some(0))),
            (&[3, 9], Unknown(Some(9))),
        ] {
            let request = request(version);
            let frame = request.encode();
            assert!(frame.ends_with(&[&[2; 32], bytes].concat()), "{frame:?}");
            assert_eq!(frame::decode::<ExecuteRequest>(&frame).ok(), Some(request));
        }
    }

    #[test]
    fn bytes_that_no_node_writes_do_not_decode_as_a_request() {
        let whole = request(CandidateDescriptorVersion::V2).encode();
        let start = &whole[..whole.len() - 1];
        for end in [&[][..], &[4], &[1, 0], &[3, 9, 0]] {
            let frame = [start, end].concat();
            assert!(frame::decode::<ExecuteRequest>(&frame).is_err(), "{end:?}");
        }
    }
}

#[cfg(test)]
mod view_tests {
    use super::*;
    use parity_scale_codec::DecodeAll;
    use proptest::prelude::*;
    use pvf_primitives::ValidationParams;

    fn owned(view: ExecuteRequestView<'_>) -> ExecuteRequest {
        ExecuteRequest {
            pvd: PersistedValidationData {
                parent_head: view.parent_head.to_vec(),
                relay_parent_number: view.relay_parent_number,
                relay_parent_storage_root: view.relay_parent_storage_root,
                max_pov_size: view.max_pov_size,
            },
            pov: PoV {
                block_data: view.block_data.to_vec(),
            },
            execution_timeout: view.execution_timeout,
            artifact_checksum: view.artifact_checksum,
            relay_parent: view.relay_parent,
            scheduling_parent: view.scheduling_parent,
            descriptor_version: view.descriptor_version,
        }
    }

    fn agree(bytes: &[u8]) {
        let viewed = ExecuteRequestView::decode_all(bytes).map(owned).ok();
        assert_eq!(viewed, ExecuteRequest::decode_all(&mut &bytes[..]).ok());
    }

    proptest! {
        #[test]
        fn a_view_decodes_exactly_the_bytes_that_a_request_decodes(
            head in prop::collection::vec(any::<u8>(), 0..300),
            block in prop::collection::vec(any::<u8>(), 0..20_000),
            number: u32,
            version in 0_u8..5,
            cut in any::<prop::sample::Index>(),
            damage in any::<(prop::sample::Index, u8)>(),
        ) {
            let request = ExecuteRequest {
                pvd: PersistedValidationData { parent_head: head, relay_parent_number: number, ..Default::default() },
                pov: PoV { block_data: block },
                execution_timeout: Duration::new(number.into(), 5),
                artifact_checksum: ArtifactChecksum([version; 32]),
                relay_parent: [1; 32],
                scheduling_parent: [2; 32],
                descriptor_version: match version {
                    0 => CandidateDescriptorVersion::V1,
                    1 => CandidateDescriptorVersion::V2,
                    2 => CandidateDescriptorVersion::V3,
                    3 => CandidateDescriptorVersion::Unknown(None),
                    _ => CandidateDescriptorVersion::Unknown(Some(9)),
                },
            };
            let mut bytes = request.encode();
            let view = ExecuteRequestView::from(&request);
            prop_assert_eq!(ExecuteRequestView::decode_all(&bytes), Ok(view));
            prop_assert_eq!(owned(view), request);
            agree(&bytes[..cut.index(bytes.len())]);
            let at = damage.0.index(bytes.len());
            bytes[at] ^= damage.1;
            agree(&bytes);
            bytes.push(0);
            agree(&bytes);
        }
    }

    #[test]
    fn a_candidate_is_the_encoding_of_validation_params_and_extension() {
        let mut request = ExecuteRequestView {
            parent_head: &[1; 100],
            relay_parent_number: 7,
            relay_parent_storage_root: [2; 32],
            max_pov_size: 5,
            block_data: &[],
            execution_timeout: Duration::ZERO,
            artifact_checksum: ArtifactChecksum::default(),
            relay_parent: [3; 32],
            scheduling_parent: [4; 32],
            descriptor_version: CandidateDescriptorVersion::V2,
        };
        let params = ValidationParams {
            parent_head: vec![1; 100],
            block_data: vec![9; 1000],
            relay_parent_number: 7,
            relay_parent_storage_root: [2; 32],
        };
        assert_eq!(request.validation_params(&[9; 1000]), params.encode());
        request.descriptor_version = CandidateDescriptorVersion::V3;
        let extended = [&params.encode()[..], &[3], &[3; 32], &[4; 32]].concat();
        assert_eq!(request.validation_params(&[9; 1000]), extended);
        request.descriptor_version = CandidateDescriptorVersion::Unknown(Some(9));
        assert_eq!(request.validation_params(&[9; 1000]), params.encode());
    }
}
