//! Devices and pushed requests at the site of the tests.

use grantry_core::{HttpRequest, HttpResponse, Issuer};
use grantry_server::{
    Answered, Change, ChangeSet, DeviceAnswer, DeviceResponse, Effect, Endpoint, Endpoints, EventKind, Grant,
    GrantType, Interaction, Outcome, Policy, Pushed, PushedResponse, Reason, Reply, Store, TokenAnswer,
    Verification, Version,
};

use super::{ISSUER, Site, assert_denied, basic, clients, json, query, request, secret, server_of};

pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A site with every endpoint, whose clients may use the device grant, but for `post`.
pub(crate) fn every_endpoint(policy: Policy) -> Site {
    let endpoints = Endpoints::all_below(&Issuer::parse(ISSUER).unwrap());
    let site = Site::of(server_of(ISSUER).with_policy(policy).with_endpoints(endpoints));
    for client in clients().into_iter().filter(|client| client.id().as_str() != "post") {
        let grants = [GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::DeviceCode];
        site.store.inner.put_client(client.with_grant_types(grants));
    }
    site
}

impl Site {
    pub(crate) fn ask_for_device(
        &self,
        client: &str,
        pairs: &[(&str, &str)],
        now: u64,
    ) -> Reply<DeviceAnswer> {
        let request = request(client, "/device_authorization", pairs);
        self.run(&self.server.device_authorization(&request), now)
    }

    /// Begins as a device that asks for `read write`.
    pub(crate) fn device(&self, client: &str, now: u64) -> DeviceResponse {
        waiting(self.ask_for_device(client, &[("scope", "read write")], now))
    }

    pub(crate) fn poll(&self, client: &str, device: &DeviceResponse, now: u64) -> Reply<TokenAnswer> {
        let code = device.device_code.expose();
        self.token(client, &[("grant_type", DEVICE_CODE), ("device_code", code)], now)
    }

    pub(crate) fn verify(&self, text: &str, now: u64) -> Reply<Verification> {
        self.run(&self.server.verify_user_code(text), now)
    }

    /// Begins as a device, and lets it in.
    pub(crate) fn approved(&self, client: &str, now: u64) -> DeviceResponse {
        let device = self.device(client, now);
        let reply = self.approve(self.find(&device, now), now);
        assert!(matches!(reply.answer, Answered::DeviceApproved), "{:?}", reply.event);
        device
    }

    /// Types the code of a device, and comes to the page that asks.
    pub(crate) fn find(&self, device: &DeviceResponse, now: u64) -> Interaction {
        found(self.verify(device.user_code.expose(), now))
    }

    /// Revokes the grant that was written last, as an administrator does while it waits. In its stored form the
    /// state is the last part.
    pub(crate) fn revoke_waiting(&self, state: &[u8]) {
        let bytes = self.store.last_written().to_bytes();
        let rest = bytes.strip_suffix(state).unwrap();
        let grant = Grant::from_bytes(&[rest, &[6, 1]].concat()).unwrap();
        let change = Change::Put { expected: Some(Version::FIRST), grant };
        assert_eq!(self.store.commit(&ChangeSet::from_iter([change])).unwrap(), Outcome::Applied);
    }

    /// Pushes a good request, with parameters replaced, added or (`None`) left out.
    pub(crate) fn push(&self, client: &str, changes: &[(&str, Option<&str>)], now: u64) -> Reply<Pushed> {
        self.run(&self.server.push(&push_request(client, changes)), now)
    }
}

pub(crate) fn push_request(client: &str, changes: &[(&str, Option<&str>)]) -> HttpRequest {
    let secret = secret(client);
    let mut changes = changes.to_vec();
    if client == "post" {
        changes.push(("client_secret", Some(&secret)));
    }
    let request = HttpRequest::form("/par", query(client, &changes));
    match client {
        "native" | "post" => request,
        _ => request.with_header("Authorization", basic(client, &secret)),
    }
}

#[track_caller]
pub(crate) fn waiting(reply: Reply<DeviceAnswer>) -> DeviceResponse {
    let DeviceAnswer::Waiting(device) = reply.answer else { panic!("{:?}", reply.event) };
    device
}

#[track_caller]
pub(crate) fn found(reply: Reply<Verification>) -> Interaction {
    let Verification::Interact(interaction) = reply.answer else { panic!("{:?}", reply.event) };
    *interaction
}

#[track_caller]
pub(crate) fn pushed(reply: Reply<Pushed>) -> PushedResponse {
    let Pushed::Accepted(response) = reply.answer else { panic!("{:?}", reply.event) };
    response
}

#[track_caller]
pub(crate) fn assert_page(reply: &Reply<Answered>, reason: Reason) {
    let Answered::Page(page) = &reply.answer else { panic!("{:?}", reply.event) };
    assert_eq!(page.denial().reason, reason);
    assert_eq!(reply.event.denial, Some(page.denial()));
    assert_eq!(reply.event.effect, Effect::Nothing);
}

#[track_caller]
pub(crate) fn assert_unknown(reply: &Reply<Verification>) {
    let Verification::Page(page) = &reply.answer else { panic!("{:?}", reply.event) };
    assert_eq!(page.denial().reason, Reason::UserCodeUnknown);
    assert_eq!((reply.event.endpoint, reply.event.kind), (Endpoint::Verification, EventKind::RequestRefused));
    assert_eq!((reply.event.effect, reply.event.client_id.as_ref()), (Effect::Nothing, None));
}

#[track_caller]
pub(crate) fn assert_error(response: &HttpResponse, status: u16, error: &str) {
    assert_eq!((response.status, response.headers.only("Cache-Control")), (status, Some("no-store")));
    assert_eq!(json(response)["error"], error);
}

/// A poll that has to wait: the error on the wire, and that the record says when it came.
#[track_caller]
pub(crate) fn assert_waits(reply: &Reply<TokenAnswer>, error: &str, reason: Reason) {
    assert_denied(reply, error, reason);
    assert_eq!((reply.event.kind, reply.event.effect), (EventKind::DevicePolled, Effect::Written));
    assert_error(&reply.answer.to_response(), 400, error);
}

#[track_caller]
pub(crate) fn assert_pending(reply: &Reply<TokenAnswer>) {
    assert_waits(reply, "authorization_pending", Reason::PersonHasNotAnswered);
}
