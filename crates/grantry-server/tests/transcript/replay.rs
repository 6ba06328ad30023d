//! What a replay tells, and what it needs.

use core::pin::pin;
use core::task::{Context, Poll, Waker};

use grantry_core::{HttpRequest, SecretString, base64url, form};
use grantry_jwt::{JwkSet, SigningInput, SigningKey};
use grantry_server::{
    AccessTokenFormat, AssertionKeys, AssertionSecret, Client, ClientAuthentication, Difference, MemoryStore,
    MemoryStoreFull, Policy, Recorded, Recording, RedactError, ReplayError, Replayed, RunError, SendStore,
    Server, Signature, Signer, Token, TokenAnswer, Transcript, TranscriptError, record, record_async,
    record_with_signer,
};
use serde_json::{Value, json};

use crate::scene::{PASSWORD, PERSON, Scene};
use crate::support::{
    ISSUER, KEY, NOW, Site, client_id, clients, handle_key, private_key, redemption, refresh_token, request,
    scope, server_of,
};

fn block_on<F: Future>(future: F) -> F::Output {
    let Poll::Ready(output) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it waits")
    };
    output
}

/// A refresh, and the server that decided it.
fn refreshed(server: Server) -> (Site, Transcript) {
    let site = Site::of(server);
    let tokens = site.tokens(NOW);
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens).expose())];
    let recording = Recording::token(&site.server, &request("web", "/token", &pairs));
    let Recorded { reply, transcript, .. } = record(&site.store, &recording, site.moment(NOW));
    assert!(matches!(reply.unwrap().answer, TokenAnswer::Issued(_)));
    (site, transcript)
}

fn changed(transcript: &Transcript, change: impl FnOnce(&mut Value)) -> Transcript {
    let mut value: Value = serde_json::from_str(transcript.to_json().expose()).unwrap();
    change(&mut value);
    Transcript::from_json(&value.to_string()).unwrap()
}

