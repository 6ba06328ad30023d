//! The endpoints that programs call: tokens, revocation, introspection, keys and metadata.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{any, get};
use grantry::core::{HttpResponse, Moment, SecretString};
use grantry::server::{Denial, Event, Operation, Revoked, TokenAnswer, TokenResponse, run_async};

use super::Accounts;
use super::pages::Problem;
use crate::narrator::{Party, parameters, short};
use crate::web::{self, Received};

pub(super) fn router() -> Router<Arc<Accounts>> {
    Router::new()
        .route("/token", any(token))
        .route("/revoke", any(revoke))
        .route("/introspect", any(introspect))
        .route("/jwks", get(keys))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/.well-known/openid-configuration", get(metadata))
}

async fn keys(State(site): State<Arc<Accounts>>) -> Result<Response, Problem> {
    Ok(web::send(site.server.jwk_set_response(Moment::now()?.time())))
}

async fn metadata(State(site): State<Arc<Accounts>>) -> Response {
    web::send(site.server.metadata_response())
}

async fn token(State(site): State<Arc<Accounts>>, received: Received) -> Response {
    let operation = site.server.token(&received.0);
    let reply = match site.run(&operation).await {
        Ok(reply) => reply,
        Err(failure) => return web::send(failure),
    };
    let answer = match &reply.answer {
        TokenAnswer::Issued(tokens) => format!("200 {}", issued(tokens)),
        TokenAnswer::Denied(denial) => refused(*denial),
    };
    site.tell_program("POST /token", &received, &reply.event, &answer);
    web::send(reply.answer.to_response())
}

async fn revoke(State(site): State<Arc<Accounts>>, received: Received) -> Response {
    let operation = site.server.revoke(&received.0);
    let reply = match site.run(&operation).await {
        Ok(reply) => reply,
        Err(failure) => return web::send(failure),
    };
    let answer = match reply.answer {
        Revoked::Done => "200".into(),
        Revoked::Denied(denial) => refused(denial),
    };
    site.tell_program("POST /revoke", &received, &reply.event, &answer);
    web::send(reply.answer.to_response())
}

/// Its caller, the photos API, tells what it asked and what came back.
async fn introspect(State(site): State<Arc<Accounts>>, received: Received) -> Response {
    let operation = site.server.introspect(&received.0);
    web::send(site.run(&operation).await.map_or_else(|failure| failure, |reply| reply.answer.to_response()))
}

impl Accounts {
    async fn run<O: Operation>(&self, operation: &O) -> Result<O::Reply, HttpResponse> {
        let moment = Moment::now().map_err(|_| HttpResponse::new(503))?;
        run_async(&self.store, operation, moment).await.map_err(|failure| failure.to_response())
    }

    fn tell_program(&self, what: &str, received: &Received, event: &Event, answer: &str) {
        let caller = Party::of(&received.0);
        let asked = parameters(received.body_text().expose());
        let proof = received.0.headers.only("Authorization").map_or("", |_| ", Authorization: Basic ...");
        self.narrator.tell(caller, Party::Accounts, &format!("{what} {asked}{proof}"));
        self.narrator.tell(Party::Accounts, caller, &format!("{answer} ({})", event.kind.as_str()));
    }
}

fn issued(tokens: &TokenResponse) -> String {
    let optional = |name: &str, token: &Option<SecretString>| {
        token.as_ref().map(|token| format!(" {name}={}", short(token.expose()))).unwrap_or_default()
    };
    format!(
        "access_token={} expires_in={}{}{} scope=\"{}\"",
        short(tokens.access_token.expose()),
        tokens.expires_in,
        optional("refresh_token", &tokens.refresh_token),
        optional("id_token", &tokens.id_token),
        tokens.scope,
    )
}

fn refused(denial: Denial) -> String {
    format!("{} {}: {}", denial.status(), denial.code.as_str(), denial.reason)
}
