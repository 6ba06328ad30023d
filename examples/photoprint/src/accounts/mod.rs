//! The accounts site: the authorization server, and the pages where a person signs in and consents.

mod endpoints;
mod pages;
pub(crate) mod passwords;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{any, get, post};
use axum_extra::extract::CookieJar;
use grantry::core::form::FormError;
use grantry::core::{Moment, MomentError, SecretString, UnixTime};
use grantry::server::{
    Answered, Approval, Authorization, Interaction, MemoryStore, Prompt, Refusal, Server, UnsealError,
    run_async,
};

use crate::narrator::{Narrator, Party, parameters};
use crate::sessions::{Session, Sessions};
use crate::web::{self, Received};
use pages::{Attempt, Hidden, Problem};
use passwords::{Passwords, Person};

/// The accounts site.
pub(crate) struct Accounts {
    pub(crate) server: Server,
    pub(crate) store: MemoryStore,
    pub(crate) passwords: Passwords,
    pub(crate) sessions: Sessions<Login>,
    pub(crate) narrator: Narrator,
}

/// Who is signed in in a browser, if anybody is.
#[derive(Default)]
pub(crate) struct Login(Option<SignedIn>);

struct SignedIn {
    person: Person,
    at: UnixTime,
}

impl Accounts {
    pub(crate) fn router(self: Arc<Self>) -> Router {
        let pages = Router::new()
            .route("/authorize", any(authorize))
            .route("/login", post(log_in))
            .route("/consent", get(show_consent).post(answer_consent))
            .route("/style.css", get(async || web::stylesheet(include_str!("style.css"))));
        let not_found = async || Problem::NotFound;
        pages
            .merge(endpoints::router())
            .fallback(not_found)
            .method_not_allowed_fallback(not_found)
            .with_state(self)
    }

    /// Shows the page that an authorization request needs: login, consent, or none at all.
    async fn begin(
        &self,
        interaction: &Interaction,
        jar: CookieJar,
    ) -> Result<(CookieJar, Response), Problem> {
        let moment = Moment::now()?;
        let visit = self.sessions.find(&jar, moment.time());
        let person = visit.as_ref().and_then(|visit| usable_login(visit, interaction));
        if interaction.has_prompt(Prompt::None) {
            let refusal = person.map_or(Refusal::LoginRequired, |_| Refusal::ConsentRequired);
            return Ok((jar, self.refuse(interaction, refusal).await?));
        }
        if let Some((visit, signed_in)) = visit.as_ref().zip(person) {
            return Ok((jar, self.consent_page(visit, interaction, signed_in)));
        }
        let (visit, jar) = self.sessions.find_or_open(jar, &moment);
        self.tell_browser("200 the login page");
        let page = pages::login(&self.hidden(&visit, interaction), interaction, None, Attempt::First);
        Ok((jar, web::page(200, page)))
    }

    fn consent_page(
        &self,
        visit: &Session<Login>,
        interaction: &Interaction,
        signed_in: &SignedIn,
    ) -> Response {
        self.tell_browser("200 the consent page");
        web::page(200, pages::consent(&self.hidden(visit, interaction), interaction, &signed_in.person.name))
    }

    async fn refuse(&self, interaction: &Interaction, refusal: Refusal) -> Result<Response, Problem> {
        let operation = self.server.refuse(interaction, refusal);
        let reply = run_async(&self.store, &operation, Moment::now()?).await;
        self.answered(reply.map_err(|_| Problem::Unavailable)?.answer)
    }

    /// Sends the browser on, as the person or the host answered.
    fn answered(&self, answer: Answered) -> Result<Response, Problem> {
        match answer {
            Answered::Page(page) => Err(Problem::Refused(page)),
            Answered::Redirect(redirect) => {
                self.tell_redirect(redirect.url());
                Ok(web::send(redirect.to_response()))
            }
            // No device signs in here.
            Answered::DeviceApproved | Answered::DeviceRefused => Err(Problem::Unreadable),
        }
    }

    /// Everything that makes a posted form worth reading: its session, its page, its request.
    fn opened(
        &self,
        visit: Option<Session<Login>>,
        csrf: Option<&str>,
        sealed: Option<&str>,
        now: UnixTime,
    ) -> Result<(Session<Login>, Interaction), Problem> {
        let visit = visit.filter(|visit| visit.posted(csrf)).ok_or(Problem::NotOurForm)?;
        let interaction = self.unseal(&visit, sealed, now)?;
        Ok((visit, interaction))
    }

    fn unseal(
        &self,
        visit: &Session<Login>,
        sealed: Option<&str>,
        now: UnixTime,
    ) -> Result<Interaction, Problem> {
        let unsealed = self.server.unseal(sealed.unwrap_or_default(), visit.id.expose(), now);
        unsealed.map_err(|error| match error {
            UnsealError::Expired => Problem::TooLate,
            UnsealError::Foreign | _ => Problem::NotOurForm,
        })
    }

    fn hidden(&self, visit: &Session<Login>, interaction: &Interaction) -> Hidden {
        let interaction = self.server.seal(interaction, visit.id.expose());
        Hidden { interaction, csrf: visit.csrf.clone() }
    }

