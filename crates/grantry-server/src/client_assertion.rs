//! Client assertions: JWTs by which clients prove who they are
//! ([RFC 7523 section 3](https://www.rfc-editor.org/rfc/rfc7523#section-3)).

use alloc::string::String;
use core::time::Duration;

use grantry_core::form::Form;
use grantry_core::{ClientId, SecretString, UnixTime, base64url, json};
use grantry_jwt::{Claim, Header, JwkSet, Verifier, VerifyError, VerifyingKey, peek_unverified};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use crate::decision::ClaimId;
use crate::denial::Reason;
use crate::grant::Grant;
use crate::policy::AssertionAudience;
use crate::server::Server;

/// The longest client assertion that is looked at, in bytes: room for the largest signature and for a chain of
/// certificates in the header, which nobody reads.
pub const MAX_ASSERTION_BYTES: usize = 8 * 1024;

/// The longest `jti` of a client assertion, in bytes: a unique text needs no more.
pub const MAX_ASSERTION_ID_BYTES: usize = 256;

/// How far ahead the `exp` of a client assertion may be, one hour. So long the `jti` of each has to be kept, and
/// so long a stolen one that was never sent is good; libraries make assertions for a few minutes.
pub const MAX_ASSERTION_LIFETIME: Duration = Duration::from_secs(3600);

/// How far the clock of a client may run ahead: 10 seconds, which `iat`, `nbf` and the limit of `exp` allow for.
/// An assertion expires to the second.
pub const ASSERTION_LEEWAY: Duration = Duration::from_secs(10);

/// The one type of `client_assertion_type`
/// ([RFC 7523 section 2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2)).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The `typ` of an assertion that has one, in any case: the general one, and the one of rfc7523bis.
const TYPES: [&str; 3] = ["JWT", "client-authentication+jwt", "application/client-authentication+jwt"];

/// An assertion as it was sent. Nothing of it is proven.
#[derive(Debug)]
pub(crate) struct ClientAssertion {
    token: SecretString,
    header: Header,
    claim: ClaimId,
    verifier: Verifier,
    decoy_key: Option<VerifyingKey>,
}

/// What names the records to read, before any key is known.
#[derive(Deserialize)]
struct Named {
    sub: Option<String>,
    jti: Option<String>,
}