fn differs(transcript: &Transcript, server: &Server) -> Difference {
    match transcript.replay(server) {
        Ok(Replayed::Different(difference)) => difference,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_replay_says_what_came_out_differently() {
    let (site, transcript) = refreshed(server_of(ISSUER));
    let server = || server_of(ISSUER);
    assert_eq!(transcript.replay(&site.server), Ok(Replayed::Same));
    let short = Policy::default().with_access_token_lifetime(core::time::Duration::from_secs(1));
    assert_eq!(differs(&transcript, &server().with_policy(short)), Difference::Signature(0));
    let opaque = Policy::default().with_access_token_format(AccessTokenFormat::Opaque);
    assert_eq!(differs(&transcript, &server().with_policy(opaque)), Difference::Signature(0));
    let ended = Policy::default().with_not_before(crate::support::time(NOW + 1));
    assert_eq!(differs(&transcript, &server().with_policy(ended)), Difference::Round(0));
    let other = Server::new(server().issuer().clone(), KEY.clone(), handle_key(2)).unwrap();
    assert_eq!(differs(&transcript, &other), Difference::Round(0));
    let stranger = server_of("https://other.example");
    assert_eq!(transcript.replay(&stranger), Err(ReplayError::OtherIssuer));

    let kind = changed(&transcript, |value| value["told"]["event"]["kind"] = json!("x"));
    assert_eq!(differs(&kind, &site.server), Difference::Event);
    let status = changed(&transcript, |value| value["told"]["answer"]["response"]["status"] = json!(201));
    assert_eq!(differs(&status, &site.server), Difference::Answer);
    let written = changed(&transcript, |value| {
        value["rounds"][0]["commit"]["changes"][0]["put"]["expected"] = json!(7);
    });
    assert_eq!(differs(&written, &site.server), Difference::Round(0));
    let seed = changed(&transcript, |value| value["seed"] = json!("AAAA"));
    assert_eq!(seed.replay(&site.server), Err(ReplayError::Seed));
    let record =
        changed(&transcript, |value| value["rounds"][0]["records"]["grant"]["record"] = json!("AAAA"));
    assert_eq!(record.replay(&site.server), Err(ReplayError::Record));
}

/// A signature that draws randomness is in the transcript; the private key is not needed.
#[test]
fn tokens_of_every_algorithm_come_out_the_same() {
    for vector in ["JK-107.2", "JK-107.3", "JK-107.9"] {
        let key = private_key(vector, "key-1");
        let server = |key: grantry_server::IssuerKey| {
            Server::new(server_of(ISSUER).issuer().clone(), key, handle_key(1)).unwrap()
        };
        let (site, transcript) = refreshed(server(key.clone().into()));
        assert_eq!(transcript.replay(&site.server), Ok(Replayed::Same), "{vector}");
        assert_eq!(transcript.replay(&server(key.verifying_key().into())), Ok(Replayed::Same), "{vector}");
    }
    let key = SigningKey::from_jwk(P256.as_bytes()).unwrap().with_key_id("key-1");
    let server = Server::new(server_of(ISSUER).issuer().clone(), key, handle_key(1)).unwrap();
    let (site, transcript) = refreshed(server);
    assert_eq!(transcript.replay(&site.server), Ok(Replayed::Same));
}

/// RFC 7515 appendix A.3.
const P256: &str = r#"{"kty":"EC","crv":"P-256","alg":"ES256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

/// A key outside of the process, which can be down.
struct Machine(Option<SigningKey>);

#[derive(Debug, PartialEq, Eq)]
struct Down;

impl Signer for Machine {
    type Error = Down;

    fn sign(&self, input: &SigningInput) -> Result<Signature, Down> {
        let key = self.0.as_ref().ok_or(Down)?;
        let text = core::str::from_utf8(input.as_bytes()).unwrap();
        let (header, payload) = text.split_once('.').unwrap();
        let header = String::from_utf8(base64url::decode(header).unwrap()).unwrap();
        let token = key.sign_with_header(&header, &base64url::decode(payload).unwrap()).unwrap();
        Ok(Signature::Jose(base64url::decode(token.rsplit_once('.').unwrap().1).unwrap()))
    }
}

#[test]
fn a_key_outside_of_the_process_is_asked_and_its_signature_kept() {
    let site = Site::new();
    let code = site.code(NOW);
    let outside = Server::new(site.server.issuer().clone(), KEY.verifying_key(), handle_key(1)).unwrap();
    let request = request("web", "/token", &redemption("web", &code).each());
    let recording = Recording::token(&outside, &request);
    let failed = record_with_signer(&site.store, &Machine(None), &recording, site.moment(NOW));
    assert_eq!(failed.reply.err(), Some(RunError::Signer(Down)));
    assert_eq!((failed.transcript.kind(), failed.transcript.rounds()), (None, 1));
    assert_eq!(failed.transcript.replay(&outside), Ok(Replayed::Same));
    let without = record(&site.store, &recording, site.moment(NOW));
    assert!(matches!(without.reply, Err(RunError::Signer(_))));
    let machine = Machine(Some(KEY.clone()));
    let signed = record_with_signer(&site.store, &machine, &recording, site.moment(NOW));
    assert!(matches!(signed.reply.unwrap().answer, TokenAnswer::Issued(_)));
    assert_eq!(signed.transcript.replay(&outside), Ok(Replayed::Same));
    for transcript in [failed.transcript, signed.transcript] {
        let redacted = transcript.redacted(&outside).unwrap();
        assert_eq!(redacted.replay(&outside.for_transcripts().unwrap()), Ok(Replayed::Same));
    }
}

#[test]
fn an_asynchronous_store_is_recorded_the_same() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    async fn sent<S: SendStore<Error = MemoryStoreFull>>(
        store: S,
        recording: Recording<Token>,
        moment: grantry_core::Moment,
    ) -> Transcript {
        record_async(&store, &recording, moment).await.transcript
    }
    let site = Site::new();
    let code = site.code(NOW);
    let request = request("web", "/token", &redemption("web", &code).each());
    let seeded = || grantry_core::Moment::new(crate::support::time(NOW), [5; 32]);
    let recording = || Recording::token(&site.server, &request);
    drop(assert_send(sent(MemoryStore::new(clients()), recording(), seeded())));
    let transcript = block_on(sent(&site.store.inner, recording(), seeded()));
    assert_eq!(transcript.kind(), Some("code_redeemed"));
    assert_eq!(transcript.replay(&site.server), Ok(Replayed::Same));
}

#[test]
fn a_transcript_is_one_strict_json_object() {
    let (_, transcript) = refreshed(server_of(ISSUER));
    let text = transcript.to_json();
    let text = text.expose();
    assert!(Transcript::from_json(text).unwrap() == transcript);
    let newer = text.replacen("\"form\":1", "\"form\":2", 1);
    assert_eq!(Transcript::from_json(&newer).err(), Some(TranscriptError::Newer(2)));
    let corrupt = Some(TranscriptError::Corrupt);
    for other in [
        text.replacen("\"form\":1", "\"form\":0", 1),
        text.replacen("\"form\":1", "\"form\":1,\"form\":1", 1),
        text.replacen("\"form\":1", "\"form\":1,\"other\":1", 1),
        text.replacen("\"method\"", "\"other\":1,\"method\"", 1),
        text.replacen("\"token\":{\"request\"", "\"other\":{\"request\"", 1),
        text.replacen("\"applied\"", "\"perhaps\"", 1),
        text[..text.len() - 1].into(),
        format!("[{text}]"),
        format!("{text} "),
        String::new(),
    ] {
        let read = Transcript::from_json(&other).err();
        assert!(read == corrupt || other.ends_with(' '), "{other}");
    }
    let long = format!("{}{text}", " ".repeat(Transcript::MAX_BYTES));
    assert_eq!(Transcript::from_json(&long).err(), corrupt);
}

#[test]
fn debug_shows_no_secret() {
    let scene = Scene::new(AccessTokenFormat::Opaque);
    let pairs = [("grant_type", "password"), ("username", PERSON), ("password", PASSWORD)];
    let request = request("web", "/token", &pairs);
    let recording = Recording::token(scene.server(), &request).with_resource_owner(scene.approval());
    let recorded = record(&scene.site.store, &recording, scene.moment(NOW));
    let text = format!("{recording:?} {:?} {recorded:?}", recorded.transcript);
    for secret in [PASSWORD, "grr_", "gra_", "Basic", "Put"] {
        assert!(!text.contains(secret), "{text}");
    }
}

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Of a client that signs its assertions the public keys are kept; of one that keys them nothing is.
#[test]
fn rfc7523_clients_are_replayed_by_their_public_keys_and_never_redacted() {
    let shared = "0123456789abcdef0123456789abcdef";
    let signing = private_key("JK-107.3", "client-1");
    let jwk = json!({ "kty": "oct", "alg": "HS256", "k": base64url::encode(shared) }).to_string();
    let keyed = SigningKey::from_jwk(jwk.as_bytes()).unwrap();
    let public = AssertionKeys::new(&JwkSet::from_keys([signing.verifying_key()])).unwrap();
    let secret = AssertionSecret::new(&SecretString::from(shared)).unwrap();
    let cases = [
        (ClientAuthentication::PrivateKeyJwt(public), signing, Ok(Replayed::Same), RedactError::Assertion),
        (
            ClientAuthentication::SecretJwt(secret),
            keyed,
            Err(ReplayError::SharedSecret),
            RedactError::Assertion,
        ),
    ];
    for (authentication, key, replayed, redacted) in cases {
        let site = Site::new();
        let client = Client::new(client_id("app"), authentication)
            .with_grant_types([grantry_server::GrantType::ClientCredentials])
            .with_scope(scope("read"));
        site.store.inner.put_client(client);
        let claims = json!({ "iss": "app", "sub": "app", "aud": ISSUER, "exp": NOW + 60, "jti": "1" });
        let assertion = key.sign_claims(Some("JWT"), &claims).unwrap();
        let body = form::encode([
            ("grant_type", "client_credentials"),
            ("scope", "read"),
            ("client_assertion_type", ASSERTION),
            ("client_assertion", assertion.as_str()),
        ]);
        let recording = Recording::token(&site.server, &HttpRequest::form("/token", body));
        for _ in 0..2 {
            let recorded = record(&site.store, &recording, site.moment(NOW));
            assert_eq!(recorded.transcript.replay(&site.server), replayed);
            assert_eq!(recorded.transcript.redacted(&site.server).err(), Some(redacted));
            assert!(!recorded.transcript.to_json().expose().contains(shared));
        }
    }
}

#[test]
fn a_damaged_transcript_never_panics() {
    let (site, transcript) = refreshed(server_of(ISSUER));
    let text = transcript.to_json();
    for position in 0..text.expose().len() {
        for byte in [b'0', b'A', b'"', b'n'] {
            let mut damaged = text.expose().as_bytes().to_vec();
            damaged[position] = byte;
            let Ok(damaged) = String::from_utf8(damaged) else { continue };
            let Ok(damaged) = Transcript::from_json(&damaged) else { continue };
            if position % 7 == 0 {
                let _ = (damaged.replay(&site.server).is_ok(), damaged.redacted(&site.server).is_ok());
            }
        }
    }
}
