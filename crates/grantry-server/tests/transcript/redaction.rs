//! What is left of an incident once its secrets are gone.

use std::collections::BTreeSet;

use grantry_core::{base64url, form};
use grantry_server::{RedactError, ReplayError, Replayed, Transcript};
use serde_json::Value;

use crate::scene::Incident;
use crate::support::server_of;
use crate::{FORMATS, played};

/// Every text of a transcript, and whatever is encoded in it. A byte is a character, for the search.
fn layers(transcript: &Transcript) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let json = transcript.to_json();
    found.insert(json.expose().into());
    walk(&serde_json::from_str(json.expose()).unwrap(), &mut found);
    found
}

fn walk(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => decode(text, 0, found),
        Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        Value::Object(members) => {
            for (name, value) in members {
                decode(name, 0, found);
                walk(value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn decode(text: &str, depth: usize, found: &mut BTreeSet<String>) {
    if !found.insert(characters(text.as_bytes())) || depth > 4 {
        return;
    }
    if let Some(value) = serde_json::from_str::<Value>(text).ok().filter(|value| !value.is_string()) {
        walk(&value, found);
    }
    if let Ok(bytes) = base64url::decode(text) {
        match core::str::from_utf8(&bytes) {
            Ok(text) => decode(text, depth + 1, found),
            Err(_) => drop(found.insert(characters(&bytes))),
        }
    }
    if let Ok(plain) = form::decode_component(text) {
        decode(plain.expose(), depth + 1, found);
    }
    let parts = text.split(['&', '=', '?', '#', ' ', '.', ':', '"', '_', ',']);
    parts.for_each(|part| decode(part, depth + 1, found));
}

fn characters(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[test]
fn a_redacted_transcript_holds_no_secret_and_is_decided_alike() {
    for format in FORMATS {
        let scene = played(format);
        let published = scene.server().for_transcripts().unwrap();
        let secrets: BTreeSet<_> = scene.secrets.borrow().iter().map(|secret| characters(secret)).collect();
        let mut originals = BTreeSet::new();
        for Incident { name, transcript } in scene.incidents.borrow().iter() {
            let redacted = transcript.redacted(scene.server());
            let redacted = redacted.unwrap_or_else(|error| panic!("{name}: {error:?} {transcript:?}"));
            assert_eq!(redacted.replay(&published), Ok(Replayed::Same), "{name}");
            assert_eq!((redacted.kind(), redacted.rule()), (transcript.kind(), transcript.rule()), "{name}");
            assert_eq!(redacted.rounds(), transcript.rounds(), "{name}");
            for text in layers(&redacted) {
                for secret in &secrets {
                    assert!(!text.contains(secret), "{name}: {secret} in {text}");
                }
            }
            originals.append(&mut layers(transcript));
        }
        // What is looked for was there.
        for secret in &secrets {
            assert!(originals.iter().any(|text| text.contains(secret)), "{secret} went into no incident");
        }
    }
}

#[test]
fn a_redacted_transcript_can_be_redacted_again() {
    for format in FORMATS {
        let scene = played(format);
        let published = scene.server().for_transcripts().unwrap();
        for Incident { name, transcript } in scene.incidents.borrow().iter() {
            let once = transcript.redacted(scene.server()).unwrap();
            assert!(once.redacted(&published).unwrap() == once, "{name}");
        }
    }
}

#[test]
fn only_the_server_of_the_recording_redacts() {
    let scene = played(FORMATS[0]);
    let incidents = scene.incidents.borrow();
    let redeemed = incidents.iter().find(|incident| incident.name == "redeem").unwrap();
    let redact = |server| redeemed.transcript.redacted(server).err();
    let stranger = server_of("https://other.example");
    assert_eq!(redact(&stranger), Some(RedactError::Replay(ReplayError::OtherIssuer)));
    // Without the handle key the code is forged, and the record does not fit.
    let published = scene.server().for_transcripts().unwrap();
    assert_eq!(redact(&published), Some(RedactError::Differs));
}
