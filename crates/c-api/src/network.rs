//! Networks, and the parameters of sessions in SCALE.

use crate::border::{self, c_string};
use crate::error::{pvf_error_t, pvf_status_t};
use crate::parameters::pvf_parameters_t;
use pvf_validation::{ExecutorParams, Network};
use std::ffi::{CString, c_char, c_int};
use std::sync::OnceLock;

/// A network whose parameters the library knows, as they were last seen in force.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum pvf_network_t {
    /// Polkadot. The default everywhere.
    PVF_NETWORK_POLKADOT = 0,
    /// Kusama.
    PVF_NETWORK_KUSAMA = 1,
    /// Paseo, the test network.
    PVF_NETWORK_PASEO = 2,
    /// Westend, the test network.
    PVF_NETWORK_WESTEND = 3,
    /// No network: what the protocol says where a network has set nothing. 2,080 pages of memory, 2 and 12 seconds.
    PVF_NETWORK_PROTOCOL = 4,
}

const NETWORKS: [(pvf_network_t, Network); 5] = [
    (pvf_network_t::PVF_NETWORK_POLKADOT, Network::Polkadot),
    (pvf_network_t::PVF_NETWORK_KUSAMA, Network::Kusama),
    (pvf_network_t::PVF_NETWORK_PASEO, Network::Paseo),
    (pvf_network_t::PVF_NETWORK_WESTEND, Network::Westend),
    (pvf_network_t::PVF_NETWORK_PROTOCOL, Network::Protocol),
];

fn known(network: c_int) -> Option<Network> {
    let mut all = NETWORKS.iter();
    all.find_map(|&(code, known)| (code as c_int == network).then_some(known))
}

/// Texts that live as long as the library.
struct Texts {
    name: CString,
    seen: Option<CString>,
}

fn texts(network: c_int) -> Option<&'static Texts> {
    static TEXTS: OnceLock<Vec<Texts>> = OnceLock::new();
    let all = TEXTS.get_or_init(|| {
        let texts = |(_, network): &(_, Network)| Texts {
            name: c_string(network.name()),
            seen: network.seen().map(c_string),
        };
        NETWORKS.iter().map(texts).collect()
    });
    let mut pairs = NETWORKS.iter().zip(all);
    pairs.find_map(|((code, _), texts)| (*code as c_int == network).then_some(texts))
}

/// The name of a network (a pvf_network_t), such as "polkadot". Static; NULL for any other number.
#[unsafe(no_mangle)]
pub extern "C" fn pvf_network_name(network: c_int) -> *const c_char {
    texts(network).map_or(std::ptr::null(), |texts| texts.name.as_ptr())
}

/// When the parameters of a network (a pvf_network_t) were seen in force, as "2026-07". Static; NULL if they were not, but are assumed, or
/// for any other number.
#[unsafe(no_mangle)]
pub extern "C" fn pvf_network_seen(network: c_int) -> *const c_char {
    let seen = texts(network).and_then(|texts| texts.seen.as_ref());
    seen.map_or(std::ptr::null(), |seen| seen.as_ptr())
}

/// Sets what a network (a pvf_network_t) decides: stack_native_max, stack_logical_max, max_memory_pages, ecc_rfc163,
/// backing_timeout_ms, approval_timeout_ms. Other fields stay. PARAMETERS for any other number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_parameters_set_network(
    parameters: *mut pvf_parameters_t,
    network: c_int,
    error: *mut *mut pvf_error_t,
) -> pvf_status_t {
    let body = || {
        let network = known(network)
            .ok_or_else(|| pvf_error_t::parameters(format!("{network} is no pvf_network_t")))?;
        // SAFETY: by the header's rules.
        unsafe { pvf_parameters_t::change(parameters, &network.executor_params()) }
    };
    // SAFETY: by the header's rules.
    unsafe { border::run(error, body) }
}

/// The same by the parameters of a session: SCALE-encoded ExecutorParams, as runtimes return them and keep them in
/// `configuration.activeConfig`. What they do not name has the protocol's default. PARAMETERS if they cannot be decoded, or
/// name something that this library does not know: then nothing may be judged in that session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_parameters_set_executor_params(
    parameters: *mut pvf_parameters_t,
    executor_params: *const u8,
    executor_params_size: usize,
    error: *mut *mut pvf_error_t,
) -> pvf_status_t {
    let body = || {
        // SAFETY: by the header's rules.
        unsafe {
            let bytes = border::bytes(executor_params, executor_params_size, "executor_params")?;
            let params = ExecutorParams::from_scale(bytes).map_err(pvf_error_t::parameters)?;
            pvf_parameters_t::change(parameters, &params)
        }
    };
    // SAFETY: by the header's rules.
    unsafe { border::run(error, body) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn networks_have_the_names_of_the_executor() {
        assert_eq!(NETWORKS.map(|(_, network)| network), Network::ALL);
        for (code, network) in (0..).zip(Network::ALL) {
            // SAFETY: static strings or NULL.
            let text = |it: *const c_char| (!it.is_null()).then(|| unsafe { CStr::from_ptr(it) });
            let name = text(pvf_network_name(code)).and_then(|it| it.to_str().ok());
            assert_eq!(name, Some(network.name()));
            let seen = text(pvf_network_seen(code)).and_then(|it| it.to_str().ok());
            assert_eq!(seen, network.seen());
        }
        let protocol = pvf_network_t::PVF_NETWORK_PROTOCOL as c_int;
        assert_eq!(known(protocol), Some(Network::Protocol));
        for unknown in [-1, 5, c_int::MAX, c_int::MIN] {
            assert!(pvf_network_name(unknown).is_null());
            assert!(pvf_network_seen(unknown).is_null());
        }
    }
}
