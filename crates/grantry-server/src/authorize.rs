//! The authorization endpoint
//! ([RFC 6749 section 3.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.1)).

use alloc::{boxed::Box, collections::BTreeSet, string::String};

use grantry_core::form::{Form, FormError, Known};
use grantry_core::{ClientId, CodeChallenge, HttpRequest, Moment, Scope};

use crate::answer::{Page, Redirect};
use crate::client::{Client, GrantType};
use crate::denial::Reason;
use crate::event::{Effect, Event, EventKind, Reply};
use crate::grant::GrantId;
use crate::interaction::{Interaction, Prompt};
use crate::operation::{Decision, Lookup, Operation, Records};
use crate::redirect_uri::RedirectUri;
use crate::server::Server;

const KNOWN: Known = Known {
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

impl Server {
    /// Reads an authorization request: the query of a GET, or the form of a POST.
    pub fn authorize(&self, request: &HttpRequest) -> Authorize {
        let parsed = match request.method.as_str() {
            "GET" => Form::parse_reporting_repeats(request.query().as_bytes(), &KNOWN).map_err(Reason::Form),
            "POST" => Form::from_request(request, &KNOWN).map(|form| (form, None)).map_err(Reason::Form),
            _ => Err(Reason::NotGetOrPost),
        };
        let query = parsed.and_then(|(form, repeated)| {
            if repeated == Some("client_id") {
                return Err(Reason::Form(FormError::Repeated("client_id")));
            }
            let client_id = form.get("client_id").ok_or(Reason::Missing("client_id"))?;
            let client_id = ClientId::parse(client_id).map_err(|_| Reason::ClientUnknown)?;
            Ok(Query { form, repeated, client_id })
        });
        Authorize { server: self.clone(), query }
    }
}

/// An authorization request that waits for its client's registration.
#[derive(Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct Authorize {
    server: Server,
    query: Result<Query, Reason>,
}

#[derive(Debug)]
struct Query {
    form: Form,
    repeated: Option<&'static str>,
    client_id: ClientId,
}

/// What to do with the browser that brought an authorization request.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a host must handle each of the three")]
pub enum Authorization {
    /// Show an error. The request is not trusted enough to redirect anywhere.
    Page(Page),
    /// Send the browser back to the client.
    Redirect(Redirect),
    /// Let the person log in and consent, then approve or refuse.
    Interact(Box<Interaction>),
}

impl Operation for Authorize {
    type Reply = Reply<Authorization>;

    fn lookup(&self) -> Lookup<'_> {
        Lookup { client: self.query.as_ref().ok().map(|query| &query.client_id), ..Lookup::default() }
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        let refused = || Event::new(EventKind::RequestRefused, Effect::Nothing);
        Decision::Reply(match self.trusted(records) {
            Err(reason) => {
                let client_id = self.query.as_ref().ok().map(|query| &query.client_id);
                let event = refused().of_client(client_id).denied(reason);
                Reply::new(Authorization::Page(Page::new(reason)), event)
            }
            Ok(trusted) => match trusted.interaction(moment) {
                Err(reason) => {
                    let state =
                        trusted.query.form.get("state").filter(|state| state.len() <= MAX_STATE_BYTES);
                    let redirect = Redirect::error(
                        self.server.config.issuer.as_str(),
                        trusted.redirect_uri,
                        state,
                        reason.into(),
                    );
                    let event = refused().of_client(Some(trusted.client.id())).denied(reason);
                    Reply::new(Authorization::Redirect(redirect), event)
                }
                Ok(interaction) => {
                    let event = Event::new(EventKind::AuthorizationRequested, Effect::Nothing);
                    let event = event.of_client(Some(trusted.client.id()));
                    Reply::new(Authorization::Interact(Box::new(interaction)), event)
                }
            },
        })
    }
}

impl Authorize {
    // RFC 6749 section 4.1.2.1: client and redirect URI are judged first, and never by a redirect.
    fn trusted<'r>(&'r self, records: &'r Records) -> Result<Trusted<'r>, Reason> {
        let query = self.query.as_ref().map_err(|reason| *reason)?;
        let client = records.client(&query.client_id).ok_or(Reason::ClientUnknown)?;
        if query.repeated_is("redirect_uri") {
            return Err(Reason::Form(FormError::Repeated("redirect_uri")));
        }
        let named = query.form.get("redirect_uri");
        if named.is_some_and(|uri| uri.len() > RedirectUri::MAX_BYTES) {
            return Err(Reason::TooLong("redirect_uri"));
        }
        let redirect_uri = client.find_redirect_uri(named).ok_or(Reason::RedirectUriUnknown)?;
        Ok(Trusted { server: &self.server, query, client, redirect_uri, redirect_uri_named: named.is_some() })
    }
}

