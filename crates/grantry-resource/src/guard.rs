//! What a resource server checks, and its answer to a request.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use grantry_core::bearer::Places;
use grantry_core::{HttpRequest, Issuer, SecretString, UnixTime};
use grantry_jwt::{Advice, JwkSet, Verifier, Wanted};

use crate::check::Check;
use crate::introspected::{AbsentAudience, Expected};
use crate::keys::{Fetched, Halt, Held, KeySource, Pause};
use crate::trusted::Trusted;
use crate::{Access, AccessCache, Introspected, Reason, Rejection, Requirement, ResourceMetadata, Verdict};

/// Checks the requests to one protected resource.
///
/// A guard is immutable and cheap to clone. To change its keys while running, swap it for one made by
/// [`Guard::with_keys`], or let [`Guard::check_fetched`] ask for them.
#[derive(Clone, Debug)]
pub struct Guard {
    rules: Arc<Rules>,
}

/// What a guard was made with.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// At least one.
    pub(crate) trusted: Vec<Trusted>,
    pub(crate) leeway: Duration,
    audiences: Vec<String>,
    realm: String,
    metadata_url: Option<String>,
    places: Places,
    bearer_methods: Vec<&'static str>,
    absent_audience: AbsentAudience,
}

impl Guard {
    /// The most that clocks may differ, ten minutes.
    pub const MAX_LEEWAY: Duration = Verifier::MAX_LEEWAY;

    /// Makes a guard that takes tokens of `issuer` for `audience`, both compared byte for byte, and
    /// reads them from the `Authorization` field alone. The realm of its challenges is the audience.
    /// `keys` are this issuer's set and no other's: each of them signs whatever the issuer says. It stays empty
    /// for [`Guard::check_fetched`].
    #[must_use]
    pub fn new(issuer: Issuer, audience: impl Into<String>, keys: impl Into<Arc<JwkSet>>) -> Self {
        let audience = audience.into();
        let rules = Rules {
            trusted: alloc::vec![Trusted::new(issuer, keys.into())],
            leeway: Duration::ZERO,
            realm: audience.clone(),
            audiences: alloc::vec![audience],
            metadata_url: None,
            places: Places::new(),
            bearer_methods: alloc::vec!["header"],
            absent_audience: AbsentAudience::Refused,
        };
        Self { rules: Arc::new(rules) }.edit(|_| ())
    }

    /// Also takes tokens of another issuer, checked with that issuer's keys alone: no key of one issuer signs for
    /// another ([RFC 8725 section 3.8](https://www.rfc-editor.org/rfc/rfc8725#section-3.8)).
    #[must_use]
    pub fn also_issuer(self, issuer: Issuer, keys: impl Into<Arc<JwkSet>>) -> Self {
        self.edit(|rules| {
            rules.trusted.retain(|trusted| trusted.issuer != issuer);
            rules.trusted.push(Trusted::new(issuer, keys.into()));
        })
    }

    /// Also takes tokens for another audience, a former name of this resource for instance.
    #[must_use]
    pub fn also_audience(self, audience: impl Into<String>) -> Self {
        self.edit(|rules| rules.audiences.push(audience.into()))
    }

    /// Sets the realm that challenges name
    /// ([RFC 9110 section 11.5](https://www.rfc-editor.org/rfc/rfc9110#section-11.5)).
    #[must_use]
    pub fn with_realm(self, realm: impl Into<String>) -> Self {
        self.edit(|rules| rules.realm = realm.into())
    }

    /// Names the metadata of the resource in challenges, so that a client finds the authorization server
    /// ([RFC 9728 section 5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1)).
    #[must_use]
    pub fn with_metadata(self, metadata: &ResourceMetadata) -> Self {
        self.edit(|rules| rules.metadata_url = Some(metadata.well_known_url()))
    }

    /// Allows clocks to differ, in whole seconds; the default is none, and more than
    /// [`Guard::MAX_LEEWAY`] counts as that.
    #[must_use]
    pub fn with_leeway(self, leeway: Duration) -> Self {
        self.edit(|rules| rules.leeway = leeway.min(Self::MAX_LEEWAY))
    }

    /// Also takes a token from the parameter `access_token` of a form in the body of a POST, PUT or
    /// PATCH ([RFC 6750 section 2.2](https://www.rfc-editor.org/rfc/rfc6750#section-2.2)).
    #[must_use]
    pub fn allow_form_body(self) -> Self {
        self.edit(|rules| rules.allow("body", Places::allow_form_body))
    }

    /// Also takes a token from the parameter `access_token` of the query, where logs, histories and
    /// `Referer` fields keep it
    /// ([RFC 6750 section 5.3](https://www.rfc-editor.org/rfc/rfc6750#section-5.3)). The host marks
    /// its answers `Cache-Control: private`.
    #[must_use]
    pub fn danger_allow_query(self) -> Self {
        self.edit(|rules| rules.allow("query", Places::danger_allow_query))
    }

    /// Also accepts introspection answers that name no audience, for a server that sends none: then a
    /// token for any other API of the server is good here
    /// ([RFC 9700 section 2.3](https://www.rfc-editor.org/rfc/rfc9700#section-2.3)). An `aud` that is
    /// there still counts.
    #[must_use]
    pub fn danger_optional_introspected_audience(self) -> Self {
        self.edit(|rules| rules.absent_audience = AbsentAudience::Accepted)
    }

    /// Replaces the keys of one of the guard's issuers: this issuer's set and no other's.
    #[must_use]
    pub fn with_keys(self, issuer: &Issuer, keys: impl Into<Arc<JwkSet>>) -> Self {
        self.edit(|rules| {
            if let Some(trusted) = rules.trusted.iter_mut().find(|trusted| trusted.issuer == *issuer) {
                trusted.keys = keys.into();
            }
        })
    }

