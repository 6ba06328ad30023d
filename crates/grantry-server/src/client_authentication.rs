//! How clients are registered to prove who they are.

use core::fmt;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::assertion_keys::{AssertionKeys, AssertionSecret};

/// How a client proves who it is; the registered method is the only one accepted
/// ([RFC 7591 section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2), `token_endpoint_auth_method`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// A public client: it names itself and proves nothing.
    None,
    /// `client_secret_basic`.
    SecretBasic(SecretDigest),
    /// `client_secret_post`.
    SecretPost(SecretDigest),
    /// `client_secret_jwt`: an assertion keyed with the secret
    /// ([OpenID Connect Core section 9](https://openid.net/specs/openid-connect-core-1_0.html#ClientAuthentication)).
    /// It is the one method for which the registration holds the secret itself, and whoever reads the store
    /// can be the client: prefer [`PrivateKeyJwt`](Self::PrivateKeyJwt).
    SecretJwt(AssertionSecret),
    /// `private_key_jwt`: an assertion signed by the client, of which the registration holds the public keys
    /// ([RFC 7523 section 2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2)).
    PrivateKeyJwt(AssertionKeys),
}

impl ClientAuthentication {
    /// Returns the value of `token_endpoint_auth_method`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SecretBasic(_) => "client_secret_basic",
            Self::SecretPost(_) => "client_secret_post",
            Self::SecretJwt(_) => "client_secret_jwt",
            Self::PrivateKeyJwt(_) => "private_key_jwt",
        }
    }
}

