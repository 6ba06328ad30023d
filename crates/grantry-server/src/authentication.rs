//! Client authentication at the endpoints that clients call
//! ([RFC 6749 section 2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)).

use alloc::{boxed::Box, string::String};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use grantry_core::form::{Form, decode_component, with_decoded_component};
use grantry_core::{ClientId, HttpRequest, Issuer, SecretString, UnixTime};
use grantry_jwt::{Header, VerifyingKey};

use crate::client::{Client, GrantType};
use crate::client_assertion::ClientAssertion;
use crate::client_authentication::{ClientAuthentication, SecretDigest};
use crate::decision::{Change, ClaimId};
use crate::denial::Reason;
use crate::operation::{Lookup, Records};
use crate::server::Server;

/// What a request says of its client, not yet checked.
#[derive(Debug)]
pub(crate) struct Credentials {
    client_id: ClientId,
    proof: Proof,
}

#[derive(Debug)]
enum Proof {
    None,
    Basic(SecretString),
    Post(SecretString),
    Assertion(Box<ClientAssertion>),
}

impl Credentials {
    /// Reads the credentials of a request; exactly one method may stand in it.
    pub(crate) fn from_request(
        server: &Server,
        request: &HttpRequest,
        form: &Form<'_>,
    ) -> Result<Self, Reason> {
        let mut headers = request.headers.all("Authorization");
        let header = headers.next();
        if headers.next().is_some() {
            return Err(Reason::TwoMethods);
        }
        let has_assertion =
            form.get("client_assertion").or_else(|| form.get("client_assertion_type")).is_some();
        // RFC 6749 section 2.3, RFC 7521 section 4.2: no more than one method.
        if has_assertion && (header.is_some() || form.get("client_secret").is_some()) {
            return Err(Reason::TwoMethods);
        }
        match header {
            Some(header) => from_basic(header, form),
            None if has_assertion => {
                let (client_id, assertion) = ClientAssertion::parse(server, form)?;
                Ok(Self { client_id, proof: Proof::Assertion(Box::new(assertion)) })
            }
            None => from_body(form),
        }
    }

    pub(crate) const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// Says what has to be read to check the credentials.
    pub(crate) fn lookup<'a>(&'a self, issuer: &'a Issuer) -> Lookup<'a> {
        let lookup = Lookup { client: Some(&self.client_id), ..Lookup::of(issuer) };
        match &self.proof {
            Proof::None => lookup,
            Proof::Basic(secret) | Proof::Post(secret) => Lookup { client_secret: Some(secret), ..lookup },
            Proof::Assertion(assertion) => Lookup { assertion: Some(assertion.claim()), ..lookup },
        }
    }

    /// Checks the credentials against the registration, by its method only. An unknown client costs the same
    /// digest and comparison, or the same signature, as a known one and gets the same answer.
    pub(crate) fn authenticate<'a>(
        &self,
        records: &'a Records,
        now: UnixTime,
    ) -> Result<Authenticated<'a>, Reason> {
        let client = records.client(&self.client_id);
        let registered = client.map(Client::authentication);
        let claim = match &self.proof {
            Proof::None => proven(registered.is_some_and(is_public))?,
            Proof::Basic(secret) => proven(is_of(secret, registered.and_then(basic_digest)))?,
            Proof::Post(secret) => proven(is_of(secret, registered.and_then(post_digest)))?,
            Proof::Assertion(assertion) => {
                let key = registered.ok_or(Reason::ClientNotAuthenticated);
                let key = key.and_then(|registered| assertion_key(registered, assertion.header()));
                let until = assertion.verify(key, now)?;
                // RFC 7523 section 3: an assertion counts once.
                if records.is_assertion_seen() {
                    return Err(Reason::AssertionReplayed);
                }
                Some(Claimed { id: assertion.claim(), until })
            }
        };
        let client = client.ok_or(Reason::ClientNotAuthenticated)?;
        Ok(Authenticated { client, claim })
    }
}

fn proven(is_proven: bool) -> Result<Option<Claimed>, Reason> {
    if is_proven { Ok(None) } else { Err(Reason::ClientNotAuthenticated) }
}

/// Compares with the registered digest, or for the cost alone with one that nothing matches.
fn is_of(secret: &SecretString, digest: Option<&SecretDigest>) -> bool {
    digest.unwrap_or(&SecretDigest::unmatched()).is_of(secret.expose())
}

const fn is_public(registered: &ClientAuthentication) -> bool {
    matches!(registered, ClientAuthentication::None)
}

