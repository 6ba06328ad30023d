//! PhotoPrint: the client site. Its server keeps the tokens; the browser has a session cookie.

mod pages;
pub(crate) mod provider;

use core::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_extra::extract::CookieJar;
use grantry::client::{AuthorizationRequest, Pending, Tokens};
use grantry::core::form::{Form, FormError, Known};
use grantry::core::{HttpRequest, HttpResponse, Moment, MomentError, Scope};

use crate::narrator::{Narrator, Party, parameters, short};
use crate::photos_api::Album;
use crate::sessions::{Session, Sessions};
use crate::web::{self, BackChannel, Received};
use pages::{Notice, Problem};
use provider::{Accounts, Failure};

/// The most logins under way in one browser: one for each tab, and not without bound.
const MAX_PENDING: usize = 5;

/// The PhotoPrint site.
pub(crate) struct Shop {
    pub(crate) accounts: Accounts,
    pub(crate) back_channel: BackChannel,
    pub(crate) photos_url: String,
    pub(crate) scope: Scope,
    pub(crate) sessions: Sessions<Visit>,
    pub(crate) narrator: Narrator,
}

/// What PhotoPrint keeps for one browser.
#[derive(Default)]
pub(crate) struct Visit {
    pending: Mutex<Vec<Pending>>,
    notice: Mutex<Option<Notice>>,
    connection: Option<Connection>,
}

/// A person's connection to the photos.
struct Connection {
    account: String,
    /// The lock is held while the tokens are refreshed: two refreshes with one token look like theft.
    tokens: tokio::sync::Mutex<Tokens>,
}

impl Visit {
    fn with_notice(notice: Notice) -> Self {
        Self { notice: Mutex::new(Some(notice)), ..Self::default() }
    }

    fn connected(tokens: Tokens) -> Self {
        let account = tokens.id_token().map(|id_token| id_token.subject().to_owned()).unwrap_or_default();
        let connection = Some(Connection { account, tokens: tokio::sync::Mutex::new(tokens) });
        Self { connection, ..Self::default() }
    }

    fn set_notice(&self, notice: Notice) {
        *lock(&self.notice) = Some(notice);
    }

    fn take_notice(&self) -> Option<Notice> {
        mem::take(&mut lock(&self.notice))
    }

    fn remember(&self, pending: Pending) {
        let mut kept = lock(&self.pending);
        if kept.len() >= MAX_PENDING {
            kept.remove(0);
        }
        kept.push(pending);
    }

