//! Client authentication at the endpoints that clients call
//! ([RFC 6749 section 2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)).

use alloc::string::String;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use grantry_core::form::{Form, decode_component};
use grantry_core::{ClientId, HttpRequest, SecretString};

use crate::client::{Client, GrantType};
use crate::client_authentication::{ClientAuthentication, SecretDigest};
use crate::denial::Reason;
use crate::operation::{Lookup, Records};

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
}

impl Credentials {
    /// Reads the credentials of a request; exactly one method may stand in it.
    pub(crate) fn from_request(request: &HttpRequest, form: &Form) -> Result<Self, Reason> {
        let mut headers = request.headers.all("Authorization");
        let header = headers.next();
        if headers.next().is_some() {
            return Err(Reason::TwoMethods);
        }
        if form.get("client_assertion").or_else(|| form.get("client_assertion_type")).is_some() {
            return Err(Reason::OtherScheme);
        }
        match header {
            Some(header) => from_basic(header, form),
            None => from_body(form),
        }
    }

    pub(crate) const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// Says what has to be read to check the credentials.
    pub(crate) fn lookup(&self) -> Lookup<'_> {
        let client_secret = match &self.proof {
            Proof::Basic(secret) | Proof::Post(secret) => Some(secret),
            Proof::None => None,
        };
        Lookup { client: Some(&self.client_id), client_secret, ..Lookup::default() }
    }

    /// Checks the credentials against the registration. An unknown client costs the same digest and
    /// comparison as a wrong secret and gets the same answer.
    pub(crate) fn authenticate<'a>(&self, records: &'a Records) -> Result<Authenticated<'a>, Reason> {
        let client = records.client(&self.client_id);
        let nobody = ClientAuthentication::SecretBasic(SecretDigest::unmatched());
        let registered = client.map_or(&nobody, Client::authentication);
        let is_proven = match (&self.proof, registered) {
            (Proof::None, ClientAuthentication::None) => true,
            (Proof::Basic(secret), ClientAuthentication::SecretBasic(digest))
            | (Proof::Post(secret), ClientAuthentication::SecretPost(digest)) => {
                digest.is_of(secret.expose())
            }
            (Proof::Basic(secret) | Proof::Post(secret), _) => {
                // The registered method is another one; the digest is made for its cost alone.
                let _ = SecretDigest::of(secret.expose());
                false
            }
            (Proof::None, _) => false,
        };
        match client {
            Some(client) if is_proven => Ok(Authenticated(client)),
            _ => Err(Reason::ClientNotAuthenticated),
        }
    }
}

fn from_basic(header: &str, form: &Form) -> Result<Credentials, Reason> {
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
    let id = decode_component(id).map_err(|_| Reason::MalformedBasic)?;
    let secret = decode_component(secret).map_err(|_| Reason::MalformedBasic)?;
    let client_id = ClientId::parse(id.expose()).map_err(|_| Reason::MalformedBasic)?;
    if form.get("client_secret").is_some() {
        return Err(Reason::TwoMethods);
    }
    if form.get("client_id").is_some_and(|named| named != client_id.as_str()) {
        return Err(Reason::TwoClients);
    }
    Ok(Credentials { client_id, proof: Proof::Basic(secret) })
}

fn from_body(form: &Form) -> Result<Credentials, Reason> {
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
pub(crate) struct Authenticated<'a>(&'a Client);

impl<'a> Authenticated<'a> {
    pub(crate) const fn client(self) -> &'a Client {
        self.0
    }

    /// Checks that the client is registered for a grant.
    pub(crate) fn allowed(self, grant_type: GrantType) -> Result<Self, Reason> {
        if self.0.has_grant_type(grant_type) { Ok(self) } else { Err(Reason::GrantTypeNotRegistered) }
    }
}