const fn basic_digest(registered: &ClientAuthentication) -> Option<&SecretDigest> {
    match registered {
        ClientAuthentication::SecretBasic(digest) => Some(digest),
        ClientAuthentication::None
        | ClientAuthentication::SecretPost(_)
        | ClientAuthentication::SecretJwt(_)
        | ClientAuthentication::PrivateKeyJwt(_) => None,
    }
}

const fn post_digest(registered: &ClientAuthentication) -> Option<&SecretDigest> {
    match registered {
        ClientAuthentication::SecretPost(digest) => Some(digest),
        ClientAuthentication::None
        | ClientAuthentication::SecretBasic(_)
        | ClientAuthentication::SecretJwt(_)
        | ClientAuthentication::PrivateKeyJwt(_) => None,
    }
}

fn assertion_key<'a>(
    registered: &'a ClientAuthentication,
    header: &Header,
) -> Result<&'a VerifyingKey, Reason> {
    match registered {
        ClientAuthentication::SecretJwt(secret) => secret.find(header).map_err(Reason::Assertion),
        ClientAuthentication::PrivateKeyJwt(keys) => keys.find(header).map_err(Reason::Assertion),
        ClientAuthentication::None
        | ClientAuthentication::SecretBasic(_)
        | ClientAuthentication::SecretPost(_) => Err(Reason::ClientNotAuthenticated),
    }
}

fn from_basic(header: &str, form: &Form<'_>) -> Result<Credentials, Reason> {
    let (client_id, secret) = decode_basic(header)?;
    if form.get("client_secret").is_some() {
        return Err(Reason::TwoMethods);
    }
    if form.get("client_id").is_some_and(|named| named != client_id.as_str()) {
        return Err(Reason::TwoClients);
    }
    Ok(Credentials { client_id, proof: Proof::Basic(secret) })
}

/// Reads the value of an `Authorization` field.
pub(crate) fn decode_basic(header: &str) -> Result<(ClientId, SecretString), Reason> {
    // RFC 9110 section 11.4: auth-scheme 1*SP token68, the scheme without regard to case.
    let (scheme, blob) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("Basic") {
        return Err(Reason::OtherScheme);
    }
    let blob = blob.trim_start_matches(' ');
    let bytes = BASIC.decode(blob).map_err(|_| Reason::MalformedBasic)?;
    let text = SecretString::from(String::from_utf8(bytes).map_err(|_| Reason::MalformedBasic)?);
    // RFC 7617 section 2: the first colon separates; RFC 6749 section 2.3.1: both halves are form-encoded.
    let (id, secret) = text.expose().split_once(':').ok_or(Reason::MalformedBasic)?;
    let client_id =
        with_decoded_component(id, |id| ClientId::parse(id)).map_err(|_| Reason::MalformedBasic)?;
    let secret = decode_component(secret).map_err(|_| Reason::MalformedBasic)?;
    Ok((client_id.map_err(|_| Reason::MalformedBasic)?, secret))
}

fn from_body(form: &Form<'_>) -> Result<Credentials, Reason> {
    let client_id = form.get("client_id").ok_or(Reason::NoClient)?;
    let client_id = ClientId::parse(client_id).map_err(|_| Reason::NoClient)?;
    let proof =
        form.get("client_secret").map_or(Proof::None, |secret| Proof::Post(SecretString::from(secret)));
    Ok(Credentials { client_id, proof })
}

const BASIC: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A client that proved who it is, as far as its registration asks. Only
/// [`Credentials::authenticate`] makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authenticated<'a> {
    client: &'a Client,
    claim: Option<Claimed>,
}

/// The `jti` of an assertion that authenticated its client.
#[derive(Clone, Copy, Debug)]
struct Claimed {
    id: ClaimId,
    until: UnixTime,
}

impl<'a> Authenticated<'a> {
    pub(crate) const fn client(self) -> &'a Client {
        self.client
    }

    /// Returns the note to commit with whatever is decided for the client: the assertion is used up, also by a
    /// request that is then refused.
    pub(crate) fn claim(self) -> Option<Change> {
        self.claim.map(|Claimed { id, until }| Change::Claim { id, until })
    }

    /// Checks that the client is registered for a grant.
    pub(crate) fn allowed(self, grant_type: GrantType) -> Result<Self, Reason> {
        if self.client.has_grant_type(grant_type) { Ok(self) } else { Err(Reason::GrantTypeNotRegistered) }
    }
}
