//! Checking a JWT: signature, issuer, audience, time, type.

use alloc::{borrow::Cow, boxed::Box, string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use grantry_core::base64url::Codec;
use grantry_core::{UnixTime, json};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::claims::Found;
use crate::header::BorrowedHeader;
use crate::jws::{MAX_TOKEN_BYTES, Segments, fitting_keys};
use crate::reading::Notes;
use crate::token_cache::TokenDigest;
use crate::{
    Algorithm, Buffer, Claim, JwkSet, KeyType, RegisteredClaims, Verified, VerifyError, VerifyingKey,
};

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
    subject: Option<String>,
    future_issue: FutureIssue,
    max_age: Option<Duration>,
    max_lifetime: Option<Duration>,
    max_token_bytes: usize,
    critical: Vec<String>,
    codec: Arc<Codec>,
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

/// What an `iat` ahead of now means: RFC 7519 section 4.1.6 has no rule for it.
#[derive(Clone, Copy, Debug)]
enum FutureIssue {
    Accepted,
    Refused,
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
            subject: None,
            future_issue: FutureIssue::Accepted,
            max_age: None,
            max_lifetime: None,
            max_token_bytes: MAX_TOKEN_BYTES,
            critical: Vec::new(),
            codec: Arc::default(),
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

    /// Requires a subject in `sub`, compared byte for byte
    /// ([RFC 7519 section 4.1.2](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.2)).
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Requires `iat`, at most `max_age` ago, in whole seconds and with the leeway
    /// ([RFC 7519 section 4.1.6](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.6)).
    /// One from the future is refused as by [`Verifier::refuse_issued_in_future`].
    #[must_use]
    pub const fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Requires `iat` and `exp`, at most `max_lifetime` apart, in whole seconds and without leeway, for
    /// both are of one clock: a token that lives for ever is a mistake of its issuer. One from the future is
    /// refused as by [`Verifier::refuse_issued_in_future`].
    #[must_use]
    pub const fn with_max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.max_lifetime = Some(max_lifetime);
        self
    }

    /// Refuses an `iat` that has not come, leeway allowed. Without this it only tells the age
    /// ([RFC 7519 section 4.1.6](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.6)).
    #[must_use]
    pub const fn refuse_issued_in_future(mut self) -> Self {
        self.future_issue = FutureIssue::Refused;
        self
    }

    /// Refuses a token longer than this, in bytes; more than [`MAX_TOKEN_BYTES`] counts as that.
    #[must_use]
    pub const fn with_max_token_bytes(mut self, max_token_bytes: usize) -> Self {
        self.max_token_bytes = max_token_bytes;
        self
    }

    /// Accepts a `crit` that lists this extension, which the caller then honours: its value is told by
    /// [`Verified::critical_member`]
    /// ([RFC 7515 section 4.1.11](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11)).
    ///
    /// `b64` and the names that RFC 7515 and RFC 7518 register are no extensions, and stay refused in `crit`
    /// ([RFC 7797 section 7](https://www.rfc-editor.org/rfc/rfc7797#section-7)).
    #[must_use]
    pub fn understands_critical(mut self, name: impl Into<String>) -> Self {
        self.critical.push(name.into());
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
    ) -> Result<Verified<'static, T>, VerifyError> {
        let mut payload = Vec::new();
        let mut extended_header = None;
        let segments = self.split(token)?;
        let key = segments.read_header(&self.critical, |header| {
            extended_header = header.extended().map(Box::from);
            self.open(&segments, header, keys, |_| None, &mut payload)
        });
        let key = key.map_err(|error| segments.fault(error))?;
        let payload = String::from_utf8(payload).map_err(|_| VerifyError::ClaimsJson)?;
        let mut found = Found::default();
        let mut claims = None;
        self.read(&payload, now, &mut found, &mut claims)?;
        let claims = claims.ok_or(VerifyError::ClaimsShape)?;
        let registered = RegisteredClaims::new(Cow::Owned(payload), found);
        Ok(Verified { claims, registered, key_id: key.shared_key_id(), extended_header })
    }

    /// Checks a JWT as [`Verifier::verify`] does, and lets `T` borrow from the payload, which stays in
    /// `buffer`. When the buffer has grown, no token allocates by itself.
    ///
    /// With [`Buffer::with_token_cache`], the signature of a token that is remembered under a key that would
    /// be tried now is not checked again. Everything else is, from the token itself.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] names the first rule that the token breaks.
    pub fn verify_in<'b, T: Deserialize<'b>>(
        &self,
        token: &str,
        keys: &JwkSet,
        now: UnixTime,
        buffer: &'b mut Buffer,
    ) -> Result<Verified<'b, T>, VerifyError> {
        let Buffer { payload, header, token_cache } = buffer;
        let mut extended_header = None;
        let mut new = None;
        let segments = self.split(token)?;
        let key = segments.read_kept_header(header, &self.critical, |header| {
            extended_header = header.extended().map(Box::from);
            let remembered = |header: &BorrowedHeader<'_>| {
                let cache =
                    token_cache.as_mut().filter(|_| header.algorithm().key_type() != KeyType::Secret)?;
                let digest = TokenDigest::of(token);
                let key = cache.lookup(&digest, now, |signer| {
                    fitting_keys(keys.keys(), header).ok()?.find(|key| key.identity() == Some(*signer))
                });
                new = key.is_none().then_some(digest);
                key
            };
            self.open(&segments, header, keys, remembered, payload)
        });
        let key = key.map_err(|error| segments.fault(error))?;
        let payload = core::str::from_utf8(payload).map_err(|_| VerifyError::ClaimsJson)?;
        let mut found = Found::default();
        let mut claims = None;
        self.read(payload, now, &mut found, &mut claims)?;
        let claims = claims.ok_or(VerifyError::ClaimsShape)?;
        let registered = RegisteredClaims::new(Cow::Borrowed(payload), found);
        if let (Some(cache), Some(token), Some(signer), Some(expiration)) =
            (token_cache, new, key.identity(), registered.expiration())
        {
            cache.insert(token, signer, expiration.saturating_add(self.leeway), now);
        }
        Ok(Verified { claims, registered, key_id: key.shared_key_id(), extended_header })
    }

    fn split<'t>(&'t self, token: &'t str) -> Result<Segments<'t>, VerifyError> {
        if token.len() > self.max_token_bytes {
            return Err(VerifyError::TooLong);
        }
        Segments::split(token, &self.codec)
    }

    /// Checks everything but the claims, and decodes those.
    fn open<'k>(
        &self,
        segments: &Segments<'_>,
        header: &BorrowedHeader<'_>,
        keys: &'k JwkSet,
        remembered: impl FnOnce(&BorrowedHeader<'_>) -> Option<&'k VerifyingKey>,
        payload: &mut Vec<u8>,
    ) -> Result<&'k VerifyingKey, VerifyError> {
        let key = segments.open(header, keys, &self.algorithms, remembered, payload)?;
        match &self.typ {
            Some(typ) if !header.has_typ(typ) => Err(VerifyError::Typ),
            _ => Ok(key),
        }
    }

    #[inline]
    fn read<'p, T: Deserialize<'p>>(
        &self,
        payload: &'p str,
        now: UnixTime,
        found: &mut Found,
        claims: &mut Option<T>,
    ) -> Result<(), VerifyError> {
        let mut notes = Notes::new(found);
        match notes.read(payload, &self.required, claims) {
            Ok(()) => self.check(payload, &notes, now),
            Err(_) => self.read_apart(payload, now, found, claims),
        }
    }

    /// Reads the claims once for the rules and once for `T`: the rules come first, and name their error.
    #[cold]
    fn read_apart<'p, T: Deserialize<'p>>(
        &self,
        payload: &'p str,
        now: UnixTime,
        found: &mut Found,
        claims: &mut Option<T>,
    ) -> Result<(), VerifyError> {
        *found = Found::default();
        let mut notes = Notes::new(found);
        notes.read::<IgnoredAny>(payload, &self.required, &mut None)?;
        self.check(payload, &notes, now)?;
        let read = json::object_from_slice(payload.as_bytes(), MAX_TOKEN_BYTES);
        *claims = Some(read.map_err(|_| VerifyError::ClaimsShape)?);
        Ok(())
    }

    fn check(&self, payload: &str, notes: &Notes<'_>, now: UnixTime) -> Result<(), VerifyError> {
        let claims = &*notes.found;
        self.check_issuer(claims.issuer(payload))?;
        self.check_audience(claims, payload)?;
        self.check_subject(claims.subject(payload))?;
        self.check_time(claims, now)?;
        self.check_issue(claims, now)?;
        match notes.present.missing(&self.required, payload) {
            Some(name) => Err(VerifyError::MissingClaim(Claim::from_name(name))),
            None => Ok(()),
        }
    }

    fn check_issuer(&self, issuer: Option<&str>) -> Result<(), VerifyError> {
        let Accepted::Listed(issuers) = &self.issuers else {
            return Ok(());
        };
        let issuer = issuer.ok_or(VerifyError::MissingClaim(Claim::Issuer))?;
        if issuers.iter().any(|accepted| accepted == issuer) { Ok(()) } else { Err(VerifyError::Issuer) }
    }

    fn check_audience(&self, claims: &Found, payload: &str) -> Result<(), VerifyError> {
        let Accepted::Listed(audiences) = &self.audiences else {
            return Ok(());
        };
        let is_accepted = |audience: &str| audiences.iter().any(|accepted| accepted == audience);
        match claims.has_audience(payload, is_accepted) {
            Some(true) => Ok(()),
            Some(false) => Err(VerifyError::Audience),
            None => Err(VerifyError::MissingClaim(Claim::Audience)),
        }
    }

    fn check_subject(&self, subject: Option<&str>) -> Result<(), VerifyError> {
        let Some(wanted) = &self.subject else {
            return Ok(());
        };
        let subject = subject.ok_or(VerifyError::MissingClaim(Claim::Subject))?;
        if wanted == subject { Ok(()) } else { Err(VerifyError::Subject) }
    }

    fn check_time(&self, claims: &Found, now: UnixTime) -> Result<(), VerifyError> {
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

    fn check_issue(&self, claims: &Found, now: UnixTime) -> Result<(), VerifyError> {
        let issued_at = || claims.issued_at().ok_or(VerifyError::MissingClaim(Claim::IssuedAt));
        // What came from the future would be young, and its life short, until then.
        let is_future_refused = matches!(self.future_issue, FutureIssue::Refused)
            || self.max_age.is_some()
            || self.max_lifetime.is_some();
        if is_future_refused && claims.issued_at().is_some_and(|iat| iat > now.saturating_add(self.leeway)) {
            return Err(VerifyError::IssuedInFuture);
        }
        if let Some(max_age) = self.max_age {
            if now > issued_at()?.saturating_add(max_age).saturating_add(self.leeway) {
                return Err(VerifyError::TooOld);
            }
        }
        if let Some(max_lifetime) = self.max_lifetime {
            let expiration = claims.expiration().ok_or(VerifyError::MissingClaim(Claim::Expiration))?;
            if expiration > issued_at()?.saturating_add(max_lifetime) {
                return Err(VerifyError::LifetimeTooLong);
            }
        }
        Ok(())
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
