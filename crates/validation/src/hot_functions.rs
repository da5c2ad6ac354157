//! The host functions that validation calls most, bound statically: without boxed values, look-ups
//! or copies.
//!
//! 88 % of the host calls of a block of transfers allocate and free memory. Nearly all others hash
//! a few dozen bytes and allocate memory for the result. These functions behave exactly as the
//! general ones ([`crate::own_functions`] for the allocator, `sp-io` for hashes): the same bytes
//! and addresses, the same errors with the same texts in the same order.
//!
//! Signatures of sr25519 are a third of such a block; [`crate::sr25519`] verifies them.
//!
//! Each function of the allocator and each hash has a short way for calls that succeed without growing memory. It uses no floating point, as the
//! runtime asks ([`Linker::quick`]).

use crate::context::{out_of_bounds, range};
use crate::functions::MODULE;
use crate::heap::HeapError;
use crate::own_functions::unpack;
use crate::parameters::MAX_LOG_LEVEL;
use crate::sr25519;
use crate::state::HostState;
use crate::twox;
use pvf_runtime::{Caller, HostError, Linker};
use sp_crypto_hashing as hashing;
use twox_hash::XxHash64;

type HostCaller<'a> = Caller<'a, HostState>;

/// Replaces the definitions of these functions in the linker.
pub(crate) fn define_all(linker: &mut Linker<HostState>) {
    linker.quick(MODULE, MALLOC, quick_malloc, malloc);
    linker.quick(MODULE, FREE, quick_free, free);
    linker.quick(
        MODULE,
        "ext_logging_max_level_version_1",
        |_: &mut HostCaller<'_>| Some(MAX_LOG_LEVEL),
        |_: &mut HostCaller<'_>| Ok(MAX_LOG_LEVEL),
    );
    linker.typed(MODULE, SR25519_VERIFY, sr25519_verify);
    macro_rules! hashes {
        ($($function:literal $digest:expr;)*) => {
            $({
                const NAME: &str = concat!("ext_hashing_", $function, "_version_1");
                linker.quick(
                    MODULE,
                    NAME,
                    |caller: &mut HostCaller<'_>, data: u64| quick_hash($digest, caller, data),
                    |caller: &mut HostCaller<'_>, data: u64| {
                        hash($digest, caller, data).map_err(|error| error.in_hash(NAME, $function))
                    },
                );
            })*
        };
    }
    hashes! {
        "blake2_128" hashing::blake2_128;
        "blake2_256" hashing::blake2_256;
        "keccak_256" hashing::keccak_256;
        "sha2_256" hashing::sha2_256;
        "twox_64" twox_64;
        "twox_128" twox::twox_128;
        "twox_256" hashing::twox_256;
    }
}

const MALLOC: &str = "ext_allocator_malloc_version_1";
const FREE: &str = "ext_allocator_free_version_1";
const SR25519_VERIFY: &str = "ext_crypto_sr25519_verify_version_2";

#[inline]
fn quick_malloc(caller: &mut HostCaller<'_>, bytes: u32) -> Option<u32> {
    let (memory, state) = caller.memory_and_data_mut();
    state.heap.as_mut()?.quick_allocate(memory, bytes)
}

#[inline]
fn quick_free(caller: &mut HostCaller<'_>, address: u32) -> Option<()> {
    let (memory, state) = caller.memory_and_data_mut();
    state.heap.as_mut()?.quick_free(memory, address)
}

/// As [`hash`]; `None`, and no effect, if the input is out of bounds or the digest cannot be allocated
/// the short way.
#[inline]
fn quick_hash<const N: usize>(
    digest: impl Fn(&[u8]) -> [u8; N],
    caller: &mut HostCaller<'_>,
    data: u64,
) -> Option<u32> {
    let (address, bytes) = unpack(data);
    let (memory, state) = caller.memory_and_data_mut();
    let heap = state.heap.as_mut()?;
    let input = memory.get(range(memory.len(), address, bytes as usize)?)?;
    let digest = digest(input);
    let address = heap.quick_allocate(memory, N as u32)?;
    // In bounds: the allocator checked that the allocation is in memory.
    memory[address as usize..][..N].copy_from_slice(&digest);
    Some(address)
}

#[cold]
fn malloc(caller: &mut HostCaller<'_>, bytes: u32) -> Result<u32, HostError> {
    allocate(caller, bytes).map_err(|error| failed(MALLOC, error))
}

#[cold]
fn free(caller: &mut HostCaller<'_>, address: u32) -> Result<(), HostError> {
    let (mut memory, state) = caller.split();
    let freed = match &mut state.heap {
        Some(heap) => heap.deallocate(&mut memory, address),
        None => Err(HeapError::NotStarted),
    };
    freed.map_err(|error| failed(FREE, error))
}

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
            Self::Read(error) => not_read(name, &error, "data", function, "Hashing"),
            Self::Allocate(error) => failed(name, error),
        }
    }
}

/// Hashes the bytes that a fat pointer refers to, allocates the digest and returns its address.
#[cold]
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

/// Whether the signature at `signature` (64 bytes) is one of a message by the key at `public` (32 bytes).
fn sr25519_verify(
    caller: &mut HostCaller<'_>,
    signature: u32,
    message: u64,
    public: u32,
) -> Result<u32, HostError> {
    let argument = |name: &'static str, address: u32, bytes: u32| {
        input(caller, address, bytes)
            .map_err(|error| not_read(SR25519_VERIFY, &error, name, "sr25519_verify", "Crypto"))
    };
    let signature = argument("sig", signature, 64)?;
    let (address, bytes) = unpack(message);
    let message = argument("msg", address, bytes)?;
    let public = argument("pub_key", public, 32)?;
    let verified = match (signature.first_chunk(), public.first_chunk()) {
        (Some(signature), Some(public)) => sr25519::verify(signature, message, public),
        _ => false,
    };
    Ok(u32::from(verified))
}

/// The error of an argument that is out of bounds, with the text of `sp-io`'s function.
#[cold]
fn not_read(name: &str, error: &str, argument: &str, function: &str, interface: &str) -> HostError {
    trap(
        name,
        format!(
            "{error}: could not marshal the '{argument}' argument through the WASM FFI boundary while \
             executing '{function}' from interface '{interface}'"
        ),
    )
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
