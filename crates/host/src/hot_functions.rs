//! The host functions that validation calls most, bound statically: without boxed values, look-ups or copies.
//!
//! Of the host calls of a block of transfers 88 % allocate and free memory, and nearly all others
//! hash a few dozen bytes and allocate memory for the result. What these functions do is what the general ones
//! ([`crate::own_functions`] for the allocator, `sp-io` for hashes) do: the same bytes and addresses, the same errors in the same
//! order, with the same texts.

use crate::context::{out_of_bounds, range};
use crate::functions::MODULE;
use crate::heap::HeapError;
use crate::own_functions::unpack;
use crate::parameters::MAX_LOG_LEVEL;
use crate::state::HostState;
use pvf_runtime::{Caller, HostError, Linker};
use sp_crypto_hashing as hashing;
use xxhash_rust::xxh64::xxh64;

type HostCaller<'a> = Caller<'a, HostState>;

/// Replaces the definitions of these functions.
pub(crate) fn define_all(linker: &mut Linker<HostState>) {
    linker.typed(MODULE, MALLOC, malloc);
    linker.typed(MODULE, FREE, free);
    linker.typed(
        MODULE,
        "ext_logging_max_level_version_1",
        |_: &mut HostCaller<'_>| Ok(u32::from(MAX_LOG_LEVEL)),
    );
    macro_rules! hashes {
        ($($name:literal $digest:expr;)*) => {
            $(linker.typed(MODULE, $name, |caller: &mut HostCaller<'_>, data: u64| {
                hash($name, caller, data, $digest)
            });)*
        };
    }
    hashes! {
        "ext_hashing_blake2_128_version_1" hashing::blake2_128;
        "ext_hashing_blake2_256_version_1" hashing::blake2_256;
        "ext_hashing_keccak_256_version_1" hashing::keccak_256;
        "ext_hashing_sha2_256_version_1" hashing::sha2_256;
        "ext_hashing_twox_64_version_1" twox_64;
        "ext_hashing_twox_128_version_1" twox_128;
        "ext_hashing_twox_256_version_1" hashing::twox_256;
    }
}

const MALLOC: &str = "ext_allocator_malloc_version_1";
const FREE: &str = "ext_allocator_free_version_1";

fn malloc(caller: &mut HostCaller<'_>, bytes: u32) -> Result<u32, HostError> {
    allocate(caller, bytes).map_err(|error| failed(MALLOC, error))
}

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

/// Hashes the bytes that a fat pointer names and returns the address of the digest, which is allocated.
#[inline]
fn hash<const N: usize>(
    name: &str,
    caller: &mut HostCaller<'_>,
    data: u64,
    digest: impl Fn(&[u8]) -> [u8; N],
) -> Result<u32, HostError> {
    let (address, bytes) = unpack(data);
    if caller.data().heap.is_none() {
        return Err(failed(name, HeapError::NotStarted));
    }
    let memory = caller.memory();
    let Some(range) = range(memory.len(), address, bytes as usize) else {
        return Err(trap(name, out_of_bounds("read", address, bytes as usize)));
    };
    let digest = digest(&memory[range]);
    let address = allocate(caller, N as u32).map_err(|error| failed(name, error))? as usize;
    // The allocator has checked this.
    caller.memory_mut()[address..address + N].copy_from_slice(&digest);
    Ok(address as u32)
}

#[inline]
fn twox_64(data: &[u8]) -> [u8; 8] {
    xxh64(data, 0).to_le_bytes()
}

#[inline]
fn twox_128(data: &[u8]) -> [u8; 16] {
    let low = u128::from(xxh64(data, 0));
    let high = u128::from(xxh64(data, 1));
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
