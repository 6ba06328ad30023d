//! What an authorization request asks, however it came
//! ([RFC 6749 section 4.1.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1)).

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use grantry_core::form::{Form, FormError, Known};
use grantry_core::{ClientId, CodeChallenge, HttpRequest, Scope, UnixTime};

use crate::answer::{Redirect, ResponseMode, Target};
use crate::claims_request::ClaimsRequest;
use crate::client::{Client, GrantType};
use crate::denial::Reason;
use crate::grant::{GrantId, Subject};
use crate::interaction::{Back, Flow, ImplicitTokens, Interaction, Prompt};
use crate::policy::Policy;
use crate::redirect_uri::RedirectUri;
use crate::server::Server;

pub(crate) const KNOWN: Known = Known {
    // Of several repeated names the first is reported: those come first whose errors are shown.
    once: &[
        "client_id",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "code_challenge",
        "code_challenge_method",
        "response_mode",
        "nonce",
        "prompt",
        "max_age",
        "login_hint",
        "acr_values",
        "claims",
        "id_token_hint",
        "request",
        "request_uri",
    ],
    many: &["resource"],
};

/// The longest `state` accepted, in bytes: it comes back in a URL.
pub const MAX_STATE_BYTES: usize = 4096;
/// The longest `nonce` accepted, in bytes: it is stored and signed.
pub const MAX_NONCE_BYTES: usize = 1024;
/// The longest `login_hint` accepted, in bytes.
pub const MAX_LOGIN_HINT_BYTES: usize = 512;
/// The longest `acr_values` accepted, in bytes.
pub const MAX_ACR_VALUES_BYTES: usize = 1024;

/// The parameters of a request, and which of them stood twice.
#[derive(Debug)]
pub(crate) struct AuthorizationRequest {
    pub(crate) form: Form<'static>,
    repeated: Option<&'static str>,
    pub(crate) client_id: ClientId,
    /// The person of an ID token that was sent when the request was pushed.
    hinted: Option<Subject>,
}

impl AuthorizationRequest {
    /// Reads the query of a GET, or the form of a POST.
    pub(crate) fn from_request(request: &HttpRequest) -> Result<Self, Reason> {
        let (form, repeated) = match request.method.as_str() {
            "GET" => {
                Form::parse_reporting_repeats(request.query().as_bytes(), &KNOWN).map_err(Reason::Form)?
            }
            "POST" => (Form::from_request(request, &KNOWN).map_err(Reason::Form)?, None),
            _ => return Err(Reason::NotGetOrPost),
        };
        if repeated == Some("client_id") {
            return Err(Reason::Form(FormError::Repeated("client_id")));
        }
        let client_id = form.get("client_id").ok_or(Reason::Missing("client_id"))?;
        let client_id = ClientId::parse(client_id).map_err(|_| Reason::ClientUnknown)?;
        Ok(Self { form: form.into_owned(), repeated, client_id, hinted: None })
    }

    /// Takes the parameters of a pushed request.
    pub(crate) fn of_form(form: Form<'_>, client_id: ClientId, hinted: Option<Subject>) -> Self {
        Self { form: form.into_owned(), repeated: None, client_id, hinted }
    }

    // RFC 6749 section 4.1.2.1: client and redirect URI are judged first, and never by a redirect.
    pub(crate) fn trusted<'a>(
        &'a self,
        server: &'a Server,
        client: &'a Client,
    ) -> Result<Trusted<'a>, Reason> {
        if self.repeated == Some("redirect_uri") {
            return Err(Reason::Form(FormError::Repeated("redirect_uri")));
        }
        let named = self.form.get("redirect_uri");
        if named.is_some_and(|uri| uri.len() > RedirectUri::MAX_BYTES) {
            return Err(Reason::TooLong("redirect_uri"));
        }
        let redirect_uri = client.find_redirect_uri(named).ok_or(Reason::RedirectUriUnknown)?;
        Ok(Trusted { server, request: self, client, redirect_uri, redirect_uri_named: named.is_some() })
    }
}

/// A request whose client is known and whose redirect URI is registered: its errors may be
/// redirected.
pub(crate) struct Trusted<'a> {
    server: &'a Server,
    request: &'a AuthorizationRequest,
    pub(crate) client: &'a Client,
    redirect_uri: &'a str,
    redirect_uri_named: bool,
}

