//! The request without its secrets.

use alloc::{format, string::String, vec::Vec};

use grantry_core::bearer::MAX_TOKEN_BYTES;
use grantry_core::form::{self, FormError};
use grantry_core::{CodeChallenge, CodeVerifier, HttpRequest, SecretString, basic_credentials};
use serde_json::json;

use super::super::call::Bytes;
use super::{Mask, RedactError, RequestForm, filler, published};
use crate::authentication::decode_basic;
use crate::claims_request::ClaimsRequest;
use crate::client::GrantType;
use crate::denial::Reason;
use crate::grant::{Grant, Origin};
use crate::handle::{HandleFault, HandleRing, Kind};
use crate::id_token::ID_TOKEN_TYP;
use crate::id_token_hint::IdTokenHint;
use crate::interaction::Prompt;
use crate::redirect_uri::RedirectUri;

const FORM_TYPE: &str = "application/x-www-form-urlencoded";
/// What nobody registers ([RFC 6761 section 6.4](https://www.rfc-editor.org/rfc/rfc6761#section-6.4)).
const UNREGISTERED: &str = "https://unregistered.invalid";
const PUSHED: &str = "urn:ietf:params:oauth:request_uri:";

impl Mask<'_> {
    pub(super) fn request(&mut self, request: &RequestForm) -> Result<RequestForm, RedactError> {
        let own = request.read();
        let query = self.form(own.query().as_bytes())?;
        let mut headers = Vec::new();
        for (name, value) in own.headers.iter() {
            if name.eq_ignore_ascii_case("Authorization") {
                headers.push(("Authorization".into(), self.authorization(value)?));
            } else if name.eq_ignore_ascii_case("Content-Type") {
                headers.push(("Content-Type".into(), content_type(value).into()));
            }
        }
        let method = matches!(own.method.as_str(), "GET" | "POST" | "PUT" | "PATCH");
        Ok(RequestForm {
            method: if method { own.method.clone() } else { "OTHER".into() },
            target: if query.is_empty() { "/".into() } else { format!("/?{query}") },
            headers,
            body: Bytes::Text(self.body(&own)?),
        })
    }

    /// A body that is not declared as a form is read by nobody.
    fn body(&mut self, request: &HttpRequest) -> Result<String, RedactError> {
        let is_form = request.headers.all("Content-Type").any(|value| content_type(value) == FORM_TYPE);
        if is_form { self.form(&request.body) } else { Ok(String::new()) }
    }

    /// Pair by pair, so that what was malformed or stood twice still does.
    pub(super) fn form(&mut self, text: &[u8]) -> Result<String, RedactError> {
        if text.len() > form::MAX_BYTES {
            return Ok("x".repeat(form::MAX_BYTES.saturating_add(1)));
        }
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| self.pair(pair)).collect::<Result<Vec<_>, _>>()?;
        Ok(pairs.join("&"))
    }

    fn pair(&mut self, pair: &[u8]) -> Result<String, RedactError> {
        let decoded = core::str::from_utf8(pair).map_err(|_| FormError::NotUtf8).and_then(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((form::decode_component(name)?, form::decode_component(value)?))
        });
        let (name, value) = match decoded {
            Ok(decoded) => decoded,
            Err(FormError::Escape) => return Ok("%".into()),
            Err(_) => return Ok("%FF".into()),
        };
        let (name, value) = (name.expose(), value.expose());
        let value = match self.value(name, value)? {
            None => return Ok("x=x".into()),
            // RFC 6749 appendix A: no parameter has a control character.
            Some(_) if value.chars().any(char::is_control) => "\u{1}".into(),
            Some(_) if value.is_empty() => String::new(),
            Some(value) => value,
        };
        Ok(form::encode([(name, value.as_str())]))
    }

    /// The value of a parameter; `None` for one that no endpoint knows.
    fn value(&mut self, name: &str, value: &str) -> Result<Option<String>, RedactError> {
        Ok(Some(match name {
            "acr_values" | "client_id" | "scope" => value.into(),
            "code_challenge_method"
            | "grant_type"
            | "max_age"
            | "prompt"
            | "response_mode"
            | "response_type"
            | "token_type_hint" => {
                if is_registered_value(name, value) {
                    value.into()
                } else {
                    filler(value)
                }
            }
            "audience" | "resource" => self.resource(value),
            "login_hint" | "logout_hint" | "nonce" | "password" | "request" | "state" | "ui_locales"
            | "username" => filler(value),
            "client_assertion" | "client_assertion_type" => return Err(RedactError::Assertion),
            "client_secret" => self.secret(value),
            "code_challenge" => match CodeChallenge::parse(value) {
                Ok(_) => published::CHALLENGE.into(),
                Err(_) => "x".into(),
            },
            "code_verifier" => match CodeVerifier::parse(value) {
                Ok(verifier) => {
                    self.verifier = Some(verifier);
                    published::VERIFIER.into()
                }
                Err(_) => "x".into(),
            },
            "code" => self.handle(Kind::Code, value).unwrap_or_else(|| "x".into()),
            "refresh_token" => self.handle(Kind::RefreshToken, value).unwrap_or_else(|| "x".into()),
            "device_code" => self.handle(Kind::DeviceCode, value).unwrap_or_else(|| "x".into()),
            "request_uri" => self.request_uri(value),
            "redirect_uri" | "post_logout_redirect_uri" => self.uri(value),
            "token" => match self.handle(Kind::RefreshToken, value) {
                Some(handle) => handle,
                None => self.access_token(value)?,
            },
            "access_token" => self.access_token(value)?,
            "id_token_hint" => self.id_token_hint(value)?,
            "claims" => self.claims(value),
            _ => return Ok(None),
        }))
    }

    fn authorization(&mut self, value: &str) -> Result<String, RedactError> {
        let value = value.trim_matches([' ', '\t']);
        match decode_basic(value) {
            Ok((client_id, secret)) => {
                let secret = SecretString::from(self.secret(secret.expose()));
                Ok(basic_credentials(&client_id, &secret).expose().into())
            }
            Err(Reason::OtherScheme) => self.bearer(value),
            Err(_) => Ok("Basic %".into()),
        }
    }

    fn bearer(&mut self, value: &str) -> Result<String, RedactError> {
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Ok("Other x".into());
        }
        let token = token.trim_matches(' ');
        let is_one = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
        if token.is_empty() || token.len() > MAX_TOKEN_BYTES || !is_one {
            return Ok(format!("Bearer {}", if is_one { filler(token) } else { "\"".into() }));
        }
        Ok(format!("Bearer {}", self.access_token(token)?))
    }

    fn secret(&mut self, own: &str) -> String {
        self.secret = Some(SecretString::from(own));
        if own.is_empty() { String::new() } else { published::SECRET.into() }
    }

    /// Makes a handle again under the published key; `None` for what has not the shape of one.
    fn handle(&mut self, kind: Kind, text: &str) -> Option<String> {
        match self.server.config.handles.open(kind, text) {
            Ok(opened) => {
                let salt = if opened.is_stateless() { &[0; 16] } else { &published::SALT };
                let handle = self.published.config.handles.mint_salted(opened.body, salt);
                self.handle = Some(opened);
                Some(handle.expose().into())
            }
            Err(HandleFault::Forged) => Some(HandleRing::forge(kind).expose().into()),
            Err(HandleFault::Malformed) => None,
        }
    }

    fn request_uri(&mut self, value: &str) -> String {
        self.handle(Kind::RequestUri, value).unwrap_or_else(|| {
            if value.starts_with(PUSHED) { format!("{PUSHED}x") } else { "https://x.invalid".into() }
        })
    }

    fn access_token(&mut self, text: &str) -> Result<String, RedactError> {
        if let Some(handle) = self.handle(Kind::AccessToken, text) {
            return Ok(handle);
        }
        let Some(claims) = self.server.open_jwt(text) else { return Ok("x".into()) };
        let id = self.handle(Kind::TokenId, &claims.jti);
        let id = id.or_else(|| self.handle(Kind::StatelessTokenId, &claims.jti));
        sign(
            "at+jwt",
            &json!({
                "iss": self.server.issuer(),
                "client_id": claims.client_id,
                "scope": claims.scope,
                "aud": claims.audiences(),
                "exp": claims.exp,
                "iat": claims.iat,
                "jti": id.unwrap_or_else(|| "x".into()),
            }),
        )
    }

    fn id_token_hint(&mut self, text: &str) -> Result<String, RedactError> {
        let hint = IdTokenHint::parse(self.server.jwk_set(), self.server.issuer(), text);
        let Ok(hint) = hint else { return Ok("x".into()) };
        let mut claims = json!({
            "iss": self.server.issuer(),
            "sub": self.subject(&hint.subject),
            "aud": hint.audiences,
        });
        if let Some(members) = claims.as_object_mut() {
            members.extend(hint.authorized_party.map(|azp| ("azp".into(), azp.into())));
            members.extend(hint.sid.map(|_| ("sid".into(), published::SESSION.into())));
        }
        sign(ID_TOKEN_TYP, &claims)
    }

    fn claims(&mut self, text: &str) -> String {
        match ClaimsRequest::parse(text) {
            Ok(claims) => {
                let subject = claims.subject().cloned().map(|subject| self.subject(&subject));
                claims.with_subject(subject).to_parameter()
            }
            Err(Reason::TooLong(_)) => "x".repeat(ClaimsRequest::MAX_BYTES.saturating_add(1)),
            Err(_) => "x".into(),
        }
    }

    fn resource(&self, resource: &str) -> String {
        let policy = &self.server.config.policy;
        let mut own = self.grants.iter().flat_map(Grant::resources).chain(&policy.resources);
        let is_known = resource == self.server.default_resource() || own.any(|own| own == resource);
        if is_known { resource.into() } else { UNREGISTERED.into() }
    }

    /// A registered URI is no secret; what a stranger wrote in its place may be one.
    fn uri(&self, uri: &str) -> String {
        let is_registered = |client: &&super::ClientForm| {
            let matches = |client: crate::client::Client| client.find_redirect_uri(Some(uri)).is_some();
            client.names_uri(uri) || client.read().is_ok_and(matches)
        };
        let is_of_grant = |origin: &Origin| match origin {
            Origin::Code(code) => code.redirect_uri == uri,
            Origin::Pushed(_)
            | Origin::Device { .. }
            | Origin::Implicit
            | Origin::Password
            | Origin::Client => false,
        };
        let is_known = self.clients.iter().any(is_registered)
            || self.grants.iter().any(|grant| is_of_grant(&grant.terms.origin));
        match is_known {
            true => uri.into(),
            false if uri.len() > RedirectUri::MAX_BYTES => filler(uri),
            false => UNREGISTERED.into(),
        }
    }
}

