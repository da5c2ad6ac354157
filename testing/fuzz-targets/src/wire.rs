//! Messages between a node and its workers, as bytes: a decoded message has one encoding, which is the one that was
//! read, and the two decoders of a request agree.

use crate::Target;
use parity_scale_codec::{Compact, DecodeAll, Encode};
use pvf_node_protocol::{
    ArtifactChecksum, CandidateDescriptorVersion, ExecuteHandshake, ExecuteRequest,
    ExecuteRequestView, ExecuteResponse, JobResponse, PrepareJobKind, PrepareRequest,
    PrepareResponse, PrepareStats, PrepareWorkerSuccess, SecurityStatus, WorkerError,
    WorkerHandshake, WorkerResponse, frame,
};
use pvf_primitives::{
    BlockData, ExecutorParams, ExportedPov, Header, PersistedValidationData, PoV, ValidationResult,
};
use std::fmt::Debug;
use std::io::{self, Read};
use std::time::Duration;

pub(super) const TARGET: Target = Target {
    name: "wire",
    about: "frames and messages of the node's protocol: one encoding each, bounded memory",
    check,
    seeds,
    mutate: None,
    most_bytes: 8 << 10,
};

/// The most bytes of a frame that this reader takes.
const LIMIT: usize = 64 << 10;

/// The first byte chooses the message, the second one the size of the pieces in which the stream arrives.
fn check(input: &[u8]) {
    let [message, piece, stream @ ..] = input else {
        return;
    };
    match message % 7 {
        0 => conversation::<WorkerHandshake>(stream, *piece),
        1 => conversation::<ExecuteHandshake>(stream, *piece),
        2 => conversation::<PrepareRequest>(stream, *piece),
        3 => conversation::<PrepareResponse>(stream, *piece),
        4 => conversation::<ExecuteRequest>(stream, *piece),
        5 => conversation::<ExecuteResponse>(stream, *piece),
        _ => candidate(stream),
    }
    if message % 7 == 4
        && let Ok(frame) = frame::read(&mut &stream[..], LIMIT)
    {
        views(&frame);
    }
}

/// A stream that gives a few bytes at a time, with an interruption before each.
struct Pieces<'a> {
    rest: &'a [u8],
    most: usize,
    interrupted: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = self.most.min(buffer.len());
        self.rest.read(&mut buffer[..most])
    }
}

/// Reads frames until the stream ends or one is refused.
fn conversation<T: DecodeAll + Encode + PartialEq + Debug>(stream: &[u8], piece: u8) {
    let mut whole = stream;
    let mut pieces = Pieces {
        rest: stream,
        most: usize::from(piece) + 1,
        interrupted: false,
    };
    loop {
        let before = whole.len();
        let frame = frame::read(&mut whole, LIMIT);
        let again = frame::receive::<T>(&mut pieces, LIMIT);
        let Ok(frame) = frame else {
            assert!(again.is_err(), "the size of pieces decides");
            return;
        };
        assert_eq!(before - whole.len(), frame.len() + 8);
        assert_eq!(pieces.rest.len(), whole.len());
        match (frame::decode::<T>(&frame), again) {
            (Ok(message), Ok(again)) => {
                assert_eq!(message, again);
                one_encoding(&message, &frame);
            }
            (Err(_), Err(_)) => {}
            (first, second) => panic!("{first:?}, in pieces {second:?}"),
        }
    }
}

/// A message decodes from what it encodes to, and from nothing longer than that.
fn one_encoding<T: DecodeAll + Encode + PartialEq + Debug>(message: &T, bytes: &[u8]) {
    let encoded = message.encode();
    let again = T::decode_all(&mut &encoded[..]);
    assert_eq!(again.as_ref().ok(), Some(message));
    assert!(encoded.len() <= bytes.len(), "{message:?} from {bytes:?}");
}

fn views(frame: &[u8]) {
    let view = ExecuteRequestView::decode_all(frame);
    let whole = ExecuteRequest::decode_all(&mut &frame[..]);
    let (view, whole) = match (view, whole) {
        (Ok(view), Ok(whole)) => (view, whole),
        (Err(_), Err(_)) => return,
        (view, whole) => panic!("{view:?}, and {whole:?}"),
    };
    assert_eq!(view.parent_head, whole.pvd.parent_head);
    assert_eq!(view.relay_parent_number, whole.pvd.relay_parent_number);
    assert_eq!(
        view.relay_parent_storage_root,
        whole.pvd.relay_parent_storage_root
    );
    assert_eq!(view.max_pov_size, whole.pvd.max_pov_size);
    assert_eq!(view.block_data, whole.pov.block_data);
    assert_eq!(view.execution_timeout, whole.execution_timeout);
    assert_eq!(view.artifact_checksum, whole.artifact_checksum);
    assert_eq!(view.relay_parent, whole.relay_parent);
    assert_eq!(view.scheduling_parent, whole.scheduling_parent);
    assert_eq!(view.descriptor_version, whole.descriptor_version);
}

