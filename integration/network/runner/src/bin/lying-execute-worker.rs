//! An execute worker that lies. It starts the worker `truthful` beside itself, hands on what the node
//! says, and answers one request in so many (the number in the file `lies`) with "invalid candidate",
//! whatever the worker found out. With any other argument than `execute-worker` it is that worker.
//!
//! It keeps no barriers around itself: it is for a test network on loopback.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs, io};

use parity_scale_codec::{Decode, Encode};
use pvf_node_protocol::{ExecuteResponse, JobResponse, frame};

/// More than any message of the node or the worker.
const LIMIT: usize = 1 << 28;

/// What the lie says.
const LIE: &str = "a lie";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lying worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let mut arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let program = env::current_exe()?;
    let truthful = program.with_file_name("truthful");
    let mut worker = Command::new(&truthful);
    if arguments
        .first()
        .is_none_or(|argument| argument != "execute-worker")
    {
        return Err(worker.args(arguments).exec());
    }
    let lies = fs::read_to_string(program.with_file_name("lies"))?;
    let one_in: u32 = lies.trim().parse().map_err(io::Error::other)?;
    let path = arguments
        .iter()
        .position(|argument| argument == "--socket-path")
        .map(|at| at + 1);
    let path = path.and_then(|at| arguments.get_mut(at));
    let path = path.ok_or_else(|| io::Error::other("no --socket-path"))?;
    let mut between = path.clone();
    between.push(".truthful");
    let listener = UnixListener::bind(Path::new(&between))?;
    let mut node = UnixStream::connect(Path::new(&*path))?;
    // The node waits for the worker to remove it.
    fs::remove_file(Path::new(&*path))?;
    *path = between;
    let mut worker = worker.args(arguments).spawn()?;
    let (mut stream, _) = listener.accept()?;
    let end = relay(&mut node, &mut stream, one_in);
    let _ = worker.kill();
    let _ = worker.wait();
    end
}

/// Hands on messages in both directions until the node or the worker is gone.
fn relay<S: Read + Write>(node: &mut S, worker: &mut S, one_in: u32) -> io::Result<()> {
    let receive = |stream: &mut S| frame::read(stream, LIMIT).map_err(io::Error::other);
    // Two handshakes, which nobody answers.
    for _ in 0..2 {
        frame::write(worker, &receive(node)?)?;
    }
    for number in 1_u64.. {
        frame::write(worker, &receive(node)?)?;
        let answer = receive(worker)?;
        let lie = number.is_multiple_of(u64::from(one_in.max(1)));
        frame::write(node, &if lie { changed(&answer) } else { answer })?;
    }
    Ok(())
}

/// An answer in favour of a candidate as one against it; others as they are.
fn changed(answer: &[u8]) -> Vec<u8> {
    match ExecuteResponse::decode(&mut &*answer) {
        Ok(Ok(mut response)) => {
            response.job_response = JobResponse::InvalidCandidate(LIE.into());
            ExecuteResponse::Ok(response).encode()
        }
        _ => answer.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_node_protocol::{WorkerError, WorkerResponse};
    use std::thread;
    use std::time::Duration;

    #[test]
    fn one_answer_in_two_is_a_lie() {
        let truth = |number: u32| {
            let job_response = JobResponse::RuntimeConstruction(number.to_string());
            ExecuteResponse::Ok(WorkerResponse {
                job_response,
                duration: Duration::from_secs(1),
                pov_size: 9,
            })
        };
        let (mut host, mut node) = UnixStream::pair().unwrap();
        let (mut worker, mut stream) = UnixStream::pair().unwrap();
        let between = thread::spawn(move || relay(&mut node, &mut stream, 2));
        let honest = thread::spawn(move || {
            for expected in ["first", "second"] {
                assert_eq!(frame::read(&mut worker, 99).unwrap(), expected.as_bytes());
            }
            for number in 0..4 {
                assert_eq!(frame::read(&mut worker, 99).unwrap(), [7]);
                frame::send(&mut worker, &truth(number)).unwrap();
            }
        });
        for message in ["first", "second"] {
            frame::write(&mut host, message.as_bytes()).unwrap();
        }
        let answers = (0..4).map(|_| {
            frame::write(&mut host, &[7]).unwrap();
            ExecuteResponse::decode(&mut &frame::read(&mut host, 999).unwrap()[..])
                .unwrap()
                .unwrap()
        });
        let answers: Vec<_> = answers.map(|answer| answer.job_response).collect();
        let lie = JobResponse::InvalidCandidate(LIE.into());
        assert_eq!(
            answers,
            [
                JobResponse::RuntimeConstruction("0".into()),
                lie.clone(),
                JobResponse::RuntimeConstruction("2".into()),
                lie
            ]
        );
        honest.join().unwrap();
        drop(host);
        assert!(between.join().unwrap().is_err());
    }

    #[test]
    fn failures_are_handed_on() {
        let failure = ExecuteResponse::Err(WorkerError::JobTimedOut).encode();
        assert_eq!(changed(&failure), failure);
    }
}
