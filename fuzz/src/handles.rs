//! What a server gives out and takes back: handles, sealed interactions, stored records.

use std::cell::RefCell;
use std::sync::LazyLock;

use grantry::core::HttpRequest;
use grantry::server::{
    AccessTokenFormat, Authorization, Grant, GrantType, Interaction, Introspection, MemoryStore, RecordError,
    Refusal, Revoked, Server, TokenAnswer, UnsealError, run,
};

use crate::edit::{edited, text};
use crate::fixture::{self, NOW, ReadOnly, Recorder, clients, moment};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    RefreshToken,
    AccessToken,
    RequestUri,
    DeviceCode,
}

/// Everything that the server minted, none of it used.
struct World {
    server: Server,
    store: MemoryStore,
    minted: Vec<(Kind, String)>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let store = MemoryStore::new(clients());
    let server = fixture::server(fixture::policy(AccessTokenFormat::Opaque));
    let jwt_server = fixture::server(fixture::policy(AccessTokenFormat::Jwt));
    let mut minted = vec![(Kind::Code, fixture::code(&server, &store, 1))];
    for (server, number) in [(&server, 2), (&jwt_server, 3)] {
        let tokens = fixture::tokens(server, &store, &fixture::code(server, &store, number));
        minted.push((Kind::AccessToken, tokens.access_token.expose().to_owned()));
        minted.push((Kind::RefreshToken, tokens.refresh_token.unwrap().expose().to_owned()));
    }
    minted.push((Kind::RequestUri, fixture::pushed(&server, &store, 4)));
    minted.push((Kind::DeviceCode, fixture::device(&server, &store, 5).device_code.expose().to_owned()));
    World { server, store, minted }
});

/// No text is taken for a code or a token but one that the server minted, byte for byte and as the kind
/// that it is; every other one writes nothing.
pub fn handle(data: &[u8]) {
    WORLD.refuse(&text(data));
    if let Some((choice, script)) = data.split_first() {
        let (_, original) = &WORLD.minted[usize::from(*choice) % WORLD.minted.len()];
        WORLD.refuse(&text(&edited(original.as_bytes(), script)));
    }
}

impl World {
    /// Presents the text as everything that it is not.
    fn refuse(&self, text: &str) {
        let kind = self.minted.iter().find(|(_, minted)| minted == text).map(|(kind, _)| *kind);
        let store = ReadOnly(&self.store);
        let requests = [
            (Kind::Code, fixture::redemption(text)),
            (Kind::RefreshToken, fixture::refresh(text)),
            (Kind::DeviceCode, fixture::poll_by("app-1", text)),
        ];
        for (_, request) in requests.into_iter().filter(|(own, _)| kind != Some(*own)) {
            let answer = run(&store, &self.server.token(&request), moment(NOW, 4)).unwrap().answer;
            assert!(matches!(answer, TokenAnswer::Denied(denial) if denial.status() == 400), "{answer:?}");
        }
        for client in ["app-1", "twin"] {
            let operation = self.server.authorize(&fixture::pushed_request(client, text));
            let answer = run(&store, &operation, moment(NOW, 7)).unwrap().answer;
            let is_own = kind == Some(Kind::RequestUri) && client == "app-1";
            assert_eq!(matches!(answer, Authorization::Interact(_)), is_own, "{answer:?}");
        }
        let presented = fixture::presented(text);
        let answer = run(&store, &self.server.introspect(&presented), moment(NOW, 5)).unwrap().answer;
        if matches!(kind, Some(Kind::AccessToken | Kind::RefreshToken)) {
            return assert!(matches!(answer, Introspection::Active(_)), "{answer:?}");
        }
        assert!(!matches!(answer, Introspection::Active(_)), "{answer:?}");
        let answer = run(&store, &self.server.revoke(&presented), moment(NOW, 6)).unwrap().answer;
        assert!(matches!(answer, Revoked::Done | Revoked::Denied(_)));
    }
}

static SEALED: LazyLock<(Interaction, String)> = LazyLock::new(|| {
    let interaction = fixture::interaction(&WORLD.server, &WORLD.store, 9);
    let sealed = WORLD.server.seal(&interaction, "session-1");
    (interaction, sealed)
});

