//! What the process does until it is killed.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::io::Read as _;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use grantry_core::{HttpRequest, HttpResponse, Moment, form};
use grantry_server::{
    AccessTokenFormat, Approval, Authorization, Event, Operation, Policy, Server, TokenAnswer,
};
use tokio::net::TcpListener;

use super::link::EFFECT;
use crate::site::{self, ISSUER, NOW, subject, time};

/// What the process finds its database by.
pub(crate) const DATABASE: &str = "GRANTRY_KILL_DATABASE";
/// Which process it is, so that no moment is like one of another.
pub(crate) const LAUNCH: &str = "GRANTRY_KILL_LAUNCH";
/// Before the port.
pub(crate) const READY: &str = "serving on ";
/// Before a request and the refresh token that answers it.
pub(crate) const ANSWER: &str = "answer to ";

/// The store, and how the process carries operations over it.
pub(crate) trait Host: Send + Sync + 'static {
    /// Returns the reply, or the answer for a store that failed.
    fn carry<O>(
        self: Arc<Self>,
        operation: O,
        moment: Moment,
    ) -> impl Future<Output = Result<O::Reply, HttpResponse>> + Send
    where
        O: Operation<Reply: Send> + Send + Sync + 'static;
}

/// Returns what to find the database by, in a process that is to [`serve`].
pub(crate) fn database() -> Option<String> {
    std::env::var(DATABASE).ok()
}

/// Serves until the process ends.
pub(crate) async fn serve(host: impl Host) {
    end_with_the_test();
    let window = Duration::from_secs(10);
    let policy = Policy::default().with_code_retry(window).with_refresh_retry(window);
    let policy = policy.with_access_token_format(AccessTokenFormat::Opaque);
    let endpoints = Endpoints {
        host: Arc::new(host),
        server: site::server_of(ISSUER, policy),
        launch: std::env::var(LAUNCH).unwrap().parse().unwrap(),
        operations: AtomicU64::new(0),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // What reports on tests may have begun a line.
    println!("\n{READY}{}", listener.local_addr().unwrap().port());
    axum::serve(listener, Router::new().fallback(answer).with_state(Arc::new(endpoints))).await.unwrap();
}

/// However the test ends, its process does too; and a request that panics ends it as well, so that the test sees it.
fn end_with_the_test() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(1);
    }));
}

async fn answer<H: Host>(State(endpoints): State<Arc<Endpoints<H>>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, form::MAX_BYTES).await.unwrap();
    let request = HttpRequest::from(Request::from_parts(parts, body));
    let response = endpoints.answer(&request).await.unwrap_or_else(|unavailable| unavailable);
    Response::try_from(response).unwrap().map(Body::from)
}

struct Endpoints<H> {
    host: Arc<H>,
    server: Server,
    launch: u64,
    operations: AtomicU64,
}

impl<H: Host> Endpoints<H> {
    async fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
        match request.path() {
            "/authorize" => {
                let reply = self.carry(self.server.authorize(request)).await?;
                let Authorization::Interact(interaction) = reply.answer else { panic!("{:?}", reply.event) };
                let approval = Approval::new(subject(), time(NOW));
                let reply = self.carry(self.server.approve(*interaction, approval)).await?;
                Ok(with_effect(reply.answer.to_response(), &reply.event))
            }
            "/token" => {
                let reply = self.carry(self.server.token(request)).await?;
                if let TokenAnswer::Issued(tokens) = &reply.answer {
                    let asked = String::from_utf8_lossy(&request.body);
                    println!("{ANSWER}{asked} {}", site::refresh_token(tokens).expose());
                }
                Ok(with_effect(reply.answer.to_response(), &reply.event))
            }
            "/revoke" => {
                let reply = self.carry(self.server.revoke(request)).await?;
                Ok(with_effect(reply.answer.to_response(), &reply.event))
            }
            "/introspect" => {
                let reply = self.carry(self.server.introspect(request)).await?;
                Ok(with_effect(reply.answer.to_response(), &reply.event))
            }
            other => panic!("{other}"),
        }
    }

    async fn carry<O>(&self, operation: O) -> Result<O::Reply, HttpResponse>
    where
        O: Operation<Reply: Send> + Send + Sync + 'static,
    {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.launch.to_be_bytes());
        seed[8..16].copy_from_slice(&self.operations.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        Arc::clone(&self.host).carry(operation, Moment::new(time(NOW), seed)).await
    }
}

/// Tells the test what was written.
fn with_effect(response: HttpResponse, event: &Event) -> HttpResponse {
    response.with_header(EFFECT, format!("{:?}", event.effect))
}
