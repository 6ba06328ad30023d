//! Where a client sends people to log out
//! ([OpenID Connect RP-Initiated Logout 1.0](https://openid.net/specs/openid-connect-rpinitiated-1_0.html)).

use alloc::{boxed::Box, string::String};
use core::fmt;

use grantry_core::form::{Form, Known};
use grantry_core::{ClientId, HttpRequest, Moment};

use crate::answer::{Page, Redirect};
use crate::authorization_request::{MAX_LOGIN_HINT_BYTES, MAX_STATE_BYTES};
use crate::decision::Decision;
use crate::denial::Reason;
use crate::event::{Effect, Endpoint, Event, EventKind, Reply};
use crate::grant::Subject;
use crate::id_token_hint::IdTokenHint;
use crate::operation::{Lookup, Operation, Records};
use crate::redirect_uri::RedirectUri;
use crate::server::Server;

const KNOWN: Known = Known {
    once: &["id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"],
    many: &[],
};

/// The longest `ui_locales` accepted, in bytes: a short list of language tags.
pub const MAX_UI_LOCALES_BYTES: usize = 512;

impl Server {
    /// Reads a request to log a person out: the query of a GET, or the form of a POST.
    ///
    /// It writes nothing, so a host whose page comes first repeats the request after it, with the parameters
    /// as they were.
    pub fn end_session(&self, request: &HttpRequest) -> EndSession {
        EndSession { server: self.clone(), request: LogoutParameters::parse(self, request) }
    }
}

/// A request to log a person out that waits for its client's registration.
#[derive(Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct EndSession {
    server: Server,
    request: Result<LogoutParameters, Reason>,
}

/// What to do with the browser that brought a request to log out.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a host must handle both")]
pub enum SessionEnd {
    /// Show an error. Nobody is logged out, and the browser goes nowhere
    /// ([RP-Initiated Logout section 4](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#ValidationAndErrorHandling)).
    Page(Page),
    /// Log the person out, after asking them where [`Logout::must_ask`] says so, and then send the browser
    /// to [`Logout::redirect`].
    Logout(Box<Logout>),
}

/// A checked request to log a person out.
#[derive(Clone)]
pub struct Logout {
    client_id: Option<ClientId>,
    hint: Option<IdTokenHint>,
    logout_hint: Option<String>,
    ui_locales: Option<String>,
    redirect: Option<Redirect>,
}

impl Logout {
    /// Returns the client that asks, if it says who it is.
    #[must_use]
    pub const fn client_id(&self) -> Option<&ClientId> {
        self.client_id.as_ref()
    }

    /// Returns the person of the client's ID token.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        self.hint.as_ref().map(|hint| &hint.subject)
    }

    /// Returns the session of the client's ID token, as the host named it when it approved.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        self.hint.as_ref().and_then(|hint| hint.sid.as_deref())
    }

    /// Returns what the client says of the person, unproven. Escape it where it is shown.
    #[must_use]
    pub fn logout_hint(&self) -> Option<&str> {
        self.logout_hint.as_deref()
    }

    /// Returns the languages that the person prefers, as the client says
    /// ([RFC 5646](https://www.rfc-editor.org/rfc/rfc5646)), separated by spaces.
    #[must_use]
    pub fn ui_locales(&self) -> Option<&str> {
        self.ui_locales.as_deref()
    }

    /// Tells whether the person who is signed in has to be asked first. Any page of the web can send a browser
    /// here: only the ID token that was made for this person, and for this session if it names one, tells a
    /// client's wish from a stranger's
    /// ([RP-Initiated Logout sections 2 and 6](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout)).
    #[must_use]
    pub fn must_ask(&self, signed_in: &Subject, session: Option<&str>) -> bool {
        let is_same_session = |sid: &str| session.is_none_or(|session| session == sid);
        self.subject() != Some(signed_in) || !self.sid().is_none_or(is_same_session)
    }

    /// Returns where the browser goes once the person is logged out; without one, the host shows a page of its
    /// own.
    #[must_use]
    pub const fn redirect(&self) -> Option<&Redirect> {
        self.redirect.as_ref()
    }
}

