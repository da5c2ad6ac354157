//! The host functions that validation calls most, bound statically: without boxed values, look-ups
//! or copies.
//!
//! 88 % of the host calls of a block of transfers allocate and free memory. Nearly all others hash
//! a few dozen bytes and allocate memory for the result. These functions behave exactly as the
//! general ones ([`crate::own_functions`] for the allocator, `sp-io` for hashes): the same bytes
//! and addresses, the same errors with the same texts in the same order.

use crate::context::{out_of_bounds, range};
use crate::functions::MODULE;
use crate::heap::HeapError;
use crate::own_functions::unpack;
use crate::parameters::MAX_LOG_LEVEL;
use crate::state::HostState;
use pvf_runtime::{Caller, HostError, Linker};
use sp_crypto_hashing as hashing;
use twox_hash::XxHash64;

type HostCaller<'a> = Caller<'a, HostState>;

/// Replaces the definitions of these functions in the linker.
pub(crate) fn define_all(linker: &mut Linker<HostState>) {
    linker.typed(MODULE, MALLOC, malloc);
    linker.typed(MODULE, FREE, free);
    linker.typed(
        MODULE,
        "ext_logging_max_level_version_1",
        |_: &mut HostCaller<'_>| Ok(MAX_LOG_LEVEL),
    );
    macro_rules! hashes {
        ($($function:literal $digest:expr;)*) => {
            $({
                const NAME: &str = concat!("ext_hashing_", $function, "_version_1");
                linker.typed(MODULE, NAME, |caller: &mut HostCaller<'_>, data: u64| {
                    hash($digest, caller, data).map_err(|error| error.in_hash(NAME, $function))
                });
            })*
        };
    }
    hashes! {
        "blake2_128" hashing::blake2_128;
        "blake2_256" hashing::blake2_256;
        "keccak_256" hashing::keccak_256;
        "sha2_256" hashing::sha2_256;
        "twox_64" twox_64;
        "twox_128" twox_128;
        "twox_256" hashing::twox_256;
    }
}

const MALLOC: &str = "ext_allocator_malloc_version_1";
const FREE: &str = "ext_allocator_free_version_1";

#[inline]
fn malloc(caller: &mut HostCaller<'_>, bytes: u32) -> Result<u32, HostError> {
    allocate(caller, bytes).map_err(|error| failed(MALLOC, error))
}

#[inline]
fn free(caller: &mut HostCaller<'_>, address: u32) -> Result<(), HostError> {
    let (mut memory, state) = caller.split();
    let freed = match &mut state.heap {
        Some(heap) => heap.deallocate(&mut memory, address),
        None => Err(HeapError::NotStarted),
    };
    freed.map_err(|error| failed(FREE, error))
}

#[inline]
fn allocate(caller: &mut HostCaller<'_>, bytes: u32) -> Result<u32, HeapError> {
    let (mut memory, state) = caller.split();
    match &mut state.heap {
        Some(heap) => heap.allocate(&mut memory, bytes),
        None => Err(HeapError::NotStarted),
    }
}

/// Why a hash function failed.
enum HashError {
    /// The bytes to be hashed are out of bounds.
    Read(String),
    /// The digest could not be allocated.
    Allocate(HeapError),
}

impl HashError {
    /// The error with the text of `sp-io`'s function.
    #[cold]
    fn in_hash(self, name: &str, function: &str) -> HostError {
        match self {
            Self::Read(error) => trap(
                name,
                format!(
                    "{error}: could not marshal the 'data' argument through the WASM FFI boundary \
                     while executing '{function}' from interface 'Hashing'"
                ),
            ),
            Self::Allocate(error) => failed(name, error),
        }
    }
}

/// Hashes the bytes that a fat pointer refers to, allocates the digest and returns its address.
#[inline]
fn hash<const N: usize>(
    digest: impl Fn(&[u8]) -> [u8; N],
    caller: &mut HostCaller<'_>,
    data: u64,
) -> Result<u32, HashError> {
    let (address, bytes) = unpack(data);
    let input = input(caller, address, bytes).map_err(HashError::Read)?;
    let digest = digest(input);
    let address = allocate(caller, N as u32).map_err(HashError::Allocate)? as usize;
    // In bounds: the allocator checked that the allocation is in memory.
    caller.memory_mut()[address..address + N].copy_from_slice(&digest);
    Ok(address as u32)
}

#[inline]
fn input<'c>(caller: &'c HostCaller<'_>, address: u32, bytes: u32) -> Result<&'c [u8], String> {
    if caller.data().heap.is_none() {
        return Err(HeapError::NotStarted.to_string());
    }
    let memory = caller.memory();
    match range(memory.len(), address, bytes as usize) {
        Some(range) => Ok(&memory[range]),
        None => Err(out_of_bounds("read", address, bytes as usize)),
    }
}

#[inline]
fn twox_64(data: &[u8]) -> [u8; 8] {
    XxHash64::oneshot(0, data).to_le_bytes()
}

#[inline]
fn twox_128(data: &[u8]) -> [u8; 16] {
    let low = u128::from(XxHash64::oneshot(0, data));
    let high = u128::from(XxHash64::oneshot(1, data));
    (low | high << 64).to_le_bytes()
}

#[cold]
fn failed(name: &str, error: HeapError) -> HostError {
    match error {
        HeapError::Host(failure) => HostError::Failure(failure),
        error => trap(name, error.to_string()),
    }
}

#[cold]
fn trap(name: &str, message: String) -> HostError {
    HostError::Trap(format!("{name}: {message}"))
}
