//! Verification of sr25519 signatures.
//!
//! The signatures are Schnorr signatures over ristretto255 as `schnorrkel` defines them and Substrate
//! uses them: the context `substrate`, the transcripts of Merlin, a marker in the highest bit. `sp-io`
//! verifies them by `schnorrkel`, which is bound to version 4 of `curve25519-dalek`. This module computes
//! the same by version 5, which uses AVX-512 where the processor has it: two thirds of the time, and
//! signatures are a third of a block of transfers. The tests compare both.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use merlin::Transcript;

/// The highest bit of a signature, which tells it from those of ed25519.
const MARKER: u8 = 1 << 7;

/// Whether `signature` is one of `message` by the owner of the key `public`.
pub(crate) fn verify(signature: &[u8; 64], message: &[u8], public: &[u8; 32]) -> bool {
    let (commitment, response) = signature.split_at(32);
    let Ok(mut response) = <[u8; 32]>::try_from(response) else {
        return false;
    };
    if response[31] & MARKER == 0 {
        return false;
    }
    response[31] &= !MARKER;
    let Some(response) = Scalar::from_canonical_bytes(response).into_option() else {
        return false;
    };
    let Some(key) = CompressedRistretto(*public).decompress() else {
        return false;
    };
    let challenge = challenge(message, public, commitment);
    // The commitment of a right signature is `response` times the base point, less `challenge` times
    // the key.
    let expected =
        RistrettoPoint::vartime_double_scalar_mul_basepoint(&challenge, &-key, &response);
    expected.compress().as_bytes() == commitment
}

/// The challenge to the signer: a hash of all that the signature is about.
fn challenge(message: &[u8], public: &[u8; 32], commitment: &[u8]) -> Scalar {
    let mut transcript = Transcript::new(b"SigningContext");
    transcript.append_message(b"", b"substrate");
    transcript.append_message(b"sign-bytes", message);
    transcript.append_message(b"proto-name", b"Schnorr-sig");
    transcript.append_message(b"sign:pk", public);
    transcript.append_message(b"sign:R", commitment);
    let mut wide = [0; 64];
    transcript.challenge_bytes(b"sign:c", &mut wide);
    Scalar::from_bytes_mod_order_wide(&wide)
}

#[cfg(test)]
mod tests;