    /// Checks a request that carries a JWT access token, with the keys that the guard holds.
    ///
    /// # Errors
    ///
    /// [`Rejection`], whose [`Reason`] names the first rule that the request or its token breaks.
    pub fn check(
        &self,
        request: &HttpRequest,
        required: &Requirement,
        now: UnixTime,
    ) -> Result<Access, Rejection> {
        self.check_in(request, required, now, &mut AccessCache::new(0))
    }

    /// Checks a request as [`Guard::check`] does, and remembers its token: a repeated one costs one digest.
    ///
    /// # Errors
    ///
    /// As [`Guard::check`].
    pub fn check_in(
        &self,
        request: &HttpRequest,
        required: &Requirement,
        now: UnixTime,
        cache: &mut AccessCache,
    ) -> Result<Access, Rejection> {
        self.decide(request, required, now, cache, &mut Held).map_err(|halt| match halt {
            Halt::Refused(reason) => self.reject(reason, required),
            Halt::Paused(never) => match never {},
        })
    }

    /// Checks a request as [`Guard::check_in`] does, with keys that the host fetches, from a
    /// [`JwksCache`](grantry_jwt::JwksCache) for each issuer. What the guard holds is not asked.
    ///
    /// `advise` answers which keys of an issuer serve now: it locks the cache of that issuer for
    /// [`JwksCache::advise`](grantry_jwt::JwksCache::advise) and returns what that says, at once. It is asked for any
    /// key first, and when the token names a key that is not there, once more for that one; so a rotation is noticed
    /// by the first token under the new key. The crate page has the whole loop.
    pub fn check_fetched(
        &self,
        request: &HttpRequest,
        required: &Requirement,
        now: UnixTime,
        cache: &mut AccessCache,
        mut advise: impl FnMut(&Issuer, Wanted<'_>) -> Advice,
    ) -> Verdict {
        match self.decide(request, required, now, cache, &mut Fetched(&mut advise)) {
            Ok(access) => Verdict::Granted(access),
            Err(Halt::Refused(reason)) => Verdict::Rejected(self.reject(reason, required)),
            Err(Halt::Paused(Pause::Fetch { issuer, ticket })) => Verdict::Fetch { issuer, ticket },
            Err(Halt::Paused(Pause::Unavailable { until })) => Verdict::Unavailable { until },
        }
    }

    /// Finds the bearer token of a request and checks nothing but its grammar: for opaque tokens,
    /// which [`Introspection`](crate::Introspection) asks about.
    ///
    /// # Errors
    ///
    /// [`Rejection`] when there is not exactly one token of the right grammar
    /// ([RFC 6750 section 2](https://www.rfc-editor.org/rfc/rfc6750#section-2)).
    pub fn bearer_token(&self, request: &HttpRequest) -> Result<SecretString, Rejection> {
        self.rules.places.find(request).map_err(|error| self.reject(error.into(), &Requirement::none()))
    }

    /// Checks what the authorization server answered about the token of a request.
    ///
    /// The answer comes from one of the guard's issuers, names its audience and says `token_type` Bearer, by
    /// which an access token differs from a refresh token
    /// ([RFC 7662 section 2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)).
    ///
    /// # Errors
    ///
    /// [`Rejection`], whose [`Reason`] names the first rule that the token breaks.
    pub fn accept_introspected(
        &self,
        introspected: &Introspected,
        required: &Requirement,
        now: UnixTime,
    ) -> Result<Access, Rejection> {
        let expected = Expected {
            audiences: &self.rules.audiences,
            absent_audience: self.rules.absent_audience,
            leeway: self.rules.leeway,
        };
        let issuer = self.issuers().find(|issuer| *issuer == introspected.issuer());
        issuer
            .ok_or(Reason::OtherIssuer)
            .and_then(|_| introspected.access(&expected, now))
            .and_then(|access| required.check(&access, self.rules.leeway, now).map(|()| access))
            .map_err(|reason| self.reject(reason, required))
    }

    pub(crate) fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.rules.trusted.iter().map(|trusted| &trusted.issuer)
    }

    pub(crate) fn bearer_methods(&self) -> &[&'static str] {
        &self.rules.bearer_methods
    }

    fn decide<K: KeySource>(
        &self,
        request: &HttpRequest,
        required: &Requirement,
        now: UnixTime,
        cache: &mut AccessCache,
        keys: &mut K,
    ) -> Result<Access, Halt<K::Pause>> {
        let rules = &self.rules;
        let checked = rules.places.lend(request, |token| Check { rules, now, cache }.run(token, keys));
        let access = checked.map_err(|error| Halt::Refused(error.into()))??;
        required.check(&access, rules.leeway, now).map_err(Halt::Refused)?;
        Ok(access)
    }

    fn reject(&self, reason: Reason, required: &Requirement) -> Rejection {
        Rejection::new(reason, &self.rules.realm, self.rules.metadata_url.as_deref(), required)
    }

    fn edit(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        let rules = Arc::make_mut(&mut self.rules);
        change(rules);
        let (audiences, leeway) = (&rules.audiences, rules.leeway);
        rules.trusted.iter_mut().for_each(|trusted| trusted.prepare(audiences, leeway));
        self
    }
}

impl Rules {
    fn allow(&mut self, method: &'static str, allow: impl Fn(Places) -> Places) {
        self.places = allow(self.places);
        if !self.bearer_methods.contains(&method) {
            self.bearer_methods.push(method);
        }
    }
}
