//! The locals of a function.
//!
//! A few bytes can declare 50,000 locals, so no work is done for each of them: the types of tracked locals are kept one
//! by one, the others as the runs in which they are declared.

use super::TRACKED_LOCALS;
use crate::types::ValType;

/// Types of all locals, parameters first.
#[derive(Debug, Default)]
pub(crate) struct Locals {
    tracked: Vec<ValType>,
    /// End of each run, and its type.
    runs: Vec<(u32, ValType)>,
    count: u32,
}

impl Locals {
    /// Removes everything and keeps the allocations.
    pub fn clear(&mut self) {
        self.tracked.clear();
        self.runs.clear();
        self.count = 0;
    }

    /// Appends `count` locals of one type.
    pub fn push(&mut self, count: u32, ty: ValType) {
        self.count += count;
        let tracked = self.count.min(TRACKED_LOCALS) as usize;
        if self.tracked.len() < tracked {
            self.tracked.resize(tracked, ty);
        }
        if self.count > TRACKED_LOCALS {
            self.runs.push((self.count, ty));
        }
    }

    /// Number of all locals.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Number of tracked locals.
    pub fn tracked(&self) -> u32 {
        self.tracked.len() as u32
    }

    /// The type of a local, if it exists.
    #[inline(always)]
    pub fn get(&self, local: u32) -> Option<ValType> {
        match self.tracked.get(local as usize) {
            Some(&ty) => Some(ty),
            None if local < self.count => Some(self.ty(local)),
            None => None,
        }
    }

    /// The type of a local that exists.
    pub fn ty(&self, local: u32) -> ValType {
        match self.tracked.get(local as usize) {
            Some(&ty) => ty,
            None => self.runs[self.runs.partition_point(|&(end, _)| end <= local)].1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ValType::{F32, F64, I32, I64};

    #[test]
    fn every_local_has_its_type() {
        let mut locals = Locals::default();
        let mut expected = Vec::new();
        for (count, ty) in [
            (3, I32),
            (0, F32),
            (250, I64),
            (9, F64),
            (1, I32),
            (700, F32),
        ] {
            locals.push(count, ty);
            expected.extend(std::iter::repeat_n(ty, count as usize));
        }
        assert_eq!(locals.count() as usize, expected.len());
        assert_eq!(locals.tracked(), TRACKED_LOCALS);
        let types: Vec<_> = (0..locals.count()).map(|local| locals.ty(local)).collect();
        assert_eq!(types, expected);
        let types: Vec<_> = (0..).map_while(|local| locals.get(local)).collect();
        assert_eq!(types, expected);
        locals.clear();
        assert_eq!((locals.count(), locals.tracked()), (0, 0));
    }
}
