//! The photos API: the resource server. It shows a person's photos to whoever brings a good token.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use grantry::core::{HttpResponse, Moment};
use grantry::resource::{Access, Guard, Introspection, Requirement, Subject};
use serde::{Deserialize, Serialize};

use crate::landscape;
use crate::narrator::{Narrator, Party, short};
use crate::web::{self, BackChannel, Received};

/// The photos API.
pub(crate) struct PhotosApi {
    pub(crate) guard: Guard,
    pub(crate) introspection: Introspection,
    pub(crate) required: Requirement,
    pub(crate) back_channel: BackChannel,
    pub(crate) narrator: Narrator,
}

/// The answer to `GET /photos`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Album {
    pub(crate) photos: Vec<Photo>,
}

/// A photo of the album.
#[derive(Serialize, Deserialize)]
pub(crate) struct Photo {
    pub(crate) file: String,
    pub(crate) title: String,
}

const PHOTOS: [(&str, &str); 4] = [
    ("first-light.svg", "First light"),
    ("ridge.svg", "From the ridge"),
    ("harbour.svg", "The old harbour road"),
    ("last-evening.svg", "Last evening"),
];

impl PhotosApi {
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new().route("/photos", get(list)).route("/photos/{file}", get(picture)).with_state(self)
    }

    /// Checks the token here first, as a JWT: garbage costs no call. Then asks the accounts site
    /// whether it is still alive, so that a revoked token ends at once and not when it expires.
    async fn access(&self, received: &Received) -> Result<Access, HttpResponse> {
        let request = &received.0;
        let now = Moment::now().map_err(|_| HttpResponse::new(503))?.time();
        self.guard.check(request, &self.required, now).map_err(|rejection| rejection.to_response())?;
        let token = self.guard.bearer_token(request).map_err(|rejection| rejection.to_response())?;
        let unanswered = || HttpResponse::new(503).with_header("Retry-After", "1");
        let answer = self.back_channel.send(self.introspection.request(&token)).await;
        let answer = answer.map_err(|_| unanswered())?;
        let introspected = self.introspection.response(&answer).map_err(|_| unanswered())?;
        let is_active = if introspected.is_active() { "active" } else { "not active" };
        let asked = format!("POST /introspect token={}: {is_active}", short(token.expose()));
        self.narrator.tell(Party::PhotosApi, Party::Accounts, &asked);
        let access = self.guard.accept_introspected(&introspected, &self.required, now);
        access.map_err(|rejection| rejection.to_response())
    }

    fn hear(&self, received: &Received) -> Party {
        let authorization = received.0.headers.only("Authorization").map_or_else(
            || "no Authorization".into(),
            |value| format!("Authorization: {}", value.split(' ').map(shown).collect::<Vec<_>>().join(" ")),
        );
        let target = received.0.target.split('?').next().unwrap_or_default();
        let caller = Party::of(&received.0);
        self.narrator.tell(caller, Party::PhotosApi, &format!("GET {target}, {authorization}"));
        caller
    }

    fn tell(&self, caller: Party, response: HttpResponse, what: &str) -> Response {
        let challenge = response.headers.only("WWW-Authenticate").unwrap_or(what);
        self.narrator.tell(Party::PhotosApi, caller, &format!("{} {challenge}", response.status));
        web::send(response)
    }
}

fn shown(word: &str) -> String {
    if word.eq_ignore_ascii_case("Bearer") { word.into() } else { short(word) }
}

async fn list(State(api): State<Arc<PhotosApi>>, received: Received) -> Response {
    let caller = api.hear(&received);
    if let Err(rejection) = api.access(&received).await {
        return api.tell(caller, rejection, "");
    }
    let photo = |(file, title): (&str, &str)| Photo { file: file.into(), title: title.into() };
    let album = Album { photos: PHOTOS.into_iter().map(photo).collect() };
    api.tell(caller, HttpResponse::json(200, &album), "the list of photos")
}

async fn picture(
    State(api): State<Arc<PhotosApi>>,
    Path(file): Path<String>,
    received: Received,
) -> Response {
    let caller = api.hear(&received);
    let access = match api.access(&received).await {
        Ok(access) => access,
        Err(rejection) => return api.tell(caller, rejection, ""),
    };
    let Some(number) = PHOTOS.iter().position(|(known, _)| *known == file) else {
        return api.tell(caller, HttpResponse::new(404), "no such photo");
    };
    let svg = landscape::svg(number, owner(&access));
    let response = HttpResponse::new(200)
        .with_header("Content-Type", "image/svg+xml")
        .with_header("Cache-Control", "private, no-store")
        .with_header("X-Content-Type-Options", "nosniff")
        .with_body(svg);
    api.tell(caller, response, "the picture")
}

/// Everybody has photos of their own.
fn owner(access: &Access) -> &str {
    match access.subject() {
        Subject::User(subject) => subject,
        Subject::Client(client_id) => client_id.as_str(),
    }
}
