//! Documents as a provider serves them, and the discovery that reads them.
#![allow(dead_code, reason = "each test file takes what it needs")]

use grantry_client::{
    Discovery, DiscoveryAdvice, DiscoveryError, DiscoveryPolicy, DiscoveryTicket, DocumentError, Provider,
};
use grantry_core::{HttpResponse, Issuer, UnixTime};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const OPENID: &str = "https://as.example/.well-known/openid-configuration";
pub(crate) const OAUTH2: &str = "https://as.example/.well-known/oauth-authorization-server";
pub(crate) const START: u64 = 1_800_000_000;

pub(crate) fn at(now: u64) -> UnixTime {
    UnixTime::from_secs(START + now)
}

pub(crate) fn issuer() -> Issuer {
    Issuer::parse(ISSUER).unwrap()
}

/// What a document of the issuer has at least; the token endpoint names it.
pub(crate) fn document(name: &str) -> Value {
    json!({ "issuer": ISSUER, "authorization_endpoint": "https://as.example/authorize",
            "token_endpoint": format!("https://as.example/{name}") })
}

/// The same with further members, or others in their place.
pub(crate) fn document_with(members: &Value) -> Value {
    let mut document = document("token");
    document.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    document
}

pub(crate) fn answer(document: &Value) -> HttpResponse {
    HttpResponse::new(200).with_header("Content-Type", "application/json").with_body(document.to_string())
}

pub(crate) fn response(name: &str) -> HttpResponse {
    answer(&document(name))
}

/// Reads one answer as a fresh discovery does that has no other place to ask.
pub(crate) fn read(
    issuer: Issuer,
    policy: DiscoveryPolicy,
    response: &HttpResponse,
) -> Result<Provider, DocumentError> {
    let policy = policy.with_well_known(grantry_client::WellKnownOrder::OAuth2Only);
    let mut discovery = Discovery::new(issuer, policy);
    let DiscoveryAdvice::Fetch(ticket) = discovery.advise(at(0)) else {
        unreachable!("nothing is there yet")
    };
    let outcome = discovery.handle_response(ticket, response, at(0));
    let advice = discovery.advise(at(0));
    match outcome {
        Ok(provider) => {
            assert!(matches!(advice, DiscoveryAdvice::Ready(ready) if ready == provider));
            Ok(Provider::clone(&provider))
        }
        Err(DiscoveryError::Document(error)) => {
            assert!(matches!(advice, DiscoveryAdvice::Wait { stale: None, .. }), "{error}");
            Err(error)
        }
        Err(other) => unreachable!("{other}"),
    }
}

/// What a discovery advised, in a form that compares: times count from [`START`], and a provider is the
/// name in its token endpoint.
#[derive(Debug, PartialEq)]
pub(crate) enum Advised {
    Ready(String),
    Fetch(String, Option<String>),
    Wait(u64, Option<String>),
}

pub(crate) fn name(provider: &Provider) -> String {
    assert_eq!(provider.issuer().as_str(), ISSUER);
    provider.token_endpoint().rsplit('/').next().unwrap().to_owned()
}

pub(crate) fn ready(name: &str) -> Advised {
    Advised::Ready(name.to_owned())
}

pub(crate) fn fetch(url: &str) -> Advised {
    Advised::Fetch(url.to_owned(), None)
}

pub(crate) fn fetch_with(url: &str, stale: &str) -> Advised {
    Advised::Fetch(url.to_owned(), Some(stale.to_owned()))
}

pub(crate) fn wait_with(until: u64, stale: &str) -> Advised {
    Advised::Wait(until, Some(stale.to_owned()))
}

/// A discovery and the tickets it gave out, oldest first.
pub(crate) struct Host {
    pub(crate) discovery: Discovery,
    pub(crate) tickets: Vec<DiscoveryTicket>,
}

impl Host {
    pub(crate) fn new(policy: DiscoveryPolicy) -> Self {
        Self { discovery: Discovery::new(issuer(), policy), tickets: Vec::new() }
    }

    /// Starts with a document that came at once, at time 0.
    pub(crate) fn with(policy: DiscoveryPolicy, response: &HttpResponse) -> Self {
        let mut host = Self::new(policy);
        assert!(matches!(host.advise(0), Advised::Fetch(_, None)));
        host.answer(response, 0).unwrap();
        host
    }

    pub(crate) fn advise(&mut self, now: u64) -> Advised {
        let since = |time: UnixTime| time.as_secs() - START;
        match self.discovery.advise(at(now)) {
            DiscoveryAdvice::Ready(provider) => Advised::Ready(name(&provider)),
            DiscoveryAdvice::Fetch(ticket) => {
                let stale = ticket.stale().map(|provider| name(provider));
                let url = ticket.request().target;
                self.tickets.push(ticket);
                Advised::Fetch(url, stale)
            }
            DiscoveryAdvice::Wait { until, stale } => {
                Advised::Wait(since(until), stale.map(|provider| name(&provider)))
            }
        }
    }

    /// Answers the oldest ticket.
    pub(crate) fn answer(&mut self, response: &HttpResponse, now: u64) -> Result<String, DiscoveryError> {
        let ticket = self.tickets.remove(0);
        self.discovery.handle_response(ticket, response, at(now)).map(|provider| name(&provider))
    }

    /// Fails the oldest ticket.
    pub(crate) fn fail(&mut self, now: u64) {
        self.discovery.handle_failure(self.tickets.remove(0), at(now));
    }
}
