//! The host's side of the gas metering.

/// The counter of a host that provides [`GAS`](crate::GAS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostGas {
    /// Gas used so far. A charge that exceeds the limit is not added.
    pub used: u64,
    /// The limit.
    pub limit: u64,
    /// Whether a charge exceeded the limit since this field was last cleared.
    pub exhausted: bool,
}

impl HostGas {
    /// A counter without any gas used.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Adds a charge. Returns `None` if the charge exceeds the limit.
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
    fn a_charge_above_the_limit_is_not_added() {
        let mut gas = HostGas::new(10);
        assert_eq!(gas.charge(10), Some(()));
        assert_eq!(gas.charge(1), None);
        assert_eq!((gas.used, gas.exhausted), (10, true));
        let mut gas = HostGas::new(u64::MAX);
        assert_eq!(gas.charge(u64::MAX), Some(()));
        assert_eq!(gas.charge(u64::MAX), None);
    }
}