impl Query {
    fn repeated_is(&self, name: &str) -> bool {
        self.repeated == Some(name)
    }
}

/// A request whose client is known and whose redirect URI is registered: its errors may be
/// redirected.
struct Trusted<'a> {
    server: &'a Server,
    query: &'a Query,
    client: &'a Client,
    redirect_uri: &'a str,
    redirect_uri_named: bool,
}

impl Trusted<'_> {
    fn interaction(&self, moment: &Moment) -> Result<Interaction, Reason> {
        if let Some(name) = self.query.repeated {
            return Err(Reason::Form(FormError::Repeated(name)));
        }
        let form = &self.query.form;
        // RFC 9101 section 7: a server without request objects says so, and fetches nothing.
        if form.get("request").is_some() {
            return Err(Reason::RequestObject);
        }
        if form.get("request_uri").is_some() {
            return Err(Reason::RequestUri);
        }
        let state = bounded(form, "state", MAX_STATE_BYTES)?;
        self.check_response_type()?;
        let code_challenge = self.code_challenge()?;
        // RFC 8707 section 2: a resource that the server does not know is refused, not ignored.
        if form.all("resource").any(|resource| resource != self.server.audience()) {
            return Err(Reason::ResourceUnknown);
        }
        Ok(Interaction {
            id: GrantId::from_bytes(moment.random("grant id")),
            issuer: self.server.config.issuer.as_str().into(),
            client_id: self.client.id().clone(),
            client_name: self.client.name().chars().take(Client::MAX_NAME_CHARACTERS).collect(),
            redirect_uri: self.redirect_uri.into(),
            redirect_uri_named: self.redirect_uri_named,
            scope: self.scope()?,
            audience: self.server.audience().into(),
            state,
            nonce: bounded(form, "nonce", MAX_NONCE_BYTES)?,
            code_challenge,
            prompts: prompts(form.get("prompt"))?,
            max_age: max_age(form.get("max_age"))?,
            login_hint: bounded(form, "login_hint", MAX_LOGIN_HINT_BYTES)?,
            asked_at: moment.time(),
            expires_at: moment.time().saturating_add(self.server.config.policy.interaction_lifetime),
        })
    }

    // RFC 6749 section 3.1.1
    fn check_response_type(&self) -> Result<(), Reason> {
        match self.query.form.get("response_type") {
            None => return Err(Reason::Missing("response_type")),
            Some("code") => {}
            Some(_) => return Err(Reason::ResponseTypeUnknown),
        }
        if !self.client.has_grant_type(GrantType::AuthorizationCode) {
            return Err(Reason::GrantTypeNotRegistered);
        }
        match self.query.form.get("response_mode") {
            None | Some("query") => Ok(()),
            Some(_) => Err(Reason::Malformed("response_mode")),
        }
    }

    // RFC 7636 section 4.4.1, RFC 9700 section 2.1.1: PKCE with S256, always.
    fn code_challenge(&self) -> Result<CodeChallenge, Reason> {
        let form = &self.query.form;
        let challenge = form.get("code_challenge").ok_or(Reason::ChallengeMissing)?;
        if form.get("code_challenge_method") != Some(CodeChallenge::METHOD) {
            return Err(Reason::ChallengeMethod);
        }
        CodeChallenge::parse(challenge).map_err(|_| Reason::ChallengeMalformed)
    }

    // RFC 6749 section 3.3
    fn scope(&self) -> Result<Scope, Reason> {
        let asked = match self.query.form.get("scope") {
            Some(text) => Scope::parse(text).map_err(Reason::Scope)?,
            None => self.client.default_scope().clone(),
        };
        if asked.is_empty() {
            return Err(Reason::ScopeMissing);
        }
        if !asked.is_within(self.client.scope()) {
            return Err(Reason::ScopeNotRegistered);
        }
        Ok(asked)
    }
}

fn bounded(form: &Form, name: &'static str, limit: usize) -> Result<Option<String>, Reason> {
    match form.get(name) {
        Some(value) if value.len() > limit => Err(Reason::TooLong(name)),
        value => Ok(value.map(String::from)),
    }
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
