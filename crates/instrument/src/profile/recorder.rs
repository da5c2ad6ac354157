//! The recorder of a run: it receives the calls of the hooks.

use super::tree::CallTree;
use std::sync::{Arc, Mutex, PoisonError};

/// Builds the call tree of one run while the run happens. All clones share one tree.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    tree: CallTree,
    /// The active functions, innermost last.
    active: Vec<Active>,
    /// By function: the node at which the function is active.
    node_of: Vec<Option<u32>>,
    /// Gas left at the last hook.
    left: u64,
    limit: u64,
}

#[derive(Clone, Copy, Debug)]
struct Active {
    /// The node of its caller.
    caller: u32,
    /// The function, if it was not active before.
    began: Option<u32>,
}

impl Recorder {
    /// A recorder for a run with this gas limit, of a module with `functions` functions.
    pub fn new(functions: usize, limit: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            tree: CallTree::new(),
            active: Vec::new(),
            node_of: vec![None; functions],
            left: limit,
            limit,
        })))
    }

    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The host function behind [`ENTER`](super::ENTER).
    pub fn enter(&self, function: u32, gas_left: u64) {
        self.with(|state| state.enter(function, gas_left));
    }

    /// The host function behind [`EXIT`](super::EXIT).
    pub fn exit(&self, gas_left: u64) {
        self.with(|state| state.exit(gas_left));
    }

    /// The tree of a run that used so much gas in all. Where a trap ended it, what was used since the last
    /// call or return belongs to the function that was active.
    pub fn finish(&self, gas_used: u64) -> CallTree {
        self.with(|state| {
            let heard = state.limit - state.left;
            let node = state.current();
            state.tree.charge(node, gas_used.saturating_sub(heard));
            std::mem::take(&mut state.tree)
        })
    }
}

impl State {
    /// The node of the innermost active function; the root if there is none.
    fn current(&self) -> u32 {
        self.tree.current
    }

    fn pass(&mut self, gas_left: u64) {
        let used = self.left.saturating_sub(gas_left);
        self.tree.charge(self.tree.current, used);
        self.left = gas_left;
    }

    fn enter(&mut self, function: u32, gas_left: u64) {
        self.pass(gas_left);
        let caller = self.current();
        let Some(place) = self.node_of.get_mut(function as usize) else {
            return;
        };
        let (node, began) = match *place {
            Some(node) => (node, None),
            None => {
                let node = self.tree.child(caller, function);
                *place = Some(node);
                (node, Some(function))
            }
        };
        self.active.push(Active { caller, began });
        self.tree.call(node);
    }

    fn exit(&mut self, gas_left: u64) {
        self.pass(gas_left);
        let Some(Active { caller, began }) = self.active.pop() else {
            return;
        };
        if let Some(function) = began {
            self.node_of[function as usize] = None;
        }
        self.tree.current = caller;
    }
}
