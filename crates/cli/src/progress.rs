//! A line on the terminal while something takes longer than a second.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Shows what is being done, and for how long, until it is dropped. Work of less than
/// a second shows nothing, and so does work whose standard error is no terminal.
pub struct Progress {
    painter: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins to show `what`, as in "compiling parachain.wasm".
    pub fn start(what: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { painter: None };
        }
        let (done, wait) = mpsc::channel();
        let what = what.to_owned();
        let painter = std::thread::Builder::new()
            .name("progress".into())
            .spawn(move || paint(&what, &wait))
            .ok();
        Self {
            painter: painter.map(|painter| (done, painter)),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((done, painter)) = self.painter.take() {
            drop(done);
            // A painter that panicked has nothing more to show.
            let _ = painter.join();
        }
    }
}

fn paint(what: &str, wait: &mpsc::Receiver<()>) {
    let start = Instant::now();
    let mut pause = Duration::from_secs(1);
    let mut painted = false;
    while let Err(RecvTimeoutError::Timeout) = wait.recv_timeout(pause) {
        painted = true;
        pause = Duration::from_millis(100);
        let seconds = start.elapsed().as_secs_f64();
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "\r\x1b[2K{what} … {seconds:.1} s");
        let _ = stderr.flush();
    }
    if painted {
        let _ = write!(std::io::stderr().lock(), "\r\x1b[2K");
    }
}
