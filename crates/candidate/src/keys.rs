//! Accounts and their keys, all derived from the seed, and signatures that are the same every time.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use schnorrkel::context::attach_rng;
use schnorrkel::{ExpansionMode, Keypair, MiniSecretKey, signing_context};
use sp_core::crypto::Pair as _;
use sp_core::{ecdsa, ed25519, sr25519};
use sp_crypto_hashing::blake2_256;

/// The development key that authors the blocks.
pub(crate) const AUTHOR: &str = "//Alice";

/// The domain of signatures of Substrate.
const CONTEXT: &[u8] = b"substrate";

/// A kind of keys that accounts and authors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Schnorr signatures on Ristretto.
    Sr25519,
    /// Ed25519.
    Ed25519,
    /// ECDSA on secp256k1.
    Ecdsa,
}

/// A key that can sign.
#[derive(Clone)]
pub(crate) enum Signer {
    Sr25519(Box<Keypair>),
    Ed25519(Box<ed25519::Pair>),
    Ecdsa(Box<ecdsa::Pair>),
}

impl Signer {
    /// The key of a seed of 32 bytes.
    fn of_seed(scheme: Scheme, seed: [u8; 32]) -> Result<Self, String> {
        Ok(match scheme {
            Scheme::Sr25519 => {
                let mini = MiniSecretKey::from_bytes(&seed).map_err(|error| error.to_string())?;
                Self::Sr25519(Box::new(mini.expand_to_keypair(ExpansionMode::Ed25519)))
            }
            Scheme::Ed25519 => Self::Ed25519(Box::new(ed25519::Pair::from_seed(&seed))),
            Scheme::Ecdsa => Self::Ecdsa(Box::new(ecdsa::Pair::from_seed(&seed))),
        })
    }

    /// The key of a secret URI such as `//Alice`. For sr25519 it may have no soft junctions, since
    /// these have no seed.
    pub(crate) fn of_uri(scheme: Scheme, uri: &str) -> Result<Self, String> {
        let wrong = |error: sp_core::crypto::SecretStringError| format!("{uri}: {error}");
        Ok(match scheme {
            Scheme::Sr25519 => {
                let (_, seed) = sr25519::Pair::from_string_with_seed(uri, None).map_err(wrong)?;
                let seed = seed.ok_or_else(|| format!("{uri} has a soft junction"))?;
                Self::of_seed(scheme, seed)?
            }
            Scheme::Ed25519 => Self::Ed25519(Box::new(
                ed25519::Pair::from_string(uri, None).map_err(wrong)?,
            )),
            Scheme::Ecdsa => Self::Ecdsa(Box::new(
                ecdsa::Pair::from_string(uri, None).map_err(wrong)?,
            )),
        })
    }

    /// The public key: 33 bytes for ECDSA, 32 for the others.
    pub(crate) fn public(&self) -> Vec<u8> {
        match self {
            Self::Sr25519(pair) => pair.public.to_bytes().to_vec(),
            Self::Ed25519(pair) => pair.public().0.to_vec(),
            Self::Ecdsa(pair) => pair.public().0.to_vec(),
        }
    }

    /// The account: the public key, hashed if it is longer than an account.
    pub(crate) fn account(&self) -> [u8; 32] {
        let public = self.public();
        <[u8; 32]>::try_from(public).unwrap_or_else(|long| blake2_256(&long))
    }

    /// The signature of a message. The same key and message give the same signature.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sr25519(pair) => {
                let secret = pair.secret.to_bytes();
                let seed = blake2_256(&[&secret[..], message].concat());
                let rng = ChaCha20Rng::from_seed(seed);
                let transcript = signing_context(CONTEXT).bytes(message);
                pair.sign(attach_rng(transcript, rng)).to_bytes().to_vec()
            }
            Self::Ed25519(pair) => pair.sign(message).0.to_vec(),
            Self::Ecdsa(pair) => pair.sign(message).0.to_vec(),
        }
    }

    /// The variant of `MultiSignature`.
    pub(crate) fn variant(&self) -> u8 {
        match self {
            Self::Ed25519(_) => 0,
            Self::Sr25519(_) => 1,
            Self::Ecdsa(_) => 2,
        }
    }
}

/// Accounts and keys that follow from the seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accounts {
    pub(crate) seed: u64,
}

impl Accounts {
    fn bytes(self, what: &str, index: u64) -> [u8; 32] {
        let name = format!("pvf-candidate/{}/{what}/{index}", self.seed);
        blake2_256(name.as_bytes())
    }

    /// The key of a sender of extrinsics.
    pub(crate) fn sender(self, scheme: Scheme, index: u64) -> Result<Signer, String> {
        Signer::of_seed(scheme, self.bytes("sender", index))
    }

    /// An account that does not exist yet.
    pub(crate) fn recipient(self, index: u64) -> [u8; 32] {
        self.bytes("recipient", index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alice_is_alice_and_signatures_are_right_and_repeat() {
        let known = [
            (
                Scheme::Sr25519,
                "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d",
            ),
            (
                Scheme::Ed25519,
                "88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee",
            ),
            (
                Scheme::Ecdsa,
                "020a1091341fe5664bfa1782d5e04779689068c916b04cb365ec3153755684d9a1",
            ),
        ];
        for (scheme, public) in known {
            let alice = Signer::of_uri(scheme, AUTHOR).expect("a known key");
            assert_eq!(hex::encode(alice.public()), public);
            let signature = alice.sign(b"message");
            assert_eq!(signature, alice.sign(b"message"));
            assert_ne!(signature, alice.sign(b"massage"));
            let right = match scheme {
                Scheme::Sr25519 => sr25519::Pair::verify(
                    &sr25519::Signature::try_from(&signature[..]).expect("64 bytes"),
                    b"message",
                    &sr25519::Public::try_from(&alice.public()[..]).expect("32 bytes"),
                ),
                Scheme::Ed25519 => ed25519::Pair::verify(
                    &ed25519::Signature::try_from(&signature[..]).expect("64 bytes"),
                    b"message",
                    &ed25519::Public::try_from(&alice.public()[..]).expect("32 bytes"),
                ),
                Scheme::Ecdsa => ecdsa::Pair::verify(
                    &ecdsa::Signature::try_from(&signature[..]).expect("65 bytes"),
                    b"message",
                    &ecdsa::Public::try_from(&alice.public()[..]).expect("33 bytes"),
                ),
            };
            assert!(right, "{scheme:?}");
        }
    }

    #[test]
    fn another_seed_has_other_accounts() {
        let (a, b) = (Accounts { seed: 1 }, Accounts { seed: 2 });
        assert_ne!(a.recipient(0), b.recipient(0));
        assert_ne!(a.recipient(0), a.recipient(1));
        let key = |accounts: Accounts| accounts.sender(Scheme::Sr25519, 0).expect("a key");
        assert_ne!(key(a).account(), key(b).account());
    }

    #[test]
    fn wrong_uris_are_refused() {
        for uri in ["Alice", "//Alice/soft", "0x12"] {
            assert!(Signer::of_uri(Scheme::Sr25519, uri).is_err(), "{uri}");
        }
    }
}
