//! The wall-clock limit of a run. A run that takes longer has no verdict.

use crate::failure::Failure;
use clap::Args;
use pvf_executor::Interrupt;
use std::fmt;
use std::time::{Duration, Instant};

/// Bounds a run.
#[derive(Clone, Copy, Debug, Args)]
pub struct TimeoutArgs {
    /// Wall-clock limit of a run in seconds, or `off`. A run that takes longer ends without a verdict (exit code 3). The default is four
    /// times Polkadot's limit for an approval, after which a node gives up as well.
    #[arg(long, value_name = "SECONDS", value_parser = timeout, default_value = "60")]
    timeout: Timeout,
}

/// How long, if there is a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Timeout(Option<Duration>);

fn timeout(text: &str) -> Result<Timeout, String> {
    let wrong = "expected seconds above 0, such as 60, 0.5, 2s or 500ms, or `off`";
    if text == "off" {
        return Ok(Timeout(None));
    }
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds: f64 = number.parse().map_err(|_| wrong.to_owned())?;
    let time = Duration::try_from_secs_f64(seconds * unit).map_err(|_| wrong.to_owned())?;
    match time.is_zero() {
        true => Err(wrong.to_owned()),
        false => Ok(Timeout(Some(time))),
    }
}

impl TimeoutArgs {
    /// The bound.
    pub fn time(&self) -> Option<Duration> {
        self.timeout.0
    }

    /// Runs `work`, which executes a module. There is no verdict if it does not end in time.
    pub fn bound<R>(&self, work: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
        let Some(time) = self.time() else {
            return work();
        };
        let done = Interrupt::new().during(Some(time), work);
        match done.map_err(Failure::from)? {
            Err(Failure::NoVerdict(_)) => Err(Failure::NoVerdict(TimeUp(Some(time)))),
            done => done,
        }
    }

    /// Like [`bound`](Self::bound), for work that goes on after a run was interrupted: all of it must be done in time.
    pub fn bound_all<R>(&self, work: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
        let began = Instant::now();
        let done = self.bound(work)?;
        match self.time() {
            Some(time) if began.elapsed() >= time => Err(Failure::NoVerdict(TimeUp(Some(time)))),
            _ => Ok(done),
        }
    }
}

/// The limit that was exceeded, if it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeUp(pub Option<Duration>);

impl fmt::Display for TimeUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => write!(f, "it did not end within {time:?}"),
            None => f.write_str("it was interrupted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let ms = |text| timeout(text).map(|it| it.0.map(|time| time.as_millis()));
        for (text, expected) in [
            ("60", Some(60_000)),
            ("0.5", Some(500)),
            ("2s", Some(2_000)),
            ("250ms", Some(250)),
            ("off", None),
        ] {
            assert_eq!(ms(text), Ok(expected), "{text}");
        }
        for wrong in [
            "", "0", "0ms", "-1", "s", "ms", "NaN", "inf", "1e30", "1m", "off ", "1 s",
        ] {
            assert!(timeout(wrong).is_err(), "{wrong}");
        }
    }
}
