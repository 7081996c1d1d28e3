//! A JSON Web Key Set (RFC 7517) becomes keys. A key fixes its own algorithm. What is secret, meant
//! for encryption, of an unknown kind or of another algorithm is passed over.

use std::sync::Arc;

use anyhow::Context;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations,
    PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde::Deserialize;
use serde_json::Value;

/// Bits of an RSA key: RFC 7518, 3.3 asks for 2,048; what is longer than 4,096 nothing here checks.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;

/// A public key and the one algorithm that it checks.
pub(crate) struct Key {
    pub(super) kid: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) check: DecodingKey,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// The keys of a set that tokens can be checked with.
///
/// # Errors
/// When it is no set.
pub(super) fn read(set: &[u8]) -> anyhow::Result<Vec<Arc<Key>>> {
    let set: Set = serde_json::from_slice(set).context("the answer is no JSON Web Key Set")?;
    let count = set.keys.len();
    let keys: Vec<_> = set.keys.into_iter().filter_map(Key::of).collect();
    if keys.is_empty() {
        tracing::warn!(
            count,
            "no key of the identity provider is one for RS256, ES256 or EdDSA"
        );
    }
    Ok(keys)
}

impl Key {
    fn of(jwk: Value) -> Option<Arc<Self>> {
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        let algorithm = algorithm(&jwk.algorithm)?;
        let check = DecodingKey::from_jwk(&jwk).ok()?;
        let fits = is_for(&jwk.common, algorithm) && is_of_sane_length(&check);
        fits.then(|| {
            Arc::new(Self {
                kid: jwk.common.key_id,
                algorithm,
                check,
            })
        })
    }
}

fn algorithm(parameters: &AlgorithmParameters) -> Option<Algorithm> {
    match parameters {
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Some(Algorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Some(Algorithm::EdDSA)
        }
        _ => None,
    }
}

/// Whether the provider means the key for signatures by that algorithm, where it says so at all.
fn is_for(told: &CommonParameters, algorithm: Algorithm) -> bool {
    let used = told.public_key_use.as_ref();
    let operations = told.key_operations.as_ref();
    used.is_none_or(|used| *used == PublicKeyUse::Signature)
        && operations.is_none_or(|they| they.contains(&KeyOperations::Verify))
        && told
            .key_algorithm
            .is_none_or(|named| named == KeyAlgorithm::from(algorithm))
}

fn is_of_sane_length(key: &DecodingKey) -> bool {
    let DecodingKeyKind::RsaModulusExponent { n, .. } = key.kind() else {
        return true;
    };
    let zeros = n.iter().take_while(|byte| **byte == 0).count();
    let unused = n.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize);
    RSA_BITS.contains(&((n.len() - zeros) * 8 - unused))
}