/// A sealed interaction opens as itself, in its own session and in time, and nothing else opens at all.
pub fn sealed_interaction(data: &[u8]) {
    let (interaction, sealed) = &*SEALED;
    let server = &WORLD.server;
    let open = |sealed: &str, session: &str| {
        let opened = server.unseal(sealed, session, NOW);
        if sealed == SEALED.1 && session == "session-1" {
            assert_eq!(opened.as_ref(), Ok(interaction));
        } else {
            assert_eq!(opened, Err(UnsealError::Foreign));
        }
        assert!(server.unseal(sealed, session, interaction.expires_at()).is_err());
    };
    open(&text(data), "session-1");
    open(&text(&edited(sealed.as_bytes(), data)), "session-1");
    open(sealed, &text(&edited(b"session-1", data)));
}

/// Records of every kind of grant in each of its states.
static RECORDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let robot = clients().remove(0).with_grant_types([GrantType::ClientCredentials]);
    let store = Recorder { store: MemoryStore::new(clients()), records: RefCell::default() };
    let server = fixture::server(fixture::policy(AccessTokenFormat::Opaque));
    let approval = || fixture::approval().with_acr("gold").with_amr(["pwd", "otp"]).with_sid("sid-1");
    // Issued, active, revoked.
    let tokens = fixture::tokens(&server, &store, &fixture::code(&server, &store, 1));
    let revoke = server.revoke(&fixture::presented(tokens.access_token.expose()));
    assert_eq!(run(&store, &revoke, moment(NOW, 2)).unwrap().answer, Revoked::Done);
    // Pushed.
    let request_uri = fixture::pushed(&server, &store, 3);
    let page = fixture::page(&server, &store, &fixture::pushed_request("app-1", &request_uri), 4);
    run(&store, &server.approve(page, approval()), moment(NOW, 5)).unwrap();
    // Pending, polled, approved, active; and denied.
    let device = fixture::device(&server, &store, 6);
    let poll = server.token(&fixture::poll_by("app-1", device.device_code.expose()));
    run(&store, &poll, moment(NOW, 7)).unwrap();
    let page = fixture::device_page(&server, &store, device.user_code.expose());
    run(&store, &server.approve(page, approval()), moment(NOW, 8)).unwrap();
    run(&store, &poll, moment(NOW, 9)).unwrap();
    let device = fixture::device(&server, &store, 10);
    let page = fixture::device_page(&server, &store, device.user_code.expose());
    run(&store, &server.refuse(&page, Refusal::AccessDenied), moment(NOW, 11)).unwrap();
    // Implicit, by password, for the client itself.
    let query = fixture::authorization_parameters("token");
    let page = fixture::page(&server, &store, &HttpRequest::form("/authorize", query), 12);
    run(&store, &server.approve(page, approval()), moment(NOW, 13)).unwrap();
    let pairs = [("grant_type", "password"), ("username", "alice"), ("password", "pw")];
    let password = server.token(&fixture::post_by("app-1", &pairs)).with_resource_owner(approval());
    run(&store, &password, moment(NOW, 14)).unwrap();
    store.store.put_client(robot);
    let own = server.token(&fixture::post_by("app-1", &[("grant_type", "client_credentials")]));
    run(&store, &own, moment(NOW, 15)).unwrap();
    store.records.into_inner()
});

/// Any bytes are a grant or an error, a grant is written as bytes that read back as itself, and it has no other
/// bytes.
pub fn grant_record(data: &[u8]) {
    record(data);
    if let Some((choice, script)) = data.split_first() {
        record(&edited(&RECORDS[usize::from(*choice) % RECORDS.len()], script));
    }
}

fn record(bytes: &[u8]) {
    let grant = match Grant::from_bytes(bytes) {
        Ok(grant) => grant,
        Err(RecordError::Newer(form)) => return assert_eq!(Some(&form), bytes.first()),
        Err(_) => return,
    };
    let written = grant.to_bytes();
    assert_eq!(Grant::from_bytes(&written).as_ref(), Ok(&grant));
    assert_eq!(written, bytes, "two spellings of one record");
    assert!(grant.purge_after() >= grant.expires_at());
    let longer = [bytes, b"x"].concat();
    assert_eq!(Grant::from_bytes(&longer), Err(RecordError::Corrupt), "a record with a tail");
}
