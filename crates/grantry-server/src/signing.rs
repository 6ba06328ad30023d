//! The keys that sign tokens: here, elsewhere, or one after another in a ring.

use alloc::{string::String, vec, vec::Vec};

use grantry_core::{HttpResponse, SecretString, UnixTime, base64url};
use grantry_jwt::{Algorithm, JwkSet, KeyRing, KeyType, SignError, SigningInput, SigningKey, VerifyingKey};
use serde::Serialize;

use crate::decision::{Decision, SignRequest, Signature};
use crate::metadata::public_json;
use crate::server::{Server, ServerError};

/// A key that signs the tokens of an issuer, held here or by another machine: a KMS, an HSM, an agent.
///
/// ID tokens are checked with RS256 by clients that are told nothing else
/// ([OpenID Connect Core section 15.1](https://openid.net/specs/openid-connect-core-1_0.html#ServerMTI)).
#[derive(Clone, Debug)]
pub struct IssuerKey(Held);

#[derive(Clone, Debug)]
enum Held {
    Here(SigningKey),
    Elsewhere(VerifyingKey),
}

impl From<SigningKey> for IssuerKey {
    fn from(key: SigningKey) -> Self {
        Self(Held::Here(key))
    }
}

/// A key whose private half is elsewhere: every signature is a [`Decision::Sign`].
impl From<VerifyingKey> for IssuerKey {
    fn from(key: VerifyingKey) -> Self {
        Self(Held::Elsewhere(key))
    }
}

impl IssuerKey {
    fn verifying_key(&self) -> VerifyingKey {
        match &self.0 {
            Held::Here(key) => key.verifying_key(),
            Held::Elsewhere(key) => key.clone(),
        }
    }
}

/// All keys of an issuer. Of keys without a ring the first signs.
#[derive(Clone)]
pub(crate) struct Keys {
    source: Source,
    /// What its tokens are verified with.
    jwk_set: JwkSet,
    signing: Signing,
}

/// Whether the keys that are here sign inside of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signing {
    AtOnce,
    /// Every signature is a pause, so that a transcript has it.
    Paused,
}

#[derive(Clone)]
enum Source {
    Listed(Vec<IssuerKey>),
    Ring(KeyRing, Algorithm),
}

impl Keys {
    pub(crate) fn one(key: IssuerKey) -> Result<Self, ServerError> {
        Self::listed(vec![key])
    }

    /// Adds a key that signs nothing new.
    pub(crate) fn with_older(&self, key: IssuerKey) -> Result<Self, ServerError> {
        match &self.source {
            Source::Listed(keys) => Self::listed(keys.iter().cloned().chain([key]).collect()),
            Source::Ring(..) => Err(ServerError::RingKeepsKeys),
        }
    }

    pub(crate) fn of_ring(ring: KeyRing, algorithm: Algorithm) -> Result<Self, ServerError> {
        let has_key = ring.lifecycles().any(|(key, _)| key.algorithm() == algorithm);
        // Of any algorithm: whoever shares a secret key could sign what the server takes for its own.
        let has_secret = ring.lifecycles().any(|(key, _)| key.algorithm().key_type() == KeyType::Secret);
        if !has_key || has_secret {
            return Err(ServerError::NotPublishable);
        }
        let jwk_set = JwkSet::from_keys(ring.lifecycles().map(|(key, _)| key.verifying_key().clone()));
        Ok(Self { source: Source::Ring(ring, algorithm), jwk_set, signing: Signing::AtOnce })
    }

    fn listed(keys: Vec<IssuerKey>) -> Result<Self, ServerError> {
        let verifying: Vec<_> = keys.iter().map(IssuerKey::verifying_key).collect();
        for (index, key) in verifying.iter().enumerate() {
            if key.algorithm().key_type() == KeyType::Secret {
                return Err(ServerError::NotPublishable);
            }
            let key_id = key.key_id().ok_or(ServerError::NoKeyId)?;
            if verifying.iter().take(index).any(|other| other.key_id() == Some(key_id)) {
                return Err(ServerError::RepeatedKeyId);
            }
        }
        let jwk_set = JwkSet::from_keys(verifying);
        Ok(Self { source: Source::Listed(keys), jwk_set, signing: Signing::AtOnce })
    }

    /// The same keys, of which none signs inside of a decision.
    pub(crate) fn paused(&self) -> Self {
        Self { signing: Signing::Paused, ..self.clone() }
    }

    /// Signs with the key that is asked for, if its private half is here.
    pub(crate) fn sign(&self, input: &SigningInput, now: UnixTime) -> Option<Signature> {
        let IssuerKey(Held::Here(key)) = self.signing(now)? else { return None };
        if key.key_id() != input.key_id() {
            return None;
        }
        let (header, payload) = core::str::from_utf8(input.as_bytes()).ok()?.split_once('.')?;
        let header = String::from_utf8(base64url::decode(header).ok()?).ok()?;
        let token = key.sign_with_header(&header, &base64url::decode(payload).ok()?).ok()?;
        let (_, signature) = token.rsplit_once('.')?;
        base64url::decode(signature).ok().map(Signature::Jose)
    }

    pub(crate) const fn jwk_set(&self) -> &JwkSet {
        &self.jwk_set
    }

    /// The algorithms of all keys, each with its own: a change of algorithm ends no living token.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        self.jwk_set.keys().iter().map(VerifyingKey::algorithm).collect()
    }

    /// The algorithm that new tokens are signed with.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match &self.source {
            Source::Listed(keys) => {
                keys.first().map_or(Algorithm::Rs256, |key| key.verifying_key().algorithm())
            }
            Source::Ring(_, algorithm) => *algorithm,
        }
    }

    pub(crate) fn response(&self, now: UnixTime) -> HttpResponse {
        match &self.source {
            Source::Listed(_) => public_json(&self.jwk_set),
            Source::Ring(ring, _) => ring.jwk_set_response(now),
        }
    }

    fn signing(&self, now: UnixTime) -> Option<IssuerKey> {
        match &self.source {
            Source::Listed(keys) => keys.first().cloned(),
            Source::Ring(ring, algorithm) => ring.signing_key(*algorithm, now).map(|key| {
                IssuerKey(match key.signing_key() {
                    Some(here) => Held::Here(here.clone()),
                    None => Held::Elsewhere(key.verifying_key().clone()),
                })
            }),
        }
    }
}

impl Server {
    /// Signs claims and goes on: at once with a key that is here, or else after [`Decision::Sign`].
    pub(crate) fn sign<R>(
        &self,
        typ: &str,
        claims: &impl Serialize,
        now: UnixTime,
        then: impl FnOnce(SecretString) -> Result<Decision<R>, SignError> + Send + 'static,
    ) -> Result<Decision<R>, SignError> {
        match self.config.keys.signing(now) {
            Some(IssuerKey(Held::Here(key))) if self.config.keys.signing == Signing::AtOnce => {
                then(SecretString::from(key.sign_claims(Some(typ), claims)?))
            }
            Some(key) => {
                let key = key.verifying_key();
                let input = SigningInput::of_claims(&key, Some(typ), claims)?;
                Ok(Decision::Sign(SignRequest::new(input, then)))
            }
            None => Err(SignError::Backend),
        }
    }
}
