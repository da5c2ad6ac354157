//! A bounded number of things that are lent one at a time.

use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, PoisonError};

/// Things to lend, at most `size` of them at a time, made when they are needed.
pub(crate) struct Pool<T> {
    size: usize,
    state: Mutex<State<T>>,
    returned: Condvar,
}

struct State<T> {
    idle: Vec<T>,
    lent: usize,
}

/// The right to use one thing.
pub(crate) struct Lease<'a, T> {
    pool: &'a Pool<T>,
    /// It, if there is one already that fits.
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

    /// Waits for a turn. Lends a thing that fits, or the right to make one, for which one that does not fit has to go.
    pub(crate) fn lease(&self, fits: impl Fn(&T) -> bool) -> Lease<'_, T> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let all_lent = |state: &mut State<T>| state.lent >= self.size;
        let waited = self.returned.wait_while(state, all_lent);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.lent += 1;
        // The one that came back last is the one most likely to be still warm.
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
    fn never_more_than_so_many() {
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
    fn what_fits_is_used_again_and_what_broke_is_not() {
        let pool = Pool::new(NonZeroUsize::MIN);
        pool.lease(|_| true).thing = Some(1);
        assert_eq!(pool.lease(|&it| it == 1).thing, Some(1));
        assert_eq!(pool.lease(|&it| it == 2).thing, None, "the other has to go");
        assert_eq!(pool.lease(|&it| it == 1).thing, None);
        pool.lease(|_| true).thing = Some(3);
        pool.lease(|_| true).thing = None;
        assert_eq!(pool.lease(|_| true).thing, None);
    }
}
