//! Checking a JWT: signature, issuer, audience, time, type.

use alloc::{collections::BTreeMap, string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use grantry_core::UnixTime;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::{Algorithm, Claim, JwkSet, RegisteredClaims, VerifyError, verify_jws};

/// What a JWT must be to be accepted ([RFC 7519 section 7.2](https://www.rfc-editor.org/rfc/rfc7519#section-7.2)).
///
/// `iss`, `aud` and `exp` are required; `nbf` counts when it is there. `typ` is checked when
/// [`Verifier::with_typ`] is set, as it should be wherever one issuer signs several kinds of token
/// ([RFC 8725 section 3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11)).
#[derive(Clone, Debug)]
pub struct Verifier {
    issuers: Accepted,
    audiences: Accepted,
    typ: Option<String>,
    leeway: Duration,
    required: Vec<String>,
    algorithms: Vec<Algorithm>,
    expiration: Expiration,
}

#[derive(Clone, Debug)]
enum Accepted {
    Listed(Vec<String>),
    Any,
}

#[derive(Clone, Copy, Debug)]
enum Expiration {
    Required,
    Optional,
}

impl Verifier {
    /// The most that clocks may differ, ten minutes: RFC 7519 section 4.1.4 speaks of a few, and what is
    /// meant in milliseconds must not make tokens live for ever.
    pub const MAX_LEEWAY: Duration = Duration::from_secs(600);

    /// Accepts tokens of one issuer for one audience, both compared byte for byte
    /// ([RFC 8725 sections 3.8 and 3.9](https://www.rfc-editor.org/rfc/rfc8725#section-3.8)).
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuers: Accepted::Listed(alloc::vec![issuer.into()]),
            audiences: Accepted::Listed(alloc::vec![audience.into()]),
            typ: None,
            leeway: Duration::ZERO,
            required: Vec::new(),
            algorithms: Algorithm::ALL.to_vec(),
            expiration: Expiration::Required,
        }
    }

    /// Accepts one more issuer, which each key of the set then signs for: the holder of one issuer's key
    /// can speak for the other. Two issuers with keys of their own need two verifiers
    /// ([RFC 8725 section 3.8](https://www.rfc-editor.org/rfc/rfc8725#section-3.8)).
    #[must_use]
    pub fn danger_also_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuers.add(issuer.into());
        self
    }

    /// Accepts one more audience.
    #[must_use]
    pub fn also_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.add(audience.into());
        self
    }

    /// Accepts every issuer and tokens that name none.
    #[must_use]
    pub fn danger_any_issuer(mut self) -> Self {
        self.issuers = Accepted::Any;
        self
    }

    /// Accepts tokens for everyone: one meant for another service can be played back here.
    #[must_use]
    pub fn danger_any_audience(mut self) -> Self {
        self.audiences = Accepted::Any;
        self
    }

    /// Accepts tokens without `exp`, which never end. An `exp` that is there still counts.
    #[must_use]
    pub const fn danger_optional_expiration(mut self) -> Self {
        self.expiration = Expiration::Optional;
        self
    }

    /// Requires a media type in `typ`, compared without regard to case and to a leading
    /// `application/` ([RFC 7515 section 4.1.9](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.9)).
    #[must_use]
    pub fn with_typ(mut self, typ: impl Into<String>) -> Self {
        self.typ = Some(typ.into());
        self
    }

    /// Allows clocks to differ, in whole seconds; the default is none, and more than
    /// [`Verifier::MAX_LEEWAY`] counts as that.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(Self::MAX_LEEWAY);
        self
    }

    /// Requires a claim by name, of any type but `null`.
    #[must_use]
    pub fn require(mut self, claim: impl Into<String>) -> Self {
        self.required.push(claim.into());
        self
    }

    /// Allows these algorithms instead of all that the keys have.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: &[Algorithm]) -> Self {
        self.algorithms = algorithms.to_vec();
        self
    }

    /// Checks a JWT and reads its claims as `T`, from the same bytes. `keys` are the set of the issuer
    /// and no other's ([RFC 8725 section 3.8](https://www.rfc-editor.org/rfc/rfc8725#section-3.8)).
    ///
    /// # Errors
    ///
    /// [`VerifyError`] names the first rule that the token breaks.
    pub fn verify<T: DeserializeOwned>(
        &self,
        token: &str,
        keys: &JwkSet,
        now: UnixTime,
    ) -> Result<Verified<T>, VerifyError> {
        let jws = verify_jws(token, keys, &self.algorithms)?;
        if let Some(typ) = &self.typ {
            if !jws.header().has_typ(typ) {
                return Err(VerifyError::Typ);
            }
        }
        let registered = RegisteredClaims::parse(jws.payload())?;
        self.check_issuer(&registered)?;
        self.check_audience(&registered)?;
        self.check_time(&registered, now)?;
        self.check_required(jws.payload())?;
        // Strictness and the object were checked with the registered claims.
        let claims = serde_json::from_slice(jws.payload()).map_err(|_| VerifyError::ClaimsShape)?;
        let key_id = jws.key().shared_key_id();
        Ok(Verified { claims, registered, key_id })
    }

    fn check_issuer(&self, claims: &RegisteredClaims) -> Result<(), VerifyError> {
        let Accepted::Listed(issuers) = &self.issuers else {
            return Ok(());
        };
        let issuer = claims.issuer().ok_or(VerifyError::MissingClaim(Claim::Issuer))?;
        if issuers.iter().any(|accepted| accepted == issuer) { Ok(()) } else { Err(VerifyError::Issuer) }
    }

    fn check_audience(&self, claims: &RegisteredClaims) -> Result<(), VerifyError> {
        let Accepted::Listed(audiences) = &self.audiences else {
            return Ok(());
        };
        if !claims.has_audience() {
            return Err(VerifyError::MissingClaim(Claim::Audience));
        }
        if claims.audiences().iter().any(|audience| audiences.contains(audience)) {
            Ok(())
        } else {
            Err(VerifyError::Audience)
        }
    }

    fn check_time(&self, claims: &RegisteredClaims, now: UnixTime) -> Result<(), VerifyError> {
        match (claims.expiration(), self.expiration) {
            (None, Expiration::Required) => return Err(VerifyError::MissingClaim(Claim::Expiration)),
            // RFC 7519 section 4.1.4: now must be before exp.
            (Some(expiration), _) if now >= expiration.saturating_add(self.leeway) => {
                return Err(VerifyError::Expired);
            }
            (Some(_), _) | (None, Expiration::Optional) => {}
        }
        // RFC 7519 section 4.1.5: now must be after or equal to nbf.
        match claims.not_before() {
            Some(not_before) if now.saturating_add(self.leeway) < not_before => Err(VerifyError::NotYetValid),
            _ => Ok(()),
        }
    }

    fn check_required(&self, payload: &[u8]) -> Result<(), VerifyError> {
        if self.required.is_empty() {
            return Ok(());
        }
        let claims = serde_json::from_slice::<BTreeMap<String, Option<IgnoredAny>>>(payload)
            .map_err(|_| VerifyError::ClaimsJson)?;
        let is_missing = |name: &&String| !matches!(claims.get(*name), Some(Some(_)));
        match self.required.iter().find(is_missing) {
            Some(name) => Err(VerifyError::MissingClaim(Claim::from_name(name))),
            None => Ok(()),
        }
    }
}

impl Accepted {
    fn add(&mut self, value: String) {
        match self {
            Self::Listed(values) => values.push(value),
            Self::Any => {}
        }
    }
}

/// The claims of a JWT that passed every check of a [`Verifier`], which alone makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    claims: T,
    registered: RegisteredClaims,
    key_id: Option<Arc<str>>,
}

impl<T> Verified<T> {
    /// Returns the claims.
    #[must_use]
    pub const fn claims(&self) -> &T {
        &self.claims
    }

    /// Returns the claims alone.
    #[must_use]
    pub fn into_claims(self) -> T {
        self.claims
    }

    /// Returns the registered claims.
    #[must_use]
    pub const fn registered(&self) -> &RegisteredClaims {
        &self.registered
    }

    /// Returns the id of the key that signed, when the key has one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }
}
