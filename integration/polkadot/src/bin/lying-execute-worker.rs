//! The execute worker of a node with one wrong answer: a candidate with certain block data is invalid.
//!
//! It passes everything on to the worker in the directory that the file `honest-workers` beside it names.

#[path = "../lie.rs"]
mod lie;

use parity_scale_codec::{DecodeAll, Encode};
use pvf_node_protocol::{ExecuteRequest, ExecuteResponse, JobResponse, frame};
use std::error::Error;
use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// Largest message in bytes.
const MOST: usize = 1 << 30;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let place = arguments.iter().position(|it| it == name);
        place.and_then(|place| arguments.get(place + 1)).cloned()
    };
    let directory = PathBuf::from(value("--worker-dir-path").ok_or("no directory")?);
    let mut host = UnixStream::connect(value("--socket-path").ok_or("no socket")?)?;
    let (mut honest, mut worker) = start(&directory, value("--node-impl-version"))?;
    let served = serve(&mut host, &mut worker, &directory);
    let _ = honest.kill();
    honest.wait()?;
    served
}

/// Starts the honest worker in a directory below that of this one.
fn start(directory: &Path, version: Option<String>) -> Result<(Child, UnixStream), Box<dyn Error>> {
    let own = std::env::current_exe()?;
    let workers = fs::read_to_string(own.with_file_name("honest-workers"))?;
    let socket = directory.join("socket");
    let listener = UnixListener::bind(&socket)?;
    fs::create_dir(inner(directory))?;
    let mut command = Command::new(Path::new(&workers).join("polkadot-execute-worker"));
    command.arg("execute-worker");
    if let Some(version) = version {
        command.args(["--node-impl-version", &version]);
    }
    command.arg("--socket-path").arg(&socket);
    command.arg("--worker-dir-path").arg(inner(directory));
    command.env_clear().env("RUST_LOG", "");
    let honest = command.spawn()?;
    let (stream, _) = listener.accept()?;
    Ok((honest, stream))
}

fn inner(directory: &Path) -> PathBuf {
    directory.join("honest")
}

/// Passes messages on until the host hangs up.
fn serve(
    host: &mut UnixStream,
    worker: &mut UnixStream,
    directory: &Path,
) -> Result<(), Box<dyn Error>> {
    // The security status and the executor parameters.
    for _ in 0..2 {
        frame::write(worker, &frame::read(host, MOST)?)?;
    }
    let artifact = inner(directory).join("artifact");
    loop {
        let request = frame::read(host, MOST)?;
        fs::hard_link(directory.join("artifact"), &artifact)?;
        frame::write(worker, &request)?;
        let mut response = frame::read(worker, MOST)?;
        fs::remove_file(&artifact)?;
        let request = ExecuteRequest::decode_all(&mut &request[..])?;
        if request.pov.block_data == lie::LIE {
            let mut answer = ExecuteResponse::decode_all(&mut &response[..])?;
            if let Ok(answer) = &mut answer {
                answer.job_response = JobResponse::InvalidCandidate("a lie".to_owned());
            }
            response = answer.encode();
        }
        frame::write(host, &response)?;
    }
}
