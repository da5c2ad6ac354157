//! The stack of functions of a run, kept beside it: a backtrace after a trap.

use std::sync::{Arc, Mutex, PoisonError};

/// The active functions of one run, told by the hooks. All clones share one stack.
///
/// The machine code has frames of its own and no way to find a caller's name in them; the hooks see every call, so the stack that
/// is left when a trap ends the run is exact and the same on every machine.
#[derive(Clone, Debug, Default)]
pub struct Shadow(Arc<Mutex<Vec<u32>>>);

impl Shadow {
    fn with<R>(&self, work: impl FnOnce(&mut Vec<u32>) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The host function behind [`ENTER`](super::ENTER).
    pub fn enter(&self, function: u32) {
        self.with(|active| active.push(function));
    }

    /// The host function behind [`EXIT`](super::EXIT).
    pub fn exit(&self) {
        self.with(Vec::pop);
    }

    /// How many functions are active, and at most `most` of them, the innermost first.
    pub fn frames(&self, most: usize) -> (usize, Vec<u32>) {
        self.with(|active| {
            let frames = active.iter().rev().take(most).copied().collect();
            (active.len(), frames)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Shadow;

    #[test]
    fn the_innermost_functions_come_first() {
        let shadow = Shadow::default();
        for function in 0..5 {
            shadow.enter(function);
        }
        shadow.clone().exit();
        assert_eq!(shadow.frames(3), (4, vec![3, 2, 1]));
        assert_eq!(shadow.frames(9), (4, vec![3, 2, 1, 0]));
        for _ in 0..9 {
            shadow.exit();
        }
        assert_eq!(shadow.frames(9), (0, vec![]));
    }
}