impl fmt::Debug for Logout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logout")
            .field("client_id", &self.client_id())
            .field("subject", &self.subject())
            .field("redirect", &self.redirect)
            .finish_non_exhaustive()
    }
}

impl Operation for EndSession {
    type Reply = Reply<SessionEnd>;

    fn lookup(&self, _: &Moment) -> Lookup<'_> {
        Lookup { client: self.client_id(), ..Lookup::of(self.server.issuer()) }
    }

    fn decide(&self, records: &Records, _: &Moment) -> Decision<Self::Reply> {
        Decision::Reply(match self.logout(records) {
            Ok(logout) => {
                let event = Event::new(Endpoint::EndSession, EventKind::LogoutRequested, Effect::Nothing);
                let event = event.of_client(logout.client_id()).of_subject(logout.subject());
                Reply::new(SessionEnd::Logout(Box::new(logout)), event)
            }
            Err(reason) => {
                let event = Event::refused(Endpoint::EndSession, reason).of_client(self.client_id());
                Reply::new(SessionEnd::Page(Page::new(reason)), event)
            }
        })
    }
}

impl EndSession {
    fn client_id(&self) -> Option<&ClientId> {
        self.request.as_ref().ok().and_then(|request| request.logout.client_id())
    }

    fn logout(&self, records: &Records) -> Result<Logout, Reason> {
        let request = self.request.as_ref().map_err(|reason| *reason)?;
        let client = match request.logout.client_id() {
            Some(id) => Some(records.client(id).ok_or(Reason::ClientUnknown)?),
            None => None,
        };
        let redirect = match &request.redirect_uri {
            None => None,
            // RP-Initiated Logout section 3: only to what exactly this client registered.
            Some(uri) => {
                let client = client.ok_or(Reason::Missing("client_id"))?;
                if !client.has_post_logout_redirect_uri(uri) {
                    return Err(Reason::RedirectUriUnknown);
                }
                Some(Redirect::after_logout(uri, request.state.as_deref()))
            }
        };
        Ok(Logout { redirect, ..request.logout.clone() })
    }
}

/// What the request says, without the client's registration.
struct LogoutParameters {
    /// Without a redirect yet.
    logout: Logout,
    redirect_uri: Option<String>,
    state: Option<String>,
}

impl LogoutParameters {
    fn parse(server: &Server, request: &HttpRequest) -> Result<Self, Reason> {
        let form = match request.method.as_str() {
            "GET" => Form::parse(request.query().as_bytes(), &KNOWN).map_err(Reason::Form)?,
            "POST" => Form::from_request(request, &KNOWN).map_err(Reason::Form)?,
            _ => return Err(Reason::NotGetOrPost),
        };
        let bounded = |name, limit| match form.get(name) {
            Some(value) if value.len() > limit => Err(Reason::TooLong(name)),
            value => Ok(value.map(String::from)),
        };
        let hint = |text| IdTokenHint::parse(server.jwk_set(), server.issuer(), text);
        let hint = form.get("id_token_hint").map(hint).transpose()?;
        let logout = Logout {
            client_id: client_id(&form, hint.as_ref())?,
            hint,
            logout_hint: bounded("logout_hint", MAX_LOGIN_HINT_BYTES)?,
            ui_locales: bounded("ui_locales", MAX_UI_LOCALES_BYTES)?,
            redirect: None,
        };
        Ok(Self {
            logout,
            redirect_uri: bounded("post_logout_redirect_uri", RedirectUri::MAX_BYTES)?,
            state: bounded("state", MAX_STATE_BYTES)?,
        })
    }
}

impl fmt::Debug for LogoutParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutParameters").field("logout", &self.logout).finish_non_exhaustive()
    }
}

// RP-Initiated Logout section 2: a client that names itself has to be one that the ID token is for.
fn client_id(form: &Form<'_>, hint: Option<&IdTokenHint>) -> Result<Option<ClientId>, Reason> {
    let Some(named) = form.get("client_id") else {
        return Ok(hint.and_then(IdTokenHint::client_id));
    };
    let named = ClientId::parse(named).map_err(|_| Reason::ClientUnknown)?;
    if hint.is_some_and(|hint| !hint.is_for(&named)) {
        return Err(Reason::IdTokenHint);
    }
    Ok(Some(named))
}
