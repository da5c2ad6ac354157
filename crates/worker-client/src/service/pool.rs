//! A pool that lends a bounded number of values, each to one user at a time.

use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, PoisonError};

/// A pool of at most `size` values. Users create the values as they need them.
pub(crate) struct Pool<T> {
    size: usize,
    state: Mutex<State<T>>,
    returned: Condvar,
}

struct State<T> {
    idle: Vec<T>,
    lent: usize,
}

/// The right to use one value of the pool. Dropping the lease returns the value.
pub(crate) struct Lease<'a, T> {
    pool: &'a Pool<T>,
    /// The value, or `None` if no idle value fits.
    pub(crate) thing: Option<T>,
}

impl<T> Pool<T> {
    pub(crate) fn new(size: NonZeroUsize) -> Self {
        Self {
            size: size.get(),
            state: Mutex::new(State {
                idle: Vec::new(),
                lent: 0,
            }),
            returned: Condvar::new(),
        }
    }

    /// Waits until a lease is free, and lends an idle value that `fits`. If there is none, the user
    /// may create one; the pool drops another idle value if it is full.
    pub(crate) fn lease(&self, fits: impl Fn(&T) -> bool) -> Lease<'_, T> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let all_lent = |state: &mut State<T>| state.lent >= self.size;
        let waited = self.returned.wait_while(state, all_lent);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.lent += 1;
        // The value that was returned last is the most likely to be in the processor's caches.
        let fitting = state.idle.iter().rposition(fits);
        let thing = fitting.map(|index| state.idle.remove(index));
        if thing.is_none() && state.idle.len() + state.lent > self.size {
            state.idle.remove(0);
        }
        Lease { pool: self, thing }
    }
}

impl<T> Drop for Lease<'_, T> {
    fn drop(&mut self) {
        let mut state = self
            .pool
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.lent -= 1;
        state.idle.extend(self.thing.take());
        drop(state);
        self.pool.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn never_more_values_are_lent_or_kept_than_the_size() {
        let pool = Pool::new(NonZeroUsize::new(3).unwrap());
        let (made, lent) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..12 {
                let (pool, made, lent) = (&pool, &made, &lent);
                scope.spawn(move || {
                    for _ in 0..100 {
                        let mut lease = pool.lease(|&kind: &usize| kind == thread % 4);
                        assert!(lent.fetch_add(1, Ordering::SeqCst) < 3);
                        if lease.thing.is_none() {
                            made.fetch_add(1, Ordering::SeqCst);
                            lease.thing = Some(thread % 4);
                        }
                        lent.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        let state = pool.state.lock().unwrap();
        assert!((1..=3).contains(&state.idle.len()));
        assert!(made.load(Ordering::SeqCst) >= 4);
    }

    #[test]
    fn a_fitting_value_is_reused_and_one_that_was_taken_out_is_not() {
        let pool = Pool::new(NonZeroUsize::MIN);
        pool.lease(|_| true).thing = Some(1);
        assert_eq!(pool.lease(|&it| it == 1).thing, Some(1));
        let other = pool.lease(|&it| it == 2).thing;
        assert_eq!(other, None, "the value that does not fit is dropped");
        assert_eq!(pool.lease(|&it| it == 1).thing, None);
        pool.lease(|_| true).thing = Some(3);
        pool.lease(|_| true).thing = None;
        assert_eq!(pool.lease(|_| true).thing, None);
    }
}