    fn hear_browser(&self, what: &str) {
        self.narrator.tell(Party::Browser, Party::Accounts, what);
    }

    fn tell_browser(&self, what: &str) {
        self.narrator.tell(Party::Accounts, Party::Browser, what);
    }

    fn tell_redirect(&self, url: &SecretString) {
        let (place, query) = url.expose().split_once('?').unwrap_or_default();
        self.tell_browser(&format!("303 to {place} with {}", parameters(query)));
    }
}

/// The login of this session, if it is good enough for the request: `prompt` and `max_age` can ask
/// for a newer one (OpenID Connect Core section 3.1.2.1).
fn usable_login<'a>(visit: &'a Session<Login>, interaction: &Interaction) -> Option<&'a SignedIn> {
    let signed_in = visit.state.0.as_ref()?;
    let picks_anew = interaction.has_prompt(Prompt::SelectAccount) && signed_in.at < interaction.asked_at();
    (interaction.accepts_login(signed_in.at) && !picks_anew).then_some(signed_in)
}

async fn authorize(
    State(site): State<Arc<Accounts>>,
    jar: CookieJar,
    received: Received,
) -> Result<(CookieJar, Response), Problem> {
    let request = received.0;
    site.hear_browser(&format!("{} /authorize {}", request.method, parameters(request.query())));
    let reply = run_async(&site.store, &site.server.authorize(&request), Moment::now()?).await;
    match reply.map_err(|_| Problem::Unavailable)?.answer {
        Authorization::Page(page) => Err(Problem::Refused(page)),
        Authorization::Redirect(redirect) => {
            site.tell_redirect(redirect.url());
            Ok((jar, web::send(redirect.to_response())))
        }
        Authorization::Interact(interaction) => site.begin(&interaction, jar).await,
    }
}

async fn log_in(
    State(site): State<Arc<Accounts>>,
    jar: CookieJar,
    received: Received,
) -> Result<(CookieJar, Response), Problem> {
    let form = received.form(&["interaction", "csrf", "username", "password"])?;
    let moment = Moment::now()?;
    let visit = site.sessions.find(&jar, moment.time());
    let (visit, interaction) =
        site.opened(visit, form.get("csrf"), form.get("interaction"), moment.time())?;
    let username = form.get("username").unwrap_or_default();
    site.hear_browser(&format!("POST /login username={username} password=..."));
    let password = SecretString::from(form.get("password").unwrap_or_default());
    let Some(person) = site.passwords.check(username, password).await else {
        site.tell_browser("422 the login page again: wrong name or password");
        let hidden = site.hidden(&visit, &interaction);
        return Ok((
            jar,
            web::page(422, pages::login(&hidden, &interaction, Some(username), Attempt::Wrong)),
        ));
    };
    let signed_in = SignedIn { person, at: moment.time() };
    let (visit, jar) = site.sessions.renew(&visit, jar, &moment, Login(Some(signed_in)));
    site.tell_browser("303 to the consent page, with a new session cookie");
    // The sealed request is authentic and bound to the session, so a URL may carry it.
    let sealed = site.server.seal(&interaction, visit.id.expose());
    Ok((jar, web::see_other(&format!("/consent?interaction={sealed}"))))
}

/// Shows the consent page. A GET request never grants anything.
async fn show_consent(
    State(site): State<Arc<Accounts>>,
    jar: CookieJar,
    received: Received,
) -> Result<(CookieJar, Response), Problem> {
    let query = received.query(&["interaction"])?;
    let now = Moment::now()?.time();
    let visit = site.sessions.find(&jar, now).ok_or(Problem::NotOurForm)?;
    let interaction = site.unseal(&visit, query.get("interaction"), now)?;
    site.hear_browser("GET /consent");
    site.begin(&interaction, jar).await
}

async fn answer_consent(
    State(site): State<Arc<Accounts>>,
    jar: CookieJar,
    received: Received,
) -> Result<(CookieJar, Response), Problem> {
    let form = received.form(&["interaction", "csrf", "decision"])?;
    let moment = Moment::now()?;
    let visit = site.sessions.find(&jar, moment.time());
    let (visit, interaction) =
        site.opened(visit, form.get("csrf"), form.get("interaction"), moment.time())?;
    let Some(signed_in) = usable_login(&visit, &interaction) else {
        return site.begin(&interaction, jar).await;
    };
    match form.get("decision") {
        Some("allow") => {
            site.hear_browser("POST /consent decision=allow");
            let approval = Approval::new(signed_in.person.subject.clone(), signed_in.at);
            let reply = run_async(&site.store, &site.server.approve(interaction, approval), moment).await;
            Ok((jar, site.answered(reply.map_err(|_| Problem::Unavailable)?.answer)?))
        }
        Some("deny") => {
            site.hear_browser("POST /consent decision=deny");
            Ok((jar, site.refuse(&interaction, Refusal::AccessDenied).await?))
        }
        _ => Err(Problem::Unreadable),
    }
}

impl From<MomentError> for Problem {
    fn from(_: MomentError) -> Self {
        Self::Unavailable
    }
}

impl From<FormError> for Problem {
    fn from(_: FormError) -> Self {
        Self::Unreadable
    }
}
