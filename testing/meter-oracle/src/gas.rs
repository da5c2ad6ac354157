//! The host's side of the gas metering.

/// What the host counts where a module calls [`GAS`](crate::GAS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostGas {
    /// Used so far. A charge that does not fit is not made.
    pub used: u64,
    /// What may be used.
    pub limit: u64,
    /// Whether a charge did not fit since this was last cleared.
    pub exhausted: bool,
}

impl HostGas {
    /// None used.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Takes a charge in; `None` if it does not fit.
    pub fn charge(&mut self, amount: u64) -> Option<()> {
        let used = self.used.checked_add(amount);
        match used.filter(|&used| used <= self.limit) {
            Some(used) => self.used = used,
            None => self.exhausted = true,
        }
        (!self.exhausted).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_not_charged() {
        let mut gas = HostGas::new(10);
        assert_eq!(gas.charge(10), Some(()));
        assert_eq!(gas.charge(1), None);
        assert_eq!((gas.used, gas.exhausted), (10, true));
        let mut gas = HostGas::new(u64::MAX);
        assert_eq!(gas.charge(u64::MAX), Some(()));
        assert_eq!(gas.charge(u64::MAX), None);
    }
}
