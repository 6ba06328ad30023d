//! Where devices begin: the device authorization endpoint
//! ([RFC 8628 section 3.1](https://www.rfc-editor.org/rfc/rfc8628#section-3.1)).

use alloc::{string::String, sync::Arc};

use grantry_core::form::{self, Form, Known};
use grantry_core::{ClientId, HttpRequest, HttpResponse, Moment, SecretString, UnixTime};
use serde::Serialize;

use crate::authentication::{Authenticated, Credentials};
use crate::client::GrantType;
use crate::decision::{Commit, Decision};
use crate::denial::{Denial, Reason};
use crate::event::{Effect, Endpoint, Event, EventKind, Reply};
use crate::grant::{Grant, Origin, State, Terms};
use crate::handle::{Body, Kind};
use crate::operation::{Lookup, Operation, Records};
use crate::server::Server;
use crate::token::posted_form;
use crate::transition::{Facts, Presented, Then, step};
use crate::user_code::{Attempt, UserCode};

const KNOWN: Known = Known {
    once: &["client_id", "client_secret", "client_assertion", "client_assertion_type", "scope"],
    many: &["resource"],
};

impl Server {
    /// Reads a device authorization request.
    ///
    /// Anybody who knows the id of a public client may ask: limit the requests of an address. Each stores one
    /// record of at most 5,400 bytes beside its resources, of which it names at most
    /// [`MAX_RESOURCES`](crate::Policy::MAX_RESOURCES) of the policy's. A record that no person lets in is
    /// kept for [`with_device_code_lifetime`](crate::Policy::with_device_code_lifetime),
    /// [`with_interaction_lifetime`](crate::Policy::with_interaction_lifetime) and
    /// [`CLOCK_MARGIN`](Grant::CLOCK_MARGIN), 85 minutes by default. Polls make it no longer, and keep it no
    /// longer.
    pub fn device_authorization(&self, request: &HttpRequest) -> DeviceAuthorization {
        DeviceAuthorization { server: self.clone(), request: Asked::parse(self, request) }
    }
}

/// A device that waits for its client's registration.
#[derive(Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DeviceAuthorization {
    server: Server,
    request: Result<Asked, Reason>,
}

#[derive(Debug)]
struct Asked {
    credentials: Credentials,
    form: Form<'static>,
}

/// What the device authorization endpoint answers.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "RFC 8628 has an answer and an error")]
pub enum DeviceAnswer {
    /// The device may show its code, and ask.
    Waiting(DeviceResponse),
    /// The request was faulty or its client not authenticated.
    Denied(Denial),
}

/// What a device shows, and how it asks
/// ([RFC 8628 section 3.2](https://www.rfc-editor.org/rfc/rfc8628#section-3.2)).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeviceResponse {
    /// What the device asks with.
    pub device_code: SecretString,
    /// What the person types.
    pub user_code: SecretString,
    /// Where the person types it.
    pub verification_uri: String,
    /// The same page with the code filled in, for a QR code.
    pub verification_uri_complete: SecretString,
    /// In how many seconds the codes expire.
    pub expires_in: u64,
    /// How many seconds the device waits between two polls.
    pub interval: u32,
}

impl DeviceAnswer {
    /// Makes the response to send.
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        #[derive(Serialize)]
        struct Wire<'a> {
            device_code: &'a str,
            user_code: &'a str,
            verification_uri: &'a str,
            verification_uri_complete: &'a str,
            expires_in: u64,
            interval: u32,
        }
        match self {
            Self::Waiting(answer) => HttpResponse::json(
                200,
                &Wire {
                    device_code: answer.device_code.expose(),
                    user_code: answer.user_code.expose(),
                    verification_uri: &answer.verification_uri,
                    verification_uri_complete: answer.verification_uri_complete.expose(),
                    expires_in: answer.expires_in,
                    interval: answer.interval,
                },
            ),
            Self::Denied(denial) => denial.to_response(),
        }
    }
}

impl Asked {
    fn parse(server: &Server, request: &HttpRequest) -> Result<Self, Reason> {
        let form = posted_form(request, &KNOWN)?;
        let credentials = Credentials::from_request(server, request, &form)?;
        Ok(Self { credentials, form: form.into_owned() })
    }
}

impl Operation for DeviceAuthorization {
    type Reply = Reply<DeviceAnswer>;