/// What stands in the place of a value that the RFCs name can be anything, a secret that slipped there too.
fn is_registered_value(name: &str, value: &str) -> bool {
    match name {
        "code_challenge_method" => matches!(value, "S256" | "plain"),
        "grant_type" => GrantType::parse(value).is_some(),
        "max_age" => value.bytes().all(|byte| byte.is_ascii_digit()),
        "prompt" => value.split(' ').all(|word| Prompt::parse(word).is_some()),
        "response_mode" => matches!(value, "query" | "fragment" | "form_post"),
        "response_type" => {
            value.split(' ').all(|word| matches!(word, "code" | "token" | "id_token" | "none"))
        }
        "token_type_hint" => matches!(value, "access_token" | "refresh_token"),
        _ => false,
    }
}

fn content_type(value: &str) -> &'static str {
    let media_type = value.split(';').next().unwrap_or_default().trim_matches([' ', '\t']);
    if media_type.eq_ignore_ascii_case(FORM_TYPE) { FORM_TYPE } else { "text/plain" }
}

fn sign(typ: &str, claims: &serde_json::Value) -> Result<String, RedactError> {
    let key = published::signing_key().map_err(|_| RedactError::Differs)?;
    key.sign_claims(Some(typ), claims).map_err(|_| RedactError::Differs)
}
