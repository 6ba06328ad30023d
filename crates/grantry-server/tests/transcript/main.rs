//! Transcripts: an incident that can be run again, and shown to others.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::std_instead_of_alloc,
    reason = "a test fails by panicking"
)]

mod incidents;
mod redaction;
mod replay;
mod scene;
#[path = "../support/mod.rs"]
mod support;

use grantry_server::{AccessTokenFormat, Replayed, Transcript};
use scene::{Incident, Scene};

const FORMATS: [AccessTokenFormat; 2] = [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque];

fn played(format: AccessTokenFormat) -> Scene {
    let scene = Scene::new(format);
    scene.play();
    scene
}

#[test]
fn an_incident_that_is_run_again_gives_the_same_bytes() {
    for format in FORMATS {
        let scene = played(format);
        assert!(scene.incidents.borrow().len() > 100);
        for Incident { name, transcript } in scene.incidents.borrow().iter() {
            assert_eq!(transcript.replay(scene.server()), Ok(Replayed::Same), "{name}: {transcript:?}");
            let text = transcript.to_json();
            let read = Transcript::from_json(text.expose()).unwrap();
            assert!(read == *transcript, "{name}");
            assert_eq!(read.replay(scene.server()), Ok(Replayed::Same), "{name}");
        }
    }
}