impl Trusted<'_> {
    /// Tells the client what was wrong.
    pub(crate) fn error(&self, reason: Reason) -> Redirect {
        let state = self.request.form.get("state").filter(|state| state.len() <= MAX_STATE_BYTES);
        // RFC 6749 section 4.2.2.1: where the tokens would have stood.
        let mode = match self.response_type() {
            Ok(ResponseType::Tokens(_)) => ResponseMode::Fragment,
            Ok(ResponseType::Code) | Err(_) => ResponseMode::Query,
        };
        let issuer = self.server.config.issuer.as_str();
        Redirect::error(Target { issuer, redirect_uri: self.redirect_uri, state, mode }, reason.into())
    }

    /// Checks everything that can be checked without the person.
    pub(crate) fn interaction(&self, id: GrantId, now: UnixTime) -> Result<Interaction, Reason> {
        if let Some(name) = self.request.repeated {
            return Err(Reason::Form(FormError::Repeated(name)));
        }
        let form = &self.request.form;
        // RFC 9101 section 7: a server without request objects says so, and fetches nothing.
        if form.get("request").is_some() {
            return Err(Reason::RequestObject);
        }
        if form.get("request_uri").is_some() {
            return Err(Reason::RequestUri);
        }
        let flow = self.flow()?;
        let claims = form.get("claims").map(ClaimsRequest::parse).transpose()?.unwrap_or_default();
        Ok(Interaction {
            id,
            issuer: self.server.config.issuer.as_str().into(),
            client_id: self.client.id().clone(),
            client_name: self.client.shown_name(),
            resources: self.server.allowed_resources(form.all("resource"))?,
            scope: self.scope(&flow)?,
            flow,
            prompts: prompts(form.get("prompt"))?,
            max_age: max_age(form.get("max_age"))?,
            login_hint: bounded(form, "login_hint", MAX_LOGIN_HINT_BYTES)?,
            acr_values: words(bounded(form, "acr_values", MAX_ACR_VALUES_BYTES)?),
            subject: self.expected_subject(&claims)?,
            claims,
            asked_at: now,
            expires_at: now.saturating_add(self.server.config.policy.interaction_lifetime),
        })
    }

    /// The only person for whom the client takes an answer: the one of the ID token that it sends, or of `claims`.
    // OpenID Connect Core sections 3.1.2.1 and 5.5.1
    fn expected_subject(&self, claims: &ClaimsRequest) -> Result<Option<Subject>, Reason> {
        let hinted = match self.request.form.get("id_token_hint") {
            Some(hint) => Some(self.server.hinted_subject(self.client, hint)?),
            None => self.request.hinted.clone(),
        };
        match (hinted, claims.subject()) {
            (Some(hinted), Some(asked)) if hinted != *asked => Err(Reason::Malformed("claims")),
            (hinted, asked) => Ok(hinted.or_else(|| asked.cloned())),
        }
    }

    fn flow(&self) -> Result<Flow, Reason> {
        let form = &self.request.form;
        let back = Back {
            redirect_uri: self.redirect_uri.into(),
            redirect_uri_named: self.redirect_uri_named,
            state: bounded(form, "state", MAX_STATE_BYTES)?,
        };
        let response_type = self.response_type()?;
        let (grant_type, mode) = match response_type {
            ResponseType::Code => (GrantType::AuthorizationCode, "query"),
            ResponseType::Tokens(_) => (GrantType::Implicit, "fragment"),
        };
        if !self.client.has_grant_type(grant_type) {
            return Err(Reason::GrantTypeNotRegistered);
        }
        if form.get("response_mode").is_some_and(|asked| asked != mode) {
            return Err(Reason::Malformed("response_mode"));
        }
        let nonce = bounded(form, "nonce", MAX_NONCE_BYTES)?;
        match response_type {
            ResponseType::Code => Ok(Flow::Code { back, code_challenge: self.code_challenge()?, nonce }),
            // OpenID Connect Core section 3.2.2.1
            ResponseType::Tokens(ImplicitTokens::Id | ImplicitTokens::Both) if nonce.is_none() => {
                Err(Reason::Missing("nonce"))
            }
            ResponseType::Tokens(tokens) => Ok(Flow::Implicit { back, tokens, nonce }),
        }
    }

    // RFC 6749 section 3.1.1; OAuth 2.0 Multiple Response Types section 3: the order does not matter.
    fn response_type(&self) -> Result<ResponseType, Reason> {
        let text = self.request.form.get("response_type").ok_or(Reason::Missing("response_type"))?;
        let tokens = match text {
            "code" => return Ok(ResponseType::Code),
            "token" => ImplicitTokens::Access,
            "id_token" => ImplicitTokens::Id,
            "id_token token" | "token id_token" => ImplicitTokens::Both,
            _ => return Err(Reason::ResponseTypeUnknown),
        };
        let is_served = self.server.serves(GrantType::Implicit);
        if is_served { Ok(ResponseType::Tokens(tokens)) } else { Err(Reason::ResponseTypeUnknown) }
    }

    // RFC 7636 section 4.4.1, RFC 9700 section 2.1.1: PKCE with S256, always.
    fn code_challenge(&self) -> Result<CodeChallenge, Reason> {
        let form = &self.request.form;
        let challenge = form.get("code_challenge").ok_or(Reason::ChallengeMissing)?;
        if form.get("code_challenge_method") != Some(CodeChallenge::METHOD) {
            return Err(Reason::ChallengeMethod);
        }
        CodeChallenge::parse(challenge).map_err(|_| Reason::ChallengeMalformed)
    }

    fn scope(&self, flow: &Flow) -> Result<Scope, Reason> {
        let scope = self.request.form.get("scope").map(Scope::parse).transpose().map_err(Reason::Scope)?;
        let scope = self.client.allowed_scope(scope.as_ref())?;
        match flow {
            // OpenID Connect Core section 3.2.2.1: without openid there is no ID token.
            Flow::Implicit { tokens: ImplicitTokens::Id | ImplicitTokens::Both, .. }
                if !scope.contains("openid") =>
            {
                Err(Reason::ScopeMissing)
            }
            Flow::Implicit { .. } | Flow::Code { .. } | Flow::Device => Ok(scope),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResponseType {
    Code,
    Tokens(ImplicitTokens),
}

impl Client {
    /// The scope that a request is for, within the registration
    /// ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).
    pub(crate) fn allowed_scope(&self, asked: Option<&Scope>) -> Result<Scope, Reason> {
        let asked = asked.filter(|scope| !scope.is_empty()).unwrap_or_else(|| self.default_scope());
        if asked.is_empty() {
            return Err(Reason::ScopeMissing);
        }
        if asked.is_within(self.scope()) { Ok(asked.clone()) } else { Err(Reason::ScopeNotRegistered) }
    }

    /// The name as it is shown: not a text.
    pub(crate) fn shown_name(&self) -> String {
        self.name().chars().take(Self::MAX_NAME_CHARACTERS).collect()
    }
}

impl Server {
    /// The resources that a request is for. One that the server does not know is refused, not ignored
    /// ([RFC 8707 section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)).
    pub(crate) fn allowed_resources<'f>(
        &self,
        asked: impl Iterator<Item = &'f str>,
    ) -> Result<Vec<String>, Reason> {
        let mut resources: Vec<String> = Vec::new();
        for resource in asked {
            let is_known = resource == self.default_resource()
                || self.config.policy.resources.iter().any(|known| known == resource);
            if !is_known {
                return Err(Reason::ResourceUnknown);
            }
            if !resources.iter().any(|other| other == resource) {
                resources.push(resource.into());
            }
        }
        if resources.len() > Policy::MAX_RESOURCES {
            return Err(Reason::TooManyResources);
        }
        if resources.is_empty() {
            resources.push(self.default_resource().into());
        }
        Ok(resources)
    }
}

fn bounded(form: &Form<'_>, name: &'static str, limit: usize) -> Result<Option<String>, Reason> {
    match form.get(name) {
        Some(value) if value.len() > limit => Err(Reason::TooLong(name)),
        value => Ok(value.map(String::from)),
    }
}

fn words(text: Option<String>) -> Vec<String> {
    let text = text.unwrap_or_default();
    text.split(' ').filter(|word| !word.is_empty()).map(String::from).collect()
}

// OpenID Connect Core section 3.1.2.1: a list of known values, and "none" alone.
fn prompts(text: Option<&str>) -> Result<BTreeSet<Prompt>, Reason> {
    let words = text.into_iter().flat_map(|text| text.split(' ')).filter(|word| !word.is_empty());
    let prompts: Option<BTreeSet<Prompt>> = words.map(Prompt::parse).collect();
    let is_alone = |prompts: &BTreeSet<Prompt>| prompts.len() == 1 || !prompts.contains(&Prompt::None);
    prompts.filter(is_alone).ok_or(Reason::Malformed("prompt"))
}

fn max_age(text: Option<&str>) -> Result<Option<u64>, Reason> {
    let Some(text) = text else { return Ok(None) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| digits);
    seconds.map(Some).ok_or(Reason::Malformed("max_age"))
}