    fn lookup(&self, moment: &Moment) -> Lookup<'_> {
        match &self.request {
            Ok(asked) => Lookup {
                grant: self.user_code(moment, Attempt::First).map(|code| code.grant()),
                ..asked.credentials.lookup(self.server.issuer())
            },
            Err(_) => Lookup::default(),
        }
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        let refuse = |reason: Reason| {
            let event = Event::refused(Endpoint::DeviceAuthorization, reason).of_client(self.client_id());
            Decision::Reply(Reply::new(DeviceAnswer::Denied(reason.into()), event))
        };
        match self.authenticate(records, moment.time()) {
            Ok((form, client)) => {
                let answer = self.answer(form, client, records, moment);
                answer.unwrap_or_else(refuse).with_claim(client.claim())
            }
            Err(reason) => refuse(reason),
        }
    }
}

impl DeviceAuthorization {
    fn client_id(&self) -> Option<&ClientId> {
        self.request.as_ref().ok().map(|asked| asked.credentials.client_id())
    }

    fn user_code(&self, moment: &Moment, attempt: Attempt) -> Option<UserCode> {
        UserCode::generate(&self.server.config.handles, moment, attempt)
    }

    /// A code that nobody has: the second of the moment, when the first is taken. That the second is
    /// taken as well shows at the commit.
    fn free_user_code(&self, records: &Records, moment: &Moment) -> Result<UserCode, Reason> {
        let first = self.user_code(moment, Attempt::First).ok_or(Reason::UserCodeTaken)?;
        let record = records.grant(first.grant()).map(|record| record.grant.state);
        match step(record, Presented::DeviceRequest, Facts::default()) {
            Then::Move(_) => Ok(first),
            Then::Repeat | Then::Refuse(_) | Then::Wait(_) | Then::Close(_) | Then::Alarm(_) => {
                self.user_code(moment, Attempt::Second).ok_or(Reason::UserCodeTaken)
            }
        }
    }

    fn authenticate<'a>(
        &'a self,
        records: &'a Records,
        now: UnixTime,
    ) -> Result<(&'a Form<'static>, Authenticated<'a>), Reason> {
        let Asked { credentials, form } = self.request.as_ref().map_err(|reason| *reason)?;
        Ok((form, credentials.authenticate(records, now)?))
    }

    fn answer(
        &self,
        form: &Form<'_>,
        client: Authenticated<'_>,
        records: &Records,
        moment: &Moment,
    ) -> Result<Decision<Reply<DeviceAnswer>>, Reason> {
        let config = &self.server.config;
        let is_served = self.server.serves(GrantType::DeviceCode);
        let verification_uri = config.endpoints.verification.clone().filter(|_| is_served);
        let verification_uri = verification_uri.ok_or(Reason::GrantTypeUnknown)?;
        let client = client.allowed(GrantType::DeviceCode)?.client();
        let scope = form.get("scope").map(grantry_core::Scope::parse).transpose().map_err(Reason::Scope)?;
        let user_code = self.free_user_code(records, moment)?;
        let now = moment.time();
        let expires_at = now.saturating_add(config.policy.device_code_lifetime);
        let interval = u32::try_from(config.policy.device_interval.as_secs()).unwrap_or(u32::MAX);
        let grant = Grant {
            terms: Arc::new(Terms {
                id: user_code.grant(),
                salt: moment.random("grant salt"),
                issuer: self.server.issuer().clone(),
                client_id: client.id().clone(),
                scope: client.allowed_scope(scope.as_ref())?,
                resources: self.server.allowed_resources(form.all("resource"))?,
                created_at: now,
                origin: Origin::Device { client_name: client.shown_name() },
                claims: None,
                person: None,
            }),
            expires_at,
            // A page that begins in the last second comes back within its own time.
            kept_until: expires_at.saturating_add(config.policy.interaction_lifetime),
            // The first poll may come at once.
            state: State::DevicePending { interval, polled_at: UnixTime::from_secs(0) },
        };
        let body = Body { expires_at, ..Body::of_record(Kind::DeviceCode, grant.terms.id, 0) };
        let text = user_code.to_text();
        let answer = DeviceResponse {
            device_code: config.handles.mint(body, &grant),
            verification_uri_complete: complete(&verification_uri, &text),
            user_code: SecretString::from(text),
            verification_uri,
            expires_in: expires_at.saturating_since(now).as_secs(),
            interval,
        };
        let event = Event::new(Endpoint::DeviceAuthorization, EventKind::DeviceRequested, Effect::Written);
        let reply = Reply::new(DeviceAnswer::Waiting(answer), event.of_grant(&grant));
        Ok(Decision::Commit(Commit::put(None, grant, reply)))
    }
}

// RFC 8628 section 3.3.1
fn complete(verification_uri: &str, user_code: &str) -> SecretString {
    let separator = match verification_uri.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let query = form::encode([("user_code", user_code)]);
    SecretString::from(alloc::format!("{verification_uri}{separator}{query}"))
}