impl ClientAssertion {
    /// Reads the assertion of a request and whom it names. What is wrong with it whoever sent it is refused
    /// here, without any store access.
    pub(crate) fn parse(server: &Server, form: &Form<'_>) -> Result<(ClientId, Self), Reason> {
        // RFC 7521 section 4.2: both parameters, or neither.
        let assertion_type = form.get("client_assertion_type");
        let (Some(token), Some(JWT_BEARER)) = (form.get("client_assertion"), assertion_type) else {
            return Err(Reason::AssertionType);
        };
        let (header, named) = peek(token).map_err(Reason::Assertion)?;
        // RFC 8725 section 3.11: no other kind of JWT that the client signs is an assertion.
        if header.typ().is_some_and(|typ| !TYPES.iter().any(|known| known.eq_ignore_ascii_case(typ))) {
            return Err(Reason::Assertion(VerifyError::Typ));
        }
        let missing = |claim| Reason::Assertion(VerifyError::MissingClaim(claim));
        let malformed = |claim| Reason::Assertion(VerifyError::MalformedClaim(claim));
        let jti = named.jti.ok_or_else(|| missing(Claim::JwtId))?;
        if jti.is_empty() || jti.len() > MAX_ASSERTION_ID_BYTES {
            return Err(malformed(Claim::JwtId));
        }
        let subject = named.sub.ok_or_else(|| missing(Claim::Subject))?;
        let client_id = ClientId::parse(subject).map_err(|_| malformed(Claim::Subject))?;
        // RFC 7521 section 4.2: a client_id beside the assertion names the same client.
        if form.get("client_id").is_some_and(|named| named != client_id.as_str()) {
            return Err(Reason::Assertion(VerifyError::Subject));
        }
        let assertion = Self {
            token: SecretString::from(token),
            claim: claim_id(server.config.issuer.as_str(), &client_id, &jti),
            verifier: verifier(server, &client_id),
            decoy_key: server.config.decoy_keys.of(header.algorithm()).cloned(),
            header,
        };
        Ok((client_id, assertion))
    }

    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) const fn claim(&self) -> ClaimId {
        self.claim
    }

    /// Checks the assertion by the registered key, and returns until when its `jti` has to be remembered.
    /// Where no key could have signed it, a decoy is tried, so that the refusal takes as long.
    pub(crate) fn verify(
        &self,
        key: Result<&VerifyingKey, Reason>,
        now: UnixTime,
    ) -> Result<UnixTime, Reason> {
        let keys = JwkSet::from_keys(key.ok().or(self.decoy_key.as_ref()).cloned());
        let verified = self.verifier.verify::<IgnoredAny>(self.token.expose(), &keys, now);
        key?;
        let verified = verified.map_err(Reason::Assertion)?;
        let claims = verified.registered();
        // rfc7523bis section 3: one audience, so that no other server can play the assertion on.
        if claims.audiences().count() != 1 {
            return Err(Reason::Assertion(VerifyError::Audience));
        }
        let expires_at =
            claims.expiration().ok_or(Reason::Assertion(VerifyError::MissingClaim(Claim::Expiration)))?;
        // RFC 7523 section 3: rejected when passed, and when unreasonably far in the future.
        if now >= expires_at {
            return Err(Reason::Assertion(VerifyError::Expired));
        }
        if expires_at > now.saturating_add(MAX_ASSERTION_LIFETIME).saturating_add(ASSERTION_LEEWAY) {
            return Err(Reason::Assertion(VerifyError::LifetimeTooLong));
        }
        // A host whose clock is behind still takes the assertion when another drops the note.
        Ok(expires_at.saturating_add(Grant::CLOCK_MARGIN))
    }
}

fn peek(token: &str) -> Result<(Header, Named), VerifyError> {
    if token.len() > MAX_ASSERTION_BYTES {
        return Err(VerifyError::TooLong);
    }
    let header = peek_unverified(token)?;
    let payload = token.split('.').nth(1).ok_or(VerifyError::Segments)?;
    let payload = base64url::decode(payload).map_err(|_| VerifyError::Base64Url)?;
    let named =
        json::object_from_slice(&payload, MAX_ASSERTION_BYTES).map_err(|_| VerifyError::ClaimsJson)?;
    Ok((header, named))
}

/// RFC 7523 section 3: the client is issuer and subject, and the server the audience. The subject needs no
/// comparison, for it is what named the client.
fn verifier(server: &Server, client_id: &ClientId) -> Verifier {
    let verifier = Verifier::new(client_id.as_str(), server.config.issuer.as_str())
        .with_leeway(ASSERTION_LEEWAY)
        .refuse_issued_in_future();
    match server.config.policy.assertion_audience {
        AssertionAudience::Issuer => verifier,
        AssertionAudience::IssuerOrTokenEndpoint => {
            verifier.also_audience(server.config.endpoints.token.as_str())
        }
    }
}

/// A `jti` is unique among those of its client, and the store may serve several issuers.
fn claim_id(issuer: &str, client_id: &ClientId, jti: &str) -> ClaimId {
    let mut digest = Sha256::new_with_prefix("grantry client assertion");
    for part in [issuer, client_id.as_str(), jti] {
        // The length before each part keeps two of them from reading as one.
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    ClaimId::from_bytes(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_claim_counts_and_none_reads_as_another() {
        let id = |issuer, client, jti| claim_id(issuer, &ClientId::parse(client).unwrap(), jti);
        let one = id("https://as.example", "app", "1");
        assert_eq!(one, id("https://as.example", "app", "1"));
        for other in [
            id("https://as.example/", "app", "1"),
            id("https://as.example", "app1", "1"),
            id("https://as.example", "app", "11"),
            id("https://as.example", "ap", "p1"),
            id("https://as.examplea", "pp", "1"),
        ] {
            assert_ne!(one, other);
        }
    }
}
