//! What a server gives out and takes back: handles, sealed interactions, stored records.

use std::cell::RefCell;
use std::sync::LazyLock;

use grantry::server::{
    AccessTokenFormat, Grant, Interaction, Introspection, MemoryStore, RecordError, Revoked, Server,
    TokenAnswer, UnsealError, run,
};

use crate::edit::{edited, text};
use crate::fixture::{self, NOW, ReadOnly, Recorder, clients, moment};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    RefreshToken,
    AccessToken,
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
        for (own, request) in
            [(Kind::Code, fixture::redemption(text)), (Kind::RefreshToken, fixture::refresh(text))]
        {
            if kind == Some(own) {
                continue;
            }
            let answer = run(&store, &self.server.token(&request), moment(NOW, 4)).unwrap().answer;
            assert!(matches!(answer, TokenAnswer::Denied(denial) if denial.status() == 400), "{answer:?}");
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

/// Records of one grant in each state.
static RECORDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let store = Recorder { store: MemoryStore::new(clients()), records: RefCell::default() };
    let server = fixture::server(fixture::policy(AccessTokenFormat::Opaque));
    let tokens = fixture::tokens(&server, &store, &fixture::code(&server, &store, 1));
    let revoke = server.revoke(&fixture::presented(tokens.access_token.expose()));
    assert_eq!(run(&store, &revoke, moment(NOW, 2)).unwrap().answer, Revoked::Done);
    store.records.into_inner()
});

/// Any bytes are a grant or an error, a grant is written as bytes that read back as itself, and nothing
/// stands behind it.
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
    assert_eq!(Grant::from_bytes(&grant.to_bytes()).as_ref(), Ok(&grant));
    assert!(grant.purge_after() >= grant.expires_at());
    let longer = [bytes, b"x"].concat();
    assert_eq!(Grant::from_bytes(&longer), Err(RecordError::Corrupt), "a record with a tail");
}
