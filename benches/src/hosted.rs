//! This workspace over a store that is asked asynchronously.

use core::fmt::Debug;

use grantry::core::{HttpRequest, HttpResponse};
use grantry::server::{AccessTokenFormat, Operation, SendStore, Server, run_async};
use tokio::runtime::Handle;

use crate::flow::{Host, moment, server};

/// A server with opaque tokens over a store.
#[derive(Debug)]
pub struct Hosted<S> {
    server: Server,
    store: S,
    runtime: Handle,
}

impl<S: SendStore<Error: Debug>> Hosted<S> {
    /// Makes a server that waits on a runtime where it may.
    pub fn new(store: S, runtime: &Handle) -> Self {
        Self { server: server(AccessTokenFormat::Opaque), store, runtime: runtime.clone() }
    }

    /// Returns the store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Answers a request to the token endpoint with status 200.
    pub async fn token(&self, request: &HttpRequest) -> HttpResponse {
        let reply = run_async(&self.store, &self.server.token(request), moment()).await;
        let response = reply.expect("a store that works").answer.to_response();
        assert_eq!(response.status, 200, "a refused request is no measure");
        response
    }
}

impl<S: SendStore<Error: Debug>> Host for Hosted<S> {
    fn server(&self) -> &Server {
        &self.server
    }

    fn run<O: Operation>(&self, operation: &O) -> O::Reply {
        let run = run_async(&self.store, operation, moment());
        self.runtime.block_on(run).expect("a store that works")
    }

    fn answer(&self, request: HttpRequest) -> HttpResponse {
        self.runtime.block_on(self.token(&request))
    }
}