/// The bytes that a PVF returns, a candidate's parameters, and what a collator exports.
fn candidate(bytes: &[u8]) {
    exports(bytes);
    if let Ok(result) = ValidationResult::from_bytes(bytes) {
        one_encoding(&result, bytes);
    }
    if let Ok(parameters) = pvf_primitives::ValidationParams::decode_all(&mut &bytes[..]) {
        one_encoding(&parameters, bytes);
    }
}

/// A collator's export, read without copies and by the derived decoders, and its block.
fn exports(bytes: &[u8]) {
    type Old = (PoV, Vec<u8>, [u8; 32], u32);
    let derived = <(PoV, PersistedValidationData)>::decode_all(&mut &bytes[..]);
    match (ExportedPov::from_bytes(bytes), derived) {
        (Ok(read), Ok((pov, data))) => {
            assert_eq!(read.block_data, pov.block_data);
            assert_eq!(read.parent_head, data.parent_head);
            assert_eq!(read.max_pov_size, Some(data.max_pov_size));
            assert_eq!(read.pov_bytes, pov.encode().len());
        }
        (Err(_), Err(_)) => {}
        (read, derived) => panic!("{read:?}, and {derived:?}"),
    }
    match (
        ExportedPov::from_old_bytes(bytes),
        Old::decode_all(&mut &bytes[..]),
    ) {
        (Ok(read), Ok((pov, head, root, number))) => {
            assert_eq!(
                (read.block_data, read.parent_head),
                (&*pov.block_data, &*head)
            );
            assert_eq!(read.relay_parent_storage_root, root);
            assert_eq!(read.relay_parent_number, number);
        }
        (Err(_), Err(_)) => {}
        (read, derived) => panic!("{read:?}, and {derived:?}"),
    }
    if let Ok(data) = BlockData::from_bytes(bytes) {
        for block in &data.blocks {
            let header = Header::from_bytes(block.header.bytes);
            assert_eq!(header.as_ref(), Ok(&block.header));
            assert!(block.header.digest().count() <= bytes.len());
        }
        assert!(data.proof.count <= bytes.len() && data.proof.largest <= data.proof.bytes);
    }
}

/// A header, an extrinsic and a node of a proof.
fn block() -> Vec<u8> {
    let digest: Vec<(u8, [u8; 4], Vec<u8>)> = vec![(6, *b"aura", vec![1; 8])];
    let header = ([2_u8; 32], Compact(3_u32), [4_u8; 32], [5_u8; 32], digest);
    (header, vec![vec![6_u8; 7]], vec![vec![8_u8; 9]]).encode()
}

/// One conversation for each message.
fn seeds() -> Vec<Vec<u8>> {
    let request = ExecuteRequest {
        pvd: PersistedValidationData {
            parent_head: vec![1; 20],
            relay_parent_number: 2,
            relay_parent_storage_root: [3; 32],
            max_pov_size: 4,
        },
        pov: PoV {
            block_data: vec![5; 30],
        },
        execution_timeout: Duration::from_secs(2),
        artifact_checksum: ArtifactChecksum::of(b"an artifact"),
        relay_parent: [6; 32],
        scheduling_parent: [7; 32],
        descriptor_version: CandidateDescriptorVersion::V3,
    };
    let prepare = PrepareRequest {
        maybe_compressed_code: b"\0asm\x01\0\0\0".to_vec(),
        validation_code_bomb_limit: 1 << 20,
        code_hash: [8; 32],
        executor_params: ExecutorParams::default(),
        prep_timeout: Duration::from_secs(60),
        prep_kind: PrepareJobKind::Prechecking,
    };
    let prepared: PrepareResponse = Ok(PrepareWorkerSuccess {
        checksum: ArtifactChecksum::of(b"an artifact"),
        stats: PrepareStats::default(),
    });
    let executed: ExecuteResponse = Ok(WorkerResponse {
        job_response: JobResponse::InvalidCandidate("a reason".to_owned()),
        duration: Duration::from_millis(3),
        pov_size: 30,
    });
    let died: ExecuteResponse = Err(WorkerError::JobDied {
        err: "killed".to_owned(),
        job_pid: 9,
    });
    let handshake = WorkerHandshake {
        security_status: SecurityStatus::ALL,
    };
    let parameters = ExecuteHandshake {
        executor_params: ExecutorParams::default(),
    };
    let exported = (request.pov.clone(), request.pvd.clone());
    let mut unknown = request.clone();
    unknown.descriptor_version = CandidateDescriptorVersion::Unknown(Some(200));
    let stream = |message: u8, frames: &[Vec<u8>]| {
        let mut stream = vec![message, 3];
        for bytes in frames {
            frame::write(&mut stream, bytes).expect("a vector takes all");
        }
        stream
    };
    vec![
        stream(0, &[handshake.encode()]),
        stream(1, &[parameters.encode()]),
        stream(2, &[prepare.encode(), prepare.encode()]),
        stream(3, &[prepared.encode()]),
        stream(4, &[request.encode(), unknown.encode()]),
        stream(5, &[executed.encode(), died.encode()]),
        [&[6, 0][..], &[0; 40]].concat(),
        [&[6, 0][..], &block()].concat(),
        [&[6, 0][..], b"VERSIONEDPBD\x01\x04", &block()].concat(),
        [&[6, 0][..], &exported.encode()].concat(),
    ]
}