/// The SHA-256 digest of a client secret, which is what a store keeps.
///
/// It is meant for secrets that a machine made, of 128 random bits or more: those cannot be guessed
/// from the digest. A password that a person chose needs a slow hash instead.
///
/// # Slow hashes
///
/// A host that keeps argon2, bcrypt or PBKDF2 hashes compares in its own read, with what
/// [`Lookup::client_secret`](crate::Lookup::client_secret) says that the client presented. Where it fits, the
/// client comes with the digest of just that; where it does not, and for pages where no secret is presented,
/// with [`SecretDigest::unmatched`]. The server compares then as always, method included. An unknown client
/// should cost the same hash, and a request is one guess: limit their rate.
///
/// ```
/// # use core::num::NonZeroU32;
/// # use std::collections::BTreeMap;
/// # use grantry_core::{ClientId, HttpRequest, Issuer, Moment, SecretBytes, UnixTime};
/// # use grantry_server::*;
/// use ring::pbkdf2;
///
/// # #[derive(Clone, Copy)]
/// struct SlowHash { salt: [u8; 16], hash: [u8; 32] }
///
/// impl SlowHash {
///     /// What an unknown client is compared with.
///     const NOBODY: Self = Self { salt: [0; 16], hash: [0; 32] };
/// #   const ITERATIONS: NonZeroU32 = NonZeroU32::new(10).unwrap(); // a host takes 600,000
/// #   fn of(salt: [u8; 16], secret: &str) -> Self {
/// #       let mut hash = [0; 32];
/// #       pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, Self::ITERATIONS, &salt, secret.as_bytes(), &mut hash);
/// #       Self { salt, hash }
/// #   }
///
///     fn fits(&self, secret: &str) -> bool {
///         let (secret, algorithm) = (secret.as_bytes(), pbkdf2::PBKDF2_HMAC_SHA256);
///         pbkdf2::verify(algorithm, Self::ITERATIONS, &self.salt, secret, &self.hash).is_ok()
///     }
/// }
///
/// struct HashingStore { clients: BTreeMap<ClientId, SlowHash>, grants: MemoryStore }
///
/// impl Store for HashingStore {
///     type Error = MemoryStoreFull;
///
///     fn read(&self, lookup: &Lookup<'_>) -> Result<Records, MemoryStoreFull> {
///         let records = Store::read(&self.grants, lookup)?;
///         let Some(id) = lookup.client else { return Ok(records) };
///         let registered = self.clients.get(id);
///         let slow_hash = registered.unwrap_or(&SlowHash::NOBODY);
///         let presented = lookup.client_secret.map(|secret| secret.expose());
///         let digest = match presented.filter(|secret| slow_hash.fits(secret)) {
///             Some(secret) => SecretDigest::of(secret),
///             None => SecretDigest::unmatched(),
///         };
///         let client = Client::new(id.clone(), ClientAuthentication::SecretBasic(digest));
///         Ok(if registered.is_some() { records.with_client(client) } else { records })
///     }
/// #
/// #   fn commit(&self, changes: &ChangeSet) -> Result<Outcome, MemoryStoreFull> {
/// #       Store::commit(&self.grants, changes)
/// #   }
/// }
/// # let vectors: serde_json::Value = serde_json::from_str(include_str!("../../../tests/vectors/jws-sign.json"))?;
/// # let vectors = vectors["vectors"].as_array().unwrap();
/// # let jwk = vectors.iter().find(|v| v["alg"] == "RS256").unwrap()["jwk"].to_string();
/// # let signing_key = grantry_jwt::SigningKey::from_jwk(jwk.as_bytes())?.with_thumbprint_key_id();
/// # let handle_key = HandleKey::new(1, SecretBytes::from(vec![7; 32]))?;
/// # let server = Server::new(Issuer::parse("https://accounts.example")?, signing_key, handle_key)?;
/// # let store = HashingStore {
/// #     clients: [(ClientId::parse("app")?, SlowHash::of([1; 16], "correct horse"))].into(),
/// #     grants: MemoryStore::default(),
/// # };
/// # let reason = |authorization: &str| {
/// #     let request = HttpRequest::form("/token", "").with_header("Authorization", authorization);
/// #     let moment = Moment::new(UnixTime::from_secs(1_800_000_000), [1; 32]);
/// #     run(&store, &server.token(&request), moment).unwrap().event.denial.unwrap().reason
/// # };
/// # assert_eq!(reason("Basic YXBwOmNvcnJlY3QgaG9yc2U="), Reason::Missing("grant_type")); // authenticated
/// # assert_eq!(reason("Basic YXBwOndyb25n"), Reason::ClientNotAuthenticated);
/// # assert_eq!(reason("Basic bm9ib2R5Ondyb25n"), Reason::ClientNotAuthenticated);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// Digests a secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Makes a digest that no secret matches: 32 zero bytes, which stay so in a store.
    #[must_use]
    pub const fn unmatched() -> Self {
        Self([0; 32])
    }

    /// Takes up a digest that a store kept.
    #[must_use]
    pub const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Returns the digest, as a store keeps it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares with a presented secret. The empty secret is none, also where a host digested one.
    pub(crate) fn is_of(&self, secret: &str) -> bool {
        self.fits(&Self::of(secret)) && !secret.is_empty()
    }

    /// Compares in constant time, sixteen bytes at once.
    fn is_same(&self, other: &Self) -> Choice {
        let number = |half: Option<&[u8; 16]>| half.copied().map_or(0, u128::from_le_bytes);
        let numbers = |Self(digest): &Self| [number(digest.first_chunk()), number(digest.last_chunk())];
        numbers(self).ct_eq(&numbers(other))
    }

    fn fits(&self, presented: &Self) -> bool {
        (self.is_same(presented) & !self.is_same(&Self::unmatched())).into()
    }
}

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other).into()
    }
}

impl Eq for SecretDigest {}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No secret is known whose digest is zero, so the digests stand here themselves.
    #[test]
    fn the_unmatched_digest_fits_nothing_and_not_itself() {
        let unmatched = SecretDigest::unmatched();
        assert!(!unmatched.fits(&SecretDigest::unmatched()));
        assert!(!SecretDigest::from_bytes(*unmatched.as_bytes()).fits(&unmatched));
        assert!(!unmatched.is_of("") && !unmatched.is_of("secret"));
        assert!(SecretDigest::of("secret").fits(&SecretDigest::of("secret")));
    }

    #[test]
    fn a_digest_fits_by_every_byte() {
        let digest = SecretDigest::of("secret");
        for place in 0..32 {
            let mut bytes = *digest.as_bytes();
            bytes[place] ^= 1;
            let other = SecretDigest::from_bytes(bytes);
            assert!(!digest.fits(&other) && digest != other, "{place}");
        }
    }
}