    /// Takes out the login that this answer belongs to: an answer counts once.
    fn take_pending(&self, state: Option<&str>) -> Option<Pending> {
        let mut kept = lock(&self.pending);
        let belongs =
            |pending: &Pending| pending.state().zip(state).is_some_and(|(kept, state)| kept.matches(state));
        let position = kept.iter().position(belongs)?;
        Some(kept.remove(position))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shop {
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/", get(home))
            .route("/connect", post(connect))
            .route("/callback", get(callback))
            .route("/photos", get(photos))
            .route("/photos/{file}", get(picture))
            .route("/print", post(print))
            .route("/refresh", post(refresh))
            .route("/disconnect", post(disconnect))
            .route("/style.css", get(async || web::stylesheet(include_str!("style.css"))))
            .fallback(async || Problem::NotFound)
            .method_not_allowed_fallback(async || Problem::NotFound)
            .with_state(self)
    }

    /// What somebody would hold who copied PhotoPrint's memory: for the tour's thief.
    pub(crate) async fn copy_of_newest_tokens(&self) -> Option<Tokens> {
        let newest = self.sessions.newest()?;
        Some(newest.state.connection.as_ref()?.tokens.lock().await.clone())
    }

    /// The session of a posted form.
    fn posted(&self, jar: &CookieJar, csrf: Option<&str>) -> Result<Session<Visit>, Problem> {
        let session = self.sessions.find(jar, Moment::now()?.time());
        session.filter(|session| session.posted(csrf)).ok_or(Problem::NotOurForm)
    }

    /// Sends the browser to the start page in a new session, which says what happened.
    fn start_over(
        &self,
        session: &Session<Visit>,
        jar: CookieJar,
        notice: Notice,
    ) -> Result<(CookieJar, Response), Problem> {
        self.tell_browser(&format!("303 to the start page: {notice:?}"));
        let (_, jar) = self.sessions.renew(session, jar, &Moment::now()?, Visit::with_notice(notice));
        Ok((jar, web::see_other("/")))
    }

    /// Asks the photos API with the person's access token, a new one if the old one has expired.
    async fn ask_api(self: &Arc<Self>, path: &str, visit: &Arc<Visit>) -> Result<HttpResponse, Problem> {
        let connection = visit.connection.as_ref().ok_or(Problem::NotFound)?;
        let now = Moment::now()?.time();
        let expires_at = connection.tokens.lock().await.expires_at();
        if expires_at.is_some_and(|expires_at| now >= expires_at) {
            match self.refresh(visit).await {
                Ok(()) => {}
                Err(failure) if failure.is_end() => return Ok(HttpResponse::new(401)),
                Err(_) => return Err(Problem::Unavailable),
            }
        }
        let access_token = connection.tokens.lock().await.access_token().clone();
        let request = HttpRequest::new("GET", format!("{}{path}", self.photos_url))
            .with_header("Authorization", format!("Bearer {}", access_token.expose()));
        self.back_channel.send(request).await.map_err(|_| Problem::Unavailable)
    }

    /// Trades the tokens for new ones, in a task of its own: a browser that goes away must not take
    /// the new refresh token with it.
    async fn refresh(self: &Arc<Self>, visit: &Arc<Visit>) -> Result<(), Failure> {
        let (shop, visit) = (Arc::clone(self), Arc::clone(visit));
        let refreshing = tokio::spawn(async move {
            let connection = visit.connection.as_ref().ok_or(Failure::NotConnected)?;
            let mut tokens = connection.tokens.lock().await;
            *tokens = shop.accounts.refresh(&tokens).await?;
            Ok(())
        });
        refreshing.await.map_err(|_| Failure::Interrupted)?
    }

    fn hear_browser(&self, what: &str) {
        self.narrator.tell(Party::Browser, Party::PhotoPrint, what);
    }

    fn tell_browser(&self, what: &str) {
        self.narrator.tell(Party::PhotoPrint, Party::Browser, what);
    }
}

async fn home(State(shop): State<Arc<Shop>>, jar: CookieJar) -> Result<(CookieJar, Response), Problem> {
    let (session, jar) = shop.sessions.find_or_open(jar, &Moment::now()?);
    if session.state.connection.is_some() {
        return Ok((jar, web::see_other("/photos")));
    }
    shop.hear_browser("GET /");
    Ok((jar, web::page(200, pages::welcome(&session.csrf, session.state.take_notice()))))
}

async fn connect(
    State(shop): State<Arc<Shop>>,
    jar: CookieJar,
    received: Received,
) -> Result<(CookieJar, Response), Problem> {
    let form = received.form(&["csrf"])?;
    let session = shop.posted(&jar, form.get("csrf"))?;
    let request = AuthorizationRequest::new(shop.scope.clone());
    let (url, pending) =
        shop.accounts.client.authorize(request, Moment::now()?).map_err(|_| Problem::Unavailable)?;
    let state = pending.state().map(|state| short(state.expose())).unwrap_or_default();
    session.state.remember(pending);
    shop.hear_browser("POST /connect");
    shop.tell_browser(&format!(
        "303 to the accounts site; state={state}, the nonce and the PKCE verifier stay in the session"
    ));
    Ok((jar, web::see_other(url.as_str())))
}

async fn callback(
    State(shop): State<Arc<Shop>>,
    jar: CookieJar,
    received: Received,
) -> Result<(CookieJar, Response), Problem> {
    let query = received.0.query();
    shop.hear_browser(&format!("GET /callback {}", parameters(query)));
    let state = received.query(&["state"])?;
    let moment = Moment::now()?;
    let session = shop.sessions.find(&jar, moment.time()).ok_or(Problem::NotOurLogin)?;
    let Some(pending) = session.state.take_pending(state.get("state")) else {
        shop.tell_browser("400 no login of this browser waits for that answer");
        return Err(Problem::NotOurLogin);
    };
    match shop.accounts.redeem(pending, query).await {
        Ok(tokens) => {
            shop.tell_browser("303 to the photos, with a new session cookie; the ID token is verified");
            let (_, jar) = shop.sessions.renew(&session, jar, &moment, Visit::connected(tokens));
            Ok((jar, web::see_other("/photos")))
        }
        Err(failure) => {
            let notice = if failure.is_persons_no() { Notice::Refused } else { Notice::Failed };
            session.state.set_notice(notice);
            shop.tell_browser(&format!("303 to the start page: {failure}"));
            Ok((jar, web::see_other("/")))
        }
    }
}

async fn photos(State(shop): State<Arc<Shop>>, jar: CookieJar) -> Result<(CookieJar, Response), Problem> {
    let Some(session) = shop.sessions.find(&jar, Moment::now()?.time()) else {
        return Ok((jar, web::see_other("/")));
    };
    let Some(connection) = &session.state.connection else { return Ok((jar, web::see_other("/"))) };
    shop.hear_browser("GET /photos");
    let answer = shop.ask_api("/photos", &session.state).await?;
    if answer.status == 401 {
        return shop.start_over(&session, jar, Notice::Ended);
    }
    let album: Album = serde_json::from_slice(&answer.body).map_err(|_| Problem::Unavailable)?;
    let notice = session.state.take_notice();
    shop.tell_browser("200 the page with the photos");
    Ok((jar, web::page(200, pages::album(&session.csrf, notice, &connection.account, &album.photos))))
}

/// Hands a picture of the API on to the browser, which has no token to fetch it with.
async fn picture(
    State(shop): State<Arc<Shop>>,
    jar: CookieJar,
    Path(file): Path<String>,
) -> Result<Response, Problem> {
    const TYPE: &str = "image/svg+xml";
    let session = shop.sessions.find(&jar, Moment::now()?.time()).ok_or(Problem::NotFound)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let file = Some(file).filter(|file| file.chars().all(plain) && file != "..").ok_or(Problem::NotFound)?;
    let answer = shop.ask_api(&format!("/photos/{file}"), &session.state).await?;
    if answer.status != 200 || answer.headers.only("Content-Type") != Some(TYPE) {
        return Err(Problem::NotFound);
    }
    // An SVG is a document: opened by itself it must not run anything here.
    let headers = [
        (header::CONTENT_TYPE, TYPE),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (header::CACHE_CONTROL, "private, no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, answer.body).into_response())
}

async fn print(
    State(shop): State<Arc<Shop>>,
    jar: CookieJar,
    received: Received,
) -> Result<(CookieJar, Response), Problem> {
    let form = Form::from_request(&received.0, &Known { once: &["csrf"], many: &["photo"] })?;
    let session = shop.posted(&jar, form.get("csrf"))?;
    let chosen = form.all("photo").count();
    session.state.set_notice(Notice::Printed(chosen));
    shop.hear_browser("POST /print");
    shop.tell_browser("303 to the photos");
    Ok((jar, web::see_other("/photos")))
}

async fn refresh(
    State(shop): State<Arc<Shop>>,
    jar: CookieJar,
    received: Received,
) -> Result<(CookieJar, Response), Problem> {
    let form = received.form(&["csrf"])?;
    let session = shop.posted(&jar, form.get("csrf"))?;
    shop.hear_browser("POST /refresh");
    match shop.refresh(&session.state).await {
        Ok(()) => {
            session.state.set_notice(Notice::Refreshed);
            shop.tell_browser("303 to the photos");
            Ok((jar, web::see_other("/photos")))
        }
        Err(failure) if failure.is_end() => shop.start_over(&session, jar, Notice::Ended),
        Err(_) => Err(Problem::Unavailable),
    }
}

async fn disconnect(
    State(shop): State<Arc<Shop>>,
    jar: CookieJar,
    received: Received,
) -> Result<(CookieJar, Response), Problem> {
    let form = received.form(&["csrf"])?;
    let session = shop.posted(&jar, form.get("csrf"))?;
    shop.hear_browser("POST /disconnect");
    if let Some(connection) = &session.state.connection {
        let tokens = connection.tokens.lock().await;
        shop.accounts.revoke(&tokens).await.map_err(|_| Problem::Unavailable)?;
    }
    shop.start_over(&session, jar, Notice::Disconnected)
}

impl From<MomentError> for Problem {
    fn from(_: MomentError) -> Self {
        Self::Unavailable
    }
}

impl From<FormError> for Problem {
    fn from(_: FormError) -> Self {
        Self::NotOurForm
    }
}
