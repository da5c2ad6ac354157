//! Execution: a candidate in, an answer out that becomes a vote.

use crate::{ArtifactChecksum, PrepareError};
use parity_scale_codec::{Compact, Decode, Encode, Input, Output};
use pvf_primitives::{Hash, PersistedValidationData, PoV, ValidationResult};
use std::time::Duration;

/// What an execute worker is asked; the artifact is in the file `artifact` of its directory. It answers an
/// [`ExecuteResponse`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ExecuteRequest {
    /// What the relay chain knows.
    pub pvd: PersistedValidationData,
    /// What the collator says.
    pub pov: PoV,
    /// CPU time that the job may take.
    pub execution_timeout: Duration,
    /// Of the artifact that the host means.
    pub artifact_checksum: ArtifactChecksum,
    /// Hash of the relay chain's block that the candidate was built on.
    pub relay_parent: Hash,
    /// Hash of the relay chain's block that it is scheduled by.
    pub scheduling_parent: Hash,
    /// Which parameters the PVF expects.
    pub descriptor_version: CandidateDescriptorVersion,
}

/// An [`ExecuteRequest`] whose long parts stay where they are.
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
    /// Decodes what [`ExecuteRequest::decode_all`](parity_scale_codec::DecodeAll::decode_all) decodes, without a copy.
    ///
    /// # Errors
    /// The bytes are no request, or more than one.
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
            false => Err("bytes behind the request".into()),
        }
    }
}

/// The bytes of an encoded `Vec<u8>`, where they are.
fn borrow_bytes<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], parity_scale_codec::Error> {
    let length = Compact::<u32>::decode(input)?.0 as usize;
    let Some((bytes, rest)) = input.split_at_checked(length) else {
        return Err("fewer bytes than announced".into());
    };
    *input = rest;
    Ok(bytes)
}

/// The version of a candidate's descriptor.
///
/// A node from 1.25 on writes an unknown version with its number; a node from 1.22 to 1.24 writes nothing after the variant's index
/// (`polkadot-node-core-pvf-common` 25 to 27), which here is `Unknown(None)`. The field is the last one of an [`ExecuteRequest`], so the
/// end of the frame tells the two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateDescriptorVersion {
    /// The first.
    V1,
    /// With a core index.
    V2,
    /// With a scheduling parent: the PVF is told both parents.
    V3,
    /// One that the node does not know, with its number if the node says so.
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
            _ => return Err("no version of a candidate's descriptor".into()),
        })
    }
}

/// What an execute worker answers.
pub type ExecuteResponse = Result<WorkerResponse, WorkerError>;

/// A job that came to an end.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WorkerResponse {
    /// To which.
    pub job_response: JobResponse,
    /// CPU time of the job.
    pub duration: Duration,
    /// Bytes of the block data, decompressed.
    pub pov_size: u32,
}

/// What a job says about a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum JobResponse {
    /// It is valid.
    #[codec(index = 0)]
    Ok {
        /// What `validate_block` returned.
        result_descriptor: ValidationResult,
    },
    /// There could be no instance. The host prepares once more, tries again, then takes it for invalid.
    #[codec(index = 1)]
    RuntimeConstruction(String),
    /// It is invalid.
    #[codec(index = 2)]
    InvalidCandidate(String),
    /// Its compressed block data is damaged or too large: invalid.
    #[codec(index = 3)]
    PoVDecompressionFailure,
    /// The artifact is not the one that was prepared. As for `RuntimeConstruction`.
    #[codec(index = 4)]
    CorruptedArtifact,
}

/// A job that came to no good end.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum WorkerError {
    /// It took too long: the candidate is invalid.
    #[codec(index = 0)]
    #[error("the job's time is up")]
    JobTimedOut,
    /// It was killed. The host tries once more, then takes the candidate for invalid.
    #[codec(index = 1)]
    #[error("the job (process {job_pid}) died: {err}")]
    JobDied {
        /// How.
        err: String,
        /// Which process.
        job_pid: i32,
    },
    /// It failed. As for `JobDied`.
    #[codec(index = 2)]
    #[error("the job failed: {0}")]
    JobError(#[from] JobError),
    /// The machine failed, whatever was executed: the validator abstains. Nothing that a PVF or a candidate can cause may
    /// be answered like this, or it could keep all validators from voting.
    #[codec(index = 3)]
    #[error("internal error: {0}")]
    InternalError(#[from] InternalValidationError),
}

/// How a job fails. It comes from the process that executes what nobody trusts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum JobError {
    /// It took too long.
    #[codec(index = 0)]
    #[error("time is up")]
    TimedOut,
    /// It panicked.
    #[codec(index = 1)]
    #[error("panic: {0}")]
    Panic(String),
    /// The system refused something.
    #[codec(index = 2)]
    #[error("the system refused: {0}")]
    Kernel(String),
    /// There is no thread to be had.
    #[codec(index = 3)]
    #[error("cannot start a thread: {0}")]
    CouldNotSpawnThread(String),
    /// The thread that looks after the time failed.
    #[codec(index = 4)]
    #[error("the monitor of the CPU time failed: {0}")]
    CpuTimeMonitorThread(String),
    /// It answered one thing and said another by its exit status.
    #[codec(index = 5)]
    #[error("unexpected exit status: {0}")]
    UnexpectedExitStatus(i32),
}

/// How a machine fails.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum InternalValidationError {
    /// Host and worker do not understand each other.
    #[codec(index = 0)]
    #[error("no understanding with the host: {0}")]
    HostCommunication(String),
    /// The host could not link the artifact.
    #[codec(index = 1)]
    #[error("cannot link the artifact: {0}")]
    CouldNotCreateLink(String),
    /// The artifact cannot be read.
    #[codec(index = 2)]
    #[error("cannot read the artifact: {0}")]
    CouldNotOpenFile(String),
    /// There is no pipe to be had.
    #[codec(index = 3)]
    #[error("cannot make a pipe: {0}")]
    CouldNotCreatePipe(String),
    /// The host could not clear the worker's directory.
    #[codec(index = 4)]
    #[error("cannot clear the worker's directory {path:?}: {err}")]
    CouldNotClearWorkerDir {
        /// What the system says.
        err: String,
        /// The directory.
        path: Option<String>,
    },
    /// The system refused something.
    #[codec(index = 5)]
    #[error("the system refused: {0}")]
    Kernel(String),
    /// A preparation failed by no fault of the code.
    #[codec(index = 6)]
    #[error("preparation: {0}")]
    NonDeterministicPrepareError(PrepareError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;

    /// A request as the bytes of nodes since 1.22 are, without the version.
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
    fn every_version_of_a_descriptor_is_read_from_the_frames_of_every_node() {
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
    fn what_no_node_writes_is_no_request() {
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
        fn a_view_is_the_request(
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
            prop_assert_eq!(ExecuteRequestView::decode_all(&bytes).map(owned), Ok(request));
            agree(&bytes[..cut.index(bytes.len())]);
            let at = damage.0.index(bytes.len());
            bytes[at] ^= damage.1;
            agree(&bytes);
            bytes.push(0);
            agree(&bytes);
        }
    }
}
